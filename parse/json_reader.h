/*
 * json_reader.h - the pieces of the JSON reader, shared by parse/json*.c.
 *
 * Looking for the end of each string from its beginning would make each wait
 * for the one before. So the reader marks all bytes that end or break a
 * string in a window of the text at once, and the end of a string is one
 * shift and one count away.
 *
 * Functions take where they stand and return where they stand then, or NULL
 * with the fault noted.
 */
#ifndef JSON_READER_H
#define JSON_READER_H

#include "lb_json.h"

enum { JSON_WINDOW = 2048, JSON_WINDOW_FIRST = 256, JSON_WORDS = JSON_WINDOW / 64 };

struct json_reader {
    const char *end;        /* of the text */
    const char *window;     /* bit i % 64 of marks[i / 64] is window[i] */
    const char *window_end; /* marks are good up to here: not at all where some byte is not ASCII */
    const char *seen;       /* behind the window */
    unsigned depth;
    uint8_t bad_utf8;   /* LB_VALUE_BAD_UTF8 once a string had it; of the nested value that is being read */
    const char *reason; /* on a fault: what was expected, a literal */
    const char *reason_at;
    uint64_t marks[JSON_WORDS + 1]; /* and behind them a word of ones, where every search ends */
};

/* `ahead`: how many bytes are marked at once, at most JSON_WINDOW: fewer where only one item is read. */
void json_reader_init(struct json_reader *self, struct lb_str text, size_t ahead);

/* The first mark at or behind `at`, which is in the window; the end of the window if there is none. */
const char *json_far_stop(const struct json_reader *self, const char *at);

/* `start` is behind the opening quote; the result behind the closing one. Any string. */
const char *json_read_any_string(struct json_reader *self, const char *start, struct lb_value *value);

/* `at` is on the first byte of any value. */
const char *json_read_value(struct json_reader *self, const char *at, struct lb_value *value);

/* `at` is on the quote that opens a member's key. */
const char *json_read_member(struct json_reader *self, const char *at, struct lb_field *member);

/* Length of the escape sequence at `at`, which is a backslash; 0 if it is none. */
size_t json_escape_length(const char *at, const char *end);

static inline const char *json_refuse(struct json_reader *self, const char *at, const char *reason)
{
    self->reason = reason;
    self->reason_at = at;
    return NULL;
}

static inline const char *json_skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* The usual string: it ends in the window, without escapes, and all there is ASCII. */
static inline __attribute__((always_inline)) const char *json_read_string(struct json_reader *self, const char *at,
                                                                          struct lb_value *value)
{
    if (at < self->window_end) {
        size_t offset = (size_t)(at - self->window);
        const uint64_t *mark = &self->marks[offset / 64];
        /* The 64 bits from `at` on, taken from two words: no branch on where a string happens to lie. */
        uint64_t stops = mark[0] >> (offset % 64) | mark[1] << 1 << (63 - offset % 64);
        const char *stop = at + 64;

        if (stops != 0)
            stop = at + (unsigned)__builtin_ctzll(stops);
        else if (stop < self->window_end)
            stop = json_far_stop(self, stop);
        if (stop < self->window_end && *stop == '"') {
            *value = (struct lb_value){ at, (uint32_t)(stop - at), LB_VALUE_CLEAN, 0 };
            return stop + 1;
        }
    }
    return json_read_any_string(self, at, value);
}

/* Do these two bytes stand at `at`? */
static inline bool json_at_pair(const char *at, const char *end, const char *pair)
{
    return end - at >= 2 && memcmp(at, pair, 2) == 0;
}

#endif
