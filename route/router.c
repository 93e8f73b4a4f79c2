/*
 * router.c - which sinks a record goes to, and what each sink gets of a batch.
 *
 * A batch that goes whole to its sinks, which is the usual one, needs no list
 * of indexes.
 */
#include "lb_route.h"

#include "lb_expr.h"
#include "lb_limits.h"

uint64_t lb_route_match(const struct lb_route *routes, uint32_t count, const struct lb_record *record,
                        struct lb_scratch *scratch)
{
    uint64_t sinks = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct lb_route *route = &routes[i];

        if (route->where != NULL && !lb_expr_match(route->where, record, scratch))
            continue;
        sinks |= route->sinks;
        if (route->stop)
            break;
    }
    return sinks;
}

/* Counts the records of each sink. */
static void count_records(const uint64_t *masks, uint32_t record_count, uint32_t *counts)
{
    for (uint32_t i = 0; i < record_count; i++) {
        for (uint64_t left = masks[i]; left != 0; left &= left - 1)
            counts[__builtin_ctzll(left)]++;
    }
}

static void fill(const uint64_t *masks, uint32_t record_count, uint64_t bit, uint32_t *indexes)
{
    for (uint32_t i = 0; i < record_count; i++) {
        if (masks[i] & bit)
            *indexes++ = i;
    }
}

bool lb_route_select(struct lb_batch *batch, const uint64_t *masks, uint32_t sink_count)
{
    uint32_t counts[LB_SINKS_MAX + 1] = { 0 };
    struct lb_selection *selections = lb_arena_zalloc(&batch->arena, (sink_count + 1) * sizeof(*selections));

    if (selections == NULL)
        return false;
    count_records(masks, batch->record_count, counts);
    for (uint32_t sink = 0; sink < sink_count; sink++) {
        selections[sink].count = counts[sink];
        if (counts[sink] == 0 || counts[sink] == batch->record_count)
            continue;
        selections[sink].indexes = lb_arena_alloc(&batch->arena, counts[sink] * sizeof(uint32_t));
        if (selections[sink].indexes == NULL)
            return false;
        fill(masks, batch->record_count, UINT64_C(1) << sink, selections[sink].indexes);
    }
    batch->selections = selections;
    return true;
}
