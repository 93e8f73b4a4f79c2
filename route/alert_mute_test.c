/* alert_mute_test.c - what holds an alert back, when, and over a restart. */
#include "alert_mute.c"

#include "lb_alloc.h"
#include "lb_conf.h"
#include "lb_file.h"
#include "lb_test.h"

#include <unistd.h>

#define BEGIN (INT64_C(1796083200) * LB_SECOND) /* 2026-12-01T00:00:00Z, a Tuesday */
#define HOUR (3600 * LB_SECOND)

struct fixture {
    char path[64];
    struct lb_mutes *mutes;
    struct lb_arena arena;
    struct lb_diag diag;
    char memory[4096];
    struct lb_scratch scratch;
};

static void reopen(struct fixture *self)
{
    lb_mutes_free(self->mutes);
    self->mutes = lb_mutes_open(self->path, &self->diag);
}

static int set_up(void **state)
{
    struct fixture *self = calloc(1, sizeof(*self));

    snprintf(self->path, sizeof(self->path), "/tmp/lb_alert_mute_test.%d", (int)getpid());
    lb_clock_set(BEGIN);
    lb_arena_init(&self->arena, 1 << 20);
    self->scratch = (struct lb_scratch){ self->memory, sizeof(self->memory), 0 };
    reopen(self);
    *state = self;
    return self->mutes == NULL;
}

static int tear_down(void **state)
{
    struct fixture *self = *state;
    char damaged[80];

    lb_mutes_free(self->mutes);
    lb_diag_free(&self->diag);
    lb_arena_free(&self->arena);
    snprintf(damaged, sizeof(damaged), "%s.damaged", self->path);
    unlink(self->path);
    unlink(damaged);
    lb_clock_set(LB_TIME_NONE);
    free(self);
    return 0;
}

static struct lb_mute find(struct fixture *self, const char *alert, int64_t at)
{
    struct lb_record record;

    assert_true(lb_alert_record_read(lb_str_from(alert), &self->arena, &record));
    return lb_mutes_find(self->mutes, &record, BEGIN + at, &self->scratch);
}

#define DB "{\"rule\":\"slow\",\"severity\":\"high\",\"key\":{\"service\":\"db\",\"host\":\"h1\"}}"
#define WEB "{\"rule\":\"slow\",\"severity\":\"critical\",\"key\":{\"service\":\"web\"}}"

static struct lb_silence of(const char *where, int64_t from, int64_t until)
{
    return (struct lb_silence){ .where = lb_str_from(where),
                                .from = BEGIN + from,
                                .until = BEGIN + until,
                                .author = LB_STR("anna"),
                                .comment = LB_STR("they \"know\"") };
}

static enum lb_err put_in(struct fixture *self, struct lb_silence silence, char *id)
{
    lb_diag_free(&self->diag);
    self->diag = (struct lb_diag){ 0 };
    return lb_mutes_set(self->mutes, &silence, lb_clock_now(), id, &self->diag);
}

static void a_silence_holds_from_its_beginning_to_its_end(void **state)
{
    struct fixture *self = *state;
    char id[LB_SILENCE_ID_SIZE];

    assert_int_equal(put_in(self, of("service == \"db\" and severity >= high", HOUR, 3 * HOUR), id), LB_OK);
    assert_int_equal(find(self, DB, HOUR - 1).kind, LB_MUTE_NONE);
    struct lb_mute mute = find(self, DB, HOUR);
    assert_int_equal(mute.kind, LB_MUTE_SILENCE);
    assert_string_equal(mute.name, id);
    assert_int_equal(mute.until, BEGIN + 3 * HOUR);
    assert_int_equal(find(self, WEB, HOUR).kind, LB_MUTE_NONE);
    assert_int_equal(find(self, DB, 3 * HOUR).kind, LB_MUTE_NONE);
    /* Of two the one that lasts longer. */
    assert_int_equal(put_in(self, of("rule == slow", 0, 5 * HOUR), id), LB_OK);
    assert_string_equal(find(self, DB, HOUR).name, id);
    assert_int_equal(find(self, "{\"rule\":\"other\"}", HOUR).kind, LB_MUTE_NONE);
}

