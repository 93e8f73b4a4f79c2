/*
 * docker_line.c - {"log":"text\n","stream":"stdout","time":"…"}
 *
 * Nearly every line has exactly this shape and is read in one pass, and all
 * that is kept of it is its text. So the text moves down: unescaped straight
 * into the space that the lines before it left, and only counted as there
 * when the rest of the line is right too. A line that is not is still whole
 * and goes the long way: any JSON object with a `log`, unescaped in its place.
 */
#include "docker_line.h"

#include "json_reader.h"
#include "json_unescape.h"
#include "lb_json.h"

#include <assert.h>

/* Docker cuts parts at 16 KiB. Members beyond those that Docker writes are few. */
enum { DECODE_BYTES = 20 * 1024, MEMBERS_MAX = 32 };

/* Takes the newline off; a terminal's carriage return before it too. Returns how many bytes went. */
static uint32_t strip_newline(struct lb_value *log)
{
    uint32_t before = log->len;

    if (before > 0 && log->ptr[before - 1] == '\n')
        log->len--;
    if (log->len < before && log->len > 0 && log->ptr[log->len - 1] == '\r')
        log->len--;
    return before - log->len;
}

/* Behind `log`: both names of a stream have six letters. The fixed parts are compared as one. */
static bool read_tail(struct docker_reader *self, const char *at, const char *end, struct docker_line *out)
{
    static const char stream[] = ",\"stream\":\"std";
    static const char time[] = "\",\"time\":\"";
    enum { STREAM = sizeof(stream) - 1, TIME = sizeof(time) - 1 };

    if (end - at < STREAM + 3 + TIME + 2 || memcmp(at, stream, STREAM) != 0 || memcmp(end - 2, "\"}", 2) != 0)
        return false;
    at += STREAM;
    if (memcmp(at + 3, time, TIME) != 0)
        return false;
    if (memcmp(at, "out", 3) == 0)
        out->stream = lb_value_of(LB_STR("stdout"), LB_VALUE_CLEAN);
    else if (memcmp(at, "err", 3) == 0)
        out->stream = lb_value_of(LB_STR("stderr"), LB_VALUE_CLEAN);
    else
        return false;
    at += 3 + TIME;
    out->timed = lb_time_rfc3339_cached(&self->second, (struct lb_str){ at, (size_t)(end - 2 - at) }, &out->time_ns);
    return out->timed;
}

/* `text` holds the string; its bytes stand where they shall stay. */
static void note_log(char *text, const struct json_decoded *decoded, struct docker_line *out)
{
    out->log = (struct lb_value){ text, (uint32_t)decoded->len, LB_VALUE_TEXT, 0 };
    uint32_t stripped = strip_newline(&out->log);
    out->whole = stripped > 0;
    /* Each escape of one letter makes the text one byte shorter, others more: only the line end was escaped. */
    if (decoded->used - 1 - decoded->len == stripped &&
        (!decoded->high || lb_utf8_valid((struct lb_str){ out->log.ptr, out->log.len }) == out->log.len))
        out->log.kind = LB_VALUE_CLEAN;
}

enum { HEAD = 8 };

/* Exactly Docker's own shape, where the lines before left room. */
static bool read_exact(struct docker_reader *self, char *line, size_t len, struct docker_line *out)
{
    struct json_decoded decoded;

    if (!json_decode_string((struct lb_str){ line + HEAD, len - HEAD }, self->free, &decoded) ||
        !read_tail(self, line + HEAD + decoded.used, line + len, out))
        return false;
    note_log(self->free, &decoded, out);
    self->free += decoded.len;
    return true;
}

