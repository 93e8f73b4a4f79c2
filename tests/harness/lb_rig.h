/*
 * lb_rig.h - what tests of sinks need: a directory, a ledger, a durable
 * stream of numbered records, and sinks whose options are set by name.
 *
 * Record n stands at position n of the stream, has the message "n" and a
 * service that follows from n, so that any test can tell which are missing.
 */
#ifndef LB_RIG_H
#define LB_RIG_H

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_sink.h"
#include "lb_source.h"
#include "lb_template.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RIG_BATCHES = 64, RIG_BATCH_RECORDS = 64, RIG_SINKS = 2, RIG_PAD_MAX = 4096 };

#define RIG_TIME (INT64_C(1767225600) * LB_SECOND) /* 2026-01-01T00:00:00Z */

struct rig_batch {
    struct lb_batch batch; /* first: a batch without pool belongs to who made it */
    struct lb_record records[RIG_BATCH_RECORDS];
    struct lb_selection selection;
    uint32_t indexes[RIG_BATCH_RECORDS];
    char text[RIG_BATCH_RECORDS][24];
    bool used;
};

struct rig {
    struct lb_arena arena;
    struct lb_diag diag;
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_stream *stream;
    struct lb_source source;
    struct lb_source_type source_type;
    struct lb_str names[RIG_SINKS + 1];
    struct lb_sink sinks[RIG_SINKS];
    uint32_t sink_count;
    uint32_t services;   /* how many different ones */
    const char *padding; /* a field of every record, or NULL */
    struct rig_batch *batches;
};

static inline void rig_known(void *context, uint64_t id, struct lb_str identity)
{
    (void)identity;
    *(uint64_t *)context = id;
}

/* The ledger and the stream; sinks are added before rig_open_stream(). */
static inline void rig_open(struct rig *rig, const char *dir)
{
    char path[512];

    memset(rig, 0, sizeof(*rig));
    lb_arena_init(&rig->arena, 1 << 20);
    snprintf(path, sizeof(path), "%s/ledger", dir);
    assert(lb_ledger_open(&rig->ledger, path) == LB_OK);
    rig->services = 3;
    rig->batches = lb_alloc(RIG_BATCHES * sizeof(*rig->batches));
    assert(rig->batches != NULL);
    rig->source.section.name = LB_STR("rig");
    rig->source.type = &rig->source_type;
}

/* Adds a sink of `type`; set its options, then open it. */
static inline struct lb_sink *rig_sink(struct rig *rig, const struct lb_sink_type *type, const char *name)
{
    struct lb_sink *sink = &rig->sinks[rig->sink_count];

    sink->type = type;
    sink->section.name = lb_str_from(name);
    sink->state = lb_alloc(type->module.state_size);
    sink->index = rig->sink_count;
    sink->ledger = rig->ledger;
    sink->data_dir = LB_STR("the data directory");
    rig->names[rig->sink_count++] = sink->section.name;
    return sink;
}

static inline const struct lb_option *rig_option(const struct lb_option *option, const char *name)
{
    size_t len = strcspn(name, ".");

    for (; option->name != NULL; option++) {
        if (strlen(option->name) != len || memcmp(option->name, name, len) != 0)
            continue;
        return name[len] == '.' ? rig_option(option->group, name + len + 1) : option;
    }
    return NULL;
}

/* The member of the sink's state behind an option, "rotate.size". */
static inline void *rig_member(struct lb_sink *sink, const char *name)
{
    const struct lb_option *option = rig_option(sink->type->module.options, name);

    assert(option != NULL);
    return (char *)sink->state + option->offset;
}

static inline void rig_number(struct lb_sink *sink, const char *name, int64_t number)
{
    memcpy(rig_member(sink, name), &number, sizeof(number));
}

static inline void rig_choice(struct lb_sink *sink, const char *name, int choice)
{
    memcpy(rig_member(sink, name), &choice, sizeof(choice));
}

static inline void rig_template(struct rig *rig, struct lb_sink *sink, const char *name, const char *text)
{
    const struct lb_template *template =
        lb_template_new(&rig->arena, lb_str_from(text), (struct lb_place){ 0 }, &rig->diag);

    assert(template != NULL);
    memcpy(rig_member(sink, name), &template, sizeof(template));
}

