/*
 * alert_tops.h - what the records of an alert have in common.
 *
 * The most frequent values of other fields of the records that count: one
 * address, one path, one version often is the whole explanation. Counted from
 * half of the threshold on, for as long as the key stays above that, for
 * LB_TOPS_FIELDS fields of it and LB_TOPS_KEYS keys of a rule; a record of a
 * quiet key costs a comparison. One thread.
 */
#ifndef LB_ALERT_TOPS_H
#define LB_ALERT_TOPS_H

#include "alert_top.h"
#include "lb_alert.h"
#include "lb_buffer.h"
#include "lb_record.h"

enum {
    LB_TOPS_FIELDS = 8,
    LB_TOPS_KEYS = 64, /* of a rule: 60 KiB each at most */
    LB_TOPS_NAME_BYTES = 48,
    LB_TOPS_PASSED = 16, /* fields that are no use: ids, numbers that never come twice */
};

struct lb_alert_tops_field {
    uint8_t length;
    char name[LB_TOPS_NAME_BYTES];
    struct lb_alert_top top;
};

struct lb_alert_tops {
    struct lb_alert_tops_field *fields[LB_TOPS_FIELDS]; /* NULL: free */
    uint64_t passed[LB_TOPS_PASSED];                    /* hashes of names */
    uint32_t passed_count;
    uint64_t records;
};

/* Memory of their own. NULL is nothing to free. */
void lb_alert_tops_free(struct lb_alert_tops *tops);
size_t lb_alert_tops_bytes(const struct lb_alert_tops *tops);

/* True of rules whose records are counted, and the value from which on it is worth while. */
bool lb_alert_tops_from(const struct lb_alert_rule *rule, double *value);

/* One more record. Fields of `by` say nothing new. */
void lb_alert_tops_add(struct lb_alert_tops *tops, const struct lb_alert_rule *rule, const struct lb_record *record,
                       struct lb_scratch *scratch);

/* `{"client_ip":{"192.0.2.7":41,"192.0.2.9":12}}`, the most frequent first. False: there is nothing to say. */
bool lb_alert_tops_write(struct lb_buffer *out, const struct lb_alert_tops *tops);

#endif
