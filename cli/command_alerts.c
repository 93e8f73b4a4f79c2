/* command_alerts.c - `logboom alerts`: what can be done with rules besides running them. */
#include "alerts.h"

#include <stdio.h>
#include <string.h>

const char *const alerts_severity_names[] = { "info", "low", "medium", "high", "critical", NULL };

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} parts[] = {
    { "replay", alerts_replay },
    { "lint", alerts_lint },
    { "drill", alerts_drill },
};

enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

struct lb_config *alerts_config(const char *file)
{
    struct lb_diag diag = { 0 };
    struct lb_config *config = lb_config_load(file, &diag);

    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    if (config == NULL || config->alerting.rule_count > 0)
        return config;
    fprintf(stderr, "logboom: %s has no alert rules\n", file);
    lb_config_free(config);
    return NULL;
}

int alerts_find_rule(const struct lb_config *config, const char *name)
{
    const char *names[LB_RULES_MAX + 1] = { NULL };
    const char *nearest;

    for (uint32_t i = 0; i < config->alerting.rule_count && i < LB_RULES_MAX; i++) {
        names[i] = config->alerting.rules[i].name.ptr;
        if (lb_str_is(config->alerting.rules[i].name, name))
            return (int)i;
    }
    nearest = lb_nearest(lb_str_from(name), names);
    fprintf(stderr, "logboom: %s has no rule \"%s\"%s%s%s\n", config->file, name,
            nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
    return -1;
}

const char *alerts_duration(int64_t duration_ns, char *text)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    int64_t left = (duration_ns + LB_SECOND / 2) / LB_SECOND;
    size_t len = 0;
    int shown = 0;

    /* Two units tell enough. */
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && shown < 2; i++) {
        if (left >= units[i].seconds) {
            len += (size_t)snprintf(text + len, ALERTS_TIME_SIZE - len, "%lld%c", (long long)(left / units[i].seconds),
                                    units[i].letter);
            shown++;
        } else if (shown > 0) {
            shown++;
        }
        left %= units[i].seconds;
    }
    if (len == 0)
        snprintf(text, ALERTS_TIME_SIZE, "0s");
    return text;
}

static int run(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < PARTS; i++) {
        if (strcmp(argv[1], parts[i].name) == 0)
            return parts[i].run(argc - 1, argv + 1);
    }
    if (argc > 1)
        return usage_error(&command_alerts, "there is no \"alerts %s\"", argv[1]);
    fputs(command_alerts.help, stdout);
    return EXIT_USAGE;
}

const struct command command_alerts = {
    .name = "alerts",
    .summary = "try alert rules on archives, look for faults in them, drill who is told",
    .help = "logboom alerts replay [-c FILE] [--since TIME] [--until TIME] [--rule NAME]… [--set KEY=VALUE]…\n"
            "                      [--json] [PATH…]\n"
            "logboom alerts lint [-c FILE] [--since TIME] [--json] [PATH…]\n"
            "logboom alerts drill [-c FILE] [--timeout TIME] RULE [FIELD=VALUE]…\n\n"
            "replay  runs the rules over archives on a clock of their own: how often each would have fired, for\n"
            "        how long, for whom; and which `for` would have kept the short ones quiet. Nobody is told.\n"
            "        Rules in shadow mode take part. PATH: files or directories, the configuration's own archive\n"
            "        unless given.\n"
            "lint    what is wrong with rules though they can be read: severities that cannot be reached, fields\n"
            "        that no record of the archive has, or has in another form; and what a key of each costs.\n"
            "        Looks at the last day unless --since says otherwise.\n"
            "drill   tells everyone who would be told if the rule fired for these fields of its `by`, and that it\n"
            "        is over. Marked DRILL. A running logboom is not disturbed.\n\n"
            "  -c FILE          the configuration; $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given\n"
            "  --since TIME, --until TIME   records of [since, until): 7d, \"2026-01-31 12:30\", RFC 3339\n"
            "  --rule NAME      only this rule\n"
            "  --set KEY=VALUE  as if the rules that are chosen said so: a severity, clear, for, hold, over,\n"
            "                   cooldown or min_count\n"
            "  --severity WORD  of a drill: the highest that the rule has unless given\n\n"
            "Exit code: 0; 1 lint found something, or the drill did not reach everyone; 2 something could not be\n"
            "read.\n\n"
            "  logboom alerts replay --since 7d --rule error_rate --set 'critical=above 3%' --set for=2m\n"
            "  logboom alerts drill disk_space host=db1 mount=/\n",
    .run = run,
};
