#include "lb_test.h"

#include "sink_stdout.c"

#include "lb_metrics.h"
#include "lb_rig.h"

#include <fcntl.h>
#include <signal.h>

static char dir[40];
static struct rig rig;
static struct lb_sink *sink;
static int ends[2];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/stdout_test.XXXXXX");
    return mkdtemp(dir) == NULL || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    close(ends[0]);
    close(ends[1]);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void begin(void)
{
    rig_open(&rig, dir);
    sink = rig_sink(&rig, &lb_sink_stdout, "out");
    rig_open_stream(&rig);
    assert_int_equal(sink->type->open(sink, &rig.diag), LB_OK);
    ((struct sink_stdout *)sink->state)->fd = ends[1];
}

static void end(void)
{
    sink->type->close(sink);
    rig_close(&rig);
}

/* Reads lines until `wanted` are there; each must be the next record. */
static void read_lines(uint64_t wanted)
{
    static char text[1 << 16];
    size_t kept = 0;
    uint64_t next = 0;
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;

    while (next < wanted) {
        ssize_t n = read(ends[0], text + kept, sizeof(text) - kept - 1);

        assert_true(lb_clock_monotonic() < deadline);
        if (n <= 0) {
            usleep(1000);
            continue;
        }
        kept += (size_t)n;
        char *line = text;
        for (char *newline; (newline = memchr(line, '\n', kept - (size_t)(line - text))) != NULL; line = newline + 1) {
            char *message = memmem(line, (size_t)(newline - line), "\"message\":\"", 11);

            assert_non_null(message);
            assert_int_equal(strtoull(message + 11, NULL, 10), next);
            next++;
        }
        kept -= (size_t)(line - text);
        memmove(text, line, kept);
    }
    assert_int_equal(kept, 0);
}

static void a_slow_reader_gets_every_line_once(void **state)
{
    (void)state;
    begin();
    assert_int_equal(lb_delivery_start(sink, rig.streams, LB_SECOND), LB_OK);
    for (uint64_t i = 0; i < 3000; i += 60)
        rig_push(&rig, i, 60);
    read_lines(3000);
    assert_true(lb_delivery_stop(sink->delivery, lb_clock_monotonic() + 60 * LB_SECOND));
    end();
}

static void a_reader_that_went_away_is_told_of(void **state)
{
    struct lb_delivery_state now = { 0 };

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    begin();
    close(ends[0]);
    assert_int_equal(lb_delivery_start(sink, rig.streams, LB_SECOND), LB_OK);
    rig_push(&rig, 0, 10);
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;
    do {
        usleep(1000);
        lb_delivery_state(sink->delivery, &now);
        assert_true(lb_clock_monotonic() < deadline);
    } while (now.blocked_since_ns == 0);
    assert_false(now.ok);
    assert_non_null(strstr(now.text, "cannot write to standard output"));
    assert_false(lb_delivery_stop(sink->delivery, lb_clock_monotonic()));
    end();
    ends[0] = dup(ends[1]);
}

static void a_stop_does_not_wait_for_a_reader_for_ever(void **state)
{
    (void)state;
    begin();
    assert_int_equal(lb_delivery_start(sink, rig.streams, LB_SECOND), LB_OK);
    for (uint64_t i = 0; i < 3000; i += 60)
        rig_push(&rig, i, 60);
    int64_t before = lb_clock_monotonic();
    assert_false(lb_delivery_stop(sink->delivery, before + 200 * LB_MILLISECOND));
    assert_true(lb_clock_monotonic() - before < 60 * LB_SECOND);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
        TEST(a_slow_reader_gets_every_line_once),
        TEST(a_reader_that_went_away_is_told_of),
        TEST(a_stop_does_not_wait_for_a_reader_for_ever),
    };

    atomic_store(&lb_log_level, LB_LEVEL_CRITICAL);
    int failed = cmocka_run_group_tests_name("sinks/sink_stdout", tests, NULL, NULL);
    lb_metrics_free_all();
    return failed;
}
