/*
 * time_zone.h - civil time of a place to UTC: fixed offsets and the zones of the system's tz database.
 *
 * A zone is read once, when a format is compiled, and then only looked up: no environment variable, no lock, no libc
 * state. It holds every change of the offset up to 2100.
 */
#ifndef TIME_ZONE_H
#define TIME_ZONE_H

#include "lb_arena.h"
#include "lb_err.h"

enum { TIME_ZONE_CHANGES_MAX = 2048 };

struct time_zone_change {
    int64_t at;     /* Unix seconds from which `offset` holds */
    int32_t offset; /* seconds east of UTC */
};

struct time_zone {
    int32_t first_offset; /* before all changes */
    uint32_t count;
    struct time_zone_change *changes; /* rising */
};

/*
 * `name` is an IANA name, `+02:00` or empty for UTC. LB_BAD_CONF: no such zone; LB_IO: it cannot be read;
 * LB_BAD_INPUT: the file is not a zone; LB_NOMEM. `reason` is what is wrong, for a person.
 */
enum lb_err time_zone_open(struct time_zone *zone, struct lb_arena *arena, struct lb_str name,
                           const char **reason) LB_MUST_USE;

/* Civil seconds to Unix seconds. Of a time that occurs twice the first; one that is skipped moves forward. */
int64_t time_zone_to_utc(const struct time_zone *zone, int64_t civil);

/* Seconds east of UTC at a Unix second. */
int32_t time_zone_offset(const struct time_zone *zone, int64_t second);

#endif
