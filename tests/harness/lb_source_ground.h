/*
 * lb_source_ground.h - what a source stands on, and what has come out of it:
 * pool, queue, streams and a loop that the test turns itself.
 */
#ifndef LB_SOURCE_GROUND_H
#define LB_SOURCE_GROUND_H

#include "lb_test.h"

#include "lb_ledger.h"
#include "lb_source.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { GROUND_TEXT_BYTES = 4 << 20, GROUND_SECONDS = 60 };

struct ground {
    char directory[32];
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_pool *pool;
    struct lb_queue queue;
    struct lb_source source;
    struct lb_diag diag;
    char *text; /* all events so far, a line each */
    size_t len;
    uint32_t events;
};

static void ground_lay(struct ground *self, const struct lb_source_type *type, void *state, size_t pool_bytes)
{
    struct lb_str name = LB_STR("sink");
    struct lb_strs consumers = { &name, 1 };
    char path[64];

    *self = (struct ground){ .directory = "/tmp/lb_source_XXXXXX" };
    alarm(GROUND_SECONDS); /* a record that never comes must not hang the run */
    assert_non_null(mkdtemp(self->directory));
    snprintf(path, sizeof(path), "%s/ledger", self->directory);
    assert_int_equal(lb_ledger_open(&self->ledger, path), LB_OK);
    self->streams = lb_streams_new(self->ledger, &consumers);
    self->pool = lb_pool_new(pool_bytes);
    self->text = malloc(GROUND_TEXT_BYTES);
    lb_queue_init(&self->queue);
    self->source = (struct lb_source){ .type = type,
                                       .section = { LB_STR("tested"), NULL },
                                       .state = state,
                                       .options = { .max_line = LB_LINE_BYTES },
                                       .loop = lb_loop_new("test"),
                                       .share = lb_share_new(self->pool, pool_bytes),
                                       .queue = &self->queue,
                                       .streams = self->streams };
    assert_non_null(self->text);
    self->text[0] = '\0';
}

/* What is in the queue now; whatever the source pushes comes there. */
static inline void ground_take(struct ground *self)
{
    while (lb_queue_depth(&self->queue) > 0) {
        struct lb_batch *batch = lb_queue_pop(&self->queue);

        for (uint32_t i = 0; i < batch->event_count; i++) {
            const struct lb_event *event = lb_batch_event(batch, i);

            assert_true(self->len + event->length + 2 < GROUND_TEXT_BYTES);
            memcpy(self->text + self->len, batch->bytes + event->start, event->length);
            self->len += event->length;
            self->text[self->len++] = '\n';
        }
        self->events += batch->event_count;
        self->text[self->len] = '\0';
        lb_batch_unref(batch);
    }
}

/* One turn of the loop, without waiting. */
static inline void ground_turn(struct ground *self)
{
    event_base_loop(lb_loop_base(self->source.loop), EVLOOP_NONBLOCK);
    ground_take(self);
}

/* Turns until a text is there. */
static inline void ground_wait(struct ground *self, const char *text)
{
    while (strstr(self->text, text) == NULL) {
        ground_turn(self);
        usleep(1000);
    }
}

static inline void ground_forget(struct ground *self)
{
    self->len = 0;
    self->text[0] = '\0';
    self->events = 0;
}

static void ground_clear(struct ground *self)
{
    char command[64];

    ground_take(self);
    lb_queue_close(&self->queue);
    assert_int_equal(lb_pool_used(self->pool), 0);
    lb_loop_free(self->source.loop);
    lb_queue_free(&self->queue);
    lb_share_free(self->source.share);
    lb_pool_free(self->pool);
    lb_streams_free(self->streams);
    lb_ledger_close(self->ledger);
    lb_diag_free(&self->diag);
    free(self->text);
    snprintf(command, sizeof(command), "rm -r %s", self->directory);
    assert_int_equal(system(command), 0);
    alarm(0);
}

#endif
