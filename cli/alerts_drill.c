/*
 * alerts_drill.c - `logboom alerts drill`: would everyone who ought to be told
 * of an alert be told?
 *
 * The notice goes by alerting.routes as the engine's own would, and then to
 * each sink by itself, so that one that fails does not hide the others. Files
 * and archives are left alone: they belong to a logboom that runs, and nobody
 * is called by them.
 */
#include "alerts.h"

#include "notice.h"
#include "rules.h"
#include "time_argument.h"

#include "lb_alloc.h"
#include "lb_buffer.h"
#include "lb_json.h"
#include "lb_line_records.h"
#include "lb_log.h"
#include "lb_metrics.h"
#include "lb_route.h"
#include "lb_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 16, NOTICE_BYTES_MAX = 64 * 1024 };

#define TIMEOUT (30 * LB_SECOND)

struct arguments {
    const char *config;
    const char *rule;
    const char *severity;
    const char *fields[FIELDS_MAX]; /* NAME=VALUE */
    size_t field_count;
    int64_t timeout_ns;
};

struct drill {
    struct lb_config *config;
    const struct arguments *arguments;
    const struct lb_alert_rule *rule;
    int severity;
    uint64_t number;
    int64_t now_ns;
};

/* --- the notice ---------------------------------------------------------------------------------------- */

