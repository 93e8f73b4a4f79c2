/*
 * daemon_change.c - from the current generation to the next, all of it or none.
 *
 * The steps go from what can be undone to what cannot: alert rules and new
 * sinks beside the old ones; changed sinks, each in the place of the old one
 * while its records wait; then, the loops of changed sources being held so
 * that nothing is read, the sources; then the queue is switched. From then on
 * nothing fails, and what is no longer needed is taken down. The tricky thing
 * is undoing: a source that was stopped is resumed with what it had open; a
 * sink that was closed is opened again from the state its options had filled.
 */
#include "daemon.h"

#include "lb_intake.h"
#include "lb_log.h"

#include <stdlib.h>
#include <string.h>

#define MODULE "reload"
#define SINK_TIMEOUT                                                                                                   \
    (10 * LB_SECOND) /* for a sink that is changed or removed, and at most half of shutdown_timeout                    \
                      */

enum fate { ADDED, KEPT, CHANGED };

struct change {
    struct lb_daemon *daemon;
    struct generation *from;
    struct generation *to;
    struct reload_result *result;
    struct lb_diag *diag;
    int64_t deadline; /* of sinks, monotonic */
    enum fate source_fates[LB_SOURCES_MAX];
    enum fate sink_fates[LB_SINKS_MAX];
    uint64_t sinks_open;                  /* bits: own sinks of `to` that are open */
    bool sources_open[LB_SOURCES_MAX];    /* own sources of `to` that are open */
    bool sources_stopped[LB_SOURCES_MAX]; /* of `from` */
    bool engine_made;                     /* for `to`, and not at work yet */
    bool files_held;
    bool sockets_held;
};

/* --- what has changed ---------------------------------------------------------- */

static void compare_sources(struct change *self)
{
    struct reload_counts *counts = &self->result->sources;
    uint32_t count = self->to->config->source_count;

    for (uint32_t i = 0; i < count; i++) {
        struct source_part *part = &self->to->sources[i];
        const struct source_part *before = generation_find_source(self->from, part->source->section.name);
        bool same = before != NULL && before->print == part->print;

        self->source_fates[i] = before == NULL ? ADDED : same ? KEPT : CHANGED;
        counts->added += before == NULL;
        counts->kept += same;
        counts->changed += before != NULL && !same;
        if (same)
            generation_keep_source(self->to, i, before);
    }
    counts->removed = self->from->config->source_count - counts->kept - counts->changed;
}

static void compare_sinks(struct change *self)
{
    struct reload_counts *counts = &self->result->sinks;
    uint32_t index;

    for (uint32_t i = 0; i < self->to->config->sink_count; i++) {
        struct sink_part *part = &self->to->sinks[i];
        const struct sink_part *before = generation_find_sink(self->from, part->sink->section.name, &index);
        bool same = before != NULL && before->print == part->print;

        self->sink_fates[i] = before == NULL ? ADDED : same ? KEPT : CHANGED;
        counts->added += before == NULL;
        counts->kept += same;
        counts->changed += before != NULL && !same;
        if (same)
            generation_keep_sink(self->to, i, before);
    }
    counts->removed = self->from->config->sink_count - counts->kept - counts->changed;
}

/* The text of a sink's `path`, or nothing. */
static struct lb_str path_of(const struct lb_sink *sink)
{
    const struct lb_node *node = sink->type->writes != NULL ? lb_node_get(sink->section.node, "path") : NULL;

    return node != NULL && node->kind == LB_NODE_SCALAR ? node->text : LB_STR("");
}

