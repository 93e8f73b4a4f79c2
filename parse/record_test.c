/* record_test.c - fields found, set and read. */
#include "record.c"

#include "lb_test.h"

static struct lb_arena arena;
static char room[256];
static struct lb_scratch scratch = { room, sizeof(room), 0 };

/* The members of a JSON object as fields. */
static struct lb_record record_of(const char *json)
{
    struct lb_field *fields = lb_arena_alloc(&arena, 32 * sizeof(*fields));
    struct lb_json_object object = { .fields = fields, .field_max = 32 };
    struct lb_str text = lb_arena_copy(&arena, lb_str_from(json));

    assert_int_equal(lb_json_read_object(text, &object), LB_OK);
    return (struct lb_record){
        .fields = fields, .field_count = (uint16_t)object.field_count, .field_capacity = 32, .level = LB_LEVEL_NONE
    };
}

static struct lb_str get(const struct lb_record *record, const char *name)
{
    scratch.used = 0;
    return lb_value_str(lb_record_get(record, lb_str_from(name), &scratch), &scratch);
}

static void fields_are_added_past_the_capacity_until_the_arena_is_full(void **state)
{
    struct lb_arena small;
    struct lb_record record = { .fields = NULL };
    int count = 0;

    (void)state;
    lb_arena_init(&small, 8192);
    while (lb_record_add(&record, &small, lb_value_text(LB_STR("k")), lb_value_text(LB_STR("v"))))
        count++;
    assert_int_equal(record.field_count, count);
    assert_in_range(count, 32, 8192 / (int)sizeof(struct lb_field));
    assert_text(get(&record, "k"), "v");
    lb_arena_free(&small);
}

static void a_set_field_keeps_its_place(void **state)
{
    struct lb_record record = record_of("{\"a\":1,\"b\":2}");

    (void)state;
    assert_true(lb_record_set(&record, &arena, LB_STR("a"), lb_value_text(LB_STR("x"))));
    assert_true(lb_record_set(&record, &arena, LB_STR("c"), lb_value_text(LB_STR("y"))));
    assert_int_equal(record.field_count, 3);
    assert_text(get(&record, "a"), "x");
    assert_ptr_equal(lb_record_field(&record, LB_STR("c")), &record.fields[2]);
    record.fields[0].value.kind = LB_VALUE_NONE;
    assert_null(lb_record_field(&record, LB_STR("a")));
}

static void names_reach_into_nested_objects(void **state)
{
    static const struct {
        const char *name;
        const char *expected;
    } cases[] = {
        { "plain", "1" },
        { "http.status", "200" },
        { "http.request.method", "GET" },
        { "a.b", "literal" },
        { "http.a.b", "deep" },
        { "dotted.key.inner", "in" },
        { "http.missing", "" },
        { "plain.x", "" },
        { "missing", "" },
        { "http", "{\"status\":200,\"request\":{\"method\":\"GET\"},\"a.b\":\"deep\"}" },
        { "", "" },
        { ".", "" },
        { "both.x", "nested" },
        { "kl\xc3\xa9", "u" },
    };
    struct lb_record record = record_of(
        "{\"plain\":1,\"http\":{\"status\":200,\"request\":{\"method\":\"GET\"},\"a.b\":\"deep\"},\"a.b\":\"literal\","
        "\"dotted.key\":{\"inner\":\"in\"},\"both.x\":\"literal\",\"both\":{\"x\":\"nested\"},\"kl\\u00e9\":\"u\"}");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_text(get(&record, cases[i].name), cases[i].expected);
}

static void leading_keys_come_before_fields(void **state)
{
    struct lb_record record = record_of("{\"message\":\"field\",\"level\":\"field\",\"facility\":\"field\"}");

    (void)state;
    assert_text(get(&record, "message"), "field");
    assert_text(get(&record, "level"), "field");
    assert_text(get(&record, "facility"), "field");
    record.message = lb_value_text(LB_STR("leading"));
    record.service = lb_value_text(LB_STR("shop"));
    record.host = lb_value_text(LB_STR("web1"));
    record.level = LB_LEVEL_WARN;
    record.facility = 16 + 7 + 1;
    record.time_ns = INT64_C(1767225600123000000);
    assert_text(get(&record, "message"), "leading");
    assert_text(get(&record, "service"), "shop");
    assert_text(get(&record, "host"), "web1");
    assert_text(get(&record, "level"), "warn");
    assert_text(get(&record, "facility"), "local7");
    assert_text(get(&record, "timestamp"), "2026-01-01T00:00:00.123Z");
}

