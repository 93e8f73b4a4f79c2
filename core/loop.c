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

enum { THREAD_NAME_SIZE = 16 };

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

    pthread_cond_t changed; /* one of these */
    bool held;
    bool hold_wanted;
    uint64_t flushed; /* calls of note_flush() */
};

/* --- posted calls --------------------------------------------------------------------- */

static bool add_call(struct calls *calls, struct call call)
{
    struct call *items = lb_grown(calls->items, calls->count, &calls->capacity, sizeof(*items));

    if (items == NULL)
        return false;
    calls->items = items;
    calls->items[calls->count++] = call;
    return true;
}

/* Takes all that was posted; false if there is nothing, and with `end` nothing will be taken any more. */
static bool take_posted(struct lb_loop *loop, bool end)
{
    pthread_mutex_lock(&loop->lock);
    struct calls taken = loop->posted;
    loop->posted = loop->running;
    loop->posted.count = 0;
    loop->running = taken;
    bool some = taken.count > 0;
    if (!some && end)
        loop->ended = true;
    pthread_mutex_unlock(&loop->lock);
    return some;
}

static void run_taken(struct lb_loop *loop)
{
    for (size_t i = 0; i < loop->running.count; i++)
        loop->running.items[i].call(loop->running.items[i].context);
}

static void run_posted(evutil_socket_t fd, short what, void *context)
{
    struct lb_loop *loop = context;

    (void)fd;
    (void)what;
    if (take_posted(loop, false))
        run_taken(loop);
}

void lb_loop_post(struct lb_loop *loop, void (*call)(void *context), void *context)
{
    pthread_mutex_lock(&loop->lock);
    bool first = loop->posted.count == 0;
    bool added = loop->ended || add_call(&loop->posted, (struct call){ call, context });
    bool wake = first && !loop->ended;
    pthread_mutex_unlock(&loop->lock);
    if (!added) { /* a lost wake-up would stall a source for ever; a restart loses nothing */
        LB_ERROR(MODULE, "out of memory, ending at once loop=%s", loop->name);
        abort();
    }
    if (wake)
        event_active(loop->wake, EV_READ, 0);
}

/* --- holding it, and waiting for it --------------------------------------------------------- */

static void stay(void *context)
{
    struct lb_loop *loop = context;

    pthread_mutex_lock(&loop->lock);
    loop->held = true;
    pthread_cond_broadcast(&loop->changed);
    while (loop->hold_wanted)
        pthread_cond_wait(&loop->changed, &loop->lock);
    loop->held = false;
    pthread_cond_broadcast(&loop->changed);
    pthread_mutex_unlock(&loop->lock);
}

void lb_loop_hold(struct lb_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    assert(!loop->hold_wanted);
    loop->hold_wanted = true;
    pthread_mutex_unlock(&loop->lock);
    lb_loop_post(loop, stay, loop);
    pthread_mutex_lock(&loop->lock);
    while (!loop->held)
        pthread_cond_wait(&loop->changed, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
}

void lb_loop_let_go(struct lb_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->hold_wanted = false;
    pthread_cond_broadcast(&loop->changed);
    while (loop->held)
        pthread_cond_wait(&loop->changed, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
}

static void note_flush(void *context)
{
    struct lb_loop *loop = context;

    pthread_mutex_lock(&loop->lock);
    loop->flushed++;
    pthread_cond_broadcast(&loop->changed);
    pthread_mutex_unlock(&loop->lock);
}

void lb_loop_flush(struct lb_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    uint64_t before = loop->flushed;
    pthread_mutex_unlock(&loop->lock);
    lb_loop_post(loop, note_flush, loop);
    pthread_mutex_lock(&loop->lock);
    while (loop->flushed == before)
        pthread_cond_wait(&loop->changed, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
}

/* --- the loop ---------------------------------------------------------------------------- */

static void use_threads(void)
{
    evthread_use_pthreads();
}

static bool make_base(struct lb_loop *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, use_threads);
    loop->base = event_base_new();
    if (loop->base != NULL)
        loop->wake = event_new(loop->base, -1, EV_PERSIST, run_posted, loop);
    return loop->wake != NULL && evthread_make_base_notifiable(loop->base) == 0;
}

struct lb_loop *lb_loop_new(const char *thread_name)
{
    struct lb_loop *loop = lb_alloc(sizeof(*loop));

    if (loop == NULL)
        return NULL;
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->changed, NULL);
    snprintf(loop->name, sizeof(loop->name), "%s", thread_name);
    if (make_base(loop))
        return loop;
    lb_loop_free(loop);
    return NULL;
}

void lb_loop_free(struct lb_loop *loop)
{
    if (loop == NULL)
        return;
    lb_loop_stop(loop);
    if (loop->wake != NULL)
        event_free(loop->wake);
    if (loop->base != NULL)
        event_base_free(loop->base);
    lb_free(loop->posted.items);
    lb_free(loop->running.items);
    pthread_cond_destroy(&loop->changed);
    pthread_mutex_destroy(&loop->lock);
    lb_free(loop);
}

struct event_base *lb_loop_base(struct lb_loop *loop)
{
    return loop->base;
}

static void run_rest(struct lb_loop *loop)
{
    while (take_posted(loop, true))
        run_taken(loop);
}

static void *run(void *context)
{
    struct lb_loop *loop = context;

    if (event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
        LB_ERROR(MODULE, "the event loop failed loop=%s", loop->name);
    run_rest(loop);
    return NULL;
}

/* Signals belong to the main thread, but for those that say that this one has crashed. */
enum lb_err lb_loop_start(struct lb_loop *loop)
{
    sigset_t all;
    sigset_t before;

    assert(!loop->started);
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&loop->thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return LB_NOMEM;
    pthread_setname_np(loop->thread, loop->name);
    loop->started = true;
    return LB_OK;
}

static void break_loop(void *context)
{
    struct lb_loop *loop = context;

    event_base_loopbreak(loop->base);
}

void lb_loop_stop(struct lb_loop *loop)
{
    if (loop->stopped)
        return;
    loop->stopped = true;
    if (loop->started) {
        lb_loop_post(loop, break_loop, loop);
        pthread_join(loop->thread, NULL);
    } else {
        run_rest(loop);
    }
}
