/* source_host_test.c - rounds over a small tree, a change of the instance, and memory that runs out. */
#include "lb_source_ground.h"

#include "source_host.c"

#include "lb_alloc.h"

#include <sys/stat.h>

static struct ground ground;
static struct host_source state;
static struct lb_str words[] = { LB_STR("cpu"), LB_STR("memory"), LB_STR("disk"), LB_STR("load"),
                                 LB_STR("containers") };

static void write_file(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", ground.directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GROUP "sys/fs/cgroup/docker/" ID "/"

static void lay(void)
{
    char command[512];

    memset(&state, 0, sizeof(state));
    state.every_ns = 20 * LB_MILLISECOND;
    state.collect = (struct lb_strs){ words, 5 };
    state.growth_over_ns = 60 * LB_SECOND;
    state.docker = LB_STR("/docker");
    ground_lay(&ground, &lb_source_host, &state, LB_POOL_BYTES);
    state.root = lb_str_from(ground.directory);
    snprintf(command, sizeof(command), "cd %s && mkdir -p proc docker/" ID " " GROUP, ground.directory);
    assert_int_equal(system(command), 0);
    write_file("proc/stat", "cpu  100 0 0 100 0 0 0 0\ncpu0 1\n");
    write_file("proc/meminfo", "MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 5 kB\n");
    write_file("proc/loadavg", "1.00 2.00 3.00 1/2 3\n");
    write_file("proc/mounts", "/dev/x / ext4 rw 0 0\n");
    write_file("sys/fs/cgroup/cgroup.controllers", "");
    write_file(GROUP "memory.current", "50\n");
    write_file(GROUP "memory.max", "100\n");
    write_file(GROUP "memory.events", "oom_kill 1\n");
    write_file("docker/" ID "/config.v2.json", "{\"Name\":\"/web\",\"RestartCount\":1}");
}

static void open_tested(void)
{
    assert_int_equal(open_source(&ground.source, &ground.diag), LB_OK);
}

static void end(void)
{
    stop(&ground.source);
    close_source(&ground.source);
    ground_clear(&ground);
}

static void a_round_tells_of_each_part(void **unused)
{
    (void)unused;
    lay();
    open_tested();
    write_file("proc/stat", "cpu  130 0 0 170 0 0 0 0\ncpu0 1\n");
    ground_wait(&ground, "\"event\":\"container\"");
    assert_non_null(strstr(ground.text, "\"cpu_pct\":30,"));
    assert_non_null(strstr(ground.text, "\"mem_pct\":80,")); /* what is free, buffers and cache are available */
    assert_non_null(strstr(ground.text, "\"load15\":3"));
    assert_non_null(strstr(ground.text, "\"event\":\"disk\""));
    assert_non_null(strstr(ground.text, "container web: memory 50.0 % of 100 B"));
    end();
}

/* The number of kills of the new instance is compared with what the old one knew. */
static void the_next_instance_knows_what_was_before(void **unused)
{
    static struct host_source newer;
    struct lb_source replaced;

    (void)unused;
    lay();
    open_tested();
    ground_wait(&ground, "\"oom_kills_new\":0");
    ground.source.replaced = true;
    stop(&ground.source);
    newer = (struct host_source){ .every_ns = state.every_ns,
                                  .collect = state.collect,
                                  .growth_over_ns = state.growth_over_ns,
                                  .docker = state.docker,
                                  .root = state.root };
    replaced = ground.source;
    ground.source.before = &replaced;
    ground.source.state = &newer;
    write_file(GROUP "memory.events", "oom_kill 4\n");
    ground_forget(&ground);
    open_tested();
    close_source(&replaced);
    ground.source.before = NULL;
    ground_wait(&ground, "\"oom_kills_new\":3");
    assert_null(strstr(ground.text, "\"oom_kills_new\":0"));
    end();
}

static void one_that_was_not_replaced_after_all_goes_on(void **unused)
{
    static struct host_source newer;
    struct lb_source other;

    (void)unused;
    lay();
    open_tested();
    ground_wait(&ground, "\"event\":\"container\"");
    stop(&ground.source);
    newer = (struct host_source){
        .every_ns = LB_SECOND, .collect = state.collect, .docker = state.docker, .root = state.root
    };
    other = ground.source;
    other.state = &newer;
    other.before = &ground.source;
    assert_int_equal(open_source(&other, &ground.diag), LB_OK);
    stop(&other);
    ground.source.before = &other;
    resume(&ground.source);
    close_source(&other);
    write_file(GROUP "memory.events", "oom_kill 2\n");
    ground_wait(&ground, "\"oom_kills_new\":1");
    end();
}

static void memory_that_runs_out_is_told_and_leaks_nothing(void **unused)
{
    unsigned failed = 0;

    (void)unused;
    lb_log_level = LB_LEVEL_ERROR - 1;
    for (long n = 1; n < 24; n++) {
        lay();
        atomic_store(&lb_alloc_fail_at, n);
        if (open_source(&ground.source, &ground.diag) == LB_OK) {
            ground_wait(&ground, "\"event\":\"load\"");
            atomic_store(&lb_alloc_fail_at, 0);
            end();
            continue;
        }
        atomic_store(&lb_alloc_fail_at, 0);
        failed++;
        ground_clear(&ground);
    }
    assert_true(failed >= 2);
    lb_log_level = LB_LEVEL_INFO;
}

static void no_round_allocates_once_all_is_known(void **unused)
{
    (void)unused;
    lay();
    open_tested();
    for (unsigned i = 0; i < 5; i++) {
        ground_wait(&ground, "\"event\":\"container\"");
        ground_forget(&ground);
    }
    long before = atomic_load(&lb_alloc_count);
    for (unsigned i = 0; i < 10; i++) {
        ground_wait(&ground, "\"event\":\"container\"");
        ground_forget(&ground);
    }
    assert_in_range(atomic_load(&lb_alloc_count) - before, 0, 4);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_tells_of_each_part),
        cmocka_unit_test(the_next_instance_knows_what_was_before),
        cmocka_unit_test(one_that_was_not_replaced_after_all_goes_on),
        cmocka_unit_test(memory_that_runs_out_is_told_and_leaks_nothing),
        cmocka_unit_test(no_round_allocates_once_all_is_known),
    };

    return cmocka_run_group_tests_name("ingest/source_host", tests, NULL, NULL);
}
