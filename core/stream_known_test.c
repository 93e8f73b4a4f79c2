/* stream_known_test.c - what a run takes over from the ledger when sinks and files have come and gone. */
#include "stream_test.h"

static void each_and_then(struct lb_ledger *ledger, struct lb_str prefix,
                          void (*visit)(void *context, struct lb_str key, struct lb_str value), void *context);
#define lb_ledger_each each_and_then
#include "stream_known.c"
#undef lb_ledger_each

#define ID_A "00000000000000aa"
#define ID_B "00000000000000bb"

static const char *const one_sink[] = { "archive", "alerts", NULL };
static const char *const renamed_sink[] = { "store", "alerts", NULL };

static void a_removed_sinks_marks_go(void **state)
{
    struct run *run = *state;

    put_fact(run, "stream/" ID_A, "app\nx");
    put_fact(run, "mark/archive/" ID_A, "10");
    put_fact(run, "mark/alerts/" ID_A, "10");
    put_fact(run, "mark/bus/" ID_A, "5");
    stop(run);
    start(run, one_sink);
    expect_ledger(run, "mark/alerts/" ID_A " 10;mark/archive/" ID_A " 10;stream/" ID_A " app\nx;");
}

static void a_new_sink_starts_at_the_highest_mark_of_each_stream(void **state)
{
    struct run *run = *state;

    put_fact(run, "stream/" ID_A, "app\nx");
    put_fact(run, "stream/" ID_B, "app\ny");
    put_fact(run, "mark/archive/" ID_A, "10");
    put_fact(run, "mark/alerts/" ID_A, "30");
    put_fact(run, "mark/archive/" ID_B, "7");
    put_fact(run, "mark/alerts/" ID_B, "0");
    stop(run);
    start(run, two_sinks);
    struct lb_stream *stream = open_stream(run, 0xaa, "x");
    assert_int_equal(lb_stream_mark(stream, 1), 30);
    assert_int_equal(stream->resume, 10);
    assert_int_equal(stream->resume_until, 30);
    lb_stream_unref(stream);
    stream = open_stream(run, 0xbb, "y");
    assert_int_equal(lb_stream_mark(stream, 1), 7);
    lb_stream_unref(stream);
}

/* Its marks count before they go: a new name alone does not deliver everything again. */
static void the_only_sink_under_a_new_name_goes_on_where_the_old_one_was(void **state)
{
    struct run *run = *state;

    put_fact(run, "stream/" ID_A, "app\nx");
    put_fact(run, "mark/archive/" ID_A, "10");
    put_fact(run, "mark/alerts/" ID_A, "0");
    stop(run);
    start(run, renamed_sink);
    expect_ledger(run, "mark/alerts/" ID_A " 0;mark/store/" ID_A " 10;stream/" ID_A " app\nx;");
}

static void a_slow_sink_is_not_taken_for_a_new_one(void **state)
{
    struct run *run = *state;
    struct lb_stream *stream = open_stream(run, 0, "x");
    uint64_t id = stream->id;

    lb_token_done(lb_token_issue(stream, 0, 1000, false), LB_DELIVERED, NULL);
    assert_non_null(lb_token_issue(stream, 1, 1000, false)); /* never done: the bus is away */
    commit(run, 0);
    stop(run);
    start(run, two_sinks);
    stream = open_stream(run, id, "x");
    assert_int_equal(lb_stream_mark(stream, 1), 0);
    assert_int_equal(stream->resume, 0);
    lb_stream_unref(stream);
}

static void marks_without_a_stream_go(void **state)
{
    struct run *run = *state;

    put_fact(run, "mark/archive/" ID_A, "10");
    put_fact(run, "mark/gone/" ID_A, "10");
    put_fact(run, "mark/archive/not an id at all", "10");
    put_fact(run, "file//var/log/a.jsonl.zst", "77");
    stop(run);
    start(run, two_sinks);
    expect_ledger(run, "file//var/log/a.jsonl.zst 77;mark/archive/not an id at all 10;");
}

static void a_sink_may_have_a_slash_in_its_name(void **state)
{
    static const char *const names[] = { "a/b", "a", NULL };
    struct run *run = *state;

    put_fact(run, "stream/" ID_A, "app\nx");
    put_fact(run, "mark/a/b/" ID_A, "10");
    put_fact(run, "mark/a/" ID_A, "20");
    stop(run);
    start(run, names);
    struct lb_stream *stream = open_stream(run, 0xaa, "x");
    assert_int_equal(lb_stream_mark(stream, 0), 10);
    assert_int_equal(lb_stream_mark(stream, 1), 20);
    lb_stream_unref(stream);
}

