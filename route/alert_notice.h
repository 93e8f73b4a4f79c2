/*
 * alert_notice.h - what is told, as bytes: one entry of the alert journal.
 *
 * An entry is the record that people get (or none), the sinks that it goes
 * to, by name, and the incidents and groups as they stand with it: so the
 * journal is at once what has yet to be delivered and what has been decided,
 * and neither can be there without the other.
 */
#ifndef LB_ALERT_NOTICE_H
#define LB_ALERT_NOTICE_H

#include "alert_packed.h"
#include "lb_arena.h"
#include "lb_record.h"

enum { LB_ALERT_NOTICE_MAX = 16 * 1024 * 1024 };

enum lb_alert_entry_part { LB_ALERT_ENTRY_INCIDENT = 1, LB_ALERT_ENTRY_GROUP = 2 };

/* `record` NULL: nobody is told. `names`: what bits of sinks stand for; without names bits stay as they are. */
void lb_alert_notice_write(struct lb_buffer *out, const struct lb_record *record, uint64_t sinks,
                           const struct lb_strs *names);

/* Behind that: how something stands now. */
void lb_alert_notice_part(struct lb_buffer *out, enum lb_alert_entry_part part, struct lb_str bytes);

/* An entry that is read. */
struct lb_alert_read {
    bool told; /* there is a record */
    uint64_t sinks;
    uint64_t map[64];            /* for each bit of the entry its bit now, or 0 */
    struct lb_alert_bytes parts; /* behind the record */
};

/*
 * `record` and `arena` may be NULL; else the record's bytes are copied there (LB_LIMIT: the arena is full).
 * LB_BAD_INPUT: it is no entry.
 */
enum lb_err lb_alert_notice_read(struct lb_str entry, const struct lb_strs *names, struct lb_arena *arena,
                                 struct lb_record *record, struct lb_alert_read *notice);

/* The next part, or false. */
bool lb_alert_notice_next(struct lb_alert_read *notice, enum lb_alert_entry_part *part, struct lb_alert_bytes *bytes);

#endif
