/* archive_paths.c - finds the files behind PATH arguments. */
#include "archive_paths.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 64 };

char *archive_path_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = lb_alloc(size);

    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

static void complain(struct archive_paths *paths, const char *path, const char *why)
{
    fprintf(stderr, "logboom: %s: %s\n", path, why);
    paths->failed = true;
}

static char *join(const char *directory, const char *name)
{
    size_t length = strlen(directory);
    const char *slash = length > 0 && directory[length - 1] == '/' ? "" : "/";
    size_t size = length + strlen(name) + 2;
    char *path = lb_alloc(size);

    if (path != NULL)
        snprintf(path, size, "%s%s%s", directory, slash, name);
    return path;
}

/* Takes `name`. */
static void append(struct archive_paths *paths, char *name, const struct stat *status, bool beneath)
{
    struct archive_path *items = lb_grown(paths->items, paths->count, &paths->capacity, sizeof(*items));

    if (items == NULL) {
        complain(paths, name, strerror(ENOMEM));
        lb_free(name);
        return;
    }
    paths->items = items;
    paths->items[paths->count++] = (struct archive_path){
        .name = name,
        .given = paths->given,
        .beneath = beneath,
        .bytes = (uint64_t)status->st_size,
        .modified_ns = status->st_mtim.tv_sec * LB_SECOND + status->st_mtim.tv_nsec,
    };
}

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* Runs of digits at `*a` and `*b`, which are passed over. */
static int compare_numbers(const char **a, const char **b)
{
    const char *x = *a + strspn(*a, "0");
    const char *y = *b + strspn(*b, "0");
    size_t x_length = digits(x);
    size_t y_length = digits(y);
    int order = x_length != y_length ? (x_length < y_length ? -1 : 1) : memcmp(x, y, x_length);

    *a = x + x_length;
    *b = y + y_length;
    return order;
}

/* Of two bytes that stand at the same place: what ends a directory comes first. `before`: the byte before them. */
static int compare_bytes(char x, char y, char before)
{
    bool x_digit = isdigit((unsigned char)x) != 0;
    bool y_digit = isdigit((unsigned char)y) != 0;

    if (x == y)
        return 0;
    if (x == '/' || y == '/')
        return x == '/' ? -1 : 1;
    if (x_digit != y_digit && before == '.')
        return x_digit ? 1 : -1; /* the file without a number was the first */
    return (unsigned char)x < (unsigned char)y ? -1 : 1;
}

int archive_path_compare(const char *a, const char *b)
{
    const char *x = a;
    const char *y = b;

    while (*x != '\0' && *y != '\0') {
        int order;

        if (isdigit((unsigned char)*x) != 0 && isdigit((unsigned char)*y) != 0) {
            order = compare_numbers(&x, &y);
        } else {
            order = compare_bytes(*x, *y, x > a ? x[-1] : '\0');
            x++;
            y++;
        }
        if (order != 0)
            return order;
    }
    if (*x != *y)
        return *x == '\0' ? -1 : 1;
    return strcmp(a, b);
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
    return archive_path_compare((*a)->d_name, (*b)->d_name);
}

static int is_wanted(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    if (entry->d_name[0] == '.' || strcmp(entry->d_name, "MANIFEST.jsonl") == 0)
        return 0;
    return length < 4 || strcmp(entry->d_name + length - 4, ".lbx") != 0;
}

static void walk(struct archive_paths *paths, const char *directory, int depth);

static void add_entry(struct archive_paths *paths, const char *directory, const char *name, int depth)
{
    char *path = join(directory, name);
    struct stat status;

    if (path == NULL) {
        complain(paths, directory, strerror(ENOMEM));
        return;
    }
    if (lstat(path, &status) != 0) {
        if (errno != ENOENT) /* deleted or renamed since */
            complain(paths, path, strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        walk(paths, path, depth + 1);
    } else if (S_ISREG(status.st_mode)) {
        append(paths, path, &status, true);
        return;
    }
    lb_free(path);
}

static void walk(struct archive_paths *paths, const char *directory, int depth)
{
    struct dirent **entries = NULL;

    if (depth > DEPTH_MAX) {
        complain(paths, directory, "directories nested too deep");
        return;
    }
    int count = scandir(directory, &entries, is_wanted, compare_entries);
    if (count < 0) {
        complain(paths, directory, strerror(errno));
        return;
    }
    for (int i = 0; i < count; i++) {
        add_entry(paths, directory, entries[i]->d_name, depth);
        free(entries[i]); /* scandir's own */
    }
    free((void *)entries);
}

void archive_paths_add(struct archive_paths *paths, const char *path)
{
    struct stat status = { 0 };

    if (strcmp(path, "-") != 0 && stat(path, &status) != 0) {
        complain(paths, path, strerror(errno));
    } else if (strcmp(path, "-") != 0 && S_ISDIR(status.st_mode)) {
        paths->beneath = true;
        walk(paths, path, 0);
    } else {
        char *name = archive_path_copy(path);

        if (name == NULL)
            complain(paths, path, strerror(ENOMEM));
        else
            append(paths, name, &status, false);
    }
    paths->given++;
}

void archive_paths_free(struct archive_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        lb_free(paths->items[i].name);
    lb_free(paths->items);
    *paths = (struct archive_paths){ 0 };
}
