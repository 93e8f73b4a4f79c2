/*
 * daemon_change.h - what the steps from one generation to the next share.
 *
 * daemon_change.c has their order; rules, sinks and sources have a file each.
 * Whatever opens has a counterpart that takes it back, and until the switch
 * either all is done or all is undone. On the thread of the reload.
 */
#ifndef DAEMON_CHANGE_H
#define DAEMON_CHANGE_H

#include "daemon.h"

enum fate { ADDED, KEPT, CHANGED };

struct change {
    struct lb_daemon *daemon;
    struct generation *from;
    struct generation *to;
    struct reload_result *result;
    struct lb_diag *diag;
    int64_t deadline; /* of sinks, monotonic */
    enum fate source_fates[LB_SOURCES_MAX];
    enum fate sink_fates[LB_SINKS_MAX];
    uint64_t sinks_open;                  /* bits: own sinks of `to` that are open */
    bool sources_open[LB_SOURCES_MAX];    /* own sources of `to` that are open */
    bool sources_stopped[LB_SOURCES_MAX]; /* of `from` */
    bool engine_made;                     /* for `to`, and not at work yet */
    bool files_held;
    bool sockets_held;
};

/* --- daemon_change_rules.c ------------------------------------------------------ */

bool change_rules_prepare(struct change *self);
bool change_rules_start(struct change *self);
void change_rules_take_back(struct change *self);

/* --- daemon_change_sinks.c ------------------------------------------------------ */

void change_sinks_compare(struct change *self);
void change_sinks_refuse(struct change *self); /* what cannot be: `diag` says why */
bool change_sinks_open(struct change *self);
void change_sinks_take_back(struct change *self);

/* Those that are no more go on the daemon's list, under its lock; they are taken down when nobody pushes to them. */
void change_sinks_retire(struct change *self);
void change_sinks_remove(struct change *self);

/* --- daemon_change_sources.c ---------------------------------------------------- */

void change_sources_compare(struct change *self);
void change_sources_refuse(struct change *self);

/* The loops of those that come and go stand still in between. */
void change_sources_hold(struct change *self);
void change_sources_let_go(struct change *self);
void change_sources_stop(struct change *self);
bool change_sources_open(struct change *self);
void change_sources_take_back(struct change *self); /* lets the loops go, too */
void change_sources_close(struct change *self);
void change_sources_start_intakes(struct change *self);

#endif
