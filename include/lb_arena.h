/*
 * lb_arena.h - memory that is freed all at once.
 *
 * An arena has one owner (a batch, a configuration) and one thread at a time.
 * It is a chain of chunks; reset forgets every allocation and keeps the
 * chunks, so a recycled arena allocates nothing. Allocation past `bytes_max`
 * returns NULL, so a hostile peer cannot grow it.
 */
#ifndef LB_ARENA_H
#define LB_ARENA_H

#include "lb_str.h"

#include <stdint.h>

struct lb_chunk;

struct lb_arena {
    char *next; /* free bytes of the current chunk */
    char *end;
    struct lb_chunk *current;
    struct lb_chunk *first;
    size_t bytes_held; /* of all chunks */
    size_t bytes_max;
};

void lb_arena_init(struct lb_arena *arena, size_t bytes_max); /* allocates nothing yet */
void lb_arena_free(struct lb_arena *arena);

/* O(1). Chunks past `keep` bytes are given back to the heap. */
void lb_arena_reset(struct lb_arena *arena, size_t keep);

/* The slow path of lb_arena_alloc: a new chunk, or NULL at the limit. */
void *lb_arena_grow(struct lb_arena *arena, size_t size);

/* Not zeroed, aligned to 8; NULL when the arena is full. */
static inline void *lb_arena_alloc(struct lb_arena *arena, size_t size)
{
    char *ptr = arena->next;

    size = (size + 7) & ~(size_t)7;
    if ((size_t)(arena->end - ptr) < size)
        return lb_arena_grow(arena, size);
    arena->next = ptr + size;
    return ptr;
}

void *lb_arena_zalloc(struct lb_arena *arena, size_t size);

/* The copy lives as long as the arena and is followed by a NUL. `ptr` is NULL when it is full. */
struct lb_str lb_arena_copy(struct lb_arena *arena, struct lb_str bytes);

/* printf into the arena; `ptr` is NULL when it is full. */
struct lb_str lb_arena_print(struct lb_arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
