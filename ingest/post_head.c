/*
 * post_head.c - a request line, headers, and chunks.
 *
 * The tricky thing is that a body's end must be the same for us as for whatever stands in front of us, or the rest of
 * one request is the begin of another: so lengths are digits alone, and both ways at once to tell one are refused.
 */
#include "post_head.h"

#include <strings.h>

enum { SIZE_DIGITS_MAX = 15, CHUNK_DIGITS_MAX = 8, CHUNK_EXTRA_MAX = 8 * 1024 };

static enum lb_err refuse(struct post_head *head, const char *reason)
{
    head->reason = reason;
    return LB_BAD_INPUT;
}

static bool is_same(struct lb_str text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

static bool is_token(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return text.len > 0;
}

static struct lb_str trimmed(struct lb_str text)
{
    while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '\t'))
        text = (struct lb_str){ text.ptr + 1, text.len - 1 };
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Up to `mark`, or all; `rest` begins behind it. */
static struct lb_str cut(struct lb_str *rest, char mark)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, mark, rest->len) : NULL;
    struct lb_str part = { rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len };
    size_t used = part.len + (end != NULL);

    *rest = (struct lb_str){ rest->ptr + used, rest->len - used };
    return part;
}

/* --- headers ------------------------------------------------------------------------ */

static enum lb_err read_size(struct lb_str value, struct post_head *head)
{
    uint64_t size = 0;

    if (value.len == 0 || value.len > SIZE_DIGITS_MAX || head->sized)
        return refuse(head, "Content-Length is no number, or is there twice");
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return refuse(head, "Content-Length is no number, or is there twice");
        size = size * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    head->sized = true;
    head->size = size;
    return LB_OK;
}

static enum post_coding coding_of(struct lb_str value)
{
    if (is_same(value, "identity") || value.len == 0)
        return POST_PLAIN;
    if (is_same(value, "gzip") || is_same(value, "x-gzip") || is_same(value, "deflate"))
        return POST_ZLIB;
    return is_same(value, "zstd") ? POST_ZSTD : POST_UNKNOWN;
}

static enum post_media media_of(struct lb_str value)
{
    static const char *const json[] = { "application/json",  "application/x-ndjson",    "application/ndjson",
                                        "application/jsonl", "application/x-jsonlines", "text/json" };
    struct lb_str type = trimmed(cut(&value, ';'));

    for (size_t i = 0; i < sizeof(json) / sizeof(json[0]); i++) {
        if (is_same(type, json[i]))
            return POST_JSON;
    }
    if (is_same(type, "text/plain"))
        return POST_TEXT;
    /* What curl -d says of any data, and what says nothing. */
    if (type.len == 0 || is_same(type, "application/x-www-form-urlencoded") ||
        is_same(type, "application/octet-stream"))
        return POST_ANY;
    return POST_NEITHER;
}

static void read_connection(struct lb_str value, struct post_head *head)
{
    while (value.len > 0) {
        struct lb_str word = trimmed(cut(&value, ','));

        if (is_same(word, "close"))
            head->keep_alive = false;
        else if (is_same(word, "keep-alive"))
            head->keep_alive = true;
    }
}

static enum lb_err read_header(struct lb_str line, struct post_head *head)
{
    struct lb_str name = cut(&line, ':');
    struct lb_str value = trimmed(line);

    if (!is_token(name) || line.ptr[-1] != ':')
        return refuse(head, "a header is no name, colon and value");
    if (is_same(name, "Content-Length"))
        return read_size(value, head);
    if (is_same(name, "Transfer-Encoding")) {
        if (head->chunked || !is_same(value, "chunked"))
            return refuse(head, "Transfer-Encoding is other than chunked");
        head->chunked = true;
    } else if (is_same(name, "Content-Encoding")) {
        head->coding = coding_of(value);
    } else if (is_same(name, "Content-Type")) {
        head->media = media_of(value);
    } else if (is_same(name, "Authorization")) {
        head->authorization = value;
    } else if (is_same(name, "Connection")) {
        read_connection(value, head);
    } else if (is_same(name, "Expect")) {
        head->expects = is_same(value, "100-continue");
    }
    return LB_OK;
}

static enum lb_err read_request(struct lb_str line, struct post_head *head)
{
    head->method = cut(&line, ' ');
    struct lb_str target = cut(&line, ' ');

    if (!is_token(head->method) || target.len == 0)
        return refuse(head, "the first line is no method, path and version");
    if (lb_str_is(line, "HTTP/1.1"))
        head->keep_alive = true;
    else if (!lb_str_is(line, "HTTP/1.0"))
        return refuse(head, "the version is neither HTTP/1.1 nor HTTP/1.0");
    head->path = cut(&target, '?');
    return LB_OK;
}

