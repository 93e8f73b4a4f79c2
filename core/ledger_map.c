/*
 * ledger_map.c - a skip list: ordered, and small enough to trust.
 *
 * The tricky thing: nodes that are reserved and not yet put stand in the list
 * with present == false; whoever reads steps over them.
 */
#include "ledger_map.h"

#include "lb_alloc.h"

#include <assert.h>

enum { VALUE_CAPACITY_MIN = 24 }; /* a 64-bit number in decimal: marks change in place */

void lb_ledger_map_init(struct lb_ledger_map *map)
{
    *map = (struct lb_ledger_map){ .random = UINT64_C(0x9e3779b97f4a7c15) };
}

static void free_node(struct lb_ledger_node *node)
{
    lb_free(node->value);
    lb_free(node);
}

void lb_ledger_map_free(struct lb_ledger_map *map)
{
    struct lb_ledger_node *node = map->heads[0];

    while (node != NULL) {
        struct lb_ledger_node *next = node->next[0];

        free_node(node);
        node = next;
    }
    lb_ledger_map_init(map);
}

struct lb_str lb_ledger_node_key(const struct lb_ledger_node *node)
{
    return (struct lb_str){ (const char *)(node->next + node->height), node->key_len };
}

struct lb_str lb_ledger_node_value(const struct lb_ledger_node *node)
{
    return (struct lb_str){ node->value, node->value_len };
}

static int compare(struct lb_str a, struct lb_str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

/* The links that point at the first node at or behind `key`, one for each height. */
static void find_links(struct lb_ledger_map *map, struct lb_str key,
                       struct lb_ledger_node **links[LB_LEDGER_MAP_HEIGHT])
{
    struct lb_ledger_node *before = NULL;

    for (unsigned level = LB_LEDGER_MAP_HEIGHT; level-- > 0;) {
        struct lb_ledger_node **link = before != NULL ? &before->next[level] : &map->heads[level];

        while (*link != NULL && compare(lb_ledger_node_key(*link), key) < 0) {
            before = *link;
            link = &before->next[level];
        }
        links[level] = link;
    }
}

static struct lb_ledger_node *find(struct lb_ledger_map *map, struct lb_str key,
                                   struct lb_ledger_node **links[LB_LEDGER_MAP_HEIGHT])
{
    find_links(map, key, links);
    struct lb_ledger_node *node = *links[0];

    return node != NULL && compare(lb_ledger_node_key(node), key) == 0 ? node : NULL;
}

/* One level more for one node in four. */
static unsigned random_height(struct lb_ledger_map *map)
{
    unsigned height = 1;

    map->random ^= map->random << 13;
    map->random ^= map->random >> 7;
    map->random ^= map->random << 17;
    for (uint64_t bits = map->random >> 16; (bits & 3) == 0 && height < LB_LEDGER_MAP_HEIGHT; bits >>= 2)
        height++;
    return height;
}

static struct lb_ledger_node *add_node(struct lb_ledger_map *map, struct lb_str key,
                                       struct lb_ledger_node **links[LB_LEDGER_MAP_HEIGHT])
{
    unsigned height = random_height(map);
    struct lb_ledger_node *node = lb_alloc(sizeof(*node) + height * sizeof(struct lb_ledger_node *) + key.len);

    if (node == NULL)
        return NULL;
    node->height = (uint8_t)height;
    node->key_len = (uint32_t)key.len;
    if (key.len > 0)
        memcpy(node->next + height, key.ptr, key.len);
    for (unsigned level = 0; level < height; level++) {
        node->next[level] = *links[level];
        *links[level] = node;
    }
    return node;
}

static void remove_node(struct lb_ledger_node *node, struct lb_ledger_node **links[LB_LEDGER_MAP_HEIGHT])
{
    for (unsigned level = 0; level < node->height; level++)
        *links[level] = node->next[level];
    free_node(node);
}

enum lb_err lb_ledger_map_reserve(struct lb_ledger_map *map, struct lb_str key, size_t value_len)
{
    struct lb_ledger_node **links[LB_LEDGER_MAP_HEIGHT];
    struct lb_ledger_node *node = find(map, key, links);
    size_t capacity = value_len > VALUE_CAPACITY_MIN ? value_len : VALUE_CAPACITY_MIN;

    if (node == NULL)
        node = add_node(map, key, links);
    if (node == NULL)
        return LB_NOMEM;
    if (node->value_capacity >= value_len && node->value != NULL)
        return LB_OK;
    char *value = lb_realloc(node->value, capacity);
    if (value == NULL)
        return LB_NOMEM; /* the caller releases the key */
    node->value = value;
    node->value_capacity = (uint32_t)capacity;
    return LB_OK;
}

void lb_ledger_map_put(struct lb_ledger_map *map, struct lb_str key, struct lb_str value)
{
    struct lb_ledger_node **links[LB_LEDGER_MAP_HEIGHT];
    struct lb_ledger_node *node = find(map, key, links);

    assert(node != NULL && node->value_capacity >= value.len);
    if (!node->present) {
        node->present = true;
        map->count++;
        map->text_bytes += key.len;
    }
    map->text_bytes += value.len;
    map->text_bytes -= node->value_len;
    if (value.len > 0)
        memcpy(node->value, value.ptr, value.len);
    node->value_len = (uint32_t)value.len;
}

void lb_ledger_map_delete(struct lb_ledger_map *map, struct lb_str key)
{
    struct lb_ledger_node **links[LB_LEDGER_MAP_HEIGHT];
    struct lb_ledger_node *node = find(map, key, links);

    if (node == NULL || !node->present)
        return;
    node->present = false;
    map->count--;
    map->text_bytes -= (size_t)node->key_len + node->value_len;
    node->value_len = 0;
}

void lb_ledger_map_release(struct lb_ledger_map *map, struct lb_str key)
{
    struct lb_ledger_node **links[LB_LEDGER_MAP_HEIGHT];
    struct lb_ledger_node *node = find(map, key, links);

    if (node != NULL && !node->present)
        remove_node(node, links);
}

static struct lb_ledger_node *skip_absent(struct lb_ledger_node *node)
{
    while (node != NULL && !node->present)
        node = node->next[0];
    return node;
}

struct lb_ledger_node *lb_ledger_map_seek(struct lb_ledger_map *map, struct lb_str key)
{
    struct lb_ledger_node **links[LB_LEDGER_MAP_HEIGHT];

    find_links(map, key, links);
    return skip_absent(*links[0]);
}

struct lb_ledger_node *lb_ledger_map_next(struct lb_ledger_node *node)
{
    return skip_absent(node->next[0]);
}
