/*
 * delivery_spool_test.c - what happens while a sink lags.
 *
 * The sink here takes records one by one, refuses in the middle of a batch,
 * and holds tokens until the test lets them go, in any order: as sinks on the
 * network do.
 */
#include "lb_test.h"

#include "core/journal.h"
#include "spool.h"

#include "lb_alloc.h"
#include "lb_disk.h"
#include "lb_log.h"
#include "lb_rig.h"

#include <limits.h>

enum { GOT_MAX = 1 << 16, HELD_MAX = 1 << 16 };

struct fake {
    atomic_bool refuse;  /* takes nothing */
    atomic_bool holds;   /* delivers when the test says so */
    atomic_uint part;    /* takes so many records, then refuses once; 0: all */
    atomic_uint dribble; /* so many records in all, then refuses; UINT_MAX: no end */
    atomic_uint tries;
    pthread_mutex_t lock; /* guards all below */
    uint64_t got[GOT_MAX];
    uint32_t count;
    struct lb_token *held[HELD_MAX];
    uint32_t held_count;
    uint32_t next; /* the sink's thread: the entry to go on at */
    uint32_t committed;
};

static void take(struct fake *self, const struct lb_batch *batch, const struct lb_record *record,
                 struct lb_token *token)
{
    char id[LB_RECORD_ID_SIZE];
    struct lb_str message = { record->message.ptr, record->message.len };
    uint64_t position = batch->position + record->start;
    char text[32];

    /* Each record says its own position, and keeps its id. */
    snprintf(text, sizeof(text), "%llu", (unsigned long long)position);
    assert_text(message, text);
    lb_record_id(batch, record, id);
    snprintf(text, sizeof(text), "-%llx", (unsigned long long)position);
    assert_string_equal(id + 16, text);
    pthread_mutex_lock(&self->lock);
    self->got[self->count++] = position;
    if (self->holds && token != NULL) {
        lb_token_hold(token, 1);
        self->held[self->held_count++] = token;
    }
    pthread_mutex_unlock(&self->lock);
}

static enum lb_err fake_write(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                              struct lb_token *token)
{
    struct fake *self = sink->state;
    unsigned taken = 0;

    atomic_fetch_add(&self->tries, 1);
    for (; self->next < selection->count; self->next++, taken++) {
        if (self->refuse || self->dribble == 0 || (self->part != 0 && taken == self->part))
            return LB_AGAIN;
        if (self->dribble != UINT_MAX)
            atomic_fetch_sub(&self->dribble, 1);
        take(self, batch, lb_batch_selected(batch, selection, self->next), token);
    }
    self->next = 0;
    return LB_OK;
}

static int64_t fake_tick(struct lb_sink *sink, int64_t now)
{
    (void)sink;
    return now + LB_MILLISECOND;
}

static enum lb_err fake_commit(struct lb_sink *sink, struct lb_ledger_txn *txn)
{
    struct fake *self = sink->state;
    char text[16];

    pthread_mutex_lock(&self->lock);
    int len = snprintf(text, sizeof(text), "%u", self->count);
    pthread_mutex_unlock(&self->lock);
    lb_ledger_put(txn, LB_STR("fake/count"), (struct lb_str){ text, (size_t)len });
    return LB_OK;
}

/* Takes a batch whole or not at all. */
static enum lb_err whole_write(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct fake *self = sink->state;

    (void)token;
    atomic_fetch_add(&self->tries, 1);
    if (self->refuse || self->dribble == 0)
        return LB_AGAIN;
    if (self->dribble != UINT_MAX)
        atomic_fetch_sub(&self->dribble, 1);
    for (uint32_t i = 0; i < selection->count; i++)
        take(self, batch, lb_batch_selected(batch, selection, i), NULL);
    return LB_OK;
}

static const struct lb_sink_type network = {
    .module = { .name = "network", .state_size = sizeof(struct fake) },
    .write = fake_write,
    .tick = fake_tick,
};

static const struct lb_sink_type committing = {
    .module = { .name = "committing", .state_size = sizeof(struct fake) },
    .write = whole_write,
    .commit = fake_commit,
    .tick = fake_tick,
};

static char dir[64];
static struct lb_sink_options spool_options; /* of the runs of one test */

