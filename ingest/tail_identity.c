/*
 * tail_identity.c - who a file is, and which stream it has.
 *
 * The ledger holds, for each stream, where its file was and what it began
 * with: "device:inode:length:hash:start:born:path", numbers in hexadecimal. Of
 * a compressed file that everybody has, DONE is added to the length, and
 * `start` is the size that it had. At
 * the start each of them is matched with what is on disk. Inode and content
 * decide; the device number (it may change with a reboot) or the path must
 * agree too. An identity is forgotten only when its directory, or the nearest
 * one above it, exists and is not empty: an empty mount point says nothing.
 */
#include "tail.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

enum { IDENTITY_BYTES = PATH_MAX + 128, HOLD_SECONDS = 5 };

#define DONE ((uint32_t)1 << 31)

/* --- text -------------------------------------------------------------------- */

static struct lb_str write_identity(const struct lb_tail_identity *identity, const char *path, char *text)
{
    int len = snprintf(text, IDENTITY_BYTES,
                       "%" PRIx64 ":%" PRIx64 ":%" PRIx32 ":%" PRIx64 ":%" PRIx64 ":%" PRIx64 ":%s", identity->device,
                       identity->inode, identity->length | (identity->done != 0 ? DONE : 0), identity->fingerprint,
                       identity->done != 0 ? identity->done : identity->start, (uint64_t)identity->born_ns, path);

    return (struct lb_str){ text, len < IDENTITY_BYTES ? (size_t)len : IDENTITY_BYTES - 1 };
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_identity(struct lb_str text, struct lb_tail_known *known)
{
    uint64_t numbers[6];
    size_t at = 0;

    for (size_t i = 0; i < 6; i++) {
        size_t start = at;

        numbers[i] = 0;
        for (; at < text.len && text.ptr[at] != ':'; at++) {
            int digit = hex_digit(text.ptr[at]);

            if (digit < 0 || at - start >= 16)
                return false;
            numbers[i] = numbers[i] << 4 | (uint64_t)digit;
        }
        if (at == start || at == text.len)
            return false;
        at++;
    }
    bool done = (numbers[2] & DONE) != 0;
    numbers[2] &= ~(uint64_t)DONE;
    if (numbers[2] > LB_TAIL_HEAD_BYTES || at == text.len || text.len - at >= PATH_MAX)
        return false;
    known->identity = (struct lb_tail_identity){ numbers[0], numbers[1],          numbers[3], (uint32_t)numbers[2],
                                                 numbers[4], (int64_t)numbers[5], 0 };
    if (done) {
        known->identity.done = known->identity.start;
        known->identity.start = 0;
    }
    known->path = lb_alloc(text.len - at + 1);
    if (known->path == NULL)
        return false;
    snprintf(known->path, text.len - at + 1, LB_STR_FMT, (int)(text.len - at), text.ptr + at);
    return true;
}

/* --- content ------------------------------------------------------------------- */

/* `bytes` has room for `length`. Where nothing was read yet, nothing can be another. */
static enum lb_tail_match match(int fd, char *bytes, uint32_t length, uint64_t offset, uint64_t hash)
{
    ssize_t got = lb_tail_pread(fd, bytes, length, offset);

    if (length == 0)
        return LB_TAIL_SAME;
    if (got < 0)
        return LB_TAIL_UNKNOWN;
    return got == (ssize_t)length && XXH64(bytes, length, 0) == hash ? LB_TAIL_SAME : LB_TAIL_OTHER;
}

enum lb_tail_match lb_tail_match_head(const struct lb_tail_identity *identity, int fd)
{
    char head[LB_TAIL_HEAD_BYTES];

    return match(fd, head, identity->length, 0, identity->fingerprint);
}

enum lb_tail_match lb_tail_match_marker(const struct lb_tail_file *file, int fd)
{
    char marker[LB_TAIL_MARKER_BYTES];

