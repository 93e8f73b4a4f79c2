/*
 * docker_line.c - {"log":"text\n","stream":"stdout","time":"…"}
 *
 * Nearly every line has exactly this shape and is read in one pass: `log` is
 * unescaped into a small buffer that stays in the nearest cache, the rest is
 * compared with what must stand there, and only when all of it is right does
 * the text go back into its place. So a line that is not right is untouched
 * and goes the long way: any JSON object with a `log`.
 */
#include "docker_line.h"

#include "json_reader.h"
#include "json_unescape.h"
#include "lb_json.h"
#include "lb_time.h"

/* Docker cuts parts at 16 KiB. Members beyond those that Docker writes are few. */
enum { DECODE_BYTES = 20 * 1024, MEMBERS_MAX = 32 };

/* "….123456789Z" in nanoseconds; false where it is anything else. */
static bool read_fraction(const char *at, const char *end, int64_t *nanos)
{
    int64_t number = 0;
    int digits = 0;

    if (at < end && *at == '.') {
        for (at++; at < end && (unsigned char)(*at - '0') < 10 && digits < 9; at++, digits++)
            number = number * 10 + (*at - '0');
        if (digits == 0)
            return false;
    }
    for (; digits < 9; digits++)
        number *= 10;
    *nanos = number;
    return end - at == 1 && *at == 'Z';
}

static bool read_time(struct docker_clock *clock, struct lb_str text, int64_t *time_ns)
{
    int64_t nanos;

    if (text.len < 20 || !read_fraction(text.ptr + 19, text.ptr + text.len, &nanos))
        return lb_time_rfc3339(text, time_ns);
    if (clock->set && memcmp(clock->text, text.ptr, sizeof(clock->text)) == 0) {
        *time_ns = clock->second_ns + nanos;
        return true;
    }
    if (!lb_time_rfc3339(text, time_ns))
        return false;
    memcpy(clock->text, text.ptr, sizeof(clock->text));
    clock->second_ns = *time_ns - nanos;
    clock->set = true;
    return true;
}

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
static bool read_tail(const char *at, const char *end, struct docker_clock *clock, struct docker_line *out)
{
    static const char stream[] = ",\"stream\":\"std";
    static const char time[] = "\",\"time\":\"";
    enum { STREAM = sizeof(stream) - 1, TIME = sizeof(time) - 1, NAME = 6 };

    if (end - at < STREAM + 3 + TIME + 2 || memcmp(at, stream, STREAM) != 0 || memcmp(end - 2, "\"}", 2) != 0)
        return false;
    at += STREAM;
    if ((memcmp(at, "out", 3) != 0 && memcmp(at, "err", 3) != 0) || memcmp(at + 3, time, TIME) != 0)
        return false;
    out->stream = (struct lb_value){ at - 3, NAME, LB_VALUE_CLEAN, 0 };
    at += 3 + TIME;
    out->timed = true;
    return read_time(clock, (struct lb_str){ at, (size_t)(end - 2 - at) }, &out->time_ns);
}

/* Exactly Docker's own shape. `out` is written only on success, but for its slices. */
static bool read_exact(char *line, size_t len, struct docker_clock *clock, struct docker_line *out)
{
    static const char head[] = "{\"log\":\"";
    enum { HEAD = sizeof(head) - 1 };
    char text[DECODE_BYTES + JSON_DECODE_SLACK];
    struct json_decoded decoded;

    if (len < HEAD || len > DECODE_BYTES || memcmp(line, head, HEAD) != 0)
        return false;
    if (!json_decode_string((struct lb_str){ line + HEAD, len - HEAD }, text, &decoded) ||
        !read_tail(line + HEAD + decoded.used, line + len, clock, out))
        return false;
    memcpy(line + HEAD, text, decoded.len);
    out->log = (struct lb_value){ line + HEAD, (uint32_t)decoded.len, LB_VALUE_TEXT, 0 };
    uint32_t stripped = strip_newline(&out->log);
    out->whole = stripped > 0;
    if (decoded.escapes == stripped &&
        (!decoded.high || lb_utf8_valid((struct lb_str){ out->log.ptr, out->log.len }) == out->log.len))
        out->log.kind = LB_VALUE_CLEAN;
    return true;
}

/* Takes log, stream and time out of the members. False: one of them is not what Docker writes. */
static bool take_members(struct lb_field *fields, uint32_t count, struct docker_clock *clock, struct docker_line *out)
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
        else if (lb_value_is_string(field->value) && read_time(clock, text, &out->time_ns))
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

static bool read_object(const char *line, size_t len, struct docker_clock *clock, struct lb_arena *arena,
                        struct docker_line *out)
{
    struct lb_field fields[MEMBERS_MAX];
    struct lb_json_object object = { .fields = fields, .field_max = MEMBERS_MAX };

    if (lb_json_read_object((struct lb_str){ line, len }, &object) != LB_OK)
        return refuse(out, object.reason);
    if (json_skip_blanks(line + object.end, line + len) != line + len)
        return refuse(out, "expected nothing behind the object");
    if (!take_members(fields, object.field_count, clock, out))
        return refuse(out, "expected log, stream and time as Docker writes them");
    /* Some drivers write `log` alone; who says where a line came from says when, too. */
    if (out->log.kind == LB_VALUE_NONE || (out->stream.kind != LB_VALUE_NONE) != out->timed)
        return refuse(out, "expected log, stream and time as Docker writes them");
    if (!keep_others(fields, object.field_count, arena, out))
        return refuse(out, "expected less in one batch");
    out->rest = object.rest;
    return true;
}

bool docker_read_line(char *line, size_t len, struct docker_clock *clock, struct lb_arena *arena,
                      struct docker_line *out)
{
    *out = (struct docker_line){ .fields = NULL };
    if (read_exact(line, len, clock, out))
        return true;
    *out = (struct docker_line){ .fields = NULL };
    if (!read_object(line, len, clock, arena, out))
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
