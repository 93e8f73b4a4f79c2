/*
 * output_directory.c - the directories of files whose paths records decide.
 *
 * The constant directory is the user's: any path that leads there will do.
 * Below it every component is opened from its parent without following
 * symbolic links, so whoever may write in one service's directory cannot have
 * logboom write, rename or delete anywhere else.
 *
 * A directory that is made is not synced here: a process that is killed, or a
 * disk that fails, between the two would leave one that the next try takes for
 * an old one. Whoever needs a name to be durable syncs all above it.
 */
#include "output.h"

#include "lb_directories.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECTORY_MODE = 0750 };

/* Closes `fd` and leaves errno as it was. */
static void close_quietly(int fd)
{
    int err = errno;

    close(fd);
    errno = err;
}

static int open_root(const struct output *self, const char *path, bool make)
{
    char root[PATH_MAX];
    size_t len = self->pattern.root_len;

    if (len >= sizeof(root)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(root, path, len);
    root[len] = '\0';
    int fd = open(len > 0 ? root : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && make && lb_directories_make(root, DIRECTORY_MODE))
        fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd;
}

/* A directory gets its parent's group (the set-group-id bit), so that `adm` may read the logs of new services too. */
static bool make_child(int parent, const char *name)
{
    struct stat status;

    if (mkdirat(parent, name, DIRECTORY_MODE) != 0)
        return errno == EEXIST;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0)
        (void)fchmod(fd, (status.st_mode & 07777) | S_ISGID);
    close(fd);
    return true;
}

static int open_child(int parent, const char *name, bool make)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && make && make_child(parent, name))
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

bool output_place_open(const struct output *self, const char *path, bool make, struct output_place *place)
{
    char component[NAME_MAX + 1];
    const char *rest = path + self->pattern.root_len;
    int fd = open_root(self, path, make);

    for (const char *slash = strchr(rest, '/'); fd >= 0 && slash != NULL; slash = strchr(rest, '/')) {
        size_t len = (size_t)(slash - rest);
        int child = -1;

        if (len < sizeof(component)) {
            memcpy(component, rest, len);
            component[len] = '\0';
            child = len == 0 ? dup(fd) : open_child(fd, component, make);
        } else {
            errno = ENAMETOOLONG;
        }
        close_quietly(fd);
        fd = child;
        rest = slash + 1;
    }
    place->directory = fd;
    place->name = rest;
    return fd >= 0;
}

void output_place_close(struct output_place *place)
{
    close_quietly(place->directory);
}

int output_open_at(const struct output *self, const char *path, int flags, bool make)
{
    enum { FILE_MODE = 0640 };
    struct output_place place;

    if (!output_place_open(self, path, make, &place))
        return -1;
    int fd = openat(place.directory, place.name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, FILE_MODE);

    output_place_close(&place);
    return fd;
}

bool output_stat_at(const struct output *self, const char *path, struct stat *status)
{
    struct output_place place;

    if (!output_place_open(self, path, false, &place))
        return false;
    bool ok = fstatat(place.directory, place.name, status, AT_SYMLINK_NOFOLLOW) == 0;

    output_place_close(&place);
    return ok;
}

bool output_unlink_at(const struct output *self, const char *path)
{
    struct output_place place;

    if (!output_place_open(self, path, false, &place))
        return false;
    bool ok = unlinkat(place.directory, place.name, 0) == 0;

    output_place_close(&place);
    return ok;
}

/* --- what is durable ------------------------------------------------------------------ */

bool output_sync_root(struct output *self)
{
    if (self->root_durable)
        return true;
    char root[PATH_MAX];

    snprintf(root, sizeof(root), "%.*s", (int)self->pattern.root_len, self->pattern.text);
    self->root_durable = lb_directories_sync(root);
    return self->root_durable;
}

bool output_sync_parent(const struct output *self, const char *path)
{
    char directory[PATH_MAX];
    size_t len = self->pattern.root_len;

    /* A name may be on disk only with all directories above it: from the constant one down. */
    for (;;) {
        struct output_place place;

        snprintf(directory, sizeof(directory), "%.*s", (int)len, path);
        if (!output_place_open(self, directory, false, &place))
            return false;
        bool ok = lb_directory_sync(place.directory);

        output_place_close(&place);
        const char *slash = strchr(path + len, '/');

        if (!ok || slash == NULL)
            return ok;
        len = (size_t)(slash - path) + 1;
    }
}

bool output_rename_at(const struct output *self, const char *from, const char *to)
{
    struct output_place place;
    const char *slash = strrchr(to, '/');
    const char *name = slash == NULL ? to : slash + 1;

    if (!output_place_open(self, from, false, &place))
        return false;
    bool ok = renameat2(place.directory, place.name, place.directory, name, RENAME_NOREPLACE) == 0;

    if (!ok && (errno == EINVAL || errno == ENOSYS))
        ok = linkat(place.directory, place.name, place.directory, name, 0) == 0 &&
             unlinkat(place.directory, place.name, 0) == 0;
    output_place_close(&place);
    return ok;
}
