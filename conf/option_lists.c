/* option_lists.c - lists of text, and maps of names to text or templates, in the order in which they are written. */
#include "options.h"

#include "lb_template.h"

static bool no_room(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node)
{
    return lb_filling_fault(self, option, node->place, "the configuration is too large");
}

static bool read_strings(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                         struct lb_strs *member)
{
    const struct lb_node *items = node->kind == LB_NODE_LIST ? node->values : node;
    size_t count = node->kind == LB_NODE_LIST ? node->count : 1;
    struct lb_option item = { .name = option->name, .kind = LB_OPTION_STRING, .flags = option->flags };
    bool ok = true;

    if (node->kind == LB_NODE_MAP || lb_node_is_nothing(node))
        return lb_filling_mismatch(self, option, node);
    if (count == 0 && (option->flags & LB_OPTION_REQUIRED) != 0)
        return lb_filling_fault(self, option, node->place, "the list must not be empty");
    member->items = lb_arena_alloc(self->arena, (count + 1) * sizeof(struct lb_str));
    if (member->items == NULL)
        return no_room(self, option, node);
    member->count = count;
    for (size_t i = 0; i < count; i++)
        ok = lb_filling_scalar(self, &item, &items[i], &member->items[i]) && ok;
    return ok;
}

static bool read_pairs(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                       struct lb_pairs *member)
{
    bool ok = true;

    member->items = lb_arena_alloc(self->arena, (node->count + 1) * sizeof(struct lb_pair));
    if (member->items == NULL)
        return no_room(self, option, node);
    member->count = node->count;
    for (uint32_t i = 0; i < node->count; i++) {
        struct lb_option item = { .name = node->keys[i].text.ptr, .kind = LB_OPTION_STRING };

        member->items[i].name = node->keys[i].text;
        ok = lb_filling_scalar(self, &item, &node->values[i], &member->items[i].value) && ok;
    }
    return ok;
}

static bool read_templates(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                           struct lb_template_pairs *member)
{
    bool ok = true;

    member->items = lb_arena_zalloc(self->arena, (node->count + 1) * sizeof(struct lb_template_pair));
    if (member->items == NULL)
        return no_room(self, option, node);
    member->count = node->count;
    for (uint32_t i = 0; i < node->count; i++) {
        struct lb_option item = { .name = node->keys[i].text.ptr, .kind = LB_OPTION_TEMPLATE };

        member->items[i].name = node->keys[i].text;
        ok = lb_filling_scalar(self, &item, &node->values[i], (void *)&member->items[i].value) && ok;
    }
    return ok;
}

bool lb_filling_list(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                     void *member)
{
    struct lb_filling inner = *self;
    struct lb_str group;

    if (option->kind == LB_OPTION_STRINGS)
        return read_strings(self, option, node, member);
    if (node->kind != LB_NODE_MAP)
        return lb_filling_mismatch(self, option, node);
    if (node->count == 0 && (option->flags & LB_OPTION_REQUIRED) != 0)
        return lb_filling_fault(self, option, node->place, "the map must not be empty");
    group = lb_arena_print(self->arena, "%s%s.", self->group, option->name);
    inner.group = group.ptr != NULL ? group.ptr : "";
    return option->kind == LB_OPTION_PAIRS ? read_pairs(&inner, option, node, member)
                                           : read_templates(&inner, option, node, member);
}
