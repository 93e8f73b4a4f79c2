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

static bool reserve(struct lb_delivery *self, uint32_t count)
{
    if (count <= self->trimmed_capacity)
        return true;

    uint32_t *indexes = lb_realloc(self->trimmed.indexes, count * sizeof(*indexes));

    if (indexes == NULL)
        return false;
    self->trimmed.indexes = indexes;
    self->trimmed_capacity = count;
    return true;
}

bool delivery_trim(struct lb_delivery *self)
{
    const struct lb_batch *batch = self->current.batch;
    const struct lb_selection *selection = self->current.selection;
    const struct lb_stream *stream = batch->stream;

    if (stream == NULL || !stream->durable || batch->position >= stream->resume_until)
        return true;

    uint64_t mark = lb_stream_mark(batch->stream, self->sink->index);

    if (mark <= batch->position)
        return true;
    if (!reserve(self, selection->count))
        return false;

    uint32_t kept = 0;

    for (uint32_t i = 0; i < selection->count; i++) {
        uint32_t index = selection->indexes == NULL ? i : selection->indexes[i];

        if (batch->position + batch->records[index].end > mark)
            self->trimmed.indexes[kept++] = index;
    }
    self->trimmed.count = kept;
    self->current.selection = &self->trimmed;
    return true;
}
