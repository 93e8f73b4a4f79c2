/*
 * alloc.c - the heap, counted, and made to fail on demand.
 *
 * lb_alloc_fail_at counts down with each allocation; the one that brings it
 * from 1 to 0 fails. At 0 (the normal state) nothing is touched but the count.
 */
#include "lb_alloc.h"

#include <stdbool.h>
#include <stdlib.h>

enum { GROWN_FIRST = 16 };

_Atomic long lb_alloc_fail_at;
_Atomic long lb_alloc_count;

static bool must_fail(void)
{
    atomic_fetch_add_explicit(&lb_alloc_count, 1, memory_order_relaxed);
    if (atomic_load_explicit(&lb_alloc_fail_at, memory_order_relaxed) == 0)
        return false;
    return atomic_fetch_sub(&lb_alloc_fail_at, 1) == 1;
}

void *lb_alloc(size_t size)
{
    return must_fail() ? NULL : calloc(1, size > 0 ? size : 1);
}

void *lb_realloc(void *ptr, size_t size)
{
    return must_fail() ? NULL : realloc(ptr, size > 0 ? size : 1);
}

void *lb_grown(void *items, size_t count, size_t *capacity, size_t size)
{
    size_t doubled = *capacity > 0 ? 2 * *capacity : GROWN_FIRST;

    if (count < *capacity)
        return items;
    void *grown = lb_realloc(items, doubled * size);
    if (grown != NULL)
        *capacity = doubled;
    return grown;
}

void lb_free(void *ptr)
{
    free(ptr);
}
