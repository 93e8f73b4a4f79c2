/* mark_test.c - tokens done in any order, and the marks that follow. */
#include "stream_test.h"

#include "mark.c"

static void the_mark_moves_over_what_is_done_without_a_gap(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = lb_stream_new(run->streams, &run->source);
    struct lb_token *tokens[4];

    for (unsigned i = 0; i < 4; i++)
        tokens[i] = lb_token_issue(stream, 0, 10 * (i + 1), false);
    assert_int_equal(lb_streams_outstanding(run->streams, 0), 4);
    lb_token_done(tokens[1], LB_DELIVERED, NULL);
    lb_token_done(tokens[3], LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 0), 0);
    lb_token_done(tokens[0], LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 0), 20);
    assert_int_equal(lb_streams_outstanding(run->streams, 0), 1);
    lb_token_done(tokens[2], LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 0), 40);
    assert_int_equal(lb_stream_mark(stream, 1), 0);
    assert_int_equal(lb_streams_outstanding(run->streams, UINT32_MAX), 0);
    lb_stream_unref(stream);
}

static void what_goes_to_nobody_moves_the_mark_when_its_turn_comes(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = lb_stream_new(run->streams, &run->source);

    assert_null(lb_token_issue(stream, 0, 10, true));
    assert_int_equal(lb_stream_mark(stream, 0), 10);
    struct lb_token *first = lb_token_issue(stream, 0, 20, false);
    assert_null(lb_token_issue(stream, 0, 30, true));
    struct lb_token *second = lb_token_issue(stream, 0, 40, false);
    assert_null(lb_token_issue(stream, 0, 50, true));
    lb_token_done(second, LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 0), 10);
    assert_null(lb_token_issue(stream, 0, 60, true));
    lb_token_done(first, LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 0), 60);
    lb_stream_unref(stream);
}

static void a_token_held_by_many_is_done_with_the_last(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = lb_stream_new(run->streams, &run->source);
    struct lb_token *token = lb_token_issue(stream, 1, 10, false);

    lb_token_hold(token, 2);
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_token_done(token, LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 1), 0);
    lb_token_done(token, LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 1), 10);
    lb_stream_unref(stream);
}

static void the_worst_outcome_of_its_pieces_counts_once(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = lb_stream_new(run->streams, &run->source);
    struct lb_token *token = lb_token_issue(stream, 1, 10, false);

    lb_token_hold(token, 3);
    lb_token_done(token, LB_DEAD_LETTERED, "too large");
    lb_token_done(token, LB_REFUSED, "no such topic");
    lb_token_done(token, LB_DEAD_LETTERED, NULL);
    lb_token_done(token, LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 1), 10);
    assert_int_equal(run->streams->refused_batches[1]->value, 1);
    assert_int_equal(run->streams->dead_letter_batches[1]->value, 0);
    assert_int_equal(run->streams->refused_batches[0]->value, 0);
    lb_stream_unref(stream);
}

static void a_mark_never_goes_back(void **state)
{
    struct run *run = *state;

    put_fact(run, "stream/00000000000000aa", "app\nx");
    put_fact(run, "mark/archive/00000000000000aa", "100");
    struct lb_stream *stream = open_stream(run, 0xaa, "x");
    lb_token_done(lb_token_issue(stream, 0, 40, false), LB_DELIVERED, NULL);
    lb_token_issue(stream, 0, 80, true);
    assert_int_equal(lb_stream_mark(stream, 0), 100);
    commit(run, 0);
    expect_ledger(run, "mark/archive/00000000000000aa 100;stream/00000000000000aa app\nx;");
    lb_stream_unref(stream);
}

static void only_marks_that_moved_are_collected(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");

    lb_streams_collect(run->streams, 1, &run->txn);
    assert_int_equal(run->txn.count, 0);
    deliver(run, stream, 10);
    lb_streams_collect(run->streams, 1, &run->txn);
    assert_int_equal(run->txn.count, 1);
    assert_int_equal(lb_ledger_commit(run->ledger, &run->txn), LB_OK);
    lb_streams_collect(run->streams, 1, &run->txn);
    assert_int_equal(run->txn.count, 0);
    lb_streams_collect(run->streams, 0, &run->txn);
    assert_int_equal(run->txn.count, 2); /* and the engine's */
    assert_int_equal(lb_ledger_commit(run->ledger, &run->txn), LB_OK);
    lb_stream_unref(stream);
}

