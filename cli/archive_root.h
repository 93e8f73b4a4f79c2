/* archive_root.h - where the archive of a configuration is. */
#ifndef ARCHIVE_ROOT_H
#define ARCHIVE_ROOT_H

#include <stdbool.h>

/* The directory that all files of its first archive are beneath; room for PATH_MAX bytes. False: said on stderr. */
bool archive_root(const char *config, char *directory);

#endif
