#include "lb_test.h"

#include "output_retention.c"

#include "lb_rig.h"

#include <openssl/evp.h>

extern const struct lb_sink_type lb_sink_archive;

enum { DAY_S = 24 * 3600 };

static char dir[40];
static struct rig rig;
static struct lb_sink *sink;

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/retention_test.XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "chmod -R u+w %s && rm -rf %s", dir, dir);
    return system(command);
}

static const char *in(const char *name)
{
    static char full[4][512];
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(full[turn], sizeof(full[turn]), "%s/out/%s", dir, name);
    return full[turn];
}

static bool exists(const char *name)
{
    return access(in(name), F_OK) == 0;
}

static void put_file(const char *name, int64_t age_s, size_t bytes)
{
    char command[1200];
    struct timespec times[2] = { { 0 } };

    snprintf(command, sizeof(command), "mkdir -p $(dirname %s) && head -c %zu /dev/urandom > %s", in(name), bytes,
             in(name));
    assert_int_equal(system(command), 0);
    times[0].tv_sec = times[1].tv_sec = lb_clock_now() / LB_SECOND - age_s;
    assert_int_equal(utimensat(AT_FDCWD, in(name), times, 0), 0);
}

static void begin(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/out/{service}/%%Y-%%m-%%d.jsonl.zst", dir);
    rig_open(&rig, dir);
    rig.services = 1;
    sink = rig_files(&rig, &lb_sink_archive, "arch", path);
}

/* One commit, after which what is due is gone. */
static void run_once(void)
{
    struct lb_ledger_txn txn;

    rig_open_stream(&rig);
    assert_int_equal(sink->type->open(sink, &rig.diag), LB_OK);
    struct rig_batch *batch = rig_batch(&rig, 0, 1);
    assert_int_equal(sink->type->write(sink, &batch->batch, &batch->selection, NULL), LB_OK);
    lb_batch_unref(&batch->batch);
    lb_ledger_txn_init(&txn);
    assert_int_equal(sink->type->commit(sink, &txn), LB_OK);
    assert_int_equal(lb_ledger_commit(rig.ledger, &txn), LB_OK);
    lb_ledger_txn_free(&txn);
    sink->type->committed(sink);
    sink->type->close(sink);
    rig_close(&rig);
}

static void check_left(const char *const *left, const char *const *gone)
{
    for (; *left != NULL; left++) {
        if (!exists(*left))
            fail_msg("%s is gone", *left);
    }
    for (; *gone != NULL; gone++) {
        if (exists(*gone))
            fail_msg("%s is still there", *gone);
    }
}

/* A noisy service and a quiet one, a file a day. */
static void put_both(void)
{
    put_file("noisy/2025-01-01.jsonl.zst", 9 * DAY_S, 400000);
    put_file("noisy/2025-01-02.jsonl.zst", 8 * DAY_S, 400000);
    put_file("noisy/2025-01-03.jsonl.zst", 7 * DAY_S, 400000);
    put_file("quiet/2025-01-01.jsonl.zst", 10 * DAY_S, 4000);
    put_file("quiet/2025-01-02.jsonl.zst", 9 * DAY_S, 4000);
}

#define NAMES(...)                                                                                                     \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }
#define NOISY_1 "noisy/2025-01-01.jsonl.zst"
#define NOISY_2 "noisy/2025-01-02.jsonl.zst"
#define NOISY_3 "noisy/2025-01-03.jsonl.zst"
#define QUIET_1 "quiet/2025-01-01.jsonl.zst"
#define QUIET_2 "quiet/2025-01-02.jsonl.zst"

static void each_key_deletes_the_oldest_and_leaves_one_of_each_service(void **state)
{
    static const struct {
        const char *key;
        int64_t value;
        const char *left[6];
        const char *gone[6];
    } cases[] = {
        { "keep.size", 900000, { NOISY_2, NOISY_3, QUIET_2 }, { QUIET_1, NOISY_1 } },
        { "keep.count", 5, { NOISY_1, NOISY_2, NOISY_3, QUIET_2 }, { QUIET_1 } },
        { "keep.count", 1, { NOISY_3, QUIET_2 }, { QUIET_1, NOISY_1, NOISY_2 } },
        { "keep.free", INT64_C(1) << 60, { NOISY_3, QUIET_2 }, { QUIET_1, NOISY_1, NOISY_2 } },
        { "keep.free", 1, { NOISY_1, NOISY_2, NOISY_3, QUIET_1, QUIET_2 }, { NULL } },
        { "keep.per_service.size", 900000, { NOISY_2, NOISY_3, QUIET_1, QUIET_2 }, { NOISY_1 } },
        { "keep.per_service.count", 2, { NOISY_2, NOISY_3, QUIET_1, QUIET_2 }, { NOISY_1 } },
        { "keep.per_service.count", 1, { NOISY_3, QUIET_2 }, { NOISY_1, NOISY_2, QUIET_1 } },
        { "keep.age", 8 * DAY_S * LB_SECOND + LB_SECOND, { NOISY_3 }, { NOISY_1, QUIET_1, QUIET_2 } },
        { "keep.per_service.age", 8 * DAY_S * LB_SECOND + LB_SECOND, { NOISY_3 }, { NOISY_1, QUIET_1, QUIET_2 } },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].key);
        put_both();
        begin();
        rig_number(sink, cases[i].key, cases[i].value);
        run_once();
        check_left(cases[i].left, cases[i].gone);
        remove_dir(state);
        assert_int_equal(mkdir(dir, 0700), 0);
    }
}

