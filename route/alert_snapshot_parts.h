/* alert_snapshot_parts.h - the form of a snapshot, which alert_snapshot.c writes and alert_snapshot_read.c reads. */
#ifndef LB_ALERT_SNAPSHOT_PARTS_H
#define LB_ALERT_SNAPSHOT_PARTS_H

#include "alert_snapshot.h"

/* Older versions held what people were told, too. */
enum {
    VERSION = 3,
    RULE_MEMBERS = 5,
    KEY_MEMBERS = 23,
    ABSENCE_MEMBERS = 7,
    WINDOW_MEMBERS = 6,
    DETAIL_MEMBERS = 11,
    SKETCH_MEMBERS = 6
};

/* Stands before the knowledge of each rule. Unpacking allocates what a count says, so damage must be found before. */
struct lb_snapshot_head {
    uint64_t length;
    uint64_t checksum; /* XXH3, 64 bits */
};

#endif
