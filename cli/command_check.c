/*
 * command_check.c - `logboom check`: every fault of a configuration in one run.
 *
 * Exit 0: it would start. Exit 1: the faults are on stderr, one a line.
 */
#include "command.h"

#include "lb_conf.h"

#include <stdio.h>
#include <string.h>

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
           config->sink_count == 1 ? "sink" : "sinks", config->alerting.rule_count,
           config->alerting.rule_count == 1 ? "rule" : "rules");
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
            "nearest right word. FILE is $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given; - is stdin.\n"
            "Exit: 0 it would start, 1 it has faults, 2 usage.\n",
    .run = run,
};