/* A line up to its CR and LF. False: a lone CR, LF or NUL. */
static bool next_line(struct lb_str *rest, struct lb_str *line)
{
    *line = cut(rest, '\n');
    if (line->len == 0 || line->ptr[line->len - 1] != '\r')
        return false;
    line->len--;
    return line->len == 0 || (memchr(line->ptr, '\r', line->len) == NULL && memchr(line->ptr, '\0', line->len) == NULL);
}

enum lb_err post_head_read(struct lb_str bytes, struct post_head *head)
{
    size_t seen = bytes.len < POST_HEAD_BYTES_MAX ? bytes.len : POST_HEAD_BYTES_MAX;
    const char *end = seen > 0 ? memmem(bytes.ptr, seen, "\r\n\r\n", 4) : NULL;
    uint32_t headers = 0;
    struct lb_str line;
    enum lb_err err;

    *head = (struct post_head){ .reason = NULL };
    if (end == NULL) {
        head->reason = "the head of the request is over 16 KiB";
        return seen == POST_HEAD_BYTES_MAX ? LB_LIMIT : LB_AGAIN;
    }
    head->length = (size_t)(end - bytes.ptr) + 4;
    struct lb_str rest = { bytes.ptr, head->length - 2 };
    err = next_line(&rest, &line) ? read_request(line, head) : refuse(head, "a line does not end with CR and LF");
    while (err == LB_OK && rest.len > 0) {
        if (++headers > POST_HEADERS_MAX) {
            head->reason = "there are more than 100 headers";
            return LB_LIMIT;
        }
        err = next_line(&rest, &line) ? read_header(line, head) : refuse(head, "a line does not end with CR and LF");
    }
    if (err == LB_OK && head->chunked && head->sized)
        return refuse(head, "both Content-Length and Transfer-Encoding are there");
    return err;
}

/* --- chunks ------------------------------------------------------------------------- */

enum place { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LINE, TRAILER_LF, LAST_LF, ENDED };

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_digit(struct post_chunks *self, char c)
{
    int digit = hex_of(c);

    if (digit >= 0 && self->digits < CHUNK_DIGITS_MAX) {
        self->left = self->left * 16 + (uint64_t)digit;
        self->digits++;
        return true;
    }
    self->place = c == '\r' ? SIZE_LF : EXTENSION;
    return self->digits > 0 && digit < 0 && (c == '\r' || c == ';' || c == ' ' || c == '\t');
}

static bool pass_over(struct post_chunks *self, char c, enum place next)
{
    if (c == '\r')
        self->place = (uint8_t)next;
    return c != '\n' && ++self->extra <= CHUNK_EXTRA_MAX;
}

static bool expect(struct post_chunks *self, char c, char wanted, enum place next)
{
    self->place = (uint8_t)next;
    return c == wanted;
}

/* One byte that is no data. False: it has no place there. */
static bool step(struct post_chunks *self, char c)
{
    switch (self->place) {
    case SIZE: return read_digit(self, c);
    case EXTENSION: return pass_over(self, c, SIZE_LF);
    case SIZE_LF: return expect(self, c, '\n', self->left > 0 ? DATA : TRAILER);
    case DATA_CR: return expect(self, c, '\r', DATA_LF);
    case DATA_LF: self->digits = 0; return expect(self, c, '\n', SIZE);
    case TRAILER:
        if (c == '\r')
            return expect(self, c, '\r', LAST_LF);
        self->place = TRAILER_LINE;
        return pass_over(self, c, TRAILER_LF);
    case TRAILER_LINE: return pass_over(self, c, TRAILER_LF);
    case TRAILER_LF: return expect(self, c, '\n', TRAILER);
    default: return expect(self, c, '\n', ENDED);
    }
}

enum lb_err post_chunks_read(struct post_chunks *self, struct lb_str bytes, size_t *at, struct lb_str *piece)
{
    while (self->place != ENDED) {
        if (*at == bytes.len)
            return LB_AGAIN;
        if (self->place == DATA) {
            size_t here = bytes.len - *at < self->left ? bytes.len - *at : (size_t)self->left;

            *piece = (struct lb_str){ bytes.ptr + *at, here };
            *at += here;
            self->left -= here;
            if (self->left == 0)
                self->place = DATA_CR;
            return LB_OK;
        }
        if (!step(self, bytes.ptr[(*at)++]))
            return LB_BAD_INPUT;
    }
    return LB_END;
}
