/* sources.c - finds a source by name. The list is sources.def. */
#include "lb_source.h"

#define LB_SOURCE(name) extern const struct lb_source_type lb_source_##name;
#include "sources.def"
#undef LB_SOURCE

static const struct lb_source_type *const sources[] = {
#define LB_SOURCE(name) &lb_source_##name,
#include "sources.def"
#undef LB_SOURCE
    NULL,
};

const struct lb_source_type *lb_source_find(struct lb_str name)
{
    for (size_t i = 0; sources[i] != NULL; i++)
        if (lb_str_is(name, sources[i]->module.name))
            return sources[i];
    return NULL;
}

const struct lb_source_type *const *lb_source_types(void)
{
    return sources;
}
