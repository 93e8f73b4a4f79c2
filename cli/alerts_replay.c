/*
 * alerts_replay.c - `logboom alerts replay`: rules over archives.
 *
 * One pass over the lines of all files in the order of their times, through
 * the engine of the daemon, on a clock that stands where the records are. A
 * record arrives when it happened, so nothing is late but what was written
 * out of order.
 */
#include "alerts.h"

#include "archive_root.h"
#include "incidents.h"
#include "offline.h"
#include "time_argument.h"
#include "timed_lines.h"

#include "lb_log.h"
#include "lb_metrics.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK LB_SECOND

enum { SETS_MAX = 32, RECORD_BYTES_MAX = LB_LINE_BYTES_MAX + 64 };

struct arguments {
    const char *config;
    int64_t since_ns;
    int64_t until_ns;
    const char *rules[LB_RULES_MAX];
    size_t rule_count;
    const char *sets[SETS_MAX];
    size_t set_count;
    bool json;
    struct archive_paths paths;
};

struct pass {
    struct offline offline;
    struct offline_stream stream;
    struct incidents incidents;
    struct replay_facts facts;
    struct lb_buffer text;
    uint64_t position;
    int64_t now;
    int64_t tick;
};

/* --- other rules ------------------------------------------------------------------------------ */

/* The chosen rules come first; returns how many there are, 0 after a fault. */
static uint32_t choose_rules(struct lb_config *config, const struct arguments *arguments)
{
    struct lb_alert_rule *rules = config->alerting.rules;
    uint32_t chosen = 0;

    if (arguments->rule_count == 0)
        return config->alerting.rule_count;
    for (size_t i = 0; i < arguments->rule_count; i++) {
        int found = rules_find(config, arguments->rules[i]);

        if (found < 0)
            return 0;
        if ((uint32_t)found < chosen)
            continue;
        struct lb_alert_rule rule = rules[chosen];
        rules[chosen++] = rules[found];
        rules[found] = rule;
    }
    return chosen;
}

static bool set_threshold(struct lb_alert_rule *rule, const char *key, struct lb_str value, struct lb_diag *diag)
{
    static const char *const aliases[][2] = {
        { "warning", "medium" }, { "P1", "critical" }, { "P2", "high" }, { "P3", "medium" }, { "P4", "low" }
    };
    struct lb_place place = { "--set", 1, 1 };

    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (strcmp(key, aliases[i][0]) == 0)
            key = aliases[i][1];
    if (strcmp(key, "clear") == 0)
        return lb_threshold_read(value, rule, &rule->clear, place, diag);
    for (int i = 0; i < LB_SEVERITY_COUNT; i++) {
        if (strcmp(key, rules_severity_names[i]) != 0)
            continue;
        rule->threshold_texts[i] = value;
        return lb_threshold_read(value, rule, &rule->thresholds[i], place, diag);
    }
    lb_diag_error(diag, place, "there is no \"%s\"; a severity, clear, for, hold, over, cooldown or min_count", key);
    return false;
}

static bool set_one(struct lb_alert_rule *rule, const char *key, struct lb_str value, struct lb_diag *diag)
{
    const struct {
        const char *key;
        int64_t *ns;
    } durations[] = { { "for", &rule->for_ns },
                      { "hold", &rule->hold_ns },
                      { "over", &rule->over_ns },
                      { "cooldown", &rule->cooldown_ns } };
    char *end = NULL;

    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        if (strcmp(key, durations[i].key) != 0)
            continue;
        if (strcmp(value.ptr, "0s") == 0 && durations[i].ns != &rule->over_ns)
            *durations[i].ns = 0;
        else if (!duration_argument(value.ptr, durations[i].ns))
            lb_diag_error(diag, (struct lb_place){ "--set", 1, 1 }, "%s: expected a duration such as 3m, got \"%s\"",
                          key, value.ptr);
        return diag->errors == 0;
    }
    if (strcmp(key, "min_count") != 0)
        return set_threshold(rule, key, value, diag);
    rule->min_count = strtoull(value.ptr, &end, 10);
    if (value.len == 0 || *end != '\0')
        lb_diag_error(diag, (struct lb_place){ "--set", 1, 1 }, "min_count: expected a whole number");
    return diag->errors == 0;
}

static bool apply_sets(struct lb_config *config, const struct arguments *arguments)
{
    struct lb_diag diag = { 0 };
    bool ok = true;

    for (size_t i = 0; ok && i < arguments->set_count; i++) {
        const char *equals = strchr(arguments->sets[i], '=');
        char key[32];

        snprintf(key, sizeof(key), "%.*s", (int)(equals - arguments->sets[i]), arguments->sets[i]);
        for (uint32_t k = 0; ok && k < config->alerting.rule_count; k++)
            ok = set_one(&config->alerting.rules[k], key, lb_str_from(equals + 1), &diag);
    }
    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    return ok;
}

