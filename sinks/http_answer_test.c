#include "lb_test.h"

#include "http_answer.c"

#define NOW INT64_C(1767225600) /* 2026-01-01T00:00:00Z, a Thursday */

static void the_three_forms_of_a_date_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: none */
    } cases[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "Thu, 01 Jan 2026 00:00:30 GMT", NOW + 30 },
        { "Thursday, 01-Jan-26 00:00:30 GMT", NOW + 30 },
        { "Thu Jan  1 00:00:30 2026", NOW + 30 },
        { "Sat Jan 31 12:00:00 2026", NOW + 30 * 86400 + 43200 },
        { "Mon, 29 Feb 2028 23:59:60 GMT", 1835481600 },
        { "Friday, 01-Jan-76 00:00:00 GMT", INT64_C(3345062400) }, /* 2076: 50 years ahead */
        { "Saturday, 01-Jan-77 00:00:00 GMT", 220924800 },         /* 1977: more would be too far */
        { "Thu, 1 Jan 2026 00:00:30 GMT", -1 },
        { "Thu, 01 Jan 26 00:00:30 GMT", -1 },
        { "Thu, 01 Jan 2026 00:00:30 UTC", -1 },
        { "Thu, 01 Jan 2026 00:00:30 GMT ", -1 },
        { "Thu, 01 jan 2026 00:00:30 GMT", -1 },
        { "Thu, 01 Jan 2026 24:00:30 GMT", -1 },
        { "Thu, 00 Jan 2026 00:00:30 GMT", -1 },
        { "Thu, 01-Jan 26 00:00:30 GMT", -1 },
        { "Thu Jan 1 00:00:30 2026", -1 },
        { "Thu,01 Jan 2026 00:00:30 GMT", -1 },
        { "Thu, ", -1 },
        { ",", -1 },
        { "", -1 },
        { "tomorrow", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* Exactly as long as the text, so that the sanitizer sees what is read behind it. */
        size_t len = strlen(cases[i].text);
        char *copy = malloc(len > 0 ? len : 1);
        int64_t seconds = -1;

        memcpy(copy, cases[i].text, len);
        bool read = http_date_read((struct lb_str){ copy, len }, NOW, &seconds);
        if (read != (cases[i].seconds >= 0) || (read && seconds != cases[i].seconds))
            fail_msg("%s: %lld", cases[i].text, (long long)seconds);
        free(copy);
    }
}

static void a_date_that_is_cut_anywhere_is_no_date(void **state)
{
    static const char *const texts[] = { "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                         "Sun Nov  6 08:49:37 1994" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t len = 0; len < strlen(texts[i]); len++) {
            char *copy = malloc(len > 0 ? len : 1);
            int64_t seconds;

            memcpy(copy, texts[i], len);
            assert_false(http_date_read((struct lb_str){ copy, len }, NOW, &seconds));
            free(copy);
        }
    }
}

static void a_wait_is_bounded_and_never_negative(void **state)
{
    static const struct {
        const char *value, *date;
        int64_t seconds;
    } cases[] = {
        { "7", "", 7 },
        { " 7\t", "", 7 },
        { "0", "", 0 },
        { "-7", "", 0 },
        { "7s", "", 0 },
        { "7.5", "", 0 },
        { "3600", "", 3600 },
        { "3601", "", 3600 },
        { "999999999999999999999999999999", "", 3600 },
        { "Thu, 01 Jan 2026 00:00:30 GMT", "", 30 },
        { "Thursday, 01-Jan-26 00:00:30 GMT", "", 30 },
        { "Thu Jan  1 00:00:30 2026", "", 30 },
        { "Thu, 01 Jan 2026 09:00:00 GMT", "", 3600 },
        { "Wed, 31 Dec 2025 23:59:00 GMT", "", 0 },
        /* The receiver's clock is ten minutes slow: what it means is a wait of 20 s. */
        { "Wed, 31 Dec 2025 23:50:20 GMT", "Wed, 31 Dec 2025 23:50:00 GMT", 20 },
        { "Thu, 01 Jan 2026 00:00:30 GMT", "no date", 30 },
        { "", "", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t wait = http_retry_after(lb_str_from(cases[i].value), lb_str_from(cases[i].date), NOW * LB_SECOND,
                                        3600 * LB_SECOND);

        if (wait != cases[i].seconds * LB_SECOND)
            fail_msg("%s: %lld", cases[i].value, (long long)wait);
    }
}

static void answers_record_by_record_are_read(void **state)
{
    static const struct {
        const char *body;
        long statuses[2]; /* 0: it is no such answer */
    } cases[] = {
        { "{\"took\":3,\"errors\":true,\"items\":[{\"index\":{\"_id\":\"1\",\"status\":201}},"
          "{\"index\":{\"status\":429,\"error\":{\"type\":\"busy\"}}}]}",
          { 201, 429 } },
        { " [{\"status\":200},{\"status\":\"400\"}]\n", { 200, 400 } },
        { "{\"results\":[{\"status\":200},{\"status\":503}]}", { 200, 503 } },
        { "{\"responses\":[{\"id\":1,\"status\":200},{\"id\":2,\"status\":404}]}", { 200, 404 } },
        { "[{\"status\":200}]", { 0 } },
        { "[{\"status\":200},{\"status\":200},{\"status\":200}]", { 0 } },
        { "[{\"status\":200},{\"state\":200}]", { 0 } },
        { "[{\"status\":200},{\"status\":99}]", { 0 } },
        { "[{\"status\":200},{\"status\":1e9}]", { 0 } },
        { "[{\"status\":200},{\"a\":{\"b\":{\"status\":200}}}]", { 0 } },
        { "[{\"status\":200},{}]", { 0 } },
        { "[{\"status\":200},7]", { 0 } },
        { "[{\"status\":200},{\"status\":200}", { 0 } },
        { "{\"items\":{}}", { 0 } },
        { "{\"ok\":true}", { 0 } },
        { "ok", { 0 } },
        { " ", { 0 } },
        { "", { 0 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_item_answer answers[2];
        bool read = http_items_read(lb_str_from(cases[i].body), answers, 2);

        if (read != (cases[i].statuses[0] != 0))
            fail_msg("%s", cases[i].body);
        for (size_t n = 0; read && n < 2; n++)
            assert_int_equal(answers[n].status, cases[i].statuses[n]);
        if (i == 0)
            assert_memory_equal(answers[1].error.ptr, "{\"type\":\"busy\"}", 15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_forms_of_a_date_are_read),
        cmocka_unit_test(a_date_that_is_cut_anywhere_is_no_date),
        cmocka_unit_test(a_wait_is_bounded_and_never_negative),
        cmocka_unit_test(answers_record_by_record_are_read),
    };

    return cmocka_run_group_tests_name("sinks/http_answer", tests, NULL, NULL);
}
