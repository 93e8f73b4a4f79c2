/*
 * host_cgroup.c - finds the containers among the control groups.
 *
 * A container's directory has its id in its name, 64 hexadecimal digits:
 * docker-ID.scope, docker/ID, libpod-ID.scope, cri-containerd-ID.scope and
 * more of that kind; conmon is the program beside a container, not one. What
 * lies below a container belongs to it. The walk keeps its place between two
 * steps, so that a tree of many groups never holds up the loop.
 */
#include "host.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { ID_DIGITS = HOST_ID_BYTES - 1 };

static bool is_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* The id in the name of a directory; false if there is none. */
static bool find_id(const char *name, char id[HOST_ID_BYTES])
{
    size_t digits = 0;

    if (strstr(name, "conmon") != NULL)
        return false;
    for (; *name != '\0'; name++) {
        digits = is_digit(*name) ? digits + 1 : 0;
        if (digits == ID_DIGITS && !is_digit(name[1])) {
            memcpy(id, name + 1 - ID_DIGITS, ID_DIGITS);
            id[ID_DIGITS] = '\0';
            return true;
        }
    }
    return false;
}

static void enter(struct host_walk *walk)
{
    int fd = open(walk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;

    if (directory == NULL) {
        if (fd >= 0)
            close(fd);
        return; /* gone meanwhile */
    }
    walk->depth++;
    walk->levels[walk->depth] = directory;
    walk->ends[walk->depth] = strlen(walk->path);
}

static void leave(struct host_walk *walk)
{
    closedir(walk->levels[walk->depth--]);
}

void host_walk_begin(struct host_walk *walk, const char *directory)
{
    walk->depth = -1;
    walk->directories = 0;
    if (snprintf(walk->path, sizeof(walk->path), "%s", directory) < (int)sizeof(walk->path))
        enter(walk);
}

void host_walk_end(struct host_walk *walk)
{
    while (walk->depth >= 0)
        leave(walk);
}

/* The path of an entry; false if it is no directory that counts. */
static bool append(struct host_walk *walk, const struct dirent *entry)
{
    size_t end = walk->ends[walk->depth];

    if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
        return false;
    return snprintf(walk->path + end, sizeof(walk->path) - end, "/%s", entry->d_name) < (int)(sizeof(walk->path) - end);
}

enum host_walked host_walk_next(struct host_walk *walk, uint32_t *budget, char id[HOST_ID_BYTES])
{
    while (walk->depth >= 0 && walk->directories < HOST_CGROUPS_MAX) {
        const struct dirent *entry;

        if (*budget == 0)
            return HOST_WALK_PAUSE;
        entry = readdir(walk->levels[walk->depth]); /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        if (entry == NULL) {
            leave(walk);
            continue;
        }
        if (!append(walk, entry))
            continue;
        (*budget)--;
        walk->directories++;
        if (find_id(entry->d_name, id))
            return HOST_WALK_CONTAINER;
        if (walk->depth + 1 < HOST_CGROUP_DEPTH)
            enter(walk);
    }
    host_walk_end(walk);
    return HOST_WALK_END;
}
