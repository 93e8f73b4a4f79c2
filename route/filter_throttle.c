/*
 * filter_throttle.c - at most so many records of a kind: `throttle: {by: service, rate: 100/s}`.
 *
 * One number is kept for each key: when a steady flow at that rate would send
 * its next record. A record may come before that by as much as a burst is
 * worth. It goes by the time of arrival, never by what records say of
 * themselves: a peer whose clock is off must not shut the door behind it.
 */
#include "lb_clock.h"
#include "lb_expr.h"
#include "lb_filter.h"
#include "lb_limits.h"

#include "key_memory.h"

#include <stdlib.h>

struct state {
    struct lb_str rate;
    struct lb_strs by;
    uint64_t burst;
    uint64_t keys;
    const struct lb_expr *where;
    int64_t interval_ns; /* between two records of a steady flow */
    int64_t ahead_ns;    /* how much too early one may be */
    uint64_t seed;
    struct key_memory memory;
};

static const struct lb_option options[] = {
    { .name = "rate",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct state, rate),
      .help = "How many records may pass in what time: 100/s, 20/m, 1000/h, 5/10s",
      .flags = LB_OPTION_REQUIRED },
    { .name = "by",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct state, by),
      .help = "The fields whose values are counted each for themselves; without it all records are counted together" },
    { .name = "burst",
      .kind = LB_OPTION_COUNT,
      .offset = offsetof(struct state, burst),
      .fallback = "0",
      .help = "How many may come at once; 0: as many as the rate's number" },
    { .name = "keys",
      .kind = LB_OPTION_COUNT,
      .offset = offsetof(struct state, keys),
      .fallback = "10000",
      .help = "How many values of `by` are remembered; of more, those that were quiet longest are forgotten",
      .min = 1,
      .max = KEY_MEMORY_KEYS_MAX },
    { .name = "where",
      .kind = LB_OPTION_WHERE,
      .offset = offsetof(struct state, where),
      .help = "Which records are counted; the others pass" },
    { .name = NULL },
};

static int64_t unit_ns(const char *word)
{
    static const struct {
        const char *word;
        int64_t seconds;
    } units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(word, units[i].word) == 0)
            return units[i].seconds * LB_SECOND;
    }
    return 0;
}

/* "100/s", "5/10s". False if it is no rate. */
static bool read_rate(struct lb_str text, uint64_t *count, int64_t *period_ns)
{
    enum { NUMBER_MAX = 1000 * 1000 * 1000, PERIODS_MAX = 100 * 1000 };
    char *end = NULL;
    unsigned long long periods = 1;

    if (text.len == 0 || *text.ptr < '0' || *text.ptr > '9')
        return false;
    *count = strtoull(text.ptr, &end, 10);
    if (*end != '/' || *count == 0 || *count > NUMBER_MAX)
        return false;
    end++;
    if (*end >= '0' && *end <= '9')
        periods = strtoull(end, &end, 10);
    *period_ns = unit_ns(end);
    if (*period_ns == 0 || periods == 0 || periods > PERIODS_MAX)
        return false;
    *period_ns *= (int64_t)periods;
    return true;
}

static enum lb_err open(void *state, const struct lb_section *section, struct lb_diag *diag)
{
    enum { BURST_MAX = 1000 * 1000 * 1000 };
    struct state *self = state;
    uint64_t count;
    int64_t period_ns;

    if (!read_rate(self->rate, &count, &period_ns)) {
        lb_diag_error(diag, lb_section_place(section, "rate"),
                      "\"rate\": expected a number and a time such as 100/s, 20/m or 5/10s, got \"" LB_STR_FMT "\"",
                      LB_STR_ARG(self->rate));
        return LB_BAD_CONF;
    }
    if (self->burst == 0)
        self->burst = count;
    self->interval_ns = period_ns / (int64_t)count > 0 ? period_ns / (int64_t)count : 1;
    if (self->burst > BURST_MAX || (uint64_t)(INT64_MAX / 4 / self->interval_ns) < self->burst) {
        lb_diag_error(diag, lb_section_place(section, "burst"),
                      "\"burst\": so many would take more than a hundred years");
        return LB_BAD_CONF;
    }
    self->ahead_ns = self->interval_ns * (int64_t)(self->burst - 1);
    self->seed = key_seed();
    return key_memory_open(&self->memory, self->keys) ? LB_OK : LB_NOMEM;
}

static bool key(const void *state, const struct lb_record *record, struct lb_scratch *scratch, uint64_t *made)
{
    const struct state *self = state;
    bool any;

    if (self->where != NULL && !lb_expr_match(self->where, record, scratch))
        return false;
    *made = key_of_record(&self->by, record, self->seed, scratch, &any);
    return true;
}

static enum lb_verdict judge(void *state, uint64_t made, int64_t now_ns, uint64_t *held)
{
    struct state *self = state;
    struct key_place *place = key_memory_find(&self->memory, made);
    int64_t latest_ns = now_ns + self->ahead_ns;

    if (place->time_ns == 0)
        place->time_ns = now_ns;
    /* Further ahead than it can ever get: the clock was set back. */
    if (place->time_ns > latest_ns + self->interval_ns)
        place->time_ns = latest_ns + self->interval_ns;
    if (place->time_ns > latest_ns) {
        place->held++;
        return LB_DROP;
    }
    place->time_ns = (place->time_ns > now_ns ? place->time_ns : now_ns) + self->interval_ns;
    *held = place->held;
    place->held = 0;
    return LB_PASS;
}

static void close_throttle(void *state)
{
    struct state *self = state;

    key_memory_close(&self->memory);
}

const struct lb_filter_type lb_filter_throttle = {
    .module = { .name = "throttle",
                .help = "Let only so many records of a kind pass in a time",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "rate" },
    .open = open,
    .key = key,
    .judge = judge,
    .held_name = "throttled",
    .close = close_throttle,
};
