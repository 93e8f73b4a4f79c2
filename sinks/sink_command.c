/*
 * sink_command.c - runs a program for each alert: a playbook, a script.
 *
 * Arguments are a list, never a line for a shell: a field of a record fills
 * (part of) one argument and nothing else. The alert is JSON on standard
 * input. Jobs go in order; what a program could not do for good is a dead
 * letter, and so is what would be run too often: a restart that comes an hour
 * late is worse than none.
 */
#include "channel_text.h"
#include "one_by_one.h"
#include "retry.h"
#include "lb_command_run.h"
#include "lb_format.h"
#include "lb_sink.h"
#include "lb_template.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_limits.h"
#include "lb_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    ARGUMENTS_MAX = 64,
    ARGUMENT_UNITS = 1024, /* of one, with its fields */
    ARGUMENT_BYTES_MAX = 4096,
    JOBS_MAX = 16, /* that wait, or run */
    REASON_BYTES = 256,
    STEP_MS = 20,
    STATES_MAX = 16,
};

#define WAIT_MAX LB_SECOND /* of one write() for room */
#define LETTER_PAUSE LB_SECOND

struct sink_command;

/* One record and its program. */
struct job {
    struct job *next;
    struct lb_sink *sink;
    struct lb_token *token; /* one hold */
    char id[LB_RECORD_ID_SIZE];
    bool alert;
    bool runs;
    bool over; /* and its letter is not taken yet */
    uint32_t attempts;
    int64_t not_before; /* monotonic */
    int64_t pause;      /* the last wait for another try */
    char kind[16];
    char reason[REASON_BYTES];
    struct lb_buffer input;
    struct lb_buffer text; /* the arguments, each with a NUL */
    uint32_t count;        /* of them */
};

struct sink_command {
    struct lb_strs command;
    int64_t timeout_ns;
    uint64_t concurrency;
    struct lb_str max;
    struct lb_strs states;
    struct lb_pairs environment;
    struct retry retry;

    struct lb_arena arena;
    struct lb_template *arguments[ARGUMENTS_MAX];
    struct command_runner *runner;
    struct command_rate rate;
    struct job *first;
    struct job *last;
    uint32_t job_count;
    struct one_by_one each;
    struct lb_buffer raw; /* an argument as its fields have it */
};

#define AT(member) offsetof(struct sink_command, member)

static const struct lb_option retry_options[] = RETRY_OPTIONS(AT(retry), "5m", "the second try");

static const struct lb_option options[] = {
    { .name = "command",
      .kind = LB_OPTION_STRINGS,
      .offset = AT(command),
      .flags = LB_OPTION_REQUIRED,
      .help = "the program (an absolute path) and its arguments, a list; {field} fills part of one argument" },
    { .name = "timeout",
      .kind = LB_OPTION_DURATION,
      .offset = AT(timeout_ns),
      .fallback = "30s",
      .min = LB_MILLISECOND,
      .max = 86400 * LB_SECOND,
      .help = "then it is ended, with all that it started" },
    { .name = "concurrency",
      .kind = LB_OPTION_COUNT,
      .offset = AT(concurrency),
      .fallback = "1",
      .min = 1,
      .max = COMMAND_CONCURRENCY_MAX,
      .help = "programs at once; above 1 they are not in order" },
    { .name = "max",
      .kind = LB_OPTION_STRING,
      .offset = AT(max),
      .help = "how often it may be run, such as 3/h; what is more becomes dead letters" },
    { .name = "states",
      .kind = LB_OPTION_STRINGS,
      .offset = AT(states),
      .help = "only for alerts in these states, such as [firing]; others are passed over" },
    { .name = "environment",
      .kind = LB_OPTION_PAIRS,
      .offset = AT(environment),
      .flags = LB_OPTION_SECRET,
      .help = "variables for it, besides PATH, HOME, USER, LANG and TZ; logboom's own are not passed on" },
    { .name = "retry",
      .kind = LB_OPTION_GROUP,
      .group = retry_options,
      .help = "after exit 75, or where it cannot start" },
    { 0 },
};

/* --- check and open ---------------------------------------------------------------------- */

static bool make_templates(struct lb_sink *sink, struct lb_arena *arena, struct lb_template **out, struct lb_diag *diag)
{
    const struct sink_command *self = sink->state;
    struct lb_place place = lb_section_place(&sink->section, "command");

    if (self->command.count == 0 || self->command.count >= ARGUMENTS_MAX) {
        lb_diag_error(diag, place, "command: expected a list of 1 to %d items", ARGUMENTS_MAX - 1);
        return false;
    }
    for (size_t i = 0; i < self->command.count; i++) {
        out[i] = lb_template_new(arena, self->command.items[i], place, diag);
        if (out[i] == NULL)
            return false;
    }
    if (*self->command.items[0].ptr == '/' && lb_template_is_constant(out[0]))
        return true;
    lb_diag_error(
        diag, place,
        "command: the first item is the program: an absolute path without fields; arguments are further items, "
        "and there is no shell");
    return false;
}

