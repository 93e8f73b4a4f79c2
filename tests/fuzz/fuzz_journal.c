/*
 * fuzz_journal.c - a segment with any bytes: opening, reading to the end and
 * appending behind it. Nothing loops for ever, what was appended afterwards
 * comes back, and a second opening finds the same.
 *
 * The first byte says how the journal is opened. An input that begins with
 * 'G' grows good entries of its own before the bytes.
 */
#include "core/journal.h"

#include "lb_log.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];

/* Nothing here survives a crash anyway. */
int fsync(int fd)
{
    return fd < 0;
}

int fdatasync(int fd)
{
    return fd < 0;
}

static void delete_segments(void)
{
    DIR *directory = opendir(dir);
    const struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    }
    if (directory != NULL)
        closedir(directory);
}

static void forget(void)
{
    delete_segments();
    rmdir(dir);
}

static void write_segment(const uint8_t *data, size_t size, bool whole)
{
    char name[128];
    char number[LB_JOURNAL_NAME_SIZE];
    struct lb_buffer bytes;
    struct lb_journal here = { .directory_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };

    snprintf(name, sizeof(name), "%s/%s", dir, lb_journal_name(0, number));
    unlink(name);
    int fd = lb_journal_create(&here, 0);
    assert(fd >= 0);
    lb_buffer_init(&bytes, 1 << 24);
    if (whole) {
        lb_journal_frame(&bytes, LB_STR("first"), LB_JOURNAL_HEAD);
        lb_journal_frame(&bytes, LB_STR("second"), LB_JOURNAL_HEAD + bytes.len);
    }
    lb_buffer_append(&bytes, (const char *)data, size);
    /* Without 'G' the bytes are the segment, its head included. */
    assert(lb_journal_write_at(fd, bytes.ptr, bytes.len, whole ? LB_JOURNAL_HEAD : 0));
    if (!whole)
        assert(ftruncate(fd, (off_t)bytes.len) == 0);
    close(fd);
    close(here.directory_fd);
    lb_buffer_free(&bytes);
}

static unsigned read_all(struct lb_journal *journal, const char *last)
{
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, 0);
    struct lb_buffer payload;
    uint64_t start;
    uint64_t end;
    uint64_t before = 0;
    unsigned count = 0;
    bool found = last == NULL;

    assert(reader != NULL);
    lb_buffer_init(&payload, 1 << 24);
    while (lb_journal_read(reader, &payload, &start, &end) == LB_OK) {
        assert(start >= before && end > start && end <= lb_journal_end(journal));
        before = end;
        found = last == NULL || lb_str_is(lb_buffer_str(&payload), last);
        count++;
    }
    assert(found);
    lb_buffer_free(&payload);
    lb_journal_reader_free(reader);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_journal *journal;
    bool whole = size > 1 && data[1] == 'G';

    if (size < 2)
        return 0;
    if (dir[0] == '\0') {
        atomic_store(&lb_log_level, LB_LEVEL_EMERGENCY);
        atexit(forget);
        if (mkdtemp(strcpy(dir, "/tmp/fuzz_journal.XXXXXX")) == NULL)
            abort();
    }
    struct lb_journal_options options = { .segment_bytes = 4096, .end_known = (data[0] & 1) != 0, .end = data[0] * 3U };
    write_segment(data + 1 + whole, size - 1 - whole, whole);
    assert(lb_journal_open(&journal, dir, &options) == LB_OK);
    unsigned first = read_all(journal, NULL);
    uint64_t end;
    assert(lb_journal_append(journal, LB_STR("appended"), &end) == LB_OK);
    assert(lb_journal_sync(journal) == LB_OK);
    assert(read_all(journal, "appended") == first + 1);
    lb_journal_close(journal);
    options.end_known = false;
    assert(lb_journal_open(&journal, dir, &options) == LB_OK);
    assert(read_all(journal, "appended") == first + 1);
    lb_journal_close(journal);
    delete_segments();
    return 0;
}
