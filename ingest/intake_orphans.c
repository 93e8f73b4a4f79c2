/*
 * intake_orphans.c - intakes whose source is gone, or is not durable any more.
 *
 * What they hold would lie there unseen, so it is told at each start. A segment in which everything was delivered may
 * be left by a crash; that cannot be told apart without the source, and is told as well.
 */
#include "lb_intake.h"
#include "lb_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static uint64_t bytes_below(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    uint64_t bytes = 0;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        struct stat status;

        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
            bytes += (uint64_t)status.st_size;
    }
    if (directory != NULL)
        closedir(directory);
    return bytes;
}

static bool is_known(const struct lb_strs *sources, const char *name)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (lb_str_is(sources->items[i], name))
            return true;
    }
    return false;
}

void lb_intake_tell_orphans(struct lb_str data_dir, const struct lb_strs *sources)
{
    char path[PATH_MAX];
    const struct dirent *entry;

    snprintf(path, sizeof(path), LB_STR_FMT "/intake", LB_STR_ARG(data_dir));
    DIR *directory = opendir(path);
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char below[PATH_MAX + NAME_MAX + 2];

        if (entry->d_name[0] == '.' || is_known(sources, entry->d_name))
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        uint64_t bytes = bytes_below(below);
        if (bytes > 0)
            LB_WARN("intake",
                    "an intake belongs to no durable source; give a source of this name `durable: true` to have it "
                    "delivered, or delete the directory source=%s directory=%s bytes=%" PRIu64,
                    entry->d_name, below, bytes);
    }
    if (directory != NULL)
        closedir(directory);
}
