/*
 * daemon_run.c - programs of rules: one at a time for each, few in an hour, each noted.
 *
 * A thread of its own, made for the first one. A rule whose program still runs
 * waits with the next; one that has had its hour's share does without, for a
 * service that is restarted over and over is not helped. The audit log says
 * what was begun, what came of it and what was refused; the alert's history
 * has the first line that the program printed.
 */
#include "daemon.h"
#include "daemon_api.h"
#include "notice_history.h"

#include "lb_command_run.h"

#include "lb_alloc.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_time.h"

#include <stdio.h>
#include <string.h>

#define MODULE "daemon"
#define TIMEOUT (30 * LB_SECOND)
#define HOUR (3600 * LB_SECOND)

enum { WAITING_MAX = 64, AT_ONCE = 8, IN_AN_HOUR = 3, ARGUMENTS_MAX = 32, STEP_MS = 50, DETAILS_BYTES = 32 * 1024 };

/* A program that waits or runs. */
struct job {
    struct job *next;
    struct runs *runs;
    struct quota *quota;
    const char *refused; /* why it must not run, or NULL */
    char alert_id[17];
    int8_t severity;
    struct lb_str rule; /* these three behind it */
    struct lb_str key;
    struct lb_str arguments;
    char text[];
};

/* Of a rule, by its name. */
struct quota {
    struct quota *next;
    bool running;
    uint32_t count; /* of `times` */
    int64_t times[IN_AN_HOUR];
    uint32_t length;
    char rule[];
};

struct runs {
    struct lb_daemon *daemon;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards these: */
    pthread_cond_t wake;
    bool stopping;
    struct job *first;
    uint32_t waiting;

    /* The thread's. */
    struct job *running;
    struct command_runner *runner;
    struct quota *quotas;
};

static const char *const severities[] = { "info", "low", "medium", "high", "critical" };
static const struct lb_pairs no_environment;

/* --- what is noted -------------------------------------------------------- */

