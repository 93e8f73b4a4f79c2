/* picks.c - a short list within a batch, a metric for each parser of a source behind it. */
#include "picks.h"

#include "lb_limits.h"

#include <stdio.h>

void picks_note_another(struct picks *self, const struct lb_parser_type *type)
{
    uint32_t i = 0;

    while (i < self->used && self->items[i].type != type)
        i++;
    if (i == PICKS_MAX)
        return; /* there are not so many parsers */
    if (i == self->used)
        self->items[self->used++] = (struct pick){ .type = type };
    self->items[i].count++;
    self->last = i;
}

/* 0 is none. */
static uint32_t index_of(const struct lb_parser_type *type)
{
    const struct lb_parser_type *const *types = lb_parser_types();
    uint32_t i = 0;

    while (type != NULL && types[i] != NULL && types[i] != type)
        i++;
    return type != NULL && i + 1 < PICKS_MAX ? i + 1 : 0;
}

static struct lb_metric *metric_of(const struct lb_parser_type *type, struct lb_str source)
{
    char name[LB_NAME_BYTES_MAX + 1];
    char labels[4 * LB_NAME_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(source));
    lb_metric_labels(labels, sizeof(labels), "source", name, "parser", type != NULL ? type->module.name : "none",
                     (char *)NULL);
    return lb_metric(LB_COUNTER, "logboom_parsed_records_total",
                     "Records by the parser that read their message; none: it stayed as it was", labels);
}

void picks_settle(struct picks *self, struct pick_totals *totals, struct lb_str source)
{
    for (uint32_t i = 0; i < self->used; i++) {
        uint32_t index = index_of(self->items[i].type);

        if (totals->metrics[index] == NULL)
            totals->metrics[index] = metric_of(self->items[i].type, source);
        lb_metric_add(totals->metrics[index], self->items[i].count);
    }
    self->used = 0;
    self->last = 0;
}
