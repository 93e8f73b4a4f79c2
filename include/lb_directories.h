/*
 * lb_directories.h - directories that are there after a power failure.
 *
 * A name is on disk when its directory was synced, and that is worth nothing
 * before the same holds for all directories above. Who has just made one
 * cannot be relied on to sync its parent: it may be killed in between. So make
 * and sync are two things, and whoever needs a name to last syncs, whether or
 * not it made anything.
 */
#ifndef LB_DIRECTORIES_H
#define LB_DIRECTORIES_H

#include <stdbool.h>
#include <sys/types.h>

/* Each directory of `path` up to its last slash that is missing. On false errno says why. */
bool lb_directories_make(const char *path, mode_t mode);

/*
 * Syncs the directory of `path` (what stands up to its last slash, else the working directory) and those above it, as
 * far as they are on the same file system and may be read. On false errno says why.
 */
bool lb_directories_sync(const char *path);

/* Syncs one open directory. Some file systems cannot do that; then there is nothing to be gained, and it is true. */
bool lb_directory_sync(int fd);

#endif
