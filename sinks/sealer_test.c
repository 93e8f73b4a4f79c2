#include "lb_test.h"

#include "sealer.c"

#include "lb_disk.h"
#include "lb_rig.h"

#include <dirent.h>
#include <sched.h>

extern const struct lb_sink_type lb_sink_archive;

static char dir[40];
static struct rig rig;
static struct lb_sink *sink;

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/sealer_test.XXXXXX");
    disk.only = "/out/";
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
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

static void begin(void)
{
    char path[128];
    bool seal = true;

    snprintf(path, sizeof(path), "%s/out/{service}/%%Y-%%m-%%d.jsonl.zst", dir);
    rig_open(&rig, dir);
    rig.services = 1;
    sink = rig_files(&rig, &lb_sink_archive, "arch", path);
    rig_number(sink, "rotate.size", 200);
    rig_number(sink, "compression.level", 3);
    memcpy(rig_member(sink, "seal"), &seal, sizeof(seal));
}

static void open_sink(void)
{
    rig_open_stream(&rig);
    assert_int_equal(sink->type->open(sink, &rig.diag), LB_OK);
}

static void begin_and_open(void)
{
    begin();
    open_sink();
}

static void end(void)
{
    sink->type->close(sink);
    rig_close(&rig);
}

static void write_and_commit(uint64_t first, uint32_t count)
{
    struct rig_batch *batch = rig_batch(&rig, first, count);
    struct lb_ledger_txn txn;

    assert_int_equal(sink->type->write(sink, &batch->batch, &batch->selection, NULL), LB_OK);
    lb_batch_unref(&batch->batch);
    lb_ledger_txn_init(&txn);
    assert_int_equal(sink->type->commit(sink, &txn), LB_OK);
    assert_int_equal(lb_ledger_commit(rig.ledger, &txn), LB_OK);
    lb_ledger_txn_free(&txn);
    sink->type->committed(sink);
}

static bool is_sealed(const char *name)
{
    struct lb_archive *archive = NULL;
    lb_archive_reason reason;

    if (lb_archive_open(&archive, in(name), &reason) != LB_OK)
        return false;
    bool sealed = lb_archive_summary(archive)->kind == LB_ARCHIVE_SEALED;
    lb_archive_close(archive);
    return sealed;
}

static void count_line(void *context, struct lb_str path, bool sealed)
{
    (void)path;
    *(unsigned *)context += sealed;
}

static unsigned manifest_lines(void)
{
    unsigned lines = 0;

    manifest_each(in(""), count_line, &lines);
    return lines;
}

/* The sealer works at its own pace; a test that waits for what never comes is ended by the runner's limit. */
static void wait_for_lines(unsigned lines)
{
    while (manifest_lines() < lines)
        sched_yield();
    assert_int_equal(manifest_lines(), lines);
}

static unsigned line_count(const char *name)
{
    char command[600];
    unsigned lines = 0;

    snprintf(command, sizeof(command), "zstd -dcq %s | wc -l", in(name));
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%u", &lines), 1);
    assert_int_equal(pclose(pipe), 0);
    return lines;
}

static unsigned hidden_files(const char *name)
{
    DIR *entries = opendir(in(name));
    const struct dirent *entry;
    unsigned hidden = 0;

    while ((entry = readdir(entries)) != NULL)
        hidden += strncmp(entry->d_name, ".logboom-", 9) == 0;
    closedir(entries);
    return hidden;
}

