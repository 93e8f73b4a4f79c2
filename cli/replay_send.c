/*
 * replay_send.c - dead letters become batches again and go through a sink.
 *
 * The sink has its real delivery, with a ledger in a directory that is thrown
 * away: the data_dir of a running logboom is not touched. An id is made of
 * stream and position, so letters of one stream, in rising order, make a
 * batch of that origin.
 */
#include "replay.h"

#include "lb_alloc.h"
#include "lb_limits.h"
#include "lb_parser.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WINDOW_BATCHES = 8192,           /* one for each letter where streams take turns */
    WINDOW_BYTES = 16 * 1024 * 1024, /* of records; one record may be longer */
    BATCH_LETTERS = 1024,
    ARENA_BYTES = 256 * 1024 * 1024,
    ARENA_KEEP = 1024 * 1024,
    POLL_US = 2000,
};

struct replay_batch {
    struct lb_batch batch;
    struct lb_selection selection;
    size_t first; /* letters [first, end) of the file that are due for the sink */
    size_t end;
};

struct replay_window {
    struct replay_batch batches[WINDOW_BATCHES];
    uint32_t count;
    struct lb_batch parsing; /* its arena holds all records of the window */
    struct lb_source source;
    struct lb_source_type source_type;
    struct lb_scratch scratch;
    struct lb_parse_context context;
};

volatile sig_atomic_t replay_interrupted;

/* --- open and close --------------------------------------------------------------- */

static bool open_ledger(struct replay *self)
{
    char path[sizeof(self->dir) + 8];

    if (!temporary_dir_make(self->dir))
        return false;
    snprintf(path, sizeof(path), "%s/ledger", self->dir);
    return lb_ledger_open(&self->ledger, path) == LB_OK;
}

static bool name_consumers(struct replay *self)
{
    struct lb_config *config = self->config;

    self->consumers.count = config->sink_count + 1;
    self->consumers.items = lb_arena_alloc(&config->arena, self->consumers.count * sizeof(struct lb_str));
    if (self->consumers.items == NULL)
        return false;
    for (uint32_t i = 0; i < config->sink_count; i++)
        self->consumers.items[i] = config->sinks[i].section.name;
    self->consumers.items[config->sink_count] = LB_STR(LB_ALERTS_CONSUMER);
    return true;
}

static bool open_window(struct replay *self)
{
    struct replay_window *window = lb_alloc(sizeof(*window));

    self->window = window;
    if (window == NULL)
        return false;
    window->source.section.name = LB_STR("replay");
    window->source.type = &window->source_type;
    window->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    window->context.scratch = &window->scratch;
    window->context.batch = &window->parsing;
    lb_arena_init(&window->parsing.arena, ARENA_BYTES);
    return window->scratch.ptr != NULL;
}

bool replay_open(struct replay *self, struct lb_config *config, struct lb_diag *diag)
{
    self->config = config;
    if (open_window(self) && open_ledger(self) && name_consumers(self))
        self->streams = lb_streams_new(self->ledger, &self->consumers);
    if (self->streams != NULL)
        self->stream = lb_stream_new(self->streams, &self->window->source);
    if (self->stream == NULL)
        lb_diag_error(diag, (struct lb_place){ 0 }, "cannot make a ledger in a directory below TMPDIR: %s",
                      strerror(errno));
    return self->stream != NULL;
}

static void free_window(struct replay_window *window)
{
    lb_arena_free(&window->parsing.arena);
    lb_free(window->scratch.ptr);
    lb_free(window);
}

static void close_sink(struct replay *self, uint32_t i)
{
    struct lb_sink *sink = &self->config->sinks[i];

    if ((self->started >> i & 1) != 0)
        lb_delivery_stop(sink->delivery, lb_clock_monotonic());
    if ((self->opened >> i & 1) != 0 && sink->type->close != NULL)
        sink->type->close(sink);
    lb_delivery_free(sink);
}

void replay_close(struct replay *self)
{
    static const char *const names[] = { "ledger", "refused", NULL };

    for (uint32_t i = 0; i < self->config->sink_count; i++)
        close_sink(self, i);
    if (self->stream != NULL)
        lb_stream_unref(self->stream);
    if (self->streams != NULL)
        lb_streams_free(self->streams);
    if (self->ledger != NULL)
        lb_ledger_close(self->ledger);
    if (self->window != NULL)
        free_window(self->window);
    temporary_dir_remove(self->dir, names);
}

