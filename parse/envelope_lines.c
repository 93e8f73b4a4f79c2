/*
 * envelope_lines.c - no envelope: each event is a line of text, as it is.
 *
 * Its time is that of arrival until a parser finds one.
 */
#include "lb_parser.h"

static void fill(struct lb_batch *batch, uint32_t i, struct lb_record *record)
{
    const struct lb_event *event = lb_batch_event(batch, i);

    *record = (struct lb_record){
        .time_ns = batch->arrival_ns,
        .start = lb_batch_offset(batch, i),
        .end = lb_batch_end(batch, i),
        .message = { batch->bytes + event->start, event->length, LB_VALUE_TEXT, 0 },
        .flags = (uint16_t)(LB_RECORD_NO_TIME | (event->truncated ? LB_RECORD_TRUNCATED : 0)),
        .level = LB_LEVEL_NONE,
    };
}

static enum lb_err open_lines(struct lb_batch *batch)
{
    batch->record_count = 0;
    if (batch->event_count == 0)
        return LB_OK;
    batch->records = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*batch->records));
    if (batch->records == NULL)
        return LB_NOMEM;
    for (uint32_t i = 0; i < batch->event_count; i++)
        fill(batch, i, &batch->records[i]);
    batch->record_count = batch->event_count;
    return LB_OK;
}

const struct lb_envelope lb_envelope_lines = { "lines", open_lines };
