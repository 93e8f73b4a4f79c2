/*
 * output_retention.c - deletes old files: `keep: {at_least, age, size}`.
 *
 * A file's age is the time since it was last written. Only files that the
 * template could have made are looked at, never one that is still written,
 * and none that is younger than at_least, whatever the total size says.
 */
#include "output.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct candidate {
    char *path;
    int64_t written_ns;
    uint64_t bytes;
};

struct retention {
    struct output *self;
    struct candidate *items;
    size_t count;
    size_t capacity;
    uint64_t bytes; /* of all files, those in use included */
};

static bool is_in_use(const struct output *self, const struct output_found *found)
{
    for (const struct output_file *file = self->files; file != NULL; file = file->next) {
        if (file->inode == found->inode && (file->hidden || strcmp(file->path, found->path) == 0))
            return true;
    }
    return false;
}

static bool grow(struct retention *retention)
{
    size_t capacity = retention->capacity == 0 ? 64 : retention->capacity * 2;
    struct candidate *items = lb_realloc(retention->items, capacity * sizeof(*items));

    if (items == NULL)
        return false;
    retention->items = items;
    retention->capacity = capacity;
    return true;
}

static void collect(void *context, const struct output_found *found)
{
    struct retention *retention = context;

    retention->bytes += found->bytes;
    if (found->temporary || is_in_use(retention->self, found))
        return;
    if (retention->count == retention->capacity && !grow(retention))
        return;

    size_t size = strlen(found->path) + 1;
    char *path = lb_alloc(size);

    if (path == NULL)
        return;
    memcpy(path, found->path, size);
    retention->items[retention->count++] = (struct candidate){ path, found->written_ns, found->bytes };
}

static int older_first(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    return (x->written_ns > y->written_ns) - (x->written_ns < y->written_ns);
}

/* Removes directories that became empty, below the constant one. */
static void remove_empty_parents(const struct output *self, char *path)
{
    for (char *slash = strrchr(path, '/'); slash != NULL; slash = strrchr(path, '/')) {
        *slash = '\0';
        if ((size_t)(slash - path) < self->pattern.root_len || rmdir(path) != 0)
            return;
    }
}

static bool is_due(const struct output *self, const struct candidate *item, int64_t now, uint64_t bytes)
{
    int64_t age = now - item->written_ns;

    if (age < self->keep_at_least_ns)
        return false;
    return (self->keep_age_ns > 0 && age > self->keep_age_ns) || (self->keep_size > 0 && bytes > self->keep_size);
}

static void expire(struct retention *retention)
{
    int64_t now = lb_clock_now();

    qsort(retention->items, retention->count, sizeof(*retention->items), older_first);
    for (size_t i = 0; i < retention->count; i++) {
        struct candidate *item = &retention->items[i];

        if (!is_due(retention->self, item, now, retention->bytes))
            continue;
        if (unlink(item->path) != 0) {
            LB_WARN("sink", "cannot delete an expired file path=%s reason=%s", item->path, strerror(errno));
            continue;
        }
        LB_INFO("sink", "deleted an expired file path=%s age_seconds=%" PRId64 " bytes=%" PRIu64, item->path,
                (now - item->written_ns) / LB_SECOND, item->bytes);
        retention->bytes -= item->bytes;
        remove_empty_parents(retention->self, item->path);
    }
}

void output_retain(struct output *self)
{
    struct retention retention = { .self = self };

    if (self->keep_age_ns == 0 && self->keep_size == 0)
        return;
    output_walk(self, collect, &retention);
    if (retention.items == NULL)
        return;
    expire(&retention);
    for (size_t i = 0; i < retention.count; i++)
        lb_free(retention.items[i].path);
    lb_free(retention.items);
}
