/*
 * archive_check.c - whether an index tells the truth.
 *
 * What a block holds is found out anew and held against what the index says
 * of it: counts must be the same; times, services, words and ids must all be
 * there, more of them do no harm.
 */
#include "archive_builder.h"
#include "archive_query.h"
#include "archive_reader.h"

#include "archive_bytes.h"

#include <errno.h>

struct archive_terms {
    const struct archive_index *index; /* of what file (by `serial`: it may be closed and gone), and */
    uint64_t serial;
    const struct archive_segment *segment; /* of what part is known: */
    struct archive_dictionary dictionary;
    uint32_t *starts; /* of the words in the dictionary */
    struct archive_set *sets;
    unsigned char *filter;
    struct archive_facts facts; /* lines are read in the order of the file */
    uint32_t next;              /* the block behind the one that was checked last */
    bool gap;                   /* it could not be read: its last time is not known */
    struct archive_words words; /* of the block */
    struct archive_ids ids;
};

static void forget_segment(struct archive_terms *terms)
{
    archive_dictionary_free(&terms->dictionary);
    lb_free(terms->starts);
    lb_free(terms->sets);
    lb_free(terms->filter);
    terms->dictionary = (struct archive_dictionary){ 0 };
    terms->starts = NULL;
    terms->sets = NULL;
    terms->filter = NULL;
    terms->segment = NULL;
}

void archive_terms_free(struct archive_terms *terms)
{
    if (terms == NULL)
        return;
    forget_segment(terms);
    archive_facts_close(&terms->facts);
    archive_words_close(&terms->words);
    archive_ids_close(&terms->ids);
    lb_free(terms);
}

static struct archive_terms *new_terms(void)
{
    struct archive_terms *terms = lb_alloc(sizeof(*terms));

    if (terms == NULL)
        return NULL;
    bool fine = archive_facts_open(&terms->facts);
    fine = archive_words_open(&terms->words) && fine;
    fine = archive_ids_open(&terms->ids) && fine;
    if (fine)
        return terms;
    archive_terms_free(terms);
    return NULL;
}

/* --- a segment in memory ------------------------------------------------------------ */

static enum lb_err load_words(struct archive_terms *terms, const struct archive_segment *segment)
{
    archive_dictionary_init(&terms->dictionary, terms->index, segment);
    enum lb_err err = archive_dictionary_load(&terms->dictionary);
    if (err != LB_OK)
        return err;
    terms->starts = lb_alloc((segment->word_count + 1) * sizeof(*terms->starts));
    terms->sets = lb_alloc((segment->word_count + 1) * sizeof(*terms->sets));
    if (terms->starts == NULL || terms->sets == NULL)
        return LB_NOMEM;
    const unsigned char *text = terms->dictionary.words;
    uint32_t count = 0;
    size_t posting = 0;
    for (uint32_t at = 0; at + 1 < segment->words.raw; at++) {
        if (text[at] != '\n')
            continue;
        if (count == segment->word_count || !archive_posting_read(&terms->dictionary, &posting, &terms->sets[count]))
            return LB_BAD_INPUT;
        terms->starts[count++] = at + 1;
    }
    terms->starts[count] = segment->words.raw;
    return count == segment->word_count && posting == segment->postings.raw ? LB_OK : LB_BAD_INPUT;
}

static enum lb_err load_filter(struct archive_terms *terms, const struct archive_segment *segment)
{
    unsigned char page[ARCHIVE_PAGE];
    size_t done = 0;

    terms->filter = lb_alloc((size_t)segment->ids_bytes + 1);
    if (terms->filter == NULL)
        return LB_NOMEM;
    for (uint32_t number = 0; (uint64_t)number * ARCHIVE_PAGE < segment->ids_bytes; number++) {
        size_t size = archive_page_size(segment, number) - 4;
        enum lb_err err = archive_page_read(terms->index, segment, number, page);

        if (err != LB_OK)
            return err;
        memcpy(terms->filter + done, page, size);
        done += size;
    }
    return LB_OK;
}

static const struct archive_segment *segment_of(const struct archive_index *index, uint32_t block)
{
    uint32_t i = 0;

    while (block >= index->segments[i].first_block + index->segments[i].block_count)
        i++;
    return &index->segments[i];
}

