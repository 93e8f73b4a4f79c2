/* alert_notifier_test.c - who is told what of an alert, and when: on a clock that the tests set. */
#include "alert_ground.h"

#include "calendar.h"

/* --- the ground ----------------------------------------------------------- */

static struct lb_alert_manner manners[2];

/* One rule that fires at once for each record and ends 90 s behind the last, and a clean slate. */
static struct fixture *ground(void)
{
    struct fixture *self = open_ground();

    memset(manners, 0, sizeof(manners));
    self->rules[0] = count_rule("logins", MINUTE, "at least 1");
    self->rules[1] = count_rule("other", MINUTE, "at least 1");
    return self;
}

/* Everything goes by one route of that manner, and by the rule itself to nobody. */
static void route_all(struct fixture *self, struct lb_alert_manner manner)
{
    manners[0] = manner;
    manners[0].print = 17;
    self->rules[0].sinks = self->rules[1].sinks = 0;
    self->routes[0] = (struct lb_route){ .sinks = 1 << PAGER };
    self->alerting.route_count = 1;
    self->alerting.manners = manners;
}

static void hit_key(struct fixture *self, int64_t at, const char *key, uint16_t rule)
{
    send(self, &(struct shot){ at, key, false, rule }, 1, at);
}

/* The states that were told, in order, of those sinks. */
static void expect_states(const struct fixture *self, uint64_t sinks, const char *expected)
{
    char states[1024] = "";

    for (uint32_t i = 0; i < self->told_count; i++) {
        const char *state = strstr(self->told[i].line, "} ");

        if ((self->told[i].sinks & sinks) != 0 && state != NULL)
            snprintf(states + strlen(states), sizeof(states) - strlen(states), "%s%.*s", states[0] != '\0' ? " " : "",
                     (int)strcspn(state + 2, " "), state + 2);
    }
    assert_string_equal(states, expected);
}

/* The engine ends, another with so many rules goes on with what this one's notifier knew. */
static void begin_again_with(struct fixture *self, uint32_t rule_count)
{
    static const uint64_t same_sinks[64] = { 1, 2 };
    struct lb_buffer known;

    lb_buffer_init(&known, 1024 * 1024);
    lb_alert_notifier_write(&known, &self->engine->notifier);
    lb_alert_engine_free(self->engine);
    self->alerting.rule_count = rule_count;
    start(self);
    assert_true(lb_alert_notifier_read(&self->engine->notifier, lb_buffer_str(&known), same_sinks));
    lb_alert_notifier_begin(&self->engine->notifier, lb_clock_now());
    lb_buffer_free(&known);
}

static void begin_again(struct fixture *self)
{
    begin_again_with(self, self->alerting.rule_count);
}

/* --- mutes ---------------------------------------------------------------- */

struct lb_mutes {
    int64_t from;
    int64_t until;
};

static struct lb_mute find_mute(struct lb_mutes *mutes, const struct lb_record *event, int64_t now,
                                struct lb_scratch *scratch)
{
    struct lb_mute mute = { LB_MUTE_NONE, mutes->until, "backup" };

    (void)scratch;
    assert_true((event->flags & LB_RECORD_ALERT) != 0);
    if (now >= mutes->from && now < mutes->until)
        mute.kind = LB_MUTE_MAINTENANCE;
    return mute;
}

static void mute(struct fixture *self, struct lb_mutes *mutes)
{
    self->engine->notifier.find_mute = find_mute;
    self->engine->notifier.mutes = mutes;
}

