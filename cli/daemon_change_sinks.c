/*
 * daemon_change_sinks.c - sinks that come, change and go.
 *
 * New ones are opened beside the old ones. One that has changed takes the
 * place of the old one behind the same delivery, where its records wait; the
 * tricky thing is going back: the old one was closed, and is opened again from
 * the state its options had filled.
 */
#include "daemon_change.h"

#include "lb_log.h"

#include <stdlib.h>
#include <string.h>

#define MODULE "reload"

/* --- what has changed ---------------------------------------------------------- */

void change_sinks_compare(struct change *self)
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
void change_sinks_refuse(struct change *self)
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

/* --- opening, and going back ---------------------------------------------------- */

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

bool change_sinks_open(struct change *self)
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

void change_sinks_take_back(struct change *self)
{
    for (uint32_t i = 0; i < self->to->config->sink_count; i++) {
        if ((self->sinks_open >> i & 1) != 0)
            take_back_sink(self, i);
    }
}

/* --- those that go ---------------------------------------------------------------- */

void change_sinks_retire(struct change *self)
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
void change_sinks_remove(struct change *self)
{
    struct lb_daemon *daemon = self->daemon;

    while (daemon->retired_count > 0)
        remove_sink(self, &daemon->retired[--daemon->retired_count]);
}
