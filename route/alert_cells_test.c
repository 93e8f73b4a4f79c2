/* alert_cells_test.c - windows of whole cells against all records, one by one. */
#include "alert_cells.c"

#include "lb_test.h"

static void a_window_is_what_lies_in_its_cells(void **state)
{
    enum { RECORDS = 400 };
    static const enum lb_alert_function functions[] = { LB_ALERT_COUNT, LB_ALERT_RATIO, LB_ALERT_SUM,
                                                        LB_ALERT_AVG,   LB_ALERT_MIN,   LB_ALERT_MAX };
    uint64_t random = lb_seed();

    (void)state;
    for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++) {
        struct lb_alert_cells_shape shape;
        struct lb_alert_cell *cells;
        int64_t times[RECORDS];
        double numbers[RECORDS];
        int64_t time = 1000 * LB_SECOND;
        int64_t newest;

        lb_alert_cells_shape(&shape, functions[f], 60 * LB_SECOND, 0, 30 * LB_SECOND);
        cells = calloc((size_t)shape.ring, sizeof(*cells));
        newest = lb_alert_cell_of(&shape, time);
        for (int i = 0; i < RECORDS; i++) {
            time += (int64_t)(lb_random(&random) % 3) * LB_SECOND;
            times[i] = time - (int64_t)(lb_random(&random) % 30) * LB_SECOND;
            numbers[i] = functions[f] == LB_ALERT_COUNT || functions[f] == LB_ALERT_RATIO
                             ? (double)(lb_random(&random) % 2)
                             : (double)(lb_random(&random) % 100);
            lb_alert_cells_advance(&shape, cells, &newest, lb_alert_cell_of(&shape, times[i]));
            lb_alert_cell_add(functions[f], lb_alert_cell_at(&shape, cells, lb_alert_cell_of(&shape, times[i])),
                              numbers[i]);
            for (int64_t back = 0; back <= shape.parts; back += 3) {
                int64_t last = newest - back;
                struct lb_alert_amount amount = lb_alert_cells_amount(&shape, cells, newest, last);
                double sum = 0;
                double least = INFINITY;
                double most = -INFINITY;
                uint64_t count = 0;

                for (int j = 0; j <= i; j++) {
                    int64_t cell = lb_alert_cell_of(&shape, times[j]);

                    if (cell > last || cell <= last - shape.parts ||
                        (functions[f] == LB_ALERT_COUNT && numbers[j] == 0))
                        continue;
                    count++;
                    sum += numbers[j];
                    least = fmin(least, numbers[j]);
                    most = fmax(most, numbers[j]);
                }
                double expected[] = { [LB_ALERT_COUNT] = (double)count,
                                      [LB_ALERT_RATIO] = sum / (double)count,
                                      [LB_ALERT_SUM] = sum,
                                      [LB_ALERT_AVG] = sum / (double)count,
                                      [LB_ALERT_MIN] = least,
                                      [LB_ALERT_MAX] = most };
                assert_int_equal(amount.count, count);
                if (count > 0)
                    assert_true(fabs(amount.value - expected[functions[f]]) < 1e-9);
                else
                    assert_true(isnan(amount.value) || amount.value == 0);
            }
        }
        free(cells);
    }
}

static void however_far_it_looks_back_the_ring_is_bounded(void **state)
{
    struct lb_alert_cells_shape shape;
    int64_t week = INT64_C(7) * 24 * 3600 * LB_SECOND;

    (void)state;
    for (int64_t over = LB_SECOND; over < week; over *= 3) {
        lb_alert_cells_shape(&shape, LB_ALERT_COUNT, over, week, 30 * LB_SECOND);
        assert_in_range(shape.ring, 3, LB_ALERT_CELLS_MAX);
        assert_in_range(shape.parts, 1, LB_ALERT_CELL_PARTS);
        assert_true(shape.shift + shape.parts <= shape.ring);
        assert_true(llabs(shape.shift * shape.cell_ns - week) <= shape.cell_ns);
    }
    lb_alert_cells_shape(&shape, LB_ALERT_COUNT, 300 * LB_SECOND, 0, 30 * LB_SECOND);
    assert_int_equal(shape.cell_ns, 25 * LB_SECOND);
    assert_int_equal(shape.shift, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_what_lies_in_its_cells),
        cmocka_unit_test(however_far_it_looks_back_the_ring_is_bounded),
    };

    return cmocka_run_group_tests_name("route/alert_cells", tests, NULL, NULL);
}
