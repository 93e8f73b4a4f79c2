/* envelope_docker_test.c - docker's lines become records; parts are joined; the corpus of containers. */
#include "envelope_docker.c"

#include "lb_corpus.h"
#include "lb_test.h"
#include "lb_test_batch.h"

enum { LINES_MAX = 64 };

static struct lb_scratch scratch;

/* NULL-terminated lines. */
static void open_lines(struct lb_batch *batch, const char *const *lines)
{
    struct lb_str texts[LINES_MAX];
    uint32_t count = 0;

    for (; lines[count] != NULL; count++)
        texts[count] = lb_str_from(lines[count]);
    lb_test_batch_init(batch, texts, count);
    assert_int_equal(lb_envelope_docker.open(batch), LB_OK);
}

static struct lb_str message_of(const struct lb_batch *batch, uint32_t i)
{
    assert_true(i < batch->record_count);
    return (struct lb_str){ batch->records[i].message.ptr, batch->records[i].message.len };
}

static struct lb_str field_of(const struct lb_record *record, const char *name)
{
    const struct lb_field *field = lb_record_field(record, lb_str_from(name));

    return field != NULL ? lb_value_str(field->value, &scratch) : LB_STR("(none)");
}

#define OUT(text) "{\"log\":\"" text "\",\"stream\":\"stdout\",\"time\":\"2026-03-01T10:00:00.123456789Z\"}"
#define ERR(text) "{\"log\":\"" text "\",\"stream\":\"stderr\",\"time\":\"2026-03-01T10:00:01Z\"}"

static void a_line_becomes_a_record(void **state)
{
    static const struct {
        const char *line;
        const char *message;
        enum lb_value_kind kind;
    } cases[] = {
        { OUT("plain text\\n"), "plain text", LB_VALUE_CLEAN },
        { OUT("caf\xc3\xa9\\n"), "caf\xc3\xa9", LB_VALUE_CLEAN },
        { OUT("bad \xff\\n"), "bad \xff", LB_VALUE_TEXT },
        { OUT("from a terminal\\r\\n"), "from a terminal", LB_VALUE_CLEAN },
        { OUT("a \\\"quoted\\\" word\\n"), "a \"quoted\" word", LB_VALUE_TEXT },
        { OUT("{\\\"level\\\":\\\"info\\\"}\\n"), "{\"level\":\"info\"}", LB_VALUE_TEXT },
        { OUT("\\u003cb\\u003e caf\\u00e9\\n"), "<b> caf\xc3\xa9", LB_VALUE_TEXT },
        { OUT("\\n"), "", LB_VALUE_CLEAN },
        { OUT("  \\t\\\\ \\n"), "  \t\\ ", LB_VALUE_TEXT },
        { "{\"stream\":\"stdout\",\"time\":\"2026-03-01T10:00:00.123456789Z\",\"log\":\"other order\\n\"}",
          "other order", LB_VALUE_TEXT },
        { " { \"log\" : \"blanks\\n\" , \"stream\":\"stdout\",\"time\":\"2026-03-01T11:00:00.123456789+01:00\" } ",
          "blanks", LB_VALUE_TEXT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_batch batch;

        open_lines(&batch, (const char *const[]){ cases[i].line, NULL });
        assert_int_equal(batch.record_count, 1);
        assert_text(message_of(&batch, 0), cases[i].message);
        assert_int_equal(batch.records[0].message.kind, cases[i].kind);
        assert_int_equal(batch.records[0].flags, 0);
        assert_int_equal(batch.records[0].time_ns, INT64_C(1772359200123456789));
        assert_text(field_of(&batch.records[0], "stream"), "stdout");
        lb_test_batch_free(&batch);
    }
}

/* The line and what it says. Most are exactly docker's; others go the long way or are none. */
static void write_line(char *line, char *expected, size_t size, uint32_t i, unsigned form)
{
    switch (form) {
    case 0:
        snprintf(line, size, "{\"time\":\"2026-03-01T10:00:00Z\",\"log\":\"%u\\tother\\n\",\"stream\":\"stderr\"}", i);
        snprintf(expected, size, "%u\tother", i);
        break;
    case 1:
        snprintf(line, size, "broken %u", i);
        snprintf(expected, size, "broken %u", i);
        break;
    case 2:
    case 3:
        snprintf(line, size, OUT("line %u with some words\\n"), i);
        snprintf(expected, size, "line %u with some words", i);
        break;
    default:
        snprintf(line, size, OUT("{\\\"n\\\":%u,\\\"k\\\":\\\"v\\\"}\\n"), i);
        snprintf(expected, size, "{\"n\":%u,\"k\":\"v\"}", i);
        break;
    }
}

static void many_lines_keep_their_texts(void **state)
{
    static char lines[LINES_MAX][256];
    static char expected[LINES_MAX][256];
    struct lb_str texts[LINES_MAX];
    uint64_t random = lb_seed();

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct lb_batch batch;

        for (uint32_t i = 0; i < LINES_MAX; i++) {
            write_line(lines[i], expected[i], sizeof(lines[i]), i, (unsigned)(lb_random(&random) % 16));
            texts[i] = lb_str_from(lines[i]);
        }
        lb_test_batch_init(&batch, texts, LINES_MAX);
        assert_int_equal(lb_envelope_docker.open(&batch), LB_OK);
        assert_int_equal(batch.record_count, LINES_MAX);
        for (uint32_t i = 0; i < LINES_MAX; i++) {
            assert_text(message_of(&batch, i), expected[i]);
            assert_int_equal(batch.records[i].start, lb_batch_offset(&batch, i));
            assert_int_equal(batch.records[i].end, lb_batch_end(&batch, i));
        }
        lb_test_batch_free(&batch);
    }
}

