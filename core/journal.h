/*
 * journal.h - what journal.c (the list of segments, appending, syncing),
 * journal_open.c, journal_file.c (one segment's bytes) and journal_read.c
 * share.
 *
 * A segment: a head (magic, version, checksum), then entries. An entry: a head
 * of its own (magic, length, checksum of the payload, checksum of this head
 * and of the position at which it stands), then the payload. So behind damage
 * the next entry is found by its head, and what looks like one inside of a
 * payload, or is left over from another place, is none.
 *
 * A segment that was given up after a failed fsync has a successor whose
 * entries go on where the last sync was, so that positions never change: its
 * head lies over the last bytes of the one before. The list says which counts:
 * from `start` of the next segment on, the next one.
 */
#ifndef LB_CORE_JOURNAL_H
#define LB_CORE_JOURNAL_H

#include "lb_journal.h"

#include <pthread.h>
#include <sys/types.h>

enum {
    LB_JOURNAL_HEAD = 16,       /* bytes before the first entry */
    LB_JOURNAL_ENTRY_HEAD = 16, /* bytes before the payload */
    LB_JOURNAL_ENTRY_MAX = 1 << 30,
    LB_JOURNAL_SEGMENT_BYTES = 16 * 1024 * 1024,
    LB_JOURNAL_PENDING_KEEP = 4 * 1024 * 1024, /* a larger buffer goes back to the heap after its sync */
    LB_JOURNAL_NAME_SIZE = 32,
};

struct lb_journal {
    char *directory;
    int directory_fd;
    uint64_t segment_bytes;
    uint64_t max_bytes;

    /* The appending thread's. */
    int fd;                   /* of the last segment; -1: the next append makes one */
    uint64_t active;          /* its start */
    struct lb_buffer pending; /* all that was appended and is not synced, as it stands in the file */
    bool directory_dirty;     /* a new name is not yet durable */
    bool broken;              /* the last segment was given up, and `pending` is in none */

    pthread_mutex_t lock; /* guards all below */
    uint64_t *starts;     /* of the segments, rising */
    uint32_t count;
    size_t capacity;
    uint64_t end;     /* behind the last entry */
    uint64_t synced;  /* readers end here */
    uint64_t trimmed; /* nobody wants what is below */
    uint64_t damaged;
};

/* --- journal_file.c --------------------------------------------------------------- */

struct lb_journal_entry {
    uint32_t length; /* of the payload */
    uint32_t crc;
};

const char *lb_journal_name(uint64_t start, char name[LB_JOURNAL_NAME_SIZE]);
bool lb_journal_read_name(const char *name, uint64_t *start);

/* False: errno says why. */
bool lb_journal_write_at(int fd, const char *bytes, size_t len, uint64_t offset);

/* Reads `len` bytes; the count that there is, or -1. */
ssize_t lb_journal_read_at(int fd, char *bytes, size_t len, uint64_t offset);

/* A new file with its head, or -1; nothing is left then. */
int lb_journal_create(const struct lb_journal *journal, uint64_t start);
int lb_journal_open_segment(const struct lb_journal *journal, uint64_t start, int flags);
bool lb_journal_head_is_good(const char head[LB_JOURNAL_HEAD]);

/* Puts the head of an entry at `position` and the payload behind `out`. */
void lb_journal_frame(struct lb_buffer *out, struct lb_str payload, uint64_t position);

/* The head at `position`. False: there is none. */
bool lb_journal_parse(const char head[LB_JOURNAL_ENTRY_HEAD], uint64_t position, struct lb_journal_entry *entry);

/* The offset of the first entry's head in [from, limit) of the segment; `limit` if there is none, -1: errno. */
int64_t lb_journal_find(int fd, uint64_t start, uint64_t from, uint64_t limit);

/* Behind the last whole entry: where a torn tail begins. -1: errno; the segment's size if it has no good head. */
int64_t lb_journal_good_end(int fd, uint64_t start, uint64_t size);

/* --- journal.c -------------------------------------------------------------------- */

/* The segment in which `position` lies or that comes next, the start of the one behind it (UINT64_MAX: none). */
struct lb_journal_place {
    uint64_t position; /* of an entry's head */
    uint64_t start;
    uint64_t next;
    uint64_t synced;
};

/* With the lock, or while only one thread has it. */
bool lb_journal_add_start(struct lb_journal *journal, uint64_t start);
void lb_journal_remove_last(struct lb_journal *journal); /* its file too */

/* False: there is nothing to read. */
bool lb_journal_locate(struct lb_journal *journal, uint64_t position, struct lb_journal_place *place);
void lb_journal_tell_damage(struct lb_journal *journal, uint64_t start, uint64_t position, const char *what);

/* --- journal_read.c --------------------------------------------------------------- */

/* One that does not count what is damaged: somebody else has, or will. */
struct lb_journal_reader *lb_journal_reader_quiet(struct lb_journal *journal, uint64_t position);

#endif
