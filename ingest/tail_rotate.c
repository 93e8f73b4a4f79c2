/*
 * tail_rotate.c - what happens to a file besides growing.
 *
 * Renamed: the same file under another name, read on to its end however far
 * behind. Deleted: read on through the descriptor. Truncated (or its inode
 * used again): a new log, so a new stream; what was unread is looked for in a
 * copy, as copytruncate leaves one.
 */
#include "tail.h"

#include "lb_log.h"

#include <inttypes.h>
#include <limits.h>

/* --- renamed, deleted ---------------------------------------------------------------- */

void lb_tail_renamed(struct lb_tail *self, struct lb_tail_file *file, const char *path)
{
    if (!lb_tail_set_path(self, file, path))
        return; /* found again by the next scan */
    LB_INFO("source.file", "file was renamed path=%s", path);
    lb_metric_add(self->metrics.rotations, 1);
    file->rotated = true;
    file->gone = false;
    file->changed_ns = lb_clock_monotonic();
    lb_tail_identify(file);
    lb_tail_ready(self, file);
    lb_tail_watch_search(self, file->path);
}

/* Where it is now. A rotation may be under way, and what was found and looked at be two files: then once more. */
static bool find_renamed(const struct lb_tail_file *file, char found[PATH_MAX])
{
    for (unsigned tries = 0; tries < LB_TAIL_FIND_TRIES; tries++) {
        if (!lb_tail_find_inode(file->path, &file->identity, found))
            return false;
        bool same = file->fd >= 0 || lb_tail_match_path(&file->identity, found) != LB_TAIL_OTHER;
        if (lb_tail_leads_to(found, &file->identity))
            return same;
    }
    return false;
}

void lb_tail_missing(struct lb_tail *self, struct lb_tail_file *file)
{
    char found[PATH_MAX];

    if (file->gone)
        return;
    if (find_renamed(file, found)) {
        lb_tail_renamed(self, file, found);
        return;
    }
    if (file->fd >= 0)
        LB_INFO("source.file", "file was deleted, it is read to its end path=%s", file->path);
    else if (file->offset < file->size)
        LB_WARN("source.file", "file was deleted before it was read path=%s bytes=%" PRIu64, file->path,
                file->size - file->offset);
    file->gone = true;
    file->changed_ns = lb_clock_monotonic();
    lb_tail_ready(self, file);
    lb_tail_watch_search(self, file->path); /* what was merely not found is not to be forgotten */
}

/* --- truncated -------------------------------------------------------------------------- */

/* The copy takes over the stream, and with it the position. */
static void hand_over(struct lb_tail *self, struct lb_tail_file *file, struct lb_tail_file *copy)
{
    struct lb_tail_identity where = copy->identity;

    copy->identity = file->identity;
    copy->identity.device = where.device;
    copy->identity.inode = where.inode;
    copy->stream = file->stream;
    copy->offset = file->offset;
    copy->pushed = file->pushed;
    copy->scanned = 0;
    copy->marker = file->marker;
    copy->marker_len = file->marker_len;
    file->stream = NULL;
    LB_INFO("source.file",
            "file was copied and truncated, the rest is read from the copy path=%s copy=%s bytes=%" PRIu64, file->path,
            copy->path, copy->size - copy->offset);
    lb_tail_identify(copy);
    lb_tail_ready(self, copy);
}

static void start_over(struct lb_tail_file *file)
{
    struct stat status;

    file->identity.length = 0;
    file->identity.fingerprint = 0;
    file->identity.start = 0;
    file->identity.done = 0;
    file->id = 0;
    file->packed = (uint8_t)lb_unpack_kind(file->name); /* its inode may have been used again */
    file->offset = 0;
    file->scanned = 0;
    file->pushed = 0;
    file->finished = false;
    file->bad = false;
    file->marker_len = 0;
    file->wanted = 0;
    file->open_ns = 0;
    file->rotated = false;
    file->checked = false; /* what it holds now may be in a copy that we read already */
    file->changed_ns = lb_clock_monotonic();
    file->size = file->fd >= 0 && fstat(file->fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* Looks for the content that the file had, and for whatever was rotated since. */
static void leave_content(struct lb_tail *self, struct lb_tail_file *file)
{
    uint64_t until = file->stream->resume_until;
    uint64_t read = file->offset > until ? file->offset : until;
    struct lb_tail_file *copy = lb_tail_find_copy(self, file->path, &file->identity, read, file);

    if (copy != NULL)
        hand_over(self, file, copy);
    else
        LB_WARN("source.file", "file was truncated, it is read from the start path=%s unread_bytes=%" PRIu64,
                file->path, file->size > file->offset ? file->size - file->offset : 0);
    if (file->stream != NULL) {
        lb_stream_forget(file->stream);
        lb_stream_unref(file->stream);
        file->stream = NULL;
    }
    lb_tail_watch_search(self, file->path);
}

void lb_tail_truncated(struct lb_tail *self, struct lb_tail_file *file)
{
    lb_metric_add(self->metrics.rotations, 1);
    lb_tail_packed_let_go(self, file);
    if (file->stream != NULL)
        leave_content(self, file);
    start_over(file);
    if (file->size > 0)
        lb_tail_ready(self, file);
}