static void strings_are_unescaped_and_cut_where_the_scratch_is_full(void **state)
{
    char small[8];
    struct lb_scratch tiny = { small, sizeof(small), 0 };

    (void)state;
    scratch.used = 0;
    assert_text(lb_value_str(lb_value_of(LB_STR("a\\nb"), LB_VALUE_ESCAPED), &scratch), "a\nb");
    assert_text(lb_value_str(lb_value_of(LB_STR("12.50"), LB_VALUE_NUMBER), &scratch), "12.50");
    assert_text(lb_value_str(none(), &scratch), "");
    assert_text(lb_value_str(lb_value_of(LB_STR("abcdef\\u00e9gh"), LB_VALUE_ESCAPED), &tiny), "abcdef");
    assert_text(lb_value_str(lb_value_of(LB_STR("xyz\\n"), LB_VALUE_ESCAPED), &tiny), "xy");
    assert_text(lb_value_str(lb_value_of(LB_STR("\\n"), LB_VALUE_ESCAPED), &tiny), "");
}

static void numbers_are_read_where_there_are_some(void **state)
{
    static const struct {
        const char *text;
        bool good;
        double number;
    } cases[] = {
        { "0", true, 0 },
        { "-12", true, -12 },
        { "3.25", true, 3.25 },
        { "1e3", true, 1000 },
        { "+4", true, 4 },
        { ".5", true, 0.5 },
        { "123456789012345", true, 123456789012345.0 },
        { "12345678901234567890", true, 12345678901234567890.0 },
        { "", false, 0 },
        { "-", false, 0 },
        { "1x", false, 0 },
        { "0x10", false, 0 },
        { "inf", false, 0 },
        { "nan", false, 0 },
        { " 1", false, 0 },
        { "1e", false, 0 },
        { ".", false, 0 },
        { "1.2.3", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double number = 0;

        if (lb_value_number(lb_value_text(lb_str_from(cases[i].text)), &number) != cases[i].good)
            fail_msg("\"%s\" is %s", cases[i].text, cases[i].good ? "a number" : "no number");
        assert_true(number == cases[i].number);
    }
    double number;
    assert_false(lb_value_number(lb_value_of(LB_STR("true"), LB_VALUE_BOOL), &number));
    assert_false(lb_value_number(none(), &number));
}

static void members_are_found_by_their_literal_key(void **state)
{
    struct lb_value object = lb_value_of(LB_STR("{\"a\":{\"b\":1},\"b\":2,\"c\\u0064\":3}"), LB_VALUE_OBJECT);

    (void)state;
    assert_text(lb_value_str(lb_value_member(object, LB_STR("b")), &scratch), "2");
    assert_text(lb_value_str(lb_value_member(object, LB_STR("cd")), &scratch), "3");
    assert_int_equal(lb_value_member(object, LB_STR("x")).kind, LB_VALUE_NONE);
    assert_int_equal(lb_value_member(lb_value_text(LB_STR("{}")), LB_STR("x")).kind, LB_VALUE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_added_past_the_capacity_until_the_arena_is_full),
        cmocka_unit_test(a_set_field_keeps_its_place),
        cmocka_unit_test(names_reach_into_nested_objects),
        cmocka_unit_test(leading_keys_come_before_fields),
        cmocka_unit_test(strings_are_unescaped_and_cut_where_the_scratch_is_full),
        cmocka_unit_test(numbers_are_read_where_there_are_some),
        cmocka_unit_test(members_are_found_by_their_literal_key),
    };

    lb_arena_init(&arena, 1 << 20);
    int failed = cmocka_run_group_tests_name("parse/record", tests, NULL, NULL);
    lb_arena_free(&arena);
    return failed;
}
