#include "lb_test.h"

#include "sink_archive.c"

#include "lb_disk.h"
#include "lb_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define FAR (INT64_MAX / 2) /* monotonic: everything is due */

static char dir[40];
static char path[128]; /* the template of most tests: one file per service and day */

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/archive_test.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    disk.only = "/out/";
    snprintf(path, sizeof(path), "%s/out/{service}/%%Y-%%m-%%d.jsonl.zst", dir);
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

/* --- driving a sink without its thread ------------------------------------------------ */

static struct rig rig;
static struct lb_sink *sink;

static void begin(void)
{
    rig_open(&rig, dir);
    rig.services = 1;
    sink = rig_files(&rig, &lb_sink_archive, "arch", path);
}

static void open_sink(void)
{
    rig_open_stream(&rig);
    enum lb_err err = sink->type->open(sink, &rig.diag);
    if (err != LB_OK)
        lb_diag_print(&rig.diag, stderr);
    assert_int_equal(err, LB_OK);
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

static enum lb_err write_batch_of(struct rig_batch *batch)
{
    enum lb_err err = sink->type->write(sink, &batch->batch, &batch->selection, NULL);

    lb_batch_unref(&batch->batch);
    return err;
}

static enum lb_err write_some(uint64_t first, uint32_t count)
{
    return write_batch_of(rig_batch(&rig, first, count));
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

/* The text of a .zst as zstd reads it, or NULL when zstd finds fault. */
static char *zstd_text(const char *name)
{
    static char text[16 << 20];
    char command[600];

    snprintf(command, sizeof(command), "zstd -dcq %s 2>/dev/null", in(name));
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(text, 1, sizeof(text) - 1, pipe);
    text[len] = '\0';
    return pclose(pipe) == 0 ? text : NULL;
}

static unsigned line_count(const char *name)
{
    const char *text = zstd_text(name);
    unsigned lines = 0;

    if (text == NULL)
        fail_msg("%s is not a valid .zst", name);
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static void count_keys(void *context, struct lb_str key, struct lb_str value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)context;
}

static unsigned ledger_keys(void)
{
    unsigned keys = 0;

    lb_ledger_each(rig.ledger, LB_STR("file/arch/"), count_keys, &keys);
    return keys;
}

/* As kill -9 would: nothing is flushed, trimmed or removed. */
static void crash(void)
{
    struct sink_archive *self = sink->state;

    for (struct output_file *file = self->output.files; file != NULL; file = file->next) {
        if (file->hidden) {
            self->output.hidden_count--;
            file->hidden = false;
        }
        file->end = file->length;
    }
    end();
}

static void keep_only(struct rig_batch *batch, const char *service, int64_t time_ns)
{
    for (uint32_t i = 0; i < batch->batch.record_count; i++) {
        batch->records[i].service = lb_value_text(lb_str_from(service));
        batch->records[i].time_ns = time_ns;
    }
}

/* --- names --------------------------------------------------------------------------------- */

static void a_record_goes_to_the_file_of_its_service_and_day(void **state)
{
    static const struct {
        const char *service;
        int64_t after_arrival_ns;
        unsigned flags;
        const char *file;
    } cases[] = {
        { "web", 0, 0, "web/2026-01-01.jsonl.zst" },
        { "web", 23 * 3600 * LB_SECOND, 0, "web/2026-01-01.jsonl.zst" },
        { "web", -3600 * LB_SECOND, 0, "web/2025-12-31.jsonl.zst" },
        { "late", -25 * 3600 * LB_SECOND, 0, "late/2026-01-01.jsonl.zst" },
        { "early", 25 * 3600 * LB_SECOND, 0, "early/2026-01-01.jsonl.zst" },
        { "unknown-time", -3600 * LB_SECOND, LB_RECORD_NO_TIME, "unknown-time/2026-01-01.jsonl.zst" },
        { "../../etc/x", 0, 0, "%2E.%2F..%2Fetc%2Fx/2026-01-01.jsonl.zst" },
    };

    (void)state;
    begin_and_open();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig_batch *batch = rig_batch(&rig, i, 1);

        keep_only(batch, cases[i].service, RIG_TIME + cases[i].after_arrival_ns);
        batch->records[0].flags = (uint16_t)cases[i].flags;
        assert_int_equal(write_batch_of(batch), LB_OK);
    }
    assert_true(commit_all());
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!exists(cases[i].file))
            fail_msg("no %s", cases[i].file);
    }
    assert_int_equal(line_count("web/2026-01-01.jsonl.zst"), 2);
    end();
}

