/*
 * alert_text.c - the sentence that people read in the middle of the night.
 *
 * It says what, how much against which limit, over how long, for whom, since
 * when; without any template. Times are UTC and say so.
 */
#include "alert_text.h"

#include "alert_conf.h"
#include "lb_clock.h"
#include "lb_time.h"

#include <math.h>

enum { KEY_SEPARATOR = 0x1f, DIGITS = 64 };

static bool name_at(struct lb_str key, size_t at, struct lb_str name)
{
    return key.len - at > name.len && memcmp(key.ptr + at, name.ptr, name.len) == 0 && key.ptr[at + name.len] == '=';
}

/* A value may hold the separator itself: it ends where the next field's name stands behind one. */
static size_t value_end(struct lb_str key, size_t at, const struct lb_str *following)
{
    for (; following != NULL && at < key.len; at++)
        if (key.ptr[at] == KEY_SEPARATOR && name_at(key, at + 1, *following))
            return at;
    return key.len;
}

bool lb_alert_key_next(const struct lb_alert_rule *rule, struct lb_str key, size_t i, size_t *at, struct lb_str *value)
{
    size_t start;
    size_t end;

    if (i >= rule->by.count || *at >= key.len || !name_at(key, *at, rule->by.items[i]))
        return false;
    start = *at + rule->by.items[i].len + 1;
    end = value_end(key, start, i + 1 < rule->by.count ? &rule->by.items[i + 1] : NULL);
    *value = (struct lb_str){ key.ptr + start, end - start };
    *at = end + 1;
    return true;
}

void lb_alert_value_write(struct lb_buffer *out, const struct lb_alert_rule *rule, double value)
{
    if (rule->function == LB_ALERT_RATIO)
        lb_buffer_print(out, "%.3g%%", value * 100);
    else if (rule->function == LB_ALERT_RATE)
        lb_buffer_print(out, "%.4g/s", value);
    else if (value == floor(value))
        lb_buffer_print(out, "%.15g", value);
    else
        lb_buffer_print(out, "%.5g", value);
}

void lb_alert_duration_write(struct lb_buffer *out, int64_t duration_ns)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {
        { "d", 24 * 3600 * LB_SECOND }, { "h", 3600 * LB_SECOND }, { "m", 60 * LB_SECOND }, { "s", LB_SECOND }
    };
    bool any = false;

    if (duration_ns < LB_SECOND) {
        lb_buffer_print(out, "%lldms", (long long)(duration_ns < 0 ? 0 : duration_ns / LB_MILLISECOND));
        return;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        int64_t count = duration_ns / units[i].ns;

        duration_ns -= count * units[i].ns;
        if (count > 0)
            lb_buffer_print(out, "%lld%s", (long long)count, units[i].unit);
        any = any || count > 0;
    }
}

/* "12:03:05Z", or with its date when that is not the day of `near`. */
static void write_time(struct lb_buffer *out, int64_t time, int64_t near)
{
    char text[LB_TIME_TEXT_SIZE];
    int64_t day = 24 * 3600 * LB_SECOND;
    size_t len = lb_time_write(time / LB_SECOND * LB_SECOND, text);
    size_t from = time / day == near / day && len > 11 ? 11 : 0;

    lb_buffer_append(out, text + from, len - from);
}

static void write_key(struct lb_buffer *out, const struct lb_alert_event *event)
{
    struct lb_str key = event->key;
    struct lb_str value;
    size_t at = 0;

    for (size_t i = 0; lb_alert_key_next(event->rule, key, i, &at, &value); i++) {
        lb_buffer_print(out, i == 0 ? " for " LB_STR_FMT "=" : ", " LB_STR_FMT "=",
                        LB_STR_ARG(event->rule->by.items[i]));
        lb_buffer_append_str(out, value);
    }
}

/* --- the rule's own words ------------------------------------------------- */

static void write_word(struct lb_buffer *out, const struct lb_alert_event *event, struct lb_str name)
{
    const struct lb_alert_rule *rule = event->rule;
    struct lb_str key = event->key;
    struct lb_str value;
    size_t at = 0;

    for (size_t i = 0; lb_alert_key_next(rule, key, i, &at, &value); i++) {
        if (!lb_str_equal(rule->by.items[i], name))
            continue;
        lb_buffer_append_str(out, value);
        return;
    }
    if (lb_str_is(name, "rule"))
        lb_buffer_append_str(out, rule->name);
    else if (lb_str_is(name, "value"))
        lb_alert_value_write(out, rule, event->value);
    else if (lb_str_is(name, "severity"))
        lb_buffer_print(out, "%s", lb_severity_names[event->severity]);
    else if (lb_str_is(name, "threshold"))
        lb_buffer_append_str(out, rule->threshold_texts[event->severity]);
    else if (lb_str_is(name, "over"))
        lb_alert_duration_write(out, rule->over_ns);
}

