/*
 * journald.h - systemd's journal as streams: what the parts share.
 *
 * Entries of a journal are numbered without an end, under an id that lasts
 * as long as the counting does (machine, or a remote one). Each such id is a
 * durable stream, and the number its position; so what was delivered is known
 * by number, whatever the reader does. The identity in the ledger is the
 * cursor of an entry that everybody has, or at first of the first one, with a
 * plus in front: there reading begins again.
 */
#ifndef JOURNALD_H
#define JOURNALD_H

#include "journal_entry.h"
#include "lb_metrics.h"
#include "lb_source.h"

#include <systemd/sd-journal.h>

enum {
    JOURNALD_ID_BYTES = 32,
    JOURNALD_CURSOR_BYTES_MAX = 256,
    JOURNALD_CHECKPOINTS = 64,
};

/* What a cursor says, as far as we look: "s=ID;i=NUMBER;…;t=TIME;…", numbers in hexadecimal. */
struct journald_cursor {
    char id[JOURNALD_ID_BYTES + 1];
    uint64_t number;
    uint64_t time_us;
    char text[JOURNALD_CURSOR_BYTES_MAX];
};

struct journald_checkpoint {
    uint64_t position; /* behind the entry of that cursor */
    char cursor[JOURNALD_CURSOR_BYTES_MAX];
};

struct journald_stream {
    struct journald_stream *next;
    char id[JOURNALD_ID_BYTES + 1];
    uint64_t ledger_id;                                           /* 0: a new one */
    struct journald_cursor known;                                 /* identity in the ledger, */
    bool had;                                                     /* and whether its entry is one that everybody has */
    struct lb_stream *stream;                                     /* NULL: not open yet */
    uint64_t position;                                            /* all before it was read */
    struct journald_checkpoint checkpoints[JOURNALD_CHECKPOINTS]; /* of batches that not all have, oldest first */
    uint32_t checkpoint_count;
};

/* False: it is none that we understand. */
bool journald_read_cursor(struct lb_str text, struct journald_cursor *cursor);

/* What the ledger has of that source; NULL: nothing, or no memory. */
struct journald_stream *journald_load_streams(struct lb_source *source);
void journald_free_streams(struct journald_stream *first);

/*
 * The stream of that cursor, open, made where there is none: from its entry on, or behind it where that counts as
 * `had`. LB_AGAIN: later.
 */
enum lb_err journald_find_stream(struct lb_source *source, struct journald_stream **first,
                                 const struct journald_cursor *cursor, bool had,
                                 struct journald_stream **found) LB_MUST_USE;

/* All up to this entry was pushed; and, now and then: what everybody has is where to begin again. */
void journald_note_pushed(struct journald_stream *self, const struct journald_cursor *cursor);
void journald_note_committed(struct journald_stream *self);

#endif
