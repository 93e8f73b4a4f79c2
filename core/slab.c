/*
 * slab.c - one allocation per batch: its head, then the slab.
 *
 * The slab is aligned to a cache line and its size a multiple of 8, since the
 * table of events grows down from its end.
 */
#include "slab.h"

#include "lb_alloc.h"
#include "lb_limits.h"

enum {
    SLAB_ALIGNMENT = 64,
    ARENA_FACTOR = 16,             /* an arena may grow to so many times its slab, */
    ARENA_BYTES_MIN = 1024 * 1024, /* and to this in any case */
};

static const uint32_t class_bytes[LB_SLAB_EXACT] = { LB_SLAB_SMALL, LB_SLAB_MEDIUM, LB_SLAB_LARGE };

unsigned lb_slab_class(size_t bytes)
{
    unsigned size_class = 0;

    while (size_class < LB_SLAB_EXACT && bytes > class_bytes[size_class])
        size_class++;
    return size_class;
}

size_t lb_slab_capacity(size_t bytes)
{
    unsigned size_class = lb_slab_class(bytes);

    return size_class < LB_SLAB_EXACT ? class_bytes[size_class] : (bytes + 7) & ~(size_t)7;
}

struct lb_batch *lb_slab_new(size_t bytes)
{
    size_t capacity = lb_slab_capacity(bytes);
    struct lb_slab *slab = lb_alloc(sizeof(*slab) + SLAB_ALIGNMENT + capacity);

    if (slab == NULL)
        return NULL;
    char *behind = (char *)(slab + 1);
    size_t past = (uintptr_t)behind % SLAB_ALIGNMENT;
    slab->size_class = (uint8_t)lb_slab_class(bytes);
    slab->batch.bytes = behind + (past > 0 ? SLAB_ALIGNMENT - past : 0);
    slab->batch.capacity = (uint32_t)capacity;
    size_t arena_max = capacity * ARENA_FACTOR;
    lb_arena_init(&slab->batch.arena, arena_max > ARENA_BYTES_MIN ? arena_max : ARENA_BYTES_MIN);
    return &slab->batch;
}

size_t lb_slab_footprint(const struct lb_batch *batch)
{
    return batch->capacity + batch->arena.bytes_held;
}

struct lb_batch *lb_slabs_pop(struct lb_slabs *slabs, unsigned size_class)
{
    struct lb_batch *batch = size_class < LB_SLAB_EXACT ? slabs->free[size_class] : NULL;

    if (batch != NULL) {
        slabs->free[size_class] = batch->next;
        batch->next = NULL;
        slabs->idle -= lb_slab_footprint(batch);
    }
    return batch;
}

void lb_slabs_push(struct lb_slabs *slabs, struct lb_batch *batch)
{
    struct lb_batch **list = &slabs->free[lb_slab_of(batch)->size_class];

    batch->next = *list;
    *list = batch;
    slabs->idle += lb_slab_footprint(batch);
}

struct lb_batch *lb_slabs_trim(struct lb_slabs *slabs, size_t idle_max)
{
    struct lb_batch *chain = NULL;

    for (unsigned size_class = LB_SLAB_EXACT; size_class-- > 0;) {
        while (slabs->idle > idle_max && slabs->free[size_class] != NULL) {
            struct lb_batch *batch = lb_slabs_pop(slabs, size_class);

            batch->next = chain;
            chain = batch;
        }
    }
    return chain;
}

void lb_slabs_free(struct lb_batch *chain)
{
    while (chain != NULL) {
        struct lb_batch *next = chain->next;

        lb_arena_free(&chain->arena);
        lb_free(chain);
        chain = next;
    }
}
