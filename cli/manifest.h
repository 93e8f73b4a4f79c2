/*
 * manifest.h - MANIFEST.jsonl in the root of an archive: a line for each seal
 * and each deletion, each with the SHA-256 of the line before it (`prev`).
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_NAME "MANIFEST.jsonl"
enum { SHA256_TEXT_SIZE = 65 };

struct manifest_entry {
    char *path; /* below the root */
    size_t line;
    bool deleted;
    bool seen; /* the caller's */
    uint64_t bytes;
    uint64_t lines;
    char sha256[SHA256_TEXT_SIZE]; /* lower case; empty: not told */
};

struct manifest {
    char *root; /* without a slash at its end */
    struct manifest_entry *entries;
    size_t count; /* the last word on each path, sorted by it */
    size_t capacity;
    uint64_t bytes; /* of the file, as it was read */
};

/* Tells each line that does not fit: `line` from 1, `what` a sentence. */
typedef void (*manifest_problem)(void *context, const char *file, size_t line, const char *what);

/* False: errno says why (ENOENT: there is none). `root` is copied. */
bool manifest_load(struct manifest *manifest, const char *root, manifest_problem problem, void *context);

/*
 * Reads it again if it has grown: a running logboom seals and deletes. What was seen stays seen; lines are not told.
 * False: it is as it was. Entries that were found before are not valid any more otherwise.
 */
bool manifest_refresh(struct manifest *manifest);
void manifest_free(struct manifest *manifest);

struct manifest_entry *manifest_find(const struct manifest *manifest, const char *path);

#endif
