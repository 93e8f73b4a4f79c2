/*
 * prop_archive.c - exactly once over kill -9.
 *
 * A child runs an archive and a file sink behind real deliveries over a real
 * ledger, and is killed at a random instant, again and again; each start goes
 * on from the marks. After every kill each .zst that can be seen must decode
 * whole; after the last run every record is in both outputs once, in order.
 * The same holds on a disk whose syncs, writes and cuts fail now and then.
 */
#include "lb_test.h"

#include "lb_disk.h"
#include "lb_rig.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <zstd.h>

extern const struct lb_sink_type lb_sink_archive;
extern const struct lb_sink_type lb_sink_file;

enum { RECORDS_MAX = 8 << 20, RECORDS_LAST = 2000, KILLS = 25, OUTPUT_MAX = 256 << 20, PACE_US = 40 };

/* Between parent and child. */
struct shared {
    atomic_bool running; /* the child has begun to push records */
    uint64_t total;      /* of records, set by the last run */
};

struct run {
    char dir[64];
    uint64_t random;
    uint64_t rotate_size;
    bool faults; /* of the disk */
    bool last;   /* a few more records, then a clean stop; otherwise it runs until killed */
    struct shared *shared;
};

/* --- the child ---------------------------------------------------------------------- */

static void open_sinks(struct rig *rig, const struct run *run)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/zst/{service}/%%Y.jsonl.zst", run->dir);
    struct lb_sink *archive = rig_files(rig, &lb_sink_archive, "arch", path);
    snprintf(path, sizeof(path), "%s/plain/{service}.log", run->dir);
    struct lb_sink *file = rig_files(rig, &lb_sink_file, "plain", path);

    rig_number(archive, "rotate.size", (int64_t)run->rotate_size);
    rig_number(archive, "flush", 3 * LB_MILLISECOND);
    rig_number(archive, "buffer", 40000);
    rig_number(archive, "max_open", 2);
    rig_number(file, "flush", LB_MILLISECOND);
    rig_number(file, "rotate.size", 200000);
    rig_open_stream(rig);
    for (uint32_t i = 0; i < rig->sink_count; i++) {
        if (rig->sinks[i].type->open(&rig->sinks[i], &rig->diag) != LB_OK)
            _exit(20);
        /* Different intervals, so that the marks differ and the sink that is ahead has to leave records out. */
        if (lb_delivery_start(&rig->sinks[i], rig->streams, (i == 0 ? 7 : 23) * LB_MILLISECOND) != LB_OK)
            _exit(21);
    }
}

static int stop_sinks(struct rig *rig)
{
    int status = 0;

    for (uint32_t i = 0; i < rig->sink_count; i++) {
        if (!lb_delivery_stop(rig->sinks[i].delivery, lb_clock_monotonic() + 60 * LB_SECOND))
            status = 22;
        rig->sinks[i].type->close(&rig->sinks[i]);
    }
    return status;
}

/* Once in a while the next calls fail, for both sinks and the ledger alike. */
static void spoil_disk(struct run *run)
{
    static const int errors[] = { EIO, ENOSPC };
    uint64_t random = lb_random(&run->random);
    long after = (long)(random >> 8 & 3);
    long count = 1 + (long)(random >> 10 & 3);

    switch (random % 256) {
    case 0:
    case 1: disk_fail(&disk.sync, after, count, EIO); break;
    case 2: disk_fail(&disk.write, after, count, errors[random >> 12 & 1]); break;
    case 3: disk_fail(&disk.truncate, after, count, EIO); break;
    default: break;
    }
}

static void child(struct run *run)
{
    struct rig rig;

    atomic_store(&lb_log_level, run->faults ? LB_LEVEL_CRITICAL : LB_LEVEL_ERROR);
    rig_open(&rig, run->dir);
    open_sinks(&rig, run);
    atomic_store(&run->shared->running, true);
    disk.only = run->dir;
    atomic_store(&disk.odd, run->faults);
    uint64_t end = run->last ? rig.stream->resume_until + RECORDS_LAST : RECORDS_MAX;
    for (uint64_t next = rig.stream->resume; next < end;) {
        uint32_t count = 1 + (uint32_t)(lb_random(&run->random) % RIG_BATCH_RECORDS);

        if (count > end - next)
            count = (uint32_t)(end - next);
        rig_push(&rig, next, count);
        next += count;
        if (run->faults)
            spoil_disk(run);
        if (!run->last)
            usleep(PACE_US);
    }
    run->shared->total = end;
    int status = stop_sinks(&rig);
    rig_close(&rig);
    _exit(status);
}

/* --- reading what is there -------------------------------------------------------------- */

/* Decodes a whole file as `zstd -t` does. False: it does not end at the end of a frame, or is damaged. */
static bool decode(const char *path, struct lb_buffer *out)
{
    static char in[64 * 1024];
    FILE *file = fopen(path, "rb");
    ZSTD_DCtx *context = ZSTD_createDCtx();
    size_t left = 0;
    size_t read;

    assert_non_null(file);
    while ((read = fread(in, 1, sizeof(in), file)) > 0) {
        ZSTD_inBuffer input = { in, read, 0 };

        while (input.pos < input.size) {
            lb_buffer_reserve(out, 1 << 17);
            ZSTD_outBuffer output = { out->ptr + out->len, out->capacity - out->len, 0 };

            left = ZSTD_decompressStream(context, &output, &input);
            out->len += output.pos;
            if (ZSTD_isError(left)) {
                print_error("%s: %s\n", path, ZSTD_getErrorName(left));
                break;
            }
        }
        if (ZSTD_isError(left))
            break;
    }
    ZSTD_freeDCtx(context);
    fclose(file);
    return left == 0;
}

