/*
 * worker.c - what is done to a batch between its source and its sinks.
 *
 * A worker cannot fail: a line that nobody understands goes on whole, and a
 * record for which the arena has no room goes on with what it has. Only the
 * records and the selections must be there, else lines would be lost; for
 * them the arena may pass its bound (records and sinks limit by how much), and
 * when the machine itself has no memory the worker waits for some.
 */
#include "lb_route.h"

#include "feeds.h"
#include "fields.h"
#include "picks.h"

#include "lb_alloc.h"
#include "lb_limits.h"
#include "lb_log.h"
#include "lb_metrics.h"
#include "lb_parser.h"
#include "lb_source.h"
#include "lb_stream.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define MODULE "route.worker"

enum { MASKS_FIRST = 1024, KEYS_FIRST = 256, LABELS_SIZE = 256, WAIT_NS = 100 * 1000 * 1000 };

/* Counted within a batch, then added once. */
struct source_totals {
    const struct lb_source *source;
    struct lb_metric *records;
    struct lb_metric *parse_errors;
    struct pick_totals picks;
};

struct lb_worker {
    const struct lb_route_plan *plan;
    struct lb_scratch scratch;
    struct lb_parse_context context; /* what parsers expect of the next line, they learnt from the last */
    struct lb_feeder feeder;
    uint64_t *masks; /* of the records of the batch: their sinks */
    uint32_t mask_capacity;
    struct source_totals sources[LB_SOURCES_MAX];
    uint32_t source_count;
    uint32_t dropped[LB_FILTERS_MAX];
    struct lb_metric *dropped_total[LB_FILTERS_MAX];
    uint32_t levels[LB_LEVEL_COUNT + 1]; /* the last: no level */
    struct lb_metric *levels_total[LB_LEVEL_COUNT + 1];
    uint32_t parse_errors;
    struct picks picks;
    bool judged; /* some filters have memory: the judge counts what is left */
    uint32_t key_capacity;
};

/* --- life ------------------------------------------------------------------------- */

static void register_metrics(struct lb_worker *self)
{
    char labels[LABELS_SIZE];
    char position[16];

    for (uint32_t i = 0; i < self->plan->filter_count; i++) {
        snprintf(position, sizeof(position), "%u", i + 1);
        lb_metric_labels(labels, sizeof(labels), "filter", self->plan->filters[i].type->module.name, "position",
                         position, NULL);
        self->dropped_total[i] =
            lb_metric(LB_COUNTER, "logboom_filter_dropped_records_total", "Records that a filter dropped", labels);
    }
    for (unsigned i = 0; i <= LB_LEVEL_COUNT; i++) {
        const char *name = i < LB_LEVEL_COUNT ? lb_level_name((uint8_t)i).ptr : "unknown";

        lb_metric_labels(labels, sizeof(labels), "level", name, NULL);
        self->levels_total[i] =
            lb_metric(LB_COUNTER, "logboom_level_records_total", "Records by level, filters applied", labels);
    }
}

struct lb_worker *lb_worker_new(const struct lb_route_plan *plan)
{
    struct lb_worker *self = lb_alloc(sizeof(*self));

    assert(plan->filter_count <= LB_FILTERS_MAX && plan->sink_count <= LB_SINKS_MAX);
    if (self == NULL)
        return NULL;
    self->plan = plan;
    self->judged = lb_judge_needed(plan);
    self->scratch.size = LB_SCRATCH_BYTES;
    self->scratch.ptr = lb_alloc(LB_SCRATCH_BYTES);
    self->mask_capacity = MASKS_FIRST;
    self->masks = lb_alloc(MASKS_FIRST * sizeof(*self->masks));
    if (!lb_feeder_init(&self->feeder, plan->alerting) || self->scratch.ptr == NULL || self->masks == NULL) {
        lb_worker_free(self);
        return NULL;
    }
    register_metrics(self);
    return self;
}

