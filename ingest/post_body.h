/*
 * post_body.h - the events in a body: an object, objects one behind the other (NDJSON), an array of objects, or lines.
 *
 * Events are found in place, and what is JSON is checked to its end. A body is read twice: once to see that all of it
 * is right, for a request is taken whole or not at all, and once to take it.
 */
#ifndef POST_BODY_H
#define POST_BODY_H

#include "lb_err.h"
#include "post_head.h"

struct post_body {
    struct lb_str text;
    bool json;
    bool array;
    size_t at;
    uint64_t count;     /* events so far */
    const char *reason; /* on LB_BAD_INPUT, a literal; it stands at `at` */
};

void post_body_open(struct post_body *self, struct lb_str text, enum post_media media);

/* LB_OK: an event, text[*start, *start + *length). LB_END: that was all. LB_BAD_INPUT. */
enum lb_err post_body_next(struct post_body *self, size_t *start, size_t *length) LB_MUST_USE;

#endif