/* Two sinks must not write to one file, not even while one of them is on its way out. */
static void refuse_same_paths(struct change *self)
{
    for (uint32_t i = 0; i < self->to->config->sink_count; i++) {
        const struct lb_sink *sink = self->to->sinks[i].sink;
        struct lb_str path = path_of(sink);

        for (uint32_t j = 0; path.len > 0 && self->sink_fates[i] != KEPT && j < self->from->config->sink_count; j++) {
            const struct lb_sink *other = self->from->sinks[j].sink;

            if (lb_str_equal(path_of(other), path) && !lb_str_equal(other->section.name, sink->section.name))
                lb_diag_error(self->diag, lb_section_place(&sink->section, "path"),
                              "sink \"" LB_STR_FMT "\": until now sink \"" LB_STR_FMT "\" writes to this path; restart "
                              "logboom for that, or give it another path",
                              LB_STR_ARG(sink->section.name), LB_STR_ARG(other->section.name));
        }
    }
}

static bool is_gone(const struct change *self, uint32_t i)
{
    const struct lb_source *source = self->from->sources[i].source;
    const struct source_part *part = generation_find_source(self->to, source->section.name);

    return part == NULL || part->source != source;
}

static void refuse_for_good(struct change *self)
{
    for (uint32_t i = 0; i < self->from->config->source_count; i++) {
        const struct lb_source *source = self->from->sources[i].source;
        const struct source_part *after = generation_find_source(self->to, source->section.name);

        if (!is_gone(self, i) || source->type->resume != NULL)
            continue;
        lb_diag_error(self->diag,
                      after != NULL ? after->source->section.node->place
                                    : (struct lb_place){ self->to->config->file, 0, 0 },
                      "source \"" LB_STR_FMT "\": a source of type %s cannot be changed or removed while it runs; "
                      "restart logboom for that",
                      LB_STR_ARG(source->section.name), source->type->module.name);
    }
}

/* --- alert rules ------------------------------------------------------------------- */

static int32_t find_rule(const struct generation *self, struct lb_str name)
{
    for (uint32_t i = 0; i < self->config->alerting.rule_count; i++) {
        if (lb_str_equal(self->config->alerting.rules[i].name, name))
            return (int32_t)i;
    }
    return -1;
}

static void compare_rules(struct change *self, struct lb_alert_change *change)
{
    const struct lb_alerting *alerting = &self->to->config->alerting;
    struct reload_counts *counts = &self->result->rules;

    for (uint32_t i = 0; i < alerting->rule_count; i++) {
        int32_t before = find_rule(self->from, alerting->rules[i].name);
        bool same = before >= 0 && self->from->rule_prints[before] == self->to->rule_prints[i];

        if (same && change != NULL)
            change->kept[i] = before;
        counts->kept += same;
        counts->changed += before >= 0 && !same;
        counts->added += before < 0;
    }
    counts->removed = self->from->config->alerting.rule_count - counts->kept - counts->changed;
}

static void map_sinks(struct change *self, struct lb_alert_change *change)
{
    uint32_t index;

    for (uint32_t i = 0; i < self->from->config->sink_count; i++) {
        if (generation_find_sink(self->to, self->from->sinks[i].sink->section.name, &index) != NULL)
            change->sinks[i] = (int32_t)index;
    }
}

/*
 * An engine that is made now has the rules of `to` from the beginning. Nothing is pushed to it before the switch, and
 * its thread is not started before all sinks are open, for rules may have to tell what is missing at once.
 */
static bool prepare_rules(struct change *self)
{
    struct generation *to = self->to;
    bool is_there = self->daemon->alerts != NULL;

    pthread_mutex_lock(&self->daemon->lock);
    self->daemon->rules_changed = !is_there;
    pthread_mutex_unlock(&self->daemon->lock);
    if (is_there)
        to->change = lb_alert_change_new(&to->config->alerting, to->config->sink_count);
    if (is_there ? to->change == NULL : !make_alerts(self->daemon, to->config)) {
        lb_diag_error(self->diag, (struct lb_place){ to->config->file, 0, 0 }, "out of memory for alert rules");
        return false;
    }
    self->engine_made = !is_there && self->daemon->alerts != NULL;
    compare_rules(self, to->change);
    if (to->change != NULL)
        map_sinks(self, to->change);
    return true;
}

