/*
 * tail_watch.c - inotify on directories: one watch for all files in it, so
 * new files are seen at once and thousands of files cost few watches.
 *
 * What inotify cannot see (network file systems, a directory past the limit
 * of watches) makes the tail `blind`: then scans alone find changes, at the
 * poll interval. One directory may be watched under several names, because
 * patterns and resolved paths both count.
 */
#include "tail.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    EVENTS = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR | IN_MASK_ADD,
    READS_MAX = 64, /* of 16 KiB in one drain */
};

static uint64_t path_key(const char *path)
{
    return XXH64(path, strlen(path), 0);
}

static struct lb_tail_dir *find_directory(struct lb_tail_watch *self, const char *path)
{
    uint32_t cursor = 0;
    struct lb_tail_dir *dir;

    while ((dir = lb_tail_map_each(&self->by_path, path_key(path), &cursor)) != NULL)
        if (strcmp(dir->path, path) == 0)
            return dir;
    return NULL;
}

/* File systems that other machines change too; inotify tells only of our own. */
static bool is_remote(const char *path)
{
    static const unsigned long remote[] = { NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC, SMB2_SUPER_MAGIC, CIFS_SUPER_MAGIC,
                                            FUSE_SUPER_MAGIC, V9FS_MAGIC,      CEPH_SUPER_MAGIC };
    struct statfs status;

    if (statfs(path, &status) != 0)
        return false;
    for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
        if ((unsigned long)status.f_type == remote[i])
            return true;
    return false;
}

void lb_tail_watch_open(struct lb_tail *self)
{
    self->watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (self->watch.fd < 0)
        LB_WARN("source.file", "inotify is not available, files are polled error=\"%s\"", strerror(errno));
}

static void free_directory(struct lb_tail_watch *self, struct lb_tail_dir *dir)
{
    lb_tail_map_remove(&self->by_path, path_key(dir->path), dir);
    if (dir->wd >= 0)
        lb_tail_map_remove(&self->by_wd, (uint64_t)dir->wd, dir);
    lb_free(dir->path);
    lb_free(dir);
}

void lb_tail_watch_close(struct lb_tail *self)
{
    struct lb_tail_map *map = &self->watch.by_path;

    for (uint32_t i = 0; i < map->capacity; i++) {
        struct lb_tail_dir *dir = map->slots[i].value;

        if (dir == NULL)
            continue;
        lb_free(dir->path);
        lb_free(dir);
    }
    lb_tail_map_free(&self->watch.by_path);
    lb_tail_map_free(&self->watch.by_wd);
    if (self->watch.fd >= 0)
        close(self->watch.fd);
    self->watch.fd = -1;
}

static int add_watch(struct lb_tail_watch *self, const char *path)
{
    if (self->fd < 0 || is_remote(path))
        return -1;
    int wd = inotify_add_watch(self->fd, path, EVENTS);
    if (wd < 0 && errno == ENOSPC && !self->complained) {
        LB_WARN("source.file",
                "the limit of inotify watches is reached, directories are polled; raise fs.inotify.max_user_watches "
                "path=%s",
                path);
        self->complained = true;
    }
    return wd;
}

static struct lb_tail_dir *new_directory(struct lb_tail_watch *self, const char *path)
{
    struct lb_tail_dir *dir = lb_alloc(sizeof(*dir));
    size_t size = strlen(path) + 1;

    if (dir == NULL || (dir->path = lb_alloc(size)) == NULL)
        goto failed;
    memcpy(dir->path, path, size);
    dir->wd = -1;
    if (!lb_tail_map_put(&self->by_path, path_key(path), dir))
        goto failed;
    return dir;
failed:
    if (dir != NULL)
        lb_free(dir->path);
    lb_free(dir);
    return NULL;
}

void lb_tail_watch_directory(struct lb_tail *self, const char *path)
{
    struct lb_tail_watch *watch = &self->watch;
    struct lb_tail_dir *dir = find_directory(watch, path);

    if (dir == NULL)
        dir = new_directory(watch, path);
    if (dir == NULL) {
        watch->blind = true;
        return;
    }
    dir->generation = self->generation;
    if (dir->wd < 0) {
        dir->wd = add_watch(watch, path);
        if (dir->wd >= 0 && !lb_tail_map_put(&watch->by_wd, (uint64_t)dir->wd, dir))
            dir->wd = -1;
    }
    watch->blind |= dir->wd < 0;
}

/* The directory that `path` is in, in `parent`; false when it is too long. */
static bool parent_of(const char *path, char *parent)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash - path >= PATH_MAX)
        return false;
    size_t len = slash > path ? (size_t)(slash - path) : 1;
    memcpy(parent, path, len);
    parent[len] = '\0';
    return true;
}

