/*
 * GELF's datagrams: chunks in any order make the same message, what is unfinished is given up and counted, and nothing
 * that is sent makes it take more memory than it began with.
 */
#include "lb_test.h"

#include "gelf_unpack.c"

enum { MESSAGE_MAX = 1 << 20 };

static struct gelf_unpacker *unpacker;
static struct in6_addr one = { .s6_addr = { 1 } };
static struct in6_addr other = { .s6_addr = { 2 } };

static int begin(void **state)
{
    (void)state;
    unpacker = gelf_unpacker_new(MESSAGE_MAX);
    return unpacker != NULL ? 0 : -1;
}

static int end(void **state)
{
    uint32_t blocks = 0;

    (void)state;
    for (size_t i = 0; i < GROUPS * GROUP_MESSAGES; i++) {
        if (unpacker->pending[i].used)
            release(unpacker, &unpacker->pending[i]);
    }
    for (uint16_t block = unpacker->free_block; block != NO_BLOCK; block = unpacker->next[block])
        blocks++;
    assert_int_equal(blocks, BLOCKS);
    gelf_unpacker_free(unpacker);
    return 0;
}

static bool send_bytes(const void *bytes, size_t length, const struct in6_addr *peer, int64_t now, struct lb_str *out)
{
    return gelf_unpack(unpacker, (struct lb_str){ bytes, length }, peer, now, out);
}

static bool send_chunk(const char *id, uint8_t number, uint8_t count, struct lb_str bytes, const struct in6_addr *peer,
                       int64_t now, struct lb_str *out)
{
    static char datagram[70000];

    memcpy(datagram, "\x1e\x0f", 2);
    memcpy(datagram + 2, id, 8);
    datagram[10] = (char)number;
    datagram[11] = (char)count;
    memcpy(datagram + 12, bytes.ptr, bytes.len);
    return send_bytes(datagram, 12 + bytes.len, peer, now, out);
}

static void chunks_in_any_order_make_the_message(void **state)
{
    struct lb_str out;

    (void)state;
    assert_false(send_chunk("AAAAAAAA", 2, 3, LB_STR("three"), &one, 0, &out));
    assert_false(send_chunk("AAAAAAAA", 0, 3, LB_STR("one "), &one, 0, &out));
    assert_false(send_chunk("AAAAAAAA", 0, 3, LB_STR("again"), &one, 0, &out));
    assert_false(send_chunk("AAAAAAAA", 1, 3, LB_STR("of another "), &other, 0, &out));
    assert_false(send_chunk("AAAAAAAA", 1, 2, LB_STR("disagrees"), &one, 0, &out));
    assert_true(send_chunk("AAAAAAAA", 1, 3, LB_STR("two "), &one, 0, &out));
    assert_true(lb_str_is(out, "one two three"));
    assert_true(send_chunk("BBBBBBBB", 0, 1, LB_STR("alone"), &one, 0, &out));
    assert_true(lb_str_is(out, "alone"));
    assert_true(send_chunk("CCCCCCCC", 0, 1, LB_STR(""), &one, 0, &out));
    assert_int_equal(out.len, 0);
    assert_int_equal(gelf_unpack_lost(unpacker), 0);
}

static void what_is_not_whole_in_five_seconds_is_given_up(void **state)
{
    struct lb_str out;

    (void)state;
    assert_false(send_chunk("AAAAAAAA", 0, 2, LB_STR("one"), &one, LB_SECOND, &out));
    assert_false(send_chunk("AAAAAAAA", 1, 2, LB_STR("two"), &one, 7 * LB_SECOND, &out));
    assert_int_equal(gelf_unpack_lost(unpacker), 1);
    assert_true(send_bytes("x", 1, &one, 13 * LB_SECOND, &out));
    assert_int_equal(gelf_unpack_lost(unpacker), 1);
}