static void other_members_are_kept_as_fields(void **state)
{
    struct lb_batch batch;

    (void)state;
    open_lines(&batch, (const char *const[]){ "{\"log\":\"x\\n\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\"},\"n\":1,"
                                              "\"time\":\"2026-03-01T10:00:00Z\"}",
                                              NULL });
    assert_text(field_of(&batch.records[0], "stream"), "stderr");
    assert_text(field_of(&batch.records[0], "attrs"), "{\"a\":\"b\"}");
    assert_text(field_of(&batch.records[0], "n"), "1");
    assert_int_equal(batch.records[0].field_count, 3);
    lb_test_batch_free(&batch);
}

static void a_line_that_is_not_dockers_goes_on_whole(void **state)
{
    static const char *const lines[] = {
        "",
        "123",
        "{}",
        "this is not JSON",
        OUT("no end") "x",
        OUT("bad \\x escape\\n"),
        "{\"log\":\"x\\n\",\"stream\":\"stdout\"}",
        "{\"log\":\"x\\n\",\"time\":\"2026-03-01T10:00:00Z\"}",
        "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"\"}",
        "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":12}",
        "{\"log\":\"x\\n\",\"stream\":1,\"time\":\"2026-03-01T10:00:00Z\"}",
        "{\"log\":123,\"stream\":\"stdout\",\"time\":\"2026-03-01T10:00:00Z\"}",
        "{\"log\":\"cut in the mi",
        "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-02-30T10:00:00Z\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct lb_batch batch;

        open_lines(&batch, (const char *const[]){ OUT("before \\\"it\\\"\\n"), lines[i], OUT("after\\n"), NULL });
        assert_int_equal(batch.record_count, 3);
        assert_text(message_of(&batch, 0), "before \"it\"");
        assert_text(message_of(&batch, 1), lines[i]);
        assert_int_equal(batch.records[1].flags, LB_RECORD_PARSE_ERROR | LB_RECORD_NO_TIME);
        assert_int_equal(batch.records[1].time_ns, batch.arrival_ns);
        assert_true(batch.records[1].reason.len > 0);
        assert_text(message_of(&batch, 2), "after");
        lb_test_batch_free(&batch);
    }
}

static void parts_are_joined_per_stream(void **state)
{
    struct lb_batch batch;

    (void)state;
    open_lines(&batch, (const char *const[]){ OUT("out 1, "), ERR("err 1, "), OUT("out \\\"2\\\", "),
                                              ERR("whole err\\n"), OUT("out 3\\n"), OUT("next\\n"), NULL });
    assert_int_equal(batch.record_count, 3);
    assert_text(message_of(&batch, 0), "err 1, whole err");
    assert_text(field_of(&batch.records[0], "stream"), "stderr");
    assert_int_equal(batch.records[0].start, lb_batch_offset(&batch, 1));
    assert_int_equal(batch.records[0].end, lb_batch_end(&batch, 3));
    assert_text(message_of(&batch, 1), "out 1, out \"2\", out 3");
    assert_int_equal(batch.records[1].start, 0);
    assert_int_equal(batch.records[1].end, lb_batch_end(&batch, 4));
    assert_int_equal(batch.records[1].time_ns, INT64_C(1772359200123456789));
    assert_text(message_of(&batch, 2), "next");
    lb_test_batch_free(&batch);
}

