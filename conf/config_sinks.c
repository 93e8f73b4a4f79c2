/* config_sinks.c - the `sinks:` section. A sink's bit is its place in the file. */
#include "loading.h"

static const struct lb_module *type_at(uint32_t index)
{
    const struct lb_sink_type *type = lb_sink_types()[index];

    return type != NULL ? &type->module : NULL;
}

static const struct lb_instances kind = { "sink", type_at };

void lb_loading_name_sinks(struct lb_loading *self)
{
    const struct lb_node *section = lb_loading_section(self, "sinks", LB_NODE_MAP);
    struct lb_config *config = self->config;

    if (section == NULL)
        return;
    config->sinks = lb_arena_zalloc(&config->arena, (section->count + 1) * sizeof(struct lb_sink));
    if (config->sinks == NULL || section->count > LB_SINKS_MAX) {
        lb_diag_error(self->diag, section->place, "%u sinks; %d is the most", section->count, LB_SINKS_MAX);
        return;
    }
    for (uint32_t i = 0; i < section->count; i++) {
        struct lb_instance instance = lb_instance_open(self, &kind, &section->keys[i], &section->values[i]);
        struct lb_sink *sink = &config->sinks[config->sink_count];

        sink->section = instance.section;
        sink->type = instance.module != NULL ? lb_sink_types()[instance.type] : NULL;
        sink->state = instance.state;
        sink->index = config->sink_count++;
        sink->data_dir = config->data_dir;
    }
}

struct itself {
    struct lb_loading *loading;
    const struct lb_sink *sink;
};

/* `else: itself` would be a circle. */
static void refuse_itself(void *context, const char *path, const struct lb_option *option, void *member)
{
    const struct itself *self = context;

    if (option->kind == LB_OPTION_SINKS && (*(const uint64_t *)member & (UINT64_C(1) << self->sink->index)) != 0)
        lb_diag_error(self->loading->diag, lb_section_place(&self->sink->section, path),
                      "sink \"%s\": \"%s\": a sink cannot name itself", self->sink->section.name.ptr, path);
}

void lb_loading_sinks(struct lb_loading *self)
{
    for (uint32_t i = 0; i < self->config->sink_count; i++) {
        const struct lb_sink *sink = &self->config->sinks[i];
        struct itself itself = { self, sink };
        const struct lb_visitor visitor = { refuse_itself, &itself };

        if (sink->type == NULL)
            continue;
        const struct lb_instance instance = { .section = sink->section,
                                              .module = &sink->type->module,
                                              .state = sink->state };
        lb_instance_fill(self, &kind, &instance, NULL, NULL);
        lb_options_walk(sink->type->module.options, sink->state, &visitor);
    }
}