static enum lb_err load_segment(struct archive_terms *terms, uint32_t block)
{
    const struct archive_segment *segment = segment_of(terms->index, block);

    if (terms->segment == segment)
        return LB_OK;
    forget_segment(terms);
    enum lb_err err = load_words(terms, segment);
    if (err == LB_OK)
        err = load_filter(terms, segment);
    if (err == LB_OK)
        terms->segment = segment;
    return err;
}

/* --- a block ------------------------------------------------------------------------- */

static bool has_word(const struct archive_terms *terms, struct lb_str word, uint32_t place)
{
    const char *text = (const char *)terms->dictionary.words;
    uint32_t low = 0;
    uint32_t high = terms->segment->word_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct lb_str other = { text + terms->starts[middle], terms->starts[middle + 1] - terms->starts[middle] - 1 };
        int order = memcmp(word.ptr, other.ptr, word.len < other.len ? word.len : other.len);

        if (order == 0 && word.len == other.len)
            return (terms->sets[middle].bits[place / 64] >> (place % 64) & 1) != 0;
        if (order < 0 || (order == 0 && word.len < other.len))
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static bool has_words(const struct archive_terms *terms, uint32_t place)
{
    for (uint32_t i = 0; i < terms->words.count; i++) {
        const struct archive_word *word = &terms->words.words[i];
        struct lb_str folded = { (const char *)terms->words.texts + word->text, word->len };

        if (!has_word(terms, folded, place))
            return false;
    }
    return true;
}

static bool has_id(const struct archive_terms *terms, uint32_t hash, uint32_t place)
{
    const struct archive_segment *segment = terms->segment;

    for (unsigned i = 0; i < segment->hashes; i++) {
        uint64_t bit = (uint64_t)archive_row(hash, i, segment->rows) * segment->block_count + place;

        if (segment->rows == 0 || (terms->filter[bit / 8] >> (bit % 8) & 1) == 0)
            return false;
    }
    return true;
}

static bool has_ids(const struct archive_terms *terms, uint32_t place)
{
    for (uint32_t i = 0; i < terms->ids.count; i++) {
        if (!has_id(terms, terms->ids.hashes[i], place))
            return false;
    }
    return true;
}

static bool has_services(const struct archive_terms *terms, const struct archive_block_more *found,
                         const struct archive_block_more *more)
{
    for (uint32_t i = 0; i < terms->facts.service_count; i++) {
        bool known = (found->services >> i & 1) == 0 || (more->services & ARCHIVE_SERVICE_OTHER) != 0;

        for (uint32_t j = 0; !known && j < terms->index->service_count; j++)
            known = (more->services >> j & 1) != 0 && lb_str_equal(terms->facts.services[i], terms->index->services[j]);
        if (!known)
            return false;
    }
    return true;
}

/* What is wrong, or NULL. */
static lb_archive_reason check_facts(struct archive_terms *terms, struct lb_str text, uint32_t block)
{
    const struct lb_archive_block *told = &terms->index->blocks[block];
    struct lb_archive_block found = { 0 };
    struct archive_block_more more = { 0 };

    archive_facts_read(&terms->facts, text, &found, &more);
    if (found.lines != told->lines)
        return "it holds another number of lines than its index says";
    if (memcmp(found.levels, told->levels, sizeof(found.levels)) != 0)
        return "it holds other levels than its index says";
    if (!terms->gap && (found.first_ns < told->first_ns || found.last_ns > told->last_ns))
        return "it holds other times than its index says";
    return has_services(terms, &more, &terms->index->more[block]) ? NULL
                                                                  : "it holds other services than its index says";
}

static enum lb_err check_block(struct archive_terms *terms, struct lb_str text, uint32_t block,
                               lb_archive_reason *reason)
{
    uint32_t place = block - terms->segment->first_block;
    uint32_t flags = terms->index->more[block].flags;
    uint32_t full = 0; /* what is too much for one block was too much for the segment */

    *reason = check_facts(terms, text, block);
    if (*reason != NULL)
        return LB_BAD_INPUT;
    archive_words_clear(&terms->words);
    terms->ids.count = 0;
    terms->ids.streaks = terms->segment->streaks;
    enum lb_err err = archive_terms_add(&terms->words, &terms->ids, text, 0, &full);
    if (err != LB_OK)
        return err;
    if ((flags & ARCHIVE_BLOCK_WORDS) == 0 && !has_words(terms, place))
        *reason = "it holds words that its index does not know";
    else if ((flags & ARCHIVE_BLOCK_IDS) == 0 && !has_ids(terms, place))
        *reason = "it holds ids that its index does not know";
    return *reason != NULL ? LB_BAD_INPUT : LB_OK;
}

static enum lb_err begin(struct lb_archive_decoder *decoder, const struct archive_index *index, uint32_t block)
{
    struct archive_terms *terms = decoder->terms;

    if (terms == NULL || terms->serial != index->serial || terms->next != block) {
        archive_terms_free(terms);
        decoder->terms = terms = new_terms();
        if (terms == NULL)
            return LB_NOMEM;
        terms->index = index;
        terms->serial = index->serial;
        terms->gap = block > 0;
    }
    terms->next = block + 1;
    return load_segment(terms, block);
}

enum lb_err lb_archive_check(struct lb_archive *archive, struct lb_archive_decoder *decoder, uint32_t block,
                             struct lb_str *text, lb_archive_reason *reason)
{
    enum lb_err err = lb_archive_read(archive, decoder, block, true, text, reason);

    if (archive->index == NULL)
        return err;
    enum lb_err begun = begin(decoder, archive->index, block);
    if (err != LB_OK || begun != LB_OK || (archive->index->more[block].flags & ARCHIVE_BLOCK_GONE) != 0) {
        if (decoder->terms != NULL)
            decoder->terms->gap = true;
        if (err == LB_OK && begun == LB_BAD_INPUT)
            *reason = "its index is damaged";
        return err != LB_OK ? err : begun;
    }
    /* The newline that reading adds is not the file's. */
    struct lb_str written = { text->ptr, archive->index->blocks[block].raw };
    err = check_block(decoder->terms, written, block, reason);
    decoder->terms->gap = false;
    return err;
}

/* --- the index itself -------------------------------------------------------------------- */

static enum lb_err check_segment(const struct archive_index *index, const struct archive_segment *segment)
{
    struct archive_terms terms = { .index = index };
    enum lb_err err = load_words(&terms, segment);

    if (err == LB_OK)
        err = load_filter(&terms, segment);
    forget_segment(&terms);
    return err;
}

/* The seek table says of each block what the index says. */
static enum lb_err check_table(const struct lb_archive *archive)
{
    const struct archive_index *index = archive->index;
    size_t bytes = ((size_t)index->block_count + 1) * ARCHIVE_SEEK_ENTRY;
    uint64_t at = index->at + index->bytes + ARCHIVE_FRAME_HEADER;
    unsigned char *entries = lb_alloc(bytes);
    enum lb_err err = entries != NULL ? LB_OK : LB_NOMEM;

    if (err == LB_OK && !archive_read_at(archive->fd, entries, bytes, at))
        err = errno == 0 ? LB_BAD_INPUT : LB_IO;
    for (uint32_t i = 0; err == LB_OK && i < index->block_count; i++) {
        const unsigned char *entry = entries + (size_t)i * ARCHIVE_SEEK_ENTRY;

        if (get_u32(entry) != index->blocks[i].packed || get_u32(entry + 4) != index->blocks[i].raw)
            err = LB_BAD_INPUT;
    }
    if (err == LB_OK && at + bytes + ARCHIVE_SEEK_FOOTER != archive->summary.packed_bytes)
        err = LB_BAD_INPUT;
    lb_free(entries);
    return err;
}

enum lb_err lb_archive_check_index(const struct lb_archive *archive, lb_archive_reason *reason)
{
    const struct archive_index *index = archive->index;
    enum lb_err err = LB_OK;

    *reason = NULL;
    if (index == NULL)
        return LB_OK;
    for (uint32_t i = 0; err == LB_OK && i < index->segment_count; i++)
        err = check_segment(index, &index->segments[i]);
    if (err == LB_BAD_INPUT)
        *reason = "its index is damaged";
    if (err != LB_OK || index->owns_fd)
        return err;
    err = check_table(archive);
    if (err == LB_BAD_INPUT)
        *reason = "its seek table is not that of its blocks";
    return err;
}
