/* filters.c - finds a filter by name. The list is filters.def. */
#include "lb_filter.h"

#define LB_FILTER(name) extern const struct lb_filter_type lb_filter_##name;
#include "filters.def"
#undef LB_FILTER

static const struct lb_filter_type *const filters[] = {
#define LB_FILTER(name) &lb_filter_##name,
#include "filters.def"
#undef LB_FILTER
    NULL,
};

const struct lb_filter_type *lb_filter_find(struct lb_str name)
{
    for (size_t i = 0; filters[i] != NULL; i++) {
        if (lb_str_is(name, filters[i]->module.name))
            return filters[i];
    }
    return NULL;
}

const struct lb_filter_type *const *lb_filters_all(void)
{
    return filters;
}
