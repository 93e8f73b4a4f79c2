/*
 * arena.c - a chain of chunks; the newest that has room is `current`.
 *
 * After a reset the chain is walked again from its first chunk, so a recycled
 * arena takes nothing from the heap until it needs more than ever before.
 */
#include "lb_arena.h"

#include "lb_alloc.h"

#include <stdarg.h>
#include <stdio.h>

enum { CHUNK_BYTES = 16 * 1024, CHUNK_BYTES_MAX = 256 * 1024 };

struct lb_chunk {
    struct lb_chunk *next;
    size_t size; /* of the bytes behind this header */
};

static char *chunk_bytes(struct lb_chunk *chunk)
{
    return (char *)(chunk + 1);
}

static void enter(struct lb_arena *arena, struct lb_chunk *chunk)
{
    arena->current = chunk;
    arena->next = chunk != NULL ? chunk_bytes(chunk) : NULL;
    arena->end = chunk != NULL ? arena->next + chunk->size : NULL;
}

void lb_arena_init(struct lb_arena *arena, size_t bytes_max)
{
    *arena = (struct lb_arena){ .bytes_max = bytes_max };
}

static void free_chain(struct lb_chunk *chunk)
{
    while (chunk != NULL) {
        struct lb_chunk *next = chunk->next;

        lb_free(chunk);
        chunk = next;
    }
}

void lb_arena_free(struct lb_arena *arena)
{
    free_chain(arena->first);
    lb_arena_init(arena, arena->bytes_max);
}

void lb_arena_reset(struct lb_arena *arena, size_t keep)
{
    struct lb_chunk **link = &arena->first;
    size_t held = 0;

    while (*link != NULL && held + (*link)->size <= keep) {
        held += (*link)->size;
        link = &(*link)->next;
    }
    free_chain(*link);
    *link = NULL;
    arena->bytes_held = held;
    enter(arena, arena->first);
}

/* Chunks double with the arena, so that their number stays small. */
static size_t next_chunk_size(const struct lb_arena *arena, size_t size)
{
    size_t room = arena->bytes_max - arena->bytes_held;
    size_t wanted = arena->bytes_held < CHUNK_BYTES ? CHUNK_BYTES : arena->bytes_held;

    if (wanted > CHUNK_BYTES_MAX)
        wanted = CHUNK_BYTES_MAX;
    if (wanted < size)
        wanted = size;
    return wanted < room ? wanted : room;
}

static struct lb_chunk *add_chunk(struct lb_arena *arena, size_t size)
{
    size_t chunk_size = next_chunk_size(arena, size);
    struct lb_chunk *chunk = chunk_size >= size ? lb_alloc(sizeof(*chunk) + chunk_size) : NULL;

    if (chunk == NULL)
        return NULL;
    chunk->size = chunk_size;
    if (arena->current == NULL) {
        chunk->next = arena->first;
        arena->first = chunk;
    } else {
        chunk->next = arena->current->next;
        arena->current->next = chunk;
    }
    arena->bytes_held += chunk_size;
    return chunk;
}

void *lb_arena_grow(struct lb_arena *arena, size_t size)
{
    struct lb_chunk *chunk = arena->current != NULL ? arena->current->next : arena->first;

    while (chunk != NULL && chunk->size < size) {
        arena->current = chunk;
        chunk = chunk->next;
    }
    if (chunk == NULL)
        chunk = add_chunk(arena, size);
    if (chunk == NULL)
        return NULL;
    enter(arena, chunk);
    arena->next += size;
    return chunk_bytes(chunk);
}

void *lb_arena_zalloc(struct lb_arena *arena, size_t size)
{
    void *ptr = lb_arena_alloc(arena, size);

    return ptr != NULL ? memset(ptr, 0, size) : NULL;
}

struct lb_str lb_arena_copy(struct lb_arena *arena, struct lb_str bytes)
{
    char *ptr = lb_arena_alloc(arena, bytes.len + 1);

    if (ptr == NULL)
        return (struct lb_str){ NULL, 0 };
    if (bytes.len > 0)
        memcpy(ptr, bytes.ptr, bytes.len);
    ptr[bytes.len] = '\0';
    return (struct lb_str){ ptr, bytes.len };
}

struct lb_str lb_arena_print(struct lb_arena *arena, const char *fmt, ...)
{
    struct lb_str text = { NULL, 0 };
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *ptr = len < 0 ? NULL : lb_arena_alloc(arena, (size_t)len + 1);
    if (ptr == NULL)
        return text;
    va_start(args, fmt);
    vsnprintf(ptr, (size_t)len + 1, fmt, args);
    va_end(args);
    text = (struct lb_str){ ptr, (size_t)len };
    return text;
}
