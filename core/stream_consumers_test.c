/* stream_consumers_test.c - consumers come and go while streams are read. */
#include "stream_test.h"

#include "stream_consumers.c"

static void a_new_one_begins_where_the_streams_have_been_handed_on(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "a");
    uint32_t number;

    deliver(run, stream, 10);
    commit(run, 0);
    commit(run, 1);
    assert_int_equal(lb_streams_add(run->streams, LB_STR("fresh"), &number), LB_OK);
    assert_int_equal(number, 3);
    assert_int_equal(lb_stream_mark(stream, number), 10);
    /* On its way to the others, routed before the new one was there. */
    struct lb_token *late = lb_token_issue(stream, 0, 25, false);
    lb_streams_begin_consumer(run->streams, number);
    assert_int_equal(lb_stream_mark(stream, number), 25);
    assert_int_equal(lb_stream_mark(stream, 0), 10);
    struct lb_token *own = lb_token_issue(stream, number, 30, false);
    lb_token_done(late, LB_DELIVERED, NULL);
    lb_token_done(own, LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, number), 30);
    lb_stream_unref(stream);
}

static void a_known_stream_that_is_opened_later_has_the_highest_mark_for_it(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "a");
    uint64_t id = stream->id;
    uint32_t number;

    lb_token_done(lb_token_issue(stream, 0, 7, false), LB_DELIVERED, NULL);
    commit(run, 0);
    lb_stream_unref(stream);
    commit(run, 0); /* it has left the registry */
    assert_int_equal(lb_streams_add(run->streams, LB_STR("fresh"), &number), LB_OK);
    stream = open_stream(run, id, "a");
    assert_int_equal(lb_stream_mark(stream, number), 7);
    assert_int_equal(stream->resume, 0); /* "bus" had nothing yet */
    lb_stream_unref(stream);
}

static const char *const three_sinks[] = { "archive", "bus", "fresh", "alerts", NULL };

/* The stream goes on to the next run; the new consumer has had nothing of what another has, and must get it then. */
static void expect_nothing_is_missed(struct run *run, struct lb_stream *stream, uint32_t number)
{
    uint64_t id = stream->id;

    lb_streams_begin_consumer(run->streams, number);
    lb_token_done(lb_token_issue(stream, 0, 10, false), LB_DELIVERED, NULL);
    assert_non_null(lb_token_issue(stream, number, 10, false)); /* on its way when the process is killed */
    commit(run, 0);
    stop(run);
    start(run, three_sinks);
    stream = open_stream(run, id, "a");
    assert_int_equal(lb_stream_mark(stream, 0), 10);
    assert_int_equal(lb_stream_mark(stream, 2), 0);
    lb_stream_unref(stream);
}

static void one_that_comes_while_many_are_opened_has_a_mark_in_each(void **state)
{
    struct run *run = *state;
    uint32_t number;

    lb_streams_begin(run->streams);
    struct lb_stream *stream = open_stream(run, 0, "a");
    assert_int_equal(lb_streams_add(run->streams, LB_STR("fresh"), &number), LB_OK);
    assert_int_equal(lb_streams_end(run->streams), LB_OK);
    expect_nothing_is_missed(run, stream, number);
}

static void one_that_goes_takes_its_marks_and_tokens_along(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "a");
    char expected[256];
    uint64_t id = stream->id;

    deliver(run, stream, 10);
    assert_non_null(lb_token_issue(stream, 1, 20, false)); /* never done */
    assert_non_null(lb_token_issue(stream, 1, 30, false));
    commit(run, 0);
    commit(run, 1);
    assert_int_equal(lb_streams_outstanding(run->streams, 1), 2);
    lb_streams_remove(run->streams, 1);
    assert_int_equal(lb_streams_outstanding(run->streams, 1), 0);
    assert_int_equal(lb_streams_outstanding(run->streams, UINT32_MAX), 0);
    snprintf(expected, sizeof(expected), "mark/alerts/%016llx 10;mark/archive/%016llx 10;stream/%016llx app\na;",
             (unsigned long long)id, (unsigned long long)id, (unsigned long long)id);
    expect_ledger(run, expected);
    assert_int_equal(stream->references, 1);
    lb_stream_unref(stream);
}

static void a_number_is_used_again_and_starts_anew(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "a");

    deliver(run, stream, 10);
    for (int i = 0; i < 200; i++) {
        uint32_t number;

        assert_int_equal(lb_streams_add(run->streams, i % 2 ? LB_STR("x") : LB_STR("y"), &number), LB_OK);
        assert_int_equal(number, 3);
        lb_streams_begin_consumer(run->streams, number);
        assert_int_equal(lb_stream_mark(stream, number), 10);
        assert_non_null(lb_token_issue(stream, number, 20, false));
        lb_streams_remove(run->streams, number);
    }
    lb_stream_unref(stream);
}

static void when_the_one_that_carries_goes_another_does(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "a");
    uint64_t id = stream->id;
    char expected[256];

    deliver(run, stream, 10);
    lb_stream_identify(stream, LB_STR("b"));
    lb_streams_remove(run->streams, 0);
    commit(run, 1);
    snprintf(expected, sizeof(expected), "mark/alerts/%016llx 10;mark/bus/%016llx 10;stream/%016llx app\nb;",
             (unsigned long long)id, (unsigned long long)id, (unsigned long long)id);
    expect_ledger(run, expected);
    lb_stream_unref(stream);
}

static void there_is_a_most_of_them(void **state)
{
    struct run *run = *state;
    char name[16];
    uint32_t number;

    for (uint32_t i = 3; i < LB_CONSUMERS_MAX; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        assert_int_equal(lb_streams_add(run->streams, lb_str_from(name), &number), LB_OK);
    }
    assert_int_equal(lb_streams_add(run->streams, LB_STR("more"), &number), LB_LIMIT);
    lb_streams_remove(run->streams, 5);
    assert_int_equal(lb_streams_add(run->streams, LB_STR("more"), &number), LB_OK);
    assert_int_equal(number, 5);
}

static void without_memory_nobody_is_added(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "a");
    uint32_t number;

    for (int n = 1;; n++) {
        atomic_store(&lb_alloc_fail_at, n);
        enum lb_err err = lb_streams_add(run->streams, LB_STR("fresh"), &number);
        bool failed = atomic_load(&lb_alloc_fail_at) == 0;
        atomic_store(&lb_alloc_fail_at, 0);
        if (err == LB_OK)
            break;
        assert_true(failed || n < 40);
        deliver(run, stream, (uint64_t)n);
    }
    lb_stream_unref(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_new_one_begins_where_the_streams_have_been_handed_on),
        STREAM_TEST(a_known_stream_that_is_opened_later_has_the_highest_mark_for_it),
        STREAM_TEST(one_that_comes_while_many_are_opened_has_a_mark_in_each),
        STREAM_TEST(one_that_goes_takes_its_marks_and_tokens_along),
        STREAM_TEST(a_number_is_used_again_and_starts_anew),
        STREAM_TEST(when_the_one_that_carries_goes_another_does),
        STREAM_TEST(there_is_a_most_of_them),
        STREAM_TEST(without_memory_nobody_is_added),
    };

    return cmocka_run_group_tests_name("core/stream_consumers", tests, NULL, NULL);
}
