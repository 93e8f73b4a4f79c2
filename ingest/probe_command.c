/*
 * probe_command.c - checks by a program of the operator.
 *
 * No shell: the program gets its arguments as they are written, nothing on
 * standard input, a small environment without logboom's secrets, no signal
 * blocked or ignored, and no descriptor but three. It is well if it exits
 * with 0 before its timeout; then its group of processes is killed.
 *
 * The tricky thing is to wait without blocking: a descriptor of the process
 * (pidfd) becomes readable when it has ended; where the kernel has none, a
 * timer looks. The end of its output says nothing, for a process that it left
 * behind may hold that open.
 */
#include "probe.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_US = 20000, READS_MAX = 64, ARGUMENTS_MAX = 64, ENVIRONMENT_MAX = 8 };

struct probe_child {
    pid_t pid;
    int pidfd; /* or -1 */
    int output;
    struct event *ended;
    struct event *readable;
    struct event *timeout;
    bool timed_out;
    size_t len;
    char text[PROBE_OUTPUT_BYTES];
};

/* --- starting --------------------------------------------------------------------------- */

static void make_environment(char **environment, char *name, size_t size, const struct probe_run *run)
{
    static const char *const passed[] = { "PATH", "HOME", "USER", "LANG", "TZ", NULL };
    static char texts[ENVIRONMENT_MAX][1024]; /* only the loop of sockets comes here */
    size_t count = 0;

    for (size_t i = 0; passed[i] != NULL; i++) {
        const char *value = getenv(passed[i]); /* NOLINT(concurrency-mt-unsafe): nobody sets any */

        if (value != NULL &&
            snprintf(texts[count], sizeof(texts[0]), "%s=%s", passed[i], value) < (int)sizeof(texts[0])) {
            environment[count] = texts[count];
            count++;
        }
    }
    snprintf(name, size, "LOGBOOM_CHECK=%s", run->name);
    environment[count++] = name;
    environment[count] = NULL;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    int err =
        posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    err = err != 0 ? err : posix_spawnattr_setpgroup(attributes, 0);
    err = err != 0 ? err : posix_spawnattr_setsigmask(attributes, &none);
    return err != 0 ? err : posix_spawnattr_setsigdefault(attributes, &all);
}

static int set_files(posix_spawn_file_actions_t *actions, int output)
{
    int err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    err = err != 0 ? err : posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    err = err != 0 ? err : posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    return err != 0 ? err : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

/* 0, or an errno. */
static int spawn(const struct probe_run *run, int output, pid_t *pid)
{
    char *arguments[ARGUMENTS_MAX + 1] = { NULL };
    char *environment[ENVIRONMENT_MAX + 2];
    char name[256];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int err;

    assert(run->check->command.count > 0); /* else it is no command */
    if (run->check->command.count > ARGUMENTS_MAX)
        return E2BIG;
    for (size_t i = 0; i < run->check->command.count; i++)
        arguments[i] = (char *)run->check->command.items[i].ptr; /* a NUL is behind each */
    make_environment(environment, name, sizeof(name), run);
    err = posix_spawn_file_actions_init(&actions);
    if (err != 0)
        return err;
    err = posix_spawnattr_init(&attributes);
    if (err == 0) {
        err = set_attributes(&attributes);
        err = err != 0 ? err : set_files(&actions, output);
        err = err != 0 ? err : posix_spawnp(pid, arguments[0], &actions, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

/* --- the end ------------------------------------------------------------------------------- */

static void free_child(struct probe_slot *slot)
{
    struct probe_child *child = slot->child;
    struct event *events[] = { child->ended, child->readable, child->timeout };

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i] != NULL)
            event_free(events[i]);
    }
    if (child->pidfd >= 0)
        close(child->pidfd);
    if (child->output >= 0)
        close(child->output);
    lb_free(child);
    slot->child = NULL;
}

/* What is there, no more than a fast writer can send while we look. The beginning is kept. */
static void read_output(struct probe_child *child)
{
    char text[4096];

    for (unsigned i = 0; i < READS_MAX; i++) {
        ssize_t got = read(child->output, text, sizeof(text));
        size_t room = sizeof(child->text) - child->len;

        if (got <= 0) {
            if (got == 0 && child->readable != NULL)
                event_del(child->readable); /* it has closed its output */
            return;
        }
        memcpy(child->text + child->len, text, (size_t)got < room ? (size_t)got : room);
        child->len += (size_t)got < room ? (size_t)got : room;
    }
}

static struct lb_str first_line(const struct probe_child *child)
{
    struct lb_str line = { child->text, child->len };
    const char *newline = memchr(line.ptr, '\n', line.len);

    if (newline != NULL)
        line.len = (size_t)(newline - line.ptr);
    while (line.len > 0 && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' '))
        line.len--;
    return line;
}

