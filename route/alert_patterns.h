/*
 * alert_patterns.h - messages of one kind: "Connection to 10.0.0.1 refused" and
 * "Connection to 10.0.0.2 refused" are one pattern.
 *
 * Drain: what is surely a parameter (an address, a number, a time, something
 * in quotes …) is masked; the message is cut into tokens; those of as many
 * tokens that begin alike are compared, and one that is like a pattern in at
 * least 40 % of its tokens is of that pattern, which from then on takes
 * anything where they differ. A pattern has an id from the time it was made;
 * it stays when the pattern becomes more general.
 *
 * Bounds: 40 tokens of a message, 100 patterns that begin alike, 1024 of a
 * group (a key of the rule), 8192 in all; the one not seen for the longest
 * time makes room. One thread.
 */
#ifndef LB_ALERT_PATTERNS_H
#define LB_ALERT_PATTERNS_H

#include "alert_book.h"

enum {
    LB_ALERT_PATTERN_TOKENS = 40,
    LB_ALERT_PATTERN_BYTES = 512, /* of a masked message; the rest of it is not looked at */
    LB_ALERT_PATTERNS_ALIKE = 100,
    LB_ALERT_PATTERNS_GROUP = 1024,
    LB_ALERT_PATTERNS_MAX = 8192,
};

struct lb_alert_patterns {
    struct lb_alert_book clusters; /* by id */
    struct lb_alert_book leaves;   /* by group, token count and first token: the patterns there */
    struct lb_alert_book nodes;    /* by group and token count: how many leaves */
    struct lb_alert_book groups;
};

struct lb_alert_pattern {
    uint64_t id;
    bool fresh; /* it was made by this message */
    size_t length;
    char text[LB_ALERT_PATTERN_BYTES]; /* the message, masked */
};

void lb_alert_patterns_init(struct lb_alert_patterns *patterns);
void lb_alert_patterns_free(struct lb_alert_patterns *patterns);

/* Of which pattern a message of a group is. False: no memory, or nothing in it. */
bool lb_alert_patterns_see(struct lb_alert_patterns *patterns, uint64_t group, struct lb_str message,
                           struct lb_alert_pattern *pattern);

uint64_t lb_alert_patterns_forgotten(const struct lb_alert_patterns *patterns);

void lb_alert_patterns_write(const struct lb_alert_patterns *patterns, struct lb_buffer *out);

/* Into an empty one. False: not readable. */
bool lb_alert_patterns_restore(struct lb_alert_patterns *patterns, struct lb_str *bytes);

/* alert_mask.c: writes the message with its parameters masked, in single blanks; returns its length. */
size_t lb_alert_mask(struct lb_str message, char *masked, size_t bytes_max);

#endif
