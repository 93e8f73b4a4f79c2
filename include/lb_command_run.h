/*
 * lb_command_run.h - runs programs beside everything else: no shell, no waiting.
 *
 * A program gets its arguments as they are, bytes on its standard input, and
 * a time limit after which it and all that it started (its process group) are
 * ended. Its output is read, and the beginning kept. Nothing here blocks:
 * pidfds and pipes are watched by one epoll descriptor, which a loop may
 * watch in turn. Nothing of our environment goes along but what every program
 * needs: secrets live there. One thread.
 */
#ifndef LB_COMMAND_RUN_H
#define LB_COMMAND_RUN_H

#include "lb_module.h"
#include "lb_str.h"

#include <stdint.h>

enum {
    COMMAND_OUTPUT_BYTES = 4096, /* that are kept */
    COMMAND_CONCURRENCY_MAX = 32,
};

enum command_end {
    COMMAND_EXITED,      /* code: the exit status */
    COMMAND_SIGNALLED,   /* code: the signal */
    COMMAND_TIMED_OUT,   /* code: the signal that it took */
    COMMAND_NOT_STARTED, /* code: errno */
};

struct command_result {
    enum command_end end;
    int code;
    int64_t took_ns;
    struct lb_str output;     /* one printable line; valid during the call */
    struct lb_str first_line; /* of what it printed: the beginning of it */
};

/* What a job runs. All of it is copied. */
struct command_job {
    char *const *argv; /* argv[0] is a path; NULL at the end */
    struct lb_str input;
    int64_t timeout_ns;
    void *context; /* for `ended` */
};

struct command_runner;

/* `environment` lives as long as the runner. NULL: no memory, or no descriptors. */
struct command_runner *command_runner_new(uint32_t concurrency, const struct lb_pairs *environment,
                                          void (*ended)(void *context, const struct command_result *result));
void command_runner_free(struct command_runner *runner); /* kills what still runs, and tells nobody */

bool command_runner_full(const struct command_runner *runner);
bool command_runner_idle(const struct command_runner *runner);

/* Never when it is full. Where it cannot be started, `ended` is called at once. */
void command_runner_start(struct command_runner *runner, const struct command_job *job);

/* Readable when command_runner_step() has something to do, but for time limits. */
int command_runner_fd(const struct command_runner *runner);

/* Waits up to `wait_ms`, and tells of what has ended. Returns when it wants to be called again (monotonic). */
int64_t command_runner_step(struct command_runner *runner, int wait_ms);

/* --- how often ---------------------------------------------------------------------- */

enum { COMMAND_RATE_MAX = 1000 };

/* So many in any span of that length. */
struct command_rate {
    uint32_t max; /* 0: any number */
    int64_t span_ns;
    uint32_t next;
    uint32_t count;
    int64_t times[COMMAND_RATE_MAX]; /* monotonic, of the last `max` */
};

/* "3/h", "10/m"; empty: any number. False: neither. */
bool command_rate_read(struct command_rate *rate, struct lb_str text);

/* True, and it counts; false: there were enough. */
bool command_rate_take(struct command_rate *rate, int64_t now);

#endif
