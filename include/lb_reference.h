/*
 * lb_reference.h - the option reference, written from the option tables.
 */
#ifndef LB_REFERENCE_H
#define LB_REFERENCE_H

#include <stdbool.h>

/* The whole reference as Markdown to `out` (a FILE). */
void lb_reference_write(void *out);

/* Help for one module, `source.file`, `sink.kafka`, `parser.regex`, `filter.set`, or a bare name that only one kind
 * has. False: no such. */
bool lb_reference_help(void *out, const char *name);

#endif