static void a_restart_keeps_them(void **state)
{
    struct fixture *self = *state;
    char first[LB_SILENCE_ID_SIZE];
    char second[LB_SILENCE_ID_SIZE];
    struct lb_buffer before;
    struct lb_buffer after;

    assert_int_equal(put_in(self, of("key.host == h1", 0, HOUR), first), LB_OK);
    assert_int_equal(put_in(self, of("service ~ \"^w\"", 0, HOUR), second), LB_OK);
    assert_int_equal(lb_mutes_end(self->mutes, lb_str_from(second), LB_STR("bob"), BEGIN + LB_SECOND), LB_OK);
    lb_buffer_init(&before, 1 << 20);
    lb_buffer_init(&after, 1 << 20);
    lb_mutes_write(self->mutes, BEGIN + LB_SECOND, true, &before);
    reopen(self);
    assert_non_null(self->mutes);
    lb_mutes_write(self->mutes, BEGIN + LB_SECOND, true, &after);
    assert_true(lb_str_equal(lb_buffer_str(&before), lb_buffer_str(&after)));
    lb_buffer_append_char(&after, '\0');
    assert_non_null(strstr(after.ptr, "\"state\":\"ended\",\"where\":\"service ~ \\\"^w\\\"\""));
    assert_non_null(strstr(after.ptr, "\"ended_by\":\"bob\""));
    assert_non_null(strstr(after.ptr, "\"comment\":\"they \\\"know\\\"\""));
    assert_string_equal(find(self, DB, LB_SECOND).name, first);
    assert_int_equal(find(self, WEB, LB_SECOND).kind, LB_MUTE_NONE);
    lb_buffer_free(&before);
    lb_buffer_free(&after);
}

static void the_version_counts_changes_and_edges(void **state)
{
    struct fixture *self = *state;
    char id[LB_SILENCE_ID_SIZE];
    uint64_t version = lb_mutes_version(self->mutes);

    assert_int_equal(lb_mutes_version(self->mutes), version);
    assert_int_equal(put_in(self, of("true", HOUR, 2 * HOUR), id), LB_OK);
    assert_int_not_equal(lb_mutes_version(self->mutes), version);
    version = lb_mutes_version(self->mutes);
    lb_clock_set(BEGIN + HOUR - 1);
    assert_int_equal(lb_mutes_version(self->mutes), version);
    lb_clock_set(BEGIN + HOUR);
    assert_int_equal(lb_mutes_version(self->mutes), version + 1);
    assert_int_equal(lb_mutes_version(self->mutes), version + 1);
    lb_clock_set(BEGIN + 2 * HOUR);
    assert_int_equal(lb_mutes_version(self->mutes), version + 2);
}

static void a_change_replaces_only_what_it_says(void **state)
{
    struct fixture *self = *state;
    char id[LB_SILENCE_ID_SIZE];
    char again[LB_SILENCE_ID_SIZE];

    assert_int_equal(put_in(self, of("service == db", 0, HOUR), id), LB_OK);
    struct lb_silence change = { .id = lb_str_from(id), .from = LB_TIME_NONE, .until = BEGIN + 2 * HOUR };

    assert_int_equal(put_in(self, change, again), LB_OK);
    assert_string_equal(id, again);
    assert_int_equal(find(self, DB, 90 * 60 * LB_SECOND).until, BEGIN + 2 * HOUR);
    change.id = LB_STR("0123456789abcdef");
    assert_int_equal(put_in(self, change, again), LB_END);
    assert_int_equal(lb_mutes_end(self->mutes, lb_str_from(id), LB_STR("bob"), BEGIN), LB_OK);
    assert_int_equal(lb_mutes_end(self->mutes, lb_str_from(id), LB_STR("bob"), BEGIN), LB_END);
    change.id = lb_str_from(id);
    assert_int_equal(put_in(self, change, again), LB_END);
    assert_int_equal(find(self, DB, 1).kind, LB_MUTE_NONE);
}