static int make_dir(void **state)
{
    spool_options = (struct lb_sink_options){ 0 };
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/delivery_spool_test.XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

/* A run: the ledger, the stream and one sink, which may hold `hold` bytes (a record counts as 100). */
static struct fake *open_run(struct rig *rig, const struct lb_sink_type *type, int when_full, uint64_t hold)
{
    rig_open(rig, dir);
    struct lb_sink *sink = rig_sink(rig, type, "hook");
    struct fake *fake = sink->state;

    sink->data_dir = lb_str_from(dir);
    sink->options = spool_options;
    sink->options.when_full = when_full;
    pthread_mutex_init(&fake->lock, NULL);
    fake->dribble = UINT_MAX;
    rig_open_stream(rig);
    assert_int_equal(lb_delivery_start(sink, rig->streams, 20 * LB_MILLISECOND), LB_OK);
    pthread_mutex_lock(&sink->delivery->lock);
    sink->delivery->hold_max = hold;
    pthread_mutex_unlock(&sink->delivery->lock);
    return fake;
}

static bool stop(struct rig *rig, int64_t within_ns)
{
    return lb_delivery_stop(rig->sinks[0].delivery, lb_clock_monotonic() + within_ns);
}

static struct lb_delivery_state state_of(struct rig *rig)
{
    struct lb_delivery_state now = { 0 };

    lb_delivery_state(rig->sinks[0].delivery, &now);
    return now;
}

#define WAIT_FOR(condition)                                                                                            \
    do {                                                                                                               \
        int64_t lb_until = lb_clock_monotonic() + 60 * LB_SECOND;                                                      \
        while (!(condition)) {                                                                                         \
            if (lb_clock_monotonic() > lb_until)                                                                       \
                fail_msg("never: %s", #condition);                                                                     \
            usleep(500);                                                                                               \
        }                                                                                                              \
    } while (0)

static uint32_t count_of(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    uint32_t count = fake->count;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

static void assert_got(struct fake *fake, uint64_t first, uint32_t count)
{
    pthread_mutex_lock(&fake->lock);
    assert_int_equal(fake->count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(fake->got[i], first + i);
    pthread_mutex_unlock(&fake->lock);
}

static void push_many(struct rig *rig, uint64_t first, unsigned batches, uint32_t records)
{
    for (unsigned i = 0; i < batches; i++)
        rig_push(rig, first + (uint64_t)i * records, records);
}

static void let_go(struct fake *fake, uint64_t *random, uint32_t keep)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->held_count > keep) {
        uint32_t at = (uint32_t)(lb_random(random) % fake->held_count);
        struct lb_token *token = fake->held[at];

        fake->held[at] = fake->held[--fake->held_count];
        pthread_mutex_unlock(&fake->lock);
        lb_token_done(token, LB_DELIVERED, NULL);
        pthread_mutex_lock(&fake->lock);
    }
    pthread_mutex_unlock(&fake->lock);
}

static uint64_t mark_of(struct rig *rig)
{
    return lb_stream_mark(rig->stream, 0);
}

static void writes_nothing_to_disk_while_the_sink_keeps_up(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 100000);

    (void)state;
    push_many(&rig, 0, 200, 10);
    WAIT_FOR(count_of(fake) == 2000);
    WAIT_FOR(mark_of(&rig) == 2000);
    assert_int_equal(rig.sinks[0].delivery->metrics.spooled->value, 0);
    assert_string_equal(state_of(&rig).policy, "spool");
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_got(fake, 0, 2000);
    rig_close(&rig);
}

static void gives_back_slabs_and_moves_the_mark_in_an_outage(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 2000);

    (void)state;
    fake->refuse = true;
    /* Many times what the rig has batches for: they come back. */
    push_many(&rig, 0, 10 * RIG_BATCHES, 5);
    WAIT_FOR(mark_of(&rig) >= 10 * RIG_BATCHES * 5 - 20);
    WAIT_FOR(state_of(&rig).spool_bytes > 0 && state_of(&rig).oldest_ns > 0);
    fake->refuse = false;
    WAIT_FOR(count_of(fake) == 10 * RIG_BATCHES * 5);
    WAIT_FOR(state_of(&rig).spool_bytes == 0);
    push_many(&rig, 10 * RIG_BATCHES * 5, 3, 5);
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_got(fake, 0, (10 * RIG_BATCHES + 3) * 5);
    assert_int_equal(state_of(&rig).dropped, 0);
    rig_close(&rig);
}

