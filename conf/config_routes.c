/*
 * config_routes.c - the `filters:` and `routes:` sections.
 *
 * A filter is a map of one key, its name. What stands behind it is a map of
 * options, or the value of the one option that the filter's table calls
 * `whole`: `drop: level == debug`. Where that option is a map itself
 * (`set: {environment: production}`), it is a map of options only if it names
 * that option and gives it a map: `set: {fields: {…}, where: …}`.
 */
#include "loading.h"

#include "lb_expr.h"

enum { TYPES_MAX = 64 };

#define AT(member) offsetof(struct lb_route, member)

const struct lb_option lb_route_options[] = {
    { .name = "where",
      .kind = LB_OPTION_WHERE,
      .offset = AT(where),
      .help = "the records that match; without it every record" },
    { .name = "to",
      .kind = LB_OPTION_SINKS,
      .offset = AT(sinks),
      .help = "the sink or the list of sinks that get them",
      .flags = LB_OPTION_REQUIRED },
    { .name = "stop",
      .kind = LB_OPTION_BOOL,
      .offset = AT(stop),
      .fallback = "false",
      .help = "a record that matches sees no later route" },
    { 0 },
};

/* --- filters -------------------------------------------------------------- */

static const struct lb_option *whole_option(const struct lb_module *module)
{
    const struct lb_option *option = module->whole != NULL ? module->options : NULL;

    while (option != NULL && option->name != NULL && strcmp(option->name, module->whole) != 0)
        option++;
    return option != NULL && option->name != NULL ? option : NULL;
}

static bool takes_maps(const struct lb_option *option)
{
    return option->kind == LB_OPTION_PAIRS || option->kind == LB_OPTION_TEMPLATES || option->kind == LB_OPTION_NODE;
}

static bool is_map_of_options(const struct lb_option *whole, const struct lb_node *node)
{
    const struct lb_node *value;

    if (node->kind != LB_NODE_MAP)
        return false;
    if (whole == NULL || !takes_maps(whole))
        return true;
    value = lb_node_get(node, whole->name);
    return value != NULL && value->kind == LB_NODE_MAP;
}

static const struct lb_option *const *tables_of(const struct lb_module *module, const struct lb_option *tables[2])
{
    static const struct lb_option none[] = { { 0 } };

    tables[0] = module->options != NULL ? module->options : none;
    tables[1] = NULL;
    return tables;
}

static void fill_filter(struct lb_loading *self, const struct lb_filter *filter, const struct lb_node *node)
{
    const struct lb_module *module = &filter->type->module;
    const struct lb_option *whole = whole_option(module);
    const struct lb_option *tables[2];
    struct lb_str subject = lb_arena_print(&self->config->arena, "filter \"%s\": ", module->name);
    const struct lb_filling filling = { &self->config->arena, self->config, self->diag,
                                        subject.ptr != NULL ? subject.ptr : "", "" };

    if (is_map_of_options(whole, node)) {
        lb_filling_refuse_unknown(&filling, node, tables_of(module, tables), NULL);
        lb_filling_fill(&filling, module->options, node, node->place, filter->state);
        return;
    }
    if (whole == NULL) {
        lb_diag_error(self->diag, node->place, "%sexpected a map, got %s", filling.subject, lb_node_kind_name(node));
        return;
    }
    lb_filling_fill(&filling, module->options, NULL, node->place, filter->state);
    lb_filling_value(&filling, whole, node, (char *)filter->state + whole->offset);
}

static void tell_unknown_filter(struct lb_loading *self, const struct lb_node *key)
{
    const char *words[TYPES_MAX + 1] = { NULL };
    const char *nearest;

    for (uint32_t i = 0; i < TYPES_MAX && lb_filters_all()[i] != NULL; i++)
        words[i] = lb_filters_all()[i]->module.name;
    nearest = lb_nearest(key->text, words);
    if (nearest != NULL)
        lb_diag_error(self->diag, key->place, "unknown filter \"%.80s\"; did you mean \"%s\"?", key->text.ptr, nearest);
    else
        lb_diag_error(self->diag, key->place, "unknown filter \"%.80s\"; expected %s", key->text.ptr,
                      lb_words_join(&self->config->arena, words, "or"));
}

