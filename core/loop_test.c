/* loop_test.c - posted calls run once, in order, on the loop's thread, also at the end. */
#include "lb_test.h"

#include "loop.c"

#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { POSTERS = 4, POSTS = 2000 };

struct seen {
    struct lb_loop *loop;
    pthread_t thread;
    atomic_uint count;
};

static void note_thread(void *context)
{
    struct seen *seen = context;

    seen->thread = pthread_self();
    seen->count++;
}

static void note(void *context)
{
    struct seen *seen = context;

    seen->count++;
}

static void note_and_post(void *context)
{
    struct seen *seen = context;

    if (seen->count++ < 3)
        lb_loop_post(seen->loop, note_and_post, seen);
}

static void what_was_posted_before_start_runs_on_the_loops_thread(void **state)
{
    struct seen seen = { .loop = lb_loop_new("a name that is longer than 15 bytes") };

    (void)state;
    lb_loop_post(seen.loop, note_thread, &seen);
    assert_int_equal(seen.count, 0);
    assert_int_equal(lb_loop_start(seen.loop), LB_OK);
    lb_loop_stop(seen.loop);
    assert_int_equal(seen.count, 1);
    assert_false(pthread_equal(seen.thread, pthread_self()));
    lb_loop_free(seen.loop);
}

static void stopping_runs_what_was_posted_and_what_that_posts(void **state)
{
    struct seen seen = { .loop = lb_loop_new("test") };

    (void)state;
    assert_int_equal(lb_loop_start(seen.loop), LB_OK);
    lb_loop_post(seen.loop, note_and_post, &seen);
    lb_loop_stop(seen.loop);
    assert_int_equal(seen.count, 4);
    lb_loop_free(seen.loop);
}

static void after_the_end_nothing_runs_any_more(void **state)
{
    struct seen seen = { .loop = lb_loop_new("test") };

    (void)state;
    assert_int_equal(lb_loop_start(seen.loop), LB_OK);
    lb_loop_stop(seen.loop);
    lb_loop_post(seen.loop, note, &seen);
    lb_loop_stop(seen.loop);
    lb_loop_free(seen.loop);
    assert_int_equal(seen.count, 0);
}

static void a_loop_that_never_started_runs_what_was_posted_when_it_stops(void **state)
{
    struct seen seen = { .loop = lb_loop_new("test") };

    (void)state;
    lb_loop_post(seen.loop, note_and_post, &seen);
    lb_loop_stop(seen.loop);
    assert_int_equal(seen.count, 4);
    lb_loop_free(seen.loop);
}

struct poster {
    struct lb_loop *loop;
    pthread_t thread;
    struct post {
        struct poster *poster;
        unsigned number;
    } posts[POSTS];
    unsigned next; /* these two: the loop's thread only */
    unsigned faults;
};

static struct poster posters[POSTERS];

static void check_order(void *context)
{
    struct post *post = context;

    post->poster->faults += post->number != post->poster->next++;
}

static void *post_all(void *context)
{
    struct poster *poster = context;

    for (unsigned i = 0; i < POSTS; i++) {
        poster->posts[i] = (struct post){ poster, i };
        lb_loop_post(poster->loop, check_order, &poster->posts[i]);
    }
    return NULL;
}

static void many_threads_post_and_each_keeps_its_order(void **state)
{
    struct lb_loop *loop = lb_loop_new("test");

    (void)state;
    assert_int_equal(lb_loop_start(loop), LB_OK);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i].loop = loop;
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    lb_loop_stop(loop);
    for (unsigned i = 0; i < POSTERS; i++) {
        assert_int_equal(posters[i].next, POSTS);
        assert_int_equal(posters[i].faults, 0);
    }
    lb_loop_free(loop);
}

static void while_it_is_held_nothing_runs_and_flushing_waits_for_all(void **state)
{
    struct seen seen = { .loop = lb_loop_new("test") };

    (void)state;
    assert_int_equal(lb_loop_start(seen.loop), LB_OK);
    for (unsigned round = 0; round < 100; round++) {
        lb_loop_hold(seen.loop);
        unsigned before = seen.count;
        for (unsigned i = 0; i < 10; i++)
            lb_loop_post(seen.loop, note, &seen);
        sched_yield();
        assert_int_equal(seen.count, before);
        lb_loop_let_go(seen.loop);
        lb_loop_flush(seen.loop);
        assert_int_equal(seen.count, before + 10);
    }
    lb_loop_stop(seen.loop);
    lb_loop_free(seen.loop);
}

/* Sends back what it reads. */
static void echo(evutil_socket_t fd, short what, void *context)
{
    char byte;

    (void)what;
    note(context);
    if (read((int)fd, &byte, 1) == 1)
        assert_int_equal(write((int)fd, &byte, 1), 1);
}

/* A source's file descriptors and timers are of the same base. */
static void events_of_the_base_run_beside_posted_calls(void **state)
{
    struct seen seen = { .loop = lb_loop_new("test") };
    int ends[2];
    char byte = 'x';

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct event *readable = event_new(lb_loop_base(seen.loop), ends[0], EV_READ | EV_PERSIST, echo, &seen);
    event_add(readable, NULL);
    assert_int_equal(lb_loop_start(seen.loop), LB_OK);
    assert_int_equal(write(ends[1], &byte, 1), 1);
    assert_int_equal(read(ends[1], &byte, 1), 1);
    lb_loop_post(seen.loop, note, &seen);
    lb_loop_stop(seen.loop);
    assert_int_equal(seen.count, 2);
    event_free(readable);
    lb_loop_free(seen.loop);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_posted_before_start_runs_on_the_loops_thread),
        cmocka_unit_test(stopping_runs_what_was_posted_and_what_that_posts),
        cmocka_unit_test(after_the_end_nothing_runs_any_more),
        cmocka_unit_test(a_loop_that_never_started_runs_what_was_posted_when_it_stops),
        cmocka_unit_test(many_threads_post_and_each_keeps_its_order),
        cmocka_unit_test(while_it_is_held_nothing_runs_and_flushing_waits_for_all),
        cmocka_unit_test(events_of_the_base_run_beside_posted_calls),
    };

    return cmocka_run_group_tests_name("core/loop", tests, NULL, NULL);
}
