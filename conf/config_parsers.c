/* config_parsers.c - the `parsers:` section: parsers that need settings, by name. */
#include "loading.h"

#include "lb_parser.h"

static const struct lb_module *type_at(uint32_t index)
{
    const struct lb_parser_type *type = lb_parser_types()[index];

    return type != NULL ? &type->module : NULL;
}

static const struct lb_instances kind = { "parser", type_at };

static void check_name(struct lb_loading *self, const struct lb_node *key)
{
    if (lb_str_is(key->text, "auto") || lb_str_is(key->text, "none") || lb_parser_builtin(key->text) != NULL)
        lb_diag_error(self->diag, key->place, "parser \"%s\": the name belongs to logboom itself; choose another",
                      key->text.ptr);
}

void lb_loading_name_parsers(struct lb_loading *self)
{
    const struct lb_node *section = lb_loading_section(self, "parsers", LB_NODE_MAP);
    struct lb_config *config = self->config;

    if (section == NULL)
        return;
    config->parsers = lb_arena_zalloc(&config->arena, (section->count + 1) * sizeof(struct lb_parser));
    if (config->parsers == NULL || section->count > LB_PARSERS_MAX) {
        lb_diag_error(self->diag, section->place, "more than %d parsers", LB_PARSERS_MAX);
        return;
    }
    for (uint32_t i = 0; i < section->count; i++) {
        struct lb_instance instance = lb_instance_open(self, &kind, &section->keys[i], &section->values[i]);
        struct lb_parser *parser = &config->parsers[config->parser_count++];

        check_name(self, &section->keys[i]);
        parser->section = instance.section;
        parser->type = instance.module != NULL ? lb_parser_types()[instance.type] : NULL;
        parser->state = instance.state;
    }
}

void lb_loading_parsers(struct lb_loading *self)
{
    for (uint32_t i = 0; i < self->config->parser_count; i++) {
        const struct lb_parser *parser = &self->config->parsers[i];

        if (parser->type == NULL)
            continue;
        const struct lb_instance instance = { .section = parser->section,
                                              .module = &parser->type->module,
                                              .state = parser->state };
        lb_instance_fill(self, &kind, &instance, NULL, NULL);
    }
}
