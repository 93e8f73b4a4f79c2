#include "lb_test.h"

#include "sink_file.c"

#include "lb_disk.h"
#include "lb_rig.h"

#include <signal.h>
#include <sys/resource.h>

static char dir[40];
static char path[128];
static struct rig rig;
static struct lb_sink *sink;

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/file_test.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    snprintf(path, sizeof(path), "%s/problems.log", dir);
    return 0;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    lb_clock_set(LB_TIME_NONE);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void begin(void)
{
    rig_open(&rig, dir);
    sink = rig_files(&rig, &lb_sink_file, "problems", path);
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

static enum lb_err write_some(uint64_t first, uint32_t count)
{
    struct rig_batch *batch = rig_batch(&rig, first, count);
    enum lb_err err = sink->type->write(sink, &batch->batch, &batch->selection, NULL);

    lb_batch_unref(&batch->batch);
    return err;
}

static bool commit_all(void)
{
    struct lb_ledger_txn txn;

    lb_ledger_txn_init(&txn);
    bool ok = sink->type->commit(sink, &txn) == LB_OK && lb_ledger_commit(rig.ledger, &txn) == LB_OK;
    lb_ledger_txn_free(&txn);
    if (ok)
        sink->type->committed(sink);
    return ok;
}

static int line_count(const char *name)
{
    char full[128];
    int lines = 0;
    int c;

    snprintf(full, sizeof(full), "%s/%s", dir, name);
    FILE *file = fopen(full, "r");
    if (file == NULL)
        return -1;
    while ((c = fgetc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

/* Of the file and those that it was renamed to. */
static int all_lines(void)
{
    int lines = 0;

    for (unsigned n = 1; n < 10; n++) {
        char name[64];

        snprintf(name, sizeof(name), "problems%s%.0u.log", n == 1 ? "" : ".", n == 1 ? 0 : n);
        lines += line_count(name) > 0 ? line_count(name) : 0;
    }
    return lines;
}

static void a_full_file_is_renamed_and_the_name_begins_anew(void **state)
{
    (void)state;
    begin();
    rig_number(sink, "rotate.size", 1000);
    open_sink();
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(write_some(i * 50, 50), LB_OK);
        assert_true(commit_all());
    }
    write_some(150, 1);
    assert_true(commit_all());
    assert_int_equal(line_count("problems.log"), 1);
    assert_int_equal(line_count("problems.2.log"), 50);
    assert_int_equal(line_count("problems.3.log"), 50);
    assert_int_equal(line_count("problems.4.log"), 50);
    end();
}

static void a_file_that_exists_is_continued(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    fputs("from before\n", file);
    fclose(file);
    begin_and_open();
    write_some(0, 5);
    assert_true(commit_all());
    assert_int_equal(line_count("problems.log"), 6);
    /* Without a commit the next start takes these away again, and nothing else. */
    write_some(5, 5);
    struct lb_ledger_txn txn;
    lb_ledger_txn_init(&txn);
    assert_int_equal(sink->type->commit(sink, &txn), LB_OK);
    lb_ledger_txn_free(&txn);
    assert_int_equal(line_count("problems.log"), 11);
    end();
    begin_and_open();
    assert_int_equal(line_count("problems.log"), 6);
    end();
}

/* Killed between noting a new file in the ledger and showing it: the next run takes the same name. */
static void a_file_that_was_noted_and_never_shown_does_not_hold_its_name(void **state)
{
    struct lb_ledger_txn txn;
    char key[256];

    (void)state;
    begin();
    lb_ledger_txn_init(&txn);
    snprintf(key, sizeof(key), "file/problems/%s", path);
    lb_ledger_put(&txn, lb_str_from(key), LB_STR("0 12345 1 1767225600000000000"));
    assert_int_equal(lb_ledger_commit(rig.ledger, &txn), LB_OK);
    lb_ledger_txn_free(&txn);
    open_sink();
    write_some(0, 5);
    assert_true(commit_all());
    assert_int_equal(line_count("problems.log"), 5);
    assert_int_equal(line_count("problems.2.log"), -1);
    end();
}

static void a_line_is_never_left_cut_when_the_file_cannot_grow(void **state)
{
    struct rlimit limit;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    begin_and_open();
    assert_int_equal(write_some(0, 10), LB_OK);
    assert_true(commit_all());
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 1500;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(write_some(10, 60), LB_OK); /* into the buffer */
    assert_false(commit_all());
    assert_int_equal(line_count("problems.log"), 10);
    assert_int_equal(write_some(70, 1), LB_AGAIN);
    limit.rlim_cur = RLIM_INFINITY;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(write_some(70, 1), LB_OK);
    assert_true(commit_all());
    assert_int_equal(line_count("problems.log"), 71);
    end();
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    begin_and_open();
    assert_int_equal(write_some(0, 1), LB_OK);
    assert_false(commit_all());
    assert_int_equal(write_some(1, 1), LB_AGAIN);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(write_some(1, 1), LB_OK);
    assert_true(commit_all());
    assert_int_equal(line_count("problems.log"), 2);
    end();
}

static void count_keys(void *context, struct lb_str key, struct lb_str value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)context;
}

static void a_file_whose_date_is_over_is_forgotten(void **state)
{
    unsigned keys = 0;

    (void)state;
    lb_clock_set(RIG_TIME);
    begin();
    char dated[128];
    snprintf(dated, sizeof(dated), "%s/{service}.log", dir);
    rig_template(&rig, sink, "path", dated);
    open_sink();
    rig.services = 8;
    write_some(0, 64);
    assert_true(commit_all());
    lb_ledger_each(rig.ledger, LB_STR("file/problems/"), count_keys, &keys);
    assert_true(keys > 4);
    lb_clock_set(RIG_TIME + 49 * 3600 * LB_SECOND);
    rig.services = 1;
    write_some(64, 1);
    assert_true(commit_all());
    keys = 0;
    lb_ledger_each(rig.ledger, LB_STR("file/problems/"), count_keys, &keys);
    assert_int_equal(keys, 1);
    /* And is found again when it is written again. */
    int before = line_count("billing.log");
    rig.services = 8;
    write_some(65, 64);
    assert_true(commit_all());
    assert_true(line_count("billing.log") > before);
    assert_int_equal(line_count("billing.2.log"), -1);
    end();
}

/* As kill -9 would: nothing is flushed, trimmed or removed. */
static void crash(void)
{
    struct sink_file *self = sink->state;

    for (struct output_file *file = self->output.files; file != NULL; file = file->next) {
        self->output.hidden_count -= file->hidden;
        file->hidden = false;
    }
    end();
}

/* The path itself stays the newest file: the one that was given up gets a number. */
static void after_a_failed_fsync_what_is_not_safe_goes_to_a_new_file(void **state)
{
    (void)state;
    disk.only = "problems";
    begin_and_open();
    write_some(0, 10);
    assert_true(commit_all());
    write_some(10, 10);
    disk_fail(&disk.sync, 0, 1, EIO);
    assert_false(commit_all());
    assert_int_equal(write_some(20, 5), LB_OK);
    assert_true(commit_all());
    assert_int_equal(line_count("problems.2.log"), 10);
    assert_int_equal(line_count("problems.log"), 15);
    crash();
    begin_and_open();
    write_some(25, 1);
    assert_true(commit_all());
    assert_int_equal(line_count("problems.2.log"), 10);
    assert_int_equal(line_count("problems.log"), 16);
    end();
}

/* The crash came between the note and the file; data_dir was moved to a host where the path is somebody else's. */
static void what_stands_under_a_noted_name_on_another_host_is_not_emptied(void **state)
{
    char key[160];
    char command[256];
    struct lb_ledger_txn txn;

    (void)state;
    snprintf(command, sizeof(command), "echo of somebody else >%s", path);
    assert_int_equal(system(command), 0);
    begin();
    lb_ledger_txn_init(&txn);
    snprintf(key, sizeof(key), "file/problems/%s", path);
    lb_ledger_put(&txn, lb_str_from(key), LB_STR("0 7 1 0"));
    assert_int_equal(lb_ledger_commit(rig.ledger, &txn), LB_OK);
    lb_ledger_txn_free(&txn);
    sink->moved = true;
    open_sink();
    write_some(0, 5);
    assert_true(commit_all());
    end();
    assert_int_equal(line_count("problems.log"), 5);
    assert_int_equal(line_count("problems.2.log"), 1);
}

/* Whatever the moment: before or after the new name, before or after the new file. */
static void a_crash_after_a_file_was_given_up_leaves_what_was_committed(void **state)
{
    (void)state;
    disk.only = "problems";
    for (unsigned moment = 0; moment < 3; moment++) {
        begin_and_open();
        struct sink_file *self = sink->state;
        int before = all_lines();
        write_some(0, 10);
        assert_true(commit_all());
        write_some(10, 10);
        disk_fail(&disk.sync, 0, 1, EIO);
        assert_false(commit_all());
        if (moment == 1)
            assert_true(output_file_move_aside(&self->output, self->output.files));
        if (moment == 2)
            assert_true(output_redo(&self->output) && output_publish(&self->output));
        crash();
        begin_and_open();
        assert_int_equal(all_lines(), before + 10);
        end();
    }
}

static void writes_may_be_short_interrupted_or_fail(void **state)
{
    int next = 0;

    (void)state;
    disk.only = "problems";
    atomic_store(&disk.odd, true);
    begin_and_open();
    for (unsigned i = 0; i < 60; i++) {
        disk_fail(&disk.write, i % 5, i % 3, i % 2 == 0 ? ENOSPC : EDQUOT);
        if (write_some((uint64_t)next, 20) == LB_OK)
            next += 20;
        for (unsigned tries = 0; !commit_all(); tries++)
            assert_true(tries < 20);
        assert_int_equal(line_count("problems.log"), next);
    }
    atomic_store(&disk.odd, false);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
        TEST(a_full_file_is_renamed_and_the_name_begins_anew),
        TEST(a_file_that_exists_is_continued),
        TEST(a_file_that_was_noted_and_never_shown_does_not_hold_its_name),
        TEST(a_line_is_never_left_cut_when_the_file_cannot_grow),
        TEST(what_is_no_file_is_refused),
        TEST(a_file_whose_date_is_over_is_forgotten),
        TEST(after_a_failed_fsync_what_is_not_safe_goes_to_a_new_file),
        TEST(a_crash_after_a_file_was_given_up_leaves_what_was_committed),
        TEST(what_stands_under_a_noted_name_on_another_host_is_not_emptied),
        TEST(writes_may_be_short_interrupted_or_fail),
    };

    atomic_store(&lb_log_level, LB_LEVEL_CRITICAL);
    return cmocka_run_group_tests_name("sinks/sink_file", tests, NULL, NULL);
}
