/*
 * forward_message.c - the head of a message: tag, where its entries are, and its options.
 *
 * Options stand behind the entries, so an array of entries is passed over once before it is read.
 */
#include "forward.h"

#define SECONDS_MAX (UINT64_MAX / 2 / LB_SECOND) /* of which nanoseconds are an int64_t */

static uint64_t big_endian(const char *bytes, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | (unsigned char)bytes[i];
    return number;
}

/* Seconds as nanoseconds, within what those can say. */
static bool from_seconds(uint64_t seconds, uint64_t nanoseconds, int64_t *time_ns)
{
    if (seconds >= SECONDS_MAX)
        return false;
    *time_ns = (int64_t)seconds * LB_SECOND + (int64_t)nanoseconds;
    return true;
}

static bool time_of(const struct msgpack_item *item, int64_t *time_ns)
{
    switch (item->kind) {
    case MSGPACK_UNSIGNED: return from_seconds(item->number, 0, time_ns);
    case MSGPACK_INT: return item->integer >= 0 && from_seconds((uint64_t)item->integer, 0, time_ns);
    case MSGPACK_FLOAT:
        if (!(item->real >= 0 && item->real < (double)SECONDS_MAX))
            return false;
        *time_ns = (int64_t)(item->real * 1e6) * 1000;
        return true;
    case MSGPACK_EXT:
        if (item->type != 0 || item->bytes.len != 8)
            return false;
        return from_seconds(big_endian(item->bytes.ptr, 4), big_endian(item->bytes.ptr + 4, 4) % LB_SECOND, time_ns);
    default: return false;
    }
}

/* Fluent Bit writes [time, metadata] too. */
bool forward_read_time(struct msgpack_reader *reader, int64_t *time_ns)
{
    struct msgpack_item item;

    if (msgpack_next(reader, &item) != LB_OK)
        return false;
    if (item.kind != MSGPACK_ARRAY)
        return time_of(&item, time_ns);
    uint32_t more = item.count;
    if (more == 0 || msgpack_next(reader, &item) != LB_OK || !time_of(&item, time_ns))
        return false;
    while (--more > 0) {
        if (msgpack_skip(reader) != LB_OK)
            return false;
    }
    return true;
}

static const char *read_option(struct forward_message *message, struct lb_str name, const struct msgpack_item *value,
                               const char *base)
{
    bool text = value->kind == MSGPACK_TEXT;

    if (lb_str_is(name, "chunk") && text) {
        message->chunk = (size_t)(value->bytes.ptr - base);
        message->chunk_len = value->bytes.len;
        return value->bytes.len <= FORWARD_CHUNK_MAX ? NULL : "the name of its chunk is too long";
    }
    if (lb_str_is(name, "fluent_signal") && value->kind == MSGPACK_UNSIGNED)
        message->foreign = value->number != 0;
    if (!lb_str_is(name, "compressed") || !text || lb_str_is(value->bytes, "text"))
        return NULL;
    message->compressed = true;
    return lb_str_is(value->bytes, "gzip") ? NULL : "it is compressed, but not by gzip";
}

static const char *read_options(struct forward_message *message, struct msgpack_reader *reader, const char *base)
{
    struct msgpack_item options;
    const char *problem = NULL;

    if (msgpack_next(reader, &options) != LB_OK || (options.kind != MSGPACK_MAP && options.kind != MSGPACK_NIL))
        return "its options are no map";
    for (uint32_t i = 0; i < options.count && problem == NULL; i++) {
        struct msgpack_item key;
        struct msgpack_item value;
        struct msgpack_reader at;

        if (msgpack_next(reader, &key) != LB_OK || key.kind != MSGPACK_TEXT)
            return "an option has no name";
        at = *reader;
        if (msgpack_next(&at, &value) != LB_OK || msgpack_skip(reader) != LB_OK)
            return "an option has no value";
        problem = read_option(message, key.bytes, &value, base);
    }
    return problem;
}

/* Of an array behind the tag: it holds entries, and is not the time of one with metadata. */
static bool holds_entries(struct msgpack_reader reader, uint32_t count)
{
    struct msgpack_item first;

    return count == 0 || (msgpack_next(&reader, &first) == LB_OK && first.kind == MSGPACK_ARRAY);
}

/* Leaves the reader behind the entries. */
static const char *find_entries(struct forward_message *message, struct msgpack_reader *reader, const char *base)
{
    struct msgpack_reader start = *reader;
    struct msgpack_item second;
    enum lb_err err = msgpack_next(reader, &second);

    if (err == LB_OK && second.kind == MSGPACK_TEXT) {
        message->mode = FORWARD_PACKED;
        message->at = (size_t)(second.bytes.ptr - base);
    } else if (err == LB_OK && second.kind == MSGPACK_ARRAY && holds_entries(*reader, second.count)) {
        message->mode = FORWARD_MANY;
        message->at = (size_t)(reader->at - base);
        message->left = second.count;
        *reader = start;
        err = msgpack_skip(reader);
    } else {
        message->mode = FORWARD_ONE;
        message->at = (size_t)(start.at - base);
        message->left = 1;
        *reader = start;
        for (int i = 0; i < 2 && err == LB_OK; i++)
            err = msgpack_skip(reader);
    }
    message->end = (size_t)(reader->at - base);
    return err == LB_OK ? NULL : "its entries are broken";
}

const char *forward_read_message(struct forward_message *message, struct lb_str bytes)
{
    struct msgpack_reader reader = { bytes.ptr, bytes.ptr + bytes.len };
    struct msgpack_item item;
    const char *problem;

    *message = (struct forward_message){ .mode = FORWARD_NOTHING, .length = bytes.len };
    if (msgpack_next(&reader, &item) != LB_OK)
        return "it is no message";
    if (item.kind == MSGPACK_NIL)
        return NULL; /* a sign of life */
    uint32_t count = item.count;
    if (item.kind != MSGPACK_ARRAY || count < 2 || count > 4)
        return "expected an array of a tag, entries and options";
    if (msgpack_next(&reader, &item) != LB_OK || item.kind != MSGPACK_TEXT)
        return "expected a tag as the first item";
    message->tag = (size_t)(item.bytes.ptr - bytes.ptr);
    message->tag_len = item.bytes.len;
    problem = find_entries(message, &reader, bytes.ptr);
    uint32_t used = message->mode == FORWARD_ONE ? 3 : 2;
    if (problem == NULL && count < used)
        problem = "expected a time and a record";
    if (problem == NULL && count > used)
        problem = read_options(message, &reader, bytes.ptr);
    if (problem == NULL && message->compressed && message->mode != FORWARD_PACKED)
        problem = "only packed entries can be compressed";
    if (message->foreign)
        message->mode = FORWARD_NOTHING;
    return problem;
}
