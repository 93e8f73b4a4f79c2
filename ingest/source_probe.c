/*
 * source_probe.c - asks others whether they are well: HTTP, TCP, commands.
 *
 * Here: options, whose turn it is, and the record. A check is due again
 * `every` after it was due, whatever it took; one that still runs is not
 * begun a second time. The tricky thing: what is due is begun by an event of
 * its own, never where a check ends, for that is within a callback of curl.
 */
#include "probe.h"
#include "source_timer.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <event2/event.h>
#include <stdio.h>

#define MODULE "source.probe"
#define MEMBER(name) offsetof(struct probe_source, name)
#define CHECK(name) offsetof(struct probe_check, name)

static const struct lb_option check_options[] = {
    { .name = "name",
      .kind = LB_OPTION_STRING,
      .offset = CHECK(name),
      .help = "how records call it; what it asks unless given" },
    { .name = "service",
      .kind = LB_OPTION_STRING,
      .offset = CHECK(service),
      .help = "the service of its records; that of the source, or the name of the check unless given" },
    { .name = "http",
      .kind = LB_OPTION_STRING,
      .offset = CHECK(http),
      .help = "asks this address, http:// or https://" },
    { .name = "tcp", .kind = LB_OPTION_STRING, .offset = CHECK(tcp), .help = "connects to HOST:PORT and closes again" },
    { .name = "command",
      .kind = LB_OPTION_STRINGS,
      .offset = CHECK(command),
      .help = "runs a program, with its arguments as a list; no shell reads it; well is who exits with 0" },
    { .name = "every",
      .kind = LB_OPTION_DURATION,
      .offset = CHECK(every_ns),
      .help = "how often; that of the source unless given",
      .min = 100 * LB_MILLISECOND,
      .max = 7 * 24 * 3600 * LB_SECOND },
    { .name = "timeout",
      .kind = LB_OPTION_DURATION,
      .offset = CHECK(timeout_ns),
      .help = "the longest that it takes; that of the source unless given",
      .min = 10 * LB_MILLISECOND,
      .max = 600 * LB_SECOND },
    { .name = "method",
      .kind = LB_OPTION_STRING,
      .offset = CHECK(method),
      .fallback = "GET",
      .help = "of http: of the request" },
    { .name = "headers",
      .kind = LB_OPTION_PAIRS,
      .offset = CHECK(headers),
      .help = "of http: further headers of the request",
      .flags = LB_OPTION_SECRET },
    { .name = "expect",
      .kind = LB_OPTION_STRINGS,
      .offset = CHECK(expect),
      .fallback = "[2xx]",
      .help = "of http: the statuses that are well, such as 200 or 2xx" },
    { .name = "match",
      .kind = LB_OPTION_STRING,
      .offset = CHECK(match),
      .help = "of http: a pattern (PCRE2) that the body must match" },
    { .name = "json",
      .kind = LB_OPTION_PAIRS,
      .offset = CHECK(json),
      .help = "of http: fields of the record, each with the path of its value in a JSON body: queue.workers.0.busy" },
    { .name = "prometheus",
      .kind = LB_OPTION_PAIRS,
      .offset = CHECK(prometheus),
      .help = "of http: fields of the record, each with a metric of a Prometheus body, name or name{label=\"value\"}; "
              "several samples are added" },
    { .name = "ca",
      .kind = LB_OPTION_STRING,
      .offset = CHECK(ca),
      .flags = LB_OPTION_PATH,
      .help = "of http: certificates that are trusted, PEM; the system's unless given" },
    { .name = "verify",
      .kind = LB_OPTION_BOOL,
      .offset = CHECK(verify),
      .fallback = "true",
      .help = "of http: whether the certificate must be valid" },
    { .name = "follow",
      .kind = LB_OPTION_BOOL,
      .offset = CHECK(follow),
      .fallback = "false",
      .help = "of http: whether redirects are followed, five at most" },
    { 0 },
};

