/*
 * filter_sample.c - a part of the records: `sample: {rate: 10%, by: trace_id, keep: level >= warn}`.
 *
 * It has no memory: a hash of the fields decides, so all records of a trace
 * stay or go together, on every host. Without `by` it is a hash of the
 * record's id, which is the same when it is read again after a crash.
 */
#include "lb_expr.h"
#include "lb_filter.h"

#include "key_memory.h"

#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

struct state {
    struct lb_str rate;
    struct lb_strs by;
    const struct lb_expr *keep;
    const struct lb_expr *where;
    uint64_t below; /* a hash below it stays */
    bool all;
};

static const struct lb_option options[] = {
    { .name = "rate",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct state, rate),
      .help = "The part that stays: 10%, 0.5% or 1/100",
      .flags = LB_OPTION_REQUIRED },
    { .name = "by",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct state, by),
      .help =
          "Fields: records with the same values stay or go together; a record that has none of them is judged alone" },
    { .name = "keep",
      .kind = LB_OPTION_WHERE,
      .offset = offsetof(struct state, keep),
      .help = "Records that stay in any case" },
    { .name = "where",
      .kind = LB_OPTION_WHERE,
      .offset = offsetof(struct state, where),
      .help = "Which records are sampled; the others stay" },
    { .name = NULL },
};

/* "10%", "1/100". False if it is none, or not between 0 and 1. */
static bool read_rate(struct lb_str text, double *rate)
{
    char *end = NULL;
    double number;

    if (text.len == 0 || strspn(text.ptr, "0123456789./%") != text.len)
        return false;
    number = strtod(text.ptr, &end);
    if (*end == '%' && end[1] == '\0') {
        *rate = number / 100;
    } else if (*end == '/') {
        double of = strtod(end + 1, &end);

        *rate = *end == '\0' && of > 0 ? number / of : -1;
    } else {
        return false;
    }
    return *rate >= 0 && *rate <= 1;
}

static enum lb_err open(void *state, const struct lb_section *section, struct lb_diag *diag)
{
    struct state *self = state;
    double rate;

    if (!read_rate(self->rate, &rate)) {
        lb_diag_error(diag, lb_section_place(section, "rate"),
                      "\"rate\": expected a part such as 10%% or 1/100, got \"" LB_STR_FMT "\"",
                      LB_STR_ARG(self->rate));
        return LB_BAD_CONF;
    }
    self->all = rate >= 1;
    self->below = self->all ? UINT64_MAX : (uint64_t)ldexp(rate, 64);
    return LB_OK;
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;
    char id[LB_RECORD_ID_SIZE];
    bool any = false;
    uint64_t hash = 0;

    if (self->all || (self->where != NULL && !lb_expr_match(self->where, record, scratch)))
        return LB_PASS;
    if (self->keep != NULL && lb_expr_match(self->keep, record, scratch))
        return LB_PASS;
    if (self->by.count > 0)
        hash = key_of_record(&self->by, record, 0, scratch, &any);
    if (!any)
        hash = XXH3_64bits(id, lb_record_id(batch, record, id));
    return hash < self->below ? LB_PASS : LB_DROP;
}

const struct lb_filter_type lb_filter_sample = {
    .module = { .name = "sample",
                .help = "Let a part of the records pass, the same ones every time",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "rate" },
    .open = open,
    .apply = apply,
};
