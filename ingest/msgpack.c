/*
 * msgpack.c - items of MessagePack, where a value ends, and values as JSON.
 *
 * The tricky thing is trust: a length or a count is what the peer claims. A length is compared with the bytes that are
 * there before it is used; a count is only ever counted down, and depth has a bound because JSON is written by
 * recursion.
 */
#include "msgpack.h"

#include "lb_json.h"

#include <endian.h>
#include <inttypes.h>
#include <math.h>

enum { EVENT_TIME = 0, EVENT_TIME_BYTES = 8 };

/* --- items ----------------------------------------------------------------------- */

static uint64_t number_of(const char *bytes, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | (unsigned char)bytes[i];
    return number;
}

/* What stands behind the first byte: a number of `size` bytes, and then as many as it says, and `more`. */
struct shape {
    uint8_t kind;
    uint8_t size;
    uint8_t more;
};

/* 0xc0 … 0xdf; size 0 and kind NIL but for c0: not so, or handled by name. */
static const struct shape shapes[32] = {
    [0x04] = { MSGPACK_TEXT, 1, 0 },     [0x05] = { MSGPACK_TEXT, 2, 0 },     [0x06] = { MSGPACK_TEXT, 4, 0 },
    [0x07] = { MSGPACK_EXT, 1, 1 },      [0x08] = { MSGPACK_EXT, 2, 1 },      [0x09] = { MSGPACK_EXT, 4, 1 },
    [0x0a] = { MSGPACK_FLOAT, 4, 0 },    [0x0b] = { MSGPACK_FLOAT, 8, 0 },    [0x0c] = { MSGPACK_UNSIGNED, 1, 0 },
    [0x0d] = { MSGPACK_UNSIGNED, 2, 0 }, [0x0e] = { MSGPACK_UNSIGNED, 4, 0 }, [0x0f] = { MSGPACK_UNSIGNED, 8, 0 },
    [0x10] = { MSGPACK_INT, 1, 0 },      [0x11] = { MSGPACK_INT, 2, 0 },      [0x12] = { MSGPACK_INT, 4, 0 },
    [0x13] = { MSGPACK_INT, 8, 0 },      [0x19] = { MSGPACK_TEXT, 1, 0 },     [0x1a] = { MSGPACK_TEXT, 2, 0 },
    [0x1b] = { MSGPACK_TEXT, 4, 0 },     [0x1c] = { MSGPACK_ARRAY, 2, 0 },    [0x1d] = { MSGPACK_ARRAY, 4, 0 },
    [0x1e] = { MSGPACK_MAP, 2, 0 },      [0x1f] = { MSGPACK_MAP, 4, 0 },
};

static bool is_sized(uint8_t kind)
{
    return kind == MSGPACK_TEXT || kind == MSGPACK_EXT;
}

static double real_of(uint64_t bits, size_t size)
{
    double real;
    float single;
    uint32_t half = (uint32_t)bits;

    if (size == sizeof(single)) {
        memcpy(&single, &half, sizeof(single));
        return (double)single;
    }
    memcpy(&real, &bits, sizeof(real));
    return real;
}

static void set_number(struct msgpack_item *item, uint64_t number, size_t size)
{
    unsigned shift = (unsigned)(64 - 8 * size);

    switch (item->kind) {
    case MSGPACK_FLOAT:
        item->real = real_of(number, size);
        item->single = size == sizeof(float);
        break;
    case MSGPACK_INT: item->integer = (int64_t)(number << shift) >> shift; break;
    case MSGPACK_ARRAY:
    case MSGPACK_MAP: item->count = (uint32_t)number; break;
    default: item->number = number; break;
    }
}

/* Bytes of an item: `head` of them and then `length` that are its text. */
static enum lb_err take_bytes(struct msgpack_reader *reader, struct msgpack_item *item, size_t head, uint64_t length)
{
    if ((size_t)(reader->end - reader->at) - head < length)
        return LB_AGAIN;
    item->bytes = (struct lb_str){ reader->at + head, (size_t)length };
    reader->at += head + length;
    return LB_OK;
}

static enum lb_err next_shaped(struct msgpack_reader *reader, struct msgpack_item *item, const struct shape *shape)
{
    size_t head = 1 + (size_t)shape->size + shape->more;

    item->kind = (enum msgpack_kind)shape->kind;
    if ((size_t)(reader->end - reader->at) < head)
        return LB_AGAIN;
    uint64_t number = number_of(reader->at + 1, shape->size);
    if (is_sized(shape->kind)) {
        item->type = (int8_t)reader->at[head - 1];
        return take_bytes(reader, item, head, number);
    }
    set_number(item, number, shape->size);
    reader->at += head;
    return LB_OK;
}

/* Extensions of 1, 2, 4, 8 and 16 bytes have no length of their own. */
static enum lb_err next_fixed_extension(struct msgpack_reader *reader, struct msgpack_item *item, uint8_t first)
{
    item->kind = MSGPACK_EXT;
    if (reader->end - reader->at < 2)
        return LB_AGAIN;
    item->type = (int8_t)reader->at[1];
    return take_bytes(reader, item, 2, UINT64_C(1) << (first - 0xd4));
}

