/* alerts_silence.c - `alerts silence`, `silences` and `unsilence`. */
#include "alerts.h"

#include "colour.h"
#include "time_argument.h"

#include "lb_clock.h"
#include "lb_json.h"
#include "lb_time.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BODY_BYTES = 64 * 1024, WHERE_BYTES = 8 * 1024, LISTED_MAX = 20 };

struct wanted {
    const char *duration; /* --for */
    const char *until;
    const char *from;
    const char *comment;
    const char *author;
    const char *id;
    bool preview;
    char where[WHERE_BYTES];
};

static void write_member(struct lb_buffer *out, const char *name, struct lb_str text)
{
    lb_buffer_append_char(out, out->len > 1 ? ',' : ' ');
    lb_buffer_print(out, "\"%s\":", name);
    alerts_write_text(out, text);
}

/* A time as people type it, as RFC 3339. */
static bool write_time(struct lb_buffer *out, const char *option, const char *name, const char *text)
{
    char time[LB_TIME_TEXT_SIZE];
    int64_t time_ns;

    if (text == NULL)
        return true;
    if (!time_argument(text, lb_clock_now(), &time_ns)) {
        alerts_usage_error("silence", "%s: \"%s\" is no time; " TIME_ARGUMENT_FORMS, option, text);
        return false;
    }
    write_member(out, name, (struct lb_str){ time, lb_time_write(time_ns, time) });
    return true;
}

static bool write_body(const struct wanted *wanted, struct lb_buffer *out)
{
    int64_t duration;

    lb_buffer_append_char(out, '{');
    if (wanted->id != NULL)
        write_member(out, "id", lb_str_from(wanted->id));
    if (wanted->where[0] != '\0')
        write_member(out, "where", lb_str_from(wanted->where));
    if (wanted->duration != NULL && !duration_argument(wanted->duration, &duration)) {
        alerts_usage_error("silence", "--for: \"%s\" is no duration; try 2h or 1h30m", wanted->duration);
        return false;
    }
    if (wanted->duration != NULL)
        write_member(out, "for", lb_str_from(wanted->duration));
    if (!write_time(out, "--from", "from", wanted->from) || !write_time(out, "--until", "until", wanted->until))
        return false;
    if (wanted->comment != NULL)
        write_member(out, "comment", lb_str_from(wanted->comment));
    if (wanted->author != NULL)
        write_member(out, "author", lb_str_from(wanted->author));
    lb_buffer_append_char(out, '}');
    return true;
}

static void print_matches(struct alerts_talk *talk, struct lb_value alerts, const char *does)
{
    struct lb_str json = { alerts.ptr, alerts.len };
    struct lb_value element;
    size_t at = 1;
    size_t count = 0;

    while (alerts.kind == LB_VALUE_ARRAY && lb_json_next_element(json, &at, &element) == LB_OK) {
        struct lb_str each = { element.ptr, element.len };

        if (count++ < LISTED_MAX)
            printf("  " LB_STR_FMT "  " LB_STR_FMT "  " LB_STR_FMT "\n",
                   LB_STR_ARG(alerts_text(&talk->arena, each, "alert_id")),
                   LB_STR_ARG(alerts_text(&talk->arena, each, "rule")), LB_STR_ARG(alerts_key(&talk->arena, each)));
    }
    printf("%s %zu alert%s that fire%s now%s\n", does, count, count == 1 ? "" : "s", count == 1 ? "s" : "",
           count > LISTED_MAX ? " (the first are listed)" : "");
}

static void print_set(struct alerts_talk *talk)
{
    struct lb_value silence = alerts_member(talk, "silence");
    struct lb_str json = { silence.ptr, silence.len };
    char from[ALERTS_TIME_SIZE];
    char until[ALERTS_TIME_SIZE];

    printf("silence " LB_STR_FMT " from %s until %s\n", LB_STR_ARG(alerts_text(&talk->arena, json, "id")),
           alerts_local_time(alerts_time(&talk->arena, json, "from"), from),
           alerts_local_time(alerts_time(&talk->arena, json, "until"), until));
    print_matches(talk, alerts_member(talk, "alerts"), "it holds back");
}

