/*
 * alert_journal.h - what is told, on disk before anybody is told.
 *
 *   engine ─▶ [list] ─▶ thread: append all that waits, one fsync ─▶ engine reads them back and hands them on
 *
 * The thread writes at once when it is idle, and what comes during an fsync
 * goes with the next one. What the disk does not take is given back: people
 * are told all the same, only not by way of the journal, and health says so;
 * every later entry is tried anew. All but put(), settled() and returned() is
 * the engine's thread's; so are they, but the thread runs beside.
 */
#ifndef LB_ALERT_JOURNAL_H
#define LB_ALERT_JOURNAL_H

#include "lb_journal.h"

/* An entry on its way. Bytes behind it, one allocation. */
struct lb_alert_entry {
    struct lb_alert_entry *next;
    uint64_t number; /* of all that this run has told: 1, 2, 3 … */
    uint64_t end;    /* where it ends in the journal; the thread's */
    size_t length;
    char bytes[];
};

struct lb_alert_journal;

/*
 * `end`: positions below it were given out by an earlier run, and are not given out again. `ready` is called on the
 * thread whenever entries were settled. NULL: errno says why.
 */
struct lb_alert_journal *lb_alert_journal_open(const char *directory, uint64_t end, void (*ready)(void *context),
                                               void *context);

/* Writes what it was given first. */
void lb_alert_journal_close(struct lb_alert_journal *self);

/* Takes over the entry. */
void lb_alert_journal_put(struct lb_alert_journal *self, struct lb_alert_entry *entry);

/* The number of the newest entry that is on disk or was given back; all before are too. */
uint64_t lb_alert_journal_settled(struct lb_alert_journal *self);

/* Entries that the disk did not take, in order; the caller's now. */
struct lb_alert_entry *lb_alert_journal_returned(struct lb_alert_journal *self);

/* For readers and for trimming. */
struct lb_journal *lb_alert_journal_disk(struct lb_alert_journal *self);

/* The thread deletes what lies below. */
void lb_alert_journal_trim(struct lb_alert_journal *self, uint64_t position);

#endif
