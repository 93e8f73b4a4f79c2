/*
 * prop_marks.c - marks against a model, and under threads.
 *
 * The model keeps every token in a plain list, and what each commit that held
 * has written. After each step the marks are equal; after each crash the
 * streams resume exactly where the last commits left them.
 */
#include "lb_test.h"

#include "lb_ledger.h"
#include "lb_metrics.h"
#include "lb_stream.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum { STREAMS = 3, CONSUMERS = 3, TOKENS_MAX = 400, STEPS = 3000, RUNS = 8 };

static struct lb_str names[CONSUMERS] = { { "archive", 7 }, { "bus", 3 }, { "alerts", 6 } };
static const struct lb_strs consumers = { names, CONSUMERS };
static char path[] = "/tmp/prop_marks.XXXXXX";

struct model_token {
    struct lb_token *token; /* NULL: nothing was selected */
    uint64_t end;
    unsigned holds;
};

struct model_track {
    struct model_token tokens[TOKENS_MAX];
    unsigned count;
    unsigned passed; /* the mark is behind these */
    uint64_t mark;
    uint64_t committed;
};

struct model_stream {
    struct lb_stream *stream;
    uint64_t id;
    uint64_t position;
    struct model_track tracks[CONSUMERS];
};

struct model {
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_ledger_txn txn;
    struct model_stream all[STREAMS];
    uint64_t random;
};

static unsigned below(struct model *model, unsigned bound)
{
    return (unsigned)(lb_random(&model->random) % bound);
}

static void advance(struct model_track *track)
{
    while (track->passed < track->count && track->tokens[track->passed].holds == 0) {
        uint64_t end = track->tokens[track->passed++].end;

        track->mark = end > track->mark ? end : track->mark;
    }
}

/* One batch of the stream, for every consumer. */
static void issue(struct model *model)
{
    struct model_stream *each = &model->all[below(model, STREAMS)];

    if (each->tracks[0].count == TOKENS_MAX)
        return;
    each->position += 1 + below(model, 1000);
    for (uint32_t i = 0; i < CONSUMERS; i++) {
        struct model_track *track = &each->tracks[i];
        struct model_token *token = &track->tokens[track->count++];
        bool empty = below(model, 3) == 0;

        *token = (struct model_token){ .end = each->position, .holds = empty ? 0 : 1 + below(model, 3) };
        token->token = lb_token_issue(each->stream, i, each->position, empty);
        assert_int_equal(token->token == NULL, empty);
        if (token->holds > 1)
            lb_token_hold(token->token, token->holds - 1);
        advance(track);
    }
}

static void let_go(struct model *model)
{
    struct model_track *track = &model->all[below(model, STREAMS)].tracks[below(model, CONSUMERS)];

    if (track->count == track->passed)
        return;
    struct model_token *token = &track->tokens[track->passed + below(model, track->count - track->passed)];
    if (token->holds == 0)
        return;
    token->holds--;
    lb_token_done(token->token, LB_DELIVERED, NULL);
    advance(track);
}

/* A commit that holds, or fails. The engine's marks go with those of consumer 0. */
static void commit(struct model *model)
{
    uint32_t consumer = below(model, CONSUMERS - 1);

    lb_streams_collect(model->streams, consumer, &model->txn);
    if (below(model, 3) == 0) {
        lb_ledger_txn_free(&model->txn);
        lb_streams_collect_failed(model->streams, consumer);
        return;
    }
    assert_int_equal(lb_ledger_commit(model->ledger, &model->txn), LB_OK);
    for (unsigned i = 0; i < STREAMS; i++) {
        struct model_track *tracks = model->all[i].tracks;

        tracks[consumer].committed = tracks[consumer].mark;
        if (consumer == 0)
            tracks[CONSUMERS - 1].committed = tracks[CONSUMERS - 1].mark;
    }
}