static void what_waits_too_long_goes_to_disk_however_little(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 100000);

    (void)state;
    fake->holds = true;
    push_many(&rig, 0, 2, 5);
    WAIT_FOR(count_of(fake) == 10); /* before they are old enough, or the sink would get them from the disk */
    pthread_mutex_lock(&rig.sinks[0].delivery->lock);
    rig.sinks[0].delivery->spool_age_ns = 50 * LB_MILLISECOND;
    pthread_mutex_unlock(&rig.sinks[0].delivery->lock);
    WAIT_FOR(mark_of(&rig) == 10);
    assert_int_equal(lb_streams_outstanding(rig.streams, 0), 2);
    uint64_t random = lb_seed();
    let_go(fake, &random, 0);
    WAIT_FOR(lb_streams_outstanding(rig.streams, 0) == 0);
    WAIT_FOR(state_of(&rig).spool_bytes == 0);
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_got(fake, 0, 10);
    rig_close(&rig);
}

static void one_large_batch_does_not_stay_in_memory(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 500);

    (void)state;
    fake->refuse = true;
    rig_push(&rig, 0, RIG_BATCH_RECORDS);
    WAIT_FOR(mark_of(&rig) == RIG_BATCH_RECORDS);
    /* The slab is free though the sink has not taken it. */
    WAIT_FOR(atomic_load(&rig.batches[0].batch.references) == 0);
    fake->refuse = false;
    WAIT_FOR(count_of(fake) == RIG_BATCH_RECORDS);
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_got(fake, 0, RIG_BATCH_RECORDS);
    rig_close(&rig);
}

static void a_batch_taken_in_part_goes_on_where_it_was(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 500);

    (void)state;
    fake->dribble = 3; /* of the first batch, which then goes to the spool with the others */
    push_many(&rig, 0, 1, 10);
    WAIT_FOR(count_of(fake) == 3); /* else all might be spooled before the sink sees any */
    push_many(&rig, 10, 99, 10);
    WAIT_FOR(mark_of(&rig) >= 980);
    assert_int_equal(count_of(fake), 3);
    fake->dribble = UINT_MAX;
    WAIT_FOR(count_of(fake) == 1000);
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_got(fake, 0, 1000);
    rig_close(&rig);
}

/* As a reload does: another instance takes the sink's place. Whatever of it fails, the next one finds all. */
static void a_spool_that_cannot_be_opened_for_a_new_instance_is_opened_for_the_next(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 500);
    struct lb_sink *sink = &rig.sinks[0];
    unsigned failed = 0;

    (void)state;
    fake->refuse = true;
    push_many(&rig, 0, 20, 10);
    for (long n = 1; n < 40; n++) {
        assert_true(lb_delivery_pause(sink->delivery, lb_clock_monotonic() + 60 * LB_SECOND));
        lb_alloc_fail_at = n;
        enum lb_err err = lb_delivery_resume(sink->delivery, sink, true, 20 * LB_MILLISECOND);
        lb_alloc_fail_at = 0;
        failed += err != LB_OK;
        if (err != LB_OK)
            assert_int_equal(lb_delivery_resume(sink->delivery, sink, true, 20 * LB_MILLISECOND), LB_OK);
    }
    assert_true(failed > 3);
    fake->refuse = false;
    WAIT_FOR(count_of(fake) == 200);
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_got(fake, 0, 200);
    rig_close(&rig);
}

static void a_stop_in_an_outage_leaves_the_rest_in_the_spool(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 100000);
    int64_t begin = lb_clock_monotonic();

    (void)state;
    fake->refuse = true;
    push_many(&rig, 0, 20, 10);
    WAIT_FOR(fake->tries > 0);
    assert_true(stop(&rig, 600 * LB_SECOND));
    assert_true(lb_clock_monotonic() - begin < 60 * LB_SECOND);
    assert_true(stop(&rig, 60 * LB_SECOND)); /* again: only the answer */
    assert_int_equal(mark_of(&rig), 200);
    rig_close(&rig);

    fake = open_run(&rig, &network, LB_FULL_SPOOL, 100000);
    assert_int_equal(rig.stream->resume, 200);
    push_many(&rig, 200, 5, 10);
    WAIT_FOR(count_of(fake) == 250);
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_got(fake, 0, 250);
    rig_close(&rig);

    fake = open_run(&rig, &network, LB_FULL_SPOOL, 100000);
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_int_equal(count_of(fake), 0);
    rig_close(&rig);
}

