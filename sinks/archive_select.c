/*
 * archive_select.c - the blocks that may hold what is looked for.
 *
 * Times, levels and services first, from tables that are in memory; then, for
 * what is left of a segment, ids, which read a few pages; then words.
 */
#include "archive_query.h"
#include "archive_reader.h"

#include "archive_bytes.h"

#include <string.h>

static uint64_t services_of(const struct archive_index *index, const struct lb_archive_query *query)
{
    uint64_t wanted = ARCHIVE_SERVICE_OTHER;

    for (size_t i = 0; i < query->service_count; i++) {
        for (uint32_t j = 0; j < index->service_count; j++) {
            if (lb_str_equal(query->services[i], index->services[j]))
                wanted |= UINT64_C(1) << j;
        }
    }
    return wanted;
}

static bool has_level(const struct lb_archive_block *block, uint16_t levels)
{
    for (size_t i = 0; i < LB_ARCHIVE_LEVELS; i++) {
        if (block->levels[i] > 0 && (levels >> i & 1) != 0)
            return true;
    }
    return false;
}

static bool may_match(const struct lb_archive_block *block, const struct archive_block_more *more,
                      const struct lb_archive_query *query, uint64_t services)
{
    bool any_time = query->since_ns == INT64_MIN && query->until_ns == INT64_MAX;
    bool sure = (more->flags & ARCHIVE_BLOCK_UNSURE) == 0;

    if ((more->flags & ARCHIVE_BLOCK_GONE) != 0)
        return false;
    if (!any_time &&
        (block->last_ns < query->since_ns || (block->first_ns >= query->until_ns && query->until_ns != INT64_MAX)))
        return false;
    if (query->levels != 0 && sure && !has_level(block, query->levels))
        return false;
    return query->services == NULL || (more->services & services) != 0;
}

/* One literal at least of the clause: leaves what may hold it. */
static enum lb_err query_clause(struct archive_dictionary *dictionary, const struct lb_archive_clause *clause,
                                struct archive_set *alive)
{
    struct archive_set any = { 0 };

    for (size_t i = 0; i < clause->count; i++) {
        struct archive_set set = *alive;
        enum lb_err err = archive_query_ids(dictionary->index, dictionary->segment, clause->any[i], &set);

        if (err == LB_OK)
            err = archive_query_words(dictionary, clause->any[i], &set);
        if (err != LB_OK)
            return err;
        for (size_t j = 0; j < ARCHIVE_SET_WORDS; j++)
            any.bits[j] |= set.bits[j];
        if (memcmp(&any, alive, sizeof(any)) == 0)
            return LB_OK; /* it leaves nothing out */
    }
    *alive = any;
    return LB_OK;
}

static enum lb_err query_segment(const struct archive_index *index, const struct archive_segment *segment,
                                 const struct lb_archive_query *query, struct archive_set *alive)
{
    struct archive_dictionary dictionary;
    enum lb_err err = LB_OK;

    archive_dictionary_init(&dictionary, index, segment);
    for (size_t i = 0; err == LB_OK && i < query->count; i++)
        err = query_clause(&dictionary, &query->all[i], alive);
    archive_dictionary_free(&dictionary);
    return err;
}

static enum lb_err select_segment(const struct archive_index *index, const struct archive_segment *segment,
                                  const struct lb_archive_query *query, uint64_t services, uint64_t *bits)
{
    struct archive_set alive = { 0 };
    bool any = false;

    for (uint32_t i = 0; i < segment->block_count; i++) {
        uint32_t number = segment->first_block + i;

        if (!may_match(&index->blocks[number], &index->more[number], query, services))
            continue;
        alive.bits[i / 64] |= UINT64_C(1) << (i % 64);
        any = true;
    }
    enum lb_err err = any ? query_segment(index, segment, query, &alive) : LB_OK;
    for (uint32_t i = 0; err == LB_OK && i < segment->block_count; i++) {
        uint32_t number = segment->first_block + i;

        if ((alive.bits[i / 64] >> (i % 64) & 1) != 0)
            bits[number / 64] |= UINT64_C(1) << (number % 64);
    }
    return err;
}

static void set_all(uint64_t *bits, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bits[i / 64] |= UINT64_C(1) << (i % 64);
}

enum lb_err lb_archive_select(const struct lb_archive *archive, const struct lb_archive_query *query, uint64_t *bits)
{
    const struct archive_index *index = archive->index;
    enum lb_err err = LB_OK;

    if (index == NULL) {
        set_all(bits, archive->summary.block_count);
        return LB_OK;
    }
    uint64_t services = services_of(index, query);
    for (uint32_t i = 0; err == LB_OK && i < index->segment_count; i++)
        err = select_segment(index, &index->segments[i], query, services, bits);
    if (err == LB_OK || err == LB_NOMEM)
        return err;
    set_all(bits, index->block_count);
    return LB_BAD_INPUT;
}
