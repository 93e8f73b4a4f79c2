/*
 * lb_generation.h - one configuration that is in use, counted.
 *
 * A batch belongs to the generation that was current when it was queued, and
 * keeps it alive: workers, sinks and the alert engine may point into its arena
 * for as long as they have the batch. A stream keeps what its source lives in.
 * When the last reference goes, release() is called, from any thread, once.
 */
#ifndef LB_GENERATION_H
#define LB_GENERATION_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

struct lb_generation {
    atomic_uint references;
    void (*release)(struct lb_generation *generation); /* must not block: it may be called under locks */
};

/* NULL (a test, a command) is nobody's generation, and fine. Returns its argument. */
static inline struct lb_generation *lb_generation_ref(struct lb_generation *generation)
{
    if (generation != NULL) {
        unsigned before = atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);

        assert(before > 0);
        (void)before;
    }
    return generation;
}

static inline void lb_generation_unref(struct lb_generation *generation)
{
    if (generation == NULL)
        return;
    unsigned before = atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel);

    assert(before > 0);
    if (before == 1)
        generation->release(generation);
}

#endif