void lb_worker_free(struct lb_worker *worker)
{
    if (worker == NULL)
        return;
    lb_feeder_free(&worker->feeder);
    lb_free(worker->masks);
    lb_free(worker->scratch.ptr);
    lb_free(worker);
}

/* --- memory that must be there ------------------------------------------------------ */

/* `attempt` counts how often the caller has waited already; the log hears of it every ten seconds. */
static void wait_for_memory(unsigned attempt)
{
    const struct timespec pause = { .tv_nsec = WAIT_NS };

    if (attempt % 100 == 0)
        LB_ERROR(MODULE, "out of memory: waiting until some is free; give logboom more, or set a smaller `memory`");
    nanosleep(&pause, NULL);
}

/* Lets the arena grow by `bytes` more than it holds now. */
static void extend(struct lb_arena *arena, size_t bytes)
{
    if (arena->bytes_max < arena->bytes_held + bytes)
        arena->bytes_max = arena->bytes_held + bytes;
}

static void reserve_masks(struct lb_worker *self, uint32_t count)
{
    for (unsigned attempt = 0; self->mask_capacity < count; attempt++) {
        uint32_t capacity = 2 * self->mask_capacity > count ? 2 * self->mask_capacity : count;
        uint64_t *masks = lb_realloc(self->masks, capacity * sizeof(*masks));

        if (masks == NULL) {
            wait_for_memory(attempt);
            continue;
        }
        self->masks = masks;
        self->mask_capacity = capacity;
    }
}

/* The judge takes records out of a selection where it stands, so it must be a list. False: no room. */
static bool write_out(struct lb_batch *batch, struct lb_selection *selection)
{
    if (selection->count == 0 || selection->indexes != NULL)
        return true;
    selection->indexes = lb_arena_alloc(&batch->arena, selection->count * sizeof(uint32_t));
    if (selection->indexes == NULL)
        return false;
    for (uint32_t i = 0; i < selection->count; i++)
        selection->indexes[i] = i;
    return true;
}

static bool try_select(struct lb_worker *self, struct lb_batch *batch)
{
    bool done = lb_route_select(batch, self->masks, self->plan->sink_count);

    for (uint32_t i = 0; done && batch->key_count > 0 && i < self->plan->sink_count; i++)
        done = write_out(batch, &batch->selections[i]);
    return done;
}

static void select_records(struct lb_worker *self, struct lb_batch *batch)
{
    size_t sinks = self->plan->sink_count;
    size_t bytes = (sinks + 1) * (sizeof(struct lb_selection) + sizeof(uint32_t) * (batch->record_count + 2));

    if (try_select(self, batch))
        return;
    extend(&batch->arena, bytes);
    for (unsigned attempt = 0; !try_select(self, batch); attempt++) {
        wait_for_memory(attempt);
        extend(&batch->arena, bytes);
    }
}

static void open_envelope(struct lb_batch *batch)
{
    const struct lb_envelope *envelope = batch->stream->source->type->envelope;

    batch->records = NULL;
    batch->record_count = 0;
    if (batch->event_count == 0)
        return;
    for (unsigned attempt = 0; envelope->open(batch) != LB_OK; attempt++) {
        /* A record takes its own bytes, and some for what the envelope finds. */
        size_t bytes = ((size_t)batch->event_count + 1) * 4 * sizeof(struct lb_record) + batch->length;

        if (attempt > 0)
            wait_for_memory(attempt - 1);
        extend(&batch->arena, bytes);
    }
}

/* --- one record --------------------------------------------------------------------- */

