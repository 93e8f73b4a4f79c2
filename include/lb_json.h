/*
 * lb_json.h - JSON (RFC 8259) without a tree.
 *
 * Reading notes where members stand; nothing is copied or converted. What it
 * accepts is valid: nested values are checked to their end, so copying their
 * bytes into a JSON document keeps that valid. Invalid UTF-8 inside strings
 * is accepted and marked. No call allocates.
 */
#ifndef LB_JSON_H
#define LB_JSON_H

#include "lb_buffer.h"
#include "lb_err.h"
#include "lb_record.h"

/*
 * The first keys of the last object that was read, as they were written: lines of one logger have the same keys in the
 * same order, and a key that is expected is compared instead of read. Zeroed at first; one thread.
 */
enum { LB_JSON_SHAPE_KEYS = 24, LB_JSON_SHAPE_TEXT = 16 };
struct lb_json_shape {
    char texts[LB_JSON_SHAPE_KEYS][LB_JSON_SHAPE_TEXT]; /* `"key":` */
    uint8_t lengths[LB_JSON_SHAPE_KEYS];                /* 0: another key than last time, or too long */
    uint8_t notes[LB_JSON_SHAPE_KEYS];                  /* the caller's; 0 again where the key is another */
};

struct lb_json_object {
    struct lb_json_shape *shape; /* optional: what to expect, and for the next one what was there */
    struct lb_field *fields;     /* the caller's, `field_max` of them */
    uint32_t field_max;
    uint32_t field_count;
    struct lb_str rest; /* members that did not fit, checked too */
    size_t end;         /* behind the closing brace */
    const char *reason; /* on LB_BAD_INPUT: what was expected, a literal */
    size_t reason_at;
};

/* `text` begins with an object, after blanks; what follows it (object->end) is the caller's to judge. */
enum lb_err lb_json_read_object(struct lb_str text, struct lb_json_object *object) LB_MUST_USE;

/* One whole document and nothing else. */
bool lb_json_valid(struct lb_str text);

/* The next element of an array's text: starts with *at = 1, LB_END behind the last one. */
enum lb_err lb_json_next_element(struct lb_str array, size_t *at, struct lb_value *element) LB_MUST_USE;

/* The next member of an object's text: starts with *at = 1. Of members without braces (a record's rest): with 0. */
enum lb_err lb_json_next_member(struct lb_str members, size_t *at, struct lb_field *member) LB_MUST_USE;

/*
 * Unescapes the inside of a string. `out` has room for text.len bytes and may be text.ptr itself. Lone surrogates
 * become U+FFFD. Returns the length.
 */
size_t lb_json_unescape(struct lb_str text, char *out);

/* Appends bytes as the inside of a JSON string: escapes what must be, U+FFFD for invalid UTF-8. */
void lb_json_escape(struct lb_buffer *out, struct lb_str bytes);

/* Appends a value as JSON: strings with quotes, others as they are; NONE as null. */
void lb_json_write_value(struct lb_buffer *out, struct lb_value value);

/* Length of the valid UTF-8 at the front; text.len if all of it is. */
size_t lb_utf8_valid(struct lb_str text);

#endif
