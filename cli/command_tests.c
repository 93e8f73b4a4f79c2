/*
 * command_tests.c - `logboom test`: unit tests of a configuration.
 *
 * A test that fails is run once more with probes, so that the windows at the
 * moments in question can be shown: runs are all alike.
 */
#include "command.h"

#include "colour.h"
#include "proof.h"

#include "lb_log.h"
#include "lb_metrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 4096, REPORT_BYTES_MAX = 1024 * 1024 * 1024 };

struct arguments {
    const char *only;
    const char *junit;
    bool write_golden;
    struct proof_report report;
    const char **files;
    size_t file_count;
};

/* The real clock: the other one stands where a test has left it. */
static int64_t real_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * LB_SECOND + now.tv_nsec;
}

/* --- running --------------------------------------------------------------------------------------- */

/* Once more, to see what the windows held. */
static void look_again(struct proof_run *run, const struct proof_file *file, struct offline *offline)
{
    static int64_t probes[PROOF_PROBES_MAX];
    const struct proof *proof = run->proof;
    uint32_t count = proof_probes(run, probes);

    if (count == 0 || run->broken)
        return;
    proof_run_close(run);
    run->broken = !proof_run_open(run, proof);
    run->probes = probes;
    run->probe_count = count;
    if (!run->broken && proof_run(run, file, offline))
        proof_judge(run, file, false);
    else
        run->broken = true;
}

static void run_one(struct arguments *arguments, const struct proof_file *file, const struct proof *proof,
                    struct offline *offline)
{
    struct proof_run run;
    int64_t begun = real_now();

    if (!proof_run_open(&run, proof) || !proof_run(&run, file, offline)) {
        run.broken = true;
    } else {
        proof_judge(&run, file, arguments->write_golden);
        if (run.failure_count > 0 && !proof->pipeline)
            look_again(&run, file, offline);
    }
    run.config = file->config;
    proof_report_one(&arguments->report, file, &run, real_now() - begun);
    proof_run_close(&run);
}

/* False: nothing could be run. */
static bool run_file(struct arguments *arguments, const char *path, struct offline *offline)
{
    struct lb_diag diag = { 0 };
    struct proof_file file;
    bool ok = proof_file_read(&file, path, &diag);

    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    for (uint32_t i = 0; ok && i < file.proof_count; i++) {
        if (arguments->only == NULL ||
            memmem(file.proofs[i].name.ptr, file.proofs[i].name.len, arguments->only, strlen(arguments->only)) != NULL)
            run_one(arguments, &file, &file.proofs[i], offline);
    }
    if (ok && arguments->report.coverage)
        proof_report_coverage(&arguments->report, &file);
    proof_file_close(&file);
    return ok;
}

static int run_files(struct arguments *arguments)
{
    struct offline offline = { .config = NULL };
    bool ok = offline_open(&offline);

    for (size_t i = 0; ok && i < arguments->file_count; i++)
        ok = run_file(arguments, arguments->files[i], &offline);
    offline_close(&offline);
    if (!ok)
        return EXIT_USAGE;
    if (arguments->report.totals.proofs == 0) {
        fprintf(stderr, "logboom: no test%s%s%s\n", arguments->only != NULL ? " has \"" : " was found",
                arguments->only != NULL ? arguments->only : "", arguments->only != NULL ? "\" in its name" : "");
        return EXIT_USAGE;
    }
    if (!proof_report_end(&arguments->report, arguments->junit))
        return EXIT_USAGE;
    return arguments->report.totals.failed == 0 ? EXIT_OK : EXIT_NO;
}

/* --- the command line ---------------------------------------------------------------------------------- */

static bool is_flag(struct arguments *arguments, const char *word)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = { { "--json", &arguments->report.json },
                  { "--coverage", &arguments->report.coverage },
                  { "--verbose", &arguments->report.verbose },
                  { "-v", &arguments->report.verbose },
                  { "--write-golden", &arguments->write_golden } };

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(word, flags[i].name) == 0) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char **value = NULL;

        if (argv[i][0] != '-') {
            if (arguments->file_count == FILES_MAX)
                return usage_error(&command_test, "more than %d files", FILES_MAX);
            arguments->files[arguments->file_count++] = argv[i];
            continue;
        }
        if (is_flag(arguments, argv[i]))
            continue;
        if (strcmp(argv[i], "--only") == 0)
            value = &arguments->only;
        else if (strcmp(argv[i], "--junit") == 0)
            value = &arguments->junit;
        if (value == NULL)
            return usage_error(&command_test, "there is no option \"%s\"", argv[i]);
        if (i + 1 == argc)
            return usage_error(&command_test, "%s needs a value", argv[i]);
        *value = argv[++i];
    }
    if (arguments->file_count == 0)
        return usage_error(&command_test, "which file of tests?");
    return EXIT_OK;
}

static int run(int argc, char **argv)
{
    static const char *files[FILES_MAX];
    struct arguments arguments = { .files = files };
    int code = read_arguments(&arguments, argc, argv);

    if (code != EXIT_OK)
        return code;
    lb_log_level = LB_LEVEL_CRITICAL; /* what the daemon would log here is no part of a test */
    arguments.report.colour = colour_wanted(STDOUT_FILENO);
    lb_buffer_init(&arguments.report.results, REPORT_BYTES_MAX);
    lb_buffer_init(&arguments.report.junit, REPORT_BYTES_MAX);
    code = run_files(&arguments);
    lb_buffer_free(&arguments.report.results);
    lb_buffer_free(&arguments.report.junit);
    lb_metrics_free_all();
    return code;
}

const struct command command_test = {
    .name = "test",
    .summary = "run unit tests of a configuration: what becomes of lines, which alerts follow",
    .help = "logboom test [--only TEXT] [--coverage] [--junit FILE] [--json] [-v] FILE…\n\n"
            "Runs the tests of each FILE (docs/testing.md): lines through parsers, filters and routes, and records\n"
            "through alert rules on a clock that is set, so an hour takes milliseconds. Nothing is sent, and\n"
            "nothing that a running logboom has is touched.\n\n"
            "  --only TEXT      only tests that have TEXT in their name\n"
            "  --coverage       the rules and severities that no test has fired\n"
            "  --junit FILE     the results as JUnit XML, besides\n"
            "  --json           the results, all notices included, as one JSON object\n"
            "  -v, --verbose    what was told, also of tests that pass\n"
            "  --write-golden   write the `golden` files anew instead of comparing them\n\n"
            "Exit code: 0 all passed, 1 some failed, 2 a file cannot be read.\n\n"
            "  logboom test conf/examples/ops-guide.test.yaml\n",
    .run = run,
};
