/*
 * envelope_syslog.c - frames and datagrams of syslog.
 *
 * A record keeps all that its header says; what the header does not say of the host, the peer's address says. Where the
 * arena is full a record is its whole frame as text, so that nothing is dropped.
 */
#include "envelope_peer.h"
#include "syslog.h"

#include "lb_parser.h"

static void fill(struct lb_batch *batch, uint32_t i, struct syslog_data *data, struct lb_record *record)
{
    const struct lb_event *event = lb_batch_event(batch, i);
    struct lb_str text = { batch->bytes + event->start, event->length };
    struct syslog_message message;

    *record = (struct lb_record){
        .time_ns = batch->arrival_ns,
        .start = lb_batch_offset(batch, i),
        .end = lb_batch_end(batch, i),
        .flags = (uint16_t)(LB_RECORD_NO_TIME | (event->truncated ? LB_RECORD_TRUNCATED : 0)),
        .level = LB_LEVEL_NONE,
    };
    syslog_read(text, batch->arrival_ns, &message, data);
    if (!syslog_fill(&message, true, record, &batch->arena)) {
        record->message = lb_value_text(text);
        record->flags |= LB_RECORD_PARSE_ERROR;
        record->reason = LB_STR("no room in the batch");
    }
    envelope_peer(batch, i, record);
}

static enum lb_err open_syslog(struct lb_batch *batch)
{
    struct lb_time_second second = { .set = false };
    struct syslog_data data;

    data.second = &second;
    batch->record_count = 0;
    batch->records = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*batch->records));
    if (batch->records == NULL)
        return LB_NOMEM;
    for (uint32_t i = 0; i < batch->event_count; i++)
        fill(batch, i, &data, &batch->records[i]);
    batch->record_count = batch->event_count;
    return LB_OK;
}

const struct lb_envelope lb_envelope_syslog = { "syslog", open_syslog };