static void write_own_text(struct lb_buffer *out, const struct lb_alert_event *event)
{
    struct lb_str text = event->rule->text;
    size_t at = 0;

    while (at < text.len) {
        const char *close = text.ptr[at] == '{' ? memchr(text.ptr + at, '}', text.len - at) : NULL;

        if (close == NULL) {
            lb_buffer_append_char(out, text.ptr[at++]);
            continue;
        }
        write_word(out, event, (struct lb_str){ text.ptr + at + 1, (size_t)(close - text.ptr) - at - 1 });
        at = (size_t)(close - text.ptr) + 1;
    }
    if (text.len > 0)
        lb_buffer_append(out, ": ", 2);
}

/* --- sentences ------------------------------------------------------------ */

/* What a detector found says more than that it was found once. */
static void write_reason(struct lb_buffer *out, const struct lb_alert_event *event)
{
    lb_buffer_append(out, event->reason.ptr, event->reason.len);
    if (event->value <= 1)
        return;
    lb_buffer_append(out, ", the last of ", 14);
    lb_alert_value_write(out, event->rule, event->value);
    lb_buffer_append(out, " within ", 8);
    lb_alert_duration_write(out, event->rule->over_ns);
}

bool lb_alert_is_condition(const struct lb_alert_rule *rule)
{
    return rule->when_text.len > 0 && (rule->part_count > 0 || rule->absent || rule->each);
}

/* ": count() is 12, p95(duration_ms) is 810" */
static void write_parts(struct lb_buffer *out, const struct lb_alert_event *event)
{
    const char *before = ": ";

    for (uint32_t i = 0; i < event->rule->part_count; i++) {
        const struct lb_alert_rule *part = &event->rule->parts[i];

        if (isnan(event->parts[i]))
            continue;
        lb_buffer_print(out, "%s" LB_STR_FMT " is ", before, LB_STR_ARG(part->value_text));
        lb_alert_value_write(out, part, event->parts[i]);
        before = ", ";
    }
}

/* An occurrence is what the record says. */
static void write_newest_text(struct lb_buffer *out, const struct lb_alert_event *event)
{
    const struct lb_alert_texts *texts = event->texts;
    int newest = texts != NULL && texts->count > 0 ? (texts->next + LB_ALERT_TEXTS - 1) % LB_ALERT_TEXTS : -1;

    if (newest >= 0 && texts->times[newest] > event->started - event->rule->over_ns)
        lb_buffer_append(out, texts->bytes[newest], texts->lengths[newest]);
    else
        lb_buffer_append_str(out, LB_STR("a record"));
}

/* What holds, before the key. */
static void write_condition(struct lb_buffer *out, const struct lb_alert_event *event)
{
    const struct lb_alert_rule *rule = event->rule;

    if (rule->part_count > 0) {
        lb_buffer_append_str(out, rule->when_text);
    } else if (rule->each) {
        write_newest_text(out, event);
    } else if (rule->zone != NULL) {
        lb_buffer_print(out, "no record by %02d:%02d", rule->deadline_s / 3600, rule->deadline_s / 60 % 60);
    } else {
        lb_buffer_append_str(out, LB_STR("no record for "));
        lb_alert_duration_write(out, rule->over_ns);
    }
}

static void write_held_back(struct lb_buffer *out, const struct lb_alert_event *event)
{
    if (event->held_back > 0)
        lb_buffer_print(out, "; %u more %s held back", event->held_back, event->held_back == 1 ? "was" : "were");
}

static void write_measure(struct lb_buffer *out, const struct lb_alert_event *event)
{
    const struct lb_alert_rule *rule = event->rule;

    lb_buffer_append_str(out, rule->value_text);
    lb_buffer_print(out, " is %s", event->approximate ? "about " : "");
    lb_alert_value_write(out, rule, event->value);
    lb_buffer_print(out, " (" LB_STR_FMT ") over ", LB_STR_ARG(rule->threshold_texts[event->severity]));
    lb_alert_duration_write(out, rule->over_ns);
}

static void write_firing(struct lb_buffer *out, const struct lb_alert_event *event)
{
    if (event->reason.len > 0 && event->rule->part_count == 0)
        write_reason(out, event);
    else if (lb_alert_is_condition(event->rule))
        write_condition(out, event);
    else
        write_measure(out, event);
    write_key(out, event);
    lb_buffer_append(out, ", since ", 8);
    write_time(out, event->started, event->at);
    if (event->notice == LB_NOTICE_REPEATED && !event->rule->each)
        lb_buffer_append_str(out, LB_STR(", still firing"));
    if (event->notice == LB_NOTICE_UPDATED && event->previous != LB_ALERT_QUIET && event->previous != event->severity)
        lb_buffer_print(out, ", now %s, was %s", lb_severity_names[event->severity],
                        lb_severity_names[event->previous]);
    if (event->rule->when_text.len > 0)
        write_parts(out, event);
    write_held_back(out, event);
}

