/* delivery_state.c - how a sink fares: for health, metrics and the log. */
#include "delivery.h"

#include "lb_log.h"

#include <stdarg.h>
#include <stdio.h>

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
    m->blocked->scale = 1e-9;
    m->last_commit->scale = 1e-9;
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
    pthread_mutex_unlock(&self->lock);
}

void lb_delivery_state(struct lb_delivery *delivery, struct lb_delivery_state *state)
{
    pthread_mutex_lock(&delivery->lock);
    state->ok = delivery->problem[0] == '\0';
    snprintf(state->text, sizeof(state->text), "%s", state->ok ? "ok" : delivery->problem);
    state->blocked_since_ns = delivery->blocked_since_ns;
    state->queue_depth = delivery->count;
    pthread_mutex_unlock(&delivery->lock);
}

/* Takes over `text`. True when it says something new. */
static bool set_problem(struct lb_delivery *self, const char *text)
{
    pthread_mutex_lock(&self->lock);
    bool changed = strcmp(self->problem, text) != 0;
    snprintf(self->problem, sizeof(self->problem), "%s", text);
    pthread_mutex_unlock(&self->lock);
    return changed;
}

void lb_delivery_problem(struct lb_sink *sink, const char *fmt, ...)
{
    char text[sizeof(sink->delivery->problem)];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (sink->delivery == NULL || set_problem(sink->delivery, text))
        LB_WARN("sink", "%s sink=" LB_STR_FMT, text, LB_STR_ARG(sink->section.name));
}

void lb_delivery_fine(struct lb_sink *sink)
{
    if (sink->delivery != NULL && set_problem(sink->delivery, ""))
        LB_INFO("sink", "fine again sink=" LB_STR_FMT, LB_STR_ARG(sink->section.name));
}

void lb_delivery_count(struct lb_sink *sink, uint64_t records, uint64_t bytes)
{
    if (sink->delivery == NULL)
        return;
    lb_metric_add(sink->delivery->metrics.records, (int64_t)records);
    lb_metric_add(sink->delivery->metrics.bytes, (int64_t)bytes);
}
