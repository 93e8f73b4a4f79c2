/*
 * gelf_unpack.c - chunks in blocks of one pool, messages in groups by a hash of peer and id.
 *
 * The id is chosen by the sender, so that of another peer is another message. Chunks of one message that do not agree
 * on their number, or come twice, are left out.
 */
#include "gelf_unpack.h"

#include "inflate.h"
#include "lb_alloc.h"

#include <string.h>
#include <xxhash.h>

enum {
    CHUNK_HEAD = 12, /* magic, id, number, count */
    ID_AT = 2,
    ID_BYTES = 8,
    NUMBER_AT = 10,
    COUNT_AT = 11,
    BLOCK_BYTES = 2048,
    BLOCKS = GELF_PENDING_BYTES / BLOCK_BYTES,
    GROUPS = 64,
    GROUP_MESSAGES = 8,
    NO_BLOCK = 0xffff,
    KEEP_BYTES = 1024 * 1024, /* buffers that are larger are not kept */
    JOINED_MAX = GELF_PENDING_BYTES,
};

struct key {
    struct in6_addr peer;
    char id[ID_BYTES];
};

struct pending {
    bool used;
    struct key key;
    int64_t began;
    uint8_t count;
    uint8_t received;
    uint16_t first[GELF_CHUNKS_MAX]; /* block of each chunk; NO_BLOCK: none has come */
    uint16_t length[GELF_CHUNKS_MAX];
};

struct gelf_unpacker {
    size_t message_max;
    uint64_t lost;
    int64_t swept;
    uint16_t free_block;
    struct inflater inflater;
    struct lb_buffer joined;
    struct pending pending[GROUPS * GROUP_MESSAGES];
    uint16_t next[BLOCKS];
    char blocks[BLOCKS][BLOCK_BYTES];
};

struct gelf_unpacker *gelf_unpacker_new(size_t message_max)
{
    struct gelf_unpacker *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->message_max = message_max;
    for (size_t i = 0; i < BLOCKS; i++)
        self->next[i] = i + 1 < BLOCKS ? (uint16_t)(i + 1) : NO_BLOCK;
    lb_buffer_init(&self->joined, JOINED_MAX);
    if (inflater_open(&self->inflater, message_max + 1))
        return self;
    gelf_unpacker_free(self);
    return NULL;
}

void gelf_unpacker_free(struct gelf_unpacker *self)
{
    if (self == NULL)
        return;
    inflater_close(&self->inflater);
    lb_buffer_free(&self->joined);
    lb_free(self);
}

uint64_t gelf_unpack_lost(struct gelf_unpacker *self)
{
    uint64_t lost = self->lost;

    self->lost = 0;
    return lost;
}

/* --- chunks ------------------------------------------------------------------------ */

static void release(struct gelf_unpacker *self, struct pending *message)
{
    for (size_t i = 0; i < message->count; i++) {
        uint16_t block = message->first[i];

        while (block != NO_BLOCK) {
            uint16_t next = self->next[block];

            self->next[block] = self->free_block;
            self->free_block = block;
            block = next;
        }
    }
    message->used = false;
}

static void give_up(struct gelf_unpacker *self, struct pending *message)
{
    release(self, message);
    self->lost++;
}

static void sweep(struct gelf_unpacker *self, int64_t now)
{
    if (now - self->swept < LB_SECOND / 4)
        return;
    self->swept = now;
    for (size_t i = 0; i < GROUPS * GROUP_MESSAGES; i++) {
        if (self->pending[i].used && now - self->pending[i].began > GELF_PENDING_AGE)
            give_up(self, &self->pending[i]);
    }
}

/* The oldest but `spared` gives way. False: there is no other. */
static bool make_room(struct gelf_unpacker *self, const struct pending *spared)
{
    struct pending *oldest = NULL;

    for (size_t i = 0; i < GROUPS * GROUP_MESSAGES; i++) {
        struct pending *message = &self->pending[i];

        if (message->used && message != spared && (oldest == NULL || message->began < oldest->began))
            oldest = message;
    }
    if (oldest != NULL)
        give_up(self, oldest);
    return oldest != NULL;
}

static struct pending *find(struct gelf_unpacker *self, const struct key *key, uint8_t count, int64_t now)
{
    struct pending *group = &self->pending[XXH3_64bits(key, sizeof(*key)) % GROUPS * GROUP_MESSAGES];
    struct pending *best = group;

    for (size_t i = 0; i < GROUP_MESSAGES; i++) {
        if (group[i].used && memcmp(&group[i].key, key, sizeof(*key)) == 0)
            return &group[i];
        if (best->used && (!group[i].used || group[i].began < best->began))
            best = &group[i];
    }
    if (best->used)
        give_up(self, best);
    *best = (struct pending){ .used = true, .key = *key, .began = now, .count = count };
    memset(best->first, 0xff, sizeof(best->first));
    return best;
}