void lb_tail_watch_parent(struct lb_tail *self, const char *path)
{
    char parent[PATH_MAX];

    if (parent_of(path, parent))
        lb_tail_watch_directory(self, parent);
}

void lb_tail_watch_search(struct lb_tail *self, const char *path)
{
    char parent[PATH_MAX];
    struct lb_tail_dir *dir = parent_of(path, parent) ? find_directory(&self->watch, parent) : NULL;

    if (dir == NULL)
        return; /* it is gone */
    dir->search = true;
    self->search_wanted = true;
}

void lb_tail_watch_search_all(struct lb_tail *self)
{
    for (uint32_t i = 0; i < self->watch.by_path.capacity; i++) {
        struct lb_tail_dir *dir = self->watch.by_path.slots[i].value;

        if (dir != NULL)
            dir->search = self->search_wanted = true;
    }
}

void lb_tail_watch_searches(struct lb_tail *self)
{
    char path[PATH_MAX];

    self->search_wanted = false;
    for (uint32_t i = 0; i < self->watch.by_path.capacity; i++) {
        struct lb_tail_dir *dir = self->watch.by_path.slots[i].value;

        if (dir == NULL || !dir->search)
            continue;
        dir->search = false;
        snprintf(path, sizeof(path), "%s", dir->path);
        lb_tail_find_missed(self, path); /* may watch more directories: those already behind wait for the next time */
    }
}

void lb_tail_watch_sweep(struct lb_tail *self)
{
    struct lb_tail_watch *watch = &self->watch;

    for (uint32_t i = 0; i < watch->by_path.capacity; i++) {
        struct lb_tail_dir *dir = watch->by_path.slots[i].value;
        uint32_t cursor = 0;

        if (dir == NULL || dir->generation == self->generation)
            continue;
        int wd = dir->wd;
        free_directory(watch, dir);
        if (wd >= 0 && lb_tail_map_each(&watch->by_wd, (uint64_t)wd, &cursor) == NULL)
            (void)inotify_rm_watch(watch->fd, wd); /* fails when the directory is gone: then the watch is too */
        i--;                                       /* removal may have moved another one here */
    }
}

/* The kernel took the watch back: the directory is gone, or will come again as another one. */
static void lost_watch(struct lb_tail *self, int wd)
{
    uint32_t cursor = 0;
    struct lb_tail_dir *dir;

    while ((dir = lb_tail_map_each(&self->watch.by_wd, (uint64_t)wd, &cursor)) != NULL) {
        lb_tail_map_remove(&self->watch.by_wd, (uint64_t)wd, dir);
        dir->wd = -1;
        cursor = 0;
    }
    self->scan_wanted = true;
}

static void act_on_path(struct lb_tail *self, const char *path, uint32_t mask)
{
    if (mask & IN_ISDIR) {
        self->scan_wanted = true;
    } else if (mask & IN_MODIFY) {
        struct lb_tail_file *file = lb_tail_find_path(self, path);

        if (file != NULL)
            lb_tail_ready(self, file);
    } else {
        lb_tail_look(self, path);
    }
}

static void act(struct lb_tail *self, const struct inotify_event *event)
{
    char path[PATH_MAX];
    uint32_t cursor = 0;
    struct lb_tail_dir *dir;

    if (event->mask & IN_Q_OVERFLOW) {
        self->scan_wanted = true;
        self->watch.missed = true;
        return;
    }
    if (event->mask & (IN_IGNORED | IN_UNMOUNT)) {
        lost_watch(self, event->wd);
        return;
    }
    if (event->len == 0)
        return;
    /* Looking may watch more directories, which moves the map: start over behind those that are done. */
    for (uint32_t done = 0;; done++) {
        cursor = 0;
        for (uint32_t i = 0; i <= done; i++)
            dir = lb_tail_map_each(&self->watch.by_wd, (uint64_t)event->wd, &cursor);
        if (dir == NULL)
            return;
        int len = snprintf(path, sizeof(path), "%s/%s", strcmp(dir->path, "/") == 0 ? "" : dir->path, event->name);
        if (len > 0 && (size_t)len < sizeof(path))
            act_on_path(self, path, event->mask);
    }
}

void lb_tail_watch_drain(struct lb_tail *self)
{
    if (self->watch.fd < 0)
        return;
    for (unsigned reads = 0; reads < READS_MAX; reads++) {
        /* The scratch is used while acting, so events have a buffer of their own. */
        _Alignas(struct inotify_event) char buffer[16 * 1024];
        ssize_t len = read(self->watch.fd, buffer, sizeof(buffer));

        if (len <= 0)
            break;
        for (ssize_t at = 0; at < len;) {
            const struct inotify_event *event = (const void *)(buffer + at);

            act(self, event);
            at += (ssize_t)sizeof(*event) + event->len;
        }
    }
}
