/*
 * key_memory.c - keys in sets of eight; see key_memory.h.
 *
 * Keys are hashes already: of 64 bits, so that two of ten thousand keys are
 * taken for one with a chance of less than one to a hundred billion.
 */
#include "key_memory.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <sys/random.h>
#include <xxhash.h>

bool key_memory_open(struct key_memory *self, uint64_t keys)
{
    self->sets = (keys + KEY_MEMORY_WAYS - 1) / KEY_MEMORY_WAYS;
    self->places = lb_alloc(self->sets * KEY_MEMORY_WAYS * sizeof(*self->places));
    return self->places != NULL;
}

void key_memory_close(struct key_memory *self)
{
    lb_free(self->places);
    self->places = NULL;
}

struct key_place *key_memory_find(struct key_memory *self, uint64_t key)
{
    struct key_place *places = &self->places[key % self->sets * KEY_MEMORY_WAYS];
    struct key_place *oldest = places;

    for (unsigned i = 0; i < KEY_MEMORY_WAYS; i++) {
        if (places[i].key == key && places[i].time_ns != 0)
            return &places[i];
        if (places[i].time_ns < oldest->time_ns)
            oldest = &places[i];
    }
    *oldest = (struct key_place){ .key = key };
    return oldest;
}

uint64_t key_of_record(const struct lb_strs *by, const struct lb_record *record, uint64_t seed,
                       struct lb_scratch *scratch, bool *any)
{
    uint64_t hash = seed;

    *any = false;
    for (size_t i = 0; i < by->count; i++) {
        size_t used = scratch->used;
        struct lb_value value = lb_record_get(record, by->items[i], scratch);
        struct lb_str text = lb_value_str(value, scratch);
        bool missing = value.kind == LB_VALUE_NONE;

        /* A missing value is not an empty one, and each hash begins with what stood before. */
        hash = XXH3_64bits_withSeed(text.ptr, text.len, hash + (missing ? 1 : 0));
        *any |= !missing;
        scratch->used = used;
    }
    return hash;
}

uint64_t key_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed = (uint64_t)lb_clock_monotonic();
    return seed;
}
