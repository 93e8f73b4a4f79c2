/* alert_group_table.c - the groups that there are, and one of them as bytes. */
#include "alert_group.h"

#include "alert_incident.h"
#include "lb_alloc.h"
#include "lb_clock.h"

/* --- the table ------------------------------------------------------------ */

void lb_alert_groups_free(struct lb_alert_groups *groups)
{
    while (groups->first != NULL) {
        struct lb_alert_group *group = groups->first;

        groups->first = group->next;
        lb_free(group);
    }
    groups->count = 0;
}

struct lb_alert_group *lb_alert_groups_find(const struct lb_alert_groups *groups, uint64_t number)
{
    struct lb_alert_group *group = groups->first;

    while (group != NULL && group->number != number)
        group = group->next;
    return group;
}

struct lb_alert_group *lb_alert_groups_add(struct lb_alert_groups *groups, uint64_t number, uint64_t route)
{
    struct lb_alert_group *group = groups->count < LB_ALERT_GROUPS_MAX ? lb_alloc(sizeof(*group)) : NULL;

    if (group == NULL)
        return NULL;
    group->number = number;
    group->route = route;
    group->waiting_ns = group->sent_ns = LB_TIME_NONE;
    group->next = groups->first;
    groups->first = group;
    groups->count++;
    return group;
}

/* --- as bytes ------------------------------------------------------------- */

void lb_alert_group_write(struct lb_buffer *out, const struct lb_alert_group *group)
{
    lb_alert_put_number(out, group->number);
    lb_alert_put_number(out, group->route);
    lb_alert_put_number(out, group->id);
    lb_alert_put_number(out, group->sequence);
    lb_alert_put_number(out, group->sinks);
    lb_alert_put_number(out, group->wanted);
    lb_alert_put_number(out, (uint64_t)group->started);
    lb_alert_put_number(out, (uint64_t)group->waiting_ns);
    lb_alert_put_number(out, (uint64_t)group->sent_ns);
    lb_alert_put_text(out, (struct lb_str){ group->key, group->key_length });
}

bool lb_alert_group_read(struct lb_alert_groups *groups, struct lb_alert_bytes *bytes, const uint64_t sinks[64])
{
    uint64_t number = lb_alert_take_number(bytes);
    uint64_t route = lb_alert_take_number(bytes);
    struct lb_alert_group *group = lb_alert_groups_find(groups, number);

    if (group == NULL && !bytes->bad && number != 0)
        group = lb_alert_groups_add(groups, number, route);
    if (group == NULL)
        return false;
    group->id = lb_alert_take_number(bytes);
    group->sequence = (uint32_t)lb_alert_take_number(bytes);
    group->sinks = lb_alert_map_sinks(lb_alert_take_number(bytes), sinks);
    group->wanted = lb_alert_map_sinks(lb_alert_take_number(bytes), sinks);
    group->started = (int64_t)lb_alert_take_number(bytes);
    group->waiting_ns = (int64_t)lb_alert_take_number(bytes);
    group->sent_ns = (int64_t)lb_alert_take_number(bytes);
    struct lb_str key = lb_alert_take_text(bytes);
    if (bytes->bad || key.len > sizeof(group->key)) {
        group->id = 0;
        group->waiting_ns = LB_TIME_NONE;
        return false;
    }
    memcpy(group->key, key.ptr, key.len);
    group->key_length = (uint16_t)key.len;
    return true;
}
