/*
 * peer_rate.h - how much each peer may send: a bucket of tokens for each.
 *
 * A peer's bucket fills at `records` in `per`, up to `burst`. The table has a fixed size; a peer that is not in it
 * takes the place of the one that was quiet the longest, and begins with a full bucket. What is held back is counted
 * for each peer, and told. One thread at a time; nothing is allocated after the start.
 */
#ifndef PEER_RATE_H
#define PEER_RATE_H

#include "net_settings.h"

#include <netinet/in.h>

struct peer_rate;

/* NULL: out of memory. `told` gets what was held back of a peer since it was told last. */
struct peer_rate *peer_rate_new(const struct rate_settings *settings,
                                void (*told)(void *context, const struct in6_addr *peer, uint64_t held_back),
                                void *context);
void peer_rate_free(struct peer_rate *self); /* tells first; may be NULL */

/* Takes a token. False: the peer has none, it counts as held back. `now`: monotonic. */
bool peer_rate_admit(struct peer_rate *self, const struct in6_addr *peer, int64_t now);
void peer_rate_tell(struct peer_rate *self);

#endif
