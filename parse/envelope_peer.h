/* envelope_peer.h - what a source knows of who sent an event (lb_batch.peers), put into its record. */
#ifndef ENVELOPE_PEER_H
#define ENVELOPE_PEER_H

#include "lb_batch.h"

/* The peer's host where the record names none, and fields of the peer. Nothing is copied; left out where no room is. */
void envelope_peer(struct lb_batch *batch, uint32_t i, struct lb_record *record);

#endif
