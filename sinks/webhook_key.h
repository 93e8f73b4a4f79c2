/*
 * webhook_key.h - secrets, and signatures after Standard Webhooks 1.0.
 *
 * While a key is changed there are several: a request then carries a
 * signature by each, and the receiver takes whichever it knows.
 */
#ifndef WEBHOOK_KEY_H
#define WEBHOOK_KEY_H

#include "lb_str.h"

enum {
    WEBHOOK_SECRET_BYTES_MAX = 256,
    WEBHOOK_KEY_BYTES_MIN = 24, /* of a whsec_ secret, by the standard */
    WEBHOOK_KEY_BYTES_MAX = 64,
    WEBHOOK_KEYS_MAX = 4,
    WEBHOOK_SIGNATURE_BYTES = 48, /* base64 of 32 bytes, and a NUL */
};

struct webhook_key {
    unsigned char bytes[WEBHOOK_SECRET_BYTES_MAX];
    size_t len;
};

/* whsec_ and base64, or any text. False: neither; an empty one is a fault, not a wish for none. */
bool webhook_key_read(struct webhook_key *key, struct lb_str secret);

/* base64 of HMAC-SHA256 over `head` ("id.timestamp.") and `body`, with a NUL. False: the library cannot. */
bool webhook_key_sign(const struct webhook_key *key, struct lb_str head, struct lb_str body,
                      char out[WEBHOOK_SIGNATURE_BYTES]);

#endif
