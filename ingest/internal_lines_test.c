/* internal_lines_test.c - lines come to an end however they feed each other, and none is missed that is new. */
#include "internal_lines.c"

#include "lb_test.h"

#include <sys/eventfd.h>

static struct internal_lines lines;
static struct internal_lines others;
static struct lb_metric held_back;
static struct lb_log_site sites[1000];

static void begin(void)
{
    held_back.value = 0;
    internal_lines_open(&lines, &held_back, -1);
    lb_clock_set(1000 * LB_SECOND);
}

static void end(void)
{
    internal_lines_close(&lines);
    lb_clock_set(LB_TIME_NONE);
}

static void say(unsigned site, const char *text)
{
    internal_lines_hear(
        &lines, &(struct lb_log_line){ lb_clock_now(), LB_LEVEL_WARN, "sink", lb_str_from(text), &sites[site] });
}

/* What waits, joined by |. */
static const char *take_all(void)
{
    static char text[8192];
    struct internal_line line;

    text[0] = '\0';
    while (internal_lines_take(&lines, &line)) {
        size_t len = strlen(text);

        snprintf(text + len, sizeof(text) - len, "%s%.*s", len > 0 ? "|" : "", (int)line.len, line.text);
        if (line.held_back > 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), " (+%u)", line.held_back);
    }
    return text;
}

static void a_sentence_that_comes_again_passes_ever_more_rarely(void **state)
{
    char passed[1024] = "";

    (void)state;
    begin();
    for (unsigned second = 0; second < 40; second++) {
        char text[64];

        lb_clock_set((1000 + second) * LB_SECOND);
        snprintf(text, sizeof(text), "%u sink=a", second);
        say(0, text);
        snprintf(passed + strlen(passed), sizeof(passed) - strlen(passed), "%s;", take_all());
    }
    /* After 1, 2, 4, 8, 16 seconds. */
    assert_string_equal(passed,
                        "0 sink=a;1 sink=a;;3 sink=a (+1);;;;7 sink=a (+3);;;;;;;;15 sink=a (+7);;;;;;;;;;;;;;;;"
                        "31 sink=a (+15);;;;;;;;;");
    assert_int_equal(held_back.value, 34);
    end();
}

static void lines_that_feed_each_other_come_to_nearly_nothing(void **state)
{
    unsigned passed = 0;

    (void)state;
    begin();
    say(0, "failed sink=a");
    /* Each line that passes makes another one within any time below a minute: a day of it. */
    for (unsigned step = 0; step < 24 * 60 * 2; step++) {
        lb_clock_set(1000 * LB_SECOND + step * 30 * LB_SECOND);
        say(0, "failed sink=a");
        passed += *take_all() != '\0';
    }
    assert_in_range(passed, 1, 24 * 60 / 5 + 20); /* once in five minutes, and the beginning */
    end();
}

static void after_a_quiet_minute_it_begins_anew(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 10; i++)
        say(0, "x sink=a");
    assert_string_equal(take_all(), "x sink=a");
    lb_clock_set(1062 * LB_SECOND);
    say(0, "x sink=a");
    assert_string_equal(take_all(), "x sink=a (+9)");
    lb_clock_set(1063 * LB_SECOND);
    say(0, "x sink=a");
    assert_string_equal(take_all(), "x sink=a");
    end();
}

static void others_are_other_stories(void **state)
{
    (void)state;
    begin();
    say(0, "failed sink=a status=1");
    say(0, "failed sink=b status=1");
    say(0, "failed sink=a status=2");
    say(1, "failed sink=a status=1");
    say(2, "of no name");
    say(2, "of no name 2");
    assert_string_equal(take_all(), "failed sink=a status=1|failed sink=b status=1|failed sink=a status=1|of no name");
    end();
}

static void floods_of_many_sentences_are_bounded(void **state)
{
    unsigned passed = 0;

    (void)state;
    begin();
    for (unsigned i = 0; i < 1000; i++)
        say(i, "one of a thousand");
    for (const char *text = take_all(); text != NULL; text = strchr(text + 1, '|'))
        passed++;
    assert_int_equal(passed, INTERNAL_SECOND_MAX);
    for (unsigned second = 0; second < 100; second++) {
        lb_clock_set((1001 + second) * LB_SECOND);
        for (unsigned i = 0; i < 1000; i++)
            say(i, "one of a thousand");
    }
    assert_int_equal(lines.count, INTERNAL_LINES_MAX); /* nobody takes: no more than that wait */
    end();
}

static void long_lines_are_cut(void **state)
{
    static char text[4 * INTERNAL_TEXT_BYTES];
    struct internal_line line;

    (void)state;
    begin();
    memset(text, 'x', sizeof(text) - 1);
    internal_lines_hear(&lines,
                        &(struct lb_log_line){ 5, LB_LEVEL_ERROR, "a.module.whose.name.is.much.longer.than.any.is.ever",
                                               lb_str_from(text), &sites[0] });
    assert_true(internal_lines_take(&lines, &line));
    assert_int_equal(line.len, INTERNAL_TEXT_BYTES);
    assert_int_equal(strlen(line.module), INTERNAL_MODULE_BYTES - 1);
    assert_int_equal(line.level, LB_LEVEL_ERROR);
    assert_false(internal_lines_take(&lines, &line));
    end();
}

static void another_takes_over_what_waits_and_what_is_remembered(void **state)
{
    uint64_t count = 0;

    (void)state;
    begin();
    say(0, "one sink=a");
    say(1, "two sink=a");
    others = lines;
    internal_lines_open(&lines, &held_back, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    internal_lines_move(&lines, &others);
    assert_int_equal(read(lines.wake_fd, &count, sizeof(count)), sizeof(count));
    say(0, "one sink=a");
    assert_string_equal(take_all(), "one sink=a|two sink=a");
    close(lines.wake_fd);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sentence_that_comes_again_passes_ever_more_rarely),
        cmocka_unit_test(lines_that_feed_each_other_come_to_nearly_nothing),
        cmocka_unit_test(after_a_quiet_minute_it_begins_anew),
        cmocka_unit_test(others_are_other_stories),
        cmocka_unit_test(floods_of_many_sentences_are_bounded),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(another_takes_over_what_waits_and_what_is_remembered),
    };

    return cmocka_run_group_tests_name("ingest/internal_lines", tests, NULL, NULL);
}
