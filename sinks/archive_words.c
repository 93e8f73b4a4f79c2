/*
 * archive_words.c - the dictionary of a segment while it is made.
 *
 * A hash table whose words are compared eight letters at a time. Nearly every
 * word of a line was there before, so that path is the one that counts.
 */
#include "archive_words.h"

#include "archive_bytes.h"

#include <stdlib.h>

enum { FOLDED = (ARCHIVE_WORD_BYTES + 7) / 8 };

bool archive_words_open(struct archive_words *words)
{
    *words = (struct archive_words){ .slots = lb_alloc(ARCHIVE_WORD_SLOTS * sizeof(*words->slots)) };
    return words->slots != NULL;
}

void archive_words_close(struct archive_words *words)
{
    lb_free(words->slots);
    lb_free(words->words);
    lb_free(words->texts);
    lb_free(words->blocks);
    *words = (struct archive_words){ 0 };
}

void archive_words_clear(struct archive_words *words)
{
    memset(words->slots, 0, ARCHIVE_WORD_SLOTS * sizeof(*words->slots));
    words->count = 0;
    words->texts_used = 0;
}

static inline uint32_t hash_folded(const uint64_t *folded, size_t count)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ folded[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash >> 13);
}

static inline bool is_same(const struct archive_words *words, const struct archive_word *word, const uint64_t *folded,
                           size_t count)
{
    const uint64_t *text = words->texts + word->text / 8;

    for (size_t i = 0; i < count; i++) {
        if (text[i] != folded[i])
            return false;
    }
    return true;
}

static enum lb_err add_new(struct archive_words *words, uint32_t slot, const struct archive_word *word,
                           const uint64_t *folded)
{
    size_t bytes = (word->len + 7) / 8 * 8;
    size_t block_bytes = ARCHIVE_SEGMENT_WORDS * sizeof(uint64_t);

    if (words->count == ARCHIVE_WORDS_MAX)
        return LB_LIMIT;
    if (!grow_bytes((void **)&words->words, &words->words_size, (words->count + 1) * sizeof(*word)) ||
        !grow_bytes((void **)&words->texts, &words->texts_size, words->texts_used + bytes) ||
        !grow_bytes((void **)&words->blocks, &words->blocks_size, (words->count + 1) * block_bytes))
        return LB_NOMEM;
    words->words[words->count] = *word;
    words->words[words->count].text = (uint32_t)words->texts_used;
    memcpy((char *)words->texts + words->texts_used, folded, bytes);
    words->texts_used += bytes;
    memset((char *)words->blocks + words->count * block_bytes, 0, block_bytes);
    words->slots[slot] = ++words->count;
    return LB_OK;
}

static inline enum lb_err add_word(struct archive_words *words, struct lb_str text, uint32_t block)
{
    uint64_t folded[FOLDED] = { 0 };
    size_t count = (text.len + 7) / 8;

    archive_fold(text, folded);
    struct archive_word word = { .hash = hash_folded(folded, count), .len = (uint32_t)text.len };
    uint32_t slot = word.hash % ARCHIVE_WORD_SLOTS;
    for (; words->slots[slot] != 0; slot = (slot + 1) % ARCHIVE_WORD_SLOTS) {
        const struct archive_word *other = &words->words[words->slots[slot] - 1];

        if (other->hash == word.hash && other->len == word.len && is_same(words, other, folded, count))
            break;
    }
    if (words->slots[slot] == 0) {
        enum lb_err err = add_new(words, slot, &word, folded);

        if (err != LB_OK)
            return err;
    }
    words->blocks[(size_t)(words->slots[slot] - 1) * ARCHIVE_SEGMENT_WORDS + block / 64] |= UINT64_C(1) << (block % 64);
    return LB_OK;
}

enum lb_err archive_words_add(struct archive_words *words, struct lb_str run, uint32_t block)
{
    struct lb_str word;
    struct lb_str part;
    enum lb_err full = LB_OK;

