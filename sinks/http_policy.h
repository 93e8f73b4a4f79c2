/*
 * http_policy.h - what an answer means for the records of its request.
 *
 * A table of all statuses, made once from defaults and from what the user
 * wrote (`retry.status: {404: retry, 5xx: refuse}`; the longer a key the
 * stronger). The pace says how many requests are in flight: fewer while the
 * receiver fails or gets slow, a single one while the circuit is open.
 */
#ifndef HTTP_POLICY_H
#define HTTP_POLICY_H

#include "lb_module.h"

#include <stdbool.h>
#include <stdint.h>

enum http_action {
    HTTP_ACCEPT, /* the receiver has them */
    HTTP_RETRY,  /* not now */
    HTTP_REFUSE, /* never */
    HTTP_SPLIT,  /* never in this form: halves are tried, a single record is refused */
};

enum { HTTP_STATUS_MAX = 600 };

struct http_policy {
    uint8_t actions[HTTP_STATUS_MAX]; /* enum http_action */
};

/* False: `*fault` is the first entry that is no rule. */
bool http_policy_make(struct http_policy *policy, const struct lb_pairs *rules, const struct lb_pair **fault);
enum http_action http_policy_action(const struct http_policy *policy, long status);

/* --- pace ------------------------------------------------------------------------ */

struct http_pace {
    uint32_t max;
    uint32_t failures_max; /* in a row, then the circuit opens; 0: never */
    double limit;          /* of requests in flight, 1 to max */
    uint32_t failures;     /* in a row */
    bool open;             /* the circuit */
    int64_t probe_at;      /* monotonic: when the next try is due while it is open */
    int64_t latency_ns;    /* smoothed */
    int64_t deviation_ns;
    int64_t lowered_at; /* monotonic; once for what was in flight together */
};

void http_pace_init(struct http_pace *pace, uint32_t max, uint32_t failures_max);
uint32_t http_pace_allowed(const struct http_pace *pace);

/* An answer that counts for the receiver. `started`: of its try. True: the circuit was open and is closed now. */
bool http_pace_success(struct http_pace *pace, int64_t started, int64_t now);

/* A failure that may pass; the next try is due at `next`. True: the circuit has just opened. */
bool http_pace_failure(struct http_pace *pace, int64_t started, int64_t now, int64_t next);

#endif
