/*
 * spool.h - the disk behind one sink: a journal, a thread that writes it, and
 * what the sink's thread has read of it.
 *
 * While the sink keeps up the spool is not engaged and nothing is written.
 * Once it is, the sink gets records from the journal only, until it has read
 * all of it; then it takes from memory again. So the order is that of arrival
 * throughout.
 *
 * The spool is a stream of its own, with a mark in the ledger. Where the
 * journal ends for the ledger (`settled`) is written in the same transaction
 * as the marks of the streams that the records came from: after a crash a
 * record is either in the spool or comes again from its source, never both.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include "delivery.h"
#include "spool_record.h"

#include "lb_journal.h"

enum {
    SPOOL_GROUP_ITEMS = 1024,
    SPOOL_GROUP_BYTES = 2 * 1024 * 1024, /* encoded: one fsync for so much */
    SPOOL_SEGMENTS_MIN = 8,              /* in spool.max_size, so that dropping one costs at most an eighth */
    SPOOL_SEGMENT_MIN = 64 * 1024,
    SPOOL_BUFFER_KEEP = 4 * 1024 * 1024,
    SPOOL_FLIGHT = 64, /* entries whose age is known */
};

#define SPOOL_GROUP_AGE (100 * LB_MILLISECOND) /* while it is engaged: the longest a record waits for others */
#define SPOOL_RETRY LB_SECOND                  /* of a disk that does not take */
#define SPOOL_TELL (60 * LB_SECOND)            /* dropping is logged at most so often */

/* An entry that the sink has and that is not delivered. */
struct spool_flight {
    uint64_t end;
    int64_t arrival_ns;
};

struct delivery_spool {
    struct lb_journal *journal;
    struct lb_stream *stream;
    pthread_t thread;
    bool started;
    pthread_cond_t work;     /* for the thread; with the delivery's lock */
    pthread_mutex_t reading; /* of an entry, or dropping a segment; taken before the delivery's lock */

    /* Guarded by the delivery's lock. */
    bool engaged;     /* the sink reads from here */
    bool wanted;      /* a sink with commit() shall go over */
    bool stuck;       /* the disk does not take */
    bool spooled;     /* what is being tried went to the spool meanwhile, with its token */
    uint32_t group;   /* the first items of the ring: on their way to the disk, nobody may take them out */
    bool settling;    /* a group has left the queue, and `settled` does not have it yet */
    uint64_t settled; /* up to here the journal counts; also under commit_lock when it changes */
    uint64_t read_at; /* the sink has what is below */
    bool ending;
    int64_t deadline;
    struct spool_flight flight[SPOOL_FLIGHT];
    uint32_t flights;
    int64_t unread_arrival; /* of what was not read yet: at least as old as the oldest */

    /* The writing thread's. */
    struct delivery_item items[SPOOL_GROUP_ITEMS];
    uint64_t ends[SPOOL_GROUP_ITEMS];
    uint32_t records[SPOOL_GROUP_ITEMS];
    uint32_t given;     /* the first of the group: the sink has them already */
    uint64_t given_end; /* up to here what goes from the disk is not lost: the sink has it */
    struct lb_buffer encoded;
    struct delivery_trimmed trimmed;
    int64_t retry_at;
    uint64_t dropping; /* records of the segment that goes */
    bool full;         /* told */

    /* The sink's thread's. */
    struct lb_journal_reader *reader;
    uint64_t reader_at;
    struct lb_buffer payload;
    struct spool_batch back;
    uint64_t damaged; /* of the journal's count, shown */

    uint64_t committed_end; /* in the ledger; under commit_lock */
};

/* With the delivery's lock: the sink has the entry that ends there. */
void spool_note_flight(struct delivery_spool *spool, uint64_t end, int64_t arrival_ns);

#endif
