/* http_request.c - requests are put together from records, and taken apart into them. */
#include "http_request.h"

#include "lb_alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

struct http_request *http_request_new(enum http_framing framing, size_t body_max)
{
    enum { URL_BYTES_MAX = 8192 };
    struct http_request *request = lb_alloc(sizeof(*request));

    if (request == NULL)
        return NULL;
    request->framing = framing;
    lb_buffer_init(&request->body, body_max < UINT32_MAX ? body_max : UINT32_MAX);
    lb_buffer_init(&request->original, UINT32_MAX);
    lb_buffer_init(&request->url, URL_BYTES_MAX);
    return request;
}

void http_request_free(struct http_request *request)
{
    lb_buffer_free(&request->body);
    lb_buffer_free(&request->original);
    lb_buffer_free(&request->url);
    lb_free(request->items);
    lb_free(request);
}

size_t http_request_memory(const struct http_request *request)
{
    size_t buffers = request->body.capacity + request->original.capacity + request->url.capacity;

    return sizeof(*request) + buffers + request->capacity * sizeof(struct http_item);
}

static bool reserve_item(struct http_request *request)
{
    if (request->count < request->capacity)
        return true;
    uint32_t capacity = request->capacity > 0 ? request->capacity * 2 : 1;
    struct http_item *items = lb_realloc(request->items, capacity * sizeof(*items));
    if (items == NULL)
        return false;
    request->items = items;
    request->capacity = capacity;
    return true;
}

void http_request_begin(struct http_request *request, uint32_t *start)
{
    *start = (uint32_t)request->body.len;
    if (request->framing == HTTP_ARRAY)
        lb_buffer_append_char(&request->body, request->count == 0 ? '[' : ',');
}

bool http_request_end(struct http_request *request, uint32_t start, const char *id, struct lb_token *token)
{
    struct lb_buffer *body = &request->body;
    uint32_t offset = start + (request->framing == HTTP_ARRAY);

    if (body->len > offset && body->ptr[body->len - 1] == '\n')
        body->len--;
    /* Room for what seals it: that must not fail. */
    if (!body->failed)
        lb_buffer_reserve(body, 1);
    if (body->failed || !reserve_item(request)) {
        body->failed = false;
        body->len = start;
        return false;
    }
    struct http_item *item = &request->items[request->count++];
    *item = (struct http_item){ .offset = offset, .length = (uint32_t)body->len - offset, .token = token };
    snprintf(item->id, sizeof(item->id), "%s", id);
    if (request->framing == HTTP_LINES)
        lb_buffer_append_char(body, '\n');
    if (token != NULL)
        lb_token_hold(token, 1);
    return true;
}

/* The first record's id alone is not enough: after a restart other records may stand behind it. */
void http_request_seal(struct http_request *request)
{
    XXH64_hash_t hash = 0;
    int len = snprintf(request->id, sizeof(request->id), "lb_%s", request->items[0].id);

    if (request->framing == HTTP_ARRAY)
        lb_buffer_append_char(&request->body, ']');
    assert(!request->body.failed);
    for (uint32_t i = 0; request->count > 1 && i < request->count; i++)
        hash = XXH3_64bits_withSeed(request->items[i].id, strlen(request->items[i].id), hash);
    if (request->count > 1)
        snprintf(request->id + len, sizeof(request->id) - (size_t)len, "_%016" PRIx64, hash);
}

struct lb_str http_request_record(const struct http_request *request, uint32_t i)
{
    if (request->original.len > 0)
        return lb_buffer_str(&request->original);
    return (struct lb_str){ request->body.ptr + request->items[i].offset, request->items[i].length };
}

/* Moves an item and its bytes to the end of what is kept; both only ever move down. */
static void keep_item(struct http_request *request, uint32_t i)
{
    struct http_item item = request->items[i];
    char *body = request->body.ptr;
    size_t len = request->body.len;

    if (request->framing == HTTP_ARRAY)
        body[len++] = request->count == 0 ? '[' : ',';
    memmove(body + len, body + item.offset, item.length);
    item.offset = (uint32_t)len;
    len += item.length;
    if (request->framing == HTTP_LINES)
        body[len++] = '\n';
    request->items[request->count++] = item;
    request->body.len = len;
}

void http_request_keep(struct http_request *request, const bool *keep)
{
    uint32_t count = request->count;

    request->count = 0;
    request->body.len = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (keep[i])
            keep_item(request, i);
    }
    assert(request->count > 0);
    http_request_seal(request);
}

/* Without holding tokens again: they go over. */
static bool copy_item(struct http_request *to, const struct http_request *from, uint32_t i)
{
    uint32_t start;

    http_request_begin(to, &start);
    lb_buffer_append_str(&to->body, http_request_record(from, i));
    if (!http_request_end(to, start, from->items[i].id, NULL))
        return false;
    to->items[to->count - 1].token = from->items[i].token;
    to->items[to->count - 1].alert = from->items[i].alert;
    return true;
}

struct http_request *http_request_split(struct http_request *request)
{
    uint32_t half = request->count / 2;

    if (half == 0)
        return NULL;
    struct http_request *upper = http_request_new(request->framing, request->body.bytes_max);
    if (upper == NULL)
        return NULL;
    for (uint32_t i = half; i < request->count; i++) {
        if (!copy_item(upper, request, i)) {
            http_request_free(upper);
            return NULL;
        }
    }
    http_request_seal(upper);
    request->count = half;
    request->body.len = request->items[half - 1].offset + request->items[half - 1].length;
    if (request->framing == HTTP_LINES)
        request->body.len++; /* over the newline that is there */
    http_request_seal(request);
    return upper;
}
