/*
 * tail_world.h - all that a tail needs around it, on one thread: a directory,
 * a real ledger, streams, pool and queue, and two consumers that take every
 * line and commit when the test says so. A consumer keeps what it committed;
 * what it had not is lost by world_crash(), as by kill -9.
 */
#ifndef TAIL_WORLD_H
#define TAIL_WORLD_H

#include "lb_clock.h"
#include "lb_log.h"
#include "lb_test.h"
#include "ingest/tail.h"

#include <ftw.h>
#include <limits.h>
#include <unistd.h>
#include <zlib.h>

enum { WORLD_CONSUMERS = 2 };

struct world_line {
    char *text;
    struct lb_token *token;
    bool truncated;
};

struct world_lines {
    struct world_line *items;
    size_t count;
    size_t capacity;
};

struct world {
    char dir[64];
    char patterns[2][128];
    struct lb_str include[2];
    struct lb_tail_options options;
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_pool *pool;
    struct lb_queue queue;
    struct lb_source source;
    struct lb_source_type type;
    const struct lb_tail_kind *kind;
    struct lb_tail *tail;
    struct world_lines pending[WORLD_CONSUMERS];
    struct world_lines committed[WORLD_CONSUMERS];
    uint32_t batches;
    uint32_t largest; /* slab */
};

/* Of a group of tests. */
static inline int world_quiet(void **state)
{
    (void)state;
    lb_log_level = LB_LEVEL_ERROR;
    return 0;
}

static inline void lines_add(struct world_lines *lines, const char *text, size_t len, struct lb_token *token)
{
    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity > 0 ? lines->capacity * 2 : 64;
        lines->items = realloc(lines->items, lines->capacity * sizeof(*lines->items));
    }
    lines->items[lines->count++] = (struct world_line){ strndup(text, len), token, false };
}

static inline void lines_clear(struct world_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i].text);
    free(lines->items);
    *lines = (struct world_lines){ 0 };
}

/* The path of a file in the world's directory; good until the fourth call from now. */
static inline const char *world_path(struct world *self, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_MAX, "%s/%s", self->dir, name);
    return path;
}