static void read_plain(const char *path, struct lb_buffer *out)
{
    FILE *file = fopen(path, "rb");
    size_t read = 1;

    assert_non_null(file);
    while (read > 0) {
        lb_buffer_reserve(out, 1 << 16);
        read = fread(out->ptr + out->len, 1, 1 << 16, file);
        out->len += read;
    }
    fclose(file);
}

struct tally {
    uint8_t *seen; /* how often each record is there */
    uint64_t files;
};

/* Each line's message is its number; numbers rise within a file. */
static void count_lines(const char *path, struct lb_str text, struct tally *tally)
{
    uint64_t last = 0;
    bool first = true;

    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        const char *message = end == NULL ? NULL : memmem(text.ptr, (size_t)(end - text.ptr), "\"message\":\"", 11);

        if (message == NULL)
            fail_msg("%s: not a whole line: " LB_STR_FMT, path, (int)(text.len > 80 ? 80 : text.len), text.ptr);
        uint64_t n = strtoull(message + 11, NULL, 10);
        if (!first && n <= last)
            fail_msg("%s: record %llu stands behind %llu", path, (unsigned long long)n, (unsigned long long)last);
        assert_true(n < RECORDS_MAX);
        tally->seen[n]++;
        last = n;
        first = false;
        text.len -= (size_t)(end + 1 - text.ptr);
        text.ptr = end + 1;
    }
}

/* Reads every visible file below `dir`. With `tally` NULL only checks that .zst files are whole. */
static void read_tree(const char *dir, struct tally *tally)
{
    DIR *entries = opendir(dir);
    const struct dirent *entry;
    char path[512];

    if (entries == NULL)
        return;
    while ((entry = readdir(entries)) != NULL) {
        struct lb_buffer text;
        size_t len = strlen(entry->d_name);

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_type == DT_DIR) {
            read_tree(path, tally);
            continue;
        }
        lb_buffer_init(&text, OUTPUT_MAX);
        if (len > 4 && strcmp(entry->d_name + len - 4, ".zst") == 0) {
            if (!decode(path, &text))
                fail_msg("%s is not a valid .zst, seed %llu", path, (unsigned long long)lb_seed());
        } else if (tally != NULL) {
            read_plain(path, &text);
        }
        if (tally != NULL) {
            count_lines(path, lb_buffer_str(&text), tally);
            tally->files++;
        }
        lb_buffer_free(&text);
    }
    closedir(entries);
}

static void assert_each_once(const struct run *run, const char *folder, uint64_t files_min)
{
    struct tally tally = { calloc(RECORDS_MAX, 1), 0 };
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", run->dir, folder);
    read_tree(path, &tally);
    for (uint64_t n = 0; n < run->shared->total; n++) {
        if (tally.seen[n] != 1)
            fail_msg("%s: record %llu is there %u times, seed %llu", folder, (unsigned long long)n, tally.seen[n],
                     (unsigned long long)lb_seed());
    }
    assert_int_equal(tally.seen[run->shared->total], 0);
    assert_true(tally.files >= files_min);
    free(tally.seen);
}

/* --- the parent ---------------------------------------------------------------------------- */

/* Starts a child and kills it after `after_us`, unless 0. Returns its exit status, or -1 when it was killed. */
static int run_child(struct run *run, uint64_t after_us)
{
    atomic_store(&run->shared->running, false);
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0)
        child(run);
    if (after_us > 0) {
        /* Every other kill may hit the start. */
        while (after_us % 2 == 0 && !atomic_load(&run->shared->running))
            usleep(100);
        usleep((useconds_t)after_us);
        kill(pid, SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void kill_and_check(uint64_t rotate_size, bool faults, unsigned salt)
{
    struct run run = {
        .dir = "/tmp/prop_archive.XXXXXX", .random = lb_seed() + salt, .rotate_size = rotate_size, .faults = faults
    };
    const char *kills = getenv("LB_KILLS");
    int left = kills != NULL ? atoi(kills) : KILLS;
    char command[128];

    assert_non_null(mkdtemp(run.dir));
    run.shared = mmap(NULL, sizeof(*run.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(run.shared != MAP_FAILED);
    for (; left > 0; left--) {
        assert_int_equal(run_child(&run, 500 + lb_random(&run.random) % (faults ? 200000 : 40000)), -1);
        read_tree(run.dir, NULL);
    }
    run.last = true;
    run.faults = false; /* the last commit of a run is tried only once */
    assert_int_equal(run_child(&run, 0), 0);
    read_tree(run.dir, NULL);
    assert_each_once(&run, "zst", rotate_size > 0 ? 4 : 3);
    assert_each_once(&run, "plain", 3);
    print_message("%llu records\n", (unsigned long long)run.shared->total);
    munmap(run.shared, sizeof(*run.shared));
    snprintf(command, sizeof(command), "rm -rf %s", run.dir);
    assert_int_equal(system(command), 0);
}

static void every_record_is_there_once_after_kills(void **state)
{
    (void)state;
    kill_and_check(0, false, 1);
}

static void every_record_is_there_once_after_kills_with_many_small_files(void **state)
{
    (void)state;
    kill_and_check(1500, false, 2);
}

static void every_record_is_there_once_though_the_disk_fails(void **state)
{
    (void)state;
    kill_and_check(0, true, 3);
}

static void every_record_is_there_once_though_the_disk_fails_with_many_small_files(void **state)
{
    (void)state;
    kill_and_check(1500, true, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_is_there_once_after_kills),
        cmocka_unit_test(every_record_is_there_once_after_kills_with_many_small_files),
        cmocka_unit_test(every_record_is_there_once_though_the_disk_fails),
        cmocka_unit_test(every_record_is_there_once_though_the_disk_fails_with_many_small_files),
    };

    return cmocka_run_group_tests_name("property/archive", tests, NULL, NULL);
}
