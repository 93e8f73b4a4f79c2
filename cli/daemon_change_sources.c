/*
 * daemon_change_sources.c - sources that come, change and go, while their
 * loops stand still.
 *
 * One that stops keeps what it has open: the next one of its name takes over
 * sockets and connections, or it is resumed with them.
 */
#include "daemon_change.h"

#include "lb_intake.h"
#include "lb_log.h"

#include <stdlib.h>

#define MODULE "reload"

/* --- what has changed ---------------------------------------------------------- */

void change_sources_compare(struct change *self)
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

static bool is_gone(const struct change *self, uint32_t i)
{
    const struct lb_source *source = self->from->sources[i].source;
    const struct source_part *part = generation_find_source(self->to, source->section.name);

    return part == NULL || part->source != source;
}

void change_sources_refuse(struct change *self)
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

/* --- stopping, opening, going back ------------------------------------------------ */

void change_sources_hold(struct change *self)
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

void change_sources_let_go(struct change *self)
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

void change_sources_stop(struct change *self)
{
    for (uint32_t i = 0; i < self->from->config->source_count; i++) {
        if (!is_gone(self, i))
            continue;
        stop_source(self->from->sources[i].source);
        self->sources_stopped[i] = true;
    }
}

bool change_sources_open(struct change *self)
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

void change_sources_close(struct change *self)
{
    for (uint32_t i = 0; i < self->from->config->source_count; i++) {
        if (self->sources_stopped[i])
            finish_source(self->from->sources[i].source);
    }
}

/* Those whose journals the old ones had. What came meanwhile waits in memory. */
void change_sources_start_intakes(struct change *self)
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
void change_sources_take_back(struct change *self)
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
    change_sources_let_go(self);
    for (uint32_t i = 0; i < self->to->config->source_count; i++) {
        if (self->sources_open[i])
            finish_source(self->to->sources[i].source);
    }
}
