/* stream_test.c - opening, ending, opening again, and what is in the ledger meanwhile. */
#include "stream_test.h"

static void load_marks_slowly(struct lb_streams *streams, struct lb_stream_entry *entry);
#define lb_stream_load_marks load_marks_slowly
static enum lb_err commit_and_meanwhile(struct lb_ledger *ledger, struct lb_ledger_txn *txn);
#define lb_ledger_commit commit_and_meanwhile
#include "stream.c"
#undef lb_stream_load_marks
#undef lb_ledger_commit

#include <errno.h>
#include <inttypes.h>

static size_t count_streams(const struct run *run)
{
    size_t count = 0;

    for (unsigned i = 0; i < LB_STREAM_BUCKETS; i++) {
        for (const struct lb_stream *stream = run->streams->buckets[i]; stream != NULL; stream = stream->next)
            count++;
    }
    return count;
}

static void a_new_stream_is_in_the_ledger_with_a_mark_for_each_consumer(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "inode 7");
    char expected[300];

    assert_int_not_equal(stream->id, 0);
    assert_true(stream->durable);
    assert_int_equal(stream->resume + stream->resume_until, 0);
    assert_ptr_equal(stream->source, &run->source);
    snprintf(expected, sizeof(expected),
             "mark/alerts/%016" PRIx64 " 0;mark/archive/%016" PRIx64 " 0;mark/bus/%016" PRIx64 " 0;"
             "stream/%016" PRIx64 " app\ninode 7;",
             stream->id, stream->id, stream->id, stream->id);
    expect_ledger(run, expected);
    lb_stream_unref(stream);
    assert_int_equal(count_streams(run), 0);
}

/* What happens while the marks of a stream are on their way from the ledger. */
static struct run *slow_run;
static uint32_t slow_consumer = UINT32_MAX;
static unsigned loads;

static void load_marks_slowly(struct lb_streams *streams, struct lb_stream_entry *entry)
{
    loads++;
    lb_stream_load_marks(streams, entry);
    if (slow_run == NULL)
        return;
    commit(slow_run, slow_consumer); /* what a consumer has done before becomes durable, */
    commit(slow_run, slow_consumer); /* and the next commit lets the ended stream go */
    slow_run = NULL;
}

/* What another thread does while a new stream is on its way into the ledger. */
static struct run *busy_run;
static pthread_t meanwhile;

static void *add_a_consumer(void *context)
{
    struct run *run = context;
    uint32_t number;

    assert_int_equal(lb_streams_add(run->streams, LB_STR("fresh"), &number), LB_OK);
    return NULL;
}

static enum lb_err commit_and_meanwhile(struct lb_ledger *ledger, struct lb_ledger_txn *txn)
{
    struct timespec until;

    if (busy_run != NULL) {
        assert_int_equal(pthread_create(&meanwhile, NULL, add_a_consumer, busy_run), 0);
        busy_run = NULL;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        /* It must not get done before; where it could, it is long before this time is over. */
        assert_int_equal(pthread_timedjoin_np(meanwhile, NULL, &until), ETIMEDOUT);
    }
    return lb_ledger_commit(ledger, txn);
}

static void one_that_comes_while_a_stream_is_opened_has_a_mark_in_it(void **state)
{
    struct run *run = *state;
    char expected[400];

    busy_run = run;
    struct lb_stream *stream = open_stream(run, 0, "x");
    pthread_join(meanwhile, NULL);
    snprintf(expected, sizeof(expected),
             "mark/alerts/%016" PRIx64 " 0;mark/archive/%016" PRIx64 " 0;mark/bus/%016" PRIx64 " 0;"
             "mark/fresh/%016" PRIx64 " 0;stream/%016" PRIx64 " app\nx;",
             stream->id, stream->id, stream->id, stream->id, stream->id);
    expect_ledger(run, expected);
    lb_stream_unref(stream);
}

