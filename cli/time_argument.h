/* time_argument.h - times and durations as people type them. Without a zone a time is in that of TZ. */
#ifndef TIME_ARGUMENT_H
#define TIME_ARGUMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * RFC 3339, "2026-01-31", "2026-01-31 12:30[:00]", "12:30[:00]" of today, now, today, yesterday, "90m" and "90m ago",
 * or seconds since 1970 as @1767225600.
 */
bool time_argument(const char *text, int64_t now_ns, int64_t *time_ns);

/* 1h30m: numbers with ms s m h d w. Positive. */
bool duration_argument(const char *text, int64_t *duration_ns);

#define TIME_ARGUMENT_FORMS "try \"2026-01-31 12:30\", 12:30, 2h, today, or RFC 3339"

#endif
