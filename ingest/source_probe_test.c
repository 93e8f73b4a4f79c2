/* source_probe_test.c - checks on a loop that the test turns: whose turn it is, ends, and memory that runs out. */
#include "lb_source_ground.h"

#include "source_probe.c"

#include <arpa/inet.h>
#include <sys/socket.h>

static struct ground ground;
static struct probe_source state;
static struct probe_check checks[64];
static struct lb_str word_2xx = LB_STR("2xx");

static struct probe_check *add(const char *name)
{
    struct probe_check *check = &checks[state.checks.count++];

    *check = (struct probe_check){ .name = lb_str_from(name), .method = LB_STR("GET"), .expect = { &word_2xx, 1 } };
    return check;
}

static void lay(void)
{
    memset(&state, 0, sizeof(state));
    state.every_ns = 50 * LB_MILLISECOND;
    state.timeout_ns = 600 * LB_SECOND;
    state.concurrency = 2;
    state.checks.items = checks;
    ground_lay(&ground, &lb_source_probe, &state, LB_POOL_BYTES);
}

static void begin(void)
{
    if (open_source(&ground.source, &ground.diag) != LB_OK)
        fail_msg("%s", ground.diag.count > 0 ? ground.diag.entries[0].text : "no reason");
}

static void end(void)
{
    stop(&ground.source);
    close_source(&ground.source);
    ground_clear(&ground);
}

/* A port whose connections the kernel accepts and nobody answers. */
static int silent_port(char *address, size_t size)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    snprintf(address, size, "127.0.0.1:%u", ntohs(in.sin_port));
    return fd;
}

static void more_checks_than_slots_have_their_turns(void **unused)
{
    static char names[9][8];
    struct lb_str program = LB_STR("true");

    (void)unused;
    lay();
    for (unsigned i = 0; i < 9; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", i);
        add(names[i])->command = (struct lb_strs){ &program, 1 };
    }
    begin();
    for (unsigned i = 0; i < 9; i++) {
        char text[32];

        snprintf(text, sizeof(text), "\"check\":\"c%u\"", i);
        ground_wait(&ground, text);
    }
    assert_null(strstr(ground.text, "\"fail\""));
    end();
}

static void one_that_runs_is_not_begun_twice(void **unused)
{
    struct lb_str command[] = { LB_STR("sleep"), LB_STR("100") };
    struct lb_str quick = LB_STR("true");

    (void)unused;
    lay();
    add("slow")->command = (struct lb_strs){ command, 2 };
    add("quick")->command = (struct lb_strs){ &quick, 1 };
    begin();
    for (unsigned i = 0; i < 5; i++) {
        ground_wait(&ground, "quick is well");
        ground_forget(&ground);
    }
    assert_true(state.runs[0].running);
    assert_int_equal((state.slots[0].run == &state.runs[0]) + (state.slots[1].run == &state.runs[0]), 1);
    end();
}

static void what_is_under_way_at_a_stop_is_given_up(void **unused)
{
    struct lb_str command[] = { LB_STR("sleep"), LB_STR("100") };
    char address[32];
    char url[64];
    int fd = silent_port(address, sizeof(address));

    (void)unused;
    snprintf(url, sizeof(url), "http://%s/", address);
    lay();
    add("sleep")->command = (struct lb_strs){ command, 2 };
    add("hang")->http = lb_str_from(url);
    begin();
    while (!state.runs[0].running || !state.runs[1].running)
        ground_turn(&ground);
    for (unsigned i = 0; i < 20; i++)
        ground_turn(&ground);
    stop(&ground.source);
    assert_null(state.slots[0].run);
    assert_null(state.slots[1].run);
    /* And it goes on where a new configuration cannot be used. */
    resume(&ground.source);
    ground_turn(&ground);
    ground_turn(&ground);
    assert_true(state.runs[0].running && state.runs[1].running);
    end();
    close(fd);
}

static void a_check_that_stays_keeps_its_count(void **unused)
{
    static struct probe_source newer;
    struct lb_source replaced;
    struct lb_str program = LB_STR("false");

    (void)unused;
    lay();
    add("bad")->command = (struct lb_strs){ &program, 1 };
    begin();
    ground_wait(&ground, "3 times in a row");
    ground.source.replaced = true;
    stop(&ground.source);
    newer = (struct probe_source){
        .every_ns = state.every_ns, .timeout_ns = state.timeout_ns, .concurrency = 1, .checks = state.checks
    };
    replaced = ground.source;
    ground.source.before = &replaced;
    ground.source.state = &newer;
    begin();
    close_source(&replaced);
    ground.source.before = NULL;
    ground_wait(&ground, "4 times in a row");
    end();
}

static void memory_that_runs_out_is_told_and_leaks_nothing(void **unused)
{
    struct lb_str program = LB_STR("true");
    unsigned failed = 0;

    (void)unused;
    lb_log_level = LB_LEVEL_ERROR - 1; /* the pool says at each try that it has none */
    for (long n = 1; n < 12; n++) {
        lay();
        add("a")->command = (struct lb_strs){ &program, 1 };
        add("b")->tcp = LB_STR("127.0.0.1:1");
        atomic_store(&lb_alloc_fail_at, n);
        enum lb_err err = open_source(&ground.source, &ground.diag);
        if (err == LB_OK) {
            for (unsigned i = 0; i < 50; i++)
                ground_turn(&ground);
            atomic_store(&lb_alloc_fail_at, 0);
            end();
        } else {
            atomic_store(&lb_alloc_fail_at, 0);
            assert_int_equal(err, LB_NOMEM);
            ground_clear(&ground);
            failed++;
        }
    }
    assert_true(failed > 2);
    lb_log_level = LB_LEVEL_INFO;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_checks_than_slots_have_their_turns),
        cmocka_unit_test(one_that_runs_is_not_begun_twice),
        cmocka_unit_test(what_is_under_way_at_a_stop_is_given_up),
        cmocka_unit_test(a_check_that_stays_keeps_its_count),
        cmocka_unit_test(memory_that_runs_out_is_told_and_leaks_nothing),
    };

    return cmocka_run_group_tests_name("ingest/source_probe", tests, NULL, NULL);
}
