/*
 * fill.c - values of a record on its way; see fill.h.
 *
 * Numbers stay the bytes they are. Only what has to be scaled (seconds that become milliseconds) is written anew, in
 * decimal: the digits are moved, nothing is rounded.
 */
#include "fill.h"

#include "cut.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_stream.h"

#include <arpa/inet.h>

enum { SCALED_DIGITS_MAX = 18 };

bool fill_plain_text(struct lb_value message, struct lb_arena *arena, struct lb_str *text)
{
    char *decoded;

    *text = (struct lb_str){ message.ptr, message.len };
    if (message.kind != LB_VALUE_ESCAPED)
        return true;
    decoded = lb_arena_alloc(arena, message.len);
    if (decoded == NULL)
        return false;
    *text = (struct lb_str){ decoded, lb_json_unescape(*text, decoded) };
    return true;
}

enum lb_err fill_open(struct fill *self, const struct lb_record *record, struct lb_parse_context *context)
{
    self->record = *record;
    self->context = context;
    self->full = false;
    self->count = 0;
    return fill_plain_text(record->message, &context->batch->arena, &self->text) ? LB_OK : LB_LIMIT;
}

/* Room also for what the worker adds of the stream, so that the table is not copied again. */
enum lb_err fill_done(struct fill *self, struct lb_record *record)
{
    struct lb_batch *batch = self->context->batch;
    uint32_t total = record->field_count + self->count;
    uint32_t capacity = total + (batch->stream != NULL ? batch->stream->field_count : 0);
    struct lb_field *fields;

    if (self->full || total > LB_RECORD_FIELDS_MAX)
        return LB_LIMIT;
    if (self->count > 0) {
        fields = lb_arena_alloc(&batch->arena, capacity * sizeof(*fields));
        if (fields == NULL)
            return LB_LIMIT;
        if (record->field_count > 0)
            memcpy(fields, record->fields, record->field_count * sizeof(*fields));
        memcpy(fields + record->field_count, self->fields, self->count * sizeof(*fields));
        self->record.fields = fields;
        self->record.field_count = (uint16_t)total;
        self->record.field_capacity = (uint16_t)capacity;
    }
    *record = self->record;
    return LB_OK;
}

enum lb_err fill_refuse(struct fill *self, const char *reason, const char *at)
{
    self->context->reason = reason;
    self->context->reason_at = (uint32_t)(at - self->text.ptr);
    return LB_BAD_INPUT;
}

void fill_value(struct fill *self, struct lb_str key, struct lb_value value)
{
    if (self->count < FILL_FIELDS_MAX)
        self->fields[self->count++] = (struct lb_field){ lb_value_of(key, LB_VALUE_CLEAN), value };
}

void fill_pair(struct fill *self, struct lb_str key, struct lb_value value)
{
    if (self->count < FILL_FIELDS_MAX)
        self->fields[self->count++] = (struct lb_field){ lb_value_text(key), value };
}

static bool is_missing(struct lb_str value)
{
    return value.len == 0 || (value.len == 1 && *value.ptr == '-');
}

void fill_text(struct fill *self, struct lb_str key, struct lb_str value)
{
    if (!is_missing(value))
        fill_value(self, key, lb_value_text(value));
}

struct lb_value fill_as_number(struct lb_str value)
{
    return lb_value_of(value, cut_is_number(value) ? LB_VALUE_NUMBER : LB_VALUE_TEXT);
}

void fill_number(struct fill *self, struct lb_str key, struct lb_str value)
{
    if (!is_missing(value))
        fill_value(self, key, fill_as_number(value));
}

/* "1.5" with 3 is 1500, "0.0505" is 50.5: `digits` without the point, and where it belongs. */
static struct lb_str move_point(const char *digits, size_t count, size_t whole, char *out)
{
    size_t begin = 0;
    size_t len = 0;

