/*
 * command_check.c - `logboom check`: every fault of a configuration in one run.
 *
 * Exit 0: it would start. Exit 1: the faults are on stderr, one a line.
 */
#include "command.h"
#include "progress.h"

#include "lb_conf.h"

#include <stdio.h>
#include <string.h>

/* "spool, 1GiB at most, then block" */
static void print_policy(const struct lb_sink *sink)
{
    static const char *const names[] = {
        [LB_FULL_BLOCK] = "block: its sources wait", [LB_FULL_DROP_OLDEST] = "drop the oldest, counted"
    };
    char size[SIZE_TEXT_SIZE];

    if (sink->options.when_full != LB_FULL_SPOOL) {
        printf("%s\n", names[sink->options.when_full]);
        return;
    }
    printf("spool to disk, %s at most, then %s\n", size_text(sink->options.spool_max, size),
           sink->options.spool_then == LB_SPOOL_DROP_OLDEST ? "drop the oldest" : "block");
}

/* What happens to each sink's records while it lags: nobody should have to look that up in an outage. */
static void print_policies(const struct lb_config *config)
{
    int width = 0;

    for (uint32_t i = 0; i < config->sink_count; i++) {
        int len = (int)config->sinks[i].section.name.len;

        width = len > width ? len : width;
    }
    for (uint32_t i = 0; i < config->sink_count; i++) {
        const struct lb_sink *sink = &config->sinks[i];

        printf("  %-*.*s  %-8s when full: ", width, LB_STR_ARG(sink->section.name), sink->type->module.name);
        print_policy(sink);
    }
}

static int report(struct lb_config *config, struct lb_diag *diag, const char *file)
{
    lb_diag_print(diag, stderr);
    if (config == NULL || diag->errors > 0) {
        fprintf(stderr, "%s: %u %s; nothing was started\n", file, diag->errors, diag->errors == 1 ? "error" : "errors");
        return EXIT_NO;
    }
    printf("%s: ok: %u %s, %u %s, %u %s, %u alert %s\n", file, config->source_count,
           config->source_count == 1 ? "source" : "sources", config->plan.route_count,
           config->plan.route_count == 1 ? "route" : "routes", config->sink_count,
           config->sink_count == 1 ? "sink" : "sinks", lb_alerting_rule_count(&config->alerting),
           lb_alerting_rule_count(&config->alerting) == 1 ? "rule" : "rules");
    print_policies(config);
    return EXIT_OK;
}

static int run(int argc, char **argv)
{
    const char *file = default_config();
    struct lb_diag diag = { 0 };

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            file = argv[++i];
        else if (argv[i][0] != '-' || argv[i][1] == '\0')
            file = argv[i];
        else
            return usage_error(&command_check, "unexpected \"%s\"", argv[i]);
    }

    struct lb_config *config = lb_config_load(file, &diag);

    if (config != NULL && diag.errors == 0)
        lb_config_check(config, &diag);
    int code = report(config, &diag, file);
    lb_diag_free(&diag);
    if (config != NULL)
        lb_config_free(config);
    return code;
}

const struct command command_check = {
    .name = "check",
    .summary = "find every fault of a configuration",
    .help = "logboom check [-c FILE]\n\n"
            "Reads a configuration, opens what can be opened without starting (patterns, certificates,\n"
            "directories), and prints every fault as file:line:column: what, what was expected, and the\n"
            "nearest right word. Of a good one: what happens to each sink's records while it lags. FILE is "
            "$LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given; - is stdin.\n"
            "Exit: 0 it would start, 1 it has faults, 2 usage.\n",
    .run = run,
};
