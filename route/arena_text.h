/*
 * arena_text.h - text that grows in a batch's arena while a filter writes it.
 *
 * When the arena is full, `failed` is set and the bytes are dropped: a writer
 * asks once, at the end. What growing leaves behind goes with the batch.
 */
#ifndef LB_ROUTE_ARENA_TEXT_H
#define LB_ROUTE_ARENA_TEXT_H

#include "lb_arena.h"

struct arena_text {
    struct lb_arena *arena;
    char *ptr;
    size_t len;
    size_t capacity;
    bool failed;
};

void arena_text_put(struct arena_text *self, const char *ptr, size_t len);

static inline void arena_text_put_str(struct arena_text *self, struct lb_str text)
{
    arena_text_put(self, text.ptr, text.len);
}

/* As the inside of a JSON string. Bytes that are no UTF-8 stay: the value has to say so (LB_VALUE_BAD_UTF8). */
void arena_text_put_escaped(struct arena_text *self, struct lb_str text);

#endif
