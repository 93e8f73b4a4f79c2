/*
 * journal_entry.h - from the fields of a journal's entry to one of ours.
 *
 * Fields come one by one, as NAME=value with any bytes. MESSAGE, PRIORITY,
 * the unit or identifier and the host name are parts of the record; what the
 * application added, and some of what the journal knows of it, become fields
 * under their names in small letters.
 */
#ifndef JOURNAL_ENTRY_H
#define JOURNAL_ENTRY_H

#include "lb_buffer.h"
#include "lb_entry.h"

enum {
    JOURNAL_NAME_BYTES_MAX = 64,         /* the journal's own bound */
    JOURNAL_VALUE_BYTES_MAX = 16 * 1024, /* of a field but the message; longer ones are cut */
    JOURNAL_FIELDS_MAX = 128,
};

struct journal_entry {
    bool all; /* also what only the journal itself says: _CMDLINE, _EXE and so on */
    size_t max_line;
    struct lb_buffer fields;
    struct lb_buffer message;
    char service[256];
    char host[256];
    unsigned service_rank; /* of what the service was taken from */
    int64_t time_ns;       /* as the sender says; LB_TIME_NONE: it does not */
    uint8_t level;
    bool truncated;
    uint64_t names[JOURNAL_FIELDS_MAX]; /* hashes of those that are there */
    uint32_t count;
};

void journal_entry_init(struct journal_entry *self, bool all, size_t max_line);
void journal_entry_free(struct journal_entry *self);
void journal_entry_begin(struct journal_entry *self);
void journal_entry_add(struct journal_entry *self, const char *data, size_t len);

/* What was added; slices live until the next begin(). False: out of memory. */
bool journal_entry_end(struct journal_entry *self, struct lb_entry *entry);

#endif
