/*
 * msgpack.h - MessagePack without a tree.
 *
 * A reader goes from item to item of bytes that are there: strings are slices
 * of them, arrays and maps say how many items follow. So what a peer claims
 * (a map of four billion members) costs nothing, and no record is ever built
 * but as the JSON that is wanted of it. No call allocates, but for the text
 * that is written.
 */
#ifndef MSGPACK_H
#define MSGPACK_H

#include "lb_buffer.h"
#include "lb_err.h"

#include <stdint.h>

enum { MSGPACK_DEPTH_MAX = 64 }; /* of arrays and maps in each other */

enum msgpack_kind {
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_INT,      /* negative ones; others may be */
    MSGPACK_UNSIGNED, /* number */
    MSGPACK_FLOAT,
    MSGPACK_TEXT,  /* str and bin */
    MSGPACK_ARRAY, /* `count` items follow */
    MSGPACK_MAP,   /* `count` pairs of items follow */
    MSGPACK_EXT,   /* type and bytes */
};

struct msgpack_item {
    enum msgpack_kind kind;
    bool single; /* of a FLOAT: it has 32 bits */
    int8_t type;
    uint32_t count;
    union {
        uint64_t number; /* of a BOOL too */
        int64_t integer;
        double real;
        struct lb_str bytes;
    };
};

struct msgpack_reader {
    const char *at;
    const char *end;
};

/* The next item. LB_AGAIN: it is not all there; LB_BAD_INPUT: there is no such item. `reader` moves with LB_OK only. */
enum lb_err msgpack_next(struct msgpack_reader *reader, struct msgpack_item *item) LB_MUST_USE;

/* Passes over one value with all that is in it. LB_LIMIT: too deep. */
enum lb_err msgpack_skip(struct msgpack_reader *reader) LB_MUST_USE;

/*
 * Where a value ends of which bytes come bit by bit: each is looked at once. Zeroed at first, and again for the next
 * value. LB_OK: it ends before bytes[at]. LB_AGAIN: more is needed, and `needed` bytes in all at the least.
 */
struct msgpack_extent {
    size_t at;
    size_t needed;
    uint32_t depth;
    uint64_t left[MSGPACK_DEPTH_MAX]; /* items to come in each array and map that is open */
};

enum lb_err msgpack_extend(struct msgpack_extent *extent, const char *bytes, size_t len) LB_MUST_USE;

/*
 * One value as JSON: bytes as text, a timestamp of Fluentd as seconds, other extensions, NaN and infinity as null.
 * Where `out` has no room it has failed.
 */
enum lb_err msgpack_write_json(struct msgpack_reader *reader, struct lb_buffer *out) LB_MUST_USE;

/* The same of an item that was read. */
enum lb_err msgpack_write_item(struct msgpack_reader *reader, const struct msgpack_item *item,
                               struct lb_buffer *out) LB_MUST_USE;

/* Writing: what answers are made of. */
void msgpack_put_array(struct lb_buffer *out, uint8_t count); /* below 16, as is */
void msgpack_put_map(struct lb_buffer *out, uint8_t count);
void msgpack_put_text(struct lb_buffer *out, struct lb_str text);   /* below 64 KiB */
void msgpack_put_bytes(struct lb_buffer *out, struct lb_str bytes); /* bin, below 256 bytes */
void msgpack_put_bool(struct lb_buffer *out, bool value);

#endif
