/*
 * lb_log.h - logboom's own log, to standard error.
 *
 *   LB_WARN("sink.http", "delivery failed url=%s status=%d", url, status);
 *
 * A fixed sentence, then key=value pairs. Each call site writes at most
 * LB_LOG_SITE_MAX lines a second and then says how many it held back.
 * Nothing written here re-enters the pipeline by itself; who listens may make
 * records of it, and has to see that they end. Thread-safe.
 */
#ifndef LB_LOG_H
#define LB_LOG_H

#include "lb_level.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { LB_LOG_SITE_MAX = 10 };

struct lb_log_site {
    _Atomic int64_t second;
    atomic_uint written;
    atomic_uint held_back;
};

extern _Atomic int lb_log_level; /* enum lb_level; LB_LEVEL_INFO at start */

bool lb_log_admit(struct lb_log_site *site);
void lb_log_write(int level, const char *module, struct lb_log_site *site, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* What was written, without the line's head; lives during the call. */
struct lb_log_line {
    int64_t time_ns;
    int level;
    const char *module;
    struct lb_str text;
    const struct lb_log_site *site; /* the call that logs: the same sentence, whatever the values in it */
};

/*
 * Hears each line that is written, and only those: lb_log_level comes first. `hear` runs on the thread that logs, under
 * whatever locks that holds, one call at a time: it copies what it needs and takes no lock of anybody else's. What it
 * logs itself is written and not heard. The caller's; linked by listen, until unlisten has returned.
 */
struct lb_log_listener {
    int level; /* this or worse */
    void (*hear)(void *context, const struct lb_log_line *line);
    void *context;
    struct lb_log_listener *next;
};

void lb_log_listen(struct lb_log_listener *listener);
void lb_log_unlisten(struct lb_log_listener *listener); /* no call of it runs any more; fine if it was never linked */

/* A macro so that arguments are not evaluated for lines nobody will see. */
#define LB_LOG(level, module, ...)                                                                                     \
    do {                                                                                                               \
        static struct lb_log_site lb_site;                                                                             \
        if ((level) <= atomic_load_explicit(&lb_log_level, memory_order_relaxed) && lb_log_admit(&lb_site))            \
            lb_log_write((level), (module), &lb_site, __VA_ARGS__);                                                    \
    } while (0)

#define LB_ERROR(module, ...) LB_LOG(LB_LEVEL_ERROR, module, __VA_ARGS__)
#define LB_WARN(module, ...) LB_LOG(LB_LEVEL_WARN, module, __VA_ARGS__)
#define LB_INFO(module, ...) LB_LOG(LB_LEVEL_INFO, module, __VA_ARGS__)
#define LB_DEBUG(module, ...) LB_LOG(LB_LEVEL_DEBUG, module, __VA_ARGS__)

#endif