/* The source's `service`, `level` and `fields`, after those of the stream. */
static void fill_from_stream(struct lb_worker *self, struct lb_batch *batch, struct lb_record *record)
{
    const struct lb_stream *stream = batch->stream;
    const struct lb_source_options *options = &stream->source->options;

    if (record->service.len == 0 && stream->service.len > 0)
        lb_fields_fill(record, &batch->arena, &self->scratch, LB_STR("service"), stream->service);
    if (record->service.len == 0 && options->service.len > 0)
        lb_fields_fill(record, &batch->arena, &self->scratch, LB_STR("service"), lb_value_text(options->service));
    if (record->host.len == 0 && stream->host.len > 0)
        lb_fields_fill(record, &batch->arena, &self->scratch, LB_STR("host"), stream->host);
    if (record->host.len == 0 && batch->host.len > 0)
        lb_fields_fill(record, &batch->arena, &self->scratch, LB_STR("host"), lb_value_of(batch->host, LB_VALUE_CLEAN));
    if (record->level == LB_LEVEL_NONE)
        record->level = stream->level < LB_LEVEL_COUNT ? stream->level : options->level;
    for (uint32_t i = 0; i < stream->field_count; i++) {
        const struct lb_field *field = &stream->fields[i];

        lb_fields_fill(record, &batch->arena, &self->scratch, (struct lb_str){ field->key.ptr, field->key.len },
                       field->value);
    }
    for (size_t i = 0; i < options->fields.count; i++)
        lb_fields_fill(record, &batch->arena, &self->scratch, options->fields.items[i].name,
                       lb_value_text(options->fields.items[i].value));
}

static struct lb_value offset_value(struct lb_batch *batch, const struct lb_record *record)
{
    struct lb_str digits = lb_arena_print(&batch->arena, "%" PRIu64, batch->position + record->start);

    return lb_value_of(digits, digits.ptr != NULL ? LB_VALUE_NUMBER : LB_VALUE_NONE);
}

/* `add: [source, file, offset]`. */
static void add_origin(struct lb_worker *self, struct lb_batch *batch, struct lb_record *record)
{
    const struct lb_source *source = batch->stream->source;
    struct lb_arena *arena = &batch->arena;

    if (source->add & LB_ADD_SOURCE)
        lb_fields_fill(record, arena, &self->scratch, LB_STR("source"), lb_value_text(source->section.name));
    if (source->add & LB_ADD_FILE)
        lb_fields_fill(record, arena, &self->scratch, LB_STR("file"),
                       lb_value_text(batch->name.len > 0 ? batch->name : batch->stream->name));
    if (source->add & LB_ADD_OFFSET)
        lb_fields_fill(record, arena, &self->scratch, LB_STR("offset"), offset_value(batch, record));
}

static void parse(struct lb_worker *self, struct lb_batch *batch, struct lb_record *record)
{
    const struct lb_parser_chain *chain = batch->stream->source->options.parse;

    self->context.batch = batch;
    self->context.scratch = &self->scratch;
    if (chain != NULL)
        lb_parser_chain_apply(chain, record, &self->context);
    self->scratch.used = 0;
    if (record->flags & LB_RECORD_PARSE_ERROR)
        self->parse_errors++;
    else if (chain != NULL && (chain->automatic || chain->count > 0))
        picks_note(&self->picks, self->context.taken);
    if (record->time_ns == LB_TIME_NONE) {
        record->time_ns = batch->arrival_ns;
        record->flags |= LB_RECORD_NO_TIME;
    }
}

/* Where there is no room for a key, the record is not judged: it passes. */
static void note_key(struct lb_worker *self, struct lb_batch *batch, struct lb_filter_key key)
{
    if (batch->key_count == self->key_capacity) {
        uint32_t capacity = self->key_capacity > 0 ? 2 * self->key_capacity : KEYS_FIRST;
        struct lb_filter_key *keys = lb_arena_alloc(&batch->arena, capacity * sizeof(*keys));

        if (keys == NULL)
            return;
        if (batch->key_count > 0)
            memcpy(keys, batch->keys, batch->key_count * sizeof(*keys));
        batch->keys = keys;
        self->key_capacity = capacity;
    }
    batch->keys[batch->key_count++] = key;
}

