/*
 * prop_alert_parts.c - several windows in step against one that keeps every sample.
 *
 * Random samples for windows of different lengths, out of order within
 * lateness, few enough that all is exact: at the edges of each segment, walked
 * or looked back to, the formula has the value that brute force gives.
 */
#include "route/alert_parts.h"

#include "lb_alloc.h"
#include "lb_test.h"

enum { SAMPLES = 200, RUNS = 40, PARTS = 3 };

#define SECOND INT64_C(1000000000)
#define LATENESS (5 * SECOND)

struct brute {
    int64_t times[PARTS][SAMPLES];
    int counts[PARTS];
};

struct bench {
    struct lb_alert_rule parts[PARTS];
    struct lb_alert_rule rule;
    struct lb_alert_step steps[16];
    struct lb_alert_runner runner;
    struct lb_alert_key key;
    struct brute brute;
};

static double brute_count(const struct brute *brute, int part, int64_t after, int64_t until)
{
    int count = 0;

    for (int i = 0; i < brute->counts[part]; i++)
        count += brute->times[part][i] > after && brute->times[part][i] <= until;
    return count;
}

/* a / b > 0.5 or c < 3 */
static double expected(const struct bench *self, int64_t end)
{
    double values[PARTS];

    for (int i = 0; i < PARTS; i++)
        values[i] = brute_count(&self->brute, i, end - self->parts[i].over_ns, end);
    if (values[2] < 3)
        return 1;
    return values[1] == 0 ? -1 : values[0] / values[1] > 0.5; /* -1: not known */
}

static void check(const struct bench *self, const struct lb_alert_segment *segment)
{
    int64_t ends[2] = { segment->from, segment->to };

    for (int i = 0; i < 2; i++) {
        double value = expected(self, ends[i]);
        double found = segment->value == segment->value ? segment->value : -1;

        if (value != found)
            fail_msg("seed %llu: at %lld expected %g, found %g", (unsigned long long)lb_seed(), (long long)ends[i],
                     value, found);
    }
}

static void open_bench(struct bench *self, uint64_t *random)
{
    const struct lb_alert_step steps[] = {
        { .kind = LB_STEP_PART, .part = 0 },
        { .kind = LB_STEP_PART, .part = 1 },
        { .kind = LB_STEP_DIVIDE },
        { .kind = LB_STEP_COMPARE, .threshold = { true, LB_ABOVE, 0.5 } },
        { .kind = LB_STEP_PART, .part = 2 },
        { .kind = LB_STEP_COMPARE, .threshold = { true, LB_BELOW, 3 } },
        { .kind = LB_STEP_OR },
    };

    *self = (struct bench){ 0 };
    memcpy(self->steps, steps, sizeof(steps));
    for (uint32_t i = 0; i < PARTS; i++)
        self->parts[i] = (struct lb_alert_rule){ .function = LB_ALERT_COUNT,
                                                 .over_ns = (1 + (int64_t)(lb_random(random) % 40)) * SECOND,
                                                 .is_part = true,
                                                 .part = i };
    self->rule = (struct lb_alert_rule){ .parts = self->parts,
                                         .part_count = PARTS,
                                         .formula = { self->steps, sizeof(steps) / sizeof(steps[0]) } };
    self->runner.rule = &self->rule;
    lb_alert_shape_init(&self->runner.shape, SECOND, LATENESS, false);
    lb_alert_parts_shape(&self->runner, LATENESS);
}

static void close_bench(struct bench *self)
{
    for (int i = 0; i < PARTS; i++)
        lb_alert_window_free(&self->key.parts[i].window);
    lb_free(self->key.parts);
}

static void walk(struct bench *self, int64_t limit)
{
    struct lb_alert_segment segment;

    while (lb_alert_parts_next(&self->runner, &self->key, limit, &segment))
        check(self, &segment);
}

static void look_back(struct bench *self, int64_t from)
{
    struct lb_alert_cursors cursors;
    struct lb_alert_segment segment;
    int64_t end = self->key.window.cursor.end;

    if (from < end - LATENESS)
        from = end - LATENESS;
    lb_alert_parts_seek(&self->runner, &self->key, from, &cursors);
    while (lb_alert_parts_step(&self->runner, &self->key, &cursors, end - 1, &segment))
        check(self, &segment);
    segment = lb_alert_parts_now(&self->runner, &self->key);
    check(self, &segment);
}

static void add(struct bench *self, int part, int64_t time)
{
    int64_t end = self->key.window.cursor.end;

    walk(self, time - 1);
    assert_int_equal(lb_alert_window_add(&self->key.parts[part].window, &self->runner.part_shapes[part],
                                         (struct lb_alert_sample){ time, 1 }),
                     LB_OK);
    self->brute.times[part][self->brute.counts[part]++] = time;
    if (time > end)
        walk(self, time);
    else
        look_back(self, time);
}

static void windows_in_step_see_one_moment(void **state)
{
    uint64_t random = lb_seed();

    (void)state;
    for (int run = 0; run < RUNS; run++) {
        struct bench self;
        int64_t newest = 1000 * SECOND;

        open_bench(&self, &random);
        self.key.window.cursor.end = newest;
        assert_true(lb_alert_parts_init(&self.runner, &self.key, newest));
        for (int i = 0; i < SAMPLES; i++) {
            int64_t time = newest + (int64_t)(lb_random(&random) % (uint64_t)(2 * SECOND)) -
                           (lb_random(&random) % 4 == 0 ? LATENESS - 1 - SECOND : 0);

            add(&self, (int)(lb_random(&random) % PARTS), time);
            newest = time > newest ? time : newest;
        }
        walk(&self, newest + 100 * SECOND);
        close_bench(&self);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(windows_in_step_see_one_moment) };

    return cmocka_run_group_tests_name("property/alert_parts", tests, NULL, NULL);
}
