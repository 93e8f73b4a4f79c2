/*
 * option_names.c - names of parsers → a chain; names of sinks → bits.
 *
 * Both resolve against the arrays of the configuration, which hold their
 * names before any option is read, so that order in the file is free.
 */
#include "options.h"

#include "lb_parser.h"

enum { CHAIN_MAX = 16, NAMES_MAX = LB_PARSERS_MAX + 64 };

struct name_list {
    const struct lb_node *items;
    uint32_t count;
};

/* One name or a list of names; false with an error for anything else. */
static bool read_names(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                       struct name_list *names)
{
    *names = (struct name_list){ node, 1 };
    if (node->kind == LB_NODE_LIST)
        *names = (struct name_list){ node->values, node->count };
    if (names->count == 0)
        return lb_filling_fault(self, option, node->place, "the list must not be empty");
    for (uint32_t i = 0; i < names->count; i++) {
        if (names->items[i].kind != LB_NODE_SCALAR || lb_node_is_nothing(&names->items[i]))
            return lb_filling_mismatch(self, option, &names->items[i]);
    }
    return true;
}

/* --- parsers -------------------------------------------------------------- */

static const struct lb_parser *find_parser(const struct lb_filling *self, struct lb_str name)
{
    for (uint32_t i = 0; self->config != NULL && i < self->config->parser_count; i++) {
        if (lb_str_equal(self->config->parsers[i].section.name, name))
            return &self->config->parsers[i];
    }
    return lb_parser_builtin(name);
}

static bool is_type(struct lb_str name)
{
    for (const struct lb_parser_type *const *type = lb_parser_types(); *type != NULL; type++) {
        if (lb_str_is(name, (*type)->module.name))
            return true;
    }
    return false;
}

/* All that could be meant: auto, none, what needs no settings, and what the configuration defines. */
static void gather_parsers(const struct lb_filling *self, const char **words)
{
    size_t count = 0;

    for (uint32_t i = 0; self->config != NULL && i < self->config->parser_count; i++)
        words[count++] = self->config->parsers[i].section.name.ptr;
    for (const struct lb_parser_type *const *type = lb_parser_types(); *type != NULL && count < NAMES_MAX - 2; type++) {
        if (lb_parser_builtin(lb_str_from((*type)->module.name)) != NULL)
            words[count++] = (*type)->module.name;
    }
    words[count++] = "auto";
    words[count++] = "none";
    words[count] = NULL;
}

static bool unknown_parser(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *name)
{
    const char *words[NAMES_MAX + 1];
    const char *nearest;

    if (is_type(name->text))
        return lb_filling_fault(
            self, option, name->place,
            "parser \"%s\" needs settings: define one with type: %s under \"parsers\" and use its name", name->text.ptr,
            name->text.ptr);
    gather_parsers(self, words);
    nearest = lb_nearest(name->text, words);
    if (nearest != NULL)
        return lb_filling_fault(self, option, name->place, "unknown parser \"%.80s\"; did you mean \"%s\"?",
                                name->text.ptr, nearest);
    return lb_filling_fault(self, option, name->place, "unknown parser \"%.80s\"; expected %s", name->text.ptr,
                            lb_words_join(self->arena, words, "or"));
}

/* `auto` takes every text, so it stands last; `none` stands alone. */
static bool check_order(const struct lb_filling *self, const struct lb_option *option, const struct name_list *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        struct lb_str name = names->items[i].text;

        if (lb_str_is(name, "none") && names->count > 1)
            return lb_filling_fault(self, option, names->items[i].place, "\"none\" cannot stand beside other parsers");
        if (lb_str_is(name, "auto") && i + 1 < names->count)
            return lb_filling_fault(self, option, names->items[i + 1].place,
                                    "never tried: \"auto\" before it accepts every text");
    }
    return true;
}

bool lb_filling_parsers(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                        struct lb_parser_chain **chain)
{
    struct lb_parser_chain *made = lb_arena_zalloc(self->arena, sizeof(*made));
    const struct lb_parser **parsers = lb_arena_zalloc(self->arena, CHAIN_MAX * sizeof(struct lb_parser *));
    struct name_list names;
    bool ok;

    if (made == NULL || parsers == NULL)
        return lb_filling_fault(self, option, node->place, "the configuration is too large");
    if (!read_names(self, option, node, &names))
        return false;
    if (names.count > CHAIN_MAX)
        return lb_filling_fault(self, option, node->place, "more than %d parsers", CHAIN_MAX);
    ok = check_order(self, option, &names);
    made->parsers = parsers;
    for (uint32_t i = 0; i < names.count; i++) {
        struct lb_str name = names.items[i].text;

        if (lb_str_is(name, "none"))
            continue;
        if (lb_str_is(name, "auto"))
            made->automatic = true;
        else if ((parsers[made->count] = find_parser(self, name)) != NULL)
            made->count++;
        else
            ok = unknown_parser(self, option, &names.items[i]);
    }
    *chain = made;
    return ok;
}

/* --- sinks ---------------------------------------------------------------- */

static int sink_index(const struct lb_config *config, struct lb_str name)
{
    for (uint32_t i = 0; config != NULL && i < config->sink_count; i++) {
        if (lb_str_equal(config->sinks[i].section.name, name))
            return (int)i;
    }
    return -1;
}

static bool unknown_sink(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *name)
{
    const char *words[LB_SINKS_MAX + 1] = { NULL };
    const char *nearest;

    for (uint32_t i = 0; self->config != NULL && i < self->config->sink_count; i++)
        words[i] = self->config->sinks[i].section.name.ptr;
    nearest = lb_nearest(name->text, words);
    if (nearest != NULL)
        return lb_filling_fault(self, option, name->place, "unknown sink \"%.80s\"; did you mean \"%s\"?",
                                name->text.ptr, nearest);
    if (words[0] == NULL)
        return lb_filling_fault(self, option, name->place, "unknown sink \"%.80s\"; no sinks are defined",
                                name->text.ptr);
    return lb_filling_fault(self, option, name->place, "unknown sink \"%.80s\"; expected %s", name->text.ptr,
                            lb_words_join(self->arena, words, "or"));
}

bool lb_filling_sinks(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                      uint64_t *sinks)
{
    struct name_list names;
    bool ok = true;

    *sinks = 0;
    if (!read_names(self, option, node, &names))
        return false;
    for (uint32_t i = 0; i < names.count; i++) {
        int index = sink_index(self->config, names.items[i].text);

        if (index >= 0)
            *sinks |= UINT64_C(1) << index;
        else
            ok = unknown_sink(self, option, &names.items[i]);
    }
    return ok;
}
