/*
 * lb_report.h - what was in a day or a week, for people: errors by service,
 * new kinds of messages, alerts, what is slow.
 *
 * Records are counted as they come, in tables that are bounded: a service or
 * route that finds no room is counted as "others". The counts of the period
 * before stay for comparison. All of it can be written as bytes and read back.
 */
#ifndef LB_REPORT_H
#define LB_REPORT_H

#include "lb_buffer.h"
#include "lb_record.h"

enum {
    LB_REPORTS_MAX = 8,
    LB_REPORT_NAME_BYTES = 64,
    LB_REPORT_SERVICES_MAX = 512,
    LB_REPORT_SLOW_MAX = 512, /* (service, route) */
    LB_REPORT_NEW_MAX = 64,   /* new kinds of messages of a period */
    LB_REPORT_ALERTS_MAX = 64,
    LB_REPORT_TEXT_BYTES = 16 * 1024,
};

struct lb_time_zone;

/* One of alerting.reports. */
struct lb_report {
    struct lb_str name;
    int64_t day_s; /* seconds of the day, in `zone` */
    int weekday;   /* 0 Monday … 6 Sunday; -1: every day */
    const struct lb_time_zone *zone;
    uint64_t sinks;
    uint64_t top;
    bool compare; /* with the period before */
};

/* The first time behind `time` that it is made. */
int64_t lb_report_next(const struct lb_report *report, int64_t time);

struct lb_report_counts;

/* NULL: no memory. `from`: since when it counts. */
struct lb_report_counts *lb_report_counts_new(int64_t from);
void lb_report_counts_free(struct lb_report_counts *self);

void lb_report_count(struct lb_report_counts *self, const struct lb_record *record);

/* The period has ended: what it holds is that before from now on. */
void lb_report_turn(struct lb_report_counts *self, int64_t now);
int64_t lb_report_from(const struct lb_report_counts *self);

/* How often a rule fired. */
struct lb_report_alerts {
    struct {
        char rule[LB_REPORT_NAME_BYTES];
        uint64_t count;
    } items[LB_REPORT_ALERTS_MAX];
    uint32_t count;
};
void lb_report_add_alert(struct lb_report_alerts *alerts, struct lb_str rule);

/* As plain text with the marks of Markdown. */
void lb_report_write(const struct lb_report *report, const struct lb_report_counts *counts,
                     const struct lb_report_alerts *alerts, int64_t until, struct lb_buffer *out);

/* All of it, and back. NULL: not readable, or no memory. */
void lb_report_counts_save(const struct lb_report_counts *self, struct lb_buffer *out);
struct lb_report_counts *lb_report_counts_restore(struct lb_str text);

#endif
