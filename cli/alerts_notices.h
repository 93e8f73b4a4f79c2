/* alerts_notices.h - alerts of now and before, for those commands that show both. */
#ifndef ALERTS_NOTICES_H
#define ALERTS_NOTICES_H

#include "alerts.h"

/* Notices, the oldest first, as a JSON array; `query`: "" or "&since=…". */
bool alerts_notices(struct alerts_talk *talk, const char *query, struct lb_str *notices);

/* Prints those of one alert (`id`: how it begins; NULL: all) and returns how many. */
size_t alerts_print_notices(struct alerts_talk *talk, struct lb_str notices, const char *id);

/* The alert that fires, else the last notice of it; and all notices. False: said why. */
bool alerts_find_any(struct alerts_talk *talk, const char *id, struct lb_str *alert, struct lb_str *notices);

/* The names of those that a notice went to. */
struct lb_str alerts_sinks(struct lb_arena *arena, struct lb_str notice);

void alerts_print_head(struct alerts_talk *talk, struct lb_str alert);

#endif
