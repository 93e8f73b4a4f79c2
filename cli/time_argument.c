/* time_argument.c - times and durations as people type them. */
#include "time_argument.h"

#include "lb_clock.h"
#include "lb_time.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t unit_of(const char *text, size_t *length)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = { { "ms", LB_MILLISECOND },  { "s", LB_SECOND },         { "m", 60 * LB_SECOND },
                  { "h", 3600 * LB_SECOND }, { "d", 86400 * LB_SECOND }, { "w", 7 * 86400 * LB_SECOND } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        *length = strlen(units[i].name);
        if (strncmp(text, units[i].name, *length) == 0)
            return units[i].ns;
    }
    return 0;
}

/* Returns what is behind the duration, or NULL. */
static const char *read_duration(const char *text, int64_t *duration_ns)
{
    double sum = 0;

    if (*text < '0' || *text > '9')
        return NULL;
    while (*text >= '0' && *text <= '9') {
        char *end;
        size_t length;
        double number = strtod(text, &end);
        int64_t unit = unit_of(end, &length);

        if (unit == 0)
            return NULL;
        sum += number * (double)unit;
        text = end + length;
    }
    if (!(sum >= 1 && sum < 9e18))
        return NULL;
    *duration_ns = (int64_t)sum;
    return text;
}

bool duration_argument(const char *text, int64_t *duration_ns)
{
    const char *end = read_duration(text, duration_ns);

    return end != NULL && *end == '\0';
}

/* Midnight of today and `days` days, in the local zone. */
static int64_t midnight(int64_t now_ns, int days)
{
    time_t now = (time_t)(now_ns / LB_SECOND);
    struct tm parts;

    localtime_r(&now, &parts);
    parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
    parts.tm_mday += days;
    parts.tm_isdst = -1;
    return (int64_t)mktime(&parts) * LB_SECOND;
}

/* A date, a time of today or both, in the local zone. */
static bool local_time(const char *text, int64_t now_ns, int64_t *time_ns)
{
    static const char *const formats[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                                           "%Y-%m-%d",          "%H:%M:%S",          "%H:%M" };
    time_t now = (time_t)(now_ns / LB_SECOND);

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm parts;

        localtime_r(&now, &parts);
        parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
        const char *end = strptime(text, formats[i], &parts);
        if (end == NULL)
            continue;
        double fraction = 0;
        if (*end == '.' && end[1] >= '0' && end[1] <= '9') {
            char *behind;
            fraction = strtod(end, &behind);
            end = behind;
        }
        if (*end != '\0')
            continue;
        parts.tm_isdst = -1;
        *time_ns = (int64_t)mktime(&parts) * LB_SECOND + (int64_t)(fraction * 1e9 + 0.5);
        return true;
    }
    return false;
}

bool time_argument(const char *text, int64_t now_ns, int64_t *time_ns)
{
    const char *end;
    int64_t duration;

    if (strcmp(text, "now") == 0)
        *time_ns = now_ns;
    else if (strcmp(text, "today") == 0)
        *time_ns = midnight(now_ns, 0);
    else if (strcmp(text, "yesterday") == 0)
        *time_ns = midnight(now_ns, -1);
    else if (*text == '@')
        return lb_time_epoch(lb_str_from(text + 1), time_ns);
    else if ((end = read_duration(text, &duration)) != NULL && (*end == '\0' || strcmp(end, " ago") == 0))
        *time_ns = now_ns - duration;
    else
        return local_time(text, now_ns, time_ns) || lb_time_rfc3339(lb_str_from(text), time_ns);
    return true;
}
