/*
 * Framing: the same frames whatever the cuts, no byte of a frame lost, and attacks end in an error.
 */
#include "lb_corpus.h"
#include "lb_test.h"

#include "framing.c"

enum { BUFFER_BYTES = 1 << 18 };

/* A connection's buffer, as the source of syslog keeps it: unfinished bytes are moved to the front. */
struct reader {
    struct framing framing;
    char *bytes;
    size_t length;
    char *frames; /* "frame|frame~|": ~ for truncated */
    size_t frames_length;
    bool closed;
};

static void reader_open(struct reader *reader, size_t frame_max)
{
    *reader = (struct reader){ .bytes = malloc(BUFFER_BYTES), .frames = calloc(1, 2 * BUFFER_BYTES) };
    framing_init(&reader->framing, frame_max);
}

static void reader_close(struct reader *reader)
{
    free(reader->bytes);
    free(reader->frames);
}

static void keep(struct reader *reader, const struct frame *frame)
{
    assert_true(frame->length > 0 && frame->start + frame->length <= reader->length);
    memcpy(reader->frames + reader->frames_length, reader->bytes + frame->start, frame->length);
    reader->frames_length += frame->length;
    if (frame->truncated)
        reader->frames[reader->frames_length++] = '~';
    reader->frames[reader->frames_length++] = '|';
}

static void reader_feed(struct reader *reader, const char *ptr, size_t len)
{
    struct frame frame;
    enum lb_err err;
    size_t rest;

    if (reader->closed)
        return;
    memcpy(reader->bytes + reader->length, ptr, len);
    reader->length += len;
    while ((err = framing_next(&reader->framing, reader->bytes, reader->length, &frame)) == LB_OK)
        keep(reader, &frame);
    reader->closed = err == LB_BAD_INPUT;
    assert_true(!reader->closed || reader->framing.reason != NULL);
    rest = reader->length - reader->framing.start;
    memmove(reader->bytes, reader->bytes + reader->framing.start, rest);
    reader->length = rest;
    framing_moved(&reader->framing);
}

static void reader_end(struct reader *reader)
{
    struct frame frame;

    if (!reader->closed && framing_finish(&reader->framing, reader->bytes, reader->length, &frame) == LB_OK)
        keep(reader, &frame);
}

struct stream_case {
    const char *in;
    size_t length; /* 0: up to the NUL */
    const char *frames;
    bool closes;
};

#define NUL_TERMINATED "<1>a\0<2>b\0\0"

static const struct stream_case cases[] = {
    { "4 <1>a5 <2>bc", 0, "<1>a|<2>bc|", false },
    { "4 <1>a\n5 <2>bc\r\n\n", 0, "<1>a|<2>bc|", false },
    { "6 <1>a\r\n4 <2>b", 0, "<1>a|<2>b|", false },
    { "9 <1>a\nb\nc\n4 <2>b", 0, "<1>a\nb\nc|<2>b|", false },
    { "9 <1>a", 0, "<1>a~|", false },
    { "4 <1>axyz", 0, "<1>a|", true },
    { "4 <1>a0 <2>b", 0, "<1>a|", true },
    { "0 <1>a", 0, "", true },
    { "004 <1>a", 0, "", true },
    { "11111111111", 0, "", true },
    { "4 <1>a11111111111", 0, "<1>a|", true },
    { "99999999 <1>a", 0, "", true },
    { "<1>a\n<2>b\n", 0, "<1>a|<2>b|", false },
    { "<1>a\r\n<2>b\r\n", 0, "<1>a|<2>b|", false },
    { "<1>a\n\n\n<2>b", 0, "<1>a|<2>b|", false },
    { "  <1>a\n  plain\n", 0, "<1>a|  plain|", false },
    { NUL_TERMINATED, sizeof(NUL_TERMINATED) - 1, "<1>a|<2>b|", false },
    { "2026-01-01 text\n<1>a\n", 0, "2026-01-01 text|<1>a|", false },
    { "1700000000 text\n<1>a\n", 0, "1700000000 text|<1>a|", false },
    { "12 apples\n", 0, "12 apples|", false },
    { "16<1>1", 0, "16<1>1|", false },
    { "7", 0, "7|", false },
    { "7 ", 0, "7 |", false },
    { "", 0, "", false },
    /* frame_max is 20 */
    { "<1>45678901234567890\nb\n", 0, "<1>45678901234567890|b|", false },
    { "<1>45678901234567890\r\nb\n", 0, "<1>45678901234567890|b|", false },
    { "<1>456789012345678901\nb\n", 0, "<1>45678901234567890~|b|", false },
    { "<1>4567890123456789012345678901234567890\nb\n", 0, "<1>45678901234567890~|b|", false },
    { "23 <1>456789012345678901234 <2>b", 0, "<1>45678901234567890~|<2>b|", false },
    { "40 <1>45678901234567890123456789012345678904 <2>b", 0, "<1>45678901234567890~|<2>b|", false },
    { "22 <1>45678901234567890\r\n4 <2>b", 0, "<1>45678901234567890|<2>b|", false },
};

