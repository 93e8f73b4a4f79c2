/* delivery_state.c - how a sink fares: for health, metrics and the log. */
#include "spool.h"

#include "lb_log.h"

#include <stdarg.h>
#include <stdio.h>

static void open_drop_metrics(struct lb_delivery *self, const char *name)
{
    static const char *const reasons[] = { [DROP_QUEUE] = "queue_full", [DROP_SPOOL] = "spool_full" };
    char labels[360];

    for (int i = 0; i < DROP_REASONS; i++)
        self->metrics.dropped[i] =
            lb_metric(LB_COUNTER, "logboom_sink_dropped_records_total",
                      "Records that were dropped because their sink lagged, as when_full says",
                      lb_metric_labels(labels, sizeof(labels), "sink", name, "type", self->sink->type->module.name,
                                       "reason", reasons[i], (char *)NULL));
}

void delivery_metrics_open(struct lb_delivery *self)
{
    struct delivery_metrics *m = &self->metrics;
    char name[256];
    char labels[320];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->sink->section.name));
    lb_metric_labels(labels, sizeof(labels), "sink", name, "type", self->sink->type->module.name, (char *)NULL);
    m->records = lb_metric(LB_COUNTER, "logboom_sink_records_total", "Records that left through a sink", labels);
    m->bytes = lb_metric(LB_COUNTER, "logboom_sink_bytes_total", "Bytes that a sink wrote or sent", labels);
    m->queue = lb_metric(LB_GAUGE, "logboom_sink_queue_batches", "Batches that wait for a sink", labels);
    m->blocked =
        lb_metric(LB_COUNTER, "logboom_sink_blocked_seconds_total", "Time in which a sink took nothing", labels);
    m->errors =
        lb_metric(LB_COUNTER, "logboom_sink_errors_total", "Writes and commits that had to be tried again", labels);
    m->commits = lb_metric(LB_COUNTER, "logboom_sink_commits_total", "Commits of files and marks", labels);
    m->last_commit =
        lb_metric(LB_GAUGE, "logboom_sink_last_commit_timestamp_seconds", "Unix time of the last commit", labels);
    m->queue_bytes = lb_metric(LB_GAUGE, "logboom_sink_queue_bytes", "Memory for records that a sink holds", labels);
    m->blocked_since = lb_metric(LB_GAUGE, "logboom_sink_blocked_since_timestamp_seconds",
                                 "Unix time since which a sink takes nothing; 0 while it does", labels);
    m->failing_since =
        lb_metric(LB_GAUGE, "logboom_sink_failing_since_timestamp_seconds",
                  "Unix time since which a sink delivers nothing though it tries; 0 while it does", labels);
    m->oldest =
        lb_metric(LB_GAUGE, "logboom_sink_oldest_timestamp_seconds",
                  "Unix time at which the oldest record arrived that is not delivered; 0: there is none", labels);
    m->spool_bytes = lb_metric(LB_GAUGE, "logboom_sink_spool_bytes", "Bytes on disk that wait for a sink", labels);
    m->spooled = lb_metric(LB_COUNTER, "logboom_sink_spooled_records_total", "Records that went to disk first", labels);
    m->damaged =
        lb_metric(LB_COUNTER, "logboom_spool_damaged_total",
                  "Entries of a spool (some records each) that were skipped because they were damaged", labels);
    m->blocked_since->scale = 1e-9;
    m->failing_since->scale = 1e-9;
    m->oldest->scale = 1e-9;
    m->blocked->scale = 1e-9;
    m->last_commit->scale = 1e-9;
    open_drop_metrics(self, name);
}

/* On the sink's thread, at every try while it takes nothing, and once when it takes again. */
void delivery_blocked(struct lb_delivery *self, bool blocked)
{
    int64_t now = lb_clock_monotonic();

    if (self->blocked_noted != 0)
        lb_metric_add(self->metrics.blocked, now - self->blocked_noted);
    self->blocked_noted = blocked ? now : 0;
    pthread_mutex_lock(&self->lock);
    if (!blocked)
        self->blocked_since_ns = 0;
    else if (self->blocked_since_ns == 0)
        self->blocked_since_ns = lb_clock_now();
    lb_metric_set(self->metrics.blocked_since, self->blocked_since_ns);
    pthread_mutex_unlock(&self->lock);
}

/* --- what waits -------------------------------------------------------------------- */

