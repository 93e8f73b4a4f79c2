/* journal_test.c - what is appended is read in order, over restarts, within its bounds. */
#include "journal_ground.h"

#include <pthread.h>
#include <sched.h>

static void gives_what_is_synced_in_order_across_segments(void **state)
{
    struct lb_journal *journal = open_journal(500);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    uint64_t starts[64];

    (void)state;
    expect(reader, 0, 0, false);
    append(journal, 0);
    expect(reader, 0, 0, false);
    assert_int_equal(lb_journal_sync(journal), LB_OK);
    expect(reader, 0, 1, false);
    append_many(journal, 1, 99);
    uint64_t middle = expect(reader, 1, 50, true);
    expect(reader, 51, 49, false);
    lb_journal_reader_free(reader);
    assert_true(count_files(starts) > 8);
    reader = lb_journal_reader_new(journal, middle);
    expect(reader, 51, 49, false);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

static void goes_on_after_a_restart_with_the_same_positions(void **state)
{
    struct lb_journal *journal = open_journal(500);

    (void)state;
    append_many(journal, 0, 25);
    uint64_t end = lb_journal_end(journal);
    lb_journal_close(journal);
    journal = open_journal(500);
    assert_int_equal(lb_journal_end(journal), end);
    assert_int_equal(lb_journal_begin(journal), 0);
    append_many(journal, 25, 5);
    expect_all(journal, 0, 30);
    assert_int_equal(lb_journal_damaged(journal), 0);
    lb_journal_close(journal);
}

static void many_appends_share_one_sync(void **state)
{
    struct lb_journal *journal = open_journal(0);

    (void)state;
    append_many(journal, 0, 1);
    unsigned before = syncs;
    append_many(journal, 1, 1000);
    assert_int_equal(syncs, before + 1);
    lb_journal_close(journal);
}

static void holds_its_bound_and_gives_room_by_trimming(void **state)
{
    struct lb_journal *journal = open_with((struct lb_journal_options){ .segment_bytes = 200, .max_bytes = 1000 });
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    char text[64];
    unsigned count = 0;
    enum lb_err err;

    (void)state;
    while ((err = lb_journal_append(journal, text_of(count, text), NULL)) == LB_OK)
        count++;
    assert_int_equal(err, LB_LIMIT);
    assert_true(lb_journal_bytes(journal) <= 1000 && lb_journal_bytes(journal) > 900);
    assert_int_equal(lb_journal_sync(journal), LB_OK);
    uint64_t middle = expect(reader, 0, count / 2, true);
    lb_journal_trim(journal, middle);
    assert_true(lb_journal_begin(journal) > 0 && lb_journal_begin(journal) <= middle);
    append_many(journal, count, 1);
    uint64_t end = expect(reader, count / 2, count - count / 2 + 1, false);
    /* What is wholly read gives way to an entry that is larger than the bound. */
    lb_journal_trim(journal, end);
    char *large = calloc(1, 5000);
    assert_int_equal(lb_journal_append(journal, (struct lb_str){ large, 5000 }, NULL), LB_OK);
    assert_int_equal(lb_journal_begin(journal), end);
    assert_int_equal(lb_journal_append(journal, (struct lb_str){ large, 1 }, NULL), LB_LIMIT);
    free(large);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

static void nothing_stays_on_disk_when_all_is_trimmed(void **state)
{
    struct lb_journal *journal = open_journal(0);
    uint64_t starts[4];

    (void)state;
    append_many(journal, 0, 3);
    uint64_t end = lb_journal_end(journal);
    lb_journal_tidy(journal);
    assert_int_equal(count_files(starts), 1);
    lb_journal_trim(journal, end);
    lb_journal_tidy(journal);
    assert_int_equal(count_files(starts), 0);
    assert_int_equal(lb_journal_bytes(journal), 0);
    append_many(journal, 3, 2);
    expect_all(journal, 3, 2);
    assert_true(lb_journal_begin(journal) == end);
    lb_journal_close(journal);
}

static void note_dropped(void *context, struct lb_str payload, uint64_t start)
{
    char text[64];

    (void)start;
    assert_true(lb_str_equal(payload, text_of((*(unsigned *)context)++, text)));
}

static void drops_the_oldest_segment_and_shows_what_goes(void **state)
{
    struct lb_journal *journal = open_journal(200);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    unsigned dropped = 0;

    (void)state;
    assert_int_equal(lb_journal_drop_oldest(journal, note_dropped, &dropped), LB_END);
    append_many(journal, 0, 12);
    expect(reader, 0, 1, true);
    assert_int_equal(lb_journal_drop_oldest(journal, note_dropped, &dropped), LB_OK);
    assert_true(dropped > 1 && dropped < 12);
    expect(reader, dropped, 12 - dropped, false);
    while (lb_journal_drop_oldest(journal, note_dropped, &dropped) == LB_OK)
        continue;
    assert_true(dropped < 12);
    expect_all(journal, dropped, 12 - dropped);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

static void opens_a_large_backlog_by_its_names(void **state)
{
    struct lb_journal *journal = open_journal(100);
    uint64_t starts[2048];

    (void)state;
    append_many(journal, 0, 1000);
    lb_journal_close(journal);
    unsigned count = count_files(starts);
    assert_true(count > 400);
    /* Nobody looks into any but the last: one that cannot be opened does no harm before it is read. */
    flip(starts[count / 2], starts[count / 2]);
    journal = open_journal(100);
    assert_int_equal(lb_journal_damaged(journal), 0);
    assert_int_equal(lb_journal_begin(journal), 0);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, starts[count - 1]);
    expect(reader, 1000 - (1000 - 998), 2, false);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

static void *append_slowly(void *context)
{
    struct lb_journal *journal = context;

    for (unsigned i = 0; i < 3000; i++) {
        append(journal, i);
        if (i % 7 == 0 && lb_journal_sync(journal) != LB_OK)
            break;
    }
    assert_int_equal(lb_journal_sync(journal), LB_OK);
    return NULL;
}

static void one_appends_while_another_reads_and_trims(void **state)
{
    struct lb_journal *journal = open_journal(2000);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    struct lb_buffer payload;
    pthread_t thread;
    char text[64];
    unsigned seen = 0;

    (void)state;
    lb_buffer_init(&payload, 1000);
    assert_int_equal(pthread_create(&thread, NULL, append_slowly, journal), 0);
    while (seen < 3000) {
        uint64_t start;
        uint64_t end;

        if (lb_journal_read(reader, &payload, &start, &end) != LB_OK) {
            sched_yield();
            continue;
        }
        assert_true(lb_str_equal(lb_buffer_str(&payload), text_of(seen++, text)));
        if (seen % 50 == 0)
            lb_journal_trim(journal, end);
    }
    pthread_join(thread, NULL);
    assert_int_equal(lb_journal_damaged(journal), 0);
    assert_true(lb_journal_bytes(journal) < 8000);
    lb_buffer_free(&payload);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_what_is_synced_in_order_across_segments),
        TEST(goes_on_after_a_restart_with_the_same_positions),
        TEST(many_appends_share_one_sync),
        TEST(holds_its_bound_and_gives_room_by_trimming),
        TEST(nothing_stays_on_disk_when_all_is_trimmed),
        TEST(drops_the_oldest_segment_and_shows_what_goes),
        TEST(opens_a_large_backlog_by_its_names),
        TEST(one_appends_while_another_reads_and_trims),
    };

    lb_log_level = LB_LEVEL_CRITICAL;
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