static void a_quota_is_looked_at_before_what_all_have(void **state)
{
    (void)state;
    put_both();
    begin();
    rig_number(sink, "keep.size", 850000);
    rig_number(sink, "keep.per_service.count", 2);
    run_once();
    check_left(NAMES(NOISY_2, NOISY_3, QUIET_1, QUIET_2), NAMES(NOISY_1));
}

static void at_least_wins_over_everything(void **state)
{
    (void)state;
    put_both();
    begin();
    rig_number(sink, "keep.at_least", 9 * DAY_S * LB_SECOND + 3600 * LB_SECOND);
    rig_number(sink, "keep.count", 1);
    rig_number(sink, "keep.size", 4096);
    rig_number(sink, "keep.free", INT64_C(1) << 60);
    rig_number(sink, "keep.per_service.count", 1);
    run_once();
    check_left(NAMES(NOISY_1, NOISY_2, NOISY_3, QUIET_2), NAMES(QUIET_1));
}

static void a_file_named_hold_stops_deletion_beneath_it(void **state)
{
    (void)state;
    put_both();
    put_file("noisy/hold", 0, 0);
    begin();
    rig_number(sink, "keep.age", DAY_S * LB_SECOND);
    run_once();
    check_left(NAMES(NOISY_1, NOISY_2, NOISY_3), NAMES(QUIET_1, QUIET_2));

    put_file(QUIET_1, 9 * DAY_S, 1000);
    assert_int_equal(rename(in("noisy/hold"), in(".hold")), 0);
    begin();
    rig_number(sink, "keep.age", DAY_S * LB_SECOND);
    run_once();
    check_left(NAMES(NOISY_1, NOISY_2, NOISY_3, QUIET_1), NAMES(QUIET_2));

    assert_int_equal(unlink(in(".hold")), 0);
    begin();
    rig_number(sink, "keep.age", DAY_S * LB_SECOND);
    run_once();
    check_left(NAMES("auth"), NAMES(NOISY_1, NOISY_2, NOISY_3, QUIET_1));
}

/* The lines of the manifest; each must have the hash of the one before. */
static unsigned check_chain(void)
{
    char line[4096];
    char hex[MANIFEST_HEX_SIZE] = "0000000000000000000000000000000000000000000000000000000000000000";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned lines = 0;
    FILE *file = fopen(in("MANIFEST.jsonl"), "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        size_t len = strcspn(line, "\n");

        assert_int_equal(line[len], '\n');
        if (strstr(line, hex) == NULL)
            fail_msg("line %u does not hold %s: %s", lines + 1, hex, line);
        EVP_Digest(line, len, digest, NULL, EVP_sha256(), NULL);
        manifest_hex(digest, hex);
        lines++;
    }
    fclose(file);
    return lines;
}

static void every_deletion_is_in_the_manifest(void **state)
{
    char command[256];

    (void)state;
    put_both();
    begin();
    rig_number(sink, "keep.per_service.count", 1);
    run_once();
    assert_int_equal(check_chain(), 3);
    /* A crash in the middle of a line. */
    snprintf(command, sizeof(command), "printf '{\"time\":\"2025-01' >>%s", in("MANIFEST.jsonl"));
    assert_int_equal(system(command), 0);
    put_file(NOISY_1, 9 * DAY_S, 1000);
    begin();
    rig_number(sink, "keep.per_service.count", 1);
    run_once();
    assert_int_equal(check_chain(), 4);
    snprintf(command, sizeof(command), "test $(grep -c '\"reason\":\"service count\"' %s) = 4", in("MANIFEST.jsonl"));
    assert_int_equal(system(command), 0);
}

static void many_files_go_in_several_rounds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DELETIONS_MAX + 20; i++) {
        char name[64];

        snprintf(name, sizeof(name), "s%u/2025-01-01.jsonl.zst", i);
        put_file(name, 30 * DAY_S, 10);
    }
    begin();
    rig_number(sink, "keep.age", DAY_S * LB_SECOND);
    rig_open_stream(&rig);
    assert_int_equal(sink->type->open(sink, &rig.diag), LB_OK);
    assert_false(output_retain(sink->state));
    assert_true(output_retain(sink->state));
    sink->type->close(sink);
    rig_close(&rig);
    assert_int_equal(check_chain(), DELETIONS_MAX + 20);
    assert_false(exists("s0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
        TEST(each_key_deletes_the_oldest_and_leaves_one_of_each_service),
        TEST(a_quota_is_looked_at_before_what_all_have),
        TEST(at_least_wins_over_everything),
        TEST(a_file_named_hold_stops_deletion_beneath_it),
        TEST(every_deletion_is_in_the_manifest),
        TEST(many_files_go_in_several_rounds),
    };

    atomic_store(&lb_log_level, LB_LEVEL_CRITICAL);
    return cmocka_run_group_tests_name("sinks/output_retention", tests, NULL, NULL);
}
