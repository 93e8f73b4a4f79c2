/*
 * batch.c - references to a batch, and the ids of its records.
 *
 * The tricky thing: the last reference may go on any thread, and what that
 * thread gives back was written by others, so the count is released and
 * acquired, not relaxed.
 */
#include "lb_batch.h"

#include "lb_stream.h"
#include "pool.h"

#include <assert.h>

static char *write_hex(char *out, uint64_t number, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--) {
        out[i - 1] = "0123456789abcdef"[number & 15];
        number >>= 4;
    }
    return out + digits;
}

static unsigned hex_digits(uint64_t number)
{
    return number == 0 ? 1 : (unsigned)(67 - __builtin_clzll(number)) / 4;
}

size_t lb_record_id(const struct lb_batch *batch, const struct lb_record *record, char *id)
{
    uint64_t position = batch->position + record->start;
    char *end = write_hex(id, batch->origin != 0 ? batch->origin : batch->stream->id, 16);

    *end++ = '-';
    end = write_hex(end, position, hex_digits(position));
    *end = '\0';
    return (size_t)(end - id);
}

void lb_batch_ref(struct lb_batch *batch)
{
    unsigned before = atomic_fetch_add_explicit(&batch->references, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before;
}

void lb_batch_unref(struct lb_batch *batch)
{
    unsigned before = atomic_fetch_sub_explicit(&batch->references, 1, memory_order_acq_rel);

    assert(before > 0);
    /* A batch without a pool (one line to explain, a test) belongs to who made it. */
    if (before != 1 || batch->pool == NULL)
        return;
    struct lb_generation *generation = batch->generation;

    batch->generation = NULL;
    lb_pool_give_back(batch);
    lb_generation_unref(generation);
}
