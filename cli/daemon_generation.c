/*
 * daemon_generation.c - a configuration in use, its parts, and its end.
 *
 * The tricky thing: the last reference goes on any thread, maybe under a lock
 * (a sink lets go of a batch, a stream is removed), where freeing a whole
 * configuration is out of place. So the dead are put on a list and the main
 * thread buries them, in two steps. When nobody uses a generation as a whole,
 * it lets go of the parts it kept from others; its own stay while others have
 * kept them. Else each would keep those before it, and none would ever go.
 */
#include "daemon.h"

#include "lb_alloc.h"

#include <string.h>

/* On any thread, twice: `base` holds a reference to `parts`. */
static void put_on_list(struct generation *self)
{
    struct lb_daemon *daemon = self->daemon;

    self->next_dead = atomic_load(&daemon->dead);
    while (!atomic_compare_exchange_weak(&daemon->dead, &self->next_dead, self))
        ;
    wake_main(daemon);
}

static void release(struct lb_generation *base)
{
    put_on_list((struct generation *)(void *)base);
}

static void release_parts(struct lb_generation *parts)
{
    put_on_list((struct generation *)(void *)((char *)parts - offsetof(struct generation, parts)));
}

/* Nobody uses it as a whole: parts that were kept are references, and may have been the last. */
static void let_parts_go(struct generation *self)
{
    const struct lb_config *config = self->config;

    for (uint32_t i = 0; self->sources != NULL && i < config->source_count; i++) {
        if (self->sources[i].owner != self)
            lb_generation_unref(&self->sources[i].owner->parts);
    }
    for (uint32_t i = 0; self->sinks != NULL && i < config->sink_count; i++) {
        if (self->sinks[i].owner != self)
            lb_generation_unref(&self->sinks[i].owner->parts);
    }
    self->sources = NULL;
    self->sinks = NULL;
    lb_alert_change_free(self->change);
    self->change = NULL;
}

static void free_generation(struct generation *self)
{
    lb_judge_free(self->judge);
    lb_config_free(self->config);
    lb_free(self);
}

void generation_bury(struct lb_daemon *daemon)
{
    struct generation *dead;

    while ((dead = atomic_exchange(&daemon->dead, NULL)) != NULL) {
        while (dead != NULL) {
            struct generation *next = dead->next_dead;

            if (atomic_load(&dead->parts.references) == 0) {
                free_generation(dead);
            } else {
                let_parts_go(dead);
                lb_generation_unref(&dead->parts); /* if it was the last, it comes on the list again */
            }
            dead = next;
        }
    }
}

/* --- making one ------------------------------------------------------------- */

static void *copy_state(struct lb_config *config, const struct lb_module *module, const void *state)
{
    void *copy = lb_arena_alloc(&config->arena, module->state_size + 1);

    if (copy != NULL)
        memcpy(copy, state, module->state_size);
    return copy;
}

static bool fill_sources(struct generation *self)
{
    struct lb_config *config = self->config;

    self->sources = lb_arena_zalloc(&config->arena, (config->source_count + 1) * sizeof(*self->sources));
    for (uint32_t i = 0; self->sources != NULL && i < config->source_count; i++) {
        struct lb_source *source = &config->sources[i];

        self->sources[i] = (struct source_part){ source, self, lb_config_source_print(config, i) };
        source->generation = &self->parts;
    }
    return self->sources != NULL;
}

static bool fill_sinks(struct generation *self)
{
    struct lb_config *config = self->config;

    self->sinks = lb_arena_zalloc(&config->arena, (config->sink_count + 1) * sizeof(*self->sinks));
    for (uint32_t i = 0; self->sinks != NULL && i < config->sink_count; i++) {
        struct lb_sink *sink = &config->sinks[i];

        self->sinks[i] = (struct sink_part){ .sink = sink,
                                             .owner = self,
                                             .print = lb_config_sink_print(config, i),
                                             .pristine = copy_state(config, &sink->type->module, sink->state) };
        if (self->sinks[i].pristine == NULL)
            return false;
    }
    return self->sinks != NULL;
}

static bool fill_rules(struct generation *self)
{
    struct lb_config *config = self->config;
    uint32_t count = config->alerting.rule_count;

    config->alerting.generation = &self->base;
    self->rule_prints = lb_arena_alloc(&config->arena, (count + 1) * sizeof(*self->rule_prints));
    for (uint32_t i = 0; self->rule_prints != NULL && i < count; i++)
        self->rule_prints[i] = lb_config_rule_print(config, i);
    return self->rule_prints != NULL;
}

static bool make_judge(struct generation *self)
{
    if (!lb_judge_needed(&self->config->plan))
        return true;
    self->judge = lb_judge_new(&self->config->plan);
    return self->judge != NULL;
}

struct generation *generation_new(struct lb_daemon *daemon, struct lb_config *config, uint32_t number)
{
    struct generation *self = lb_alloc(sizeof(*self));

    if (self == NULL) {
        lb_config_free(config);
        return NULL;
    }
    atomic_init(&self->base.references, 1);
    self->base.release = release;
    atomic_init(&self->parts.references, 1);
    self->parts.release = release_parts;
    self->daemon = daemon;
    self->config = config;
    self->number = number;
    atomic_init(&self->marker.references, 1);
    if (fill_sources(self) && fill_sinks(self) && fill_rules(self) && make_judge(self))
        return self;
    let_parts_go(self);
    free_generation(self);
    return NULL;
}

/* --- parts -------------------------------------------------------------------- */

static void keep_alive(const struct generation *self, struct generation *owner)
{
    if (owner != self)
        lb_generation_ref(&owner->parts);
}

void generation_keep_source(struct generation *self, uint32_t index, const struct source_part *part)
{
    keep_alive(self, part->owner);
    self->sources[index] = *part;
}

void generation_keep_sink(struct generation *self, uint32_t index, const struct sink_part *part)
{
    keep_alive(self, part->owner);
    self->sinks[index] = *part;
}

const struct source_part *generation_find_source(const struct generation *self, struct lb_str name)
{
    for (uint32_t i = 0; i < self->config->source_count; i++) {
        if (lb_str_equal(self->sources[i].source->section.name, name))
            return &self->sources[i];
    }
    return NULL;
}

const struct sink_part *generation_find_sink(const struct generation *self, struct lb_str name, uint32_t *index)
{
    for (uint32_t i = 0; i < self->config->sink_count; i++) {
        *index = i;
        if (lb_str_equal(self->sinks[i].sink->section.name, name))
            return &self->sinks[i];
    }
    return NULL;
}
