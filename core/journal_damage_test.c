/* journal_damage_test.c - torn tails, damaged bytes, files that are lost: what they cost, and no more. */
#include "journal_ground.h"

static void cuts_a_torn_tail_at_every_byte(void **state)
{
    (void)state;
    for (unsigned cut = 0; cut < 60; cut++) {
        struct lb_journal *journal = open_journal(0);

        append_many(journal, 0, 3);
        uint64_t end = append(journal, 3);
        lb_journal_close(journal);
        int fd = open_file(0);
        assert_int_equal(ftruncate(fd, (off_t)end - cut), 0);
        close(fd);
        unsigned left = cut == 0 ? 4 : cut <= 38 ? 3 : 2;
        journal = open_journal(0);
        expect_all(journal, 0, left);
        append_many(journal, left, 2);
        expect_all(journal, 0, left + 2);
        assert_int_equal(lb_journal_damaged(journal), 0);
        lb_journal_close(journal);
        char command[200];
        snprintf(command, sizeof(command), "rm -rf %s", path);
        assert_int_equal(system(command), 0);
    }
}

static void cuts_what_its_owner_does_not_know(void **state)
{
    struct lb_journal *journal = open_journal(300);

    (void)state;
    append_many(journal, 0, 4);
    uint64_t known = lb_journal_end(journal);
    append_many(journal, 4, 40);
    lb_journal_close(journal);
    struct lb_journal_options options = { .segment_bytes = 300, .end_known = true, .end = known };
    journal = open_with(options);
    assert_int_equal(lb_journal_end(journal), known);
    expect_all(journal, 0, 4);
    append_many(journal, 4, 3);
    expect_all(journal, 0, 7);
    assert_int_equal(lb_journal_damaged(journal), 0);
    lb_journal_close(journal);
}

static void positions_never_go_back_when_files_are_lost(void **state)
{
    struct lb_journal_options options = { .end_known = true, .end = 1000000 };
    struct lb_journal *journal = open_with(options);

    (void)state;
    assert_int_equal(lb_journal_begin(journal), 1000000);
    append_many(journal, 0, 3);
    assert_true(lb_journal_end(journal) > 1000000);
    uint64_t end = lb_journal_end(journal);
    lb_journal_close(journal);
    /* The file is shorter than what its owner knows: that much is lost, and told. */
    int fd = open_file(1000000);
    assert_int_equal(ftruncate(fd, (off_t)(end - 1000000 - 50)), 0);
    close(fd);
    options.end = end;
    journal = open_with(options);
    append_many(journal, 3, 2);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    expect(reader, 0, 1, true);
    expect(reader, 3, 2, false);
    assert_int_equal(lb_journal_damaged(journal), 1);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

static void a_damaged_payload_costs_its_entry(void **state)
{
    struct lb_journal *journal = open_journal(0);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);

    (void)state;
    append_many(journal, 0, 5);
    uint64_t start = lb_journal_end(journal);
    append_many(journal, 5, 5);
    flip(0, start + LB_JOURNAL_ENTRY_HEAD + 3);
    expect(reader, 0, 5, true);
    expect(reader, 6, 4, false);
    assert_int_equal(lb_journal_damaged(journal), 1);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

static void the_next_entry_is_found_behind_a_damaged_length(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < LB_JOURNAL_ENTRY_HEAD; byte++) {
        struct lb_journal *journal = open_journal(300);
        uint64_t starts[64];

        append_many(journal, 0, 2);
        uint64_t start = lb_journal_end(journal);
        append_many(journal, 2, 20);
        flip(0, start + byte);
        struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
        expect(reader, 0, 2, true);
        expect(reader, 3, 19, false);
        assert_int_equal(lb_journal_damaged(journal), 1);
        lb_journal_reader_free(reader);
        assert_true(count_files(starts) > 2);
        lb_journal_close(journal);
        char command[200];
        snprintf(command, sizeof(command), "rm -rf %s", path);
        assert_int_equal(system(command), 0);
    }
}

static void damage_in_the_last_segment_is_not_its_tail(void **state)
{
    struct lb_journal *journal = open_journal(0);

    (void)state;
    append_many(journal, 0, 1);
    uint64_t start = lb_journal_end(journal);
    append_many(journal, 1, 9);
    lb_journal_close(journal);
    flip(0, start + 5);
    journal = open_journal(0);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    expect(reader, 0, 1, true);
    expect(reader, 2, 8, false);
    assert_int_equal(lb_journal_damaged(journal), 1);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

static void a_segment_without_a_head_costs_that_segment(void **state)
{
    struct lb_journal *journal = open_journal(300);
    uint64_t starts[64];
    struct lb_buffer payload;
    uint64_t start;
    uint64_t end;

    (void)state;
    append_many(journal, 0, 40);
    unsigned count = count_files(starts);
    assert_true(count > 4);
    flip(starts[1], starts[1] + 2);
    char name[256];
    char number[LB_JOURNAL_NAME_SIZE];
    snprintf(name, sizeof(name), "%s/%s", path, lb_journal_name(starts[3], number));
    assert_int_equal(unlink(name), 0);
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    lb_buffer_init(&payload, 1000);
    unsigned seen = 0;
    while (lb_journal_read(reader, &payload, &start, &end) == LB_OK) {
        assert_false(start >= starts[1] && start < starts[2]);
        assert_false(start >= starts[3] && start < starts[4]);
        seen++;
    }
    assert_true(seen > 20 && seen < 40);
    assert_int_equal(lb_journal_damaged(journal), 2);
    lb_buffer_free(&payload);
    lb_journal_reader_free(reader);
    lb_journal_close(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cuts_a_torn_tail_at_every_byte),
        TEST(cuts_what_its_owner_does_not_know),
        TEST(positions_never_go_back_when_files_are_lost),
        TEST(a_damaged_payload_costs_its_entry),
        TEST(the_next_entry_is_found_behind_a_damaged_length),
        TEST(damage_in_the_last_segment_is_not_its_tail),
        TEST(a_segment_without_a_head_costs_that_segment),
    };

    lb_log_level = LB_LEVEL_CRITICAL;
    return cmocka_run_group_tests_name("journal_damage", tests, NULL, NULL);
}
