/* picks_test.c - what is counted of parsers, over batches and sources, without allocating in the long run. */
#include "picks.c"

#include "lb_alloc.h"
#include "lb_test.h"

static int64_t total(const char *source, const char *parser)
{
    char labels[128];
    const struct lb_metric *metric;

    lb_metric_labels(labels, sizeof(labels), "source", source, "parser", parser, (char *)NULL);
    metric = lb_metric_find("logboom_parsed_records_total", labels);
    return metric != NULL ? metric->value : -1;
}

static void counts_by_source_and_parser(void **state)
{
    const struct lb_parser_type *json = lb_parser_find(LB_STR("json"));
    const struct lb_parser_type *text = lb_parser_find(LB_STR("text"));
    struct pick_totals totals[2] = { 0 };
    struct picks picks = { 0 };

    (void)state;
    for (int batch = 0; batch < 3; batch++) {
        for (int i = 0; i < 10; i++)
            picks_note(&picks, i % 5 == 0 ? text : json);
        picks_note(&picks, NULL);
        picks_settle(&picks, &totals[0], LB_STR("app"));
    }
    picks_settle(&picks, &totals[0], LB_STR("app")); /* nothing new */
    picks_note(&picks, json);
    picks_settle(&picks, &totals[1], LB_STR("other"));
    assert_int_equal(total("app", "json"), 24);
    assert_int_equal(total("app", "text"), 6);
    assert_int_equal(total("app", "none"), 3);
    assert_int_equal(total("other", "json"), 1);
    assert_int_equal(total("other", "text"), -1); /* no series of what never came */
}

static void every_parser_has_its_own_and_none_allocates_again(void **state)
{
    struct pick_totals totals = { 0 };
    struct picks picks = { 0 };
    long allocated = 0;

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; lb_parser_types()[i] != NULL; i++)
            picks_note(&picks, lb_parser_types()[i]);
        picks_settle(&picks, &totals, LB_STR("all"));
        if (round == 0)
            allocated = lb_alloc_count;
    }
    assert_int_equal(lb_alloc_count, allocated);
    for (size_t i = 0; lb_parser_types()[i] != NULL; i++) {
        assert_true(i + 1 < PICKS_MAX);
        assert_int_equal(total("all", lb_parser_types()[i]->module.name), 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_source_and_parser),
        cmocka_unit_test(every_parser_has_its_own_and_none_allocates_again),
    };

    return cmocka_run_group_tests_name("route/picks", tests, NULL, NULL);
}
