/* main.c - finds the command and runs it. */
#include "command.h"

#include <stdio.h>
#include <string.h>

const struct command *const commands[] = {
    &command_run,    &command_reload, &command_check,    &command_explain, &command_cat,     &command_grep,
    &command_hist,   &command_tail,   &command_verify,   &command_repair,  &command_recover, &command_index,
    &command_replay, &command_alerts, &command_channels, &command_version, &command_help,    NULL,
};

static bool is_any(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static const struct command *find(const char *name)
{
    for (const struct command *const *command = commands; *command != NULL; command++) {
        if (strcmp((*command)->name, name) == 0)
            return *command;
    }
    return NULL;
}

static bool asks_for_help(const struct command *command, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (is_any(argv[i], "--help", command->has_h ? "--help" : "-h"))
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        command_help.run(1, argv);
        return EXIT_USAGE;
    }
    if (is_any(argv[1], "--help", "-h"))
        return command_help.run(1, argv);
    if (is_any(argv[1], "--version", "-V"))
        return command_version.run(1, argv);

    const struct command *command = find(argv[1]);

    if (command == NULL)
        return unknown_command(argv[1]);
    if (!command->own_help && asks_for_help(command, argc - 1, argv + 1)) {
        fputs(command->help, stdout);
        return EXIT_OK;
    }
    return command->run(argc - 1, argv + 1);
}
