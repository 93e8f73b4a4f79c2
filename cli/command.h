/*
 * command.h - what a command of `logboom` is, and the words they share.
 *
 * Exit codes: 0 ok, 1 no (no match, check failed, something left undelivered), 2 usage or I/O.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_NO = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *summary;               /* one line of `logboom --help` */
    const char *help;                  /* the whole `logboom NAME --help` */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
    bool own_help;                     /* --help behind the name is answered by run() */
    bool has_h;                        /* -h is an option of its own; only --help explains it */
};

extern const struct command command_run;
extern const struct command command_reload;
extern const struct command command_check;
extern const struct command command_explain;
extern const struct command command_cat;
extern const struct command command_grep;
extern const struct command command_hist;
extern const struct command command_tail;
extern const struct command command_verify;
extern const struct command command_repair;
extern const struct command command_recover;
extern const struct command command_index;
extern const struct command command_replay;
extern const struct command command_channels;
extern const struct command command_alerts;
extern const struct command command_version;
extern const struct command command_help;

extern const struct command *const commands[]; /* NULL at the end */

/* Where a command looks for its configuration: -c FILE, then $LOGBOOM_CONFIG, then /etc/logboom/logboom.yaml. */
const char *default_config(void);

/* Says what is wrong with the command line on stderr and what to do. Returns EXIT_USAGE. */
int usage_error(const struct command *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

int unknown_command(const char *name);

/* The version that was built. */
extern const char *const lb_version;

#endif