static bool check_environment(struct lb_sink *sink, struct lb_diag *diag)
{
    enum { VARIABLES_MAX = 48 };
    const struct lb_pairs *pairs = &((struct sink_command *)sink->state)->environment;
    bool good = pairs->count <= VARIABLES_MAX;

    for (size_t i = 0; good && i < pairs->count; i++)
        good = memchr(pairs->items[i].name.ptr, '=', pairs->items[i].name.len) == NULL &&
               memchr(pairs->items[i].value.ptr, '\0', pairs->items[i].value.len) == NULL;
    if (!good)
        lb_diag_error(diag, lb_section_place(&sink->section, "environment"),
                      "environment: expected up to %d names without = and their values", VARIABLES_MAX);
    return good;
}

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_command *self = sink->state;
    struct lb_template *templates[ARGUMENTS_MAX];
    struct lb_arena arena;
    uint32_t errors = diag->errors;

    lb_arena_init(&arena, LB_CONF_VARIABLE_BYTES * (size_t)4);
    if (make_templates(sink, &arena, templates, diag) && access(self->command.items[0].ptr, X_OK) != 0)
        lb_diag_error(diag, lb_section_place(&sink->section, "command"), "command: cannot run %.200s: %s",
                      self->command.items[0].ptr, strerror(errno));
    lb_arena_free(&arena);
    if (!command_rate_read(&self->rate, self->max))
        lb_diag_error(diag, lb_section_place(&sink->section, "max"),
                      "max: expected a number up to %d and a unit of time, such as 3/h or 10/m", COMMAND_RATE_MAX);
    if (self->states.count > STATES_MAX)
        lb_diag_error(diag, lb_section_place(&sink->section, "states"), "states: at most %d", STATES_MAX);
    check_environment(sink, diag);
    return diag->errors == errors ? LB_OK : LB_BAD_CONF;
}

static void ended(void *context, const struct command_result *result);

static void close_sink(struct lb_sink *sink)
{
    struct sink_command *self = sink->state;

    if (self->runner != NULL)
        command_runner_free(self->runner);
    while (self->first != NULL) {
        struct job *job = self->first;

        self->first = job->next;
        lb_buffer_free(&job->input);
        lb_buffer_free(&job->text);
        lb_free(job);
    }
    lb_buffer_free(&self->raw);
    lb_arena_free(&self->arena);
    one_by_one_close(&self->each);
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_command *self = sink->state;

    if (check(sink, diag) != LB_OK)
        return LB_BAD_CONF;
    lb_arena_init(&self->arena, LB_CONF_VARIABLE_BYTES * (size_t)4);
    lb_buffer_init(&self->raw, (size_t)8 * LB_LINE_BYTES_MAX);
    bool ready = one_by_one_open(&self->each);
    self->runner = command_runner_new((uint32_t)self->concurrency, &self->environment, ended);
    if (ready && self->runner != NULL && make_templates(sink, &self->arena, self->arguments, diag))
        return LB_OK;
    close_sink(sink);
    lb_diag_error(diag, lb_section_place(&sink->section, "command"), "out of memory or descriptors at start");
    return LB_NOMEM;
}

/* --- jobs ----------------------------------------------------------------------------------- */

/* What begins with a field never begins with a dash: log text chooses no options. */
static void write_argument(struct sink_command *self, const struct lb_template *template,
                           const struct lb_record *record, struct lb_buffer *out)
{
    size_t start = out->len;

    if (lb_template_is_constant(template)) {
        lb_template_write(template, 0, record, record->time_ns, &self->each.scratch, out);
    } else {
        lb_buffer_reset(&self->raw);
        lb_template_write(template, 0, record, record->time_ns, &self->each.scratch, &self->raw);
        channel_clean(out, channel_front(lb_buffer_str(&self->raw), ARGUMENT_BYTES_MAX), ARGUMENT_UNITS, CHANNEL_LINE);
        out->failed = out->failed || self->raw.failed;
        if (out->len > start && out->ptr[start] == '-' && lb_template_prefix(template).len == 0)
            out->ptr[start] = '_';
    }
    lb_buffer_append_char(out, '\0');
}

static void free_job(struct sink_command *self, struct job *job)
{
    struct job **link = &self->first;
    struct job *before = NULL;

    while (*link != job) {
        before = *link;
        link = &before->next;
    }
    *link = job->next;
    if (self->last == job)
        self->last = before;
    self->job_count--;
    lb_buffer_free(&job->input);
    lb_buffer_free(&job->text);
    lb_free(job);
}

