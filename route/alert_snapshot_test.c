/* alert_snapshot_test.c - what a rule knows survives, byte for byte, and nothing read is trusted. */
#include "alert_ground.h"

#include "alert_snapshot.h"

#include <math.h>

static struct lb_alert_runner *find(void *context, struct lb_str rule)
{
    struct lb_alert_engine *engine = context;

    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        if (lb_str_equal(engine->alerting->rules[i].name, rule))
            return &engine->runners[i];
    return NULL;
}

static const uint64_t same_sinks[64] = { 1, 2 };

static struct lb_buffer snapshot_of(const struct lb_alert_engine *engine)
{
    struct lb_buffer out;

    lb_buffer_init(&out, 64 * 1024 * 1024);
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        lb_alert_snapshot_write(&out, &engine->runners[i]);
    assert_false(out.failed);
    return out;
}

/* The engine ends, and another begins with what this one knew. */
static void restart(struct fixture *self)
{
    struct lb_buffer bytes = snapshot_of(self->engine);
    struct lb_str rest = lb_buffer_str(&bytes);
    struct lb_buffer told;

    lb_buffer_init(&told, 1024 * 1024);
    lb_alert_notifier_write(&told, &self->engine->notifier);
    lb_alert_engine_free(self->engine);
    start(self);
    assert_true(lb_alert_notifier_read(&self->engine->notifier, lb_buffer_str(&told), same_sinks));
    lb_buffer_free(&told);
    for (uint32_t i = 0; i < self->alerting.rule_count; i++)
        assert_int_equal(lb_alert_snapshot_read(&rest, find, self->engine), LB_OK);
    assert_int_equal(lb_alert_snapshot_read(&rest, find, self->engine), LB_END);
    struct lb_buffer again = snapshot_of(self->engine);
    assert_int_equal(again.len, bytes.len);
    lb_alert_notifier_begin(&self->engine->notifier, self->engine->now);
    lb_buffer_free(&bytes);
    lb_buffer_free(&again);
}

static void forty_before_and_forty_after_a_restart_are_eighty(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 60 * MINUTE, "at least 50");
    start(self);
    for (int i = 0; i < 40; i++)
        hit(self, i * LB_SECOND);
    restart(self);
    for (int i = 40; i < 49; i++)
        hit(self, i * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    hit(self, 49 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 49 * LB_SECOND);
    close_ground(self);
}

static void what_was_told_is_called_off_after_a_restart_and_not_told_again(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    start(self);
    hit(self, 0);
    hit(self, LB_SECOND);
    assert_int_equal(self->told_count, 1);
    restart(self);
    hit(self, 2 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    idle(self, 3 * LB_SECOND, 5 * MINUTE);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "logins " IP1 " resolved critical");
    assert_string_equal(self->told[1].id, self->told[0].id);
    close_ground(self);
}

/* The same with and without a restart in every place, for each function, exact and in slots. */
static void a_restart_changes_nothing(void **state)
{
    static const enum lb_alert_function functions[] = { LB_ALERT_COUNT,    LB_ALERT_RATIO,       LB_ALERT_MAX,
                                                        LB_ALERT_STDDEV,   LB_ALERT_PERCENTILE,  LB_ALERT_LAST,
                                                        LB_ALERT_DISTINCT, LB_ALERT_CONSECUTIVE, LB_ALERT_AVG };

    (void)state;
    for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++) {
        double values[2];

        for (int restarts = 0; restarts < 2; restarts++) {
            struct fixture *self = open_ground();
            struct lb_alert_rule rule = count_rule("r", 10 * MINUTE, "at least 1000000000");

            rule.function = functions[f];
            rule.quantile = 0.9;
            rule.inner = (const struct lb_expr *)&by_ip;
            rule.where = NULL;
            self->rules[0] = rule;
            self->rules[0].inner = NULL;
            start(self);
            for (int i = 0; i < 1500; i++) {
                struct lb_alert_input input = { .stream = 11,
                                                .time_ns = BEGIN + i * LB_SECOND / 5,
                                                .number = (double)(i * 7919 % 1009),
                                                .key = LB_STR("ip=10.0.0.1") };

                if (restarts > 0 && i % 211 == 210)
                    restart(self);
                self->engine->runners[0].now = input.time_ns;
                lb_alert_apply(&self->engine->runners[0], &input);
            }
            const struct lb_alert_key *key = self->engine->runners[0].keys.lists[LB_ALERT_IDLE].head;
            if (key == NULL)
                key = self->engine->runners[0].keys.lists[LB_ALERT_WATCHED].head;
            assert_non_null(key);
            assert_true(key->window.slotted);
            values[restarts] = key->value;
            close_ground(self);
        }
        /* Deviations are put together in another order then, which rounds differently. */
        if (fabs(values[0] - values[1]) > 1e-9 * values[0] || values[0] <= 0)
            fail_msg("function %d: %.17g, with restarts %.17g", functions[f], values[0], values[1]);
    }
}

static void a_rule_of_another_meaning_begins_anew(void **state)
{
    struct fixture *self = open_ground();
    uint64_t meaning;

    (void)state;
    self->rules[0] = count_rule("logins", 60 * MINUTE, "at least 50");
    meaning = lb_alert_rule_meaning(&self->rules[0]);
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 2");
    self->rules[0].text = LB_STR("words");
    assert_true(meaning == lb_alert_rule_meaning(&self->rules[0]));
    start(self);
    hit(self, 0);
    struct lb_buffer bytes = snapshot_of(self->engine);
    struct lb_str rest = lb_buffer_str(&bytes);
    lb_alert_engine_free(self->engine);
    self->rules[0].over_ns = 61 * MINUTE;
    start(self);
    assert_int_equal(lb_alert_snapshot_read(&rest, find, self->engine), LB_OK);
    assert_int_equal(self->engine->runners[0].keys.count, 0);
    lb_buffer_free(&bytes);
    close_ground(self);
}

/* Every byte wrong in turn, and every end: no crash, no leak; what is read works. */
static void damage_costs_knowledge_and_nothing_else(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 3");
    start(self);
    for (int i = 0; i < 5; i++)
        hit(self, i * LB_SECOND);
    struct lb_buffer bytes = snapshot_of(self->engine);
    for (size_t at = 0; at < bytes.len; at++) {
        for (int turn = 0; turn < 3; turn++) {
            struct lb_str rest = { bytes.ptr, turn == 2 ? at : bytes.len };
            char kept = bytes.ptr[at];
            char damaged[] = { (char)(kept ^ 1), (char)(kept ^ 0x80), kept };

            bytes.ptr[at] = damaged[turn];
            lb_alert_engine_free(self->engine);
            start(self);
            assert_int_not_equal(lb_alert_snapshot_read(&rest, find, self->engine), LB_OK);
            lb_clock_set(BEGIN + MINUTE);
            lb_alert_engine_tick(self->engine, BEGIN + MINUTE, false);
            bytes.ptr[at] = kept;
        }
    }
    lb_buffer_free(&bytes);
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forty_before_and_forty_after_a_restart_are_eighty),
        cmocka_unit_test(what_was_told_is_called_off_after_a_restart_and_not_told_again),
        cmocka_unit_test(a_restart_changes_nothing),
        cmocka_unit_test(a_rule_of_another_meaning_begins_anew),
        cmocka_unit_test(damage_costs_knowledge_and_nothing_else),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/alert_snapshot", tests, NULL, NULL);
}
