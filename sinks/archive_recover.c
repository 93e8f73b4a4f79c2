/* archive_recover.c - cuts what a crash left half-written behind the last whole frame. */
#include "lb_archive.h"

#include "archive_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum lb_err cut(int fd, uint64_t *bytes, lb_archive_reason *reason)
{
    struct archive_frame_at frame = { 0 };
    struct stat status;
    uint64_t offset = 0;

    if (fstat(fd, &status) != 0)
        return LB_IO;
    uint64_t size = (uint64_t)status.st_size;
    for (; offset < size; offset += frame.packed) {
        if (!archive_walk(fd, offset, size, &frame))
            return LB_IO;
        /* Nothing whole follows: what a crash left. Damage in the middle is not for cutting. */
        if (offset + frame.packed == size && frame.kind >= ARCHIVE_FRAME_TORN)
            break;
    }
    *bytes = size - offset;
    if (*bytes == 0)
        return LB_OK;
    if (offset == 0) {
        *bytes = 0;
        *reason = "it holds no whole frame of zstd";
        return LB_BAD_INPUT;
    }
    return ftruncate(fd, (off_t)offset) == 0 && fsync(fd) == 0 ? LB_OK : LB_IO;
}

enum lb_err lb_archive_recover(const char *path, uint64_t *bytes, lb_archive_reason *reason)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    *bytes = 0;
    if (fd < 0)
        return LB_IO;
    enum lb_err err = cut(fd, bytes, reason);
    int saved = errno;
    close(fd);
    errno = saved;
    return err;
}
