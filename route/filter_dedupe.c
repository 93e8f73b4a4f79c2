/*
 * filter_dedupe.c - of records that say the same, one in a while: `dedupe: {by: [service, message], over: 1m}`.
 *
 * The time runs from the one that passed, so what repeats for hours still
 * shows once in every `over`, with how many there were.
 */
#include "lb_clock.h"
#include "lb_expr.h"
#include "lb_filter.h"

#include "key_memory.h"

struct state {
    struct lb_strs by;
    int64_t over_ns;
    uint64_t keys;
    const struct lb_expr *where;
    uint64_t seed;
    struct key_memory memory;
};

static const struct lb_option options[] = {
    { .name = "by",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct state, by),
      .help = "The fields that have to be the same; without it level, service, host and message" },
    { .name = "over",
      .kind = LB_OPTION_DURATION,
      .offset = offsetof(struct state, over_ns),
      .help = "For how long after one that passed the same ones are dropped",
      .flags = LB_OPTION_REQUIRED,
      .min = 1,
      .max = 30 * 86400 * LB_SECOND },
    { .name = "keys",
      .kind = LB_OPTION_COUNT,
      .offset = offsetof(struct state, keys),
      .fallback = "10000",
      .help = "How many different ones are remembered; of more, the oldest are forgotten",
      .min = 1,
      .max = KEY_MEMORY_KEYS_MAX },
    { .name = "where",
      .kind = LB_OPTION_WHERE,
      .offset = offsetof(struct state, where),
      .help = "Which records are compared; the others pass" },
    { .name = NULL },
};

static enum lb_err open(void *state, const struct lb_section *section, struct lb_diag *diag)
{
    static struct lb_str usual[] = { { "level", 5 }, { "service", 7 }, { "host", 4 }, { "message", 7 } };
    struct state *self = state;

    (void)section;
    (void)diag;
    if (self->by.count == 0)
        self->by = (struct lb_strs){ usual, sizeof(usual) / sizeof(usual[0]) };
    self->seed = key_seed();
    return key_memory_open(&self->memory, self->keys) ? LB_OK : LB_NOMEM;
}

/* Records that have none of the fields are not the same; they are unknown. */
static bool key(const void *state, const struct lb_record *record, struct lb_scratch *scratch, uint64_t *made)
{
    const struct state *self = state;
    bool any;

    if (self->where != NULL && !lb_expr_match(self->where, record, scratch))
        return false;
    *made = key_of_record(&self->by, record, self->seed, scratch, &any);
    return any;
}

static enum lb_verdict judge(void *state, uint64_t made, int64_t now_ns, uint64_t *held)
{
    struct state *self = state;
    struct key_place *place = key_memory_find(&self->memory, made);

    /* A clock that was set back ends the time too. */
    if (place->time_ns != 0 && now_ns >= place->time_ns && now_ns - place->time_ns < self->over_ns) {
        place->held++;
        return LB_DROP;
    }
    place->time_ns = now_ns;
    *held = place->held;
    place->held = 0;
    return LB_PASS;
}

static void close_dedupe(void *state)
{
    struct state *self = state;

    key_memory_close(&self->memory);
}

const struct lb_filter_type lb_filter_dedupe = {
    .module = { .name = "dedupe",
                .help = "Drop records that repeat what another said a while ago",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "over" },
    .open = open,
    .key = key,
    .judge = judge,
    .held_name = "repeated",
    .close = close_dedupe,
};