static void write_string(struct lb_buffer *out, struct lb_str text)
{
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static struct lb_str value_of(const struct arguments *arguments, struct lb_str name)
{
    for (size_t i = 0; i < arguments->field_count; i++) {
        const char *equals = strchr(arguments->fields[i], '=');

        if (lb_str_equal((struct lb_str){ arguments->fields[i], (size_t)(equals - arguments->fields[i]) }, name))
            return lb_str_from(equals + 1);
    }
    return LB_STR("");
}

static void write_key(struct lb_buffer *out, const struct drill *drill)
{
    lb_buffer_append_str(out, LB_STR(",\"key\":{"));
    for (size_t i = 0; i < drill->rule->by.count; i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        write_string(out, drill->rule->by.items[i]);
        lb_buffer_append_char(out, ':');
        write_string(out, value_of(drill->arguments, drill->rule->by.items[i]));
    }
    lb_buffer_append_char(out, '}');
}

static void write_message(struct lb_buffer *out, const struct drill *drill, bool over)
{
    lb_buffer_append_str(out, LB_STR(",\"message\":\"DRILL, nothing is wrong: "));
    lb_json_escape(out, drill->rule->name);
    lb_buffer_append_str(out, over ? LB_STR(" is over") : LB_STR(" would be told like this"));
    for (size_t i = 0; i < drill->arguments->field_count; i++) {
        lb_buffer_append_str(out, i == 0 ? LB_STR(" for ") : LB_STR(", "));
        lb_json_escape(out, lb_str_from(drill->arguments->fields[i]));
    }
    lb_buffer_append_char(out, '"');
}

/* As the engine would write it, but for the mark. `routed`: as the routes see it, by the rule's own name. */
static void write_notice(struct lb_buffer *out, const struct drill *drill, bool over, bool routed)
{
    static const char *const levels[] = { "info", "notice", "warn", "error", "critical" };
    struct lb_str service = value_of(drill->arguments, LB_STR("service"));
    struct lb_str word = drill->config->alerting.severities[drill->severity];
    char now[LB_TIME_TEXT_SIZE];

    now[lb_time_write(drill->now_ns / LB_MILLISECOND * LB_MILLISECOND, now)] = '\0';
    lb_buffer_reset(out);
    lb_buffer_print(out, "{\"timestamp\":\"%s\",\"level\":\"%s\"", now, over ? "info" : levels[drill->severity]);
    if (service.len > 0) {
        lb_buffer_append_str(out, LB_STR(",\"service\":"));
        write_string(out, service);
    }
    write_message(out, drill, over);
    lb_buffer_append_str(out, LB_STR(",\"event\":\"alert\",\"rule\":\""));
    lb_buffer_append_str(out, routed ? LB_STR("") : LB_STR("DRILL "));
    lb_json_escape(out, drill->rule->name);
    lb_buffer_print(out, "\",\"state\":\"%s\",\"severity\":\"%s\"", over ? "resolved" : "firing",
                    rules_severity_names[drill->severity]);
    if (word.len > 0) {
        lb_buffer_append_str(out, LB_STR(",\"severity_text\":"));
        write_string(out, word);
    }
    lb_buffer_append_str(out, LB_STR(",\"threshold\":"));
    write_string(out, drill->rule->threshold_texts[drill->severity]);
    write_key(out, drill);
    if (drill->rule->runbook.len > 0) {
        lb_buffer_append_str(out, LB_STR(",\"runbook\":"));
        write_string(out, drill->rule->runbook);
    }
    lb_buffer_print(out,
                    ",\"drill\":true,\"fingerprint\":\"%016" PRIx64 "%016" PRIx64 "\",\"alert_id\":\"%016" PRIx64
                    "\",\"sequence\":%d,\"started_at\":\"%s\"}",
                    drill->number, drill->number, drill->number, over ? 2 : 1, now);
}

/* --- who is told ---------------------------------------------------------------------------------------- */

static uint64_t sinks_of(const struct drill *drill)
{
    const struct lb_alerting *alerting = &drill->config->alerting;
    struct lb_line_records lines;
    struct lb_record record;
    struct lb_buffer text;
    uint64_t sinks = drill->rule->sinks;

    lb_buffer_init(&text, NOTICE_BYTES_MAX);
    if (lb_line_records_open(&lines)) {
        write_notice(&text, drill, false, true);
        lb_line_records_begin(&lines);
        lb_line_records_read(&lines, lb_buffer_str(&text), &record);
        lines.scratch.used = 0;
        sinks |= lb_route_match(alerting->routes, alerting->route_count, &record, &lines.scratch);
    }
    lb_line_records_close(&lines);
    lb_buffer_free(&text);
    return sinks;
}

static bool tell_sink(const struct drill *drill, const struct lb_sink *sink)
{
    struct notice notice = { .number = drill->number, .timeout_ns = drill->arguments->timeout_ns };
    struct lb_buffer texts[NOTICES];
    char reason[NOTICE_REASON_BYTES] = "";

    for (int i = 0; i < NOTICES; i++) {
        lb_buffer_init(&texts[i], NOTICE_BYTES_MAX);
        write_notice(&texts[i], drill, i > 0, false);
        notice.texts[i] = lb_buffer_str(&texts[i]);
    }
    enum notice_result result = notice_send(drill->config, sink, &notice, reason);
    for (int i = 0; i < NOTICES; i++)
        lb_buffer_free(&texts[i]);
    if (result == NOTICE_TOLD)
        printf("%s: told, and that it is over\n", sink->section.name.ptr);
    else
        printf("%s: not told: %s\n", sink->section.name.ptr, reason[0] != '\0' ? reason : "see above");
    return result == NOTICE_TOLD;
}

static int drill_all(const struct drill *drill)
{
    uint64_t sinks = sinks_of(drill);
    bool all = true;
    uint32_t told = 0;

    printf("DRILL " LB_STR_FMT " %s\n", LB_STR_ARG(drill->rule->name), rules_severity_names[drill->severity]);
    for (uint32_t i = 0; i < drill->config->sink_count; i++) {
        const struct lb_sink *sink = &drill->config->sinks[i];

        if ((sinks >> i & 1) == 0)
            continue;
        if (!sink->type->network) {
            printf("%s: left alone, a %s calls nobody\n", sink->section.name.ptr, sink->type->module.name);
            continue;
        }
        told++;
        all = tell_sink(drill, sink) && all;
    }
    if (told == 0)
        printf("nobody would be called\n");
    return all && told > 0 ? EXIT_OK : EXIT_NO;
}

/* --- the command line ---------------------------------------------------------------------------------------- */

static bool is_by(const struct lb_alert_rule *rule, struct lb_str name)
{
    for (size_t i = 0; i < rule->by.count; i++)
        if (lb_str_equal(rule->by.items[i], name))
            return true;
    return false;
}

/* Each field of `by` is given, and no other. */
static bool check_fields(const struct drill *drill)
{
    const struct lb_alert_rule *rule = drill->rule;
    const struct arguments *arguments = drill->arguments;
    const char *names[FIELDS_MAX + 1] = { NULL };

    for (size_t i = 0; i < rule->by.count && i < FIELDS_MAX; i++) {
        names[i] = rule->by.items[i].ptr;
        if (value_of(arguments, rule->by.items[i]).len == 0) {
            alerts_usage_error("drill", "the rule has a key: add " LB_STR_FMT "=VALUE", LB_STR_ARG(rule->by.items[i]));
            return false;
        }
    }
    for (size_t i = 0; i < arguments->field_count; i++) {
        const char *equals = strchr(arguments->fields[i], '=');
        struct lb_str name = { arguments->fields[i], (size_t)(equals - arguments->fields[i]) };

        if (is_by(rule, name))
            continue;
        const char *nearest = lb_nearest(name, names);
        alerts_usage_error("drill", "\"" LB_STR_FMT "\" is no field of its `by`%s%s", LB_STR_ARG(name),
                           nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "");
        return false;
    }
    return true;
}

/* The one that is asked for, or the highest that the rule has; -1: it has none of that name. */
static int severity_of(const struct lb_alert_rule *rule, const char *word)
{
    for (int i = LB_SEVERITY_COUNT; i-- > 0;)
        if (rule->thresholds[i].set && (word == NULL || strcmp(rules_severity_names[i], word) == 0))
            return i;
    return word == NULL ? LB_SEVERITY_CRITICAL : -1;
}

static int run_with(struct lb_config *config, const struct arguments *arguments)
{
    int rule = rules_find(config, arguments->rule);
    struct drill drill = { .config = config, .arguments = arguments };

    if (rule < 0)
        return EXIT_USAGE;
    drill.rule = &config->alerting.rules[rule];
    drill.severity = severity_of(drill.rule, arguments->severity);
    drill.number = notice_number();
    drill.now_ns = lb_clock_now();
    if (drill.severity < 0)
        return alerts_usage_error("drill", "the rule has no severity \"%s\"", arguments->severity);
    return check_fields(&drill) ? drill_all(&drill) : EXIT_USAGE;
}

static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool takes_value =
            strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--timeout") == 0 || strcmp(argv[i], "--severity") == 0;

        if (takes_value && i + 1 == argc)
            return alerts_usage_error("drill", "%s needs a value", argv[i]);
        if (strcmp(argv[i], "-c") == 0)
            arguments->config = argv[++i];
        else if (strcmp(argv[i], "--severity") == 0)
            arguments->severity = argv[++i];
        else if (takes_value && !duration_argument(argv[++i], &arguments->timeout_ns))
            return alerts_usage_error("drill", "--timeout: cannot read \"%s\"; try 90s", argv[i]);
        else if (!takes_value && argv[i][0] == '-')
            return alerts_usage_error("drill", "there is no option \"%s\"", argv[i]);
        else if (!takes_value && arguments->rule == NULL)
            arguments->rule = argv[i];
        else if (!takes_value && (strchr(argv[i], '=') == NULL || arguments->field_count == FIELDS_MAX))
            return alerts_usage_error("drill", "expected FIELD=VALUE, got \"%s\"", argv[i]);
        else if (!takes_value)
            arguments->fields[arguments->field_count++] = argv[i];
    }
    return arguments->rule != NULL ? EXIT_OK : alerts_usage_error("drill", "which rule?");
}

