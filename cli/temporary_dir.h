/*
 * temporary_dir.h - a directory that stands for a data_dir while a command works
 * on its own: below TMPDIR (/tmp where that is not set, or too long to be used).
 */
#ifndef TEMPORARY_DIR_H
#define TEMPORARY_DIR_H

#include <stdbool.h>

enum { TEMPORARY_DIR_SIZE = 96 };

/* A new one; false: errno says why, and `dir` is empty. */
bool temporary_dir_make(char dir[TEMPORARY_DIR_SIZE]);

/* Deletes the files of these names (NULL at the end) in it; and itself too, if there is one and nothing else is in it.
 */
void temporary_dir_clear(const char *dir, const char *const *names);
void temporary_dir_remove(const char *dir, const char *const *names);

#endif
