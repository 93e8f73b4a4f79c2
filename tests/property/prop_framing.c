/*
 * Streams of random frames, cut at random places: the frames that were sent come out, in both framings, and a stream
 * of noise gives the same frames however it is cut.
 */
#include "lb_test.h"

#include "ingest/framing.h"

enum { STREAM_MAX = 64 * 1024, FRAME_MAX = 200 };

struct output {
    char bytes[2 * STREAM_MAX];
    size_t length;
    bool closed;
};

static void emit(struct output *output, const char *bytes, const struct frame *frame)
{
    memcpy(output->bytes + output->length, bytes + frame->start, frame->length);
    output->length += frame->length;
    output->bytes[output->length++] = frame->truncated ? '\2' : '\1';
}

/* `cut` 0: all at once. */
static void run(struct lb_str stream, size_t cut, uint64_t *seed, struct output *output)
{
    static char buffer[STREAM_MAX];
    struct framing framing;
    struct frame frame;
    size_t length = 0;

    output->length = 0;
    output->closed = false;
    framing_init(&framing, FRAME_MAX);
    for (size_t at = 0; at < stream.len && !output->closed;) {
        size_t chunk = cut == 0 ? stream.len : 1 + lb_random(seed) % cut;
        enum lb_err err;

        if (chunk > stream.len - at)
            chunk = stream.len - at;
        memcpy(buffer + length, stream.ptr + at, chunk);
        length += chunk;
        at += chunk;
        while ((err = framing_next(&framing, buffer, length, &frame)) == LB_OK)
            emit(output, buffer, &frame);
        output->closed = err == LB_BAD_INPUT;
        length -= framing.start;
        memmove(buffer, buffer + framing.start, length);
        framing_moved(&framing);
    }
    if (!output->closed && framing_finish(&framing, buffer, length, &frame) == LB_OK)
        emit(output, buffer, &frame);
}

static void check_cuts(struct lb_str stream, const struct output *whole, uint64_t *seed)
{
    static const size_t cuts[] = { 1, 3, 40, 5000 };
    static struct output output;

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        run(stream, cuts[i], seed, &output);
        if (output.closed != whole->closed || output.length != whole->length ||
            memcmp(output.bytes, whole->bytes, whole->length) != 0)
            fail_msg("cut by %zu it gives other frames, LB_SEED=%llu", cuts[i], (unsigned long long)lb_seed());
    }
}

static size_t make_frame(char *out, bool counted, uint64_t *seed, struct output *expected)
{
    char text[2 * FRAME_MAX + 8] = "<13>";
    size_t len = 4 + lb_random(seed) % (lb_random(seed) % 8 == 0 ? 2 * FRAME_MAX : FRAME_MAX - 4);
    struct frame frame = { 0, len < FRAME_MAX ? len : FRAME_MAX, len > FRAME_MAX };

    for (size_t i = 4; i < len; i++)
        text[i] = (char)('!' + lb_random(seed) % 90);
    emit(expected, text, &frame);
    if (counted)
        return (size_t)sprintf(out, "%zu %.*s", len, (int)len, text);
    return (size_t)sprintf(out, "%.*s\n", (int)len, text);
}

static void every_frame_sent_comes_out_however_it_is_cut(void **state)
{
    static char stream[STREAM_MAX];
    static struct output expected;
    static struct output whole;
    uint64_t seed = lb_seed();

    (void)state;
    for (int round = 0; round < 300; round++) {
        bool counted = round % 2 != 0;
        size_t length = 0;

        expected.length = 0;
        for (int i = 0; i < 60; i++)
            length += make_frame(stream + length, counted, &seed, &expected);
        run((struct lb_str){ stream, length }, 0, &seed, &whole);
        assert_false(whole.closed);
        assert_int_equal(whole.length, expected.length);
        assert_memory_equal(whole.bytes, expected.bytes, expected.length);
        check_cuts((struct lb_str){ stream, length }, &whole, &seed);
    }
}

static void noise_gives_the_same_frames_however_it_is_cut(void **state)
{
    static const char alphabet[] = "0123456789  <<>\n\n\r\0ab";
    static char stream[2000];
    static struct output whole;
    uint64_t seed = lb_seed();

    (void)state;
    for (int round = 0; round < 2000; round++) {
        size_t length = lb_random(&seed) % sizeof(stream);

        for (size_t i = 0; i < length; i++)
            stream[i] = alphabet[lb_random(&seed) % (sizeof(alphabet) - 1)];
        if (round % 2 != 0 && length > 8)
            memcpy(stream, "9 <13>ab", 8);
        run((struct lb_str){ stream, length }, 0, &seed, &whole);
        check_cuts((struct lb_str){ stream, length }, &whole, &seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_sent_comes_out_however_it_is_cut),
        cmocka_unit_test(noise_gives_the_same_frames_however_it_is_cut),
    };

    return cmocka_run_group_tests_name("property/framing", tests, NULL, NULL);
}
