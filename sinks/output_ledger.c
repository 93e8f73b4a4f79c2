/*
 * output_ledger.c - what the ledger knows of files: "file/SINK/PATH" is
 * "LENGTH INODE NUMBER BEGUN".
 *
 * Whatever lies behind LENGTH was written by a run whose commit never came,
 * and comes again; so opening cuts it off. The inode tells our file from one
 * that somebody else put in its place, which is left alone, unless it is a copy
 * of ours: then data_dir was moved to another disk or host.
 *
 * A start may follow a kill, so what it finds may be in the kernel's memory
 * alone. It forgets nothing before that is on disk as it is.
 */
#include "output.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { KEY_SIZE = PATH_MAX + 512 };

static struct lb_str key_of(const struct output *self, const char *path, char *key)
{
    int len = snprintf(key, KEY_SIZE, "file/" LB_STR_FMT "/%s", LB_STR_ARG(self->sink->section.name), path);

    return (struct lb_str){ key, (size_t)len < KEY_SIZE ? (size_t)len : KEY_SIZE - 1 };
}

void output_ledger_put(struct output *self, struct lb_ledger_txn *txn, const struct output_file *file, uint64_t length)
{
    char key[KEY_SIZE];
    char value[96];
    int len = snprintf(value, sizeof(value), "%" PRIu64 " %" PRIu64 " %u %" PRId64, length, file->inode, file->number,
                       file->first_ns);

    lb_ledger_put(txn, key_of(self, file->path, key), (struct lb_str){ value, (size_t)len });
}

void output_ledger_delete(struct output *self, struct lb_ledger_txn *txn, const struct output_file *file)
{
    char key[KEY_SIZE];

    lb_ledger_delete(txn, key_of(self, file->path, key));
}

struct search {
    struct lb_str path;
    bool found;
};

static void compare(void *context, struct lb_str key, struct lb_str value)
{
    struct search *search = context;
    size_t sink = strlen("file/");
    const char *slash = memchr(key.ptr + sink, '/', key.len - sink);

    (void)value;
    if (slash != NULL)
        search->found =
            search->found ||
            lb_str_equal((struct lb_str){ slash + 1, key.len - (size_t)(slash + 1 - key.ptr) }, search->path);
}

bool output_ledger_knows(const struct output *self, const char *path)
{
    struct search search = { lb_str_from(path), false };

    lb_ledger_each(self->sink->ledger, LB_STR("file/"), compare, &search);
    return search.found;
}

struct loader {
    struct output *self;
    size_t prefix_len;
    bool failed;
};

static bool read_value(struct lb_str value, struct output_file *file)
{
    char text[96];

    if (value.len >= sizeof(text))
        return false;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    return sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu32 " %" SCNd64, &file->length, &file->inode, &file->number,
                  &file->first_ns) == 4;
}

/* One key: a file in the list, not yet looked at. */
static void note(void *context, struct lb_str key, struct lb_str value)
{
    struct loader *loader = context;
    struct output_file *file = output_file_new(loader->self);
    size_t len = key.len - loader->prefix_len;

    if (file != NULL)
        file->path = lb_alloc(len + 1);
    if (file == NULL || file->path == NULL) {
        loader->failed = true;
        return;
    }
    memcpy(file->path, key.ptr + loader->prefix_len, len);
    file->path_hash = XXH3_64bits(file->path, len);
    file->known = true;
    file->fresh = true; /* the process that gave it this name may have been killed before it synced the directory */
    if (!read_value(value, file)) {
        LB_WARN("sink", "the ledger's entry of a file is not readable, the file is left as it is path=%s", file->path);
        file->finished = true;
    }
    file->committed = file->synced = file->length;
    file->end = file->length;
}

enum cut { CUT_OK, CUT_GONE, CUT_FAILED };

/*
 * A data_dir that was copied finds its files under other inodes. Only then: otherwise another inode is a sealed file,
 * or somebody else's, in the place of ours.
 */
static bool is_copy(const struct output *self, const struct output_file *file, int fd)
{
    return self->sink->moved && (file->length == 0 || self->kind->is_ours(fd, file->length));
}

/*
 * The ledger may forget a name only when its directory has: or a power failure brings the file back, and nobody knows
 * any more that no commit ever covered it.
 */
static enum cut surely_gone(const struct output *self, const struct output_file *file)
{
    return output_sync_parent(self, file->path) || errno == ENOENT || errno == ENOTDIR ? CUT_GONE : CUT_FAILED;
}

/* What stands under the name is the file that the ledger knows, or a copy of it. */
static bool is_the_one(const struct output *self, struct output_file *file, int fd, const struct stat *status)
{
    if (S_ISREG(status->st_mode) && status->st_ino == file->inode)
        return true;
    if (!S_ISREG(status->st_mode) || !is_copy(self, file, fd)) {
        LB_WARN("sink", "another file stands where one was being written, it is left alone path=%s", file->path);
        return false;
    }
    LB_INFO("sink", "a copy of the file that was being written stands in its place, it goes on path=%s", file->path);
    file->inode = status->st_ino;
    file->known = false; /* the ledger learns the inode with the next commit */
    return true;
}

