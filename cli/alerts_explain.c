/*
 * alerts_explain.c - `alerts explain` and `why-not`: a rule's numbers, and in
 * plain words what they mean for people being told.
 */
#include "alerts.h"

#include "alerts_notices.h"
#include "time_argument.h"

#include "lb_clock.h"
#include "lb_json.h"
#include "lb_time.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 8 * 1024 };

/* --- asking --------------------------------------------------------------------------------- */

static void add_pair(struct lb_buffer *path, struct lb_str name, struct lb_str value)
{
    lb_buffer_append_str(path, LB_STR("&key."));
    ask_escape(path, name);
    lb_buffer_append_char(path, '=');
    ask_escape(path, value);
}

static void add_time(struct lb_buffer *path, int64_t at)
{
    char time[LB_TIME_TEXT_SIZE];

    if (at == LB_TIME_NONE)
        return;
    lb_buffer_append_str(path, LB_STR("&at="));
    ask_escape(path, (struct lb_str){ time, lb_time_write(at, time) });
}

static bool ask(struct alerts_talk *talk, struct lb_buffer *path, struct lb_str *json)
{
    lb_buffer_append_char(path, '\0');
    return !path->failed && alerts_get(talk, path->ptr, json);
}

static struct lb_str member(struct lb_str object, const char *name)
{
    struct lb_value value = lb_value_member(lb_value_of(object, LB_VALUE_OBJECT), lb_str_from(name));

    return (struct lb_str){ value.ptr != NULL ? value.ptr : "", value.len };
}

static bool is_true(struct lb_str object, const char *name)
{
    return lb_str_is(member(object, name), "true");
}

/* --- telling --------------------------------------------------------------------------------- */

/* `, for 5m`, unless it is nothing. */
static void print_span(struct alerts_talk *talk, struct lb_str json, const char *name)
{
    struct lb_str text = alerts_text(&talk->arena, json, name);

    if (!lb_str_is(text, "0ms"))
        printf(", %s " LB_STR_FMT, name, LB_STR_ARG(text));
}

static void print_rule(struct alerts_talk *talk, struct lb_str json)
{
    struct lb_arena *arena = &talk->arena;
    double least = 0;

    printf("rule " LB_STR_FMT ": " LB_STR_FMT " over " LB_STR_FMT, LB_STR_ARG(alerts_text(arena, json, "rule")),
           LB_STR_ARG(alerts_text(arena, json, "value")), LB_STR_ARG(alerts_text(arena, json, "over")));
    print_span(talk, json, "for");
    print_span(talk, json, "hold");
    print_span(talk, json, "cooldown");
    if (alerts_number(json, "min_count", &least) && least > 0)
        printf(", min_count %.0f", least);
    printf("%s\n", is_true(json, "shadow") ? ", mode: shadow" : "");
}

static void print_threshold(struct alerts_talk *talk, struct lb_str each)
{
    struct lb_arena *arena = &talk->arena;
    int64_t since = alerts_time(arena, each, "crossed_since");
    int64_t until = alerts_time(arena, each, "crossed_until");
    char time[ALERTS_TIME_SIZE];
    char span[ALERTS_SPAN_SIZE];

    printf("  %-9.*s %-20.*s %s", LB_STR_ARG(alerts_text(arena, each, "severity")),
           LB_STR_ARG(alerts_text(arena, each, "threshold")), is_true(each, "crossed") ? "crossed" : "not crossed");
    if (since != LB_TIME_NONE)
        printf("; last from %s for %s", alerts_local_time(since, time), alerts_span(until - since, span));
    putchar('\n');
}

static void print_thresholds(struct alerts_talk *talk, struct lb_str json)
{
    struct lb_str array = member(json, "thresholds");
    struct lb_value element;
    size_t at = 1;

    while (lb_json_next_element(array, &at, &element) == LB_OK)
        print_threshold(talk, (struct lb_str){ element.ptr, element.len });
}

