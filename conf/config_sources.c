/* config_sources.c - the `sources:` section: options of the type, and those that every source takes. */
#include "loading.h"

#include "lb_multiline.h"

#include <stdio.h>

static const struct lb_module *type_at(uint32_t index)
{
    const struct lb_source_type *type = lb_source_types()[index];

    return type != NULL ? &type->module : NULL;
}

static const struct lb_instances kind = { "source", type_at };

#define AT(member) offsetof(struct lb_source_options, member)

const struct lb_option lb_source_common[] = {
    { .name = "parse",
      .kind = LB_OPTION_PARSERS,
      .offset = AT(parse),
      .help = "how lines are read: a parser's name, a list tried in order, auto or none" },
    { .name = "service",
      .kind = LB_OPTION_STRING,
      .offset = AT(service),
      .help = "the service of records that do not name one" },
    { .name = "level", .kind = LB_OPTION_LEVEL, .offset = AT(level), .help = "the level of records that have none" },
    { .name = "fields",
      .kind = LB_OPTION_PAIRS,
      .offset = AT(fields),
      .help = "fields for records that do not have them" },
    { .name = "add",
      .kind = LB_OPTION_STRINGS,
      .offset = AT(add),
      .help = "where a record came from, as fields: any of source, file, offset" },
    { .name = "max_line",
      .kind = LB_OPTION_SIZE,
      .offset = AT(max_line),
      .fallback = "1MiB",
      .help = "longer events are cut and marked `truncated`",
      .min = 64,
      .max = LB_LINE_BYTES_MAX },
    { .name = "multiline",
      .kind = LB_OPTION_NODE,
      .offset = AT(multiline),
      .help = "sources of lines: none, auto (stack traces are known by their look) or a map of start, continuation, "
              "continues, end, count, max_lines (1000) and timeout (2s): which lines are one event" },
    { .name = "durable",
      .kind = LB_OPTION_NODE,
      .offset = AT(durable),
      .help =
          "network sources: true, or {max_size: 1GiB}: what comes is on disk, below data_dir/intake, before it goes "
          "on" },
    { 0 },
};

/* `durable: {…}`, over struct lb_source. */
static const struct lb_option durable_options[] = {
    { .name = "max_size",
      .kind = LB_OPTION_SIZE,
      .offset = offsetof(struct lb_source, intake_max),
      .fallback = "1GiB",
      .help = "the most that waits on disk",
      .min = 1024 * 1024,
      .max = INT64_MAX },
    { 0 },
};

/* `durable:` as the bound of its intake. */
static void read_durable(struct lb_loading *self, struct lb_source *source)
{
    const struct lb_node *node = source->options.durable;
    const struct lb_option *const tables[] = { durable_options, NULL };
    char subject[LB_NAME_BYTES_MAX + 16];
    const struct lb_filling filling = { &self->config->arena, self->config, self->diag, subject, "durable." };

    if (node == NULL)
        return;
    bool scalar = node->kind == LB_NODE_SCALAR;
    if (scalar && lb_str_is(node->text, "false"))
        return;
    snprintf(subject, sizeof(subject), "source \"" LB_STR_FMT "\": ", LB_STR_ARG(source->section.name));
    if (source->type->file_like) {
        lb_diag_error(self->diag, node->place,
                      "%s\"durable\" is for sources on the network; what a source of type %s reads is on disk already, "
                      "and is read again after a crash; remove it",
                      subject, source->type->module.name);
        return;
    }
    if (node->kind == LB_NODE_LIST || (scalar && !lb_str_is(node->text, "true"))) {
        lb_diag_error(self->diag, node->place, "%s\"durable\": expected true, false or {max_size: 1GiB}, got \"%.80s\"",
                      subject, scalar && node->text.ptr != NULL ? node->text.ptr : "a list");
        return;
    }
    if (!scalar)
        (void)lb_filling_refuse_unknown(&filling, node, tables, NULL);
    (void)lb_filling_fill(&filling, durable_options, scalar ? NULL : node, node->place, source);
}

static void read_multiline(struct lb_loading *self, struct lb_source *source)
{
    const struct lb_node *node = source->options.multiline;
    char subject[LB_NAME_BYTES_MAX + 16];

    snprintf(subject, sizeof(subject), "source \"" LB_STR_FMT "\": ", LB_STR_ARG(source->section.name));
    if (node != NULL && !source->type->multiline)
        lb_diag_error(
            self->diag, node->place,
            "%s\"multiline\" is for sources that read lines; what a source of type %s takes in is whole; remove it",
            subject, source->type->module.name);
    else
        (void)lb_multiline_read(self->config, node, subject, &source->multiline, self->diag);
}

/* `add: [source, file]` as bits. */
static unsigned read_add(struct lb_loading *self, const struct lb_source *source)
{
    static const char *const words[] = { "source", "file", "offset", NULL };
    const struct lb_node *node = lb_node_get(source->section.node, "add");
    unsigned bits = 0;

    for (size_t i = 0; i < source->options.add.count; i++) {
        struct lb_str word = source->options.add.items[i];
        unsigned bit = 0;

        while (words[bit] != NULL && !lb_str_is(word, words[bit]))
            bit++;
        if (words[bit] != NULL) {
            bits |= 1U << bit;
            continue;
        }
        const struct lb_node *item = node->kind == LB_NODE_LIST ? &node->values[i] : node;
        lb_diag_error(self->diag, item->place, "source \"%s\": \"add\": expected source, file or offset, got \"%.80s\"",
                      source->section.name.ptr, word.ptr != NULL ? word.ptr : "");
    }
    return bits;
}

static void default_parse(struct lb_loading *self, struct lb_source *source)
{
    const char *name = source->type->parse != NULL ? source->type->parse : "none";
    const struct lb_node node = lb_node_of(lb_str_from(name), source->section.node->place);
    const struct lb_filling filling = { &self->config->arena, self->config, self->diag, "", "" };

    if (source->options.parse == NULL && lb_node_get(source->section.node, "parse") == NULL)
        lb_filling_parsers(&filling, &lb_source_common[0], &node, &source->options.parse);
}

static void load_source(struct lb_loading *self, struct lb_source *source, const struct lb_node *key,
                        const struct lb_node *value)
{
    struct lb_instance instance = lb_instance_open(self, &kind, key, value);

    source->section = instance.section;
    source->state = instance.state;
    if (instance.module == NULL)
        return;
    source->type = lb_source_types()[instance.type];
    lb_instance_fill(self, &kind, &instance, lb_source_common, &source->options);
    source->add = read_add(self, source);
    read_durable(self, source);
    read_multiline(self, source);
    default_parse(self, source);
}

void lb_loading_sources(struct lb_loading *self)
{
    const struct lb_node *section = lb_loading_section(self, "sources", LB_NODE_MAP);
    struct lb_config *config = self->config;

    if (section == NULL)
        return;
    config->sources = lb_arena_zalloc(&config->arena, (section->count + 1) * sizeof(struct lb_source));
    if (config->sources == NULL || section->count > LB_SOURCES_MAX) {
        lb_diag_error(self->diag, section->place, "%u sources; %d is the most", section->count, LB_SOURCES_MAX);
        return;
    }
    for (uint32_t i = 0; i < section->count; i++)
        load_source(self, &config->sources[config->source_count++], &section->keys[i], &section->values[i]);
}