static void after_a_failed_commit_the_marks_are_collected_again(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");

    deliver(run, stream, 10);
    for (unsigned i = 0; i < 3; i++) {
        lb_streams_collect(run->streams, 1, &run->txn);
        assert_int_equal(run->txn.count, 1);
        lb_ledger_txn_free(&run->txn);
        lb_streams_collect_failed(run->streams, 1);
    }
    commit(run, 1);
    lb_streams_collect(run->streams, 1, &run->txn);
    assert_int_equal(run->txn.count, 0);
    lb_stream_unref(stream);
}

/* The carrier commits what is newer, while the other consumer is about to commit what it has collected. */
static void *commit_of_the_carrier(void *context)
{
    struct run *run = context;
    struct lb_ledger_txn txn;

    lb_ledger_txn_init(&txn);
    assert_int_equal(lb_streams_commit(run->streams, 0, &txn, NULL, NULL), LB_OK);
    lb_ledger_txn_free(&txn);
    return NULL;
}

struct meanwhile {
    struct run *run;
    struct lb_stream *stream;
    pthread_t carrier;
    bool forgets;
};

/* It must not get done before the one that collected first. Where it could, it is long before this time is over. */
static void begin_another_commit(void *context, struct lb_ledger_txn *txn)
{
    struct meanwhile *meanwhile = context;
    struct timespec until;

    assert_true(txn->count > 0);
    if (meanwhile->forgets)
        lb_stream_forget(meanwhile->stream);
    else
        lb_stream_identify(meanwhile->stream, LB_STR("new"));
    assert_int_equal(pthread_create(&meanwhile->carrier, NULL, commit_of_the_carrier, meanwhile->run), 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    assert_int_equal(pthread_timedjoin_np(meanwhile->carrier, NULL, &until), ETIMEDOUT);
}

static void expect_stream(struct run *run, const struct lb_stream *stream, bool forgotten)
{
    char expected[300] = "";

    if (!forgotten)
        snprintf(expected, sizeof(expected),
                 "mark/alerts/%016" PRIx64 " 10;mark/archive/%016" PRIx64 " 10;mark/bus/%016" PRIx64 " 10;"
                 "stream/%016" PRIx64 " app\nnew;",
                 stream->id, stream->id, stream->id, stream->id);
    expect_ledger(run, expected);
}

static void what_was_collected_first_is_committed_first(void **state)
{
    struct run *run = *state;

    for (unsigned i = 0; i < 2; i++) {
        struct meanwhile meanwhile = { .run = run, .stream = open_stream(run, 0, "first"), .forgets = i == 1 };

        lb_stream_identify(meanwhile.stream, LB_STR("old"));
        deliver(run, meanwhile.stream, 10);
        assert_int_equal(lb_streams_commit(run->streams, 1, &run->txn, begin_another_commit, &meanwhile), LB_OK);
        pthread_join(meanwhile.carrier, NULL);
        expect_stream(run, meanwhile.stream, meanwhile.forgets);
        lb_stream_forget(meanwhile.stream);
        commit(run, 0);
        lb_stream_unref(meanwhile.stream);
    }
}

static void a_steady_state_takes_no_tokens_from_the_heap(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");
    struct lb_token *tokens[100];
    long before = 0;

    for (uint64_t round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 100; i++)
            tokens[i] = lb_token_issue(stream, 0, round * 100 + i + 1, false);
        for (unsigned i = 100; i-- > 0;)
            lb_token_done(tokens[i], LB_DELIVERED, NULL);
        before = round == 0 ? lb_alloc_count : before;
    }
    assert_int_equal(lb_alloc_count, before);
    assert_int_equal(lb_stream_mark(stream, 0), 5000);
    lb_stream_unref(stream);
}