static void nothing_is_visible_before_it_is_noted_and_all_of_it_after(void **state)
{
    (void)state;
    begin_and_open();
    assert_int_equal(write_some(0, 10), LB_OK);
    assert_false(exists("auth/2026-01-01.jsonl.zst"));
    assert_true(commit_all());
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 10);
    assert_int_equal(write_some(10, 5), LB_OK);
    assert_true(commit_all());
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 15);
    end();
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 15);
}

static void a_frame_is_written_when_its_oldest_record_is_due(void **state)
{
    (void)state;
    begin_and_open();
    lb_clock_set(RIG_TIME);
    assert_true(sink->type->tick(sink, RIG_TIME) > RIG_TIME + 30 * LB_SECOND);
    assert_int_equal(write_some(0, 10), LB_OK);
    assert_int_equal(sink->type->tick(sink, RIG_TIME), RIG_TIME + 5 * LB_SECOND);
    assert_false(exists("auth/2026-01-01.jsonl.zst"));
    lb_clock_set(RIG_TIME + 5 * LB_SECOND);
    assert_true(sink->type->tick(sink, RIG_TIME + 5 * LB_SECOND) > RIG_TIME + 30 * LB_SECOND);
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 10);
    end();
}

static void the_next_file_of_a_day_has_a_number(void **state)
{
    (void)state;
    begin();
    rig_number(sink, "rotate.size", 100);
    open_sink();
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(write_some(i * 50, 50), LB_OK);
        assert_true(commit_all());
    }
    end();
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 50);
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 50);
    assert_int_equal(line_count("auth/2026-01-01.3.jsonl.zst"), 50);
}

/* Files that expired leave gaps: a newer file never stands before an older one. */
static void a_number_that_became_free_is_not_used_again(void **state)
{
    (void)state;
    begin();
    rig_number(sink, "rotate.size", 100);
    open_sink();
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(write_some(i * 50, 50), LB_OK);
        assert_true(commit_all());
    }
    assert_int_equal(unlink(in("auth/2026-01-01.jsonl.zst")), 0);
    assert_int_equal(unlink(in("auth/2026-01-01.2.jsonl.zst")), 0);
    assert_int_equal(write_some(150, 50), LB_OK);
    assert_true(commit_all());
    end();
    assert_int_equal(line_count("auth/2026-01-01.4.jsonl.zst"), 50);
    assert_false(exists("auth/2026-01-01.jsonl.zst"));
}

static void a_file_whose_date_is_over_is_finished_though_nothing_comes(void **state)
{
    struct stat status;

    (void)state;
    lb_clock_set(RIG_TIME + 3600 * LB_SECOND);
    begin_and_open();
    write_some(0, 10);
    assert_true(commit_all());
    lb_clock_set(RIG_TIME + 23 * 3600 * LB_SECOND);
    sink->type->tick(sink, RIG_TIME + 23 * 3600 * LB_SECOND);
    assert_int_equal(ledger_keys(), 1);
    lb_clock_set(RIG_TIME + 24 * 3600 * LB_SECOND);
    sink->type->tick(sink, RIG_TIME + 24 * 3600 * LB_SECOND);
    assert_int_equal(ledger_keys(), 0);
    assert_int_equal(stat(in("auth/2026-01-01.jsonl.zst"), &status), 0);
    assert_true(status.st_size < 4096); /* the reserve was given back */
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 10);
    write_some(10, 10); /* one that comes late */
    assert_true(commit_all());
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 10);
    end();
}

/* What is not committed is left to the commit. */
static void a_file_is_not_finished_before_its_commit(void **state)
{
    struct sink_archive *self;

    (void)state;
    lb_clock_set(RIG_TIME);
    begin_and_open();
    self = sink->state;
    write_some(0, 10);
    assert_true(commit_all());
    write_some(10, 10);
    assert_true(output_flush_all(&self->output));
    lb_clock_set(RIG_TIME + 30 * 3600 * LB_SECOND);
    sink->type->tick(sink, RIG_TIME + 30 * 3600 * LB_SECOND);
    assert_int_equal(ledger_keys(), 1);
    crash();
    begin_and_open();
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 10);
    end();
}

