/*
 * alert_keys.c - a hash map with a memory of who was active last.
 *
 * Linear probing; removal shifts the followers back, so there are no
 * tombstones to clean up under a flood. A text longer than LB_KEY_BYTES_MAX is
 * kept cut, but its hash is that of the whole.
 */
#include "alert_keys.h"

#include "lb_alloc.h"

#include <string.h>
#include <xxhash.h>

enum { CAPACITY_FIRST = 16, LOOKED_AT = 8 };

uint64_t lb_alert_hash(struct lb_str text)
{
    return XXH3_64bits(text.ptr, text.len);
}

void lb_alert_keys_init(struct lb_alert_keys *keys, uint32_t max)
{
    *keys = (struct lb_alert_keys){ .max = max };
}

static void free_key(struct lb_alert_key *key)
{
    lb_alert_window_free(&key->window);
    for (uint32_t i = 0; i < key->part_count; i++)
        lb_alert_window_free(&key->parts[i].window);
    lb_free(key->parts);
    lb_free(key->texts);
    lb_free(key->reason);
    lb_alert_tops_free(key->tops);
    lb_free(key);
}

static void free_chain(struct lb_alert_key *key)
{
    while (key != NULL) {
        struct lb_alert_key *next = key->next;

        free_key(key);
        key = next;
    }
}

void lb_alert_keys_drop_tops(struct lb_alert_keys *keys, struct lb_alert_key *key)
{
    keys->tops -= key->tops != NULL;
    lb_alert_tops_free(key->tops);
    key->tops = NULL;
}

void lb_alert_keys_free(struct lb_alert_keys *keys)
{
    for (int i = 0; i < LB_ALERT_LISTS; i++)
        free_chain(keys->lists[i].head);
    free_chain(keys->spare);
    lb_free(keys->table);
    lb_alert_keys_init(keys, keys->max);
}

/* --- lists ---------------------------------------------------------------- */

static void append(struct lb_alert_keys *keys, struct lb_alert_key *key, enum lb_alert_list list)
{
    struct lb_alert_key_list *ends = &keys->lists[list];

    key->list = list;
    key->previous = ends->tail;
    key->next = NULL;
    if (ends->tail != NULL)
        ends->tail->next = key;
    else
        ends->head = key;
    ends->tail = key;
}

static void detach(struct lb_alert_keys *keys, struct lb_alert_key *key)
{
    struct lb_alert_key_list *ends = &keys->lists[key->list];

    if (key->previous != NULL)
        key->previous->next = key->next;
    else
        ends->head = key->next;
    if (key->next != NULL)
        key->next->previous = key->previous;
    else
        ends->tail = key->previous;
}

void lb_alert_keys_move(struct lb_alert_keys *keys, struct lb_alert_key *key, enum lb_alert_list list)
{
    if (key->list == list && key->next == NULL)
        return;
    detach(keys, key);
    append(keys, key, list);
}

/* --- the map -------------------------------------------------------------- */

static bool is_key(const struct lb_alert_key *key, struct lb_str text, uint64_t hash)
{
    return key->hash == hash && lb_str_equal(lb_alert_key_text(key), text);
}

static struct lb_str cut(struct lb_str text)
{
    if (text.len > LB_KEY_BYTES_MAX)
        text.len = LB_KEY_BYTES_MAX;
    return text;
}

struct lb_alert_key *lb_alert_keys_find(const struct lb_alert_keys *keys, struct lb_str text, uint64_t hash)
{
    uint32_t mask = keys->capacity - 1;

    text = cut(text);
    if (keys->capacity == 0)
        return NULL;
    for (uint32_t i = (uint32_t)hash & mask; keys->table[i] != NULL; i = (i + 1) & mask)
        if (is_key(keys->table[i], text, hash))
            return keys->table[i];
    return NULL;
}

struct lb_alert_key *lb_alert_keys_recent(const struct lb_alert_keys *keys, struct lb_str text)
{
    for (int list = 0; list < LB_ALERT_LISTS && text.len < LB_KEY_BYTES_MAX; list++) {
        struct lb_alert_key *key = keys->lists[list].tail;

        if (key != NULL && lb_str_equal(lb_alert_key_text(key), text))
            return key;
    }
    return NULL;
}

