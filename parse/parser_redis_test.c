/* parser_redis_test.c - the dialects of Redis; the corpus. */
#include "parser_redis.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

static void lines_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "1:M 01 Mar 2026 10:00:00.123 * Ready to accept connections",
          "2026-03-01T10:00:00.123Z|notice|||Ready to accept connections|pid=[1];role=master;" },
        { "7:X 31 Dec 10:00:00.123 # +sdown", "2025-12-31T10:00:00.123Z|warn|||+sdown|pid=[7];role=sentinel;" },
        { "[2932] 31 Dec 04:32:08 - x", "2025-12-31T04:32:08Z|debug|||x|pid=[2932];" },
        { "30 Dec 10:05:20 . 0 clients", "2025-12-30T10:05:20Z|debug|||0 clients|" },
        { "5092:signal-handler (1772359200) Received SIGINT", "2026-03-01T10:00:00Z||||Received SIGINT|pid=[5092];" },
        { "1:M 01 Mar 2026 10:00:00.123 hello", NULL },
        { "1:M 41 Mar 2026 10:00:00.123 * hello", NULL },
        { "1:Q 01 Mar 2026 10:00:00.123 * hello", NULL },
        { "hello", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

/* Art and blank lines of the corpus are no log lines; the other shipper leaves them whole, as we do. */
static void the_events_of_another_shipper_agree(void **unused)
{
    static const struct field_name names[] = {
        { "log.level", "level" },     { "message", "message" }, { "process.pid", "pid" },
        { "redis.log.role", "role" }, { NULL, NULL },
    };
    static const char *const logs[] = { "beats/redis/log/test.log", "beats/redis/log/redis-darwin-3.0.2.log",
                                        "beats/redis/log/redis-windows-2.4.6.log" };
    struct corpus_score score = { 0 };

    (void)unused;
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
        corpus_events(&test, logs[i], names, &score);
    if (score.all == 0)
        skip();
    printf("[ CORPUS   ] events: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines_are_cut),
                                        cmocka_unit_test(the_events_of_another_shipper_agree) };

    test_parser_init(&test, &lb_parser_redis, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_redis", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
