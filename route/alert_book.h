/*
 * alert_book.h - what a detector keeps of each key: entries of one size, found
 * by a hash of 64 bits, in order of use.
 *
 * At most `max` of them: then the one that was not used for the longest time
 * makes room and is counted. Memory grows with new keys only, by doubling, and
 * what is removed is used again, so a flood of keys allocates nothing in the
 * end. Two keys of one hash would share an entry: of a million that happens
 * once in 37 million times. One thread.
 */
#ifndef LB_ALERT_BOOK_H
#define LB_ALERT_BOOK_H

#include "lb_buffer.h"

enum { LB_ALERT_BOOK_END = UINT32_MAX };

struct lb_alert_book_link;

struct lb_alert_book {
    size_t size; /* of an entry */
    uint32_t max;
    uint32_t count;
    uint32_t capacity; /* of links and entries */
    struct lb_alert_book_link *links;
    char *entries;
    uint32_t *table; /* open addressing: place + 1; 0: free */
    uint32_t table_size;
    uint32_t oldest;
    uint32_t newest;
    uint32_t spare; /* first of those that were removed */
    uint64_t forgotten;

    /* Optional: the entry is about to make room. */
    void (*dropped)(void *context, void *entry);
    void *context;
};

/* Allocates nothing. `size` a multiple of 8. */
void lb_alert_book_init(struct lb_alert_book *book, size_t size, uint32_t max);
void lb_alert_book_free(struct lb_alert_book *book);

/* NULL: not there. It keeps its place in the order of use. */
void *lb_alert_book_find(const struct lb_alert_book *book, uint64_t hash);

/*
 * The entry, now the newest in use; a new one is all zero and `*fresh`. NULL: no memory. Pointers are good until
 * another is made; places (below) for as long as it is there.
 */
void *lb_alert_book_take(struct lb_alert_book *book, uint64_t hash, bool *fresh);
void lb_alert_book_remove(struct lb_alert_book *book, void *entry);

/* Places from the oldest to the newest; LB_ALERT_BOOK_END behind the last. */
uint32_t lb_alert_book_next(const struct lb_alert_book *book, uint32_t place);
void *lb_alert_book_at(const struct lb_alert_book *book, uint32_t place);
uint32_t lb_alert_book_place(const struct lb_alert_book *book, const void *entry);
uint64_t lb_alert_book_hash(const struct lb_alert_book *book, const void *entry);

/* All entries as they are, the oldest first, and back into an empty book. False: not readable. */
void lb_alert_book_write(const struct lb_alert_book *book, struct lb_buffer *out);
bool lb_alert_book_restore(struct lb_alert_book *book, struct lb_str *bytes);

/* Bytes of heap in use. */
size_t lb_alert_book_bytes(const struct lb_alert_book *book);

#endif