static int run(int argc, char **argv)
{
    struct arguments arguments = { .config = default_config(), .timeout_ns = TIMEOUT };
    int code = read_arguments(&arguments, argc, argv);

    if (code != EXIT_OK)
        return code;
    lb_log_level = LB_LEVEL_CRITICAL; /* what goes wrong is told at the end, once */
    notice_signals();
    struct lb_config *config = rules_load(arguments.config);
    code = config != NULL ? run_with(config, &arguments) : EXIT_USAGE;
    if (config != NULL)
        lb_config_free(config);
    lb_metrics_free_all();
    return code;
}

const struct alerts_command alerts_drill = {
    .name = "drill",
    .summary = "tell everyone who would be told, marked DRILL",
    .help = "logboom alerts drill [-c FILE] [--severity WORD] [--timeout TIME] RULE [KEY=VALUE]…\n\n"
            "Tells everyone who would be told if the rule fired for that key, and that it is over. Every message is\n"
            "marked DRILL and is an incident of its own. A running logboom is not disturbed; files and archives are\n"
            "left alone.\n\n"
            "  -c FILE         the configuration; $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given\n"
            "  --severity WORD the highest that the rule has unless given\n"
            "  --timeout TIME  give up after that long, for each sink; 30s unless given\n\n"
            "Exit: 0 all were told, 1 not, 2 usage.\n\n"
            "  logboom alerts drill disk_space host=db1 mount=/\n",
    .run = run,
};
