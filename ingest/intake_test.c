/*
 * An intake on a real journal, ledger, pool and queue: what it takes goes on once, in order, at positions that stay;
 * what no mark covers comes back; what cannot be written waits, or passes at the end.
 */
#include "lb_test.h"

#include "lb_disk.h"

#include "intake.c"
#include "intake_open.c"
#include "intake_record.c"

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

static void note_safe(void *context, uint64_t number)
{
    struct ground *self = context;

    assert_true(number > self->safe);
    self->safe = number;
}

static void open_intake(bool later)
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
static void begin(void)
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
static void end(void)
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

static void finish_and_end(void)
{
    lb_intake_finish(ground.intake);
    end();
}

static int set_up(void **state)
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

static int tear_down(void **state)
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

static struct lb_batch *batch_of(uint32_t events, uint32_t length)
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

static uint64_t put(uint32_t events)
{
    return lb_intake_put(ground.intake, batch_of(events, TEXT_BYTES));
}

static void wait_until_safe(uint64_t number)
{
    while (ground.safe < number)
        sched_yield();
}

/* --- out ----------------------------------------------------------------------------- */

static uint32_t number_of(const struct lb_batch *batch, uint32_t i)
{
    return (uint32_t)strtoul(batch->bytes + lb_batch_event(batch, i)->start + strlen("event "), NULL, 10);
}

/* The next batch, which begins with event `first`, of the intake's stream. The caller has its reference. */
static struct lb_batch *pop(uint32_t first)
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
static void deliver(struct lb_batch *batch, uint32_t consumers)
{
    for (uint32_t i = 0; i < consumers; i++)
        assert_null(lb_token_issue(batch->stream, i, batch->position_end, true));
}

static void commit(void)
{
    struct lb_ledger_txn txn;

    lb_ledger_txn_init(&txn);
    lb_streams_collect(ground.streams, UINT32_MAX, &txn);
    assert_int_equal(lb_ledger_commit(ground.ledger, &txn), LB_OK);
    lb_ledger_txn_free(&txn);
}

/* --- tests ------------------------------------------------------------------------------- */

static void goes_on_in_order_when_it_is_on_disk(void **state)
{
    uint64_t end_before = 0;

    (void)state;
    begin();
    open_intake(false);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(put(10), i + 1);
    for (uint32_t i = 0; i < 100; i++) {
        struct lb_batch *batch = pop(i * 10);

        assert_true(batch->position >= end_before);
        end_before = batch->position_end;
        lb_batch_unref(batch);
    }
    wait_until_safe(100);
    assert_true(ground.intake->metrics.syncs->value < 100);
    finish_and_end();
}

static void what_no_mark_covers_comes_back_at_the_same_positions(void **state)
{
    uint64_t positions[8];

    (void)state;
    begin();
    open_intake(false);
    for (uint32_t i = 0; i < 8; i++)
        put(5);
    for (uint32_t i = 0; i < 8; i++) {
        struct lb_batch *batch = pop(i * 5);

        positions[i] = batch->position;
        deliver(batch, i < 3 ? 2 : i < 5); /* `a` has five of them, `b` three */
        lb_batch_unref(batch);
    }
    commit();
    finish_and_end();

    begin();
    open_intake(false);
    put(5);
    for (uint32_t i = 3; i < 9; i++) {
        struct lb_batch *batch = pop(i * 5);

        if (i < 8)
            assert_int_equal(batch->position, positions[i]);
        assert_true(lb_stream_mark(batch->stream, 0) <= positions[5] &&
                    lb_stream_mark(batch->stream, 0) > positions[4]);
        assert_true(lb_stream_mark(batch->stream, 1) > positions[2] &&
                    lb_stream_mark(batch->stream, 1) <= positions[3]);
        lb_batch_unref(batch);
    }
    finish_and_end();
}

