#include "sink_syslog.c"

#include "lb_conf.h"
#include "lb_receiver.h"
#include "lb_rig.h"
#include "lb_test.h"

#include <signal.h>

struct bench {
    struct rig rig;
    struct lb_sink *sink;
    struct sink_syslog *self;
    int listener;
    char address[64];
    uint64_t told;
};

static char dir[64];

/* Towards a port where somebody listens (receiver_listen) or nobody does (receiver_bind). */
static void open_bench_at(struct bench *bench, int (*take_port)(uint16_t *port))
{
    uint16_t port;

    memset(bench, 0, sizeof(*bench));
    snprintf(dir, sizeof(dir), "/tmp/sink_syslog_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    rig_open(&bench->rig, dir);
    bench->sink = rig_sink(&bench->rig, &lb_sink_syslog, "remote");
    bench->self = bench->sink->state;
    assert_true(lb_options_defaults(options, bench->self, &bench->rig.arena));
    rig_open_stream(&bench->rig);
    bench->listener = take_port(&port);
    snprintf(bench->address, sizeof(bench->address), "tcp://127.0.0.1:%u", port);
    bench->self->address = lb_str_from(bench->address);
    bench->self->retry = (struct retry){ LB_MILLISECOND, LB_MILLISECOND };
    assert_int_equal(open_sink(bench->sink, &bench->rig.diag), LB_OK);
}

static void open_bench(struct bench *bench)
{
    open_bench_at(bench, receiver_listen);
}

static void close_bench(struct bench *bench)
{
    char command[128];

    close_sink(bench->sink);
    close(bench->listener);
    rig_close(&bench->rig);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

/* As the delivery code does; with `fail_at` that allocation fails. Returns how often it had to come again. */
static unsigned push(struct bench *bench, uint32_t count, long fail_at)
{
    struct rig_batch *batch = rig_batch(&bench->rig, bench->told, count);
    struct lb_token *token = lb_token_issue(bench->rig.stream, 0, bench->told += count, false);
    unsigned again = 0;

    lb_alloc_fail_at = fail_at;
    while (write_batch(bench->sink, &batch->batch, &batch->selection, token) != LB_OK) {
        lb_alloc_fail_at = 0;
        assert_true(++again < 100);
    }
    lb_alloc_fail_at = 0;
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_batch_unref(&batch->batch);
    return again;
}

/* The texts of the next messages, each with a blank behind it. */
static void read_messages(int fd, unsigned count, char *texts)
{
    texts[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        char bytes[512] = "";
        size_t len = 0;

        while (len == 0 || bytes[len - 1] != ' ')
            assert_int_equal(recv(fd, bytes + len++, 1, 0), 1);
        len = strtoul(bytes, NULL, 10);
        assert_in_range(len, 20, sizeof(bytes) - 1);
        assert_int_equal(recv(fd, bytes, len, MSG_WAITALL), len);
        bytes[len] = '\0';
        assert_memory_equal(bytes, "<1", 2);
        strcat(strcat(texts, strrchr(bytes, ' ') + 1), " ");
    }
}

static void run_until(struct bench *bench, uint64_t mark)
{
    int64_t deadline = lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND;

    while (lb_stream_mark(bench->rig.stream, 0) < mark) {
        assert_true(lb_clock_monotonic() < deadline);
        step(bench->sink);
    }
}

static void messages_are_delivered_when_they_are_confirmed(void **state)
{
    struct bench bench;
    char texts[512];

    (void)state;
    open_bench(&bench);
    push(&bench, 5, 0);
    assert_int_equal(lb_stream_mark(bench.rig.stream, 0), 0); /* nothing has left */
    run_until(&bench, 5);
    assert_null(bench.self->first);
    assert_int_equal(bench.self->bytes, 0);
    int fd = accept(bench.listener, NULL, NULL);
    read_messages(fd, 5, texts);
    assert_string_equal(texts, "0 1 2 3 4 ");
    close(fd);
    close_bench(&bench);
}

static void what_was_not_confirmed_goes_over_the_next_connection(void **state)
{
    struct bench bench;
    char texts[512];

    (void)state;
    open_bench(&bench);
    push(&bench, 2, 0);
    run_until(&bench, 2);
    int first = accept(bench.listener, NULL, NULL);
    read_messages(first, 2, texts);
    close(first);
    push(&bench, 3, 0);
    run_until(&bench, 5);
    int second = accept(bench.listener, NULL, NULL);
    read_messages(second, 3, texts);
    assert_string_equal(texts, "2 3 4 ");
    close(second);
    close_bench(&bench);
}

static void nobody_there_keeps_them(void **state)
{
    struct bench bench;

    (void)state;
    open_bench_at(&bench, receiver_bind);
    push(&bench, 3, 0);
    int64_t deadline = lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND;
    while (bench.self->link.error[0] == '\0') {
        assert_true(lb_clock_monotonic() < deadline);
        step(bench.sink);
    }
    drain(bench.sink, lb_clock_monotonic() + 100 * LB_MILLISECOND);
    assert_int_equal(lb_stream_mark(bench.rig.stream, 0), 0);
    assert_non_null(bench.self->first);
    assert_non_null(strstr(bench.self->link.error, "cannot connect: Connection refused"));
    close_bench(&bench);
}

static void without_memory_it_waits_and_sends_once(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (long n = 1; n < 12; n++) {
        struct bench bench;
        char texts[512];

        open_bench(&bench);
        failed += push(&bench, 3, n) > 0;
        run_until(&bench, 3);
        int fd = accept(bench.listener, NULL, NULL);
        read_messages(fd, 3, texts);
        assert_string_equal(texts, "0 1 2 ");
        close(fd);
        close_bench(&bench);
    }
    assert_in_range(failed, 3, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_delivered_when_they_are_confirmed),
        cmocka_unit_test(what_was_not_confirmed_goes_over_the_next_connection),
        cmocka_unit_test(nobody_there_keeps_them),
        cmocka_unit_test(without_memory_it_waits_and_sends_once),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_syslog", tests, NULL, NULL);
}
