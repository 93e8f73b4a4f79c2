#include "lb_test.h"

#include <stdatomic.h>
#include <unistd.h>

/* A disk that fails when told. */
static atomic_int sync_failures;
static atomic_bool writes_fail;
static atomic_uint failed_writes;

enum { HALVES = 2 }; /* the first failing writes get half of theirs to the disk, the others nothing */

static int failing_fdatasync(int fd);
static ssize_t failing_pwrite(int fd, const void *bytes, size_t size, off_t at);

#define fdatasync failing_fdatasync
#define pwrite failing_pwrite
#include "dead_letter_file.c"
#undef fdatasync
#undef pwrite

#include "dead_letter.c"

#include "lb_rig.h"

static int failing_fdatasync(int fd)
{
    if (atomic_load(&sync_failures) <= 0)
        return fdatasync(fd);
    atomic_fetch_sub(&sync_failures, 1);
    errno = EIO;
    return -1;
}

static ssize_t failing_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    if (!atomic_load(&writes_fail))
        return pwrite(fd, bytes, size, at);
    if (atomic_fetch_add(&failed_writes, 1) < HALVES && pwrite(fd, bytes, size / 2, at) < 0)
        return -1;
    errno = ENOSPC;
    return -1;
}

struct bench {
    struct rig rig;
    struct lb_sink *sink;
    uint64_t given;
};

static const struct lb_sink_type plain = { .module = { .name = "plain", .state_size = 8 } };
static char dir[64];
static char path[96];

static void reopen(struct bench *bench)
{
    memset(bench, 0, sizeof(*bench));
    rig_open(&bench->rig, dir);
    bench->sink = rig_sink(&bench->rig, &plain, "hook");
    snprintf(path, sizeof(path), "%s/letters/hook.jsonl", dir);
    bench->sink->options.dead_letter = lb_str_from(path);
    bench->sink->options.dead_letter_max = 1 << 20;
    rig_open_stream(&bench->rig);
}