/* Copies a chunk into blocks. False: not even all of them are enough. */
static bool store(struct gelf_unpacker *self, struct pending *message, uint8_t number, struct lb_str bytes)
{
    uint16_t *link = &message->first[number];

    message->length[number] = (uint16_t)bytes.len;
    do {
        size_t part = bytes.len < BLOCK_BYTES ? bytes.len : BLOCK_BYTES;

        while (self->free_block == NO_BLOCK) {
            if (!make_room(self, message))
                return false;
        }
        uint16_t block = self->free_block;
        self->free_block = self->next[block];
        self->next[block] = NO_BLOCK;
        memcpy(self->blocks[block], bytes.ptr, part);
        *link = block;
        link = &self->next[block];
        bytes = (struct lb_str){ bytes.ptr + part, bytes.len - part };
    } while (bytes.len > 0);
    return true;
}

static bool join(struct gelf_unpacker *self, struct pending *message)
{
    lb_buffer_reset(&self->joined);
    for (size_t i = 0; i < message->count; i++) {
        size_t left = message->length[i];

        for (uint16_t block = message->first[i]; block != NO_BLOCK; block = self->next[block]) {
            size_t part = left < BLOCK_BYTES ? left : BLOCK_BYTES;

            lb_buffer_append(&self->joined, self->blocks[block], part);
            left -= part;
        }
    }
    release(self, message);
    if (self->joined.failed)
        self->lost++;
    return !self->joined.failed;
}

/* True: `joined` is a whole message. */
static bool add_chunk(struct gelf_unpacker *self, struct lb_str datagram, const struct in6_addr *peer, int64_t now)
{
    uint8_t number = (uint8_t)datagram.ptr[NUMBER_AT];
    uint8_t count = (uint8_t)datagram.ptr[COUNT_AT];
    struct key key = { .peer = *peer };
    struct pending *message;

    memcpy(key.id, datagram.ptr + ID_AT, ID_BYTES);
    message = find(self, &key, count, now);
    if (message->count != count || message->first[number] != NO_BLOCK)
        return false;
    if (!store(self, message, number, (struct lb_str){ datagram.ptr + CHUNK_HEAD, datagram.len - CHUNK_HEAD })) {
        give_up(self, message);
        return false;
    }
    message->received++;
    return message->received == count && join(self, message);
}

static bool is_chunk(struct lb_str datagram)
{
    return datagram.len >= CHUNK_HEAD && datagram.ptr[0] == 0x1e && datagram.ptr[1] == 0x0f &&
           (uint8_t)datagram.ptr[COUNT_AT] > 0 && (uint8_t)datagram.ptr[COUNT_AT] <= GELF_CHUNKS_MAX &&
           (uint8_t)datagram.ptr[NUMBER_AT] < (uint8_t)datagram.ptr[COUNT_AT];
}

/* --- decompression ------------------------------------------------------------------ */

static bool starts_zlib(struct lb_str bytes)
{
    const unsigned char *head = (const unsigned char *)bytes.ptr;

    return bytes.len > 2 && (head[0] & 0x0f) == Z_DEFLATED && head[0] <= 0x78 && (head[0] << 8 | head[1]) % 31 == 0;
}

static void drop_large(struct lb_buffer *buffer)
{
    if (buffer->capacity > KEEP_BYTES)
        lb_buffer_free(buffer);
}

static struct lb_str decompressed(struct gelf_unpacker *self, struct lb_str bytes)
{
    enum lb_err err = LB_BAD_INPUT;

    if (bytes.len > 4 && memcmp(bytes.ptr, "\x28\xb5\x2f\xfd", 4) == 0)
        err = inflate_bytes(&self->inflater, INFLATE_ZSTD, bytes);
    else if ((bytes.len > 2 && memcmp(bytes.ptr, "\x1f\x8b", 2) == 0) || starts_zlib(bytes))
        err = inflate_bytes(&self->inflater, INFLATE_ZLIB, bytes);
    return err == LB_OK || err == LB_LIMIT ? lb_buffer_str(&self->inflater.out) : bytes;
}

bool gelf_unpack(struct gelf_unpacker *self, struct lb_str datagram, const struct in6_addr *peer, int64_t now,
                 struct lb_str *out)
{
    sweep(self, now);
    if (!is_chunk(datagram)) {
        *out = decompressed(self, datagram);
        return true;
    }
    drop_large(&self->joined);
    if (!add_chunk(self, datagram, peer, now))
        return false;
    *out = decompressed(self, lb_buffer_str(&self->joined));
    return true;
}