/* The same through a buffer: for the first lines of a batch. */
static bool read_exact_first(struct docker_reader *self, char *line, size_t len, struct docker_line *out)
{
    char text[DECODE_BYTES + JSON_DECODE_SLACK];
    struct json_decoded decoded;

    if (len > DECODE_BYTES || !json_decode_string((struct lb_str){ line + HEAD, len - HEAD }, text, &decoded) ||
        !read_tail(self, line + HEAD + decoded.used, line + len, out))
        return false;
    memcpy(self->free, text, decoded.len);
    note_log(self->free, &decoded, out);
    self->free += decoded.len;
    return true;
}

/* Takes log, stream and time out of the members. False: one of them is not what Docker writes. */
static bool take_members(struct docker_reader *self, struct lb_field *fields, uint32_t count, struct docker_line *out)
{
    for (uint32_t i = 0; i < count; i++) {
        struct lb_field *field = &fields[i];
        struct lb_str key = { field->key.ptr, field->key.len };
        struct lb_str text = { field->value.ptr, field->value.len };

        if (lb_str_is(key, "log"))
            out->log = field->value;
        else if (lb_str_is(key, "stream"))
            out->stream = field->value;
        else if (!lb_str_is(key, "time"))
            continue;
        else if (lb_value_is_string(field->value) && lb_time_rfc3339_cached(&self->second, text, &out->time_ns))
            out->timed = true;
        else
            return false;
        if (!lb_value_is_string(field->value))
            return false;
        field->value.kind = LB_VALUE_NONE;
    }
    return true;
}

static bool keep_others(const struct lb_field *fields, uint32_t count, struct lb_arena *arena, struct docker_line *out)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].value.kind == LB_VALUE_NONE)
            continue;
        if (out->fields == NULL)
            out->fields = lb_arena_alloc(arena, count * sizeof(*fields));
        if (out->fields == NULL)
            return false;
        out->fields[out->field_count++] = fields[i];
    }
    return true;
}

static bool refuse(struct docker_line *out, const char *reason)
{
    out->reason = reason;
    return false;
}

static bool read_object(struct docker_reader *self, const char *line, size_t len, struct docker_line *out)
{
    struct lb_field fields[MEMBERS_MAX];
    struct lb_json_object object = { .fields = fields, .field_max = MEMBERS_MAX };

    if (lb_json_read_object((struct lb_str){ line, len }, &object) != LB_OK)
        return refuse(out, object.reason);
    if (json_skip_blanks(line + object.end, line + len) != line + len)
        return refuse(out, "expected nothing behind the object");
    if (!take_members(self, fields, object.field_count, out))
        return refuse(out, "expected log, stream and time as Docker writes them");
    /* Some drivers write `log` alone; who says where a line came from says when, too. */
    if (out->log.kind == LB_VALUE_NONE || (out->stream.kind != LB_VALUE_NONE) != out->timed)
        return refuse(out, "expected log, stream and time as Docker writes them");
    if (!keep_others(fields, object.field_count, self->arena, out))
        return refuse(out, "expected less in one batch");
    out->rest = object.rest;
    return true;
}

bool docker_read_line(struct docker_reader *self, char *line, size_t len, struct docker_line *out)
{
    static const char head[] = "{\"log\":\"";

    assert(line >= self->free);
    *out = (struct docker_line){ .fields = NULL };
    if (len > HEAD && memcmp(line, head, HEAD) == 0) {
        bool roomy = (size_t)(line - self->free) >= len + JSON_DECODE_SLACK;

        if (roomy ? read_exact(self, line, len, out) : read_exact_first(self, line, len, out))
            return true;
        *out = (struct docker_line){ .fields = NULL };
    }
    self->free = line + len;
    if (!read_object(self, line, len, out))
        return false;
    if (out->log.kind == LB_VALUE_ESCAPED) {
        char *text = line + (out->log.ptr - line);

        out->log.len = (uint32_t)lb_json_unescape((struct lb_str){ text, out->log.len }, text);
        out->log.kind = LB_VALUE_TEXT;
        out->log.flags = 0;
    }
    out->whole = strip_newline(&out->log) > 0;
    return true;
}
