/*
 * alert_detector.h - predicates of `when:` that need a memory of their own:
 * new, change, spike, drop, seq, missing.
 *
 * A detector looks at the records that a rule's `where` lets in and says when
 * something has happened: a hit, at a time, for a key. A hit is a sample like
 * any other: the rule's window counts hits, and one of them within `over`
 * crosses its only threshold. So pending, hold, cooldown, lateness, snapshots
 * of windows and the notices are the same for all rules, and a detector is a
 * function of records and of event time, never of the wall clock.
 *
 * One state for each rule, for all its keys, bounded by what the type says.
 * The engine's thread alone.
 */
#ifndef LB_ALERT_DETECTOR_H
#define LB_ALERT_DETECTOR_H

#include "alert_evaluate.h"
#include "lb_buffer.h"
#include "lb_conf.h"
#include "lb_record.h"

enum { LB_ALERT_REASON_BYTES = 160 };

/* What a record is to a detector. `record` is frozen; its fields are read with the runner's scratch. */
struct lb_alert_sight {
    const struct lb_record *record;
    uint32_t bits; /* predicate bits of the feed: 0 is rule->inner, 1 is rule->second */
    double number; /* of rule->field, see lb_feed */
    int64_t time_ns;
    uint64_t stream;
    struct lb_str key;
};

/* Something has happened. `reason` is for people: "new value \"eu-west\" of region". */
struct lb_alert_hit {
    int64_t time_ns;
    uint64_t stream;
    struct lb_str key;
    struct lb_str reason;
    const struct lb_value *message; /* to show, or NULL */
};

struct lb_alert_detector {
    const struct lb_alert_rule *rule;
    void *state;
    struct lb_scratch *scratch;
    void (*hit)(void *context, const struct lb_alert_hit *hit); /* set by the runner */
    void *context;
    uint64_t forgotten; /* what it let go for want of room */
};

struct lb_alert_detector_type {
    const char *name; /* as in `when:` */
    const char *help;

    /*
     * `arguments` is what stands between the parentheses, at `place`. Fills rule->field, inner, second and
     * detector_options (from the configuration's arena). All faults go to `diag`.
     */
    bool (*read)(struct lb_config *config, struct lb_str arguments, struct lb_place place, struct lb_alert_rule *rule,
                 struct lb_diag *diag);
    bool (*open)(struct lb_alert_detector *detector); /* sets state. False: no memory */
    void (*close)(struct lb_alert_detector *detector);
    void (*apply)(struct lb_alert_detector *detector, const struct lb_alert_sight *sight);

    /*
     * Optional: event time has come to `time` for all streams that are awake, less the lateness; `last`: nothing will
     * come any more.
     */
    void (*tick)(struct lb_alert_detector *detector, int64_t time, bool last);

    /* All it knows as bytes, and back. False: not readable, it begins anew. */
    void (*write)(const struct lb_alert_detector *detector, struct lb_buffer *out);
    bool (*restore)(struct lb_alert_detector *detector, struct lb_str bytes);
};

/* NULL: unknown. */
const struct lb_alert_detector_type *lb_alert_detector_find(struct lb_str name);
const struct lb_alert_detector_type *const *lb_alert_detector_types(void); /* NULL at the end */

#endif
