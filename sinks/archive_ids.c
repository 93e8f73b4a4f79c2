/*
 * archive_ids.c - the ids of a segment while it is made.
 *
 * All blocks share the rows, so their number has to fit most of them: it is
 * that of the block in which a typical id lies. A block with more has some
 * false hits more; one with far more is not noted at all and always matches.
 */
#include "archive_ids.h"

#include "archive_bytes.h"

#include "lb_crc32c.h"

enum { SLOTS = 2 * ARCHIVE_IDS_MAX };

bool archive_ids_open(struct archive_ids *ids)
{
    *ids = (struct archive_ids){ .slots = lb_alloc(SLOTS * sizeof(*ids->slots)), .streaks = true };
    return ids->slots != NULL;
}

void archive_ids_close(struct archive_ids *ids)
{
    lb_free(ids->slots);
    lb_free(ids->hashes);
    *ids = (struct archive_ids){ 0 };
}

void archive_ids_begin(struct archive_ids *ids)
{
    memset(ids->slots, 0, SLOTS * sizeof(*ids->slots));
    ids->first = ids->count;
}

void archive_ids_end(struct archive_ids *ids, uint32_t block, bool keep)
{
    if (!keep)
        ids->count = ids->first;
    ids->ends[block] = ids->count;
}

static inline enum lb_err add_hash(struct archive_ids *ids, uint32_t hash)
{
    uint32_t slot = hash * UINT32_C(0x9E3779B1) / (UINT32_MAX / SLOTS + 1);

    for (; ids->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        if (ids->slots[slot] == hash)
            return LB_OK;
    }
    if (ids->count - ids->first == ARCHIVE_IDS_MAX)
        return LB_LIMIT;
    if (!grow_bytes((void **)&ids->hashes, &ids->hashes_size, (ids->count + 1) * sizeof(hash)))
        return LB_NOMEM;
    ids->slots[slot] = hash;
    ids->hashes[ids->count++] = hash;
    return LB_OK;
}

enum lb_err archive_ids_add(struct archive_ids *ids, struct lb_str id)
{
    struct archive_winnow winnow;
    enum lb_err err = LB_OK;

    archive_winnow_begin(&winnow, id, ids->streaks);
    for (uint32_t hash; err == LB_OK && (hash = archive_winnow_next(&winnow)) != 0;)
        err = add_hash(ids, hash);
    return err;
}

/* Ids of the block in which an id lies, on average over the ids. */
static uint64_t typical(const struct archive_ids *ids, uint32_t block_count)
{
    uint64_t squares = 0;
    uint32_t before = 0;

    for (uint32_t i = 0; i < block_count; i++) {
        uint64_t count = ids->ends[i] - before;

        before = ids->ends[i];
        squares += count * count;
    }
    return ids->count > 0 ? squares / ids->count : 0;
}

static void fill(const struct archive_ids *ids, const struct archive_segment *segment, unsigned char *bits)
{
    uint32_t block_count = segment->block_count;
    uint32_t number = 0;

    for (uint32_t block = 0; block < block_count; block++) {
        for (; number < ids->ends[block]; number++) {
            for (unsigned i = 0; i < segment->hashes; i++) {
                uint64_t bit = (uint64_t)archive_row(ids->hashes[number], i, segment->rows) * block_count + block;

                bits[bit / 8] |= (unsigned char)(1u << (bit % 8));
            }
        }
    }
}

/* The last page is as long as it needs to be. */
static void put_pages(const unsigned char *bits, size_t bytes, struct lb_buffer *pages)
{
    unsigned char crc[4];

    for (size_t at = 0; at < bytes; at += ARCHIVE_PAGE - 4) {
        size_t part = bytes - at < ARCHIVE_PAGE - 4 ? bytes - at : ARCHIVE_PAGE - 4;

        put_u32(crc, lb_crc32c(0, bits + at, part));
        lb_buffer_append(pages, (const char *)bits + at, part);
        lb_buffer_append(pages, (const char *)crc, sizeof(crc));
    }
}

/* How many rows each, so that fewest blocks are found in vain: ln 2 times the rows for each id. */
static uint32_t best_hashes(uint64_t rows, uint64_t count)
{
    uint64_t hashes = (rows * 693 / 1000 + count / 2) / count;

    if (hashes < 1)
        return 1;
    return hashes < ARCHIVE_ID_HASHES_MAX ? (uint32_t)hashes : ARCHIVE_ID_HASHES_MAX;
}

enum lb_err archive_ids_write(struct archive_ids *ids, uint64_t bytes_max, struct archive_segment *segment,
                              struct lb_buffer *pages)
{
    uint64_t count = typical(ids, segment->block_count);
    uint64_t most = bytes_max * 8 / segment->block_count;
    uint64_t wanted = count * ARCHIVE_ID_BITS < most ? count * ARCHIVE_ID_BITS : most;

    segment->streaks = ids->streaks;
    if (ids->count > 0) {
        segment->rows = wanted > 0 ? (uint32_t)wanted : 1;
        segment->hashes = best_hashes(segment->rows, count > 0 ? count : 1);
    }
    size_t bytes = ((uint64_t)segment->rows * segment->block_count + 7) / 8;
    unsigned char *bits = lb_alloc(bytes + 1);
    if (bits == NULL)
        return LB_NOMEM;
    fill(ids, segment, bits);
    put_pages(bits, bytes, pages);
    lb_free(bits);
    ids->count = 0;
    return pages->failed ? LB_NOMEM : LB_OK;
}