static void a_mute_is_told_once_and_then_how_it_stands(void **state)
{
    struct lb_mutes mutes = { BEGIN + MINUTE, BEGIN + 3 * MINUTE };
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 10 * MINUTE;
    self->rules[0].repeat_ns = 30 * LB_SECOND;
    start(self);
    mute(self, &mutes);
    hit(self, 0);
    idle(self, LB_SECOND, 4 * MINUTE);
    assert_string_equal(self->told[2].line, "logins " IP1 " suppressed critical");
    assert_non_null(strstr(self->told[2].message, "maintenance backup until 2026-01-01T00:03:00"));
    idle(self, 4 * MINUTE + LB_SECOND, 20 * MINUTE);
    /* Repeated at 30 s; quiet from 1 to 3 min; then it stands, and is repeated until it ends. */
    assert_string_equal(self->told[3].line, "logins " IP1 " firing critical");
    assert_true(self->told[3].at >= BEGIN + 3 * MINUTE);
    uint32_t ends = 0;
    for (uint32_t i = 0; i < self->told_count; i++)
        ends += strstr(self->told[i].line, "resolved") != NULL;
    assert_int_equal(ends, 1);
    close_ground(self);
}

static void what_fires_and_ends_in_a_mute_is_never_told(void **state)
{
    struct lb_mutes mutes = { BEGIN, BEGIN + 10 * MINUTE };
    struct fixture *self = ground();

    (void)state;
    start(self);
    mute(self, &mutes);
    hit(self, 0);
    idle(self, LB_SECOND, 15 * MINUTE);
    assert_int_equal(self->told_count, 0);
    close_ground(self);
}

static void what_outlasts_a_mute_is_told_at_its_end(void **state)
{
    struct lb_mutes mutes = { BEGIN, BEGIN + MINUTE };
    struct fixture *self = ground();

    (void)state;
    start(self);
    mute(self, &mutes);
    hit(self, 0);
    idle(self, LB_SECOND, 10 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    assert_true(self->told[0].at >= BEGIN + MINUTE - LB_SECOND);
    close_ground(self);
}

static void an_end_is_told_also_in_a_mute_and_once(void **state)
{
    struct lb_mutes mutes = { BEGIN + 30 * LB_SECOND, BEGIN + 10 * MINUTE };
    struct fixture *self = ground();

    (void)state;
    start(self);
    mute(self, &mutes);
    hit(self, 0);
    idle(self, LB_SECOND, 15 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing suppressed resolved");
    close_ground(self);
}

/* --- inhibition ----------------------------------------------------------- */

static struct lb_str others[] = { { "other", 5 } };

static void another_alert_holds_back_those_of_the_same_values(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].inhibits = (struct lb_strs){ others, 1 };
    self->rules[1].over_ns = 10 * MINUTE;
    self->alerting.rule_count = 2;
    start(self);
    hit_key(self, 0, "ip=10.0.0.1", 0);
    hit_key(self, LB_SECOND, "ip=10.0.0.1", 1);
    hit_key(self, LB_SECOND, "ip=10.0.0.2", 1);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "other " IP2 " firing critical");
    idle(self, 2 * LB_SECOND, 80 * LB_SECOND);
    assert_int_equal(self->told_count, 2);
    /* At 90 s the first ends, and the other one still fires. */
    idle(self, 81 * LB_SECOND, 20 * MINUTE);
    assert_string_equal(self->told[2].line, "logins " IP1 " resolved critical");
    assert_string_equal(self->told[3].line, "other " IP1 " firing critical");
    assert_int_equal(self->told_count, 6);
    close_ground(self);
}

static void what_was_told_before_is_told_to_be_suppressed_and_loses_no_end(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].inhibits = (struct lb_strs){ others, 1 };
    self->rules[0].over_ns = 10 * MINUTE;
    self->alerting.rule_count = 2;
    start(self);
    hit_key(self, 0, "ip=10.0.0.1", 1);
    hit_key(self, LB_SECOND, "ip=10.0.0.1", 0);
    idle(self, 2 * LB_SECOND, 5 * MINUTE);
    assert_int_equal(self->told_count, 4);
    assert_string_equal(self->told[2].line, "other " IP1 " suppressed critical");
    assert_non_null(strstr(self->told[2].message, "logins fires"));
    assert_string_equal(self->told[3].line, "other " IP1 " resolved critical");
    close_ground(self);
}

/* --- flapping ------------------------------------------------------------- */

