/*
 * lb_format.h - a record as a line: json, logfmt, text, raw.
 *
 * json is what archives hold: {"timestamp":…,"level":…,"service":…,"host":…,
 * "message":…, then the fields in order}, no blanks, unknown ones left out,
 * so that plain grep '"level":"error"' is reliable. Ends with a newline.
 */
#ifndef LB_FORMAT_H
#define LB_FORMAT_H

#include "lb_batch.h"
#include "lb_buffer.h"
#include "lb_time.h"

enum lb_format { LB_FORMAT_JSON, LB_FORMAT_LOGFMT, LB_FORMAT_TEXT, LB_FORMAT_RAW };

extern const char *const lb_format_names[]; /* "json", "logfmt", "text", "raw", NULL: the choices of an option */

/* One per thread. */
struct lb_formatter {
    enum lb_format format;
    struct lb_time_cache time;
    struct lb_scratch *scratch;
};

void lb_format_write(struct lb_formatter *formatter, const struct lb_batch *batch, const struct lb_record *record,
                     struct lb_buffer *out);

#endif
