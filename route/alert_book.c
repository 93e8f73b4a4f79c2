/*
 * alert_book.c - a table of places, a list in order of use, and entries in one
 * piece of memory.
 *
 * Linear probing over places; removal shifts the followers back, so there are
 * no tombstones to clean up under a flood.
 */
#include "alert_book.h"

#include "alert_bytes.h"
#include "lb_alloc.h"

#include <assert.h>

enum { CAPACITY_FIRST = 16, END = LB_ALERT_BOOK_END };

struct lb_alert_book_link {
    uint64_t hash;
    uint32_t older;
    uint32_t newer; /* of a spare one: the next spare one */
};

void lb_alert_book_init(struct lb_alert_book *book, size_t size, uint32_t max)
{
    assert(size % 8 == 0 && max > 0 && max < END / 2);
    *book = (struct lb_alert_book){ .size = size, .max = max, .oldest = END, .newest = END, .spare = END };
}

void lb_alert_book_free(struct lb_alert_book *book)
{
    lb_free(book->links);
    lb_free(book->entries);
    lb_free(book->table);
    book->links = NULL;
    book->entries = NULL;
    book->table = NULL;
    book->count = book->capacity = book->table_size = 0;
    book->oldest = book->newest = book->spare = END;
}

void *lb_alert_book_at(const struct lb_alert_book *book, uint32_t place)
{
    return book->entries + place * book->size;
}

uint32_t lb_alert_book_place(const struct lb_alert_book *book, const void *entry)
{
    return (uint32_t)((size_t)((const char *)entry - book->entries) / book->size);
}

uint64_t lb_alert_book_hash(const struct lb_alert_book *book, const void *entry)
{
    return book->links[lb_alert_book_place(book, entry)].hash;
}

uint32_t lb_alert_book_next(const struct lb_alert_book *book, uint32_t place)
{
    return place == END ? book->oldest : book->links[place].newer;
}

size_t lb_alert_book_bytes(const struct lb_alert_book *book)
{
    return book->capacity * (book->size + sizeof(*book->links)) + book->table_size * sizeof(*book->table);
}

/* --- order of use ---------------------------------------------------------- */

static void append(struct lb_alert_book *book, uint32_t place)
{
    book->links[place].older = book->newest;
    book->links[place].newer = END;
    if (book->newest != END)
        book->links[book->newest].newer = place;
    else
        book->oldest = place;
    book->newest = place;
}

static void detach(struct lb_alert_book *book, uint32_t place)
{
    const struct lb_alert_book_link *link = &book->links[place];

    if (link->older != END)
        book->links[link->older].newer = link->newer;
    else
        book->oldest = link->newer;
    if (link->newer != END)
        book->links[link->newer].older = link->older;
    else
        book->newest = link->older;
}

/* --- the table ------------------------------------------------------------- */

/* Where the hash stands, or the free slot where it belongs. */
static uint32_t slot_of(const struct lb_alert_book *book, uint64_t hash)
{
    uint32_t mask = book->table_size - 1;
    uint32_t i = (uint32_t)hash & mask;

    while (book->table[i] != 0 && book->links[book->table[i] - 1].hash != hash)
        i = (i + 1) & mask;
    return i;
}

