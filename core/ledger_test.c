/*
 * ledger_test.c - transactions, reopening, and disks that fail.
 *
 * The calls that reach the disk are replaced by ones that fail when told to:
 * the test's own definitions stand before those of the C library.
 */
#include "lb_test.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include "ledger.c"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum disk_fault { DISK_FINE, DISK_FULL, DISK_FULL_AND_STUCK, DISK_SYNC_FAILS, DISK_RENAME_FAILS };

static enum disk_fault fault;
static size_t room; /* bytes that a full disk still takes */
static unsigned syncs;

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (fault == DISK_FULL || fault == DISK_FULL_AND_STUCK) {
        if (room == 0) {
            errno = ENOSPC;
            return -1;
        }
        len = len < room ? len : room;
        room -= len;
    }
    return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

int ftruncate(int fd, off_t length)
{
    if (fault == DISK_FULL_AND_STUCK) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_ftruncate, fd, length);
}

int fdatasync(int fd)
{
    (void)fd;
    syncs++;
    if (fault == DISK_SYNC_FAILS) {
        errno = EIO;
        return -1;
    }
    return 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

int rename(const char *from, const char *to)
{
    if (fault == DISK_RENAME_FAILS) {
        errno = EROFS;
        return -1;
    }
    return (int)syscall(SYS_rename, from, to);
}

/* --- a ledger in a directory of its own ------------------------------------------------- */

struct fixture {
    char dir[64];
    char path[96];
    struct lb_ledger *ledger;
    struct lb_ledger_txn txn;
    struct lb_buffer value;
};

static int set_up(void **state)
{
    struct fixture *self = calloc(1, sizeof(*self));

    fault = DISK_FINE;
    snprintf(self->dir, sizeof(self->dir), "/tmp/ledger_test.XXXXXX");
    assert_non_null(mkdtemp(self->dir));
    snprintf(self->path, sizeof(self->path), "%s/ledger", self->dir);
    assert_int_equal(lb_ledger_open(&self->ledger, self->path), LB_OK);
    lb_ledger_txn_init(&self->txn);
    lb_buffer_init(&self->value, 1024 * 1024);
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *self = *state;

    fault = DISK_FINE;
    lb_alloc_fail_at = 0;
    lb_ledger_close(self->ledger);
    lb_ledger_txn_free(&self->txn);
    lb_buffer_free(&self->value);
    unlink(self->path);
    assert_int_equal(rmdir(self->dir), 0); /* nothing else was left there */
    free(self);
    return 0;
}

static void reopen(struct fixture *self)
{
    lb_ledger_close(self->ledger);
    self->ledger = NULL;
    assert_int_equal(lb_ledger_open(&self->ledger, self->path), LB_OK);
}

static void put(struct fixture *self, const char *key, const char *value)
{
    lb_ledger_put(&self->txn, lb_str_from(key), lb_str_from(value));
}

static enum lb_err commit(struct fixture *self)
{
    return lb_ledger_commit(self->ledger, &self->txn);
}

static void expect(struct fixture *self, const char *key, const char *value)
{
    enum lb_err err = lb_ledger_get(self->ledger, lb_str_from(key), &self->value);

    if (value == NULL) {
        assert_int_equal(err, LB_END);
        return;
    }
    assert_int_equal(err, LB_OK);
    assert_text(lb_buffer_str(&self->value), value);
}

static off_t file_size(const struct fixture *self)
{
    struct stat about;

    assert_int_equal(stat(self->path, &about), 0);
    return about.st_size;
}

/* --- what must hold ------------------------------------------------------------------------ */

static void a_committed_transaction_survives_reopening(void **state)
{
    struct fixture *self = *state;

    put(self, "stream/1", "app\n/var/log/app.log");
    put(self, "mark/a/1", "100");
    put(self, "empty", "");
    assert_int_equal(commit(self), LB_OK);
    assert_int_equal(self->txn.count, 0);
    put(self, "mark/a/1", "200");
    lb_ledger_delete(&self->txn, LB_STR("stream/1"));
    lb_ledger_delete(&self->txn, LB_STR("never there"));
    assert_int_equal(commit(self), LB_OK);
    for (int round = 0; round < 2; round++) {
        expect(self, "mark/a/1", "200");
        expect(self, "stream/1", NULL);
        expect(self, "empty", "");
        reopen(self);
    }
}

static void what_was_not_committed_is_not_there(void **state)
{
    struct fixture *self = *state;

    put(self, "a", "1");
    expect(self, "a", NULL);
    reopen(self);
    expect(self, "a", NULL);
}

static void the_last_change_of_a_key_in_a_transaction_counts(void **state)
{
    struct fixture *self = *state;

    put(self, "a", "1");
    lb_ledger_delete(&self->txn, LB_STR("a"));
    put(self, "a", "a value that is much longer than the one before it");
    put(self, "b", "1");
    lb_ledger_delete(&self->txn, LB_STR("b"));
    assert_int_equal(commit(self), LB_OK);
    for (int round = 0; round < 2; round++) {
        expect(self, "a", "a value that is much longer than the one before it");
        expect(self, "b", NULL);
        reopen(self);
    }
}

static void an_empty_transaction_costs_no_sync(void **state)
{
    struct fixture *self = *state;

    syncs = 0;
    assert_int_equal(commit(self), LB_OK);
    assert_int_equal(syncs, 0);
}

static void append_key(void *context, struct lb_str key, struct lb_str value)
{
    struct lb_buffer *out = context;

    lb_buffer_append_str(out, key);
    lb_buffer_append_char(out, '=');
    lb_buffer_append_str(out, value);
    lb_buffer_append_char(out, ' ');
}

static void each_visits_a_prefix_in_order(void **state)
{
    struct fixture *self = *state;

    put(self, "mark/b/2", "4");
    put(self, "mark/a/1", "1");
    put(self, "mark", "0");
    put(self, "mark/b/1", "3");
    put(self, "mark0", "5");
    put(self, "mark/a/2", "2");
    assert_int_equal(commit(self), LB_OK);
    lb_buffer_reset(&self->value);
    lb_ledger_each(self->ledger, LB_STR("mark/"), append_key, &self->value);
    assert_text(lb_buffer_str(&self->value), "mark/a/1=1 mark/a/2=2 mark/b/1=3 mark/b/2=4 ");
}

static void a_full_disk_changes_nothing_and_the_next_try_succeeds(void **state)
{
    struct fixture *self = *state;

    put(self, "a", "1");
    assert_int_equal(commit(self), LB_OK);
    off_t size = file_size(self);
    put(self, "a", "2");
    put(self, "b", "2");
    for (size_t bytes = 0; bytes < 20; bytes++) {
        fault = DISK_FULL;
        room = bytes;
        assert_int_equal(commit(self), LB_IO);
        assert_int_equal(errno, ENOSPC);
        assert_int_equal(file_size(self), size);
        expect(self, "a", "1");
        expect(self, "b", NULL);
        fault = DISK_FINE;
        reopen(self);
        expect(self, "a", "1");
    }
    assert_int_equal(self->txn.count, 2);
    assert_int_equal(commit(self), LB_OK);
    reopen(self);
    expect(self, "a", "2");
    expect(self, "b", "2");
}

static void a_torn_end_that_cannot_be_cut_off_is_never_appended_to(void **state)
{
    struct fixture *self = *state;

    put(self, "a", "1");
    assert_int_equal(commit(self), LB_OK);
    put(self, "a", "2");
    fault = DISK_FULL_AND_STUCK;
    room = 13;
    assert_int_equal(commit(self), LB_IO);
    assert_true(self->ledger->file.must_rewrite);
    expect(self, "a", "1");
    fault = DISK_FINE;
    put(self, "b", "3");
    assert_int_equal(commit(self), LB_OK);
    assert_false(self->ledger->file.must_rewrite);
    for (int round = 0; round < 2; round++) {
        expect(self, "a", "2");
        expect(self, "b", "3");
        reopen(self);
    }
}

static uint64_t inode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

/* Its end may be in the kernel's memory alone: a process was killed right after a failed sync. */
static void nothing_is_appended_to_a_file_from_before(void **state)
{
    struct fixture *self = *state;

    put(self, "a", "1");
    assert_int_equal(commit(self), LB_OK);
    uint64_t before = inode_of(self->path);
    reopen(self);
    uint64_t written = inode_of(self->path);
    assert_true(written != before);
    /* Where that cannot be done at start, it is done before the first commit. */
    lb_ledger_close(self->ledger);
    fault = DISK_RENAME_FAILS;
    assert_int_equal(lb_ledger_open(&self->ledger, self->path), LB_OK);
    assert_int_equal(inode_of(self->path), written);
    expect(self, "a", "1");
    put(self, "b", "2");
    assert_int_equal(commit(self), LB_IO);
    fault = DISK_FINE;
    put(self, "b", "2");
    assert_int_equal(commit(self), LB_OK);
    assert_true(inode_of(self->path) != written);
    reopen(self);
    expect(self, "a", "1");
    expect(self, "b", "2");
}

static void a_failed_sync_is_answered_by_a_new_file(void **state)
{
    struct fixture *self = *state;
    struct stat before;
    struct stat after;

    put(self, "a", "1");
    assert_int_equal(commit(self), LB_OK);
    assert_int_equal(stat(self->path, &before), 0);
    fault = DISK_SYNC_FAILS;
    put(self, "a", "2");
    assert_int_equal(commit(self), LB_IO);
    expect(self, "a", "1");
    fault = DISK_FINE;
    assert_int_equal(commit(self), LB_OK);
    assert_int_equal(stat(self->path, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    reopen(self);
    expect(self, "a", "2");
}

static void a_file_that_shrinks_by_much_is_rewritten(void **state)
{
    struct fixture *self = *state;
    char value[2001];

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    put(self, "stays", "1");
    assert_int_equal(commit(self), LB_OK);
    off_t largest = 0;
    for (unsigned i = 0; i < 1500; i++) {
        value[0] = (char)('a' + i % 26);
        put(self, "changes", value);
        assert_int_equal(commit(self), LB_OK);
        largest = file_size(self) > largest ? file_size(self) : largest;
    }
    assert_in_range(largest, 1024 * 1024, 1024 * 1024 + 8192);
    reopen(self);
    expect(self, "stays", "1");
    expect(self, "changes", value);
}

static void a_rewrite_that_fails_leaves_the_commit_durable(void **state)
{
    struct fixture *self = *state;
    char value[2001];

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    fault = DISK_RENAME_FAILS;
    for (unsigned i = 0; i < 600; i++) {
        put(self, "changes", value);
        assert_int_equal(commit(self), LB_OK);
    }
    assert_in_range(file_size(self), 1150 * 1000, UINT32_MAX);
    fault = DISK_FINE;
    reopen(self);
    expect(self, "changes", value);
    assert_in_range(file_size(self), 0, 4096); /* opening rewrites too */
}

static void every_allocation_may_fail(void **state)
{
    struct fixture *self = *state;

    for (long n = 1; n < 40; n++) {
        lb_alloc_fail_at = n;
        put(self, "a", "1");
        put(self, "a key that is new", "a value that is longer than what every node has");
        enum lb_err err = commit(self);
        lb_alloc_fail_at = 0;
        if (err == LB_OK)
            return;
        assert_int_equal(err, LB_NOMEM);
        expect(self, "a", NULL);
        expect(self, "a key that is new", NULL);
        lb_ledger_txn_free(&self->txn);
    }
    fail_msg("never enough memory");
}

static void write_file(const struct fixture *self, const void *bytes, size_t len)
{
    FILE *file = fopen(self->path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static void what_is_no_ledger_is_refused_and_left_alone(void **state)
{
    struct fixture *self = *state;
    static const char text[] = "these are the notes of somebody else";
    struct lb_ledger *ledger = NULL;

    write_file(self, text, sizeof(text));
    assert_int_equal(lb_ledger_open(&ledger, self->path), LB_BAD_INPUT);
    assert_int_equal(file_size(self), sizeof(text));
    write_file(self, "LBLEDGER\2\0\0\0\1\2\3\4", 16); /* a newer version */
    assert_int_equal(lb_ledger_open(&ledger, self->path), LB_BAD_INPUT);
    assert_int_equal(lb_ledger_open(&ledger, self->dir), LB_IO); /* a directory */
    assert_null(ledger);
}

static void a_directory_that_is_missing_is_told(void **state)
{
    struct lb_ledger *ledger = NULL;

    (void)state;
    assert_int_equal(lb_ledger_open(&ledger, "/tmp/ledger_test.missing/ledger"), LB_IO);
    assert_int_equal(errno, ENOENT);
}

#define LEDGER_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(a_committed_transaction_survives_reopening),
        LEDGER_TEST(what_was_not_committed_is_not_there),
        LEDGER_TEST(the_last_change_of_a_key_in_a_transaction_counts),
        LEDGER_TEST(an_empty_transaction_costs_no_sync),
        LEDGER_TEST(each_visits_a_prefix_in_order),
        LEDGER_TEST(a_full_disk_changes_nothing_and_the_next_try_succeeds),
        LEDGER_TEST(a_torn_end_that_cannot_be_cut_off_is_never_appended_to),
        LEDGER_TEST(nothing_is_appended_to_a_file_from_before),
        LEDGER_TEST(a_failed_sync_is_answered_by_a_new_file),
        LEDGER_TEST(a_file_that_shrinks_by_much_is_rewritten),
        LEDGER_TEST(a_rewrite_that_fails_leaves_the_commit_durable),
        LEDGER_TEST(every_allocation_may_fail),
        LEDGER_TEST(what_is_no_ledger_is_refused_and_left_alone),
        LEDGER_TEST(a_directory_that_is_missing_is_told),
    };

    lb_log_level = LB_LEVEL_EMERGENCY; /* the faults are meant */
    return cmocka_run_group_tests_name("core/ledger", tests, NULL, NULL);
}
