/* alerts_show.c - `alerts show`, `history` and `ack`: one alert, what was told, who works on it. */
#include "alerts.h"

#include "alerts_notices.h"
#include "time_argument.h"

#include "lb_clock.h"
#include "lb_json.h"
#include "lb_time.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, BODY_BYTES = 16 * 1024 };

/* --- show ---------------------------------------------------------------------------------- */

static int show(struct alerts_talk *talk, const char *id, bool json)
{
    struct lb_str alert = { "", 0 };
    struct lb_str notices;
    struct lb_str holder;

    if (!alerts_find_any(talk, id, &alert, &notices))
        return talk->status == 0 ? EXIT_USAGE : EXIT_NO;
    if (json) {
        printf(LB_STR_FMT "\n", LB_STR_ARG(alert));
        return EXIT_OK;
    }
    if (!alerts_print_head(talk, alert, &holder))
        return EXIT_USAGE;

    if (holder.len > 0)
        printf("  %-14s" LB_STR_FMT "\n", "held back by", LB_STR_ARG(holder));
    putchar('\n');
    if (alerts_print_notices(talk, notices, id) == 0)
        printf("nobody was told of it\n");
    return EXIT_OK;
}

static int run_show(int argc, char **argv)
{
    return alerts_run_one(argc, argv, show);
}

const struct alerts_command alerts_show = {
    .name = "show",
    .summary = "one alert: how it stands, what was told of it",
    .help = "logboom alerts show ID [--json] [-c FILE]\n\n"
            "One alert that fires, or of which something was told: its key and value, what holds it back, and each\n"
            "notice with the sinks it went to. The first digits of the ID are enough.\n\n"
            "Exit: 0 found, 1 there is no such alert, 2 nobody answers.\n",
    .run = run_show,
};

/* --- history --------------------------------------------------------------------------------- */

/* `&since=…` of a time as people type it. */
static bool add_time(struct lb_buffer *query, const char *name, const char *text)
{
    char time[LB_TIME_TEXT_SIZE];
    int64_t time_ns;

    if (text == NULL)
        return true;
    if (!time_argument(text, lb_clock_now(), &time_ns)) {
        alerts_usage_error("history", "--%s: \"%s\" is no time; " TIME_ARGUMENT_FORMS, name, text);
        return false;
    }
    lb_buffer_print(query, "&%s=", name);
    ask_escape(query, (struct lb_str){ time, lb_time_write(time_ns, time) });
    return true;
}

static int print_history(struct alerts_talk *talk, const char *query, bool json)
{
    struct lb_str notices;

    if (!alerts_notices(talk, query, &notices))
        return EXIT_USAGE;
    if (json) {
        printf(LB_STR_FMT "\n", LB_STR_ARG(notices));
        return notices.len > 2 ? EXIT_OK : EXIT_NO;
    }
    if (alerts_print_notices(talk, notices, NULL) > 0)
        return EXIT_OK;
    printf("nothing was told\n");
    return EXIT_NO;
}

static int run_history(int argc, char **argv)
{
    const char *since = NULL;
    const char *until = NULL;
    const char *rule = NULL;
    const struct alerts_option options[] = {
        { "--since", &since, NULL }, { "--until", &until, NULL }, { "--rule", &rule, NULL }, { NULL, NULL, NULL }
    };
    struct alerts_line line;
    struct alerts_talk talk;
    struct lb_buffer query;
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count > 0)
        return alerts_usage_error("history", "unexpected \"%s\"", line.words[0]);
    lb_buffer_init(&query, PATH_BYTES);
    bool ok = add_time(&query, "since", since) && add_time(&query, "until", until);

    if (rule != NULL) {
        lb_buffer_append_str(&query, LB_STR("&rule="));
        ask_escape(&query, lb_str_from(rule));
    }
    lb_buffer_append_char(&query, '\0');
    if (ok && !query.failed) {
        if (alerts_open(&talk, line.config))
            code = print_history(&talk, query.ptr, line.json);
        alerts_close(&talk);
    }
    lb_buffer_free(&query);
    return code;
}

const struct alerts_command alerts_history = {
    .name = "history",
    .summary = "what people were told before",
    .help = "logboom alerts history [--since TIME] [--until TIME] [--rule NAME] [--json] [-c FILE]\n\n"
            "Each notice, the oldest first, with the sinks it went to; the newest ten thousand of the last 16 MiB.\n\n"
            "  --since TIME, --until TIME  2h, today, \"2026-01-31 12:30\", RFC 3339\n"
            "  --rule NAME                 of one rule\n\n"
            "Exit: 0 there are some, 1 there are none, 2 nobody answers.\n",
    .run = run_history,
};

/* --- ack --------------------------------------------------------------------------------------- */

static int ack(struct alerts_talk *talk, const char *id, const char *comment, bool json)
{
    const struct passwd *user = getpwuid(getuid());
    struct lb_str alerts;
    struct lb_str alert = { "", 0 };
    struct lb_buffer body;

    if (!alerts_get(talk, "/api/v1/alerts", &alerts))
        return EXIT_USAGE;
    if (!alerts_find(talk, alerts, id, &alert)) {
        if (alert.len == 0)
            fprintf(stderr, "logboom: no alert %s fires now; `logboom alerts` lists those that do\n", id);
        return EXIT_NO;
    }
    struct lb_str path = lb_arena_print(&talk->arena, "/api/v1/alerts/" LB_STR_FMT "/ack",
                                        LB_STR_ARG(alerts_text(&talk->arena, alert, "alert_id")));
    lb_buffer_init(&body, BODY_BYTES);
    lb_buffer_append_str(&body, LB_STR("{\"by\":"));
    alerts_write_text(&body, lb_str_from(user != NULL ? user->pw_name : ""));
    lb_buffer_append_str(&body, LB_STR(",\"comment\":"));
    alerts_write_text(&body, lb_str_from(comment != NULL ? comment : ""));
    lb_buffer_append_char(&body, '}');
    bool ok = path.ptr != NULL && alerts_ask(talk, "POST", path.ptr, lb_buffer_str(&body));

    lb_buffer_free(&body);
    if (!ok)
        return talk->status == 0 ? EXIT_USAGE : EXIT_NO;
    if (json)
        alerts_print_answer(talk);
    else
        printf("noted: you work on " LB_STR_FMT " " LB_STR_FMT "\n",
               LB_STR_ARG(alerts_text(&talk->arena, alert, "rule")), LB_STR_ARG(alerts_key(&talk->arena, alert)));
    return EXIT_OK;
}

static int run_ack(int argc, char **argv)
{
    const char *comment = NULL;
    const struct alerts_option options[] = { { "--comment", &comment, NULL }, { NULL, NULL, NULL } };
    struct alerts_line line;
    struct alerts_talk talk;
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count != 1)
        return alerts_usage_error("ack", "give the id of one alert");
    if (alerts_open(&talk, line.config))
        code = ack(&talk, line.words[0], comment, line.json);
    alerts_close(&talk);
    return code;
}

const struct alerts_command alerts_ack = {
    .name = "ack",
    .summary = "you work on it: no more repeats, no escalation",
    .help = "logboom alerts ack ID [--comment TEXT] [-c FILE]\n\n"
            "Says that somebody works on the alert: it is neither repeated nor escalated any more, and those who were\n"
            "told of it are told so. Its end is told all the same. The first digits of the ID are enough.\n\n"
            "Exit: 0 noted, 1 no such alert fires, 2 nobody answers.\n",
    .run = run_ack,
};
