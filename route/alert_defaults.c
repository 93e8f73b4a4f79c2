/*
 * alert_defaults.c - `alerting.defaults`: keys of rules, said once for all.
 *
 * What a rule says itself wins, also where it says 0. Labels are not united:
 * a rule with labels of its own has those.
 */
#include "alert_conf.h"

#include "lb_clock.h"

#define AT(name) offsetof(struct lb_alert_defaults, name)
#define DAYS (24 * 3600 * LB_SECOND)

const struct lb_option lb_alert_default_options[] = {
    { "severity", LB_OPTION_CHOICE, AT(severity), NULL, "The severity of a rule with \"when\"", 0,
      lb_alert_severity_words, NULL, 0, 0 },
    { "min_count", LB_OPTION_COUNT, AT(min_count), NULL, "Records that a window needs before its value is judged", 0,
      NULL, NULL, 0, 0 },
    { "cooldown", LB_OPTION_DURATION, AT(cooldown_ns), NULL,
      "After a notice, no other of the same or a lower severity for this long", 0, NULL, NULL, 0, 31 * DAYS },
    { "for", LB_OPTION_DURATION, AT(for_ns), NULL, "How long a threshold must be crossed before it fires", 0, NULL,
      NULL, 0, 31 * DAYS },
    { "hold", LB_OPTION_DURATION, AT(hold_ns), NULL, "How long no threshold must be crossed before it has ended", 0,
      NULL, NULL, 0, 31 * DAYS },
    { "settle", LB_OPTION_DURATION, AT(settle_ns), NULL,
      "How long the end of a short alert waits to be told, for it may come back", 0, NULL, NULL, 0, 31 * DAYS },
    { "repeat", LB_OPTION_DURATION, AT(repeat_ns), NULL, "Told again so often while it fires", 0, NULL, NULL, 0,
      31 * DAYS },
    { "forget", LB_OPTION_DURATION, AT(forget_ns), NULL, "Of absent: a key without a record for so long is no more", 0,
      NULL, NULL, 0, 366 * DAYS },
    { "unknown_after", LB_OPTION_DURATION, AT(unknown_ns), NULL,
      "Of absent: told when nothing can be said for so long, because the source is behind", 0, NULL, NULL, 0,
      31 * DAYS },
    { "runbook", LB_OPTION_STRING, AT(runbook), NULL, "Where people find what to do, an address", 0, NULL, NULL, 0, 0 },
    { "labels", LB_OPTION_PAIRS, AT(labels), NULL, "Names and values that are added to each alert", 0, NULL, NULL, 0,
      0 },
    { "to", LB_OPTION_SINKS, AT(sinks), NULL, "Sinks, besides those of alerting.routes", 0, NULL, NULL, 0, 0 },
    { 0 },
};

/* Where a default goes. */
static const struct {
    const char *name;
    size_t from;
    size_t to;
    size_t size;
} members[] = {
#define MEMBER(name, member)                                                                                           \
    {                                                                                                                  \
        name, AT(member), offsetof(struct lb_alert_rule, member), sizeof(((struct lb_alert_rule *)NULL)->member)       \
    }
    MEMBER("min_count", min_count),
    MEMBER("cooldown", cooldown_ns),
    MEMBER("for", for_ns),
    MEMBER("hold", hold_ns),
    MEMBER("settle", settle_ns),
    MEMBER("repeat", repeat_ns),
    MEMBER("forget", forget_ns),
    MEMBER("runbook", runbook),
    MEMBER("labels", labels),
    MEMBER("unknown_after", unknown_ns),
    MEMBER("to", sinks),
#undef MEMBER
};

static bool says(const struct lb_node *node, const char *name)
{
    return node != NULL && node->kind == LB_NODE_MAP && lb_node_get(node, name) != NULL;
}

bool lb_alert_is_said(const struct lb_node *node, const struct lb_alert_defaults *defaults, const char *name)
{
    return says(node, name) || says(defaults->node, name);
}

void lb_alert_defaults_apply(const struct lb_alert_defaults *defaults, const struct lb_node *node,
                             struct lb_alert_rule *rule, int *severity)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (says(defaults->node, members[i].name) && !says(node, members[i].name))
            memcpy((char *)rule + members[i].to, (const char *)defaults + members[i].from, members[i].size);
    if (says(defaults->node, "severity") && !says(node, "severity"))
        *severity = defaults->severity;
}
