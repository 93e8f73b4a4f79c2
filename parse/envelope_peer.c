/*
 * envelope_peer.c - a host, then lines `name=value`.
 *
 * The names are those of sources (peer_pid, peer_uid, peer_subject), which no sender can set through here: what came
 * over the network is the value alone, in which a source leaves no line end.
 */
#include "envelope_peer.h"

static bool is_number(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return text.len > 0 && (text.len == 1 || text.ptr[0] != '0');
}

static void add_field(struct lb_batch *batch, struct lb_str line, struct lb_record *record)
{
    const char *sign = memchr(line.ptr, '=', line.len);

    if (sign == NULL)
        return;
    struct lb_str name = { line.ptr, (size_t)(sign - line.ptr) };
    struct lb_str value = { sign + 1, line.len - name.len - 1 };
    (void)lb_record_set(record, &batch->arena, name,
                        lb_value_of(value, is_number(value) ? LB_VALUE_NUMBER : LB_VALUE_TEXT));
}

void envelope_peer(struct lb_batch *batch, uint32_t i, struct lb_record *record)
{
    struct lb_str rest = batch->peers != NULL ? batch->peers[i] : LB_STR("");
    const char *end = rest.len > 0 ? memchr(rest.ptr, '\n', rest.len) : NULL;
    struct lb_str host = { rest.ptr, end != NULL ? (size_t)(end - rest.ptr) : rest.len };

    if (record->host.kind == LB_VALUE_NONE && host.len > 0)
        record->host = lb_value_text(host);
    while (end != NULL) {
        rest = (struct lb_str){ end + 1, rest.len - (size_t)(end + 1 - rest.ptr) };
        end = rest.len > 0 ? memchr(rest.ptr, '\n', rest.len) : NULL;
        add_field(batch, (struct lb_str){ rest.ptr, end != NULL ? (size_t)(end - rest.ptr) : rest.len }, record);
    }
}