static void judge(const struct probe_slot *slot, int status, struct probe_result *result)
{
    const struct probe_child *child = slot->child;

    result->has_exit = !child->timed_out && WIFEXITED(status);
    result->exit_status = result->has_exit ? WEXITSTATUS(status) : 0;
    result->ok = result->has_exit && result->exit_status == 0;
    if (child->timed_out)
        snprintf(result->reason, sizeof(result->reason), "it did not end within %g s and was killed",
                 (double)slot->run->timeout_ns / (double)LB_SECOND);
    else if (!result->has_exit)
        snprintf(result->reason, sizeof(result->reason), "it was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status))); /* NOLINT(concurrency-mt-unsafe): its text is constant */
    else if (!result->ok)
        snprintf(result->reason, sizeof(result->reason), "it exited with status %d", result->exit_status);
}

/* True when the process is no more; then the check has ended. */
static bool reap(struct probe_slot *slot)
{
    struct probe_child *child = slot->child;
    struct probe_result result = { .duration_ns = lb_clock_monotonic() - slot->started_ns };
    int status = 0;

    if (waitpid(child->pid, &status, WNOHANG) == 0)
        return false;
    read_output(child);
    judge(slot, status, &result);
    result.output = first_line(child);
    probe_finish(slot, &result);
    return true;
}

static void on_ended(evutil_socket_t fd, short what, void *context)
{
    struct probe_slot *slot = context;
    struct timeval soon = { 0, LOOK_US };

    (void)fd, (void)what;
    if (reap(slot))
        free_child(slot);
    else
        event_add(slot->child->ended, slot->child->pidfd >= 0 ? NULL : &soon);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct probe_slot *slot = context;

    (void)fd, (void)what;
    read_output(slot->child);
}

static void on_timeout(evutil_socket_t fd, short what, void *context)
{
    struct probe_slot *slot = context;

    (void)fd, (void)what;
    slot->child->timed_out = true;
    kill(-slot->child->pid, SIGKILL); /* its group; that it has ended is told by on_ended() */
}

static bool watch(struct probe_slot *slot)
{
    struct event_base *base = lb_loop_base(slot->source->source->loop);
    struct probe_child *child = slot->child;
    struct timeval soon = { 0, LOOK_US };
    struct timeval limit = { slot->run->timeout_ns / LB_SECOND, slot->run->timeout_ns % LB_SECOND / 1000 };

    child->ended = event_new(base, child->pidfd, child->pidfd >= 0 ? EV_READ : EV_TIMEOUT, on_ended, slot);
    child->readable = event_new(base, child->output, EV_READ | EV_PERSIST, on_readable, slot);
    child->timeout = evtimer_new(base, on_timeout, slot);
    return child->ended != NULL && child->readable != NULL && child->timeout != NULL &&
           event_add(child->ended, child->pidfd >= 0 ? NULL : &soon) == 0 && event_add(child->readable, NULL) == 0 &&
           evtimer_add(child->timeout, &limit) == 0;
}

bool probe_command_start(struct probe_slot *slot, struct probe_result *result)
{
    struct probe_child *child = lb_alloc(sizeof(*child));
    int ends[2];

    if (child == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        snprintf(result->reason, sizeof(result->reason), "it cannot be started: %s", strerror(errno));
        lb_free(child);
        return false;
    }
    /* The program's end may block: it is not written for another kind. */
    fcntl(ends[1], F_SETFL, 0);
    int err = spawn(slot->run, ends[1], &child->pid);
    close(ends[1]);
    if (err != 0) {
        snprintf(result->reason, sizeof(result->reason), "%.150s cannot be started: %s",
                 slot->run->check->command.items[0].ptr, strerror(err));
        close(ends[0]);
        lb_free(child);
        return false;
    }
    child->output = ends[0];
    child->pidfd = pidfd_open(child->pid, 0);
    slot->child = child;
    if (watch(slot))
        return true;
    probe_command_cancel(slot);
    snprintf(result->reason, sizeof(result->reason), "out of memory");
    return false;
}

/* --- a check that is given up ---------------------------------------------------------------- */

static void *wait_for_end(void *context)
{
    pid_t pid = (pid_t)(intptr_t)context;

    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return NULL;
}

/* The loop does not wait for a process, not even for one that was killed; a thread does, and there is one for each. */
static void leave(pid_t pid)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (waitpid(pid, NULL, WNOHANG) != 0)
        return;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, wait_for_end, (void *)(intptr_t)pid) != 0)
        LB_WARN("source.probe", "no thread to wait for a command that was killed pid=%d", (int)pid);
    pthread_attr_destroy(&attributes);
}

void probe_command_cancel(struct probe_slot *slot)
{
    pid_t pid = slot->child->pid;

    kill(-pid, SIGKILL);
    free_child(slot);
    leave(pid);
}
