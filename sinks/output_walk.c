/*
 * output_walk.c - the files there are that the template could have made.
 *
 * Descends from the constant directory, one component of the pattern per
 * level, and looks at nothing that does not match; symbolic links are not
 * followed. So whoever deletes by what this finds cannot leave the tree.
 */
#include "output.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { DEPTH_MAX = 32 };

struct walk {
    void (*visit)(void *context, const struct output_found *found);
    void *context;
    bool held;
    char temp_prefix[32];
    char path[PATH_MAX];
};

void output_temp_prefix(const struct output *self, char *out, size_t size)
{
    struct lb_str name = self->sink->section.name;

    snprintf(out, size, ".logboom-%08x-", (unsigned)XXH32(name.ptr, name.len, 0));
}

/* The component of the pattern at `rest` into `component`; returns what follows, NULL behind the last. */
static const char *next_component(const char *rest, char *component)
{
    const char *slash = strchr(rest, '/');
    size_t len = slash == NULL ? strlen(rest) : (size_t)(slash - rest);

    if (len >= NAME_MAX)
        len = NAME_MAX;
    memcpy(component, rest, len);
    component[len] = '\0';
    return slash == NULL ? NULL : slash + 1;
}

static void visit_file(struct walk *walk, int directory, const char *name, bool temporary)
{
    struct stat status;

    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
        return;
    struct output_found found = { .path = walk->path,
                                  .inode = status.st_ino,
                                  .bytes = (uint64_t)status.st_blocks * 512,
                                  .written_ns = status.st_mtim.tv_sec * LB_SECOND + status.st_mtim.tv_nsec,
                                  .temporary = temporary,
                                  .writable = (status.st_mode & 0222) != 0,
                                  .held = walk->held };
    walk->visit(walk->context, &found);
}

static bool is_held(int directory)
{
    struct stat status;

    return fstatat(directory, "hold", &status, AT_SYMLINK_NOFOLLOW) == 0 ||
           fstatat(directory, ".hold", &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Visits what is in `directory` (closed here), whose path is walk->path[0, len). `pattern` is for its entries. */
static void descend(struct walk *walk, int directory, size_t len, const char *pattern, int depth)
{
    char component[NAME_MAX + 1];
    const char *rest = next_component(pattern, component);
    bool held_above = walk->held;
    DIR *entries = fdopendir(directory);
    const struct dirent *entry;

    if (entries == NULL) {
        close(directory);
        return;
    }
    walk->held = held_above || is_held(directory);
    while ((entry = readdir(entries)) != NULL) {
        bool temporary = rest == NULL && strncmp(entry->d_name, walk->temp_prefix, strlen(walk->temp_prefix)) == 0;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!temporary && !output_component_matches(component, entry->d_name))
            continue;
        int added = snprintf(walk->path + len, sizeof(walk->path) - len, "%s", entry->d_name);
        if ((size_t)added + 1 >= sizeof(walk->path) - len)
            continue;
        if (rest == NULL) {
            visit_file(walk, directory, entry->d_name, temporary);
            continue;
        }
        int child = openat(directory, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0)
            continue;
        walk->path[len + (size_t)added] = '/';
        if (depth < DEPTH_MAX)
            descend(walk, child, len + (size_t)added + 1, rest, depth + 1);
        else
            close(child);
    }
    closedir(entries);
    walk->held = held_above;
}

void output_walk(const struct output *self, void (*visit)(void *context, const struct output_found *found),
                 void *context)
{
    struct walk walk = { .visit = visit, .context = context };
    size_t len = self->pattern.root_len;

    if (len >= sizeof(walk.path))
        return;
    output_temp_prefix(self, walk.temp_prefix, sizeof(walk.temp_prefix));
    memcpy(walk.path, self->pattern.text, len);
    walk.path[len] = '\0';
    int root = open(len > 0 ? walk.path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (root >= 0)
        descend(&walk, root, len, self->pattern.text + len, 0);
}

bool output_is_in_use(const struct output *self, const struct output_found *found)
{
    for (const struct output_file *file = self->files; file != NULL; file = file->next) {
        if (file->inode == found->inode &&
            (file->hidden || (file->path != NULL && strcmp(file->path, found->path) == 0)))
            return true;
    }
    return false;
}
