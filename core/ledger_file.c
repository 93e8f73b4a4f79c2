/*
 * ledger_file.c - records on a disk that may fail at any byte.
 *
 * The tricky thing: after a failed fsync the kernel may have dropped the
 * pages and call the next fsync a success, so such a file is never appended
 * to again; and a short write is cut off before anything follows it.
 */
#include "ledger_file.h"

#include "lb_crc32c.h"
#include "lb_alloc.h"
#include "lb_directories.h"
#include "lb_ledger.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "ledger"

static const char magic[8] = { 'L', 'B', 'L', 'E', 'D', 'G', 'E', 'R' };

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

static void make_header(char header[LB_LEDGER_HEADER_BYTES])
{
    memcpy(header, magic, sizeof(magic));
    store_u32(header + 8, LB_LEDGER_VERSION);
    store_u32(header + 12, lb_crc32c(0, header, 12));
}

/* The sum covers the length too, so that zeros (a hole after a crash) are no record. */
static uint32_t record_crc(const char *record, size_t len)
{
    uint32_t crc = lb_crc32c(0, record, 4);

    return lb_crc32c(crc, record + LB_LEDGER_RECORD_BYTES, len - LB_LEDGER_RECORD_BYTES);
}

static void seal_record(char *record, size_t len)
{
    store_u32(record, (uint32_t)(len - LB_LEDGER_RECORD_BYTES));
    store_u32(record + 4, record_crc(record, len));
}

/* The payload of the record at the front of `bytes`; `ptr` is NULL if there is no whole and sound one. */
static struct lb_str read_record(struct lb_str bytes)
{
    if (bytes.len < LB_LEDGER_RECORD_BYTES)
        return (struct lb_str){ NULL, 0 };
    uint32_t len = load_u32(bytes.ptr);
    if (len > bytes.len - LB_LEDGER_RECORD_BYTES)
        return (struct lb_str){ NULL, 0 };
    if (load_u32(bytes.ptr + 4) != record_crc(bytes.ptr, LB_LEDGER_RECORD_BYTES + (size_t)len))
        return (struct lb_str){ NULL, 0 };
    return (struct lb_str){ bytes.ptr + LB_LEDGER_RECORD_BYTES, len };
}

/* --- writing ----------------------------------------------------------------- */

static bool write_at(int fd, const char *bytes, size_t len, uint64_t offset)
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

enum lb_err lb_ledger_file_append(struct lb_ledger_file *file, char *record, size_t len)
{
    seal_record(record, len);
    if (!write_at(file->fd, record, len, file->length)) {
        int cause = errno;

        file->must_rewrite = ftruncate(file->fd, (off_t)file->length) != 0;
        errno = cause;
        return LB_IO;
    }
    if (fdatasync(file->fd) != 0) {
        file->must_rewrite = true;
        return LB_IO;
    }
    file->length += len;
    return LB_OK;
}

static bool write_temporary(int fd, char *first, size_t first_len, char *second, size_t second_len)
{
    char header[LB_LEDGER_HEADER_BYTES];

    make_header(header);
    if (first_len > 0)
        seal_record(first, first_len);
    if (second_len > 0)
        seal_record(second, second_len);
    return write_at(fd, header, sizeof(header), 0) && write_at(fd, first, first_len, sizeof(header)) &&
           write_at(fd, second, second_len, sizeof(header) + first_len) && fsync(fd) == 0;
}

