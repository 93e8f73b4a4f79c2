/* notice_history_test.c - notices are found again, by rule, id and time, also in the file that was full. */
#include "notice_history.c"

#include "lb_test.h"

#include <stdlib.h>

#define BEGIN (INT64_C(1796083200) * LB_SECOND) /* 2026-12-01T00:00:00Z */
#define MINUTE (60 * LB_SECOND)

struct fixture {
    char path[64];
    struct notice_history *history;
    struct lb_arena arena;
    uint64_t noted;
};

static int set_up(void **state)
{
    struct fixture *self = calloc(1, sizeof(*self));

    snprintf(self->path, sizeof(self->path), "/tmp/lb_notice_history_test.%d", (int)getpid());
    lb_arena_init(&self->arena, 1 << 20);
    self->history = notice_history_open(self->path);
    *state = self;
    return self->history == NULL;
}

static int tear_down(void **state)
{
    struct fixture *self = *state;

    unlink(self->history->path);
    unlink(self->history->older);
    notice_history_close(self->history);
    lb_arena_free(&self->arena);
    free(self);
    return 0;
}

static struct lb_str names[] = { { "pager", 5 }, { "mail", 4 } };
static const struct lb_strs sinks = { names, 2 };

/* One notice that goes to the sinks of these bits, with some bytes of padding. */
static void note(struct fixture *self, const char *rule, int64_t at, unsigned bits, size_t padding)
{
    char *message = calloc(1, padding + 1);
    struct lb_record record = { .time_ns = BEGIN + at, .level = LB_LEVEL_NONE, .flags = LB_RECORD_ALERT };
    uint32_t index = 0;
    struct lb_selection selections[2] = { { 0 } };
    struct lb_batch batch = {
        .records = &record, .record_count = 1, .selections = selections, .origin = 0xab, .position = self->noted++
    };

    memset(message, 'x', padding);
    record.message = lb_value_text((struct lb_str){ message, padding });
    assert_true(lb_record_set(&record, &self->arena, LB_STR("rule"), lb_value_text(lb_str_from(rule))));
    assert_true(lb_record_set(&record, &self->arena, LB_STR("alert_id"), lb_value_text(LB_STR("00ff"))));
    for (int i = 0; i < 2; i++)
        if ((bits >> i & 1) != 0)
            selections[i] = (struct lb_selection){ .indexes = &index, .count = 1 };
    notice_history_note(self->history, &batch, &sinks);
    lb_arena_reset(&self->arena, 1 << 20);
    free(message);
}

static char *ask(struct fixture *self, struct notice_query query)
{
    static char text[4096];
    struct lb_buffer out;

    lb_buffer_init(&out, 64 << 20);
    notice_history_write(self->history, &query, &out);
    assert_true(lb_json_valid(lb_buffer_str(&out)));
    snprintf(text, sizeof(text), LB_STR_FMT, LB_STR_ARG(lb_buffer_str(&out)));
    lb_buffer_free(&out);
    return text;
}

static struct notice_query all(void)
{
    return (struct notice_query){ .since = INT64_MIN, .until = INT64_MAX, .limit = 10 };
}

static void finds_by_rule_id_and_time(void **state)
{
    struct fixture *self = *state;
    struct notice_query query = all();

    assert_string_equal(ask(self, query), "[]");
    note(self, "a", 0, 1, 0);
    note(self, "b", MINUTE, 3, 0);
    note(self, "a", 2 * MINUTE, 0, 0);
    query.rule = LB_STR("b");
    assert_string_equal(ask(self, query), "[{\"timestamp\":\"2026-12-01T00:01:00Z\",\"message\":\"\",\"rule\":\"b\","
                                          "\"alert_id\":\"00ff\",\"sinks\":[\"pager\",\"mail\"],"
                                          "\"notice_id\":\"00000000000000ab-1\",\"deliveries\":[]}]");
    query = all();
    query.limit = 1;
    assert_non_null(strstr(ask(self, query), "00:02:00Z"));
    assert_null(strstr(ask(self, query), "00:00:00Z"));
    query = all();
    query.since = BEGIN + MINUTE;
    query.until = BEGIN + 2 * MINUTE;
    assert_non_null(strstr(ask(self, query), "00:01:00Z"));
    assert_null(strstr(ask(self, query), "00:02:00Z"));
    query = all();
    query.alert_id = LB_STR("00fe");
    assert_string_equal(ask(self, query), "[]");
}

static void a_full_file_gives_way_once(void **state)
{
    struct fixture *self = *state;
    struct notice_query query = all();

    note(self, "first", 0, 1, 0);
    for (int i = 0; i < 9; i++)
        note(self, "filling", MINUTE, 1, 1024 * 1024);
    note(self, "second", 2 * MINUTE, 1, 0);
    query.rule = LB_STR("first");
    assert_non_null(strstr(ask(self, query), "\"first\""));
    query.rule = LB_STR("second");
    assert_non_null(strstr(ask(self, query), "\"second\""));
    for (int i = 0; i < 9; i++)
        note(self, "filling", MINUTE, 1, 1024 * 1024);
    note(self, "third", 3 * MINUTE, 1, 0);
    query.rule = LB_STR("first");
    assert_string_equal(ask(self, query), "[]");
    query.rule = LB_STR("second");
    assert_non_null(strstr(ask(self, query), "\"second\""));
}

