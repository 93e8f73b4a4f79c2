/* temporary_dir.c - made by mkdtemp(), so nobody else can have it; see temporary_dir.h. */
#include "temporary_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "/logboom.XXXXXX"

enum { PATH_SIZE = TEMPORARY_DIR_SIZE + 64 };

bool temporary_dir_make(char dir[TEMPORARY_DIR_SIZE])
{
    const char *base = getenv("TMPDIR");

    if (base == NULL || *base == '\0' || strlen(base) + sizeof(NAME) > TEMPORARY_DIR_SIZE)
        base = "/tmp";
    snprintf(dir, TEMPORARY_DIR_SIZE, "%s%s", base, NAME);
    if (mkdtemp(dir) != NULL)
        return true;
    dir[0] = '\0';
    return false;
}

void temporary_dir_clear(const char *dir, const char *const *names)
{
    char path[PATH_SIZE];

    if (*dir == '\0')
        return;
    for (; *names != NULL; names++) {
        snprintf(path, sizeof(path), "%s/%s", dir, *names);
        unlink(path);
    }
}

void temporary_dir_remove(const char *dir, const char *const *names)
{
    if (*dir == '\0')
        return;
    temporary_dir_clear(dir, names);
    rmdir(dir);
}
