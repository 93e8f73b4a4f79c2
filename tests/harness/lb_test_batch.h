/*
 * lb_test_batch.h - a batch for tests, filled with lines as ingest fills it.
 * The slab is exactly as large as it must be, so that the sanitizer sees a
 * byte that is read or written outside.
 */
#ifndef LB_TEST_BATCH_H
#define LB_TEST_BATCH_H

#include "lb_batch.h"

#include <stdint.h>
#include <stdlib.h>

enum { TEST_ARENA_BYTES = 64 * 1024 * 1024 };

/* `arrival_ns` is 2026-01-01T00:00:00Z. */
static inline void lb_test_batch_init(struct lb_batch *batch, const struct lb_str *lines, uint32_t count)
{
    size_t size = 0;

    for (uint32_t i = 0; i < count; i++)
        size += lines[i].len + 1;
    size = (size + 7) / 8 * 8 + count * sizeof(struct lb_event);
    *batch = (struct lb_batch){ .bytes = malloc(size > 0 ? size : 1),
                                .capacity = (uint32_t)size,
                                .position = 1000,
                                .arrival_ns = 1767225600 * LB_SECOND };
    for (uint32_t i = 0; i < count; i++) {
        if (lines[i].len > 0)
            memcpy(batch->bytes + batch->length, lines[i].ptr, lines[i].len);
        batch->bytes[batch->length + lines[i].len] = '\n';
        lb_batch_note(batch, batch->length, lines[i].len);
        batch->length += (uint32_t)lines[i].len + 1;
    }
    batch->position_end = batch->position + batch->length;
    lb_arena_init(&batch->arena, TEST_ARENA_BYTES);
}

static inline void lb_test_batch_free(struct lb_batch *batch)
{
    lb_arena_free(&batch->arena);
    free(batch->bytes);
}

#endif
