/* host_disk_test.c - which file systems, their growth, and how many; over a file system that the test fills. */
#include "lb_source_ground.h"

#include <sys/statvfs.h>

/* In place of the kernel's. */
static struct statvfs disk;
static int fake_statvfs(const char *path, struct statvfs *found)
{
    (void)path;
    *found = disk;
    return 0;
}
#define statvfs(path, found) fake_statvfs(path, found)
#include "host_disk.c"
#undef statvfs

#include <sys/stat.h>

void host_trouble(struct host_source *self, enum host_collector which, const char *what)
{
    (void)what;
    self->told |= which;
}

void host_well(struct host_source *self, enum host_collector which)
{
    self->told &= ~(unsigned)which;
}

static const struct lb_source_type type = { .module = { .name = "host" } };
static struct ground ground;
static struct host_source host;

static void write_mounts(const char *mounts)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/proc/mounts", ground.directory);
    FILE *file = fopen(path, "w");
    fputs(mounts, file);
    fclose(file);
}

static void begin(const char *mounts)
{
    char path[128];

    host = (struct host_source){ .growth_over_ns = 600 * LB_SECOND };
    disk = (struct statvfs){ .f_frsize = 1024, .f_blocks = 1000, .f_bfree = 600, .f_bavail = 500 };
    ground_lay(&ground, &type, &host, LB_POOL_BYTES);
    host.root = lb_str_from(ground.directory);
    assert_true(reporter_open(&host.reporter, &ground.source, LB_STR("host"), LB_STR("")));
    snprintf(path, sizeof(path), "%s/proc", ground.directory);
    mkdir(path, 0700);
    write_mounts(mounts);
    lb_clock_set(1000 * LB_SECOND);
}

static void round_at(int64_t seconds)
{
    ground_forget(&ground);
    lb_clock_set((1000 + seconds) * LB_SECOND);
    while (!host_report_disks(&host))
        ;
    reporter_flush(&host.reporter);
    ground_take(&ground);
}

static void end(void)
{
    host_disks_free(&host.disks);
    reporter_close(&host.reporter);
    ground_clear(&ground);
    lb_clock_set(LB_TIME_NONE);
}

static void percent_is_of_what_users_can_have(void **state)
{
    (void)state;
    begin("/dev/sda1 / ext4 rw 0 0\n");
    round_at(0);
    assert_non_null(strstr(ground.text, "\"disk_free_pct\":55.56,\"disk_used_pct\":44.44,\"disk_total\":1024000,"
                                        "\"disk_used\":409600,\"disk_free\":512000"));
    assert_null(strstr(ground.text, "growth"));
    assert_null(strstr(ground.text, "inodes"));
    disk.f_bfree = disk.f_bavail = 0;
    write_mounts("/dev/sda1 / ext4 ro,relatime 0 0\n");
    round_at(10);
    assert_non_null(strstr(ground.text, "\"disk_free_pct\":0,"));
    assert_non_null(strstr(ground.text, "\"read_only\":true"));
    end();
}

static void a_line_through_the_samples_tells_when_it_is_full(void **state)
{
    (void)state;
    begin("/dev/sda1 / ext4 rw 0 0\n");
    /* One block a second: 500 are left at first. */
    for (int64_t second = 0; second <= 200; second += 10) {
        disk.f_bfree = 600 - (fsblkcnt_t)second;
        disk.f_bavail = 500 - (fsblkcnt_t)second;
        round_at(second);
        /* After a sixth of the time it says so. */
        assert_int_equal(strstr(ground.text, "disk_growth_per_hour") != NULL, second >= 100);
    }
    assert_non_null(strstr(ground.text, "\"disk_growth_per_hour\":3686400,\"full_in_s\":300"));
    assert_non_null(strstr(ground.text, "full in 5 min"));
    end();
}

static void noise_around_a_level_does_not_fill_it(void **state)
{
    (void)state;
    begin("/dev/sda1 / ext4 rw 0 0\n");
    for (int64_t second = 0; second <= 600; second += 10) {
        disk.f_bfree = 600 + (fsblkcnt_t)(second / 10 % 2);
        round_at(second);
    }
    assert_non_null(strstr(ground.text, "disk_growth_per_hour"));
    assert_null(strstr(ground.text, "days"));
    disk.f_bfree = 900; /* somebody cleaned up */
    disk.f_bavail = 900;
    round_at(610);
    assert_non_null(strstr(ground.text, "\"disk_growth_per_hour\":-"));
    assert_null(strstr(ground.text, "full_in_s"));
    end();
}

