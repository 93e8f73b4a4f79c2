/*
 * alert_keys.h - the keys of one rule, and what is known of each.
 *
 * A map of at most `max` keys, and three lists in order of activity: idle
 * ones, those to look at as time passes, and those that fire. When the map is
 * full one that was idle for long makes room, then one that does not fire yet
 * (of the few longest idle that with the smallest count); a firing one never. Keys that were let go are used again
 * with their memory, so a flood of keys allocates nothing. One thread.
 */
#ifndef LB_ALERT_KEYS_H
#define LB_ALERT_KEYS_H

#include "alert_detector.h"
#include "alert_state.h"
#include "alert_tops.h"
#include "alert_window.h"
#include "lb_limits.h"
#include "lb_str.h"

enum { LB_ALERT_TEXTS = 5, LB_ALERT_TEXT_BYTES = 160 };

/* Messages of the newest records, to show. */
struct lb_alert_texts {
    uint8_t count;
    uint8_t next;
    int64_t newest; /* time of the last one taken */
    int64_t times[LB_ALERT_TEXTS];
    uint8_t lengths[LB_ALERT_TEXTS];
    char bytes[LB_ALERT_TEXTS][LB_ALERT_TEXT_BYTES];
};

/* Of the newest hit of a detector, for people. */
struct lb_alert_reason {
    int64_t time_ns;
    uint8_t length;
    char bytes[LB_ALERT_REASON_BYTES];
};

enum lb_alert_list { LB_ALERT_IDLE, LB_ALERT_WATCHED, LB_ALERT_FIRING, LB_ALERT_LISTS };

/* Of `absent by 03:00`: what came since the last deadline. Times of records; LB_TIME_NONE: none. */
struct lb_alert_daily {
    int64_t next;   /* the first that is not judged yet */
    int64_t first;  /* behind it: of the earliest record */
    int64_t ended;  /* of the record that ends what is absent now */
    bool met;       /* a record came for `next` */
    bool known;     /* it was watched all the day before `next` */
    bool is_absent; /* nothing came for the one before */
};

/* One of several things that the rule measures. */
struct lb_alert_part {
    struct lb_alert_window window;
    double value; /* at the cursor; NAN: not known */
};

struct lb_alert_key {
    struct lb_alert_key *previous; /* in its list */
    struct lb_alert_key *next;
    enum lb_alert_list list;
    uint64_t hash;
    uint16_t length;
    char text[LB_KEY_BYTES_MAX];

    struct lb_alert_window window; /* with parts: only its end, up to which all of them were walked */
    struct lb_alert_part *parts;   /* NULL: the rule measures one thing */
    uint32_t part_count;
    struct lb_alert_state state;
    int64_t wake; /* before this end the state changes only if a threshold is crossed; INT64_MIN: not known */

    /* Its time: that of the stream which brought its newest record. */
    uint64_t stream;
    int64_t newest;
    int64_t arrival;
    int64_t first; /* known since: before, nothing can be said of what is missing */

    /* The last verdict, and the newest one that had enough records. */
    struct lb_alert_totals totals;
    double value;
    bool judged; /* `value` means something */
    uint8_t mask;
    int64_t judged_until;

    /* Of the incident. */
    double peak;
    uint64_t id;
    bool summarised;
    uint32_t sequence;  /* of the last notice; the notifier's to set */
    uint32_t held_back; /* of `each`: occurrences since the last notice that nobody was told of */
    bool pinned;        /* configured: it is never forgotten */
    bool forgotten;     /* why it ends */
    struct lb_alert_daily deadline;

    /* Of a rule with more keys than there is room for: what is believed to have come before it got a place. */
    uint32_t base;
    int64_t base_ns; /* when that was */

    size_t bytes;      /* of heap, as of the last time it was looked at, */
    uint64_t measured; /* when it looked like that */

    struct lb_alert_texts *texts;   /* NULL until first needed */
    struct lb_alert_reason *reason; /* the same */
    struct lb_alert_tops *tops;     /* while it is close to its threshold; NULL otherwise */
};

struct lb_alert_key_list {
    struct lb_alert_key *head; /* the least active */
    struct lb_alert_key *tail;
};

struct lb_alert_keys {
    struct lb_alert_key **table; /* open addressing */
    uint32_t capacity;           /* a power of two; 0 at first */
    uint32_t count;
    uint32_t max;
    struct lb_alert_key_list lists[LB_ALERT_LISTS];
    struct lb_alert_key *spare;
    uint64_t evicted;
    uint64_t refused;
    uint32_t tops; /* keys that have some */
    size_t bytes;  /* of heap, of all of them and of spare ones */

    /* Optional: the key is about to make room. */
    void (*dropped)(void *context, const struct lb_alert_key *key);
    void *context;
};

void lb_alert_keys_init(struct lb_alert_keys *keys, uint32_t max);
void lb_alert_keys_free(struct lb_alert_keys *keys);

struct lb_alert_key *lb_alert_keys_find(const struct lb_alert_keys *keys, struct lb_str text, uint64_t hash);

/* The same without a hash, but only if it is one of those that were active last. */
struct lb_alert_key *lb_alert_keys_recent(const struct lb_alert_keys *keys, struct lb_str text);

/*
 * A new key, as the newest of the idle ones; all but its text and list is the caller's to set (window, texts and reason
 * keep memory). `key->window` has to be initialised. NULL: all keys fire, or no memory; counted as refused.
 */
struct lb_alert_key *lb_alert_keys_add(struct lb_alert_keys *keys, struct lb_str text, uint64_t hash);
void lb_alert_keys_remove(struct lb_alert_keys *keys, struct lb_alert_key *key);

/* What its records have in common is forgotten. */
void lb_alert_keys_drop_tops(struct lb_alert_keys *keys, struct lb_alert_key *key);

/* Gives memory back: of a key that is not used, of an idle one, of one that does not fire yet. False: there is none. */
bool lb_alert_keys_shrink(struct lb_alert_keys *keys);

/* The key has so many bytes of heap. */
void lb_alert_keys_measure(struct lb_alert_keys *keys, struct lb_alert_key *key, size_t bytes);

/* Makes it the most active one of a list. */
void lb_alert_keys_move(struct lb_alert_keys *keys, struct lb_alert_key *key, enum lb_alert_list list);

uint64_t lb_alert_hash(struct lb_str text);

static inline struct lb_str lb_alert_key_text(const struct lb_alert_key *key)
{
    return (struct lb_str){ key->text, key->length };
}

#endif
