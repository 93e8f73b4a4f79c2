/*
 * json_reader.h - the pieces of the JSON reader, shared by parse/json*.c.
 *
 * Each takes where it stands and where the text ends, and returns where it
 * stands then, or NULL with the fault noted. Positions travel in registers:
 * this is the hottest loop of the program.
 */
#ifndef JSON_READER_H
#define JSON_READER_H

#include "lb_json.h"

/* What was expected, a literal, and where. */
struct json_fault {
    const char *reason;
    const char *at;
};

/* `at` is behind the opening quote; the result behind the closing one. */
const char *json_read_string(const char *at, const char *end, struct lb_value *value, struct json_fault *fault);

/* `at` is on the first byte of any value. */
const char *json_read_value(const char *at, const char *end, struct lb_value *value, struct json_fault *fault);

/* `at` is on the bracket that opens an object or array, all of which is checked. */
const char *json_read_nested(const char *at, const char *end, struct lb_value *value, struct json_fault *fault);

/* `at` is on the quote that opens a member's key. */
const char *json_read_member(const char *at, const char *end, struct lb_field *member, struct json_fault *fault);

/* Length of the escape sequence at `at`, which is a backslash; 0 if it is none. */
size_t json_escape_length(const char *at, const char *end);

static inline const char *json_refuse(struct json_fault *fault, const char *at, const char *reason)
{
    *fault = (struct json_fault){ reason, at };
    return NULL;
}

static inline const char *json_skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

#endif