static bool queue_job(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                      struct lb_token *token)
{
    struct sink_command *self = sink->state;
    struct job *job = lb_alloc(sizeof(*job));

    if (job == NULL)
        return false;
    lb_buffer_init(&job->input, (size_t)8 * LB_LINE_BYTES_MAX);
    lb_buffer_init(&job->text, (size_t)ARGUMENTS_MAX * LB_CONF_VARIABLE_BYTES);
    job->sink = sink;
    job->token = token;
    job->alert = (record->flags & LB_RECORD_ALERT) != 0;
    lb_record_id(batch, record, job->id);
    self->each.scratch.used = 0;
    lb_format_write(&self->each.formatter, batch, record, &job->input);
    for (; job->count < self->command.count; job->count++) {
        self->each.scratch.used = 0;
        write_argument(self, self->arguments[job->count], record, &job->text);
    }
    if (self->raw.capacity > LB_SCRATCH_BYTES)
        lb_buffer_free(&self->raw); /* a long field was an exception */
    if (job->input.failed || job->text.failed) {
        lb_buffer_free(&job->input);
        lb_buffer_free(&job->text);
        lb_free(job);
        return false;
    }
    if (self->last != NULL)
        self->last->next = job;
    else
        self->first = job;
    self->last = job;
    self->job_count++;
    lb_token_hold(token, 1);
    return true;
}

/* The record becomes a dead letter; when letters are not taken now, the next step tries again. */
static void bury(struct job *job)
{
    struct lb_str record = { job->input.ptr, job->input.len };

    if (record.len > 0 && record.ptr[record.len - 1] == '\n')
        record.len--;
    const struct lb_letter letter = { .id = lb_str_from(job->id),
                                      .record = record,
                                      .kind = job->kind,
                                      .reason = job->reason,
                                      .attempts = job->attempts,
                                      .alert = job->alert };
    job->over = true;
    if (lb_delivery_dead_letter(job->sink, &letter, job->token) == LB_OK)
        free_job(job->sink->state, job);
    else
        job->not_before = lb_clock_monotonic() + LETTER_PAUSE;
}

static void put_off(struct job *job)
{
    const struct sink_command *self = job->sink->state;

    job->pause = retry_next(&self->retry, job->pause);
    job->not_before = lb_clock_monotonic() + job->pause;
    lb_delivery_problem(job->sink, "%s; try %u, the next in %.1f s", job->reason, job->attempts,
                        (double)job->pause / (double)LB_SECOND);
}

enum { PROGRAM_SHOWN_MAX = 80 }; /* leaves room for what it printed */

static void describe(const struct job *job, const struct command_result *result, char *out, size_t size)
{
    const char *program = job->text.ptr;
    size_t program_len = strlen(program);

    if (program_len > PROGRAM_SHOWN_MAX)
        program += program_len - PROGRAM_SHOWN_MAX; /* the end of a long path has the name */
    switch (result->end) {
    case COMMAND_EXITED: snprintf(out, size, "%s: exit %d", program, result->code); break;
    case COMMAND_SIGNALLED: snprintf(out, size, "%s: ended by signal %d", program, result->code); break;
    case COMMAND_TIMED_OUT: snprintf(out, size, "%s: not done in time, and ended", program); break;
    case COMMAND_NOT_STARTED: snprintf(out, size, "%s: cannot be started: %s", program, strerror(result->code)); break;
    }
    size_t len = strlen(out);
    if (result->output.len > 0)
        snprintf(out + len, size - len, ": %.*s", (int)result->output.len, result->output.ptr);
}

static void ended(void *context, const struct command_result *result)
{
    static const char *const kinds[] = { "exit", "signal", "timeout", "start" };
    struct job *job = context;
    struct lb_sink *sink = job->sink;
    struct sink_command *self = sink->state;

    job->runs = false;
    describe(job, result, job->reason, sizeof(job->reason));
    snprintf(job->kind, sizeof(job->kind), "%s", kinds[result->end]);
    LB_INFO("sink.command", "command ended sink=" LB_STR_FMT " record=%s took_ms=%" PRId64 " result=\"%s\"",
            LB_STR_ARG(sink->section.name), job->id, result->took_ns / LB_MILLISECOND, job->reason);
    if (result->end == COMMAND_EXITED && result->code == 0) {
        lb_delivery_fine(sink);
        lb_delivery_count(sink, 1, job->input.len);
        if (job->alert)
            lb_delivery_told(sink, job->id, "exit 0", job->attempts);
        lb_token_done(job->token, LB_DELIVERED, NULL);
        free_job(self, job);
    } else if (result->end == COMMAND_NOT_STARTED || (result->end == COMMAND_EXITED && result->code == EX_TEMPFAIL)) {
        put_off(job);
    } else {
        bury(job);
    }
}