static void without_a_deadline_a_stop_waits_for_all(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 500);

    (void)state;
    fake->part = 25;
    push_many(&rig, 0, 10, 50);
    assert_true(lb_delivery_stop(rig.sinks[0].delivery, INT64_MAX));
    assert_got(fake, 0, 500);
    rig_close(&rig);
}

static void a_backlog_is_delivered_whatever_the_policy_is_now(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 500);

    (void)state;
    fake->refuse = true;
    push_many(&rig, 0, 20, 10);
    assert_true(stop(&rig, 60 * LB_SECOND));
    rig_close(&rig);
    fake = open_run(&rig, &network, LB_FULL_BLOCK, 500);
    push_many(&rig, 200, 5, 10);
    WAIT_FOR(count_of(fake) == 250);
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_got(fake, 0, 250);
    rig_close(&rig);
}

static void a_lost_spool_does_not_stop_the_next_run(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 500);
    char command[128];

    (void)state;
    fake->refuse = true;
    push_many(&rig, 0, 20, 10);
    assert_true(stop(&rig, 60 * LB_SECOND));
    rig_close(&rig);
    snprintf(command, sizeof(command), "rm -r %s/spool", dir);
    assert_int_equal(system(command), 0);
    for (int run = 0; run < 2; run++) {
        fake = open_run(&rig, &network, LB_FULL_SPOOL, 500);
        fake->refuse = run == 0;
        push_many(&rig, 200 + 200 * (uint64_t)run, 20, 10);
        if (run == 1)
            WAIT_FOR(count_of(fake) == 400);
        assert_true(stop(&rig, 60 * LB_SECOND));
        if (run == 1)
            assert_got(fake, 200, 400);
        rig_close(&rig);
    }
}

static void drops_the_oldest_in_memory_and_counts_them(void **state)
{
    struct rig rig;
    struct fake *fake = open_run(&rig, &network, LB_FULL_DROP_OLDEST, 3000);

    (void)state;
    fake->refuse = true;
    rig_push(&rig, 0, 5);
    WAIT_FOR(fake->tries > 0); /* the first is with the sink */
    push_many(&rig, 5, 199, 5);
    assert_int_equal(state_of(&rig).dropped, 1000 - 5 - 30);
    assert_string_equal(state_of(&rig).policy, "drop_oldest");
    fake->refuse = false;
    assert_true(stop(&rig, 60 * LB_SECOND));
    assert_int_equal(fake->count, 35);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(fake->got[i], i);
    for (uint32_t i = 5; i < 35; i++)
        assert_int_equal(fake->got[i], 965 + i);
    assert_int_equal(rig.sinks[0].delivery->metrics.dropped[DROP_QUEUE]->value, 965);
    rig_close(&rig);
}

static void a_full_spool_drops_its_oldest_and_counts_them(void **state)
{
    static char padding[1000];
    struct rig rig;

    (void)state;
    memset(padding, 'x', sizeof(padding) - 1);
    spool_options.spool_max = 256 * 1024;
    spool_options.spool_then = LB_SPOOL_DROP_OLDEST;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 500);
    rig.padding = padding;
    fake->refuse = true;
    rig_push(&rig, 0, 10);
    WAIT_FOR(fake->tries > 0);   /* the first batch is with the sink: it cannot be dropped any more */
    push_many(&rig, 10, 99, 10); /* 1 MB */
    WAIT_FOR(mark_of(&rig) == 1000);
    WAIT_FOR(state_of(&rig).queue_depth == 0);
    uint64_t dropped = state_of(&rig).dropped;
    assert_true(dropped > 500 && dropped < 1000 && dropped % 10 == 0);
    assert_true(state_of(&rig).spool_bytes <= spool_options.spool_max);
    fake->refuse = false;
    WAIT_FOR(count_of(fake) == 1000 - dropped);
    assert_true(stop(&rig, 60 * LB_SECOND));
    for (uint32_t i = 0; i < fake->count; i++)
        assert_int_equal(fake->got[i], i < 10 ? i : dropped + i);
    assert_int_equal(state_of(&rig).dropped, dropped);
    rig_close(&rig);
}

