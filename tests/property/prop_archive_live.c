/*
 * prop_archive_live.c - a live archive can be read at any moment.
 *
 * A child writes as fast as it can, in frames of every size, while zstd and,
 * where it is installed, Python's streaming reader decode the growing file
 * again and again: each pass must end without fault, in whole lines, and see
 * no less than the one before.
 */
#include "lb_test.h"

#include "lb_rig.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

extern const struct lb_sink_type lb_sink_archive;

enum { SECONDS = 3, PASSES_MIN = 4 };

static const char python[] = "import sys, zstandard\n"
                             "lines, last = 0, b'\\n'\n"
                             "with open(sys.argv[1], 'rb') as f:\n"
                             "    r = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True)\n"
                             "    while True:\n"
                             "        part = r.read(65536)\n"
                             "        if not part: break\n"
                             "        lines, last = lines + part.count(b'\\n'), part[-1:]\n"
                             "assert last == b'\\n', last\n"
                             "print(lines)\n";

static void write_for_ever(const char *dir)
{
    struct rig rig;
    char path[128];
    uint64_t random = lb_seed();
    uint64_t next = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails takes it along */
    atomic_store(&lb_log_level, LB_LEVEL_ERROR);
    rig_open(&rig, dir);
    rig.services = 1;
    snprintf(path, sizeof(path), "%s/live.jsonl.zst", dir);
    struct lb_sink *sink = rig_files(&rig, &lb_sink_archive, "arch", path);
    rig_number(sink, "flush", LB_MILLISECOND);
    rig_open_stream(&rig);
    if (sink->type->open(sink, &rig.diag) != LB_OK ||
        lb_delivery_start(sink, rig.streams, 30 * LB_MILLISECOND) != LB_OK)
        _exit(20);
    for (;;) {
        uint32_t count = 1 + (uint32_t)(lb_random(&random) % RIG_BATCH_RECORDS);

        rig_push(&rig, next, count);
        next += count;
        if (lb_random(&random) % 16 == 0)
            usleep((useconds_t)(lb_random(&random) % 4000)); /* frames of a few records, too */
    }
}

/* Lines that the command prints; a failure of it is one of the test. */
static long lines_of(const char *command)
{
    FILE *pipe = popen(command, "r");
    char text[64] = "";

    assert_non_null(pipe);
    if (fgets(text, sizeof(text), pipe) == NULL)
        text[0] = '\0';
    int status = pclose(pipe);
    if (status != 0 || text[0] == '\0')
        fail_msg("a reader failed: %s", command);
    return strtol(text, NULL, 10);
}

static void every_pass_over_a_live_file_is_whole(void **state)
{
    char dir[] = "/tmp/prop_live.XXXXXX";
    char file[128];
    char commands[2][512];
    unsigned passes = 0;
    long last = 0;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/live.jsonl.zst", dir);
    snprintf(commands[0], sizeof(commands[0]), "bash -c 'set -o pipefail; zstd -dcq %s | wc -l'", file);
    snprintf(commands[1], sizeof(commands[1]), "/usr/bin/python3 %s/read.py %s", dir, file);
    bool has_python = system("/usr/bin/python3 -c 'import zstandard' 2>/dev/null") == 0;
    if (!has_python)
        print_message("not run with Python: its zstandard module is not installed\n");
    char script[128];
    snprintf(script, sizeof(script), "%s/read.py", dir);
    FILE *out = fopen(script, "w");
    assert_non_null(out);
    fputs(python, out);
    fclose(out);

    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        write_for_ever(dir);
    while (access(file, F_OK) != 0)
        usleep(1000);
    int64_t end = lb_clock_monotonic() + SECONDS * LB_SECOND;
    while (lb_clock_monotonic() < end || passes < PASSES_MIN || last == 0) {
        long lines = lines_of(commands[passes % (has_python ? 2 : 1)]);

        if (lines < last)
            fail_msg("%ld lines after %ld", lines, last);
        last = lines;
        passes++;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    print_message("%u passes, %ld lines\n", passes, last);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pass_over_a_live_file_is_whole),
    };

    return cmocka_run_group_tests_name("property/archive_live", tests, NULL, NULL);
}
