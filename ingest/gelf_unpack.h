/*
 * gelf_unpack.h - what datagrams of GELF stand for: chunks put together, then decompressed.
 *
 * A message of up to 128 chunks may come in any order, within 5 seconds. All memory is taken at the start (and used as
 * it is needed): unfinished messages share it, and where it is full the oldest gives way. What comes out of a
 * decompression is bounded, however little went in. One thread; one for each socket.
 */
#ifndef GELF_UNPACK_H
#define GELF_UNPACK_H

#include "lb_clock.h"
#include "lb_str.h"

#include <netinet/in.h>
#include <stdbool.h>

enum {
    GELF_CHUNKS_MAX = 128, /* of one message, by the specification */
    GELF_PENDING_BYTES = 8 * 1024 * 1024,
};
#define GELF_PENDING_AGE (5 * LB_SECOND)

struct gelf_unpacker;

/* `message_max`: a longer message is cut there, and one byte longer than that, so that it is seen. NULL: no memory. */
struct gelf_unpacker *gelf_unpacker_new(size_t message_max);
void gelf_unpacker_free(struct gelf_unpacker *self);

/*
 * The message that a datagram is or completes, in `out` until the next call. What cannot be unpacked comes out as it
 * is. False: it is a chunk of a message that is not whole. `now`: monotonic.
 */
bool gelf_unpack(struct gelf_unpacker *self, struct lb_str datagram, const struct in6_addr *peer, int64_t now,
                 struct lb_str *out);

/* Messages that were given up since the last call, because chunks did not come in time or memory was full. */
uint64_t gelf_unpack_lost(struct gelf_unpacker *self);

#endif