    for (size_t at = 0; archive_next_word(run, &at, &word);) {
        for (size_t part_at = 0; archive_next_part(word, &part_at, &part);) {
            enum lb_err err = add_word(words, part, block);

            if (err == LB_NOMEM)
                return err;
            full = err != LB_OK ? err : full;
        }
    }
    return full;
}

/* --- writing -------------------------------------------------------------------- */

static struct lb_str text_of(const struct archive_words *words, uint32_t number)
{
    return (struct lb_str){ (const char *)words->texts + words->words[number].text, words->words[number].len };
}

static int compare(const void *a, const void *b, void *context)
{
    struct lb_str left = text_of(context, *(const uint32_t *)a);
    struct lb_str right = text_of(context, *(const uint32_t *)b);
    int order = memcmp(left.ptr, right.ptr, left.len < right.len ? left.len : right.len);

    return order != 0 ? order : (left.len > right.len) - (left.len < right.len);
}

static void put_varint(struct lb_buffer *out, uint32_t value)
{
    while (value >= 0x80) {
        lb_buffer_append_char(out, (char)(value | 0x80));
        value >>= 7;
    }
    lb_buffer_append_char(out, (char)value);
}

static size_t put_list(const uint64_t *bits, uint32_t block_count, bool value, unsigned char *out, size_t max)
{
    uint32_t before = 0;
    size_t used = 0;

    for (uint32_t i = 0; i < block_count; i++) {
        if ((bits[i / 64] >> (i % 64) & 1) != value)
            continue;
        uint32_t step = i - before;
        before = i;
        if (used + 2 > max)
            return max + 1;
        if (step >= 0x80)
            out[used++] = (unsigned char)(step | 0x80);
        out[used++] = (unsigned char)(step >= 0x80 ? step >> 7 : step);
    }
    return used;
}

/* The shortest of the ways to write it. */
static void put_posting(const uint64_t *bits, uint32_t block_count, struct lb_buffer *out)
{
    unsigned char list[ARCHIVE_SEGMENT_BLOCKS / 8];
    size_t bitmap_bytes = (block_count + 7) / 8;
    uint32_t count = 0;

    for (size_t i = 0; i < ARCHIVE_SEGMENT_WORDS; i++)
        count += (uint32_t)__builtin_popcountll(bits[i]);
    if (count == block_count) {
        put_varint(out, ARCHIVE_POSTING_ALL);
        return;
    }
    bool few = count <= block_count / 2;
    size_t used = put_list(bits, block_count, few, list, bitmap_bytes);
    if (used <= bitmap_bytes) {
        put_varint(out, (uint32_t)used * 4 + (few ? ARCHIVE_POSTING_LIST : ARCHIVE_POSTING_EXCEPT));
        lb_buffer_append(out, (const char *)list, used);
        return;
    }
    put_varint(out, (uint32_t)bitmap_bytes * 4 + ARCHIVE_POSTING_BITS);
    for (size_t i = 0; i < bitmap_bytes; i++)
        lb_buffer_append_char(out, (char)(bits[i / 8] >> (8 * (i % 8))));
}

enum lb_err archive_words_write(struct archive_words *words, uint32_t block_count, struct lb_buffer *text,
                                struct lb_buffer *postings)
{
    uint32_t *order = lb_alloc((words->count + 1) * sizeof(*order));

    if (order == NULL)
        return LB_NOMEM;
    for (uint32_t i = 0; i < words->count; i++)
        order[i] = i;
    if (words->count > 0)
        qsort_r(order, words->count, sizeof(*order), compare, words);
    lb_buffer_append_char(text, '\n');
    for (uint32_t i = 0; i < words->count; i++) {
        lb_buffer_append_str(text, text_of(words, order[i]));
        lb_buffer_append_char(text, '\n');
        put_posting(words->blocks + (size_t)order[i] * ARCHIVE_SEGMENT_WORDS, block_count, postings);
    }
    lb_free(order);
    archive_words_clear(words);
    return text->failed || postings->failed ? LB_NOMEM : LB_OK;
}
