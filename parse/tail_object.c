/* tail_object.c - the object at the end of an application's line; see tail_object.h. */
#include "tail_object.h"

#include "cut.h"
#include "leading.h"

#include "lb_json.h"

enum { TAIL_FIELDS_MAX = 32 };

static void take_member(struct fill *fill, const struct zoned *zone, const struct lb_field *member)
{
    struct leading_key key = leading_key_of(member->key);
    struct lb_str text = { member->value.ptr, member->value.len };
    int64_t time_ns;

    if (key.role == LEADING_TIME && !key.weak && (fill->record.flags & LB_RECORD_NO_TIME) != 0 &&
        zoned_time(zone, text, fill->context->batch->arrival_ns, &time_ns)) {
        fill_time(fill, time_ns);
    } else if (key.role == LEADING_SERVICE && !key.weak && lb_value_is_string(member->value)) {
        fill->record.service = member->value;
    } else if (fill->count < FILL_FIELDS_MAX) {
        fill->fields[fill->count++] = *member;
    }
}

struct lb_str tail_object(struct fill *fill, const struct zoned *zone, struct lb_str message)
{
    struct lb_field members[TAIL_FIELDS_MAX];
    struct lb_json_object object = { .fields = members, .field_max = TAIL_FIELDS_MAX };
    const char *brace;
    const char *inside;

    if (message.len < 4 || message.ptr[message.len - 1] != '}')
        return message;
    brace = memmem(message.ptr, message.len, "\t{", 2);
    if (brace == NULL)
        brace = memmem(message.ptr, message.len, " {", 2);
    if (brace == NULL)
        return message;
    inside = brace + 2;
    while (cut_is_space(*inside)) /* it ends with a brace */
        inside++;
    if (*inside != '"')
        return message;
    struct lb_str tail = cut_from(message, (size_t)(brace + 1 - message.ptr));
    if (lb_json_read_object(tail, &object) != LB_OK || object.end != tail.len || object.rest.len > 0)
        return message;
    for (uint32_t i = 0; i < object.field_count; i++)
        take_member(fill, zone, &members[i]);
    return cut_trimmed((struct lb_str){ message.ptr, (size_t)(brace - message.ptr) });
}
