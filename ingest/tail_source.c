/*
 * tail_source.c - a tail on the loop of files.
 *
 * Three libevent events: inotify's descriptor, a turn, a tick. The first
 * event after a quiet time starts a turn at once; then inotify is left alone
 * for some milliseconds, so that a writer of one line at a time costs a few
 * hundred turns a second and each turn finds more than one line.
 *
 * Starting a tail writes to the ledger: the streams of files that are new. A
 * source that may be taken back must not, or the one that goes on would have
 * a stream of its own for the same file, and who comes next reads the file
 * from its head. So it starts with its first turn, when it is sure to stay.
 */
#include "tail.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { PAUSE_US = 4000 };

struct lb_tail_runner {
    struct lb_source *source;
    struct lb_tail *tail;
    struct event *changed; /* inotify has something */
    struct event *turn;
    struct event *tick;
    bool started;
    bool waiting; /* for credit */
    bool stopped;
    bool finished;
};

const char *const lb_tail_from_words[] = { "head", "end", NULL };

/* --- turns ------------------------------------------------------------------------- */

static void turn_in(struct lb_tail_runner *self, suseconds_t us)
{
    struct timeval delay = { 0, us };

    evtimer_add(self->turn, &delay);
}

static void finish(struct lb_tail_runner *self)
{
    if (!self->source->exit_at_eof || self->finished || self->tail->unopened)
        return;
    self->finished = true;
    lb_source_finished(self->source);
}

static void take_turn(struct lb_tail_runner *self)
{
    switch (lb_tail_turn(self->tail)) {
    case LB_TAIL_MORE: turn_in(self, 0); break;
    case LB_TAIL_SOON: turn_in(self, PAUSE_US); break;
    case LB_TAIL_WAIT: self->waiting = true; break;
    case LB_TAIL_DONE: finish(self); break;
    }
}

static void on_changed(evutil_socket_t fd, short what, void *context)
{
    struct lb_tail_runner *self = context;

    (void)fd, (void)what;
    if (self->stopped)
        return;
    event_del(self->changed);
    turn_in(self, PAUSE_US);
    if (!self->waiting)
        take_turn(self);
    else
        lb_tail_watch_drain(self->tail); /* or the kernel's queue overflows while we wait */
}

/* False: out of memory. Without inotify there is no such event. */
static bool start(struct lb_tail_runner *self)
{
    self->started = true;
    lb_tail_start(self->tail);
    if (self->tail->watch.fd < 0)
        return true;
    self->changed =
        event_new(lb_loop_base(self->source->loop), self->tail->watch.fd, EV_READ | EV_PERSIST, on_changed, self);
    return self->changed != NULL;
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct lb_tail_runner *self = context;

    (void)fd, (void)what;
    if (self->stopped || self->waiting)
        return;
    if (!self->started && !start(self)) /* scans find what events would have told */
        LB_ERROR("source.file", "no memory for events, files are polled source=" LB_STR_FMT,
                 LB_STR_ARG(self->source->section.name));
    if (self->changed != NULL)
        event_add(self->changed, NULL);
    take_turn(self);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct lb_tail_runner *self = context;

    (void)fd, (void)what;
    if (self->stopped)
        return;
    lb_tail_tick(self->tail);
    self->waiting = false; /* credit or not, trying costs little */
    if (evtimer_pending(self->turn, NULL) == 0)
        turn_in(self, 0);
}

/* --- credit ---------------------------------------------------------------------------- */

static void on_credit(void *context)
{
    struct lb_tail_runner *self = context;

    if (self->stopped)
        return;
    self->waiting = false;
    turn_in(self, 0);
}

/* From any thread. */
static void wake(void *context)
{
    struct lb_tail_runner *self = context;

    lb_loop_post(self->source->loop, on_credit, self);
}

/* --- open and close ---------------------------------------------------------------------- */

static bool add_events(struct lb_tail_runner *self)
{
    struct event_base *base = lb_loop_base(self->source->loop);
    struct timeval second = { 1, 0 };
    struct timeval now = { 0, 0 };

    self->turn = evtimer_new(base, on_turn, self);
    self->tick = event_new(base, -1, EV_PERSIST, on_tick, self);
    return self->turn != NULL && self->tick != NULL && event_add(self->tick, &second) == 0 &&
           evtimer_add(self->turn, &now) == 0;
}

static void free_runner(struct lb_tail_runner *self)
{
    struct event *events[] = { self->changed, self->turn, self->tick };

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (self->tail != NULL)
        lb_tail_free(self->tail);
    lb_free(self);
}

