/*
 * lb_line_records.h - lines of an archive as records again.
 *
 * JSON lines are read by the parser of the pipeline. Other lines are text: a
 * time and a level at their front are taken where they are plain to see, and
 * a line without a time (a stack trace) has that of the line before it.
 * One thread each.
 */
#ifndef LB_LINE_RECORDS_H
#define LB_LINE_RECORDS_H

#include "lb_parser.h"
#include "lb_record.h"

struct lb_line_records {
    struct lb_batch batch;
    struct lb_parse_context context;
    struct lb_scratch scratch;
    int64_t last_ns; /* of the line before; LB_TIME_NONE */
};

bool lb_line_records_open(struct lb_line_records *self);
void lb_line_records_close(struct lb_line_records *self);

/* Before the first line of a file. */
void lb_line_records_begin(struct lb_line_records *self);

/* A line without its newline. The record points into it and lives until the next call. NO_TIME: there is none. */
void lb_line_records_read(struct lb_line_records *self, struct lb_str line, struct lb_record *record);

#endif
