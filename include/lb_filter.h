/*
 * lb_filter.h - keeps, drops or changes records on their way, on a worker.
 *
 * State is const after open() and shared by all workers; what a filter adds
 * comes from the batch's arena.
 */
#ifndef LB_FILTER_H
#define LB_FILTER_H

#include "lb_batch.h"
#include "lb_module.h"

enum lb_verdict { LB_PASS, LB_DROP };

struct lb_filter_type {
    struct lb_module module;
    enum lb_err (*open)(void *state, const struct lb_section *section, struct lb_diag *diag); /* optional */
    enum lb_verdict (*apply)(const void *state, struct lb_record *record, struct lb_arena *arena,
                             struct lb_scratch *scratch);
};

struct lb_filter {
    const struct lb_filter_type *type;
    struct lb_section section;
    void *state;
};

const struct lb_filter_type *lb_filter_find(struct lb_str name);
const struct lb_filter_type *const *lb_filter_types(void); /* NULL at the end */

#endif
