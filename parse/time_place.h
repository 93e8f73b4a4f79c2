/*
 * time_place.h - zones that times name themselves: "2026-03-01 10:00:00 Europe/Berlin".
 *
 * Each zone is read from the system's tz database once, when it is first met, and kept for the life of the process:
 * PLACES_MAX at most, of the areas that the database has. Any thread; no lock for one that is known.
 */
#ifndef TIME_PLACE_H
#define TIME_PLACE_H

#include "time_parts.h"
#include "time_zone.h"

/* The zone whose name stands at the cursor, which moves behind it. NULL: none does, or it is not known here. */
const struct time_zone *time_read_place(struct time_cursor *cursor);

#endif