static int preview(struct alerts_talk *talk, const struct wanted *wanted, bool json)
{
    struct lb_buffer body;

    lb_buffer_init(&body, BODY_BYTES);
    lb_buffer_append_str(&body, LB_STR("{\"where\":"));
    alerts_write_text(&body, lb_str_from(wanted->where));
    lb_buffer_append_char(&body, '}');
    bool ok = alerts_ask(talk, "POST", "/api/v1/silences/preview", lb_buffer_str(&body));

    lb_buffer_free(&body);
    if (!ok)
        return talk->status == 0 ? EXIT_USAGE : EXIT_NO;
    if (json)
        alerts_print_answer(talk);
    else
        print_matches(talk, alerts_member(talk, "alerts"), "it would hold back");
    return EXIT_OK;
}

static int set(struct alerts_talk *talk, const struct wanted *wanted, bool json)
{
    struct lb_buffer body;
    int code = EXIT_USAGE;

    lb_buffer_init(&body, BODY_BYTES);
    if (write_body(wanted, &body)) {
        bool ok = alerts_ask(talk, "POST", "/api/v1/silences", lb_buffer_str(&body));

        code = ok ? EXIT_OK : talk->status == 0 ? EXIT_USAGE : EXIT_NO;
        if (ok && json)
            alerts_print_answer(talk);
        else if (ok)
            print_set(talk);
    }
    lb_buffer_free(&body);
    return code;
}

/* An expression may also be given without quotes, word by word. */
static void join_words(const struct alerts_line *line, char *where)
{
    size_t len = 0;

    where[0] = '\0';
    for (size_t i = 0; i < line->word_count && len < WHERE_BYTES; i++)
        len += (size_t)snprintf(where + len, WHERE_BYTES - len, "%s%s", i > 0 ? " " : "", line->words[i]);
}

static bool is_complete(const struct wanted *wanted)
{
    if (wanted->where[0] == '\0' && wanted->id == NULL)
        alerts_usage_error("silence", "which alerts? give an expression such as 'service == \"db\"'");
    else if (wanted->preview || wanted->id != NULL)
        return wanted->where[0] != '\0' || !wanted->preview;
    else if (wanted->duration == NULL && wanted->until == NULL)
        alerts_usage_error("silence", "how long? give --for 2h or --until TIME");
    else if (wanted->comment == NULL)
        alerts_usage_error("silence", "why? give --comment TEXT, for those who wonder later");
    else
        return true;
    return false;
}

static int run_silence(int argc, char **argv)
{
    static struct wanted wanted;
    const struct alerts_option options[] = {
        { "--for", &wanted.duration, NULL },    { "--until", &wanted.until, NULL },
        { "--from", &wanted.from, NULL },       { "--comment", &wanted.comment, NULL },
        { "--author", &wanted.author, NULL },   { "--id", &wanted.id, NULL },
        { "--preview", NULL, &wanted.preview }, { NULL, NULL, NULL }
    };
    struct alerts_line line;
    struct alerts_talk talk;
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    join_words(&line, wanted.where);
    if (!is_complete(&wanted))
        return EXIT_USAGE;
    if (alerts_open(&talk, line.config))
        code = wanted.preview ? preview(&talk, &wanted, line.json) : set(&talk, &wanted, line.json);
    alerts_close(&talk);
    return code;
}