/* With all that it may tell somebody open. */
static bool start_rules(struct change *self)
{
    if (!self->engine_made || lb_alert_engine_start(self->daemon->alerts) == LB_OK)
        return true;
    lb_diag_error(self->diag, (struct lb_place){ self->to->config->file, 0, 0 }, "no memory for the thread of alerts");
    return false;
}

static void take_back_rules(struct change *self)
{
    struct lb_daemon *daemon = self->daemon;

    if (!self->engine_made)
        return;
    pthread_mutex_lock(&daemon->lock);
    struct lb_alert_engine *engine = daemon->alerts;
    daemon->alerts = NULL;
    pthread_mutex_unlock(&daemon->lock);
    lb_alert_engine_free(engine);
}

/* --- sinks ----------------------------------------------------------------------------- */

static bool add_sink(struct change *self, uint32_t i)
{
    struct lb_sink *sink = self->to->sinks[i].sink;
    uint32_t number;
    enum lb_err err = lb_streams_add(self->daemon->streams, sink->section.name, &number);

    if (err != LB_OK) {
        lb_diag_error(self->diag, sink->section.node->place,
                      err == LB_LIMIT ? "sink \"" LB_STR_FMT
                                        "\": too many sinks at once; %d is the most, and those count "
                                        "that are just being removed"
                                      : "sink \"" LB_STR_FMT "\": its positions cannot be stored (%d)",
                      LB_STR_ARG(sink->section.name), LB_SINKS_MAX);
        return false;
    }
    sink->index = number;
    if (start_sink(self->daemon, sink, self->to->config->commit_every_ns, self->diag)) {
        self->sinks_open |= UINT64_C(1) << i;
        self->to->new_consumers |= UINT64_C(1) << number;
        return true;
    }
    lb_streams_remove(self->daemon->streams, number);
    return false;
}

/* A fresh instance behind the delivery; who only looks at it (a reader's flush) waits meanwhile. */
static bool resume_with(struct change *self, struct lb_delivery *delivery, struct lb_sink *sink, int64_t commit_ns)
{
    pthread_mutex_lock(&self->daemon->parts_lock);
    enum lb_err err = lb_delivery_resume(delivery, sink, true, commit_ns);
    pthread_mutex_unlock(&self->daemon->parts_lock);
    return err == LB_OK;
}

/* Opens an instance again that was closed. If that fails too, only a restart brings back what it has to write. */
static void open_again(struct change *self, const struct sink_part *part, struct lb_delivery *delivery)
{
    struct lb_sink *sink = part->sink;
    struct lb_diag diag = { 0 };

    memcpy(sink->state, part->pristine, sink->type->module.state_size);
    if (!open_sink(self->daemon, sink, &diag) ||
        !resume_with(self, delivery, sink, self->from->config->commit_every_ns)) {
        LB_ERROR(MODULE,
                 "a sink cannot be opened again, ending at once; the next start goes on from the last commit "
                 "sink=" LB_STR_FMT,
                 LB_STR_ARG(sink->section.name));
        abort();
    }
    lb_diag_free(&diag);
}

