/*
 * template.h - what filters know of templates besides lb_template.h.
 */
#ifndef LB_ROUTE_TEMPLATE_H
#define LB_ROUTE_TEMPLATE_H

#include "lb_template.h"

/* At most that many bytes are written for this record, without dates and without making anything safe. */
size_t lb_template_size_max(const struct lb_template *template, const struct lb_record *record,
                            struct lb_scratch *scratch);

#endif
