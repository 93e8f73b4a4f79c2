/*
 * format.c - the choice of a format; raw, which is too small for a file.
 */
#include "format.h"

#include "lb_json.h"

const char *const lb_format_names[] = { "json", "logfmt", "text", "raw", NULL };

void format_time(struct lb_formatter *formatter, int64_t time_ns, struct lb_buffer *out)
{
    if (lb_buffer_reserve(out, LB_TIME_TEXT_SIZE))
        out->len += lb_time_write_cached(&formatter->time, time_ns, out->ptr + out->len);
}

/*
 * The bytes of the message, its newlines too, as the application wrote them. A record that has only fields is written
 * as JSON rather than lost.
 */
static void format_raw(struct lb_formatter *formatter, const struct lb_record *record, struct lb_buffer *out)
{
    struct lb_value message = record->message;

    if (message.kind == LB_VALUE_NONE) {
        format_json(formatter, record, out);
        return;
    }
    if (message.kind != LB_VALUE_ESCAPED)
        lb_buffer_append(out, message.ptr, message.len);
    else if (lb_buffer_reserve(out, message.len))
        out->len += lb_json_unescape((struct lb_str){ message.ptr, message.len }, out->ptr + out->len);
    lb_buffer_append_char(out, '\n');
}

void lb_format_write(struct lb_formatter *formatter, const struct lb_batch *batch, const struct lb_record *record,
                     struct lb_buffer *out)
{
    (void)batch;
    switch (formatter->format) {
    case LB_FORMAT_JSON: format_json(formatter, record, out); break;
    case LB_FORMAT_LOGFMT: format_logfmt(formatter, record, out); break;
    case LB_FORMAT_TEXT: format_text(formatter, record, out); break;
    case LB_FORMAT_RAW: format_raw(formatter, record, out); break;
    }
}
