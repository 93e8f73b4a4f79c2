#include "lb_test.h"

#include "delivery.c"

#include "lb_rig.h"

#include <signal.h>
#include <sys/resource.h>

/* A sink that notes what it gets, and fails as told. */
struct fake {
    atomic_uint refuse_writes; /* so many times LB_AGAIN */
    atomic_bool refuse_commits;
    atomic_bool refuse_all;
    atomic_uint tries;
    atomic_uint commits;
    atomic_uint committed;
    pthread_mutex_t lock; /* guards all below */
    uint64_t got[4096];
    uint32_t count;
    uint32_t count_at_commit;
};

static enum lb_err fake_write(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                              struct lb_token *token)
{
    struct fake *self = sink->state;

    (void)token;
    atomic_fetch_add(&self->tries, 1);
    if (atomic_load(&self->refuse_all))
        return LB_AGAIN;
    if (atomic_load(&self->refuse_writes) > 0) {
        atomic_fetch_sub(&self->refuse_writes, 1);
        return LB_AGAIN;
    }
    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < selection->count; i++)
        self->got[self->count++] = batch->position + lb_batch_selected(batch, selection, i)->start;
    pthread_mutex_unlock(&self->lock);
    lb_delivery_count(sink, selection->count, 0);
    return LB_OK;
}

static enum lb_err fake_commit(struct lb_sink *sink, struct lb_ledger_txn *txn)
{
    struct fake *self = sink->state;
    char text[16];

    atomic_fetch_add(&self->commits, 1);
    pthread_mutex_lock(&self->lock);
    self->count_at_commit = self->count;
    int len = snprintf(text, sizeof(text), "%u", self->count);
    pthread_mutex_unlock(&self->lock);
    lb_ledger_put(txn, LB_STR("fake/count"), (struct lb_str){ text, (size_t)len });
    return atomic_load(&self->refuse_commits) ? LB_AGAIN : LB_OK;
}

static void fake_committed(struct lb_sink *sink)
{
    struct fake *self = sink->state;

    atomic_fetch_add(&self->committed, 1);
}

static const struct lb_sink_type committing = {
    .module = { .name = "committing", .state_size = sizeof(struct fake) },
    .write = fake_write,
    .commit = fake_commit,
    .committed = fake_committed,
};

static const struct lb_sink_type at_once = {
    .module = { .name = "at_once", .state_size = sizeof(struct fake) },
    .write = fake_write,
};

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/delivery_test.XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static struct fake *add_fake(struct rig *rig, const struct lb_sink_type *type, const char *name)
{
    struct fake *fake = rig_sink(rig, type, name)->state;

    pthread_mutex_init(&fake->lock, NULL);
    return fake;
}

static void start(struct rig *rig)
{
    rig_open_stream(rig);
    for (uint32_t i = 0; i < rig->sink_count; i++)
        assert_int_equal(lb_delivery_start(&rig->sinks[i], rig->streams, 20 * LB_MILLISECOND), LB_OK);
}

static bool stop(struct rig *rig, uint32_t i, int64_t within_ns)
{
    return lb_delivery_stop(rig->sinks[i].delivery, lb_clock_monotonic() + within_ns);
}

static void wait_for(atomic_uint *counter, unsigned at_least)
{
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;

    while (atomic_load(counter) < at_least) {
        assert_true(lb_clock_monotonic() < deadline);
        usleep(500);
    }
}

static void assert_got(const struct fake *fake, uint64_t first, uint32_t count)
{
    assert_int_equal(fake->count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(fake->got[i], first + i);
}

static void leaves_out_what_its_own_mark_covers_after_a_restart(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, dir);
    add_fake(&rig, &committing, "ahead");
    struct fake *behind = add_fake(&rig, &at_once, "behind");
    atomic_store(&behind->refuse_all, true);
    start(&rig);
    rig_push(&rig, 0, 60);
    rig_push(&rig, 60, 40);
    assert_true(stop(&rig, 0, 60 * LB_SECOND));
    assert_false(stop(&rig, 1, 0));
    rig_close(&rig);

    rig_open(&rig, dir);
    struct fake *ahead = add_fake(&rig, &committing, "ahead");
    behind = add_fake(&rig, &at_once, "behind");
    start(&rig);
    assert_int_equal(rig.stream->resume, 0);
    assert_int_equal(rig.stream->resume_until, 100);
    /* Other boundaries than in the first run, one batch across the mark. */
    rig_push(&rig, 0, 50);
    rig_push(&rig, 50, 30);
    rig_push(&rig, 80, 64);
    rig_push(&rig, 144, 6);
    assert_true(stop(&rig, 0, 60 * LB_SECOND));
    assert_true(stop(&rig, 1, 60 * LB_SECOND));
    assert_got(ahead, 100, 50);
    assert_got(behind, 0, 150);
    rig_close(&rig);

    rig_open(&rig, dir);
    add_fake(&rig, &committing, "ahead");
    add_fake(&rig, &at_once, "behind");
    rig_open_stream(&rig);
    assert_int_equal(rig.stream->resume, 150);
    rig_close(&rig);
}