const struct alerts_command alerts_silence = {
    .name = "silence",
    .summary = "hold alerts back for a time",
    .help = "logboom alerts silence (--for TIME | --until TIME) --comment TEXT [OPTIONS] EXPR\n\n"
            "Nobody is told of alerts that match EXPR until the silence ends. They go on to be judged and listed; who\n"
            "was told that one fires is told that it is silenced, and how it stands afterwards.\n\n"
            "EXPR asks for the fields of alerts, as in alerting.routes: rule, severity, service, key.client_ip,\n"
            "labels.team … Try it with --preview first.\n\n"
            "  --for 2h        how long\n"
            "  --until TIME    or until when: 18:00, \"2026-12-27 08:00\"\n"
            "  --from TIME     from then on; now unless given\n"
            "  --comment TEXT  why\n"
            "  --author NAME   who; over the socket in data_dir the system knows\n"
            "  --preview       only lists what it would hold back now\n"
            "  --id ID         changes that silence: what is given is new, the rest stays\n\n"
            "Exit: 0 set, 1 refused, 2 usage, or nobody answers.\n\n"
            "  logboom alerts silence --preview 'service == db and severity < critical'\n"
            "  logboom alerts silence --for 2h --comment 'new disk' 'service == db and key.host == h1'\n",
    .run = run_silence,
};

/* --- silences ------------------------------------------------------------------------------ */

static void add_silence(struct alerts_talk *talk, struct lb_str json, struct table *table)
{
    struct lb_arena *arena = &talk->arena;
    struct lb_str state = alerts_text(arena, json, "state");
    int64_t from = alerts_time(arena, json, "from");
    int64_t until = alerts_time(arena, json, "until");
    int64_t now = lb_clock_now();
    char time[ALERTS_TIME_SIZE];
    char span[ALERTS_SPAN_SIZE];

    table_row(table, lb_str_is(state, "active") ? "\033[33m" : NULL);
    table_cell(table, state);
    table_cell(table, alerts_text(arena, json, "id"));
    if (lb_str_is(state, "pending"))
        table_print_cell(table, "begins in %s", alerts_span(from - now, span));
    else if (lb_str_is(state, "active"))
        table_print_cell(table, "%s left", alerts_span(until - now, span));
    else
        table_cell(table, LB_STR(""));
    table_cell(table, lb_str_from(alerts_local_time(until, time)));
    table_cell(table, alerts_text(arena, json, "author"));
    table_cell(table, alerts_text(arena, json, "where"));
    table_cell(table, alerts_text(arena, json, "comment"));
}

static void add_window(struct alerts_talk *talk, struct lb_str json, struct table *table)
{
    struct lb_arena *arena = &talk->arena;
    struct lb_str state = alerts_text(arena, json, "state");
    char from[ALERTS_TIME_SIZE];
    char until[ALERTS_TIME_SIZE];

    table_row(table, lb_str_is(state, "active") ? "\033[33m" : NULL);
    table_cell(table, state);
    table_cell(table, alerts_text(arena, json, "name"));
    table_cell(table, lb_str_from(alerts_local_time(alerts_time(arena, json, "from"), from)));
    table_cell(table, lb_str_from(alerts_local_time(alerts_time(arena, json, "until"), until)));
    table_cell(table, alerts_text(arena, json, "where"));
}

static size_t print_array(struct alerts_talk *talk, struct lb_str array, const char *const *headings,
                          void (*add)(struct alerts_talk *talk, struct lb_str json, struct table *table))
{
    struct lb_value element;
    struct table table;
    size_t at = 1;
    size_t count = 0;

    table_init(&table, headings);
    for (; lb_json_next_element(array, &at, &element) == LB_OK; count++)
        add(talk, (struct lb_str){ element.ptr, element.len }, &table);
    if (count > 0)
        table_print(&table, colour_wanted(STDOUT_FILENO));
    table_free(&table);
    return count;
}

static struct lb_str array_in(struct alerts_talk *talk, const char *name)
{
    struct lb_value value = alerts_member(talk, name);

    return value.kind == LB_VALUE_ARRAY ? (struct lb_str){ value.ptr, value.len } : LB_STR("[]");
}

static int print_silences(struct alerts_talk *talk)
{
    static const char *const silences[] = { "STATE", "ID", "", "UNTIL", "AUTHOR", "WHERE", "COMMENT", NULL };
    static const char *const windows[] = { "STATE", "MAINTENANCE", "FROM", "UNTIL", "WHERE", NULL };
    size_t count = print_array(talk, array_in(talk, "silences"), silences, add_silence);
    struct lb_str others = array_in(talk, "windows");

    if (count == 0)
        printf("there are no silences\n");
    if (others.len > 2)
        putchar('\n');
    return count + print_array(talk, others, windows, add_window) > 0 ? EXIT_OK : EXIT_NO;
}

