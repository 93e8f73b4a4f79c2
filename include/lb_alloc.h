/*
 * lb_alloc.h - the only way to reach the heap.
 *
 * Tests set lb_alloc_fail_at to n to make the n-th allocation from now fail,
 * and run again for every n: each error path is walked at least once.
 * lb_alloc_count counts allocations: the test "no allocation per record"
 * reads it. Thread-safe.
 */
#ifndef LB_ALLOC_H
#define LB_ALLOC_H

#include <stdatomic.h>
#include <stddef.h>

extern _Atomic long lb_alloc_fail_at; /* 0: never */
extern _Atomic long lb_alloc_count;

void *lb_alloc(size_t size);              /* zeroed, or NULL */
void *lb_realloc(void *ptr, size_t size); /* grown bytes are not zeroed; NULL leaves `ptr` as it was */
void lb_free(void *ptr);

/*
 * The array `items` of `count` things of that size, with room for one more: it doubles when `*capacity` is used up.
 * NULL leaves both as they were.
 */
void *lb_grown(void *items, size_t count, size_t *capacity, size_t size);

#endif
