/* archive_seal_test.c - sealing at its bounds, and what is left when it fails. */
#include "archive_seal.c"

#include "archive_reader.h"

#include "lb_clock.h"
#include "lb_test.h"

static char dir[40];
static char path[64], temp[64];
static const int64_t january = INT64_C(1769817600000000000); /* 2026-01-31T00:00:00Z */

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/archive_seal.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    snprintf(path, sizeof(path), "%s/live.zst", dir);
    snprintf(temp, sizeof(temp), "%s/.sealing", dir);
    return 0;
}

static int remove_dir(void **state)
{
    char command[64];

    (void)state;
    lb_clock_set(LB_TIME_NONE);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

/* Adds a frame to the live archive. */
static void add(const char *text, size_t len)
{
    size_t bound = ZSTD_compressBound(len);
    char *frame = malloc(bound);
    FILE *file = fopen(path, "a");

    assert_non_null(file);
    size_t size = ZSTD_compress(frame, bound, text, len, 1);
    assert_int_equal(fwrite(frame, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    free(frame);
}

static void add_line(const char *text)
{
    add(text, strlen(text));
}

static enum lb_err seal_it(uint32_t block, struct lb_seal_result *result, lb_archive_reason *reason)
{
    struct lb_seal_options options = { .level = 1, .block = block, .temp = temp, .mode = 0440 };

    return lb_archive_seal(path, &options, result, reason);
}

static struct lb_archive *seal_and_open(uint32_t block)
{
    struct lb_seal_result result;
    struct lb_archive *archive;
    lb_archive_reason reason;

    assert_int_equal(seal_it(block, &result, &reason), LB_OK);
    assert_int_equal(lb_archive_open(&archive, path, &reason), LB_OK);
    assert_null(reason);
    assert_int_equal(lb_archive_summary(archive)->kind, LB_ARCHIVE_SEALED);
    return archive;
}

/* How many blocks may hold the literal. */
static uint32_t selected(const struct lb_archive *archive, const char *literal, struct lb_archive_query query)
{
    struct lb_str text = lb_str_from(literal != NULL ? literal : "");
    struct lb_archive_clause clause = { &text, 1 };
    uint64_t bits[64] = { 0 };
    uint32_t count = 0;

    query.all = &clause;
    query.count = literal != NULL;
    assert_in_range(lb_archive_summary(archive)->block_count, 1, 64 * 64);
    assert_int_equal(lb_archive_select(archive, &query, bits), LB_OK);
    for (size_t i = 0; i < 64; i++)
        count += (uint32_t)__builtin_popcountll(bits[i]);
    return count;
}

static const struct lb_archive_query any = { .since_ns = INT64_MIN, .until_ns = INT64_MAX };

/* --- bounds ---------------------------------------------------------------------- */

static void a_line_longer_than_a_block_is_a_block_of_its_own(void **state)
{
    enum { LONG = 20 * 1024 * 1024 };
    char *text = malloc(LONG);
    struct lb_archive_decoder *decoder = lb_archive_decoder_new();
    lb_archive_reason reason;
    struct lb_str read;

    (void)state;
    add_line("before\n");
    memset(text, 'x', LONG);
    text[LONG - 1] = '\n';
    add(text, LONG);
    add_line("behind\n");
    struct lb_archive *archive = seal_and_open(0);
    const struct lb_archive_block *blocks = lb_archive_blocks(archive);
    assert_int_equal(lb_archive_summary(archive)->block_count, 3);
    assert_int_equal(blocks[0].raw, 7);
    assert_int_equal(blocks[1].raw, LONG);
    assert_int_equal(lb_archive_read(archive, decoder, 1, true, &read, &reason), LB_OK);
    assert_true(read.len == LONG && memcmp(read.ptr, text, LONG) == 0);
    assert_int_equal(selected(archive, "behind", any), 1);
    lb_archive_close(archive);
    lb_archive_decoder_free(decoder);
    free(text);
}

static void a_line_over_two_frames_and_one_without_end_are_kept(void **state)
{
    struct lb_archive_decoder *decoder = lb_archive_decoder_new();
    lb_archive_reason reason;
    struct lb_str text;

    (void)state;
    add_line("first li");
    add_line("ne\nsecond line has no end");
    struct lb_archive *archive = seal_and_open(0);
    assert_int_equal(lb_archive_summary(archive)->raw_bytes, 33);
    assert_int_equal(lb_archive_read(archive, decoder, 0, true, &text, &reason), LB_OK);
    assert_text(text, "first line\nsecond line has no end\n");
    assert_int_equal(lb_archive_check(archive, decoder, 0, &text, &reason), LB_OK);
    lb_archive_close(archive);
    lb_archive_decoder_free(decoder);
}

/* More words and ids than are noted: nothing may be left out for that. */
static void what_is_too_much_for_the_index_always_matches(void **state)
{
    enum { COUNT = 30000, WORDS = 3 };
    static char text[COUNT * 80];
    uint64_t seed = lb_seed();
    size_t len = 0;

    (void)state;
    for (uint32_t frame = 0; frame < 4; frame++) {
        len = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            for (uint32_t word = 0; word < WORDS; word++) {
                for (size_t letter = 0; letter < 7; letter++)
                    text[len++] = (char)('g' + lb_random(&seed) % 20);
                text[len++] = ' ';
            }
            for (uint32_t part = 0; part < 2; part++)
                len += (size_t)sprintf(text + len, "%016llx", (unsigned long long)lb_random(&seed));
            text[len++] = '\n';
        }
        add(text, len);
    }
    struct lb_archive *archive = seal_and_open((uint32_t)len);
    assert_int_equal(lb_archive_summary(archive)->block_count, 4);
    for (size_t i = 0; i < 50; i++) { /* of the last block, which came when the dictionary was full */
        char *line = text + len * i / 50;
        char word[16];
        char id[32];

        line = memchr(line, '\n', (size_t)(text + len - line));
        snprintf(word, sizeof(word), " %.7s ", line + 9);
        snprintf(id, sizeof(id), "%.20s", line + 1 + WORDS * 8 + 5);
        assert_true(selected(archive, word, any) >= 1);
        assert_true(selected(archive, id, any) >= 1);
        if (i + 2 >= 50)
            break;
    }
    assert_int_equal(archive->index->more[3].flags, ARCHIVE_BLOCK_WORDS | ARCHIVE_BLOCK_IDS);
    lb_archive_close(archive);
}

static void more_services_than_have_a_name_are_found_still(void **state)
{
    char line[128];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof(line), "{\"timestamp\":\"2026-01-31T00:00:00Z\",\"service\":\"service-%d\"}\n", i);
        add_line(line);
    }
    struct lb_archive *archive = seal_and_open(1);
    assert_null(lb_archive_summary(archive)->services);
    for (int i = 0; i < 100; i++) {
        struct lb_archive_query query = any;
        struct lb_str name = { line, (size_t)snprintf(line, sizeof(line), "service-%d", i) };

        query.services = &name;
        query.service_count = 1;
        assert_int_equal(selected(archive, NULL, query), i < ARCHIVE_SERVICES_MAX ? 38 : 37);
    }
    lb_archive_close(archive);
}