static enum lb_err next_small(struct msgpack_reader *reader, struct msgpack_item *item, uint8_t first)
{
    if (first >= 0xa0 && first < 0xc0) {
        item->kind = MSGPACK_TEXT;
        return take_bytes(reader, item, 1, first & 0x1f);
    }
    if (first < 0x80) {
        item->kind = MSGPACK_UNSIGNED;
        item->number = first;
    } else if (first >= 0xe0) {
        item->kind = MSGPACK_INT;
        item->integer = (int64_t)first - 256;
    } else {
        item->kind = first < 0x90 ? MSGPACK_MAP : MSGPACK_ARRAY;
        item->count = first & 0x0f;
    }
    reader->at++;
    return LB_OK;
}

enum lb_err msgpack_next(struct msgpack_reader *reader, struct msgpack_item *item)
{
    if (reader->at >= reader->end)
        return LB_AGAIN;
    uint8_t first = (uint8_t)*reader->at;

    *item = (struct msgpack_item){ .kind = MSGPACK_NIL };
    if (first < 0xc0 || first >= 0xe0)
        return next_small(reader, item, first);
    if (first == 0xc1)
        return LB_BAD_INPUT;
    if (first >= 0xd4 && first <= 0xd8)
        return next_fixed_extension(reader, item, first);
    if (first > 0xc3)
        return next_shaped(reader, item, &shapes[first - 0xc0]);
    if (first != 0xc0)
        item->kind = MSGPACK_BOOL;
    item->number = first == 0xc3;
    reader->at++;
    return LB_OK;
}

/* --- where a value ends -------------------------------------------------------------- */

/* So many bytes make the item at `at` whole, as far as its own head tells. */
static size_t bytes_needed(const char *bytes, size_t at, size_t len)
{
    uint8_t first = at < len ? (uint8_t)bytes[at] : 0;

    if (at >= len)
        return at + 1;
    if (first >= 0xa0 && first < 0xc0)
        return at + 1 + (first & 0x1f);
    if (first >= 0xd4 && first <= 0xd8)
        return at + 2 + ((size_t)1 << (first - 0xd4));
    if (first < 0xc4 || first > 0xdf)
        return at + 1;
    const struct shape *shape = &shapes[first - 0xc0];
    size_t head = at + 1 + shape->size + shape->more;
    if (is_sized(shape->kind) && len >= head)
        return head + (size_t)number_of(bytes + at + 1, shape->size);
    return head;
}

enum lb_err msgpack_extend(struct msgpack_extent *extent, const char *bytes, size_t len)
{
    do {
        struct msgpack_reader reader = { bytes + extent->at, bytes + len };
        struct msgpack_item item;
        enum lb_err err = msgpack_next(&reader, &item);

        if (err == LB_AGAIN)
            extent->needed = bytes_needed(bytes, extent->at, len);
        if (err != LB_OK)
            return err;
        extent->at = (size_t)(reader.at - bytes);
        if (extent->depth > 0)
            extent->left[extent->depth - 1]--;
        if (item.kind == MSGPACK_ARRAY || item.kind == MSGPACK_MAP) {
            if (extent->depth >= MSGPACK_DEPTH_MAX)
                return LB_LIMIT;
            extent->left[extent->depth++] = (uint64_t)item.count * (item.kind == MSGPACK_MAP ? 2 : 1);
        }
        while (extent->depth > 0 && extent->left[extent->depth - 1] == 0)
            extent->depth--;
    } while (extent->depth > 0);
    return LB_OK;
}

enum lb_err msgpack_skip(struct msgpack_reader *reader)
{
    struct msgpack_reader start = *reader;
    struct msgpack_item item;
    enum lb_err err = msgpack_next(reader, &item);

    if (err != LB_OK || (item.kind != MSGPACK_ARRAY && item.kind != MSGPACK_MAP))
        return err;
    struct msgpack_extent extent = { .at = 0 };
    err = msgpack_extend(&extent, start.at, (size_t)(start.end - start.at));
    reader->at = err == LB_OK ? start.at + extent.at : start.at;
    return err;
}

/* --- JSON ------------------------------------------------------------------------------ */

