/*
 * command_alerts.c - `logboom alerts …`: finds the command below it.
 *
 * Each says how it is used itself, so that `logboom alerts replay --help` is about replays.
 */
#include "alerts.h"

#include "lb_diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct alerts_command *const list[] = {
    &alerts_replay,
    &alerts_lint,
    &alerts_drill,
    NULL,
};

static const struct alerts_command *find(const char *name)
{
    for (size_t i = 0; list[i] != NULL; i++)
        if (strcmp(list[i]->name, name) == 0)
            return list[i];
    return NULL;
}

int alerts_usage_error(const char *command, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fputs("logboom: ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "; see `logboom alerts %s --help`\n", command);
    return EXIT_USAGE;
}

static int unknown(const char *name)
{
    const char *names[32];
    size_t count = 0;

    for (; list[count] != NULL; count++)
        names[count] = list[count]->name;
    names[count] = NULL;
    const char *near = lb_nearest(lb_str_from(name), names);

    if (near != NULL)
        return usage_error(&command_alerts, "there is no `alerts %s`; did you mean `alerts %s`?", name, near);
    return usage_error(&command_alerts, "there is no `alerts %s`", name);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int run(int argc, char **argv)
{
    if (argc < 2 || is_help(argv[1])) {
        fputs(command_alerts.help, stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    const struct alerts_command *command = find(argv[1]);

    if (command == NULL)
        return unknown(argv[1]);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (is_help(argv[i])) {
            fputs(command->help, stdout);
            return EXIT_OK;
        }
    }
    return command->run(argc - 1, argv + 1);
}

const struct command command_alerts = {
    .name = "alerts",
    .summary = "try rules on archives, look for faults in them, drill (`logboom alerts --help`)",
    .help = "logboom alerts COMMAND [-c FILE] [--json] …\n\n"
            "  replay                 run the rules over archives: how often would each have fired?\n"
            "  lint                   faults of rules that can be read, and what they cost\n"
            "  drill RULE KEY=VALUE   tell everyone who would be told, marked DRILL\n\n"
            "`logboom alerts COMMAND --help` says more. Exit: 0 ok, 1 no, 2 usage or I/O.\n",
    .run = run,
    .own_help = true,
};
