/*
 * alert_firsts.h - which values were seen before, in bounded memory.
 *
 * The newest LB_ALERT_FIRSTS_EXACT are kept as hashes with the day they were
 * last seen. Those that make room go into a Bloom filter; when that is full a
 * second one is begun, and the one before it goes when the second is full too.
 * So a value that is new may be taken for one that was seen (1 % of them, and
 * only beyond the exact ones), and one that was seen is told as new only after
 * 100,000 others. One thread.
 */
#ifndef LB_ALERT_FIRSTS_H
#define LB_ALERT_FIRSTS_H

#include "lb_buffer.h"
#include "lb_err.h"

enum {
    LB_ALERT_FIRSTS_EXACT = 10000,
    LB_ALERT_FIRSTS_BLOOM = 100 * 1000,    /* values in a filter */
    LB_ALERT_FIRSTS_BITS = 15 * 64 * 1000, /* 9.6 bits for each: 1 % */
    LB_ALERT_FIRSTS_WORDS = LB_ALERT_FIRSTS_BITS / 64,
};

struct lb_alert_firsts {
    uint64_t *hashes; /* open addressing; 0: free */
    uint16_t *days;   /* beside them: since 1970 */
    uint32_t capacity;
    uint32_t count;
    uint32_t hand;        /* where room is looked for next */
    uint64_t *filters[2]; /* the one that is filled, and the one before; NULL until first needed */
    uint32_t filled;      /* values in the first one */
};

void lb_alert_firsts_free(struct lb_alert_firsts *firsts);

/* `*fresh`: it was not seen before. LB_NOMEM: not known, and not noted. */
enum lb_err lb_alert_firsts_see(struct lb_alert_firsts *firsts, uint64_t hash, int64_t time_ns,
                                bool *fresh) LB_MUST_USE;

void lb_alert_firsts_write(const struct lb_alert_firsts *firsts, struct lb_buffer *out);

/* Into an empty one. False: not readable. */
bool lb_alert_firsts_restore(struct lb_alert_firsts *firsts, struct lb_str *bytes);

size_t lb_alert_firsts_bytes(const struct lb_alert_firsts *firsts);

#endif
