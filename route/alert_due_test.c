/* alert_due_test.c - of thousands of alerts only those are looked at of which something is due. */
#include "alert_ground.h"

enum { MANY = 500, PIECE = 64 };

struct lb_mutes {
    uint64_t version;
    bool mute;
    uint32_t asked;
};

static struct lb_mute find_mute(struct lb_mutes *mutes, const struct lb_record *event, int64_t now,
                                struct lb_scratch *scratch)
{
    (void)event;
    (void)now;
    (void)scratch;
    mutes->asked++;
    return (struct lb_mute){ mutes->mute ? LB_MUTE_SILENCE : LB_MUTE_NONE, LB_TIME_NONE, "s" };
}

static uint64_t mutes_version(struct lb_mutes *mutes)
{
    return mutes->version;
}

/* Many alerts that fire, and were looked at. */
static struct fixture *ground(struct lb_mutes *mutes)
{
    static char keys[MANY][40];
    static struct shot shots[MANY];
    struct fixture *self = open_ground();

    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 1");
    self->rules[0].sinks = 0; /* they are looked at, and nobody is told */
    start(self);
    self->engine->notifier.find_mute = find_mute;
    self->engine->notifier.mutes_version = mutes_version;
    self->engine->notifier.mutes = mutes;
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof(keys[i]), "ip=10.0.%u.%u", i / 250, i % 250);
        shots[i] = (struct shot){ 0, keys[i], false, 0 };
    }
    send(self, shots, MANY, 0);
    idle(self, LB_SECOND, 2 * LB_SECOND);
    assert_int_equal(self->engine->notifier.incidents.count, MANY);
    return self;
}

static void nobody_asks_again_while_nothing_changes(void **state)
{
    struct lb_mutes mutes = { .version = 1 };
    struct fixture *self = ground(&mutes);

    (void)state;
    mutes.asked = 0;
    idle(self, 3 * LB_SECOND, 59 * LB_SECOND);
    assert_int_equal(mutes.asked, 0);
    /* Now and then, for routes and silences that ask for a value; not all at once. */
    idle(self, 60 * LB_SECOND, 90 * LB_SECOND);
    assert_true(mutes.asked > 0 && mutes.asked < MANY);
    close_ground(self);
}

static void a_silence_that_comes_is_asked_for_each_and_once(void **state)
{
    struct lb_mutes mutes = { .version = 1 };
    struct fixture *self = ground(&mutes);
    uint32_t held = 0;

    (void)state;
    mutes = (struct lb_mutes){ .version = 2, .mute = true };
    idle(self, 3 * LB_SECOND, 20 * LB_SECOND);
    assert_int_equal(mutes.asked, MANY);
    for (const struct lb_incident *each = self->engine->notifier.incidents.first; each != NULL; each = each->next)
        held += each->held;
    assert_int_equal(held, MANY);
    close_ground(self);
}

static void much_at_once_is_done_in_pieces(void **state)
{
    struct lb_mutes mutes = { .version = 1 };
    struct fixture *self = ground(&mutes);
    struct lb_alert_notifier *notifier = &self->engine->notifier;
    int ticks = 0;

    (void)state;
    notifier->piecewise = true;
    mutes = (struct lb_mutes){ .version = 2 };
    do {
        uint32_t before = mutes.asked;

        lb_alert_notifier_tick(notifier, BEGIN + 3 * LB_SECOND);
        assert_true(mutes.asked - before <= PIECE);
    } while (notifier->urgent && ++ticks < MANY);
    assert_int_equal(mutes.asked, MANY);
    assert_true(ticks >= MANY / PIECE);
    close_ground(self);
}

static void places_are_used_again(void **state)
{
    struct lb_incidents table = { 0 };
    struct lb_incident *due[4];
    struct lb_incident *made[3];

    (void)state;
    for (uint64_t round = 0; round < 100; round++) {
        for (uint64_t i = 0; i < 3; i++) {
            uint64_t print[2] = { i, round };

            made[i] = lb_incidents_add(&table, print, LB_STR("r"), LB_STR(""));
            assert_non_null(made[i]);
        }
        assert_int_equal(lb_incidents_due(&table, INT64_MAX - 1, due, 4), 0);
        lb_incidents_schedule(&table, made[2], 5);
        lb_incidents_schedule(&table, made[0], 7);
        assert_int_equal(lb_incidents_due(&table, 6, due, 4), 1);
        assert_ptr_equal(due[0], made[2]);
        assert_int_equal(lb_incidents_due(&table, 7, due, 4), 2);
        assert_ptr_equal(due[0], made[0]);
        for (int i = 0; i < 3; i++)
            lb_incidents_remove(&table, made[i]);
        assert_int_equal(lb_incidents_due(&table, INT64_MAX, due, 4), 0);
    }
    assert_true(table.place_count <= 64);
    lb_incidents_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_asks_again_while_nothing_changes),
        cmocka_unit_test(a_silence_that_comes_is_asked_for_each_and_once),
        cmocka_unit_test(much_at_once_is_done_in_pieces),
        cmocka_unit_test(places_are_used_again),
    };

    return cmocka_run_group_tests_name("route/alert_due", tests, NULL, NULL);
}