static void write_reason_ended(struct lb_buffer *out, const struct lb_alert_event *event)
{
    lb_buffer_append(out, "the last was ", 13);
    lb_buffer_append(out, event->reason.ptr, event->reason.len);
}

/* Of logboom itself: no rule of a person measures that. */
static bool is_own(const struct lb_alert_rule *rule)
{
    return rule->value_text.len == 0 && rule->when_text.len == 0;
}

static void write_resolved(struct lb_buffer *out, const struct lb_alert_event *event)
{
    const struct lb_alert_rule *rule = event->rule;

    lb_buffer_print(out, "%s after ", event->note.len > 0 ? "closed" : "resolved");
    lb_alert_duration_write(out, event->at - event->started);
    write_key(out, event);
    if (event->note.len > 0 || is_own(rule))
        return;
    if (event->reason.len > 0 && rule->part_count == 0) {
        lb_buffer_append(out, ": ", 2);
        write_reason_ended(out, event);
        write_held_back(out, event);
        return;
    }
    if (lb_alert_is_condition(rule)) {
        write_parts(out, event);
        write_held_back(out, event);
        if (event->forgotten)
            lb_buffer_append_str(out, LB_STR(": forgotten, nothing has come for so long"));
        return;
    }
    lb_buffer_append(out, ": ", 2);
    lb_buffer_append_str(out, rule->value_text);
    if (event->judged) {
        lb_buffer_append(out, " is ", 4);
        lb_alert_value_write(out, rule, event->value);
    } else {
        lb_buffer_print(out, " has %s records", event->count == 0 ? "no" : "too few");
    }
    lb_buffer_append(out, " over ", 6);
    lb_alert_duration_write(out, rule->over_ns);
    lb_buffer_append(out, ", peak ", 7);
    lb_alert_value_write(out, rule, event->peak);
}

static void write_summary(struct lb_buffer *out, const struct lb_alert_event *event)
{
    lb_buffer_print(out, "%llu alert%s in old records, from ", (unsigned long long)event->alerts,
                    event->alerts == 1 ? "" : "s");
    write_time(out, event->started, 0);
    lb_buffer_append(out, " to ", 4);
    write_time(out, event->at, 0);
    lb_buffer_print(out, ", highest %s: they came too late to be told one by one", lb_severity_names[event->severity]);
}

/* No record came, and some were not read: nobody knows. */
static void write_blindness(struct lb_buffer *out, const struct lb_alert_event *event)
{
    if (event->notice == LB_NOTICE_KNOWN) {
        lb_buffer_append_str(out, event->note.len > 0 ? LB_STR("not unknown any more")
                                                      : LB_STR("known again: what had come is read"));
        return;
    }
    lb_buffer_print(out,
                    "unknown for %llu key%s: the source is behind, and what it has not read may be what is missing",
                    (unsigned long long)event->blind, event->blind == 1 ? "" : "s");
    lb_buffer_append(out, ", since ", 8);
    write_time(out, event->started, event->at);
}

static void write_channel(struct lb_buffer *out, const struct lb_alert_event *event)
{
    lb_buffer_append_str(out, LB_STR("it delivers nothing"));
    write_key(out, event);
    lb_buffer_append_str(out, LB_STR(", since "));
    write_time(out, event->started, event->at);
    if (event->reason.len > 0)
        lb_buffer_print(out, ": " LB_STR_FMT, LB_STR_ARG(event->reason));
}

static void write_note(struct lb_buffer *out, const struct lb_alert_event *event)
{
    if (event->note.len == 0)
        return;
    lb_buffer_append(out, "; ", 2);
    lb_buffer_append_str(out, event->note);
}

void lb_alert_message_write(struct lb_buffer *out, const struct lb_alert_event *event,
                            const struct lb_alerting *alerting)
{
    struct lb_str word = alerting->severities[event->severity];

    if (word.len > 0)
        lb_buffer_print(out, "[" LB_STR_FMT "] ", LB_STR_ARG(word));
    lb_buffer_append_str(out, event->rule->name);
    lb_buffer_append(out, ": ", 2);
    if (event->summary) {
        write_summary(out, event);
        return;
    }
    if (lb_alert_is_blindness(event)) {
        write_blindness(out, event);
        write_note(out, event);
        return;
    }
    write_own_text(out, event);
    if (is_own(event->rule) && lb_str_is(event->rule->name, "channel_down") && event->notice != LB_NOTICE_RESOLVED)
        write_channel(out, event);
    else if (event->notice == LB_NOTICE_RESOLVED)
        write_resolved(out, event);
    else
        write_firing(out, event);
    write_note(out, event);
}