static uint32_t segments(void)
{
    char path[64];
    uint32_t count = 0;
    const struct dirent *entry;

    snprintf(path, sizeof(path), "%s/intake/net", ground.directory);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void is_trimmed_at_the_lowest_mark_that_is_committed(void **state)
{
    (void)state;
    begin();
    open_intake(false);
    put(100);
    struct lb_batch *batch = pop(0);
    deliver(batch, 2);
    lb_batch_unref(batch);
    assert_int_equal(lb_stream_committed(ground.intake->stream), 0);
    lb_intake_finish(ground.intake);
    assert_int_equal(segments(), 1);
    commit();
    end();
    assert_int_equal(segments(), 0);

    begin();
    open_intake(false);
    put(1);
    lb_batch_unref(pop(100)); /* nothing of before comes */
    finish_and_end();
}

static void when_it_is_full_it_waits_and_goes_on_when_marks_move(void **state)
{
    struct lb_intake_state is = { .ok = true };
    uint32_t given = 0;

    (void)state;
    ground.max_bytes = 64 * 1024;
    begin();
    open_intake(false);
    for (uint32_t i = 0; i < 40; i++)
        lb_intake_put(ground.intake, batch_of(100, TEXT_BYTES));
    while (is.ok) {
        lb_intake_state(ground.intake, &is);
        sched_yield();
    }
    assert_non_null(strstr(is.problem, "full"));
    assert_true(ground.safe < 40);
    assert_true(is.bytes <= ground.max_bytes);
    while (given < 40) {
        struct lb_batch *batch = pop(given++ * 100);

        deliver(batch, 2);
        lb_batch_unref(batch);
        commit();
    }
    wait_until_safe(40);
    while (!is.ok) {
        lb_intake_state(ground.intake, &is);
        sched_yield();
    }
    finish_and_end();
}

static void at_the_end_it_takes_more_than_it_may(void **state)
{
    (void)state;
    ground.max_bytes = 64 * 1024;
    begin();
    open_intake(false);
    for (uint32_t i = 0; i < 40; i++)
        lb_intake_put(ground.intake, batch_of(100, TEXT_BYTES));
    finish_and_end();
    assert_int_equal(ground.safe, 40);

    begin();
    open_intake(false);
    for (uint32_t i = 0; i < 40; i++)
        lb_batch_unref(pop(i * 100));
    finish_and_end();
}

static void a_disk_that_takes_nothing_is_told_and_tried_again(void **state)
{
    struct lb_intake_state is = { .ok = true };

    (void)state;
    begin();
    open_intake(false);
    disk_fail(&disk.write, 0, 1000000, ENOSPC);
    put(10);
    while (is.ok) {
        lb_intake_state(ground.intake, &is);
        sched_yield();
    }
    assert_non_null(strstr(is.problem, "No space"));
    assert_int_equal(lb_queue_depth(&ground.queue), 0);
    disk_fail(&disk.write, 0, 0, 0);
    lb_batch_unref(pop(0));
    finish_and_end();
}

/* A sync fails behind a segment that was synced on the way: nothing may be written twice, nothing may be left out. */
static void a_sync_that_fails_doubles_nothing(void **state)
{
    uint32_t next = 0;

    (void)state;
    ground.max_bytes = 1024 * 1024; /* segments of 128 KiB */
    for (long after = 0; after < 12; after++) {
        begin();
        open_intake(false);
        uint32_t first = ground.put;

        disk_fail(&disk.sync, after, 3, EIO);
        for (uint32_t i = 0; i < 10; i++)
            lb_intake_put(ground.intake, batch_of(1000, TEXT_BYTES));
        for (uint32_t i = 0; i < 10; i++) {
            struct lb_batch *batch = pop(first + i * 1000);

            deliver(batch, 1); /* not `b`: it all comes again */
            lb_batch_unref(batch);
        }
        disk_fail(&disk.sync, 0, 0, 0);
        commit();
        finish_and_end();

        begin();
        open_intake(false);
        for (uint32_t i = 0; i < 10; i++, next++) {
            struct lb_batch *batch = pop(next * 1000);

            assert_true(batch->position_end <= lb_stream_mark(batch->stream, 0));
            deliver(batch, 2);
            lb_batch_unref(batch);
        }
        commit();
        lb_intake_finish(ground.intake);
        assert_int_equal(lb_journal_damaged(ground.intake->journal), 0);
        end();
    }
}

static void what_cannot_be_written_at_the_end_passes_as_it_was(void **state)
{
    (void)state;
    begin();
    open_intake(false);
    disk_fail(&disk.write, 0, 1000000, ENOSPC);
    atomic_store(&lb_log_level, LB_LEVEL_NONE);
    put(10);
    lb_intake_finish(ground.intake);
    struct lb_batch *batch = lb_queue_pop(&ground.queue);
    assert_ptr_equal(batch->stream, ground.connection);
    assert_int_equal(batch->position, 0);
    assert_int_equal(batch->position_end, 10);
    lb_batch_unref(batch);
    end();
}

static void while_others_lag_memory_is_free_and_order_is_kept(void **state)
{
    enum { BATCHES = 300 };
    struct lb_batch *held[BATCHES];
    uint32_t count = 0;

    (void)state;
    ground.lag_bytes = 256 * 1024;
    begin();
    open_intake(false);
    /* Far more than the pool, and nothing is taken out: it must not come to a stop. */
    for (uint32_t i = 0; i < BATCHES; i++)
        lb_intake_put(ground.intake, batch_of(100, 1000));
    wait_until_safe(BATCHES);
    while (count < BATCHES) {
        held[count] = pop(count * 100);
        lb_batch_unref(held[count]);
        count++;
    }
    assert_true(ground.intake->metrics.restored->value > 0);
    /* It has caught up: from memory again. */
    int64_t restored = ground.intake->metrics.restored->value;
    struct lb_intake_state is = { .behind = true };
    while (is.behind) {
        lb_intake_state(ground.intake, &is);
        sched_yield();
    }
    put(1);
    lb_batch_unref(pop(BATCHES * 100));
    assert_int_equal(ground.intake->metrics.restored->value, restored);
    finish_and_end();
}

static void one_that_follows_another_begins_where_nothing_of_it_is_left(void **state)
{
    (void)state;
    begin();
    open_intake(false);
    put(3);
    struct lb_batch *batch = pop(0);
    struct lb_token *token = lb_token_issue(batch->stream, 0, batch->position_end, false);
    deliver(batch, 0);
    assert_null(lb_token_issue(batch->stream, 1, batch->position_end, true));
    lb_intake_finish(ground.intake);
    lb_intake_free(ground.intake);

    /* A batch of the one before is on its way: what comes now is written, and waits. */
    open_intake(true);
    put(3);
    wait_until_safe(1);
    assert_int_equal(lb_queue_depth(&ground.queue), 0);
    uint64_t before = batch->position_end;
    lb_batch_unref(batch);
    lb_token_done(token, LB_DELIVERED, NULL);
    batch = pop(3);
    assert_true(batch->position >= before);
    lb_batch_unref(batch);
    finish_and_end();
}

static void a_lost_journal_does_not_bring_positions_back(void **state)
{
    char command[128];

    (void)state;
    begin();
    open_intake(false);
    put(10);
    struct lb_batch *batch = pop(0);
    uint64_t before = batch->position_end;
    deliver(batch, 2);
    lb_batch_unref(batch);
    commit();
    finish_and_end();
    snprintf(command, sizeof(command), "rm -rf %s/intake", ground.directory);
    assert_int_equal(system(command), 0);

    begin();
    open_intake(false);
    put(10);
    batch = pop(10);
    assert_true(batch->position >= before);
    lb_batch_unref(batch);
    finish_and_end();
}

static void datagrams_keep_their_senders_and_cut_ones_say_so(void **state)
{
    struct lb_buffer out;

    (void)state;
    begin();
    lb_buffer_init(&out, INTAKE_ENTRY_MAX);
    struct lb_batch *batch = batch_of(3, 40);
    struct lb_batch *again = lb_pool_take(ground.share, 3 * 64, ground.connection);
    struct lb_str peers[] = { LB_STR("192.0.2.7"), LB_STR(""), LB_STR("2001:db8::1") };
    batch->peers = peers;
    lb_batch_event(batch, 1)->truncated = 1;
    batch->length += 20; /* of an event that is not whole */
    intake_encode(batch, &out);
    assert_false(out.failed);
    assert_int_equal(intake_decode(lb_buffer_str(&out), again), LB_OK);
    assert_int_equal(again->event_count, 3);
    assert_int_equal(again->length, 120);
    assert_int_equal(again->arrival_ns, batch->arrival_ns);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(number_of(again, i), i);
        assert_true(lb_str_equal(again->peers[i], peers[i]));
        assert_int_equal(lb_batch_event(again, i)->truncated, i == 1);
    }
    lb_batch_unref(again);
    batch->peers = NULL;
    lb_batch_unref(batch);
    lb_buffer_free(&out);
    end();
}

