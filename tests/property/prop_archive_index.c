/*
 * prop_archive_index.c - the index never leaves out a block that has a match.
 *
 * Random lines (words, ids, hexadecimal, UTF-8, escapes, NULs, long runs) in
 * random frames are sealed; random pieces of them, as they are and in other
 * case, in random clauses, with times, levels and services, are asked for.
 * What each block holds is found out by looking at its bytes.
 */
#include "lb_archive.h"
#include "lb_line_records.h"
#include "lb_test.h"
#include "lb_time.h"

#include <ctype.h>
#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

enum { RUNS = 4, QUERIES = 10000 / RUNS, LINE_MAX_BYTES = 70000, FRAMES = 24, BLOCK = 10000, BLOCKS_MAX = 256 };

static uint64_t seed;
static char path[64], temp[80];

static uint32_t below(uint32_t count)
{
    return (uint32_t)(lb_random(&seed) % count);
}

/* --- lines ----------------------------------------------------------------------- */

static const char *const words[] = { "connection", "refused", "timeout",   "Error",  "deadbeef", "face",
                                     "ad",         "QUERY",   "nodeAlpha", "failed", "Überlauf", "été" };
static const char *const levels[] = { "emergency", "alert", "critical", "error", "warn",
                                      "notice",    "info",  "debug",    "trace" };
static const char *const services[] = { "shop", "web", "db-1", "caf\\u00e9", "with \\\"quotes\\\"" };

static size_t put_run(char *out, const char *alphabet, size_t len)
{
    size_t count = strlen(alphabet);

    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[below((uint32_t)count)];
    return len;
}

static size_t put_word(char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char base[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABC";

    switch (below(12)) {
    case 0: return put_run(out, hex, 4 + below(40));
    case 1: return put_run(out, base, 8 + below(60));
    case 2: return put_run(out, letters, 1 + below(8));
    case 3: return below(20) > 0 ? put_run(out, letters, 60 + below(200)) : put_run(out, base, 2000);
    case 4: return (size_t)sprintf(out, "blk_%u%u", below(1000000000), below(1000000000));
    case 5:
        return (size_t)sprintf(out, "%08x-%04x-%04x-%04x-%08x%04x", below(UINT32_MAX), below(65536), below(65536),
                               below(65536), below(UINT32_MAX), below(65536));
    case 6: return (size_t)sprintf(out, "10.%u.%u.%u:%u", below(256), below(256), below(256), below(65536));
    case 7: return (size_t)sprintf(out, "\\n\\t\\u00%02x", below(256));
    case 8: out[0] = (char)below(256); return out[0] != '\n';
    default: return (size_t)sprintf(out, "%s", words[below(sizeof(words) / sizeof(words[0]))]);
    }
}

static size_t put_message(char *out, size_t max)
{
    size_t len = 0;

    for (uint32_t count = 1 + below(below(40) == 0 ? 200 : 12); count > 0 && len + 2100 < max; count--) {
        len += put_word(out + len);
        if (below(8) > 0)
            out[len++] = " :=,/\"[]."[below(9)];
    }
    return len;
}

static size_t put_line(char *out)
{
    char time[LB_TIME_TEXT_SIZE];
    size_t len = 0;

    time[lb_time_write(INT64_C(1767225600000000000) + (int64_t)below(100000) * 1000000000, time)] = '\0';
    switch (below(10)) {
    case 0: break; /* anything */
    case 1: len = (size_t)sprintf(out, "%s %s host web: ", time, levels[below(9)]); break;
    case 2: len = (size_t)sprintf(out, "Jan %2u 10:%02u:00 host app[1]: ", 1 + below(28), below(60)); break;
    case 3:
        len = (size_t)sprintf(out, "{\"time\":\"%s\",\"severity\":\"%s\",\"msg\":\"", time, levels[below(9)]);
        break;
    default:
        len = (size_t)sprintf(out, "{\"timestamp\":\"%s\",\"level\":\"%s\",\"service\":\"%s\",\"message\":\"", time,
                              levels[below(9)], services[below(5)]);
    }
    bool json = out[0] == '{' && len > 0;
    len += put_message(out + len, LINE_MAX_BYTES - 2200);
    if (json)
        len += (size_t)sprintf(out + len, "\"}");
    out[len++] = '\n';
    return len;
}

/* --- the archive -------------------------------------------------------------------- */

static void write_archive(uint32_t size)
{
    char *text = malloc(size + LINE_MAX_BYTES);
    char *frame = malloc(ZSTD_compressBound(size + LINE_MAX_BYTES));
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (uint32_t i = 0; i < FRAMES; i++) {
        size_t len = 0;

        while (len < size)
            len += put_line(text + len);
        size_t packed = ZSTD_compress(frame, ZSTD_compressBound(len), text, len, 1);
        assert_int_equal(fwrite(frame, 1, packed, file), packed);
    }
    fclose(file);
    free(text);
    free(frame);
}

static const char *const asked_services[] = { "shop", "web", "db-1", "caf\xc3\xa9", "with \"quotes\"", "none" };

enum { ASKED_SERVICES = sizeof(asked_services) / sizeof(asked_services[0]) };

/* Read once; it is asked for a thousand times. */
struct line {
    struct lb_str text;
    const char *lower; /* of the same length */
    int64_t time_ns;   /* LB_TIME_NONE: it has none */
    unsigned level;    /* LB_LEVEL_COUNT: it has none */
    int service;       /* which of those that are asked for; -1: none of them */
};

struct block {
    char *text;
    char *lower; /* the same in lower case */
    size_t len;
    struct line *lines;
    uint32_t line_count;
};

static struct lb_archive *archive;
static struct block blocks[BLOCKS_MAX];
static uint32_t block_count;

static void lower(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] = (char)tolower((unsigned char)text[i]);
}