static void what_is_forgotten_in_a_group_stays_so(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "old");
    uint64_t id = stream->id;

    lb_stream_unref(stream);
    lb_streams_begin(run->streams);
    stream = open_stream(run, id, "new");
    lb_stream_forget(stream);
    lb_stream_unref(stream);
    commit(run, 0); /* by a sink, meanwhile */
    assert_int_equal(lb_streams_end(run->streams), LB_OK);
    expect_ledger(run, "");
}

static void an_ephemeral_stream_leaves_no_trace(void **state)
{
    struct run *run = *state;
    struct lb_stream *a = lb_stream_new(run->streams, &run->source);
    struct lb_stream *b = lb_stream_new(run->streams, &run->source);

    assert_int_not_equal(a->id, b->id);
    deliver(run, a, 10);
    lb_stream_identify(a, LB_STR("nobody asks"));
    lb_stream_forget(b);
    commit(run, UINT32_MAX);
    expect_ledger(run, "");
    lb_stream_unref(a);
    lb_stream_unref(b);
    assert_int_equal(count_streams(run), 0);
}

static void a_group_is_durable_at_its_end_with_one_sync(void **state)
{
    struct run *run = *state;
    struct lb_stream *streams[3];

    lb_streams_begin(run->streams);
    for (unsigned i = 0; i < 3; i++)
        streams[i] = open_stream(run, 0, "a file");
    expect_ledger(run, "");
    assert_int_equal(lb_streams_end(run->streams), LB_OK);
    lb_buffer_reset(&run->text);
    lb_ledger_each(run->ledger, LB_STR("stream/"), append_fact, &run->text);
    assert_int_equal(run->text.len, 3 * strlen("stream/0123456789abcdef app\na file;"));
    for (unsigned i = 0; i < 3; i++)
        lb_stream_unref(streams[i]);
}

static void after_a_restart_a_stream_resumes_at_its_lowest_mark(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");
    uint64_t id = stream->id;

    lb_token_done(lb_token_issue(stream, 0, 300, false), LB_DELIVERED, NULL);
    lb_token_done(lb_token_issue(stream, 1, 200, false), LB_DELIVERED, NULL);
    lb_token_issue(stream, 2, 300, true);
    commit(run, 0);
    commit(run, 1);
    lb_token_done(lb_token_issue(stream, 1, 300, false), LB_DELIVERED, NULL); /* never committed */
    stop(run);
    start(run, two_sinks);
    stream = open_stream(run, id, "x");
    assert_int_equal(stream->id, id);
    assert_int_equal(stream->resume, 200);
    assert_int_equal(stream->resume_until, 300);
    assert_int_equal(lb_stream_mark(stream, 0), 300);
    assert_int_equal(lb_stream_mark(stream, 1), 200);
    assert_int_equal(lb_stream_mark(stream, 2), 300); /* the engine's went with those of sink 0 */
    lb_stream_unref(stream);
}

/* The file is read to its end and closed, and only then the sinks commit. */
static void a_stream_that_ended_stays_until_its_marks_are_durable(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");
    uint64_t id = stream->id;
    struct lb_buffer value;
    char key[64];

    deliver(run, stream, 50);
    lb_stream_unref(stream);
    assert_int_equal(count_streams(run), 1);
    commit(run, 0);
    lb_streams_collect(run->streams, 1, &run->txn);
    lb_streams_collect_failed(run->streams, 1); /* the disk was full */
    lb_ledger_txn_free(&run->txn);
    commit(run, 1);
    assert_int_equal(count_streams(run), 1);
    commit(run, 0);
    assert_int_equal(count_streams(run), 1);
    commit(run, 1); /* nobody said that the last one failed */
    assert_int_equal(count_streams(run), 0);
    lb_buffer_init(&value, 100);
    snprintf(key, sizeof(key), "mark/bus/%016" PRIx64, id);
    assert_int_equal(lb_ledger_get(run->ledger, lb_str_from(key), &value), LB_OK);
    assert_text(lb_buffer_str(&value), "50");
    lb_buffer_free(&value);
}

