/*
 * prop_alert_window.c - a window against one that keeps every sample.
 *
 * Random samples, out of order within lateness, at random rates. While no more
 * than LB_ALERT_EXACT samples lie within over + lateness every count is exact;
 * otherwise it misses at most the content of one slot.
 */
#include "route/alert_window.c"

#include "lb_test.h"

enum { SAMPLES = 1500, RUNS = 24 };

#define SECOND INT64_C(1000000000)

struct brute {
    int64_t times[SAMPLES];
    int count;
};

static uint64_t brute_count(const struct brute *brute, int64_t after, int64_t until)
{
    uint64_t count = 0;

    for (int i = 0; i < brute->count; i++)
        count += brute->times[i] > after && brute->times[i] <= until;
    return count;
}

/* The most that lies in one slot. */
static uint64_t fullest_slot(const struct brute *brute, const struct lb_alert_shape *shape)
{
    static int slots[1 << 20];
    uint64_t most = 0;

    for (int i = 0; i < brute->count; i++) {
        int *slot = &slots[brute->times[i] / shape->slot_ns];

        *slot += 1;
        most = (uint64_t)*slot > most ? (uint64_t)*slot : most;
    }
    for (int i = 0; i < brute->count; i++)
        slots[brute->times[i] / shape->slot_ns] = 0;
    return most;
}

static void check(const struct lb_alert_window *window, const struct lb_alert_shape *shape, const struct brute *brute,
                  const struct lb_alert_segment *segment)
{
    uint64_t error = window->slotted ? fullest_slot(brute, shape) : 0;
    int64_t ends[2] = { segment->from, segment->to };

    for (int i = 0; i < 2; i++) {
        uint64_t expected = brute_count(brute, ends[i] - shape->over_ns, ends[i]);
        uint64_t found = segment->totals.count;

        if (found > expected + (shape->delayed ? error : 0) || found + error < expected)
            fail_msg("seed %llu: at %lld expected %llu, found %llu, allowed %llu", (unsigned long long)lb_seed(),
                     (long long)ends[i], (unsigned long long)expected, (unsigned long long)found,
                     (unsigned long long)error);
        assert_true(segment->totals.sum == (double)found);
    }
}

static void walk(struct lb_alert_window *window, const struct lb_alert_shape *shape, const struct brute *brute,
                 int64_t limit)
{
    struct lb_alert_segment segment;

    while (lb_alert_window_next(window, shape, limit, &segment))
        check(window, shape, brute, &segment);
}

/* A late sample: everything that can still change is walked again. */
static void look_back(struct lb_alert_window *window, const struct lb_alert_shape *shape, const struct brute *brute,
                      int64_t from)
{
    struct lb_alert_cursor cursor;
    struct lb_alert_segment segment;

    if (from < window->cursor.end - shape->lateness_ns)
        from = window->cursor.end - shape->lateness_ns;
    cursor = lb_alert_window_seek(window, shape, from);
    while (lb_alert_cursor_next(window, shape, &cursor, window->cursor.end - 1, &segment))
        if (!window->slotted)
            check(window, shape, brute, &segment);
}

/* Returns in how many steps the slots were used. */
static int run(uint64_t *random, bool delayed)
{
    static struct brute brute;
    struct lb_alert_shape shape;
    struct lb_alert_window window = { 0 };
    int64_t lateness = (int64_t)(lb_random(random) % 200) * SECOND;
    int64_t pace = 1 + (int64_t)(lb_random(random) % 3000) * (SECOND / 1000);
    int64_t newest = 1000 * SECOND;
    int slotted = 0;

    /* Whole slots: a multiple of 60. */
    lb_alert_shape_init(&shape, 60 * SECOND * (1 + (int64_t)(lb_random(random) % 5)), lateness, delayed);
    brute.count = 0;
    lb_alert_window_init(&window, &shape, newest - 1 - (delayed ? lateness : 0));
    for (int i = 0; i < SAMPLES; i++) {
        bool late = lateness > 0 && lb_random(random) % 4 == 0;
        int64_t time = late ? newest - (int64_t)(lb_random(random) % (uint64_t)lateness)
                            : newest + (int64_t)(lb_random(random) % (uint64_t)pace);
        int64_t target = time - (delayed ? lateness : 0);

        if (lb_random(random) % 500 == 0)
            time = target = newest += shape.over_ns / 2 * (int64_t)(lb_random(random) % 6);
        if (delayed)
            target = time - lateness;
        newest = time > newest ? time : newest;
        walk(&window, &shape, &brute, target - 1);
        brute.times[brute.count++] = time;
        assert_int_equal(lb_alert_window_add(&window, &shape, (struct lb_alert_sample){ time, 1 }), LB_OK);
        if (!delayed && time <= window.cursor.end)
            look_back(&window, &shape, &brute, time);
        walk(&window, &shape, &brute, target);
        if (brute_count(&brute, window.cursor.end - shape.over_ns - lateness, INT64_MAX) <= LB_ALERT_EXACT) {
            /* The exact ones are enough again at the next step. */
            walk(&window, &shape, &brute, window.cursor.end + 1);
            assert_false(window.slotted);
        }
        slotted += window.slotted;
    }
    walk(&window, &shape, &brute, newest + 3 * shape.over_ns);
    assert_true(lb_alert_window_empty(&window));
    lb_alert_window_free(&window);
    return slotted;
}

static void counts_like_one_that_keeps_everything(void **state)
{
    uint64_t random = lb_seed();
    int slotted = 0;

    (void)state;
    for (int i = 0; i < RUNS; i++)
        slotted += run(&random, false);
    assert_true(slotted > SAMPLES);
    assert_true(slotted < RUNS * SAMPLES * 9 / 10);
}

static void counts_behind_the_newest_like_one_that_keeps_everything(void **state)
{
    uint64_t random = lb_seed() + 1;
    int slotted = 0;

    (void)state;
    for (int i = 0; i < RUNS; i++)
        slotted += run(&random, true);
    assert_true(slotted > SAMPLES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_like_one_that_keeps_everything),
        cmocka_unit_test(counts_behind_the_newest_like_one_that_keeps_everything),
    };

    return cmocka_run_group_tests_name("property/alert_window", tests, NULL, NULL);
}
