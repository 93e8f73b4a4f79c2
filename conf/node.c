/* node.c - looks into the tree. */
#include "options.h"

#include <stdlib.h>

const struct lb_node *lb_node_get(const struct lb_node *map, const char *key)
{
    if (map == NULL || map->kind != LB_NODE_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->count; i++) {
        if (lb_str_is(map->keys[i].text, key))
            return &map->values[i];
    }
    return NULL;
}

bool lb_node_is_nothing(const struct lb_node *node)
{
    return node->kind == LB_NODE_SCALAR && !node->quoted &&
           (node->text.len == 0 || lb_str_is(node->text, "~") || lb_str_is(node->text, "null"));
}

struct lb_node lb_node_of(struct lb_str text, struct lb_place place)
{
    return (struct lb_node){ .kind = LB_NODE_SCALAR, .place = place, .begin = place, .text = text };
}

static struct lb_place value_place(const struct lb_node *node)
{
    return node->kind == LB_NODE_SCALAR ? node->begin : node->place;
}

/* A member of a map, or an item of a list by its number from 1. */
static const struct lb_node *step_into(const struct lb_node *node, const char *key)
{
    if (node->kind != LB_NODE_LIST)
        return lb_node_get(node, key);
    unsigned long number = strtoul(key, NULL, 10);
    return number > 0 && number <= node->count ? &node->values[number - 1] : NULL;
}

struct lb_place lb_section_place(const struct lb_section *section, const char *option)
{
    const struct lb_node *node = section->node;

    if (node == NULL)
        return (struct lb_place){ 0 };
    /* `drop: EXPR`: the value of the only option stands itself where a map could. */
    if (node->kind != LB_NODE_MAP)
        return value_place(node);
    while (node != NULL && *option != '\0') {
        char key[128];
        size_t len = strcspn(option, ".");

        if (len >= sizeof(key))
            return section->node->place;
        memcpy(key, option, len);
        key[len] = '\0';
        node = step_into(node, key);
        option += len + (option[len] == '.' ? 1 : 0);
    }
    return node != NULL ? value_place(node) : section->node->place;
}