static void what_is_larger_than_the_spool_is_dropped_rather_than_waited_for(void **state)
{
    static char padding[RIG_PAD_MAX];
    struct rig rig;

    (void)state;
    memset(padding, 'x', sizeof(padding) - 1);
    spool_options.spool_max = 100 * 1024;
    spool_options.spool_then = LB_SPOOL_DROP_OLDEST;
    struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 500);
    fake->refuse = true;
    rig_push(&rig, 0, 10);
    rig_push(&rig, 10, 10);
    WAIT_FOR(mark_of(&rig) == 20);
    rig.padding = padding;
    rig_push(&rig, 20, RIG_BATCH_RECORDS); /* 260 KB */
    rig.padding = NULL;
    rig_push(&rig, 20 + RIG_BATCH_RECORDS, 10);
    WAIT_FOR(mark_of(&rig) == 30 + RIG_BATCH_RECORDS);
    assert_int_equal(state_of(&rig).dropped, RIG_BATCH_RECORDS);
    fake->refuse = false;
    WAIT_FOR(count_of(fake) == 30);
    assert_true(stop(&rig, 60 * LB_SECOND));
    rig_close(&rig);
}

static void a_committing_sink_gets_each_record_once_over_restarts(void **state)
{
    struct rig rig;
    struct lb_buffer value;
    uint32_t total = 0;
    uint64_t pushed = 0;

    (void)state;
    lb_buffer_init(&value, 100);
    for (int run = 0; run < 6; run++) {
        struct fake *fake = open_run(&rig, &committing, LB_FULL_SPOOL, 1000);
        struct lb_ledger_txn txn;

        /* The file of this run is new. */
        lb_ledger_txn_init(&txn);
        lb_ledger_put(&txn, LB_STR("fake/count"), LB_STR("0"));
        assert_int_equal(lb_ledger_commit(rig.ledger, &txn), LB_OK);
        lb_ledger_txn_free(&txn);
        /* What is behind the mark of the stream comes again from its source, in other batches. */
        uint64_t first = rig.stream->resume;
        fake->dribble = run < 5 ? 6 : UINT_MAX;
        for (uint64_t at = first; at < pushed + 400; at += 10)
            rig_push(&rig, at, pushed + 400 - at < 10 ? (uint32_t)(pushed + 400 - at) : 10);
        pushed += 400;
        if (run == 5)
            WAIT_FOR(count_of(fake) == pushed - total);
        else
            WAIT_FOR(mark_of(&rig) >= pushed - 100);
        (void)stop(&rig, (run % 2 == 0 ? 20 : 0) * LB_SECOND);
        assert_int_equal(lb_ledger_get(rig.ledger, LB_STR("fake/count"), &value), LB_OK);
        /* The file is cut to its committed length. */
        lb_buffer_append_char(&value, '\0');
        uint32_t committed = (uint32_t)strtoul(value.ptr, NULL, 10);
        for (uint32_t i = 0; i < committed; i++)
            assert_int_equal(fake->got[i], total + i);
        total += committed;
        rig_close(&rig);
    }
    assert_int_equal(total, pushed);
    lb_buffer_free(&value);
}

/* Records in order of first delivery: rising without a gap. */
static void assert_all_seen(const uint64_t *got, uint32_t count, uint64_t *next)
{
    for (uint32_t i = 0; i < count; i++) {
        if (got[i] > *next)
            fail_msg("%llu is missing: entry %u is %llu; LB_SEED=%llu", (unsigned long long)*next, i,
                     (unsigned long long)got[i], (unsigned long long)lb_seed());
        *next += got[i] == *next;
    }
}

