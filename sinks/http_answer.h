/*
 * http_answer.h - what stands in an answer besides its status.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "lb_str.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A date of RFC 9110 section 5.6.7 in any of its three forms, as Unix seconds. `now` (Unix seconds) decides the century
 * of a year of two digits.
 */
bool http_date_read(struct lb_str text, int64_t now, int64_t *seconds);

/*
 * The wait that a Retry-After asks for, at most `max_ns`: seconds, or a date. `date` is the answer's own Date (or
 * empty): with it the receiver's clock may be off. 0: none that can be read, or one in the past.
 */
int64_t http_retry_after(struct lb_str value, struct lb_str date, int64_t now_ns, int64_t max_ns);

/* What became of one record, by an answer to several. */
struct http_item_answer {
    long status;
    struct lb_str error; /* JSON of the answer, or empty */
};

/*
 * An answer that says for each record what became of it: an array of objects, alone or as the member items, results or
 * responses of an object; each has a status (or its only member, an object, has one, as bulk APIs write it). True: it
 * is one, for exactly `count` records.
 */
bool http_items_read(struct lb_str body, struct http_item_answer *answers, uint32_t count);

#endif
