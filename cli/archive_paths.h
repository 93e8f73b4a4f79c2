/*
 * archive_paths.h - the files behind PATH arguments.
 *
 * A file is itself, a directory all regular files beneath it, `-` standard
 * input. Beneath a directory, what is hidden, symbolic links, sidecars
 * (*.lbx) and MANIFEST.jsonl are passed over; named, they are taken. In the
 * order of the arguments, and within a directory in that of time as far as
 * names tell it: numbers by value, and `a.jsonl.zst` before `a.2.jsonl.zst`.
 */
#ifndef ARCHIVE_PATHS_H
#define ARCHIVE_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive_path {
    char *name;   /* for open() and for people; "-" is standard input */
    size_t given; /* index of the argument it is beneath */
    bool beneath; /* in a directory that was given: it may expire before it is read */
    uint64_t bytes;
    int64_t modified_ns;
};

struct archive_paths {
    struct archive_path *items;
    size_t count;
    size_t capacity;
    size_t given;
    bool beneath; /* a directory was among them */
    bool failed;  /* something could not be looked at; it was said on stderr */
};

/* Adds what is behind `path`. What cannot be read is said on stderr, sets `failed` and is passed over. */
void archive_paths_add(struct archive_paths *paths, const char *path);
void archive_paths_free(struct archive_paths *paths);

/* Negative, 0 or positive as `a` comes before, is, or comes behind `b` in the order above. */
int archive_path_compare(const char *a, const char *b);

/* For lb_free(); NULL: out of memory. */
char *archive_path_copy(const char *text);

#endif
