/*
 * lb_time.h - timestamps, read and written. All results are Unix nanoseconds.
 */
#ifndef LB_TIME_H
#define LB_TIME_H

#include "lb_arena.h"
#include "lb_clock.h"
#include "lb_diag.h"
#include "lb_err.h"
#include "lb_str.h"

#include <stdint.h>

/* RFC 3339 (RFC 5424 section 6.2.3), also with a space for T, a comma fraction, or no zone (then UTC). Whole text. */
bool lb_time_rfc3339(struct lb_str text, int64_t *time_ns);

/* The last second that was read, for a reader of many lines of about one time. Zeroed at first; one thread. */
struct lb_time_second {
    char text[19]; /* "2026-01-31T12:34:56" */
    bool set;
    int64_t second_ns;
};

/* The same as lb_time_rfc3339() in a fraction of the time where the text is UTC (`Z`) and its second was read before.
 */
bool lb_time_rfc3339_cached(struct lb_time_second *second, struct lb_str text, int64_t *time_ns);

/* A number of seconds, milliseconds, microseconds or nanoseconds since 1970, unit by size; with fraction. */
bool lb_time_epoch(struct lb_str text, int64_t *time_ns);

/* RFC 3339 or an epoch or any of the usual forms without a format (syslog's, Apache's, "2006-01-02 15:04:05,000"). */
bool lb_time_guess(struct lb_str text, int64_t now_ns, int64_t *time_ns);

/* "Mmm dd hh:mm:ss" and its dialects at the front of `text`. `*used` bytes were taken. A missing year follows from now.
 * False with *used > 0: a stamp by its form, but no such date or time.
 */
bool lb_time_rfc3164(struct lb_str text, int64_t now_ns, int64_t *time_ns, size_t *used);

/* A compiled strptime pattern with %L (fraction), or one of the words rfc3339, epoch, epoch_ms, epoch_us, epoch_ns,
 * guess. */
struct lb_time_format;

/* `timezone` is an IANA name, `+02:00`, or empty for UTC. NULL with an error at `place`. Lives in `arena`. */
struct lb_time_format *lb_time_format_new(struct lb_arena *arena, struct lb_str format, struct lb_str timezone,
                                          struct lb_place place, struct lb_diag *diag);
bool lb_time_format_parse(const struct lb_time_format *format, struct lb_str text, int64_t now_ns, int64_t *time_ns);

/* "2026-01-31T12:34:56.123456Z": 0, 3, 6 or 9 digits, the fewest that lose nothing. Returns the length, at most 30. */
enum { LB_TIME_TEXT_SIZE = 32 };
size_t lb_time_write(int64_t time_ns, char *out);

/* The same through a cache of the last second, for a formatter that writes many records of about one time. */
struct lb_time_cache {
    int64_t second;
    char text[20]; /* "2026-01-31T12:34:56" */
};
size_t lb_time_write_cached(struct lb_time_cache *cache, int64_t time_ns, char *out);

/* The civil time of a place. Read once, then only looked up: no lock, no state of libc. */
struct lb_time_zone;

/*
 * `name` is an IANA name, `+02:00`, or empty for the zone of TZ (where that is not set, the system's). NULL with an
 * error at `place`. Lives in `arena`.
 */
const struct lb_time_zone *lb_time_zone_new(struct lb_arena *arena, struct lb_str name, struct lb_place place,
                                            struct lb_diag *diag);

/* Civil seconds (as if it were UTC) to Unix seconds: of a time that occurs twice the first; one that is skipped moves
 * forward. And back. */
int64_t lb_time_zone_to_utc(const struct lb_time_zone *zone, int64_t civil);
int64_t lb_time_zone_to_civil(const struct lb_time_zone *zone, int64_t second);

/* Days since 1970-01-01 to a civil date and back (proleptic Gregorian). */
void lb_time_civil(int64_t days, int *year, int *month, int *day);
int64_t lb_time_days(int year, int month, int day);

#endif
