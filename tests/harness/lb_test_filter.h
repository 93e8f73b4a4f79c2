/*
 * lb_test_filter.h - lines through a worker with the filters of a piece of
 * YAML, and out in any format: what a user sees of a filter.
 */
#ifndef LB_TEST_FILTER_H
#define LB_TEST_FILTER_H

#include "lb_conf.h"
#include "lb_format.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct lb_test_filter {
    struct lb_config *config;
    struct lb_diag diag;
    struct lb_worker *worker;
    struct lb_judge *judge; /* NULL: no filter has memory */
    int64_t arrival_ns;     /* of the next line: 2026-01-01T00:00:00Z at first */
    uint64_t position;
    struct lb_stream stream;
    struct lb_batch batch;
    struct lb_scratch scratch;
    struct lb_buffer out;
};

/* `filters` is a list in flow style: `[{drop: level == debug}]`. Faults are left in `diag`; then `config` is NULL. */
static inline bool lb_test_filter_open(struct lb_test_filter *self, const char *filters)
{
    static const char frame[] = "data_dir: /tmp\nsources: {in: {type: stdin}}\nroutes: [{to: out}]\n"
                                "sinks: {out: {type: stdout}}\nfilters: %s\n";
    char *text = NULL;

    *self = (struct lb_test_filter){ 0 };
    if (asprintf(&text, frame, filters) < 0)
        abort();
    self->config = lb_config_parse("t", lb_str_from(text), &self->diag);
    free(text);
    if (self->config != NULL && !lb_config_check(self->config, &self->diag)) {
        lb_config_free(self->config);
        self->config = NULL;
    }
    if (self->config == NULL)
        return false;
    self->worker = lb_worker_new(&self->config->plan);
    if (lb_judge_needed(&self->config->plan))
        self->judge = lb_judge_new(&self->config->plan);
    self->arrival_ns = 1767225600 * LB_SECOND;
    self->position = 1000;
    self->stream = (struct lb_stream){ .source = &self->config->sources[0], .level = LB_LEVEL_NONE };
    self->scratch = (struct lb_scratch){ malloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    lb_arena_init(&self->batch.arena, 256 << 20);
    lb_buffer_init(&self->out, 256 << 20);
    return true;
}

static inline void lb_test_filter_close(struct lb_test_filter *self)
{
    if (self->config != NULL) {
        lb_worker_free(self->worker);
        lb_judge_free(self->judge);
        lb_config_free(self->config);
        lb_arena_free(&self->batch.arena);
        lb_buffer_free(&self->out);
        free(self->scratch.ptr);
        free(self->batch.bytes);
    }
    lb_diag_free(&self->diag);
}

/* One batch of one line, judged as behind the sequencer. The slab is exactly as large as it must be. */
static inline const struct lb_record *lb_test_filter_run(struct lb_test_filter *self, struct lb_str line)
{
    struct lb_batch *batch = &self->batch;
    struct lb_arena arena = batch->arena;
    size_t size = (line.len + 7) / 8 * 8 + sizeof(struct lb_event);

    free(batch->bytes);
    lb_arena_reset(&arena, 1 << 20);
    *batch = (struct lb_batch){ .bytes = malloc(size),
                                .capacity = (uint32_t)size,
                                .position = self->position,
                                .arrival_ns = self->arrival_ns,
                                .stream = &self->stream,
                                .arena = arena };
    if (line.len > 0)
        memcpy(batch->bytes, line.ptr, line.len);
    lb_batch_note(batch, 0, line.len);
    batch->length = (uint32_t)line.len;
    self->position += line.len + 1;
    batch->position_end = self->position;
    lb_worker_process(self->worker, batch);
    if (self->judge != NULL)
        lb_judge_apply(self->judge, batch);
    assert(batch->record_count == 1);
    return &batch->records[0];
}

/* What a sink would write of the line last run, without the newline; empty: it was dropped. Valid until the next. */
static inline struct lb_str lb_test_filter_written(struct lb_test_filter *self, enum lb_format format)
{
    struct lb_formatter formatter = { .format = format, .scratch = &self->scratch };

    lb_buffer_reset(&self->out);
    self->scratch.used = 0;
    if ((self->batch.records[0].flags & LB_RECORD_DROPPED) != 0)
        return (struct lb_str){ "", 0 };
    lb_format_write(&formatter, &self->batch, &self->batch.records[0], &self->out);
    assert(!self->out.failed && self->out.len > 0);
    return (struct lb_str){ self->out.ptr, self->out.len - 1 };
}

#endif
