/* archive_builder.c - the index of a file while its blocks are written. */
#include "archive_builder.h"

#include "archive_bytes.h"

#include "lb_crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PACK_LEVEL = 9,
    SECTION_MAX = 64 * 1024 * 1024,
    COPY = 64 * 1024,
    IDS_SHARE = 12, /* ids take at most this part of the data's bytes */
};

/* A file without a name in the directory of `beside`; one in memory where the file system has none. */
static int open_spill(const char *beside)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(beside, '/');
    int length = slash != NULL ? (int)(slash - beside) + 1 : 1;

    if (snprintf(directory, sizeof(directory), "%.*s", length, slash != NULL ? beside : ".") >=
        (int)sizeof(directory)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        fd = memfd_create("index", MFD_CLOEXEC);
    return fd;
}

enum lb_err archive_builder_open(struct archive_builder *builder, const char *beside)
{
    *builder = (struct archive_builder){ .context = ZSTD_createCCtx(), .spill = -1 };
    builder->index.first_ns = INT64_MAX;
    builder->index.last_ns = INT64_MIN;
    lb_buffer_init(&builder->text, SECTION_MAX);
    lb_buffer_init(&builder->postings, SECTION_MAX);
    lb_buffer_init(&builder->pages, SECTION_MAX);
    bool fine = builder->context != NULL;
    fine = archive_facts_open(&builder->facts) && fine;
    fine = archive_words_open(&builder->words) && fine;
    fine = archive_ids_open(&builder->ids) && fine;
    if (!fine)
        return LB_NOMEM;
    ZSTD_CCtx_setParameter(builder->context, ZSTD_c_compressionLevel, PACK_LEVEL);
    builder->spill = open_spill(beside);
    return builder->spill >= 0 ? LB_OK : LB_IO;
}

void archive_builder_close(struct archive_builder *builder)
{
    if (builder->spill >= 0)
        close(builder->spill);
    ZSTD_freeCCtx(builder->context);
    archive_facts_close(&builder->facts);
    archive_words_close(&builder->words);
    archive_ids_close(&builder->ids);
    lb_buffer_free(&builder->text);
    lb_buffer_free(&builder->postings);
    lb_buffer_free(&builder->pages);
    lb_free(builder->index.blocks);
    lb_free(builder->index.more);
    lb_free(builder->index.segments);
}

/* --- segments --------------------------------------------------------------------- */

static enum lb_err spill(struct archive_builder *builder, const char *bytes, size_t len, uint32_t *offset)
{
    *offset = (uint32_t)builder->spilled;
    if (builder->spilled + len > UINT32_MAX / 2)
        return LB_LIMIT;
    if (!archive_write_at(builder->spill, bytes, len, builder->spilled))
        return LB_IO;
    builder->spilled += len;
    return LB_OK;
}

static enum lb_err spill_section(struct archive_builder *builder, struct lb_buffer *raw,
                                 struct archive_section *section)
{
    size_t bound = ZSTD_compressBound(raw->len);
    char *packed = lb_alloc(bound);

    if (packed == NULL)
        return LB_NOMEM;
    size_t size = ZSTD_compress2(builder->context, packed, bound, raw->ptr, raw->len);
    enum lb_err err = ZSTD_isError(size) != 0 ? LB_NOMEM : spill(builder, packed, size, &section->offset);
    if (err == LB_OK) {
        section->packed = (uint32_t)size;
        section->raw = (uint32_t)raw->len;
        section->crc = lb_crc32c(0, packed, size);
    }
    lb_free(packed);
    lb_buffer_reset(raw);
    return err;
}

static uint32_t open_blocks(const struct archive_builder *builder)
{
    const struct archive_index *index = &builder->index;

    if (index->segment_count == 0)
        return index->block_count;
    const struct archive_segment *last = &index->segments[index->segment_count - 1];
    return index->block_count - last->first_block - last->block_count;
}

static enum lb_err close_segment(struct archive_builder *builder)
{
    struct archive_index *index = &builder->index;
    uint32_t count = open_blocks(builder);