/* --- a sink -------------------------------------------------------------------------- */

/* What belongs to a running logboom stays alone: its spool, its dead letters, its files. */
static bool open_sink(struct replay *self, struct lb_sink *sink, struct lb_diag *diag)
{
    if (sink->type->commit != NULL) {
        lb_diag_error(diag, lb_section_place(&sink->section, "type"),
                      "sink \"" LB_STR_FMT "\" writes files, which a running logboom has open; name a network sink",
                      LB_STR_ARG(sink->section.name));
        return false;
    }
    sink->ledger = self->ledger;
    sink->data_dir = lb_str_from(self->dir);
    sink->options.when_full = LB_FULL_BLOCK;
    sink->options.dead_letter_max = 0;
    sink->options.dead_letter_then = LB_SPOOL_BLOCK;
    sink->options.dead_letter_topic = (struct lb_str){ NULL, 0 }; /* what is refused again stays where it came from */
    if (sink->type->open != NULL && sink->type->open(sink, diag) != LB_OK)
        return false;
    self->opened |= UINT64_C(1) << sink->index;
    if (lb_delivery_start(sink, self->streams, self->config->commit_every_ns) != LB_OK) {
        lb_diag_error(diag, (struct lb_place){ 0 }, "cannot start a thread for a sink: %s", strerror(errno));
        return false;
    }
    self->started |= UINT64_C(1) << sink->index;
    return true;
}

static bool prepare_sink(struct replay *self, struct lb_sink *sink, const struct letter_file *file)
{
    struct lb_diag diag = { 0 };
    bool done = true;

    /* Nothing is in flight: the letters of the file before are on disk. */
    lb_dead_letters_free(sink);
    sink->options.dead_letter = lb_str_from(file->refused_path);
    if ((self->started >> sink->index & 1) == 0)
        done = open_sink(self, sink, &diag);
    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    return done;
}

/* --- a window of batches --------------------------------------------------------------- */

/* The record in the arena of the window. False: no memory. */
static bool read_record(struct replay_window *window, const struct lb_batch *batch, const struct letter *letter,
                        struct lb_record *record)
{
    struct lb_str text = lb_arena_copy(&window->parsing.arena, letter->record);

    if (text.ptr == NULL)
        return false;
    *record = (struct lb_record){ .level = LB_LEVEL_NONE,
                                  .flags = LB_RECORD_NO_TIME,
                                  .time_ns = batch->arrival_ns,
                                  .message = lb_value_text(text),
                                  .start = (uint32_t)(letter->position - batch->position) };
    record->end = record->start + 1;
    window->scratch.used = 0;
    const struct lb_parser *json = lb_parser_builtin(LB_STR("json"));
    const struct lb_parser_chain chain = { .parsers = &json, .count = 1, .lenient = true };
    lb_parser_chain_apply(&chain, record, &window->context);
    if (letter->alert)
        record->flags |= LB_RECORD_ALERT;
    return true;
}

/* Behind the letters from `first` on that are of one stream, for one sink, and in rising order. */
static size_t end_of_run(const struct letter_file *file, size_t first)
{
    const struct letter *head = &file->letters[first];
    size_t end = first + 1;

    for (; end < file->count && end - first < BATCH_LETTERS; end++) {
        const struct letter *letter = &file->letters[end];

        if (letter->state != LETTER_DUE || letter->sink != head->sink || letter->stream != head->stream ||
            letter->position <= letter[-1].position || letter->position - head->position >= UINT32_MAX)
            break;
    }
    return end;
}

