/*
 * alert_firsts.c - a set of hashes, and two Bloom filters behind it.
 *
 * Room is made by the value seen longest ago of the next few under a hand that
 * goes round the table: not the oldest of all, but of no list, and the same
 * values in the same order always give the same set.
 */
#include "alert_firsts.h"

#include "alert_bytes.h"
#include "lb_alloc.h"
#include "lb_clock.h"

enum { CAPACITY_FIRST = 64, CAPACITY_MAX = 16384, LOOKED_AT = 64, PROBES = 7 };

void lb_alert_firsts_free(struct lb_alert_firsts *firsts)
{
    lb_free(firsts->hashes);
    lb_free(firsts->days);
    lb_free(firsts->filters[0]);
    lb_free(firsts->filters[1]);
    *firsts = (struct lb_alert_firsts){ 0 };
}

size_t lb_alert_firsts_bytes(const struct lb_alert_firsts *firsts)
{
    size_t filters = (firsts->filters[0] != NULL) + (firsts->filters[1] != NULL);

    return firsts->capacity * (sizeof(*firsts->hashes) + sizeof(*firsts->days)) +
           filters * LB_ALERT_FIRSTS_WORDS * sizeof(uint64_t);
}

static uint16_t day_of(int64_t time_ns)
{
    int64_t day = time_ns / (24 * 3600 * LB_SECOND);

    return (uint16_t)(day < 0 ? 0 : day > UINT16_MAX ? UINT16_MAX : day);
}

/* --- the exact ones -------------------------------------------------------- */

static uint32_t slot_of(const struct lb_alert_firsts *firsts, uint64_t hash)
{
    uint32_t mask = firsts->capacity - 1;
    uint32_t i = (uint32_t)hash & mask;

    while (firsts->hashes[i] != 0 && firsts->hashes[i] != hash)
        i = (i + 1) & mask;
    return i;
}

static void remove_slot(struct lb_alert_firsts *firsts, uint32_t hole)
{
    uint32_t mask = firsts->capacity - 1;

    for (uint32_t i = (hole + 1) & mask; firsts->hashes[i] != 0; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)firsts->hashes[i] & mask;

        /* It may move back only if the hole does not lie before its home. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            firsts->hashes[hole] = firsts->hashes[i];
            firsts->days[hole] = firsts->days[i];
            hole = i;
        }
    }
    firsts->hashes[hole] = 0;
    firsts->count--;
}

static bool grow(struct lb_alert_firsts *firsts, uint32_t capacity)
{
    struct lb_alert_firsts grown = { .capacity = capacity };

    grown.hashes = lb_alloc(capacity * sizeof(*grown.hashes));
    grown.days = lb_alloc(capacity * sizeof(*grown.days));
    if (grown.hashes == NULL || grown.days == NULL) {
        lb_free(grown.hashes);
        lb_free(grown.days);
        return false;
    }
    for (uint32_t i = 0; i < firsts->capacity; i++) {
        uint32_t slot;

        if (firsts->hashes[i] == 0)
            continue;
        slot = slot_of(&grown, firsts->hashes[i]);
        grown.hashes[slot] = firsts->hashes[i];
        grown.days[slot] = firsts->days[i];
    }
    lb_free(firsts->hashes);
    lb_free(firsts->days);
    firsts->hashes = grown.hashes;
    firsts->days = grown.days;
    firsts->capacity = capacity;
    return true;
}

/* --- the others ------------------------------------------------------------ */

/* One bit for each probe, from two halves of the hash. */
static uint32_t bit_of(uint64_t hash, uint32_t probe)
{
    return (uint32_t)(((hash >> 32) + (uint64_t)probe * ((hash & 0xffffffff) | 1)) % LB_ALERT_FIRSTS_BITS);
}

static bool filter_has(const uint64_t *filter, uint64_t hash)
{
    for (uint32_t i = 0; filter != NULL && i < PROBES; i++) {
        uint32_t bit = bit_of(hash, i);

        if ((filter[bit / 64] & UINT64_C(1) << bit % 64) == 0)
            return false;
    }
    return filter != NULL;
}

static bool filter_add(struct lb_alert_firsts *firsts, uint64_t hash)
{
    if (firsts->filters[0] == NULL || firsts->filled == LB_ALERT_FIRSTS_BLOOM) {
        uint64_t *next = firsts->filters[1];

        if (next == NULL)
            next = lb_alloc(LB_ALERT_FIRSTS_WORDS * sizeof(*next));
        if (next == NULL)
            return false;
        memset(next, 0, LB_ALERT_FIRSTS_WORDS * sizeof(*next));
        firsts->filters[1] = firsts->filters[0];
        firsts->filters[0] = next;
        firsts->filled = 0;
    }
    for (uint32_t i = 0; i < PROBES; i++) {
        uint32_t bit = bit_of(hash, i);

        firsts->filters[0][bit / 64] |= UINT64_C(1) << bit % 64;
    }
    firsts->filled++;
    return true;
}

/* --- both ------------------------------------------------------------------ */

static bool make_room(struct lb_alert_firsts *firsts)
{
    uint32_t mask = firsts->capacity - 1;
    uint32_t oldest = 0;
    bool found = false;

    if (firsts->count < LB_ALERT_FIRSTS_EXACT) {
        if ((firsts->count + 1) * 4 <= firsts->capacity * 3)
            return true;
        return grow(firsts, firsts->capacity == 0 ? CAPACITY_FIRST : firsts->capacity * 2);
    }
    for (uint32_t seen = 0; seen < LOOKED_AT; firsts->hand = (firsts->hand + 1) & mask) {
        if (firsts->hashes[firsts->hand] == 0)
            continue;
        seen++;
        if (found && firsts->days[firsts->hand] >= firsts->days[oldest])
            continue;
        oldest = firsts->hand;
        found = true;
    }
    if (!filter_add(firsts, firsts->hashes[oldest]))
        return false;
    remove_slot(firsts, oldest);
    return true;
}

enum lb_err lb_alert_firsts_see(struct lb_alert_firsts *firsts, uint64_t hash, int64_t time_ns, bool *fresh)
{
    uint16_t day = day_of(time_ns);
    uint32_t slot;

    *fresh = false;
    hash += hash == 0;
    if (firsts->capacity > 0 && firsts->hashes[slot_of(firsts, hash)] == hash) {
        slot = slot_of(firsts, hash);
        if (day > firsts->days[slot])
            firsts->days[slot] = day;
        return LB_OK;
    }
    if (filter_has(firsts->filters[0], hash))
        return LB_OK;
    /* It is in use: kept for as long as the one that is filled now. */
    if (filter_has(firsts->filters[1], hash))
        return filter_add(firsts, hash) ? LB_OK : LB_NOMEM;
    if (!make_room(firsts))
        return LB_NOMEM;
    slot = slot_of(firsts, hash);
    firsts->hashes[slot] = hash;
    firsts->days[slot] = day;
    firsts->count++;
    *fresh = true;
    return LB_OK;
}

/* --- over a restart -------------------------------------------------------- */

void lb_alert_firsts_write(const struct lb_alert_firsts *firsts, struct lb_buffer *out)
{
    uint32_t filters = firsts->filters[0] == NULL ? 0 : firsts->filters[1] == NULL ? 1 : 2;

    lb_alert_bytes_put_count(out, firsts->capacity);
    lb_alert_bytes_put_count(out, firsts->count);
    lb_alert_bytes_put_count(out, firsts->hand);
    lb_alert_bytes_put_count(out, firsts->filled);
    lb_alert_bytes_put_count(out, filters);
    lb_alert_bytes_put(out, firsts->hashes, firsts->capacity * sizeof(*firsts->hashes));
    lb_alert_bytes_put(out, firsts->days, firsts->capacity * sizeof(*firsts->days));
    for (uint32_t i = 0; i < filters; i++)
        lb_alert_bytes_put(out, firsts->filters[i], LB_ALERT_FIRSTS_WORDS * sizeof(uint64_t));
}

/* The table must have as many as it says, each where it is found. */
static bool table_is_sound(const struct lb_alert_firsts *firsts, uint32_t count)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < firsts->capacity; i++)
        found += firsts->hashes[i] != 0;
    if (found != count || (firsts->capacity > 0 && found * 4 > firsts->capacity * 3))
        return false;
    for (uint32_t i = 0; i < firsts->capacity; i++)
        if (firsts->hashes[i] != 0 && slot_of(firsts, firsts->hashes[i]) != i)
            return false;
    return true;
}

