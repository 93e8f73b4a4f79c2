/*
 * command_run.c - posix_spawn, pidfds, and a pipe for what a program says.
 *
 * The input lies in a memory file, so that nobody has to feed it. The tricky
 * thing is the end: the program may be gone while something that it started
 * holds the pipe; what is in the pipe then is read once, and that is all.
 */
#include "lb_command_run.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENVIRONMENT_MAX = 72, EVENTS_MAX = 2 * COMMAND_CONCURRENCY_MAX, READ_BYTES = 16 * 1024 };

#define GRACE (2 * LB_SECOND)            /* between asking a program to end and ending it */
#define LOOK_EVERY (50 * LB_MILLISECOND) /* where the kernel has no pidfds */

struct child {
    pid_t pid; /* 0: free */
    int pidfd;
    int pipe;
    void *context;
    int64_t started; /* monotonic */
    int64_t deadline;
    bool timed_out;
    size_t output_len;
    char output[COMMAND_OUTPUT_BYTES];
};

struct command_runner {
    void (*ended)(void *context, const struct command_result *result);
    int epoll;
    uint32_t concurrency;
    uint32_t running;
    char *environment[ENVIRONMENT_MAX]; /* on the heap */
    struct child children[];
};

/* --- the environment ---------------------------------------------------------------- */

static char *make_variable(struct lb_str name, struct lb_str value)
{
    size_t size = name.len + value.len + 2;
    char *text = lb_alloc(size);

    if (text != NULL)
        snprintf(text, size, LB_STR_FMT "=" LB_STR_FMT, LB_STR_ARG(name), LB_STR_ARG(value));
    return text;
}

static bool make_environment(struct command_runner *runner, const struct lb_pairs *pairs)
{
    static const char *const kept[] = { "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PATH" };
    size_t count = 0;

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const char *value = getenv(kept[i]);

        if (value == NULL && strcmp(kept[i], "PATH") == 0)
            value = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        if (value == NULL)
            continue;
        runner->environment[count] = make_variable(lb_str_from(kept[i]), lb_str_from(value));
        if (runner->environment[count++] == NULL)
            return false;
    }
    for (size_t i = 0; i < pairs->count && count + 1 < ENVIRONMENT_MAX; i++) {
        runner->environment[count] = make_variable(pairs->items[i].name, pairs->items[i].value);
        if (runner->environment[count++] == NULL)
            return false;
    }
    return true;
}

/* --- open and close ------------------------------------------------------------------- */

struct command_runner *command_runner_new(uint32_t concurrency, const struct lb_pairs *environment,
                                          void (*ended)(void *context, const struct command_result *result))
{
    struct command_runner *runner = lb_alloc(sizeof(*runner) + concurrency * sizeof(struct child));

    if (runner == NULL)
        return NULL;
    runner->ended = ended;
    runner->concurrency = concurrency;
    runner->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (runner->epoll >= 0 && make_environment(runner, environment))
        return runner;
    command_runner_free(runner);
    return NULL;
}

static void close_child(struct command_runner *runner, struct child *child)
{
    if (child->pidfd >= 0)
        close(child->pidfd);
    close(child->pipe);
    child->pid = 0;
    runner->running--;
}

void command_runner_free(struct command_runner *runner)
{
    for (uint32_t i = 0; i < runner->concurrency; i++) {
        struct child *child = &runner->children[i];
        siginfo_t info;

        if (child->pid == 0)
            continue;
        kill(-child->pid, SIGKILL);
        waitid(P_PID, (id_t)child->pid, &info, WEXITED);
        close_child(runner, child);
    }
    if (runner->epoll >= 0)
        close(runner->epoll);
    for (size_t i = 0; i < ENVIRONMENT_MAX; i++)
        lb_free(runner->environment[i]);
    lb_free(runner);
}

bool command_runner_full(const struct command_runner *runner)
{
    return runner->running == runner->concurrency;
}

bool command_runner_idle(const struct command_runner *runner)
{
    return runner->running == 0;
}

int command_runner_fd(const struct command_runner *runner)
{
    return runner->epoll;
}

/* --- a start ---------------------------------------------------------------------------- */