static void tries_the_same_again_until_the_sink_takes_it(void **state)
{
    struct rig rig;
    struct lb_delivery_state now;

    (void)state;
    rig_open(&rig, dir);
    struct fake *fake = add_fake(&rig, &at_once, "slow");
    atomic_store(&fake->refuse_all, true);
    start(&rig);
    rig_push(&rig, 0, 10);
    rig_push(&rig, 10, 10);
    wait_for(&fake->tries, 3); /* what came of the first two is to be seen by now */
    lb_delivery_state(rig.sinks[0].delivery, &now);
    assert_true(now.blocked_since_ns > 0);
    assert_int_equal(now.queue_depth, 1);
    atomic_store(&fake->refuse_all, false);
    assert_true(stop(&rig, 0, 60 * LB_SECOND));
    lb_delivery_state(rig.sinks[0].delivery, &now);
    assert_int_equal(now.blocked_since_ns, 0);
    assert_got(fake, 0, 20);
    assert_true(rig.sinks[0].delivery->metrics.blocked->value >= 100 * LB_MILLISECOND);
    rig_close(&rig);
}

static void writes_nothing_while_a_commit_fails(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, dir);
    struct fake *fake = add_fake(&rig, &committing, "files");
    atomic_store(&fake->refuse_commits, true);
    start(&rig);
    rig_push(&rig, 0, 10);
    wait_for(&fake->commits, 1);
    rig_push(&rig, 10, 10);
    wait_for(&fake->commits, 3);
    pthread_mutex_lock(&fake->lock);
    uint32_t count = fake->count;
    pthread_mutex_unlock(&fake->lock);
    assert_int_equal(count, 10);
    assert_int_equal(atomic_load(&fake->committed), 0);
    assert_int_equal(lb_stream_mark(rig.stream, 0), 0);
    atomic_store(&fake->refuse_commits, false);
    wait_for(&fake->committed, 1);
    assert_true(stop(&rig, 0, 60 * LB_SECOND));
    assert_got(fake, 0, 20);
    rig_close(&rig);
}

static void facts_and_marks_are_in_the_ledger_together(void **state)
{
    struct rig rig;
    struct lb_buffer value;

    (void)state;
    lb_buffer_init(&value, 100);
    rig_open(&rig, dir);
    struct fake *fake = add_fake(&rig, &committing, "files");
    start(&rig);
    rig_push(&rig, 0, 10);
    wait_for(&fake->committed, 1);
    assert_int_equal(lb_ledger_get(rig.ledger, LB_STR("fake/count"), &value), LB_OK);
    assert_text(lb_buffer_str(&value), "10");
    assert_int_equal(lb_stream_mark(rig.stream, 0), 10);
    assert_true(stop(&rig, 0, 60 * LB_SECOND));
    rig_close(&rig);
    lb_buffer_free(&value);

    rig_open(&rig, dir);
    add_fake(&rig, &committing, "files");
    rig_open_stream(&rig);
    assert_int_equal(rig.stream->resume, 10);
    rig_close(&rig);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void goes_on_when_the_ledger_can_be_written_again(void **state)
{
    struct rig rig;
    struct lb_delivery_state now;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    rig_open(&rig, dir);
    struct fake *fake = add_fake(&rig, &committing, "files");
    start(&rig);
    set_file_limit(16);
    rig_push(&rig, 0, 10);
    wait_for(&fake->commits, 2); /* a second try: the first one's ledger failed */
    lb_delivery_state(rig.sinks[0].delivery, &now);
    assert_false(now.ok);
    assert_non_null(strstr(now.text, "cannot save positions"));
    assert_int_equal(atomic_load(&fake->committed), 0);
    set_file_limit(RLIM_INFINITY);
    wait_for(&fake->committed, 1);
    assert_true(stop(&rig, 0, 60 * LB_SECOND));
    lb_delivery_state(rig.sinks[0].delivery, &now);
    assert_true(now.ok);
    assert_got(fake, 0, 10);
    rig_close(&rig);

    rig_open(&rig, dir);
    add_fake(&rig, &committing, "files");
    rig_open_stream(&rig);
    assert_int_equal(rig.stream->resume, 10);
    rig_close(&rig);
}

static void a_mark_moves_though_nothing_goes_to_the_sink(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, dir);
    add_fake(&rig, &committing, "files");
    start(&rig);
    assert_null(lb_token_issue(rig.stream, 0, 500, true));
    assert_null(lb_token_issue(rig.stream, 1, 500, true));
    assert_true(stop(&rig, 0, 60 * LB_SECOND));
    rig_close(&rig);

    rig_open(&rig, dir);
    add_fake(&rig, &committing, "files");
    rig_open_stream(&rig);
    assert_int_equal(rig.stream->resume, 500);
    rig_close(&rig);
}

