/*
 * parsers.c - the list of parsers, and those that are ready without settings.
 *
 * A parser is ready when none of its options is required or has a fallback:
 * then a state of zeroes is what an empty configuration would give it, and
 * all ready instances share one that is never written. They are not opened.
 */
#include "lb_parser.h"

#define LB_PARSER(name) extern const struct lb_parser_type lb_parser_##name;
#include "parsers.def"
#undef LB_PARSER

static const struct lb_parser_type *const types[] = {
#define LB_PARSER(name) &lb_parser_##name,
#include "parsers.def"
#undef LB_PARSER
    NULL,
};

static const max_align_t zeroes[32];

/* `state` is const for parsers; the cast only fits the type that is shared with those that conf/ fills. */
static const struct lb_parser ready[] = {
#define LB_PARSER(name) { &lb_parser_##name, { { #name, sizeof(#name) - 1 }, NULL }, (void *)(uintptr_t)zeroes, true },
#include "parsers.def"
#undef LB_PARSER
};

const struct lb_parser_type *const *lb_parser_types(void)
{
    return types;
}

const struct lb_parser_type *lb_parser_find(struct lb_str name)
{
    for (size_t i = 0; types[i] != NULL; i++) {
        if (lb_str_is(name, types[i]->module.name))
            return types[i];
    }
    return NULL;
}

static bool needs_settings(const struct lb_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (options->fallback != NULL || (options->flags & LB_OPTION_REQUIRED) != 0)
            return true;
        if (options->kind == LB_OPTION_GROUP && needs_settings(options->group))
            return true;
    }
    return false;
}

const struct lb_parser *lb_parser_builtin(struct lb_str name)
{
    for (size_t i = 0; i < sizeof(ready) / sizeof(ready[0]); i++) {
        const struct lb_module *module = &ready[i].type->module;

        if (lb_str_is(name, module->name) && module->state_size <= sizeof(zeroes) && !needs_settings(module->options))
            return &ready[i];
    }
    return NULL;
}