static void print_window(struct alerts_talk *talk, struct lb_str json)
{
    struct lb_str window = member(json, "window");
    char time[ALERTS_TIME_SIZE];
    double value;

    alerts_local_time(alerts_time(&talk->arena, window, "at"), time);
    if (!is_true(window, "known")) {
        printf("window at %s: not known (any more): the rule keeps no more than `over` and `lateness`\n", time);
        return;
    }
    printf("window at %s: records " LB_STR_FMT, time, LB_STR_ARG(member(window, "count")));
    if (alerts_number(window, "value", &value))
        printf(", value %.6g", value);
    if (!is_true(window, "judged"))
        printf(", not judged: fewer than min_count, or nothing to measure");
    putchar('\n');
}

/* The keys that are known, where the one that was asked for is not. */
static void print_unknown(struct alerts_talk *talk, struct lb_str json)
{
    struct lb_str array = member(json, "keys");
    struct lb_value element;
    double refused = 0;
    size_t at = 1;

    printf("no record of such a key has been counted: `where` lets none in, the field is missing in them, or nothing\n"
           "came for long; `logboom explain` says of one line which rules it feeds.\n");
    if (alerts_number(json, "keys_refused", &refused) && refused > 0)
        printf("%.0f records were refused for want of room: see alerting.max_keys.\n", refused);
    printf(LB_STR_FMT " keys are known%s\n", LB_STR_ARG(member(json, "keys_known")),
           array.len > 2 ? ", the most active ones are" : "");
    while (lb_json_next_element(array, &at, &element) == LB_OK) {
        struct lb_str wrapped = lb_arena_print(&talk->arena, "{\"key\":%.*s}", (int)element.len, element.ptr);

        if (wrapped.ptr != NULL)
            printf("  " LB_STR_FMT "\n", LB_STR_ARG(alerts_key(&talk->arena, wrapped)));
    }
}

static bool any_crossed(struct lb_str json)
{
    struct lb_str array = member(json, "thresholds");
    struct lb_value element;
    size_t at = 1;

    while (lb_json_next_element(array, &at, &element) == LB_OK)
        if (is_true((struct lb_str){ element.ptr, element.len }, "crossed"))
            return true;
    return false;
}

/* In plain words, one for each reason. */
static void print_why_not(struct alerts_talk *talk, struct lb_str json, struct lb_str holder)
{
    struct lb_str window = member(json, "window");
    struct lb_str state = alerts_text(&talk->arena, json, "state");

    if (lb_str_is(state, "firing"))
        printf("it fires now, as alert " LB_STR_FMT ": `logboom alerts explain` with that id says what was told\n",
               LB_STR_ARG(alerts_text(&talk->arena, json, "alert_id")));
    else if (!is_true(window, "known"))
        printf("what the window held then cannot be said; `logboom grep` finds its records in the archive\n");
    else if (!is_true(window, "judged"))
        printf("it was not judged: the window held fewer records than min_count, or none with a number\n");
    else if (!any_crossed(json))
        printf("no threshold was crossed\n");
    else
        printf("a threshold was crossed, but not yet for as long as `for` says\n");
    if (is_true(json, "shadow"))
        printf("the rule is in `mode: shadow`: nobody is told, whatever it finds\n");
    if (holder.len > 0)
        printf("and if it fired now, it would be held back by " LB_STR_FMT "\n", LB_STR_ARG(holder));
}

static int print_json(struct lb_str json)
{
    printf(LB_STR_FMT "\n", LB_STR_ARG(json));
    return EXIT_OK;
}

/* --- explain --------------------------------------------------------------------------------- */

