/*
 * tail_map.h - from a 64-bit key to pointers, several per key if need be.
 *
 * Open addressing; removal shifts back, so there are no tombstones. Keys that
 * are hashes of text may collide: the caller looks at every value of a key.
 */
#ifndef LB_TAIL_MAP_H
#define LB_TAIL_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct lb_tail_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

/* Zeroed: empty. */
struct lb_tail_map {
    struct lb_tail_slot *slots;
    uint32_t capacity; /* a power of two */
    uint32_t count;
};

void lb_tail_map_free(struct lb_tail_map *map);
bool lb_tail_map_put(struct lb_tail_map *map, uint64_t key, void *value); /* false: out of memory */
void lb_tail_map_remove(struct lb_tail_map *map, uint64_t key, const void *value);

/* Values of `key`: first with *cursor = 0, NULL behind the last. The map must not change in between. */
void *lb_tail_map_each(const struct lb_tail_map *map, uint64_t key, uint32_t *cursor);

#endif