    return match(fd, marker, file->marker_len, file->offset - file->marker_len, file->marker);
}

enum lb_tail_match lb_tail_match_path(const struct lb_tail_identity *identity, const char *path)
{
    int fd = lb_tail_open_path(path);

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? LB_TAIL_OTHER : LB_TAIL_UNKNOWN;
    enum lb_tail_match match = lb_tail_match_head(identity, fd);
    close(fd);
    return match;
}

static bool begins_with(const char *head, size_t len, const struct lb_tail_identity *identity,
                        const struct lb_batch *read)
{
    if (identity->length > 0 && XXH64(head, identity->length, 0) != identity->fingerprint)
        return false;
    if (read == NULL || read->position >= len)
        return true;
    size_t part = len - (size_t)read->position;
    return memcmp(head + read->position, read->bytes, part < read->length ? part : read->length) == 0;
}

bool lb_tail_grow_head(struct lb_tail_identity *identity, int fd, const struct lb_batch *read)
{
    char head[LB_TAIL_HEAD_BYTES];

    if (identity->length == LB_TAIL_HEAD_BYTES)
        return false;
    ssize_t len = lb_tail_pread(fd, head, sizeof(head), 0);
    /* By doubling, so that a file of small writes does not fill the ledger. */
    if (len <= 0 || (len < LB_TAIL_HEAD_BYTES && (uint32_t)len < identity->length * 2) ||
        !begins_with(head, (size_t)len, identity, read))
        return false;
    identity->length = (uint32_t)len;
    identity->fingerprint = XXH64(head, (size_t)len, 0);
    return true;
}

void lb_tail_identify(struct lb_tail_file *file)
{
    char text[IDENTITY_BYTES];

    if (file->stream != NULL)
        lb_stream_identify(file->stream, write_identity(&file->identity, file->path, text));
}

/* --- what the ledger knows -------------------------------------------------------- */

static void remember(void *context, uint64_t id, struct lb_str identity)
{
    struct lb_tail *self = context;
    struct lb_tail_known known = { .id = id };

    if (lb_tail_read_since(self, id, identity))
        return;
    if (!read_identity(identity, &known)) {
        LB_WARN("source.file", "stored position is not understood, ignored identity=\"" LB_STR_FMT "\"",
                LB_STR_ARG(identity));
        return;
    }
    if ((self->known_count & (self->known_count - 1)) == 0) { /* full at powers of two */
        uint32_t capacity = self->known_count > 0 ? self->known_count * 2 : 1;
        struct lb_tail_known *grown = lb_realloc(self->known, capacity * sizeof(*grown));

        if (grown == NULL) {
            lb_free(known.path);
            return;
        }
        self->known = grown;
    }
    self->known[self->known_count++] = known;
}

void lb_tail_load_known(struct lb_tail *self)
{
    lb_streams_each_known(self->source->streams, self->source->section.name, remember, self);
    for (uint32_t i = 0; i < self->known_count; i++) {
        struct lb_tail_known *known = &self->known[i];

        /* Out of memory: it is not found again, and read from its head. */
        (void)lb_tail_map_put(&self->known_by_inode, known->identity.inode, known);
        (void)lb_tail_map_put(&self->known_by_path, XXH64(known->path, strlen(known->path), 0), known);
        lb_tail_note_log(self, known);
    }
}

static void claim(struct lb_tail_known *known, struct lb_tail_file *file)
{
    uint64_t device = file->identity.device;
    uint64_t inode = file->identity.inode;

    known->claimed = true;
    file->id = known->id;
    file->identity = known->identity;
    file->identity.device = device;
    file->identity.inode = inode;
    file->offset = known->identity.start;
    file->finished = known->identity.done != 0 && known->identity.done == file->size; /* else it has grown */
}

bool lb_tail_adopt(struct lb_tail *self, struct lb_tail_file *file)
{
    uint32_t cursor = 0;
    struct lb_tail_known *known;

    while ((known = lb_tail_map_each(&self->known_by_inode, file->identity.inode, &cursor)) != NULL) {
        if (known->claimed || known->identity.inode != file->identity.inode)
            continue;
        if (known->identity.device != file->identity.device && strcmp(known->path, file->path) != 0)
            continue;
        /* One that cannot be read yet is taken at its inode's word: each read looks at its head again. */
        if (lb_tail_match_path(&known->identity, file->path) == LB_TAIL_OTHER)
            continue;
        claim(known, file);
        return true;
    }
    return false;
}

bool lb_tail_is_known(const struct lb_tail *self, const char *path)
{
    uint32_t cursor = 0;
    const struct lb_tail_known *known;

    while ((known = lb_tail_map_each(&self->known_by_path, XXH64(path, strlen(path), 0), &cursor)) != NULL)
        if (strcmp(known->path, path) == 0)
            return true;
    return false;
}

/* --- the start ----------------------------------------------------------------------- */

static bool is_empty_directory(const char *path, bool *exists)
{
    DIR *directory = opendir(path);
    bool empty = true;

    *exists = directory != NULL || (errno != ENOENT && errno != ENOTDIR);
    if (directory == NULL)
        return true;
    for (struct dirent *entry = readdir(directory); entry != NULL && empty; entry = readdir(directory))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(directory);
    return empty;
}

static bool is_surely_gone(const char *path)
{
    char parent[PATH_MAX];
    bool exists = false;
    bool empty = true;

    snprintf(parent, sizeof(parent), "%s", path);
    while (!exists) {
        char *slash = strrchr(parent, '/');

        if (slash == NULL || slash == parent)
            return false;
        *slash = '\0';
        empty = is_empty_directory(parent, &exists);
    }
    return !empty;
}

/* Where its inode is now, and whether it begins as it did. */
static bool find_inode(const struct lb_tail_known *known, char found[PATH_MAX], struct stat *status)
{
    for (unsigned tries = 0; tries < LB_TAIL_FIND_TRIES; tries++) {
        if (lb_tail_leads_to(known->path, &known->identity))
            snprintf(found, PATH_MAX, "%s", known->path);
        else if (!lb_tail_find_inode(known->path, &known->identity, found))
            return false;
        enum lb_tail_match match = lb_tail_match_path(&known->identity, found);
        /* A rotation may be under way, and what was looked at have another name by now: then that says nothing. */
        if (stat(found, status) == 0 && status->st_ino == known->identity.inode &&
            status->st_dev == known->identity.device)
            return match != LB_TAIL_OTHER;
    }
    return false;
}

/* A file outside of the globs that continues `known`: renamed while we were away. */
static struct lb_tail_file *find_renamed(struct lb_tail *self, struct lb_tail_known *known)
{
    char found[PATH_MAX];
    struct stat status;

