/*
 * delivery_trim.c - leaves out what this consumer had before the start.
 *
 * After a restart a stream is read from its lowest mark; a consumer whose own
 * mark is higher has some of these records already. The live mark decides,
 * though it moves: tokens are issued in stream order, and the batch's own is
 * not done, so the mark stands either where it stood at the start or at the
 * end of an earlier batch, which is below every record of this one.
 */
#include "delivery.h"

#include "lb_alloc.h"

static bool reserve(struct delivery_trimmed *trimmed, uint32_t count)
{
    if (count <= trimmed->capacity)
        return true;

    uint32_t *indexes = lb_realloc(trimmed->selection.indexes, count * sizeof(*indexes));

    if (indexes == NULL)
        return false;
    trimmed->selection.indexes = indexes;
    trimmed->capacity = count;
    return true;
}

const struct lb_selection *delivery_trim(struct lb_delivery *self, const struct lb_batch *batch,
                                         const struct lb_selection *selection, struct delivery_trimmed *trimmed)
{
    const struct lb_stream *stream = batch->stream;

    if (selection == &trimmed->selection || batch->origin != 0 || stream == NULL || !stream->durable ||
        batch->position >= stream->resume_until)
        return selection;

    uint64_t mark = lb_stream_mark(batch->stream, self->sink->index);

    if (mark <= batch->position)
        return selection;
    if (!reserve(trimmed, selection->count))
        return NULL;

    uint32_t kept = 0;

    for (uint32_t i = 0; i < selection->count; i++) {
        uint32_t index = selection->indexes == NULL ? i : selection->indexes[i];

        if (batch->position + batch->records[index].end > mark)
            trimmed->selection.indexes[kept++] = index;
    }
    trimmed->selection.count = kept;
    return &trimmed->selection;
}