static void what_is_damaged_is_passed_over(void **state)
{
    struct fixture *self = *state;
    FILE *file;

    note(self, "a", 0, 1, 0);
    file = fopen(self->path, "a");
    fputs("{\"timestamp\":\"2026-12-01T0\nnonsense\n\n", file);
    fclose(file);
    note(self, "b", MINUTE, 1, 0);
    char *text = ask(self, all());

    assert_non_null(strstr(text, "\"rule\":\"a\""));
    assert_non_null(strstr(text, "\"rule\":\"b\""));
    assert_null(strstr(text, "nonsense"));
}

/* What a sink says of the notice that was noted as that one; here 12:00:00 is whenever it is said. */
static void say(struct fixture *self, const char *sink, const char *id, const char *answer, bool refused)
{
    lb_clock_set(BEGIN);
    notice_history_told(self->history, &(struct lb_delivery_outcome){ .sink = lb_str_from(sink),
                                                                      .record = lb_str_from(id),
                                                                      .refused = refused,
                                                                      .answer = lb_str_from(answer),
                                                                      .attempts = refused ? 3 : 0 });
    lb_clock_set(LB_TIME_NONE);
}

static void outcomes_stand_with_their_notices(void **state)
{
    struct fixture *self = *state;

    note(self, "a", 0, 3, 0);
    note(self, "b", MINUTE, 1, 0);
    say(self, "mail", "00000000000000ab-0", "the server said \"no\"", true);
    say(self, "pager", "00000000000000ab-1", "HTTP 202", false);
    say(self, "pager", "00000000000000ab-0", "HTTP 202", false);
    say(self, "pager", "00000000000000ab-7", "of no notice", false);
    char *text = ask(self, all());

    assert_non_null(strstr(
        text,
        "\"notice_id\":\"00000000000000ab-0\",\"deliveries\":["
        "{\"sink\":\"mail\",\"at\":\"2026-12-01T00:00:00Z\",\"result\":\"refused\",\"answer\":\"the server said "
        "\\\"no\\\"\",\"attempts\":3},"
        "{\"sink\":\"pager\",\"at\":\"2026-12-01T00:00:00Z\",\"result\":\"delivered\",\"answer\":\"HTTP 202\"}]}"));
    assert_non_null(strstr(text, "\"notice_id\":\"00000000000000ab-1\",\"deliveries\":[{\"sink\":\"pager\","));
    assert_null(strstr(text, "of no notice"));
}

/* A sink that lags is given it again after a crash. */
static void what_was_noted_twice_is_one_notice(void **state)
{
    struct fixture *self = *state;

    note(self, "a", 0, 1, 0);
    note(self, "b", MINUTE, 1, 0);
    self->noted = 0;
    note(self, "a", 0, 1, 0);
    say(self, "pager", "00000000000000ab-0", "HTTP 202", false);
    char *text = ask(self, all());
    const char *first = strstr(text, "\"rule\":\"a\"");

    assert_non_null(first);
    assert_non_null(strstr(first, "\"rule\":\"b\""));
    assert_null(strstr(first + 1, "\"rule\":\"a\""));
    assert_non_null(strstr(first, "\"answer\":\"HTTP 202\""));
}

/* The file as earlier versions wrote it, and an outcome whose notice is in the file that was full. */
static void files_of_before_are_read_too(void **state)
{
    struct fixture *self = *state;
    struct notice_query query = all();
    FILE *file = fopen(self->path, "w");

    fputs("{\"timestamp\":\"2026-12-01T00:00:00Z\",\"rule\":\"old\",\"alert_id\":\"00ff\",\"sinks\":[\"pager\"]}\n",
          file);
    fclose(file);
    note(self, "first", MINUTE, 1, 0);
    for (int i = 0; i < 9; i++)
        note(self, "filling", 2 * MINUTE, 1, 1024 * 1024);
    note(self, "last", 3 * MINUTE, 1, 0);
    say(self, "pager", "00000000000000ab-0", "HTTP 200", false);
    query.rule = LB_STR("old");
    assert_string_equal(ask(self, query),
                        "[{\"timestamp\":\"2026-12-01T00:00:00Z\",\"rule\":\"old\",\"alert_id\":\"00ff\","
                        "\"sinks\":[\"pager\"]}]");
    query.rule = LB_STR("first");
    assert_non_null(strstr(ask(self, query), "\"answer\":\"HTTP 200\""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_by_rule_id_and_time),          TEST(a_full_file_gives_way_once),
        TEST(what_is_damaged_is_passed_over),     TEST(outcomes_stand_with_their_notices),
        TEST(what_was_noted_twice_is_one_notice), TEST(files_of_before_are_read_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
