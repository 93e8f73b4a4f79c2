/*
 * time_place.c - a list of zones that only grows.
 *
 * The tricky thing is who reads while it grows: a zone is whole before `place_count` says that it is there.
 */
#include "time_place.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PLACES_MAX = 64, NAME_BYTES = 40, PLACE_BYTES_MAX = 64 * 1024 };

struct place {
    char name[NAME_BYTES];
    size_t length;
    struct time_zone zone;
};

static struct place places[PLACES_MAX];
static atomic_uint place_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards growing, and the arena */
static struct lb_arena arena;

/* Other words with a slash in them, of which logs are full, shall cost no look at the disk. */
static bool is_area(struct lb_str name)
{
    static const char *const areas[] = { "Africa/",    "America/", "Antarctica/", "Arctic/", "Asia/",   "Atlantic/",
                                         "Australia/", "Etc/",     "Europe/",     "Indian/", "Pacific/" };

    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++)
        if (lb_str_starts(name, lb_str_from(areas[i])))
            return true;
    return false;
}

static const struct time_zone *find(struct lb_str name, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (lb_str_equal((struct lb_str){ places[i].name, places[i].length }, name))
            return &places[i].zone;
    return NULL;
}

static const struct time_zone *add(struct lb_str name)
{
    unsigned count = atomic_load(&place_count);
    const struct time_zone *known = find(name, count);
    const char *reason;

    if (known != NULL || count == PLACES_MAX)
        return known;
    if (arena.bytes_max == 0)
        lb_arena_init(&arena, (size_t)PLACES_MAX * PLACE_BYTES_MAX);
    if (time_zone_open(&places[count].zone, &arena, name, &reason) != LB_OK)
        return NULL;
    memcpy(places[count].name, name.ptr, name.len);
    places[count].length = name.len;
    atomic_store(&place_count, count + 1);
    return &places[count].zone;
}

static bool is_part_of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_' || c == '-' || c == '+' ||
           time_is_digit(c);
}

const struct time_zone *time_read_place(struct time_cursor *cursor)
{
    struct lb_str name = { cursor->ptr, 0 };
    const struct time_zone *zone;

    while (name.ptr + name.len < cursor->end && is_part_of_name(name.ptr[name.len]))
        name.len++;
    if (name.len >= NAME_BYTES || !is_area(name))
        return NULL;
    zone = find(name, atomic_load(&place_count));
    if (zone == NULL) {
        pthread_mutex_lock(&lock);
        zone = add(name);
        pthread_mutex_unlock(&lock);
    }
    if (zone != NULL)
        cursor->ptr += name.len;
    return zone;
}
