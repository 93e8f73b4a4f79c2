/*
 * alert_outbox.c - entries → records in a batch → the sinks.
 *
 * The message of each event also stands in the slab as the event's bytes, so
 * that a batch of alerts is like any other, for raw formats too.
 *
 * The tricky thing is what a turn (other rules, other sinks) does to what is
 * on its way: sinks that go must still get what was told before. So entries
 * are counted, and those from before the turn go by the office of before.
 */
#include "alert_outbox.h"

#include "alert_text.h"
#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_route.h"

#include <errno.h>

#define MODULE "route.alert"
#define TRIM_EVERY (2 * LB_SECOND)

enum { BATCH_EVENTS = 30, EVENT_BYTES = LB_ALERT_MESSAGE_BYTES + sizeof(struct lb_event) };

/* --- offices -------------------------------------------------------------- */

static struct lb_alert_office *office_of(struct lb_alert_outbox *outbox)
{
    return outbox->before.alerting != NULL ? &outbox->before : &outbox->office;
}

static void close_office(struct lb_alert_office *office)
{
    if (office->alerting != NULL)
        lb_generation_unref(office->alerting->generation);
    *office = (struct lb_alert_office){ 0 };
}

static void open_office(struct lb_alert_office *office, const struct lb_alerting *alerting, uint32_t sink_count)
{
    lb_generation_ref(alerting->generation);
    *office = (struct lb_alert_office){ alerting, sink_count };
}

/* The last entry from before the turn has gone. */
static void note_delivered(struct lb_alert_outbox *outbox, uint64_t count)
{
    outbox->delivered += count;
    if (outbox->before.alerting != NULL && outbox->delivered >= outbox->before_until)
        close_office(&outbox->before);
}

/* A second turn before the first is through does not come: who changes the rules waits for the end of one. */
void lb_alert_outbox_turn(struct lb_alert_outbox *outbox, const struct lb_alerting *alerting, uint32_t sink_count)
{
    close_office(&outbox->before);
    outbox->before = outbox->office;
    outbox->before_until = outbox->added;
    open_office(&outbox->office, alerting, sink_count);
    note_delivered(outbox, 0);
}

bool lb_alert_outbox_turned(const struct lb_alert_outbox *outbox)
{
    return outbox->before.alerting == NULL;
}

/* --- what comes ----------------------------------------------------------- */

static void wait_in_memory(struct lb_alert_outbox *outbox, struct lb_alert_entry *entry)
{
    if (outbox->waiting_bytes + entry->length > LB_ALERT_WAITING_BYTES) {
        outbox->lost++;
        LB_ERROR(MODULE, "alert lost, too many wait for memory");
        lb_free(entry);
        note_delivered(outbox, 1);
        return;
    }
    entry->next = NULL;
    if (outbox->last != NULL)
        outbox->last->next = entry;
    else
        outbox->first = entry;
    outbox->last = entry;
    outbox->waiting_bytes += entry->length;
}

void lb_alert_outbox_add(struct lb_alert_outbox *outbox, struct lb_str bytes)
{
    struct lb_alert_entry *entry = lb_alloc(sizeof(*entry) + bytes.len);

    if (entry == NULL) {
        outbox->lost++;
        LB_ERROR(MODULE, "alert lost, no memory");
        return;
    }
    memcpy(entry->bytes, bytes.ptr, bytes.len);
    entry->length = bytes.len;
    entry->number = ++outbox->added;
    if (outbox->journal != NULL)
        lb_alert_journal_put(outbox->journal, entry);
    else
        wait_in_memory(outbox, entry);
}

static void take_returned(struct lb_alert_outbox *outbox)
{
    struct lb_alert_entry *entry = outbox->journal != NULL ? lb_alert_journal_returned(outbox->journal) : NULL;

    while (entry != NULL) {
        struct lb_alert_entry *next = entry->next;

        wait_in_memory(outbox, entry);
        outbox->unkept = true;
        entry = next;
    }
}

static void drop_first(struct lb_alert_outbox *outbox)
{
    struct lb_alert_entry *entry = outbox->first;

    outbox->first = entry->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    outbox->waiting_bytes -= entry->length;
    lb_free(entry);
}

/* --- the next entry ------------------------------------------------------- */

struct next {
    struct lb_str bytes;
    uint64_t start; /* in its stream */
    uint64_t end;
};

static bool peek_journal(struct lb_alert_outbox *outbox, struct next *next)
{
    if (outbox->reader == NULL)
        return false;
    if (!outbox->read)
        outbox->read = lb_journal_read(outbox->reader, &outbox->payload, &outbox->start, &outbox->end) == LB_OK;
    *next = (struct next){ lb_buffer_str(&outbox->payload), outbox->start, outbox->end };
    return outbox->read;
}

