/*
 * alerts_report.c - `logboom alerts report`: a report of alerting.reports, now,
 * from the archives.
 *
 * It reads the period before too, so that there is something to compare with
 * and it is known which messages are new. Alerts are those of the history in
 * data_dir. Nobody is told.
 */
#include "alerts.h"

#include "archive_root.h"
#include "notice_history.h"
#include "progress.h"
#include "report_alerts.h"
#include "time_argument.h"
#include "timed_lines.h"

#include "lb_alert.h"
#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_conf.h"
#include "lb_line_records.h"
#include "lb_log.h"
#include "lb_metrics.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAY (24 * 3600 * LB_SECOND)

enum { ANSWER_BYTES_MAX = 64 * 1024 * 1024, NOTICES_MAX = 10000 };

struct arguments {
    struct archive_paths paths;
    struct alerts_line line;
    int64_t since_ns;
    int64_t until_ns;
};

static const struct lb_report *find_report(const struct lb_config *config, const char *name)
{
    for (uint32_t i = 0; i < config->alerting.report_count; i++)
        if (lb_str_is(config->alerting.reports[i].name, name))
            return &config->alerting.reports[i];
    alerts_usage_error("report", "there is no report \"%s\" in alerting.reports", name);
    return NULL;
}

/* Alerts that went to the archive too are no records of a service. */
static bool is_alert(const struct lb_record *record)
{
    const struct lb_field *event = lb_record_field(record, LB_STR("event"));

    return event != NULL && lb_str_is((struct lb_str){ event->value.ptr, event->value.len }, "alert") &&
           lb_record_field(record, LB_STR("fingerprint")) != NULL;
}

static bool count_records(struct arguments *arguments, struct lb_report_counts *counts)
{
    struct lb_line_records records;
    struct progress progress;
    struct timed_line line;
    int64_t before = arguments->since_ns - (arguments->until_ns - arguments->since_ns);
    uint64_t total = 0;
    bool turned = false;
    uint32_t file = UINT32_MAX;

    if (!lb_line_records_open(&records))
        return false;
    for (size_t i = 0; i < arguments->paths.count; i++)
        total += arguments->paths.items[i].bytes;
    progress_start(&progress, "report", total);
    struct timed_lines *lines = timed_lines_open(&arguments->paths, before, arguments->until_ns, &progress);

    while (lines != NULL && timed_lines_peek(lines, &line)) {
        struct lb_record record;

        if (!turned && line.time_ns >= arguments->since_ns) {
            lb_report_turn(counts, arguments->since_ns);
            turned = true;
        }
        if (line.file != file)
            lb_line_records_begin(&records);
        file = line.file;
        lb_line_records_read(&records, line.text, &record);
        if (!is_alert(&record))
            lb_report_count(counts, &record);
        timed_lines_take(lines);
    }
    if (!turned)
        lb_report_turn(counts, arguments->since_ns);
    progress_hide(&progress);
    bool ok = lines != NULL && !timed_lines_failed(lines);
    timed_lines_close(lines);
    lb_line_records_close(&records);
    return ok;
}

static bool count_alerts(const struct lb_config *config, const struct arguments *arguments,
                         struct lb_report_alerts *alerts)
{
    const struct notice_query query = { .since = arguments->since_ns,
                                        .until = arguments->until_ns,
                                        .limit = NOTICES_MAX };
    struct notice_history *history;
    struct lb_buffer notices;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), LB_STR_FMT "/alerts.history", LB_STR_ARG(config->data_dir));
    history = notice_history_open(path);
    if (history == NULL)
        return false;
    lb_buffer_init(&notices, ANSWER_BYTES_MAX);
    notice_history_write(history, &query, &notices);
    report_count_alerts(lb_buffer_str(&notices), query.since, query.until, alerts);
    lb_buffer_free(&notices);
    notice_history_close(history);
    return true;
}

static int print(const struct lb_config *config, struct arguments *arguments, const struct lb_report *report)
{
    struct lb_report_counts *counts = lb_report_counts_new(arguments->since_ns);
    struct lb_report_alerts *alerts = lb_alloc(sizeof(*alerts));
    struct lb_buffer text;
    int code = EXIT_USAGE;

    lb_buffer_init(&text, 4 * LB_REPORT_TEXT_BYTES);
    if (counts != NULL && alerts != NULL) {
        bool whole = count_records(arguments, counts);

        whole = count_alerts(config, arguments, alerts) && whole;
        lb_report_write(report, counts, alerts, arguments->until_ns, &text);
        fwrite(text.ptr, 1, text.len, stdout);
        code = whole && !arguments->paths.failed ? EXIT_OK : EXIT_USAGE;
    }
    lb_buffer_free(&text);
    lb_report_counts_free(counts);
    lb_free(alerts);
    return code;
}

static int run_with(struct lb_config *config, struct arguments *arguments, const char *since)
{
    const struct lb_report *report = find_report(config, arguments->line.words[0]);
    char directory[PATH_MAX];

    if (report == NULL)
        return EXIT_USAGE;
    arguments->until_ns = lb_clock_now();
    arguments->since_ns = arguments->until_ns - (report->weekday < 0 ? DAY : 7 * DAY);
    if (since != NULL && (!time_argument(since, arguments->until_ns, &arguments->since_ns) ||
                          arguments->since_ns >= arguments->until_ns))
        return alerts_usage_error("report", "--since: \"%s\" is no time before now; " TIME_ARGUMENT_FORMS, since);
    for (size_t i = 1; i < arguments->line.word_count; i++)
        archive_paths_add(&arguments->paths, arguments->line.words[i]);
    if (arguments->paths.given == 0) {
        if (!archive_root(arguments->line.config, directory))
            return EXIT_USAGE;
        archive_paths_add(&arguments->paths, directory);
    }
    return print(config, arguments, report);
}

static int run(int argc, char **argv)
{
    const char *since = NULL;
    const struct alerts_option options[] = { { "--since", &since, NULL }, { 0 } };
    struct arguments arguments = { .line = { .config = default_config() } };
    struct lb_diag diag = { 0 };
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &arguments.line))
        return EXIT_USAGE;
    if (arguments.line.word_count == 0)
        return alerts_usage_error("report", "which one? `logboom alerts report NAME`");
    lb_log_level = LB_LEVEL_CRITICAL;
    struct lb_config *config = lb_config_load(arguments.line.config, &diag);

    lb_diag_print(&diag, stderr);
    if (config != NULL && diag.errors == 0)
        code = run_with(config, &arguments, since);
    lb_diag_free(&diag);
    if (config != NULL)
        lb_config_free(config);
    archive_paths_free(&arguments.paths);
    lb_metrics_free_all();
    return code;
}

const struct alerts_command alerts_report = {
    .name = "report",
    .summary = "a report of alerting.reports, now, from the archives",
    .help = "logboom alerts report NAME [-c FILE] [--since TIME] [PATH…]\n\n"
            "Prints a report of alerting.reports as it would be for the time from --since until now (a day or a week,\n"
            "as the report says, unless given), from archives. The time before, as long, is read too, to compare with\n"
            "and to know which messages are new. Nobody is told. PATH: files or directories; the configuration's own\n"
            "archive unless given.\n\n"
            "  -c FILE         the configuration; $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given\n"
            "  --since TIME    7d, \"2026-01-31 12:30\", RFC 3339\n\n"
            "Exit: 0, 2 something could not be read.\n\n"
            "  logboom alerts report daily --since 24h\n",
    .run = run,
};
