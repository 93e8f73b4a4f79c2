/* sinks.c - finds a sink by name. The list is sinks.def. */
#include "lb_sink.h"

#define LB_SINK(name) extern const struct lb_sink_type lb_sink_##name;
#include "sinks.def"
#undef LB_SINK

static const struct lb_sink_type *const sinks[] = {
#define LB_SINK(name) &lb_sink_##name,
#include "sinks.def"
#undef LB_SINK
    NULL,
};

const struct lb_sink_type *lb_sink_find(struct lb_str name)
{
    for (size_t i = 0; sinks[i] != NULL; i++) {
        if (lb_str_is(name, sinks[i]->module.name))
            return sinks[i];
    }
    return NULL;
}

const struct lb_sink_type *const *lb_sink_types(void)
{
    return sinks;
}
