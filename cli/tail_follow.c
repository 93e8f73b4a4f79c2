/* tail_follow.c - records as they come, over rotation and sealing. */
#include "tail.h"

#include "archive_scan.h"
#include "fresh.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TICK_MS = 1000, FLUSH_MS = 900 };

static void print(struct tail *self, struct lb_str line, const struct lb_record *record)
{
    tail_format(self, line, record, &self->out);
}

static void read_on(struct tail *self, struct tail_file *file)
{
    if (file->archive == NULL || lb_archive_refresh(file->archive) != LB_OK)
        return;
    for (; file->next < lb_archive_summary(file->archive)->block_count; file->next++) {
        lb_archive_reason reason = NULL;
        struct lb_str text;
        char what[BLOCK_TEXT_SIZE];

        if (lb_archive_read(file->archive, self->decoder, file->next, true, &text, &reason) == LB_OK) {
            tail_text(self, text, print);
            continue;
        }
        fprintf(stderr, "logboom: %s: %s is left out: %s\n", file->path,
                block_text(&lb_archive_blocks(file->archive)[file->next], what),
                reason != NULL ? reason : "it cannot be read");
        self->failed = true;
    }
}

static struct tail_file *find_file(struct tail *self, const char *path)
{
    struct tail_file *file = self->files;

    while (file != NULL && strcmp(file->path, path) != 0)
        file = file->following;
    return file;
}

/* The path has another file than before: sealed, it holds what was read; deleted and begun anew, it is new. */
static void renew(struct tail *self, struct tail_file *file, const struct stat *status)
{
    read_on(self, file);
    file->device = status->st_dev;
    file->inode = status->st_ino;
    if (file->archive != NULL)
        lb_archive_close(file->archive);
    file->archive = archive_open(file->path);
    file->next = 0;
    if (file->archive != NULL && lb_archive_summary(file->archive)->kind != LB_ARCHIVE_BLOCKS) {
        lb_archive_close(file->archive);
        file->archive = NULL;
    }
}

static void look_at(struct tail *self, const char *path)
{
    struct tail_file *file = find_file(self, path);
    struct stat status;

    if (stat(path, &status) != 0)
        return;
    if (file == NULL) {
        char *copy = archive_path_copy(path);

        file = lb_alloc(sizeof(*file));
        if (file == NULL || copy == NULL) {
            lb_free(file);
            lb_free(copy);
            return;
        }
        file->path = copy;
        file->following = self->files;
        self->files = file;
    }
    if (file->device != status.st_dev || file->inode != status.st_ino)
        renew(self, file, &status);
    read_on(self, file);
}

static void look_at_all(struct tail *self)
{
    struct archive_paths paths = { 0 };

    archive_paths_add(&paths, self->directory);
    for (size_t i = 0; i < paths.count; i++)
        look_at(self, paths.items[i].name);
    archive_paths_free(&paths);
}

/* The directories of the files that are known, and the one above: to wake up early, no more. */
static void watch(struct tail *self, int inotify)
{
    char directory[PATH_MAX];

    (void)inotify_add_watch(inotify, self->directory, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    for (const struct tail_file *file = self->files; file != NULL; file = file->following) {
        snprintf(directory, sizeof(directory), "%s", file->path);
        char *slash = strrchr(directory, '/');
        if (slash == NULL || file->archive == NULL)
            continue;
        *slash = '\0';
        (void)inotify_add_watch(inotify, directory, IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_ONLYDIR);
    }
}

static void drain(int inotify)
{
    _Alignas(struct inotify_event) char events[16 * 1024];

    while (read(inotify, events, sizeof(events)) > 0)
        continue;
}

void tail_follow(struct tail *self)
{
    struct pollfd ready[3] = { { .events = POLLIN }, { .events = POLLIN }, { .fd = STDOUT_FILENO, .events = 0 } };
    int64_t tick_ns = 0;
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    ready[0].fd = signalfd(-1, &ends, SFD_CLOEXEC);
    ready[1].fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    while ((ready[0].revents & POLLIN) == 0 && (ready[2].revents & (POLLERR | POLLHUP)) == 0) {
        if (lb_clock_monotonic() >= tick_ns) {
            fresh_flush(self->directory, FLUSH_MS);
            watch(self, ready[1].fd);
            tick_ns = lb_clock_monotonic() + TICK_MS * LB_MILLISECOND;
        }
        look_at_all(self);
        if (!tail_flush(self))
            break;
        int64_t left = (tick_ns - lb_clock_monotonic()) / LB_MILLISECOND;
        if (poll(ready, 3, left > 0 ? (int)left : 0) < 0 && errno != EINTR)
            break;
        drain(ready[1].fd);
    }
    close(ready[0].fd);
    close(ready[1].fd);
}
