/*
 * output_name.c - hidden files get their real names, full ones a number.
 *
 * output_publish() notes all hidden files in the ledger with one fsync, then
 * renames them, never over a file that exists. So what a user sees is either
 * committed or known to the ledger as to be removed, and it has been whole
 * from its first byte.
 */
#include "output.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <xxhash.h>

static bool is_taken(const struct output *self, const char *path, uint64_t hash)
{
    struct stat status;

    for (const struct output_file *file = self->files; file != NULL; file = file->next) {
        if (file->path != NULL && file->path_hash == hash && strcmp(file->path, path) == 0)
            return true;
    }
    return output_stat_at(self, path, &status);
}

/* The number in a name, of those that `base` can get; 0: it is none of them. */
static uint32_t number_in(const struct output *self, struct lb_str base, const char *name)
{
    size_t len = strlen(name);
    size_t extension = self->pattern.extension_len;
    size_t stem = base.len - extension;
    uint64_t number = 0;

    if (len < base.len || memcmp(name, base.ptr, stem) != 0 ||
        memcmp(name + len - extension, base.ptr + stem, extension) != 0)
        return 0;
    if (len == base.len)
        return 1;
    if (name[stem] != '.' || len - extension - stem > 10)
        return 0;
    for (size_t i = stem + 1; i < len - extension; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(name[i] - '0');
    }
    return (uint32_t)number;
}

/* The highest number in use. Lower ones may be free, because files expired: these stay free, so that order is kept. */
static uint32_t highest_number(const struct output *self, const char *base)
{
    struct output_place place;
    uint32_t highest = 0;
    const struct dirent *entry;

    if (!output_place_open(self, base, false, &place))
        return 0;
    DIR *entries = fdopendir(place.directory);
    if (entries == NULL) {
        output_place_close(&place);
        return 0;
    }
    while ((entry = readdir(entries)) != NULL) {
        uint32_t number = number_in(self, lb_str_from(place.name), entry->d_name);

        if (number > highest)
            highest = number;
    }
    closedir(entries);
    return highest;
}

/* The first free name from `number` on becomes the file's path. */
static bool choose_name(struct output *self, struct output_file *file, struct lb_str base, uint32_t number)
{
    for (; number < UINT32_MAX; number++) {
        char *path = output_path_numbered(&self->pattern, base, number);

        if (path == NULL) {
            errno = ENOMEM;
            return false;
        }
        uint64_t hash = XXH3_64bits(path, strlen(path));
        if (!is_taken(self, path, hash)) {
            file->path = path;
            file->path_hash = hash;
            file->number = number;
            return true;
        }
        lb_free(path);
    }
    errno = EEXIST;
    return false;
}

static bool choose_name_behind_all(struct output *self, struct output_file *file, struct lb_str base, uint32_t number)
{
    uint32_t highest = highest_number(self, base.ptr);

    return choose_name(self, file, base, number > highest ? number : highest + 1);
}

/* A plain file's name is free for the newest; an archive's newest has the highest number. */
static bool choose_first_name(struct output *self, struct output_file *file)
{
    struct lb_str base = lb_str_from(file->base);

    return self->kind->numbered ? choose_name_behind_all(self, file, base, 1) : choose_name(self, file, base, 1);
}

bool output_commit_intentions(struct output *self)
{
    if (lb_ledger_commit(self->sink->ledger, &self->intentions) == LB_OK)
        return true;
    int err = errno;
    lb_ledger_txn_free(&self->intentions);
    lb_ledger_txn_init(&self->intentions);
    errno = err;
    return false;
}

/* --- full files ------------------------------------------------------------------ */

static void keep_name(struct output_file *file, char *from)
{
    int err = errno;

    if (file->path != from)
        lb_free(file->path);
    file->path = from;
    file->path_hash = XXH3_64bits(from, strlen(from));
    file->number = 1;
    errno = err;
}

void output_file_rename_full(struct output *self, struct output_file *file)
{
    char *from = file->path;

    if (choose_name_behind_all(self, file, lb_str_from(from), 2) && output_rename_at(self, from, file->path)) {
        lb_free(from);
        return;
    }
    LB_WARN("sink", "cannot rename a full file, it is continued path=%s reason=%s", from, strerror(errno));
    keep_name(file, from);
}

bool output_file_move_aside(struct output *self, struct output_file *file)
{
    char *from = file->path;

    if (!choose_name_behind_all(self, file, lb_str_from(from), 2)) {
        keep_name(file, from);
        return output_trouble(self, "name a successor of", from);
    }
    /* Both names are in the ledger while either may be the right one: whichever holds our inode is cut by a start. */
    output_ledger_put(self, &self->intentions, file, file->committed);
    if (!output_commit_intentions(self)) {
        keep_name(file, from);
        return output_trouble(self, "note in the ledger", from);
    }
    if (!output_rename_at(self, from, file->path) && errno != ENOENT) {
        keep_name(file, from);
        return output_trouble(self, "rename", from);
    }
    file->fresh = true;
    lb_free(from);
    return true;
}

bool output_set_aside(struct output *self, const struct output_file *file)
{
    struct output_file other = { .path = NULL };
    bool done = choose_name_behind_all(self, &other, lb_str_from(file->path), 2) &&
                output_rename_at(self, file->path, other.path);
    int err = errno;

    if (done)
        LB_WARN("sink", "what stands where nothing was safe yet may be somebody else's and is kept path=%s now=%s",
                file->path, other.path);
    lb_free(other.path);
    errno = err;
    return done;
}

/* --- hidden files ------------------------------------------------------------------ */

static bool name_hidden(struct output *self)
{
    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        if (!file->hidden)
            continue;
        if (file->path == NULL && !choose_first_name(self, file))
            return output_trouble(self, "name", file->temp);
        /* It is not there yet: its length is 0 until a commit says otherwise. */
        output_ledger_put(self, &self->intentions, file, 0);
    }
    return output_commit_intentions(self) || output_trouble(self, "note in the ledger", "a new file");
}

static bool show(struct output *self, struct output_file *file)
{
    if (!output_rename_at(self, file->temp, file->path)) {
        bool taken = errno == EEXIST;

        if (!taken)
            return output_trouble(self, "rename to", file->path);
        /* Somebody was faster: another name at the next try, and the ledger forgets this one. */
        output_ledger_delete(self, &self->intentions, file);
        lb_free(file->path);
        file->path = NULL;
        return true;
    }
    file->hidden = false;
    self->hidden_count--;
    lb_free(file->temp);
    file->temp = NULL;
    file->known = true;
    file->fresh = true;
    return true;
}

bool output_publish(struct output *self)
{
    while (self->hidden_count > 0) {
        if (!name_hidden(self))
            return false;
        for (struct output_file *file = self->files; file != NULL; file = file->next) {
            if (file->hidden && !show(self, file))
                return false;
        }
    }
    return true;
}

bool output_sync_directories(struct output *self)
{
    const char *synced = NULL;

    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        if (!file->fresh)
            continue;
        if (!output_sync_root(self) && errno != ENOENT)
            return output_trouble(self, "sync what is above", file->path);
        const char *slash = strrchr(file->path, '/');
        size_t len = slash == NULL ? 0 : (size_t)(slash - file->path) + 1;
        bool same = synced != NULL && strncmp(synced, file->path, len) == 0 && strchr(synced + len, '/') == NULL;

        /* Without the directory there is no name to be made durable. */
        if (!same && !output_sync_parent(self, file->path) && errno != ENOENT)
            return output_trouble(self, "sync the directory of", file->path);
        synced = file->path;
    }
    return true;
}
