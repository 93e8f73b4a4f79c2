/*
 * key_memory.h - what filters with memory remember: a time and a count for each key, of a fixed number of keys.
 *
 * A key has eight places where it may stand. When all are taken, the one
 * whose time is longest past makes room; so it needs no list, and never grows.
 * One thread at a time.
 */
#ifndef LB_ROUTE_KEY_MEMORY_H
#define LB_ROUTE_KEY_MEMORY_H

#include "lb_module.h"
#include "lb_record.h"

enum { KEY_MEMORY_WAYS = 8, KEY_MEMORY_KEYS_MAX = 1000 * 1000 };

struct key_place {
    uint64_t key;
    int64_t time_ns; /* 0: nobody stands here */
    uint64_t held;   /* dropped since the last that passed */
};

struct key_memory {
    struct key_place *places;
    uint64_t sets;
};

bool key_memory_open(struct key_memory *self, uint64_t keys);
void key_memory_close(struct key_memory *self);

/* The place of `key`; a new one has time 0. */
struct key_place *key_memory_find(struct key_memory *self, uint64_t key);

/* 64 bits that stand for the values of `by`. `*any`: the record has one of them. The same seed gives the same bits. */
uint64_t key_of_record(const struct lb_strs *by, const struct lb_record *record, uint64_t seed,
                       struct lb_scratch *scratch, bool *any);

/* A seed that no peer can know: with it nobody finds keys that drive out others. */
uint64_t key_seed(void);

#endif
