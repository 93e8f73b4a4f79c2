/*
 * output_journal.c - what was written and is not yet synced, and how it is
 * written again when an fsync fails.
 *
 * After a failed fsync the kernel may have dropped the pages and call the
 * next one fine, so nothing behind the last good sync can be trusted, and
 * syncing again proves nothing. The sources would have it again only at the
 * next start. So the bytes of every append are kept until their file is
 * synced: at a commit, or when there are `journal_max` of them. A file that cannot
 * be synced is given up: it is cut to its synced length through a fresh
 * descriptor and takes no more; what came since goes, in order and byte by
 * byte, to a new file. Where even the cut fails, the ledger keeps the length,
 * and each commit and the next start try again.
 */
#include "output.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES_MAX = 16384 };

void output_journal_free(struct output *self)
{
    lb_buffer_free(&self->journal);
    lb_free(self->entries);
    self->entries = NULL;
    self->entry_count = self->entry_capacity = 0;
}

void output_journal_reset(struct output *self)
{
    lb_buffer_reset(&self->journal);
    self->entry_count = 0;
    if (self->journal.capacity > 2 * self->journal_max)
        lb_buffer_free(&self->journal); /* one huge line made it so large */
}

static bool grow_entries(struct output *self)
{
    struct output_entry *entries = lb_grown(self->entries, self->entry_count, &self->entry_capacity, sizeof(*entries));

    if (entries == NULL)
        return false;
    self->entries = entries;
    return true;
}

bool output_journal_room(struct output *self, size_t size)
{
    bool full = self->journal.len + size > self->journal_max || self->entry_count == ENTRIES_MAX;

    if (full && self->entry_count > 0) {
        if (!output_sync_all(self))
            return false;
        output_journal_reset(self);
    }
    bool ok = grow_entries(self);

    if (ok && lb_buffer_reserve(&self->journal, size))
        return true;
    self->journal.failed = false;
    errno = ENOMEM;
    return output_trouble(self, "write", "a file");
}

void output_journal_add(struct output *self, struct output_file *file, uint64_t offset, struct lb_str bytes)
{
    struct output_entry *last = self->entry_count > 0 ? &self->entries[self->entry_count - 1] : NULL;

    if (last != NULL && last->file == file && last->offset >= file->synced && last->offset + last->len == offset) {
        last->len += bytes.len;
    } else {
        assert(self->entries != NULL && self->entry_count < self->entry_capacity); /* by output_journal_room() */
        self->entries[self->entry_count++] = (struct output_entry){ file, offset, self->journal.len, bytes.len };
    }
    lb_buffer_append_str(&self->journal, bytes);
}

bool output_sync_all(struct output *self)
{
    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        if (!output_file_sync(self, file))
            return false;
    }
    return true;
}

/* --- files that are given up --------------------------------------------------------- */

static void lose(struct output *self, struct output_file *file)
{
    LB_ERROR("sink",
             "a file cannot be written safely and is given up, what is not safe in it goes to a new one path=%s "
             "safe_bytes=%" PRIu64 " unsafe_bytes=%" PRIu64,
             file->path != NULL ? file->path : file->temp, file->synced, file->length - file->synced);
    output_file_close(self, file);
    output_file_unhide(self, file);
    file->lost = true;
    file->dirty = false;
    file->length = file->synced;
    file->end = file->synced;
    output_file_finish(file);
    lb_metric_add(self->given_up, 1);
}

void output_file_give_up(struct output *self, struct output_file *file)
{
    int err = errno;

    /* The partition's other files end here too: what comes is newer than what has to be written again. */
    for (struct output_file *other = self->files; other != NULL; other = other->next) {
        if (other != file && (other->home != file->home || other->home == NULL || other->lost))
            continue;
        if (other == file || other->dirty)
            lose(self, other);
        else
            output_file_finish(other);
    }
    self->redo = true;
    errno = err;
}

/* Cuts a lost file on disk to what is safe in it. */
static bool cut_lost(struct output *self, struct output_file *file, int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode) || status.st_ino != file->inode || (uint64_t)status.st_size <= file->synced)
        return true; /* somebody else's by now, or there is nothing to cut */
    if (file->synced == 0)
        return output_unlink_at(self, file->path) && output_sync_parent(self, file->path);
    return self->kind->cut(file, fd, (uint64_t)status.st_size) && fsync(fd) == 0;
}

void output_bury(struct output *self, struct output_file *file)
{
    if (file->path != NULL) {
        int fd = output_open_at(self, file->path, O_WRONLY, false);
        bool ok = fd >= 0 ? cut_lost(self, file, fd) : errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
        int err = errno;

        if (fd >= 0)
            close(fd);
        if (!ok) {
            LB_WARN("sink", "cannot cut a file that was given up, each commit tries again path=%s reason=%s",
                    file->path, strerror(err));
            return;
        }
    }
    file->lost = false;
}

/* --- writing again --------------------------------------------------------------------- */

static bool write_again(struct output *self, struct output_entry *entry)
{
    struct output_partition *partition = entry->file->home;

    if (!output_file_ready(self, partition))
        return false;

    struct output_file *file = partition->file;
    struct lb_str bytes = { self->journal.ptr + entry->start, entry->len };

    if (!self->kind->append_bytes(file, bytes)) {
        output_trouble(self, "write", file->path != NULL ? file->path : partition->path);
        if (errno == EIO)
            output_file_give_up(self, file);
        return false;
    }
    entry->file = file;
    entry->offset = file->length - entry->len;
    output_file_written(self, file);
    return true;
}

static bool needs_again(const struct output_entry *entry)
{
    return entry->file->lost && entry->offset >= entry->file->synced;
}

/*
 * Their directories are synced before a new file is noted under the name that they had: else a power failure may leave
 * the old file there, and the ledger knows only the new one.
 */
static bool move_aside_all(struct output *self)
{
    bool moved = false;

    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        if (file->lost && file->path != NULL && file->number == 1 && !output_file_move_aside(self, file))
            return false;
        moved = moved || (file->lost && file->fresh);
    }
    return !moved || output_sync_directories(self);
}

bool output_redo(struct output *self)
{
    if (!self->redo)
        return true;
    if (!self->kind->numbered && !move_aside_all(self))
        return false;
    for (size_t i = 0; i < self->entry_count; i++) {
        if (needs_again(&self->entries[i]) && !write_again(self, &self->entries[i]))
            return false;
    }
    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        if (file->lost)
            output_bury(self, file);
    }
    self->redo = false;
    return true;
}