static bool fill_batch(struct replay *self, struct replay_batch *batch, const struct letter_file *file, size_t first)
{
    struct replay_window *window = self->window;
    struct lb_batch *of = &batch->batch;

    batch->first = first;
    batch->end = end_of_run(file, first);
    *of = (struct lb_batch){ .counted = true,
                             .position = file->letters[first].position,
                             .position_end = file->letters[batch->end - 1].position + 1,
                             .arrival_ns = window->parsing.arrival_ns,
                             .stream = self->stream,
                             .origin = file->letters[first].stream,
                             .record_count = (uint32_t)(batch->end - first) };
    atomic_store(&of->references, 1);
    batch->selection = (struct lb_selection){ of->record_count, NULL };
    of->records = lb_arena_alloc(&window->parsing.arena, of->record_count * sizeof(*of->records));
    for (size_t i = first; of->records != NULL && i < batch->end; i++) {
        if (!read_record(window, of, &file->letters[i], &of->records[i - first]))
            return false;
        of->length += (uint32_t)file->letters[i].record.len;
    }
    return of->records != NULL;
}

static bool push_batch(struct replay *self, const struct lb_sink *sink, struct replay_batch *batch)
{
    struct lb_batch *of = &batch->batch;
    struct lb_token *token = lb_token_issue(of->stream, sink->index, ++self->issued, false);

    if (token == NULL)
        return false;
    lb_batch_ref(of);
    lb_delivery_push(sink->delivery, of, &batch->selection, token);
    self->window->count++;
    return true;
}

/* Gives the sink what fits from letter *at on, and moves *at. False: no memory. */
static bool push_window(struct replay *self, const struct lb_sink *sink, const struct letter_file *file, size_t *at)
{
    size_t bytes = 0;

    self->window->count = 0;
    self->window->parsing.arrival_ns = lb_clock_now();
    lb_arena_reset(&self->window->parsing.arena, ARENA_KEEP);
    while (*at < file->count && self->window->count < WINDOW_BATCHES && bytes < WINDOW_BYTES) {
        if (file->letters[*at].state != LETTER_DUE || file->letters[*at].sink != sink->index) {
            (*at)++;
            continue;
        }
        struct replay_batch *batch = &self->window->batches[self->window->count];
        if (!fill_batch(self, batch, file, *at) || !push_batch(self, sink, batch)) {
            fprintf(stderr, "logboom: %s: %s\n", file->path, strerror(ENOMEM));
            return false;
        }
        bytes += batch->batch.length;
        *at = batch->end;
    }
    return true;
}

/* Until everything of the window has come to its end, nobody looks at its batches any more, or time is up. */
static bool wait_for_window(struct replay *self, const struct lb_sink *sink)
{
    const struct replay_window *window = self->window;
    bool busy = true;

    while (busy && replay_interrupted == 0 && lb_clock_monotonic() < self->deadline) {
        busy = lb_streams_outstanding(self->streams, sink->index) > 0;
        for (uint32_t i = 0; i < window->count && !busy; i++)
            busy = atomic_load(&window->batches[i].batch.references) > 1;
        if (busy)
            usleep(POLL_US);
        progress_add(&self->progress, 0);
    }
    return !busy;
}

static void note_window(struct replay *self, struct letter_file *file)
{
    struct stat info;

    for (uint32_t i = 0; i < self->window->count; i++) {
        const struct replay_batch *batch = &self->window->batches[i];

        for (size_t n = batch->first; n < batch->end; n++) {
            file->letters[n].state = LETTER_DONE;
            progress_add(&self->progress, file->letters[n].length);
        }
    }
    if (stat(file->refused_path, &info) == 0)
        file->refused_end = (uint64_t)info.st_size;
}

static bool send_through(struct replay *self, struct letter_file *file, struct lb_sink *sink)
{
    if (!prepare_sink(self, sink, file))
        return false;
    for (size_t at = 0; at < file->count;) {
        if (!push_window(self, sink, file, &at) || !wait_for_window(self, sink))
            return false;
        note_window(self, file);
    }
    return true;
}

static bool has_letters_for(const struct letter_file *file, uint32_t sink)
{
    for (size_t i = 0; i < file->count; i++) {
        if (file->letters[i].state == LETTER_DUE && file->letters[i].sink == sink)
            return true;
    }
    return false;
}

bool replay_send(struct replay *self, struct letter_file *file)
{
    bool done = true;

    progress_start(&self->progress, "replay", file->length);
    for (uint32_t i = 0; i < self->config->sink_count && replay_interrupted == 0; i++) {
        if (has_letters_for(file, i))
            done = send_through(self, file, &self->config->sinks[i]) && done;
    }
    progress_hide(&self->progress);
    return done && replay_interrupted == 0;
}
