/*
 * journal_ground.h - the ground that tests of the journal stand on.
 *
 * The calls that reach the disk are replaced by ones that fail when told to:
 * the test's own definitions stand before those of the C library. Entries are
 * numbered, so that a reader can say which of them it got.
 */
#ifndef LB_JOURNAL_GROUND_H
#define LB_JOURNAL_GROUND_H

#include "lb_test.h"

#include "journal.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

static inline int make_dir(void **state)
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

static inline int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static inline struct lb_journal *open_with(struct lb_journal_options options)
{
    struct lb_journal *journal = NULL;

    assert_int_equal(lb_journal_open(&journal, path, &options), LB_OK);
    return journal;
}

static inline struct lb_journal *open_journal(uint64_t segment_bytes)
{
    return open_with((struct lb_journal_options){ .segment_bytes = segment_bytes });
}

static inline struct lb_str text_of(unsigned n, char text[64])
{
    int len = snprintf(text, 64, "entry %u of the journal", n);

    return (struct lb_str){ text, (size_t)len };
}

static inline uint64_t append(struct lb_journal *journal, unsigned n)
{
    char text[64];
    uint64_t end = 0;

    assert_int_equal(lb_journal_append(journal, text_of(n, text), &end), LB_OK);
    assert_int_equal(end, lb_journal_end(journal));
    return end;
}

static inline void append_many(struct lb_journal *journal, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        append(journal, first + i);
    assert_int_equal(lb_journal_sync(journal), LB_OK);
}

/* Reads entries first, first + 1, …: as many as `count`; then there is none, unless `more`. */
static inline uint64_t expect(struct lb_journal_reader *reader, unsigned first, unsigned count, bool more)
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

static inline void expect_all(struct lb_journal *journal, unsigned first, unsigned count)
{
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);

    expect(reader, first, count, false);
    lb_journal_reader_free(reader);
}

static inline unsigned count_files(uint64_t *starts)
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

static inline int open_file(uint64_t start)
{
    char name[256];
    char number[LB_JOURNAL_NAME_SIZE];

    snprintf(name, sizeof(name), "%s/%s", path, lb_journal_name(start, number));
    int fd = open(name, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline void flip(uint64_t start, uint64_t position)
{
    int fd = open_file(start);
    char byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t)(position - start)), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(position - start)), 1);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

#endif