/* With the lock: what is at the front of the spool, then what is at the front of the queue. */
static int64_t oldest_arrival(struct lb_delivery *self, uint64_t mark)
{
    struct delivery_spool *spool = self->spool;
    uint32_t passed = 0;

    if (spool != NULL) {
        while (passed < spool->flights && spool->flight[passed].end <= mark)
            passed++;
        spool->flights -= passed;
        memmove(spool->flight, spool->flight + passed, spool->flights * sizeof(spool->flight[0]));
        if (spool->flights > 0)
            return spool->flight[0].arrival_ns;
        if (spool->read_at < spool->settled && spool->unread_arrival != 0)
            return spool->unread_arrival;
    }
    return self->count > 0 ? delivery_at(self, 0)->batch->arrival_ns : 0;
}

void delivery_show(struct lb_delivery *self)
{
    uint64_t mark = delivery_spool_mark(self);
    uint64_t begin = self->spool != NULL ? lb_journal_begin(self->spool->journal) : 0;

    if (begin > mark) /* what was dropped does not wait any more */
        mark = begin;
    pthread_mutex_lock(&self->lock);
    self->oldest_arrival = oldest_arrival(self, mark);
    if (self->spool != NULL)
        self->spool_bytes = self->spool->settled > mark ? self->spool->settled - mark : 0;
    lb_metric_set(self->metrics.oldest, self->oldest_arrival);
    lb_metric_set(self->metrics.spool_bytes, (int64_t)self->spool_bytes);
    pthread_mutex_unlock(&self->lock);
}

static const char *policy_name(const struct lb_delivery *self)
{
    switch (self->sink->options.when_full) {
    case LB_FULL_SPOOL: return "spool";
    case LB_FULL_DROP_OLDEST: return "drop_oldest";
    default: return "block";
    }
}

void lb_delivery_state(struct lb_delivery *delivery, struct lb_delivery_state *state)
{
    pthread_mutex_lock(&delivery->lock);
    const char *own = delivery->problem;
    const char *spool = delivery->spool_problem;

    state->ok = own[0] == '\0' && spool[0] == '\0';
    if (state->ok)
        snprintf(state->text, sizeof(state->text), "ok");
    else
        snprintf(state->text, sizeof(state->text), "%s%s%s", spool, spool[0] != '\0' && own[0] != '\0' ? "; " : "",
                 own);
    state->blocked_since_ns = delivery->blocked_since_ns;
    state->queue_depth = delivery->count;
    state->policy = policy_name(delivery);
    state->spool_bytes = delivery->spool_bytes;
    state->oldest_ns = delivery->oldest_arrival != 0 ? lb_clock_now() - delivery->oldest_arrival : 0;
    state->dropped = delivery->dropped;
    pthread_mutex_unlock(&delivery->lock);
}

/* With the lock. The first of several problems in a row says since when. */
static void show_failing(struct lb_delivery *self)
{
    bool fails = self->problem[0] != '\0';

    if (!fails || self->metrics.failing_since->value == 0)
        lb_metric_set(self->metrics.failing_since, fails ? lb_clock_now() : 0);
}

/* Copies `text` to `problem`, one of the delivery's. True when it says something new. */
static bool set_problem(struct lb_delivery *self, char *problem, const char *text)
{
    pthread_mutex_lock(&self->lock);
    bool changed = strcmp(problem, text) != 0;
    snprintf(problem, sizeof(self->problem), "%s", text);
    if (problem == self->problem)
        show_failing(self);
    pthread_mutex_unlock(&self->lock);
    return changed;
}

void delivery_spool_problem(struct lb_delivery *self, const char *fmt, ...)
{
    char text[sizeof(self->spool_problem)] = "";
    va_list args;

    if (fmt != NULL) {
        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
    }
    if (!set_problem(self, self->spool_problem, text))
        return;
    if (fmt != NULL)
        LB_WARN("sink", "%s sink=" LB_STR_FMT, text, LB_STR_ARG(self->sink->section.name));
    else
        LB_INFO("sink", "its spool takes records again sink=" LB_STR_FMT, LB_STR_ARG(self->sink->section.name));
}

void lb_delivery_problem(struct lb_sink *sink, const char *fmt, ...)
{
    char text[sizeof(sink->delivery->problem)];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (sink->delivery == NULL || set_problem(sink->delivery, sink->delivery->problem, text))
        LB_WARN("sink", "%s sink=" LB_STR_FMT, text, LB_STR_ARG(sink->section.name));
}

void lb_delivery_fine(struct lb_sink *sink)
{
    if (sink->delivery != NULL && set_problem(sink->delivery, sink->delivery->problem, ""))
        LB_INFO("sink", "fine again sink=" LB_STR_FMT, LB_STR_ARG(sink->section.name));
}

void lb_delivery_count(struct lb_sink *sink, uint64_t records, uint64_t bytes)
{
    if (sink->delivery == NULL)
        return;
    lb_metric_add(sink->delivery->metrics.records, (int64_t)records);
    lb_metric_add(sink->delivery->metrics.bytes, (int64_t)bytes);
}