static void what_is_open_at_the_end_goes_out(void **state)
{
    struct lb_batch batch;

    (void)state;
    open_lines(&batch, (const char *const[]){ ERR("err"), OUT("out 1 "), OUT("whole\\n"), OUT("out 2"), NULL });
    assert_int_equal(batch.record_count, 3);
    assert_text(message_of(&batch, 0), "out 1 whole");
    assert_text(message_of(&batch, 1), "err");
    assert_text(message_of(&batch, 2), "out 2");
    for (uint32_t i = 1; i < batch.record_count; i++)
        assert_true(batch.records[i].end >= batch.records[i - 1].end);
    assert_int_equal(batch.records[2].end, lb_batch_end(&batch, 3));
    lb_test_batch_free(&batch);
}

static void a_joined_record_is_cut_at_max_line_between_characters(void **state)
{
    struct lb_source source = { .options = { .max_line = 10 } };
    struct lb_stream stream = { .source = &source };
    struct lb_str lines[] = { LB_STR(OUT("01234567")), LB_STR(OUT("8\xc3\xa9more")), LB_STR(OUT("and more\\n")),
                              LB_STR(OUT("next\\n")) };
    struct lb_batch batch;

    (void)state;
    lb_test_batch_init(&batch, lines, 4);
    batch.stream = &stream;
    assert_int_equal(lb_envelope_docker.open(&batch), LB_OK);
    assert_int_equal(batch.record_count, 2);
    assert_text(message_of(&batch, 0), "012345678");
    assert_int_equal(batch.records[0].flags, LB_RECORD_TRUNCATED);
    assert_int_equal(batch.records[0].end, lb_batch_end(&batch, 2));
    assert_text(message_of(&batch, 1), "next");
    lb_test_batch_free(&batch);
}

static void long_lines_are_read(void **state)
{
    enum { LONG = 100 * 1000 };
    char *line = malloc(LONG + 200);
    struct lb_batch batch;

    (void)state;
    for (size_t len = LONG / 10; len <= LONG; len += LONG / 10) {
        size_t at = (size_t)sprintf(line, "{\"log\":\"");

        for (size_t i = 0; i < len; i++)
            line[at++] = (char)('a' + i % 26);
        snprintf(line + at, 200, "\\n\",\"stream\":\"stdout\",\"time\":\"2026-03-01T10:00:00Z\"}");
        lb_test_batch_init(&batch, &(struct lb_str){ line, strlen(line) }, 1);
        assert_int_equal(lb_envelope_docker.open(&batch), LB_OK);
        assert_int_equal(batch.record_count, 1);
        assert_int_equal(batch.records[0].flags, 0);
        assert_int_equal(batch.records[0].message.len, len);
        assert_memory_equal(batch.records[0].message.ptr, line + 8, len);
        lb_test_batch_free(&batch);
    }
    free(line);
}

static void a_full_arena_is_told_before_anything_changes(void **state)
{
    struct lb_batch batch;
    struct lb_str line = LB_STR(OUT("x \\\"y\\\"\\n"));

    (void)state;
    lb_test_batch_init(&batch, &line, 1);
    batch.arena.bytes_max = 64;
    assert_int_equal(lb_envelope_docker.open(&batch), LB_NOMEM);
    batch.arena.bytes_max = TEST_ARENA_BYTES;
    assert_int_equal(lb_envelope_docker.open(&batch), LB_OK);
    assert_text(message_of(&batch, 0), "x \"y\"");
    lb_test_batch_free(&batch);
}

/* --- the corpus ----------------------------------------------------------------- */

static void check_text(struct lb_str got, struct lb_str expected_json, const char *where)
{
    struct lb_str expected = corpus_text(expected_json);

    if (!lb_str_equal(got, expected))
        fail_msg("%s: expected \"" LB_STR_FMT "\", got \"" LB_STR_FMT "\"", where, LB_STR_ARG(expected),
                 LB_STR_ARG(got));
    free((char *)(uintptr_t)expected.ptr);
}

static void check_record(const struct lb_record *record, struct lb_str event, const char *where)
{
    struct lb_str stream = corpus_get(event, "stream");
    struct lb_str attrs = corpus_get(event, "attrs");
    struct lb_str time = corpus_get(event, "time");
    int64_t time_ns;

    check_text((struct lb_str){ record->message.ptr, record->message.len }, corpus_get(event, "message"), where);
    if (stream.ptr != NULL)
        check_text(field_of(record, "stream"), stream, where);
    if (attrs.ptr != NULL)
        assert_true(lb_str_equal(field_of(record, "attrs"), attrs));
    if (time.ptr == NULL)
        return;
    assert_true(lb_time_rfc3339((struct lb_str){ time.ptr + 1, time.len - 2 }, &time_ns));
    assert_int_equal(record->time_ns, time_ns);
}