static int asked_service(struct lb_str service)
{
    for (int i = 0; i < ASKED_SERVICES; i++) {
        if (lb_str_is(service, asked_services[i]))
            return i;
    }
    return -1;
}

/* Blocks in their order: a line without a time has that of the line before. */
static void note_lines(struct block *block, struct lb_line_records *records)
{
    uint32_t count = 0;

    for (size_t i = 0; i < block->len; i++)
        count += block->text[i] == '\n';
    block->lines = malloc(count * sizeof(*block->lines));
    for (size_t at = 0; at < block->len;) {
        const char *end = memchr(block->text + at, '\n', block->len - at);
        struct lb_str text = { block->text + at, (size_t)(end - block->text) - at };
        struct lb_record record;

        lb_line_records_read(records, text, &record);
        block->lines[block->line_count++] = (struct line){
            .text = text,
            .lower = block->lower + at,
            .time_ns = (record.flags & LB_RECORD_NO_TIME) != 0 ? LB_TIME_NONE : record.time_ns,
            .level = record.level < LB_LEVEL_COUNT ? (unsigned)record.level : LB_LEVEL_COUNT,
            .service = asked_service(lb_value_str(record.service, &records->scratch)),
        };
        at += text.len + 1;
    }
}

static void seal_and_open(void)
{
    static struct lb_line_records records;
    struct lb_seal_options options = { .level = 1, .block = BLOCK, .temp = temp, .mode = 0440 };
    struct lb_archive_decoder *decoder = lb_archive_decoder_new();
    struct lb_seal_result result;
    lb_archive_reason reason;

    assert_int_equal(lb_archive_seal(path, &options, &result, &reason), LB_OK);
    assert_int_equal(lb_archive_open(&archive, path, &reason), LB_OK);
    assert_int_equal(lb_archive_summary(archive)->kind, LB_ARCHIVE_SEALED);
    block_count = lb_archive_summary(archive)->block_count;
    assert_in_range(block_count, 2, BLOCKS_MAX);
    assert_true(lb_line_records_open(&records));
    for (uint32_t i = 0; i < block_count; i++) {
        struct lb_str text;

        assert_int_equal(lb_archive_read(archive, decoder, i, true, &text, &reason), LB_OK);
        blocks[i] = (struct block){ .text = malloc(text.len), .lower = malloc(text.len), .len = text.len };
        memcpy(blocks[i].text, text.ptr, text.len);
        memcpy(blocks[i].lower, text.ptr, text.len);
        lower(blocks[i].lower, text.len);
        note_lines(&blocks[i], &records);
    }
    lb_line_records_close(&records);
    lb_archive_decoder_free(decoder);
}

static void close_all(void)
{
    for (uint32_t i = 0; i < block_count; i++) {
        free(blocks[i].text);
        free(blocks[i].lower);
        free(blocks[i].lines);
    }
    lb_archive_close(archive);
    unlink(path);
}

/* --- asking ---------------------------------------------------------------------------- */

/* `text` is in lower case with `fold`. */
static bool holds(const char *text, size_t len, struct lb_str literal, bool fold)
{
    char room[64];

    memcpy(room, literal.ptr, literal.len);
    if (fold)
        lower(room, literal.len);
    return memmem(text, len, room, literal.len) != NULL;
}

static bool line_holds(const struct line *line, const struct lb_archive_query *query)
{
    const char *text = query->fold ? line->lower : line->text.ptr;

    for (size_t i = 0; i < query->count; i++) {
        bool any = false;

        for (size_t j = 0; j < query->all[i].count; j++)
            any = any || holds(text, line->text.len, query->all[i].any[j], query->fold);
        if (!any)
            return false;
    }
    return true;
}

