/*
 * alert_due.c - which incidents are to be looked at.
 *
 * Most of thousands that fire have nothing to say for hours, so nobody walks
 * them all: each has a place in a heap of deadlines. A place is taken when the
 * incident is made, with a deadline that never comes, so that moving it later
 * cannot fail for want of memory.
 */
#include "alert_incident.h"

#include "lb_alloc.h"

#include <stdlib.h>

enum { PLACES_FIRST = 64, DUE_MAX = 256 };

static bool grow(struct lb_incidents *table)
{
    uint32_t count = table->place_count > 0 ? table->place_count * 2 : PLACES_FIRST;
    struct lb_incident **places;
    uint32_t *free_places;

    places = lb_realloc((void *)table->places, count * sizeof(struct lb_incident *));
    if (places == NULL)
        return false;
    table->places = places;
    free_places = lb_realloc(table->free_places, count * sizeof(*free_places));
    if (free_places == NULL)
        return false;
    table->free_places = free_places;
    for (uint32_t place = count; place > table->place_count; place--)
        table->free_places[table->free_count++] = place - 1;
    table->place_count = count;
    return true;
}

bool lb_incidents_place(struct lb_incidents *table, struct lb_incident *incident)
{
    if (table->free_count == 0 && !grow(table))
        return false;
    incident->place = table->free_places[table->free_count - 1];
    if (!lb_alert_deadlines_set(&table->deadlines, incident->place, INT64_MAX))
        return false;
    table->free_count--;
    table->places[incident->place] = incident;
    incident->number = table->numbered++;
    return true;
}

void lb_incidents_leave(struct lb_incidents *table, struct lb_incident *incident)
{
    lb_alert_deadlines_remove(&table->deadlines, incident->place);
    table->places[incident->place] = NULL;
    table->free_places[table->free_count++] = incident->place;
}

void lb_incidents_schedule(struct lb_incidents *table, const struct lb_incident *incident, int64_t time)
{
    (void)lb_alert_deadlines_set(&table->deadlines, incident->place, time);
}

static bool any(void *context, uint32_t place)
{
    (void)context;
    (void)place;
    return true;
}

static int by_number(const void *left, const void *right)
{
    const struct lb_incident *one = *(struct lb_incident *const *)left;
    const struct lb_incident *other = *(struct lb_incident *const *)right;

    return (one->number > other->number) - (one->number < other->number);
}

size_t lb_incidents_due(const struct lb_incidents *table, int64_t now, struct lb_incident **due, size_t max)
{
    uint32_t places[DUE_MAX];
    size_t count = lb_alert_deadlines_due(&table->deadlines, now, any, NULL, places, max < DUE_MAX ? max : DUE_MAX);

    for (size_t i = 0; i < count; i++)
        due[i] = table->places[places[i]];
    qsort((void *)due, count, sizeof(struct lb_incident *), by_number);
    return count;
}
