/*
 * time_civil.c - the zones of lb_time.h: a name, or the one that the machine is in.
 *
 * The machine's is found without libc: TZ where it is set, else where /etc/localtime points to. A TZ that describes a
 * zone instead of naming it ("CET-1CEST") is refused with the advice to name one.
 */
#include "time_zone.h"

#include "lb_time.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct lb_time_zone {
    struct time_zone zone;
};

/* The name of the machine's zone in `room`; empty: UTC. */
static struct lb_str local_name(char *room, size_t size)
{
    static const char directory[] = "zoneinfo/";
    const char *name = getenv("TZ");

    if (name != NULL) {
        snprintf(room, size, "%s", *name == ':' ? name + 1 : name);
        return lb_str_from(room);
    }
    ssize_t len = readlink("/etc/localtime", room, size - 1);
    room[len > 0 ? len : 0] = '\0';
    name = strstr(room, directory);
    return name != NULL ? lb_str_from(name + sizeof(directory) - 1) : LB_STR("");
}

const struct lb_time_zone *lb_time_zone_new(struct lb_arena *arena, struct lb_str name, struct lb_place place,
                                            struct lb_diag *diag)
{
    struct lb_time_zone *self = lb_arena_zalloc(arena, sizeof(*self));
    const char *reason = "needs more memory than there is";
    bool is_local = name.len == 0;
    char room[PATH_MAX];

    if (is_local)
        name = local_name(room, sizeof(room));
    if (self != NULL && time_zone_open(&self->zone, arena, name, &reason) == LB_OK)
        return self;
    lb_diag_error(diag, place, "%s '" LB_STR_FMT "' %s; expected a name such as Europe/Berlin or +02:00",
                  is_local ? "the zone of this machine (TZ, /etc/localtime)" : "time zone", LB_STR_ARG(name), reason);
    return NULL;
}

int64_t lb_time_zone_to_utc(const struct lb_time_zone *zone, int64_t civil)
{
    return time_zone_to_utc(&zone->zone, civil);
}

int64_t lb_time_zone_to_civil(const struct lb_time_zone *zone, int64_t second)
{
    return second + time_zone_offset(&zone->zone, second);
}