static bool pass_filters(struct lb_worker *self, struct lb_batch *batch, struct lb_record *record)
{
    for (uint32_t i = 0; i < self->plan->filter_count; i++) {
        const struct lb_filter *filter = &self->plan->filters[i];
        struct lb_filter_key key = { .record = (uint32_t)(record - batch->records), .filter = i };

        self->scratch.used = 0;
        if (filter->type->key != NULL) {
            if (filter->type->key(filter->state, record, &self->scratch, &key.key))
                note_key(self, batch, key);
            continue;
        }
        if (filter->type->apply(filter->state, record, batch, &self->scratch) == LB_DROP) {
            record->flags |= LB_RECORD_DROPPED;
            self->dropped[i]++;
            return false;
        }
    }
    self->scratch.used = 0;
    return true;
}

/* Returns the sinks it goes to. */
static uint64_t process_record(struct lb_worker *self, struct lb_batch *batch, uint32_t index)
{
    struct lb_record *record = &batch->records[index];

    self->scratch.used = 0;
    parse(self, batch, record);
    fill_from_stream(self, batch, record);
    if (batch->stream->source->add != 0)
        add_origin(self, batch, record);
    if (!pass_filters(self, batch, record))
        return 0;
    if (!self->judged)
        self->levels[record->level < LB_LEVEL_COUNT ? record->level : LB_LEVEL_COUNT]++;
    lb_feeder_add(&self->feeder, batch, index, &self->scratch);
    return lb_route_match(self->plan->routes, self->plan->route_count, record, &self->scratch);
}

/* --- one batch ---------------------------------------------------------------------- */

/* NULL when there are more sources than one configuration can have. */
static struct source_totals *totals_of(struct lb_worker *self, const struct lb_source *source)
{
    char name[LABELS_SIZE / 2];
    char labels[LABELS_SIZE];

    for (uint32_t i = 0; i < self->source_count; i++) {
        if (self->sources[i].source == source)
            return &self->sources[i];
    }
    if (self->source_count == LB_SOURCES_MAX)
        return NULL;
    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, NULL);
    struct source_totals *totals = &self->sources[self->source_count++];
    totals->source = source;
    totals->records = lb_metric(LB_COUNTER, "logboom_records_total", "Records that came in, by source", labels);
    totals->parse_errors =
        lb_metric(LB_COUNTER, "logboom_parse_errors_total", "Records that no parser of their source accepted", labels);
    return totals;
}

static void add_metrics(struct lb_worker *self, const struct lb_batch *batch)
{
    struct source_totals *totals = totals_of(self, batch->stream->source);

    if (totals != NULL) {
        lb_metric_add(totals->records, batch->record_count);
        if (self->parse_errors > 0)
            lb_metric_add(totals->parse_errors, self->parse_errors);
        picks_settle(&self->picks, &totals->picks, batch->stream->source->section.name);
    }
    self->parse_errors = 0;
    for (uint32_t i = 0; i < self->plan->filter_count; i++) {
        if (self->dropped[i] > 0)
            lb_metric_add(self->dropped_total[i], self->dropped[i]);
        self->dropped[i] = 0;
    }
    for (uint32_t i = 0; i <= LB_LEVEL_COUNT; i++) {
        if (self->levels[i] > 0)
            lb_metric_add(self->levels_total[i], self->levels[i]);
        self->levels[i] = 0;
    }
}

void lb_worker_process(struct lb_worker *worker, struct lb_batch *batch)
{
    open_envelope(batch);
    batch->keys = NULL;
    batch->key_count = 0;
    worker->key_capacity = 0;
    reserve_masks(worker, batch->record_count);
    lb_feeder_begin(&worker->feeder, batch);
    for (uint32_t i = 0; i < batch->record_count; i++)
        worker->masks[i] = process_record(worker, batch, i);
    lb_feeder_end(&worker->feeder, batch);
    select_records(worker, batch);
    add_metrics(worker, batch);
}
