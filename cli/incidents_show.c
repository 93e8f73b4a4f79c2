/*
 * incidents_show.c - what a replay found, for people and as JSON.
 *
 * The row of blocks is the time from the first record to the last: the higher
 * a block, the more keys fired in its part.
 */
#include "incidents.h"

#include "lb_alloc.h"
#include "lb_buffer.h"
#include "lb_json.h"
#include "lb_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COLUMNS = 60, KEYS_SHOWN = 10, OUT_BYTES_MAX = 1024 * 1024 * 1024 };

/* --- keys ------------------------------------------------------------------------------------------ */

struct key_row {
    struct lb_str key;
    uint32_t times;
    int64_t longest_ns;
    int64_t total_ns;
    double peak; /* of the longest */
};

static int compare_keys(const void *a, const void *b)
{
    const struct incident *left = *(const struct incident *const *)a;
    const struct incident *right = *(const struct incident *const *)b;
    size_t len = left->key.len < right->key.len ? left->key.len : right->key.len;
    int order = len > 0 ? memcmp(left->key.ptr, right->key.ptr, len) : 0;

    return order != 0 ? order : (left->key.len > right->key.len) - (left->key.len < right->key.len);
}

static int compare_rows(const void *a, const void *b)
{
    const struct key_row *left = a;
    const struct key_row *right = b;

    if (left->times != right->times)
        return left->times < right->times ? 1 : -1;
    return (left->total_ns < right->total_ns) - (left->total_ns > right->total_ns);
}

/* The keys of a rule, those that fired most first. For lb_free(); NULL: there is none, or no memory. */
static struct key_row *rows_of(const struct incidents *self, uint32_t rule, uint32_t *count)
{
    const struct incident **order = lb_alloc((self->count + 1) * sizeof(const struct incident *));
    struct key_row *rows = lb_alloc((self->count + 1) * sizeof(*rows));
    uint32_t wanted = 0;

    *count = 0;
    for (uint32_t i = 0; order != NULL && i < self->count; i++)
        if (self->items[i].rule == rule)
            order[wanted++] = &self->items[i];
    if (wanted > 0)
        qsort(order, wanted, sizeof(const struct incident *), compare_keys);
    for (uint32_t i = 0; rows != NULL && i < wanted; i++) {
        int64_t length = incident_length(order[i]);

        if (i == 0 || compare_keys(&order[i - 1], &order[i]) != 0)
            rows[(*count)++] = (struct key_row){ .key = order[i]->key, .longest_ns = -1 };
        struct key_row *row = &rows[*count - 1];
        row->times++;
        row->total_ns += length;
        if (length > row->longest_ns) {
            row->longest_ns = length;
            row->peak = order[i]->peak;
        }
    }
    lb_free((void *)order);
    if (*count > 0)
        qsort(rows, *count, sizeof(*rows), compare_rows);
    return rows;
}

/* --- for people ---------------------------------------------------------------------------------------- */

static void print_time(const char *before, int64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / LB_SECOND);
    char text[64];
    struct tm parts;

    localtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &parts);
    printf("%s%s", before, text);
}

static void print_plot(const struct incidents *self, uint32_t rule, const struct replay_facts *facts)
{
    static const char *const blocks[] = { "\xc2\xb7",     "\xe2\x96\x81", "\xe2\x96\x82",
                                          "\xe2\x96\x83", "\xe2\x96\x84", "\xe2\x96\x85",
                                          "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88" };
    uint32_t counts[COLUMNS] = { 0 };
    int64_t span = facts->last_ns - facts->first_ns + 1;
    uint32_t highest = 1;

    for (uint32_t i = 0; i < self->count; i++) {
        const struct incident *incident = &self->items[i];
        double width = (double)span / COLUMNS;
        int first = (int)((double)(incident->started_ns - facts->first_ns) / width);
        int last = (int)((double)(incident->ended_ns - facts->first_ns) / width);

        for (int column = first < 0 ? 0 : first; incident->rule == rule && column <= last && column < COLUMNS; column++)
            counts[column]++;
    }
    for (int i = 0; i < COLUMNS; i++)
        highest = counts[i] > highest ? counts[i] : highest;
    printf("  ");
    for (int i = 0; i < COLUMNS; i++)
        printf("%s", blocks[counts[i] == 0 ? 0 : 1 + (counts[i] * 7 + highest - 1) / highest]);
    putchar('\n');
}

