/*
 * log.c - logboom's own log: one write(2) a line, so that lines of several
 * threads never mix. Format: time, level, module, text; colours on a terminal.
 * Listeners are called under a lock of their own, after the line is out.
 */
#include "lb_log.h"

#include "lb_clock.h"

#include <pthread.h>
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

/* --- who listens -------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list, and is held while one hears */
static struct lb_log_listener *listeners;
static _Atomic int heard_level = -1; /* the least bad that anybody wants */
static _Thread_local bool hearing;

/* With the lock held. */
static void note_level(void)
{
    int level = -1;

    for (const struct lb_log_listener *listener = listeners; listener != NULL; listener = listener->next)
        level = listener->level > level ? listener->level : level;
    atomic_store(&heard_level, level);
}

void lb_log_listen(struct lb_log_listener *listener)
{
    pthread_mutex_lock(&lock);
    listener->next = listeners;
    listeners = listener;
    note_level();
    pthread_mutex_unlock(&lock);
}

void lb_log_unlisten(struct lb_log_listener *listener)
{
    pthread_mutex_lock(&lock);
    struct lb_log_listener **link = &listeners;
    while (*link != NULL && *link != listener)
        link = &(*link)->next;
    if (*link != NULL)
        *link = listener->next;
    note_level();
    pthread_mutex_unlock(&lock);
}

static void tell(const struct lb_log_line *line)
{
    if (line->level > atomic_load_explicit(&heard_level, memory_order_relaxed) || hearing)
        return;
    hearing = true;
    pthread_mutex_lock(&lock);
    for (const struct lb_log_listener *listener = listeners; listener != NULL; listener = listener->next) {
        if (line->level <= listener->level)
            listener->hear(listener->context, line);
    }
    pthread_mutex_unlock(&lock);
    hearing = false;
}

/* --- writing -------------------------------------------------------------------- */

static const char *colour(int level)
{
    if (isatty(STDERR_FILENO) != 1)
        return "";
    if (level <= LB_LEVEL_ERROR)
        return "\033[31m";
    return level == LB_LEVEL_WARN ? "\033[33m" : "\033[2m";
}

static size_t write_head(char *line, int64_t now, int level, const char *module)
{
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
    int64_t now = lb_clock_now();
    char line[LINE_BYTES];
    size_t head = write_head(line, now, level, module);
    size_t len = head;
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
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* nowhere left to say it */
    tell(&(struct lb_log_line){ now, level, module, { line + head, len - 1 - head }, site });
}