/* In the place of the old one, whose records wait meanwhile. */
static bool change_sink(struct change *self, uint32_t i)
{
    struct lb_sink *sink = self->to->sinks[i].sink;
    uint32_t index;
    const struct sink_part *before = generation_find_sink(self->from, sink->section.name, &index);
    struct lb_delivery *delivery = before->sink->delivery;
    int64_t commit_ns = self->to->config->commit_every_ns;
    bool clean = lb_delivery_pause(delivery, self->deadline);

    if (!clean && (before->sink->type->commit != NULL || before->sink->options.when_full == LB_FULL_SPOOL)) {
        lb_diag_error(self->diag, sink->section.node->place,
                      "sink \"" LB_STR_FMT "\": cannot be changed while it cannot write what it has; see its state in "
                      "/health, mend that and reload again, or restart",
                      LB_STR_ARG(sink->section.name));
        if (lb_delivery_resume(delivery, before->sink, false, self->from->config->commit_every_ns) != LB_OK)
            abort();
        return false;
    }
    if (!clean)
        LB_WARN(MODULE,
                "what this sink had on its way when it was changed comes again after a restart, if its source "
                "can be read again sink=" LB_STR_FMT,
                LB_STR_ARG(sink->section.name));
    close_sink(before->sink);
    sink->index = before->sink->index;
    if (open_sink(self->daemon, sink, self->diag)) {
        if (resume_with(self, delivery, sink, commit_ns)) {
            self->sinks_open |= UINT64_C(1) << i;
            return true;
        }
        lb_diag_error(self->diag, sink->section.node->place,
                      "sink \"" LB_STR_FMT "\": no memory for its threads, or its spool cannot be opened",
                      LB_STR_ARG(sink->section.name));
        close_sink(sink);
    }
    open_again(self, before, delivery);
    return false;
}

static bool open_sinks(struct change *self)
{
    for (uint32_t i = 0; i < self->to->config->sink_count; i++) {
        if (self->sink_fates[i] == ADDED && !add_sink(self, i))
            return false;
    }
    for (uint32_t i = 0; i < self->to->config->sink_count; i++) {
        if (self->sink_fates[i] == CHANGED && !change_sink(self, i))
            return false;
    }
    return true;
}

static void take_back_sink(struct change *self, uint32_t i)
{
    struct lb_sink *sink = self->to->sinks[i].sink;
    struct lb_delivery *delivery = sink->delivery;
    uint32_t index;

    if (self->sink_fates[i] == ADDED) {
        lb_delivery_stop(delivery, lb_clock_monotonic());
        close_sink(sink);
        lb_delivery_free(sink);
        lb_streams_remove(self->daemon->streams, sink->index);
        return;
    }
    lb_delivery_pause(delivery, self->deadline);
    close_sink(sink);
    open_again(self, generation_find_sink(self->from, sink->section.name, &index), delivery);
}

static void take_back_sinks(struct change *self)
{
    for (uint32_t i = 0; i < self->to->config->sink_count; i++) {
        if ((self->sinks_open >> i & 1) != 0)
            take_back_sink(self, i);
    }
}

/* --- sources ------------------------------------------------------------------------------ */

static void hold_loops(struct change *self)
{
    for (uint32_t i = 0; i < self->to->config->source_count; i++) {
        bool touched = self->source_fates[i] != KEPT;
        bool file_like = self->to->sources[i].source->type->file_like;

        self->files_held |= touched && file_like;
        self->sockets_held |= touched && !file_like;
    }
    for (uint32_t i = 0; i < self->from->config->source_count; i++) {
        bool file_like = self->from->sources[i].source->type->file_like;

        self->files_held |= is_gone(self, i) && file_like;
        self->sockets_held |= is_gone(self, i) && !file_like;
    }
    if (self->files_held)
        lb_loop_hold(self->daemon->file_loop);
    if (self->sockets_held)
        lb_loop_hold(self->daemon->socket_loop);
}

static void let_loops_go(struct change *self)
{
    if (self->files_held)
        lb_loop_let_go(self->daemon->file_loop);
    if (self->sockets_held)
        lb_loop_let_go(self->daemon->socket_loop);
    /* What was posted to a source that has stopped is run now, and finds it so. */
    if (self->files_held)
        lb_loop_flush(self->daemon->file_loop);
    if (self->sockets_held)
        lb_loop_flush(self->daemon->socket_loop);
    self->files_held = false;
    self->sockets_held = false;
}

/* Nothing is read by it any more, and nothing will be posted. It still has what it has open. */
static void stop_source(struct lb_source *source)
{
    source->replaced = true;
    source->type->stop(source);
    lb_share_on_credit(source->share, NULL, NULL);
}

