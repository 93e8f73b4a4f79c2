/* report_text.c - when a report is made, and its text: plain, with the marks of Markdown. */
#include "report_parts.h"

#include "lb_clock.h"
#include "lb_time.h"

#include <stdlib.h>
#include <string.h>

enum { DAY_S = 24 * 3600, WEEK = 7, THURSDAY = 3, MINUTES_OF_TIME = 16 };

/* --- when ----------------------------------------------------------------- */

int64_t lb_report_next(const struct lb_report *report, int64_t time)
{
    int64_t second = time / LB_SECOND - (time % LB_SECOND < 0);
    int64_t civil = lb_time_zone_to_civil(report->zone, second);
    int64_t day = civil / DAY_S - (civil % DAY_S < 0) - 1;

    /* 1970-01-01 was a Thursday; a day may have 23 or 25 hours, so that before is tried first. */
    for (;; day++) {
        int64_t at = lb_time_zone_to_utc(report->zone, day * DAY_S + report->day_s) * LB_SECOND;
        int weekday = (int)(((day + THURSDAY) % WEEK + WEEK) % WEEK);

        if (at > time && (report->weekday < 0 || report->weekday == weekday))
            return at;
    }
}

/* --- what ----------------------------------------------------------------- */

static int by_errors(const void *a, const void *b)
{
    const struct report_service *x = *(const struct report_service *const *)a;
    const struct report_service *y = *(const struct report_service *const *)b;

    if (x->errors != y->errors)
        return x->errors < y->errors ? 1 : -1;
    return x->errors_before != y->errors_before ? (x->errors_before < y->errors_before ? 1 : -1)
                                                : strcmp(x->name, y->name);
}

static void write_change(struct lb_buffer *out, uint64_t now, uint64_t before)
{
    if (before == 0)
        lb_buffer_append_str(out, now > 0 ? LB_STR(", none before") : LB_STR(""));
    else
        lb_buffer_print(out, ", %llu before (%+.0f%%)", (unsigned long long)before,
                        100 * ((double)now - (double)before) / (double)before);
}

static void write_services(const struct lb_report *report, const struct lb_report_counts *counts, struct lb_buffer *out)
{
    const struct report_service *sorted[LB_REPORT_SERVICES_MAX + 1] = { NULL };
    uint32_t count = 0;
    uint64_t records = 0;
    uint64_t errors = 0;

    for (uint32_t i = 0; i <= counts->service_count; i++) {
        const struct report_service *each = i < counts->service_count ? &counts->services[i] : &counts->others;

        records += each->records;
        errors += each->errors;
        if (each->errors > 0 || (report->compare && each->errors_before > 0))
            sorted[count++] = each;
    }
    qsort(sorted, count, sizeof(void *), by_errors);
    lb_buffer_print(out, "\n## Errors by service\n\n%llu errors in %llu records\n", (unsigned long long)errors,
                    (unsigned long long)records);
    for (uint32_t i = 0; i < count && i < report->top; i++) {
        const struct report_service *each = sorted[i];

        lb_buffer_print(out, "- %s: %llu of %llu", each->name[0] != '\0' ? each->name : "others",
                        (unsigned long long)each->errors, (unsigned long long)each->records);
        if (report->compare && counts->compared)
            write_change(out, each->errors, each->errors_before);
        lb_buffer_append_char(out, '\n');
    }
}

static int by_count(const void *a, const void *b)
{
    const struct report_new *x = *(const struct report_new *const *)a;
    const struct report_new *y = *(const struct report_new *const *)b;

    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->text, y->text);
}

