#include "lb_command_run.h"

#include "lb_clock.h"
#include "lb_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct seen {
    unsigned count;
    enum command_end end;
    int code;
    char output[COMMAND_OUTPUT_BYTES + 1];
};

static void note(void *context, const struct command_result *result)
{
    struct seen *seen = context;

    seen->count++;
    seen->end = result->end;
    seen->code = result->code;
    snprintf(seen->output, sizeof(seen->output), "%.*s", (int)result->output.len,
             result->output.len > 0 ? result->output.ptr : "");
}

static const struct lb_pairs no_variables;

/* Runs a script to its end. */
static struct seen run(struct command_runner *runner, const char *script, const char *argument, struct lb_str input,
                       int64_t timeout)
{
    struct seen seen = { 0 };
    char *argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",    (char *)(uintptr_t)script,
                     (char *)(uintptr_t) "name",    (char *)(uintptr_t)argument, NULL };
    const struct command_job job = { argv, input, timeout, &seen };
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;

    command_runner_start(runner, &job);
    while (seen.count == 0) {
        command_runner_step(runner, 20);
        assert_true(lb_clock_monotonic() < deadline);
    }
    assert_int_equal(seen.count, 1);
    return seen;
}

static void a_program_gets_its_arguments_and_its_input(void **state)
{
    struct command_runner *runner = command_runner_new(1, &no_variables, note);
    struct seen seen;

    (void)state;
    seen = run(runner, "cat; echo \" [$1]\" >&2; exit 3", "$(id) ; `ls` 'x\"", LB_STR("{\"a\":1}"), 30 * LB_SECOND);
    assert_int_equal(seen.end, COMMAND_EXITED);
    assert_int_equal(seen.code, 3);
    assert_string_equal(seen.output, "{\"a\":1} [$(id) ; `ls` 'x\"]");
    seen = run(runner, "kill -9 $$", "", LB_STR(""), 30 * LB_SECOND);
    assert_int_equal(seen.end, COMMAND_SIGNALLED);
    assert_int_equal(seen.code, SIGKILL);
    assert_true(command_runner_idle(runner));
    command_runner_free(runner);
}

static void output_is_bounded_and_one_line(void **state)
{
    struct command_runner *runner = command_runner_new(1, &no_variables, note);
    struct seen seen;

    (void)state;
    seen = run(runner, "head -c 3000000 /dev/zero | tr '\\0' x; echo end", "", LB_STR(""), 60 * LB_SECOND);
    assert_int_equal(seen.code, 0);
    assert_int_equal(strlen(seen.output), COMMAND_OUTPUT_BYTES);
    seen = run(runner, "printf 'a\\nb\\033[31m\\303\\244\\n\\n'", "", LB_STR(""), 30 * LB_SECOND);
    assert_string_equal(seen.output, "a b [31m");
    command_runner_free(runner);
}

/* What a program that goes on for ever has written to the file, as a number. */
static int number_in(struct command_runner *runner, const char *file)
{
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;
    int number = 0;

    while (number == 0) {
        FILE *in = fopen(file, "re");
        char line[32] = "";

        command_runner_step(runner, 20);
        if (fgets(line, sizeof(line), in) != NULL && strchr(line, '\n') != NULL)
            number = atoi(line);
        fclose(in);
        assert_true(lb_clock_monotonic() < deadline);
    }
    return number;
}

/* What the program started in the background holds the pipe, and is ended too. */
static void past_its_time_the_whole_group_is_ended(void **state)
{
    char file[] = "/tmp/command_run_test.XXXXXX";
    struct command_runner *runner = command_runner_new(1, &no_variables, note);
    struct seen seen = { 0 };
    char script[256];
    char *argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c", script, NULL };
    const struct command_job job = { argv, LB_STR(""), 600 * LB_SECOND, &seen };

    (void)state;
    close(mkstemp(file));
    snprintf(script, sizeof(script), "trap '' TERM; sleep 600 & echo $! >%s; wait; sleep 600", file);
    command_runner_start(runner, &job);
    int pid = number_in(runner, file);
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;
    lb_clock_set(lb_clock_monotonic() + 600 * LB_SECOND); /* its time is over */
    command_runner_step(runner, 0);
    assert_int_equal(seen.count, 0); /* it was only asked */
    lb_clock_set(lb_clock_monotonic() + 60 * LB_SECOND);
    while (seen.count == 0)
        command_runner_step(runner, 20);
    lb_clock_set(LB_TIME_NONE);
    assert_int_equal(seen.end, COMMAND_TIMED_OUT);
    assert_int_equal(seen.code, SIGKILL);
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    for (;;) { /* gone, or a zombie that nobody reaps here */
        char line[256] = "";

        FILE *in = fopen(path, "re");
        if (in == NULL)
            break;
        bool read = fgets(line, sizeof(line), in) != NULL;
        fclose(in);
        if (!read || strstr(line, ") Z") != NULL)
            break;
        assert_true(lb_clock_monotonic() < deadline);
        usleep(10000);
    }
    unlink(file);
    command_runner_free(runner);
}

