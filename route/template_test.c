/* template_test.c - what templates write, what they refuse, and that no field leaves its path component. */
#include "lb_test.h"
#include "lb_test_record.h"

#include "template.c"

#include "lb_alloc.h"

enum { TIME = LB_TEMPLATE_TIME, PATH = LB_TEMPLATE_PATH, TOPIC = LB_TEMPLATE_TOPIC };

static const char *const subject =
    "{\"level\":\"error\",\"service\":\"pay\",\"up\":\"../../etc/passwd\",\"hidden\":\".ssh\",\"empty\":\"\","
    "\"escaped\":\"a\\\"b\\nc\",\"number\":7,\"http\":{\"status\":404},\"user\":\"J\xc3\xb6rg M\","
    "\"long\":\"0123456789012345678901234567890123456789012345678901234567890123456789\","
    "\"longbad\":\"//////////////////////////////////////\",\"percent\":\"%41\",\"nul\":\"a\\u0000b\",\"dot\":\".\","
    "\"dots\":\"..\",\"null\":null}";

struct fixture {
    struct lb_arena arena;
    struct lb_record record;
    struct lb_scratch scratch;
    struct lb_diag diag;
    struct lb_buffer out;
    char memory[4096];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    lb_arena_init(&fixture->arena, 1 << 20);
    fixture->record = lb_test_record(&fixture->arena, subject);
    fixture->scratch = (struct lb_scratch){ fixture->memory, sizeof(fixture->memory), 0 };
    lb_buffer_init(&fixture->out, 1 << 16);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    lb_buffer_free(&fixture->out);
    lb_diag_free(&fixture->diag);
    lb_arena_free(&fixture->arena);
    free(fixture);
    return 0;
}

static struct lb_template *compile_text(struct fixture *fixture, const char *text)
{
    struct lb_template *made =
        lb_template_new(&fixture->arena, lb_str_from(text), (struct lb_place){ "t", 1, 1 }, &fixture->diag);

    if (made == NULL)
        fail_msg("%s: %s", text, fixture->diag.entries[0].text);
    return made;
}

/* 2024-02-29T23:05:09.5Z, day 60 of the year. */
static const int64_t leap_day = 1709247909 * LB_SECOND + LB_SECOND / 2;

static void writes_fields_and_dates(void **state)
{
    static const struct {
        const char *text;
        unsigned flags;
        const char *expected;
    } rows[] = {
        { "", 0, "" },
        { "plain", 0, "plain" },
        { "logs.{service}", 0, "logs.pay" },
        { "{service}/{level}", 0, "pay/error" },
        { "{http.status}", 0, "404" },
        { "{escaped}", 0, "a\"b\nc" },
        { "{number}{number}", 0, "77" },
        { "{nothing}", 0, "_unknown" },
        { "{nothing|other}", 0, "other" },
        { "{nothing|}", 0, "" },
        { "{service|other}", 0, "pay" },
        { "{empty}", 0, "" },
        { "{{{service}}}", 0, "{pay}" },
        { "{{\"a\": 1}}", 0, "{\"a\": 1}" },
        { "%Y-%m-%d", TIME, "2024-02-29" },
        { "%H:%M:%S %j %%", TIME, "23:05:09 060 %" },
        { "%Y-%m-%d %%", 0, "%Y-%m-%d %%" },
        { "100% %q %", TIME, "100% %q %" },
        { "/log/{service}/%Y.jsonl", TIME | PATH, "/log/pay/2024.jsonl" },

        { "/{up}/", PATH, "/%2E.%2F..%2Fetc%2Fpasswd/" },
        { "/{hidden}/", PATH, "/%2Essh/" },
        { "/{dot}/{dots}/", PATH, "/%2E/%2E./" },
        { "/{empty}/{nothing}/{null|n}", PATH, "/_unknown/_unknown/null" },
        { "/{empty|none}/{nothing|..}/{nothing|}", PATH, "/none/%2E./_unknown" },
        { "/{user}", PATH, "/J%C3%B6rg%20M" },
        { "/{percent}", PATH, "/%2541" },
        { "/{nul}", PATH, "/a%00b" },
        { "/{long}", PATH, "/0123456789012345678901234567890123456789012345678901234567890123" },
        { "/{longbad}", PATH, "/%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F%2F" },
        { "{up}", TOPIC, "_._.._etc_passwd" },
        { "{user}.{dot}", TOPIC, "J__rg_M._" },
        { "{empty}", TOPIC, "_unknown" },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lb_template *made = compile_text(fixture, rows[i].text);

        lb_buffer_reset(&fixture->out);
        lb_template_write(made, rows[i].flags, &fixture->record, leap_day, &fixture->scratch, &fixture->out);
        if (!lb_str_is(lb_buffer_str(&fixture->out), rows[i].expected))
            fail_msg("%s: expected \"%s\", got \"" LB_STR_FMT "\"", rows[i].text, rows[i].expected,
                     LB_STR_ARG(lb_buffer_str(&fixture->out)));
        assert_int_equal(fixture->scratch.used, 0);
        assert_text(lb_template_text(made), rows[i].text);
        if (rows[i].flags == 0)
            assert_true(lb_template_size_max(made, &fixture->record, &fixture->scratch) >= fixture->out.len);
    }
}