static const struct lb_option options[] = {
    { .name = "checks",
      .kind = LB_OPTION_GROUPS,
      .offset = MEMBER(checks),
      .flags = LB_OPTION_REQUIRED,
      .group = check_options,
      .min = sizeof(struct probe_check),
      .max = PROBE_CHECKS_MAX,
      .help = "what is asked: each with one of http, tcp or command" },
    { .name = "every",
      .kind = LB_OPTION_DURATION,
      .offset = MEMBER(every_ns),
      .fallback = "30s",
      .help = "how often each check is made",
      .min = 100 * LB_MILLISECOND,
      .max = 7 * 24 * 3600 * LB_SECOND },
    { .name = "timeout",
      .kind = LB_OPTION_DURATION,
      .offset = MEMBER(timeout_ns),
      .fallback = "5s",
      .help = "the longest that a check takes",
      .min = 10 * LB_MILLISECOND,
      .max = 600 * LB_SECOND },
    { .name = "concurrency",
      .kind = LB_OPTION_COUNT,
      .offset = MEMBER(concurrency),
      .fallback = "16",
      .help = "how many checks are made at once; the others wait for their turn",
      .min = 1,
      .max = PROBE_CONCURRENCY_MAX },
    { 0 },
};

/* --- the record ------------------------------------------------------------------------ */

static void report_service(struct reporter *out, const struct probe_source *self, const struct probe_run *run)
{
    if (run->check->service.len > 0)
        reporter_text(out, "service", run->check->service);
    else if (self->source->options.service.len == 0)
        reporter_text(out, "service", lb_str_from(run->name));
}

static void report_message(struct reporter *out, const struct probe_run *run, const struct probe_result *result)
{
    double milliseconds = (double)result->duration_ns / (double)LB_MILLISECOND;

    if (result->ok && result->http_status > 0)
        reporter_print(out, "message", "%s is well: status %ld in %.0f ms", run->name, result->http_status,
                       milliseconds);
    else if (result->ok)
        reporter_print(out, "message", "%s is well, in %.0f ms", run->name, milliseconds);
    else if (run->failures > 1)
        reporter_print(out, "message", "%s fails: %s; %llu times in a row", run->name, result->reason,
                       (unsigned long long)run->failures);
    else
        reporter_print(out, "message", "%s fails: %s", run->name, result->reason);
}

static void report(struct probe_source *self, const struct probe_run *run, const struct probe_result *result)
{
    static const char *const kinds[] = { "http", "tcp", "command" };
    struct reporter *out = &self->reporter;

    reporter_begin(out, lb_clock_now(), result->ok ? LB_LEVEL_INFO : LB_LEVEL_ERROR);
    report_service(out, self, run);
    report_message(out, run, result);
    reporter_text(out, "event", LB_STR("health"));
    reporter_text(out, "check", lb_str_from(run->name));
    reporter_text(out, "kind", lb_str_from(kinds[run->kind]));
    reporter_text(out, "status", result->ok ? LB_STR("ok") : LB_STR("fail"));
    if (!result->ok)
        reporter_text(out, "reason", lb_str_from(result->reason));
    reporter_count(out, "failures", run->failures);
    reporter_number(out, "duration_ms", (double)result->duration_ns / (double)LB_MILLISECOND);
    if (result->http_status > 0)
        reporter_count(out, "http_status", (uint64_t)result->http_status);
    if (result->has_certificate)
        reporter_number(out, "tls_days_left", result->days_left);
    if (result->has_exit)
        reporter_count(out, "exit_status", (uint64_t)result->exit_status);
    if (result->output.len > 0)
        reporter_text(out, "output", result->output);
    probe_body_report(out, run->check, result->body);
    reporter_end(out);
    reporter_flush(out);
}

/* --- whose turn it is --------------------------------------------------------------------- */

static void take_turn_soon(struct probe_source *self)
{
    if (!self->stopped)
        source_timer_set(self->source, self->turn, SOURCE_TIMER_NOW);
}

