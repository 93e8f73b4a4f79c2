/*
 * envelope_lines.c - no envelope: each event is a line of text, as it is.
 *
 * Its time is that of arrival until a parser finds one. Text in another
 * encoding becomes UTF-8 here.
 */
#include "envelope_peer.h"
#include "lb_encoding.h"
#include "lb_parser.h"
#include "lb_source.h"

static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8, or of UTF-16 turned into it: it may stand in front of a file */

static void drop_mark(const struct lb_batch *batch, struct lb_record *record)
{
    struct lb_value *message = &record->message;

    if (batch->counted || batch->position + record->start != 0 || message->len < 3 ||
        memcmp(message->ptr, mark, 3) != 0)
        return;
    message->ptr += 3;
    message->len -= 3;
}

/* Where the arena has no room for the text, the bytes stand for it. */
static void decode(struct lb_batch *batch, const struct lb_encoding *encoding, struct lb_record *record)
{
    struct lb_str text =
        lb_encoding_text(encoding, (struct lb_str){ record->message.ptr, record->message.len }, &batch->arena);

    if (text.ptr != NULL)
        record->message = lb_value_text(text);
}

static const struct lb_encoding *encoding_of(const struct lb_batch *batch)
{
    return batch->stream != NULL && batch->stream->source != NULL ? batch->stream->source->encoding : NULL;
}

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
    const struct lb_encoding *encoding = encoding_of(batch);
    for (uint32_t i = 0; i < batch->event_count; i++) {
        fill(batch, i, &batch->records[i]);
        if (encoding != NULL)
            decode(batch, encoding, &batch->records[i]);
        if (batch->peers != NULL)
            envelope_peer(batch, i, &batch->records[i]);
    }
    drop_mark(batch, &batch->records[0]);
    batch->record_count = batch->event_count;
    return LB_OK;
}

const struct lb_envelope lb_envelope_lines = { "lines", open_lines };