    while (begin + 1 < whole && digits[begin] == '0')
        begin++;
    memcpy(out, digits + begin, whole - begin);
    len = whole - begin;
    while (count > whole && digits[count - 1] == '0')
        count--;
    if (count > whole) {
        out[len++] = '.';
        memcpy(out + len, digits + whole, count - whole);
        len += count - whole;
    }
    return (struct lb_str){ out, len };
}

void fill_scaled(struct fill *self, struct lb_str key, struct lb_str text, unsigned exponent)
{
    char digits[SCALED_DIGITS_MAX * 2 + 2];
    size_t count = 0;
    size_t whole;
    char *out;

    if (!cut_is_number(text) || *text.ptr == '-' || text.len > SCALED_DIGITS_MAX)
        return;
    whole = text.len;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.')
            whole = i;
        else if (!cut_is_digit(text.ptr[i]))
            return; /* an exponent */
        else
            digits[count++] = text.ptr[i];
    }
    for (whole += exponent; count < whole; count++)
        digits[count] = '0';
    out = lb_arena_alloc(&self->context->batch->arena, count + 1);
    if (out == NULL) {
        self->full = true;
        return;
    }
    fill_value(self, key, lb_value_of(move_point(digits, count, whole, out), LB_VALUE_NUMBER));
}

static size_t method_length(struct lb_str request)
{
    size_t len = 0;

    while (len < request.len &&
           ((request.ptr[len] >= 'A' && request.ptr[len] <= 'Z') || request.ptr[len] == '_' || request.ptr[len] == '-'))
        len++;
    return len > 0 && len < request.len && request.ptr[len] == ' ' ? len : 0;
}

void fill_request(struct fill *self, struct lb_str request)
{
    size_t method = method_length(request);
    struct lb_str path;
    const char *blank;

    if (method == 0)
        return;
    path = (struct lb_str){ request.ptr + method + 1, request.len - method - 1 };
    blank = memrchr(path.ptr, ' ', path.len);
    fill_text(self, LB_STR("method"), (struct lb_str){ request.ptr, method });
    if (blank != NULL && path.ptr + path.len - blank > 5 && memcmp(blank + 1, "HTTP", 4) == 0) {
        fill_text(self, LB_STR("path"), (struct lb_str){ path.ptr, (size_t)(blank - path.ptr) });
        fill_text(self, LB_STR("protocol"), cut_from(path, (size_t)(blank + 1 - path.ptr)));
    } else {
        fill_text(self, LB_STR("path"), path);
    }
}

static bool is_ipv6(struct lb_str text)
{
    char name[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (text.len >= sizeof(name))
        return false;
    memcpy(name, text.ptr, text.len);
    name[text.len] = '\0';
    return inet_pton(AF_INET6, name, &address) == 1;
}

/* "2001:db8::1" has no port although digits follow its last colon; "2001:db8::1:443" is taken to have one. */
static bool is_port_colon(struct lb_str address, const char *colon)
{
    struct lb_str before = { address.ptr, (size_t)(colon - address.ptr) };

    if (before.len == 0 || memchr(before.ptr, ':', before.len) == NULL || *before.ptr == '[')
        return true;
    return is_ipv6(before) || !is_ipv6(address);
}

void fill_address(struct fill *self, struct lb_str ip_key, struct lb_str port_key, struct lb_str address)
{
    const char *colon = address.len > 0 ? memrchr(address.ptr, ':', address.len) : NULL;
    struct lb_str port = { NULL, 0 };
    struct lb_str ip = address;

    if (colon != NULL && colon + 1 < address.ptr + address.len)
        port = cut_from(address, (size_t)(colon + 1 - address.ptr));
    if (port.len > 0 && cut_count_digits(port) == port.len && is_port_colon(address, colon))
        ip.len = (size_t)(colon - address.ptr);
    else
        port.len = 0;
    if (ip.len > 2 && *ip.ptr == '[' && ip.ptr[ip.len - 1] == ']')
        ip = (struct lb_str){ ip.ptr + 1, ip.len - 2 };
    fill_text(self, ip_key, ip);
    if (port.len > 0)
        fill_number(self, port_key, port);
}
