#include "lb_test.h"

#include "delivery_flush.c"

#include "lb_rig.h"

static char dir[40];
static struct rig rig;
static struct lb_sink *sink;

/* A sink that keeps all until it is told to show it. */
struct keeper {
    _Atomic uint64_t written;
    _Atomic uint64_t shown;
    _Atomic unsigned flushes;
    atomic_bool stuck;
};

static enum lb_err keeper_write(struct lb_sink *self, const struct lb_batch *batch,
                                const struct lb_selection *selection, struct lb_token *token)
{
    struct keeper *keeper = self->state;

    (void)batch, (void)token;
    if (atomic_load(&keeper->stuck))
        return LB_AGAIN;
    atomic_fetch_add(&keeper->written, selection->count);
    return LB_OK;
}

static void keeper_flush(struct lb_sink *self)
{
    struct keeper *keeper = self->state;

    atomic_store(&keeper->shown, atomic_load(&keeper->written));
    atomic_fetch_add(&keeper->flushes, 1);
}

static const struct lb_sink_type keeper_type = {
    .module = { .name = "keeper", .help = "keeps", .state_size = sizeof(struct keeper) },
    .write = keeper_write,
    .flush = keeper_flush,
};

static const struct lb_sink_type other_type = {
    .module = { .name = "other", .help = "hides nothing", .state_size = sizeof(struct keeper) },
    .write = keeper_write,
};

static void start(const struct lb_sink_type *type)
{
    snprintf(dir, sizeof(dir), "/tmp/flush_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    rig_open(&rig, dir);
    sink = rig_sink(&rig, type, "sink");
    rig_open_stream(&rig);
    assert_int_equal(lb_delivery_start(sink, rig.streams, LB_SECOND), LB_OK);
}

static void stop(void)
{
    char command[128];

    lb_delivery_stop(sink->delivery, lb_clock_monotonic());
    rig_close(&rig);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

static int64_t in_seconds(int64_t seconds)
{
    return lb_clock_monotonic() + seconds * LB_SECOND;
}

static void all_that_was_pushed_before_is_shown(void **state)
{
    (void)state;
    start(&keeper_type);
    const struct keeper *keeper = sink->state;
    for (uint64_t i = 0; i < 300; i++) {
        rig_push(&rig, i * 64, 64);
        if (i % 10 > 3)
            continue;
        assert_true(lb_delivery_flush(sink->delivery, in_seconds(60)));
        assert_int_equal(atomic_load(&keeper->shown), (i + 1) * 64);
    }
    stop();
}

struct pusher {
    atomic_bool done;
    pthread_t thread;
};

static void *push_for_ever(void *context)
{
    struct pusher *pusher = context;

    for (uint64_t next = 0; !atomic_load(&pusher->done); next++)
        rig_push(&rig, next, 1);
    return NULL;
}

static void a_sink_that_is_never_idle_shows_what_it_has(void **state)
{
    struct pusher pusher = { .done = false };

    (void)state;
    start(&keeper_type);
    const struct keeper *keeper = sink->state;
    assert_int_equal(pthread_create(&pusher.thread, NULL, push_for_ever, &pusher), 0);
    while (atomic_load(&keeper->written) == 0)
        sched_yield();
    uint64_t before = atomic_load(&keeper->written);
    assert_true(lb_delivery_flush(sink->delivery, in_seconds(60)));
    assert_true(atomic_load(&keeper->shown) >= before);
    atomic_store(&pusher.done, true);
    pthread_join(pusher.thread, NULL);
    stop();
}

static void who_asks_does_not_wait_for_a_sink_that_is_stuck(void **state)
{
    (void)state;
    start(&keeper_type);
    struct keeper *keeper = sink->state;
    atomic_store(&keeper->stuck, true);
    rig_push(&rig, 0, 10);
    struct lb_delivery_state told = { 0 };
    while (told.blocked_since_ns == 0)
        lb_delivery_state(sink->delivery, &told);
    assert_false(lb_delivery_flush(sink->delivery, lb_clock_monotonic() + 50 * LB_MILLISECOND));
    atomic_store(&keeper->stuck, false);
    assert_true(lb_delivery_flush(sink->delivery, in_seconds(60)));
    assert_int_equal(atomic_load(&keeper->shown), 10);
    stop();
}

static void a_sink_that_hides_nothing_has_nothing_to_show(void **state)
{
    (void)state;
    start(&other_type);
    assert_true(lb_delivery_flush(sink->delivery, lb_clock_monotonic()));
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_was_pushed_before_is_shown),
        cmocka_unit_test(a_sink_that_is_never_idle_shows_what_it_has),
        cmocka_unit_test(who_asks_does_not_wait_for_a_sink_that_is_stuck),
        cmocka_unit_test(a_sink_that_hides_nothing_has_nothing_to_show),
    };

    return cmocka_run_group_tests_name("sinks/delivery_flush", tests, NULL, NULL);
}