static bool take_filters(struct lb_alert_firsts *firsts, uint32_t filters, struct lb_str *bytes)
{
    for (uint32_t i = 0; i < filters; i++) {
        firsts->filters[i] = lb_alloc(LB_ALERT_FIRSTS_WORDS * sizeof(uint64_t));
        if (firsts->filters[i] == NULL ||
            !lb_alert_bytes_take(bytes, firsts->filters[i], LB_ALERT_FIRSTS_WORDS * sizeof(uint64_t)))
            return false;
    }
    return true;
}

bool lb_alert_firsts_restore(struct lb_alert_firsts *firsts, struct lb_str *bytes)
{
    uint32_t capacity;
    uint32_t count;
    uint32_t filters;

    if (!lb_alert_bytes_take_count(bytes, &capacity, CAPACITY_MAX) || (capacity & (capacity - 1)) != 0 ||
        (capacity > 0 && capacity < CAPACITY_FIRST) ||
        !lb_alert_bytes_take_count(bytes, &count, LB_ALERT_FIRSTS_EXACT) ||
        !lb_alert_bytes_take_count(bytes, &firsts->hand, capacity) ||
        !lb_alert_bytes_take_count(bytes, &firsts->filled, LB_ALERT_FIRSTS_BLOOM) ||
        !lb_alert_bytes_take_count(bytes, &filters, 2))
        return false;
    if (capacity > 0 && !grow(firsts, capacity))
        return false;
    if (!lb_alert_bytes_take(bytes, firsts->hashes, capacity * sizeof(*firsts->hashes)) ||
        !lb_alert_bytes_take(bytes, firsts->days, capacity * sizeof(*firsts->days)) || !table_is_sound(firsts, count))
        return false;
    firsts->count = count;
    firsts->hand = capacity > 0 ? firsts->hand & (capacity - 1) : 0;
    return take_filters(firsts, filters, bytes);
}