/* --- the pass ------------------------------------------------------------------------------------- */

static void told(void *context, const struct lb_batch *batch, const struct lb_record *record, uint64_t sinks)
{
    struct pass *pass = context;

    (void)batch;
    (void)sinks;
    incidents_note(&pass->incidents, record);
}

static bool begin(struct pass *self, struct lb_config *config, int64_t first_ns)
{
    self->offline.told = told;
    self->offline.context = self;
    self->facts.first_ns = self->now = first_ns;
    self->tick = first_ns + TICK;
    offline_stream_init(&self->stream, &config->sources[0], 1, OFFLINE_RECORDS);
    return offline_begin(
        &self->offline,
        &(struct offline_start){ .config = config, .now_ns = first_ns, .records_only = true, .unmuted = true });
}

/* Time goes on to `until`, second by second. */
static void advance(struct pass *self, int64_t until)
{
    if (until < self->tick)
        return;
    offline_send(&self->offline, self->now);
    for (; self->tick <= until; self->tick += TICK) {
        self->now = self->tick;
        offline_tick(&self->offline, self->now, false);
    }
}

static void take(struct pass *self, const struct timed_line *line)
{
    advance(self, line->time_ns);
    struct lb_str text = offline_record(&self->text, line->text);

    if (!offline_add(&self->offline, &self->stream, text, self->position)) {
        offline_send(&self->offline, self->now);
        (void)offline_add(&self->offline, &self->stream, text, self->position);
    }
    self->position += text.len + 1;
    self->now = line->time_ns > self->now ? line->time_ns : self->now;
    self->facts.records++;
}

static void finish(struct pass *self)
{
    offline_send(&self->offline, self->now);
    offline_tick(&self->offline, self->now, false);
    self->facts.last_ns = self->incidents.now_ns = self->now;
    for (uint32_t i = 0; i < self->incidents.count; i++)
        if (self->incidents.items[i].open)
            self->incidents.items[i].ended_ns = self->now;
}

static bool pass_over(struct pass *self, struct lb_config *config, struct timed_lines *lines)
{
    struct timed_line line;

    if (!timed_lines_peek(lines, &line))
        return true;
    if (!begin(self, config, line.time_ns))
        return false;
    while (timed_lines_peek(lines, &line)) {
        take(self, &line);
        timed_lines_take(lines);
    }
    finish(self);
    return true;
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int replay(struct lb_config *config, struct arguments *arguments)
{
    struct pass pass = { .offline = { .config = NULL } };
    struct progress progress;
    struct timed_lines *lines = NULL;
    uint64_t total = 0;
    double begun = seconds_now();
    int code = EXIT_USAGE;

    lb_buffer_init(&pass.text, RECORD_BYTES_MAX);
    for (size_t i = 0; i < arguments->paths.count; i++)
        total += arguments->paths.items[i].bytes;
    progress_start(&progress, "replay", total);
    if (incidents_open(&pass.incidents, &config->alerting) && offline_open(&pass.offline))
        lines = timed_lines_open(&arguments->paths, arguments->since_ns, arguments->until_ns, &progress);
    if (lines != NULL && pass_over(&pass, config, lines)) {
        progress_hide(&progress);
        timed_lines_blocks(lines, &pass.facts.blocks_read, &pass.facts.blocks);
        pass.facts.files = arguments->paths.count;
        pass.facts.seconds = seconds_now() - begun;
        (arguments->json ? incidents_show_json : incidents_show)(&pass.incidents, &pass.facts);
        code = timed_lines_failed(lines) || arguments->paths.failed ? EXIT_USAGE : EXIT_OK;
    }
    timed_lines_close(lines);
    offline_close(&pass.offline);
    incidents_close(&pass.incidents);
    lb_buffer_free(&pass.text);
    lb_clock_set(LB_TIME_NONE);
    return code;
}

/* --- the command line ------------------------------------------------------------------------------- */

static bool set_time(int64_t *time_ns, const char *option, const char *text)
{
    if (time_argument(text, lb_clock_now(), time_ns))
        return true;
    alerts_usage_error("replay", "%s: \"%s\" is no time; " TIME_ARGUMENT_FORMS, option, text);
    return false;
}

static bool take_option(struct arguments *arguments, const char *option, const char *value)
{
    if (strcmp(option, "-c") == 0) {
        arguments->config = value;
        return true;
    }
    if (strcmp(option, "--since") == 0)
        return set_time(&arguments->since_ns, option, value);
    if (strcmp(option, "--until") == 0)
        return set_time(&arguments->until_ns, option, value);
    if (strcmp(option, "--rule") == 0 && arguments->rule_count < LB_RULES_MAX) {
        arguments->rules[arguments->rule_count++] = value;
        return true;
    }
    if (arguments->set_count < SETS_MAX && strchr(value, '=') != NULL && value[0] != '=') {
        arguments->sets[arguments->set_count++] = value;
        return true;
    }
    alerts_usage_error("replay", "%s: expected KEY=VALUE such as 'critical=above 3%%', got \"%s\"", option, value);
    return false;
}

static bool read_arguments(struct arguments *arguments, int argc, char **argv)
{
    static const char *const options[] = { "-c", "--since", "--until", "--rule", "--set" };

    for (int i = 1; i < argc; i++) {
        bool takes_value = false;

        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            archive_paths_add(&arguments->paths, argv[i]);
            continue;
        }
        if (strcmp(argv[i], "--json") == 0) {
            arguments->json = true;
            continue;
        }
        for (size_t k = 0; k < sizeof(options) / sizeof(options[0]); k++)
            takes_value = takes_value || strcmp(argv[i], options[k]) == 0;
        if (!takes_value || i + 1 == argc) {
            alerts_usage_error("replay", takes_value ? "%s needs a value" : "there is no option \"%s\"", argv[i]);
            return false;
        }
        if (!take_option(arguments, argv[i], argv[i + 1]))
            return false;
        i++;
    }
    return true;
}

