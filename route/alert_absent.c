/*
 * alert_absent.c - silence, and what only looks like it.
 *
 * The value of a deadline is 0 from the deadline on, if nothing came for it,
 * until the next record; otherwise 1. It is walked in segments like a window,
 * so that all that follows is the same.
 */
#include "alert_absent.h"

#include "lb_clock.h"
#include "lb_time.h"

#include <string.h>

enum { KEY_SEPARATOR = 0x1f, DAY_S = 24 * 3600 };

/* --- what was not read ---------------------------------------------------- */

static int64_t behind_of(const struct lb_alert_runner *runner, uint64_t stream)
{
    return runner->outside != NULL ? runner->outside->behind(runner->outside->context, stream) : 0;
}

bool lb_alert_absent_blind(const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    int64_t behind = key->stream != 0 ? behind_of(runner, key->stream) : runner->all_behind;

    /* What came so lately is waited for anyway. */
    return behind > 0 && behind >= runner->shape.lateness_ns / 2;
}

void lb_alert_absent_begin(struct lb_alert_runner *runner)
{
    if (!runner->rule->absent)
        return;
    runner->blind = 0;
    runner->all_behind = behind_of(runner, 0);
}

static void tell(struct lb_alert_runner *runner, enum lb_alert_notice notice)
{
    int8_t severity = 0;

    while (!runner->rule->thresholds[severity].set)
        severity++;
    runner->report(
        runner->context,
        &(struct lb_alert_report){
            .runner = runner, .notice = notice, .at = runner->now, .before = severity, .blind = runner->blind });
}

void lb_alert_absent_end(struct lb_alert_runner *runner)
{
    if (!runner->rule->absent)
        return;
    if (runner->blind == 0) {
        if (runner->blind_told)
            tell(runner, LB_NOTICE_KNOWN);
        runner->blind_told = false;
        runner->blind_since = LB_TIME_NONE;
        return;
    }
    if (runner->blind_since == LB_TIME_NONE || runner->blind_since > runner->now)
        runner->blind_since = runner->now;
    if (runner->now - runner->blind_since < runner->rule->unknown_ns)
        return;
    runner->blind_told = true; /* from time to time, as with what fires */
    tell(runner, LB_NOTICE_UNKNOWN);
}

/* --- keys that must exist ------------------------------------------------- */

static size_t append(char *text, size_t len, struct lb_str more)
{
    size_t room = LB_KEY_BYTES_MAX - len;
    size_t add = more.len < room ? more.len : room;

    if (add > 0)
        memcpy(text + len, more.ptr, add);
    return len + add;
}

static struct lb_str trim(struct lb_str text)
{
    while (text.len > 0 && text.ptr[0] == ' ')
        text = (struct lb_str){ text.ptr + 1, text.len - 1 };
    while (text.len > 0 && text.ptr[text.len - 1] == ' ')
        text.len--;
    return text;
}

/* One value for each field of `by`, between commas; the last one may hold commas. */
size_t lb_alert_absent_key(const struct lb_alert_rule *rule, size_t i, char text[LB_KEY_BYTES_MAX])
{
    struct lb_str rest = rule->keys.items[i];
    size_t len = 0;

    for (size_t field = 0; field < rule->by.count; field++) {
        const char *comma = field + 1 < rule->by.count && rest.len > 0 ? memchr(rest.ptr, ',', rest.len) : NULL;
        size_t end = comma != NULL ? (size_t)(comma - rest.ptr) : rest.len;

        if (field > 0)
            len = append(text, len, (struct lb_str){ (const char[]){ KEY_SEPARATOR }, 1 });
        len = append(text, len, rule->by.items[field]);
        len = append(text, len, LB_STR("="));
        len = append(text, len, trim((struct lb_str){ rest.ptr, end }));
        end += comma != NULL;
        rest = (struct lb_str){ rest.ptr + end, rest.len - end };
    }
    return len;
}

/* --- deadlines ------------------------------------------------------------ */

static int64_t floor_second(int64_t time)
{
    return time / LB_SECOND - (time % LB_SECOND < 0);
}

int64_t lb_alert_daily_after(const struct lb_alert_rule *rule, int64_t time)
{
    int64_t civil = lb_time_zone_to_civil(rule->zone, floor_second(time));
    int64_t day = civil / DAY_S - (civil % DAY_S < 0) - 1;
    int64_t deadline;

    /* A day may have 23 or 25 hours: that before is tried first. */
    do
        deadline = lb_time_zone_to_utc(rule->zone, day++ * DAY_S + rule->deadline_s) * LB_SECOND;
    while (deadline <= time);
    return deadline;
}

void lb_alert_daily_init(const struct lb_alert_rule *rule, struct lb_alert_key *key, int64_t end)
{
    if (rule->zone == NULL)
        return;
    key->deadline = (struct lb_alert_daily){ .next = lb_alert_daily_after(rule, end),
                                             .first = LB_TIME_NONE,
                                             .ended = LB_TIME_NONE };
}

static void note_earliest(int64_t *earliest, int64_t time)
{
    if (*earliest == LB_TIME_NONE || time < *earliest)
        *earliest = time;
}

void lb_alert_daily_add(const struct lb_alert_rule *rule, struct lb_alert_key *key, int64_t time)
{
    struct lb_alert_daily *deadline = &key->deadline;
    int64_t end = key->window.cursor.end;

    (void)rule;
    if (time <= deadline->next)
        deadline->met = true;
    else
        note_earliest(&deadline->first, time);
    /* One that came too late for the deadline still ends it, now. */
    if (deadline->is_absent)
        note_earliest(&deadline->ended, time > end ? time : end + 1);
}

/* The deadline is there: it was met or not, and the next day begins. */
static void pass(const struct lb_alert_rule *rule, struct lb_alert_daily *deadline)
{
    if (!deadline->met && deadline->known && !deadline->is_absent) {
        deadline->is_absent = true;
        deadline->ended = deadline->first;
    }
    deadline->known = true;
    deadline->next = lb_alert_daily_after(rule, deadline->next);
    deadline->met = deadline->first != LB_TIME_NONE && deadline->first <= deadline->next;
    deadline->first = LB_TIME_NONE;
}

bool lb_alert_daily_next(const struct lb_alert_rule *rule, struct lb_alert_key *key, int64_t limit,
                         struct lb_alert_segment *segment)
{
    struct lb_alert_daily *deadline = &key->deadline;
    int64_t from = key->window.cursor.end + 1;
    int64_t to = limit;

    if (from > limit)
        return false;
    if (from >= deadline->next)
        pass(rule, deadline);
    if (deadline->is_absent && deadline->ended != LB_TIME_NONE && from >= deadline->ended) {
        deadline->is_absent = false;
        deadline->ended = LB_TIME_NONE;
    }
    if (deadline->next - 1 < to)
        to = deadline->next - 1;
    if (deadline->is_absent && deadline->ended != LB_TIME_NONE && deadline->ended - 1 < to)
        to = deadline->ended - 1;
    key->window.cursor.end = to;
    *segment = (struct lb_alert_segment){ from, to, { 0, 0 }, deadline->is_absent ? 0 : 1 };
    return true;
}
