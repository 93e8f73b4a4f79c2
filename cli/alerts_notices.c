/*
 * alerts_notices.c - notices that people were told, and what became of them at
 * each sink: what `explain`, `show`, `history` and `export` share.
 */
#include "alerts_notices.h"

#include "colour.h"

#include "lb_clock.h"
#include "lb_json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* --- the command ------------------------------------------------------------------------- */

int alerts_run_one(int argc, char **argv, int (*run)(struct alerts_talk *talk, const char *id, bool json))
{
    const struct alerts_option options[] = { { NULL, NULL, NULL } };
    struct alerts_line line;
    struct alerts_talk talk;
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count != 1)
        return alerts_usage_error(argv[0], "give the id of one alert");
    if (alerts_open(&talk, line.config))
        code = run(&talk, line.words[0], line.json);
    alerts_close(&talk);
    return code;
}

/* --- notices ---------------------------------------------------------------------------- */

bool alerts_notices(struct alerts_talk *talk, const char *query, struct lb_str *notices)
{
    struct lb_buffer path;
    struct lb_str json;

    lb_buffer_init(&path, PATH_BYTES);
    lb_buffer_print(&path, "/api/v1/alerts/history?limit=10000%s", query);
    lb_buffer_append_char(&path, '\0');
    bool ok = !path.failed && alerts_get(talk, path.ptr, &json);

    lb_buffer_free(&path);
    if (!ok)
        return false;
    struct lb_value array = lb_value_member(lb_value_of(json, LB_VALUE_OBJECT), LB_STR("notices"));

    *notices = array.kind == LB_VALUE_ARRAY ? (struct lb_str){ array.ptr, array.len } : LB_STR("[]");
    return true;
}

/* `["pager","mail"]` as "pager mail". */
struct lb_str alerts_sinks(struct lb_arena *arena, struct lb_str notice)
{
    struct lb_value array = lb_value_member(lb_value_of(notice, LB_VALUE_OBJECT), LB_STR("sinks"));
    struct lb_str json = { array.ptr, array.len };
    struct lb_str sinks = LB_STR("");
    struct lb_value element;
    size_t at = 1;

    while (array.kind == LB_VALUE_ARRAY && lb_json_next_element(json, &at, &element) == LB_OK) {
        struct lb_str longer = lb_arena_print(arena, LB_STR_FMT "%s%.*s", LB_STR_ARG(sinks), sinks.len > 0 ? " " : "",
                                              (int)element.len, element.ptr);

        if (longer.ptr != NULL)
            sinks = longer;
    }
    return sinks;
}

static void add_notice(struct alerts_talk *talk, struct lb_str json, struct table *table, bool colours)
{
    struct lb_arena *arena = &talk->arena;
    struct lb_str severity = alerts_text(arena, json, "severity");
    char time[ALERTS_TIME_SIZE];
    double value;

    table_row(table, colours ? alerts_colour(severity) : NULL);
    table_cell(table, lb_str_from(alerts_local_time(alerts_time(arena, json, "timestamp"), time)));
    table_cell(table, alerts_text(arena, json, "state"));
    table_cell(table, severity);
    table_cell(table, alerts_text(arena, json, "rule"));
    table_cell(table, alerts_key(arena, json));
    if (alerts_number(json, "value", &value))
        table_print_cell(table, "%.6g", value);
    else
        table_cell(table, LB_STR("-"));
    table_cell(table, alerts_text(arena, json, "alert_id"));
    table_cell(table, alerts_sinks(arena, json));
}

bool alerts_next_notice(struct alerts_talk *talk, struct lb_str notices, const char *id, size_t *at,
                        struct lb_str *notice)
{
    struct lb_value element;

    if (*at == 0)
        *at = 1;
    while (lb_json_next_element(notices, at, &element) == LB_OK) {
        *notice = (struct lb_str){ element.ptr, element.len };
        if (id == NULL || lb_str_starts(alerts_text(&talk->arena, *notice, "alert_id"), lb_str_from(id)))
            return true;
    }
    return false;
}