/* Every alert is told by itself and at once: how people are told is not the question here. */
static void open_ears(struct lb_alerting *alerting)
{
    for (uint32_t i = 0; i < alerting->rule_count; i++) {
        struct lb_alert_rule *rule = &alerting->rules[i];

        rule->shadow = false;
        rule->sinks = 1;
        rule->escalate.count = 0;
        rule->inhibits.count = 0;
    }
    alerting->route_count = 0;
    alerting->max_age_ns = INT64_MAX / 4;
}

static int run_with(struct lb_config *config, struct arguments *arguments)
{
    uint32_t all = config->alerting.rule_count;
    uint32_t routes = config->alerting.route_count;
    uint32_t chosen = choose_rules(config, arguments);
    char directory[PATH_MAX];
    int code = EXIT_USAGE;

    if (chosen == 0)
        return EXIT_USAGE;
    if (arguments->paths.given == 0) {
        if (!archive_root(arguments->config, directory))
            return EXIT_USAGE;
        archive_paths_add(&arguments->paths, directory);
    }
    config->alerting.rule_count = chosen;
    open_ears(&config->alerting);
    if (apply_sets(config, arguments))
        code = replay(config, arguments);
    config->alerting.rule_count = all;
    config->alerting.route_count = routes;
    return code;
}

static int run(int argc, char **argv)
{
    struct arguments arguments = { .config = default_config(), .since_ns = INT64_MIN, .until_ns = INT64_MAX };
    int code = EXIT_USAGE;

    if (read_arguments(&arguments, argc, argv)) {
        struct lb_config *config = rules_load(arguments.config);

        lb_log_level = LB_LEVEL_CRITICAL; /* what the daemon would log of old records is no part of it */
        if (config != NULL)
            code = run_with(config, &arguments);
        if (config != NULL)
            lb_config_free(config);
    }
    archive_paths_free(&arguments.paths);
    lb_metrics_free_all();
    return code;
}

const struct alerts_command alerts_replay = {
    .name = "replay",
    .summary = "run the rules over archives: how often would each have fired?",
    .help = "logboom alerts replay [-c FILE] [--since TIME] [--until TIME] [--rule NAME]… [--set KEY=VALUE]…\n"
            "                      [--json] [PATH…]\n\n"
            "Runs the rules over archives, on a clock of their own: how often each would have fired, for how long,\n"
            "for whom; and which `for` would have kept the short ones quiet. Nobody is told. Rules in shadow mode\n"
            "take part. PATH: files or directories; the configuration's own archive unless given.\n\n"
            "  -c FILE         the configuration; $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given\n"
            "  --since TIME, --until TIME   records of [since, until): 7d, \"2026-01-31 12:30\", RFC 3339\n"
            "  --rule NAME     only this rule; more than once for several\n"
            "  --set KEY=VALUE as if the chosen rules said so: a severity, clear, for, hold, over, cooldown or\n"
            "                  min_count\n"
            "  --json          everything as JSON, each incident too\n\n"
            "Exit: 0, 2 something could not be read.\n\n"
            "  logboom alerts replay --since 7d --rule error_rate --set 'critical=above 3%' --set for=2m\n",
    .run = run,
};