static void a_file_is_finished_when_its_first_record_is_old(void **state)
{
    (void)state;
    lb_clock_set(RIG_TIME);
    begin();
    rig_number(sink, "rotate.every", 3600 * LB_SECOND);
    open_sink();
    write_some(0, 1);
    assert_true(commit_all());
    lb_clock_set(RIG_TIME + 3500 * LB_SECOND);
    write_some(1, 1);
    assert_true(commit_all());
    lb_clock_set(RIG_TIME + 3600 * LB_SECOND);
    write_some(2, 1);
    assert_true(commit_all()); /* the third still goes into it, and ends it */
    write_some(3, 1);
    assert_true(commit_all());
    end();
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 3);
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 1);
}

static void the_ledger_forgets_what_is_finished(void **state)
{
    unsigned keys = 0;

    (void)state;
    begin();
    rig_number(sink, "rotate.size", 300);
    open_sink();
    for (uint32_t i = 0; i < 20; i++) {
        write_some(i * 50, 50);
        assert_true(commit_all());
    }
    lb_ledger_each(rig.ledger, LB_STR("file/arch/"), count_keys, &keys);
    assert_int_equal(keys, 0);
    write_some(2000, 1);
    assert_true(commit_all());
    lb_ledger_each(rig.ledger, LB_STR("file/arch/"), count_keys, &keys);
    assert_int_equal(keys, 1);
    end();
}

/* --- what a crash leaves ---------------------------------------------------------------------- */

static void what_was_not_committed_is_cut_off_and_the_file_goes_on(void **state)
{
    (void)state;
    begin_and_open();
    write_some(0, 10);
    assert_true(commit_all());
    write_some(10, 10);
    struct lb_ledger_txn txn;
    lb_ledger_txn_init(&txn);
    assert_int_equal(sink->type->commit(sink, &txn), LB_OK); /* and then the ledger is not reached */
    lb_ledger_txn_free(&txn);
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 20);
    crash();

    begin_and_open();
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 10);
    write_some(10, 7);
    assert_true(commit_all());
    end();
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 17);
    assert_false(exists("auth/2026-01-01.2.jsonl.zst"));
}

static void a_file_that_was_never_committed_is_removed(void **state)
{
    (void)state;
    begin_and_open();
    write_some(0, 10);
    sink->type->tick(sink, FAR);
    assert_true(exists("auth/2026-01-01.jsonl.zst"));
    crash();
    begin_and_open();
    assert_false(exists("auth/2026-01-01.jsonl.zst"));
    end();
}

static void hidden_files_are_removed_but_only_our_own(void **state)
{
    char name[64];
    char prefix[32];
    char foreign[256];

    (void)state;
    begin_and_open();
    write_some(0, 10);
    output_flush_all(sink->state);
    output_temp_prefix(sink->state, prefix, sizeof(prefix));
    snprintf(name, sizeof(name), "auth/%s0", prefix);
    assert_true(exists(name));
    snprintf(foreign, sizeof(foreign), "touch %s/out/auth/.logboom-00000000-0 %s/out/auth/other", dir, dir);
    assert_int_equal(system(foreign), 0);
    crash();
    begin_and_open();
    assert_false(exists(name));
    assert_true(exists("auth/.logboom-00000000-0"));
    assert_true(exists("auth/other"));
    end();
}

static void a_file_that_somebody_put_in_its_place_is_left_alone(void **state)
{
    char command[512];

    (void)state;
    begin_and_open();
    write_some(0, 10);
    assert_true(commit_all());
    end();
    snprintf(command, sizeof(command),
             "cd %s/out/auth && mv 2026-01-01.jsonl.zst moved && echo foreign >2026-01-01.jsonl.zst", dir);
    assert_int_equal(system(command), 0);
    begin_and_open();
    write_some(10, 5);
    assert_true(commit_all());
    end();
    FILE *file = fopen(in("auth/2026-01-01.jsonl.zst"), "r");
    char text[16] = "";
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_string_equal(text, "foreign\n");
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 5);
}

