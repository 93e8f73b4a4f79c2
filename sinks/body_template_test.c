#include "body_template.h"

#include "lb_json.h"
#include "lb_test.h"
#include "lb_test_record.h"

#define RECORD                                                                                                         \
    "{\"service\":\"pay\\\"ments\",\"message\":\"a\\n\\\"b\\\"\\u0000 \\u202e<x>\",\"count\":12,\"ok\":true,"          \
    "\"key\":{\"ip\":\"10.0.0.1\"},\"price\":1.50,\"nothing\":null,\"list\":[1,2]}"

struct bench {
    struct lb_arena arena;
    struct lb_diag diag;
    struct lb_buffer words, out;
    struct lb_scratch scratch;
    struct channel_message message;
    struct lb_record record;
};

static void open_bench(struct bench *bench)
{
    *bench = (struct bench){ .message = { .id = "id-1" } };
    lb_arena_init(&bench->arena, 1 << 20);
    lb_buffer_init(&bench->words, 1 << 16);
    lb_buffer_init(&bench->out, 1 << 20);
    bench->scratch = (struct lb_scratch){ calloc(1, 65536), 65536, 0 };
    bench->record = lb_test_record(&bench->arena, RECORD);
}

static void close_bench(struct bench *bench)
{
    lb_arena_free(&bench->arena);
    lb_buffer_free(&bench->words);
    lb_buffer_free(&bench->out);
    lb_diag_free(&bench->diag);
    free(bench->scratch.ptr);
}

static struct body_template *make(struct bench *bench, const char *text)
{
    return body_template_new(&bench->arena, lb_str_from(text), (struct lb_place){ 0 }, &bench->diag);
}

static void fields_become_text_or_values(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        { "{\"t\": \"{title}\"}", "{\"t\": \"Firing: \\\"x\\\"\"}" },
        { "{\"m\":\"[{message}]\"}", "{\"m\":\"[a\\n\\\"b\\\"   <x>]\"}" },
        { "{\"a\":{count},\"b\":{ok},\"c\":{price},\"d\":{nothing},\"e\":{list},\"f\":{missing}}",
          "{\"a\":12,\"b\":true,\"c\":1.50,\"d\":null,\"e\":[1,2],\"f\":null}" },
        { "{\"a\":\"{count}{missing}{key.ip}\"}", "{\"a\":\"1210.0.0.1\"}" },
        { "{\"a\":{service},\"k\":{key}}", "{\"a\":\"pay\\\"ments\",\"k\":{\"ip\":\"10.0.0.1\"}}" },
        { "{record}", "{\"all\":1}" },
        { "[\"{id}\",{}]", "[\"id-1\",{}]" },
        { "{\"a\":\"\\\"{count}\\\"\",\"b\":{count}}", "{\"a\":\"\\\"12\\\"\",\"b\":12}" },
        { "{\"a\":\"\\\\\",\"b\":{count}}", "{\"a\":\"\\\\\",\"b\":12}" },
        { "{\"a b\":{\"c\":\"{ count }\"}}", "{\"a b\":{\"c\":\"{ count }\"}}" },
    };
    struct bench bench;

    (void)state;
    open_bench(&bench);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct body_values values = { &bench.message, &bench.record, LB_STR("Firing: \"x\""),
                                            LB_STR("{\"all\":1}") };
        struct body_template *template = make(&bench, cases[i].text);

        if (template == NULL)
            fail_msg("%s", cases[i].text);
        lb_buffer_reset(&bench.out);
        body_template_write(template, &values, &bench.scratch, &bench.words, &bench.out);
        assert_true(lb_json_valid(lb_buffer_str(&bench.out)));
        lb_buffer_append_char(&bench.out, '\0');
        assert_string_equal(bench.out.ptr, cases[i].expected);
    }
    close_bench(&bench);
}

static void what_can_be_no_json_is_refused(void **state)
{
    static const char *const bad[] = { "{\"a\": }",        "{title",        "{\"a\":\"{title}",
                                       "{title} {title}",  "{\"a\":{a b}}", "{{\"a\":1}}",
                                       "{\"{title}\":1,}", "\"a\" {x}",     "",
                                       "{\"a\":1}{count}" };
    struct bench bench;

    (void)state;
    open_bench(&bench);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (make(&bench, bad[i]) != NULL)
            fail_msg("%s", bad[i]);
    }
    assert_int_equal(bench.diag.errors, sizeof(bad) / sizeof(bad[0]));
    close_bench(&bench);
}

static void fields_are_bounded(void **state)
{
    char text[8192] = "[";
    struct bench bench;

    (void)state;
    open_bench(&bench);
    for (int i = 0; i < 400; i++)
        strcat(text, i > 0 ? ",{count}" : "{count}");
    strcat(text, "]");
    assert_null(make(&bench, text));
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_become_text_or_values),
        cmocka_unit_test(what_can_be_no_json_is_refused),
        cmocka_unit_test(fields_are_bounded),
    };

    return cmocka_run_group_tests_name("sinks/body_template", tests, NULL, NULL);
}