static void a_stream_that_is_opened_again_takes_over_marks_that_are_not_durable_yet(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");
    struct lb_stream *again = NULL;
    uint64_t id = stream->id;

    deliver(run, stream, 50);
    assert_int_equal(lb_stream_open(run->streams, &run->source, id, LB_STR("x"), &again), LB_AGAIN);
    lb_stream_unref(stream);
    stream = open_stream(run, id, "x");
    assert_int_equal(count_streams(run), 1);
    assert_int_equal(stream->resume, 50);
    lb_stream_unref(stream);
    commit(run, UINT32_MAX);
    stop(run);
    start(run, two_sinks);
    stream = open_stream(run, id, "x");
    assert_int_equal(stream->resume, 50);
    lb_stream_unref(stream);
}

/* The marks that were read are then older than the commit, and nobody is left to take them over from. */
static void a_stream_that_goes_while_it_is_opened_again_is_not_opened_at_old_marks(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");
    struct lb_stream *again = NULL;
    uint64_t id = stream->id;

    deliver(run, stream, 50);
    lb_stream_unref(stream);
    slow_run = run;
    loads = 0;
    enum lb_err err = lb_stream_open(run->streams, &run->source, id, LB_STR("x"), &again);
    assert_int_equal(err, LB_OK);
    assert_int_equal(loads, 2);
    assert_int_equal(again->resume, 50);
    assert_int_equal(lb_stream_mark(again, 0), 50);
    lb_stream_unref(again);
}

/* Of the one that ended the carrier brings an older identity, and forgets that it has, while another lags. */
static void a_stream_that_is_opened_again_has_the_identity_of_that(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "first");
    uint64_t id = stream->id;
    char expected[300];

    deliver(run, stream, 10);
    lb_stream_identify(stream, LB_STR("older"));
    lb_stream_unref(stream);
    slow_run = run;
    slow_consumer = 0;
    stream = open_stream(run, id, "newer");
    slow_consumer = UINT32_MAX;
    assert_null(slow_run);
    commit(run, 0);
    commit(run, 1);
    snprintf(expected, sizeof(expected),
             "mark/alerts/%016" PRIx64 " 10;mark/archive/%016" PRIx64 " 10;mark/bus/%016" PRIx64 " 10;"
             "stream/%016" PRIx64 " app\nnewer;",
             id, id, id, id);
    expect_ledger(run, expected);
    lb_stream_unref(stream);
}

static void a_token_keeps_its_stream(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = lb_stream_new(run->streams, &run->source);
    struct lb_token *token = lb_token_issue(stream, 0, 1, false);

    lb_stream_unref(stream);
    assert_int_equal(count_streams(run), 1);
    lb_token_done(token, LB_DELIVERED, NULL);
    assert_int_equal(count_streams(run), 0);
}

static void a_changed_identity_goes_with_the_next_commit_of_sink_0(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "old");
    struct lb_buffer value;
    char key[64];

    snprintf(key, sizeof(key), "stream/%016" PRIx64, stream->id);
    lb_buffer_init(&value, 1000);
    lb_stream_identify(stream, LB_STR("newer"));
    lb_stream_identify(stream, LB_STR("newest"));
    commit(run, 1);
    lb_streams_collect(run->streams, 0, &run->txn);
    lb_ledger_txn_free(&run->txn);
    lb_streams_collect_failed(run->streams, 0);
    assert_int_equal(lb_ledger_get(run->ledger, lb_str_from(key), &value), LB_OK);
    assert_text(lb_buffer_str(&value), "app\nold");
    lb_stream_unref(stream);
    commit(run, 0);
    assert_int_equal(lb_ledger_get(run->ledger, lb_str_from(key), &value), LB_OK);
    assert_text(lb_buffer_str(&value), "app\nnewest");
    commit(run, 0);
    assert_int_equal(count_streams(run), 0);
    lb_buffer_free(&value);
}

