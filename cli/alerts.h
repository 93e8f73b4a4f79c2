/* alerts.h - the commands below `logboom alerts`, and what they share. */
#ifndef ALERTS_H
#define ALERTS_H

#include "command.h"

struct alerts_command {
    const char *name;
    const char *summary;
    const char *help;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct alerts_command alerts_replay;
extern const struct alerts_command alerts_lint;
extern const struct alerts_command alerts_drill;

/* EXIT_USAGE, and what is wrong on stderr. */
int alerts_usage_error(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
