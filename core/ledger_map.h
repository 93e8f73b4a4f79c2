/*
 * ledger_map.h - the keys and values of a ledger in memory, in order.
 *
 * Changing happens in two steps, so that a transaction is applied as a whole:
 * reserve() takes all memory that a put will need, put() cannot fail then.
 * Not thread-safe.
 */
#ifndef LB_CORE_LEDGER_MAP_H
#define LB_CORE_LEDGER_MAP_H

#include "lb_err.h"
#include "lb_str.h"

#include <stdint.h>

enum { LB_LEDGER_MAP_HEIGHT = 16 };

struct lb_ledger_node {
    char *value;
    uint32_t value_len;
    uint32_t value_capacity;
    uint32_t key_len;
    bool present; /* false: reserved, not put */
    uint8_t height;
    struct lb_ledger_node *next[]; /* `height` links, then the bytes of the key */
};

struct lb_ledger_map {
    struct lb_ledger_node *heads[LB_LEDGER_MAP_HEIGHT];
    uint64_t random;
    size_t count;      /* of keys that are present */
    size_t text_bytes; /* of their keys and values */
};

void lb_ledger_map_init(struct lb_ledger_map *map);
void lb_ledger_map_free(struct lb_ledger_map *map);

enum lb_err lb_ledger_map_reserve(struct lb_ledger_map *map, struct lb_str key, size_t value_len) LB_MUST_USE;
void lb_ledger_map_put(struct lb_ledger_map *map, struct lb_str key, struct lb_str value); /* reserved before */

/* The key stays reserved: a later put of the same transaction may need it. */
void lb_ledger_map_delete(struct lb_ledger_map *map, struct lb_str key);

/* Frees a key that is reserved and not put. */
void lb_ledger_map_release(struct lb_ledger_map *map, struct lb_str key);

/* The first node at or behind `key`, present ones only; and the next. NULL behind the last. */
struct lb_ledger_node *lb_ledger_map_seek(struct lb_ledger_map *map, struct lb_str key);
struct lb_ledger_node *lb_ledger_map_next(struct lb_ledger_node *node);

struct lb_str lb_ledger_node_key(const struct lb_ledger_node *node);
struct lb_str lb_ledger_node_value(const struct lb_ledger_node *node);

#endif
