/* envelope_forward_test.c - events of "TIME {JSON}" become records. */
#include "envelope_forward.c"

#include "lb_test.h"
#include "lb_test_batch.h"

static struct lb_batch batch;

static const struct lb_record *open_one(const char *text)
{
    struct lb_str event = lb_str_from(text);

    lb_test_batch_init(&batch, &event, 1);
    assert_int_equal(lb_envelope_forward.open(&batch), LB_OK);
    assert_int_equal(batch.record_count, 1);
    return &batch.records[0];
}

static struct lb_str message_of(const struct lb_record *record)
{
    return (struct lb_str){ record->message.ptr, record->message.len };
}

static void the_record_has_the_time_of_the_event_and_its_own_members(void **state)
{
    const struct lb_record *record =
        open_one("1767225600000000007 {\"tag\":\"t\",\"level\":\"error\",\"time\":\"2020-01-01T00:00:00Z\",\"n\":1.50,"
                 "\"service\":\"shop\",\"host\":\"web1\",\"message\":\"it\"}");
    const struct lb_field *time = lb_record_field(record, LB_STR("time"));

    (void)state;
    assert_true(record->time_ns == INT64_C(1767225600000000007));
    assert_int_equal(record->flags, 0);
    assert_int_equal(record->level, LB_LEVEL_ERROR);
    assert_text(message_of(record), "it");
    assert_int_equal(record->field_count, 3);
    assert_non_null(time);
    assert_int_equal(record->service.len, 4);
    assert_int_equal(record->host.len, 4);
    lb_test_batch_free(&batch);
}

static void the_message_is_what_the_application_wrote(void **state)
{
    (void)state;
    assert_text(message_of(open_one("1 {\"log\":\"1.2.3.4 \\\"GET /\\\" \\u00e9\\n\"}")),
                "1.2.3.4 \"GET /\" \xc3\xa9\n");
    assert_int_equal(batch.records[0].message.kind, LB_VALUE_TEXT);
    lb_test_batch_free(&batch);
}

static void without_a_time_it_is_that_of_arrival(void **state)
{
    const struct lb_record *record = open_one("{\"message\":\"x\"}");

    (void)state;
    assert_true(record->time_ns == batch.arrival_ns);
    assert_int_equal(record->flags, LB_RECORD_NO_TIME);
    assert_text(message_of(record), "x");
    lb_test_batch_free(&batch);
}

static void what_is_no_event_goes_on_as_text(void **state)
{
    static const char *const cases[] = {
        "",      " {}",       "1", "1 ", "1{}", "x {}", "99999999999999999999 {}", "-1 {}", "9999999999999999999 {}",
        "1 [1]", "1 {\"a\":}"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lb_record *record = open_one(cases[i]);

        if (strcmp(cases[i], " {}") != 0) /* an object, after a blank */
            assert_true((record->flags & LB_RECORD_PARSE_ERROR) != 0);
        if ((record->flags & LB_RECORD_PARSE_ERROR) != 0)
            assert_text(message_of(record), cases[i]);
        lb_test_batch_free(&batch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_has_the_time_of_the_event_and_its_own_members),
        cmocka_unit_test(the_message_is_what_the_application_wrote),
        cmocka_unit_test(without_a_time_it_is_that_of_arrival),
        cmocka_unit_test(what_is_no_event_goes_on_as_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
