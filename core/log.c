/*
 * log.c - logboom's own log: one write(2) a line, so that lines of several
 * threads never mix. Format: time, level, module, text; colours on a terminal.
 */
#include "lb_log.h"

#include "lb_clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

_Atomic int lb_log_level = LB_LEVEL_INFO;

bool lb_log_admit(struct lb_log_site *site)
{
    int64_t second = lb_clock_monotonic() / LB_SECOND;

    if (atomic_exchange(&site->second, second) != second)
        atomic_store(&site->written, 0);
    if (atomic_fetch_add(&site->written, 1) < LB_LOG_SITE_MAX)
        return true;
    atomic_fetch_add(&site->held_back, 1);
    return false;
}

static const char *colour(int level)
{
    if (isatty(STDERR_FILENO) != 1)
        return "";
    if (level <= LB_LEVEL_ERROR)
        return "\033[31m";
    return level == LB_LEVEL_WARN ? "\033[33m" : "\033[2m";
}

static size_t write_head(char *line, int level, const char *module)
{
    int64_t now = lb_clock_now();
    time_t second = (time_t)(now / LB_SECOND);
    const char *tint = colour(level);
    char date[32];
    struct tm utc;

    gmtime_r(&second, &utc);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    int len = snprintf(line, LINE_BYTES, "%s.%03dZ %s%-6s%s %s: ", date, (int)(now % LB_SECOND / LB_MILLISECOND), tint,
                       lb_level_name((uint8_t)level).ptr, *tint != '\0' ? "\033[0m" : "", module);
    return len > 0 ? (size_t)len : 0;
}

void lb_log_write(int level, const char *module, struct lb_log_site *site, const char *fmt, ...)
{
    unsigned held_back = atomic_exchange(&site->held_back, 0);
    char line[LINE_BYTES];
    size_t len = write_head(line, level, module);
    va_list args;

    va_start(args, fmt);
    int more = vsnprintf(line + len, LINE_BYTES - len - 1, fmt, args);
    va_end(args);
    len += more < 0 ? 0 : (size_t)more;
    if (len > LINE_BYTES - 64)
        len = LINE_BYTES - 64;
    if (held_back > 0)
        len += (size_t)snprintf(line + len, LINE_BYTES - len - 1, " held_back=%u", held_back);
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        return; /* nowhere left to say it */
}
