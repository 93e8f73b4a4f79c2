/*
 * delivery_outcome.c - what became of notices of alerts, for who wonders.
 *
 * Sinks that talk to somebody say what they were answered; of all others it is
 * enough that they took the notice. Of records that are no alerts nothing is
 * said: a batch has only the one or the other, so looking at the first is
 * enough.
 */
#include "delivery.h"

void lb_delivery_told(const struct lb_sink *sink, const char *record_id, const char *answer, uint32_t attempts)
{
    if (sink->told != NULL)
        sink->told(sink->told_context, &(struct lb_delivery_outcome){ .sink = sink->section.name,
                                                                      .record = lb_str_from(record_id),
                                                                      .answer = lb_str_from(answer),
                                                                      .attempts = attempts });
}

void lb_delivery_refused(const struct lb_sink *sink, struct lb_str record_id, const char *reason, uint32_t attempts)
{
    if (sink->told != NULL)
        sink->told(sink->told_context, &(struct lb_delivery_outcome){ .sink = sink->section.name,
                                                                      .record = record_id,
                                                                      .refused = true,
                                                                      .answer = lb_str_from(reason),
                                                                      .attempts = attempts });
}

void delivery_tell_taken(struct lb_delivery *self, const struct lb_batch *batch, const struct lb_selection *selection)
{
    const struct lb_sink *sink = self->sink;
    char id[LB_RECORD_ID_SIZE];

    if (sink->told == NULL || sink->type->tells || selection->count == 0 ||
        (lb_batch_selected(batch, selection, 0)->flags & LB_RECORD_ALERT) == 0)
        return;
    for (uint32_t i = 0; i < selection->count; i++) {
        size_t len = lb_record_id(batch, lb_batch_selected(batch, selection, i), id);

        if (sink->type->commit == NULL)
            lb_delivery_told(sink, id, "sent", 0);
        else
            lb_buffer_append(&self->untold, id, len + 1);
    }
}

void delivery_tell_committed(struct lb_delivery *self)
{
    for (size_t at = 0; at < self->untold.len; at += strlen(self->untold.ptr + at) + 1)
        lb_delivery_told(self->sink, self->untold.ptr + at, "written", 0);
    lb_buffer_reset(&self->untold);
}
