/*
 * archive_query.c - what the index says of a literal.
 *
 * A word of the literal that is bounded by other bytes within it is a whole
 * word of the line; at the literal's border it may be the part of a longer
 * one. The dictionary is searched as text: newlines stand for the bounds.
 */
#include "archive_query.h"

#include "archive_bytes.h"

enum { HASHES_MAX = 32 }; /* of one literal; more would not leave out more */

static bool is_empty(const struct archive_set *set)
{
    uint64_t any = 0;

    for (size_t i = 0; i < ARCHIVE_SET_WORDS; i++)
        any |= set->bits[i];
    return any == 0;
}

/* Blocks of which not all words or ids are noted may hold anything. */
static struct archive_set blocks_with(const struct archive_index *index, const struct archive_segment *segment,
                                      uint32_t flag)
{
    struct archive_set set = { 0 };

    for (uint32_t i = 0; i < segment->block_count; i++) {
        if ((index->more[segment->first_block + i].flags & flag) != 0)
            set.bits[i / 64] |= UINT64_C(1) << (i % 64);
    }
    return set;
}

static void keep(struct archive_set *set, const struct archive_set *found, const struct archive_set *always)
{
    for (size_t i = 0; i < ARCHIVE_SET_WORDS; i++)
        set->bits[i] &= found->bits[i] | always->bits[i];
}

/* --- ids ------------------------------------------------------------------------ */

struct pages {
    const struct archive_index *index;
    const struct archive_segment *segment;
    uint32_t number; /* of the page that is here, + 1 */
    unsigned char page[ARCHIVE_PAGE];
};

static enum lb_err byte_at(struct pages *pages, uint64_t at, unsigned char *byte)
{
    uint32_t number = (uint32_t)(at / (ARCHIVE_PAGE - 4));

    if (pages->number != number + 1) {
        enum lb_err err = archive_page_read(pages->index, pages->segment, number, pages->page);

        pages->number = err == LB_OK ? number + 1 : 0;
        if (err != LB_OK)
            return err;
    }
    *byte = pages->page[at % (ARCHIVE_PAGE - 4)];
    return LB_OK;
}

/* The bits of one row. */
static enum lb_err read_row(struct pages *pages, uint32_t row, struct archive_set *set)
{
    uint32_t count = pages->segment->block_count;
    uint64_t first = (uint64_t)row * count;

    *set = (struct archive_set){ 0 };
    for (uint64_t at = first / 8; at <= (first + count - 1) / 8; at++) {
        unsigned char byte = 0;
        enum lb_err err = byte_at(pages, at, &byte);

        if (err != LB_OK)
            return err;
        for (unsigned bit = 0; bit < 8; bit++) {
            uint64_t place = at * 8 + bit;

            if (place >= first && place < first + count && (byte >> bit & 1) != 0)
                set->bits[(place - first) / 64] |= UINT64_C(1) << ((place - first) % 64);
        }
    }
    return LB_OK;
}

/* The hashes of all ids in the literal that every line with it has noted. */
static size_t hashes_of(struct lb_str literal, bool streaks, uint32_t *hashes)
{
    struct archive_winnow winnow;
    struct lb_str run;
    unsigned classes;
    size_t count = 0;

    for (size_t at = 0; archive_next_run(literal, &at, &run, &classes);) {
        if (!archive_is_id(run, classes))
            continue;
        archive_winnow_begin(&winnow, run, streaks);
        for (uint32_t hash; count < HASHES_MAX && (hash = archive_winnow_next(&winnow)) != 0;)
            hashes[count++] = hash;
    }
    return count;
}

enum lb_err archive_query_ids(const struct archive_index *index, const struct archive_segment *segment,
                              struct lb_str literal, struct archive_set *set)
{
    struct archive_set always = blocks_with(index, segment, ARCHIVE_BLOCK_IDS);
    struct pages pages = { .index = index, .segment = segment };
    uint32_t hashes[HASHES_MAX];
    size_t count = hashes_of(literal, segment->streaks, hashes);

    uint32_t each = segment->rows > 0 ? segment->hashes : 1;

    for (size_t i = 0; i < count * each && !is_empty(set); i++) {
        struct archive_set row = { 0 };
        enum lb_err err = LB_OK;

        if (segment->rows > 0)
            err = read_row(&pages, archive_row(hashes[i / each], (unsigned)(i % each), segment->rows), &row);
        if (err != LB_OK)
            return err;
        keep(set, &row, &always);
    }
    return LB_OK;
}

/* --- words ------------------------------------------------------------------------ */

void archive_dictionary_init(struct archive_dictionary *dictionary, const struct archive_index *index,
                             const struct archive_segment *segment)
{
    *dictionary = (struct archive_dictionary){ index, segment, NULL, NULL };
}

void archive_dictionary_free(struct archive_dictionary *dictionary)
{
    lb_free(dictionary->words);
    lb_free(dictionary->postings);
}

enum lb_err archive_dictionary_load(struct archive_dictionary *dictionary)
{
    const struct archive_segment *segment = dictionary->segment;
    enum lb_err err = LB_OK;

    if (dictionary->words == NULL)
        err = archive_section_read(dictionary->index, &segment->words, &dictionary->words);
    if (err == LB_OK && dictionary->postings == NULL)
        err = archive_section_read(dictionary->index, &segment->postings, &dictionary->postings);
    /* Searching stops at newlines. */
    if (err == LB_OK &&
        (segment->words.raw == 0 || dictionary->words[0] != '\n' || dictionary->words[segment->words.raw - 1] != '\n'))
        err = LB_BAD_INPUT;
    return err;
}