static void one_in_the_background_does_not_hold_up_the_end(void **state)
{
    struct command_runner *runner = command_runner_new(1, &no_variables, note);

    (void)state;
    struct seen seen = run(runner, "sleep 5 & echo started", "", LB_STR(""), 60 * LB_SECOND);
    assert_int_equal(seen.end, COMMAND_EXITED);
    assert_string_equal(seen.output, "started");
    command_runner_free(runner);
}

static void secrets_do_not_go_along(void **state)
{
    struct lb_pair pair = { LB_STR("PLAYBOOK"), LB_STR("a b") };
    struct lb_pairs pairs = { &pair, 1 };
    struct command_runner *runner = command_runner_new(1, &pairs, note);

    (void)state;
    setenv("SLACK_URL", "hunter2", 1);
    int fd = open("/dev/null", O_RDONLY); /* without O_CLOEXEC: it must not go along either */
    struct seen seen = run(runner, "env; ls /proc/self/fd | tr '\\n' ' '", "", LB_STR(""), 30 * LB_SECOND);
    close(fd);
    assert_null(strstr(seen.output, "hunter2"));
    assert_non_null(strstr(seen.output, "PLAYBOOK=a b"));
    assert_non_null(strstr(seen.output, "PATH=/"));
    assert_non_null(strstr(seen.output, "0 1 2 3")); /* 3 is that of ls itself */
    assert_null(strstr(seen.output, "0 1 2 3 4"));
    command_runner_free(runner);
}

static void what_cannot_be_started_is_told_at_once(void **state)
{
    struct command_runner *runner = command_runner_new(1, &no_variables, note);
    struct seen seen = { 0 };
    char *argv[] = { (char *)(uintptr_t) "/nonexistent/program", NULL };
    const struct command_job job = { argv, LB_STR(""), LB_SECOND, &seen };

    (void)state;
    command_runner_start(runner, &job);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.end, COMMAND_NOT_STARTED);
    assert_int_equal(seen.code, ENOENT);
    assert_true(command_runner_idle(runner));
    command_runner_free(runner);
}

static void several_run_at_once_and_a_loop_can_watch(void **state)
{
    struct command_runner *runner = command_runner_new(3, &no_variables, note);
    struct seen seen[3] = { 0 };
    char *argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t) "sleep 0.2; echo $$",
                     NULL };
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;

    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct command_job job = { argv, LB_STR("x"), 30 * LB_SECOND, &seen[i] };

        assert_false(command_runner_full(runner));
        command_runner_start(runner, &job);
    }
    assert_true(command_runner_full(runner));
    while (!command_runner_idle(runner)) {
        struct pollfd fd = { command_runner_fd(runner), POLLIN, 0 };

        assert_true(lb_clock_monotonic() < deadline);
        assert_true(poll(&fd, 1, 30000) == 1);
        command_runner_step(runner, 0);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen[i].count, 1);
    command_runner_free(runner);
}

static void what_runs_ends_with_the_runner(void **state)
{
    struct command_runner *runner = command_runner_new(2, &no_variables, note);
    struct seen seen = { 0 };
    char *argv[] = { (char *)(uintptr_t) "/bin/sleep", (char *)(uintptr_t) "600", NULL };
    const struct command_job job = { argv, LB_STR(""), 600 * LB_SECOND, &seen };

    (void)state;
    command_runner_start(runner, &job);
    command_runner_free(runner);
    assert_int_equal(seen.count, 0);
}

static void so_many_in_any_span(void **state)
{
    static const char *const bad[] = { "3", "3/", "/h", "0/h", "3/w", "3h", "x/h", "3/h ", "1001/h", "99999999999/h" };
    struct command_rate rate = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(command_rate_read(&rate, lb_str_from(bad[i])));
    assert_true(command_rate_read(&rate, LB_STR("")));
    for (int i = 0; i < 100; i++)
        assert_true(command_rate_take(&rate, 0));
    assert_true(command_rate_read(&rate, LB_STR("3/m")));
    assert_true(command_rate_take(&rate, LB_SECOND));
    assert_true(command_rate_take(&rate, 2 * LB_SECOND));
    assert_true(command_rate_take(&rate, 50 * LB_SECOND));
    assert_false(command_rate_take(&rate, 60 * LB_SECOND));
    assert_true(command_rate_take(&rate, 61 * LB_SECOND));
    assert_false(command_rate_take(&rate, 61 * LB_SECOND));
    assert_true(command_rate_take(&rate, 62 * LB_SECOND));
    assert_false(command_rate_take(&rate, 109 * LB_SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_its_arguments_and_its_input),
        cmocka_unit_test(output_is_bounded_and_one_line),
        cmocka_unit_test(past_its_time_the_whole_group_is_ended),
        cmocka_unit_test(one_in_the_background_does_not_hold_up_the_end),
        cmocka_unit_test(secrets_do_not_go_along),
        cmocka_unit_test(what_cannot_be_started_is_told_at_once),
        cmocka_unit_test(several_run_at_once_and_a_loop_can_watch),
        cmocka_unit_test(what_runs_ends_with_the_runner),
        cmocka_unit_test(so_many_in_any_span),
    };

    return cmocka_run_group_tests_name("sinks/command_run", tests, NULL, NULL);
}
