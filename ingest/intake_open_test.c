/* intake_open_test.c - after a start, behind another instance, and where the journal is lost: positions stay. */
#include "intake_ground.h"

static void what_no_mark_covers_comes_back_at_the_same_positions(void **state)
{
    uint64_t positions[8];

    (void)state;
    begin();
    open_intake(false);
    for (uint32_t i = 0; i < 8; i++)
        put(5);
    for (uint32_t i = 0; i < 8; i++) {
        struct lb_batch *batch = pop(i * 5);

        positions[i] = batch->position;
        deliver(batch, i < 3 ? 2 : i < 5); /* `a` has five of them, `b` three */
        lb_batch_unref(batch);
    }
    commit();
    finish_and_end();

    begin();
    open_intake(false);
    put(5);
    for (uint32_t i = 3; i < 9; i++) {
        struct lb_batch *batch = pop(i * 5);

        if (i < 8)
            assert_int_equal(batch->position, positions[i]);
        assert_true(lb_stream_mark(batch->stream, 0) <= positions[5] &&
                    lb_stream_mark(batch->stream, 0) > positions[4]);
        assert_true(lb_stream_mark(batch->stream, 1) > positions[2] &&
                    lb_stream_mark(batch->stream, 1) <= positions[3]);
        lb_batch_unref(batch);
    }
    finish_and_end();
}

static void one_that_follows_another_begins_where_nothing_of_it_is_left(void **state)
{
    (void)state;
    begin();
    open_intake(false);
    put(3);
    struct lb_batch *batch = pop(0);
    struct lb_token *token = lb_token_issue(batch->stream, 0, batch->position_end, false);
    deliver(batch, 0);
    assert_null(lb_token_issue(batch->stream, 1, batch->position_end, true));
    lb_intake_finish(ground.intake);
    lb_intake_free(ground.intake);

    /* A batch of the one before is on its way: what comes now is written, and waits. */
    open_intake(true);
    put(3);
    wait_until_safe(1);
    put(3); /* the thread has been round once when this one is safe */
    wait_until_safe(2);
    assert_int_equal(lb_queue_depth(&ground.queue), 0);
    struct lb_intake_state is;
    lb_intake_state(ground.intake, &is);
    assert_true(is.behind);
    uint64_t before = batch->position_end;
    lb_batch_unref(batch);
    lb_token_done(token, LB_DELIVERED, NULL);
    batch = pop(3);
    assert_true(batch->position >= before);
    lb_batch_unref(batch);
    lb_batch_unref(pop(6));
    finish_and_end();
}

static void a_lost_journal_does_not_bring_positions_back(void **state)
{
    char command[128];

    (void)state;
    begin();
    open_intake(false);
    put(10);
    struct lb_batch *batch = pop(0);
    uint64_t before = batch->position_end;
    deliver(batch, 2);
    lb_batch_unref(batch);
    commit();
    finish_and_end();
    snprintf(command, sizeof(command), "rm -rf %s/intake", ground.directory);
    assert_int_equal(system(command), 0);

    begin();
    open_intake(false);
    put(10);
    batch = pop(10);
    assert_true(batch->position >= before);
    lb_batch_unref(batch);
    finish_and_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INTAKE_TEST(what_no_mark_covers_comes_back_at_the_same_positions),
        INTAKE_TEST(one_that_follows_another_begins_where_nothing_of_it_is_left),
        INTAKE_TEST(a_lost_journal_does_not_bring_positions_back),
    };

    atomic_store(&lb_log_level, LB_LEVEL_NONE);
    int failed = cmocka_run_group_tests_name("ingest/intake_open", tests, NULL, NULL);
    lb_metrics_free_all();
    return failed;
}
