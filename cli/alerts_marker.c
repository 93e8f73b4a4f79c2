/* alerts_marker.c - `alerts marker`: notes what was done to a system, or lists such notes. */
#include "alerts.h"

#include "time_argument.h"

#include "lb_clock.h"
#include "lb_json.h"
#include "lb_time.h"

#include <stdio.h>

enum { BODY_BYTES = 16 * 1024 };

static void write_member(struct lb_buffer *out, const char *name, struct lb_str text)
{
    lb_buffer_print(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    alerts_write_text(out, text);
}

static void write_words(struct lb_buffer *out, const struct alerts_line *line)
{
    lb_buffer_append_str(out, LB_STR("{\"text\":\""));
    for (size_t i = 0; i < line->word_count; i++) {
        if (i > 0)
            lb_buffer_append_char(out, ' ');
        lb_json_escape(out, lb_str_from(line->words[i]));
    }
    lb_buffer_append_char(out, '"');
}

static int add(struct alerts_talk *talk, const struct lb_buffer *body, bool json)
{
    char time[ALERTS_TIME_SIZE];

    if (!alerts_ask(talk, "POST", "/api/v1/markers", lb_buffer_str(body)))
        return talk->status == 0 ? EXIT_USAGE : EXIT_NO;
    struct lb_str answer = lb_buffer_str(&talk->answer);
    struct lb_str service = alerts_text(&talk->arena, answer, "service");

    if (json)
        alerts_print_answer(talk);
    else
        printf("noted at %s for %s" LB_STR_FMT "\n", alerts_local_time(alerts_time(&talk->arena, answer, "time"), time),
               service.len > 0 ? "service " : "all services", LB_STR_ARG(service));
    return EXIT_OK;
}

static int list(struct alerts_talk *talk, bool json)
{
    static const char *const headings[] = { "TIME", "SERVICE", "AUTHOR", "TEXT", NULL };
    struct lb_value element;
    struct table table;
    char time[ALERTS_TIME_SIZE];
    size_t at = 1;
    size_t count = 0;

    if (!alerts_ask(talk, "GET", "/api/v1/markers", LB_STR("")))
        return talk->status == 0 ? EXIT_USAGE : EXIT_NO;
    struct lb_value markers = alerts_member(talk, "markers");
    struct lb_str array = { markers.ptr, markers.len };

    if (json) {
        alerts_print_answer(talk);
        return EXIT_OK;
    }
    table_init(&table, headings);
    for (; lb_json_next_element(array, &at, &element) == LB_OK; count++) {
        struct lb_str each = { element.ptr, element.len };

        table_row(&table, NULL);
        table_cell(&table, lb_str_from(alerts_local_time(alerts_time(&talk->arena, each, "time"), time)));
        table_cell(&table, alerts_text(&talk->arena, each, "service"));
        table_cell(&table, alerts_text(&talk->arena, each, "author"));
        table_cell(&table, alerts_text(&talk->arena, each, "text"));
    }
    if (count > 0)
        table_print(&table, false);
    else
        printf("there are no markers\n");
    table_free(&table);
    return count > 0 ? EXIT_OK : EXIT_NO;
}

static int run(int argc, char **argv)
{
    const char *service = NULL;
    const char *when = NULL;
    const char *author = NULL;
    bool only_list = false;
    const struct alerts_option options[] = { { "--service", &service, NULL },
                                             { "--at", &when, NULL },
                                             { "--author", &author, NULL },
                                             { "--list", NULL, &only_list },
                                             { NULL, NULL, NULL } };
    struct alerts_line line;
    struct alerts_talk talk;
    struct lb_buffer body;
    char time[LB_TIME_TEXT_SIZE];
    int64_t time_ns = 0;
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count == 0 && !only_list)
        return alerts_usage_error("marker", "what was done? give a text, such as 'deployed 2.3'");
    if (when != NULL && !time_argument(when, lb_clock_now(), &time_ns))
        return alerts_usage_error("marker", "--at: \"%s\" is no time; " TIME_ARGUMENT_FORMS, when);
    lb_buffer_init(&body, BODY_BYTES);
    write_words(&body, &line);
    if (service != NULL)
        write_member(&body, "service", lb_str_from(service));
    if (author != NULL)
        write_member(&body, "author", lb_str_from(author));
    if (when != NULL)
        write_member(&body, "time", (struct lb_str){ time, lb_time_write(time_ns, time) });
    lb_buffer_append_char(&body, '}');
    if (alerts_open(&talk, line.config))
        code = only_list ? list(&talk, line.json) : add(&talk, &body, line.json);
    alerts_close(&talk);
    lb_buffer_free(&body);
    return code;
}

const struct alerts_command alerts_marker = {
    .name = "marker",
    .summary = "note what you did to a system; alerts soon after show it",
    .help = "logboom alerts marker [--service NAME] [--at TIME] [--author NAME] TEXT\n"
            "logboom alerts marker --list [--json]\n\n"
            "Notes a deployment, a restart, a change by hand. An alert of that service (of any, without --service) in\n"
            "the hour behind it carries the text as its field `deploy`, and `alerts export` lists it. The newest 1000\n"
            "are kept.\n\n"
            "  --service NAME  what it was done to\n"
            "  --at TIME       when; now unless given\n"
            "  --author NAME   who; over the socket in data_dir the system knows\n\n"
            "Exit: 0 noted, 1 refused (or, with --list, there are none), 2 usage, or nobody answers.\n\n"
            "  logboom alerts marker --service payments 'deployed 2.3.1'\n",
    .run = run,
};
