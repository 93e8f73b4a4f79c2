/* time_cached_test.c - what the cache gives is what is read without it. */
#include "time_cached.c"

#include "lb_test.h"

static void the_cache_never_changes_the_result(void **state)
{
    static const char *const texts[] = {
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00.5Z",
        "2026-03-01T10:00:00.123456789Z",
        "2026-03-01T10:00:00.1234567891Z",
        "2026-03-01T10:00:00.Z",
        "2026-03-01T10:00:00.12a4Z",
        "2026-03-01T10:00:00.123",
        "2026-03-01T10:00:00",
        "2026-03-01T10:00:00+01:00",
        "2026-03-01T10:00:00.5+01:00",
        "2026-03-01T10:00:01.000000001Z",
        "2026-03-01 10:00:01Z",
        "2026-02-30T10:00:00Z",
        "2026-03-01T10:00:60Z",
        "1969-12-31T23:59:59.999Z",
        "2026-03-01T10:00:00ZZ",
        "2026-03-01T10:00:00.5",
        "",
        "Z",
        "2026-03-01T10:00:0Z",
        "2026-03-01T10:00:00.5z",
    };
    struct lb_time_second second = { .set = false };
    uint64_t random = lb_seed();

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct lb_str text = lb_str_from(texts[lb_random(&random) % (sizeof(texts) / sizeof(texts[0]))]);
        int64_t expected = 0;
        int64_t got = 0;
        bool good = lb_time_rfc3339(text, &expected);

        if (lb_time_rfc3339_cached(&second, text, &got) != good || got != expected)
            fail_msg("seed %llu: " LB_STR_FMT, (unsigned long long)lb_seed(), LB_STR_ARG(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_cache_never_changes_the_result) };

    return cmocka_run_group_tests_name("parse/time_cached", tests, NULL, NULL);
}