static void compare(struct model *model, unsigned step)
{
    uint64_t outstanding = 0;

    for (unsigned i = 0; i < STREAMS; i++) {
        for (uint32_t consumer = 0; consumer < CONSUMERS; consumer++) {
            struct model_track *track = &model->all[i].tracks[consumer];

            if (lb_stream_mark(model->all[i].stream, consumer) != track->mark)
                fail_msg("step %u: wrong mark; LB_SEED=%llu", step, (unsigned long long)lb_seed());
            for (unsigned at = track->passed; at < track->count; at++)
                outstanding += track->tokens[at].holds > 0;
        }
    }
    assert_int_equal(lb_streams_outstanding(model->streams, UINT32_MAX), outstanding);
}

static void start(struct model *model)
{
    assert_int_equal(lb_ledger_open(&model->ledger, path), LB_OK);
    model->streams = lb_streams_new(model->ledger, &consumers);
    for (unsigned i = 0; i < STREAMS; i++) {
        struct model_stream *each = &model->all[i];
        uint64_t lowest = UINT64_MAX;
        uint64_t highest = 0;

        assert_int_equal(lb_stream_open(model->streams, NULL, each->id, LB_STR("x"), &each->stream), LB_OK);
        each->id = each->stream->id;
        for (unsigned consumer = 0; consumer < CONSUMERS; consumer++) {
            struct model_track *track = &each->tracks[consumer];

            track->mark = track->committed;
            track->count = track->passed = 0;
            lowest = track->mark < lowest ? track->mark : lowest;
            highest = track->mark > highest ? track->mark : highest;
        }
        assert_int_equal(each->stream->resume, lowest);
        assert_int_equal(each->stream->resume_until, highest);
        each->position = lowest;
    }
}

static void crash(struct model *model)
{
    lb_streams_free(model->streams);
    lb_ledger_close(model->ledger);
    lb_ledger_txn_free(&model->txn);
}

static void marks_are_those_of_the_model_through_any_steps_and_crashes(void **state)
{
    struct model *model = calloc(1, sizeof(*model));

    (void)state;
    model->random = lb_seed();
    lb_ledger_txn_init(&model->txn);
    for (unsigned run = 0; run < RUNS; run++) {
        start(model);
        for (unsigned step = 0; step < STEPS; step++) {
            unsigned choice = below(model, 100);

            if (choice < 25)
                issue(model);
            else if (choice < 98)
                let_go(model);
            else
                commit(model);
            compare(model, step);
        }
        crash(model);
    }
    free(model);
}

/* --- threads: one issues in order, each consumer lets go in its own order and commits --- */

enum { BATCHES = 3000, LANES = 64 };

struct lane {
    pthread_mutex_t lock;
    struct lb_token *tokens[LANES];
    unsigned count;
    bool ended;
    uint32_t consumer;
    pthread_t thread;
    uint64_t random;
};

static struct lb_streams *streams;
static struct lb_ledger *ledger;
static struct lane lanes[CONSUMERS];

static bool offer(struct lane *lane, struct lb_token *token)
{
    pthread_mutex_lock(&lane->lock);
    bool room = lane->count < LANES;
    if (room)
        lane->tokens[lane->count++] = token;
    pthread_mutex_unlock(&lane->lock);
    return room;
}

/* Any of those that wait; NULL with `*ended`: none will come. */
static struct lb_token *pick(struct lane *lane, bool *ended)
{
    struct lb_token *token = NULL;

    pthread_mutex_lock(&lane->lock);
    *ended = lane->ended && lane->count == 0;
    if (lane->count > 0) {
        unsigned at = (unsigned)(lb_random(&lane->random) % lane->count);

        token = lane->tokens[at];
        lane->tokens[at] = lane->tokens[--lane->count];
    }
    pthread_mutex_unlock(&lane->lock);
    return token;
}

static void commit_lane(struct lane *lane, struct lb_ledger_txn *txn)
{
    if (lb_random(&lane->random) % 4 == 0) {
        lb_streams_collect(streams, lane->consumer, txn);
        lb_ledger_txn_free(txn);
        lb_streams_collect_failed(streams, lane->consumer);
    } else {
        assert_int_equal(lb_streams_commit(streams, lane->consumer, txn, NULL, NULL), LB_OK);
    }
}

