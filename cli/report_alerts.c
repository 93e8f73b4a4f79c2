/* report_alerts.c - notices of state firing, by rule; of a group its members. */
#include "report_alerts.h"

#include "lb_json.h"
#include "lb_time.h"

enum { ROOM = 4096 };

static struct lb_str text_of(struct lb_value object, const char *name, struct lb_scratch *scratch)
{
    return lb_value_str(lb_value_member(object, lb_str_from(name)), scratch);
}

static void count_members(struct lb_value members, struct lb_report_alerts *alerts)
{
    char room[ROOM] = { 0 };
    struct lb_value member;
    size_t at = 1;

    while (members.kind == LB_VALUE_ARRAY &&
           lb_json_next_element((struct lb_str){ members.ptr, members.len }, &at, &member) == LB_OK) {
        struct lb_scratch scratch = { room, sizeof(room), 0 };

        if (lb_str_is(text_of(member, "state", &scratch), "firing"))
            lb_report_add_alert(alerts, text_of(member, "rule", &scratch));
    }
}

void report_count_alerts(struct lb_str notices, int64_t since, int64_t until, struct lb_report_alerts *alerts)
{
    char room[ROOM] = { 0 };
    struct lb_value notice;
    size_t at = 1;

    *alerts = (struct lb_report_alerts){ .count = 0 };
    while (lb_json_next_element(notices, &at, &notice) == LB_OK) {
        struct lb_scratch scratch = { room, sizeof(room), 0 };
        int64_t time;

        if (!lb_time_rfc3339(text_of(notice, "timestamp", &scratch), &time) || time < since || time >= until ||
            !lb_str_is(text_of(notice, "state", &scratch), "firing"))
            continue;
        struct lb_value members = lb_value_member(notice, LB_STR("members"));

        if (members.kind == LB_VALUE_ARRAY)
            count_members(members, alerts);
        else
            lb_report_add_alert(alerts, text_of(notice, "rule", &scratch));
    }
}
