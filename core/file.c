/* file.c - small files that are read and replaced as a whole; see lb_file.h. */
#include "lb_file.h"

#include "lb_directories.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 * 1024, MODE = 0640 };

static bool write_whole(int fd, struct lb_str bytes)
{
    while (bytes.len > 0) {
        ssize_t count = write(fd, bytes.ptr, bytes.len);

        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0)
            bytes = (struct lb_str){ bytes.ptr + count, bytes.len - (size_t)count };
    }
    return true;
}

bool lb_file_replace(const char *path, struct lb_str bytes)
{
    char temp[PATH_MAX];

    if ((size_t)snprintf(temp, sizeof(temp), "%s.new", path) >= sizeof(temp)) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, MODE);
    if (fd < 0)
        return false;
    bool ok = write_whole(fd, bytes) && fsync(fd) == 0;
    int cause = errno;
    ok = close(fd) == 0 && ok;
    errno = cause;
    return ok && rename(temp, path) == 0 && lb_directories_sync(path);
}

enum lb_err lb_file_read(const char *path, struct lb_buffer *out)
{
    ssize_t count = 1;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? LB_END : LB_IO;
    while (count != 0 && lb_buffer_reserve(out, CHUNK_BYTES)) {
        count = read(fd, out->ptr + out->len, CHUNK_BYTES);
        if (count < 0 && errno != EINTR)
            break;
        out->len += count > 0 ? (size_t)count : 0;
    }
    int cause = errno;
    close(fd);
    errno = cause;
    if (out->failed)
        return LB_LIMIT;
    return count < 0 ? LB_IO : LB_OK;
}
