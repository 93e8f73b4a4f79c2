/* alert_journal_test.c - the thread that writes what is told: a disk that takes only a part. */
#include "lb_test.h"

#include "alert_journal.c"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LARGE = 1536 * 1024, TELLS = 3 }; /* two in a segment, of which the first has a small one already */

/* --- the disk ------------------------------------------------------------------ */

static atomic_bool sync_waits;
static atomic_bool syncing;
static atomic_int writes_left = -1; /* then it is full; -1: it never is */

int fdatasync(int fd)
{
    atomic_store(&syncing, true);
    while (atomic_load(&sync_waits))
        usleep(1000);
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (atomic_load(&writes_left) == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (atomic_load(&writes_left) > 0)
        atomic_fetch_sub(&writes_left, 1);
    return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

/* --- the ground ------------------------------------------------------------------ */

static char *directory(void)
{
    static char path[64];

    snprintf(path, sizeof(path), "/tmp/lb_alert_journal_test.%d", (int)getpid());
    return path;
}

static void remove_directory(void)
{
    char command[80];

    snprintf(command, sizeof(command), "rm -rf %s", directory());
    assert_int_equal(system(command), 0);
}

static void nobody(void *context)
{
    (void)context;
}

static void put(struct lb_alert_journal *self, uint64_t number, size_t length)
{
    struct lb_alert_entry *entry = lb_alloc(sizeof(*entry) + length);

    assert_non_null(entry);
    memset(entry->bytes, 'x', length);
    entry->number = number;
    entry->length = length;
    lb_alert_journal_put(self, entry);
}

static void wait_until_settled(struct lb_alert_journal *self, uint64_t number)
{
    for (int i = 0; i < 10000 && lb_alert_journal_settled(self) < number; i++)
        usleep(1000);
    assert_int_equal(lb_alert_journal_settled(self), number);
}

static unsigned count_written(struct lb_alert_journal *self)
{
    struct lb_journal_reader *reader = lb_journal_reader_new(lb_alert_journal_disk(self), 0);
    struct lb_buffer payload;
    unsigned count = 0;
    uint64_t start;
    uint64_t end;

    assert_non_null(reader);
    lb_buffer_init(&payload, 2 * (size_t)LARGE);
    while (lb_journal_read(reader, &payload, &start, &end) == LB_OK)
        count++;
    lb_buffer_free(&payload);
    lb_journal_reader_free(reader);
    return count;
}

/* A full segment is synced before the next one is begun, which fails: what was synced must not be told from memory too.
 */
static void what_is_on_disk_is_not_given_back(void **state)
{
    (void)state;
    remove_directory();
    struct lb_alert_journal *self = lb_alert_journal_open(directory(), 0, nobody, NULL);
    assert_non_null(self);
    atomic_store(&sync_waits, true);
    atomic_store(&syncing, false);
    put(self, 1, 10);
    while (!atomic_load(&syncing))
        usleep(1000);
    for (uint64_t number = 2; number < 2 + TELLS; number++)
        put(self, number, LARGE); /* all at once, when the thread is there again */
    atomic_store(&writes_left, TELLS - 1);
    atomic_store(&sync_waits, false);
    wait_until_settled(self, 1 + TELLS);
    struct lb_alert_entry *returned = lb_alert_journal_returned(self);
    assert_int_equal(count_written(self), TELLS);
    assert_non_null(returned);
    assert_int_equal(returned->number, 1 + TELLS);
    assert_null(returned->next);
    lb_free(returned);
    atomic_store(&writes_left, -1);
    put(self, 2 + TELLS, 10);
    wait_until_settled(self, 2 + TELLS);
    assert_null(lb_alert_journal_returned(self));
    assert_int_equal(count_written(self), TELLS + 1);
    lb_alert_journal_close(self);
    remove_directory();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_on_disk_is_not_given_back),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/alert_journal", tests, NULL, NULL);
}