static bool is_wanted(const struct lb_record *record, struct lb_str only_stream)
{
    return only_stream.ptr == NULL ||
           lb_str_equal(field_of(record, "stream"), (struct lb_str){ only_stream.ptr + 1, only_stream.len - 2 });
}

static void check_case(struct lb_str row, const char *where)
{
    struct lb_str lines[LINES_MAX];
    struct lb_str input = corpus_get(row, "in");
    struct lb_str expect = corpus_get(row, "expect");
    struct lb_batch batch;
    uint32_t count = 0;
    uint32_t next = 0;

    for (const char *at = corpus_skip_blanks(input.ptr + 1); *at != ']'; at = corpus_skip_blanks(corpus_skip(at)))
        lines[count++] = corpus_text((struct lb_str){ at, (size_t)(corpus_skip(at) - at) });
    lb_test_batch_init(&batch, lines, count);
    assert_int_equal(lb_envelope_docker.open(&batch), LB_OK);
    for (uint32_t i = 0; lb_str_is(expect, "null") && i < batch.record_count; i++)
        assert_true((batch.records[i].flags & LB_RECORD_PARSE_ERROR) != 0);
    if (*expect.ptr == '[') {
        for (const char *at = corpus_skip_blanks(expect.ptr + 1); *at != ']';
             at = corpus_skip_blanks(corpus_skip(at))) {
            while (next < batch.record_count && !is_wanted(&batch.records[next], corpus_get(row, "only_stream")))
                next++;
            if (next == batch.record_count)
                fail_msg("%s: too few records", where);
            check_record(&batch.records[next++], (struct lb_str){ at, (size_t)(corpus_skip(at) - at) }, where);
        }
    }
    lb_test_batch_free(&batch);
    for (uint32_t i = 0; i < count; i++)
        free((char *)(uintptr_t)lines[i].ptr);
}

static void the_cases_of_the_corpus_hold(void **state)
{
    struct corpus corpus;
    struct lb_str row;
    int count = 0;

    (void)state;
    if (!corpus_open(&corpus, "container/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &row)) {
        struct lb_str id = corpus_get(row, "id");
        char where[64];

        /* Multi-line rules are ingest's. */
        if (!lb_str_is(corpus_get(row, "format"), "\"docker\"") || corpus_get(row, "multiline").ptr != NULL)
            continue;
        snprintf(where, sizeof(where), LB_STR_FMT, LB_STR_ARG(id));
        check_case(row, where);
        count++;
    }
    corpus_close(&corpus);
    printf("[ CORPUS   ] %d cases of docker's format\n", count);
    assert_true(count > 0);
}

static void check_file(const char *name)
{
    struct corpus log;
    struct corpus expected;
    struct lb_str line;
    struct lb_str event;
    char path[256];

    snprintf(path, sizeof(path), "container/docker/%s.log", name);
    if (!corpus_open(&log, path))
        skip();
    snprintf(path, sizeof(path), "container/docker/%s.log.expected.jsonl", name);
    assert_true(corpus_open(&expected, path));
    while (corpus_next(&log, &line)) {
        struct lb_batch batch;

        assert_true(corpus_next(&expected, &event));
        lb_test_batch_init(&batch, &line, 1);
        assert_int_equal(lb_envelope_docker.open(&batch), LB_OK);
        assert_int_equal(batch.record_count, 1);
        if (corpus_get(event, "error").ptr != NULL) {
            assert_true((batch.records[0].flags & LB_RECORD_PARSE_ERROR) != 0);
            assert_true(lb_str_equal(message_of(&batch, 0), line));
        } else {
            check_record(&batch.records[0], event, name);
        }
        lb_test_batch_free(&batch);
    }
    corpus_close(&log);
    corpus_close(&expected);
}

static void the_files_of_the_corpus_give_their_events(void **state)
{
    (void)state;
    check_file("beats_docker_corrupted");
    check_file("crowdsec_docker-logs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_becomes_a_record),
        cmocka_unit_test(many_lines_keep_their_texts),
        cmocka_unit_test(other_members_are_kept_as_fields),
        cmocka_unit_test(a_line_that_is_not_dockers_goes_on_whole),
        cmocka_unit_test(parts_are_joined_per_stream),
        cmocka_unit_test(what_is_open_at_the_end_goes_out),
        cmocka_unit_test(a_joined_record_is_cut_at_max_line_between_characters),
        cmocka_unit_test(long_lines_are_read),
        cmocka_unit_test(a_full_arena_is_told_before_anything_changes),
        cmocka_unit_test(the_cases_of_the_corpus_hold),
        cmocka_unit_test(the_files_of_the_corpus_give_their_events),
    };

    return cmocka_run_group_tests_name("parse/envelope_docker", tests, NULL, NULL);
}
