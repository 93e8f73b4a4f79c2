/*
 * retry.h - waits between tries: `retry: {first, max}`, doubled each time.
 *
 * The options and the arithmetic of sinks that try one thing again by
 * themselves: a program, a connection. (What is sent by HTTP has an answer
 * that may say when: http_policy.h.)
 */
#ifndef RETRY_H
#define RETRY_H

#include "lb_clock.h"
#include "lb_module.h"

struct retry {
    int64_t first_ns;
    int64_t max_ns;
};

/* The two options of a group; `at` is the offset of a struct retry, `what` says before which try the wait is. */
#define RETRY_OPTIONS(at, longest, what)                                                                               \
    {                                                                                                                  \
        { .name = "first",                                                                                             \
          .kind = LB_OPTION_DURATION,                                                                                  \
          .offset = (at) + offsetof(struct retry, first_ns),                                                           \
          .fallback = "1s",                                                                                            \
          .min = LB_MILLISECOND,                                                                                       \
          .max = 3600 * LB_SECOND,                                                                                     \
          .help = "the wait before " what "; doubled each time" },                                                     \
            { .name = "max",                                                                                           \
              .kind = LB_OPTION_DURATION,                                                                              \
              .offset = (at) + offsetof(struct retry, max_ns),                                                         \
              .fallback = (longest),                                                                                   \
              .min = LB_MILLISECOND,                                                                                   \
              .max = 86400 * LB_SECOND,                                                                                \
              .help = "the longest" },                                                                                 \
            { 0 },                                                                                                     \
    }

/* The wait behind one of `before`; 0: the first. */
static inline int64_t retry_next(const struct retry *self, int64_t before)
{
    int64_t wait = before > 0 ? before * 2 : self->first_ns;

    return wait < self->max_ns ? wait : self->max_ns;
}

#endif