static void stop_sources(struct change *self)
{
    for (uint32_t i = 0; i < self->from->config->source_count; i++) {
        if (!is_gone(self, i))
            continue;
        stop_source(self->from->sources[i].source);
        self->sources_stopped[i] = true;
    }
}

static bool open_sources(struct change *self)
{
    for (uint32_t i = 0; i < self->to->config->source_count; i++) {
        struct lb_source *source = self->to->sources[i].source;
        const struct source_part *before = generation_find_source(self->from, source->section.name);

        if (self->source_fates[i] == KEPT)
            continue;
        if (before != NULL && before->source->type == source->type)
            source->before = before->source;
        source->intake_later = before != NULL && before->source->intake != NULL;
        source->provisional = true;
        self->sources_open[i] = open_source(self->daemon, source, self->diag);
        source->before = NULL;
        if (!self->sources_open[i])
            return false;
    }
    return true;
}

/* On its loop's thread. What no other has taken over is delivered as far as possible. */
static void close_source(void *context)
{
    struct lb_source *source = context;

    source->replaced = false;
    source->type->stop(source);
    source->type->close(source);
}

/* Its loop runs, and has run all that was posted before it was stopped. */
static void finish_source(struct lb_source *source)
{
    lb_loop_post(source->loop, close_source, source);
    lb_loop_flush(source->loop);
    close_intake(source);
    lb_share_free(source->share);
    source->share = NULL;
}

static void close_sources(struct change *self)
{
    for (uint32_t i = 0; i < self->from->config->source_count; i++) {
        if (self->sources_stopped[i])
            finish_source(self->from->sources[i].source);
    }
}

/* Those whose journals the old ones had. What came meanwhile waits in memory. */
static void start_intakes(struct change *self)
{
    for (uint32_t i = 0; i < self->to->config->source_count; i++) {
        struct lb_source *source = self->to->sources[i].source;

        if (self->source_fates[i] == KEPT || source->intake == NULL || !source->intake_later)
            continue;
        if (lb_intake_start(source->intake, true) == LB_OK)
            continue;
        LB_ERROR(MODULE, "no memory for the thread of an intake, ending at once source=" LB_STR_FMT,
                 LB_STR_ARG(source->section.name));
        abort();
    }
}

/* The instance of the next generation that took the place of `source`, or NULL. */
static struct lb_source *opened_for(const struct change *self, const struct lb_source *source)
{
    for (uint32_t i = 0; i < self->to->config->source_count; i++) {
        struct lb_source *after = self->to->sources[i].source;

        if (self->sources_open[i] && after->type == source->type &&
            lb_str_equal(after->section.name, source->section.name))
            return after;
    }
    return NULL;
}

/* The new ones stop first, for the old ones want back what they listen on. */
static void take_back_sources(struct change *self)
{
    for (uint32_t i = 0; i < self->to->config->source_count; i++) {
        if (self->sources_open[i])
            stop_source(self->to->sources[i].source);
    }
    for (uint32_t i = 0; i < self->from->config->source_count; i++) {
        struct lb_source *source = self->from->sources[i].source;

        if (!self->sources_stopped[i])
            continue;
        source->before = opened_for(self, source);
        source->type->resume(source);
        source->before = NULL;
        source->replaced = false;
        self->sources_stopped[i] = false;
    }
    let_loops_go(self);
    for (uint32_t i = 0; i < self->to->config->source_count; i++) {
        if (self->sources_open[i])
            finish_source(self->to->sources[i].source);
    }
}

/* --- the switch ------------------------------------------------------------------------------ */