static void run_job(struct sink_command *self, struct job *job)
{
    char *argv[ARGUMENTS_MAX + 1] = { NULL };
    char *at = job->text.ptr;

    for (uint32_t i = 0; i < job->count; i++, at += strlen(at) + 1)
        argv[i] = at;
    const struct command_job command = { argv, lb_buffer_str(&job->input), self->timeout_ns, job };
    job->runs = true;
    job->attempts++;
    LB_INFO("sink.command", "command starts sink=" LB_STR_FMT " record=%s program=%s try=%u",
            LB_STR_ARG(job->sink->section.name), job->id, argv[0], job->attempts);
    command_runner_start(self->runner, &command);
}

/* False: too often. */
static bool may_run(struct sink_command *self, struct job *job, int64_t now)
{
    if (command_rate_take(&self->rate, now))
        return true;
    snprintf(job->kind, sizeof(job->kind), "rate");
    snprintf(job->reason, sizeof(job->reason), "not run: " LB_STR_FMT " were run already", LB_STR_ARG(self->max));
    LB_WARN("sink.command", "command not run, too often sink=" LB_STR_FMT " record=%s max=" LB_STR_FMT,
            LB_STR_ARG(job->sink->section.name), job->id, LB_STR_ARG(self->max));
    return false;
}

/* In order: one that waits for its next try holds up those behind it. Returns when that is. */
static int64_t start_due(struct sink_command *self)
{
    int64_t now = lb_clock_monotonic();
    struct job *next;

    for (struct job *job = self->first; job != NULL; job = next) {
        next = job->next;
        if (job->runs)
            continue;
        if (job->not_before > now)
            return job->not_before;
        if (job->over || (!command_runner_full(self->runner) && !may_run(self, job, now)))
            bury(job);
        else if (!command_runner_full(self->runner))
            run_job(self, job);
        else
            break;
    }
    return INT64_MAX;
}

/* --- the sink's thread ----------------------------------------------------------------------- */

static int64_t step(struct sink_command *self, int wait_ms)
{
    int64_t due = start_due(self);
    int64_t next = command_runner_step(self->runner, wait_ms);
    int64_t again = start_due(self);

    due = again < due ? again : due;
    return due < next ? due : next;
}

static bool wait_for_room(struct lb_sink *sink)
{
    struct sink_command *self = sink->state;
    int64_t until = lb_clock_monotonic() + WAIT_MAX;

    while (self->job_count >= JOBS_MAX) {
        if (lb_clock_monotonic() >= until || lb_delivery_stopping(sink))
            return false;
        step(self, STEP_MS);
        if (command_runner_idle(self->runner) && self->job_count >= JOBS_MAX)
            return false; /* all of them wait for their next try */
    }
    return true;
}

static bool is_wanted(struct sink_command *self, const struct lb_record *record)
{
    const struct lb_field *state = lb_record_field(record, LB_STR("state"));

    if (self->states.count == 0 || (record->flags & LB_RECORD_ALERT) == 0 || state == NULL)
        return true;
    self->each.scratch.used = 0;
    struct lb_str word = lb_value_str(state->value, &self->each.scratch);
    for (size_t i = 0; i < self->states.count; i++) {
        if (lb_str_equal(self->states.items[i], word))
            return true;
    }
    return false;
}

static enum lb_err add_job(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                           struct lb_token *token)
{
    if (!is_wanted(sink->state, record))
        return LB_OK;
    if (!wait_for_room(sink))
        return LB_AGAIN;
    return queue_job(sink, batch, record, token) ? LB_OK : LB_NOMEM;
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_command *self = sink->state;

    return one_by_one_write(&self->each, sink, batch, selection, token, add_job);
}

/* While a program runs the thread looks often enough for its end, and is free for batches. */
static int64_t tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct sink_command *self = sink->state;
    int64_t next = step(self, 0);
    int64_t soon = monotonic_ns + STEP_MS * LB_MILLISECOND;

    return !command_runner_idle(self->runner) && soon < next ? soon : next;
}

static void drain(struct lb_sink *sink, int64_t deadline)
{
    struct sink_command *self = sink->state;

    while (self->first != NULL && lb_clock_monotonic() < deadline) {
        int64_t next = step(self, STEP_MS);

        if (command_runner_idle(self->runner) && next > lb_clock_monotonic())
            usleep(STEP_MS * 1000); /* the next try is due later */
    }
}

const struct lb_sink_type lb_sink_command = {
    .network = true,
    .tells = true,
    .module = { .name = "command",
                .help = "runs a program for each alert, with its JSON on standard input",
                .state_size = sizeof(struct sink_command),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = write_batch,
    .tick = tick,
    .drain = drain,
    .close = close_sink,
};
