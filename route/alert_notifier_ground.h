/*
 * alert_notifier_ground.h - the ground that tests of the notifier stand on.
 *
 * Two rules that fire at once for each record and end 90 s behind the last,
 * routes with a manner, a mute that is switched by the clock, and an engine
 * that goes on with what another one knew.
 */
#ifndef LB_ALERT_NOTIFIER_GROUND_H
#define LB_ALERT_NOTIFIER_GROUND_H

#include "alert_ground.h"

static struct lb_alert_manner manners[2];

/* One rule that fires at once for each record and ends 90 s behind the last, and a clean slate. */
static inline struct fixture *ground(void)
{
    struct fixture *self = open_ground();

    memset(manners, 0, sizeof(manners));
    self->rules[0] = count_rule("logins", MINUTE, "at least 1");
    self->rules[1] = count_rule("other", MINUTE, "at least 1");
    return self;
}

/* Everything goes by one route of that manner, and by the rule itself to nobody. */
static inline void route_all(struct fixture *self, struct lb_alert_manner manner)
{
    manners[0] = manner;
    manners[0].print = 17;
    self->rules[0].sinks = self->rules[1].sinks = 0;
    self->routes[0] = (struct lb_route){ .sinks = 1 << PAGER };
    self->alerting.route_count = 1;
    self->alerting.manners = manners;
}

static inline void hit_key(struct fixture *self, int64_t at, const char *key, uint16_t rule)
{
    send(self, &(struct shot){ at, key, false, rule }, 1, at);
}

/* The states that were told, in order, of those sinks. */
static inline void expect_states(const struct fixture *self, uint64_t sinks, const char *expected)
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
static inline void begin_again_with(struct fixture *self, uint32_t rule_count)
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

static inline void begin_again(struct fixture *self)
{
    begin_again_with(self, self->alerting.rule_count);
}

/* --- mutes ---------------------------------------------------------------- */

struct lb_mutes {
    int64_t from;
    int64_t until;
};

static inline struct lb_mute find_mute(struct lb_mutes *mutes, const struct lb_record *event, int64_t now,
                                       struct lb_scratch *scratch)
{
    struct lb_mute mute = { LB_MUTE_NONE, mutes->until, "backup" };

    (void)scratch;
    assert_true((event->flags & LB_RECORD_ALERT) != 0);
    if (now >= mutes->from && now < mutes->until)
        mute.kind = LB_MUTE_MAINTENANCE;
    return mute;
}

static inline void mute(struct fixture *self, struct lb_mutes *mutes)
{
    self->engine->notifier.find_mute = find_mute;
    self->engine->notifier.mutes = mutes;
}

/* --- who works on it ------------------------------------------------------ */

static inline enum lb_err acknowledge(struct fixture *self, const char *id)
{
    return lb_alert_notifier_acknowledge(&self->engine->notifier, strtoull(id, NULL, 16), LB_STR("bob"),
                                         LB_STR("looking"), lb_clock_now());
}

static inline struct lb_alert_manner grouped(void)
{
    return (struct lb_alert_manner){ .grouped = true, .wait_ns = 10 * LB_SECOND, .interval_ns = MINUTE };
}

#endif
