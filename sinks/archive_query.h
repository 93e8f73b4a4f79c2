/*
 * archive_query.h - what the index says of a literal.
 *
 * A set of blocks of one segment is a row of bits. Each question takes the
 * blocks out of a set that cannot hold what is asked for, and no others.
 */
#ifndef ARCHIVE_QUERY_H
#define ARCHIVE_QUERY_H

#include "archive_terms.h"

enum { ARCHIVE_SET_WORDS = ARCHIVE_SEGMENT_BLOCKS / 64 };

struct archive_set {
    uint64_t bits[ARCHIVE_SET_WORDS];
};

/* The words of a segment, unpacked when the first question needs them. */
struct archive_dictionary {
    const struct archive_index *index;
    const struct archive_segment *segment;
    unsigned char *words; /* "\nword\nword\n" */
    unsigned char *postings;
};

void archive_dictionary_init(struct archive_dictionary *dictionary, const struct archive_index *index,
                             const struct archive_segment *segment);
void archive_dictionary_free(struct archive_dictionary *dictionary);
enum lb_err archive_dictionary_load(struct archive_dictionary *dictionary) LB_MUST_USE;

/* Takes the posting at *at as a set and moves on. False: it is damaged. */
bool archive_posting_read(const struct archive_dictionary *dictionary, size_t *at, struct archive_set *set);

/* Leaves in `set` the blocks that may hold all ids, all words of a literal. LB_BAD_INPUT: the index is damaged. */
enum lb_err archive_query_ids(const struct archive_index *index, const struct archive_segment *segment,
                              struct lb_str literal, struct archive_set *set) LB_MUST_USE;
enum lb_err archive_query_words(struct archive_dictionary *dictionary, struct lb_str literal,
                                struct archive_set *set) LB_MUST_USE;

#endif
