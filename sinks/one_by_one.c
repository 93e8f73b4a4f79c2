/*
 * one_by_one.c - see one_by_one.h.
 */
#include "one_by_one.h"

#include "lb_alloc.h"
#include "lb_limits.h"

bool one_by_one_open(struct one_by_one *self)
{
    self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    self->formatter = (struct lb_formatter){ .format = LB_FORMAT_JSON, .scratch = &self->scratch };
    self->formatter.time.second = INT64_MIN;
    return self->scratch.ptr != NULL;
}

void one_by_one_close(struct one_by_one *self)
{
    lb_free(self->scratch.ptr);
}

enum lb_err one_by_one_write(struct one_by_one *self, struct lb_sink *sink, const struct lb_batch *batch,
                             const struct lb_selection *selection, struct lb_token *token, one_by_one_add *add)
{
    for (; self->next < selection->count; self->next++) {
        enum lb_err err = add(sink, batch, lb_batch_selected(batch, selection, self->next), token);

        if (err == LB_NOMEM)
            lb_delivery_problem(sink, "out of memory: it goes on by itself when there is some");
        if (err != LB_OK)
            return LB_AGAIN;
    }
    self->next = 0;
    return LB_OK;
}
