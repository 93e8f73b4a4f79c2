#include "sink_command.c"

#include "lb_conf.h"
#include "lb_rig.h"
#include "lb_test.h"
#include "lb_test_record.h"

#include <signal.h>

struct bench {
    struct rig rig;
    struct lb_sink *sink;
    struct sink_command *self;
    struct lb_str items[4];
    uint64_t told;
};

static char dir[64];
static char letters[96];
static char notes[96];

/* The program adds a line to `notes` for each call: its first argument. */
static void make_bench(struct bench *bench, const char *script, const char *argument)
{
    memset(bench, 0, sizeof(*bench));
    snprintf(dir, sizeof(dir), "/tmp/sink_command_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    rig_open(&bench->rig, dir);
    bench->sink = rig_sink(&bench->rig, &lb_sink_command, "fix");
    bench->self = bench->sink->state;
    assert_true(lb_options_defaults(options, bench->self, &bench->rig.arena));
    snprintf(letters, sizeof(letters), "%s/letters.jsonl", dir);
    snprintf(notes, sizeof(notes), "%s/notes", dir);
    bench->sink->options.dead_letter = lb_str_from(letters);
    rig_open_stream(&bench->rig);
    bench->items[0] = LB_STR("/bin/sh");
    bench->items[1] = LB_STR("-c");
    bench->items[2] = lb_str_from(script);
    bench->items[3] = lb_str_from(argument);
    bench->self->command = (struct lb_strs){ bench->items, 4 };
    bench->self->retry = (struct retry){ LB_MILLISECOND, 4 * LB_MILLISECOND };
}

static void open_bench(struct bench *bench)
{
    static struct lb_pair pair;

    pair = (struct lb_pair){ LB_STR("NOTES"), lb_str_from(notes) };
    bench->self->environment = (struct lb_pairs){ &pair, 1 };
    assert_int_equal(open_sink(bench->sink, &bench->rig.diag), LB_OK);
}

static void close_bench(struct bench *bench)
{
    char command[128];

    close_sink(bench->sink);
    rig_close(&bench->rig);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

/* As the delivery code does; with `fail_at` that allocation fails. Returns how often it had to come again. */
static unsigned push_failing(struct bench *bench, uint32_t count, long fail_at)
{
    struct rig_batch *batch = rig_batch(&bench->rig, bench->told, count);
    struct lb_token *token = lb_token_issue(bench->rig.stream, 0, bench->told += count, false);
    unsigned again = 0;

    lb_alloc_fail_at = fail_at;
    while (write_batch(bench->sink, &batch->batch, &batch->selection, token) != LB_OK) {
        lb_alloc_fail_at = 0;
        assert_true(++again < 1000);
    }
    lb_alloc_fail_at = 0;
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_batch_unref(&batch->batch);
    return again;
}

static void push(struct bench *bench, uint32_t count)
{
    push_failing(bench, count, 0);
}

static void run_out(struct bench *bench)
{
    drain(bench->sink, lb_clock_monotonic() + 60 * LB_SECOND);
    assert_null(bench->self->first);
}

static uint64_t mark(struct bench *bench)
{
    lb_dead_letters_flush(bench->sink, lb_clock_monotonic() + 20 * LB_SECOND);
    return lb_stream_mark(bench->rig.stream, 0);
}

static const char *read_file(const char *path)
{
    static char text[65536];
    FILE *in = fopen(path, "re");
    size_t len = in != NULL ? fread(text, 1, sizeof(text) - 1, in) : 0;

    if (in != NULL)
        fclose(in);
    text[len] = '\0';
    return text;
}

static void records_are_run_in_order_and_one_after_the_other(void **state)
{
    struct bench bench;
    char expected[512] = "";

    (void)state;
    make_bench(&bench, "test ! -e $NOTES.lock && : >$NOTES.lock && echo $0 >>$NOTES && rm $NOTES.lock", "{message}");
    open_bench(&bench);
    push(&bench, 40); /* more than wait at once */
    run_out(&bench);
    for (int i = 0; i < 40; i++)
        sprintf(expected + strlen(expected), "%d\n", i);
    assert_string_equal(read_file(notes), expected);
    assert_int_equal(mark(&bench), 40);
    assert_string_equal(read_file(letters), "");
    close_bench(&bench);
}

static void one_that_cannot_now_is_run_again_before_the_others(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, "echo $0 >>$NOTES; test $(grep -c ^1 $NOTES) -ne 1 -o $0 -ne 1 || exit 75", "{message}");
    open_bench(&bench);
    push(&bench, 3);
    run_out(&bench);
    assert_string_equal(read_file(notes), "0\n1\n1\n2\n");
    assert_int_equal(mark(&bench), 3);
    close_bench(&bench);
}

static void one_that_fails_is_a_dead_letter(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, "echo no >&2; test $0 -ne 1", "{message}");
    open_bench(&bench);
    push(&bench, 3);
    run_out(&bench);
    assert_int_equal(mark(&bench), 3);
    const char *text = read_file(letters);
    assert_non_null(strstr(text, "\"kind\":\"exit\""));
    assert_non_null(strstr(text, "/bin/sh: exit 1: no"));
    assert_non_null(strstr(text, "\"message\":\"1\""));
    assert_null(strstr(text, "\"message\":\"2\""));
    close_bench(&bench);
}

static void without_memory_it_waits_and_runs_once(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (long n = 1; n < 16; n++) {
        struct bench bench;

        make_bench(&bench, "echo $0 >>$NOTES", "{message}");
        open_bench(&bench);
        failed += push_failing(&bench, 3, n) > 0;
        run_out(&bench);
        assert_string_equal(read_file(notes), "0\n1\n2\n");
        assert_int_equal(mark(&bench), 3);
        close_bench(&bench);
    }
    assert_in_range(failed, 5, 15);
}

static void what_still_runs_at_the_end_stays_held(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, "sleep 600", "x");
    open_bench(&bench);
    push(&bench, 2);
    drain(bench.sink, lb_clock_monotonic() + 100 * LB_MILLISECOND);
    assert_int_equal(bench.self->job_count, 2);
    assert_int_equal(mark(&bench), 0);
    close_bench(&bench); /* kills it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_run_in_order_and_one_after_the_other),
        cmocka_unit_test(one_that_cannot_now_is_run_again_before_the_others),
        cmocka_unit_test(one_that_fails_is_a_dead_letter),
        cmocka_unit_test(without_memory_it_waits_and_runs_once),
        cmocka_unit_test(what_still_runs_at_the_end_stays_held),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_command", tests, NULL, NULL);
}
