/* probe_body_test.c - values of bodies by name, and bodies that lie. */
#include "probe_body.c"

#include "lb_source_ground.h"

static const struct lb_source_type type = { .module = { .name = "probe" } };
static struct ground ground;
static struct reporter reporter;

/* The record's members but for time and level. */
static const char *report(const struct probe_check *check, const char *body, size_t len)
{
    ground_lay(&ground, &type, NULL, LB_POOL_BYTES);
    assert_true(reporter_open(&reporter, &ground.source, LB_STR("probe"), LB_STR("")));
    reporter_begin(&reporter, 0, LB_LEVEL_INFO);
    probe_body_report(&reporter, check, (struct lb_str){ body, len });
    reporter_end(&reporter);
    reporter_flush(&reporter);
    reporter_close(&reporter);
    static char text[4096];
    ground_take(&ground);
    const char *level = strstr(ground.text, "\"level\":\"info\"");
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(level + 14, "\n"), level + 14);
    ground_clear(&ground);
    return text;
}

static void finds_members_by_path(void **state)
{
    static const struct {
        const char *body;
        const char *path;
        const char *found;
    } cases[] = {
        { "{\"a\":{\"b\":[1,{\"c\":\"x\\u0041\"}]}}", "a.b.1.c", ",\"v\":\"x\\u0041\"}" },
        { "{\"a\":{\"b\":[1,2]}}", "a.b", ",\"v\":[1,2]}" },
        { "[10,20,30]", "2", ",\"v\":30}" },
        { " \n[10]", "0", ",\"v\":10}" },
        { "[10]", "1", "}" },
        { "[10]", "-1", "}" },
        { "[10]", "x", "}" },
        { "[10]", "99999999999999999999", "}" },
        { "{\"a\":1}", "a.b", "}" },
        { "{\"a\":null}", "a", ",\"v\":null}" },
        { "{\"a\":true}", "a", ",\"v\":true}" },
        { "{\"a\":1e999}", "a", ",\"v\":1e999}" },
        { "{\"\":1}", "", ",\"v\":{\"\":1}}" },
        { "{\"a\":1}", ".", "}" },
        { "{\"a\":1", "a", "}" },
        { "\"text\"", "a", "}" },
        { "5", "a", "}" },
        { "", "a", "}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_pair pair = { LB_STR("v"), lb_str_from(cases[i].path) };
        struct probe_check check = { .json = { &pair, 1 } };

        assert_string_equal(report(&check, cases[i].body, strlen(cases[i].body)), cases[i].found);
    }
}

static void finds_metrics_by_name_and_labels(void **state)
{
    static const char body[] = "# HELP up Is it.\n# TYPE up gauge\nup 1\n"
                               "lag{topic=\"a\",part=\"0\"} 3\n"
                               "lag{part=\"1\", topic=\"a\",} 4.5 1700000000000\n"
                               "lag{topic=\"b}, topic=\\\"a\\\"\"} 9\n"
                               "lag_total 100\n"
                               "nan NaN\ninf +Inf\nhuge 1e308\nhuge{a=\"b\"} 1e308\n"
                               "words several of them\n\r\nbroken{a=\"b\" 5\n{} 5\nspaced   7  \nlast 8";
    static const struct {
        const char *selector;
        const char *found;
    } cases[] = {
        { "up", ",\"v\":1}" },
        { "lag", ",\"v\":16.5}" },
        { "lag{topic=\"a\"}", ",\"v\":7.5}" },
        { "lag{topic=\"a\",part=\"1\"}", ",\"v\":4.5}" },
        { "lag{topic=\"b}, topic=\\\"a\\\"\"}", ",\"v\":9}" },
        { "lag{topic=\"c\"}", "}" },
        { "la", "}" },
        { "nan", "}" },
        { "inf", "}" },
        { "huge", "}" },
        { "huge{a=\"b\"}", ",\"v\":1e+308}" },
        { "words", "}" },
        { "broken", "}" },
        { "spaced", ",\"v\":7}" },
        { "last", ",\"v\":8}" },
        { "lag{topic=\"a", "}" },
        { "{}", "}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_pair pair = { LB_STR("v"), lb_str_from(cases[i].selector) };
        struct probe_check check = { .prometheus = { &pair, 1 } };

        assert_string_equal(report(&check, body, sizeof(body) - 1), cases[i].found);
    }
}

/* ASan sees a read past the end: the body has no NUL. */
static void every_cut_of_a_body_is_read_within_its_bounds(void **state)
{
    static const char body[] = "lag{topic=\"a\\\"\",part=\"0\"} 3\n{\"a\":[1,{\"b\":\"\\u00e4\"}]}";
    struct lb_pair pairs[] = { { LB_STR("v"), LB_STR("lag{topic=\"a\\\"\"}") }, { LB_STR("w"), LB_STR("a.1.b") } };
    struct probe_check check = { .prometheus = { pairs, 1 }, .json = { pairs + 1, 1 } };

    (void)state;
    for (size_t start = 0; start < sizeof(body) - 1; start += 3) {
        for (size_t len = 1; len <= sizeof(body) - 1 - start; len += 2) {
            char *copy = malloc(len);

            memcpy(copy, body + start, len);
            report(&check, copy, len);
            free(copy);
        }
    }
}

static void a_pattern_that_goes_astray_ends(void **state)
{
    struct probe_check check = { .match = LB_STR("^(a+)+$") };
    struct probe_run run = { .check = &check };
    struct probe_source source = { .matched = pcre2_match_data_create(1, NULL),
                                   .limits = pcre2_match_context_create(NULL) };
    struct probe_result result = { .body = LB_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!") };
    PCRE2_SIZE at;
    int code;

    (void)state;
    pcre2_set_match_limit(source.limits, PROBE_MATCH_LIMIT);
    run.pattern = pcre2_compile((PCRE2_SPTR)check.match.ptr, check.match.len, 0, &code, &at, NULL);
    assert_false(probe_body_accept(&source, &run, &result));
    assert_non_null(strstr(result.reason, "takes too many steps"));
    result.body = LB_STR("aaa");
    assert_true(probe_body_accept(&source, &run, &result));
    result.body = (struct lb_str){ NULL, 0 };
    assert_false(probe_body_accept(&source, &run, &result));
    assert_non_null(strstr(result.reason, "the body (0 bytes) does not match"));
    pcre2_code_free(run.pattern);
    pcre2_match_data_free(source.matched);
    pcre2_match_context_free(source.limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_members_by_path),
        cmocka_unit_test(finds_metrics_by_name_and_labels),
        cmocka_unit_test(every_cut_of_a_body_is_read_within_its_bounds),
        cmocka_unit_test(a_pattern_that_goes_astray_ends),
    };

    return cmocka_run_group_tests_name("ingest/probe_body", tests, NULL, NULL);
}
