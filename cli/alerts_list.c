/* alerts_list.c - `alerts list`: what fires, the worst first, and what holds it back. */
#include "alerts.h"

#include "colour.h"

#include "lb_clock.h"
#include "lb_expr.h"
#include "lb_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALERTS_MAX = 100 * 1000, WHERE_BYTES = 8 * 1024 };

static int rank_of(struct lb_str severity)
{
    static const char *const words[] = { "critical", "high", "medium", "low", "info" };

    for (int i = 0; i < 5; i++)
        if (lb_str_is(severity, words[i]))
            return i;
    return 5;
}

struct item {
    struct lb_str json;
    int rank;
    int64_t started;
};

static int compare(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->started < y->started ? 1 : x->started > y->started ? -1 : 0;
}

/* Both arrays as one, in the arena. */
static struct lb_str concat(struct alerts_talk *talk, struct lb_str a, struct lb_str b)
{
    struct lb_str both = a.len <= 2 ? b : a;

    if (a.len > 2 && b.len > 2)
        both = lb_arena_print(&talk->arena, "%.*s,%.*s", (int)a.len - 1, a.ptr, (int)b.len - 1, b.ptr + 1);
    return both.ptr != NULL ? both : LB_STR("[]");
}

/* Those that are asked for, sorted; in the arena. */
static struct item *collect(struct alerts_talk *talk, struct lb_str alerts, struct lb_str where, size_t *count)
{
    struct item *items = NULL;
    struct lb_value element;

    for (int pass = 0; pass < 2; pass++) {
        size_t at = 1;

        *count = 0;
        while (*count < ALERTS_MAX && lb_json_next_element(alerts, &at, &element) == LB_OK) {
            struct lb_str json = { element.ptr, element.len };

            if (where.len > 0 && !alerts_matches(talk, where, json))
                continue;
            if (items != NULL)
                items[*count] = (struct item){ json, rank_of(alerts_text(&talk->arena, json, "severity")),
                                               alerts_time(&talk->arena, json, "started_at") };
            ++*count;
        }
        if (items == NULL)
            items = lb_arena_alloc(&talk->arena, (*count + 1) * sizeof(*items));
        if (items == NULL)
            *count = 0;
    }
    if (*count > 0)
        qsort(items, *count, sizeof(*items), compare);
    return items;
}

static bool is_true(struct lb_arena *arena, struct lb_str json, const char *name)
{
    return lb_str_is(alerts_text(arena, json, name), "true");
}

static const char *state_of(struct alerts_talk *talk, struct lb_str json, struct lb_str holder)
{
    struct lb_str state = alerts_text(&talk->arena, json, "state");

    if (lb_str_is(state, "pending"))
        return "pending";
    if (is_true(&talk->arena, json, "acknowledged") || alerts_text(&talk->arena, json, "acknowledged_by").len > 0)
        return "acked";
    return holder.len > 0 ? "silenced" : "firing";
}

static void add_row(struct alerts_talk *talk, const struct alerts_held *held, const struct item *item,
                    struct table *table, bool colours)
{
    struct lb_arena *arena = &talk->arena;
    struct lb_str severity = alerts_text(arena, item->json, "severity");
    struct lb_str holder = alerts_holder(talk, held, item->json);
    char span[ALERTS_SPAN_SIZE];
    double value = 0;

    table_row(table, colours ? alerts_colour(severity) : NULL);
    table_cell(table, severity);
    table_cell(table, lb_str_from(state_of(talk, item->json, holder)));
    table_cell(table, lb_str_from(alerts_span(lb_clock_now() - item->started, span)));
    table_cell(table, alerts_text(arena, item->json, "rule"));
    table_cell(table, alerts_key(arena, item->json));
    if (alerts_number(item->json, "value", &value))
        table_print_cell(table, "%.6g (" LB_STR_FMT ")", value,
                         LB_STR_ARG(alerts_text(arena, item->json, "threshold")));
    else
        table_cell(table, LB_STR("-"));
    table_cell(table, alerts_text(arena, item->json, "alert_id"));
    table_cell(table, holder);
}

static int print(struct alerts_talk *talk, const struct item *items, size_t count)
{
    static const char *const headings[] = { "SEVERITY", "STATE", "SINCE",        "RULE", "KEY",
                                            "VALUE",    "ID",    "HELD BACK BY", NULL };
    bool colours = colour_wanted(STDOUT_FILENO);
    struct alerts_held held;
    struct table table;

    if (count == 0) {
        printf("nothing fires\n");
        return EXIT_NO;
    }
    if (!alerts_read_held(talk, &held))
        return EXIT_USAGE;
    table_init(&table, headings);
    for (size_t i = 0; i < count; i++)
        add_row(talk, &held, &items[i], &table, colours);
    table_print(&table, colours);
    table_free(&table);
    return EXIT_OK;
}

static int print_json(const struct item *items, size_t count)
{
    putchar('[');
    for (size_t i = 0; i < count; i++)
        printf("%s" LB_STR_FMT, i > 0 ? "," : "", LB_STR_ARG(items[i].json));
    printf("]\n");
    return count > 0 ? EXIT_OK : EXIT_NO;
}

/* Tells where the expression is wrong before anything is listed. */
static bool check_where(struct alerts_talk *talk, const char *where)
{
    struct lb_diag diag = { 0 };
    struct lb_expr *expr = lb_expr_new(&talk->arena, lb_str_from(where), (struct lb_place){ "--where", 1, 1 }, &diag);

    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    if (expr != NULL)
        lb_expr_free(expr);
    return expr != NULL;
}

static int run(int argc, char **argv)
{
    const char *where = NULL;
    const struct alerts_option options[] = { { "--where", &where, NULL }, { NULL, NULL, NULL } };
    struct alerts_line line;
    struct alerts_talk talk;
    struct lb_str alerts;
    struct lb_str pending;
    size_t count = 0;
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count > 0)
        return alerts_usage_error("list", "unexpected \"%s\"", line.words[0]);
    if (alerts_open(&talk, line.config) && (where == NULL || check_where(&talk, where)) &&
        alerts_get(&talk, "/api/v1/alerts", &alerts) && alerts_get(&talk, "/api/v1/alerts/pending", &pending)) {
        const struct item *items =
            collect(&talk, concat(&talk, alerts, pending), lb_str_from(where != NULL ? where : ""), &count);

        code = line.json ? print_json(items, count) : print(&talk, items, count);
    }
    alerts_close(&talk);
    return code;
}

const struct alerts_command alerts_list = {
    .name = "list",
    .summary = "what fires now",
    .help = "logboom alerts [list] [--where EXPR] [--json] [-c FILE]\n\n"
            "What fires now, the worst and newest first. STATE is `pending` while its `for` has not passed, `acked`\n"
            "when somebody works on it, `silenced` while a silence or a maintenance window holds its notices back\n"
            "(which, stands behind it).\n\n"
            "  --where EXPR  only alerts that match, as in alerting.routes: rule, severity, service, key.client_ip …\n"
            "  --json        an array of objects, for programs\n\n"
            "Exit: 0 something fires, 1 nothing does, 2 nobody answers.\n\n"
            "  logboom alerts list --where 'severity >= high and service == payments'\n",
    .run = run,
};
