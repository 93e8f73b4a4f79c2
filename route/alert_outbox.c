/*
 * alert_outbox.c - events → records in a batch → the sinks.
 *
 * The message of each event also stands in the slab as the event's bytes, so
 * that a batch of alerts is like any other, for raw formats too.
 */
#include "alert_outbox.h"

#include "alert_text.h"
#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_route.h"

enum { BATCH_EVENTS = 30, EVENT_BYTES = LB_ALERT_MESSAGE_BYTES + sizeof(struct lb_event) };

void lb_alert_outbox_add(struct lb_alert_outbox *outbox, struct lb_alert_event *event)
{
    if (outbox->count >= LB_ALERT_EVENTS_MAX) {
        outbox->lost++;
        LB_ERROR("route.alert", "alert lost, too many wait for memory rule=" LB_STR_FMT, LB_STR_ARG(event->rule->name));
        lb_free(event);
        return;
    }
    lb_generation_ref(event->alerting->generation);
    event->next = NULL;
    if (outbox->last != NULL)
        outbox->last->next = event;
    else
        outbox->first = event;
    outbox->last = event;
    outbox->count++;
}

static void drop_first(struct lb_alert_outbox *outbox)
{
    struct lb_alert_event *event = outbox->first;

    outbox->first = event->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    outbox->count--;
    lb_generation_unref(event->alerting->generation);
    lb_free(event);
}

/* False: the batch has no room for it. */
static bool put_event(struct lb_batch *batch, const struct lb_alert_event *event)
{
    struct lb_record *record = &batch->records[batch->record_count];
    size_t start = batch->length;

    if (!lb_alert_event_record(event, event->alerting, &batch->arena, record) ||
        lb_batch_room(batch, 1) < record->message.len)
        return false;
    memcpy(batch->bytes + start, record->message.ptr, record->message.len);
    batch->length += record->message.len;
    lb_batch_note(batch, start, record->message.len);
    record->start = batch->record_count;
    record->end = record->start + 1;
    batch->record_count++;
    return true;
}

/* Writes events of one generation into the batch while they fit, and who gets them. False: no memory for even one. */
static bool fill(const struct lb_alert_outbox *outbox, struct lb_batch *batch, uint32_t wanted)
{
    const struct lb_alert_event *event = outbox->first;
    uint64_t masks[BATCH_EVENTS] = { 0 };

    batch->records = lb_arena_alloc(&batch->arena, wanted * sizeof(*batch->records));
    while (batch->records != NULL && batch->record_count < wanted && event->alerting == outbox->first->alerting &&
           put_event(batch, event)) {
        masks[batch->record_count - 1] = event->sinks;
        event = event->next;
    }
    return batch->record_count > 0 && lb_route_select(batch, masks, outbox->first->sink_count);
}

static bool deliver_some(struct lb_alert_outbox *outbox)
{
    uint32_t wanted = outbox->count < BATCH_EVENTS ? outbox->count : BATCH_EVENTS;
    struct lb_batch *batch = lb_pool_take(outbox->share, wanted * EVENT_BYTES, outbox->stream);

    if (batch == NULL)
        return false;
    batch->counted = true;
    batch->position = outbox->position;
    batch->arrival_ns = lb_clock_now();
    batch->generation = lb_generation_ref(outbox->first->alerting->generation);
    if (!fill(outbox, batch, wanted)) {
        LB_ERROR("route.alert", "no memory for alerts, trying again count=%u", outbox->count);
        lb_batch_unref(batch);
        return false;
    }
    for (uint32_t i = 0; i < batch->record_count; i++)
        drop_first(outbox);
    outbox->position += batch->record_count;
    batch->position_end = outbox->position;
    lb_pool_settle(batch);
    outbox->deliver(outbox->context, batch);
    return true;
}

bool lb_alert_outbox_flush(struct lb_alert_outbox *outbox)
{
    while (outbox->count > 0 && deliver_some(outbox))
        continue;
    return outbox->count == 0;
}

void lb_alert_outbox_free(struct lb_alert_outbox *outbox)
{
    while (outbox->count > 0)
        drop_first(outbox);
}