static void dips_shorter_than_hold_are_one_alert(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = LB_SECOND;
    start(self);
    for (int64_t cycle = 0; cycle < 8; cycle++) {
        hit(self, cycle * 10 * LB_SECOND);
        idle(self, cycle * 10 * LB_SECOND + LB_SECOND, cycle * 10 * LB_SECOND + 9 * LB_SECOND);
    }
    idle(self, 80 * LB_SECOND, 30 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    close_ground(self);
}

static void what_comes_and_goes_is_told_as_flapping_and_once_more(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = LB_SECOND;
    start(self);
    for (int64_t cycle = 0; cycle < 8; cycle++) {
        hit(self, cycle * 40 * LB_SECOND);
        idle(self, cycle * 40 * LB_SECOND + LB_SECOND, cycle * 40 * LB_SECOND + 39 * LB_SECOND);
    }
    idle(self, 320 * LB_SECOND, 30 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved firing resolved flapping resolved");
    assert_non_null(strstr(self->told[4].message, "flapping (5 transitions)"));
    assert_non_null(strstr(self->told[5].message, "stable after 16 transitions"));
    /* Quiet for ten minutes behind the last of them. */
    assert_string_equal(self->told[5].id, self->told[4].id);
    close_ground(self);
}

/* --- who works on it ------------------------------------------------------ */

static enum lb_err acknowledge(struct fixture *self, const char *id)
{
    return lb_alert_notifier_acknowledge(&self->engine->notifier, strtoull(id, NULL, 16), LB_STR("bob"),
                                         LB_STR("looking"), lb_clock_now());
}

static struct lb_alert_call_up step = { 10 * MINUTE, 1 << PAGER };

static void nobody_came_so_others_are_called(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 20 * MINUTE;
    self->rules[0].escalate = (struct lb_alert_escalation){ &step, 1 };
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 40 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    expect_states(self, 1 << PAGER, "escalated resolved");
    assert_non_null(strstr(self->told[1].message, "nobody acknowledged it for 10m"));
    assert_int_equal(self->told[1].at, BEGIN + 10 * MINUTE);
    assert_int_equal(self->told_count, 3);
    close_ground(self);
}

static void an_acknowledged_alert_is_not_repeated_nor_escalated_and_ends(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 20 * MINUTE;
    self->rules[0].repeat_ns = 4 * MINUTE;
    self->rules[0].escalate = (struct lb_alert_escalation){ &step, 1 };
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 5 * MINUTE);
    assert_int_equal(acknowledge(self, "1"), LB_END);
    assert_int_equal(acknowledge(self, self->told[0].id), LB_OK);
    idle(self, 5 * MINUTE + LB_SECOND, 8 * MINUTE);
    assert_non_null(strstr(self->told[2].message, "acknowledged by bob: looking"));
    begin_again(self);
    hit(self, 8 * MINUTE); /* the windows are not restored here: it fires on */
    idle(self, 8 * MINUTE + LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing repeated acknowledged resolved");
    expect_states(self, 1 << PAGER, "");
    close_ground(self);
}

/* --- groups --------------------------------------------------------------- */

static struct lb_alert_manner grouped(void)
{
    return (struct lb_alert_manner){ .grouped = true, .wait_ns = 10 * LB_SECOND, .interval_ns = MINUTE };
}

static void what_comes_together_is_told_together(void **state)
{
    struct fixture *self = ground();

    (void)state;
    route_all(self, grouped());
    self->alerting.rule_count = 2;
    start(self);
    hit_key(self, 0, "ip=1", 0);
    hit_key(self, 2 * LB_SECOND, "ip=2", 0);
    hit_key(self, 3 * LB_SECOND, "ip=3", 1);
    idle(self, 4 * LB_SECOND, 9 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    idle(self, 10 * LB_SECOND, 20 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "group {} firing critical");
    assert_non_null(strstr(self->told[0].message, "3 alerts fire, 0 ended: logins critical, logins critical, other"));
    hit_key(self, 21 * LB_SECOND, "ip=4", 0);
    idle(self, 22 * LB_SECOND, 69 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    idle(self, 70 * LB_SECOND, 75 * LB_SECOND);
    assert_string_equal(self->told[1].line, "group {} updated critical");
    assert_non_null(strstr(self->told[1].message, "4 alerts fire"));
    idle(self, 76 * LB_SECOND, 10 * MINUTE);
    assert_string_equal(self->told[self->told_count - 1].line, "group {} resolved critical");
    for (uint32_t i = 1; i < self->told_count; i++)
        assert_string_equal(self->told[i].id, self->told[0].id);
    close_ground(self);
}

static struct lb_str group_fields[] = { { "rule", 4 }, { "ip", 2 } };

static void groups_are_by_the_values_of_fields(void **state)
{
    struct lb_alert_manner manner = grouped();
    struct fixture *self = ground();

    (void)state;
    manner.group_by = (struct lb_strs){ group_fields, 2 };
    route_all(self, manner);
    self->alerting.rule_count = 2;
    start(self);
    hit_key(self, 0, "ip=1", 0);
    hit_key(self, 0, "ip=1", 1);
    idle(self, LB_SECOND, 20 * LB_SECOND);
    assert_int_equal(self->told_count, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_true(strcmp(self->told[i].line, "group {\"rule\":\"logins\",\"ip\":\"1\"} firing critical") == 0 ||
                    strcmp(self->told[i].line, "group {\"rule\":\"other\",\"ip\":\"1\"} firing critical") == 0);
    close_ground(self);
}

static void what_ended_while_the_group_waited_is_told_all_the_same(void **state)
{
    struct lb_alert_manner manner = grouped();
    struct fixture *self = ground();

    (void)state;
    manner.wait_ns = 10 * MINUTE;
    route_all(self, manner);
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 30 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "group {} resolved critical");
    assert_non_null(strstr(self->told[0].message, "0 alerts fire, 1 ended"));
    close_ground(self);
}

/* A mute that begins while the group waits, before anybody was told; what outlasts it is told at its end. */
static void what_is_held_back_while_its_group_waits_is_not_told(void **state)
{
    struct lb_mutes mutes = { BEGIN + 5 * LB_SECOND, BEGIN + 3 * MINUTE };
    struct fixture *self = ground();

    (void)state;
    for (int64_t over = MINUTE; over <= 10 * MINUTE; over += 9 * MINUTE) {
        self->rules[0].over_ns = over;
        route_all(self, grouped());
        start(self);
        mute(self, &mutes);
        hit(self, 0);
        idle(self, LB_SECOND, 179 * LB_SECOND);
        assert_int_equal(self->told_count, 0);
        idle(self, 180 * LB_SECOND, 20 * MINUTE);
        assert_int_equal(self->told_count, over == MINUTE ? 0 : 2);
        if (over == MINUTE) {
            close_ground(self);
            self = ground();
        }
    }
    assert_string_equal(self->told[0].line, "group {} firing critical");
    assert_string_equal(self->told[1].line, "group {} resolved critical");
    close_ground(self);
}

static void a_group_is_repeated_until_all_of_it_is_acknowledged(void **state)
{
    struct lb_alert_manner manner = grouped();
    struct fixture *self = ground();

    (void)state;
    manner.repeat_ns = 5 * MINUTE;
    self->rules[0].over_ns = 60 * MINUTE;
    route_all(self, manner);
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 11 * MINUTE);
    expect_states(self, 1 << PAGER, "firing repeated repeated");
    assert_int_equal(acknowledge(self, self->told[0].id), LB_OK);
    idle(self, 11 * MINUTE + LB_SECOND, 12 * MINUTE - LB_SECOND);
    begin_again(self);
    hit(self, 12 * MINUTE);
    idle(self, 12 * MINUTE + LB_SECOND, 100 * MINUTE);
    expect_states(self, 1 << PAGER, "firing repeated repeated acknowledged resolved");
    close_ground(self);
}

static void a_digest_lists_what_came_and_went(void **state)
{
    struct fixture *self = ground();

    (void)state;
    route_all(self, (struct lb_alert_manner){
                        .grouped = true, .digest = true, .wait_ns = 60 * MINUTE, .interval_ns = 60 * MINUTE });
    start(self);
    hit_key(self, 0, "ip=1", 0);
    idle(self, LB_SECOND, 30 * MINUTE);
    hit_key(self, 30 * MINUTE, "ip=2", 0);
    idle(self, 30 * MINUTE + LB_SECOND, 61 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "group {} digest critical");
    assert_non_null(strstr(self->told[0].message, "2 ended"));
    close_ground(self);
}

/* It ended hours before the list is told. */
static void a_digest_of_a_day_forgets_nothing(void **state)
{
    struct fixture *self = ground();

    (void)state;
    route_all(self, (struct lb_alert_manner){
                        .grouped = true, .digest = true, .wait_ns = 1440 * MINUTE, .interval_ns = 1440 * MINUTE });
    start(self);
    hit_key(self, 0, "ip=1", 0);
    idle(self, LB_SECOND, 1441 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_non_null(strstr(self->told[0].message, "1 ended"));
    close_ground(self);
}

/* --- routes --------------------------------------------------------------- */

static void a_route_repeats_for_its_own_people(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 10 * MINUTE;
    route_all(self, (struct lb_alert_manner){ .repeat_ns = 3 * MINUTE });
    self->rules[0].sinks = 1 << ARCHIVE;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 20 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    expect_states(self, 1 << PAGER, "firing repeated repeated repeated resolved");
    close_ground(self);
}

static void a_route_counts_within_its_hours(void **state)
{
    static struct lb_str hours[] = { { "00:02-01:00", 11 } };
    const struct lb_calendar_text text = { .every = { hours, 1 }, .zone = LB_STR("UTC") };
    struct fixture *self = ground();
    struct lb_diag diag = { 0 };
    struct lb_arena arena;

    (void)state;
    lb_arena_init(&arena, 64 * 1024);
    self->rules[0].over_ns = 10 * MINUTE;
    route_all(self, (struct lb_alert_manner){ .hours = lb_calendar_new(&arena, &text, &diag) });
    assert_non_null(manners[0].hours);
    self->rules[0].sinks = 1 << ARCHIVE;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 119 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing");
    expect_states(self, 1 << PAGER, "");
    idle(self, 2 * MINUTE, 20 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    expect_states(self, 1 << PAGER, "firing resolved");
    close_ground(self);
    lb_arena_free(&arena);
}

/* Other rules and routes from now on, with the same sinks. `kept`: of rule 0. */
static void change(struct fixture *self, const struct lb_alerting *after, int32_t kept)
{
    struct lb_alert_change *change = lb_alert_change_new(after, SINKS);

    for (uint32_t i = 0; i < after->rule_count; i++)
        change->kept[i] = kept;
    change->sinks[ARCHIVE] = ARCHIVE;
    change->sinks[PAGER] = PAGER;
    lb_engine_take_change(self->engine, change);
    lb_alert_engine_flush(self->engine);
}

static void a_rule_that_is_no_more_calls_off_whoever_was_called(void **state)
{
    struct lb_alert_manner manner = grouped();
    struct fixture *self = ground();

    (void)state;
    route_all(self, manner);
    self->rules[0].sinks = 1 << ARCHIVE;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 20 * LB_SECOND);
    struct lb_alerting after = self->alerting;
    after.rule_count = 0;
    change(self, &after, -1);
    idle(self, 21 * LB_SECOND, 5 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    expect_states(self, 1 << PAGER, "firing resolved");
    assert_non_null(strstr(self->told[2].message, "its rule was changed or removed"));
    close_ground(self);
}

static void a_rule_that_is_gone_after_a_restart_calls_off_whoever_was_called(void **state)
{
    struct fixture *self = ground();

    (void)state;
    start(self);
    hit(self, 0);
    begin_again_with(self, 0);
    idle(self, LB_SECOND, 2 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    assert_non_null(strstr(self->told[1].message, "ip=10.0.0.1"));
    assert_non_null(strstr(self->told[1].message, "its rule is no more"));
    idle(self, 3 * LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    close_ground(self);
}

static void a_route_that_tells_in_another_way_leaves_nobody_behind(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 10 * MINUTE;
    route_all(self, grouped());
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 20 * LB_SECOND);
    struct lb_alerting after = self->alerting;
    after.manners = NULL; /* the same route, and now at once */
    change(self, &after, 0);
    idle(self, 21 * LB_SECOND, 40 * MINUTE);
    expect_states(self, 1 << PAGER, "firing resolved firing resolved");
    assert_string_equal(self->told[1].line, "group {} resolved critical");
    assert_string_equal(self->told[2].line, "logins " IP1 " firing critical");
    close_ground(self);
}

static void nobody_is_told_twice_by_a_route_that_changes(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 10 * MINUTE;
    route_all(self, (struct lb_alert_manner){ .repeat_ns = 60 * MINUTE });
    start(self);
    hit(self, 0);
    struct lb_alerting after = self->alerting;
    after.manners = NULL;
    change(self, &after, 0);
    idle(self, LB_SECOND, 40 * MINUTE);
    expect_states(self, 1 << PAGER, "firing resolved");
    close_ground(self);
}

static void a_restart_that_forgets_the_windows_ends_what_was_told(void **state)
{
    struct fixture *self = ground();

    (void)state;
    start(self);
    hit(self, 0);
    begin_again(self);
    idle(self, LB_SECOND, 80 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing");
    idle(self, 81 * LB_SECOND, 5 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    assert_non_null(strstr(self->told[1].message, "nothing was heard of it since the restart"));
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mute_is_told_once_and_then_how_it_stands),
        cmocka_unit_test(what_fires_and_ends_in_a_mute_is_never_told),
        cmocka_unit_test(what_outlasts_a_mute_is_told_at_its_end),
        cmocka_unit_test(an_end_is_told_also_in_a_mute_and_once),
        cmocka_unit_test(another_alert_holds_back_those_of_the_same_values),
        cmocka_unit_test(what_was_told_before_is_told_to_be_suppressed_and_loses_no_end),
        cmocka_unit_test(dips_shorter_than_hold_are_one_alert),
        cmocka_unit_test(what_comes_and_goes_is_told_as_flapping_and_once_more),
        cmocka_unit_test(nobody_came_so_others_are_called),
        cmocka_unit_test(an_acknowledged_alert_is_not_repeated_nor_escalated_and_ends),
        cmocka_unit_test(what_comes_together_is_told_together),
        cmocka_unit_test(groups_are_by_the_values_of_fields),
        cmocka_unit_test(what_ended_while_the_group_waited_is_told_all_the_same),
        cmocka_unit_test(what_is_held_back_while_its_group_waits_is_not_told),
        cmocka_unit_test(a_group_is_repeated_until_all_of_it_is_acknowledged),
        cmocka_unit_test(a_digest_lists_what_came_and_went),
        cmocka_unit_test(a_digest_of_a_day_forgets_nothing),
        cmocka_unit_test(a_route_repeats_for_its_own_people),
        cmocka_unit_test(a_route_counts_within_its_hours),
        cmocka_unit_test(a_rule_that_is_no_more_calls_off_whoever_was_called),
        cmocka_unit_test(a_rule_that_is_gone_after_a_restart_calls_off_whoever_was_called),
        cmocka_unit_test(a_route_that_tells_in_another_way_leaves_nobody_behind),
        cmocka_unit_test(nobody_is_told_twice_by_a_route_that_changes),
        cmocka_unit_test(a_restart_that_forgets_the_windows_ends_what_was_told),
    };

    return cmocka_run_group_tests_name("route/alert_notifier", tests, NULL, NULL);
}
