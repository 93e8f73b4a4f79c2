/* report_parts.h - the tables of a report: report_counts.c fills them, report_text.c shows them. */
#ifndef REPORT_PARTS_H
#define REPORT_PARTS_H

#include "alert_packed.h"
#include "alert_patterns.h"
#include "lb_report.h"

enum {
    REPORT_INDEX = 2048, /* at least twice as many as there are entries */
    REPORT_BUCKETS = 208,
    REPORT_SLOW_BYTES = 160,
    REPORT_NEW_BYTES = 200,
};

struct report_service {
    char name[LB_REPORT_NAME_BYTES];
    uint64_t records;
    uint64_t errors;
    uint64_t records_before; /* in the period before */
    uint64_t errors_before;
};

struct report_slow {
    char name[REPORT_SLOW_BYTES]; /* "service route" */
    uint64_t count;
    uint32_t buckets[REPORT_BUCKETS];
};

struct report_new {
    uint64_t id;
    uint64_t count;
    char text[REPORT_NEW_BYTES];
};

struct lb_report_counts {
    int64_t from;
    bool learned;  /* there was a period before, so what is new is new */
    bool compared; /* and its counts are known */
    struct report_service services[LB_REPORT_SERVICES_MAX];
    uint32_t service_count;
    struct report_service others;
    struct report_slow slow[LB_REPORT_SLOW_MAX];
    uint32_t slow_count;
    struct report_new new[LB_REPORT_NEW_MAX];
    uint32_t new_count;
    uint64_t more_new; /* that found no room */
    struct lb_alert_patterns patterns;
    uint16_t service_index[REPORT_INDEX];
    uint16_t slow_index[REPORT_INDEX];
};

/* In ms; right to 5 %. */
double lb_report_percentile(const struct report_slow *slow, double part);

#endif