static void put_text(struct lb_buffer *out, const char *before, struct lb_str text)
{
    lb_buffer_append_str(out, lb_str_from(before));
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static void put_arguments(struct lb_buffer *out, const struct job *job)
{
    const char *end = job->arguments.ptr + job->arguments.len;

    lb_buffer_append_str(out, LB_STR(",\"argv\":["));
    for (const char *at = job->arguments.ptr; at < end; at += strlen(at) + 1)
        put_text(out, at == job->arguments.ptr ? "" : ",", lb_str_from(at));
    lb_buffer_append_char(out, ']');
}

static void note_audit(struct job *job, const char *action, const char *what, struct lb_str text)
{
    struct lb_buffer details;

    lb_buffer_init(&details, DETAILS_BYTES);
    put_text(&details, "{\"rule\":", job->rule);
    lb_buffer_print(&details, ",\"alert_id\":\"%s\",\"key\":" LB_STR_FMT, job->alert_id, LB_STR_ARG(job->key));
    put_arguments(&details, job);
    lb_buffer_print(&details, ",\"%s\":", what);
    put_text(&details, "", text);
    lb_buffer_append_char(&details, '}');
    audit_note(job->runs->daemon, NULL, action, details.failed ? LB_STR("") : lb_buffer_str(&details));
    lb_buffer_free(&details);
}

/* As a line of the alert's history. */
static void note_history(struct job *job, struct lb_str message)
{
    char time[LB_TIME_TEXT_SIZE];
    struct lb_buffer line;

    lb_buffer_init(&line, DETAILS_BYTES);
    put_text(&line, "{\"timestamp\":", (struct lb_str){ time, lb_time_write(lb_clock_now(), time) });
    lb_buffer_append_str(&line, LB_STR(",\"level\":\"info\",\"event\":\"alert\",\"state\":\"run\""));
    put_text(&line, ",\"rule\":", job->rule);
    put_text(&line, ",\"severity\":", lb_str_from(severities[job->severity]));
    lb_buffer_print(&line, ",\"key\":" LB_STR_FMT ",\"alert_id\":\"%s\"", LB_STR_ARG(job->key), job->alert_id);
    put_text(&line, ",\"message\":", message);
    lb_buffer_append_str(&line, LB_STR(",\"sinks\":[]}"));
    if (!line.failed)
        notice_history_add(job->runs->daemon->history, lb_buffer_str(&line));
    lb_buffer_free(&line);
}

static void refuse(struct job *job, const char *why)
{
    char message[300];

    LB_WARN(MODULE, "the program of a rule is not run rule=" LB_STR_FMT " program=%s reason=%s", LB_STR_ARG(job->rule),
            job->arguments.ptr, why);
    snprintf(message, sizeof(message), "%.100s is not run: %s", job->arguments.ptr, why);
    note_audit(job, "run_refused", "reason", lb_str_from(why));
    note_history(job, lb_str_from(message));
}

static void say_end(const struct command_result *result, char *text, size_t size)
{
    switch (result->end) {
    case COMMAND_EXITED: snprintf(text, size, "exit status %d", result->code); return;
    case COMMAND_SIGNALLED: snprintf(text, size, "ended by signal %d", result->code); return;
    case COMMAND_TIMED_OUT: snprintf(text, size, "ended after %ds", (int)(TIMEOUT / LB_SECOND)); return;
    default: snprintf(text, size, "not started: %s", strerror(result->code)); return;
    }
}

static void take_out(struct job **at, const struct job *job)
{
    while (*at != NULL && *at != job)
        at = &(*at)->next;
    if (*at != NULL)
        *at = job->next;
}

/* From the runner. */
static void ended(void *context, const struct command_result *result)
{
    struct job *job = context;
    char how[200];
    char message[800];
    struct lb_str output = result->first_line.len > 0 ? result->first_line : LB_STR("");

    say_end(result, how, sizeof(how));
    snprintf(message, sizeof(message), "%.100s: %s after %lldms%s%.*s", job->arguments.ptr, how,
             (long long)(result->took_ns / LB_MILLISECOND), output.len > 0 ? ": " : "",
             (int)(output.len < 400 ? output.len : 400), output.ptr);
    LB_INFO(MODULE, "the program of a rule has ended rule=" LB_STR_FMT " %s", LB_STR_ARG(job->rule), message);
    note_audit(job, "run_ended", "result", lb_str_from(message));
    note_history(job, lb_str_from(message));
    job->quota->running = false;
    take_out(&job->runs->running, job);
    lb_free(job);
}

/* --- whose turn it is ----------------------------------------------------- */

static struct quota *quota_of(struct runs *self, struct lb_str rule)
{
    struct quota *quota = self->quotas;

    while (quota != NULL && !lb_str_equal((struct lb_str){ quota->rule, quota->length }, rule))
        quota = quota->next;
    if (quota != NULL)
        return quota;
    quota = lb_alloc(sizeof(*quota) + rule.len);
    if (quota == NULL)
        return NULL;
    memcpy(quota->rule, rule.ptr, rule.len);
    quota->length = (uint32_t)rule.len;
    quota->next = self->quotas;
    self->quotas = quota;
    return quota;
}

static bool take_share(struct quota *quota, int64_t now)
{
    if (quota->count == IN_AN_HOUR && now - quota->times[0] < HOUR)
        return false;
    if (quota->count == IN_AN_HOUR)
        memmove(quota->times, quota->times + 1, (IN_AN_HOUR - 1) * sizeof(quota->times[0]));
    else
        quota->count++;
    quota->times[quota->count - 1] = now;
    return true;
}

static void start(struct runs *self, struct job *job)
{
    char *argv[ARGUMENTS_MAX + 1];
    char *at = job->text + (job->arguments.ptr - job->text);
    const char *end = at + job->arguments.len;
    size_t count = 0;

    for (; at < end && count < ARGUMENTS_MAX; at += strlen(at) + 1)
        argv[count++] = at;
    argv[count] = NULL;
    job->quota->running = true;
    job->next = self->running;
    self->running = job;
    note_audit(job, "run", "by", LB_STR("a rule"));
    command_runner_start(
        self->runner, &(struct command_job){ .argv = argv, .input = job->key, .timeout_ns = TIMEOUT, .context = job });
}

/* The first whose rule runs nothing now, taken out; with the lock. NULL: none, or as many run as may. */
static struct job *next_job(struct runs *self)
{
    struct job **at = &self->first;

    if (command_runner_full(self->runner))
        return NULL;
    for (; *at != NULL; at = &(*at)->next) {
        struct job *job = *at;

        job->quota = job->quota != NULL ? job->quota : quota_of(self, job->rule);
        if (job->quota == NULL || job->quota->running)
            continue;
        *at = job->next;
        self->waiting--;
        return job;
    }
    return NULL;
}

static void serve(struct runs *self, struct job *job)
{
    const char *refused = job->refused;

    if (refused == NULL && !take_share(job->quota, lb_clock_monotonic()))
        refused = "its rule has run it three times within an hour";
    if (refused == NULL) {
        start(self, job);
        return;
    }
    refuse(job, refused);
    lb_free(job);
}

static void *run(void *context)
{
    struct runs *self = context;

    pthread_mutex_lock(&self->lock);
    while (!self->stopping) {
        struct job *job = next_job(self);

        if (job == NULL && command_runner_idle(self->runner) && self->first == NULL) {
            pthread_cond_wait(&self->wake, &self->lock);
            continue;
        }
        pthread_mutex_unlock(&self->lock);
        if (job != NULL)
            serve(self, job);
        else
            (void)command_runner_step(self->runner, STEP_MS);
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* --- from outside --------------------------------------------------------- */

struct runs *runs_open(struct lb_daemon *daemon)
{
    struct runs *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->daemon = daemon;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wake, NULL);
    return self;
}

static struct lb_str keep(char **at, struct lb_str text)
{
    struct lb_str kept = { *at, text.len };

    memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return kept;
}

static struct job *new_job(struct runs *self, const struct lb_alert_run *run)
{
    struct lb_str rule = run->rule->name;
    struct job *job = lb_alloc(sizeof(*job) + rule.len + run->key.len + run->arguments.len + 1);

    if (job == NULL)
        return NULL;
    char *at = job->text;
    job->runs = self;
    job->severity = run->severity;
    job->refused = run->refused;
    memcpy(job->alert_id, run->alert_id, sizeof(job->alert_id));
    job->rule = keep(&at, rule);
    job->key = keep(&at, run->key);
    job->arguments = keep(&at, run->arguments);
    *at = '\0';
    return job;
}

/* With the lock. False: there is no thread. */
static bool begin_thread(struct runs *self)
{
    if (self->runner == NULL)
        self->runner = command_runner_new(AT_ONCE, &no_environment, ended);
    if (self->runner != NULL && !self->started)
        self->started = pthread_create(&self->thread, NULL, run, self) == 0;
    return self->started;
}

/* On the engine's thread, which holds what others may wait for: no lock of the daemon is taken, nothing is noted. */
void runs_take(struct runs *self, const struct lb_alert_run *run)
{
    struct job *job = new_job(self, run);
    bool taken = false;

    pthread_mutex_lock(&self->lock);
    if (job != NULL && self->waiting < WAITING_MAX && begin_thread(self)) {
        struct job **last = &self->first;

        while (*last != NULL)
            last = &(*last)->next;
        *last = job;
        self->waiting++;
        taken = true;
        pthread_cond_signal(&self->wake);
    }
    pthread_mutex_unlock(&self->lock);
    if (taken)
        return;
    LB_ERROR(MODULE, "the program of a rule is not run: no memory, or too many wait rule=" LB_STR_FMT,
             LB_STR_ARG(run->rule->name));
    lb_free(job);
}

static void free_jobs(struct job *job)
{
    while (job != NULL) {
        struct job *next = job->next;

        lb_free(job);
        job = next;
    }
}

void runs_close(struct runs *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    if (self->started)
        pthread_join(self->thread, NULL);
    if (self->runner != NULL)
        command_runner_free(self->runner);
    free_jobs(self->first);
    free_jobs(self->running);
    while (self->quotas != NULL) {
        struct quota *quota = self->quotas;

        self->quotas = quota->next;
        lb_free(quota);
    }
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}