static bool read_varint(const unsigned char *bytes, size_t size, size_t *at, uint32_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 28 && *at < size; shift += 7) {
        unsigned char byte = bytes[(*at)++];

        *value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool read_list(const unsigned char *bytes, size_t size, uint32_t block_count, struct archive_set *set)
{
    uint32_t block = 0;
    uint32_t step;

    for (size_t at = 0; at < size;) {
        if (!read_varint(bytes, size, &at, &step) || step >= block_count || block + step >= block_count)
            return false;
        block += step;
        set->bits[block / 64] |= UINT64_C(1) << (block % 64);
    }
    return true;
}

static bool read_bits(const unsigned char *bytes, size_t size, uint32_t block_count, struct archive_set *set)
{
    for (uint32_t i = 0; i < block_count && i / 8 < size; i++)
        set->bits[i / 64] |= (uint64_t)(bytes[i / 8] >> (i % 8) & 1) << (i % 64);
    return size == (block_count + 7) / 8;
}

bool archive_posting_read(const struct archive_dictionary *dictionary, size_t *at, struct archive_set *set)
{
    const unsigned char *bytes = dictionary->postings;
    size_t size = dictionary->segment->postings.raw;
    uint32_t block_count = dictionary->segment->block_count;
    uint32_t head;

    *set = (struct archive_set){ 0 };
    if (!read_varint(bytes, size, at, &head) || head / 4 > size - *at)
        return false;
    bytes += *at;
    size = head / 4;
    *at += size;
    switch (head % 4) {
    case ARCHIVE_POSTING_LIST: return read_list(bytes, size, block_count, set);
    case ARCHIVE_POSTING_BITS: return read_bits(bytes, size, block_count, set);
    default: break;
    }
    if (!read_list(bytes, size, block_count, set))
        return false;
    for (size_t i = 0; i < ARCHIVE_SET_WORDS; i++) /* ALL has an empty list */
        set->bits[i] = ~set->bits[i];
    return true;
}

static bool skip_postings(const struct archive_dictionary *dictionary, size_t *at, size_t count)
{
    size_t size = dictionary->segment->postings.raw;
    uint32_t head;

    for (; count > 0; count--) {
        if (!read_varint(dictionary->postings, size, at, &head) || head / 4 > size - *at)
            return false;
        *at += head / 4;
    }
    return true;
}

static size_t count_newlines(const unsigned char *from, const unsigned char *to)
{
    size_t count = 0;

    for (; from < to; from++)
        count += *from == '\n';
    return count;
}

/* A part of a word, in lower case, between newlines where it is bounded. */
struct piece {
    char text[ARCHIVE_PIECE_MAX + 2];
    size_t len;
    bool left; /* it begins with a newline */
};

static struct piece piece_of(struct lb_str literal, struct lb_str word)
{
    struct piece piece = { .left = word.ptr > literal.ptr };
    bool right = word.ptr + word.len < literal.ptr + literal.len && word.len <= ARCHIVE_PIECE_MAX;
    size_t len = word.len < ARCHIVE_PIECE_MAX ? word.len : ARCHIVE_PIECE_MAX;

    if (piece.left)
        piece.text[piece.len++] = '\n';
    for (size_t i = 0; i < len; i++)
        piece.text[piece.len++] = (char)(word.ptr[i] | 0x20);
    if (right)
        piece.text[piece.len++] = '\n';
    return piece;
}

/* The blocks of all words that hold the piece. False: the postings are damaged. */
static bool find_piece(const struct archive_dictionary *dictionary, const struct piece *piece,
                       struct archive_set *found)
{
    const unsigned char *end = dictionary->words + dictionary->segment->words.raw;
    const unsigned char *counted = dictionary->words; /* words before are passed over in the postings */
    const unsigned char *from = dictionary->words;
    size_t at = 0;
    struct archive_set set;

    while ((from = memmem(from, (size_t)(end - from), piece->text, piece->len)) != NULL) {
        const unsigned char *word = from + piece->left; /* inside of it, or at its begin */
        size_t newlines = count_newlines(counted, word);

        if (!skip_postings(dictionary, &at, newlines - 1) || !archive_posting_read(dictionary, &at, &set))
            return false;
        for (size_t i = 0; i < ARCHIVE_SET_WORDS; i++)
            found->bits[i] |= set.bits[i];
        from = memchr(word, '\n', (size_t)(end - word)); /* the last byte is one */
        counted = from;
    }
    return true;
}

static enum lb_err query_word(struct archive_dictionary *dictionary, struct lb_str literal, struct lb_str word,
                              const struct archive_set *always, struct archive_set *set)
{
    struct piece piece = piece_of(literal, word);
    struct archive_set found = { 0 };
    unsigned classes = 0;

    /* Only what is left of a long word counts. */
    for (size_t i = 0; i < piece.len; i++)
        classes |= archive_classes[(unsigned char)piece.text[i]];
    if ((classes & ARCHIVE_BEYOND_F) == 0)
        return LB_OK;
    enum lb_err err = archive_dictionary_load(dictionary);
    if (err == LB_OK && !find_piece(dictionary, &piece, &found))
        err = LB_BAD_INPUT;
    if (err == LB_OK)
        keep(set, &found, always);
    return err;
}

enum lb_err archive_query_words(struct archive_dictionary *dictionary, struct lb_str literal, struct archive_set *set)
{
    struct archive_set always = blocks_with(dictionary->index, dictionary->segment, ARCHIVE_BLOCK_WORDS);
    struct lb_str run;
    struct lb_str word;
    unsigned classes;

    for (size_t at = 0; archive_next_run(literal, &at, &run, &classes);) {
        for (size_t word_at = 0; archive_next_word(run, &word_at, &word);) {
            enum lb_err err = is_empty(set) ? LB_OK : query_word(dictionary, literal, word, &always, set);

            if (err != LB_OK)
                return err;
        }
    }
    return LB_OK;
}
