/*
 * one_by_one.h - for sinks that take each record of a selection by itself.
 *
 * write() may have to give up in the middle, for want of room or memory, and
 * is called again with the same selection: then it goes on where it was.
 */
#ifndef ONE_BY_ONE_H
#define ONE_BY_ONE_H

#include "lb_format.h"
#include "lb_sink.h"

/* What is needed to write a record as JSON; all of one thread. */
struct one_by_one {
    uint32_t next; /* entry of the selection, where write() had to give up */
    struct lb_formatter formatter;
    struct lb_scratch scratch;
};

bool one_by_one_open(struct one_by_one *self); /* false: no memory */
void one_by_one_close(struct one_by_one *self);

/*
 * Gives each record to add(): LB_OK, it was taken or is not wanted; LB_AGAIN, there is no room now; LB_NOMEM, which is
 * told here. Returns what write() has to.
 */
typedef enum lb_err one_by_one_add(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                                   struct lb_token *token);
enum lb_err one_by_one_write(struct one_by_one *self, struct lb_sink *sink, const struct lb_batch *batch,
                             const struct lb_selection *selection, struct lb_token *token,
                             one_by_one_add *add) LB_MUST_USE;

#endif