static void stops_at_its_deadline_and_keeps_the_rest(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, dir);
    struct fake *fake = add_fake(&rig, &committing, "stuck");
    start(&rig);
    rig_push(&rig, 0, 10);
    wait_for(&fake->committed, 1);
    atomic_store(&fake->refuse_all, true);
    rig_push(&rig, 10, 10);
    rig_push(&rig, 20, 10);
    assert_false(stop(&rig, 0, 50 * LB_MILLISECOND));
    rig_close(&rig);

    rig_open(&rig, dir);
    add_fake(&rig, &committing, "stuck");
    rig_open_stream(&rig);
    assert_int_equal(rig.stream->resume, 10);
    rig_close(&rig);
}

static void the_queue_holds_what_is_pushed_and_keeps_its_order(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, dir);
    struct fake *fake = add_fake(&rig, &at_once, "order");
    atomic_store(&fake->refuse_writes, 1);
    start(&rig);
    for (uint64_t i = 0; i < 50; i++)
        rig_push(&rig, i * 3, 3);
    assert_true(stop(&rig, 0, 60 * LB_SECOND));
    assert_got(fake, 0, 150);
    rig_close(&rig);
}

static void takes_nothing_more_when_an_item_was_lost_for_memory(void **state)
{
    struct rig rig;
    struct lb_delivery_state now;

    (void)state;
    rig_open(&rig, dir);
    struct fake *fake = add_fake(&rig, &at_once, "memory");
    atomic_store(&fake->refuse_all, true);
    start(&rig);
    rig_push(&rig, 0, 1);
    wait_for(&fake->tries, 1);
    struct lb_delivery *delivery = rig.sinks[0].delivery;
    struct rig_batch *batch = rig_batch(&rig, 1, 1);
    for (int i = 0; i < QUEUE_FIRST; i++) {
        lb_batch_ref(&batch->batch);
        lb_delivery_push(delivery, &batch->batch, &batch->selection, NULL);
    }
    atomic_store(&lb_alloc_fail_at, 1);
    lb_delivery_push(delivery, &batch->batch, &batch->selection, lb_token_issue(rig.stream, 0, 2, false));
    atomic_store(&lb_alloc_fail_at, 0);
    rig_push(&rig, 2, 1);
    lb_delivery_state(delivery, &now);
    assert_false(now.ok);
    assert_int_equal(now.queue_depth, QUEUE_FIRST);
    atomic_store(&fake->refuse_all, false);
    assert_false(stop(&rig, 0, 60 * LB_SECOND));
    assert_int_equal(lb_stream_mark(rig.stream, 0), 1);
    assert_int_equal(fake->count, 1 + QUEUE_FIRST);
    rig_close(&rig);
}

