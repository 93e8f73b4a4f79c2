/* tail_unpack_test.c - texts out of gzip and zstd: several members, cut at every byte, grown, garbage. */
#include "lb_test.h"
#include "ingest/tail.h"

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { ROOM = 64 * 1024 };

struct packed {
    char bytes[ROOM];
    size_t length;
};

static void add_gzip(struct packed *out, const char *text)
{
    z_stream stream = { .next_in = (Bytef *)text, .avail_in = (uInt)strlen(text) };

    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = (Bytef *)out->bytes + out->length;
    stream.avail_out = (uInt)(ROOM - out->length);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out->length = ROOM - stream.avail_out;
    deflateEnd(&stream);
}

static void add_zstd(struct packed *out, const char *text)
{
    size_t len = ZSTD_compress(out->bytes + out->length, ROOM - out->length, text, strlen(text), 3);

    assert_false(ZSTD_isError(len));
    out->length += len;
}

static int file_of(const char *bytes, size_t length)
{
    char path[] = "/tmp/lb_unpack_XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    return fd;
}

/* All that comes, in pieces of `piece` bytes, until something else than MORE. */
static enum lb_unpack_step read_all(struct lb_unpack *unpack, int fd, size_t piece, char *out, size_t *length)
{
    enum lb_unpack_step step;

    do {
        size_t got;

        step = lb_unpack_read(unpack, fd, out + *length, piece, &got);
        *length += got;
        assert_true(*length < ROOM / 2);
    } while (step == LB_UNPACK_MORE);
    return step;
}

static void pack(enum lb_unpack_kind kind, struct packed *packed)
{
    packed->length = 0;
    for (unsigned i = 0; i < 2; i++) {
        if (kind == LB_UNPACK_GZIP)
            add_gzip(packed, i == 0 ? "one two three four\n" : "five six\n");
        else
            add_zstd(packed, i == 0 ? "one two three four\n" : "five six\n");
    }
}

static const char whole[] = "one two three four\nfive six\n";

static void members_are_one_text_in_pieces_of_any_size(void **state)
{
    static struct packed packed;
    static char out[ROOM];

    (void)state;
    for (enum lb_unpack_kind kind = LB_UNPACK_GZIP; kind <= LB_UNPACK_ZSTD; kind++) {
        pack(kind, &packed);
        int fd = file_of(packed.bytes, packed.length);
        for (size_t piece = 1; piece < 40; piece++) {
            struct lb_unpack *unpack = lb_unpack_new(kind);
            size_t length = 0;

            assert_int_equal(read_all(unpack, fd, piece, out, &length), LB_UNPACK_END);
            assert_int_equal(length, sizeof(whole) - 1);
            assert_memory_equal(out, whole, length);
            assert_int_equal(lb_unpack_position(unpack), packed.length);
            lb_unpack_free(unpack);
        }
        close(fd);
    }
}

static void a_file_that_grows_byte_by_byte_is_the_same_text(void **state)
{
    static struct packed packed;
    static char out[ROOM];

    (void)state;
    for (enum lb_unpack_kind kind = LB_UNPACK_GZIP; kind <= LB_UNPACK_ZSTD; kind++) {
        struct lb_unpack *unpack = lb_unpack_new(kind);
        size_t length = 0;
        unsigned ends = 0;

        pack(kind, &packed);
        int fd = file_of("", 0);
        for (size_t at = 0; at < packed.length; at++) {
            enum lb_unpack_step step = read_all(unpack, fd, 8, out, &length);

            assert_true(step == LB_UNPACK_SHORT || step == LB_UNPACK_END);
            ends += step == LB_UNPACK_END;
            assert_int_equal(write(fd, packed.bytes + at, 1), 1);
        }
        assert_int_equal(ends, 1); /* between the two members */
        assert_int_equal(read_all(unpack, fd, 8, out, &length), LB_UNPACK_END);
        assert_int_equal(length, sizeof(whole) - 1);
        assert_memory_equal(out, whole, length);
        lb_unpack_free(unpack);
        close(fd);
    }
}

static void garbage_is_told_and_stays_bad(void **state)
{
    static struct packed packed;
    static char out[ROOM];

    (void)state;
    for (enum lb_unpack_kind kind = LB_UNPACK_GZIP; kind <= LB_UNPACK_ZSTD; kind++) {
        struct lb_unpack *unpack = lb_unpack_new(kind);
        size_t length = 0;

        pack(kind, &packed);
        memcpy(packed.bytes + packed.length, "no such thing", 13);
        int fd = file_of(packed.bytes, packed.length + 13);
        assert_int_equal(read_all(unpack, fd, 100, out, &length), LB_UNPACK_BAD);
        assert_int_equal(length, sizeof(whole) - 1);
        assert_true(lb_unpack_reason(unpack)[0] != '\0');
        assert_int_equal(read_all(unpack, fd, 100, out, &length), LB_UNPACK_BAD);
        lb_unpack_free(unpack);
        close(fd);
    }
}

static void zeros_behind_a_gzip_member_are_padding(void **state)
{
    static struct packed packed;
    static char out[ROOM];
    size_t length = 0;

    (void)state;
    pack(LB_UNPACK_GZIP, &packed);
    memset(packed.bytes + packed.length, 0, 512);
    int fd = file_of(packed.bytes, packed.length + 512);
    struct lb_unpack *unpack = lb_unpack_new(LB_UNPACK_GZIP);
    assert_int_equal(read_all(unpack, fd, 100, out, &length), LB_UNPACK_END);
    assert_int_equal(length, sizeof(whole) - 1);
    lb_unpack_free(unpack);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_one_text_in_pieces_of_any_size),
        cmocka_unit_test(a_file_that_grows_byte_by_byte_is_the_same_text),
        cmocka_unit_test(garbage_is_told_and_stays_bad),
        cmocka_unit_test(zeros_behind_a_gzip_member_are_padding),
    };

    return cmocka_run_group_tests_name("ingest/tail_unpack", tests, NULL, NULL);
}
