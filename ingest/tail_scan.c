/*
 * tail_scan.c - finding files: all globs at the start and now and then, one
 * path when inotify says so.
 *
 * What is found is compared by inode: a known one under a new name was
 * renamed, a new one under a known name displaced another. A scan can be
 * repeated at any time and changes nothing that is right; so it is also the
 * remedy for every event that was missed.
 */
#include "tail.h"

#include "lb_log.h"

#include <limits.h>
#include <unistd.h>

/* --- where to begin ------------------------------------------------------------------ */

/* Position behind the last newline of a file of `size` bytes; `size` when there is none within `max` bytes. */
static uint64_t last_line_end(struct lb_tail *self, const char *path, uint64_t size, uint64_t max)
{
    int fd = lb_tail_open_path(path);
    uint64_t end = size;

    while (fd >= 0 && end > 0 && size - end < max) {
        size_t len = end < LB_TAIL_SCRATCH_BYTES ? (size_t)end : LB_TAIL_SCRATCH_BYTES;
        ssize_t got = lb_tail_pread(fd, self->scratch, len, end - len);
        const char *newline = got > 0 ? memrchr(self->scratch, '\n', (size_t)got) : NULL;

        if (got <= 0)
            break;
        if (newline != NULL) {
            close(fd);
            return end - len + (uint64_t)(newline + 1 - self->scratch);
        }
        end -= len;
    }
    if (fd >= 0)
        close(fd);
    return end == 0 ? 0 : size;
}

static bool is_too_old(const struct lb_tail *self, const struct lb_tail_file *file)
{
    return self->options.ignore_older_ns > 0 && lb_clock_now() - file->modified_ns > self->options.ignore_older_ns;
}

/* A file that appears while we run is read from its head, and so is the successor of one that we knew. */
static void choose_start(struct lb_tail *self, struct lb_tail_file *file)
{
    bool from_end =
        self->starting && self->options.read_from == LB_TAIL_FROM_END && !lb_tail_is_known(self, file->path);

    if (!from_end && !is_too_old(self, file))
        return;
    if (file->packed != LB_UNPACK_NONE) {
        file->identity.done = file->size;
        file->finished = true;
        return;
    }
    file->identity.start = last_line_end(self, file->path, file->size, self->source->options.max_line);
    file->offset = file->identity.start;
}

/* --- one file -------------------------------------------------------------------------- */

/* False: it was renamed while it was looked at, so what was seen at its path may be of another file. */
static bool found_new(struct lb_tail *self, const char *path, const struct stat *status)
{
    struct lb_tail_file *file = lb_tail_add(self, path, status);

    if (file == NULL)
        return true;
    /* Of a log that we know it may be a copy in the making. Who reads to the end and stops cannot wait for that. */
    file->checked = self->starting && file->size > 0 && (self->known_count == 0 || self->source->exit_at_eof);
    if (!lb_tail_adopt(self, file)) {
        choose_start(self, file);
        if (!lb_tail_leads_to(path, &file->identity)) {
            lb_tail_release(self, file);
            return false;
        }
    }
    if (file->size > file->offset || file->id != 0)
        lb_tail_ready(self, file);
    return true;
}

/* A file that is none of ours has the inode of one that was deleted, which no descriptor held. */
static bool is_used_again(const struct lb_tail *self, const struct lb_tail_file *file, const char *path)
{
    char log[PATH_MAX];

    return file->fd < 0 && !lb_tail_matches(&self->options, path) && !lb_tail_log_name(self, path, log) &&
           lb_tail_match_path(&file->identity, path) == LB_TAIL_OTHER;
}

/* The inode is one that we follow; `path` leads to it. */
static void found_again(struct lb_tail *self, struct lb_tail_file *file, const char *path, const struct stat *status)
{
    bool renamed = strcmp(path, file->path) != 0 && strcmp(path, file->name) != 0;
    int64_t modified_ns = lb_tail_mtime(status);

    file->generation = self->generation;
    if (renamed && lb_tail_leads_to(file->path, &file->identity))
        renamed = false; /* a second name: a link */
    if (renamed && is_used_again(self, file, path)) {
        lb_tail_missing(self, file);
        return;
    }
    if (renamed)
        lb_tail_renamed(self, file, path);
    else if (file->gone)
        file->gone = false;
    if (modified_ns == file->modified_ns && (uint64_t)status->st_size == file->size)
        return;
    file->modified_ns = modified_ns;
    if ((uint64_t)status->st_size != file->size) /* what grew may have been read before its time was seen */
        file->changed_ns = lb_clock_monotonic();
    lb_tail_ready(self, file);
}

