/*
 * zoned.h - times of formats that do not write their zone, and the option
 * that says it.
 */
#ifndef ZONED_H
#define ZONED_H

#include "time_parts.h"
#include "time_zone.h"

#include "lb_parser.h"

#include <stddef.h>

/* First in the state of each parser that has the option. Zeroes are good as they are: UTC. */
struct zoned {
    struct lb_str timezone;
    struct lb_arena arena;
    struct time_zone zone;
};

extern const struct lb_option zoned_options[];

#define ZONED_OPTION                                                                                                   \
    {                                                                                                                  \
        .name = "timezone", .kind = LB_OPTION_STRING, .offset = offsetof(struct zoned, timezone),                      \
        .help = "the zone of times that carry none: an IANA name or +02:00; UTC unless told otherwise"                 \
    }

enum lb_err zoned_open(struct lb_parser *parser, struct lb_diag *diag);
void zoned_close(struct lb_parser *parser);

/* A civil time that was read as if it were UTC. */
bool zoned_to_utc(const struct zoned *self, int64_t *time_ns);

/* Any usual form of time. */
bool zoned_time(const struct zoned *self, struct lb_str text, int64_t now_ns, int64_t *time_ns);

/* Parts that the parser has read itself; a missing year follows from now. */
bool zoned_parts(const struct zoned *self, const struct time_parts *parts, int64_t now_ns, int64_t *time_ns);

#endif
