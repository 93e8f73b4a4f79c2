/*
 * lb_self.h - what is wrong with logboom itself, as alerts are made of it.
 *
 * Whoever watches a part of the program (the daemon) hands over findings: all
 * that is wrong at the moment. The notifier of alerts compares them with what
 * stood before, and tells people like of any other alert, under rules that
 * nobody has written. No queue of records lies between the two.
 */
#ifndef LB_SELF_H
#define LB_SELF_H

#include "lb_str.h"

#include <stdbool.h>
#include <stdint.h>

enum lb_self_check {
    LB_SELF_DISK,          /* of a path: it is full, or will be */
    LB_SELF_SINK,          /* delivers nothing, or takes nothing */
    LB_SELF_SOURCE_BEHIND, /* has not read what is there, and it grows */
    LB_SELF_SOURCE_SILENT, /* was busy, and nothing comes */
    LB_SELF_PARSE_ERRORS,  /* of a source */
    LB_SELF_CLOCK,         /* records from the future */
    LB_SELF_ALERTS_LOST,   /* nobody was told of an alert */
    LB_SELF_DEAD_LETTERS,  /* of a sink: records were refused for good */
    LB_SELF_ROTATION,      /* of a source: what it has not read will be deleted */
    LB_SELF_CHECKS
};

enum { LB_SELF_NAME_BYTES = 200, LB_SELF_TEXT_BYTES = 300, LB_SELF_FINDINGS_MAX = 128 };

struct lb_self_finding {
    enum lb_self_check check;
    int8_t severity;               /* enum lb_severity */
    int64_t since;                 /* Unix time */
    char name[LB_SELF_NAME_BYTES]; /* of the sink, source or path; empty: it is of the whole program */
    char text[LB_SELF_TEXT_BYTES]; /* what is wrong, for people */
};

/* `alerting.self`: when something is wrong, and who is told besides those that alerting.routes lead to. */
struct lb_self_options {
    bool enabled;
    uint64_t sinks;
    double disk_low; /* per cent that are free */
    double disk_critical;
    int64_t disk_full_within_ns;
    int64_t sink_ns;
    int64_t behind_ns;
    int64_t silent_ns;
    int64_t rotation_ns;
    double parse_errors; /* per cent of the records */
    uint64_t parse_errors_least;
    uint64_t clock_least; /* records */
    int64_t down_ns;      /* a shorter time between two runs is not told */
};

/* `alerting.heartbeat`: a sign of life, so that silence is noticed from outside. */
struct lb_heartbeat {
    uint64_t sinks; /* 0: there is none */
    int64_t every_ns;
};

#endif