static void open_bench(struct bench *bench)
{
    atomic_store(&sync_failures, 0);
    atomic_store(&writes_fail, false);
    atomic_store(&failed_writes, 0);
    snprintf(dir, sizeof(dir), "/tmp/dead_letter_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    reopen(bench);
}

static void close_bench(struct bench *bench)
{
    char command[128];

    lb_dead_letters_free(bench->sink);
    rig_close(&bench->rig);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

static enum lb_err try_give(struct bench *bench, unsigned n, const char *record, struct lb_token *token)
{
    char id[LB_RECORD_ID_SIZE];
    struct lb_letter letter = { .record = lb_str_from(record),
                                .kind = n % 2 == 0 ? "http_400" : "http_404",
                                .reason = "the receiver answered \"no\"",
                                .attempts = n };

    snprintf(id, sizeof(id), "00000000000000ab-%x", n);
    letter.id = lb_str_from(id);
    return lb_delivery_dead_letter(bench->sink, &letter, token);
}

static void give(struct bench *bench, unsigned n)
{
    char record[32];
    struct lb_token *token = lb_token_issue(bench->rig.stream, 0, ++bench->given, false);

    snprintf(record, sizeof(record), "{\"n\":%u}\n", n);
    assert_int_equal(try_give(bench, n, record, token), LB_OK);
}

static uint64_t mark(struct bench *bench)
{
    return lb_stream_mark(bench->rig.stream, 0);
}

static void flush(struct bench *bench)
{
    lb_dead_letters_flush(bench->sink, lb_clock_monotonic() + 60 * LB_SECOND);
}

/* The numbers of the records in the file, in order; every line is whole. */
static unsigned read_numbers(const char *from, unsigned *numbers, unsigned max)
{
    FILE *file = fopen(from, "re");
    char line[1024];
    unsigned count = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        const char *at = strstr(line, "\"record\":{\"n\":");

        assert_true(lb_json_valid((struct lb_str){ line, strlen(line) - 1 }));
        assert_non_null(at);
        assert_true(count < max);
        numbers[count++] = (unsigned)strtoul(at + 14, NULL, 10);
    }
    if (file != NULL)
        fclose(file);
    return count;
}

static void expect_numbers(const char *from, unsigned first, unsigned count)
{
    static unsigned numbers[10000];

    assert_int_equal(read_numbers(from, numbers, 10000), count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(numbers[i], first + i);
}

static void wait_for_problem(struct bench *bench, const char *text)
{
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;
    struct lb_dead_letter_state now;

    do {
        assert_true(lb_clock_monotonic() < deadline);
        usleep(1000);
        lb_dead_letter_state(bench->sink, &now);
    } while (strstr(now.text, text) == NULL);
    assert_false(now.ok);
}

/* --- tests ------------------------------------------------------------------------- */

static void a_letter_says_what_why_and_when(void **state)
{
    struct bench bench;
    struct lb_dead_letter_state now;
    char line[1024];

    (void)state;
    open_bench(&bench);
    lb_dead_letter_state(bench.sink, &now);
    assert_true(now.ok);
    assert_int_equal(now.count, 0);
    give(&bench, 3);
    flush(&bench);
    assert_int_equal(mark(&bench), 1);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    assert_memory_equal(line, "{\"timestamp\":\"20", 16);
    assert_string_equal(
        strstr(line, ",\"sink\""),
        ",\"sink\":\"hook\",\"id\":\"00000000000000ab-3\",\"kind\":\"http_404\",\"reason\":\"the receiver "
        "answered \\\"no\\\"\",\"attempts\":3,\"record\":{\"n\":3}}\n");
    lb_dead_letter_state(bench.sink, &now);
    assert_int_equal(now.count, 1);
    assert_string_equal(now.last, "the receiver answered \"no\"");
    close_bench(&bench);
}

static void the_file_has_a_place_of_its_own_unless_told(void **state)
{
    struct bench bench;
    char where[LB_DEAD_LETTER_PATH_SIZE];

    (void)state;
    open_bench(&bench);
    bench.sink->options.dead_letter = (struct lb_str){ NULL, 0 };
    bench.sink->data_dir = LB_STR("/var/lib/logboom");
    bench.sink->section.name = LB_STR("a/../b");
    lb_dead_letter_path(bench.sink, where);
    assert_string_equal(where, "/var/lib/logboom/dead-letters/a_.._b.jsonl");
    close_bench(&bench);
}

static void nothing_is_let_go_before_it_is_on_disk(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench);
    atomic_store(&sync_failures, INT32_MAX);
    give(&bench, 0);
    give(&bench, 1);
    wait_for_problem(&bench, "Input/output error");
    assert_int_equal(mark(&bench), 0);
    lb_dead_letters_flush(bench.sink, lb_clock_monotonic() + 50 * LB_MILLISECOND);
    assert_int_equal(mark(&bench), 0);
    atomic_store(&sync_failures, 0);
    flush(&bench);
    assert_int_equal(mark(&bench), 2);
    expect_numbers(path, 0, 2);
    close_bench(&bench);
}

static void a_full_disk_leaves_whole_lines(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench);
    give(&bench, 0);
    flush(&bench);
    atomic_store(&writes_fail, true);
    give(&bench, 1);
    wait_for_problem(&bench, "No space left");
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;
    while (atomic_load(&failed_writes) <= HALVES) { /* it tries again when what there was of the line is cut */
        assert_true(lb_clock_monotonic() < deadline);
        usleep(1000);
    }
    expect_numbers(path, 0, 1);
    atomic_store(&writes_fail, false);
    give(&bench, 2);
    flush(&bench);
    assert_int_equal(mark(&bench), 3);
    expect_numbers(path, 0, 3);
    close_bench(&bench);
}

static void with_its_memory_full_it_takes_nothing_more(void **state)
{
    enum { RECORD = 100000 };
    struct bench bench;
    char *record = malloc(RECORD + 1);
    unsigned taken = 0;

    (void)state;
    open_bench(&bench);
    bench.sink->options.dead_letter_max = UINT64_C(1) << 30;
    memset(record, ' ', RECORD);
    memcpy(record, "{\"n\":1", 6);
    memcpy(record + RECORD - 1, "}", 2);
    atomic_store(&sync_failures, INT32_MAX);
    struct lb_token *token = lb_token_issue(bench.rig.stream, 0, 1, false);
    lb_token_hold(token, 500);
    while (taken < 500 && try_give(&bench, taken, record, token) == LB_OK)
        taken++;
    assert_in_range(taken, DEAD_LETTER_WAITING_MAX / RECORD - 1, 2 * DEAD_LETTER_WAITING_MAX / RECORD + 2);
    atomic_store(&sync_failures, 0);
    for (unsigned left = 501 - taken; left > 0;) {
        if (try_give(&bench, 501 - left, record, token) == LB_OK)
            left--;
        else
            usleep(1000);
    }
    flush(&bench);
    assert_int_equal(mark(&bench), 1);
    free(record);
    close_bench(&bench);
}

static void a_full_file_takes_nothing_until_there_is_room(void **state)
{
    struct bench bench;
    struct stat info;

    (void)state;
    open_bench(&bench);
    bench.sink->options.dead_letter_max = 1000;
    for (unsigned n = 0; n < 5; n++) {
        give(&bench, n);
        flush(&bench);
    }
    give(&bench, 5);
    wait_for_problem(&bench, "reached their bound");
    assert_int_equal(stat(path, &info), 0);
    assert_in_range(info.st_size, 500, 1000);
    assert_int_equal(mark(&bench), 5);
    assert_int_equal(unlink(path), 0);
    flush(&bench);
    assert_int_equal(mark(&bench), 6);
    expect_numbers(path, 5, 1);
    close_bench(&bench);
}

