/*
 * command_alerts.c - `logboom alerts …`: finds the command below it.
 *
 * Each says how it is used itself, so that `logboom alerts silence --help` is about silences.
 */
#include "alerts.h"

#include "lb_diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct alerts_command *const list[] = {
    &alerts_list,      &alerts_show,   &alerts_history, &alerts_explain,
    &alerts_why_not,   &alerts_ack,    &alerts_silence, &alerts_silences,
    &alerts_unsilence, &alerts_marker, &alerts_export,  &alerts_audit,
    &alerts_replay,    &alerts_lint,   &alerts_drill,   NULL,
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
    if (argc > 1 && is_help(argv[1])) {
        fputs(command_alerts.help, stdout);
        return EXIT_OK;
    }
    if (argc < 2 || argv[1][0] == '-')
        return alerts_list.run(argc, argv);
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
    .summary = "what fires; silences, history, audit; rules replayed, drills (`logboom alerts --help`)",
    .help = "logboom alerts COMMAND [-c FILE] [--json] …\n\n"
            "Asks the running logboom, over the socket in its data_dir or over HTTP.\n\n"
            "  list                   what fires now, and what holds it back\n"
            "  show ID                one alert: how it stands, what was told of it\n"
            "  explain ID             why it fires, and why people were told or not\n"
            "  why-not RULE KEY=VALUE why a rule has raised no alert for that key\n"
            "  history                what people were told before\n"
            "  ack ID                 you work on it: no more repeats, no escalation\n\n"
            "  silence EXPR           hold alerts back for a time\n"
            "  silences               those there are, and maintenance windows\n"
            "  unsilence ID           end one\n"
            "  marker TEXT            note what you did to a system; alerts soon after show it\n\n"
            "  export ID              all that belongs to an incident, for a post-mortem\n"
            "  audit                  what people did, and whether the log of it is whole\n\n"
            "Nobody is asked by these:\n\n"
            "  replay                 run the rules over archives: how often would each have fired?\n"
            "  lint                   faults of rules that can be read, and what they cost\n"
            "  drill RULE KEY=VALUE   tell everyone who would be told, marked DRILL\n\n"
            "An ID is that of a message or of the list; its first digits are enough. `logboom alerts COMMAND --help`\n"
            "says more. Exit: 0 ok, 1 no (nothing there, refused), 2 usage, or nobody answers.\n\n"
            "  logboom alerts\n"
            "  logboom alerts silence --for 2h --comment 'disk is being replaced' 'service == db and key.host == h1'\n",
    .run = run,
    .own_help = true,
};
