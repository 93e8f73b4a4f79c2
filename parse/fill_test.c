/* fill_test.c - numbers that are scaled, addresses with and without ports, request lines, room. */
#include "fill.c"

#include "lb_test.h"
#include "lb_test_batch.h"

static struct lb_batch batch;
static struct lb_parse_context context = { .batch = &batch };
static struct fill fill;

static void begin(void)
{
    static const struct lb_record empty = { .message = { "m", 1, LB_VALUE_TEXT, 0 } };

    lb_arena_reset(&batch.arena, 1 << 16);
    assert_int_equal(fill_open(&fill, &empty, &context), LB_OK);
}

/* "key=value;" of all fields. */
static const char *fields(void)
{
    static char out[1024];
    size_t len = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < fill.count; i++)
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s=%.*s;", (int)fill.fields[i].key.len,
                                fill.fields[i].key.ptr, (int)fill.fields[i].value.len, fill.fields[i].value.ptr);
    return out;
}

static void the_point_of_a_number_moves(void **state)
{
    static const char *const cases[][2] = {
        { "0.050", "n=50;" },
        { "1", "n=1000;" },
        { "12.3456", "n=12345.6;" },
        { "0.0001", "n=0.1;" },
        { "0", "n=0;" },
        { "0.000", "n=0;" },
        { "007", "" },
        { "-1", "" },
        { "1e3", "" },
        { "", "" },
        { "x", "" },
        { "1.", "" },
        { "10.5", "n=10500;" },
        { "0.0005", "n=0.5;" },
        { "1234567890123456789", "" },
        { "0.05050", "n=50.5;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        fill_scaled(&fill, LB_STR("n"), lb_str_from(cases[i][0]), 3);
        if (strcmp(fields(), cases[i][1]) != 0)
            fail_msg("%s: expected %s, got %s", cases[i][0], cases[i][1], fields());
    }
}

static void a_port_is_told_from_the_end_of_an_address(void **state)
{
    static const char *const cases[][2] = {
        { "192.0.2.1:80", "ip=192.0.2.1;port=80;" },
        { "192.0.2.1", "ip=192.0.2.1;" },
        { "[2001:db8::1]:80", "ip=2001:db8::1;port=80;" },
        { "[2001:db8::1]", "ip=2001:db8::1;" },
        { "2001:db8::1", "ip=2001:db8::1;" },
        { "::1", "ip=::1;" },
        { "1:2:3:4:5:6:7:8", "ip=1:2:3:4:5:6:7:8;" },
        { "1:2:3:4:5:6:7:8:443", "ip=1:2:3:4:5:6:7:8;port=443;" },
        { "host:http", "ip=host:http;" },
        { "host:", "ip=host:;" },
        { "unix:", "ip=unix:;" },
        { "", "" },
        { "-", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        fill_address(&fill, LB_STR("ip"), LB_STR("port"), lb_str_from(cases[i][0]));
        if (strcmp(fields(), cases[i][1]) != 0)
            fail_msg("%s: expected %s, got %s", cases[i][0], cases[i][1], fields());
    }
}

static void a_request_line_is_cut_or_left(void **state)
{
    static const char *const cases[][2] = {
        { "GET /a b HTTP/1.1", "method=GET;path=/a b;protocol=HTTP/1.1;" },
        { "GET /a", "method=GET;path=/a;" },
        { "M-SEARCH * HTTP/1.1", "method=M-SEARCH;path=*;protocol=HTTP/1.1;" },
        { "GET HTTP/1.1", "method=GET;path=HTTP/1.1;" },
        { "get /a", "" },
        { "\\x16\\x03", "" },
        { "GET", "" },
        { "GET ", "method=GET;" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        fill_request(&fill, lb_str_from(cases[i][0]));
        if (strcmp(fields(), cases[i][1]) != 0)
            fail_msg("%s: expected %s, got %s", cases[i][0], cases[i][1], fields());
    }
}

static void fields_go_behind_those_that_were_there(void **state)
{
    struct lb_field before = { lb_value_text(LB_STR("stream")), lb_value_text(LB_STR("stdout")) };
    struct lb_record record = { .fields = &before, .field_count = 1, .field_capacity = 1 };

    (void)state;
    record.message = lb_value_text(LB_STR("a\\\"b"));
    record.message.kind = LB_VALUE_ESCAPED;
    assert_int_equal(fill_open(&fill, &record, &context), LB_OK);
    assert_text(fill.text, "a\"b");
    fill_text(&fill, LB_STR("k"), LB_STR("v"));
    fill_text(&fill, LB_STR("none"), LB_STR("-"));
    fill_number(&fill, LB_STR("n"), LB_STR("1x"));
    assert_int_equal(fill_done(&fill, &record), LB_OK);
    assert_int_equal(record.field_count, 3);
    assert_text(((struct lb_str){ record.fields[1].key.ptr, record.fields[1].key.len }), "k");
    assert_int_equal(record.fields[2].value.kind, LB_VALUE_TEXT);
}

static void more_fields_than_fit_are_left_out(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < FILL_FIELDS_MAX + 5; i++)
        fill_text(&fill, LB_STR("k"), LB_STR("v"));
    fill_pair(&fill, LB_STR("k"), lb_value_text(LB_STR("v")));
    assert_int_equal(fill.count, FILL_FIELDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_point_of_a_number_moves),
        cmocka_unit_test(a_port_is_told_from_the_end_of_an_address),
        cmocka_unit_test(a_request_line_is_cut_or_left),
        cmocka_unit_test(fields_go_behind_those_that_were_there),
        cmocka_unit_test(more_fields_than_fit_are_left_out),
    };

    lb_test_batch_init(&batch, NULL, 0);
    int failed = cmocka_run_group_tests_name("parse/fill", tests, NULL, NULL);
    lb_test_batch_free(&batch);
    return failed;
}
