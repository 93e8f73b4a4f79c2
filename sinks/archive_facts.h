/*
 * archive_facts.h - what the lines of a block say: times, levels, services.
 *
 * Lines are read as `cat`, `grep` and `hist` read them, so that the index and
 * they agree. Where that would depend on the day of reading (a time without
 * its year) the block's times are the widest.
 */
#ifndef ARCHIVE_FACTS_H
#define ARCHIVE_FACTS_H

#include "archive_index.h"

#include "lb_line_records.h"

struct archive_facts {
    struct lb_line_records lines;
    struct lb_line_records later; /* the same, more than a year later */
    int64_t last_ns;              /* of the last line that had a time */
    bool unsure;                  /* it had another on another day */
    struct lb_str services[ARCHIVE_SERVICES_MAX];
    uint32_t service_count;
    uint32_t service_last; /* of the line before */
    struct lb_arena names;
};

bool archive_facts_open(struct archive_facts *facts);
void archive_facts_close(struct archive_facts *facts);

/* Fills in all but offset and packed. Blocks come in the order of the file. */
void archive_facts_read(struct archive_facts *facts, struct lb_str text, struct lb_archive_block *block,
                        struct archive_block_more *more);

/* A block that nobody can read: it may hold anything. */
void archive_facts_damaged(struct lb_archive_block *block, struct archive_block_more *more);

#endif