static void says_what_is_wrong_and_where(void **state)
{
    struct fixture *self = *state;
    char id[LB_SILENCE_ID_SIZE];
    static const char long_text[LB_SILENCE_WHERE_BYTES + 2] = { [0 ... LB_SILENCE_WHERE_BYTES] = 'a' };
    const struct {
        struct lb_silence silence;
        const char *says;
        uint32_t column;
    } rows[] = {
        { of("service = = db", 0, HOUR), "", 11 },
        { of("service == db and", 0, HOUR), "", 18 },
        { of("", 0, HOUR), "where: missing", 0 },
        { of("false", 0, HOUR), "where: it is never true", 0 },
        { of(long_text, 0, HOUR), "where: longer than", 0 },
        { of("true", 0, -HOUR), "until: expected a time to come", 0 },
        { of("true", 2 * HOUR, HOUR), "until: expected a time to come", 0 },
        { { .where = LB_STR("true"), .from = LB_TIME_NONE, .until = LB_TIME_NONE }, "until: missing", 0 },
        { { .where = LB_STR("true"), .from = LB_TIME_NONE, .until = BEGIN + 1 }, "comment: missing", 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(put_in(self, rows[i].silence, id), LB_BAD_INPUT);
        assert_int_equal(self->diag.errors, 1);
        if (strncmp(self->diag.entries[0].text, rows[i].says, strlen(rows[i].says)) != 0)
            fail_msg("row %zu: %s", i, self->diag.entries[0].text);
        assert_int_equal(self->diag.entries[0].place.column, rows[i].column);
    }
    assert_int_equal(self->mutes->list.count, 0);
}

/* A file of so many silences; the first ends an hour after BEGIN, the others in the year 2100. */
static void write_many(struct fixture *self, int count)
{
    struct lb_buffer out;

    lb_buffer_init(&out, 64 << 20);
    lb_buffer_print(&out, "{\"silences\":%d,\"version\":1}\n", count);
    for (int i = 0; i < count; i++)
        lb_buffer_print(
            &out,
            "{\"id\":\"%016x\",\"where\":\"rule == r%d\",\"from\":\"2026-11-01T00:00:00Z\",\"until\":\"%s\","
            "\"author\":\"\",\"comment\":\"c\",\"created_at\":\"2026-11-01T00:00:00Z\"}\n",
            i, i, i == 0 ? "2026-12-01T01:00:00Z" : "2100-01-01T00:00:00Z");
    assert_true(lb_file_replace(self->path, lb_buffer_str(&out)));
    lb_buffer_free(&out);
}

static void there_are_only_so_many_and_what_ended_gives_way(void **state)
{
    struct fixture *self = *state;
    char id[LB_SILENCE_ID_SIZE];

    write_many(self, LB_SILENCES_MAX + 5);
    reopen(self);
    assert_int_equal(self->mutes->list.count, LB_SILENCES_MAX);
    assert_string_equal(find(self, "{\"rule\":\"r7777\"}", 0).name, "0000000000001e61");
    assert_int_equal(put_in(self, of("true", 0, HOUR), id), LB_LIMIT);
    lb_clock_set(BEGIN + HOUR);
    assert_int_equal(put_in(self, of("true", HOUR, 2 * HOUR), id), LB_OK);
    assert_int_equal(self->mutes->list.count, LB_SILENCES_MAX);
    assert_int_equal(put_in(self, of("true", HOUR, 2 * HOUR), id), LB_LIMIT);
}

static void what_ended_is_kept_for_five_days(void **state)
{
    struct fixture *self = *state;
    char id[LB_SILENCE_ID_SIZE];
    char other[LB_SILENCE_ID_SIZE];
    struct lb_buffer out;

    lb_buffer_init(&out, 1 << 20);
    assert_int_equal(put_in(self, of("true", 0, HOUR), id), LB_OK);
    lb_clock_set(BEGIN + 119 * HOUR);
    assert_int_equal(put_in(self, of("true", 119 * HOUR, 130 * HOUR), other), LB_OK);
    assert_true(lb_mutes_write_one(self->mutes, lb_str_from(id), lb_clock_now(), &out));
    lb_clock_set(BEGIN + 122 * HOUR);
    assert_int_equal(put_in(self, of("true", 122 * HOUR, 130 * HOUR), other), LB_OK);
    assert_false(lb_mutes_write_one(self->mutes, lb_str_from(id), lb_clock_now(), &out));
    assert_int_equal(self->mutes->list.count, 2);
    lb_buffer_free(&out);
}

static void damage_costs_what_is_damaged(void **state)
{
    struct fixture *self = *state;
    struct lb_buffer out;

    write_many(self, 3);
    lb_buffer_init(&out, 1 << 20);
    assert_int_equal(lb_file_read(self->path, &out), LB_OK);
    lb_buffer_append_char(&out, '\0');
    memcpy(strstr(out.ptr, "rule == r1"), "rule == \\\"", 10);
    out.len -= 20;
    assert_true(lb_file_replace(self->path, lb_buffer_str(&out)));
    reopen(self);
    assert_int_equal(self->mutes->list.count, 1);
    char damaged[80];
    snprintf(damaged, sizeof(damaged), "%s.damaged", self->path);
    assert_int_equal(access(damaged, R_OK), 0);
    lb_buffer_free(&out);
}

static void a_newer_file_is_left_alone(void **state)
{
    struct fixture *self = *state;

    assert_true(lb_file_replace(self->path, LB_STR("{\"version\":2,\"silences\":0}\n")));
    reopen(self);
    assert_null(self->mutes);
    assert_non_null(strstr(self->diag.entries[0].text, "written by a newer logboom"));
}

static void nothing_changes_when_it_cannot_be_kept(void **state)
{
    struct fixture *self = *state;
    char id[LB_SILENCE_ID_SIZE];

    lb_free(self->mutes->path);
    self->mutes->path = lb_alloc(32);
    strcpy(self->mutes->path, "/nonexistent/silences");
    assert_int_equal(put_in(self, of("true", 0, HOUR), id), LB_IO);
    assert_int_equal(find(self, DB, 1).kind, LB_MUTE_NONE);
}

static void every_allocation_may_fail(void **state)
{
    struct fixture *self = *state;
    char id[LB_SILENCE_ID_SIZE];
    enum lb_err err = LB_NOMEM;

    for (long n = 1; err != LB_OK; n++) {
        assert_true(n < 200);
        lb_alloc_fail_at = n;
        err = put_in(self, of("service ~ \"a|b\"", 0, HOUR), id);
        lb_alloc_fail_at = 0;
        assert_int_equal(self->mutes->list.count, err == LB_OK);
    }
}

static const char *const windows =
    "data_dir: /tmp\nsources: {a: {type: stdin}}\nroutes: [{to: s}]\nsinks: {s: {type: stdout}}\n"
    "alerting:\n  routes: [{to: s}]\n  rules: {r: {value: count(), over: 1m, critical: above 1}}\n"
    "  maintenance:\n"
    "    - {name: backup, weekly: 'Tue 02:00-04:00', zone: UTC, where: service == \"db\"}\n"
    "    - {name: longer, monthly: first day 03:00-06:00, zone: UTC}\n";

static void a_window_holds_back_what_it_says(void **state)
{
    struct fixture *self = *state;
    struct lb_config *config = lb_config_parse("test", lb_str_from(windows), &self->diag);
    char id[LB_SILENCE_ID_SIZE];

    if (config == NULL)
        fail_msg("%s", self->diag.entries[0].text);
    uint64_t version = lb_mutes_version(self->mutes);

    lb_mutes_configure(self->mutes, &config->alerting);
    assert_int_not_equal(lb_mutes_version(self->mutes), version);
    assert_int_equal(find(self, DB, HOUR).kind, LB_MUTE_NONE);
    struct lb_mute mute = find(self, DB, 2 * HOUR);
    assert_int_equal(mute.kind, LB_MUTE_MAINTENANCE);
    assert_string_equal(mute.name, "backup");
    assert_int_equal(mute.until, BEGIN + 4 * HOUR);
    assert_int_equal(find(self, WEB, 2 * HOUR).kind, LB_MUTE_NONE);
    assert_string_equal(find(self, DB, 3 * HOUR).name, "longer");
    assert_string_equal(find(self, WEB, 3 * HOUR).name, "longer");
    version = lb_mutes_version(self->mutes);
    lb_clock_set(BEGIN + 2 * HOUR);
    assert_int_equal(lb_mutes_version(self->mutes), version + 1);
    /* A silence comes first: somebody has said why. */
    assert_int_equal(put_in(self, of("service == db", 2 * HOUR, 3 * HOUR), id), LB_OK);
    assert_string_equal(find(self, DB, 2 * HOUR).name, id);
    lb_mutes_free(self->mutes);
    self->mutes = NULL;
    lb_config_free(config);
}

static void a_preview_lists_what_would_be_silenced(void **state)
{
    struct fixture *self = *state;
    struct lb_buffer out;

    lb_buffer_init(&out, 1 << 20);
    assert_int_equal(
        lb_mutes_preview(LB_STR("severity >= high and service == db"), LB_STR("[" DB "," WEB "]"), &out, &self->diag),
        1);
    assert_text(lb_buffer_str(&out), "[" DB "]");
    lb_buffer_reset(&out);
    assert_int_equal(lb_mutes_preview(LB_STR("true"), LB_STR("[]"), &out, &self->diag), 0);
    assert_text(lb_buffer_str(&out), "[]");
    assert_int_equal(lb_mutes_preview(LB_STR("severity >="), LB_STR("[]"), &out, &self->diag), -1);
    assert_int_equal(self->diag.errors, 1);
    lb_buffer_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_silence_holds_from_its_beginning_to_its_end),
        TEST(a_restart_keeps_them),
        TEST(the_version_counts_changes_and_edges),
        TEST(a_change_replaces_only_what_it_says),
        TEST(says_what_is_wrong_and_where),
        TEST(there_are_only_so_many_and_what_ended_gives_way),
        TEST(what_ended_is_kept_for_five_days),
        TEST(damage_costs_what_is_damaged),
        TEST(a_newer_file_is_left_alone),
        TEST(nothing_changes_when_it_cannot_be_kept),
        TEST(every_allocation_may_fail),
        TEST(a_window_holds_back_what_it_says),
        TEST(a_preview_lists_what_would_be_silenced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