static void a_time_without_its_year_may_be_any(void **state)
{
    struct lb_archive_query query = { .since_ns = january, .until_ns = january + 86400 * LB_SECOND };

    (void)state;
    lb_clock_set(january + 10 * 86400 * LB_SECOND);
    add_line("2026-01-30T23:59:59Z INFO host app: before\n");
    add_line("2026-01-31T00:00:01Z INFO host app: within\n");
    add_line("Jun  1 00:00:01 host app[1]: of some year\n");
    add_line("no time at all: that of the line before\n");
    add_line("2026-13-01T00:00:00Z host app: nor here\n");
    add_line("Feb 29 00:00:01 host app[1]: a day that this year has not\n");
    add_line("2026-01-30T23:59:59Z INFO app: before again\n");
    add_line("and what belongs to it\n");
    struct lb_archive *archive = seal_and_open(1);
    assert_int_equal(lb_archive_summary(archive)->block_count, 8);
    assert_int_equal(selected(archive, NULL, query), 5);
    assert_int_equal(selected(archive, "host", query), 4);
    lb_archive_close(archive);
}

/* --- failing ----------------------------------------------------------------------- */

static uint32_t stop_after;

static bool stop(void *context)
{
    (void)context;
    return stop_after-- == 0;
}

static void add_many(void)
{
    char line[160];

    for (int i = 0; i < 40; i++) {
        snprintf(
            line, sizeof(line),
            "{\"timestamp\":\"2026-01-31T00:00:%02dZ\",\"level\":\"info\",\"service\":\"shop\",\"message\":\"order %d "
            "4f0c2d9e-7a11-4c3f-a1b2-0123456789%02d\"}\n",
            i, i, i);
        add_line(line);
    }
}

