/*
 * feeds.c - what alert rules need of the records of a batch.
 *
 * A feed is written for every record that a rule's `where` matches, whether
 * its inner predicate holds or not: ratios and least counts need both. A
 * record that lacks a field of `by` belongs to no key and feeds nothing.
 */
#include "feeds.h"

#include "alert_distinct.h"
#include "expr.h"
#include "lb_alloc.h"
#include "lb_expr.h"
#include "lb_log.h"

#include <math.h>

enum { FEEDS_FIRST = 64, KEY_SEPARATOR = 0x1f };

bool lb_feeder_init(struct lb_feeder *feeder, const struct lb_alerting *alerting)
{
    *feeder = (struct lb_feeder){ .alerting = alerting };
    if (alerting == NULL || alerting->rule_count == 0)
        return true;
    feeder->keyless_total = lb_metric(LB_COUNTER, "logboom_alert_keyless_records_total",
                                      "Records that a rule left out because they lack a field of its `by`", NULL);
    feeder->unmeasured_total =
        lb_metric(LB_COUNTER, "logboom_alert_unmeasured_records_total",
                  "Records that a rule left out because the field it measures is missing or no number", NULL);
    feeder->lost_total = lb_metric(LB_COUNTER, "logboom_alert_feeds_lost_total",
                                   "Records that a rule did not see because their batch had no memory left", NULL);
    feeder->keys = lb_alloc(alerting->rule_count * sizeof(*feeder->keys));
    if (feeder->keys == NULL || !lb_rule_index_init(&feeder->index, alerting))
        return false;
    feeder->live = lb_alloc(feeder->index.words * sizeof(*feeder->live));
    return feeder->live != NULL;
}

void lb_feeder_free(struct lb_feeder *feeder)
{
    lb_rule_index_free(&feeder->index);
    lb_free(feeder->live);
    feeder->live = NULL;
    lb_free(feeder->keys);
    feeder->keys = NULL;
}

void lb_feeder_begin(struct lb_feeder *feeder, struct lb_batch *batch)
{
    batch->feeds = NULL;
    batch->feed_count = 0;
    feeder->feed_capacity = 0;
    if (feeder->keys != NULL)
        memset(feeder->keys, 0, feeder->alerting->rule_count * sizeof(*feeder->keys));
}

struct key {
    char bytes[LB_KEY_BYTES_MAX];
    size_t len;
};

/* What does not fit is cut, never within a character. */
static void append(struct key *key, struct lb_str text)
{
    size_t room = sizeof(key->bytes) - key->len;
    size_t len = text.len;

    if (len > room) {
        len = room;
        while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
            len--;
    }
    if (len > 0)
        memcpy(key->bytes + key->len, text.ptr, len);
    key->len += len;
}

/* False: the record lacks one of the fields. */
static bool make_key(const struct lb_alert_rule *rule, const struct lb_record *record, struct lb_scratch *scratch,
                     struct key *key)
{
    key->len = 0;
    for (size_t i = 0; i < rule->by.count; i++) {
        size_t used = scratch->used;
        struct lb_value value = lb_record_get(record, rule->by.items[i], scratch);

        if (value.kind == LB_VALUE_NONE)
            return false;
        if (i > 0)
            append(key, (struct lb_str){ (const char[]){ KEY_SEPARATOR }, 1 });
        append(key, rule->by.items[i]);
        append(key, LB_STR("="));
        append(key, lb_value_str(value, scratch));
        scratch->used = used;
    }
    return true;
}

/* The rule's key of the record in the arena. False: it belongs to no key, or there is no room (`ptr` NULL). */
static bool key_of(struct lb_feeder *feeder, struct lb_batch *batch, const struct lb_alert_rule *rule,
                   const struct lb_record *record, struct lb_scratch *scratch, struct lb_str *text)
{
    struct lb_str *last = &feeder->keys[rule - feeder->alerting->rules];
    struct lb_str made;
    struct key key;

    *text = LB_STR("");
    if (rule->by.count == 0)
        return true;
    if (!make_key(rule, record, scratch, &key))
        return false;
    made = (struct lb_str){ key.bytes, key.len };
    if (last->ptr == NULL || !lb_str_equal(*last, made))
        *last = lb_arena_copy(&batch->arena, made);
    *text = *last;
    return text->ptr != NULL;
}