static void no_mark_is_durable_before_the_identity_it_belongs_to(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "ab");
    char expected[300];

    lb_stream_identify(stream, LB_STR("abcd"));
    deliver(run, stream, 4);
    commit(run, 1);
    snprintf(expected, sizeof(expected),
             "mark/alerts/%016" PRIx64 " 0;mark/archive/%016" PRIx64 " 0;mark/bus/%016" PRIx64 " 4;stream/%016" PRIx64
             " app\nabcd;",
             stream->id, stream->id, stream->id, stream->id);
    expect_ledger(run, expected);
    lb_stream_unref(stream);
}

static void a_known_stream_with_another_identity_is_durable_when_it_is_open(void **state)
{
    struct run *run = *state;

    put_fact(run, "stream/00000000000000aa", "app\nold");
    struct lb_stream *stream = open_stream(run, 0xaa, "new");
    expect_ledger(run, "stream/00000000000000aa app\nnew;");
    lb_stream_unref(stream);
}

static void a_forgotten_stream_goes_with_all_its_marks(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");
    struct lb_stream *again = NULL;
    uint64_t id = stream->id;

    deliver(run, stream, 50);
    lb_stream_forget(stream);
    lb_stream_unref(stream);
    commit(run, 1); /* no mark of what is forgotten */
    assert_int_equal(lb_stream_open(run->streams, &run->source, id, LB_STR("x"), &again), LB_END);
    commit(run, 0);
    expect_ledger(run, "");
    commit(run, 0);
    assert_int_equal(count_streams(run), 0);
    assert_int_equal(lb_stream_open(run->streams, &run->source, id, LB_STR("x"), &again), LB_END);
}

static void every_allocation_of_opening_may_fail(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = NULL;

    for (long n = 1; n < 60 && stream == NULL; n++) {
        lb_alloc_fail_at = n;
        enum lb_err err = lb_stream_open(run->streams, &run->source, 0, LB_STR("x"), &stream);
        lb_alloc_fail_at = 0;
        assert_int_equal(err, stream != NULL ? LB_OK : LB_NOMEM);
        if (stream == NULL)
            expect_ledger(run, "");
    }
    assert_non_null(stream);
    lb_stream_unref(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_new_stream_is_in_the_ledger_with_a_mark_for_each_consumer),
        STREAM_TEST(an_ephemeral_stream_leaves_no_trace),
        STREAM_TEST(one_that_comes_while_a_stream_is_opened_has_a_mark_in_it),
        STREAM_TEST(what_is_forgotten_in_a_group_stays_so),
        STREAM_TEST(a_group_is_durable_at_its_end_with_one_sync),
        STREAM_TEST(after_a_restart_a_stream_resumes_at_its_lowest_mark),
        STREAM_TEST(a_stream_that_ended_stays_until_its_marks_are_durable),
        STREAM_TEST(a_stream_that_is_opened_again_takes_over_marks_that_are_not_durable_yet),
        STREAM_TEST(a_stream_that_goes_while_it_is_opened_again_is_not_opened_at_old_marks),
        STREAM_TEST(a_stream_that_is_opened_again_has_the_identity_of_that),
        STREAM_TEST(a_token_keeps_its_stream),
        STREAM_TEST(a_changed_identity_goes_with_the_next_commit_of_sink_0),
        STREAM_TEST(no_mark_is_durable_before_the_identity_it_belongs_to),
        STREAM_TEST(a_known_stream_with_another_identity_is_durable_when_it_is_open),
        STREAM_TEST(a_forgotten_stream_goes_with_all_its_marks),
        STREAM_TEST(every_allocation_of_opening_may_fail),
    };

    return cmocka_run_group_tests_name("core/stream", tests, NULL, NULL);
}