static void put(struct lb_alert_key **table, uint32_t capacity, struct lb_alert_key *key)
{
    uint32_t mask = capacity - 1;
    uint32_t i = (uint32_t)key->hash & mask;

    while (table[i] != NULL)
        i = (i + 1) & mask;
    table[i] = key;
}

/* At most half full, so that probes stay short. */
static bool reserve(struct lb_alert_keys *keys)
{
    uint32_t capacity = keys->capacity == 0 ? CAPACITY_FIRST : keys->capacity * 2;
    struct lb_alert_key **table;

    if ((keys->count + 1) * 2 <= keys->capacity)
        return true;
    table = lb_alloc(capacity * sizeof(struct lb_alert_key *));
    if (table == NULL)
        return false;
    for (uint32_t i = 0; i < keys->capacity; i++)
        if (keys->table[i] != NULL)
            put(table, capacity, keys->table[i]);
    lb_free(keys->table);
    keys->table = table;
    keys->capacity = capacity;
    return true;
}

static void unlink_slot(struct lb_alert_keys *keys, uint32_t hole)
{
    uint32_t mask = keys->capacity - 1;

    for (uint32_t i = (hole + 1) & mask; keys->table[i] != NULL; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)keys->table[i]->hash & mask;

        /* It may move back only if the hole does not lie before its home. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            keys->table[hole] = keys->table[i];
            hole = i;
        }
    }
    keys->table[hole] = NULL;
}

void lb_alert_keys_remove(struct lb_alert_keys *keys, struct lb_alert_key *key)
{
    uint32_t mask = keys->capacity - 1;
    uint32_t i = (uint32_t)key->hash & mask;

    while (keys->table[i] != key)
        i = (i + 1) & mask;
    unlink_slot(keys, i);
    keys->count--;
    detach(keys, key);
    lb_alert_keys_drop_tops(keys, key);
    key->next = keys->spare;
    keys->spare = key;
}

/* Of the least active few the one with the smallest count. NULL: the list is empty, or all are pinned. */
static struct lb_alert_key *victim_of(const struct lb_alert_key_list *list)
{
    struct lb_alert_key *victim = NULL;
    struct lb_alert_key *key = list->head;

    for (int i = 0; key != NULL && i < LOOKED_AT; key = key->next) {
        if (key->pinned)
            continue;
        i++;
        if (victim == NULL || key->totals.count < victim->totals.count)
            victim = key;
    }
    return victim;
}

static bool evict(struct lb_alert_keys *keys)
{
    struct lb_alert_key *victim = victim_of(&keys->lists[LB_ALERT_IDLE]);

    if (victim == NULL)
        victim = victim_of(&keys->lists[LB_ALERT_WATCHED]);
    if (victim == NULL)
        return false;
    if (keys->dropped != NULL)
        keys->dropped(keys->context, victim);
    lb_alert_keys_remove(keys, victim);
    keys->evicted++;
    return true;
}

static struct lb_alert_key *take_spare(struct lb_alert_keys *keys)
{
    struct lb_alert_key *key = keys->spare;

    if (key != NULL) {
        keys->spare = key->next;
        return key;
    }
    key = lb_alloc(sizeof(*key));
    if (key != NULL)
        lb_alert_keys_measure(keys, key, sizeof(*key));
    return key;
}

bool lb_alert_keys_shrink(struct lb_alert_keys *keys)
{
    struct lb_alert_key *key;

    if (keys->spare == NULL && !evict(keys))
        return false;
    key = keys->spare;
    keys->spare = key->next;
    keys->bytes -= key->bytes;
    free_key(key);
    return true;
}

void lb_alert_keys_measure(struct lb_alert_keys *keys, struct lb_alert_key *key, size_t bytes)
{
    keys->bytes += bytes - key->bytes;
    key->bytes = bytes;
}

struct lb_alert_key *lb_alert_keys_add(struct lb_alert_keys *keys, struct lb_str text, uint64_t hash)
{
    struct lb_alert_key *key = NULL;

    text = cut(text);
    if ((keys->count < keys->max || evict(keys)) && reserve(keys))
        key = take_spare(keys);
    if (key == NULL) {
        keys->refused++;
        return NULL;
    }
    key->hash = hash;
    key->length = (uint16_t)text.len;
    memcpy(key->text, text.ptr == NULL ? "" : text.ptr, text.len);
    put(keys->table, keys->capacity, key);
    keys->count++;
    append(keys, key, LB_ALERT_IDLE);
    return key;
}