static struct lb_feed *next_feed(struct lb_feeder *feeder, struct lb_batch *batch)
{
    if (batch->feed_count == feeder->feed_capacity) {
        uint32_t capacity =
            feeder->feed_capacity > 0 ? 2 * feeder->feed_capacity : feeder->feeds_expected + FEEDS_FIRST;
        struct lb_feed *feeds = lb_arena_alloc(&batch->arena, capacity * sizeof(*feeds));

        if (feeds == NULL)
            return NULL;
        if (batch->feed_count > 0)
            memcpy(feeds, batch->feeds, batch->feed_count * sizeof(*feeds));
        batch->feeds = feeds;
        feeder->feed_capacity = capacity;
    }
    return &batch->feeds[batch->feed_count++];
}

/* What the rule measures of the record. NAN: it has no such field, or one that is no number. */
static double measure(const struct lb_alert_rule *rule, const struct lb_record *record, struct lb_scratch *scratch)
{
    size_t used = scratch->used;
    struct lb_value value = lb_record_get(record, rule->field, scratch);
    double number = NAN;

    if (value.kind != LB_VALUE_NONE && rule->function == LB_ALERT_DISTINCT)
        number = lb_alert_distinct_number(lb_value_str(value, scratch));
    else if (value.kind == LB_VALUE_NONE || !lb_value_number(value, &number) || !isfinite(number))
        number = NAN;
    scratch->used = used;
    return number;
}

static uint8_t bits_of(const struct lb_alert_rule *rule, const struct lb_record *record, struct lb_scratch *scratch)
{
    unsigned bits = rule->inner == NULL || lb_expr_match(rule->inner, record, scratch) ? 1 : 0;

    if (rule->second != NULL && lb_expr_match(rule->second, record, scratch))
        bits |= 2;
    return (uint8_t)bits;
}

static void feed_rule(struct lb_feeder *feeder, struct lb_batch *batch, uint32_t index, uint16_t rule_index,
                      struct lb_scratch *scratch)
{
    const struct lb_alert_rule *rule = &feeder->alerting->rules[rule_index];
    const struct lb_record *record = &batch->records[index];
    uint16_t start = feeder->index.starts[rule_index];
    double number = NAN;
    struct lb_str key;

    if (start != LB_EXPR_ACCEPT && !lb_expr_match_from(rule->where, start, record, scratch))
        return;
    if (rule->field.len > 0) {
        number = measure(rule, record, scratch);
        if (isnan(number)) {
            feeder->unmeasured++;
            return;
        }
    }
    if (!key_of(feeder, batch, rule, record, scratch, &key)) {
        feeder->keyless += key.ptr != NULL;
        feeder->lost += key.ptr == NULL;
        return;
    }
    struct lb_feed *feed = next_feed(feeder, batch);
    if (feed == NULL) {
        feeder->lost++;
        return;
    }
    *feed = (struct lb_feed){
        .record = index, .rule = rule_index, .bits = bits_of(rule, record, scratch), .number = number, .key = key
    };
}

void lb_feeder_add(struct lb_feeder *feeder, struct lb_batch *batch, uint32_t record, struct lb_scratch *scratch)
{
    if (feeder->keys == NULL)
        return;
    lb_rule_index_ask(&feeder->index, &batch->records[record], scratch, feeder->live);
    for (uint32_t word = 0; word < feeder->index.words; word++)
        for (uint64_t bits = feeder->live[word]; bits != 0; bits &= bits - 1)
            feed_rule(feeder, batch, record, (uint16_t)(word * 64 + (uint32_t)__builtin_ctzll(bits)), scratch);
}

void lb_feeder_end(struct lb_feeder *feeder, const struct lb_batch *batch)
{
    feeder->feeds_expected = batch->feed_count;
    if (feeder->keyless > 0)
        lb_metric_add(feeder->keyless_total, (int64_t)feeder->keyless);
    if (feeder->lost > 0) {
        lb_metric_add(feeder->lost_total, (int64_t)feeder->lost);
        LB_WARN("route.feeds", "alert rules did not see some records: no memory left in their batch; count=%llu",
                (unsigned long long)feeder->lost);
    }
    if (feeder->unmeasured > 0)
        lb_metric_add(feeder->unmeasured_total, (int64_t)feeder->unmeasured);
    feeder->unmeasured = 0;
    feeder->keyless = 0;
    feeder->lost = 0;
}