void probe_finish(struct probe_slot *slot, struct probe_result *result)
{
    struct probe_source *self = slot->source;
    struct probe_run *run = slot->run;
    int64_t now = lb_clock_monotonic();

    run->failures = result->ok ? 0 : run->failures + 1;
    report(self, run, result);
    run->running = false;
    run->due_ns += run->every_ns;
    if (run->due_ns < now) /* what was missed is not made up for */
        run->due_ns = now;
    slot->run = NULL;
    take_turn_soon(self);
}

static void start(struct probe_slot *slot, struct probe_run *run)
{
    struct probe_result result = { 0 };

    slot->run = run;
    slot->started_ns = lb_clock_monotonic();
    run->running = true;
    if (run->kind == PROBE_COMMAND ? probe_command_start(slot, &result) : probe_http_start(slot))
        return;
    if (result.reason[0] == '\0')
        snprintf(result.reason, sizeof(result.reason), "out of memory");
    probe_finish(slot, &result);
}

static struct probe_slot *free_slot(struct probe_source *self)
{
    for (uint64_t i = 0; i < self->concurrency; i++) {
        if (self->slots[i].run == NULL)
            return &self->slots[i];
    }
    return NULL;
}

/* The one that waits longest; NULL: nobody is due. `next` is when the first of the others is. */
static struct probe_run *find_due(const struct probe_source *self, int64_t now, int64_t *next)
{
    struct probe_run *due = NULL;

    *next = INT64_MAX;
    for (uint32_t i = 0; i < self->run_count; i++) {
        struct probe_run *run = &self->runs[i];

        if (run->running)
            continue;
        if (run->due_ns > now && run->due_ns < *next)
            *next = run->due_ns;
        if (run->due_ns <= now && (due == NULL || run->due_ns < due->due_ns))
            due = run;
    }
    return due;
}

static void begin_due(struct probe_source *self)
{
    int64_t now = lb_clock_monotonic();
    struct probe_slot *slot;
    struct probe_run *run;
    int64_t next = INT64_MAX;

    /* Without a free slot the end of a check calls again. A check that fails at once is due later, so this ends. */
    while ((slot = free_slot(self)) != NULL && (run = find_due(self, now, &next)) != NULL)
        start(slot, run);
    if (slot == NULL || next == INT64_MAX)
        return;
    source_timer_set(self->source, self->timer, next);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct probe_source *self = context;

    (void)fd, (void)what;
    if (!self->stopped)
        begin_due(self);
}

/* --- open and close ----------------------------------------------------------------------------- */

static bool make_runs(struct probe_source *self, struct lb_diag *diag)
{
    int64_t now = lb_clock_monotonic();
    bool ok = true;

    for (size_t i = 0; i < self->checks.count; i++) {
        struct probe_run *run = &self->runs[self->run_count++];

        ok = probe_run_make(run, self, self->source, i, diag) && ok;
        run->due_ns = now;
    }
    return ok;
}

/* A check that stays keeps its rhythm and its count, or each reload would ask everybody at once. */
static void take_over(struct probe_source *self, const struct probe_source *from)
{
    for (uint32_t i = 0; i < self->run_count; i++) {
        for (uint32_t k = 0; k < from->run_count; k++) {
            if (strcmp(self->runs[i].name, from->runs[k].name) != 0)
                continue;
            int64_t latest = lb_clock_monotonic() + self->runs[i].every_ns;

            self->runs[i].failures = from->runs[k].failures;
            self->runs[i].due_ns = from->runs[k].due_ns < latest ? from->runs[k].due_ns : latest;
        }
    }
}

static void cancel_all(struct probe_source *self)
{
    for (uint64_t i = 0; self->slots != NULL && i < self->concurrency; i++) {
        struct probe_slot *slot = &self->slots[i];

        if (slot->run == NULL)
            continue;
        if (slot->run->kind == PROBE_COMMAND)
            probe_command_cancel(slot);
        else
            probe_http_cancel(slot);
        slot->run->running = false;
        slot->run = NULL;
    }
}

