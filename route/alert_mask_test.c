/* alert_mask_test.c - what is a parameter of a message, and what is not. */
#include "alert_mask.c"

#include "lb_test.h"

static void parameters_become_their_kind(void **state)
{
    static const struct {
        const char *message;
        const char *masked;
    } rows[] = {
        { "Connection to 10.0.0.1:5432 refused", "Connection to <ip> refused" },
        { "from fe80::1ff:fe23:4567:890a port 22", "from <ip> port <num>" },
        { "took 12.5ms, 80% of 3s; 1,234 rows", "took <num>, <num> of <num>; <num> rows" },
        { "2026-11-26T10:11:12.123Z started", "<time> started" },
        { "at 10:11:12,5 and 2026-11-26 10:11:12+01:00 again", "at <time> and <time> again" },
        { "at 10:11 only", "at <num>:<num> only" },
        { "request 123e4567-e89b-12d3-a456-426614174000 failed", "request <uuid> failed" },
        { "commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "commit <hex>" },
        { "pointer 0xDEADBEEF, the word deadbeef", "pointer <hex>, the word deadbeef" },
        { "cannot open /var/log/app.log: no such file", "cannot open <path>: no such file" },
        { "GET /api/v1/users/42?full=1 200", "GET <path>?full=<num> <num>" },
        { "user \"kim\" said 'hello there'", "user \"<str>\" said \"<str>\"" },
        { "it's only one quote", "it's only one quote" },
        { "pod worker-7 node12 id a1b2c3d4", "pod worker-<num> node<num> id <hex>" },
        { "session q7Rt2kP9 ended", "session <id> ended" },
        { "  two   blanks\tand a tab  ", "two blanks and a tab" },
        { "größe 5 ok", "größe <num> ok" },
        { "3rd try", "<num> try" },
        { "/ alone and a/b", "/ alone and a/b" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char masked[512];
        size_t len = lb_alert_mask(lb_str_from(rows[i].message), masked, sizeof(masked));

        assert_text(((struct lb_str){ masked, len }), rows[i].masked);
    }
}

/* Every end of a message, in memory of exactly that size, into every room. */
static void nothing_is_read_or_written_beyond_the_end(void **state)
{
    static const char message[] = "2026-11-26T10:11:12.123+01:00 \"q\" 123e4567-e89b-12d3-a456-426614174000 1.2.3.4:5 "
                                  "::1 0x1f /a/b 12ms ab12cd34";

    (void)state;
    for (size_t from = 0; from < sizeof(message); from++) {
        for (size_t len = 0; from + len < sizeof(message); len++) {
            char *copy = malloc(len + 1);
            char *masked = malloc(len + 1);

            memcpy(copy + 1, message + from, len);
            assert_in_range(lb_alert_mask((struct lb_str){ copy + 1, len }, masked, len / 2), 0, len / 2);
            free(copy);
            free(masked);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_become_their_kind),
        cmocka_unit_test(nothing_is_read_or_written_beyond_the_end),
    };

    return cmocka_run_group_tests_name("route/alert_mask", tests, NULL, NULL);
}
