/*
 * intake_ground.h - what an intake stands on: a real journal, ledger, pool and queue, batches that go in, and what
 * comes out. The disk fails when the test says so (lb_disk.h).
 */
#ifndef INTAKE_GROUND_H
#define INTAKE_GROUND_H

#include "lb_test.h"

#include "lb_disk.h"

#include "ingest/intake.c"
#include "ingest/intake_open.c"
#include "ingest/intake_record.c"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

enum { TEST_SECONDS = 120, POOL_BYTES = 8 * 1024 * 1024, EVENTS_MAX = 65536, TEXT_BYTES = 32 };

struct ground {
    char directory[32];
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_pool *pool;
    struct lb_share *share;
    struct lb_queue queue;
    struct lb_source source;
    struct lb_source_type type;
    struct lb_stream *connection; /* what a source would have */
    uint64_t connection_position;
    struct lb_intake *intake;
    uint64_t max_bytes;
    size_t lag_bytes;
    _Atomic uint64_t safe;
    uint32_t put;
};

static struct ground ground;

static struct lb_str names[] = { { "a", 1 }, { "b", 1 } };

static inline void note_safe(void *context, uint64_t number)
{
    struct ground *self = context;

    assert_true(number > self->safe);
    self->safe = number;
}

static inline void open_intake(bool later)
{
    struct lb_intake_options options = {
        .data_dir = lb_str_from(ground.directory),
        .max_bytes = ground.max_bytes,
        .lag_bytes = ground.lag_bytes,
        .read_share = lb_share_new(ground.pool, POOL_BYTES / 2),
        .safe = note_safe,
        .safe_context = &ground,
    };

    ground.safe = 0;
    assert_int_equal(lb_intake_open(&ground.intake, &ground.source, &options), LB_OK);
    assert_int_equal(lb_intake_start(ground.intake, later), LB_OK);
}

/* As a process that starts. */
static inline void begin(void)
{
    struct lb_strs consumers = { names, 2 };
    char path[64];

    snprintf(path, sizeof(path), "%s/ledger", ground.directory);
    assert_int_equal(lb_ledger_open(&ground.ledger, path), LB_OK);
    ground.streams = lb_streams_new(ground.ledger, &consumers);
    ground.pool = lb_pool_new(POOL_BYTES);
    ground.share = lb_share_new(ground.pool, POOL_BYTES / 2);
    lb_queue_init(&ground.queue);
    ground.source = (struct lb_source){ .type = &ground.type,
                                        .section = { LB_STR("net"), NULL },
                                        .share = ground.share,
                                        .queue = &ground.queue,
                                        .streams = ground.streams };
    ground.connection = lb_stream_new(ground.streams, &ground.source);
    ground.connection->name = LB_STR("192.0.2.1:77");
    ground.connection->host = lb_value_of(LB_STR("192.0.2.1"), LB_VALUE_CLEAN);
    ground.connection_position = 0;
}

/* Without what it had in memory, if it is not finished. */
static inline void end(void)
{
    struct lb_batch *batch;

    lb_queue_close(&ground.queue);
    while ((batch = lb_queue_pop(&ground.queue)) != NULL)
        lb_batch_unref(batch);
    lb_intake_free(ground.intake);
    ground.intake = NULL;
    lb_stream_unref(ground.connection);
    assert_int_equal(lb_pool_used(ground.pool), 0);
    lb_queue_free(&ground.queue);
    lb_share_free(ground.share);
    lb_streams_free(ground.streams);
    lb_ledger_close(ground.ledger);
    lb_pool_free(ground.pool);
}

static inline void finish_and_end(void)
{
    lb_intake_finish(ground.intake);
    end();
}

static inline int set_up(void **state)
{
    (void)state;
    memset(&ground, 0, sizeof(ground));
    alarm(TEST_SECONDS);
    strcpy(ground.directory, "/tmp/lb_intake_XXXXXX");
    disk.only = "/intake/";
    ground.max_bytes = 64 * 1024 * 1024;
    ground.lag_bytes = POOL_BYTES;
    return mkdtemp(ground.directory) != NULL ? 0 : -1;
}

static inline int tear_down(void **state)
{
    char command[128];

    (void)state;
    disk_fail(&disk.write, 0, 0, 0);
    disk_fail(&disk.sync, 0, 0, 0);
    snprintf(command, sizeof(command), "rm -r %s", ground.directory);
    alarm(0);
    return system(command);
}

/* --- in ---------------------------------------------------------------------------- */

static inline struct lb_batch *batch_of(uint32_t events, uint32_t length)
{
    struct lb_batch *batch;

    while ((batch = lb_pool_take(ground.share, (size_t)events * (length + sizeof(struct lb_event)),
                                 ground.connection)) == NULL)
        sched_yield();
    for (uint32_t i = 0; i < events; i++) {
        int len = snprintf(batch->bytes + batch->length, length, "event %u", ground.put++);

        memset(batch->bytes + batch->length + len, ' ', length - (size_t)len);
        lb_batch_note(batch, batch->length, length);
        batch->length += length;
    }
    batch->counted = true;
    batch->arrival_ns = lb_clock_now();
    batch->position = ground.connection_position;
    ground.connection_position += events;
    batch->position_end = ground.connection_position;
    return batch;
}

static inline uint64_t put(uint32_t events)
{
    return lb_intake_put(ground.intake, batch_of(events, TEXT_BYTES));
}

static inline void wait_until_safe(uint64_t number)
{
    while (ground.safe < number)
        sched_yield();
}

/* --- out ----------------------------------------------------------------------------- */

static inline uint32_t number_of(const struct lb_batch *batch, uint32_t i)
{
    return (uint32_t)strtoul(batch->bytes + lb_batch_event(batch, i)->start + strlen("event "), NULL, 10);
}

/* The next batch, which begins with event `first`, of the intake's stream. The caller has its reference. */
static inline struct lb_batch *pop(uint32_t first)
{
    struct lb_batch *batch = lb_queue_pop(&ground.queue);

    assert_non_null(batch);
    for (uint32_t i = 0; i < batch->event_count; i++)
        assert_int_equal(number_of(batch, i), first + i);
    assert_true(batch->counted && batch->stream->durable);
    assert_true(batch->position + batch->event_count <= batch->position_end);
    assert_text(batch->name, "192.0.2.1:77");
    assert_text(batch->host, "192.0.2.1");
    return batch;
}

/* Both consumers have it, or only the first one. */
static inline void deliver(struct lb_batch *batch, uint32_t consumers)
{
    for (uint32_t i = 0; i < consumers; i++)
        assert_null(lb_token_issue(batch->stream, i, batch->position_end, true));
}

static inline void commit(void)
{
    struct lb_ledger_txn txn;

    lb_ledger_txn_init(&txn);
    assert_int_equal(lb_streams_commit(ground.streams, UINT32_MAX, &txn, NULL, NULL), LB_OK);
    lb_ledger_txn_free(&txn);
}

/* A test with its ground. */
#define INTAKE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
