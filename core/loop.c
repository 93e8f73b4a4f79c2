/*
 * loop.c - an event base, its thread, and a list of calls posted to it.
 *
 * The tricky thing is the end: stopping is a posted call too, so all that was
 * posted before it runs first. What is posted after the thread has ended (a
 * batch that comes back and wakes a source that has stopped) is dropped.
 */
#include "lb_loop.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MODULE "loop"

enum { THREAD_NAME_SIZE = 16, FIRST_CALLS = 64 };

struct call {
    void (*call)(void *context);
    void *context;
};

struct calls {
    struct call *items;
    size_t count;
    size_t capacity;
};

struct lb_loop {
    struct event_base *base;
    struct event *wake; /* runs what was posted */
    pthread_t thread;
    char name[THREAD_NAME_SIZE];
    bool started; /* these two: the main thread's only */
    bool stopped;

    pthread_mutex_t lock; /* guards what follows */
    struct calls posted;
    struct calls running; /* the loop's own; the two change places */
    bool ended;           /* nothing posted will run */
};

/* --- posted calls --------------------------------------------------------------------- */

static bool add_call(struct calls *calls, struct call call)
{
    if (calls->count == calls->capacity) {
        size_t capacity = calls->capacity > 0 ? 2 * calls->capacity : FIRST_CALLS;
        struct call *items = lb_realloc(calls->items, capacity * sizeof(*items));

        if (items == NULL)
            return false;
        calls->items = items;
        calls->capacity = capacity;
    }
    calls->items[calls->count++] = call;
    return true;
}

/* Takes all that was posted; false if there is nothing, and with `end` nothing will be taken any more. */
static bool take_posted(struct lb_loop *self, bool end)
{
    pthread_mutex_lock(&self->lock);
    struct calls taken = self->posted;
    self->posted = self->running;
    self->posted.count = 0;
    self->running = taken;
    bool some = taken.count > 0;
    if (!some && end)
        self->ended = true;
    pthread_mutex_unlock(&self->lock);
    return some;
}

static void run_taken(struct lb_loop *self)
{
    for (size_t i = 0; i < self->running.count; i++)
        self->running.items[i].call(self->running.items[i].context);
}

static void run_posted(evutil_socket_t fd, short what, void *context)
{
    struct lb_loop *self = context;

    (void)fd;
    (void)what;
    if (take_posted(self, false))
        run_taken(self);
}

void lb_loop_post(struct lb_loop *self, void (*call)(void *context), void *context)
{
    pthread_mutex_lock(&self->lock);
    bool first = self->posted.count == 0;
    bool added = self->ended || add_call(&self->posted, (struct call){ call, context });
    bool wake = first && !self->ended;
    pthread_mutex_unlock(&self->lock);
    if (!added) { /* a lost wake-up would stall a source for ever; a restart loses nothing */
        LB_ERROR(MODULE, "out of memory, ending at once loop=%s", self->name);
        abort();
    }
    if (wake)
        event_active(self->wake, EV_READ, 0);
}

/* --- the loop ---------------------------------------------------------------------------- */

static void use_threads(void)
{
    evthread_use_pthreads();
}

static bool make_base(struct lb_loop *self)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, use_threads);
    self->base = event_base_new();
    if (self->base != NULL)
        self->wake = event_new(self->base, -1, EV_PERSIST, run_posted, self);
    return self->wake != NULL && evthread_make_base_notifiable(self->base) == 0;
}

struct lb_loop *lb_loop_new(const char *thread_name)
{
    struct lb_loop *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    pthread_mutex_init(&self->lock, NULL);
    snprintf(self->name, sizeof(self->name), "%s", thread_name);
    if (make_base(self))
        return self;
    lb_loop_free(self);
    return NULL;
}

void lb_loop_free(struct lb_loop *self)
{
    if (self == NULL)
        return;
    lb_loop_stop(self);
    if (self->wake != NULL)
        event_free(self->wake);
    if (self->base != NULL)
        event_base_free(self->base);
    lb_free(self->posted.items);
    lb_free(self->running.items);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}

struct event_base *lb_loop_base(struct lb_loop *self)
{
    return self->base;
}

static void run_rest(struct lb_loop *self)
{
    while (take_posted(self, true))
        run_taken(self);
}

static void *run(void *context)
{
    struct lb_loop *self = context;

    if (event_base_loop(self->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
        LB_ERROR(MODULE, "the event loop failed loop=%s", self->name);
    run_rest(self);
    return NULL;
}

/* Signals belong to the main thread, but for those that say that this one has crashed. */
enum lb_err lb_loop_start(struct lb_loop *self)
{
    sigset_t all;
    sigset_t before;

    assert(!self->started);
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return LB_NOMEM;
    pthread_setname_np(self->thread, self->name);
    self->started = true;
    return LB_OK;
}

static void break_loop(void *context)
{
    struct lb_loop *self = context;

    event_base_loopbreak(self->base);
}

void lb_loop_stop(struct lb_loop *self)
{
    if (self->stopped)
        return;
    self->stopped = true;
    if (self->started) {
        lb_loop_post(self, break_loop, self);
        pthread_join(self->thread, NULL);
    } else {
        run_rest(self);
    }
}
