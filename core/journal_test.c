/*
 * journal_test.c - appending, reopening, damage, and disks that fail.
 *
 * The calls that reach the disk are replaced by ones that fail when told to:
 * the test's own definitions stand before those of the C library.
 */
#include "lb_test.h"

#include "journal.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic bool disk_full;
static _Atomic size_t room; /* bytes that a full disk still takes */
static _Atomic unsigned sync_fails;
static _Atomic unsigned syncs;
static _Atomic unsigned read_fails;

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (disk_full) {
        if (room == 0) {
            errno = ENOSPC;
            return -1;
        }
        len = len < room ? len : room;
        room -= len;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t pread(int fd, void *bytes, size_t len, off_t offset)
{
    if (read_fails > 0) {
        read_fails--;
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, bytes, len, offset);
}

int fdatasync(int fd)
{
    (void)fd;
    syncs++;
    if (sync_fails > 0) {
        sync_fails--;
        errno = EIO;
        return -1;
    }
    return 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

static char dir[64];
static char path[128];

static int make_dir(void **state)
{
    (void)state;
    disk_full = false;
    sync_fails = 0;
    read_fails = 0;
    snprintf(dir, sizeof(dir), "/tmp/journal_test.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    snprintf(path, sizeof(path), "%s/a/b", dir);
    return 0;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static struct lb_journal *open_with(struct lb_journal_options options)
{
    struct lb_journal *journal = NULL;

    assert_int_equal(lb_journal_open(&journal, path, &options), LB_OK);
    return journal;
}

static struct lb_journal *open_journal(uint64_t segment_bytes)
{
    return open_with((struct lb_journal_options){ .segment_bytes = segment_bytes });
}

static struct lb_str text_of(unsigned n, char text[64])
{
    int len = snprintf(text, 64, "entry %u of the journal", n);

    return (struct lb_str){ text, (size_t)len };
}

static uint64_t append(struct lb_journal *journal, unsigned n)
{
    char text[64];
    uint64_t end = 0;

    assert_int_equal(lb_journal_append(journal, text_of(n, text), &end), LB_OK);
    assert_int_equal(end, lb_journal_end(journal));
    return end;
}

static void append_many(struct lb_journal *journal, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        append(journal, first + i);
    assert_int_equal(lb_journal_sync(journal), LB_OK);
}

/* Reads entries first, first + 1, …: as many as `count`; then there is none, unless `more`. */
static uint64_t expect(struct lb_journal_reader *reader, unsigned first, unsigned count, bool more)
{
    struct lb_buffer payload;
    uint64_t start;
    uint64_t end = 0;
    char text[64];

    lb_buffer_init(&payload, 1 << 20);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(lb_journal_read(reader, &payload, &start, &end), LB_OK);
        struct lb_str expected = text_of(first + i, text);
        if (!lb_str_equal(lb_buffer_str(&payload), expected))
            fail_msg("expected entry %u, got \"%.*s\"", first + i, (int)payload.len, payload.ptr);
        assert_true(end - start > payload.len);
    }
    if (!more)
        assert_int_equal(lb_journal_read(reader, &payload, &start, &end), LB_AGAIN);
    lb_buffer_free(&payload);
    return end;
}

static void expect_all(struct lb_journal *journal, unsigned first, unsigned count)
{
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);

    expect(reader, first, count, false);
    lb_journal_reader_free(reader);
}

static unsigned count_files(uint64_t *starts)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    unsigned count = 0;
    uint64_t start;

    while ((entry = readdir(directory)) != NULL) {
        if (!lb_journal_read_name(entry->d_name, &start))
            continue;
        unsigned at = count++;
        for (; at > 0 && starts[at - 1] > start; at--)
            starts[at] = starts[at - 1];
        starts[at] = start;
    }
    closedir(directory);
    return count;
}

static int open_file(uint64_t start)
{
    char name[256];
    char number[LB_JOURNAL_NAME_SIZE];

    snprintf(name, sizeof(name), "%s/%s", path, lb_journal_name(start, number));
    int fd = open(name, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void flip(uint64_t start, uint64_t position)
{
    int fd = open_file(start);
    char byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t)(position - start)), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(position - start)), 1);
    close(fd);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_what_is_synced_in_order_across_segments),
        TEST(goes_on_after_a_restart_with_the_same_positions),
        TEST(cuts_a_torn_tail_at_every_byte),
        TEST(cuts_what_its_owner_does_not_know),
        TEST(positions_never_go_back_when_files_are_lost),
        TEST(a_damaged_payload_costs_its_entry),
        TEST(the_next_entry_is_found_behind_a_damaged_length),
        TEST(damage_in_the_last_segment_is_not_its_tail),
        TEST(a_segment_without_a_head_costs_that_segment),
        TEST(a_full_disk_takes_nothing_and_ends_whole),
        TEST(a_failed_sync_moves_what_is_unsafe_to_the_next_segment),
        TEST(is_not_safe_while_no_sync_holds_and_mends_itself),
        TEST(what_is_not_synced_can_be_taken_back),
        TEST(many_appends_share_one_sync),
        TEST(holds_its_bound_and_gives_room_by_trimming),
        TEST(nothing_stays_on_disk_when_all_is_trimmed),
        TEST(drops_the_oldest_segment_and_shows_what_goes),
        TEST(a_disk_that_cannot_be_read_is_tried_again_then_skipped),
        TEST(opens_a_large_backlog_by_its_names),
        TEST(says_why_it_cannot_be_opened),
        TEST(one_appends_while_another_reads_and_trims),
    };

    lb_log_level = LB_LEVEL_CRITICAL;
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
