/* instances.c - what sources, parsers and sinks have in common: a name, a type, options. */
#include "loading.h"

enum { TYPES_MAX = 64 };

static bool is_plain(struct lb_str name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    return name.len > 0 && name.len <= LB_NAME_BYTES_MAX && strspn(name.ptr, letters) == name.len;
}

const char *lb_node_kind_name(const struct lb_node *node)
{
    if (node->kind == LB_NODE_MAP)
        return "a map";
    if (node->kind == LB_NODE_LIST)
        return "a list";
    return lb_node_is_nothing(node) ? "nothing" : "text";
}

/* An unknown type, or none at all. */
static void tell_type(struct lb_loading *self, const struct lb_instances *kind, const struct lb_instance *instance,
                      const struct lb_node *type)
{
    const char *words[TYPES_MAX + 1] = { NULL };
    const char *name = instance->section.name.ptr;
    const char *all;
    const char *nearest;

    for (uint32_t i = 0; i < TYPES_MAX && kind->type(i) != NULL; i++)
        words[i] = kind->type(i)->name;
    all = lb_words_join(&self->config->arena, words, "or");
    if (type == NULL) {
        lb_diag_error(self->diag, instance->section.node->place, "%s \"%s\": missing \"type\" (%s)", kind->word, name,
                      all);
        return;
    }
    if (type->kind != LB_NODE_SCALAR || lb_node_is_nothing(type)) {
        lb_diag_error(self->diag, type->place, "%s \"%s\": \"type\": expected %s, got %s", kind->word, name, all,
                      lb_node_kind_name(type));
        return;
    }
    nearest = lb_nearest(type->text, words);
    if (nearest != NULL)
        lb_diag_error(self->diag, type->place, "%s \"%s\": unknown type \"%.80s\"; did you mean \"%s\"?", kind->word,
                      name, type->text.ptr, nearest);
    else
        lb_diag_error(self->diag, type->place, "%s \"%s\": unknown type \"%.80s\"; expected %s", kind->word, name,
                      type->text.ptr, all);
}

static void find_type(struct lb_loading *self, const struct lb_instances *kind, struct lb_instance *instance)
{
    const struct lb_node *type = lb_node_get(instance->section.node, "type");

    for (uint32_t i = 0; type != NULL && type->kind == LB_NODE_SCALAR && kind->type(i) != NULL; i++) {
        if (lb_str_is(type->text, kind->type(i)->name)) {
            instance->type = i;
            instance->module = kind->type(i);
            return;
        }
    }
    tell_type(self, kind, instance, type);
}

struct lb_instance lb_instance_open(struct lb_loading *self, const struct lb_instances *kind, const struct lb_node *key,
                                    const struct lb_node *value)
{
    struct lb_instance instance = { .section = { key->text, value } };

    if (!is_plain(key->text))
        lb_diag_error(self->diag, key->place, "%s \"%.80s\": a name is made of letters, digits, \"_\" and \"-\"%s",
                      kind->word, key->text.ptr, key->text.len > LB_NAME_BYTES_MAX ? ", 64 at most" : "");
    if (value->kind != LB_NODE_MAP) {
        lb_diag_error(self->diag, value->place, "%s \"%.80s\": expected a map with \"type\" in it, got %s", kind->word,
                      key->text.ptr, lb_node_kind_name(value));
        return instance;
    }
    find_type(self, kind, &instance);
    if (instance.module == NULL)
        return instance;
    instance.state = lb_arena_zalloc(&self->config->arena, instance.module->state_size + 1);
    if (instance.state == NULL) {
        lb_diag_error(self->diag, value->place, "the configuration is too large");
        instance.module = NULL;
    }
    return instance;
}

void lb_instance_fill(struct lb_loading *self, const struct lb_instances *kind, const struct lb_instance *instance,
                      const struct lb_option *common, void *common_state)
{
    static const struct lb_option none[] = { { 0 } };
    static const char *const words[] = { "type", NULL };
    const struct lb_option *own = instance->module->options != NULL ? instance->module->options : none;
    const struct lb_option *const tables[] = { own, common, NULL };
    struct lb_str subject = lb_arena_print(&self->config->arena, "%s \"%s\": ", kind->word, instance->section.name.ptr);
    const struct lb_filling filling = { &self->config->arena, self->config, self->diag,
                                        subject.ptr != NULL ? subject.ptr : "", "" };
    const struct lb_node *map = instance->section.node;

    lb_filling_refuse_unknown(&filling, map, tables, words);
    lb_filling_fill(&filling, own, map, map->place, instance->state);
    if (common != NULL)
        lb_filling_fill(&filling, common, map, map->place, common_state);
}