static void a_finished_file_is_sealed_under_its_own_name(void **state)
{
    struct stat status;

    (void)state;
    begin_and_open();
    write_and_commit(0, 64);
    write_and_commit(64, 10);
    wait_for_lines(1);
    end();
    assert_true(is_sealed("auth/2026-01-01.jsonl.zst"));
    assert_false(is_sealed("auth/2026-01-01.2.jsonl.zst")); /* it may still grow */
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 64);
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 10);
    assert_int_equal(stat(in("auth/2026-01-01.jsonl.zst"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0440);
    assert_int_equal(stat(in("auth/2026-01-01.2.jsonl.zst"), &status), 0);
    assert_int_equal(status.st_mode & 07777 & ~0640, 0);
    assert_int_equal(stat(in("auth"), &status), 0);
    assert_int_equal(status.st_mode & S_ISGID, S_ISGID);
}

static void the_records_of_a_sealed_file_decide_its_age(void **state)
{
    struct stat status = { .st_mtim = { .tv_sec = 1000 * 86400 } };
    int64_t written = status.st_mtim.tv_sec * LB_SECOND;
    static const struct {
        int64_t before_written_ns;
        bool counts;
    } cases[] = { { 3600 * LB_SECOND, true }, { DAY, true }, { DAY + 1, false }, { -1, false }, { 0, true } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_seal_result result = { .first_ns = INT64_MIN / 2, .last_ns = written - cases[i].before_written_ns };
        struct timespec time = newest_event(&status, &result);

        assert_int_equal(time.tv_sec * LB_SECOND + time.tv_nsec, cases[i].counts ? result.last_ns : written);
    }
    struct lb_seal_result unknown = { .first_ns = 1, .last_ns = 0 };
    assert_int_equal(newest_event(&status, &unknown).tv_sec, status.st_mtim.tv_sec);
}

static void what_an_earlier_run_left_is_sealed(void **state)
{
    bool seal = false;

    (void)state;
    begin();
    memcpy(rig_member(sink, "seal"), &seal, sizeof(seal));
    open_sink();
    write_and_commit(0, 64);
    write_and_commit(64, 64);
    write_and_commit(128, 10);
    end();
    assert_false(is_sealed("auth/2026-01-01.jsonl.zst"));
    begin_and_open();
    wait_for_lines(2);
    assert_true(is_sealed("auth/2026-01-01.jsonl.zst") && is_sealed("auth/2026-01-01.2.jsonl.zst"));
    write_and_commit(138, 5);
    end();
    assert_int_equal(line_count("auth/2026-01-01.3.jsonl.zst"), 15);
}

static void nothing_is_sealed_in_a_run_that_ends_by_itself(void **state)
{
    (void)state;
    begin();
    sink->exit_at_eof = true;
    open_sink();
    write_and_commit(0, 64);
    assert_null(((struct output *)sink->state)->sealer);
    end();
    assert_false(is_sealed("auth/2026-01-01.jsonl.zst"));
}

static void a_sealed_file_that_was_not_told_is_told_at_the_next_start(void **state)
{
    char command[700];

    (void)state;
    begin_and_open();
    write_and_commit(0, 64);
    write_and_commit(64, 64);
    wait_for_lines(2);
    end();
    /* The second line was torn by a crash, the first one is whole. */
    snprintf(command, sizeof(command), "truncate -s $(( $(head -1 %s | wc -c) + 40 )) %s", in("MANIFEST.jsonl"),
             in("MANIFEST.jsonl"));
    assert_int_equal(system(command), 0);
    assert_int_equal(manifest_lines(), 1);
    begin_and_open();
    wait_for_lines(2);
    end();
    begin_and_open();
    write_and_commit(128, 64);
    wait_for_lines(3); /* nothing is told twice */
    end();
}

static void what_a_crash_in_the_middle_of_sealing_left_is_removed(void **state)
{
    char command[700];
    char prefix[32];

    (void)state;
    begin_and_open();
    write_and_commit(0, 10);
    output_temp_prefix(sink->state, prefix, sizeof(prefix));
    end();
    snprintf(command, sizeof(command), "head -c 1000 /dev/urandom >%s/out/auth/%sseal", dir, prefix);
    assert_int_equal(system(command), 0);
    assert_int_equal(hidden_files("auth"), 1);
    begin_and_open();
    assert_int_equal(hidden_files("auth"), 0);
    end();
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 10);
}

static uint64_t errors_of(const struct sealer *sealer)
{
    return (uint64_t)atomic_load(&sealer->metrics.errors->value);
}

static void a_file_that_cannot_be_sealed_stays_and_is_not_tried_in_vain(void **state)
{
    (void)state;
    begin_and_open();
    struct sealer *sealer = ((struct output *)sink->state)->sealer;
    uint64_t before = errors_of(sealer);
    char command[600];
    snprintf(command, sizeof(command), "mkdir -p %s && echo this is no archive >%s", in("web"),
             in("web/2025-01-01.jsonl.zst"));
    assert_int_equal(system(command), 0);
    output_look_around(sink->state);
    while (errors_of(sealer) == before)
        sched_yield();
    for (int i = 0; i < 3; i++)
        output_look_around(sink->state);
    write_and_commit(0, 64); /* goes on with others; behind it in the queue */
    wait_for_lines(1);
    assert_int_equal(errors_of(sealer), before + 1);
    assert_int_equal(access(in("web/2025-01-01.jsonl.zst"), F_OK), 0);
    end();
}

