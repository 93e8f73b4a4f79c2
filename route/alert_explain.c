/*
 * alert_explain.c - why a rule fires, or does not: its numbers as JSON.
 *
 * The window is asked again as it was at the time in question, as far as it
 * still holds that. Nothing of the rule's state changes.
 */
#include "alert_explain.h"

#include "alert_conf.h"
#include "alert_event.h"
#include "alert_text.h"
#include "lb_json.h"
#include "lb_time.h"

#include <math.h>

enum { EXAMPLES_MAX = 10 };

static void write_text(struct lb_buffer *out, const char *before, struct lb_str text)
{
    lb_buffer_append_str(out, lb_str_from(before));
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static void write_time(struct lb_buffer *out, const char *before, int64_t time)
{
    char text[LB_TIME_TEXT_SIZE];

    if (time != LB_TIME_NONE)
        lb_buffer_print(out, "%s\"%.*s\"", before, (int)lb_time_write(time, text), text);
}

static void write_number(struct lb_buffer *out, const char *before, double number)
{
    if (isfinite(number))
        lb_buffer_print(out, "%s%.15g", before, number);
}

static void write_span(struct lb_buffer *out, const char *before, int64_t duration)
{
    lb_buffer_append_str(out, lb_str_from(before));
    lb_buffer_append_char(out, '"');
    lb_alert_duration_write(out, duration);
    lb_buffer_append_char(out, '"');
}

/* --- the key ------------------------------------------------------------------------- */

/* Every pair that is asked for is the key's. */
static bool fits(const struct lb_alert_rule *rule, const struct lb_alert_key *key, const struct lb_pairs *asked)
{
    for (size_t j = 0; j < asked->count; j++) {
        struct lb_str value;
        size_t at = 0;
        bool has = false;

        for (size_t i = 0; !has && lb_alert_key_next(rule, lb_alert_key_text(key), i, &at, &value); i++)
            has = lb_str_equal(rule->by.items[i], asked->items[j].name) && lb_str_equal(value, asked->items[j].value);
        if (!has)
            return false;
    }
    return true;
}

/* The first that fits, those that fire before others. */
static struct lb_alert_key *find_key(struct lb_alert_runner *runner, const struct lb_pairs *asked)
{
    static const enum lb_alert_list order[] = { LB_ALERT_FIRING, LB_ALERT_WATCHED, LB_ALERT_IDLE };

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        for (struct lb_alert_key *key = runner->keys.lists[order[i]].tail; key != NULL; key = key->previous)
            if (fits(runner->rule, key, asked))
                return key;
    return NULL;
}

/* The most active ones, for who has asked for another. */
static void write_examples(const struct lb_alert_runner *runner, struct lb_buffer *out)
{
    int count = 0;

    lb_buffer_append_str(out, LB_STR(",\"keys\":["));
    for (int list = LB_ALERT_LISTS - 1; list >= 0; list--) {
        const struct lb_alert_key *key = runner->keys.lists[list].tail;

        for (; key != NULL && count < EXAMPLES_MAX; key = key->previous) {
            if (count++ > 0)
                lb_buffer_append_char(out, ',');
            lb_alert_key_write(out, runner->rule, lb_alert_key_text(key));
        }
    }
    lb_buffer_append_char(out, ']');
}

/* --- the window ------------------------------------------------------------------------- */

/* As it was at `at`; false: it holds that no more, or not yet. */
static bool look_back(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t at,
                      struct lb_alert_segment *segment)
{
    int64_t kept = runner->shape.over_ns + runner->shape.lateness_ns;

    if (at > key->window.cursor.end || at < key->window.cursor.end - kept)
        return false;
    struct lb_alert_cursor cursor = lb_alert_window_seek(&key->window, &runner->shape, at);

    return lb_alert_cursor_next(&key->window, &runner->shape, &cursor, at, segment);
}

static void write_thresholds(const struct lb_alert_rule *rule, const struct lb_alert_key *key, uint8_t mask,
                             struct lb_buffer *out)
{
    bool any = false;

    lb_buffer_append_str(out, LB_STR(",\"thresholds\":["));
    for (int i = 0; i < LB_SEVERITY_COUNT; i++) {
        if (!rule->thresholds[i].set)
            continue;
        lb_buffer_print(out, "%s{\"severity\":\"%s\"", any ? "," : "", lb_severity_names[i]);
        write_text(out, ",\"threshold\":", rule->threshold_texts[i]);
        lb_buffer_print(out, ",\"crossed\":%s", (mask >> i & 1) != 0 ? "true" : "false");
        if (key != NULL && key->state.spans[i].until != LB_TIME_NONE) {
            write_time(out, ",\"crossed_since\":", key->state.spans[i].since);
            write_time(out, ",\"crossed_until\":", key->state.spans[i].until);
        }
        lb_buffer_append_char(out, '}');
        any = true;
    }
    lb_buffer_append_char(out, ']');
}

static void write_window(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t at, struct lb_buffer *out)
{
    struct lb_alert_segment segment = { .totals = key->totals, .value = key->value };
    bool known = at == LB_TIME_NONE || look_back(runner, key, at, &segment);
    bool judged = false;
    uint8_t mask = known ? lb_alert_judge(runner->rule, segment.totals.count, segment.value, &judged) : 0;

    lb_buffer_append_str(out, LB_STR(",\"window\":{"));
    write_time(out, "\"at\":", at == LB_TIME_NONE ? key->window.cursor.end : at);
    lb_buffer_print(out, ",\"known\":%s", known ? "true" : "false");
    if (known) {
        lb_buffer_print(out, ",\"count\":%llu,\"judged\":%s", (unsigned long long)segment.totals.count,
                        judged ? "true" : "false");
        write_number(out, ",\"value\":", segment.value);
    }
    lb_buffer_append_char(out, '}');
    write_thresholds(runner->rule, key, mask, out);
}

static void write_key(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t at, struct lb_buffer *out)
{
    static const char *const lists[] = {
        [LB_ALERT_IDLE] = "quiet", [LB_ALERT_WATCHED] = "pending", [LB_ALERT_FIRING] = "firing"
    };

    lb_buffer_append_str(out, LB_STR(",\"key\":"));
    lb_alert_key_write(out, runner->rule, lb_alert_key_text(key));
    lb_buffer_print(out, ",\"state\":\"%s\"", lists[key->list]);
    if (key->list == LB_ALERT_FIRING)
        lb_buffer_print(out, ",\"alert_id\":\"%016llx\"", (unsigned long long)key->id);
    write_time(out, ",\"newest_record_at\":", key->newest);
    write_time(out, ",\"known_since\":", key->first);
    write_window(runner, key, at, out);
}

/* --- the rule ----------------------------------------------------------------------------- */

static void write_rule(const struct lb_alert_runner *runner, struct lb_buffer *out)
{
    const struct lb_alert_rule *rule = runner->rule;

    write_text(out, "{\"rule\":", rule->name);
    write_text(out, ",\"value\":", rule->value_text);
    write_span(out, ",\"over\":", rule->over_ns);
    lb_buffer_print(out, ",\"min_count\":%llu", (unsigned long long)rule->min_count);
    write_span(out, ",\"for\":", rule->for_ns);
    write_span(out, ",\"hold\":", runner->policy.bridge_ns);
    write_span(out, ",\"cooldown\":", rule->cooldown_ns);
    write_span(out, ",\"delay\":", runner->delay_ns);
    lb_buffer_print(out, ",\"shadow\":%s,\"keys_known\":%u,\"keys_evicted\":%llu,\"keys_refused\":%llu",
                    rule->shadow ? "true" : "false", runner->keys.count, (unsigned long long)runner->keys.evicted,
                    (unsigned long long)runner->keys.refused);
    lb_buffer_print(out, ",\"late_records\":%llu", (unsigned long long)runner->late);
}

void lb_alert_explain(struct lb_alert_runner *runner, const struct lb_alert_question *question, struct lb_buffer *out)
{
    struct lb_alert_key *key = find_key(runner, &question->key);

    write_rule(runner, out);
    if (key != NULL) {
        write_key(runner, key, question->at, out);
    } else {
        write_thresholds(runner->rule, NULL, 0, out);
        write_examples(runner, out);
    }
    lb_buffer_append_char(out, '}');
}

/* The highest severity whose threshold was crossed last and could still come to fire; -1: none. */
static int pending_severity(const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    for (int i = LB_SEVERITY_COUNT - 1; i >= 0; i--)
        if (key->state.spans[i].until != LB_TIME_NONE &&
            key->state.spans[i].until + runner->policy.bridge_ns >= key->window.cursor.end)
            return i;
    return -1;
}

bool lb_alert_pending_write(const struct lb_alert_runner *runner, bool any, struct lb_buffer *out)
{
    const struct lb_alert_rule *rule = runner->rule;

    for (const struct lb_alert_key *key = runner->keys.lists[LB_ALERT_WATCHED].head; key != NULL; key = key->next) {
        int severity = pending_severity(runner, key);

        if (severity < 0)
            continue;
        write_text(out, any ? ",{\"rule\":" : "{\"rule\":", rule->name);
        lb_buffer_print(out, ",\"state\":\"pending\",\"severity\":\"%s\",\"key\":", lb_severity_names[severity]);
        lb_alert_key_write(out, rule, lb_alert_key_text(key));
        write_number(out, ",\"value\":", key->value);
        write_text(out, ",\"threshold\":", rule->threshold_texts[severity]);
        write_span(out, ",\"over\":", rule->over_ns);
        lb_buffer_print(out, ",\"count\":%llu", (unsigned long long)key->totals.count);
        write_time(out, ",\"started_at\":", key->state.spans[severity].since);
        write_span(out, ",\"for\":", rule->for_ns);
        lb_buffer_append_char(out, '}');
        any = true;
    }
    return any;
}
