/*
 * forward.h - the Forward protocol of Fluentd, version 1: what its parts share.
 *
 * A message is an array of MessagePack: a tag, and one record, or an array of
 * them, or their bytes, plain or by gzip; and options, of which `chunk` asks
 * for an answer. Records are written as lines of JSON behind their time,
 * straight from the message into the batch: lb_envelope_forward reads them.
 * A message that is too much for the credit there is stays where it is, and
 * goes on later.
 */
#ifndef FORWARD_H
#define FORWARD_H

#include "msgpack.h"
#include "peers.h"

#include <zlib.h>

enum {
    FORWARD_PARTS_MAX = 16,       /* messages of Docker that are open, of one connection */
    FORWARD_PART_ID = 128,        /* bytes of their id */
    FORWARD_NONCE = 16,           /* of the handshake */
    FORWARD_CHUNK_MAX = 4096,     /* bytes of a chunk's name */
    FORWARD_INFLATE = 64 * 1024,  /* bytes at once */
    FORWARD_GREETING = 16 * 1024, /* of a PING */
};

#define FORWARD_PART_AGE (5 * LB_SECOND) /* of a part whose rest does not come */

struct forward_source {
    struct peers peers;
    struct lb_str shared_key;
    struct lb_str host; /* what we call ourselves; this machine's name where it is empty */
    struct lb_pairs users;

    char own_host[256];
    struct lb_buffer line; /* the record that is being written */
};

/* A message of Docker that came in parts so far. */
struct forward_part {
    char id[FORWARD_PART_ID];
    size_t id_len; /* 0: free */
    bool whole;    /* the last one was added */
    bool truncated;
    int64_t time_ns;       /* of the first */
    int64_t since;         /* monotonic */
    struct lb_buffer head; /* the other members, written */
    struct lb_buffer text;
};

enum forward_mode { FORWARD_NOTHING, FORWARD_ONE, FORWARD_MANY, FORWARD_PACKED };

/* The message at peer_bytes(); places are offsets in it, for it may move in memory. */
struct forward_message {
    enum forward_mode mode;
    bool compressed;
    bool foreign; /* metrics or traces of Fluent Bit */
    size_t length;
    size_t tag, tag_len;
    size_t chunk, chunk_len;
    size_t at;     /* of the next entry, or of the next compressed byte */
    size_t end;    /* of the entries */
    uint32_t left; /* entries, of FORWARD_ONE and FORWARD_MANY */
};

struct forward_peer {
    struct peer peer;
    bool in_message;
    char nonce[FORWARD_NONCE];
    char salt[FORWARD_NONCE];     /* of the user's password */
    struct msgpack_extent extent; /* of the message that comes, or of the entry in `plain` */
    struct forward_message message;

    z_stream inflate;
    bool inflating;
    bool inflated; /* to its end */
    struct lb_buffer plain;
    size_t plain_used;

    struct forward_part *parts; /* FORWARD_PARTS_MAX, or NULL: there never were any */
};

static inline struct forward_source *forward_of(const struct forward_peer *self)
{
    return (struct forward_source *)(void *)self->peer.owner;
}

/* --- forward_message.c ------------------------------------------------------------------ */

/* Reads the head of the whole message `bytes`. NULL: good; or why it is none. */
const char *forward_read_message(struct forward_message *message, struct lb_str bytes);

/* The time of an entry: a number, or EventTime. */
bool forward_read_time(struct msgpack_reader *reader, int64_t *time_ns);

/* --- forward_record.c -------------------------------------------------------------------- */

enum forward_record {
    FORWARD_RECORD, /* it is in forward_of()->line */
    FORWARD_HELD,   /* a part, kept */
    FORWARD_BAD,
};

struct forward_line {
    struct forward_part *part; /* that it makes whole; freed by forward_part_free() when it has gone on */
    bool truncated;
};

struct forward_entry {
    struct lb_str tag;
    int64_t time_ns;
    bool joins; /* parts may wait for each other */
};

/* Writes the record that `reader` is at, a map, and moves behind it. */
enum forward_record forward_write(struct forward_peer *self, const struct forward_entry *from,
                                  struct msgpack_reader *reader, struct forward_line *line);

/* A part that waits no longer, as a record of its own; NULL: there is none. `all`: however young. */
struct forward_part *forward_part_late(struct forward_peer *self, bool all);
void forward_write_part(struct forward_peer *self, const struct forward_part *part);
void forward_part_free(struct forward_part *part);
void forward_parts_free(struct forward_peer *self);

/* --- forward_auth.c ----------------------------------------------------------------------- */

/* With a shared key: says HELO. False: no randomness. */
bool forward_greet(struct forward_peer *self);

/* Reads PING in `bytes`, says PONG. NULL: the peer is known; or why it is refused. */
const char *forward_admit(struct forward_peer *self, struct lb_str bytes);

#endif