static void unlink_slot(struct lb_alert_book *book, uint32_t hole)
{
    uint32_t mask = book->table_size - 1;

    for (uint32_t i = (hole + 1) & mask; book->table[i] != 0; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)book->links[book->table[i] - 1].hash & mask;

        /* It may move back only if the hole does not lie before its home. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            book->table[hole] = book->table[i];
            hole = i;
        }
    }
    book->table[hole] = 0;
}

void *lb_alert_book_find(const struct lb_alert_book *book, uint64_t hash)
{
    uint32_t place;

    if (book->count == 0)
        return NULL;
    place = book->table[slot_of(book, hash)];
    return place != 0 ? lb_alert_book_at(book, place - 1) : NULL;
}

void lb_alert_book_remove(struct lb_alert_book *book, void *entry)
{
    uint32_t place = lb_alert_book_place(book, entry);

    unlink_slot(book, slot_of(book, book->links[place].hash));
    detach(book, place);
    book->links[place].newer = book->spare;
    book->spare = place;
    book->count--;
}

static bool grow_table(struct lb_alert_book *book)
{
    uint32_t size = book->table_size == 0 ? 2 * CAPACITY_FIRST : book->table_size * 2;
    uint32_t *table = lb_alloc(size * sizeof(*table));

    if (table == NULL)
        return false;
    lb_free(book->table);
    book->table = table;
    book->table_size = size;
    for (uint32_t place = book->oldest; place != END; place = book->links[place].newer)
        book->table[slot_of(book, book->links[place].hash)] = place + 1;
    return true;
}

/* Of the new places all are spare. */
static bool grow_entries(struct lb_alert_book *book)
{
    uint32_t capacity = book->capacity == 0 ? CAPACITY_FIRST : book->capacity * 2;
    struct lb_alert_book_link *links;
    char *entries;

    if (capacity > book->max)
        capacity = book->max;
    entries = lb_realloc(book->entries, capacity * book->size);
    if (entries == NULL)
        return false;
    book->entries = entries;
    links = lb_realloc(book->links, capacity * sizeof(*links));
    if (links == NULL)
        return false;
    book->links = links;
    for (uint32_t place = capacity; place-- > book->capacity;) {
        links[place].newer = book->spare;
        book->spare = place;
    }
    book->capacity = capacity;
    return true;
}

static bool make_room(struct lb_alert_book *book)
{
    if (book->count == book->max) {
        void *victim = lb_alert_book_at(book, book->oldest);

        if (book->dropped != NULL)
            book->dropped(book->context, victim);
        lb_alert_book_remove(book, victim);
        book->forgotten++;
    }
    return ((book->count + 1) * 2 <= book->table_size || grow_table(book)) &&
           (book->spare != END || grow_entries(book));
}

void *lb_alert_book_take(struct lb_alert_book *book, uint64_t hash, bool *fresh)
{
    void *entry = lb_alert_book_find(book, hash);
    uint32_t place;

    *fresh = entry == NULL;
    if (entry != NULL) {
        place = lb_alert_book_place(book, entry);
        if (place != book->newest) {
            detach(book, place);
            append(book, place);
        }
        return entry;
    }
    if (!make_room(book))
        return NULL;
    place = book->spare;
    book->spare = book->links[place].newer;
    book->links[place].hash = hash;
    book->table[slot_of(book, hash)] = place + 1;
    append(book, place);
    book->count++;
    entry = lb_alert_book_at(book, place);
    memset(entry, 0, book->size);
    return entry;
}

/* --- over a restart -------------------------------------------------------- */

void lb_alert_book_write(const struct lb_alert_book *book, struct lb_buffer *out)
{
    lb_alert_bytes_put_count(out, (uint32_t)book->size);
    lb_alert_bytes_put_count(out, book->count);
    for (uint32_t place = book->oldest; place != END; place = book->links[place].newer) {
        lb_alert_bytes_put(out, &book->links[place].hash, sizeof(book->links[place].hash));
        lb_alert_bytes_put(out, lb_alert_book_at(book, place), book->size);
    }
}

/* Of more than there is room for now, the newest are kept. */
bool lb_alert_book_restore(struct lb_alert_book *book, struct lb_str *bytes)
{
    uint32_t count;

    if (!lb_alert_bytes_expect(bytes, (uint32_t)book->size) || !lb_alert_bytes_take_count(bytes, &count, UINT32_MAX))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash;
        bool fresh;
        void *entry;

        if (!lb_alert_bytes_take(bytes, &hash, sizeof(hash)) || bytes->len < book->size)
            return false;
        entry = lb_alert_book_take(book, hash, &fresh);
        if (entry == NULL || !fresh || !lb_alert_bytes_take(bytes, entry, book->size))
            return false;
    }
    return true;
}