static void a_file_that_is_deleted_while_it_is_written_is_begun_anew(void **state)
{
    (void)state;
    begin_and_open();
    write_some(0, 10);
    assert_true(commit_all());
    assert_int_equal(unlink(in("auth/2026-01-01.jsonl.zst")), 0);
    write_some(10, 5);
    assert_true(commit_all());
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 5);
    write_some(15, 5);
    assert_true(commit_all());
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 10);
    end();
}

/* --- trouble ------------------------------------------------------------------------------------ */

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_file_that_cannot_grow_stalls_the_sink_and_stays_valid(void **state)
{
    uint64_t next = 0;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    begin_and_open();
    write_some(next++, 1);
    assert_true(commit_all());
    for (rlim_t limit = 4500; limit < 6000; limit += 99) {
        set_file_limit(limit);
        for (;;) {
            if (write_some(next, 64) != LB_OK)
                break;
            next += 64;
            sink->type->tick(sink, FAR);
        }
        assert_int_equal(line_count("auth/2026-01-01.jsonl.zst") <= next, 1);
        assert_int_equal(write_some(next, 1), LB_AGAIN);
        assert_false(commit_all());
    }
    set_file_limit(RLIM_INFINITY);
    assert_int_equal(write_some(next++, 1), LB_OK);
    assert_true(commit_all());
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), next);
    end();
}

static void a_full_disk_stalls_the_sink_until_there_is_room(void **state)
{
    uint64_t next = 0;
    char filler[128];

    (void)state;
    snprintf(filler, sizeof(filler), "%s/out", dir);
    assert_int_equal(mkdir(filler, 0755), 0);
    if (mount("none", filler, "tmpfs", 0, "size=256k") != 0) {
        print_message(
            "not run: cannot mount a small tmpfs here (%s); the test before this one limits the file's size\n",
            strerror(errno));
        return;
    }
    begin_and_open();
    assert_int_equal(write_some(next, 64), LB_OK);
    next += 64;
    assert_true(commit_all());
    int fd = open(in("filler"), O_WRONLY | O_CREAT, 0600);
    char zeros[4096] = { 0 };
    while (write(fd, zeros, sizeof(zeros)) > 0)
        ;
    close(fd);
    for (;;) {
        if (write_some(next, 64) != LB_OK)
            break;
        next += 64;
        sink->type->tick(sink, FAR);
    }
    assert_true(line_count("auth/2026-01-01.jsonl.zst") >= 64);
    assert_false(commit_all());
    assert_int_equal(unlink(in("filler")), 0);
    assert_int_equal(write_some(next, 64), LB_OK);
    assert_true(commit_all());
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), next + 64);
    end();
    assert_int_equal(umount(filler), 0);
}

static void a_batch_that_does_not_fit_into_memory_is_taken_whole_later(void **state)
{
    (void)state;
    begin();
    rig.services = 5;
    open_sink();
    rig.padding = "a host whose name makes records longer than they would be otherwise, by far";
    uint64_t next = 0;
    for (long n = 1; n < 60; n++) {
        struct rig_batch *batch = rig_batch(&rig, next, 64);

        atomic_store(&lb_alloc_fail_at, n);
        enum lb_err err = write_batch_of(batch);
        atomic_store(&lb_alloc_fail_at, 0);
        next += err == LB_OK ? 64 : 0;
    }
    assert_true(commit_all());
    end();
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst") + line_count("billing/2026-01-01.jsonl.zst") +
                         line_count("cart/2026-01-01.jsonl.zst") + line_count("delivery/2026-01-01.jsonl.zst") +
                         line_count("edge/2026-01-01.jsonl.zst"),
                     next);
}

/* Lines of all files of the service, by number. */
static unsigned all_lines(const char *service)
{
    unsigned lines = 0;

    for (unsigned n = 1; n < 100; n++) {
        char name[128];

        snprintf(name, sizeof(name), "%s/2026-01-01%s%.0u.jsonl.zst", service, n == 1 ? "" : ".", n == 1 ? 0 : n);
        if (exists(name))
            lines += line_count(name);
    }
    return lines;
}

