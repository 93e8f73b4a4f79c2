/*
 * judge.c - the verdicts of filters with memory, batch by batch in order.
 *
 * It runs behind the sequencer, on whichever worker brought the batch whose
 * turn it is, so it takes no lock and does little: a look-up for each key that
 * a worker noted. A batch's memory is accounted for by then, so what is
 * written here has to fit into what the arena has; only a first record after
 * some that were held back is written to, with their number.
 */
#include "lb_route.h"

#include "lb_alloc.h"
#include "lb_limits.h"
#include "lb_log.h"
#include "lb_metrics.h"

#include <inttypes.h>
#include <stdio.h>

enum { LABELS_SIZE = 256, NUMBER_SIZE = 24, FIELDS_ROOM = 16 };

#define SUMMARY_NS (60 * LB_SECOND)

struct account {
    struct lb_metric *dropped_total;
    uint64_t dropped; /* in this batch */
    uint64_t held;    /* since the log was told, */
    int64_t since_ns; /* and when the first of them came */
};

struct lb_judge {
    const struct lb_route_plan *plan;
    struct account accounts[LB_FILTERS_MAX];
    struct lb_metric *levels_total[LB_LEVEL_COUNT + 1]; /* the last: no level */
};

bool lb_judge_needed(const struct lb_route_plan *plan)
{
    for (uint32_t i = 0; i < plan->filter_count; i++) {
        if (plan->filters[i].type->judge != NULL)
            return true;
    }
    return false;
}

struct lb_judge *lb_judge_new(const struct lb_route_plan *plan)
{
    struct lb_judge *self = lb_alloc(sizeof(*self));
    char labels[LABELS_SIZE];
    char position[16];

    if (self == NULL)
        return NULL;
    self->plan = plan;
    for (uint32_t i = 0; i < plan->filter_count; i++) {
        snprintf(position, sizeof(position), "%u", i + 1);
        lb_metric_labels(labels, sizeof(labels), "filter", plan->filters[i].type->module.name, "position", position,
                         NULL);
        self->accounts[i].dropped_total =
            lb_metric(LB_COUNTER, "logboom_filter_dropped_records_total", "Records that a filter dropped", labels);
    }
    for (unsigned i = 0; i <= LB_LEVEL_COUNT; i++) {
        const char *name = i < LB_LEVEL_COUNT ? lb_level_name((uint8_t)i).ptr : "unknown";

        lb_metric_labels(labels, sizeof(labels), "level", name, NULL);
        self->levels_total[i] =
            lb_metric(LB_COUNTER, "logboom_level_records_total", "Records by level, filters applied", labels);
    }
    return self;
}

void lb_judge_free(struct lb_judge *judge)
{
    lb_free(judge);
}

/* --- verdicts ------------------------------------------------------------------------ */

/* How many like this one were held back, where there is room to say so. */
static void tell_held(struct lb_batch *batch, struct lb_record *record, const char *name, uint64_t held)
{
    struct lb_arena *arena = &batch->arena;
    size_t room = NUMBER_SIZE + (2 * (size_t)record->field_count + FIELDS_ROOM) * sizeof(struct lb_field);
    char *text;
    int len;

    if ((size_t)(arena->end - arena->next) < room || record->field_count >= LB_RECORD_FIELDS_MAX)
        return;
    text = lb_arena_alloc(arena, NUMBER_SIZE);
    len = snprintf(text, NUMBER_SIZE, "%" PRIu64, held);
    lb_record_set(record, arena, lb_str_from(name), lb_value_of((struct lb_str){ text, (size_t)len }, LB_VALUE_NUMBER));
}

static uint32_t judge_records(struct lb_judge *self, struct lb_batch *batch)
{
    uint32_t dropped = 0;

    for (uint32_t i = 0; i < batch->key_count; i++) {
        const struct lb_filter_key *key = &batch->keys[i];
        const struct lb_filter *filter = &self->plan->filters[key->filter];
        struct lb_record *record = &batch->records[key->record];
        uint64_t held = 0;

        /* By a filter before this one, or by one behind it on the worker. */
        if ((record->flags & LB_RECORD_DROPPED) != 0)
            continue;
        if (filter->type->judge(filter->state, key->key, batch->arrival_ns, &held) == LB_DROP) {
            record->flags |= LB_RECORD_DROPPED;
            self->accounts[key->filter].dropped++;
            dropped++;
        } else if (held > 0) {
            tell_held(batch, record, filter->type->held_name, held);
        }
    }
    return dropped;
}

/* --- what is left ---------------------------------------------------------------------- */

static void thin_selection(const struct lb_batch *batch, struct lb_selection *selection)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < selection->count; i++) {
        uint32_t index = selection->indexes[i];

        if ((batch->records[index].flags & LB_RECORD_DROPPED) == 0)
            selection->indexes[kept++] = index;
    }
    selection->count = kept;
}

static void thin_feeds(struct lb_batch *batch)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < batch->feed_count; i++) {
        if ((batch->records[batch->feeds[i].record].flags & LB_RECORD_DROPPED) == 0)
            batch->feeds[kept++] = batch->feeds[i];
    }
    batch->feed_count = kept;
}

static void count_levels(struct lb_judge *self, const struct lb_batch *batch)
{
    uint32_t levels[LB_LEVEL_COUNT + 1] = { 0 };

    for (uint32_t i = 0; i < batch->record_count; i++) {
        const struct lb_record *record = &batch->records[i];

        if ((record->flags & LB_RECORD_DROPPED) == 0)
            levels[record->level < LB_LEVEL_COUNT ? record->level : LB_LEVEL_COUNT]++;
    }
    for (unsigned i = 0; i <= LB_LEVEL_COUNT; i++) {
        if (levels[i] > 0)
            lb_metric_add(self->levels_total[i], levels[i]);
    }
}

/* The log hears of it a minute after the first that was held back, so that nobody wonders where his records are. */
static void account_for(struct lb_judge *self, int64_t now_ns)
{
    for (uint32_t i = 0; i < self->plan->filter_count; i++) {
        struct account *account = &self->accounts[i];

        if (account->dropped > 0) {
            lb_metric_add(account->dropped_total, (int64_t)account->dropped);
            account->since_ns = account->held == 0 ? now_ns : account->since_ns;
            account->held += account->dropped;
            account->dropped = 0;
        }
        if (account->held == 0 || (now_ns - account->since_ns < SUMMARY_NS && now_ns >= account->since_ns))
            continue;
        LB_INFO("route.judge", "a filter held records back; filter=%s position=%u records=%" PRIu64,
                self->plan->filters[i].type->module.name, i + 1, account->held);
        account->held = 0;
    }
}

void lb_judge_apply(struct lb_judge *judge, struct lb_batch *batch)
{
    if (judge_records(judge, batch) > 0) {
        for (uint32_t i = 0; i < judge->plan->sink_count; i++)
            thin_selection(batch, &batch->selections[i]);
        thin_feeds(batch);
    }
    count_levels(judge, batch);
    account_for(judge, batch->arrival_ns);
}
