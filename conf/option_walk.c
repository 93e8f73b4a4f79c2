/* option_walk.c - visits every member that an option table filled, those of its groups too. */
#include "options.h"

void lb_options_walk(const struct lb_option *options, void *state,
                     void (*visit)(void *context, const struct lb_option *option, void *member), void *context)
{
    for (const struct lb_option *option = options; option != NULL && option->name != NULL; option++) {
        if (option->kind == LB_OPTION_GROUP)
            lb_options_walk(option->group, state, visit, context);
        else
            visit(context, option, (char *)state + option->offset);
    }
}
