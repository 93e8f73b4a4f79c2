/*
 * What msgpack-c packs is read as it was, at every cut; what is hostile costs nothing.
 */
#include "lb_test.h"

#include "msgpack.c"

#include "lb_json.h"

/* The header of the library has the name of ours: the path says which is meant. */
#include <msgpack/pack.h>
#include <msgpack/sbuffer.h>

static struct lb_str packed_text(const msgpack_sbuffer *buffer)
{
    return (struct lb_str){ buffer->data, buffer->size };
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str(packer, strlen(text));
    msgpack_pack_str_body(packer, text, strlen(text));
}

/* Lengths around every border of the format. */
static const size_t lengths[] = { 0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536 };
enum { LENGTH_COUNT = sizeof(lengths) / sizeof(lengths[0]) };

static void reads_what_the_library_packs(void **state)
{
    static const int64_t numbers[] = { 0,   1,    127,  128,    255,    256,       65535,     65536,     -1,       -32,
                                       -33, -128, -129, -32768, -32769, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN };
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    struct msgpack_item item;

    (void)state;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        msgpack_pack_int64(&packer, numbers[i]);
    msgpack_pack_uint64(&packer, UINT64_MAX);
    msgpack_pack_double(&packer, 0.1);
    msgpack_pack_float(&packer, 0.5F);
    msgpack_pack_true(&packer);
    msgpack_pack_false(&packer);
    msgpack_pack_nil(&packer);
    struct lb_str bytes = packed_text(&buffer);
    struct msgpack_reader reader = { bytes.ptr, bytes.ptr + bytes.len };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_int_equal(msgpack_next(&reader, &item), LB_OK);
        assert_true(item.kind == MSGPACK_INT || item.kind == MSGPACK_UNSIGNED);
        assert_true(item.integer == numbers[i]);
    }
    assert_int_equal(msgpack_next(&reader, &item), LB_OK);
    assert_true(item.kind == MSGPACK_UNSIGNED && item.number == UINT64_MAX);
    assert_int_equal(msgpack_next(&reader, &item), LB_OK);
    assert_true(item.kind == MSGPACK_FLOAT && !item.single && item.real == 0.1);
    assert_int_equal(msgpack_next(&reader, &item), LB_OK);
    assert_true(item.kind == MSGPACK_FLOAT && item.single && item.real == 0.5);
    assert_int_equal(msgpack_next(&reader, &item), LB_OK);
    assert_true(item.kind == MSGPACK_BOOL && item.number == 1);
    assert_int_equal(msgpack_next(&reader, &item), LB_OK);
    assert_true(item.kind == MSGPACK_BOOL && item.number == 0);
    assert_int_equal(msgpack_next(&reader, &item), LB_OK);
    assert_true(item.kind == MSGPACK_NIL);
    assert_int_equal(msgpack_next(&reader, &item), LB_AGAIN);
    msgpack_sbuffer_destroy(&buffer);
}

static void reads_every_length(void **state)
{
    char *text = malloc(65536);
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    struct msgpack_item item;

    (void)state;
    memset(text, 'x', 65536);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        msgpack_pack_str(&packer, lengths[i]);
        msgpack_pack_str_body(&packer, text, lengths[i]);
        msgpack_pack_bin(&packer, lengths[i]);
        msgpack_pack_bin_body(&packer, text, lengths[i]);
        msgpack_pack_ext(&packer, lengths[i], 7);
        msgpack_pack_ext_body(&packer, text, lengths[i]);
        msgpack_pack_array(&packer, lengths[i]);
        msgpack_pack_map(&packer, lengths[i]);
    }
    struct msgpack_reader reader = { buffer.data, buffer.data + buffer.size };
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        for (int kind = 0; kind < 3; kind++) {
            assert_int_equal(msgpack_next(&reader, &item), LB_OK);
            assert_int_equal(item.kind, kind < 2 ? MSGPACK_TEXT : MSGPACK_EXT);
            assert_int_equal(item.bytes.len, lengths[i]);
            assert_true(kind < 2 || item.type == 7);
        }
        assert_int_equal(msgpack_next(&reader, &item), LB_OK);
        assert_true(item.kind == MSGPACK_ARRAY && item.count == lengths[i]);
        assert_int_equal(msgpack_next(&reader, &item), LB_OK);
        assert_true(item.kind == MSGPACK_MAP && item.count == lengths[i]);
    }
    assert_true(reader.at == reader.end);
    msgpack_sbuffer_destroy(&buffer);
    free(text);
}

/* {"a": [1, {"b": bin 300}], "c": nil} */
static void pack_nested(msgpack_packer *packer)
{
    static const char zeros[300];

    msgpack_pack_map(packer, 2);
    pack_text(packer, "a");
    msgpack_pack_array(packer, 2);
    msgpack_pack_int(packer, 1);
    msgpack_pack_map(packer, 1);
    pack_text(packer, "b");
    msgpack_pack_bin(packer, sizeof(zeros));
    msgpack_pack_bin_body(packer, zeros, sizeof(zeros));
    pack_text(packer, "c");
    msgpack_pack_nil(packer);
}