static void after_a_failed_fsync_what_is_not_safe_goes_to_a_new_file(void **state)
{
    (void)state;
    begin_and_open();
    write_some(0, 10);
    assert_true(commit_all());
    write_some(10, 10);
    disk_fail(&disk.sync, 0, 1, EIO);
    assert_false(commit_all());
    assert_int_equal(write_some(20, 5), LB_OK); /* goes on by itself */
    assert_true(commit_all());
    assert_int_equal(disk.sync.struck, 1);
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 10);
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 15);
    assert_int_equal(ledger_keys(), 1);
    crash();

    begin_and_open();
    write_some(25, 5);
    assert_true(commit_all());
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 10);
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 20);
    end();
}

static void a_crash_after_a_file_was_given_up_leaves_what_was_committed(void **state)
{
    struct sink_archive *self;

    (void)state;
    begin_and_open();
    self = sink->state;
    write_some(0, 10);
    assert_true(commit_all());
    write_some(10, 10);
    disk_fail(&disk.sync, 0, 1, EIO);
    assert_false(commit_all());
    assert_int_equal(write_some(20, 5), LB_OK);
    assert_true(output_flush_all(&self->output) && output_publish(&self->output));
    assert_int_equal(all_lines("auth"), 25);
    crash();

    begin_and_open();
    assert_int_equal(all_lines("auth"), 10);
    write_some(10, 20);
    assert_true(commit_all());
    assert_int_equal(all_lines("auth"), 30);
    end();
}

static void syncs_may_fail_again_and_again(void **state)
{
    uint64_t next = 0;

    (void)state;
    begin();
    rig_number(sink, "rotate.size", 500); /* several files of the partition wait for one commit */
    open_sink();
    for (unsigned i = 0; i < 30; i++) {
        write_some(next, 40);
        next += 40;
        sink->type->tick(sink, FAR);
        write_some(next, 7);
        next += 7;
        disk_fail(&disk.sync, i % 5, i % 4, EIO);
        for (unsigned tries = 0; !commit_all(); tries++)
            assert_true(tries < 10);
        assert_int_equal(all_lines("auth"), next);
    }
    disk_fail(&disk.sync, 0, 0, 0);
    crash();
    begin_and_open();
    assert_int_equal(all_lines("auth"), next);
    end();
}

/* What was synced because the journal was full stays where it is; a crash still takes it back. */
static void a_file_is_cut_to_what_was_synced_not_only_to_what_was_committed(void **state)
{
    struct sink_archive *self;
    uint64_t next = 64;

    (void)state;
    begin();
    open_sink();
    self = sink->state;
    self->output.journal_max = 65536;
    write_some(0, 64);
    assert_true(commit_all());
    while (self->output.files->synced == self->output.files->committed) {
        write_some(next, 64);
        next += 64;
        assert_true(output_flush_all(&self->output));
    }
    uint64_t safe = line_count("auth/2026-01-01.jsonl.zst");
    write_some(next, 10);
    disk_fail(&disk.sync, 0, 1, EIO);
    assert_false(commit_all());
    assert_int_equal(write_some(next + 10, 1), LB_OK);
    assert_int_equal(output_flush_all(&self->output) && output_publish(&self->output), true);
    assert_in_range(line_count("auth/2026-01-01.jsonl.zst"), 65, safe);
    assert_int_equal(all_lines("auth"), next + 11);
    crash();
    begin_and_open();
    assert_int_equal(all_lines("auth"), 64);
    end();
}

static void a_file_that_cannot_even_be_cut_is_cut_later(void **state)
{
    (void)state;
    begin_and_open();
    write_some(0, 10);
    assert_true(commit_all());
    write_some(10, 10);
    disk_fail(&disk.sync, 0, 1, EIO);
    assert_false(commit_all());
    disk_fail(&disk.sync, 0, 2, EIO); /* both tries of the cut */
    assert_true(commit_all());
    assert_int_equal(disk.sync.struck, 2);
    assert_int_equal(line_count("auth/2026-01-01.2.jsonl.zst"), 10);
    assert_int_equal(ledger_keys(), 2);
    crash();

    begin_and_open();
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 10);
    write_some(20, 1);
    assert_true(commit_all());
    assert_int_equal(ledger_keys(), 1);
    assert_int_equal(all_lines("auth"), 21);
    end();
}