size_t alerts_print_notices(struct alerts_talk *talk, struct lb_str notices, const char *id)
{
    static const char *const headings[] = { "TIME", "STATE", "SEVERITY", "RULE", "KEY", "VALUE", "ID", "TOLD", NULL };
    bool colours = colour_wanted(STDOUT_FILENO);
    struct lb_str notice;
    struct table table;
    size_t count = 0;
    size_t at = 0;

    table_init(&table, headings);
    for (; alerts_next_notice(talk, notices, id, &at, &notice); count++)
        add_notice(talk, notice, &table, colours);
    if (count > 0)
        table_print(&table, colours);
    table_free(&table);
    return count;
}

bool alerts_find_any(struct alerts_talk *talk, const char *id, struct lb_str *alert, struct lb_str *notices)
{
    struct lb_str alerts;
    struct lb_str notice;
    size_t at = 0;
    bool found;

    if (!alerts_get(talk, "/api/v1/alerts", &alerts) || !alerts_notices(talk, "", notices))
        return false;
    found = alerts_find(talk, alerts, id, alert);
    /* The last notice says how it ended. */
    while (!found && *id != '\0' && alerts_next_notice(talk, *notices, id, &at, &notice))
        *alert = notice;
    if (!found && alert->len == 0)
        fprintf(stderr, "logboom: no alert %s fires or is in the history; `logboom alerts history` lists them\n", id);
    return found || alert->len > 0;
}

/* --- deliveries --------------------------------------------------------------------------- */

bool alerts_next_delivery(struct lb_str notice, size_t *at, struct lb_str *delivery)
{
    struct lb_value array = lb_value_member(lb_value_of(notice, LB_VALUE_OBJECT), LB_STR("deliveries"));
    struct lb_value element;

    if (*at == 0)
        *at = 1;
    if (array.kind != LB_VALUE_ARRAY ||
        lb_json_next_element((struct lb_str){ array.ptr, array.len }, at, &element) != LB_OK)
        return false;
    *delivery = (struct lb_str){ element.ptr, element.len };
    return true;
}

struct lb_str alerts_outcome(struct lb_arena *arena, struct lb_str delivery)
{
    struct lb_str answer = alerts_text(arena, delivery, "answer");
    struct lb_str result = alerts_text(arena, delivery, "result");
    double attempts = 0;

    if (!alerts_number(delivery, "attempts", &attempts))
        return lb_arena_print(arena, LB_STR_FMT ", " LB_STR_FMT, LB_STR_ARG(result), LB_STR_ARG(answer));
    return lb_arena_print(arena, LB_STR_FMT ", " LB_STR_FMT ", %.0f %s", LB_STR_ARG(result), LB_STR_ARG(answer),
                          attempts, attempts == 1 ? "try" : "tries");
}

/* Sinks of a notice of which nothing was heard: it is on its way. What earlier versions told says nothing. */
static void add_waiting(struct alerts_talk *talk, struct lb_str notice, struct table *table)
{
    struct lb_value array = lb_value_member(lb_value_of(notice, LB_VALUE_OBJECT), LB_STR("sinks"));
    bool known = lb_value_member(lb_value_of(notice, LB_VALUE_OBJECT), LB_STR("deliveries")).kind == LB_VALUE_ARRAY;
    struct lb_value sink;
    size_t at = 1;

    while (array.kind == LB_VALUE_ARRAY &&
           lb_json_next_element((struct lb_str){ array.ptr, array.len }, &at, &sink) == LB_OK) {
        struct lb_str name = { sink.ptr, sink.len };
        struct lb_str delivery;
        size_t place = 0;
        bool heard = false;

        while (!heard && alerts_next_delivery(notice, &place, &delivery))
            heard = lb_str_equal(alerts_text(&talk->arena, delivery, "sink"), name);
        if (heard)
            continue;
        table_row(table, NULL);
        table_cell(table, LB_STR("-"));
        table_cell(table, alerts_text(&talk->arena, notice, "state"));
        table_cell(table, name);
        table_cell(table, known ? LB_STR("waits") : LB_STR("not known"));
    }
}