static void write_text(struct lb_buffer *out, struct lb_str text)
{
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static void write_real(struct lb_buffer *out, const struct msgpack_item *item)
{
    if (isfinite(item->real))
        lb_buffer_print(out, "%.*g", item->single ? 9 : 17, item->real);
    else
        lb_buffer_append(out, "null", 4);
}

static void write_extension(struct lb_buffer *out, const struct msgpack_item *item)
{
    if (item->type == EVENT_TIME && item->bytes.len == EVENT_TIME_BYTES)
        lb_buffer_print(out, "%" PRIu64 ".%09" PRIu64, number_of(item->bytes.ptr, 4),
                        number_of(item->bytes.ptr + 4, 4) % 1000000000);
    else
        lb_buffer_append(out, "null", 4);
}

static void write_scalar(struct lb_buffer *out, const struct msgpack_item *item)
{
    switch (item->kind) {
    case MSGPACK_BOOL: lb_buffer_append_str(out, item->number ? LB_STR("true") : LB_STR("false")); break;
    case MSGPACK_INT: lb_buffer_print(out, "%" PRId64, item->integer); break;
    case MSGPACK_UNSIGNED: lb_buffer_print(out, "%" PRIu64, item->number); break;
    case MSGPACK_FLOAT: write_real(out, item); break;
    case MSGPACK_TEXT: write_text(out, item->bytes); break;
    case MSGPACK_EXT: write_extension(out, item); break;
    default: lb_buffer_append(out, "null", 4); break;
    }
}

static enum lb_err write_value(struct msgpack_reader *reader, struct lb_buffer *out, uint32_t depth);

/* Keys of JSON are text: others are written as they are, in quotes; of what has members, null. */
static enum lb_err write_key(struct msgpack_reader *reader, struct lb_buffer *out)
{
    struct msgpack_reader before = *reader;
    struct msgpack_item item;
    enum lb_err err = msgpack_next(reader, &item);

    if (err != LB_OK)
        return err;
    if (item.kind == MSGPACK_TEXT) {
        write_text(out, item.bytes);
        return LB_OK;
    }
    lb_buffer_append_char(out, '"');
    if (item.kind == MSGPACK_ARRAY || item.kind == MSGPACK_MAP) {
        *reader = before;
        err = msgpack_skip(reader);
        item.kind = MSGPACK_NIL;
    }
    write_scalar(out, &item);
    lb_buffer_append_char(out, '"');
    return err;
}

/* Recursion has a bound, and what has no room ends: a count of billions is not run through. */
static enum lb_err write_members(struct msgpack_reader *reader, const struct msgpack_item *item, struct lb_buffer *out,
                                 uint32_t depth)
{
    bool map = item->kind == MSGPACK_MAP;
    enum lb_err err = depth < MSGPACK_DEPTH_MAX ? LB_OK : LB_LIMIT;

    lb_buffer_append_char(out, map ? '{' : '[');
    for (uint32_t i = 0; i < item->count && err == LB_OK; i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        if (map) {
            err = write_key(reader, out);
            lb_buffer_append_char(out, ':');
        }
        if (err == LB_OK)
            err = write_value(reader, out, depth + 1);
    }
    lb_buffer_append_char(out, map ? '}' : ']');
    return err;
}

static enum lb_err write_any(struct msgpack_reader *reader, const struct msgpack_item *item, struct lb_buffer *out,
                             uint32_t depth)
{
    if (item->kind == MSGPACK_ARRAY || item->kind == MSGPACK_MAP)
        return write_members(reader, item, out, depth);
    write_scalar(out, item);
    return LB_OK;
}

static enum lb_err write_value(struct msgpack_reader *reader, struct lb_buffer *out, uint32_t depth)
{
    struct msgpack_item item;
    enum lb_err err = msgpack_next(reader, &item);

    return err == LB_OK ? write_any(reader, &item, out, depth) : err;
}

enum lb_err msgpack_write_json(struct msgpack_reader *reader, struct lb_buffer *out)
{
    return write_value(reader, out, 0);
}

enum lb_err msgpack_write_item(struct msgpack_reader *reader, const struct msgpack_item *item, struct lb_buffer *out)
{
    return write_any(reader, item, out, 0);
}

/* --- answers ---------------------------------------------------------------------------- */

void msgpack_put_array(struct lb_buffer *out, uint8_t count)
{
    lb_buffer_append_char(out, (char)(0x90 | count));
}

void msgpack_put_map(struct lb_buffer *out, uint8_t count)
{
    lb_buffer_append_char(out, (char)(0x80 | count));
}

void msgpack_put_text(struct lb_buffer *out, struct lb_str text)
{
    uint16_t len = htobe16((uint16_t)text.len);

    if (text.len < 32) {
        lb_buffer_append_char(out, (char)(0xa0 | text.len));
    } else if (text.len < 256) { /* short answers are read by peers that know no longer ones */
        lb_buffer_append_char(out, (char)0xd9);
        lb_buffer_append_char(out, (char)text.len);
    } else {
        lb_buffer_append_char(out, (char)0xda);
        lb_buffer_append(out, (const char *)&len, sizeof(len));
    }
    lb_buffer_append_str(out, text);
}

void msgpack_put_bytes(struct lb_buffer *out, struct lb_str bytes)
{
    lb_buffer_append_char(out, (char)0xc4);
    lb_buffer_append_char(out, (char)bytes.len);
    lb_buffer_append_str(out, bytes);
}

void msgpack_put_bool(struct lb_buffer *out, bool value)
{
    lb_buffer_append_char(out, (char)(value ? 0xc3 : 0xc2));
}
