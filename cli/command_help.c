/* command_help.c - `logboom help [COMMAND | KIND.NAME]`, and how a wrong command line is answered. */
#include "command.h"

#include "lb_diag.h"
#include "lb_reference.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *default_config(void)
{
    const char *file = getenv("LOGBOOM_CONFIG");

    return file != NULL && *file != '\0' ? file : "/etc/logboom/logboom.yaml";
}

static void print_overview(void)
{
    printf("logboom gathers logs: tails files, receives syslog, turns lines into records, routes them,\n"
           "keeps them in .zst archives that stay grep-friendly, and raises alerts.\n\n"
           "  logboom COMMAND [OPTIONS]\n\nCommands\n");
    for (const struct command *const *command = commands; *command != NULL; command++)
        printf("  %-10s %s\n", (*command)->name, (*command)->summary);
    printf("\nA first look (as any user, nothing is written outside ./var)\n"
           "  logboom run -c conf/examples/quickstart.yaml\n\n"
           "`logboom COMMAND --help` says more; `logboom help sink.kafka` lists the options of a module.\n");
}

static const char *nearest_command(const char *word)
{
    const char *names[64];
    size_t count = 0;

    for (; commands[count] != NULL; count++)
        names[count] = commands[count]->name;
    names[count] = NULL;
    return lb_nearest(lb_str_from(word), names);
}

int usage_error(const struct command *command, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fputs("logboom: ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "; see `logboom %s --help`\n", command->name);
    return EXIT_USAGE;
}

int unknown_command(const char *name)
{
    const char *nearest = nearest_command(name);

    if (nearest != NULL)
        fprintf(stderr, "logboom: there is no command \"%s\"; did you mean \"%s\"?\n", name, nearest);
    else
        fprintf(stderr, "logboom: there is no command \"%s\"; see `logboom --help`\n", name);
    return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_overview();
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--reference") == 0) {
        lb_reference_write(stdout);
        return EXIT_OK;
    }
    for (const struct command *const *command = commands; *command != NULL; command++) {
        if (strcmp((*command)->name, argv[1]) == 0) {
            fputs((*command)->help, stdout);
            return EXIT_OK;
        }
    }
    if (lb_reference_help(stdout, argv[1]))
        return EXIT_OK;
    return usage_error(&command_help, "there is no command or module \"%s\"", argv[1]);
}

const struct command command_help = {
    .name = "help",
    .summary = "explain a command or a module (`logboom help sink.kafka`)",
    .help = "logboom help [COMMAND | KIND.NAME | --reference]\n\n"
            "Explains a command, or lists the options of a module:\n"
            "  logboom help run\n  logboom help source.syslog\n  logboom help sink.archive\n"
            "With --reference: the whole option reference as Markdown.\n",
    .run = run,
};
