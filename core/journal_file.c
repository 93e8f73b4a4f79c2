/*
 * journal_file.c - the bytes of one segment.
 *
 * The tricky thing is the torn tail: a crash leaves any bytes behind the last
 * sync, and a damaged entry in the middle looks the same at first. It is the
 * tail only if no whole entry follows.
 */
#include "journal.h"

#include "lb_alloc.h"
#include "lb_crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { VERSION = 1, NAME_DIGITS = 16, SCAN_BYTES = 64 * 1024 };

#define SUFFIX ".seg"

static const char magic[8] = { 'L', 'B', 'J', 'O', 'U', 'R', 'N', 'L' };
static const char entry_magic[4] = { '\xa7', 'L', 'b', 'e' };

static void store_u32(char *out, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (char)(number >> (8 * i));
}

static uint32_t load_u32(const char *bytes)
{
    uint32_t number = 0;

    for (unsigned i = 0; i < 4; i++)
        number |= (uint32_t)(unsigned char)bytes[i] << (8 * i);
    return number;
}

/* --- names ------------------------------------------------------------------------ */

const char *lb_journal_name(uint64_t start, char name[LB_JOURNAL_NAME_SIZE])
{
    snprintf(name, LB_JOURNAL_NAME_SIZE, "%0*" PRIx64 SUFFIX, NAME_DIGITS, start);
    return name;
}

bool lb_journal_read_name(const char *name, uint64_t *start)
{
    *start = 0;
    if (strlen(name) != NAME_DIGITS + sizeof(SUFFIX) - 1 || strcmp(name + NAME_DIGITS, SUFFIX) != 0)
        return false;
    for (unsigned i = 0; i < NAME_DIGITS; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = strchr(digits, name[i]);

        if (digit == NULL)
            return false;
        *start = *start << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

/* --- bytes ------------------------------------------------------------------------ */

bool lb_journal_write_at(int fd, const char *bytes, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t written = pwrite(fd, bytes, len, (off_t)offset);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return false;
        }
        bytes += written;
        len -= (size_t)written;
        offset += (uint64_t)written;
    }
    return true;
}

ssize_t lb_journal_read_at(int fd, char *bytes, size_t len, uint64_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t count = pread(fd, bytes + done, len - done, (off_t)(offset + done));

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        done += (size_t)count;
    }
    return (ssize_t)done;
}

/* --- heads ------------------------------------------------------------------------- */

int lb_journal_open_segment(const struct lb_journal *journal, uint64_t start, int flags)
{
    char name[LB_JOURNAL_NAME_SIZE];

    return openat(journal->directory_fd, lb_journal_name(start, name), flags | O_CLOEXEC, 0600);
}

int lb_journal_create(const struct lb_journal *journal, uint64_t start)
{
    char head[LB_JOURNAL_HEAD];
    char name[LB_JOURNAL_NAME_SIZE];
    int fd = lb_journal_open_segment(journal, start, O_RDWR | O_CREAT | O_EXCL);

    if (fd < 0)
        return -1;
    memcpy(head, magic, sizeof(magic));
    store_u32(head + 8, VERSION);
    store_u32(head + 12, lb_crc32c(0, head, 12));
    if (lb_journal_write_at(fd, head, sizeof(head), 0))
        return fd;
    int cause = errno;
    close(fd);
    unlinkat(journal->directory_fd, lb_journal_name(start, name), 0);
    errno = cause;
    return -1;
}

bool lb_journal_head_is_good(const char head[LB_JOURNAL_HEAD])
{
    return memcmp(head, magic, sizeof(magic)) == 0 && load_u32(head + 8) == VERSION &&
           load_u32(head + 12) == lb_crc32c(0, head, 12);
}

static uint32_t head_crc(const char head[LB_JOURNAL_ENTRY_HEAD], uint64_t position)
{
    char place[8];

    store_u32(place, (uint32_t)position);
    store_u32(place + 4, (uint32_t)(position >> 32));
    return lb_crc32c(lb_crc32c(0, head, 12), place, sizeof(place));
}

void lb_journal_frame(struct lb_buffer *out, struct lb_str payload, uint64_t position)
{
    char head[LB_JOURNAL_ENTRY_HEAD];

    memcpy(head, entry_magic, sizeof(entry_magic));
    store_u32(head + 4, (uint32_t)payload.len);
    store_u32(head + 8, lb_crc32c(0, payload.ptr, payload.len));
    store_u32(head + 12, head_crc(head, position));
    if (!lb_buffer_reserve(out, sizeof(head) + payload.len))
        return;
    lb_buffer_append(out, head, sizeof(head));
    lb_buffer_append_str(out, payload);
}

