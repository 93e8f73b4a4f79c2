/* alerts_notices.h - alerts of now and before, for those commands that show both. */
#ifndef ALERTS_NOTICES_H
#define ALERTS_NOTICES_H

#include "alerts.h"

/* Notices, the oldest first, as a JSON array; `query`: "" or "&since=…". */
bool alerts_notices(struct alerts_talk *talk, const char *query, struct lb_str *notices);

/* A command about one alert: its `run` is given the id. The exit code. */
int alerts_run_one(int argc, char **argv, int (*run)(struct alerts_talk *talk, const char *id, bool json));

/* The next one of that alert (`id`: how it begins; NULL: of any). `at` is 0 first. */
bool alerts_next_notice(struct alerts_talk *talk, struct lb_str notices, const char *id, size_t *at,
                        struct lb_str *notice);

/* Prints those of one alert (`id`: how it begins; NULL: all) and returns how many. */
size_t alerts_print_notices(struct alerts_talk *talk, struct lb_str notices, const char *id);

/* The alert that fires, else the last notice of it; and all notices. False: said why. */
bool alerts_find_any(struct alerts_talk *talk, const char *id, struct lb_str *alert, struct lb_str *notices);

/* The names of those that a notice went to. */
struct lb_str alerts_sinks(struct lb_arena *arena, struct lb_str notice);

/* What became of a notice at its sinks, one after the other (`at` is 0 first); "delivered, HTTP 202, 1 try". */
bool alerts_next_delivery(struct lb_str notice, size_t *at, struct lb_str *delivery);
struct lb_str alerts_outcome(struct lb_arena *arena, struct lb_str delivery);
void alerts_print_deliveries(struct alerts_talk *talk, struct lb_str notices, const char *id);

/* How it stands, and what holds it back (or ""). False: nobody answers, and that is said. */
bool alerts_print_head(struct alerts_talk *talk, struct lb_str alert, struct lb_str *holder);

#endif