static bool peek_memory(const struct lb_alert_outbox *outbox, struct next *next)
{
    if (outbox->first == NULL)
        return false;
    *next = (struct next){ { outbox->first->bytes, outbox->first->length }, outbox->position, outbox->position + 1 };
    return true;
}

static bool peek(struct lb_alert_outbox *outbox, bool journal, struct next *next)
{
    return journal ? peek_journal(outbox, next) : peek_memory(outbox, next);
}

/* How many of this run it was: 1, or 0 for one that an earlier run has left. */
static uint64_t pass(struct lb_alert_outbox *outbox, bool journal)
{
    if (journal) {
        outbox->read = false;
        return outbox->start >= outbox->begun;
    }
    outbox->position++;
    drop_first(outbox);
    return 1;
}

/* --- a batch -------------------------------------------------------------- */

static void note_record(struct lb_batch *batch, struct lb_record *record, const struct next *next)
{
    size_t start = batch->length;

    memcpy(batch->bytes + start, record->message.ptr, record->message.len);
    batch->length += record->message.len;
    lb_batch_note(batch, start, record->message.len);
    record->start = (uint32_t)(next->start - batch->position);
    record->end = (uint32_t)(next->end - batch->position);
    batch->record_count++;
}

/* False: the batch has no room for it. */
static bool put_entry(struct lb_alert_outbox *outbox, struct lb_batch *batch, const struct next *next, uint64_t *mask)
{
    struct lb_record *record = &batch->records[batch->record_count];
    struct lb_alert_read notice;

    switch (
        lb_alert_notice_read(next->bytes, &office_of(outbox)->alerting->sink_names, &batch->arena, record, &notice)) {
    case LB_OK: break;
    case LB_LIMIT: return false;
    default:
        outbox->lost++;
        LB_ERROR(MODULE, "an alert of the journal is not readable and is left out position=%llu",
                 (unsigned long long)next->start);
        return true;
    }
    if (!notice.told)
        return true;
    if (lb_batch_room(batch, 1) < record->message.len)
        return false;
    *mask = notice.sinks;
    note_record(batch, record, next);
    return true;
}

/* Writes entries of one office into the batch while they fit, and who gets them. False: no memory for even one. */
static bool fill(struct lb_alert_outbox *outbox, struct lb_batch *batch, bool journal, uint64_t wanted)
{
    uint32_t sink_count = office_of(outbox)->sink_count;
    uint64_t masks[BATCH_EVENTS] = { 0 };
    uint64_t passed = 0;
    uint64_t counted = 0;
    struct next next;

    batch->records = lb_arena_alloc(&batch->arena, wanted * sizeof(*batch->records));
    if (batch->records == NULL)
        return false;
    for (; passed < wanted && peek(outbox, journal, &next); passed++) {
        if (!put_entry(outbox, batch, &next, &masks[batch->record_count]))
            break;
        batch->position_end = next.end;
        counted += pass(outbox, journal);
    }
    bool selected = passed > 0 && lb_route_select(batch, masks, sink_count);
    if (passed > 0 && !selected) {
        outbox->lost += batch->record_count;
        LB_ERROR(MODULE, "alerts lost, no memory count=%u", batch->record_count);
    }
    note_delivered(outbox, counted);
    return selected;
}

static uint64_t wanted_of(const struct lb_alert_outbox *outbox)
{
    uint64_t left = outbox->before_until - outbox->delivered;

    return outbox->before.alerting != NULL && left < BATCH_EVENTS ? left : BATCH_EVENTS;
}

static bool deliver_some(struct lb_alert_outbox *outbox, bool journal)
{
    uint64_t wanted = wanted_of(outbox);
    struct lb_stream *stream = journal ? outbox->durable : outbox->memory;
    struct lb_generation *generation = office_of(outbox)->alerting->generation;
    struct lb_batch *batch;
    struct next next;

    if (!peek(outbox, journal, &next))
        return false;
    batch = lb_pool_take(outbox->share, wanted * EVENT_BYTES, stream);
    if (batch == NULL)
        return false;
    batch->counted = true;
    batch->position = batch->position_end = next.start;
    batch->arrival_ns = lb_clock_now();
    batch->generation = lb_generation_ref(generation);
    if (!fill(outbox, batch, journal, wanted)) {
        LB_ERROR(MODULE, "no memory for alerts, trying again");
        lb_batch_unref(batch);
        return false;
    }
    lb_pool_settle(batch);
    outbox->deliver(outbox->context, batch);
    return true;
}

/* Nobody wants what is below the marks of all sinks, as far as the last snapshot makes it superfluous too. */
static void trim(struct lb_alert_outbox *outbox)
{
    int64_t now = lb_clock_monotonic();
    uint64_t position;

    if (outbox->journal == NULL || now < outbox->trim_at)
        return;
    outbox->trim_at = now + TRIM_EVERY;
    position = lb_stream_committed(outbox->durable);
    if (position > outbox->kept_from)
        position = outbox->kept_from;
    if (position > lb_journal_begin(lb_alert_journal_disk(outbox->journal)))
        lb_alert_journal_trim(outbox->journal, position);
}