    if (!grow_bytes((void **)&index->segments, &builder->segments_size,
                    (index->segment_count + 1) * sizeof(*index->segments)))
        return LB_NOMEM;
    struct archive_segment segment = { .first_block = index->block_count - count,
                                       .block_count = count,
                                       .word_count = builder->words.count };
    enum lb_err err = archive_words_write(&builder->words, count, &builder->text, &builder->postings);
    if (err == LB_OK)
        err = spill_section(builder, &builder->text, &segment.words);
    if (err == LB_OK)
        err = spill_section(builder, &builder->postings, &segment.postings);
    if (err == LB_OK)
        err = archive_ids_write(&builder->ids, builder->segment_packed / IDS_SHARE, &segment, &builder->pages);
    if (err == LB_OK)
        err = spill(builder, builder->pages.ptr, builder->pages.len, &segment.ids_offset);
    segment.ids_bytes = (uint32_t)builder->pages.len;
    lb_buffer_reset(&builder->pages);
    builder->segment_packed = 0;
    index->segments[index->segment_count++] = segment;
    return err;
}

/* --- blocks ----------------------------------------------------------------------- */

enum lb_err archive_terms_add(struct archive_words *words, struct archive_ids *ids, struct lb_str text, uint32_t number,
                              uint32_t *flags)
{
    struct lb_str run;
    unsigned classes;
    enum lb_err err = LB_OK;
    bool ids_fit = true;

    archive_ids_begin(ids);
    for (size_t at = 0; err == LB_OK && archive_next_run(text, &at, &run, &classes);) {
        if ((classes & ARCHIVE_BEYOND_F) != 0)
            err = archive_words_add(words, run, number);
        if (err == LB_LIMIT)
            *flags |= ARCHIVE_BLOCK_WORDS;
        else if (err != LB_OK)
            break;
        err = ids_fit && archive_is_id(run, classes) ? archive_ids_add(ids, run) : LB_OK;
        ids_fit = ids_fit && err == LB_OK;
        err = err == LB_LIMIT ? LB_OK : err;
    }
    if (!ids_fit)
        *flags |= ARCHIVE_BLOCK_IDS;
    archive_ids_end(ids, number, ids_fit && err == LB_OK);
    return err;
}

static void add_totals(struct archive_builder *builder, const struct lb_archive_block *block)
{
    struct archive_index *index = &builder->index;

    index->raw_bytes += block->raw;
    index->lines += block->lines;
    index->first_ns = block->first_ns < index->first_ns ? block->first_ns : index->first_ns;
    index->last_ns = block->last_ns > index->last_ns ? block->last_ns : index->last_ns;
    for (size_t i = 0; i < LB_ARCHIVE_LEVELS; i++)
        builder->levels[i] += block->levels[i];
}

enum lb_err archive_builder_add(struct archive_builder *builder, uint64_t offset, uint32_t packed,
                                const struct lb_str *text)
{
    struct archive_index *index = &builder->index;
    struct lb_archive_block block = { .offset = offset, .packed = packed };
    struct archive_block_more more = { 0 };
    uint32_t number = open_blocks(builder);
    enum lb_err err = LB_OK;

    if (index->block_count == ARCHIVE_BLOCKS_MAX)
        return LB_LIMIT;
    if (!grow_bytes((void **)&index->blocks, &builder->blocks_size, (index->block_count + 1) * sizeof(block)) ||
        !grow_bytes((void **)&index->more, &builder->more_size, (index->block_count + 1) * sizeof(more)))
        return LB_NOMEM;
    if (text != NULL) {
        archive_facts_read(&builder->facts, *text, &block, &more);
        err = archive_terms_add(&builder->words, &builder->ids, *text, number, &more.flags);
    } else {
        archive_facts_damaged(&block, &more);
        archive_ids_begin(&builder->ids);
        archive_ids_end(&builder->ids, number, false);
    }
    if (err != LB_OK)
        return err;
    index->blocks[index->block_count] = block;
    index->more[index->block_count++] = more;
    add_totals(builder, &block);
    builder->segment_packed += packed;
    if (number + 1 == ARCHIVE_SEGMENT_BLOCKS || builder->ids.count >= ARCHIVE_SEGMENT_IDS_MAX)
        return close_segment(builder);
    return LB_OK;
}

