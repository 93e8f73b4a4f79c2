#include "cloudevent.h"

#include "lb_clock.h"
#include "lb_json.h"
#include "lb_test.h"

static struct channel_message alert_of(const char *state, enum channel_state known)
{
    return (struct channel_message){ .state = known,
                                     .state_text = lb_str_from(state),
                                     .severity = LB_SEVERITY_HIGH,
                                     .time_ns = INT64_C(1767225600) * LB_SECOND,
                                     .id = "rec-1",
                                     .fingerprint = LB_STR("f00d"),
                                     .alert_id = LB_STR("a1"),
                                     .sequence = LB_STR("3"),
                                     .rule = LB_STR("error_rate"),
                                     .keys = { { LB_STR("service"), LB_STR("pay\r\nments") } },
                                     .key_count = 1 };
}

static struct lb_str attribute(const struct cloudevent *event, const char *name)
{
    for (uint32_t i = 0; i < event->count; i++) {
        if (strcmp(event->attributes[i].name, name) == 0)
            return event->attributes[i].value;
    }
    return LB_STR("(none)");
}

static void an_alert_has_the_attributes_of_its_incident(void **state)
{
    struct channel_message message = alert_of("firing", CHANNEL_FIRING);
    struct cloudevent event;
    struct lb_buffer words;

    (void)state;
    lb_buffer_init(&words, 65536);
    assert_true(cloudevent_make(&event, &message, &words));
    assert_int_equal(event.count, CLOUDEVENT_ATTRIBUTES_MAX);
    assert_true(lb_str_is(attribute(&event, "specversion"), "1.0"));
    assert_true(lb_str_is(attribute(&event, "id"), "a1:3"));
    assert_true(lb_str_is(attribute(&event, "type"), "io.logboom.alert.firing.v1"));
    assert_true(lb_str_is(attribute(&event, "time"), "2026-01-01T00:00:00Z"));
    assert_true(lb_str_is(attribute(&event, "subject"), "error_rate/pay  ments"));
    assert_true(lb_str_is(attribute(&event, "partitionkey"), "f00d"));
    assert_true(lb_str_is(attribute(&event, "severity"), "high"));
    assert_true(lb_str_starts(attribute(&event, "source"), LB_STR("/logboom/")));
    lb_buffer_free(&words);
}

static void a_record_and_an_unknown_state_are_events_too(void **state)
{
    struct channel_message message = { .id = "rec-1", .fingerprint = LB_STR("rec-1"), .service = LB_STR("auth") };
    struct cloudevent event;
    struct lb_buffer words;

    (void)state;
    lb_buffer_init(&words, 65536);
    assert_true(cloudevent_make(&event, &message, &words));
    assert_true(lb_str_is(attribute(&event, "id"), "rec-1"));
    assert_true(lb_str_is(attribute(&event, "type"), "io.logboom.record.v1"));
    assert_true(lb_str_is(attribute(&event, "subject"), "auth"));
    assert_true(lb_str_is(attribute(&event, "partitionkey"), "(none)"));
    message = alert_of("so\"so.v2", CHANNEL_OTHER);
    assert_true(cloudevent_make(&event, &message, &words));
    assert_true(lb_str_is(attribute(&event, "type"), "io.logboom.alert.so_so_v2.v1"));
    lb_buffer_free(&words);
}

static void the_structured_form_is_json(void **state)
{
    struct channel_message message = alert_of("resolved", CHANNEL_RESOLVED);
    struct lb_buffer words;
    struct lb_buffer out;

    (void)state;
    lb_buffer_init(&words, 65536);
    lb_buffer_init(&out, 65536);
    cloudevent_body(&out, &message, LB_STR("{\"a\":1}"), &words);
    assert_true(lb_json_valid(lb_buffer_str(&out)));
    struct lb_value all = lb_value_of(lb_buffer_str(&out), LB_VALUE_OBJECT);
    struct lb_value data = lb_value_member(all, LB_STR("data"));
    assert_memory_equal(data.ptr, "{\"a\":1}", data.len);
    assert_int_equal(lb_value_member(all, LB_STR("datacontenttype")).kind, LB_VALUE_CLEAN);
    lb_buffer_reset(&out);
    lb_buffer_free(&words);
    lb_buffer_init(&words, 8);
    cloudevent_body(&out, &message, LB_STR("{\"a\":1}"), &words);
    assert_true(out.failed);
    lb_buffer_free(&words);
    lb_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_has_the_attributes_of_its_incident),
        cmocka_unit_test(a_record_and_an_unknown_state_are_events_too),
        cmocka_unit_test(the_structured_form_is_json),
    };

    return cmocka_run_group_tests_name("sinks/cloudevent", tests, NULL, NULL);
}