static int run_silences(int argc, char **argv)
{
    bool all = false;
    const struct alerts_option options[] = { { "--all", NULL, &all }, { NULL, NULL, NULL } };
    struct alerts_line line;
    struct alerts_talk talk;
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count > 0)
        return alerts_usage_error("silences", "unexpected \"%s\"", line.words[0]);
    if (alerts_open(&talk, line.config) &&
        alerts_ask(&talk, "GET", all ? "/api/v1/silences?ended=true" : "/api/v1/silences", LB_STR(""))) {
        code = EXIT_OK;
        if (line.json)
            alerts_print_answer(&talk);
        else
            code = print_silences(&talk);
    }
    alerts_close(&talk);
    return code;
}

const struct alerts_command alerts_silences = {
    .name = "silences",
    .summary = "silences and maintenance windows",
    .help = "logboom alerts silences [--all] [--json] [-c FILE]\n\n"
            "Silences that hold or will, and the maintenance windows of the configuration with their present or next\n"
            "time. Times are in your zone (TZ).\n\n"
            "  --all   also those that ended in the last five days\n\n"
            "Exit: 0 there are some, 1 there are none, 2 nobody answers.\n",
    .run = run_silences,
};

/* --- unsilence ------------------------------------------------------------------------------- */

/* The whole id of the silence whose id begins so. */
static bool complete_id(struct alerts_talk *talk, const char *id, struct lb_str *whole)
{
    struct alerts_held held;
    struct lb_value element;
    size_t at = 1;
    size_t found = 0;

    if (!alerts_read_held(talk, &held))
        return false;
    while (lb_json_next_element(held.silences, &at, &element) == LB_OK) {
        struct lb_str each = alerts_text(&talk->arena, (struct lb_str){ element.ptr, element.len }, "id");

        if (!lb_str_starts(each, lb_str_from(id)))
            continue;
        *whole = each;
        found++;
    }
    if (found == 0)
        fprintf(stderr, "logboom: there is no silence %s that holds or will; `logboom alerts silences` lists them\n",
                id);
    else if (found > 1)
        fprintf(stderr, "logboom: the ids of %zu silences begin with %s; give more of it\n", found, id);
    return found == 1;
}

static int run_unsilence(int argc, char **argv)
{
    const struct alerts_option options[] = { { NULL, NULL, NULL } };
    struct alerts_line line;
    struct alerts_talk talk;
    struct lb_str id = LB_STR("");
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count != 1)
        return alerts_usage_error("unsilence", "give the id of one silence");
    if (alerts_open(&talk, line.config)) {
        struct lb_str path = { NULL, 0 };

        if (complete_id(&talk, line.words[0], &id))
            path = lb_arena_print(&talk.arena, "/api/v1/silences/" LB_STR_FMT, LB_STR_ARG(id));
        bool ok = path.ptr != NULL && alerts_ask(&talk, "DELETE", path.ptr, LB_STR(""));

        code = ok ? EXIT_OK : talk.status == 0 ? EXIT_USAGE : EXIT_NO;
        if (ok && line.json)
            alerts_print_answer(&talk);
        else if (ok)
            printf("silence " LB_STR_FMT " has ended\n", LB_STR_ARG(id));
    }
    alerts_close(&talk);
    return code;
}

const struct alerts_command alerts_unsilence = {
    .name = "unsilence",
    .summary = "end a silence",
    .help =
        "logboom alerts unsilence ID [-c FILE]\n\n"
        "Ends a silence before its time; the first digits of its ID are enough. Who would have been told meanwhile\n"
        "of what still fires is told now.\n\n"
        "Exit: 0 it has ended, 1 there is no such silence, 2 nobody answers.\n",
    .run = run_unsilence,
};
