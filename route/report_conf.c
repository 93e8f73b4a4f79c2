/* report_conf.c - `alerting.reports`: a list of what is made when, and for whom. */
#include "alert_conf.h"

#include "lb_time.h"

#include <string.h>

struct report_options {
    struct lb_report report;
    struct lb_str daily;
    struct lb_str weekly;
    struct lb_str zone;
};

#define AT(name) offsetof(struct report_options, name)

static const struct lb_option report_options[] = {
    { "name", LB_OPTION_STRING, AT(report.name), NULL, "Of letters, digits, - and _", LB_OPTION_REQUIRED, NULL, NULL, 0,
      0 },
    { "daily", LB_OPTION_STRING, AT(daily), NULL, "When, every day, such as 08:00", 0, NULL, NULL, 0, 0 },
    { "weekly", LB_OPTION_STRING, AT(weekly), NULL, "Instead of daily: when in the week, such as Mon 08:00", 0, NULL,
      NULL, 0, 0 },
    { "zone", LB_OPTION_STRING, AT(zone), NULL,
      "The time zone, such as Europe/Berlin; that of TZ unless told otherwise", 0, NULL, NULL, 0, 0 },
    { "to", LB_OPTION_SINKS, AT(report.sinks), NULL, "Who gets it", LB_OPTION_REQUIRED, NULL, NULL, 0, 0 },
    { "top", LB_OPTION_COUNT, AT(report.top), "10", "So many lines of each list", 0, NULL, NULL, 1, 100 },
    { "compare", LB_OPTION_BOOL, AT(report.compare), "true", "With the day or week before", 0, NULL, NULL, 0, 0 },
    { 0 },
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "08:00" */
static bool read_time(struct lb_str text, int64_t *day_s)
{
    if (text.len != 5 || !is_digit(text.ptr[0]) || !is_digit(text.ptr[1]) || text.ptr[2] != ':' ||
        !is_digit(text.ptr[3]) || !is_digit(text.ptr[4]))
        return false;
    int hour = (text.ptr[0] - '0') * 10 + text.ptr[1] - '0';
    int minute = (text.ptr[3] - '0') * 10 + text.ptr[4] - '0';

    *day_s = hour * 3600 + minute * 60;
    return hour < 24 && minute < 60;
}

/* "Mon 08:00" */
static bool read_weekly(struct lb_str text, struct lb_report *report)
{
    static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

    for (int i = 0; text.len > 4 && i < 7; i++) {
        if (memcmp(text.ptr, days[i], 3) != 0 || text.ptr[3] != ' ')
            continue;
        report->weekday = i;
        return read_time((struct lb_str){ text.ptr + 4, text.len - 4 }, &report->day_s);
    }
    return false;
}

static bool check_name(const struct lb_alerting *alerting, struct lb_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_digit(name.ptr[i]) && (name.ptr[i] < 'a' || name.ptr[i] > 'z') &&
            (name.ptr[i] < 'A' || name.ptr[i] > 'Z') && name.ptr[i] != '-' && name.ptr[i] != '_')
            return false;
    for (uint32_t i = 0; i < alerting->report_count; i++)
        if (lb_str_equal(alerting->reports[i].name, name))
            return false;
    return name.len > 0 && name.len < LB_REPORT_NAME_BYTES;
}

static bool read_report(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                        struct lb_diag *diag)
{
    struct report_options options = { .report = { .weekday = -1 } };
    struct lb_report *report = &options.report;

    if (!lb_options_fill(config, report_options, node, &options, diag))
        return false;
    if (!check_name(alerting, report->name)) {
        lb_diag_error(diag, node->place, "\"name\": expected up to %d letters, digits, - and _, each name once",
                      LB_REPORT_NAME_BYTES - 1);
        return false;
    }
    if ((options.daily.len > 0) == (options.weekly.len > 0) ||
        !(options.daily.len > 0 ? read_time(options.daily, &report->day_s) : read_weekly(options.weekly, report))) {
        lb_diag_error(diag, node->place,
                      "report \"" LB_STR_FMT "\": expected daily: '08:00' or weekly: 'Mon 08:00' (in quotes)",
                      LB_STR_ARG(report->name));
        return false;
    }
    report->zone = lb_time_zone_new(&config->arena, options.zone, node->place, diag);
    if (report->zone == NULL)
        return false;
    alerting->reports[alerting->report_count++] = *report;
    return true;
}

bool lb_alert_reports_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                           struct lb_diag *diag)
{
    bool ok = true;

    if (node == NULL || lb_alert_is_nothing(node))
        return true;
    if (node->kind != LB_NODE_LIST || node->count > LB_REPORTS_MAX) {
        lb_diag_error(diag, node->place, "expected a list of at most %d reports, each with name, daily or weekly, to",
                      LB_REPORTS_MAX);
        return false;
    }
    alerting->reports = lb_arena_zalloc(&config->arena, (node->count + 1) * sizeof(*alerting->reports));
    if (alerting->reports == NULL)
        return lb_alert_too_large(node, diag);
    for (uint32_t i = 0; i < node->count; i++)
        ok = read_report(config, &node->values[i], alerting, diag) && ok;
    return ok;
}