static void write_new(const struct lb_report *report, const struct lb_report_counts *counts, struct lb_buffer *out)
{
    const struct report_new *sorted[LB_REPORT_NEW_MAX] = { NULL };

    lb_buffer_append_str(out, LB_STR("\n## New messages of errors\n\n"));
    if (!counts->learned)
        lb_buffer_append_str(out, LB_STR("not known yet: this is the first report\n"));
    else if (counts->new_count == 0)
        lb_buffer_append_str(out, LB_STR("none\n"));
    for (uint32_t i = 0; i < counts->new_count; i++)
        sorted[i] = &counts->new[i];
    qsort(sorted, counts->new_count, sizeof(void *), by_count);
    for (uint32_t i = 0; i < counts->new_count && i < report->top; i++)
        lb_buffer_print(out, "- %llu times: %s\n", (unsigned long long)sorted[i]->count, sorted[i]->text);
    if (counts->more_new > 0 || counts->new_count > report->top)
        lb_buffer_append_str(out, LB_STR("- and others\n"));
}

static void write_alerts(const struct lb_report *report, const struct lb_report_alerts *alerts, struct lb_buffer *out)
{
    uint32_t order[LB_REPORT_ALERTS_MAX] = { 0 };

    lb_buffer_append_str(out, LB_STR("\n## Alerts\n\n"));
    if (alerts->count == 0)
        lb_buffer_append_str(out, LB_STR("none fired\n"));
    for (uint32_t i = 0; i < alerts->count; i++) {
        uint32_t at = i;

        for (; at > 0 && alerts->items[order[at - 1]].count < alerts->items[i].count; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (uint32_t i = 0; i < alerts->count && i < report->top; i++)
        lb_buffer_print(out, "- %s: %llu\n", alerts->items[order[i]].rule,
                        (unsigned long long)alerts->items[order[i]].count);
}

struct slowest {
    const struct report_slow *slow;
    double p95;
};

static int by_time(const void *a, const void *b)
{
    const struct slowest *x = a;
    const struct slowest *y = b;

    return x->p95 != y->p95 ? (x->p95 < y->p95 ? 1 : -1) : strcmp(x->slow->name, y->slow->name);
}

static void write_slow(const struct lb_report *report, const struct lb_report_counts *counts, struct lb_buffer *out)
{
    struct slowest sorted[LB_REPORT_SLOW_MAX] = { { NULL, 0 } };

    if (counts->slow_count == 0)
        return;
    for (uint32_t i = 0; i < counts->slow_count; i++)
        sorted[i] = (struct slowest){ &counts->slow[i], lb_report_percentile(&counts->slow[i], 0.95) };
    qsort(sorted, counts->slow_count, sizeof(sorted[0]), by_time);
    lb_buffer_append_str(out, LB_STR("\n## Slowest (p95 of duration_ms)\n\n"));
    for (uint32_t i = 0; i < counts->slow_count && i < report->top; i++)
        lb_buffer_print(out, "- %s: about %.3g ms, %llu times\n", sorted[i].slow->name, sorted[i].p95,
                        (unsigned long long)sorted[i].slow->count);
}

/* "2026-11-26 08:00", there. */
static void write_time(const struct lb_report *report, int64_t time, struct lb_buffer *out)
{
    char text[LB_TIME_TEXT_SIZE];
    size_t len = lb_time_write(lb_time_zone_to_civil(report->zone, time / LB_SECOND) * LB_SECOND, text);

    if (len > MINUTES_OF_TIME)
        len = MINUTES_OF_TIME;
    text[len] = '\0';
    char *mark = strchr(text, 'T');
    if (mark != NULL)
        *mark = ' ';
    lb_buffer_append(out, text, len);
}

void lb_report_write(const struct lb_report *report, const struct lb_report_counts *counts,
                     const struct lb_report_alerts *alerts, int64_t until, struct lb_buffer *out)
{
    lb_buffer_print(out, "# " LB_STR_FMT ": ", LB_STR_ARG(report->name));
    write_time(report, counts->from, out);
    lb_buffer_append_str(out, LB_STR(" to "));
    write_time(report, until, out);
    lb_buffer_append_char(out, '\n');
    write_services(report, counts, out);
    write_new(report, counts, out);
    write_alerts(report, alerts, out);
    write_slow(report, counts, out);
}
