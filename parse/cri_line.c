/* cri_line.c - cuts a line of a container runtime: time, stream, tags, text. More tags may follow the first, by colons.
 */
#include "cri_line.h"

#include "cut.h"
#include "lb_time.h"

static bool refuse(struct cri_line *out, const char *reason, const char *at)
{
    out->reason = reason;
    out->at = at;
    return false;
}

bool cri_read_line(struct lb_str line, struct cri_line *out)
{
    struct lb_str text = line;
    struct lb_str stamp;
    struct lb_str tag;

    *out = (struct cri_line){ 0 };
    if (!cut_until(&text, ' ', &stamp) || !lb_time_rfc3339(stamp, &out->time_ns))
        return refuse(out, "expected a time such as 2006-01-02T15:04:05.000000000Z", line.ptr);
    if (!cut_until(&text, ' ', &out->stream) ||
        (!lb_str_is(out->stream, "stdout") && !lb_str_is(out->stream, "stderr")))
        return refuse(out, "expected stdout or stderr", stamp.ptr + stamp.len + 1);
    if (!cut_until(&text, ' ', &tag)) {
        tag = text;
        text = cut_from(text, text.len);
    }
    out->partial = tag.len > 0 && *tag.ptr == 'P';
    if (tag.len == 0 || (!out->partial && *tag.ptr != 'F') || (tag.len > 1 && tag.ptr[1] != ':'))
        return refuse(out, "expected F or P", out->stream.ptr + out->stream.len + 1);
    out->text = text;
    return true;
}
