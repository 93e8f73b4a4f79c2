/*
 * tail_glob.c - patterns of paths: `*`, `?`, `[…]` within a name, `**` for
 * any number of directories, `{name}` for one or more characters that are
 * kept (tail_names.c).
 *
 * Not glob(3), because a tail also wants to know every directory in which a
 * match could appear, to watch it. As in a shell, a leading dot is matched
 * only by a dot. `**` follows no symbolic links, so that it ends.
 */
#include "tail.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>

enum { DEPTH_MAX = 32 }; /* directories below a `**` */

struct walk {
    const struct lb_glob_visitor *visitor;
    char path[PATH_MAX]; /* without a last slash; "" is the root */
    size_t len;
    unsigned depth;
};

static void walk(struct walk *self, const char *pattern);

static bool is_wild(const char *component, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strchr("*?[\\", component[i]) != NULL || lb_tail_name_length(component + i) > 0)
            return true;
    return false;
}

/* As fnmatch() takes it: a name is one character or more. `out` has room for NAME_MAX + 1 bytes. */
static bool plain_pattern(const char *component, size_t len, char *out)
{
    size_t used = 0;

    if (len > NAME_MAX)
        return false;
    for (size_t at = 0; at < len;) {
        size_t name = lb_tail_name_length(component + at);

        if (name > 0) {
            memcpy(out + used, "?*", 2);
            used += 2;
            at += name;
        } else {
            out[used++] = component[at++];
        }
    }
    out[used] = '\0';
    return true;
}

static bool is_deep(const char *component, size_t len)
{
    return len == 2 && memcmp(component, "**", 2) == 0;
}

static const char *skip_slashes(const char *pattern)
{
    return pattern + strspn(pattern, "/");
}

/* Appends "/name"; returns the length before, or SIZE_MAX when it is too long. */
static size_t enter(struct walk *self, const char *name, size_t len)
{
    size_t before = self->len;

    if (before + len + 2 > sizeof(self->path))
        return SIZE_MAX;
    self->path[before] = '/';
    memcpy(self->path + before + 1, name, len);
    self->len = before + 1 + len;
    self->path[self->len] = '\0';
    return before;
}

static void leave(struct walk *self, size_t before)
{
    self->len = before;
    self->path[before] = '\0';
}

static const char *here_or_root(const char *path)
{
    return *path != '\0' ? path : "/";
}

static bool is_directory(const struct dirent *entry, const char *path, bool follow)
{
    struct stat status;

    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    if (entry->d_type == DT_LNK && !follow)
        return false;
    return (follow ? stat(path, &status) : lstat(path, &status)) == 0 && S_ISDIR(status.st_mode);
}

/* The directory that `self->path` is in; `before` is the length of its path. */
static void visit_parent(struct walk *self, size_t before)
{
    self->path[before] = '\0';
    self->visitor->directory(self->visitor->context, here_or_root(self->path));
    self->path[before] = '/';
}

/* A directory is visited before it is looked into: what comes to be in between is then seen by its watch. */
static void walk_literal(struct walk *self, const char *component, size_t len, const char *rest)
{
    struct stat status;
    size_t before = enter(self, component, len);

    if (before == SIZE_MAX)
        return;
    if (*rest == '\0') {
        visit_parent(self, before);
        if (stat(self->path, &status) == 0)
            self->visitor->match(self->visitor->context, self->path);
    } else {
        bool exists = stat(self->path, &status) == 0;

        if (!exists) {
            visit_parent(self, before);
            exists = stat(self->path, &status) == 0;
        }
        if (exists && S_ISDIR(status.st_mode))
            walk(self, rest);
    }
    leave(self, before);
}

/* One entry of a directory that `component` may name. */
static void walk_entry(struct walk *self, const struct dirent *entry, const char *component, size_t len,
                       const char *rest)
{
    bool deep = is_deep(component, len);
    char pattern[NAME_MAX + 1];

    if (deep) {
        if (entry->d_name[0] == '.')
            return;
    } else {
        if (!plain_pattern(component, len, pattern) || fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0)
            return;
    }
    size_t before = enter(self, entry->d_name, strlen(entry->d_name));
    if (before == SIZE_MAX)
        return;
    if (!deep && *rest == '\0')
        self->visitor->match(self->visitor->context, self->path);
    else if (is_directory(entry, self->path, !deep))
        walk(self, deep ? component : rest);
    leave(self, before);
}

