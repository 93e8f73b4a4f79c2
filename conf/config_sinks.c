/* config_sinks.c - the `sinks:` section. A sink's bit is its place in the file. */
#include "loading.h"

#include "lb_clock.h"

static const struct lb_module *type_at(uint32_t index)
{
    const struct lb_sink_type *type = lb_sink_types()[index];

    return type != NULL ? &type->module : NULL;
}

static const struct lb_instances kind = { "sink", type_at };

#define AT(member) offsetof(struct lb_sink_options, member)

static const char *const when_full_names[] = { "by_type", "block", "spool", "drop_oldest", NULL };

static const char *const then_names[] = { "block", "drop_oldest", NULL };

static const struct lb_option spool_options[] = {
    { "max_size", LB_OPTION_SIZE, AT(spool_max), "1GiB", "the most that waits on disk, below data_dir/spool",
      .min = 1024 * 1024, .max = INT64_C(1) << 46 },
    { "then", LB_OPTION_CHOICE, AT(spool_then), "block",
      .help = "what happens when that is reached: its sources wait, or the oldest records go, counted",
      .choices = then_names },
    { 0 },
};

static const struct lb_option dead_letter_options[] = {
    { "path", LB_OPTION_STRING, AT(dead_letter), NULL,
      .help = "the file; dead-letters/SINK.jsonl below data_dir unless set" },
    { "topic", LB_OPTION_STRING, AT(dead_letter_topic), NULL,
      .help = "of a kafka sink: the topic that they go to; what it does not take goes to the file" },
    { "max_size", LB_OPTION_SIZE, AT(dead_letter_max), "256MiB", "the most that it holds", .min = 64 * 1024,
      .max = INT64_C(1) << 46 },
    { "then", LB_OPTION_CHOICE, AT(dead_letter_then), "block",
      .help = "what happens when that is reached: block (such records are tried again until there is room) or "
              "drop_oldest (the newer half is kept as PATH.2)",
      .choices = then_names },
    { 0 },
};

const struct lb_option lb_sink_common[] = {
    { "when_full", LB_OPTION_CHOICE, AT(when_full), "by_type",
      .help = "while the sink takes less than comes: block, spool or drop_oldest; by_type: network sinks spool, others "
              "block",
      .choices = when_full_names },
    { "spool", LB_OPTION_GROUP, .help = "where records wait on disk", .group = spool_options },
    { "dead_letter", LB_OPTION_GROUP, .help = "where records are kept that were refused for good",
      .group = dead_letter_options },
    { "else", LB_OPTION_SINKS, AT(otherwise),
      .help = "another sink (or a list) that alerts go to as well while this one fails" },
    { "else_after", LB_OPTION_DURATION, AT(otherwise_ns), "2m",
      .help = "when it has failed for so long; the other channels are told then, too", .min = LB_SECOND,
      .max = 86400 * LB_SECOND },
    { 0 },
};

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

static void check_topic(struct lb_loading *self, const struct lb_sink *sink)
{
    if (sink->options.dead_letter_topic.len > 0 && !sink->type->topics)
        lb_diag_error(self->diag, lb_section_place(&sink->section, "dead_letter"),
                      "sink \"%s\": \"dead_letter.topic\": only a kafka sink has topics, this one is of type %s; use "
                      "dead_letter.path",
                      sink->section.name.ptr, sink->type->module.name);
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
        struct lb_sink *sink = &self->config->sinks[i];
        struct itself itself = { self, sink };
        const struct lb_visitor visitor = { refuse_itself, &itself };

        if (sink->type == NULL)
            continue;
        const struct lb_instance instance = { .section = sink->section,
                                              .module = &sink->type->module,
                                              .state = sink->state };
        lb_instance_fill(self, &kind, &instance, lb_sink_common, &sink->options);
        if (sink->options.when_full == LB_FULL_BY_TYPE)
            sink->options.when_full = sink->type->network ? LB_FULL_SPOOL : LB_FULL_BLOCK;
        check_topic(self, sink);
        lb_options_walk(sink->type->module.options, sink->state, &visitor);
        lb_options_walk(lb_sink_common, &sink->options, &visitor);
    }
}
