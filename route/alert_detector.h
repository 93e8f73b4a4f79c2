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
 * A rule that is reloaded keeps it while it means the same, so the state holds
 * no pointer into a configuration: options are read from `rule` each time.
 * The engine's thread alone.
 */
#ifndef LB_ALERT_DETECTOR_H
#define LB_ALERT_DETECTOR_H

#include "alert_clock.h"
#include "lb_alert.h"
#include "lb_buffer.h"
#include "lb_conf.h"
#include "lb_record.h"

enum { LB_ALERT_REASON_BYTES = 160 };

/* What a record is to a detector. `record` is frozen; its fields are read with the detector's scratch. */
struct lb_alert_sight {
    const struct lb_record *record;
    uint32_t bits; /* predicate bits of the feed: 0 is rule->inner, 1 is rule->second */
    double number; /* of rule->field, see lb_feed */
    int64_t time_ns;
    uint64_t stream;
    struct lb_str key;
};

/* Something has happened. `reason` is for people: `new value "eu-west" of region`; what is too long is cut. */
struct lb_alert_hit {
    int64_t time_ns;
    uint64_t stream;
    struct lb_str key;
    struct lb_str reason;
    const struct lb_value *message; /* to show, or NULL */
};

struct lb_alert_detector {
    const struct lb_alert_rule *rule;
    void *state; /* NULL: there was no memory, it sees nothing */
    struct lb_scratch *scratch;
    const struct lb_alert_clocks *clocks;
    int64_t lateness_ns;
    int64_t now;                                                /* the clock */
    uint32_t max_keys;                                          /* of alerting.max_keys */
    void (*hit)(void *context, const struct lb_alert_hit *hit); /* set by the runner, as are the others */
    void *context;
    uint64_t forgotten; /* what it let go for want of room */
};

struct lb_alert_detector_type {
    const char *name; /* as in `when:` */
    const char *help;

    /*
     * `arguments` is what stands between the parentheses, at `place`; the caller keeps it as rule->detector_text
     * (another text is another meaning). Fills rule->field, inner, second and detector_options (from the
     * configuration's arena); rule->function stays LB_ALERT_COUNT, of hits. Reads nothing of the rule's other keys,
     * they come after it. All faults go to `diag`.
     */
    bool (*read)(struct lb_config *config, struct lb_str arguments, struct lb_place place, struct lb_alert_rule *rule,
                 struct lb_diag *diag);
    bool (*open)(struct lb_alert_detector *detector); /* sets state. False: no memory */
    void (*close)(struct lb_alert_detector *detector);
    void (*apply)(struct lb_alert_detector *detector, const struct lb_alert_sight *sight);

    /*
     * Optional: time has passed. What may still change for `lateness` is not decided: a stream's time is
     * lb_alert_detector_time(). `last`: nothing will come any more.
     */
    void (*tick)(struct lb_alert_detector *detector, bool last);

    /* Optional: the clock was set back; forgets what lies in the future by now. */
    void (*restart)(struct lb_alert_detector *detector);

    /* All it knows as bytes, and back. False: not readable; the runner opens it anew. */
    void (*write)(const struct lb_alert_detector *detector, struct lb_buffer *out);
    bool (*restore)(struct lb_alert_detector *detector, struct lb_str bytes);
};

/* NULL: unknown. */
const struct lb_alert_detector_type *lb_alert_detector_find(struct lb_str name);
const struct lb_alert_detector_type *const *lb_alert_detector_types(void); /* NULL at the end */

/* A reason under construction: what does not fit is left out. */
struct lb_alert_words {
    char bytes[2 * LB_ALERT_REASON_BYTES];
    size_t len;
};

void lb_alert_words_add(struct lb_alert_words *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* In quotes; cut to `bytes_max`, not within a character, and then with "..." behind it. */
void lb_alert_words_quote(struct lb_alert_words *words, struct lb_str text, size_t bytes_max);

static inline struct lb_str lb_alert_words_str(const struct lb_alert_words *words)
{
    return (struct lb_str){ words->bytes, words->len };
}

/* The time of a stream whose newest record that was seen is of `newest` and came at `arrival`. */
int64_t lb_alert_detector_time(const struct lb_alert_detector *detector, uint64_t stream, int64_t newest,
                               int64_t arrival);

#endif
