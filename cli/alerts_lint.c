/*
 * alerts_lint.c - `logboom alerts lint`: faults of rules that can be read,
 * and what they cost.
 */
#include "alerts.h"

#include "archive_root.h"
#include "lint.h"
#include "offline.h"
#include "time_argument.h"
#include "timed_lines.h"

#include "lb_json.h"
#include "lb_log.h"
#include "lb_metrics.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { RECORD_BYTES_MAX = LB_LINE_BYTES_MAX + 64, OUT_BYTES_MAX = 64 * 1024 * 1024 };

#define DAY (86400 * LB_SECOND)

struct arguments {
    const char *config;
    int64_t since_ns;
    bool json;
    struct archive_paths paths;
};

/* --- the records -------------------------------------------------------------------------------------- */

static void seen(void *context, const struct lb_batch *batch)
{
    lint_note(context, batch);
}

static void told(void *context, const struct lb_batch *batch, const struct lb_record *record, uint64_t sinks)
{
    (void)context;
    (void)batch;
    (void)record;
    (void)sinks;
}

static void read_lines(struct offline *offline, struct timed_lines *lines, struct offline_stream *stream,
                       struct lb_buffer *buffer)
{
    struct timed_line line = { .time_ns = 0 };
    uint64_t position = 0;
    int64_t now = 0;

    while (timed_lines_peek(lines, &line)) {
        struct lb_str text = offline_record(buffer, line.text);

        now = line.time_ns > now ? line.time_ns : now;
        if (!offline_add(offline, stream, text, position)) {
            offline_send(offline, now);
            (void)offline_add(offline, stream, text, position);
        }
        position += text.len + 1;
        timed_lines_take(lines);
    }
    offline_send(offline, now);
}

/* False: something could not be read. */
static bool look_at_records(struct lint *lint, const struct arguments *arguments)
{
    struct offline offline = { .seen = seen, .told = told, .context = lint };
    struct offline_start start = { .config = lint->config, .now_ns = lb_clock_now(), .records_only = true };
    struct offline_stream stream;
    struct progress progress;
    struct lb_buffer buffer;
    uint64_t total = 0;

    for (size_t i = 0; i < arguments->paths.count; i++)
        total += arguments->paths.items[i].bytes;
    progress_start(&progress, "lint", total);
    lb_buffer_init(&buffer, RECORD_BYTES_MAX);
    struct timed_lines *lines = timed_lines_open(&arguments->paths, arguments->since_ns, INT64_MAX, &progress);
    bool ok = lines != NULL && offline_open(&offline) && offline_begin(&offline, &start);
    if (ok) {
        offline_stream_init(&stream, &lint->config->sources[0], 1, OFFLINE_RECORDS);
        read_lines(&offline, lines, &stream, &buffer);
        ok = !timed_lines_failed(lines);
    }
    progress_hide(&progress);
    timed_lines_close(lines);
    offline_close(&offline);
    lb_buffer_free(&buffer);
    lb_clock_set(LB_TIME_NONE);
    return ok;
}

/* --- showing ----------------------------------------------------------------------------------------------- */

static void print_costs(const struct lint *lint)
{
    const struct lb_alerting *alerting = &lint->config->alerting;
    char quiet[SIZE_TEXT_SIZE];
    char busy[SIZE_TEXT_SIZE];
    char most[SIZE_TEXT_SIZE];

    printf("%-24s %10s %8s %12s %12s %12s\n", "rule", "records", "keys", "a quiet key", "a busy one", "at most");
    for (uint32_t i = 0; i < alerting->rule_count; i++) {
        const struct lb_alert_rule *rule = &alerting->rules[i];
        struct lb_alert_cost cost = lb_alert_rule_cost(rule, alerting);
        uint64_t keys = rule->by.count > 0 ? alerting->max_keys : 1;

        printf("%-24.*s %10" PRIu64 " %s%7u %12s %12s %12s\n", LB_STR_ARG(rule->name), lint->rules[i].records,
               lint->rules[i].more_keys ? ">" : " ", lint->rules[i].key_count, size_text(cost.quiet, quiet),
               size_text(cost.busy, busy), size_text(cost.busy * keys, most));
    }
}

static void write_findings(struct lb_buffer *out, struct lb_diag *diag)
{
    lb_diag_sort(diag);
    for (uint32_t i = 0; i < diag->count; i++) {
        const struct lb_diag_entry *entry = &diag->entries[i];

        lb_buffer_print(out, "%s{\"file\":", i > 0 ? "," : "");
        lb_json_write_value(out, lb_value_text(lb_str_from(entry->place.file != NULL ? entry->place.file : "")));
        lb_buffer_print(out, ",\"line\":%u,\"column\":%u,\"text\":", entry->place.line, entry->place.column);
        lb_json_write_value(out, lb_value_text(lb_str_from(entry->text)));
        lb_buffer_append_char(out, '}');
    }
}