enum lb_err lb_ledger_file_rewrite(struct lb_ledger_file *file, char *first, size_t first_len, char *second,
                                   size_t second_len)
{
    int fd = open(file->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return LB_IO;
    if (!write_temporary(fd, first, first_len, second, second_len) || rename(file->temporary, file->path) != 0) {
        int cause = errno;

        close(fd);
        unlink(file->temporary);
        errno = cause;
        return LB_IO;
    }
    if (file->fd >= 0)
        close(file->fd);
    file->fd = fd;
    file->length = LB_LEDGER_HEADER_BYTES + first_len + second_len;
    /* Which of both files a crash would leave is open now: neither is good until a rewrite succeeds. */
    file->must_rewrite = !lb_directories_sync(file->path);
    return file->must_rewrite ? LB_IO : LB_OK;
}

/* --- opening ------------------------------------------------------------------ */

/* Sets file->length to the end of the last good record. */
static enum lb_err replay_records(struct lb_ledger_file *file, struct lb_str bytes,
                                  enum lb_err (*replay)(void *context, struct lb_str payload), void *context)
{
    file->length = LB_LEDGER_HEADER_BYTES;
    while (file->length < bytes.len) {
        struct lb_str rest = { bytes.ptr + file->length, bytes.len - file->length };
        struct lb_str payload = read_record(rest);
        enum lb_err err = payload.ptr != NULL ? replay(context, payload) : LB_BAD_INPUT;

        if (err == LB_BAD_INPUT)
            return LB_OK;
        if (err != LB_OK)
            return err;
        file->length += LB_LEDGER_RECORD_BYTES + payload.len;
    }
    return LB_OK;
}

static void cut_torn_end(struct lb_ledger_file *file, uint64_t size)
{
    if (file->length == size)
        return;
    LB_WARN(MODULE, "dropped a torn or damaged end path=%s kept_bytes=%" PRIu64 " dropped_bytes=%" PRIu64, file->path,
            file->length, size - file->length);
    file->must_rewrite = ftruncate(file->fd, (off_t)file->length) != 0 || fdatasync(file->fd) != 0;
}

static enum lb_err read_file(struct lb_ledger_file *file, uint64_t size,
                             enum lb_err (*replay)(void *context, struct lb_str payload), void *context)
{
    char header[LB_LEDGER_HEADER_BYTES];
    char *bytes = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, file->fd, 0) : NULL;
    enum lb_err err = LB_BAD_INPUT;

    if (bytes == MAP_FAILED)
        return LB_IO;
    make_header(header);
    size_t compared = size < sizeof(header) ? size : sizeof(header);
    bool ours = compared == 0 || memcmp(bytes, header, compared) == 0;
    if (ours && size >= sizeof(header)) {
        err = replay_records(file, (struct lb_str){ bytes, size }, replay, context);
        if (err == LB_OK)
            cut_torn_end(file, size);
    } else if (ours) { /* torn while it was made: nothing was ever in it */
        err = lb_ledger_file_rewrite(file, NULL, 0, NULL, 0);
    }
    if (bytes != NULL)
        munmap(bytes, size);
    return err;
}

static char *text_of(const char *path, const char *suffix)
{
    size_t size = strlen(path) + strlen(suffix) + 1;
    char *text = lb_alloc(size);

    if (text != NULL)
        snprintf(text, size, "%s%s", path, suffix);
    return text;
}

static enum lb_err open_existing(struct lb_ledger_file *file,
                                 enum lb_err (*replay)(void *context, struct lb_str payload), void *context)
{
    struct stat about;

    file->fd = open(file->path, O_RDWR | O_CLOEXEC);
    if (file->fd < 0)
        return errno == ENOENT ? lb_ledger_file_rewrite(file, NULL, 0, NULL, 0) : LB_IO;
    if (fstat(file->fd, &about) != 0)
        return LB_IO;
    return S_ISREG(about.st_mode) ? read_file(file, (uint64_t)about.st_size, replay, context) : LB_BAD_INPUT;
}

enum lb_err lb_ledger_file_open(struct lb_ledger_file *file, const char *path,
                                enum lb_err (*replay)(void *context, struct lb_str payload), void *context)
{
    enum lb_err err = LB_NOMEM;

    *file = (struct lb_ledger_file){ .fd = -1 };
    file->path = text_of(path, "");
    file->temporary = text_of(path, ".new");
    if (file->path != NULL && file->temporary != NULL)
        err = open_existing(file, replay, context);
    if (err != LB_OK) {
        int cause = errno;

        lb_ledger_file_close(file);
        errno = cause;
    }
    return err;
}

void lb_ledger_file_close(struct lb_ledger_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    lb_free(file->path);
    lb_free(file->temporary);
    *file = (struct lb_ledger_file){ .fd = -1 };
}

uint32_t lb_ledger_version(const char *path)
{
    char header[LB_LEDGER_HEADER_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool whole = fd >= 0 && pread(fd, header, sizeof(header), 0) == (ssize_t)sizeof(header);

    if (fd >= 0)
        close(fd);
    if (!whole || memcmp(header, magic, sizeof(magic)) != 0 || load_u32(header + 12) != lb_crc32c(0, header, 12))
        return 0;
    return load_u32(header + 8);
}
