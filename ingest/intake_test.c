/*
 * intake_test.c - what an intake takes goes on once and in order; what cannot be written waits, or passes at the end.
 */
#include "intake_ground.h"

static void goes_on_in_order_when_it_is_on_disk(void **state)
{
    uint64_t end_before = 0;

    (void)state;
    begin();
    open_intake(false);
    atomic_store(&disk.slow, true); /* meanwhile others come, and share the next sync */
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(put(10), i + 1);
    atomic_store(&disk.slow, false);
    for (uint32_t i = 0; i < 100; i++) {
        struct lb_batch *batch = pop(i * 10);

        assert_true(batch->position >= end_before);
        end_before = batch->position_end;
        lb_batch_unref(batch);
    }
    wait_until_safe(100);
    assert_in_range(ground.intake->metrics.syncs->value, 1, 10);
    finish_and_end();
}

static uint32_t segments(void)
{
    char path[64];
    uint32_t count = 0;
    const struct dirent *entry;

    snprintf(path, sizeof(path), "%s/intake/net", ground.directory);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void is_trimmed_at_the_lowest_mark_that_is_committed(void **state)
{
    (void)state;
    begin();
    open_intake(false);
    put(100);
    struct lb_batch *batch = pop(0);
    deliver(batch, 2);
    lb_batch_unref(batch);
    assert_int_equal(lb_stream_committed(ground.intake->stream), 0);
    lb_intake_finish(ground.intake);
    assert_int_equal(segments(), 1);
    commit();
    end();
    assert_int_equal(segments(), 0);

    begin();
    open_intake(false);
    put(1);
    lb_batch_unref(pop(100)); /* nothing of before comes */
    finish_and_end();
}

static void when_it_is_full_it_waits_and_goes_on_when_marks_move(void **state)
{
    struct lb_intake_state is = { .ok = true };
    uint32_t given = 0;

    (void)state;
    ground.max_bytes = 64 * 1024;
    begin();
    open_intake(false);
    for (uint32_t i = 0; i < 40; i++)
        lb_intake_put(ground.intake, batch_of(100, TEXT_BYTES));
    while (is.ok) {
        lb_intake_state(ground.intake, &is);
        sched_yield();
    }
    assert_non_null(strstr(is.problem, "full"));
    assert_true(ground.safe < 40);
    assert_true(is.bytes <= ground.max_bytes);
    while (given < 40) {
        struct lb_batch *batch = pop(given++ * 100);

        deliver(batch, 2);
        lb_batch_unref(batch);
        commit();
    }
    wait_until_safe(40);
    while (!is.ok) {
        lb_intake_state(ground.intake, &is);
        sched_yield();
    }
    finish_and_end();
}

static void at_the_end_it_takes_more_than_it_may(void **state)
{
    (void)state;
    ground.max_bytes = 64 * 1024;
    begin();
    open_intake(false);
    for (uint32_t i = 0; i < 40; i++)
        lb_intake_put(ground.intake, batch_of(100, TEXT_BYTES));
    finish_and_end();
    assert_int_equal(ground.safe, 40);

    begin();
    open_intake(false);
    for (uint32_t i = 0; i < 40; i++)
        lb_batch_unref(pop(i * 100));
    finish_and_end();
}

static void a_disk_that_takes_nothing_is_told_and_tried_again(void **state)
{
    struct lb_intake_state is = { .ok = true };

    (void)state;
    begin();
    open_intake(false);
    disk_fail(&disk.write, 0, 1000000, ENOSPC);
    put(10);
    while (is.ok) {
        lb_intake_state(ground.intake, &is);
        sched_yield();
    }
    assert_non_null(strstr(is.problem, "No space"));
    assert_int_equal(lb_queue_depth(&ground.queue), 0);
    disk_fail(&disk.write, 0, 0, 0);
    lb_batch_unref(pop(0));
    finish_and_end();
}

/* A sync fails behind a segment that was synced on the way: nothing may be written twice, nothing may be left out. */
static void a_sync_that_fails_doubles_nothing(void **state)
{
    uint32_t next = 0;

    (void)state;
    ground.max_bytes = 1024 * 1024; /* segments of 128 KiB */
    for (long after = 0; after < 12; after++) {
        begin();
        open_intake(false);
        uint32_t first = ground.put;

        disk_fail(&disk.sync, after, 3, EIO);
        for (uint32_t i = 0; i < 10; i++)
            lb_intake_put(ground.intake, batch_of(1000, TEXT_BYTES));
        for (uint32_t i = 0; i < 10; i++) {
            struct lb_batch *batch = pop(first + i * 1000);

            deliver(batch, 1); /* not `b`: it all comes again */
            lb_batch_unref(batch);
        }
        disk_fail(&disk.sync, 0, 0, 0);
        commit();
        finish_and_end();

        begin();
        open_intake(false);
        for (uint32_t i = 0; i < 10; i++, next++) {
            struct lb_batch *batch = pop(next * 1000);

            assert_true(batch->position_end <= lb_stream_mark(batch->stream, 0));
            deliver(batch, 2);
            lb_batch_unref(batch);
        }
        commit();
        lb_intake_finish(ground.intake);
        assert_int_equal(lb_journal_damaged(ground.intake->journal), 0);
        end();
    }
}

static void what_cannot_be_written_at_the_end_passes_as_it_was(void **state)
{
    (void)state;
    begin();
    open_intake(false);
    disk_fail(&disk.write, 0, 1000000, ENOSPC);
    atomic_store(&lb_log_level, LB_LEVEL_NONE);
    put(10);
    lb_intake_finish(ground.intake);
    struct lb_batch *batch = lb_queue_pop(&ground.queue);
    assert_ptr_equal(batch->stream, ground.connection);
    assert_int_equal(batch->position, 0);
    assert_int_equal(batch->position_end, 10);
    lb_batch_unref(batch);
    end();
}

static void while_others_lag_memory_is_free_and_order_is_kept(void **state)
{
    enum { BATCHES = 300 };
    struct lb_batch *held[BATCHES];
    uint32_t count = 0;

    (void)state;
    ground.lag_bytes = 256 * 1024;
    begin();
    open_intake(false);
    /* Far more than the pool, and nothing is taken out: it must not come to a stop. */
    for (uint32_t i = 0; i < BATCHES; i++)
        lb_intake_put(ground.intake, batch_of(100, 1000));
    wait_until_safe(BATCHES);
    while (count < BATCHES) {
        held[count] = pop(count * 100);
        lb_batch_unref(held[count]);
        count++;
    }
    assert_true(ground.intake->metrics.restored->value > 0);
    /* It has caught up: from memory again. */
    int64_t restored = ground.intake->metrics.restored->value;
    struct lb_intake_state is = { .behind = true };
    while (is.behind) {
        lb_intake_state(ground.intake, &is);
        sched_yield();
    }
    put(1);
    lb_batch_unref(pop(BATCHES * 100));
    assert_int_equal(ground.intake->metrics.restored->value, restored);
    finish_and_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INTAKE_TEST(goes_on_in_order_when_it_is_on_disk),
        INTAKE_TEST(is_trimmed_at_the_lowest_mark_that_is_committed),
        INTAKE_TEST(when_it_is_full_it_waits_and_goes_on_when_marks_move),
        INTAKE_TEST(at_the_end_it_takes_more_than_it_may),
        INTAKE_TEST(a_disk_that_takes_nothing_is_told_and_tried_again),
        INTAKE_TEST(a_sync_that_fails_doubles_nothing),
        INTAKE_TEST(what_cannot_be_written_at_the_end_passes_as_it_was),
        INTAKE_TEST(while_others_lag_memory_is_free_and_order_is_kept),
    };

    atomic_store(&lb_log_level, LB_LEVEL_NONE);
    int failed = cmocka_run_group_tests_name("ingest/intake", tests, NULL, NULL);
    lb_metrics_free_all();
    return failed;
}