static void print_json(const struct lint *lint, struct lb_diag *diag)
{
    const struct lb_alerting *alerting = &lint->config->alerting;
    struct lb_buffer out;

    lb_buffer_init(&out, OUT_BYTES_MAX);
    lb_buffer_print(&out, "{\"records\":%" PRIu64 ",\"findings\":[", lint->records);
    write_findings(&out, diag);
    lb_buffer_append_str(&out, LB_STR("],\"rules\":["));
    for (uint32_t i = 0; i < alerting->rule_count; i++) {
        struct lb_alert_cost cost = lb_alert_rule_cost(&alerting->rules[i], alerting);

        lb_buffer_append_str(&out, i > 0 ? LB_STR(",{\"rule\":") : LB_STR("{\"rule\":"));
        lb_json_write_value(&out, lb_value_text(alerting->rules[i].name));
        lb_buffer_print(&out, ",\"records\":%" PRIu64 ",\"keys\":%u,\"quiet_key_bytes\":%zu,\"busy_key_bytes\":%zu}",
                        lint->rules[i].records, lint->rules[i].key_count, cost.quiet, cost.busy);
    }
    lb_buffer_append_str(&out, LB_STR("]}\n"));
    fwrite(out.ptr, 1, out.len, stdout);
    lb_buffer_free(&out);
}

static void show(const struct lint *lint, struct lb_diag *diag, bool json)
{
    if (json) {
        print_json(lint, diag);
        return;
    }
    lb_diag_print(diag, stdout);
    if (diag->count > 0)
        putchar('\n');
    if (lint->records == 0)
        printf("no record was looked at: fields and keys are not known\n");
    print_costs(lint);
}

/* --- the command line ---------------------------------------------------------------------------------------- */

static bool read_arguments(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool takes_value = strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--since") == 0;

        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            archive_paths_add(&arguments->paths, argv[i]);
        } else if (strcmp(argv[i], "--json") == 0) {
            arguments->json = true;
        } else if (!takes_value || i + 1 == argc) {
            alerts_usage_error("lint", takes_value ? "%s needs a value" : "there is no option \"%s\"", argv[i]);
            return false;
        } else if (strcmp(argv[i], "-c") == 0) {
            arguments->config = argv[++i];
        } else if (!time_argument(argv[++i], lb_clock_now(), &arguments->since_ns)) {
            alerts_usage_error("lint", "--since: \"%s\" is no time; " TIME_ARGUMENT_FORMS, argv[i]);
            return false;
        }
    }
    return true;
}

/* The archive of the configuration, if it has one that is there. */
static void add_own_archive(struct arguments *arguments, const struct lb_config *config)
{
    char directory[PATH_MAX];
    bool has_one = false;

    for (uint32_t i = 0; i < config->sink_count; i++)
        has_one = has_one || strcmp(config->sinks[i].type->module.name, "archive") == 0;
    if (arguments->paths.given == 0 && has_one && archive_root(arguments->config, directory))
        archive_paths_add(&arguments->paths, directory);
}

static int run_with(struct lb_config *config, struct arguments *arguments)
{
    static struct lint lint; /* 64 KiB of names: not for the stack */
    struct lb_diag diag = { 0 };
    bool ok = lint_open(&lint, config, &diag);

    add_own_archive(arguments, config);
    if (ok) {
        lint_check_rules(&lint);
        ok = arguments->paths.count == 0 || look_at_records(&lint, arguments);
        lint_check_fields(&lint);
        show(&lint, &diag, arguments->json);
    }
    int code = !ok ? EXIT_USAGE : diag.count > 0 ? EXIT_NO : EXIT_OK;
    lint_close(&lint);
    lb_diag_free(&diag);
    return code;
}

static int run(int argc, char **argv)
{
    struct arguments arguments = { .config = default_config(), .since_ns = lb_clock_now() - DAY };
    int code = EXIT_USAGE;

    if (read_arguments(&arguments, argc, argv)) {
        struct lb_config *config = rules_load(arguments.config);

        lb_log_level = LB_LEVEL_CRITICAL;
        if (config != NULL)
            code = run_with(config, &arguments);
        if (config != NULL)
            lb_config_free(config);
    }
    archive_paths_free(&arguments.paths);
    lb_metrics_free_all();
    return code;
}

const struct alerts_command alerts_lint = {
    .name = "lint",
    .summary = "faults of rules that can be read, and what they cost",
    .help = "logboom alerts lint [-c FILE] [--since TIME] [--json] [PATH…]\n\n"
            "Says what is wrong with rules though they can be read: severities that cannot be reached or that nobody\n"
            "is told of, fields that no record of the archive has, or has in another form; and what a key of each\n"
            "rule costs. PATH: files or directories; the configuration's own archive unless given.\n\n"
            "  -c FILE         the configuration; $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given\n"
            "  --since TIME    records from then on; of the last day unless given\n"
            "  --json          findings and costs as JSON\n\n"
            "Exit: 0, 1 something was found, 2 something could not be read.\n",
    .run = run,
};