static void writes_may_be_short_interrupted_or_fail(void **state)
{
    static const int errors[] = { EIO, ENOSPC, EDQUOT };
    uint64_t next = 0;

    (void)state;
    atomic_store(&disk.odd, true);
    begin_and_open();
    for (unsigned i = 0; i < 60; i++) {
        disk_fail(&disk.write, i % 7, i % 3, errors[i % 3]);
        if (write_some(next, 20) == LB_OK)
            next += 20;
        for (unsigned tries = 0; !commit_all(); tries++)
            assert_true(tries < 20);
        assert_int_equal(all_lines("auth"), next);
    }
    disk_fail(&disk.write, 0, 0, 0);
    atomic_store(&disk.odd, false);
    crash();
    begin_and_open();
    assert_int_equal(all_lines("auth"), next);
    end();
}

/* --- bounds ------------------------------------------------------------------------------------- */

static void few_open_files_serve_many_partitions(void **state)
{
    struct sink_archive *self;

    (void)state;
    begin();
    rig.services = 8;
    rig_number(sink, "max_open", 2);
    open_sink();
    self = sink->state;
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(write_some(i * 64, 64), LB_OK);
        assert_true(output_flush_all(&self->output));
        assert_true(self->output.open_count <= 2);
        assert_true(commit_all());
    }
    end();
    unsigned lines = 0;
    static const char *const services[] = { "auth", "billing", "cart", "delivery", "edge", "feed", "geo", "home" };
    for (size_t i = 0; i < 8; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s/2026-01-01.jsonl.zst", services[i]);
        lines += exists(name) ? line_count(name) : 0;
    }
    assert_int_equal(lines, 640);
}

static void the_budget_bounds_what_is_buffered(void **state)
{
    struct sink_archive *self;

    (void)state;
    begin();
    rig.services = 8;
    rig_number(sink, "buffer", 65536);
    open_sink();
    self = sink->state;
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(write_some(i * 64, 64), LB_OK);
        assert_true(self->output.buffered <= 65536);
        assert_true(self->output.held <= 2 * 65536);
    }
    end();
}

static void too_many_services_share_a_file(void **state)
{
    struct sink_archive *self;
    char service[32];

    (void)state;
    begin_and_open();
    self = sink->state;
    self->output.partition_count = OUTPUT_PARTITIONS_MAX - 3; /* as if so many were there */
    for (unsigned i = 0; i < 20; i++) {
        struct rig_batch *batch = rig_batch(&rig, i, 1);

        snprintf(service, sizeof(service), "hostile%u", i);
        keep_only(batch, service, RIG_TIME);
        assert_int_equal(write_batch_of(batch), LB_OK);
    }
    assert_true(commit_all());
    assert_true(exists("hostile2/2026-01-01.jsonl.zst"));
    assert_false(exists("hostile3/2026-01-01.jsonl.zst"));
    assert_int_equal(line_count("_other/2026-01-01.jsonl.zst"), 17);
    end();
}

/* The limit holds over restarts: services with files count. */
static void too_many_different_services_share_a_file(void **state)
{
    struct sink_archive *self;
    char service[32];

    (void)state;
    begin_and_open();
    write_some(0, 1);
    assert_true(commit_all());
    end();
    begin_and_open();
    self = sink->state;
    assert_int_equal(self->output.service_count, 1);
    self->output.service_count = OUTPUT_SERVICES_MAX - 2;
    for (unsigned i = 0; i < 10; i++) {
        struct rig_batch *batch = rig_batch(&rig, i, 1);

        snprintf(service, sizeof(service), "hostile%u", i);
        keep_only(batch, service, RIG_TIME);
        assert_int_equal(write_batch_of(batch), LB_OK);
    }
    write_some(1, 1);
    assert_true(commit_all());
    assert_true(exists("hostile1/2026-01-01.jsonl.zst"));
    assert_false(exists("hostile2"));
    assert_int_equal(line_count("_other/2026-01-01.jsonl.zst"), 8);
    assert_int_equal(line_count("auth/2026-01-01.jsonl.zst"), 2);
    end();
}

