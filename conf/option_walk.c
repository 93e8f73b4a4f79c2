/* option_walk.c - visits every member that an option table filled, those of its groups too. */
#include "options.h"

#include <stdio.h>

enum { PATH_BYTES = 128 };

static void walk(const struct lb_option *options, const char *group, void *state, const struct lb_visitor *visitor);

static void walk_groups(const struct lb_option *option, const char *path, const struct lb_groups *groups,
                        const struct lb_visitor *visitor)
{
    for (size_t i = 0; i < groups->count; i++) {
        char item[PATH_BYTES];

        if (snprintf(item, sizeof(item), "%s.%zu", path, i + 1) < PATH_BYTES)
            walk(option->group, item, (char *)groups->items + i * (size_t)option->min, visitor);
    }
}

static void walk(const struct lb_option *options, const char *group, void *state, const struct lb_visitor *visitor)
{
    for (const struct lb_option *option = options; option != NULL && option->name != NULL; option++) {
        char path[PATH_BYTES];

        /* A table is a literal: a deeper name than that does not exist. */
        if (snprintf(path, sizeof(path), "%s%s%s", group, *group != '\0' ? "." : "", option->name) >= PATH_BYTES)
            continue;
        if (option->kind == LB_OPTION_GROUP)
            walk(option->group, path, state, visitor);
        else if (option->kind == LB_OPTION_GROUPS)
            walk_groups(option, path, (const void *)((char *)state + option->offset), visitor);
        else
            visitor->visit(visitor->context, path, option, (char *)state + option->offset);
    }
}

void lb_options_walk(const struct lb_option *options, void *state, const struct lb_visitor *visitor)
{
    walk(options, "", state, visitor);
}
