/* tail_map.c - linear probing at a load of at most one half. */
#include "tail_map.h"

#include "lb_alloc.h"

#include <stddef.h>

enum { FIRST_CAPACITY = 64 };

static uint32_t home(const struct lb_tail_map *map, uint64_t key)
{
    /* Inodes and watch descriptors are small and dense; spread them. */
    return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (map->capacity - 1);
}

static void place(struct lb_tail_map *map, uint64_t key, void *value)
{
    uint32_t at = home(map, key);

    while (map->slots[at].value != NULL)
        at = (at + 1) & (map->capacity - 1);
    map->slots[at] = (struct lb_tail_slot){ key, value };
}

static bool grow(struct lb_tail_map *map)
{
    struct lb_tail_map larger = { .capacity = map->capacity > 0 ? map->capacity * 2 : FIRST_CAPACITY,
                                  .count = map->count };

    larger.slots = lb_alloc(larger.capacity * sizeof(*larger.slots));
    if (larger.slots == NULL)
        return false;
    for (uint32_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value != NULL)
            place(&larger, map->slots[i].key, map->slots[i].value);
    lb_free(map->slots);
    *map = larger;
    return true;
}

void lb_tail_map_free(struct lb_tail_map *map)
{
    lb_free(map->slots);
    *map = (struct lb_tail_map){ 0 };
}

bool lb_tail_map_put(struct lb_tail_map *map, uint64_t key, void *value)
{
    if ((map->count + 1) * 2 > map->capacity && !grow(map))
        return false;
    place(map, key, value);
    map->count++;
    return true;
}

/* Closes the gap at `at`: moves back what was pushed on past its home. */
static void close_gap(struct lb_tail_map *map, uint32_t at)
{
    uint32_t mask = map->capacity - 1;

    for (uint32_t next = (at + 1) & mask; map->slots[next].value != NULL; next = (next + 1) & mask) {
        uint32_t distance = (next - home(map, map->slots[next].key)) & mask;

        if (distance < ((next - at) & mask))
            continue;
        map->slots[at] = map->slots[next];
        at = next;
    }
    map->slots[at] = (struct lb_tail_slot){ 0 };
}

void lb_tail_map_remove(struct lb_tail_map *map, uint64_t key, const void *value)
{
    if (map->capacity == 0)
        return;
    for (uint32_t at = home(map, key); map->slots[at].value != NULL; at = (at + 1) & (map->capacity - 1)) {
        if (map->slots[at].key != key || map->slots[at].value != value)
            continue;
        map->count--;
        close_gap(map, at);
        return;
    }
}

void *lb_tail_map_each(const struct lb_tail_map *map, uint64_t key, uint32_t *cursor)
{
    if (map->capacity == 0)
        return NULL;
    for (;;) {
        const struct lb_tail_slot *slot = &map->slots[(home(map, key) + *cursor) & (map->capacity - 1)];

        if (slot->value == NULL)
            return NULL;
        ++*cursor;
        if (slot->key == key)
            return slot->value;
    }
}
