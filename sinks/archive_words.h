/*
 * archive_words.h - the dictionary of a segment while it is made: each word
 * once, with a bit for each block that has it.
 */
#ifndef ARCHIVE_WORDS_H
#define ARCHIVE_WORDS_H

#include "archive_terms.h"

#include "lb_buffer.h"

enum { ARCHIVE_WORD_SLOTS = 2 * ARCHIVE_WORDS_MAX, ARCHIVE_SEGMENT_WORDS = ARCHIVE_SEGMENT_BLOCKS / 64 };

struct archive_word {
    uint32_t hash;
    uint32_t text; /* in `texts`, folded, padded to a multiple of 8 */
    uint32_t len;
};

struct archive_words {
    uint32_t *slots; /* number of a word + 1 */
    struct archive_word *words;
    size_t words_size; /* bytes */
    uint32_t count;
    uint64_t *texts;
    size_t texts_size, texts_used; /* bytes; words of 8 bytes */
    uint64_t *blocks;              /* ARCHIVE_SEGMENT_WORDS a word */
    size_t blocks_size;
};

bool archive_words_open(struct archive_words *words);
void archive_words_close(struct archive_words *words);
void archive_words_clear(struct archive_words *words);

/*
 * Notes that `block` of the segment has the words of a run, behind which ARCHIVE_SLACK bytes can be read. LB_LIMIT: not
 * all of them, the dictionary is full.
 */
enum lb_err archive_words_add(struct archive_words *words, struct lb_str run, uint32_t block) LB_MUST_USE;

/* Appends what the sections hold, unpacked, and empties the dictionary. */
enum lb_err archive_words_write(struct archive_words *words, uint32_t block_count, struct lb_buffer *text,
                                struct lb_buffer *postings) LB_MUST_USE;

#endif