static void *consume(void *context)
{
    struct lane *lane = context;
    struct lb_ledger_txn txn;
    bool ended = false;

    lb_ledger_txn_init(&txn);
    while (!ended) {
        struct lb_token *token = pick(lane, &ended);

        if (token != NULL)
            lb_token_done(token, LB_DELIVERED, NULL);
        else
            sched_yield();
        if (lane->consumer < CONSUMERS - 1 && lb_random(&lane->random) % 200 == 0)
            commit_lane(lane, &txn);
    }
    lb_ledger_txn_free(&txn);
    return NULL;
}

/* Opens streams, reads a few batches of each, closes them at once: what is on its way keeps them. */
static void issue_all(uint64_t *ids, uint64_t *ends, unsigned stream_count)
{
    uint64_t random = lb_seed();

    for (unsigned i = 0; i < stream_count; i++) {
        struct lb_stream *stream;

        assert_int_equal(lb_stream_open(streams, NULL, 0, LB_STR("x"), &stream), LB_OK);
        ids[i] = stream->id;
        for (unsigned batch = 0; batch < BATCHES / stream_count; batch++) {
            ends[i] += 1 + lb_random(&random) % 100;
            for (uint32_t consumer = 0; consumer < CONSUMERS; consumer++) {
                struct lb_token *token = lb_token_issue(stream, consumer, ends[i], lb_random(&random) % 3 == 0);

                while (token != NULL && !offer(&lanes[consumer], token))
                    sched_yield();
            }
        }
        lb_stream_identify(stream, LB_STR("closed"));
        lb_stream_unref(stream);
    }
}

static void run_threads(uint64_t *ids, uint64_t *ends, unsigned stream_count)
{
    for (uint32_t i = 0; i < CONSUMERS; i++) {
        lanes[i] = (struct lane){ .consumer = i, .random = lb_seed() + i };
        pthread_mutex_init(&lanes[i].lock, NULL);
        assert_int_equal(pthread_create(&lanes[i].thread, NULL, consume, &lanes[i]), 0);
    }
    issue_all(ids, ends, stream_count);
    for (unsigned i = 0; i < CONSUMERS; i++) {
        pthread_mutex_lock(&lanes[i].lock);
        lanes[i].ended = true;
        pthread_mutex_unlock(&lanes[i].lock);
    }
    for (unsigned i = 0; i < CONSUMERS; i++)
        pthread_join(lanes[i].thread, NULL);
}

static void with_threads_every_mark_reaches_the_end_and_the_ledger(void **state)
{
    enum { COUNT = 20 };
    uint64_t ids[COUNT];
    uint64_t ends[COUNT] = { 0 };
    struct lb_ledger_txn txn;

    (void)state;
    assert_int_equal(lb_ledger_open(&ledger, path), LB_OK);
    streams = lb_streams_new(ledger, &consumers);
    run_threads(ids, ends, COUNT);
    assert_int_equal(lb_streams_outstanding(streams, UINT32_MAX), 0);
    lb_ledger_txn_init(&txn);
    lb_streams_collect(streams, UINT32_MAX, &txn);
    assert_int_equal(lb_ledger_commit(ledger, &txn), LB_OK);
    lb_ledger_txn_free(&txn);
    lb_streams_free(streams);
    streams = lb_streams_new(ledger, &consumers);
    for (unsigned i = 0; i < COUNT; i++) {
        struct lb_stream *stream;

        assert_int_equal(lb_stream_open(streams, NULL, ids[i], LB_STR("closed"), &stream), LB_OK);
        assert_int_equal(stream->resume, ends[i]);
        assert_int_equal(stream->resume_until, ends[i]);
        lb_stream_unref(stream);
    }
    lb_streams_free(streams);
    lb_ledger_close(ledger);
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    lb_metrics_free_all();
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_those_of_the_model_through_any_steps_and_crashes),
        cmocka_unit_test(with_threads_every_mark_reaches_the_end_and_the_ledger),
    };

    return cmocka_run_group_tests_name("property/marks", tests, make_file, remove_file);
}