static void finds_the_end_whatever_comes_at_once(void **state)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    (void)state;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    pack_nested(&packer);
    for (size_t step = 1; step <= buffer.size; step++) {
        struct msgpack_extent extent = { .at = 0 };
        size_t len = 0;
        enum lb_err err = LB_AGAIN;

        while (err == LB_AGAIN && len < buffer.size) {
            len = len + step < buffer.size ? len + step : buffer.size;
            err = msgpack_extend(&extent, buffer.data, len);
            if (err == LB_AGAIN) {
                assert_true(extent.needed > len && extent.needed <= buffer.size);
            }
        }
        assert_int_equal(err, LB_OK);
        assert_int_equal(extent.at, buffer.size);
    }
    msgpack_sbuffer_destroy(&buffer);
}

static void writes_json(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *json;
    } cases[] = {
        { "\x82\xa1"
          "a\x93\x01\xff\xc0\xa1"
          "b\xc3",
          10, "{\"a\":[1,-1,null],\"b\":true}" },
        { "\x81\x05\x80", 3, "{\"5\":{}}" },
        { "\x81\x91\x01\xa1x", 5, "{\"null\":\"x\"}" },
        { "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", 9, "null" }, /* infinity */
        { "\xd7\x00\x00\x00\x00\x05\x00\x00\x00\x07", 10, "5.000000007" },
        { "\xd4\x09x", 3, "null" },
        { "\xc4\x03"
          "a\"\xff",
          5, "\"a\\\"\xef\xbf\xbd\"" },
    };
    struct lb_buffer out;

    (void)state;
    lb_buffer_init(&out, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct msgpack_reader reader = { cases[i].bytes, cases[i].bytes + cases[i].len };

        lb_buffer_reset(&out);
        assert_int_equal(msgpack_write_json(&reader, &out), LB_OK);
        assert_true(reader.at == reader.end);
        lb_buffer_append_char(&out, '\0');
        assert_string_equal(out.ptr, cases[i].json);
    }
    lb_buffer_free(&out);
}

static void a_count_of_billions_costs_nothing(void **state)
{
    static const char bytes[] = "\xdd\xff\xff\xff\xff\x01\x02";
    struct msgpack_reader reader = { bytes, bytes + sizeof(bytes) - 1 };
    struct msgpack_extent extent = { .at = 0 };
    struct lb_buffer out;

    (void)state;
    assert_int_equal(msgpack_extend(&extent, bytes, sizeof(bytes) - 1), LB_AGAIN);
    assert_int_equal(extent.needed, sizeof(bytes));
    lb_buffer_init(&out, 1000);
    assert_int_equal(msgpack_write_json(&reader, &out), LB_AGAIN);
    assert_true(out.len < 20);
    lb_buffer_free(&out);
}

static void depth_has_a_bound(void **state)
{
    char bytes[MSGPACK_DEPTH_MAX + 2];
    struct msgpack_extent extent = { .at = 0 };
    struct msgpack_reader reader = { bytes, bytes + sizeof(bytes) };
    struct lb_buffer out;

    (void)state;
    memset(bytes, '\x91', sizeof(bytes));
    bytes[MSGPACK_DEPTH_MAX] = '\x01';
    assert_int_equal(msgpack_extend(&extent, bytes, sizeof(bytes)), LB_OK);
    assert_int_equal(extent.at, MSGPACK_DEPTH_MAX + 1);
    memset(bytes, '\x91', sizeof(bytes));
    extent = (struct msgpack_extent){ .at = 0 };
    assert_int_equal(msgpack_extend(&extent, bytes, sizeof(bytes)), LB_LIMIT);
    lb_buffer_init(&out, 1000);
    assert_int_equal(msgpack_write_json(&reader, &out), LB_LIMIT);
    lb_buffer_free(&out);
    reader = (struct msgpack_reader){ bytes, bytes + sizeof(bytes) };
    assert_int_equal(msgpack_skip(&reader), LB_LIMIT);
}

static void what_is_reserved_is_refused(void **state)
{
    char byte = '\xc1';
    struct msgpack_reader reader = { &byte, &byte + 1 };
    struct msgpack_item item;

    (void)state;
    assert_int_equal(msgpack_next(&reader, &item), LB_BAD_INPUT);
    assert_true(reader.at == &byte);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_library_packs),         cmocka_unit_test(reads_every_length),
        cmocka_unit_test(finds_the_end_whatever_comes_at_once), cmocka_unit_test(writes_json),
        cmocka_unit_test(a_count_of_billions_costs_nothing),    cmocka_unit_test(depth_has_a_bound),
        cmocka_unit_test(what_is_reserved_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
