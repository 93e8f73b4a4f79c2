/*
 * daemon_change_rules.c - the alert rules of the next generation.
 *
 * Rules that are the same go on with their windows. An engine that is there
 * learns of the others when the marker comes; one that is made now has them
 * from the beginning.
 */
#include "daemon_change.h"

static int32_t find_rule(const struct generation *self, struct lb_str name)
{
    for (uint32_t i = 0; i < self->config->alerting.rule_count; i++) {
        if (lb_str_equal(self->config->alerting.rules[i].name, name))
            return (int32_t)i;
    }
    return -1;
}

static void compare_rules(struct change *self, struct lb_alert_change *change)
{
    const struct lb_alerting *alerting = &self->to->config->alerting;
    struct reload_counts *counts = &self->result->rules;

    for (uint32_t i = 0; i < alerting->rule_count; i++) {
        int32_t before = find_rule(self->from, alerting->rules[i].name);
        bool same = before >= 0 && self->from->rule_prints[before] == self->to->rule_prints[i];

        if (same && change != NULL)
            change->kept[i] = before;
        if (alerting->rules[i].is_part)
            continue;
        counts->kept += same;
        counts->changed += before >= 0 && !same;
        counts->added += before < 0;
    }
    counts->removed = lb_alerting_rule_count(&self->from->config->alerting) - counts->kept - counts->changed;
}

static void map_sinks(struct change *self, struct lb_alert_change *change)
{
    uint32_t index;

    for (uint32_t i = 0; i < self->from->config->sink_count; i++) {
        if (generation_find_sink(self->to, self->from->sinks[i].sink->section.name, &index) != NULL)
            change->sinks[i] = (int32_t)index;
    }
}

/*
 * An engine that is made now has the rules of `to` from the beginning. Nothing is pushed to it before the switch, and
 * its thread is not started before all sinks are open, for rules may have to tell what is missing at once.
 */
bool change_rules_prepare(struct change *self)
{
    struct generation *to = self->to;
    bool is_there = self->daemon->alerts != NULL;

    pthread_mutex_lock(&self->daemon->lock);
    self->daemon->rules_changed = !is_there;
    pthread_mutex_unlock(&self->daemon->lock);
    if (is_there)
        to->change = lb_alert_change_new(&to->config->alerting, to->config->sink_count);
    if (is_there ? to->change == NULL : !make_alerts(self->daemon, to->config)) {
        lb_diag_error(self->diag, (struct lb_place){ to->config->file, 0, 0 }, "out of memory for alert rules");
        return false;
    }
    self->engine_made = !is_there && self->daemon->alerts != NULL;
    compare_rules(self, to->change);
    if (to->change != NULL)
        map_sinks(self, to->change);
    return true;
}

/* With all that it may tell somebody open. */
bool change_rules_start(struct change *self)
{
    if (!self->engine_made || lb_alert_engine_start(self->daemon->alerts) == LB_OK)
        return true;
    lb_diag_error(self->diag, (struct lb_place){ self->to->config->file, 0, 0 }, "no memory for the thread of alerts");
    return false;
}

void change_rules_take_back(struct change *self)
{
    struct lb_daemon *daemon = self->daemon;

    if (!self->engine_made)
        return;
    pthread_mutex_lock(&daemon->lock);
    struct lb_alert_engine *engine = daemon->alerts;
    daemon->alerts = NULL;
    pthread_mutex_unlock(&daemon->lock);
    pthread_mutex_lock(&daemon->parts_lock);
    lb_alert_engine_free(engine);
    pthread_mutex_unlock(&daemon->parts_lock);
}
