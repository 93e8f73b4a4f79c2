/* alert_self_test.c - alerts of logboom itself, signs of life, outages, programs: on a clock that the tests set. */
#include "alert_ground.h"

/* --- the rest of the program ---------------------------------------------- */

static struct lb_self_finding wrong[4];
static uint32_t wrong_count;
static int64_t unread;
static char ran[8][200];
static uint32_t ran_count;

static uint32_t findings(void *context, struct lb_self_finding *items, uint32_t room)
{
    (void)context;
    assert_true(wrong_count <= room);
    memcpy(items, wrong, wrong_count * sizeof(items[0]));
    return wrong_count;
}

static int64_t behind_of(void *context, uint64_t stream)
{
    (void)context;
    (void)stream;
    return unread;
}

/* "a|b|", or what it was refused for. */
static void take_run(void *context, const struct lb_alert_run *run)
{
    char *to = ran[ran_count++];

    (void)context;
    snprintf(to, sizeof(ran[0]), LB_STR_FMT, LB_STR_ARG(run->arguments));
    for (size_t i = 0; i < run->arguments.len; i++)
        to[i] = run->arguments.ptr[i] != '\0' ? run->arguments.ptr[i] : '|';
    to[run->arguments.len] = '\0';
    if (run->refused != NULL)
        snprintf(to, sizeof(ran[0]), "refused");
}

static void ask(struct fixture *self, int64_t alive_until)
{
    const struct lb_alert_outside outside = {
        .findings = findings, .behind = behind_of, .run = take_run, .lives = true, .alive_until = alive_until
    };

    lb_alert_engine_ask(self->engine, &outside);
}

static struct fixture *ground(void)
{
    struct fixture *self = open_ground();
    static struct lb_str names[] = { { "archive", 7 }, { "pager", 5 } };
    static struct lb_alert_detour detours[2];

    self->rules[0] = count_rule("logins", MINUTE, "at least 1");
    self->alerting.self = (struct lb_self_options){ .enabled = true, .sinks = 1 << PAGER, .down_ns = MINUTE };
    self->alerting.sink_names = (struct lb_strs){ names, 2 };
    self->alerting.detours = detours;
    wrong_count = ran_count = 0;
    unread = 0;
    return self;
}

static void find(enum lb_self_check check, int8_t severity, const char *name, const char *text)
{
    struct lb_self_finding *finding = &wrong[wrong_count++];

    *finding = (struct lb_self_finding){ .check = check, .severity = severity, .since = BEGIN };
    snprintf(finding->name, sizeof(finding->name), "%s", name);
    snprintf(finding->text, sizeof(finding->text), "%s", text);
}

/* --- what is wrong -------------------------------------------------------- */