static void told_to_drop_the_oldest_it_keeps_the_newer_half(void **state)
{
    struct bench bench;
    char older[128];
    unsigned numbers[64];

    (void)state;
    open_bench(&bench);
    bench.sink->options.dead_letter_max = 2000;
    bench.sink->options.dead_letter_then = LB_SPOOL_DROP_OLDEST;
    for (unsigned n = 0; n < 30; n++) {
        give(&bench, n);
        flush(&bench);
    }
    assert_int_equal(mark(&bench), 30);
    snprintf(older, sizeof(older), "%s.2", path);
    unsigned old = read_numbers(older, numbers, 64);
    unsigned new = read_numbers(path, numbers + old, 64 - old);
    assert_in_range(old + new, 6, 12);
    for (unsigned i = 0; i < old + new; i++)
        assert_int_equal(numbers[i], 30 - old - new + i);
    assert_int_equal(atomic_load(&bench.sink->dead_letters->dropped->value), 30 - old - new);
    close_bench(&bench);
}

static void a_part_of_a_line_that_a_crash_left_is_written_over(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench);
    give(&bench, 0);
    flush(&bench);
    lb_dead_letters_free(bench.sink);
    FILE *file = fopen(path, "ae");
    fputs("{\"timestamp\":\"2026-01-01T00:00:00Z\",\"si", file);
    fclose(file);
    give(&bench, 1);
    flush(&bench);
    expect_numbers(path, 0, 2);
    close_bench(&bench);
}

static void what_comes_again_after_a_crash_is_not_kept_twice(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench);
    for (unsigned n = 0; n < 10; n++)
        give(&bench, n);
    flush(&bench);
    lb_dead_letters_free(bench.sink); /* as a crash before the marks were saved */
    for (unsigned n = 5; n < 15; n++)
        give(&bench, n);
    flush(&bench);
    assert_int_equal(mark(&bench), 20);
    expect_numbers(path, 0, 15);
    lb_dead_letters_free(bench.sink);
    bench.sink->section.name = LB_STR("another");
    give(&bench, 15);
    give(&bench, 3);
    flush(&bench);
    unsigned numbers[32];
    assert_int_equal(read_numbers(path, numbers, 32), 17);
    close_bench(&bench);
}

/* A process that was killed may have written them and not synced: nobody lets them go for their being in the file. */
static void what_is_there_already_is_on_disk_before_it_is_let_go(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench);
    for (unsigned n = 0; n < 5; n++)
        give(&bench, n);
    flush(&bench);
    lb_dead_letters_free(bench.sink);
    atomic_store(&sync_failures, 1);
    for (unsigned n = 0; n < 5; n++)
        give(&bench, n);
    flush(&bench);
    assert_int_equal(atomic_load(&sync_failures), 0);
    assert_int_equal(mark(&bench), 10);
    unsigned numbers[32];
    assert_int_equal(read_numbers(path, numbers, 32), 10); /* nobody could tell that those of before were safe */
    close_bench(&bench);
}

/* As replay does. */
static void a_file_that_was_replaced_is_gone_on_with(void **state)
{
    struct bench bench;
    char new[128];

    (void)state;
    open_bench(&bench);
    for (unsigned n = 0; n < 3; n++)
        give(&bench, n);
    flush(&bench);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(lb_dead_letter_lock(fd, LB_DEAD_LETTER_LOCK_REPLAY));
    give(&bench, 3);
    flush(&bench);
    assert_true(lb_dead_letter_lock(fd, LB_DEAD_LETTER_LOCK_WRITE));
    give(&bench, 4);
    lb_dead_letters_flush(bench.sink, lb_clock_monotonic() + 200 * LB_MILLISECOND);
    assert_int_equal(mark(&bench), 4);
    snprintf(new, sizeof(new), "%s.new", path);
    fclose(fopen(new, "we"));
    assert_int_equal(rename(new, path), 0);
    lb_dead_letter_unlock(fd, LB_DEAD_LETTER_LOCK_WRITE);
    close(fd);
    flush(&bench);
    assert_int_equal(mark(&bench), 5);
    expect_numbers(path, 4, 1);
    assert_int_equal(unlink(path), 0);
    give(&bench, 5);
    flush(&bench);
    expect_numbers(path, 5, 1);
    close_bench(&bench);
}

