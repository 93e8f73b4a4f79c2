/* journal_disk_test.c - disks that are full, that do not sync, that cannot be read. */
#include "journal_ground.h"

static void a_full_disk_takes_nothing_and_ends_whole(void **state)
{
    struct lb_journal *journal = open_journal(0);
    char text[64];

    (void)state;
    append_many(journal, 0, 3);
    for (unsigned some = 0; some < 30; some += 7) {
        disk_full = true;
        room = some;
        assert_int_equal(lb_journal_append(journal, text_of(3, text), NULL), LB_IO);
        assert_int_equal(errno, ENOSPC);
        disk_full = false;
        expect_all(journal, 0, 3);
    }
    append_many(journal, 3, 3);
    expect_all(journal, 0, 6);
    lb_journal_close(journal);
    journal = open_journal(0);
    expect_all(journal, 0, 6);
    assert_int_equal(lb_journal_damaged(journal), 0);
    lb_journal_close(journal);
}

static void a_failed_sync_moves_what_is_unsafe_to_the_next_segment(void **state)
{
    struct lb_journal *journal = open_journal(0);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    uint64_t starts[64];

    (void)state;
    append_many(journal, 0, 3);
    expect(reader, 0, 3, false);
    append(journal, 3);
    uint64_t end = append(journal, 4);
    sync_fails = 1;
    assert_int_equal(lb_journal_sync(journal), LB_OK);
    assert_int_equal(lb_journal_end(journal), end);
    assert_int_equal(count_files(starts), 2);
    expect(reader, 3, 2, false);
    append_many(journal, 5, 2);
    expect(reader, 5, 2, false);
    expect_all(journal, 0, 7);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
    journal = open_journal(0);
    expect_all(journal, 0, 7);
    assert_int_equal(lb_journal_damaged(journal), 0);
    lb_journal_close(journal);
}

static void is_not_safe_while_no_sync_holds_and_mends_itself(void **state)
{
    struct lb_journal *journal = open_journal(0);
    char text[64];

    (void)state;
    append(journal, 0); /* nothing of the first segment was ever synced */
    sync_fails = 3;
    assert_int_equal(lb_journal_sync(journal), LB_IO);
    expect_all(journal, 0, 0);
    assert_int_equal(lb_journal_append(journal, text_of(1, text), NULL), LB_IO);
    expect_all(journal, 0, 0);
    assert_int_equal(lb_journal_sync(journal), LB_OK);
    expect_all(journal, 0, 1);
    append_many(journal, 1, 2);
    expect_all(journal, 0, 3);
    lb_journal_close(journal);
    journal = open_journal(0);
    expect_all(journal, 0, 3);
    lb_journal_close(journal);
}

static void what_is_not_synced_can_be_taken_back(void **state)
{
    struct lb_journal *journal = open_journal(0);

    (void)state;
    append_many(journal, 0, 2);
    uint64_t end = lb_journal_end(journal);
    append(journal, 7);
    append(journal, 8);
    lb_journal_undo(journal);
    assert_int_equal(lb_journal_end(journal), end);
    append_many(journal, 2, 1);
    append(journal, 9);
    sync_fails = 2;
    assert_int_equal(lb_journal_sync(journal), LB_IO);
    lb_journal_undo(journal);
    append_many(journal, 3, 2);
    expect_all(journal, 0, 5);
    lb_journal_close(journal);
    journal = open_journal(0);
    expect_all(journal, 0, 5);
    assert_int_equal(lb_journal_damaged(journal), 0);
    lb_journal_close(journal);
}

static void a_disk_that_cannot_be_read_is_tried_again_then_skipped(void **state)
{
    struct lb_journal *journal = open_journal(0);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    struct lb_buffer payload;
    uint64_t start;
    uint64_t end;

    (void)state;
    lb_buffer_init(&payload, 1000);
    append_many(journal, 0, 5);
    read_fails = 1;
    assert_int_equal(lb_journal_read(reader, &payload, &start, &end), LB_IO);
    expect(reader, 0, 1, true);
    read_fails = 1000;
    unsigned tries = 0;
    while (lb_journal_read(reader, &payload, &start, &end) == LB_IO)
        tries++;
    assert_true(tries > 3 && tries < 100);
    read_fails = 0;
    assert_int_equal(lb_journal_damaged(journal), 1);
    lb_buffer_free(&payload);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

/* A process that was killed leaves entries that no sync has seen. Whoever reads them on must not outlive them. */
static void what_is_found_is_on_disk_before_it_counts(void **state)
{
    struct lb_journal *journal;
    unsigned of_directories;

    (void)state;
    lb_journal_close(open_journal(0));
    syncs = 0;
    journal = open_journal(0);
    of_directories = syncs;
    append(journal, 0);
    assert_int_equal(syncs, of_directories);
    lb_journal_close(journal);
    syncs = 0;
    journal = open_journal(0);
    expect_all(journal, 0, 1);
    assert_int_equal(syncs, of_directories + 1);
    lb_journal_close(journal);
}

static void says_why_it_cannot_be_opened(void **state)
{
    struct lb_journal_options options = { 0 };
    struct lb_journal *journal;
    char file[200];

    (void)state;
    snprintf(file, sizeof(file), "%s/file", dir);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    snprintf(path, sizeof(path), "%s/file/spool", dir);
    assert_int_equal(lb_journal_open(&journal, path, &options), LB_IO);
    assert_int_equal(errno, ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_takes_nothing_and_ends_whole),
        TEST(a_failed_sync_moves_what_is_unsafe_to_the_next_segment),
        TEST(is_not_safe_while_no_sync_holds_and_mends_itself),
        TEST(what_is_not_synced_can_be_taken_back),
        TEST(a_disk_that_cannot_be_read_is_tried_again_then_skipped),
        TEST(what_is_found_is_on_disk_before_it_counts),
        TEST(says_why_it_cannot_be_opened),
    };

    lb_log_level = LB_LEVEL_CRITICAL;
    return cmocka_run_group_tests_name("journal_disk", tests, NULL, NULL);
}