static bool line_matches(const struct line *line, const struct lb_archive_query *query)
{
    bool any_time = query->since_ns == INT64_MIN && query->until_ns == INT64_MAX;

    if (!any_time &&
        (line->time_ns == LB_TIME_NONE || line->time_ns < query->since_ns || line->time_ns >= query->until_ns))
        return false;
    if (query->levels != 0 && (query->levels >> line->level & 1) == 0)
        return false;
    if (query->services != NULL &&
        (line->service < 0 || !lb_str_equal(lb_str_from(asked_services[line->service]), query->services[0])))
        return false;
    return line_holds(line, query);
}

static bool block_matches(const struct block *block, const struct lb_archive_query *query)
{
    for (uint32_t i = 0; i < block->line_count; i++) {
        if (line_matches(&block->lines[i], query))
            return true;
    }
    return false;
}

/* Whether the whole block holds one literal of each clause: most do not, and are done with. */
static bool may_match(const struct block *block, const struct lb_archive_query *query)
{
    for (size_t i = 0; i < query->count; i++) {
        bool any = false;

        for (size_t j = 0; j < query->all[i].count; j++)
            any = any || holds(query->fold ? block->lower : block->text, block->len, query->all[i].any[j], query->fold);
        if (!any)
            return false;
    }
    return true;
}

/* A piece of a line of some block, in any case where it is asked for folded. */
static struct lb_str some_literal(char *room, bool fold)
{
    const struct block *block = &blocks[below(block_count)];
    size_t len = 1 + below(below(4) == 0 ? 60 : 16);
    size_t at = below((uint32_t)(block->len - len));

    memcpy(room, block->text + at, len);
    const char *end = memchr(room, '\n', len);
    len = end != NULL ? (size_t)(end - room) : len;
    for (size_t i = 0; i < len && fold; i++)
        room[i] = (char)(below(2) == 0 ? toupper((unsigned char)room[i]) : tolower((unsigned char)room[i]));
    if (len == 0)
        room[len++] = 'x';
    return (struct lb_str){ room, len };
}

static void ask(struct lb_archive_query *query, uint32_t *left_out)
{
    uint64_t bits[BLOCKS_MAX / 64] = { 0 };

    assert_int_equal(lb_archive_select(archive, query, bits), LB_OK);
    for (uint32_t i = 0; i < block_count; i++) {
        bool selected = (bits[i / 64] >> (i % 64) & 1) != 0;

        *left_out += !selected;
        bool plain = query->count > 0 && query->levels == 0 && query->services == NULL && query->since_ns == INT64_MIN;
        if (selected || (plain && !may_match(&blocks[i], query)))
            continue;
        if (!selected && block_matches(&blocks[i], query))
            fail_msg("seed %llu: block %u has a match of \"" LB_STR_FMT "\" (fold %d)", (unsigned long long)lb_seed(),
                     i, LB_STR_ARG(query->count > 0 ? query->all[0].any[0] : LB_STR("")), query->fold);
    }
}

static void add_conditions(struct lb_archive_query *query, struct lb_str *service)
{
    if (below(3) == 0) {
        query->since_ns = INT64_C(1767225600000000000) + (int64_t)below(100000) * 1000000000;
        query->until_ns = query->since_ns + (int64_t)below(3000) * 1000000000;
    }
    if (below(3) == 0)
        query->levels = (uint16_t)(1u << below(10));
    if (below(3) == 0) {
        *service = lb_str_from(asked_services[below(ASKED_SERVICES)]);
        query->services = service;
        query->service_count = 1;
    }
}

static void no_block_with_a_match_is_left_out(void **state)
{
    static char rooms[9][64];
    uint32_t left_out = 0;

    (void)state;
    seed = lb_seed();
    for (uint32_t run = 0; run < RUNS; run++) {
        write_archive(10000 + 10000 * run);
        seal_and_open();
        for (uint32_t i = 0; i < lb_rounds(QUERIES); i++) {
            struct lb_str literals[9];
            struct lb_archive_clause clauses[3];
            struct lb_str service;
            struct lb_archive_query query = { .all = clauses, .since_ns = INT64_MIN, .until_ns = INT64_MAX };

            query.fold = below(2) == 0;
            query.count = below(8) == 0 ? 0 : below(4) == 0 ? 1 + below(3) : 1;
            for (size_t c = 0; c < query.count; c++) {
                clauses[c] = (struct lb_archive_clause){ &literals[3 * c], query.count == 1 ? 1 : 1 + below(3) };
                for (size_t l = 0; l < clauses[c].count; l++)
                    literals[3 * c + l] = some_literal(rooms[3 * c + l], query.fold);
            }
            if (query.count != 1 || below(4) == 0)
                add_conditions(&query, &service);
            ask(&query, &left_out);
        }
        close_all();
    }
    assert_true(left_out > lb_rounds(100000)); /* the index does something at all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_block_with_a_match_is_left_out),
    };

    snprintf(path, sizeof(path), "/tmp/prop_index.%d.zst", (int)getpid());
    snprintf(temp, sizeof(temp), "/tmp/.prop_index.%d", (int)getpid());
    return cmocka_run_group_tests_name("property/archive_index", tests, NULL, NULL);
}
