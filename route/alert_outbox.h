/*
 * alert_outbox.h - what people are told, on its way to the sinks.
 *
 * The engine must never wait: neither for credit (the batches in its own
 * queue may be what holds it) nor for a disk. With a journal, entries are
 * handed on from there, as batches of a durable stream whose positions are
 * those of the journal: each sink has its mark in it, and what a sink has not
 * acknowledged comes again after a crash, under the same ids. Without one, or
 * where the disk does not take them, they wait in memory and go as a stream of
 * their own. One thread; but add() is called by whoever holds the engine's
 * state_lock.
 */
#ifndef LB_ALERT_OUTBOX_H
#define LB_ALERT_OUTBOX_H

#include "alert_journal.h"
#include "alert_notice.h"
#include "lb_alert.h"
#include "lb_pool.h"
#include "lb_stream.h"

#include <stdatomic.h>

enum { LB_ALERT_WAITING_BYTES = 64 * 1024 * 1024 };

/* By whose numbers sinks are meant. */
struct lb_alert_office {
    const struct lb_alerting *alerting; /* a reference of its generation is held; NULL: none */
    uint32_t sink_count;
};

struct lb_alert_outbox {
    struct lb_share *share;
    struct lb_streams *streams;
    struct lb_stream *memory; /* the stream of what is not in the journal */
    void (*deliver)(void *context, struct lb_batch *batch);
    void *context;

    struct lb_alert_office office;
    struct lb_alert_office before; /* of entries up to `before_until` */
    uint64_t before_until;
    _Atomic uint64_t added; /* entries of this run */
    uint64_t delivered;     /* of them */
    uint64_t lost;          /* past the bound, or for want of memory */

    struct lb_alert_entry *first; /* in memory */
    struct lb_alert_entry *last;
    size_t waiting_bytes;
    bool unkept;       /* some of it is in no journal: a snapshot should hold it soon */
    uint64_t position; /* of the next one in the memory's stream */

    struct lb_alert_journal *journal; /* or NULL */
    struct lb_stream *durable;
    struct lb_journal_reader *reader;
    uint64_t begun;           /* entries from here on are of this run */
    struct lb_buffer payload; /* of the entry that comes next, if `read` */
    uint64_t start;
    uint64_t end;
    bool read;
    uint64_t kept_from; /* what lies below is in a snapshot */
    int64_t trim_at;    /* monotonic */
};

/* False: no memory. */
bool lb_alert_outbox_init(struct lb_alert_outbox *outbox, const struct lb_alerting *alerting, uint32_t sink_count);
void lb_alert_outbox_free(struct lb_alert_outbox *outbox);

/* From now on by way of the journal in that directory; what is there and not had by all sinks goes first. */
bool lb_alert_outbox_open(struct lb_alert_outbox *outbox, const char *directory, void (*ready)(void *context),
                          void *context);

/* Every entry of the journal that lies at or behind `position`. */
void lb_alert_outbox_replay(struct lb_alert_outbox *outbox, uint64_t position,
                            void (*visit)(void *context, struct lb_alert_read *notice), void *context);

/* Copies an entry as lb_alert_notice_write() makes it. */
void lb_alert_outbox_add(struct lb_alert_outbox *outbox, struct lb_str bytes);

/* What comes is by other numbers of sinks. */
void lb_alert_outbox_turn(struct lb_alert_outbox *outbox, const struct lb_alerting *alerting, uint32_t sink_count);

/* Everything from before the last turn has been handed on. */
bool lb_alert_outbox_turned(const struct lb_alert_outbox *outbox);

/* Hands on as many as there is credit and memory for. True when none is left. */
bool lb_alert_outbox_flush(struct lb_alert_outbox *outbox);

/* All that was added is on disk, or with the sinks: nothing decided is lost in a crash. */
bool lb_alert_outbox_is_safe(struct lb_alert_outbox *outbox);

/* Behind the last entry; 0 without a journal. */
uint64_t lb_alert_outbox_end(const struct lb_alert_outbox *outbox);

/* A snapshot holds all that entries below `position` decided: they are needed no more once the sinks have them. */
void lb_alert_outbox_keep_from(struct lb_alert_outbox *outbox, uint64_t position);

#endif
