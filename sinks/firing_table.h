/*
 * firing_table.h - what fires, for a receiver that takes silence as the end,
 * or for who has to find again what was told first (a thread).
 *
 * Bounded, in memory and in the ledger ("firing/SINK/FINGERPRINT" -> time and
 * JSON), since alerts that fire over a restart are not told anew. Owned by
 * the sink's thread. What nobody has told for FIRING_KEEP is dropped: its
 * rule may be gone.
 */
#ifndef FIRING_TABLE_H
#define FIRING_TABLE_H

#include "lb_batch.h"
#include "lb_clock.h"
#include "lb_ledger.h"

enum {
    FIRING_MAX = 4096,                  /* alerts; further ones are told once */
    FIRING_BYTES_MAX = 4 * 1024 * 1024, /* and all of them together */
};

#define FIRING_KEEP (7 * 24 * 3600 * LB_SECOND)

struct firing {
    struct firing *next;
    int64_t told_ns; /* Unix time */
    size_t length;
    char fingerprint[LB_RECORD_ID_SIZE];
    char text[]; /* its JSON, up to its end */
};

struct firing_table {
    struct lb_ledger *ledger;
    struct lb_str name; /* of the sink */
    struct firing *first;
    struct firing *cursor; /* of who walks through it in pieces; moves on when its alert is removed */
    uint32_t count;
    size_t bytes;
};

/* Reads what the ledger has of that sink. LB_NOMEM: some of it is missing. */
enum lb_err firing_open(struct firing_table *table, struct lb_ledger *ledger, struct lb_str name) LB_MUST_USE;
void firing_close(struct firing_table *table); /* the ledger keeps it */

/* Adds or replaces. False: there is no room. */
bool firing_put(struct firing_table *table, struct lb_str fingerprint, struct lb_str text, int64_t now);
const struct firing *firing_find(const struct firing_table *table, struct lb_str fingerprint); /* or NULL */
void firing_remove(struct firing_table *table, struct lb_str fingerprint);

/* Removes what was told too long ago. */
void firing_expire(struct firing_table *table, int64_t now);

#endif