bool lb_journal_parse(const char head[LB_JOURNAL_ENTRY_HEAD], uint64_t position, struct lb_journal_entry *entry)
{
    if (memcmp(head, entry_magic, sizeof(entry_magic)) != 0 || load_u32(head + 12) != head_crc(head, position))
        return false;
    entry->length = load_u32(head + 4);
    entry->crc = load_u32(head + 8);
    return entry->length > 0 && entry->length <= LB_JOURNAL_ENTRY_MAX;
}

/* --- searching ----------------------------------------------------------------------- */

/* The first head that stands wholly in `bytes`, which begin at `offset` of the segment; `len` if there is none. */
static size_t find_in(const char *bytes, size_t len, uint64_t start, uint64_t offset)
{
    struct lb_journal_entry entry;
    size_t at = 0;

    while (len - at >= LB_JOURNAL_ENTRY_HEAD) {
        const char *found = memmem(bytes + at, len - at, entry_magic, sizeof(entry_magic));

        if (found == NULL || len - (size_t)(found - bytes) < LB_JOURNAL_ENTRY_HEAD)
            return len;
        at = (size_t)(found - bytes);
        if (lb_journal_parse(found, start + offset + at, &entry))
            return at;
        at++;
    }
    return len;
}

int64_t lb_journal_find(int fd, uint64_t start, uint64_t from, uint64_t limit)
{
    char *bytes = lb_alloc(SCAN_BYTES);
    int64_t found = (int64_t)limit;

    if (bytes == NULL) {
        errno = ENOMEM;
        return -1;
    }
    while (from < limit) {
        size_t want = limit - from < SCAN_BYTES ? (size_t)(limit - from) : SCAN_BYTES;
        ssize_t got = lb_journal_read_at(fd, bytes, want, from);

        if (got < LB_JOURNAL_ENTRY_HEAD) {
            found = got < 0 ? -1 : found;
            break;
        }
        size_t at = find_in(bytes, (size_t)got, start, from);
        if (at < (size_t)got) {
            found = (int64_t)(from + at);
            break;
        }
        /* A head may stand across the end of what was read. */
        from += (uint64_t)got - LB_JOURNAL_ENTRY_HEAD + 1;
    }
    lb_free(bytes);
    return found;
}

/* 1: whole, 0: not, -1: errno. */
static int payload_is_good(int fd, uint64_t offset, const struct lb_journal_entry *entry, char *bytes)
{
    uint32_t crc = 0;

    for (uint64_t at = 0; at < entry->length;) {
        size_t want = entry->length - at < SCAN_BYTES ? (size_t)(entry->length - at) : SCAN_BYTES;
        ssize_t got = lb_journal_read_at(fd, bytes, want, offset + at);

        if (got < 0)
            return -1;
        if ((size_t)got < want)
            return 0;
        crc = lb_crc32c(crc, bytes, want);
        at += want;
    }
    return crc == entry->crc;
}

static int64_t walk(int fd, uint64_t start, uint64_t size, char *bytes)
{
    uint64_t at = LB_JOURNAL_HEAD;
    uint64_t good = at;

    for (;;) {
        char head[LB_JOURNAL_ENTRY_HEAD];
        struct lb_journal_entry entry;
        int64_t found = lb_journal_find(fd, start, at, size);

        if (found < 0 || (uint64_t)found >= size)
            return found < 0 ? -1 : (int64_t)good;
        at = (uint64_t)found;
        if (lb_journal_read_at(fd, head, sizeof(head), at) != sizeof(head) ||
            !lb_journal_parse(head, start + at, &entry))
            return -1;
        int whole = payload_is_good(fd, at + LB_JOURNAL_ENTRY_HEAD, &entry, bytes);
        if (whole < 0)
            return -1;
        at += LB_JOURNAL_ENTRY_HEAD + (whole > 0 ? (uint64_t)entry.length : 0);
        good = whole > 0 ? at : good;
    }
}

int64_t lb_journal_good_end(int fd, uint64_t start, uint64_t size)
{
    char *bytes = lb_alloc(SCAN_BYTES);
    int64_t end = (int64_t)size;

    if (bytes == NULL) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t got = lb_journal_read_at(fd, bytes, LB_JOURNAL_HEAD, 0);
    if (got < 0)
        end = -1;
    else if (got == LB_JOURNAL_HEAD && lb_journal_head_is_good(bytes))
        end = walk(fd, start, size, bytes);
    lb_free(bytes);
    return end;
}
