/*
 * peer_rate.c - buckets in groups of eight, by a hash of the peer.
 *
 * Tokens are kept as time: a bucket is what its peer is ahead of, and a record costs `per / records` of it. So nothing
 * has to be filled, and no rate is too small.
 */
#include "peer_rate.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <string.h>
#include <xxhash.h>

enum { GROUPS = 512, GROUP_BUCKETS = 8 };

struct bucket {
    struct in6_addr peer;
    bool used;
    int64_t paid_until; /* monotonic: when all that passed has been paid for */
    int64_t seen;
    uint64_t held_back;
};

struct peer_rate {
    int64_t cost; /* of one record, ns */
    int64_t most; /* ahead */
    void (*told)(void *context, const struct in6_addr *peer, uint64_t held_back);
    void *context;
    struct bucket buckets[GROUPS * GROUP_BUCKETS];
};

struct peer_rate *peer_rate_new(const struct rate_settings *settings,
                                void (*told)(void *context, const struct in6_addr *peer, uint64_t held_back),
                                void *context)
{
    struct peer_rate *self = lb_alloc(sizeof(*self));
    uint64_t burst = settings->burst > 0 ? settings->burst : settings->records;

    if (self == NULL)
        return NULL;
    self->cost = settings->per_ns / (int64_t)settings->records;
    if (self->cost < 1)
        self->cost = 1;
    self->most = (int64_t)burst * self->cost;
    self->told = told;
    self->context = context;
    return self;
}

static void tell(struct peer_rate *self, struct bucket *bucket)
{
    if (bucket->held_back > 0)
        self->told(self->context, &bucket->peer, bucket->held_back);
    bucket->held_back = 0;
}

static struct bucket *find(struct peer_rate *self, const struct in6_addr *peer)
{
    struct bucket *group = &self->buckets[XXH3_64bits(peer, sizeof(*peer)) % GROUPS * GROUP_BUCKETS];
    struct bucket *oldest = group;

    for (size_t i = 0; i < GROUP_BUCKETS; i++) {
        if (group[i].used && memcmp(&group[i].peer, peer, sizeof(*peer)) == 0)
            return &group[i];
        if (!group[i].used || (oldest->used && group[i].seen < oldest->seen))
            oldest = &group[i];
    }
    tell(self, oldest);
    *oldest = (struct bucket){ .peer = *peer, .used = true };
    return oldest;
}

bool peer_rate_admit(struct peer_rate *self, const struct in6_addr *peer, int64_t now)
{
    struct bucket *bucket = find(self, peer);

    bucket->seen = now;
    if (bucket->paid_until < now)
        bucket->paid_until = now;
    if (bucket->paid_until + self->cost > now + self->most) {
        bucket->held_back++;
        return false;
    }
    bucket->paid_until += self->cost;
    return true;
}

void peer_rate_tell(struct peer_rate *self)
{
    for (size_t i = 0; i < sizeof(self->buckets) / sizeof(self->buckets[0]); i++)
        tell(self, &self->buckets[i]);
}

void peer_rate_free(struct peer_rate *self)
{
    if (self != NULL)
        peer_rate_tell(self);
    lb_free(self);
}