static void what_is_wrong_is_told_and_called_off(void **state)
{
    struct fixture *self = ground();

    (void)state;
    start(self);
    ask(self, 0);
    idle(self, 0, 5 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    find(LB_SELF_DISK, LB_SEVERITY_HIGH, "/data", "the disk fills: 9% free");
    idle(self, 6 * LB_SECOND, 60 * LB_SECOND);
    expect_told(self, 0, "logboom_disk {\"path\":\"/data\"} firing high", 6 * LB_SECOND);
    assert_string_equal(self->told[0].message, "logboom_disk: the disk fills: 9% free for path=/data, since 00:00:00Z");
    assert_int_equal(self->told[0].sinks, 1 << PAGER);
    wrong[0].severity = LB_SEVERITY_CRITICAL;
    idle(self, 61 * LB_SECOND, 70 * LB_SECOND);
    expect_told(self, 1, "logboom_disk {\"path\":\"/data\"} updated critical", 61 * LB_SECOND);
    wrong_count = 0;
    idle(self, 71 * LB_SECOND, 80 * LB_SECOND);
    expect_told(self, 2, "logboom_disk {\"path\":\"/data\"} resolved critical", 71 * LB_SECOND);
    assert_int_equal(self->told_count, 3);
    assert_string_equal(self->told[0].id, self->told[2].id);
    close_ground(self);
}

static void the_api_lists_it(void **state)
{
    struct fixture *self = ground();
    struct lb_buffer out;

    (void)state;
    start(self);
    ask(self, 0);
    find(LB_SELF_CLOCK, LB_SEVERITY_MEDIUM, "", "a clock is wrong");
    idle(self, 0, LB_SECOND);
    lb_buffer_init(&out, 4096);
    lb_alert_engine_write(self->engine, &out);
    lb_buffer_append_char(&out, '\0');
    assert_non_null(
        strstr(out.ptr, "[{\"rule\":\"logboom_clock\",\"state\":\"firing\",\"severity\":\"medium\",\"key\":{}"));
    assert_non_null(strstr(out.ptr, "\"reason\":\"a clock is wrong\",\"told\":true"));
    lb_buffer_free(&out);
    close_ground(self);
}

static int64_t pager_fails(void *context, struct lb_str labels)
{
    (void)context;
    return lb_str_is(labels, "pager") ? BEGIN : 0;
}

/* One that only `escalate` leads to is a channel too: it may be down, and its `else` is told. */
static void a_channel_that_is_only_called_may_be_down(void **state)
{
    static struct lb_alert_call_up step = { 5 * MINUTE, 1 << PAGER };
    const struct lb_alert_outside outside = { .behind = behind_of, .failing = pager_fails };
    struct fixture *self = ground();

    (void)state;
    self->alerting.self.sinks = 1 << ARCHIVE;
    self->alerting.detours[PAGER] =
        (struct lb_alert_detour){ .labels = LB_STR("pager"), .sinks = 1 << ARCHIVE, .after_ns = 2 * MINUTE };
    self->rules[0].over_ns = 10 * MINUTE;
    self->rules[0].sinks = 0;
    self->rules[0].escalate = (struct lb_alert_escalation){ &step, 1 };
    self->routes[0] = (struct lb_route){ .sinks = 1 << ARCHIVE };
    self->alerting.route_count = 1;
    start(self);
    lb_alert_engine_ask(self->engine, &outside);
    idle(self, 0, 3 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "channel_down {\"sink\":\"pager\"} firing high");
    self->alerting.detours[PAGER] = (struct lb_alert_detour){ 0 };
    close_ground(self);
}

/* Of a channel `channel_down` tells, and the finding only says why. */
static void a_channel_is_not_told_twice(void **state)
{
    struct fixture *self = ground();

    (void)state;
    start(self);
    ask(self, 0);
    find(LB_SELF_SINK, LB_SEVERITY_HIGH, "pager", "refused");
    find(LB_SELF_SINK, LB_SEVERITY_HIGH, "bus", "refused");
    idle(self, 0, 5 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logboom_sink {\"sink\":\"bus\"} firing high", 0);
    close_ground(self);
}

static void a_restart_does_not_call_off_what_may_still_be_wrong(void **state)
{
    struct fixture *self = ground();
    struct lb_alert_engine *before;

    (void)state;
    start(self);
    ask(self, 0);
    find(LB_SELF_SINK, LB_SEVERITY_HIGH, "bus", "refused");
    idle(self, 0, 5 * LB_SECOND);
    before = self->engine;
    start(self);
    hand_over(before, self->engine);
    lb_alert_engine_free(before);
    ask(self, 0);
    wrong_count = 0;
    idle(self, 10 * LB_SECOND, 2 * MINUTE);
    assert_int_equal(self->told_count, 1);
    find(LB_SELF_SINK, LB_SEVERITY_HIGH, "bus", "refused");
    idle(self, 2 * MINUTE, 3 * MINUTE);
    assert_int_equal(self->told_count, 1);
    wrong_count = 0;
    idle(self, 3 * MINUTE + LB_SECOND, 4 * MINUTE);
    expect_told(self, 1, "logboom_sink {\"sink\":\"bus\"} resolved high", 3 * MINUTE + LB_SECOND);
    close_ground(self);
}

/* --- signs of life -------------------------------------------------------- */

static void it_beats(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->alerting.heartbeat = (struct lb_heartbeat){ .sinks = 1 << ARCHIVE, .every_ns = MINUTE };
    start(self);
    idle(self, 0, 5 * LB_SECOND);
    assert_int_equal(self->told_count, 0); /* a trial of rules */
    ask(self, 0);
    idle(self, 6 * LB_SECOND, 6 * LB_SECOND + 3 * MINUTE);
    assert_int_equal(self->told_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        expect_told(self, i, "heartbeat  heartbeat info", 6 * LB_SECOND + i * MINUTE);
        assert_int_equal(self->told[i].sinks, 1 << ARCHIVE);
    }
    close_ground(self);
}

/* --- an outage ------------------------------------------------------------ */

static void what_an_outage_hid_is_one_summary(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = LB_SECOND;
    lb_clock_set(BEGIN + 15 * MINUTE);
    start(self);
    ask(self, BEGIN);
    unread = LB_SECOND;
    idle(self, 15 * MINUTE, 15 * MINUTE + LB_SECOND);
    for (int i = 0; i < 3; i++)
        send(self, &(struct shot){ (2 + 3 * i) * MINUTE, i == 1 ? "ip=10.0.0.2" : "ip=10.0.0.1", false, 0 }, 1,
             15 * MINUTE + 2 * LB_SECOND);
    idle(self, 15 * MINUTE + 3 * LB_SECOND, 15 * MINUTE + 30 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    unread = 0;
    idle(self, 15 * MINUTE + 31 * LB_SECOND, 17 * MINUTE);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logboom_down  summary critical", 15 * MINUTE);
    assert_string_equal(self->told[0].message,
                        "logboom was down 2026-01-01T00:00:00Z to 2026-01-01T00:15:00Z; 3 alerts would have fired: "
                        "logins of ip=10.0.0.1; logins of ip=10.0.0.2");
    hit(self, 18 * MINUTE);
    expect_told(self, 1, "logins " IP1 " firing critical", 18 * MINUTE);
    close_ground(self);
}

static void what_outlasts_an_outage_is_told(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 10 * MINUTE;
    lb_clock_set(BEGIN + 15 * MINUTE);
    start(self);
    ask(self, BEGIN);
    idle(self, 15 * MINUTE, 15 * MINUTE + LB_SECOND);
    send(self, &(struct shot){ 14 * MINUTE, "ip=10.0.0.1", false, 0 }, 1, 15 * MINUTE + 2 * LB_SECOND);
    idle(self, 15 * MINUTE + 3 * LB_SECOND, 30 * MINUTE);
    uint32_t firing = 0;
    for (uint32_t i = 0; i < self->told_count; i++)
        firing += strcmp(self->told[i].line, "logins " IP1 " firing critical") == 0;
    assert_int_equal(firing, 1);
    close_ground(self);
}

static void a_short_stop_is_not_told(void **state)
{
    struct fixture *self = ground();

    (void)state;
    lb_clock_set(BEGIN + 30 * LB_SECOND);
    start(self);
    ask(self, BEGIN);
    idle(self, 30 * LB_SECOND, 5 * MINUTE);
    assert_int_equal(self->told_count, 0);
    close_ground(self);
}

/* --- programs ------------------------------------------------------------- */

static void a_program_is_run_once_for_an_incident(void **state)
{
    struct fixture *self = ground();
    struct lb_str words[] = { LB_STR("/bin/x"), LB_STR("-i{ip}"), LB_STR("{ip} {rule}/{severity}") };

    (void)state;
    self->rules[0].run = (struct lb_strs){ words, 3 };
    start(self);
    hit(self, 0);
    assert_int_equal(ran_count, 0); /* a trial of rules runs nothing */
    idle(self, LB_SECOND, 5 * MINUTE);
    ask(self, 0);
    hit(self, 6 * MINUTE);
    hit(self, 6 * MINUTE + LB_SECOND);
    idle(self, 6 * MINUTE + 2 * LB_SECOND, 12 * MINUTE);
    assert_int_equal(ran_count, 1);
    assert_string_equal(ran[0], "/bin/x|-i10.0.0.1|10.0.0.1 logins/critical|");
    hit(self, 13 * MINUTE);
    assert_int_equal(ran_count, 2);
    send(self, &(struct shot){ 14 * MINUTE, "ip=-rf", false, 0 }, 1, 14 * MINUTE);
    assert_string_equal(ran[2], "refused");
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_told_and_called_off),
        cmocka_unit_test(the_api_lists_it),
        cmocka_unit_test(a_channel_that_is_only_called_may_be_down),
        cmocka_unit_test(a_channel_is_not_told_twice),
        cmocka_unit_test(a_restart_does_not_call_off_what_may_still_be_wrong),
        cmocka_unit_test(it_beats),
        cmocka_unit_test(what_an_outage_hid_is_one_summary),
        cmocka_unit_test(what_outlasts_an_outage_is_told),
        cmocka_unit_test(a_short_stop_is_not_told),
        cmocka_unit_test(a_program_is_run_once_for_an_incident),
    };

    return cmocka_run_group_tests_name("route/alert_self", tests, NULL, NULL);
}
