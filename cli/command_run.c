/* command_run.c - `logboom run`: loads the configuration, starts the daemon, waits for its end. */
#include "command.h"

#include "lb_daemon.h"
#include "lb_log.h"

#include <stdio.h>
#include <string.h>

struct arguments {
    const char *file;
    const char *level;
    bool exit_at_eof;
};

static int read_arguments(int argc, char **argv, struct arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;

        if (strcmp(argv[i], "-c") == 0 && more)
            arguments->file = argv[++i];
        else if (strcmp(argv[i], "--log-level") == 0 && more)
            arguments->level = argv[++i];
        else if (strcmp(argv[i], "--exit-at-eof") == 0)
            arguments->exit_at_eof = true;
        else if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--log-level") == 0)
            return usage_error(&command_run, "%s needs a value", argv[i]);
        else
            return usage_error(&command_run, "unexpected \"%s\"", argv[i]);
    }
    if (arguments->level != NULL && lb_level_parse(lb_str_from(arguments->level)) == LB_LEVEL_NONE)
        return usage_error(&command_run, "--log-level: \"%s\" is no level (error, warn, info, debug, trace)",
                           arguments->level);
    return EXIT_OK;
}

/* Takes over the configuration. */
static int run_config(struct lb_config *config, const struct arguments *arguments, struct lb_diag *diag)
{
    const struct lb_daemon_settings settings = {
        .file = arguments->file,
        .log_level = arguments->level != NULL ? lb_level_parse(lb_str_from(arguments->level)) : LB_LEVEL_NONE,
        .exit_at_eof = arguments->exit_at_eof,
    };
    struct lb_daemon *daemon = NULL;

    lb_log_level = settings.log_level != LB_LEVEL_NONE ? settings.log_level : config->log_level;
    if (diag->errors == 0 && lb_config_check(config, diag))
        daemon = lb_daemon_start(config, &settings, diag);
    else
        lb_config_free(config);
    lb_diag_print(diag, stderr);
    if (daemon == NULL)
        return EXIT_NO;
    int left = lb_daemon_wait(daemon);
    lb_daemon_free(daemon);
    return left == 0 ? EXIT_OK : EXIT_NO;
}

static int run(int argc, char **argv)
{
    struct arguments arguments = { .file = default_config() };
    struct lb_diag diag = { 0 };
    int code = read_arguments(argc, argv, &arguments);

    if (code != EXIT_OK)
        return code;

    struct lb_config *config = lb_config_load(arguments.file, &diag);

    if (config == NULL) {
        lb_diag_print(&diag, stderr);
        fprintf(stderr, "logboom: not started; `logboom check -c %s` checks again\n", arguments.file);
        code = EXIT_NO;
    } else {
        code = run_config(config, &arguments, &diag);
    }
    lb_diag_free(&diag);
    return code;
}

const struct command command_run = {
    .name = "run",
    .summary = "run the pipeline in the foreground",
    .help = "logboom run [-c FILE] [--exit-at-eof] [--log-level LEVEL]\n\n"
            "  -c FILE            the configuration; $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given\n"
            "  --exit-at-eof      stop when every file is read and every sink has all (backfills, benchmarks)\n"
            "  --log-level LEVEL  of logboom's own log on stderr: error, warn, info, debug, trace\n\n"
            "Signals: HUP reads the configuration again (an error leaves the old one at work, the log says why),\n"
            "TERM and INT drain and stop (within shutdown_timeout; the second one at once), USR1 and USR2 make\n"
            "logboom's own log more and less talkative. It tells systemd when it is ready, reloads, stops and\n"
            "lives (Type=notify, WatchdogSec=), and takes sockets that systemd has opened.\n"
            "Exit: 0 everything was delivered, 1 it could not start or something is kept for the next start.\n",
    .run = run,
};
