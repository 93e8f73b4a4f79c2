/*
 * directories.c - makes directories, and syncs them up to the root.
 *
 * The way up is "..", from the open directory: so symbolic links in the path
 * lead to the directories that hold the names, not those that hold the links.
 */
#include "lb_directories.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 64 };

bool lb_directories_make(const char *path, mode_t mode)
{
    char prefix[PATH_MAX];

    if (*path == '\0' || strlen(path) >= sizeof(prefix)) {
        errno = *path == '\0' ? ENOENT : ENAMETOOLONG;
        return false;
    }
    snprintf(prefix, sizeof(prefix), "%s", path);
    for (char *slash = strchr(prefix + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(prefix, mode) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return true;
}

bool lb_directory_sync(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
}

static void close_quietly(int fd)
{
    int err = errno;

    close(fd);
    errno = err;
}

/* -1: there is none on this file system, or (`ok` is false) errno says why it cannot be had. */
static int open_above(int fd, bool *ok)
{
    struct stat here;
    struct stat above;
    int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *ok = parent >= 0 || errno == EACCES;
    if (parent < 0)
        return -1;
    if (fstat(fd, &here) == 0 && fstat(parent, &above) == 0 && above.st_dev == here.st_dev &&
        above.st_ino != here.st_ino)
        return parent;
    close_quietly(parent);
    return -1;
}

bool lb_directories_sync(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;

    if (len >= sizeof(directory)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(directory, path, len);
    directory[len] = '\0';
    int fd = open(len > 0 ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0;

    for (int depth = 0; fd >= 0 && depth < DEPTH_MAX; depth++) {
        int parent = -1;

        ok = lb_directory_sync(fd);
        if (ok)
            parent = open_above(fd, &ok);
        close_quietly(fd);
        fd = parent;
    }
    if (fd >= 0)
        close_quietly(fd);
    return ok;
}