/* What waits in memory came after what is in the journal, but for what follows when the disk is well again. */
bool lb_alert_outbox_flush(struct lb_alert_outbox *outbox)
{
    take_returned(outbox);
    while (deliver_some(outbox, true))
        continue;
    if (outbox->read)
        return false; /* no credit */
    while (deliver_some(outbox, false))
        continue;
    trim(outbox);
    return lb_alert_outbox_is_safe(outbox);
}

/* --- the journal ---------------------------------------------------------- */

#define IDENTITY LB_STR("alerts")

static void match_stream(void *context, uint64_t id, struct lb_str identity)
{
    if (lb_str_equal(identity, IDENTITY))
        *(uint64_t *)context = id;
}

static bool open_stream(struct lb_alert_outbox *outbox)
{
    uint64_t id = 0;

    lb_streams_each_known(outbox->streams, LB_STR(""), match_stream, &id);
    enum lb_err err = lb_stream_open(outbox->streams, NULL, id, IDENTITY, &outbox->durable);
    if (err == LB_END)
        err = lb_stream_open(outbox->streams, NULL, 0, IDENTITY, &outbox->durable);
    if (err != LB_OK) {
        outbox->durable = NULL;
        return false;
    }
    outbox->durable->name = LB_STR("alerts");
    outbox->durable->urgent = true; /* what people have been told must not be told again after a crash */
    return true;
}

bool lb_alert_outbox_open(struct lb_alert_outbox *outbox, const char *directory, void (*ready)(void *context),
                          void *context)
{
    if (!open_stream(outbox))
        return false;
    outbox->journal = lb_alert_journal_open(directory, outbox->durable->resume_until, ready, context);
    if (outbox->journal == NULL)
        return false;
    struct lb_journal *disk = lb_alert_journal_disk(outbox->journal);
    outbox->begun = lb_journal_end(disk);
    outbox->reader = lb_journal_reader_new(disk, outbox->durable->resume);
    return outbox->reader != NULL;
}

void lb_alert_outbox_replay(struct lb_alert_outbox *outbox, uint64_t position,
                            void (*visit)(void *context, struct lb_alert_read *notice), void *context)
{
    struct lb_journal_reader *reader = lb_journal_reader_new(lb_alert_journal_disk(outbox->journal), position);
    struct lb_buffer payload;
    struct lb_alert_read notice;
    uint64_t start;
    uint64_t end;

    lb_buffer_init(&payload, LB_ALERT_NOTICE_MAX);
    while (reader != NULL && lb_journal_read(reader, &payload, &start, &end) == LB_OK)
        if (lb_alert_notice_read(lb_buffer_str(&payload), &outbox->office.alerting->sink_names, NULL, NULL, &notice) ==
            LB_OK)
            visit(context, &notice);
    if (reader == NULL)
        LB_ERROR(MODULE, "no memory to read what was told since the last time rules were saved");
    lb_buffer_free(&payload);
    lb_journal_reader_free(reader);
}

/* In this order: what the disk gives back counts as settled, but is in memory alone until it has been handed on. */
bool lb_alert_outbox_is_safe(struct lb_alert_outbox *outbox)
{
    if (outbox->journal != NULL && lb_alert_journal_settled(outbox->journal) != outbox->added)
        return false;
    take_returned(outbox);
    return outbox->first == NULL;
}

uint64_t lb_alert_outbox_end(const struct lb_alert_outbox *outbox)
{
    return outbox->journal != NULL ? lb_journal_end(lb_alert_journal_disk(outbox->journal)) : 0;
}

void lb_alert_outbox_keep_from(struct lb_alert_outbox *outbox, uint64_t position)
{
    outbox->kept_from = position;
}

/* --- making and freeing --------------------------------------------------- */

bool lb_alert_outbox_init(struct lb_alert_outbox *outbox, const struct lb_alerting *alerting, uint32_t sink_count)
{
    open_office(&outbox->office, alerting, sink_count);
    lb_buffer_init(&outbox->payload, LB_ALERT_NOTICE_MAX);
    outbox->memory = lb_stream_new(outbox->streams, NULL);
    if (outbox->memory == NULL)
        return false;
    outbox->memory->name = LB_STR("alerts");
    return true;
}

void lb_alert_outbox_free(struct lb_alert_outbox *outbox)
{
    lb_journal_reader_free(outbox->reader);
    lb_alert_journal_close(outbox->journal);
    while (outbox->first != NULL)
        drop_first(outbox);
    lb_buffer_free(&outbox->payload);
    if (outbox->durable != NULL)
        lb_stream_unref(outbox->durable);
    if (outbox->memory != NULL)
        lb_stream_unref(outbox->memory);
    close_office(&outbox->before);
    close_office(&outbox->office);
}
