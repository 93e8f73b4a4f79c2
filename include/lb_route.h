/*
 * lb_route.h - which record goes where: the plan, and what a worker does.
 *
 * A plan is compiled once from the configuration and never changes; every
 * worker runs it over each batch from start to end: envelope, parser chain,
 * what the source adds, filters, routes (a selection for each sink), and what
 * the alert rules need (feeds). Then, in order, filters with memory have the
 * last word, and the batch is frozen.
 */
#ifndef LB_ROUTE_H
#define LB_ROUTE_H

#include "lb_alert.h"
#include "lb_batch.h"
#include "lb_filter.h"

struct lb_expr;

struct lb_route {
    const struct lb_expr *where; /* NULL: every record */
    uint64_t sinks;              /* bit n: sink n */
    bool stop;                   /* a record that matches sees no later route */
    struct lb_place place;
};

struct lb_route_plan {
    struct lb_filter *filters;
    uint32_t filter_count;
    struct lb_route *routes;
    uint32_t route_count;
    uint32_t sink_count;
    const struct lb_alerting *alerting; /* NULL or without rules: no feeds */
};

/* One per worker thread: scratch memory, counters. */
struct lb_worker;
struct lb_worker *lb_worker_new(const struct lb_route_plan *plan);
void lb_worker_free(struct lb_worker *worker);

/* Parse, filter, match. Never fails: what cannot be parsed goes on whole. */
void lb_worker_process(struct lb_worker *worker, struct lb_batch *batch);

/*
 * Filters with memory: their verdicts on a batch, when its turn has come; what they drop is taken out of selections and
 * feeds. One thread at a time, batches in order. It belongs to a plan, and the memory is the plan's filters' own.
 */
struct lb_judge;
bool lb_judge_needed(const struct lb_route_plan *plan);
struct lb_judge *lb_judge_new(const struct lb_route_plan *plan);
void lb_judge_free(struct lb_judge *judge);
void lb_judge_apply(struct lb_judge *judge, struct lb_batch *batch);

/* The sinks (bits) that `record` goes to by `routes`. */
uint64_t lb_route_match(const struct lb_route *routes, uint32_t count, const struct lb_record *record,
                        struct lb_scratch *scratch);

/* Turns the masks of all records into selections of `sink_count` sinks, in the arena. False when it is full. */
bool lb_route_select(struct lb_batch *batch, const uint64_t *masks, uint32_t sink_count);

#endif
