/* alert_engine_thread_test.c - when somebody is answered: acknowledgements and reports are safe then. */
#include "alert_notifier_ground.h"

#include "alert_engine_thread.c"
#include "alert_notifier_parts.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>

enum { MANY = 100 };

/* --- a disk that takes its time ------------------------------------------------ */

static atomic_bool sync_waits;

int fdatasync(int fd)
{
    while (atomic_load(&sync_waits))
        usleep(1000);
    return (int)syscall(SYS_fdatasync, fd);
}

static char *directory(void)
{
    static char path[64];

    snprintf(path, sizeof(path), "/tmp/lb_alert_engine_thread_test.%d", (int)getpid());
    return path;
}

static void remove_directory(void)
{
    char command[80];

    snprintf(command, sizeof(command), "rm -rf %s", directory());
    assert_int_equal(system(command), 0);
}

/* Of a sink that gets them from the journal, where positions are others. */
static void take(void *context, struct lb_batch *batch)
{
    (void)context;
    lb_batch_unref(batch);
}

static void start_kept(struct fixture *self)
{
    self->engine = lb_alert_engine_new(&self->alerting, SINKS, self->streams, self->share, take, self);
    assert_non_null(self->engine);
    assert_true(lb_alert_engine_keep(self->engine, directory()));
}

/* --- acknowledgements ------------------------------------------------------------ */

static void fire_many(struct fixture *self)
{
    static char keys[MANY][32];
    struct shot shots[MANY];

    for (int i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof(keys[i]), "ip=10.0.2.%d", i);
        shots[i] = (struct shot){ i, keys[i], false, 0 };
    }
    send(self, shots, MANY, LB_SECOND);
}

/* Much is due at once, and it is not among what is done first: not before its turn has come. */
static void nobody_is_answered_before_it_was_told(void **state)
{
    struct fixture *self = ground();
    unsigned late = 0;

    (void)state;
    start(self);
    fire_many(self);
    struct lb_alert_engine *engine = self->engine;
    engine->notifier.piecewise = true;
    for (struct lb_incident *each = engine->notifier.incidents.first; each != NULL; each = each->next) {
        for (struct lb_incident *other = engine->notifier.incidents.first; other != NULL; other = other->next)
            if (other != each)
                lb_notifier_touch(&engine->notifier, other);
        assert_int_equal(
            lb_alert_notifier_acknowledge(&engine->notifier, each->id, LB_STR("bob"), LB_STR(""), lb_clock_now()),
            LB_OK);
        engine->asked++;
        serve(engine);
        late += each->ack_untold;
        assert_false(each->ack_untold && engine->answered == engine->asked);
        while (serve(engine) || !lb_alert_engine_flush(engine) || engine->answered < engine->asked)
            self->told_count = 0;
        assert_false(each->ack_untold);
    }
    assert_true(late > 0);
    close_ground(self);
}

/* Nobody was told of the alert, so nobody is told of this: but it holds after a crash, too. */
static void an_acknowledged_alert_that_is_held_stays_acknowledged(void **state)
{
    struct fixture *self = ground();
    struct lb_mutes mutes = { 0, INT64_MAX };

    (void)state;
    remove_directory();
    start_kept(self);
    mute(self, &mutes);
    hit(self, 0);
    struct lb_incident *incident = self->engine->notifier.incidents.first;
    assert_non_null(incident);
    assert_int_equal(
        lb_alert_notifier_acknowledge(&self->engine->notifier, incident->id, LB_STR("bob"), LB_STR(""), lb_clock_now()),
        LB_OK);
    self->engine->asked++;
    while (self->engine->answered < self->engine->asked)
        serve(self->engine);
    lb_alert_engine_free(self->engine); /* it remembers nothing but what is in its journal */
    start_kept(self);
    incident = self->engine->notifier.incidents.first;
    assert_non_null(incident);
    assert_string_equal(incident->acked_by, "bob");
    close_ground(self);
    remove_directory();
}

/* --- reports -------------------------------------------------------------------- */

static void *report_something(void *context)
{
    const struct lb_alert_paper paper = { LB_STR("weekly"), LB_STR("all is well"), BEGIN, BEGIN + LB_SECOND };

    lb_alert_engine_report(context, &paper);
    return NULL;
}

/* Who makes one notes then that it was made. */
static void a_report_is_on_disk_before_it_counts_as_made(void **state)
{
    struct fixture *self = ground();
    struct lb_report reports[] = { { .name = LB_STR("weekly"), .sinks = 1 << PAGER } };
    struct timespec until;
    pthread_t thread;

    (void)state;
    remove_directory();
    self->alerting.reports = reports;
    self->alerting.report_count = 1;
    start_kept(self);
    assert_int_equal(lb_alert_engine_start(self->engine), LB_OK);
    atomic_store(&sync_waits, true);
    assert_int_equal(pthread_create(&thread, NULL, report_something, self->engine), 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++; /* where it does not wait, it is done long before */
    assert_int_equal(pthread_timedjoin_np(thread, NULL, &until), ETIMEDOUT);
    atomic_store(&sync_waits, false);
    pthread_join(thread, NULL);
    assert_int_equal(lb_alert_journal_settled(self->engine->outbox.journal), 1);
    close_ground(self);
    remove_directory();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_answered_before_it_was_told),
        cmocka_unit_test(an_acknowledged_alert_that_is_held_stays_acknowledged),
        cmocka_unit_test(a_report_is_on_disk_before_it_counts_as_made),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/alert_engine_thread", tests, NULL, NULL);
}
