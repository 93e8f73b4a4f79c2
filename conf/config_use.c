/*
 * config_use.c - faults between sections: sources that lead nowhere, sinks
 * and parsers that nothing uses.
 *
 * Whatever refers to a parser or sink does it through an option table, so
 * walking all tables finds every use.
 */
#include "loading.h"

#include "lb_parser.h"

struct used {
    const struct lb_config *config;
    uint64_t sinks;
    bool parsers[LB_PARSERS_MAX];
};

static void note_chain(struct used *self, const struct lb_parser_chain *chain)
{
    for (uint32_t i = 0; chain != NULL && i < chain->count; i++) {
        for (uint32_t j = 0; j < self->config->parser_count; j++)
            self->parsers[j] = self->parsers[j] || chain->parsers[i] == &self->config->parsers[j];
    }
}

static void note(void *context, const char *path, const struct lb_option *option, void *member)
{
    struct used *self = context;

    (void)path;
    if (option->kind == LB_OPTION_SINKS)
        self->sinks |= *(const uint64_t *)member;
    else if (option->kind == LB_OPTION_PARSERS)
        note_chain(self, *(struct lb_parser_chain *const *)member);
}

static void note_steps(struct used *self, const struct lb_alert_escalation *steps)
{
    for (uint32_t i = 0; i < steps->count; i++)
        self->sinks |= steps->items[i].sinks;
}

static void note_all(struct used *self)
{
    const struct lb_config *config = self->config;
    const struct lb_visitor visitor = { note, self };

    for (uint32_t i = 0; i < config->source_count; i++) {
        const struct lb_source *source = &config->sources[i];

        note_chain(self, source->options.parse);
        if (source->type != NULL)
            lb_options_walk(source->type->module.options, source->state, &visitor);
    }
    for (uint32_t i = 0; i < config->parser_count; i++) {
        if (config->parsers[i].type != NULL)
            lb_options_walk(config->parsers[i].type->module.options, config->parsers[i].state, &visitor);
    }
    for (uint32_t i = 0; i < config->sink_count; i++) {
        if (config->sinks[i].type != NULL)
            lb_options_walk(config->sinks[i].type->module.options, config->sinks[i].state, &visitor);
        self->sinks |= config->sinks[i].options.otherwise;
    }
    for (uint32_t i = 0; i < config->plan.filter_count; i++)
        lb_options_walk(config->plan.filters[i].type->module.options, config->plan.filters[i].state, &visitor);
    for (uint32_t i = 0; i < config->plan.route_count; i++)
        self->sinks |= config->plan.routes[i].sinks;
    for (uint32_t i = 0; i < config->alerting.route_count; i++) {
        self->sinks |= config->alerting.routes[i].sinks;
        note_steps(self, &config->alerting.manners[i].escalate);
    }
    self->sinks |= config->alerting.self.sinks | config->alerting.heartbeat.sinks;
    for (uint32_t i = 0; i < config->alerting.report_count; i++)
        self->sinks |= config->alerting.reports[i].sinks;
    for (uint32_t i = 0; i < config->alerting.rule_count; i++)
        note_steps(self, &config->alerting.rules[i].escalate);
    for (uint32_t i = 0; i < config->alerting.rule_count; i++)
        self->sinks |= config->alerting.rules[i].sinks;
}

static void warn_unused(struct lb_loading *self)
{
    struct used used = { .config = self->config };

    note_all(&used);
    for (uint32_t i = 0; i < self->config->sink_count; i++) {
        const struct lb_section *section = &self->config->sinks[i].section;

        if ((used.sinks & (UINT64_C(1) << i)) == 0)
            lb_diag_warn(self->diag, section->node->place, "sink \"%s\": no route and no alert sends to it",
                         section->name.ptr);
    }
    for (uint32_t i = 0; i < self->config->parser_count; i++) {
        const struct lb_section *section = &self->config->parsers[i].section;

        if (!used.parsers[i])
            lb_diag_warn(self->diag, section->node->place, "parser \"%s\": nothing uses it", section->name.ptr);
    }
}

static bool is_empty(const struct lb_node *node)
{
    return node == NULL || (node->kind != LB_NODE_SCALAR && node->count == 0);
}

static void tell_no_way(struct lb_loading *self, struct lb_place place)
{
    uint32_t count = self->config->source_count;
    const char *sink = self->config->sink_count > 0 ? self->config->sinks[0].section.name.ptr : "archive";

    lb_diag_error(self->diag, place,
                  "%u source%s, but no route sends records anywhere; add for example \"routes: [{to: %s}]\"", count,
                  count == 1 ? "" : "s", sink);
}

void lb_loading_cross_check(struct lb_loading *self)
{
    const struct lb_node *sources = lb_node_get(self->root, "sources");
    const struct lb_node *rules = lb_node_get(lb_node_get(self->root, "alerting"), "rules");
    const struct lb_node *reports = lb_node_get(lb_node_get(self->root, "alerting"), "reports");
    bool no_way = is_empty(lb_node_get(self->root, "routes")) && is_empty(rules) && is_empty(reports);

    if (is_empty(sources))
        lb_diag_error(self->diag, sources != NULL ? sources->place : self->root->place,
                      "no sources: add for example \"sources: {app: {type: file, include: [/var/log/app.log]}}\"");
    else if (no_way)
        tell_no_way(self, sources->place);
    /* What a fault hides may well be what uses it. */
    if (self->diag->errors == self->errors)
        warn_unused(self);
}
