/*
 * container_lines.c - parts of lines, and events of several lines, in two
 * streams that take turns as they like.
 */
#include "container_lines.h"

#include "lb_multiline.h"

/* --- parts ------------------------------------------------------------------------- */

static enum lb_container_line kind_of_event(const struct lb_container_format *format, const struct lb_batch *batch,
                                            uint32_t i)
{
    const struct lb_event *event = lb_batch_event(batch, i);

    return event->truncated ? LB_LINE_WHOLE : format->kind(batch->bytes + event->start, event->length);
}

/*
 * The last line of each stream must be whole. Backwards: a part moves the cut before itself, and what was seen of
 * the other stream behind the cut does not count.
 */
static uint32_t count_whole_lines(const struct lb_container_format *format, const struct lb_batch *batch)
{
    uint32_t whole = batch->event_count;
    bool out = false;
    bool err = false;

    for (uint32_t i = batch->event_count; i-- > 0 && !(out && err);) {
        enum lb_container_line line = kind_of_event(format, batch, i);

        if ((line == LB_LINE_PART_OUT && !out) || (line == LB_LINE_PART_ERR && !err)) {
            whole = i;
            out = err = false;
        }
        out |= line == LB_LINE_WHOLE_OUT;
        err |= line == LB_LINE_WHOLE_ERR;
    }
    return whole;
}

/* --- events of several lines --------------------------------------------------------- */

/* What ingest follows of one stream: the event that is open in it. */
struct sequence {
    struct lb_multiline_state state;
    uint32_t first; /* line of that event */
    bool any;
    bool in_parts;
};

/* Notes in `first`, for each of the lines, which line its event begins with. */
static void find_firsts(const struct lb_container_format *format, const struct lb_batch *batch, uint32_t lines,
                        const struct lb_multiline *rule, struct sequence sequences[2], uint32_t *first)
{
    char text[LB_CONTAINER_TEXT_BYTES];

    for (uint32_t i = 0; i < lines; i++) {
        const struct lb_event *event = lb_batch_event(batch, i);
        enum lb_container_line kind = kind_of_event(format, batch, i);
        struct sequence *self = &sequences[kind == LB_LINE_PART_ERR || kind == LB_LINE_WHOLE_ERR];

        if (kind == LB_LINE_WHOLE) { /* none of Docker's: it stands alone */
            first[i] = i;
            continue;
        }
        if (!self->in_parts &&
            !(lb_multiline_joins(rule, &self->state, format->text(batch->bytes + event->start, event->length, text)) &&
              self->any))
            self->first = i;
        first[i] = self->first;
        self->any = true;
        self->in_parts = kind == LB_LINE_PART_OUT || kind == LB_LINE_PART_ERR;
    }
}

/* The last line of each stream may go on with what is not read yet; no event of the other may span the cut. */
static uint32_t count_whole_events(const struct lb_container_format *format, const struct lb_batch *batch,
                                   uint32_t lines, const struct lb_multiline *rule, uint32_t *first)
{
    struct sequence sequences[2] = { 0 };
    uint32_t whole = lines;

    find_firsts(format, batch, lines, rule, sequences, first);
    for (int i = 0; i < 2; i++)
        if (sequences[i].any && !sequences[i].state.closed && sequences[i].first < whole)
            whole = sequences[i].first;
    for (uint32_t i = whole; i < lines; i++) {
        if (first[i] >= whole)
            continue;
        whole = first[i];
        i = whole;
    }
    return whole;
}

uint32_t lb_container_whole(const struct lb_container_format *format, const struct lb_batch *batch,
                            const struct lb_multiline *rule, uint32_t *scratch)
{
    uint32_t lines = count_whole_lines(format, batch);

    return rule != NULL ? count_whole_events(format, batch, lines, rule, scratch) : lines;
}
