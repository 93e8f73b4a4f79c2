/*
 * stream_test.h - a run of streams on a ledger in /tmp, which can be restarted,
 * for the tests of stream.c, stream_known.c and mark.c.
 */
#ifndef LB_CORE_STREAM_TEST_H
#define LB_CORE_STREAM_TEST_H

#include "lb_test.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_source.h"
#include "stream.h"

#include <unistd.h>

enum { TEST_CONSUMERS_MAX = 4 };

struct run {
    char path[64];
    struct lb_source source;
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_ledger_txn txn;
    struct lb_buffer text;
};

/* Starts with these consumers; the names end with NULL. */
static void start(struct run *run, const char *const *names)
{
    struct lb_str items[TEST_CONSUMERS_MAX];
    struct lb_strs consumers = { items, 0 };

    for (; names[consumers.count] != NULL; consumers.count++)
        items[consumers.count] = lb_str_from(names[consumers.count]);
    assert_int_equal(lb_ledger_open(&run->ledger, run->path), LB_OK);
    run->streams = lb_streams_new(run->ledger, &consumers);
    assert_non_null(run->streams);
}

/* As a crash does: what was not committed is gone. */
static void stop(struct run *run)
{
    lb_streams_free(run->streams);
    lb_ledger_close(run->ledger);
    lb_ledger_txn_free(&run->txn);
}

static const char *const two_sinks[] = { "archive", "bus", "alerts", NULL };

static int set_up(void **state)
{
    struct run *run = calloc(1, sizeof(*run));
    static const char template[] = "/tmp/stream_test.XXXXXX";

    memcpy(run->path, template, sizeof(template));
    int fd = mkstemp(run->path);
    assert_true(fd >= 0);
    close(fd);
    run->source.section.name = LB_STR("app");
    lb_ledger_txn_init(&run->txn);
    lb_buffer_init(&run->text, 64 * 1024);
    lb_log_level = LB_LEVEL_EMERGENCY;
    start(run, two_sinks);
    *state = run;
    return 0;
}

static int tear_down(void **state)
{
    struct run *run = *state;

    stop(run);
    lb_buffer_free(&run->text);
    unlink(run->path);
    lb_metrics_free_all();
    free(run);
    return 0;
}

static inline struct lb_stream *open_stream(struct run *run, uint64_t id, const char *identity)
{
    struct lb_stream *stream = NULL;

    assert_int_equal(lb_stream_open(run->streams, &run->source, id, lb_str_from(identity), &stream), LB_OK);
    return stream;
}

/* One batch up to `end`, delivered to every consumer. */
static inline void deliver(struct run *run, struct lb_stream *stream, uint64_t end)
{
    for (uint32_t i = 0; i < run->streams->consumer_count; i++)
        lb_token_done(lb_token_issue(stream, i, end, false), LB_DELIVERED, NULL);
}

static inline void commit(struct run *run, uint32_t consumer)
{
    lb_streams_collect(run->streams, consumer, &run->txn);
    assert_int_equal(lb_ledger_commit(run->ledger, &run->txn), LB_OK);
}

static void append_fact(void *context, struct lb_str key, struct lb_str value)
{
    struct lb_buffer *out = context;

    lb_buffer_print(out, LB_STR_FMT " " LB_STR_FMT ";", LB_STR_ARG(key), LB_STR_ARG(value));
}

/* All that the ledger has: "key value;" each. */
static inline void expect_ledger(struct run *run, const char *expected)
{
    lb_buffer_reset(&run->text);
    lb_ledger_each(run->ledger, LB_STR(""), append_fact, &run->text);
    assert_text(lb_buffer_str(&run->text), expected);
}

/* Writes facts as an earlier run could have left them. */
static inline void put_fact(struct run *run, const char *key, const char *value)
{
    lb_ledger_put(&run->txn, lb_str_from(key), lb_str_from(value));
    assert_int_equal(lb_ledger_commit(run->ledger, &run->txn), LB_OK);
}

#define STREAM_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