/* --- the payload ------------------------------------------------------------------- */

static uint32_t services_bytes(const struct archive_builder *builder)
{
    uint32_t bytes = 0;

    for (uint32_t i = 0; i < builder->facts.service_count; i++)
        bytes += 2 + (uint32_t)builder->facts.services[i].len;
    return bytes;
}

enum lb_err archive_builder_end(struct archive_builder *builder)
{
    struct archive_index *index = &builder->index;
    enum lb_err err = open_blocks(builder) > 0 ? close_segment(builder) : LB_OK;
    uint64_t tables = ARCHIVE_HEADER_BYTES + (uint64_t)index->block_count * ARCHIVE_BLOCK_BYTES +
                      (uint64_t)index->segment_count * ARCHIVE_SEGMENT_BYTES + services_bytes(builder);

    if (err != LB_OK)
        return err;
    if (tables + builder->spilled > UINT32_MAX - ARCHIVE_FRAME_HEADER)
        return LB_LIMIT;
    for (uint32_t i = 0; i < index->segment_count; i++) {
        index->segments[i].words.offset += (uint32_t)tables;
        index->segments[i].postings.offset += (uint32_t)tables;
        index->segments[i].ids_offset += (uint32_t)tables;
    }
    index->service_count = builder->facts.service_count;
    index->bytes = (uint32_t)(tables + builder->spilled);
    return LB_OK;
}

static enum lb_err copy_spill(const struct archive_builder *builder, archive_builder_out out, void *context)
{
    char bytes[COPY];
    enum lb_err err = LB_OK;

    for (uint64_t at = 0; err == LB_OK && at < builder->spilled;) {
        size_t part = builder->spilled - at < sizeof(bytes) ? (size_t)(builder->spilled - at) : sizeof(bytes);

        if (!archive_read_at(builder->spill, bytes, part, at))
            return LB_IO;
        err = out(context, bytes, part);
        at += part;
    }
    return err;
}

enum lb_err archive_builder_write(const struct archive_builder *builder, archive_builder_out out, void *context)
{
    const struct archive_index *index = &builder->index;
    size_t blocks = (size_t)index->block_count * ARCHIVE_BLOCK_BYTES;
    size_t segments = (size_t)index->segment_count * ARCHIVE_SEGMENT_BYTES;
    size_t services = services_bytes(builder);
    size_t total = ARCHIVE_HEADER_BYTES + blocks + segments + services;
    unsigned char *tables = lb_alloc(total);

    if (tables == NULL)
        return LB_NOMEM;
    unsigned char *at = tables + ARCHIVE_HEADER_BYTES;
    for (uint32_t i = 0; i < index->block_count; i++, at += ARCHIVE_BLOCK_BYTES)
        archive_block_put(&index->blocks[i], &index->more[i], at);
    for (uint32_t i = 0; i < index->segment_count; i++, at += ARCHIVE_SEGMENT_BYTES)
        archive_segment_put(&index->segments[i], at);
    for (uint32_t i = 0; i < index->service_count; i++) {
        struct lb_str name = builder->facts.services[i];

        *at++ = (unsigned char)name.len;
        *at++ = (unsigned char)(name.len >> 8);
        if (name.len > 0)
            memcpy(at, name.ptr, name.len);
        at += name.len;
    }
    at = tables + ARCHIVE_HEADER_BYTES;
    uint32_t crcs[3] = { lb_crc32c(0, at, blocks), lb_crc32c(0, at + blocks, segments),
                         lb_crc32c(0, at + blocks + segments, services) };
    archive_header_put(index, crcs, (uint32_t)services, tables);
    enum lb_err err = out(context, tables, total);
    lb_free(tables);
    return err == LB_OK ? copy_spill(builder, out, context) : err;
}