static void add_deliveries(struct alerts_talk *talk, struct lb_str notice, struct table *table)
{
    struct lb_arena *arena = &talk->arena;
    char time[ALERTS_TIME_SIZE];
    struct lb_str delivery;
    size_t at = 0;

    while (alerts_next_delivery(notice, &at, &delivery)) {
        table_row(table, NULL);
        table_cell(table, lb_str_from(alerts_local_time(alerts_time(arena, delivery, "at"), time)));
        table_cell(table, alerts_text(arena, notice, "state"));
        table_cell(table, alerts_text(arena, delivery, "sink"));
        table_cell(table, alerts_outcome(arena, delivery));
    }
    add_waiting(talk, notice, table);
}

void alerts_print_deliveries(struct alerts_talk *talk, struct lb_str notices, const char *id)
{
    static const char *const headings[] = { "TIME", "STATE", "SINK", "OUTCOME", NULL };
    struct table table;
    struct lb_str notice;
    size_t at = 0;
    bool any = false;

    table_init(&table, headings);
    while (alerts_next_notice(talk, notices, id, &at, &notice)) {
        add_deliveries(talk, notice, &table);
        any = true;
    }
    if (any)
        table_print(&table, colour_wanted(STDOUT_FILENO));
    table_free(&table);
}

/* --- one alert ------------------------------------------------------------------------------ */

static void print_text(struct alerts_talk *talk, struct lb_str alert, const char *label, const char *name)
{
    struct lb_str text = alerts_text(&talk->arena, alert, name);

    if (text.len > 0)
        printf("  %-14s" LB_STR_FMT "\n", label, LB_STR_ARG(text));
}

bool alerts_print_head(struct alerts_talk *talk, struct lb_str alert, struct lb_str *holder)
{
    struct lb_arena *arena = &talk->arena;
    struct lb_str severity = alerts_text(arena, alert, "severity");
    const char *colour = colour_wanted(STDOUT_FILENO) ? alerts_colour(severity) : "";
    int64_t started = alerts_time(arena, alert, "started_at");
    struct alerts_held held;
    char time[ALERTS_TIME_SIZE];
    char span[ALERTS_SPAN_SIZE];
    double value;

    if (!alerts_read_held(talk, &held))
        return false;
    *holder = alerts_holder(talk, &held, alert);
    printf(LB_STR_FMT "  %s" LB_STR_FMT "%s  " LB_STR_FMT ", began %s (%s ago)\n",
           LB_STR_ARG(alerts_text(arena, alert, "rule")), colour, LB_STR_ARG(severity),
           *colour != '\0' ? colour_end : "", LB_STR_ARG(alerts_text(arena, alert, "state")),
           alerts_local_time(started, time), alerts_span(lb_clock_now() - started, span));
    printf("  %-14s" LB_STR_FMT "\n", "key", LB_STR_ARG(alerts_key(arena, alert)));
    if (alerts_number(alert, "value", &value))
        printf("  %-14s%.6g (" LB_STR_FMT ") over " LB_STR_FMT ", records " LB_STR_FMT "\n", "value", value,
               LB_STR_ARG(alerts_text(arena, alert, "threshold")), LB_STR_ARG(alerts_text(arena, alert, "over")),
               LB_STR_ARG(alerts_text(arena, alert, "count")));
    print_text(talk, alert, "deploy", "deploy");
    print_text(talk, alert, "runbook", "runbook");
    print_text(talk, alert, "acked by", "acknowledged_by");
    print_text(talk, alert, "id", "alert_id");
    print_text(talk, alert, "fingerprint", "fingerprint");
    return true;
}
