/*
 * json_unescape.h - reads and unescapes a string in one pass.
 */
#ifndef JSON_UNESCAPE_H
#define JSON_UNESCAPE_H

#include "lb_str.h"

/* `out` has this much more room than the string is long: blocks are stored whole. */
enum { JSON_DECODE_SLACK = 64 };

struct json_decoded {
    size_t used; /* of the text: behind the closing quote */
    size_t len;  /* of what was written */
    bool high;   /* there are bytes that are not ASCII, as they were: not checked */
};

/*
 * `text` begins behind the opening quote. Everything up to the closing one goes to `out`, which must not overlap it.
 * False where it is not a valid string.
 */
bool json_decode_string(struct lb_str text, char *out, struct json_decoded *decoded);

/* For tests: false keeps to the portable way; true allows the fast one where the machine has it. */
void json_decode_allow_simd(bool allow);

#endif