static void says_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *text;
        uint32_t column;
        const char *message;
    } rows[] = {
        { "logs.{service", 6, "this brace is not closed" },
        { "J\xc3\xb6rg {service", 6, "this brace is not closed" },
        { "{}", 2, "expected the name of a field behind {" },
        { "{ service }", 2, "expected the name of a field behind {" },
        { "{service:-x}", 2, "expected the name of a field behind {" },
        { "{\"text\": 1}", 2, "expected the name of a field behind {" },
        { "a{|x}", 3, "expected the name of a field behind {" },
        { "a}b", 2, "this brace closes nothing" },
        { "{service}}", 10, "this brace closes nothing" },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_null(lb_template_new(&fixture->arena, lb_str_from(rows[i].text), (struct lb_place){ "t", 2, 1 },
                                    &fixture->diag));
        assert_int_equal(fixture->diag.errors, 1);
        if (strncmp(fixture->diag.entries[0].text, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("%s: got \"%s\"", rows[i].text, fixture->diag.entries[0].text);
        if (fixture->diag.entries[0].place.column != rows[i].column)
            fail_msg("%s: column %u", rows[i].text, fixture->diag.entries[0].place.column);
        lb_diag_free(&fixture->diag);
    }
}

static void knows_its_constant_part_and_fields(void **state)
{
    static const struct {
        const char *text;
        bool constant;
        const char *prefix;
        size_t fields;
    } rows[] = {
        { "", true, "", 0 },
        { "a{{b}}", true, "a{b}", 0 },
        { "/var/log/{service}/%Y", false, "/var/log/", 1 },
        { "/var/%Y/{service}", false, "/var/", 1 },
        { "{service}{host}{service}", false, "", 2 },
        { "%Y", false, "", 0 },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lb_template *made = compile_text(fixture, rows[i].text);

        assert_int_equal(lb_template_is_constant(made), rows[i].constant);
        assert_text(lb_template_prefix(made), rows[i].prefix);
        assert_int_equal(lb_template_fields(made).count, rows[i].fields);
    }
}

static void writes_dates_before_1970(void **state)
{
    struct fixture *fixture = *state;

    lb_template_write(compile_text(fixture, "%Y-%m-%d %H:%M:%S"), TIME, &fixture->record, -1, &fixture->scratch,
                      &fixture->out);
    assert_text(lb_buffer_str(&fixture->out), "1969-12-31 23:59:59");
}

static void writing_allocates_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct lb_template *made = compile_text(fixture, "/{service}/{escaped}/%Y-%m-%d");

    lb_template_write(made, TIME | PATH, &fixture->record, leap_day, &fixture->scratch, &fixture->out);
    long before = atomic_load(&lb_alloc_count);
    for (int i = 0; i < 100; i++) {
        lb_buffer_reset(&fixture->out);
        lb_template_write(made, TIME | PATH, &fixture->record, leap_day, &fixture->scratch, &fixture->out);
    }
    assert_int_equal(atomic_load(&lb_alloc_count), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_fields_and_dates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_what_is_wrong_and_where, set_up, tear_down),
        cmocka_unit_test_setup_teardown(knows_its_constant_part_and_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_dates_before_1970, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writing_allocates_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("route/template", tests, NULL, NULL);
}
