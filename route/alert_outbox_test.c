/* alert_outbox_test.c - what is safe: alerts that the disk does not take, until they have gone on their way. */
#include "alert_ground.h"

#include "alert_engine_parts.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* --- a disk that does not sync ------------------------------------------------ */

static atomic_bool sync_fails;

int fdatasync(int fd)
{
    if (!atomic_load(&sync_fails))
        return (int)syscall(SYS_fdatasync, fd);
    errno = EIO;
    return -1;
}

static char *directory(void)
{
    static char path[64];

    snprintf(path, sizeof(path), "/tmp/lb_alert_outbox_test.%d", (int)getpid());
    return path;
}

static void remove_directory(void)
{
    char command[80];

    snprintf(command, sizeof(command), "rm -rf %s", directory());
    assert_int_equal(system(command), 0);
}

/* Applied, and told; but nothing goes on its way before the outbox is flushed. */
static void fire(struct fixture *self)
{
    struct shot shot = { 0, "ip=10.0.0.1", false, 0 };
    struct lb_batch batch = batch_of(self, &shot, 1, 0);

    lb_alert_engine_apply(self->engine, &batch);
}

static void wait_until_settled(struct lb_alert_outbox *outbox)
{
    for (int i = 0; i < 10000 && lb_alert_journal_settled(outbox->journal) < outbox->added; i++)
        usleep(1000);
    assert_int_equal(lb_alert_journal_settled(outbox->journal), outbox->added);
}

static void what_the_disk_gave_back_is_not_safe_before_it_has_gone_on_its_way(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    remove_directory();
    self->rules[0] = count_rule("logins", MINUTE, "at least 1");
    start(self);
    assert_true(lb_alert_engine_keep(self->engine, directory()));
    struct lb_alert_outbox *outbox = &self->engine->outbox;
    atomic_store(&sync_fails, true);
    fire(self);
    assert_int_equal(outbox->added, 1);
    wait_until_settled(outbox);
    assert_false(lb_alert_outbox_is_safe(outbox));
    assert_int_equal(self->told_count, 0);
    while (!lb_alert_outbox_flush(outbox))
        continue;
    assert_int_equal(self->told_count, 1);
    assert_true(lb_alert_outbox_is_safe(outbox));
    atomic_store(&sync_fails, false);
    close_ground(self);
    remove_directory();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_disk_gave_back_is_not_safe_before_it_has_gone_on_its_way),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/alert_outbox", tests, NULL, NULL);
}