/* Cuts an open file to what was committed. */
static enum cut cut_open(struct output *self, struct output_file *file, int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return CUT_FAILED;
    bool is_moved = status.st_ino != file->inode;
    if (!is_the_one(self, file, fd, &status))
        return CUT_GONE;
    if ((uint64_t)status.st_size < file->length) {
        LB_ERROR("sink", "a file is shorter than it was, somebody cut it path=%s bytes_missing=%" PRIu64, file->path,
                 file->length - (uint64_t)status.st_size);
        return CUT_GONE;
    }
    if (file->length == 0 && self->kind->numbered)
        return output_unlink_at(self, file->path) ? surely_gone(self, file) : CUT_FAILED;
    /* Of a plain file of which nothing was committed nothing tells whose it is. */
    if (file->length == 0 && is_moved && status.st_size > 0)
        return output_set_aside(self, file) ? surely_gone(self, file) : CUT_FAILED;
    return self->kind->cut(file, fd, (uint64_t)status.st_size) ? CUT_OK : CUT_FAILED;
}

static enum cut cut(struct output *self, struct output_file *file)
{
    int fd = output_open_at(self, file->path, O_RDWR, false);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) /* perhaps by a start that got no further */
        return surely_gone(self, file);
    if (fd < 0)
        return errno == ELOOP ? CUT_GONE : CUT_FAILED;
    enum cut result = cut_open(self, file, fd);
    int err = errno;
    close(fd);
    errno = err;
    return result;
}

/* A plain file with a number made room for the newest one. */
static bool is_aside(const struct output *self, const struct output_file *file)
{
    return !self->kind->numbered && file->number > 1;
}

/* The file goes on in its partition, unless a later one is there. */
static bool attach(struct output *self, struct output_file *file)
{
    char base[PATH_MAX];
    struct lb_str path = lb_str_from(file->path);

    if (path.len >= sizeof(base) || is_aside(self, file)) {
        output_file_finish(file);
        return true;
    }
    struct output_partition *partition =
        output_partition_get(self, output_path_base(&self->pattern, path, file->number, base));

    if (partition == NULL)
        return false;
    if (partition->file != NULL && partition->file->number > file->number) {
        output_file_finish(file);
        return true;
    }
    if (partition->file != NULL)
        output_file_finish(partition->file);
    partition->file = file;
    file->partition = partition;
    file->home = partition;
    return true;
}

static enum lb_err settle(struct output *self, struct output_file *file, struct lb_diag *diag)
{
    enum cut result = file->finished ? CUT_GONE : cut(self, file);

    if (result == CUT_FAILED) {
        lb_diag_error(diag, lb_section_place(&self->sink->section, "path"), "cannot cut %s to its committed length: %s",
                      file->path, strerror(errno));
        return LB_IO;
    }
    if (result == CUT_GONE) {
        /* Not kept as a finished file: the name is free, if nothing stands there. */
        output_ledger_delete(self, &self->intentions, file);
        output_file_remove(self, file);
    } else if (!attach(self, file)) {
        return LB_NOMEM;
    }
    return LB_OK;
}

/*
 * The ledger forgets finished files with the next commit, and then nobody cuts them again: the cut must be on disk, or
 * a power failure brings back what was behind it.
 */
static enum lb_err sync_finished(struct output *self, const struct output_file *file, struct lb_diag *diag)
{
    int fd = output_open_at(self, file->path, O_WRONLY, false);
    bool ok = fd >= 0 ? fsync(fd) == 0 : errno == ENOENT || errno == ENOTDIR || errno == ELOOP;

    if (!ok)
        lb_diag_error(diag, lb_section_place(&self->sink->section, "path"), "cannot sync %s: %s", file->path,
                      strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok ? LB_OK : LB_IO;
}

/* What is not there any more leaves the ledger. If that fails, the next start finds it gone again. */
static void forget_gone(struct output *self)
{
    if (self->intentions.count > 0 && lb_ledger_commit(self->sink->ledger, &self->intentions) != LB_OK) {
        lb_ledger_txn_free(&self->intentions);
        lb_ledger_txn_init(&self->intentions);
    }
}

enum lb_err output_ledger_load(struct output *self, struct lb_diag *diag)
{
    char prefix[KEY_SIZE];
    struct lb_str slice = key_of(self, "", prefix);
    struct loader loader = { self, slice.len, false };

    lb_ledger_each(self->sink->ledger, slice, note, &loader);
    if (loader.failed)
        return LB_NOMEM;
    for (struct output_file *file = self->files, *next; file != NULL; file = next) {
        next = file->next;
        enum lb_err err = settle(self, file, diag);

        if (err != LB_OK)
            return err;
    }
    for (const struct output_file *file = self->files; file != NULL; file = file->next) {
        if (file->finished && sync_finished(self, file, diag) != LB_OK)
            return LB_IO;
    }
    forget_gone(self);
    return LB_OK;
}