/* A file in memory that stands at its beginning. -1: errno says why. */
static int make_input(struct lb_str input)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    while (fd >= 0 && input.len > 0) {
        ssize_t n = write(fd, input.ptr, input.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            close(fd);
            return -1;
        }
        input = (struct lb_str){ input.ptr + n, input.len - (size_t)n };
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Signals as a program expects them, a group of its own, three descriptors. Returns an errno. */
static int spawn(const struct command_runner *runner, const struct command_job *job, int input, int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigset_t none;

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int err = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (err == 0)
        err = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (err == 0)
        err = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (err == 0)
        err = posix_spawn(pid, job->argv[0], &actions, &attributes, job->argv, runner->environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

static void watch(const struct command_runner *runner, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };

    if (fd >= 0)
        epoll_ctl(runner->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int start(struct command_runner *runner, struct child *child, const struct command_job *job)
{
    int pipes[2] = { -1, -1 };
    int input = make_input(job->input);
    int err = input < 0 || pipe2(pipes, O_CLOEXEC | O_NONBLOCK) != 0 ? errno : 0;

    /* The program's end waits as programs expect; ours never does. */
    if (err == 0 && fcntl(pipes[1], F_SETFL, 0) != 0)
        err = errno;
    if (err == 0)
        err = spawn(runner, job, input, pipes[1], &child->pid);
    if (input >= 0)
        close(input);
    if (pipes[1] >= 0)
        close(pipes[1]);
    if (err != 0) {
        if (pipes[0] >= 0)
            close(pipes[0]);
        child->pid = 0;
        return err;
    }
    child->pipe = pipes[0];
    child->pidfd = pidfd_open(child->pid, 0);
    watch(runner, child->pidfd);
    watch(runner, child->pipe);
    return 0;
}

void command_runner_start(struct command_runner *runner, const struct command_job *job)
{
    struct child *child = runner->children;
    int64_t now = lb_clock_monotonic();

    while (child->pid != 0)
        child++;
    *child = (struct child){ .context = job->context, .started = now, .deadline = now + job->timeout_ns };
    int err = start(runner, child, job);
    if (err == 0) {
        runner->running++;
        return;
    }
    const struct command_result result = { .end = COMMAND_NOT_STARTED, .code = err };
    runner->ended(job->context, &result);
}

/* --- what becomes of it --------------------------------------------------------------------- */

/* All that is there; the beginning is kept. At the end of the pipe nobody watches it any more. */
static void read_output(const struct command_runner *runner, struct child *child)
{
    char bytes[READ_BYTES];
    ssize_t n;

    while ((n = read(child->pipe, bytes, sizeof(bytes))) > 0) {
        size_t room = sizeof(child->output) - child->output_len;
        size_t len = (size_t)n < room ? (size_t)n : room;

        memcpy(child->output + child->output_len, bytes, len);
        child->output_len += len;
        if ((size_t)n < sizeof(bytes))
            return; /* a program that never stops talking does not keep us here */
    }
    if (n == 0)
        epoll_ctl(runner->epoll, EPOLL_CTL_DEL, child->pipe, NULL);
}

/* Of output that is not cleaned yet. */
static size_t first_line(const struct child *child)
{
    const char *end = memchr(child->output, '\n', child->output_len);

    return end != NULL ? (size_t)(end - child->output) : child->output_len;
}

/* One printable line. */
static struct lb_str clean_output(struct child *child)
{
    for (size_t i = 0; i < child->output_len; i++) {
        if (child->output[i] < ' ' || child->output[i] > '~')
            child->output[i] = ' ';
    }
    while (child->output_len > 0 && child->output[child->output_len - 1] == ' ')
        child->output_len--;
    return (struct lb_str){ child->output, child->output_len };
}

/* True: it has ended, and that was told. */
static bool reap(struct command_runner *runner, struct child *child)
{
    siginfo_t info = { 0 };

    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
        return false;
    read_output(runner, child);
    size_t line = first_line(child);
    struct command_result result = { .end = info.si_code == CLD_EXITED ? COMMAND_EXITED : COMMAND_SIGNALLED,
                                     .code = info.si_status,
                                     .took_ns = lb_clock_monotonic() - child->started,
                                     .output = clean_output(child) };
    result.first_line = (struct lb_str){ result.output.ptr, line < result.output.len ? line : result.output.len };
    if (child->timed_out)
        result.end = COMMAND_TIMED_OUT;
    close_child(runner, child);
    runner->ended(child->context, &result);
    return true;
}

/* Past its time: first it is asked, then it is ended, with all that it started. */
static void stop(struct child *child, int64_t now)
{
    kill(-child->pid, child->timed_out ? SIGKILL : SIGTERM);
    child->timed_out = true;
    child->deadline = now + GRACE;
}

static int64_t look_at_all(struct command_runner *runner)
{
    int64_t now = lb_clock_monotonic();
    int64_t next = INT64_MAX;

    for (uint32_t i = 0; i < runner->concurrency; i++) {
        struct child *child = &runner->children[i];

        if (child->pid == 0)
            continue;
        read_output(runner, child);
        if (reap(runner, child))
            continue;
        if (child->deadline <= now)
            stop(child, now);
        int64_t due = child->pidfd < 0 && now + LOOK_EVERY < child->deadline ? now + LOOK_EVERY : child->deadline;
        next = due < next ? due : next;
    }
    return next;
}

int64_t command_runner_step(struct command_runner *runner, int wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t next = look_at_all(runner);

    if (runner->running == 0 || wait_ms <= 0)
        return next;
    int64_t left = (next - lb_clock_monotonic()) / LB_MILLISECOND + 1;
    if (left < wait_ms)
        wait_ms = left > 0 ? (int)left : 0;
    if (epoll_wait(runner->epoll, events, EVENTS_MAX, wait_ms) > 0 || wait_ms == left)
        next = look_at_all(runner);
    return next;
}

/* --- how often --------------------------------------------------------------------------------- */

static int64_t span_of(char unit)
{
    switch (unit) {
    case 's': return LB_SECOND;
    case 'm': return 60 * LB_SECOND;
    case 'h': return 3600 * LB_SECOND;
    case 'd': return 86400 * LB_SECOND;
    default: return 0;
    }
}

bool command_rate_read(struct command_rate *rate, struct lb_str text)
{
    uint32_t number = 0;
    size_t at = 0;

    rate->max = 0;
    if (text.len == 0)
        return true;
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9' && number <= COMMAND_RATE_MAX; at++)
        number = number * 10 + (uint32_t)(text.ptr[at] - '0');
    if (number == 0 || number > COMMAND_RATE_MAX || at + 2 != text.len || text.ptr[at] != '/')
        return false;
    rate->span_ns = span_of(text.ptr[at + 1]);
    rate->max = number;
    return rate->span_ns > 0;
}

bool command_rate_take(struct command_rate *rate, int64_t now)
{
    if (rate->max == 0)
        return true;
    if (rate->count == rate->max && now - rate->times[rate->next] < rate->span_ns)
        return false;
    rate->times[rate->next] = now;
    rate->next = (rate->next + 1) % rate->max;
    rate->count += rate->count < rate->max;
    return true;
}
