/*
 * sealer_untold.c - sealed files that the manifest does not know: a crash, or
 * a full disk, came between the seal and its line.
 *
 * Of the manifest only a hash of each path is kept, and only while looking. A
 * sealed file is known by its mode, as nobody may write to it; what it really
 * is turns out when it is told.
 */
#include "sealer.h"

#include "manifest_writer.h"

#include "lb_alloc.h"

#include <stdlib.h>
#include <xxhash.h>

struct told {
    uint64_t hash; /* of the path below the root */
    uint32_t order;
    bool sealed;
};

struct search {
    struct told *items;
    size_t count, capacity;
    size_t root_len;
    bool failed;
    void (*add)(void *context, const char *path);
    void *context;
};

static void note(void *context, struct lb_str path, bool sealed)
{
    struct search *search = context;

    if (search->count == search->capacity) {
        size_t capacity = search->capacity == 0 ? 256 : search->capacity * 2;
        struct told *items = lb_realloc(search->items, capacity * sizeof(*items));

        if (items == NULL) {
            search->failed = true;
            return;
        }
        search->items = items;
        search->capacity = capacity;
    }
    search->items[search->count] = (struct told){ XXH3_64bits(path.ptr, path.len), (uint32_t)search->count, sealed };
    search->count++;
}

static int by_hash(const void *a, const void *b)
{
    const struct told *x = a;
    const struct told *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Of each path the last word counts. */
static void keep_last(struct search *search)
{
    size_t kept = 0;

    if (search->count > 0)
        qsort(search->items, search->count, sizeof(*search->items), by_hash);
    for (size_t i = 0; i < search->count; i++) {
        if (i + 1 == search->count || search->items[i].hash != search->items[i + 1].hash)
            search->items[kept++] = search->items[i];
    }
    search->count = kept;
}

static bool is_told(const struct search *search, const char *path)
{
    uint64_t hash = XXH3_64bits(path, strlen(path));
    size_t low = 0;
    size_t high = search->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (search->items[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low < search->count && search->items[low].hash == hash && search->items[low].sealed;
}

static void look_at(void *context, const struct output_found *found)
{
    const struct search *search = context;

    if (!found->temporary && !found->writable && !is_told(search, found->path + search->root_len))
        search->add(search->context, found->path);
}

void sealer_find_untold(const struct output *output, const char *root, void (*add)(void *context, const char *path),
                        void *context)
{
    struct search search = { .root_len = output->pattern.root_len, .add = add, .context = context };

    manifest_each(root, note, &search);
    keep_last(&search);
    if (!search.failed) /* otherwise all would be told again */
        output_walk(output, look_at, &search);
    lb_free(search.items);
}