static void whatever_the_sink_does_all_comes_in_order(void **state)
{
    uint64_t random = lb_seed();
    uint64_t pushed = 0;
    uint64_t next = 0;

    (void)state;
    for (int run = 0; run < 12; run++) {
        struct rig rig;
        struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 500 + lb_random(&random) % 3000);

        assert_int_equal(rig.stream->resume, pushed);
        pthread_mutex_lock(&rig.sinks[0].delivery->lock);
        rig.sinks[0].delivery->spool_age_ns = (int64_t)(1 + lb_random(&random) % 200) * LB_MILLISECOND;
        pthread_mutex_unlock(&rig.sinks[0].delivery->lock);
        for (int step = 0; step < 300; step++) {
            uint64_t dice = lb_random(&random) % 10;
            uint32_t records = 1 + (uint32_t)(lb_random(&random) % 20);

            if (dice < 6) {
                rig_push(&rig, pushed, records);
                pushed += records;
            } else if (dice == 6) {
                fake->holds = !fake->holds;
            } else if (dice == 7) {
                fake->part = (unsigned)(lb_random(&random) % 4);
            } else if (dice == 8) {
                fake->refuse = lb_random(&random) % 3 == 0;
            } else {
                let_go(fake, &random, (uint32_t)(lb_random(&random) % 20));
            }
            if (lb_random(&random) % 20 == 0)
                usleep(2000);
        }
        if (run == 11) {
            fake->refuse = false;
            fake->holds = false;
            fake->part = 0;
            let_go(fake, &random, 0);
            assert_true(lb_delivery_stop(rig.sinks[0].delivery, INT64_MAX) || fake->held_count > 0);
        } else {
            assert_true(stop(&rig, 60 * LB_SECOND));
        }
        assert_int_equal(mark_of(&rig), pushed);
        assert_all_seen(fake->got, fake->count, &next);
        rig_close(&rig);
    }
    assert_int_equal(next, pushed);
}

/* A group that goes over several segments is synced in part before the sync that fails. */
static void a_sync_that_fails_doubles_nothing(void **state)
{
    enum { BATCHES = 40, RECORDS = 20, PADDING = 2000, RUNS = 8 };
    char padding[PADDING + 1];
    struct rig rig;

    (void)state;
    memset(padding, 'x', PADDING);
    padding[PADDING] = '\0';
    spool_options.spool_max = 16 * 1024 * 1024;
    for (uint32_t run = 0; run < RUNS; run++) {
        uint32_t first = run * BATCHES * RECORDS;
        struct fake *fake = open_run(&rig, &network, LB_FULL_SPOOL, 2000);

        rig.padding = padding;
        rig.sinks[0].delivery->spool->journal->segment_bytes = SPOOL_SEGMENT_MIN;
        fake->refuse = true;
        push_many(&rig, first, 2, RECORDS);
        WAIT_FOR(mark_of(&rig) == first + 2 * RECORDS); /* the sink reads from the spool by now */
        disk_fail(&disk.sync, run, 3, EIO);
        push_many(&rig, first + 2 * RECORDS, BATCHES - 2, RECORDS);
        WAIT_FOR(atomic_load(&disk.sync.count) == 0);
        fake->refuse = false;
        WAIT_FOR(count_of(fake) >= BATCHES * RECORDS);
        assert_true(stop(&rig, 60 * LB_SECOND));
        assert_got(fake, first, BATCHES * RECORDS);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
        TEST(writes_nothing_to_disk_while_the_sink_keeps_up),
        TEST(gives_back_slabs_and_moves_the_mark_in_an_outage),
        TEST(what_waits_too_long_goes_to_disk_however_little),
        TEST(one_large_batch_does_not_stay_in_memory),
        TEST(a_batch_taken_in_part_goes_on_where_it_was),
        TEST(a_spool_that_cannot_be_opened_for_a_new_instance_is_opened_for_the_next),
        TEST(a_stop_in_an_outage_leaves_the_rest_in_the_spool),
        TEST(without_a_deadline_a_stop_waits_for_all),
        TEST(a_backlog_is_delivered_whatever_the_policy_is_now),
        TEST(a_lost_spool_does_not_stop_the_next_run),
        TEST(drops_the_oldest_in_memory_and_counts_them),
        TEST(a_full_spool_drops_its_oldest_and_counts_them),
        TEST(what_is_larger_than_the_spool_is_dropped_rather_than_waited_for),
        TEST(a_committing_sink_gets_each_record_once_over_restarts),
        TEST(a_sync_that_fails_doubles_nothing),
        TEST(whatever_the_sink_does_all_comes_in_order),
    };

    disk.only = "/spool/";
    atomic_store(&lb_log_level, LB_LEVEL_ERROR);
    int failed = cmocka_run_group_tests_name("sinks/delivery_spool", tests, NULL, NULL);
    lb_metrics_free_all();
    return failed;
}