/* An archive or file sink with small numbers; tests change what they are about. */
static inline struct lb_sink *rig_files(struct rig *rig, const struct lb_sink_type *type, const char *name,
                                        const char *path)
{
    struct lb_sink *sink = rig_sink(rig, type, name);

    rig_template(rig, sink, "path", path);
    rig_choice(sink, "format", 0);
    rig_number(sink, "flush", 5 * LB_SECOND);
    rig_number(sink, "buffer", 4 << 20);
    rig_number(sink, "max_open", 256);
    if (rig_option(type->module.options, "compression.live_level") != NULL)
        rig_number(sink, "compression.live_level", 1);
    return sink;
}

static inline void rig_open_stream(struct rig *rig)
{
    uint64_t id = 0;

    rig->names[rig->sink_count] = LB_STR(LB_ALERTS_CONSUMER);
    struct lb_strs names = { rig->names, rig->sink_count + 1 };
    rig->streams = lb_streams_new(rig->ledger, &names);
    assert(rig->streams != NULL);
    lb_streams_each_known(rig->streams, LB_STR("rig"), rig_known, &id);
    assert(lb_stream_open(rig->streams, &rig->source, id, LB_STR("the stream"), &rig->stream) == LB_OK);
}

static inline void rig_close(struct rig *rig)
{
    lb_stream_unref(rig->stream);
    lb_streams_free(rig->streams);
    lb_ledger_close(rig->ledger);
    for (uint32_t i = 0; i < rig->sink_count; i++) {
        lb_delivery_free(&rig->sinks[i]);
        lb_free(rig->sinks[i].state);
    }
    lb_arena_free(&rig->arena);
    lb_diag_free(&rig->diag);
    lb_free(rig->batches);
}

/* A batch of the records [first, first + count), with one reference; waits until one is free. */
static inline struct rig_batch *rig_batch(struct rig *rig, uint64_t first, uint32_t count)
{
    struct rig_batch *found = NULL;

    assert(count <= RIG_BATCH_RECORDS);
    while (found == NULL) {
        for (uint32_t i = 0; i < RIG_BATCHES && found == NULL; i++) {
            if (!rig->batches[i].used || atomic_load(&rig->batches[i].batch.references) == 0)
                found = &rig->batches[i];
        }
        if (found == NULL)
            sched_yield();
    }
    memset(&found->batch, 0, sizeof(found->batch));
    found->used = true;
    found->batch.counted = true;
    found->batch.stream = rig->stream;
    found->batch.position = first;
    found->batch.position_end = first + count;
    found->batch.length = count * 100;
    found->batch.arrival_ns = RIG_TIME;
    found->batch.records = found->records;
    found->batch.record_count = count;
    atomic_store(&found->batch.references, 1);
    found->selection = (struct lb_selection){ count, NULL };
    for (uint32_t i = 0; i < count; i++) {
        struct lb_record *record = &found->records[i];
        uint64_t n = first + i;
        int len = snprintf(found->text[i], sizeof(found->text[i]), "%llu", (unsigned long long)n);
        static const char *const services[] = { "auth", "billing", "cart", "delivery", "edge", "feed", "geo", "home" };

        *record = (struct lb_record){ .time_ns = RIG_TIME, .start = i, .end = i + 1, .level = LB_LEVEL_INFO };
        record->service =
            lb_value_of(lb_str_from(services[n * UINT64_C(2654435761) % 1000003 % rig->services % 8]), LB_VALUE_CLEAN);
        record->message = lb_value_of((struct lb_str){ found->text[i], (size_t)len }, LB_VALUE_CLEAN);
        if (rig->padding != NULL)
            record->host = lb_value_of(lb_str_from(rig->padding), LB_VALUE_CLEAN);
    }
    return found;
}

/* As the sequencer does: a token for each sink, then the batch to each. */
static inline void rig_push(struct rig *rig, uint64_t first, uint32_t count)
{
    struct rig_batch *batch = rig_batch(rig, first, count);

    for (uint32_t i = 0; i < rig->sink_count; i++) {
        struct lb_token *token = lb_token_issue(rig->stream, i, first + count, false);

        lb_batch_ref(&batch->batch);
        lb_delivery_push(rig->sinks[i].delivery, &batch->batch, &batch->selection, token);
    }
    lb_token_issue(rig->stream, rig->sink_count, first + count, true);
    lb_batch_unref(&batch->batch);
}

#endif