struct giver {
    struct bench *bench;
    struct lb_token *token;
    unsigned first;
};

static void *give_many(void *context)
{
    const struct giver *giver = context;
    char record[32];

    for (unsigned n = giver->first; n < giver->first + 500; n++) {
        snprintf(record, sizeof(record), "{\"n\":%u}", n);
        while (try_give(giver->bench, n, record, giver->token) != LB_OK)
            usleep(100);
    }
    return NULL;
}

static void any_thread_may_give(void **state)
{
    enum { THREADS = 4 };
    struct bench bench;
    struct giver givers[THREADS];
    pthread_t threads[THREADS];
    static unsigned numbers[THREADS * 500];
    static bool seen[THREADS * 500];

    (void)state;
    open_bench(&bench);
    struct lb_token *token = lb_token_issue(bench.rig.stream, 0, 1, false);
    lb_token_hold(token, THREADS * 500 - 1);
    for (unsigned i = 0; i < THREADS; i++) {
        givers[i] = (struct giver){ &bench, token, i * 500 };
        pthread_create(&threads[i], NULL, give_many, &givers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    flush(&bench);
    assert_int_equal(mark(&bench), 1);
    assert_int_equal(read_numbers(path, numbers, THREADS * 500), THREADS * 500);
    for (unsigned i = 0; i < THREADS * 500; i++) {
        assert_false(seen[numbers[i]]);
        seen[numbers[i]] = true;
    }
    close_bench(&bench);
}

static void without_memory_it_takes_nothing_and_later_all(void **state)
{
    unsigned refused = 0;

    (void)state;
    for (long n = 1; n < 20; n++) {
        struct bench bench;

        open_bench(&bench);
        struct lb_token *token = lb_token_issue(bench.rig.stream, 0, 1, false);
        lb_alloc_fail_at = n;
        enum lb_err err = try_give(&bench, 7, "{\"n\":7}", token);
        lb_dead_letters_flush(bench.sink, lb_clock_monotonic() + LB_SECOND / 10);
        lb_alloc_fail_at = 0;
        refused += err != LB_OK;
        if (err != LB_OK)
            assert_int_equal(try_give(&bench, 7, "{\"n\":7}", token), LB_OK);
        flush(&bench);
        assert_int_equal(mark(&bench), 1);
        expect_numbers(path, 7, 1);
        close_bench(&bench);
    }
    assert_in_range(refused, 2, 10);
}

static void kinds_are_counted_and_bounded(void **state)
{
    struct bench bench;
    char labels[128];
    char kind[32];

    (void)state;
    open_bench(&bench);
    struct lb_token *token = lb_token_issue(bench.rig.stream, 0, 1, false);
    lb_token_hold(token, 199);
    for (int i = 0; i < 200; i++) {
        snprintf(kind, sizeof(kind), "kind_%d", i % 100);
        struct lb_letter letter = { LB_STR("00000000000000ab-1"), LB_STR("{}"), kind, "why", 1, false };

        assert_int_equal(lb_delivery_dead_letter(bench.sink, &letter, token), LB_OK);
    }
    lb_metric_labels(labels, sizeof(labels), "sink", "hook", "reason", "kind_3", (char *)NULL);
    assert_int_equal(lb_metric(LB_COUNTER, "logboom_dead_letters_total", "", labels)->value, 2);
    lb_metric_labels(labels, sizeof(labels), "sink", "hook", "reason", "other", (char *)NULL);
    assert_int_equal(lb_metric(LB_COUNTER, "logboom_dead_letters_total", "", labels)->value, 200 - 2 * 63);
    flush(&bench);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_says_what_why_and_when),
        cmocka_unit_test(the_file_has_a_place_of_its_own_unless_told),
        cmocka_unit_test(nothing_is_let_go_before_it_is_on_disk),
        cmocka_unit_test(a_full_disk_leaves_whole_lines),
        cmocka_unit_test(with_its_memory_full_it_takes_nothing_more),
        cmocka_unit_test(a_full_file_takes_nothing_until_there_is_room),
        cmocka_unit_test(told_to_drop_the_oldest_it_keeps_the_newer_half),
        cmocka_unit_test(a_part_of_a_line_that_a_crash_left_is_written_over),
        cmocka_unit_test(what_comes_again_after_a_crash_is_not_kept_twice),
        cmocka_unit_test(what_is_there_already_is_on_disk_before_it_is_let_go),
        cmocka_unit_test(a_file_that_was_replaced_is_gone_on_with),
        cmocka_unit_test(any_thread_may_give),
        cmocka_unit_test(without_memory_it_takes_nothing_and_later_all),
        cmocka_unit_test(kinds_are_counted_and_bounded),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("sinks/dead_letter", tests, NULL, NULL);
}
