/* command_replay.c - `logboom replay`: sends dead letters again, under the same ids. */
#include "command.h"
#include "command_audit.h"

#include "replay.h"
#include "time_argument.h"

#include "lb_clock.h"
#include "lb_log.h"
#include "lb_metrics.h"

#include <stdio.h>
#include <string.h>

enum { FILES_MAX = 256 };

struct arguments {
    const char *config;
    const char *sink;
    const char *files[FILES_MAX];
    size_t count;
    int64_t since_ns;
    int64_t until_ns;
    int64_t timeout_ns; /* 0: none */
    bool dry_run;
};

struct totals {
    uint64_t refused;
    bool failed;
    bool cut_short;
};

static void on_signal(int signal_number)
{
    (void)signal_number;
    replay_interrupted = 1;
}

/* --- the command line ------------------------------------------------------------- */

static bool read_value(const char *name, const char *value, struct arguments *arguments)
{
    int64_t now = lb_clock_now();

    if (strcmp(name, "-c") == 0)
        arguments->config = value;
    else if (strcmp(name, "--sink") == 0)
        arguments->sink = value;
    else if (strcmp(name, "--since") == 0)
        return time_argument(value, now, &arguments->since_ns);
    else if (strcmp(name, "--until") == 0)
        return time_argument(value, now, &arguments->until_ns);
    else
        return duration_argument(value, &arguments->timeout_ns);
    return true;
}

static bool takes_value(const char *name)
{
    static const char *const names[] = { "-c", "--sink", "--since", "--until", "--timeout" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static int read_arguments(int argc, char **argv, struct arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        if (takes_value(argv[i])) {
            if (i + 1 == argc)
                return usage_error(&command_replay, "%s needs a value", argv[i]);
            if (!read_value(argv[i], argv[i + 1], arguments))
                return usage_error(&command_replay, "%s: cannot read \"%s\"; %s", argv[i], argv[i + 1],
                                   strcmp(argv[i], "--timeout") == 0 ? "try 90s or 10m" : TIME_ARGUMENT_FORMS);
            i++;
        } else if (strcmp(argv[i], "--dry-run") == 0) {
            arguments->dry_run = true;
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            return usage_error(&command_replay, "unexpected \"%s\"", argv[i]);
        } else if (arguments->count == FILES_MAX) {
            return usage_error(&command_replay, "at most %d files at once", FILES_MAX);
        } else {
            arguments->files[arguments->count++] = argv[i];
        }
    }
    if (arguments->count == 0)
        return usage_error(&command_replay, "which file? Health names it; DATA_DIR/dead-letters/SINK.jsonl unless set");
    return EXIT_OK;
}

/* --- files one by one ---------------------------------------------------------------- */

static uint64_t count_state(const struct letter_file *file, enum letter_state state)
{
    uint64_t count = 0;

    for (size_t i = 0; i < file->count; i++)
        count += file->letters[i].state == state;
    return count;
}

static void tell_due(const struct letter_file *file, const struct lb_config *config)
{
    for (uint32_t i = 0; i < config->sink_count; i++) {
        uint64_t count = 0;

        for (size_t n = 0; n < file->count; n++)
            count += file->letters[n].state == LETTER_DUE && file->letters[n].sink == i;
        if (count > 0)
            printf("%s: %llu would go to " LB_STR_FMT "\n", file->path, (unsigned long long)count,
                   LB_STR_ARG(config->sinks[i].section.name));
    }
    printf("%s: %zu letters\n", file->path, file->count);
}

static void replay_file(struct replay *replay, const struct letter_choice *choice, const struct arguments *arguments,
                        const char *path, struct totals *totals)
{
    struct letter_file file;
    uint64_t left = 0;

    if (!letter_file_open(&file, path, choice, replay->dir)) {
        letter_file_close(&file);
        totals->failed = true;
        return;
    }
    uint64_t due = count_state(&file, LETTER_DUE);
    if (arguments->dry_run) {
        tell_due(&file, choice->config);
        letter_file_close(&file);
        return;
    }
    bool sent = replay_send(replay, &file);
    uint64_t done = count_state(&file, LETTER_DONE);
    totals->cut_short = totals->cut_short || !sent;
    totals->failed = !letter_file_finish(&file, &left) || totals->failed;
    uint64_t refused = file.refused < done ? file.refused : done;
    totals->refused += refused;
    fprintf(stderr, "%s: %llu delivered, %llu refused again, %llu not sent; %llu left in it\n", path,
            (unsigned long long)(done - refused), (unsigned long long)refused, (unsigned long long)(due - done),
            (unsigned long long)left);
    letter_file_close(&file);
}

static int replay_files(struct lb_config *config, const struct arguments *arguments)
{
    struct letter_choice choice = { .config = config,
                                    .sink = lb_str_from(arguments->sink != NULL ? arguments->sink : ""),
                                    .since_ns = arguments->since_ns,
                                    .until_ns = arguments->until_ns };
    struct replay replay = { .deadline =
                                 arguments->timeout_ns > 0 ? lb_clock_monotonic() + arguments->timeout_ns : INT64_MAX };
    struct totals totals = { 0 };
    struct lb_diag diag = { 0 };

    bool opened = replay_open(&replay, config, &diag);
    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    for (size_t i = 0; opened && i < arguments->count && replay_interrupted == 0 && !totals.cut_short; i++)
        replay_file(&replay, &choice, arguments, arguments->files[i], &totals);
    replay_close(&replay);
    if (!opened || totals.failed)
        return EXIT_USAGE;
    return totals.refused > 0 || totals.cut_short || replay_interrupted != 0 ? EXIT_NO : EXIT_OK;
}

static bool knows_sink(const struct lb_config *config, const char *name)
{
    for (uint32_t i = 0; i < config->sink_count; i++) {
        if (lb_str_is(config->sinks[i].section.name, name))
            return true;
    }
    return false;
}

static int run(int argc, char **argv)
{
    struct arguments arguments = { .config = default_config(), .since_ns = INT64_MIN, .until_ns = INT64_MAX };
    struct lb_diag diag = { 0 };
    int code = read_arguments(argc, argv, &arguments);

    if (code != EXIT_OK)
        return code;
    lb_log_level = LB_LEVEL_WARN;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);

    struct lb_config *config = lb_config_load(arguments.config, &diag);

    lb_diag_print(&diag, stderr);
    if (config == NULL || diag.errors > 0)
        code = EXIT_USAGE;
    else if (arguments.sink != NULL && !knows_sink(config, arguments.sink))
        code = usage_error(&command_replay, "%s has no sink \"%s\"", arguments.config, arguments.sink);
    else {
        code = replay_files(config, &arguments);
        if (!arguments.dry_run)
            command_audit(config, "replay", arguments.files[0], code);
    }
    if (config != NULL)
        lb_config_free(config);
    lb_diag_free(&diag);
    lb_metrics_free_all();
    return code;
}