static void a_flood_of_first_chunks_is_bounded_and_whole_ones_still_pass(void **state)
{
    static char large[60000];
    struct lb_str out;
    uint64_t lost = 0;

    (void)state;
    for (uint32_t i = 0; i < 3000; i++) {
        char id[9];

        snprintf(id, sizeof(id), "%08u", i);
        assert_false(send_chunk(id, 0, 128, (struct lb_str){ large, sizeof(large) }, &one, i, &out));
        lost += gelf_unpack_lost(unpacker);
    }
    assert_true(lost >= 3000 - GROUPS * GROUP_MESSAGES);
    assert_false(send_chunk("AAAAAAAA", 0, 2, LB_STR("one "), &one, 3000, &out));
    assert_true(send_chunk("AAAAAAAA", 1, 2, LB_STR("two"), &one, 3000, &out));
    assert_true(lb_str_is(out, "one two"));
    /* One that takes all there is, and ends. */
    for (uint8_t i = 0; i < 128; i++) {
        bool whole = send_chunk("BBBBBBBB", i, 128, (struct lb_str){ large, sizeof(large) }, &one, 3000, &out);

        assert_int_equal(whole, i == 127);
    }
    assert_int_equal(out.len, 128 * sizeof(large));
}

static size_t deflated(const char *bytes, size_t length, int window_bits, unsigned char *out, size_t size)
{
    z_stream stream = { 0 };

    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)bytes;
    stream.avail_in = (unsigned)length;
    stream.next_out = out;
    stream.avail_out = (unsigned)size;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return size - stream.avail_out;
}

static void reads_all_three_compressions(void **state)
{
    static const char text[] = "the same text again and the same text again";
    unsigned char packed[4096];
    struct lb_str out;

    (void)state;
    for (int bits = 15; bits <= 31; bits += 16) {
        assert_true(send_bytes(packed, deflated(text, sizeof(text), bits, packed, sizeof(packed)), &one, 0, &out));
        assert_string_equal(out.ptr, text);
        /* Cut short it is what it was. */
        assert_true(send_bytes(packed, 20, &one, 0, &out));
        assert_ptr_equal(out.ptr, packed);
    }
    size_t length = ZSTD_compress(packed, sizeof(packed), text, sizeof(text), 3);
    assert_true(send_bytes(packed, length, &one, 0, &out));
    assert_string_equal(out.ptr, text);
    assert_true(send_bytes(packed, length - 3, &one, 0, &out));
    assert_ptr_equal(out.ptr, packed);
}

static void a_bomb_comes_out_cut(void **state)
{
    enum { BOMB = 50 * 1024 * 1024 };
    char *zeros = calloc(1, BOMB);
    unsigned char *packed = malloc(BOMB);
    struct lb_str out;

    (void)state;
    assert_true(send_bytes(packed, deflated(zeros, BOMB, 15, packed, BOMB), &one, 0, &out));
    assert_int_equal(out.len, MESSAGE_MAX + 1);
    assert_true(send_bytes(packed, ZSTD_compress(packed, BOMB, zeros, BOMB, 3), &one, 0, &out));
    assert_int_equal(out.len, MESSAGE_MAX + 1);
    free(packed);
    free(zeros);
}

static void what_it_does_not_know_stays_as_it_is(void **state)
{
    static const struct lb_str cases[] = {
        { "hello", 5 },
        { "", 0 },
        { "\x1e\x0f"
          "123",
          5 },
        { "\x1e\x0f"
          "12345678"
          "\x01\x01",
          12 },
        { "\x1e\x0f"
          "12345678"
          "\x00\x00",
          12 },
        { "\x1e\x0f"
          "12345678"
          "\x00\x81",
          12 },
        { "\x1f\x8b\x08", 3 },
    };
    struct lb_str out;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(send_bytes(cases[i].ptr, cases[i].len, &one, 0, &out));
        assert_ptr_equal(out.ptr, cases[i].ptr);
        assert_int_equal(out.len, cases[i].len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(chunks_in_any_order_make_the_message, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_whole_in_five_seconds_is_given_up, begin, end),
        cmocka_unit_test_setup_teardown(a_flood_of_first_chunks_is_bounded_and_whole_ones_still_pass, begin, end),
        cmocka_unit_test_setup_teardown(reads_all_three_compressions, begin, end),
        cmocka_unit_test_setup_teardown(a_bomb_comes_out_cut, begin, end),
        cmocka_unit_test_setup_teardown(what_it_does_not_know_stays_as_it_is, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