static inline void world_write(struct world *self, const char *name, const char *text)
{
    FILE *file = fopen(world_path(self, name), "ae");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Another member behind those that a .gz has. */
static inline void world_write_packed(struct world *self, const char *name, const char *text)
{
    gzFile file = gzopen(world_path(self, name), "ab");

    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    gzclose(file);
}

static inline void world_rename(struct world *self, const char *from, const char *to)
{
    assert_int_equal(rename(world_path(self, from), world_path(self, to)), 0);
}

static inline void world_init(struct world *self, const char *pattern)
{
    static const struct lb_tail_kind plain;

    *self = (struct world){ .kind = &plain };
    snprintf(self->dir, sizeof(self->dir), "/tmp/lb_tail_XXXXXX");
    assert_non_null(mkdtemp(self->dir));
    assert_int_equal(mkdir(world_path(self, "log"), 0755), 0);
    snprintf(self->patterns[0], sizeof(self->patterns[0]), "%s/log/%s", self->dir, pattern);
    self->include[0] = lb_str_from(self->patterns[0]);
    self->options.include = (struct lb_strs){ self->include, 1 };
    self->options.poll_ns = LB_SECOND;
    self->source.section.name = LB_STR("test");
    self->source.options.max_line = LB_LINE_BYTES;
    self->source.type = &self->type;
}

static inline void world_start(struct world *self)
{
    struct lb_str names[WORLD_CONSUMERS] = { LB_STR("a"), LB_STR("b") };
    struct lb_strs consumers = { names, WORLD_CONSUMERS };

    assert_int_equal(lb_ledger_open(&self->ledger, world_path(self, "ledger")), LB_OK);
    self->streams = lb_streams_new(self->ledger, &consumers);
    self->pool = lb_pool_new(LB_POOL_BYTES);
    self->source.share = lb_share_new(self->pool, LB_POOL_BYTES / 2);
    lb_queue_init(&self->queue);
    self->source.queue = &self->queue;
    self->source.streams = self->streams;
    self->tail = lb_tail_new(&self->source, &self->options, self->kind);
    assert_non_null(self->tail);
    lb_tail_start(self->tail);
}

static inline void world_take(struct world *self, uint32_t consumer, struct lb_batch *batch)
{
    struct lb_token *token = lb_token_issue(batch->stream, consumer, batch->position_end, batch->event_count == 0);
    uint64_t mark = lb_stream_mark(batch->stream, consumer);
    struct world_lines *lines = &self->pending[consumer];

    for (uint32_t i = 0; i < batch->event_count; i++) {
        const struct lb_event *event = lb_batch_event(batch, i);

        /* As a sink does: what it has from an earlier run it leaves out. */
        if (batch->position + lb_batch_end(batch, i) <= mark)
            continue;
        lines_add(lines, batch->bytes + event->start, event->length, NULL);
        lines->items[lines->count - 1].truncated = event->truncated;
    }
    lines_add(lines, "", 0, token);
}

/* Takes all batches out of the queue. */
static inline void world_deliver(struct world *self)
{
    while (lb_queue_depth(&self->queue) > 0) {
        struct lb_batch *batch = lb_queue_pop(&self->queue);

        self->batches++;
        if (batch->capacity > self->largest)
            self->largest = batch->capacity;
        for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
            world_take(self, consumer, batch);
        lb_batch_unref(batch);
    }
}

/* Turns until nothing is left to be read. */
static inline void world_run(struct world *self)
{
    enum lb_tail_next next;

    do {
        next = lb_tail_turn(self->tail);
        world_deliver(self);
    } while (next != LB_TAIL_DONE);
}

/* The consumer's lines and marks become durable together. */
static inline void world_commit(struct world *self, uint32_t consumer)
{
    struct lb_ledger_txn txn;
    struct world_lines *lines = &self->pending[consumer];

    for (size_t i = 0; i < lines->count; i++) {
        struct world_line *line = &lines->items[i];

        if (line->token != NULL)
            lb_token_done(line->token, LB_DELIVERED, NULL);
        else if (line->text[0] != '\0') {
            lines_add(&self->committed[consumer], line->text, strlen(line->text), NULL);
            self->committed[consumer].items[self->committed[consumer].count - 1].truncated = line->truncated;
        }
    }
    lines_clear(lines);
    lb_ledger_txn_init(&txn);
    assert_int_equal(lb_streams_commit(self->streams, consumer, &txn, NULL, NULL), LB_OK);
    lb_ledger_txn_free(&txn);
}

static inline void world_crash(struct world *self)
{
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        lines_clear(&self->pending[consumer]);
    lb_tail_free(self->tail);
    lb_queue_free(&self->queue);
    lb_share_free(self->source.share);
    lb_streams_free(self->streams);
    lb_pool_free(self->pool);
    lb_ledger_close(self->ledger);
}

static inline void world_commit_all(struct world *self)
{
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        world_commit(self, consumer);
}

/* So many seconds pass, and what is due by time alone is done. */
static inline void world_later(struct world *self, int64_t seconds)
{
    lb_clock_set(lb_clock_monotonic() + seconds * LB_SECOND);
    lb_tail_tick(self->tail);
    world_run(self);
}

/* Reads and commits everything, then stops. */
static inline void world_stop(struct world *self)
{
    world_run(self);
    world_commit_all(self);
    world_crash(self);
}

static inline int world_remove(const char *path, const struct stat *status, int flag, struct FTW *at)
{
    (void)status, (void)flag, (void)at;
    return remove(path);
}

static inline void world_free(struct world *self)
{
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        lines_clear(&self->committed[consumer]);
    nftw(self->dir, world_remove, 16, FTW_DEPTH | FTW_PHYS);
    lb_clock_set(LB_TIME_NONE);
}

/* What both consumers have, one line each, in order. */
#define world_expect(self, expected)                                                                                   \
    do {                                                                                                               \
        for (uint32_t lb_consumer = 0; lb_consumer < WORLD_CONSUMERS; lb_consumer++) {                                 \
            char lb_all[4096] = "";                                                                                    \
            for (size_t lb_i = 0; lb_i < (self)->committed[lb_consumer].count; lb_i++) {                               \
                strncat(lb_all, (self)->committed[lb_consumer].items[lb_i].text, 500);                                 \
                strncat(lb_all, "\n", 2);                                                                              \
            }                                                                                                          \
            assert_string_equal(lb_all, (expected));                                                                   \
        }                                                                                                              \
    } while (0)

#endif
