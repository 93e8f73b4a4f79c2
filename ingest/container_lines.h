/*
 * container_lines.h - where a batch of a container's log may be cut.
 *
 * A runtime writes stdout and stderr into one file, and cuts long lines into
 * parts. A batch ends where neither stream has an open part, found backwards
 * from its end; with `multiline:` where neither has an open event.
 */
#ifndef CONTAINER_LINES_H
#define CONTAINER_LINES_H

#include "lb_batch.h"

struct lb_multiline;

enum { LB_CONTAINER_TEXT_BYTES = 4096 }; /* of a line, for the patterns of `multiline:` */

/* LB_LINE_WHOLE: it is none of the runtime's, and stands alone. */
enum lb_container_line { LB_LINE_WHOLE, LB_LINE_PART_OUT, LB_LINE_PART_ERR, LB_LINE_WHOLE_OUT, LB_LINE_WHOLE_ERR };

struct lb_container_format {
    enum lb_container_line (*kind)(const char *line, size_t length);

    /* The front of what the application wrote; `text` has LB_CONTAINER_TEXT_BYTES to put it into if need be. */
    struct lb_str (*text)(const char *line, size_t length, char *text);
};

/* How many of the batch's lines, counted from the first, need nothing that follows. `scratch`: a number for each. */
uint32_t lb_container_whole(const struct lb_container_format *format, const struct lb_batch *batch,
                            const struct lb_multiline *rule, uint32_t *scratch);

#endif