static void run_case(const struct stream_case *test, size_t chunk)
{
    struct reader reader;
    size_t length = test->length > 0 ? test->length : strlen(test->in);

    reader_open(&reader, 20);
    for (size_t at = 0; at < length; at += chunk)
        reader_feed(&reader, test->in + at, length - at < chunk ? length - at : chunk);
    reader_end(&reader);
    if (strcmp(reader.frames, test->frames) != 0 || reader.closed != test->closes)
        fail_msg("\"%s\" by %zu: expected \"%s\"%s, got \"%s\"%s", test->in, chunk, test->frames,
                 test->closes ? " and an end" : "", reader.frames, reader.closed ? " and an end" : "");
    reader_close(&reader);
}

static void cuts_streams_into_frames_whatever_the_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t chunk = 1; chunk < 48; chunk++)
            run_case(&cases[i], chunk);
}

static void a_frame_that_is_cut_early_is_passed_over_to_its_end(void **state)
{
    static const char *const streams[] = { "<1>abc def\n<2>b\n", "10 <1>abc def4 <2>b" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct reader reader;
        struct frame frame;

        reader_open(&reader, 100);
        reader_feed(&reader, streams[i], 9);
        assert_int_equal(framing_cut(&reader.framing, reader.bytes, reader.length, &frame), LB_OK);
        assert_true(frame.truncated);
        reader.length = reader.framing.start = 0;
        reader_feed(&reader, streams[i] + 9, strlen(streams[i]) - 9);
        reader_end(&reader);
        assert_string_equal(reader.frames, "<2>b|");
        assert_int_equal(framing_cut(&reader.framing, reader.bytes, reader.length, &frame), LB_END);
        reader_close(&reader);
    }
}

/* --- corpus ------------------------------------------------------------------- */

/* [text, repeat] pairs, one after the other. */
static struct lb_str join_parts(struct lb_str parts)
{
    char *out = calloc(1, BUFFER_BYTES);
    size_t len = 0;

    for (const char *ptr = corpus_skip_blanks(parts.ptr + 1); *ptr == '[';) {
        const char *text = corpus_skip_blanks(ptr + 1);
        const char *repeat = corpus_skip_blanks(corpus_skip(text));
        struct lb_str piece = corpus_text((struct lb_str){ text, (size_t)(corpus_skip(text) - text) });

        for (long i = strtol(repeat, NULL, 10); i > 0; i--) {
            memcpy(out + len, piece.ptr, piece.len);
            len += piece.len;
        }
        free((void *)piece.ptr);
        ptr = corpus_skip_blanks(corpus_skip(ptr));
    }
    return (struct lb_str){ out, len };
}

static struct lb_str expected_frames(struct lb_str expect)
{
    char *out = calloc(1, 2 * BUFFER_BYTES);
    size_t len = 0;
    bool parts = corpus_get(expect, "frames_parts").ptr != NULL;
    struct lb_str list = corpus_get(expect, parts ? "frames_parts" : "frames");

    for (const char *ptr = corpus_skip_blanks(list.ptr + 1); *ptr != ']';) {
        struct lb_str value = { ptr, (size_t)(corpus_skip(ptr) - ptr) };
        struct lb_str frame = parts ? join_parts(value) : corpus_text(value);

        memcpy(out + len, frame.ptr, frame.len);
        len += frame.len;
        out[len++] = '|';
        free((void *)frame.ptr);
        ptr = corpus_skip_blanks(ptr + value.len);
    }
    return (struct lb_str){ out, len };
}

static void drop_marks(struct reader *reader)
{
    size_t len = 0;

    for (size_t i = 0; i < reader->frames_length; i++)
        if (reader->frames[i] != '~')
            reader->frames[len++] = reader->frames[i];
    reader->frames[len] = '\0';
    reader->frames_length = len;
}

static void agrees_with_the_corpus_on_streams(void **state)
{
    static const size_t chunks[] = { 1, 7, 100000 };
    struct corpus corpus;
    struct lb_str line;
    int right = 0;

    (void)state;
    if (!corpus_open(&corpus, "syslog/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &line)) {
        struct lb_str parts = corpus_get(line, "in_parts");
        struct lb_str expect = corpus_get(line, "expect");
        struct lb_str in;
        struct lb_str frames;

        if (!lb_str_is(corpus_get(line, "kind"), "\"stream\""))
            continue;
        in = parts.ptr != NULL ? join_parts(parts) : corpus_bytes(line, "in", "in_b64");
        frames = expected_frames(expect);
        for (int i = 0; i < 3; i++) {
            struct reader reader;

            reader_open(&reader, 65536);
            for (size_t at = 0; at < in.len; at += chunks[i])
                reader_feed(&reader, in.ptr + at, in.len - at < chunks[i] ? in.len - at : chunks[i]);
            reader_end(&reader);
            drop_marks(&reader);
            if (!lb_str_equal((struct lb_str){ reader.frames, reader.frames_length }, frames) ||
                reader.closed != lb_str_is(corpus_get(expect, "receiver_closes"), "true"))
                fail_msg("by %zu: got \"%.200s\"%s for %.300s", chunks[i], reader.frames,
                         reader.closed ? " and an end" : "", line.ptr);
            reader_close(&reader);
        }
        right++;
        free((void *)in.ptr);
        free((void *)frames.ptr);
    }
    corpus_close(&corpus);
    printf("streams of syslog/cases.jsonl: %d right\n", right);
    assert_true(right >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_streams_into_frames_whatever_the_reads),
        cmocka_unit_test(a_frame_that_is_cut_early_is_passed_over_to_its_end),
        cmocka_unit_test(agrees_with_the_corpus_on_streams),
    };

    return cmocka_run_group_tests_name("ingest/framing", tests, NULL, NULL);
}