static void walk_entries(struct walk *self, const char *component, size_t len, const char *rest)
{
    DIR *directory = opendir(here_or_root(self->path));

    if (directory == NULL)
        return;
    self->visitor->directory(self->visitor->context, here_or_root(self->path));
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            walk_entry(self, entry, component, len, rest);
    closedir(directory);
}

static void walk(struct walk *self, const char *pattern)
{
    pattern = skip_slashes(pattern);
    size_t len = strcspn(pattern, "/");
    const char *rest = skip_slashes(pattern + len);

    if (len == 0)
        return;
    if (is_deep(pattern, len)) {
        walk(self, *rest != '\0' ? rest : "*"); /* no directory in between */
        if (self->depth < DEPTH_MAX) {
            self->depth++;
            walk_entries(self, pattern, len, rest);
            self->depth--;
        }
    } else if (is_wild(pattern, len)) {
        walk_entries(self, pattern, len, rest);
    } else {
        walk_literal(self, pattern, len, rest);
    }
}

void lb_glob_walk(const char *pattern, const struct lb_glob_visitor *visitor)
{
    struct walk self = { .visitor = visitor };

    walk(&self, pattern);
}

static bool match_component(const char *pattern, size_t pattern_len, const char *name, size_t name_len)
{
    char left[NAME_MAX + 1];
    char right[NAME_MAX + 1];

    if (name_len > NAME_MAX || !plain_pattern(pattern, pattern_len, left))
        return false;
    memcpy(right, name, name_len);
    right[name_len] = '\0';
    return fnmatch(left, right, FNM_PERIOD) == 0;
}

static bool match_rest(const char *pattern, const char *path, unsigned depth)
{
    pattern = skip_slashes(pattern);
    path = skip_slashes(path);
    size_t len = strcspn(pattern, "/");
    size_t name_len = strcspn(path, "/");

    if (len == 0 || name_len == 0)
        return len == name_len;
    if (is_deep(pattern, len)) {
        const char *rest = skip_slashes(pattern + len);

        if (match_rest(*rest != '\0' ? rest : "*", path, depth))
            return true;
        return depth < DEPTH_MAX && path[0] != '.' && path[name_len] == '/' &&
               match_rest(pattern, path + name_len, depth + 1);
    }
    return match_component(pattern, len, path, name_len) && match_rest(pattern + len, path + name_len, depth);
}

bool lb_glob_match(const char *pattern, const char *path)
{
    return match_rest(pattern, path, 0);
}

size_t lb_glob_base(const char *pattern)
{
    size_t base = 0;

    for (size_t at = 0; pattern[at] != '\0';) {
        size_t slashes = strspn(pattern + at, "/");
        size_t len = strcspn(pattern + at + slashes, "/");

        if (len == 0 || pattern[at + slashes + len] == '\0' || is_wild(pattern + at + slashes, len))
            break;
        at += slashes + len;
        base = at;
    }
    return base;
}

bool lb_tail_excludes(const struct lb_tail_options *options, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    for (size_t i = 0; i < options->exclude.count; i++) {
        const char *pattern = options->exclude.items[i].ptr;

        if (strchr(pattern, '/') != NULL ? lb_glob_match(pattern, path) : fnmatch(pattern, name, 0) == 0)
            return true;
    }
    return false;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text);
    size_t ending_len = strlen(ending);

    return len > ending_len && strcmp(text + len - ending_len, ending) == 0;
}

const char *lb_tail_packed(const char *path)
{
    static const char *const endings[] = { ".gz", ".zst", ".xz", ".bz2", ".lz4", ".zip", ".Z" };

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        if (ends_with(path, endings[i]))
            return endings[i];
    return NULL;
}

/* `ending`: only patterns that end with it count; NULL: all do. */
static bool is_included(const struct lb_tail_options *options, const char *path, const char *ending)
{
    for (size_t i = 0; i < options->include.count; i++) {
        const char *pattern = options->include.items[i].ptr;

        if (lb_glob_match(pattern, path) && (ending == NULL || ends_with(pattern, ending)))
            return !lb_tail_excludes(options, path);
    }
    return false;
}

/* app.log* is meant for app.log.1, not for the app.log.2.gz that follows it. */
bool lb_tail_matches(const struct lb_tail_options *options, const char *path)
{
    return is_included(options, path, lb_tail_packed(path));
}

bool lb_tail_covers(const struct lb_tail_options *options, const char *path)
{
    return is_included(options, path, NULL);
}
