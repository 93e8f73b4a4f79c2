/* alert_links_test.c - the address of an alert, and the command that shows its records, whatever its key is. */
#include "alert_links.h"

#include "lb_clock.h"
#include "lb_conf.h"
#include "lb_expr.h"
#include "lb_limits.h"
#include "lb_route.h"

#include "lb_test.h"

#include <string.h>

#define BEGIN (1767225600 * LB_SECOND) /* 2026-01-01T00:00:00Z */
#define TIMES " --since 2025-12-31T23:55:00Z --until 2026-01-01T00:00:01Z"

static struct lb_str by[2];
static struct lb_alert_rule rule;
static struct lb_alerting alerting;

static void expect_grep(const char *key, const char *expected)
{
    struct lb_alert_event event = {
        .rule = &rule, .started = BEGIN, .at = BEGIN, .key = lb_str_from(key), .id = 0x1234
    };
    struct lb_buffer out;

    lb_buffer_init(&out, 4096);
    assert_int_equal(lb_alert_grep_write(&out, &alerting, &event), expected[0] != '\0');
    lb_buffer_append_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    lb_buffer_free(&out);
}

static void begin(void)
{
    by[0] = LB_STR("service");
    by[1] = LB_STR("user");
    rule = (struct lb_alert_rule){ .value_text = LB_STR("count()"), .over_ns = 300 * LB_SECOND, .by = { by, 1 } };
    alerting = (struct lb_alerting){ .archive_root = LB_STR("/var/log/boom"), .archive_by_service = true };
}

static void a_plain_service_is_an_option_and_a_directory(void **state)
{
    (void)state;
    begin();
    expect_grep("service=payments", "logboom grep --service payments" TIMES " /var/log/boom/payments");
    alerting.archive_by_service = false;
    expect_grep("service=payments", "logboom grep --service payments" TIMES " /var/log/boom");
    rule.by.count = 0;
    expect_grep("", "logboom grep" TIMES " /var/log/boom");
}

static void text_of_strangers_stays_within_its_word(void **state)
{
    (void)state;
    begin();
    rule.by.count = 2;
    expect_grep("service=a;rm -rf ~\x1fuser=x\"y\\z'$(id)",
                "logboom grep" TIMES " --where 'service == \"a;rm -rf ~\" and user == \"x\\\"y\\\\z'\\''$(id)\"'"
                " /var/log/boom");
    /* No option, no other directory. */
    expect_grep("service=--no-index\x1fuser=u",
                "logboom grep" TIMES " --where 'service == \"--no-index\" and user == \"u\"' /var/log/boom");
    expect_grep("service=../etc\x1fuser=u",
                "logboom grep --service ../etc" TIMES " --where 'user == \"u\"' /var/log/boom");
    /* A line end would be a command's end: that field is not asked for. */
    expect_grep("service=a\x1fuser=x\nreboot\n", "logboom grep --service a" TIMES " /var/log/boom/a");
}

static void half_a_command_is_none(void **state)
{
    char key[140] = "service=a\x1fuser="; /* each of these is four in a shell */

    (void)state;
    begin();
    rule.by.count = 2;
    memset(key + strlen(key), '\'', sizeof(key) - 1 - strlen(key));
    key[sizeof(key) - 1] = '\0';
    expect_grep(key, "");
    rule.absent = true;
    expect_grep("service=a\x1fuser=b", "");
    alerting.archive_root = LB_STR("");
    rule.absent = false;
    expect_grep("service=a\x1fuser=b", "");
}

static void the_address_has_the_id(void **state)
{
    struct lb_alert_event event = { .rule = &rule, .id = 0x1234 };
    struct lb_buffer out;

    (void)state;
    begin();
    lb_buffer_init(&out, 4096);
    assert_false(lb_alert_url_write(&out, &alerting, &event));
    alerting.external_url = LB_STR("https://logs.example.org");
    assert_true(lb_alert_url_write(&out, &alerting, &event));
    lb_buffer_append_char(&out, '\0');
    assert_string_equal(out.ptr, "https://logs.example.org/#alert/0000000000001234");
    lb_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_service_is_an_option_and_a_directory),
        cmocka_unit_test(text_of_strangers_stays_within_its_word),
        cmocka_unit_test(half_a_command_is_none),
        cmocka_unit_test(the_address_has_the_id),
    };

    return cmocka_run_group_tests_name("route/alert_links", tests, NULL, NULL);
}
