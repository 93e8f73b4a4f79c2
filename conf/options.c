/*
 * options.c - walks an option table over a map.
 *
 * Every fault is told and reading goes on with the next option. A group that
 * is not written still gets the fallbacks of its options, but what it
 * requires is required only once it is written. lb_options_fill() knows
 * neither subject nor other tables: a caller that has them uses the parts.
 */
#include "options.h"

#include "lb_buffer.h"
#include "yaml.h"

#include <stdarg.h>
#include <stdio.h>

enum { WORDS_MAX = 128, TEXT_BYTES = 768 };

/* --- words for people ----------------------------------------------------- */

bool lb_filling_fault(const struct lb_filling *self, const struct lb_option *option, struct lb_place place,
                      const char *fmt, ...)
{
    char text[TEXT_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    lb_diag_error(self->diag, place, "%s\"%s%s\": %s", self->subject, self->group, option->name, text);
    return false;
}

const char *lb_words_join(struct lb_arena *arena, const char *const *words, const char *last)
{
    struct lb_buffer out;
    const char *text;

    lb_buffer_init(&out, 16 * 1024);
    for (size_t i = 0; words[i] != NULL; i++) {
        if (i > 0 && words[i + 1] == NULL)
            lb_buffer_print(&out, " %s ", last);
        else if (i > 0)
            lb_buffer_append(&out, ", ", 2);
        lb_buffer_append(&out, words[i], strlen(words[i]));
    }
    text = lb_arena_copy(arena, lb_buffer_str(&out)).ptr;
    lb_buffer_free(&out);
    return text != NULL ? text : "";
}

static const char *const expectations[] = {
    [LB_OPTION_STRING] = "text",
    [LB_OPTION_STRINGS] = "text or a list of text",
    [LB_OPTION_BOOL] = "true or false",
    [LB_OPTION_COUNT] = "a whole number",
    [LB_OPTION_NUMBER] = "a number",
    [LB_OPTION_DURATION] = "a duration such as 5s or 1h30m",
    [LB_OPTION_SIZE] = "a size such as 64KiB or 1MB",
    [LB_OPTION_CHOICE] = "a word",
    [LB_OPTION_LEVEL] = "a level such as warn or error",
    [LB_OPTION_WHERE] = "an expression",
    [LB_OPTION_TEMPLATE] = "text",
    [LB_OPTION_PAIRS] = "a map of names to text",
    [LB_OPTION_TEMPLATES] = "a map of names to text",
    [LB_OPTION_GROUP] = "a map",
    [LB_OPTION_GROUPS] = "a list of maps",
    [LB_OPTION_PARSERS] = "the name of a parser or a list of names",
    [LB_OPTION_SINKS] = "the name of a sink or a list of names",
    [LB_OPTION_NODE] = "a value",
};

const char *lb_option_expectation(const struct lb_option *option)
{
    return expectations[option->kind];
}

/* `{service}` is a map of one key without a value: who wrote it meant text. */
static bool is_bare_braces(const struct lb_node *node)
{
    return node->kind == LB_NODE_MAP && node->flow && node->count == 1 && lb_node_is_nothing(&node->values[0]);
}

bool lb_filling_mismatch(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node)
{
    const char *expected = lb_option_expectation(option);
    static const char *const kinds[] = {
        [LB_NODE_SCALAR] = "text", [LB_NODE_LIST] = "a list", [LB_NODE_MAP] = "a map"
    };

    if (lb_node_is_nothing(node) && node->cut)
        return lb_filling_fault(self, option, node->place,
                                "expected %s, got nothing: \" #\" begins a comment; quote it if it is the value",
                                expected);
    if (lb_node_is_nothing(node))
        return lb_filling_fault(self, option, node->place, "expected %s, got nothing", expected);
    if (is_bare_braces(node))
        return lb_filling_fault(self, option, node->place, "expected %s, got a map; quote it: '{%.80s}'", expected,
                                node->keys[0].text.ptr);
    if (node->kind == LB_NODE_SCALAR && node->text.len <= 100)
        return lb_filling_fault(self, option, node->place, "expected %s, got \"%s\"%s", expected, node->text.ptr,
                                node->cut ? "; \" #\" behind it begins a comment" : "");
    return lb_filling_fault(self, option, node->place, "expected %s, got %s", expected, kinds[node->kind]);
}

/* --- keys ----------------------------------------------------------------- */

static size_t gather(const struct lb_option *const *tables, const char *const *words, const char **known)
{
    size_t count = 0;

    for (; words != NULL && *words != NULL && count < WORDS_MAX; words++)
        known[count++] = *words;
    for (; *tables != NULL; tables++) {
        for (const struct lb_option *option = *tables; option->name != NULL && count < WORDS_MAX; option++)
            known[count++] = option->name;
    }
    known[count] = NULL;
    return count;
}

static bool is_known(struct lb_str key, const char *const *known)
{
    for (; *known != NULL; known++) {
        if (lb_str_is(key, *known))
            return true;
    }
    return false;
}

static void tell_unknown(const struct lb_filling *self, const struct lb_node *key, const char *const *known)
{
    const char *nearest = lb_nearest(key->text, known);

    if (lb_str_is(key->text, "<<"))
        lb_diag_error(self->diag, key->place, "%s\"<<\" (merge) is not a part of YAML 1.2; write the keys out",
                      self->subject);
    else if (nearest != NULL)
        lb_diag_error(self->diag, key->place, "%sunknown key \"%s%.80s\"; did you mean \"%s%s\"?", self->subject,
                      self->group, key->text.ptr, self->group, nearest);
    else if (known[0] == NULL)
        lb_diag_error(self->diag, key->place, "%sunknown key \"%s%.80s\"; there are no keys here", self->subject,
                      self->group, key->text.ptr);
    else
        lb_diag_error(self->diag, key->place, "%sunknown key \"%s%.80s\"; expected %s", self->subject, self->group,
                      key->text.ptr, lb_words_join(self->arena, known, "or"));
}

bool lb_filling_refuse_unknown(const struct lb_filling *self, const struct lb_node *map,
                               const struct lb_option *const *tables, const char *const *words)
{
    const char *known[WORDS_MAX + 1];
    bool ok = true;

    gather(tables, words, known);
    for (uint32_t i = 0; i < map->count; i++) {
        if (!is_known(map->keys[i].text, known)) {
            tell_unknown(self, &map->keys[i], known);
            ok = false;
        }
    }
    return ok;
}

/* --- values --------------------------------------------------------------- */

static bool fill_group(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                       void *state)
{
    const struct lb_option *const tables[] = { option->group, NULL };
    struct lb_filling inner = *self;
    struct lb_str group = lb_arena_print(self->arena, "%s%s.", self->group, option->name);
    bool known = true;

    if (node != NULL && node->kind != LB_NODE_MAP)
        return lb_filling_mismatch(self, option, node);
    inner.group = group.ptr != NULL ? group.ptr : "";
    if (node != NULL)
        known = lb_filling_refuse_unknown(&inner, node, tables, NULL);
    return lb_filling_fill(&inner, option->group, node, node != NULL ? node->place : (struct lb_place){ 0 }, state) &&
           known;
}

/* Items are called by their number: `checks.2.url`. */
static bool fill_item(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *item,
                      size_t number, void *state)
{
    const struct lb_option *const tables[] = { option->group, NULL };
    struct lb_filling inner = *self;
    struct lb_str group = lb_arena_print(self->arena, "%s%s.%zu.", self->group, option->name, number);

    inner.group = group.ptr != NULL ? group.ptr : "";
    if (item->kind != LB_NODE_MAP) {
        lb_diag_error(self->diag, item->place, "%s\"%s%s\": expected a map for item %zu, got %s", self->subject,
                      self->group, option->name, number, item->kind == LB_NODE_LIST ? "a list" : "text");
        return false;
    }
    bool known = lb_filling_refuse_unknown(&inner, item, tables, NULL);
    return lb_filling_fill(&inner, option->group, item, item->place, state) && known;
}

static bool fill_groups(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                        struct lb_groups *groups)
{
    size_t size = (size_t)option->min;
    bool ok = true;

    if (node->kind != LB_NODE_LIST)
        return lb_filling_mismatch(self, option, node);
    if (node->count == 0 && (option->flags & LB_OPTION_REQUIRED) != 0)
        return lb_filling_fault(self, option, node->place, "the list must not be empty");
    if (node->count > (uint64_t)option->max)
        return lb_filling_fault(self, option, node->place, "%u items; %lld is the most", node->count,
                                (long long)option->max);
    groups->items = lb_arena_zalloc(self->arena, (node->count + 1) * size);
    if (groups->items == NULL)
        return lb_filling_fault(self, option, node->place, "the configuration is too large");
    groups->count = node->count;
    groups->node = node;
    for (size_t i = 0; i < groups->count; i++)
        ok = fill_item(self, option, &node->values[i], i + 1, (char *)groups->items + i * size) && ok;
    return ok;
}

bool lb_filling_value(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                      void *member)
{
    switch (option->kind) {
    case LB_OPTION_STRINGS:
    case LB_OPTION_PAIRS:
    case LB_OPTION_TEMPLATES: return lb_filling_list(self, option, node, member);
    case LB_OPTION_PARSERS: return lb_filling_parsers(self, option, node, member);
    case LB_OPTION_SINKS: return lb_filling_sinks(self, option, node, member);
    case LB_OPTION_NODE: *(const struct lb_node **)member = node; return true;
    case LB_OPTION_GROUPS: return fill_groups(self, option, node, member);
    case LB_OPTION_GROUP: return false;
    default: return lb_filling_scalar(self, option, node, member);
    }
}

/* A fallback is read as it would be written, lists in brackets too. */
static bool fill_fallback(const struct lb_filling *self, const struct lb_option *option, void *member)
{
    struct lb_node scalar;
    const struct lb_node *node = &scalar;

    if (option->kind == LB_OPTION_LEVEL && option->fallback == NULL)
        *(uint8_t *)member = LB_LEVEL_NONE;
    if (option->fallback == NULL)
        return true;
    scalar = lb_node_of(lb_str_from(option->fallback), (struct lb_place){ "fallback", 1, 1 });
    if (option->fallback[0] == '[' && option->kind == LB_OPTION_STRINGS) {
        struct lb_yaml yaml = { .arena = self->arena, .diag = self->diag };

        node = lb_yaml_read(&yaml, "fallback", scalar.text);
    }
    return node != NULL && lb_filling_value(self, option, node, member);
}

static bool tell_missing(const struct lb_filling *self, const struct lb_option *option, struct lb_place place)
{
    lb_diag_error(self->diag, place, "%smissing \"%s%s\" (%s)", self->subject, self->group, option->name,
                  option->help != NULL ? option->help : lb_option_expectation(option));
    return false;
}

static bool fill_option(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *map,
                        struct lb_place place, void *state)
{
    const struct lb_node *node = map != NULL ? lb_node_get(map, option->name) : NULL;
    void *member = (char *)state + option->offset;

    if (node == NULL && (option->flags & LB_OPTION_REQUIRED) != 0 && map != NULL)
        return tell_missing(self, option, place);
    if (option->kind == LB_OPTION_GROUP)
        return fill_group(self, option, node, state);
    return node != NULL ? lb_filling_value(self, option, node, member) : fill_fallback(self, option, member);
}

bool lb_filling_fill(const struct lb_filling *self, const struct lb_option *options, const struct lb_node *map,
                     struct lb_place place, void *state)
{
    bool ok = true;

    for (const struct lb_option *option = options; option != NULL && option->name != NULL; option++)
        ok = fill_option(self, option, map, place, state) && ok;
    return ok;
}

/* --- the public face ------------------------------------------------------ */

bool lb_options_fill(struct lb_config *config, const struct lb_option *options, const struct lb_node *map, void *state,
                     struct lb_diag *diag)
{
    const struct lb_filling filling = { &config->arena, config, diag, "", "" };
    const struct lb_option *const tables[] = { options, NULL };
    bool known;

    if (map->kind != LB_NODE_MAP) {
        lb_diag_error(diag, map->place, "expected a map, got %s", map->kind == LB_NODE_LIST ? "a list" : "text");
        return false;
    }
    known = lb_filling_refuse_unknown(&filling, map, tables, NULL);
    return lb_filling_fill(&filling, options, map, map->place, state) && known;
}

bool lb_options_defaults(const struct lb_option *options, void *state, struct lb_arena *arena)
{
    struct lb_diag diag = { 0 };
    const struct lb_filling filling = { arena, NULL, &diag, "", "" };
    bool ok = lb_filling_fill(&filling, options, NULL, (struct lb_place){ 0 }, state);

    lb_diag_free(&diag);
    return ok;
}
