/* filter_drop.c - drops the records that an expression matches. */
#include "lb_expr.h"
#include "lb_filter.h"

struct state {
    const struct lb_expr *where;
};

static const struct lb_option options[] = {
    { .name = "where",
      .kind = LB_OPTION_WHERE,
      .offset = offsetof(struct state, where),
      .help = "Which records",
      .flags = LB_OPTION_REQUIRED },
    { .name = NULL },
};

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;

    (void)batch;
    return lb_expr_match(self->where, record, scratch) ? LB_DROP : LB_PASS;
}

const struct lb_filter_type lb_filter_drop = {
    .module = { .name = "drop",
                .help = "Drop the records that match",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "where" },
    .apply = apply,
};