static void another_instance_goes_on_with_all_that_waits(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, dir);
    struct fake *first = add_fake(&rig, &committing, "out");
    struct fake second = { 0 };
    struct lb_sink other = rig.sinks[0];

    other.state = &second;
    pthread_mutex_init(&second.lock, NULL);
    start(&rig);
    rig_push(&rig, 0, 10);
    wait_for(&first->commits, 1);
    atomic_store(&first->refuse_all, true);
    rig_push(&rig, 10, 10);
    unsigned before = atomic_load(&first->tries);
    wait_for(&first->tries, before + 1);
    struct lb_delivery *delivery = rig.sinks[0].delivery;
    assert_true(lb_delivery_pause(delivery, lb_clock_monotonic() + 60 * LB_SECOND));
    rig_push(&rig, 20, 10); /* nobody is there, and it is kept */
    assert_int_equal(lb_delivery_resume(delivery, &other, true, 20 * LB_MILLISECOND), LB_OK);
    rig_push(&rig, 30, 10);
    assert_true(lb_delivery_stop(delivery, lb_clock_monotonic() + 60 * LB_SECOND));
    assert_got(first, 0, 10);
    assert_got(&second, 10, 30);
    assert_int_equal(lb_stream_mark(rig.stream, 0), 40);
    rig_close(&rig);
}

/* Takes a piece of each batch, and then nothing more: as one whose queue is full. */
static enum lb_err write_piece(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct fake *self = sink->state;

    (void)batch, (void)selection;
    if (atomic_fetch_add(&self->tries, 1) == 0)
        lb_token_hold(token, 1);
    return LB_AGAIN;
}

static const struct lb_sink_type piecewise = {
    .module = { .name = "piecewise", .state_size = sizeof(struct fake) },
    .write = write_piece,
};

static void what_another_instance_held_of_a_batch_does_not_hold_it_for_ever(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, dir);
    struct fake *first = add_fake(&rig, &piecewise, "out");
    struct fake second = { 0 };
    struct lb_sink other = rig.sinks[0];

    other.type = &at_once;
    other.state = &second;
    pthread_mutex_init(&second.lock, NULL);
    start(&rig);
    rig_push(&rig, 0, 10);
    wait_for(&first->tries, 1);
    struct lb_delivery *delivery = rig.sinks[0].delivery;
    assert_true(lb_delivery_pause(delivery, lb_clock_monotonic() + 60 * LB_SECOND));
    /* The first one is closed now, with its piece. */
    assert_int_equal(lb_delivery_resume(delivery, &other, true, 20 * LB_MILLISECOND), LB_OK);
    assert_true(lb_delivery_stop(delivery, lb_clock_monotonic() + 60 * LB_SECOND));
    assert_got(&second, 0, 10);
    assert_int_equal(lb_stream_mark(rig.stream, 0), 10);
    rig_close(&rig);
}

static void one_that_cannot_commit_is_not_let_go(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, dir);
    struct fake *fake = add_fake(&rig, &committing, "out");
    atomic_store(&fake->refuse_commits, true);
    start(&rig);
    rig_push(&rig, 0, 10);
    wait_for(&fake->tries, 1);
    struct lb_delivery *delivery = rig.sinks[0].delivery;
    assert_false(lb_delivery_pause(delivery, lb_clock_monotonic()));
    atomic_store(&fake->refuse_commits, false);
    assert_int_equal(lb_delivery_resume(delivery, &rig.sinks[0], false, 20 * LB_MILLISECOND), LB_OK);
    assert_true(stop(&rig, 0, 60 * LB_SECOND));
    assert_got(fake, 0, 10);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
        TEST(leaves_out_what_its_own_mark_covers_after_a_restart),
        TEST(tries_the_same_again_until_the_sink_takes_it),
        TEST(writes_nothing_while_a_commit_fails),
        TEST(facts_and_marks_are_in_the_ledger_together),
        TEST(goes_on_when_the_ledger_can_be_written_again),
        TEST(a_mark_moves_though_nothing_goes_to_the_sink),
        TEST(stops_at_its_deadline_and_keeps_the_rest),
        TEST(the_queue_holds_what_is_pushed_and_keeps_its_order),
        TEST(another_instance_goes_on_with_all_that_waits),
        TEST(what_another_instance_held_of_a_batch_does_not_hold_it_for_ever),
        TEST(one_that_cannot_commit_is_not_let_go),
        TEST(takes_nothing_more_when_an_item_was_lost_for_memory),
    };

    atomic_store(&lb_log_level, LB_LEVEL_ERROR);
    int failed = cmocka_run_group_tests_name("sinks/delivery", tests, NULL, NULL);
    lb_metrics_free_all();
    return failed;
}