static uint64_t size_of(const char *name)
{
    struct stat status;

    return stat(name, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static void told_to_stop_it_leaves_the_file_as_it_was(void **state)
{
    struct lb_seal_options options = { .level = 1, .block = 500, .temp = temp, .mode = 0440, .stop = stop };
    struct lb_seal_result result;
    lb_archive_reason reason;

    (void)state;
    add_many();
    uint64_t size = size_of(path);
    for (uint32_t i = 0; i < 10; i++) {
        stop_after = i;
        assert_int_equal(lb_archive_seal(path, &options, &result, &reason), LB_AGAIN);
        assert_true(size_of(path) == size && access(temp, F_OK) != 0);
    }
    stop_after = 100;
    assert_int_equal(lb_archive_seal(path, &options, &result, &reason), LB_OK);
}

static bool replace_it(void *context)
{
    uint32_t *calls = context;

    if ((*calls)++ == 0) {
        unlink(path);
        add_line("{\"message\":\"of another file\"}\n");
    }
    return false;
}

/* It was deleted while it was sealed, and the name is that of the next file. */
static void a_file_that_has_the_name_by_then_is_not_replaced(void **state)
{
    uint32_t calls = 0;
    struct lb_seal_options options = {
        .level = 1, .block = 500, .temp = temp, .mode = 0440, .stop = replace_it, .context = &calls
    };
    struct lb_seal_result result;
    lb_archive_reason reason;

    (void)state;
    add_many();
    uint64_t size = size_of(path);
    assert_int_equal(lb_archive_seal(path, &options, &result, &reason), LB_IO);
    assert_int_equal(errno, ENOENT);
    assert_int_not_equal(access(temp, F_OK), 0);
    assert_in_range(size_of(path), 1, size / 2);
    assert_int_equal(unlink(path), 0);
}

static void what_is_no_live_archive_is_refused(void **state)
{
    struct lb_seal_result result;
    lb_archive_reason reason;
    FILE *file;

    (void)state;
    assert_int_equal(seal_it(0, &result, &reason), LB_IO);
    assert_int_equal(errno, ENOENT);
    file = fopen(path, "w");
    fclose(file);
    assert_int_equal(seal_it(0, &result, &reason), LB_BAD_INPUT);
    file = fopen(path, "w");
    fputs("plain text, and not little of it\n", file);
    fclose(file);
    assert_int_equal(seal_it(0, &result, &reason), LB_BAD_INPUT);
    unlink(path);
    add_many();
    assert_int_equal(truncate(path, (off_t)size_of(path) - 3), 0);
    assert_int_equal(seal_it(0, &result, &reason), LB_BAD_INPUT);
    assert_non_null(strstr(reason, "recover"));
    assert_int_not_equal(access(temp, F_OK), 0);
}

/* Fails the n-th allocation of sealing, opening, asking and checking, for every n. */
static void every_failed_allocation_is_an_error_and_nothing_more(void **state)
{
    struct lb_seal_result result;
    lb_archive_reason reason;
    enum lb_err err = LB_NOMEM;
    long n = 0;

    (void)state;
    add_many();
    while (err == LB_NOMEM) {
        lb_alloc_fail_at = ++n;
        err = seal_it(500, &result, &reason);
        lb_alloc_fail_at = 0;
        assert_true(err == LB_NOMEM || err == LB_OK);
        assert_int_not_equal(access(temp, F_OK), 0);
    }
    assert_true(n > 10);
    for (n = 1, err = LB_NOMEM; err == LB_NOMEM; n++) {
        struct lb_archive *archive = NULL;
        struct lb_archive_decoder *decoder = lb_archive_decoder_new();
        struct lb_str literal = LB_STR("4f0c2d9e-7a11-4c3f-a1b2-012345678907 order");
        struct lb_archive_clause clause = { &literal, 1 };
        struct lb_archive_query query = { .all = &clause, .count = 1, .since_ns = INT64_MIN, .until_ns = INT64_MAX };
        struct lb_str text;
        uint64_t bits[4] = { 0 };

        lb_alloc_fail_at = n;
        err = lb_archive_open(&archive, path, &reason);
        if (err == LB_OK)
            err = lb_archive_select(archive, &query, bits);
        if (err == LB_OK)
            err = lb_archive_check(archive, decoder, 0, &text, &reason);
        if (err == LB_OK)
            err = lb_archive_check_index(archive, &reason);
        lb_alloc_fail_at = 0;
        if (archive != NULL)
            lb_archive_close(archive);
        lb_archive_decoder_free(decoder);
    }
    assert_int_equal(err, LB_OK);
    assert_true(n > 10);
}

/* Whatever byte of words, postings or ids is flipped: what has a match is selected, and it is said that all are. */
static void a_damaged_index_leaves_nothing_out(void **state)
{
    static const char *const literals[] = { "order", "4f0c2d9e-7a11-4c3f-a1b2-012345678907" };
    lb_archive_reason reason;
    uint32_t told = 0;

    (void)state;
    add_many();
    lb_archive_close(seal_and_open(500));
    chmod(path, 0600);
    int fd = open(path, O_RDWR);
    struct archive_index *index = NULL;
    assert_int_equal(archive_index_find(&index, fd, size_of(path), &reason), LB_OK);
    uint64_t from = index->at + index->segments[0].words.offset;
    uint64_t to = index->at + index->bytes;
    uint32_t blocks = index->block_count;
    archive_index_free(index);
    for (uint64_t at = from; at < to; at++) {
        unsigned char byte;

        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        for (size_t i = 0; i < 2; i++) {
            struct lb_str literal = lb_str_from(literals[i]);
            struct lb_archive_clause clause = { &literal, 1 };
            struct lb_archive_query query = any;
            struct lb_archive *archive;
            uint64_t bits = 0;

            query.all = &clause;
            query.count = 1;
            assert_int_equal(lb_archive_open(&archive, path, &reason), LB_OK);
            enum lb_err err = lb_archive_select(archive, &query, &bits);
            if (err == LB_BAD_INPUT)
                assert_int_equal(__builtin_popcountll(bits), blocks);
            else
                assert_true(err == LB_OK && (i == 0 ? (uint32_t)__builtin_popcountll(bits) == blocks : bits != 0));
            told += err == LB_BAD_INPUT;
            assert_int_equal(lb_archive_check_index(archive, &reason), LB_BAD_INPUT);
            lb_archive_close(archive);
        }
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    assert_true(told > 100);
    close(fd);
}

static char sidecar[80];

static void failed_allocations_leave_no_half_sidecar_and_no_half_repair(void **state)
{
    lb_archive_reason reason = NULL;
    enum lb_err err = LB_NOMEM;
    uint32_t blocks;
    uint64_t bytes;
    char flipped;

    (void)state;
    add_many();
    snprintf(sidecar, sizeof(sidecar), "%s.lbx", path);
    for (long n = 1; err == LB_NOMEM; n++) {
        lb_alloc_fail_at = n;
        err = lb_archive_index(path, &reason);
        lb_alloc_fail_at = 0;
        assert_true((access(sidecar, F_OK) == 0) == (err == LB_OK));
    }
    assert_int_equal(err, LB_OK);
    unlink(sidecar);
    lb_archive_close(seal_and_open(500));
    chmod(path, 0600);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &flipped, 1, 30), 1);
    flipped ^= 0x10;
    assert_int_equal(pwrite(fd, &flipped, 1, 30), 1);
    close(fd);
    err = LB_NOMEM;
    for (long n = 1; err == LB_NOMEM; n++) {
        lb_alloc_fail_at = n;
        err = lb_archive_repair(path, &blocks, &bytes, &reason);
        lb_alloc_fail_at = 0;
    }
    assert_int_equal(err, LB_OK);
    assert_null(reason);
    struct lb_archive *archive;
    assert_int_equal(lb_archive_open(&archive, path, &reason), LB_OK);
    assert_int_equal(lb_archive_check_index(archive, &reason), LB_OK);
    assert_int_equal(lb_archive_blocks(archive)[0].lines, 0);
    assert_true(lb_archive_blocks(archive)[1].lines > 0);
    lb_archive_close(archive);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_longer_than_a_block_is_a_block_of_its_own),
        TEST(a_line_over_two_frames_and_one_without_end_are_kept),
        TEST(what_is_too_much_for_the_index_always_matches),
        TEST(more_services_than_have_a_name_are_found_still),
        TEST(a_time_without_its_year_may_be_any),
        TEST(told_to_stop_it_leaves_the_file_as_it_was),
        TEST(a_file_that_has_the_name_by_then_is_not_replaced),
        TEST(what_is_no_live_archive_is_refused),
        TEST(every_failed_allocation_is_an_error_and_nothing_more),
        TEST(a_damaged_index_leaves_nothing_out),
        TEST(failed_allocations_leave_no_half_sidecar_and_no_half_repair),
    };

    return cmocka_run_group_tests_name("sinks/archive_seal", tests, NULL, NULL);
}