static void a_record_costs_no_allocation(void **state)
{
    (void)state;
    begin();
    rig.services = 3;
    open_sink();
    for (uint32_t i = 0; i < 100; i++)
        write_some(i * 64, 64);
    assert_true(commit_all());
    struct rig_batch *batch = rig_batch(&rig, 6400, 64);
    long before = atomic_load(&lb_alloc_count);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(sink->type->write(sink, &batch->batch, &batch->selection, NULL), LB_OK);
    assert_int_equal(atomic_load(&lb_alloc_count), before);
    lb_batch_unref(&batch->batch);
    end();
}

/* --- retention ------------------------------------------------------------------------------------ */

static void put_file(const char *name, int64_t age_s, size_t bytes)
{
    char command[1024];
    struct timespec times[2] = { { 0 } };

    snprintf(command, sizeof(command), "mkdir -p $(dirname %s) && head -c %zu /dev/urandom > %s", in(name), bytes,
             in(name));
    assert_int_equal(system(command), 0);
    times[0].tv_sec = times[1].tv_sec = lb_clock_now() / LB_SECOND - age_s;
    assert_int_equal(utimensat(AT_FDCWD, in(name), times, 0), 0);
}

enum { DAY_S = 24 * 3600 };

static void old_files_go_and_what_is_not_ours_stays(void **state)
{
    static const struct {
        const char *name;
        int64_t age_s;
        bool stays;
    } files[] = {
        { "web/2025-01-01.jsonl.zst", 31 * DAY_S, false },
        { "web/2025-01-01.2.jsonl.zst", 31 * DAY_S, false },
        { "web/2025-01-02.jsonl.zst", 29 * DAY_S, true },
        { "gone/2025-01-01.jsonl.zst", 40 * DAY_S, false },
        { "web/notes.txt", 400 * DAY_S, true },
        { "web/2025-01-01.jsonl.zst.bak", 400 * DAY_S, true },
        { "web/deep/2025-01-01.jsonl.zst", 400 * DAY_S, true },
        { "2025-01-01.jsonl.zst", 400 * DAY_S, true },
    };
    char command[256];

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        put_file(files[i].name, files[i].age_s, 1000);
    /* A link to a tree elsewhere is not followed. */
    snprintf(command, sizeof(command), "mkdir %s/elsewhere && cp -p %s %s/elsewhere/ && ln -s ../elsewhere %s", dir,
             in("web/notes.txt"), dir, in("link"));
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof(command), "%s/elsewhere/notes.txt", dir);
    char linked[300];
    snprintf(linked, sizeof(linked), "%s/elsewhere/2025-01-01.jsonl.zst", dir);
    assert_int_equal(rename(command, linked), 0);
    begin();
    rig_number(sink, "keep.age", 30 * DAY_S * LB_SECOND);
    rig_number(sink, "keep.at_least", 7 * DAY_S * LB_SECOND);
    open_sink();
    write_some(0, 1);
    assert_true(commit_all());
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (exists(files[i].name) != files[i].stays)
            fail_msg("%s %s", files[i].name, files[i].stays ? "is gone" : "is still there");
    }
    assert_false(exists("gone"));
    assert_true(exists("auth/2026-01-01.jsonl.zst"));
    assert_int_equal(access(linked, F_OK), 0);
    end();
}

static void the_oldest_go_while_all_are_too_large_but_none_that_must_stay(void **state)
{
    (void)state;
    put_file("a/2025-01-01.jsonl.zst", 9 * DAY_S, 400000);
    put_file("a/2025-01-02.jsonl.zst", 8 * DAY_S, 400000);
    put_file("b/2025-01-02.jsonl.zst", 5 * DAY_S, 400000);
    put_file("b/2025-01-03.jsonl.zst", 4 * DAY_S, 400000);
    begin();
    rig_number(sink, "keep.size", 1000000);
    rig_number(sink, "keep.at_least", 6 * DAY_S * LB_SECOND);
    open_sink();
    write_some(0, 1);
    assert_true(commit_all());
    assert_false(exists("a/2025-01-01.jsonl.zst"));
    assert_true(exists("a/2025-01-02.jsonl.zst")); /* the last of its service */
    assert_true(exists("b/2025-01-02.jsonl.zst"));
    assert_true(exists("b/2025-01-03.jsonl.zst"));
    end();

    begin();
    rig_number(sink, "keep.size", 500000);
    rig_number(sink, "keep.at_least", 6 * DAY_S * LB_SECOND);
    open_sink();
    write_some(1, 1);
    assert_true(commit_all());
    assert_true(exists("b/2025-01-02.jsonl.zst")); /* at_least wins over size */
    end();
}

