/*
 * format.h - the formats, one file each, and what they share.
 */
#ifndef FORMAT_H
#define FORMAT_H

#include "lb_format.h"

void format_json(struct lb_formatter *formatter, const struct lb_record *record, struct lb_buffer *out);
void format_logfmt(struct lb_formatter *formatter, const struct lb_record *record, struct lb_buffer *out);
void format_text(struct lb_formatter *formatter, const struct lb_record *record, struct lb_buffer *out);

/* ` key=value` for every field, and what is said of the record itself; `first` leaves out the first blank. */
void format_pairs(const struct lb_record *record, bool first, struct lb_scratch *scratch, struct lb_buffer *out);

/* A value as logfmt writes it: bare where it can be, else in quotes with the escapes of JSON. */
void format_logfmt_value(struct lb_value value, struct lb_buffer *out);

void format_time(struct lb_formatter *formatter, int64_t time_ns, struct lb_buffer *out);

static inline void format_literal(struct lb_buffer *out, const char *text)
{
    lb_buffer_append(out, text, strlen(text));
}

#endif