static bool ask_about(struct alerts_talk *talk, struct lb_str alert, struct lb_str *json)
{
    struct lb_str key = member(alert, "key");
    struct lb_field field;
    struct lb_buffer path;
    size_t at = 1;

    lb_buffer_init(&path, PATH_BYTES);
    lb_buffer_append_str(&path, LB_STR("/api/v1/alerts/explain?rule="));
    ask_escape(&path, alerts_text(&talk->arena, alert, "rule"));
    while (key.len > 0 && lb_json_next_member(key, &at, &field) == LB_OK) {
        struct lb_scratch scratch = { lb_arena_alloc(&talk->arena, field.value.len + 1), field.value.len, 0 };

        if (scratch.ptr != NULL)
            add_pair(&path, (struct lb_str){ field.key.ptr, field.key.len }, lb_value_str(field.value, &scratch));
    }
    bool ok = ask(talk, &path, json);

    lb_buffer_free(&path);
    return ok;
}

/* Sinks that fail now, with what they were answered: a notice may still be on its way there. */
static void print_failing(struct alerts_talk *talk)
{
    struct lb_str health;
    struct lb_value element;
    size_t at = 1;

    if (!alerts_get(talk, "/api/v1/status", &health))
        return;
    struct lb_str components = member(health, "components");

    while (components.len > 0 && lb_json_next_element(components, &at, &element) == LB_OK) {
        struct lb_str each = { element.ptr, element.len };
        struct lb_str reason = alerts_text(&talk->arena, each, "problem");
        struct lb_str refused = alerts_text(&talk->arena, each, "dead_letter_last");
        struct lb_str name = alerts_text(&talk->arena, each, "name");

        if (lb_str_is(alerts_text(&talk->arena, each, "kind"), "sink") &&
            !lb_str_is(alerts_text(&talk->arena, each, "state"), "ok"))
            printf("sink " LB_STR_FMT " cannot deliver now, what it has waits: " LB_STR_FMT "\n", LB_STR_ARG(name),
                   LB_STR_ARG(reason));
        if (refused.len > 0)
            printf("sink " LB_STR_FMT " had something refused for good, the last: " LB_STR_FMT "\n", LB_STR_ARG(name),
                   LB_STR_ARG(refused));
    }
}

/* What the rule knows, with `notices` of the alert as one more member. */
static int print_with_notices(struct alerts_talk *talk, struct lb_str json, struct lb_str notices, const char *id)
{
    const char *before = "";
    struct lb_str notice;
    size_t at = 0;

    while (json.len > 0 && json.ptr[json.len - 1] != '}')
        json.len--;
    printf("%.*s,\"notices\":[", (int)json.len - 1, json.ptr);
    for (; alerts_next_notice(talk, notices, id, &at, &notice); before = ",")
        printf("%s" LB_STR_FMT, before, LB_STR_ARG(notice));
    printf("]}\n");
    return EXIT_OK;
}

static int explain(struct alerts_talk *talk, const char *id, bool as_json)
{
    struct lb_str alert = { "", 0 };
    struct lb_str notices;
    struct lb_str json;
    struct lb_str holder;

    if (!alerts_find_any(talk, id, &alert, &notices) || !ask_about(talk, alert, &json))
        return talk->status == 0 ? EXIT_USAGE : EXIT_NO;
    if (as_json)
        return print_with_notices(talk, json, notices, id);
    if (!alerts_print_head(talk, alert, &holder))
        return EXIT_USAGE;
    putchar('\n');
    print_rule(talk, json);
    if (member(json, "window").len > 0)
        print_window(talk, json);
    print_thresholds(talk, json);
    putchar('\n');
    if (holder.len > 0)
        printf("notices are held back by " LB_STR_FMT "\n", LB_STR_ARG(holder));
    if (is_true(json, "shadow"))
        printf("the rule is in `mode: shadow`: nobody is told\n");
    if (alerts_print_notices(talk, notices, id) == 0)
        printf("nobody was told of it yet\n");
    else
        putchar('\n');
    alerts_print_deliveries(talk, notices, id);
    print_failing(talk);
    return EXIT_OK;
}

static int run_explain(int argc, char **argv)
{
    return alerts_run_one(argc, argv, explain);
}