static void release(struct probe_source *self)
{
    cancel_all(self);
    for (uint64_t i = 0; self->slots != NULL && i < self->concurrency; i++)
        probe_transfer_free(&self->slots[i]);
    probe_http_close(self);
    for (uint32_t i = 0; i < self->run_count; i++)
        probe_run_free(&self->runs[i]);
    lb_free(self->slots);
    lb_free(self->runs);
    if (self->timer != NULL)
        event_free(self->timer);
    if (self->turn != NULL)
        event_free(self->turn);
    pcre2_match_data_free(self->matched);
    pcre2_match_context_free(self->limits);
    reporter_close(&self->reporter);
    self->slots = NULL;
    self->runs = NULL;
    self->run_count = 0;
    self->timer = self->turn = NULL;
    self->matched = NULL;
    self->limits = NULL;
    self->source = NULL;
}

static bool make_parts(struct probe_source *self)
{
    struct event_base *base = lb_loop_base(self->source->loop);

    self->runs = lb_alloc((self->checks.count + 1) * sizeof(*self->runs));
    self->slots = lb_alloc(self->concurrency * sizeof(*self->slots));
    self->timer = evtimer_new(base, on_turn, self);
    self->turn = evtimer_new(base, on_turn, self);
    self->matched = pcre2_match_data_create(1, NULL);
    self->limits = pcre2_match_context_create(NULL);
    if (self->runs == NULL || self->slots == NULL || self->timer == NULL || self->turn == NULL ||
        self->matched == NULL || self->limits == NULL)
        return false;
    pcre2_set_match_limit(self->limits, PROBE_MATCH_LIMIT);
    for (uint64_t i = 0; i < self->concurrency; i++)
        self->slots[i].source = self;
    return probe_http_open(self) && reporter_open(&self->reporter, self->source, LB_STR("probe"), LB_STR(""));
}

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    struct probe_source *self = source->state;

    self->source = source;
    self->stopped = false;
    if (!make_parts(self)) {
        release(self);
        lb_diag_error(diag, lb_section_place(&source->section, ""), "out of memory");
        return LB_NOMEM;
    }
    if (!make_runs(self, diag)) {
        release(self);
        return LB_BAD_CONF;
    }
    if (source->before != NULL)
        take_over(self, source->before->state);
    take_turn_soon(self);
    return LB_OK;
}

/* What is under way is given up: nobody would write its record. */
static void stop(struct lb_source *source)
{
    struct probe_source *self = source->state;

    if (self->source == NULL)
        return;
    self->stopped = true;
    evtimer_del(self->timer);
    evtimer_del(self->turn);
    cancel_all(self);
}

static void resume(struct lb_source *source)
{
    struct probe_source *self = source->state;

    self->stopped = false;
    take_turn_soon(self);
}

static void close_source(struct lb_source *source)
{
    struct probe_source *self = source->state;

    if (self->source != NULL)
        release(self);
}

static enum lb_err check(struct lb_source *source, struct lb_diag *diag)
{
    const struct probe_source *self = source->state;
    bool ok = true;

    for (size_t i = 0; i < self->checks.count; i++) {
        struct probe_run run;

        ok = probe_run_make(&run, self, source, i, diag) && ok;
        probe_run_free(&run);
    }
    return ok ? LB_OK : LB_BAD_CONF;
}

const struct lb_source_type lb_source_probe = {
    .module = { .name = "probe",
                .help = "asks others whether they are well: HTTP, TCP, commands; a record for each answer",
                .state_size = sizeof(struct probe_source),
                .options = options },
    .envelope = &lb_envelope_lines,
    .parse = "json",
    .check = check,
    .open = open_source,
    .stop = stop,
    .resume = resume,
    .close = close_source,
};