static void a_mark_that_is_no_number_reads_again(void **state)
{
    static const struct {
        const char *text;
        uint64_t mark;
    } cases[] = { { "0", 0 }, { "18446744073709551615", UINT64_MAX }, { "", 0 }, { "-1", 0 }, { "12x", 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(read_mark(lb_str_from(cases[i].text)), cases[i].mark);
}

struct visits {
    struct run *run;
    char text[300];
    struct lb_stream *opened;
};

/* A consumer's commits come between the reading of the ledger and what follows. */
static struct run *committing;

static void each_and_then(struct lb_ledger *ledger, struct lb_str prefix,
                          void (*visit)(void *context, struct lb_str key, struct lb_str value), void *context)
{
    lb_ledger_each(ledger, prefix, visit, context);
    if (committing == NULL)
        return;
    commit(committing, UINT32_MAX);
    commit(committing, UINT32_MAX); /* now they are durable, and what has ended leaves the registry */
    committing = NULL;
}

static void visit(void *context, uint64_t id, struct lb_str identity)
{
    struct visits *visits = context;
    size_t len = strlen(visits->text);

    snprintf(visits->text + len, sizeof(visits->text) - len, "%" PRIx64 "=" LB_STR_FMT ";", id, LB_STR_ARG(identity));
}

static void known_streams_are_told_to_their_own_source_only(void **state)
{
    struct visits visits = { .run = *state };

    put_fact(visits.run, "stream/" ID_A, "app\nx\ny");
    put_fact(visits.run, "stream/" ID_B, "apple\nz");
    put_fact(visits.run, "stream/00000000000000cc", "app\n");
    put_fact(visits.run, "stream/damaged", "app\nz");
    lb_streams_each_known(visits.run->streams, LB_STR("app"), visit, &visits);
    assert_string_equal(visits.text, "aa=x\ny;cc=;");
}

static void known_streams_are_told_as_this_run_has_changed_them(void **state)
{
    struct visits visits = { .run = *state };

    put_fact(visits.run, "stream/" ID_A, "app\nx");
    put_fact(visits.run, "stream/" ID_B, "app\ny");
    struct lb_stream *a = open_stream(visits.run, 0xaa, "x");
    struct lb_stream *b = open_stream(visits.run, 0xbb, "y");
    lb_stream_identify(a, LB_STR("renamed"));
    lb_stream_forget(b);
    lb_streams_each_known(visits.run->streams, LB_STR("app"), visit, &visits);
    assert_string_equal(visits.text, "aa=renamed;");
    lb_stream_unref(a);
    lb_stream_unref(b);
}

static void what_changes_while_the_ledger_is_read_is_told_as_it_is_then(void **state)
{
    struct visits visits = { .run = *state };

    put_fact(visits.run, "stream/" ID_A, "app\nx");
    put_fact(visits.run, "stream/" ID_B, "app\ny");
    struct lb_stream *a = open_stream(visits.run, 0xaa, "x");
    struct lb_stream *b = open_stream(visits.run, 0xbb, "y");
    lb_stream_identify(a, LB_STR("renamed"));
    lb_stream_forget(b);
    lb_stream_unref(a);
    lb_stream_unref(b);
    committing = visits.run;
    lb_streams_each_known(visits.run->streams, LB_STR("app"), visit, &visits);
    assert_string_equal(visits.text, "aa=renamed;");
}

static void open_it(void *context, uint64_t id, struct lb_str identity)
{
    struct visits *visits = context;

    assert_int_equal(lb_stream_open(visits->run->streams, &visits->run->source, id, identity, &visits->opened), LB_OK);
}

static void a_visitor_may_open_what_it_is_told_of(void **state)
{
    struct visits visits = { .run = *state };

    put_fact(visits.run, "stream/" ID_A, "app\nx");
    lb_streams_each_known(visits.run->streams, LB_STR("app"), open_it, &visits);
    assert_int_equal(visits.opened->id, 0xaa);
    lb_stream_unref(visits.opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_removed_sinks_marks_go),
        STREAM_TEST(a_new_sink_starts_at_the_highest_mark_of_each_stream),
        STREAM_TEST(the_only_sink_under_a_new_name_goes_on_where_the_old_one_was),
        STREAM_TEST(a_slow_sink_is_not_taken_for_a_new_one),
        STREAM_TEST(marks_without_a_stream_go),
        STREAM_TEST(a_sink_may_have_a_slash_in_its_name),
        STREAM_TEST(a_mark_that_is_no_number_reads_again),
        STREAM_TEST(known_streams_are_told_to_their_own_source_only),
        STREAM_TEST(known_streams_are_told_as_this_run_has_changed_them),
        STREAM_TEST(what_changes_while_the_ledger_is_read_is_told_as_it_is_then),
        STREAM_TEST(a_visitor_may_open_what_it_is_told_of),
    };

    return cmocka_run_group_tests_name("core/stream_known", tests, NULL, NULL);
}