static void load_filter(struct lb_loading *self, const struct lb_node *node)
{
    struct lb_filter *filter = &self->config->plan.filters[self->config->plan.filter_count];

    if (node->kind != LB_NODE_MAP || node->count != 1) {
        lb_diag_error(self->diag, node->kind == LB_NODE_MAP && node->count > 1 ? node->keys[1].place : node->place,
                      "a filter is one key with its value, for example \"- drop: level == debug\"");
        return;
    }
    filter->type = lb_filter_find(node->keys[0].text);
    if (filter->type == NULL) {
        tell_unknown_filter(self, &node->keys[0]);
        return;
    }
    filter->section = (struct lb_section){ node->keys[0].text, &node->values[0] };
    filter->state = lb_arena_zalloc(&self->config->arena, filter->type->module.state_size + 1);
    if (filter->state == NULL) {
        lb_diag_error(self->diag, node->place, "the configuration is too large");
        return;
    }
    self->config->plan.filter_count++;
    fill_filter(self, filter, &node->values[0]);
}

void lb_loading_filters(struct lb_loading *self)
{
    const struct lb_node *section = lb_loading_section(self, "filters", LB_NODE_LIST);
    struct lb_route_plan *plan = &self->config->plan;

    if (section == NULL)
        return;
    plan->filters = lb_arena_zalloc(&self->config->arena, (section->count + 1) * sizeof(struct lb_filter));
    if (plan->filters == NULL || section->count > LB_FILTERS_MAX) {
        lb_diag_error(self->diag, section->place, "%u filters; %d is the most", section->count, LB_FILTERS_MAX);
        return;
    }
    for (uint32_t i = 0; i < section->count; i++)
        load_filter(self, &section->values[i]);
}

/* --- routes --------------------------------------------------------------- */

static void load_route(struct lb_loading *self, const struct lb_node *node)
{
    static const struct lb_option *const tables[] = { lb_route_options, NULL };
    struct lb_route *route = &self->config->plan.routes[self->config->plan.route_count++];
    const struct lb_filling filling = { &self->config->arena, self->config, self->diag, "route: ", "" };

    route->place = node->place;
    if (node->kind != LB_NODE_MAP) {
        lb_diag_error(self->diag, node->place,
                      "a route is a map, for example {where: level >= error, to: archive}; got %s",
                      lb_node_kind_name(node));
        return;
    }
    lb_filling_refuse_unknown(&filling, node, tables, NULL);
    lb_filling_fill(&filling, lb_route_options, node, node->place, route);
}

static enum lb_expr_constant constant(const struct lb_route *route, const struct lb_node *node)
{
    /* A condition that has a fault is told already; it holds neither always nor never. */
    if (route->where == NULL)
        return lb_node_get(node, "where") == NULL ? LB_EXPR_ALWAYS : LB_EXPR_VARIES;
    return lb_expr_constant(route->where);
}

static void refuse_unreachable(struct lb_loading *self, const struct lb_node *section)
{
    const struct lb_route_plan *plan = &self->config->plan;
    const struct lb_route *last = NULL;

    for (uint32_t i = 0; i < plan->route_count; i++) {
        const struct lb_route *route = &plan->routes[i];
        enum lb_expr_constant holds = constant(route, &section->values[i]);

        if (last != NULL)
            lb_diag_error(self->diag, route->place,
                          "this route is never reached: the one at line %u takes every record and stops",
                          last->place.line);
        else if (holds == LB_EXPR_NEVER)
            lb_diag_error(self->diag, lb_node_get(&section->values[i], "where")->begin,
                          "this route is never taken: no record can match \"%.200s\"",
                          lb_node_get(&section->values[i], "where")->text.ptr);
        if (last == NULL && route->stop && holds == LB_EXPR_ALWAYS)
            last = route;
    }
}

void lb_loading_routes(struct lb_loading *self)
{
    const struct lb_node *section = lb_loading_section(self, "routes", LB_NODE_LIST);
    struct lb_route_plan *plan = &self->config->plan;

    plan->sink_count = self->config->sink_count;
    plan->alerting = &self->config->alerting;
    if (section == NULL)
        return;
    plan->routes = lb_arena_zalloc(&self->config->arena, (section->count + 1) * sizeof(struct lb_route));
    if (plan->routes == NULL || section->count > LB_ROUTES_MAX) {
        lb_diag_error(self->diag, section->place, "%u routes; %d is the most", section->count, LB_ROUTES_MAX);
        return;
    }
    for (uint32_t i = 0; i < section->count; i++)
        load_route(self, &section->values[i]);
    refuse_unreachable(self, section);
}