    if (!find_inode(known, found, &status))
        return NULL;
    if (lb_tail_find(self, status.st_dev, status.st_ino) != NULL)
        return NULL;
    struct lb_tail_file *file = lb_tail_add(self, found, &status);
    if (file != NULL)
        file->rotated = true;
    return file;
}

/*
 * Its inode is not there, or has other content: the file was copied, on this host or to it. Only an open stream says
 * how far it was read, and so how long a copy must be; without a copy it is forgotten or, where that is not sure, kept.
 */
static void settle_missing(struct lb_tail *self, struct lb_tail_known *known)
{
    struct lb_stream *stream;
    char text[IDENTITY_BYTES];

    if (lb_stream_open(self->source->streams, self->source, known->id,
                       write_identity(&known->identity, known->path, text), &stream) != LB_OK)
        return;
    bool is_there = access(known->path, F_OK) == 0;
    struct lb_tail_file *file = is_there ? NULL : lb_tail_find_moved(self, known, stream->resume_until);
    if (file != NULL) {
        LB_INFO("source.file", "file was moved from another place, it goes on path=%s before=%s", file->path,
                known->path);
        claim(known, file);
        lb_tail_ready(self, file);
        lb_stream_unref(stream);
        return;
    }
    file = lb_tail_find_copy(self, known->path, &known->identity, stream->resume_until, NULL);
    if (file != NULL) {
        LB_INFO("source.file", "file was copied and truncated, the rest is read from the copy path=%s copy=%s",
                known->path, file->path);
        claim(known, file);
        lb_tail_ready(self, file);
    } else if (is_surely_gone(known->path)) {
        LB_INFO("source.file", "file is gone, its position is forgotten path=%s", known->path);
        lb_stream_forget(stream);
        known->claimed = true;
    }
    lb_stream_unref(stream);
}

static void settle_renamed(struct lb_tail *self, struct lb_tail_known *known)
{
    struct lb_tail_file *file = find_renamed(self, known);

    if (file == NULL)
        return;
    claim(known, file);
    lb_tail_ready(self, file);
}

void lb_tail_settle_known(struct lb_tail *self)
{
    lb_streams_begin(self->source->streams);
    for (uint32_t i = 0; i < self->known_count; i++)
        if (!self->known[i].claimed)
            settle_renamed(self, &self->known[i]);
    /* Only now: what is a file of ours itself is no copy of another. */
    for (uint32_t i = 0; i < self->known_count; i++)
        if (!self->known[i].claimed)
            settle_missing(self, &self->known[i]);
    /* Only now, when each copy and each renamed file is taken. */
    for (uint32_t i = 0; i < self->known_count; i++)
        lb_tail_watch_search(self, self->known[i].path);
    if (self->returned)
        lb_tail_watch_search_all(self);
    if (lb_streams_end(self->source->streams) != LB_OK)
        LB_WARN("source.file", "positions of deleted files are forgotten at the next start error=\"%s\"",
                strerror(errno));
}

/* --- streams --------------------------------------------------------------------------- */

void lb_tail_reserve(struct lb_stream *stream, size_t bytes)
{
    stream->arena.bytes_max = stream->arena.bytes_held + ((bytes + 7) & ~(size_t)7);
}

static void describe(struct lb_tail *self, struct lb_tail_file *file)
{
    struct lb_stream *stream = file->stream;
    struct lb_str name = lb_str_from(file->name);

    lb_tail_reserve(stream, name.len + 1);
    stream->name = lb_arena_copy(&stream->arena, name);
    if (self->kind->describe != NULL)
        self->kind->describe(stream, file->name);
    else
        lb_tail_describe_names(self, file);
}

/* Until the original was truncated, and this one took over its position; or it is no copy after all. */
static void hold(struct lb_tail *self, struct lb_tail_file *file)
{
    file->hold_ns = lb_clock_monotonic() + HOLD_SECONDS * LB_SECOND;
    file->checked = true;
    file->ready = false;
    TAILQ_REMOVE(&self->ready, file, ready_link);
}

static bool open_stream(struct lb_tail *self, struct lb_tail_file *file)
{
    char text[IDENTITY_BYTES];
    struct stat status;
    bool was_truncated = file->id == 0 && file->identity.born_ns != 0;

    if (file->id == 0) /* it may have been looked at before, and hold something else by now */
        file->identity.length = 0;
    lb_tail_grow_head(&file->identity, file->fd, NULL);
    if (file->identity.length == 0) {
        file->checked = false; /* it was cut before it was read: what comes now may be in a copy again */
        return false;
    }
    if (!file->checked && file->id == 0 && lb_tail_is_copy(self, file, file->fd)) {
        hold(self, file);
        return false;
    }
    file->checked = true;
    if (file->id == 0)
        file->identity.born_ns = lb_tail_file_time();
    enum lb_err err = lb_stream_open(self->source->streams, self->source, file->id,
                                     write_identity(&file->identity, file->path, text), &file->stream);
    if (err != LB_OK) {
        file->stream = NULL;
        self->unopened = true;
        /* A source before this one had it open, and its records are still on their way: soon. */
        self->refused = self->refused || err != LB_AGAIN;
        return false;
    }
    describe(self, file);
    if (file->id != 0 && file->stream->resume > file->offset)
        file->offset = file->stream->resume;
    file->pushed = file->offset;
    if (fstat(file->fd, &status) == 0)
        file->size = (uint64_t)status.st_size;
    if (was_truncated) /* perhaps more than once */
        lb_tail_watch_search(self, file->path);
    return true;
}

/* A stream whose identity is not on disk must not be used: its records would have an id that is lost by a crash. */
static void take_back(struct lb_tail *self)
{
    for (uint32_t i = 0; i < self->file_count; i++) {
        struct lb_tail_file *file = self->files[i];

        if (file->stream == NULL || !file->fresh)
            continue;
        lb_stream_unref(file->stream);
        file->stream = NULL;
    }
    self->unopened = true;
}

void lb_tail_open_streams(struct lb_tail *self, uint32_t max)
{
    struct lb_tail_file *file;
    struct lb_tail_file *next;
    uint32_t opened = 0;

    self->refused = false;
    lb_streams_begin(self->source->streams);
    for (file = TAILQ_FIRST(&self->ready); file != NULL && opened < max; file = next) {
        next = TAILQ_NEXT(file, ready_link);
        if (file->stream != NULL || file->hold_ns != 0 || !lb_tail_file_open(self, file))
            continue;
        file->fresh = open_stream(self, file);
        opened += file->fresh;
    }
    bool failed = lb_streams_end(self->source->streams) != LB_OK;
    if (failed)
        take_back(self);
    for (uint32_t i = 0; i < self->file_count && opened > 0; i++)
        self->files[i]->fresh = false;
    if (failed || self->refused)
        LB_ERROR("source.file", "cannot store the identity of files, they wait error=\"%s\"", strerror(errno));
}