static void print_severities(const struct incident_summary *summary)
{
    const char *separator = ": ";

    for (int i = LB_SEVERITY_COUNT; i-- > 0;) {
        if (summary->by_severity[i] == 0)
            continue;
        printf("%s%u %s", separator, summary->by_severity[i], rules_severity_names[i]);
        separator = ", ";
    }
}

static void print_keys(const struct incidents *self, uint32_t rule)
{
    char longest[RULES_SPAN_SIZE];
    char total[RULES_SPAN_SIZE];
    uint32_t count;
    struct key_row *rows = rows_of(self, rule, &count);

    if (count > 0 && self->alerting->rules[rule].by.count > 0) {
        printf("  %7s  %8s  %8s  %10s  key\n", "times", "longest", "in all", "peak");
        for (uint32_t i = 0; i < count && i < KEYS_SHOWN; i++)
            printf("  %7u  %8s  %8s  %10.5g  " LB_STR_FMT "\n", rows[i].times, rules_span(rows[i].longest_ns, longest),
                   rules_span(rows[i].total_ns, total), rows[i].peak, LB_STR_ARG(rows[i].key));
        if (count > KEYS_SHOWN)
            printf("  and %u more keys\n", count - KEYS_SHOWN);
    }
    lb_free(rows);
}

static void print_rule(const struct incidents *self, uint32_t index, const struct replay_facts *facts)
{
    const struct lb_alert_rule *rule = &self->alerting->rules[index];
    struct incident_summary summary = incidents_summary(self, index);
    char text[RULES_SPAN_SIZE];

    printf("\n" LB_STR_FMT ": ", LB_STR_ARG(rule->name));
    if (summary.times == 0) {
        printf("would not have fired\n");
        return;
    }
    printf("would have fired %u time%s", summary.times, summary.times == 1 ? "" : "s");
    print_severities(&summary);
    printf("; %u notice%s", summary.notices, summary.notices == 1 ? "" : "s");
    if (summary.shorter > 0)
        printf("; %u shorter than 2 min", summary.shorter);
    if (summary.suggested_ns > 0)
        printf("; suggested `for: %s` (%u left)", rules_span(summary.suggested_ns, text), summary.left);
    putchar('\n');
    print_plot(self, index, facts);
    print_keys(self, index);
}

void incidents_show(const struct incidents *incidents, const struct replay_facts *facts)
{
    char text[RULES_SPAN_SIZE];

    if (facts->records == 0) {
        printf("no record in %zu file%s\n", facts->files, facts->files == 1 ? "" : "s");
        return;
    }
    print_time("", facts->first_ns);
    print_time(" to ", facts->last_ns);
    printf(" (%s): %" PRIu64 " records of %zu file%s in %.1f s", rules_span(facts->last_ns - facts->first_ns, text),
           facts->records, facts->files, facts->files == 1 ? "" : "s", facts->seconds);
    if (facts->blocks > 0)
        printf(", %" PRIu64 " of %" PRIu64 " blocks unpacked", facts->blocks_read, facts->blocks);
    putchar('\n');
    for (uint32_t i = 0; i < incidents->alerting->rule_count; i++)
        print_rule(incidents, i, facts);
    if (incidents->lost > 0)
        printf("\n%" PRIu64 " notices are left out: there were more than %d incidents\n", incidents->lost,
               INCIDENTS_MAX);
}