/* Each byte changed and each length: an error or something whole, and never outside of its memory. */
static void no_damage_is_trusted(void **state)
{
    struct lb_buffer out;
    uint64_t random = lb_seed();

    (void)state;
    begin();
    lb_buffer_init(&out, INTAKE_ENTRY_MAX);
    struct lb_batch *batch = batch_of(3, 20);
    struct lb_str peers[] = { LB_STR("192.0.2.7"), LB_STR("x"), LB_STR("192.0.2.8") };
    batch->peers = peers;
    intake_encode(batch, &out);
    for (size_t i = 0; i < out.len * 20; i++) {
        size_t len = i < out.len ? i : out.len;
        char *exact = malloc(len + 1); /* so that a sanitizer sees a read behind it */

        memcpy(exact, out.ptr, len);
        if (i >= out.len)
            exact[i % out.len] = (char)lb_random(&random);
        struct lb_str payload = { exact, len };
        struct intake_head head;
        enum lb_err err = intake_decode_head(payload, &head);
        if (i < out.len)
            assert_int_equal(err, LB_BAD_INPUT);
        struct lb_batch *again =
            err == LB_OK ? lb_pool_take(ground.share, intake_slab_bytes(&head), ground.connection) : NULL;
        if (again != NULL && intake_decode(payload, again) == LB_OK) {
            for (uint32_t e = 0; e < again->event_count; e++)
                assert_true(lb_batch_event(again, e)->start + lb_batch_event(again, e)->length <= again->length);
        }
        if (again != NULL)
            lb_batch_unref(again);
        free(exact);
    }
    batch->peers = NULL;
    lb_batch_unref(batch);
    lb_buffer_free(&out);
    end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(goes_on_in_order_when_it_is_on_disk),
        TEST(what_no_mark_covers_comes_back_at_the_same_positions),
        TEST(is_trimmed_at_the_lowest_mark_that_is_committed),
        TEST(when_it_is_full_it_waits_and_goes_on_when_marks_move),
        TEST(at_the_end_it_takes_more_than_it_may),
        TEST(a_disk_that_takes_nothing_is_told_and_tried_again),
        TEST(a_sync_that_fails_doubles_nothing),
        TEST(while_others_lag_memory_is_free_and_order_is_kept),
        TEST(one_that_follows_another_begins_where_nothing_of_it_is_left),
        TEST(a_lost_journal_does_not_bring_positions_back),
        TEST(datagrams_keep_their_senders_and_cut_ones_say_so),
        TEST(no_damage_is_trusted),
        TEST(what_cannot_be_written_at_the_end_passes_as_it_was),
    };

    atomic_store(&lb_log_level, LB_LEVEL_NONE);
    int failed = cmocka_run_group_tests_name("ingest/intake", tests, NULL, NULL);
    lb_metrics_free_all();
    return failed;
}