static struct lb_tail_file *find_by_name(struct lb_tail *self, const char *path)
{
    struct lb_tail_file *file = lb_tail_find_path(self, path);

    return file != NULL && !file->gone ? file : NULL;
}

/* False: its path led to another file before the look was over. */
static bool look(struct lb_tail *self, const char *path)
{
    struct stat status;
    struct lb_tail_file *before = find_by_name(self, path);
    bool exists = stat(path, &status) == 0;

    if (exists && S_ISDIR(status.st_mode)) {
        self->scan_wanted = true;
        return true;
    }
    struct lb_tail_file *file =
        exists && S_ISREG(status.st_mode) ? lb_tail_find(self, status.st_dev, status.st_ino) : NULL;
    if (before != NULL && before != file && !lb_tail_leads_to(before->path, &before->identity))
        lb_tail_missing(self, before); /* may find that it is the one at `path`'s neighbour */
    if (!exists || !S_ISREG(status.st_mode))
        return true;
    if (file == NULL && lb_tail_matches(&self->options, path))
        return found_new(self, path, &status);
    if (file != NULL)
        found_again(self, file, path, &status);
    else
        lb_tail_watch_search(self, path);
    return true;
}

/* What came and went there meanwhile is found as every log that was rotated before it was seen. */
static void look_again(struct lb_tail *self, const char *path)
{
    bool done = false;

    for (unsigned tries = 0; !done && tries < LB_TAIL_FIND_TRIES; tries++)
        done = look(self, path);
    self->scan_wanted |= !done;
    lb_tail_watch_search(self, path);
}

void lb_tail_look(struct lb_tail *self, const char *path)
{
    if (!look(self, path))
        look_again(self, path);
}

/* --- all files --------------------------------------------------------------------------- */

static void visit_directory(void *context, const char *path)
{
    lb_tail_watch_directory(context, path);
}

static void visit_match(void *context, const char *path)
{
    struct lb_tail *self = context;

    if (!lb_tail_matches(&self->options, path))
        return;
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    struct lb_tail_file *file = lb_tail_find(self, status.st_dev, status.st_ino);
    if (file != NULL)
        found_again(self, file, path, &status);
    else if (!found_new(self, path, &status))
        look_again(self, path);
}

/* Files that no glob led to: rotated away, or deleted. */
static void check_unseen(struct lb_tail *self, struct lb_tail_file *file)
{
    struct stat status;

    if (file->gone) {
        lb_tail_ready(self, file);
        return;
    }
    if (stat(file->path, &status) == 0 && status.st_ino == file->identity.inode &&
        status.st_dev == file->identity.device) {
        if (!file->rotated) {
            /* A link to it was switched, or a glob of ours changed its mind: nobody has to write to it. */
            file->rotated = true;
            file->changed_ns = lb_clock_monotonic();
        }
        found_again(self, file, file->path, &status);
        lb_tail_watch_parent(self, file->path);
        return;
    }
    lb_tail_missing(self, file);
}

void lb_tail_scan(struct lb_tail *self)
{
    struct lb_glob_visitor visitor = { .directory = visit_directory, .match = visit_match, .context = self };

    self->scan_wanted = false;
    self->generation++;
    self->watch.blind = self->watch.fd < 0;
    for (size_t i = 0; i < self->options.include.count; i++)
        lb_glob_walk(self->options.include.items[i].ptr, &visitor);
    /* Backwards: dropping a file moves the last one into its place. */
    for (uint32_t i = self->file_count; i-- > 0;)
        if (self->files[i]->generation != self->generation)
            check_unseen(self, self->files[i]);
        else
            lb_tail_watch_parent(self, self->files[i]->path);
    lb_tail_watch_sweep(self);
    /* Without events logs may have come and gone since we looked. */
    if (self->watch.blind || self->watch.missed)
        lb_tail_watch_search_all(self);
    self->watch.missed = false;
}
