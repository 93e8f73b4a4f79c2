/*
 * automatic.h - `parse: auto`: which parser a line is for, by its look.
 *
 * What a line becomes depends on the line alone, never on its neighbours: a
 * log that mixes formats (access and error lines of one server) is read as
 * well as one that does not, and reading it again gives the same records.
 */
#ifndef AUTOMATIC_H
#define AUTOMATIC_H

#include "lb_parser.h"

/* The parser that read the message; NULL: none did, and the record is as it was. That is no error. */
const struct lb_parser_type *automatic_apply(struct lb_record *record, struct lb_parse_context *context);

#endif
