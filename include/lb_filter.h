/*
 * lb_filter.h - keeps, drops or changes records on their way.
 *
 * On a worker: state is const after open() and shared by all workers; what a
 * filter adds comes from the batch's arena. A filter with memory (throttle,
 * dedupe) cannot decide there, for workers take batches in any order: it
 * gives each record a key, and its verdict on each key is asked for behind
 * the sequencer, in order, by one thread at a time. That memory is its own.
 */
#ifndef LB_FILTER_H
#define LB_FILTER_H

#include "lb_batch.h"
#include "lb_module.h"

enum lb_verdict { LB_PASS, LB_DROP };

struct lb_filter_type {
    struct lb_module module;
    enum lb_err (*open)(void *state, const struct lb_section *section, struct lb_diag *diag); /* optional */
    enum lb_verdict (*apply)(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch); /* or `key` and `judge` */

    /* Filters with memory. On a worker: what the record is judged by. False: it is not judged, it passes. */
    bool (*key)(const void *state, const struct lb_record *record, struct lb_scratch *scratch, uint64_t *key);

    /*
     * In order: the verdict. `now_ns` is when the batch came in. `*held`: of this key were dropped since the last that
     * passed; `held_name` is the field that tells it.
     */
    enum lb_verdict (*judge)(void *state, uint64_t key, int64_t now_ns, uint64_t *held);
    const char *held_name;

    void (*close)(void *state); /* optional */
};

struct lb_filter {
    const struct lb_filter_type *type;
    struct lb_section section;
    void *state;
    bool opened;
};

const struct lb_filter_type *lb_filter_find(struct lb_str name);
const struct lb_filter_type *const *lb_filters_all(void); /* NULL at the end */

#endif