const struct command command_replay = {
    .name = "replay",
    .summary = "send dead letters again, under the ids they had",
    .help =
        "logboom replay [-c FILE] [--sink NAME] [--since TIME] [--until TIME] [--timeout TIME] [--dry-run]\n"
        "               LETTERS… | -\n\n"
        "What a network sink's peer refuses for good is kept as dead letters: a line of JSON each, with the reason,\n"
        "in DATA_DIR/dead-letters/SINK.jsonl unless the sink's dead_letter.path says otherwise (health names it).\n"
        "When the cause is mended, this sends the records through the sink of the configuration once more, with\n"
        "its own retries and with the same ids, so that a receiver that keeps ids takes none twice. Delivered\n"
        "letters leave the file; those refused again stay, with the new reason. The file is replaced as a whole at\n"
        "the end, also after Ctrl-C; logboom may run meanwhile and add to it.\n\n"
        "  -c FILE         the configuration; $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given\n"
        "  --sink NAME     through this sink, not through the one that the letter names\n"
        "  --since TIME, --until TIME\n"
        "                  only letters written in [since, until): \"2026-01-31 12:30\", 12:30, 2h, today, RFC 3339\n"
        "  --timeout TIME  stop after that long (10m); what is not delivered by then stays in the file\n"
        "  --dry-run       only say what would be sent\n"
        "  -               letters from standard input; what is left goes to standard output\n\n"
        "Exit: 0 all delivered, 1 some were refused again or not sent, 2 usage or I/O.\n\n"
        "  jq -r .reason /var/lib/logboom/dead-letters/hook.jsonl | sort | uniq -c\n"
        "  logboom replay --dry-run /var/lib/logboom/dead-letters/hook.jsonl\n"
        "  logboom replay /var/lib/logboom/dead-letters/hook.jsonl\n"
        "  kcat -C -b k1:9092 -t refused -e -q | logboom replay - > left.jsonl    (letters of a topic)\n",
    .run = run,
};