static void a_disk_that_fails_leaves_the_file_and_it_is_tried_again(void **state)
{
    (void)state;
    begin_and_open();
    struct sealer *sealer = ((struct output *)sink->state)->sealer;
    uint64_t before = errors_of(sealer);
    disk.only = "-seal"; /* only what the sealer writes */
    disk_fail(&disk.write, 0, 1, ENOSPC);
    write_and_commit(0, 64);
    while (errors_of(sealer) == before)
        sched_yield();
    assert_false(is_sealed("auth/2026-01-01.jsonl.zst"));
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 64);
    assert_int_equal(hidden_files("auth"), 0);
    assert_int_equal(atomic_load(&sealer->metrics.failing->value), 1);
    char note[200];
    do /* the metric comes first */
        sink->type->note(sink, note, sizeof(note));
    while (note[0] == '\0');
    assert_string_equal(note, "cannot seal a file: No space left on device; tried again every minute");
    end();
    begin_and_open();
    wait_for_lines(1);
    assert_true(is_sealed("auth/2026-01-01.jsonl.zst"));
    end();
}

/* Two sinks of one template: neither seals what the other still writes, nor deletes it. */
static void what_another_sink_writes_is_left_alone(void **state)
{
    (void)state;
    begin_and_open();
    struct output *output = sink->state;
    write_and_commit(0, 5);
    assert_true(output_ledger_knows(output, in("auth/2026-01-01.jsonl.zst")));
    assert_false(output_ledger_knows(output, in("auth/2026-01-01.2.jsonl.zst")));
    struct lb_sink other = *sink;
    struct output twin = *output;
    other.section.name = LB_STR("twin");
    twin.sink = &other;
    twin.files = NULL; /* it knows nothing of the file */
    output_look_around(&twin);
    assert_true(sealer_hold(output->sealer, ""));
    assert_int_equal(output->sealer->count, 0);
    assert_null(output->sealer->current);
    sealer_release(output->sealer);
    twin.keep_age_ns = 1;
    output_retain(&twin);
    assert_int_equal(access(in("auth/2026-01-01.jsonl.zst"), F_OK), 0);
    end();
    assert_false(is_sealed("auth/2026-01-01.jsonl.zst"));
}

static void a_full_queue_asks_for_another_look(void **state)
{
    struct sealer *self = lb_alloc(sizeof(*self));
    char path[32];

    (void)state;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->more, NULL);
    self->metrics.queue = lb_metric(LB_GAUGE, "test_queue", "for this test", NULL);
    for (unsigned i = 0; i < QUEUE_MAX; i++) {
        snprintf(path, sizeof(path), "%u", i);
        sealer_add(self, path);
        sealer_add(self, path); /* once is enough */
    }
    assert_int_equal(self->count, QUEUE_MAX);
    sealer_add(self, "one more");
    assert_false(sealer_is_hungry(self));
    for (unsigned i = 0; i < QUEUE_MAX; i++)
        assert_true(take(self));
    assert_true(sealer_is_hungry(self));
    assert_false(sealer_is_hungry(self));
    free_sealer(self);
}

static void a_file_under_way_is_not_deleted(void **state)
{
    struct sealer self = { .current = (char *)"a/b", .lock = PTHREAD_MUTEX_INITIALIZER };

    (void)state;
    assert_false(sealer_hold(&self, "a/b"));
    assert_true(sealer_hold(&self, "a/c"));
    sealer_release(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
        TEST(a_finished_file_is_sealed_under_its_own_name),
        TEST(the_records_of_a_sealed_file_decide_its_age),
        TEST(what_an_earlier_run_left_is_sealed),
        TEST(nothing_is_sealed_in_a_run_that_ends_by_itself),
        TEST(a_sealed_file_that_was_not_told_is_told_at_the_next_start),
        TEST(what_a_crash_in_the_middle_of_sealing_left_is_removed),
        TEST(a_file_that_cannot_be_sealed_stays_and_is_not_tried_in_vain),
        TEST(a_disk_that_fails_leaves_the_file_and_it_is_tried_again),
        TEST(what_another_sink_writes_is_left_alone),
        TEST(a_full_queue_asks_for_another_look),
        TEST(a_file_under_way_is_not_deleted),
    };

    atomic_store(&lb_log_level, LB_LEVEL_CRITICAL);
    return cmocka_run_group_tests_name("sinks/sealer", tests, NULL, NULL);
}