/* --- JSON --------------------------------------------------------------------------------------------------- */

static void write_time(struct lb_buffer *out, const char *name, int64_t time_ns)
{
    char text[LB_TIME_TEXT_SIZE];

    text[lb_time_write(time_ns, text)] = '\0';
    lb_buffer_print(out, "\"%s\":\"%s\"", name, text);
}

static void write_incidents(struct lb_buffer *out, const struct incidents *self, uint32_t rule)
{
    const char *separator = "";

    for (uint32_t i = 0; i < self->count; i++) {
        const struct incident *incident = &self->items[i];

        if (incident->rule != rule)
            continue;
        lb_buffer_print(out, "%s{\"key\":" LB_STR_FMT ",\"severity\":\"%s\",", separator, LB_STR_ARG(incident->key),
                        rules_severity_names[incident->highest >= 0 ? incident->highest : 0]);
        write_time(out, "started_at", incident->started_ns);
        lb_buffer_append_char(out, ',');
        write_time(out, "told_at", incident->told_ns);
        lb_buffer_append_char(out, ',');
        write_time(out, "ended_at", incident->ended_ns);
        lb_buffer_print(out, ",\"seconds\":%.9g,\"peak\":%.15g,\"notices\":%u,\"open\":%s}",
                        (double)incident_length(incident) / 1e9, incident->peak, incident->notices,
                        incident->open ? "true" : "false");
        separator = ",";
    }
}

static void write_rule(struct lb_buffer *out, const struct incidents *self, uint32_t index)
{
    struct incident_summary summary = incidents_summary(self, index);
    const char *separator = "";

    lb_buffer_append_str(out, LB_STR("{\"rule\":"));
    lb_json_write_value(out, lb_value_text(self->alerting->rules[index].name));
    lb_buffer_print(out, ",\"fired\":%u,\"notices\":%u,\"shorter_than_2m\":%u,\"suggested_for_seconds\":%.9g,",
                    summary.times, summary.notices, summary.shorter, (double)summary.suggested_ns / 1e9);
    lb_buffer_print(out, "\"left_with_it\":%u,\"longest_seconds\":%.9g,\"severities\":{",
                    summary.suggested_ns > 0 ? summary.left : summary.times, (double)summary.longest_ns / 1e9);
    for (int i = 0; i < LB_SEVERITY_COUNT; i++) {
        if (summary.by_severity[i] == 0)
            continue;
        lb_buffer_print(out, "%s\"%s\":%u", separator, rules_severity_names[i], summary.by_severity[i]);
        separator = ",";
    }
    lb_buffer_append_str(out, LB_STR("},\"incidents\":["));
    write_incidents(out, self, index);
    lb_buffer_append_str(out, LB_STR("]}"));
}

void incidents_show_json(const struct incidents *incidents, const struct replay_facts *facts)
{
    struct lb_buffer out;

    lb_buffer_init(&out, OUT_BYTES_MAX);
    lb_buffer_append_char(&out, '{');
    if (facts->records > 0) {
        write_time(&out, "first", facts->first_ns);
        lb_buffer_append_char(&out, ',');
        write_time(&out, "last", facts->last_ns);
        lb_buffer_append_char(&out, ',');
    }
    lb_buffer_print(&out, "\"records\":%" PRIu64 ",\"files\":%zu,\"blocks\":%" PRIu64 ",\"blocks_unpacked\":%" PRIu64,
                    facts->records, facts->files, facts->blocks, facts->blocks_read);
    lb_buffer_append_str(&out, LB_STR(",\"rules\":["));
    for (uint32_t i = 0; i < incidents->alerting->rule_count; i++) {
        if (i > 0)
            lb_buffer_append_char(&out, ',');
        write_rule(&out, incidents, i);
    }
    lb_buffer_append_str(&out, LB_STR("]}\n"));
    fwrite(out.ptr, 1, out.len, stdout);
    lb_buffer_free(&out);
}