const struct alerts_command alerts_explain = {
    .name = "explain",
    .summary = "why an alert fires, and why people were told or not",
    .help =
        "logboom alerts explain ID [--json] [-c FILE]\n\n"
        "The window's value now against each threshold, since when which was crossed, what holds notices back, and\n"
        "whom each notice went to; what became of it there: the answer (HTTP status, exit code), and after how many\n"
        "tries of the present run; sinks that cannot deliver now, and what they were answered.\n\n"
        "Exit: 0 explained, 1 there is no such alert, 2 nobody answers.\n",
    .run = run_explain,
};

/* --- why-not ------------------------------------------------------------------------------------ */

static bool add_words(struct lb_buffer *path, const struct alerts_line *line)
{
    for (size_t i = 1; i < line->word_count; i++) {
        const char *equal = strchr(line->words[i], '=');

        if (equal == NULL || equal == line->words[i]) {
            alerts_usage_error("why-not", "\"%s\": expected NAME=VALUE, a field of the rule's `by`", line->words[i]);
            return false;
        }
        add_pair(path, (struct lb_str){ line->words[i], (size_t)(equal - line->words[i]) }, lb_str_from(equal + 1));
    }
    return true;
}

static int why_not(struct alerts_talk *talk, struct lb_buffer *path, bool as_json)
{
    struct lb_str json;
    struct alerts_held held;

    if (!ask(talk, path, &json))
        return talk->status == 0 ? EXIT_USAGE : EXIT_NO;
    if (as_json)
        return print_json(json);
    if (!alerts_read_held(talk, &held))
        return EXIT_USAGE;
    print_rule(talk, json);
    if (member(json, "window").len == 0) {
        print_thresholds(talk, json);
        print_unknown(talk, json);
        return EXIT_OK;
    }
    printf("key  " LB_STR_FMT "\n", LB_STR_ARG(alerts_key(&talk->arena, json)));
    print_window(talk, json);
    print_thresholds(talk, json);
    print_why_not(talk, json, alerts_holder(talk, &held, json));
    return EXIT_OK;
}

static int run_why_not(int argc, char **argv)
{
    const char *when = NULL;
    const struct alerts_option options[] = { { "--at", &when, NULL }, { NULL, NULL, NULL } };
    struct alerts_line line;
    struct alerts_talk talk;
    struct lb_buffer path;
    int64_t at = LB_TIME_NONE;
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count == 0)
        return alerts_usage_error("why-not", "which rule? give its name, and NAME=VALUE for its key");
    if (when != NULL && !time_argument(when, lb_clock_now(), &at))
        return alerts_usage_error("why-not", "--at: \"%s\" is no time; " TIME_ARGUMENT_FORMS, when);
    lb_buffer_init(&path, PATH_BYTES);
    lb_buffer_append_str(&path, LB_STR("/api/v1/alerts/explain?rule="));
    ask_escape(&path, lb_str_from(line.words[0]));
    add_time(&path, at);
    if (add_words(&path, &line)) {
        if (alerts_open(&talk, line.config))
            code = why_not(&talk, &path, line.json);
        alerts_close(&talk);
    }
    lb_buffer_free(&path);
    return code;
}

const struct alerts_command alerts_why_not = {
    .name = "why-not",
    .summary = "why a rule has raised no alert for a key",
    .help =
        "logboom alerts why-not RULE [NAME=VALUE…] [--at TIME] [--json] [-c FILE]\n\n"
        "What the rule knows of the key: records in the window and their value now (or at TIME, as far back as the\n"
        "window still reaches), which thresholds that crosses, and what holds the alert back: min_count, for, a\n"
        "silence. Where no such key is known, those that are.\n\n"
        "Exit: 0 answered, 1 there is no such rule, 2 usage, or nobody answers.\n\n"
        "  logboom alerts why-not failed_logins client_ip=10.0.0.1 --at 12:03\n",
    .run = run_why_not,
};