static void retire_sinks(struct change *self)
{
    struct lb_daemon *daemon = self->daemon;
    uint32_t index;

    for (uint32_t i = 0; i < self->from->config->sink_count; i++) {
        const struct sink_part *part = &self->from->sinks[i];

        if (generation_find_sink(self->to, part->sink->section.name, &index) != NULL)
            continue;
        lb_generation_ref(&part->owner->parts);
        daemon->retired[daemon->retired_count++] = *part;
    }
}

static void switch_over(struct change *self)
{
    struct lb_daemon *daemon = self->daemon;

    pthread_mutex_lock(&daemon->lock);
    daemon->current = self->to;
    daemon->sources_open = self->to->config->source_count;
    daemon->sinks_open = self->to->config->sink_count;
    retire_sinks(self);
    pthread_mutex_unlock(&daemon->lock);
    lb_queue_switch(&daemon->intake, &self->to->base, &self->to->marker);
}

/* False: the daemon ends, and takes down the rest. */
static bool wait_until_passed(struct change *self)
{
    struct lb_daemon *daemon = self->daemon;

    pthread_mutex_lock(&daemon->lock);
    while ((daemon->marked < self->to->number || !daemon->rules_changed) && !atomic_load(&daemon->ending))
        pthread_cond_wait(&daemon->progress, &daemon->lock);
    bool passed = daemon->marked >= self->to->number && daemon->rules_changed;
    pthread_mutex_unlock(&daemon->lock);
    return passed;
}

static void remove_sink(struct change *self, const struct sink_part *part)
{
    struct lb_sink *sink = part->sink;

    if (!lb_delivery_stop(sink->delivery, self->deadline))
        LB_WARN(MODULE, "a removed sink did not deliver all it had in time, the rest is dropped sink=" LB_STR_FMT,
                LB_STR_ARG(sink->section.name));
    pthread_mutex_lock(&self->daemon->parts_lock);
    close_sink(sink);
    lb_delivery_free(sink);
    pthread_mutex_unlock(&self->daemon->parts_lock);
    lb_streams_remove(self->daemon->streams, sink->index);
    LB_INFO(MODULE, "removed sink=" LB_STR_FMT, LB_STR_ARG(sink->section.name));
    lb_generation_unref(&part->owner->parts);
}

/* Nobody pushes to them any more. */
static void remove_sinks(struct change *self)
{
    struct lb_daemon *daemon = self->daemon;

    if (daemon->retired_count == 0 || !wait_until_passed(self))
        return;
    while (daemon->retired_count > 0)
        remove_sink(self, &daemon->retired[--daemon->retired_count]);
}

static bool prepare(struct change *self)
{
    uint32_t errors = self->diag->errors;

    compare_sources(self);
    compare_sinks(self);
    refuse_same_paths(self);
    refuse_for_good(self);
    return self->diag->errors == errors && prepare_rules(self);
}

static int64_t sink_deadline(const struct generation *generation)
{
    int64_t half = generation->config->shutdown_timeout_ns / 2;

    return lb_clock_monotonic() + (half < SINK_TIMEOUT ? half : SINK_TIMEOUT);
}

bool change_generation(struct lb_daemon *daemon, struct generation *next, struct reload_result *result,
                       struct lb_diag *diag)
{
    struct change self = { .daemon = daemon, .from = daemon->current, .to = next, .result = result, .diag = diag };

    self.deadline = sink_deadline(self.from);
    bool ready = prepare(&self) && open_sinks(&self);
    if (ready) {
        hold_loops(&self);
        stop_sources(&self);
        ready = open_sources(&self) && start_rules(&self);
        if (!ready)
            take_back_sources(&self);
    }
    if (!ready) {
        take_back_rules(&self);
        take_back_sinks(&self);
        lb_generation_unref(&next->base);
        return false;
    }
    switch_over(&self);
    let_loops_go(&self);
    close_sources(&self);
    start_intakes(&self);
    wait_until_passed(&self);
    self.deadline = sink_deadline(self.from);
    remove_sinks(&self);
    lb_generation_unref(&self.from->base);
    return true;
}
