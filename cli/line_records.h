/*
 * line_records.h - lines of an archive as records again.
 *
 * JSON lines are read by the parser of the pipeline. Other lines are text: a
 * time and a level at their front are taken where they are plain to see, and
 * a line without a time (a stack trace) has that of the line before it.
 * One thread each.
 */
#ifndef LINE_RECORDS_H
#define LINE_RECORDS_H

#include "lb_parser.h"
#include "lb_record.h"

struct line_records {
    struct lb_batch batch;
    struct lb_parse_context context;
    struct lb_scratch scratch;
    int64_t last_ns; /* of the line before; LB_TIME_NONE */
};

bool line_records_open(struct line_records *self);
void line_records_close(struct line_records *self);

/* Before the first line of a file. */
void line_records_begin(struct line_records *self);

/* A line without its newline. The record points into it and lives until the next call. NO_TIME: there is none. */
void line_records_read(struct line_records *self, struct lb_str line, struct lb_record *record);

#endif