enum lb_err lb_tail_source_open(struct lb_source *source, const struct lb_tail_kind *kind, struct lb_diag *diag)
{
    struct lb_tail_state *state = source->state;
    struct lb_tail_runner *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        goto out_of_memory;
    self->source = source;
    self->tail = lb_tail_new(source, &state->options, kind);
    if (self->tail == NULL)
        goto out_of_memory;
    if ((!source->provisional && !start(self)) || !add_events(self))
        goto out_of_memory;
    lb_share_on_credit(source->share, wake, self);
    state->runner = self;
    return LB_OK;
out_of_memory:
    if (self != NULL)
        free_runner(self);
    lb_diag_error(diag, lb_section_place(&source->section, ""), "out of memory while opening source " LB_STR_FMT,
                  LB_STR_ARG(source->section.name));
    return LB_NOMEM;
}

void lb_tail_source_stop(struct lb_source *source)
{
    struct lb_tail_runner *self = ((struct lb_tail_state *)source->state)->runner;

    self->stopped = true;
    event_del(self->turn);
    event_del(self->tick);
    if (self->changed != NULL)
        event_del(self->changed);
}

void lb_tail_source_resume(struct lb_source *source)
{
    struct lb_tail_runner *self = ((struct lb_tail_state *)source->state)->runner;
    struct timeval second = { 1, 0 };

    self->stopped = false;
    self->waiting = false;
    lb_share_on_credit(source->share, wake, self);
    if (event_add(self->tick, &second) != 0)
        LB_ERROR("source.file", "no memory for a timer source=" LB_STR_FMT, LB_STR_ARG(source->section.name));
    turn_in(self, 0);
}

void lb_tail_source_close(struct lb_source *source)
{
    struct lb_tail_state *state = source->state;

    lb_share_on_credit(source->share, NULL, NULL);
    free_runner(state->runner);
    state->runner = NULL;
}

/* --- check ---------------------------------------------------------------------------------- */

struct check {
    const struct lb_tail_options *options;
    struct lb_diag *diag;
    struct lb_place place;
    uint32_t matches;
};

static void ignore_directory(void *context, const char *path)
{
    (void)context, (void)path;
}

static void check_match(void *context, const char *path)
{
    struct check *self = context;
    struct stat status;

    if (!lb_tail_matches(self->options, path) || stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    self->matches++;
    if (access(path, R_OK) != 0)
        lb_diag_error(self->diag, self->place,
                      "cannot read %s (%s); let the user that runs logboom read it, or put it in `exclude`", path,
                      strerror(errno));
}

static void check_pattern(struct check *self, const char *pattern)
{
    struct lb_glob_visitor visitor = { .directory = ignore_directory, .match = check_match, .context = self };
    size_t len = lb_glob_base(pattern);
    char base[PATH_MAX];
    struct stat status;

    if (len >= sizeof(base)) {
        lb_diag_error(self->diag, self->place, "the pattern is longer than a path can be: %.60s…", pattern);
        return;
    }
    memcpy(base, len > 0 ? pattern : "/", len > 0 ? len : 1);
    base[len > 0 ? len : 1] = '\0';
    if (stat(base, &status) != 0 || !S_ISDIR(status.st_mode)) {
        lb_diag_warn(self->diag, self->place,
                     "directory %s of the pattern %s does not exist yet; it is read when it appears", base, pattern);
        return;
    }
    if (access(base, R_OK | X_OK) != 0) {
        lb_diag_error(self->diag, self->place,
                      "cannot look into directory %s (%s); let the user that runs logboom "
                      "read it",
                      base, strerror(errno));
        return;
    }
    self->matches = 0;
    lb_glob_walk(pattern, &visitor);
    if (self->matches == 0)
        lb_diag_warn(self->diag, self->place, "no file matches %s yet", pattern);
}

enum lb_err lb_tail_source_check(struct lb_source *source, struct lb_diag *diag)
{
    const struct lb_tail_state *state = source->state;
    struct lb_tail *tail = lb_tail_new(source, &state->options, NULL);
    uint32_t errors = diag->errors;

    if (tail == NULL)
        return LB_NOMEM;
    struct check self = { .options = &tail->options,
                          .diag = diag,
                          .place = lb_section_place(&source->section, "include") };
    for (size_t i = 0; i < tail->options.include.count; i++)
        check_pattern(&self, tail->options.include.items[i].ptr);
    lb_tail_free(tail);
    return diag->errors > errors ? LB_BAD_CONF : LB_OK;
}

bool lb_tail_source_reads(const struct lb_source *source, const char *path)
{
    const struct lb_tail_state *state = source->state;

    /* While it runs the patterns of the tail are absolute; before, those of the configuration have to do. */
    return lb_tail_covers(state->runner != NULL ? &state->runner->tail->options : &state->options, path);
}