/* --- check ------------------------------------------------------------------------------------------ */

static void check_names_what_would_fail(void **state)
{
    static const struct {
        const char *path;
        int64_t age_ns;
        const char *message;
    } cases[] = {
        { "/tmp/{service}.log", 0, "must end in .zst" },
        { ".zst", 0, "must end in .zst" },
        { "/tmp/{service}.zst", 3600 * LB_SECOND, "keep.age is less than keep.at_least" },
        { "/proc/none/{service}.zst", 0, "cannot write below /proc/" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        rig_open_stream(&rig);
        rig_template(&rig, sink, "path", cases[i].path);
        rig_number(sink, "keep.age", cases[i].age_ns);
        rig_number(sink, "keep.at_least", 7200 * LB_SECOND);
        enum lb_err err = sink->type->check(sink, &rig.diag);
        if (geteuid() == 0 && err == LB_OK && i == 3)
            print_message("not run: root may write everywhere\n");
        else if (err != LB_BAD_CONF || strstr(rig.diag.entries[0].text, cases[i].message) == NULL)
            fail_msg("case %zu: %s", i, rig.diag.errors > 0 ? rig.diag.entries[0].text : "no fault");
        rig_close(&rig);
    }
    begin();
    rig_open_stream(&rig);
    assert_int_equal(sink->type->check(sink, &rig.diag), LB_OK);
    assert_true(sink->type->writes(sink, in("auth/2026-01-01.jsonl.zst")));
    assert_false(sink->type->writes(sink, "/var/log/syslog"));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
        TEST(a_record_goes_to_the_file_of_its_service_and_day),
        TEST(nothing_is_visible_before_it_is_noted_and_all_of_it_after),
        TEST(a_frame_is_written_when_its_oldest_record_is_due),
        TEST(the_next_file_of_a_day_has_a_number),
        TEST(a_number_that_became_free_is_not_used_again),
        TEST(a_file_whose_date_is_over_is_finished_though_nothing_comes),
        TEST(a_file_is_not_finished_before_its_commit),
        TEST(a_file_is_finished_when_its_first_record_is_old),
        TEST(the_ledger_forgets_what_is_finished),
        TEST(what_was_not_committed_is_cut_off_and_the_file_goes_on),
        TEST(a_file_that_was_never_committed_is_removed),
        TEST(hidden_files_are_removed_but_only_our_own),
        TEST(a_file_that_somebody_put_in_its_place_is_left_alone),
        TEST(a_file_that_is_deleted_while_it_is_written_is_begun_anew),
        TEST(a_file_that_cannot_grow_stalls_the_sink_and_stays_valid),
        TEST(a_full_disk_stalls_the_sink_until_there_is_room),
        TEST(after_a_failed_fsync_what_is_not_safe_goes_to_a_new_file),
        TEST(a_crash_after_a_file_was_given_up_leaves_what_was_committed),
        TEST(syncs_may_fail_again_and_again),
        TEST(a_file_is_cut_to_what_was_synced_not_only_to_what_was_committed),
        TEST(a_file_that_cannot_even_be_cut_is_cut_later),
        TEST(writes_may_be_short_interrupted_or_fail),
        TEST(a_batch_that_does_not_fit_into_memory_is_taken_whole_later),
        TEST(few_open_files_serve_many_partitions),
        TEST(the_budget_bounds_what_is_buffered),
        TEST(too_many_services_share_a_file),
        TEST(too_many_different_services_share_a_file),
        TEST(a_record_costs_no_allocation),
        TEST(old_files_go_and_what_is_not_ours_stays),
        TEST(the_oldest_go_while_all_are_too_large_but_none_that_must_stay),
        TEST(check_names_what_would_fail),
    };

    atomic_store(&lb_log_level, LB_LEVEL_CRITICAL);
    return cmocka_run_group_tests_name("sinks/sink_archive", tests, NULL, NULL);
}