static void the_history_is_bounded_and_forgets_what_is_old(void **state)
{
    (void)state;
    begin("/dev/sda1 / ext4 rw 0 0\n");
    for (int64_t second = 0; second < 10000; second++) {
        disk.f_bfree = 600 - (fsblkcnt_t)(second < 5000 ? second / 10 : 500); /* grows, and then no more */
        round_at(second);
        assert_true(host.disks.mounts[0].count <= HOST_HISTORY);
    }
    assert_non_null(strstr(ground.text, "\"disk_growth_per_hour\":0"));
    end();
}

static void only_what_holds_data_and_answers_at_once(void **state)
{
    (void)state;
    begin("proc /proc proc rw 0 0\n"
          "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
          "tmpfs /run tmpfs rw 0 0\n"
          "host:/x /nfs nfs4 rw 0 0\n"
          "x /fuse fuse.sshfs rw 0 0\n"
          "/dev/sda1 / ext4 rw 0 0\n"
          "/dev/sda1 /bind ext4 rw 0 0\n"
          "/dev/sdb1 /with\\040blank\\134 ext4 rw 0 0\n"
          "/dev/sdc1 relative ext4 rw 0 0\n"
          "/dev/sdd1 /nul\\000 ext4 rw 0 0\n"
          "/dev/loop0 /snap/x squashfs ro 0 0\n"
          "\n /dev/sde1\n\\777\\\\\\\n");
    round_at(0);
    assert_int_equal(ground.events, 3);
    assert_non_null(strstr(ground.text, "\"mount\":\"/run\""));
    assert_non_null(strstr(ground.text, "\"mount\":\"/\""));
    assert_non_null(strstr(ground.text, "\"mount\":\"/with blank\\\\\""));
    end();
}

static void a_file_system_that_makes_no_sense_is_left_out(void **state)
{
    (void)state;
    begin("/dev/sda1 / ext4 rw 0 0\n");
    disk.f_blocks = 0;
    round_at(0);
    assert_int_equal(ground.events, 0);
    disk.f_blocks = 10;
    disk.f_bfree = 11;
    round_at(10);
    assert_int_equal(ground.events, 0);
    end();
}

static void ten_thousand_mounts_are_bounded(void **state)
{
    enum { MOUNTS = 10000, LINE = 64 };
    char *text = malloc((size_t)MOUNTS * LINE);
    size_t len = 0;
    unsigned steps = 0;

    (void)state;
    lb_log_level = LB_LEVEL_ERROR;
    for (unsigned i = 0; i < MOUNTS; i++)
        len += (size_t)snprintf(text + len, LINE, "/dev/x%u /mnt/%u ext4 rw 0 0\n", i, i);
    begin(text);
    while (!host_report_disks(&host))
        steps++;
    assert_int_equal(steps, HOST_MOUNTS_MAX / HOST_STEP - 1);
    reporter_flush(&host.reporter);
    ground_take(&ground);
    assert_int_equal(ground.events, HOST_MOUNTS_MAX);
    assert_true(host.disks.told_many);
    end();
    free(text);
    lb_log_level = LB_LEVEL_INFO;
}

static void another_device_at_a_place_begins_another_history(void **state)
{
    char path[128];

    (void)state;
    begin("/dev/sda1 /mnt ext4 rw 0 0\n");
    for (int64_t second = 0; second <= 300; second += 10)
        round_at(second);
    assert_true(host.disks.mounts[0].count > 10);
    write_mounts("/dev/sdb1 /mnt ext4 rw 0 0\n");
    round_at(310);
    assert_int_equal(host.disks.mounts[0].count, 1);
    snprintf(path, sizeof(path), "%s/proc/mounts", ground.directory);
    unlink(path);
    round_at(320);
    assert_true((host.told & HOST_DISK) != 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_is_of_what_users_can_have),
        cmocka_unit_test(a_line_through_the_samples_tells_when_it_is_full),
        cmocka_unit_test(noise_around_a_level_does_not_fill_it),
        cmocka_unit_test(the_history_is_bounded_and_forgets_what_is_old),
        cmocka_unit_test(only_what_holds_data_and_answers_at_once),
        cmocka_unit_test(a_file_system_that_makes_no_sense_is_left_out),
        cmocka_unit_test(ten_thousand_mounts_are_bounded),
        cmocka_unit_test(another_device_at_a_place_begins_another_history),
    };

    return cmocka_run_group_tests_name("ingest/host_disk", tests, NULL, NULL);
}