static void where_memory_for_a_token_was_missing_the_mark_stops(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");
    struct lb_token *tokens[TOKENS_PER_BLOCK];

    for (unsigned i = 0; i < TOKENS_PER_BLOCK; i++)
        tokens[i] = lb_token_issue(stream, 0, 10 * (i + 1), false);
    lb_alloc_fail_at = 1;
    assert_null(lb_token_issue(stream, 0, 10000, false));
    lb_alloc_fail_at = 0;
    for (unsigned i = 0; i < TOKENS_PER_BLOCK; i++)
        lb_token_done(tokens[i], LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 0), 10 * TOKENS_PER_BLOCK);
    lb_token_done(lb_token_issue(stream, 0, 20000, false), LB_DELIVERED, NULL);
    lb_token_issue(stream, 0, 30000, true);
    assert_int_equal(lb_stream_mark(stream, 0), 10 * TOKENS_PER_BLOCK);
    lb_token_done(lb_token_issue(stream, 1, 20000, false), LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 1), 20000);
    lb_stream_unref(stream);
}

static void a_moved_token_is_done_where_it_was_and_waits_where_it_is(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = lb_stream_new(run->streams, &run->source);
    struct lb_stream *spool = lb_stream_new(run->streams, NULL);
    struct lb_token *tokens[4];

    for (unsigned i = 0; i < 4; i++)
        tokens[i] = lb_token_issue(stream, 0, 10 * (i + 1), false);
    /* The sink has a hold of the first; the delivery code lets its own go after the move. */
    lb_token_hold(tokens[0], 1);
    assert_false(lb_token_is_last(tokens[0]));
    assert_true(lb_token_move(tokens[1], spool, 1000));
    assert_int_equal(lb_stream_mark(stream, 0), 0);
    assert_true(lb_token_move(tokens[0], spool, 1100));
    assert_int_equal(lb_stream_mark(stream, 0), 20);
    assert_true(lb_token_move(tokens[3], spool, 1200));
    lb_token_done(tokens[0], LB_DELIVERED, NULL);
    assert_true(lb_token_is_last(tokens[0]));
    lb_token_done(tokens[2], LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 0), 40);
    assert_int_equal(lb_stream_mark(spool, 0), 0);
    assert_int_equal(lb_streams_outstanding(run->streams, 0), 3);
    lb_token_done(tokens[0], LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(spool, 0), 0);
    lb_token_done(tokens[1], LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(spool, 0), 1100);
    lb_token_done(tokens[3], LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(spool, 0), 1200);
    assert_int_equal(lb_streams_outstanding(run->streams, UINT32_MAX), 0);
    lb_stream_unref(stream);
    lb_stream_unref(spool);
}

static void a_move_without_memory_changes_nothing(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = lb_stream_new(run->streams, &run->source);
    struct lb_stream *spool = lb_stream_new(run->streams, NULL);
    struct lb_token *tokens[TOKENS_PER_BLOCK];

    for (unsigned i = 0; i < TOKENS_PER_BLOCK; i++)
        tokens[i] = lb_token_issue(stream, 0, i + 1, false);
    lb_alloc_fail_at = 1;
    assert_false(lb_token_move(tokens[0], spool, 7));
    lb_alloc_fail_at = 0;
    for (unsigned i = 0; i < TOKENS_PER_BLOCK; i++)
        lb_token_done(tokens[i], LB_DELIVERED, NULL);
    assert_int_equal(lb_stream_mark(stream, 0), TOKENS_PER_BLOCK);
    assert_int_equal(lb_stream_mark(spool, 0), 0);
    lb_stream_unref(stream);
    lb_stream_unref(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_moved_token_is_done_where_it_was_and_waits_where_it_is),
        STREAM_TEST(a_move_without_memory_changes_nothing),
        STREAM_TEST(the_mark_moves_over_what_is_done_without_a_gap),
        STREAM_TEST(what_goes_to_nobody_moves_the_mark_when_its_turn_comes),
        STREAM_TEST(a_token_held_by_many_is_done_with_the_last),
        STREAM_TEST(the_worst_outcome_of_its_pieces_counts_once),
        STREAM_TEST(a_mark_never_goes_back),
        STREAM_TEST(only_marks_that_moved_are_collected),
        STREAM_TEST(after_a_failed_commit_the_marks_are_collected_again),
        STREAM_TEST(what_was_collected_first_is_committed_first),
        STREAM_TEST(a_steady_state_takes_no_tokens_from_the_heap),
        STREAM_TEST(where_memory_for_a_token_was_missing_the_mark_stops),
    };

    return cmocka_run_group_tests_name("core/mark", tests, NULL, NULL);
}
