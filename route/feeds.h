/*
 * feeds.h - what alert rules need of the records of a batch.
 *
 * One feeder for each worker. Keys repeat from record to record, so a rule's
 * last key of the batch is used again where it is the same.
 */
#ifndef LB_ROUTE_FEEDS_H
#define LB_ROUTE_FEEDS_H

#include "lb_alert.h"
#include "lb_metrics.h"
#include "rule_index.h"

struct lb_feeder {
    const struct lb_alerting *alerting;
    struct lb_rule_index index;
    uint64_t *live;          /* rules that may look at the record, as bits */
    struct lb_str *keys;     /* of each rule, the last one in this batch; in its arena */
    uint32_t feed_capacity;  /* of batch->feeds */
    uint32_t feeds_expected; /* as many as the last batch had */
    uint64_t keyless;        /* records without a field of `by` */
    uint64_t unmeasured;     /* records without the number that a rule measures */
    uint64_t lost;           /* feeds that the arena had no room for */
    struct lb_metric *keyless_total;
    struct lb_metric *unmeasured_total;
    struct lb_metric *lost_total;
};

/* `alerting` may be NULL. False: out of memory. */
bool lb_feeder_init(struct lb_feeder *feeder, const struct lb_alerting *alerting);
void lb_feeder_free(struct lb_feeder *feeder);

void lb_feeder_begin(struct lb_feeder *feeder, struct lb_batch *batch);
void lb_feeder_add(struct lb_feeder *feeder, struct lb_batch *batch, uint32_t record, struct lb_scratch *scratch);
void lb_feeder_end(struct lb_feeder *feeder, const struct lb_batch *batch);

#endif
