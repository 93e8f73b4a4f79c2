/*
 * archive_terms.h - what of a line goes into the index, and what of a literal
 * is looked up there.
 *
 * Words are runs of ASCII letters, at least 3, without regard to case; those
 * of the letters a to f alone are left out, for hexadecimal ids are full of
 * them. Ids are runs of [0-9A-Za-z_-] of at least 12 bytes with a digit: they
 * are winnowed, that is, of every 7 pieces of 6 bytes in a row the one with
 * the smallest hash is noted. So a literal that holds 12 such bytes holds a
 * whole window, whose smallest piece every block with it has noted.
 *
 * A piece that is the smallest of 5 windows in a row is noted a second time,
 * in another way. A quarter of the ids of 16 bytes have one such piece and no
 * other, and would be found in many blocks in vain. Not where one of the 16
 * bytes is - or _: of long ids, as UUIDs are, enough is noted anyway.
 */
#ifndef ARCHIVE_TERMS_H
#define ARCHIVE_TERMS_H

#include "archive_index.h"

#include "lb_str.h"

enum {
    ARCHIVE_WORD_MIN = 3,
    ARCHIVE_PIECE_MAX = 32, /* longer pieces are looked up by their first 32 letters */
    ARCHIVE_ID_MIN = 12,
    ARCHIVE_GRAM = 6,
    ARCHIVE_WINDOW = ARCHIVE_ID_MIN - ARCHIVE_GRAM + 1,
    ARCHIVE_STREAK = 5, /* of windows with the same smallest piece */
    ARCHIVE_SLACK = 8,  /* bytes behind a text that may be read */
};

enum archive_class { ARCHIVE_LETTER = 1, ARCHIVE_BEYOND_F = 2, ARCHIVE_DIGIT = 4, ARCHIVE_ID = 8 };
extern const unsigned char archive_classes[256];

/* The next run of id bytes with 3 of them at least, which words lie in too. `classes` is what its bytes are, ored. */
static inline bool archive_next_run(struct lb_str text, size_t *at, struct lb_str *run, unsigned *classes)
{
    size_t i = *at;

    for (;;) {
        while (i < text.len && archive_classes[(unsigned char)text.ptr[i]] == 0)
            i++;
        if (i == text.len)
            return false;
        size_t start = i;
        unsigned seen = 0;
        for (unsigned class; i < text.len && (class = archive_classes[(unsigned char)text.ptr[i]]) != 0; i++)
            seen |= class;
        if (i - start < ARCHIVE_WORD_MIN)
            continue;
        *at = i;
        *run = (struct lb_str){ text.ptr + start, i - start };
        *classes = seen;
        return true;
    }
}

static inline bool archive_is_id(struct lb_str run, unsigned classes)
{
    return run.len >= ARCHIVE_ID_MIN && (classes & ARCHIVE_DIGIT) != 0;
}

/* The next word of a run that is noted. */
static inline bool archive_next_word(struct lb_str run, size_t *at, struct lb_str *word)
{
    size_t i = *at;

    for (;;) {
        while (i < run.len && (archive_classes[(unsigned char)run.ptr[i]] & ARCHIVE_LETTER) == 0)
            i++;
        size_t start = i;
        unsigned seen = 0;
        for (unsigned class;
             i < run.len && ((class = archive_classes[(unsigned char)run.ptr[i]]) & ARCHIVE_LETTER) != 0; i++)
            seen |= class;
        if (i == start)
            return false;
        if (i - start < ARCHIVE_WORD_MIN || (seen & ARCHIVE_BEYOND_F) == 0)
            continue;
        *at = i;
        *word = (struct lb_str){ run.ptr + start, i - start };
        return true;
    }
}

/*
 * Words longer than ARCHIVE_WORD_BYTES are noted as pieces of that length which overlap by half: every part of up to
 * ARCHIVE_PIECE_MAX letters lies in one. *at starts at 0.
 */
static inline bool archive_next_part(struct lb_str word, size_t *at, struct lb_str *part)
{
    if (*at >= word.len)
        return false;
    size_t left = word.len - *at;
    *part = (struct lb_str){ word.ptr + *at, left < ARCHIVE_WORD_BYTES ? left : ARCHIVE_WORD_BYTES };
    *at = left <= ARCHIVE_WORD_BYTES ? word.len : *at + ARCHIVE_WORD_BYTES - ARCHIVE_PIECE_MAX;
    return true;
}

/* How the blocks of a word are written: a varint of bytes * 4 + kind, then the bytes. */
enum archive_posting { ARCHIVE_POSTING_ALL, ARCHIVE_POSTING_LIST, ARCHIVE_POSTING_EXCEPT, ARCHIVE_POSTING_BITS };

/* A word of 8 bytes in memory with only the first `count` of them set. */
static inline uint64_t archive_low_bytes(size_t count)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return ~UINT64_C(0) >> (64 - 8 * count);
#else
    return ~UINT64_C(0) << (64 - 8 * count);
#endif
}

/* Lower-case letters of a word, at most ARCHIVE_WORD_BYTES, with zeros up to a multiple of 8. Reads into the slack. */
static inline void archive_fold(struct lb_str word, uint64_t *folded)
{
    size_t whole = word.len / 8;
    size_t rest = word.len % 8;

    for (size_t i = 0; i < whole; i++) {
        memcpy(&folded[i], word.ptr + 8 * i, 8);
        folded[i] |= UINT64_C(0x2020202020202020);
    }
    if (rest > 0) {
        memcpy(&folded[whole], word.ptr + 8 * whole, 8);
        folded[whole] = (folded[whole] | UINT64_C(0x2020202020202020)) & archive_low_bytes(rest);
    }
}

/* The hashes noted of an id, one at least; the same may come twice. Takes `run` from `*at` on; 0 at the end. */
struct archive_winnow {
    struct lb_str run;
    bool streaks; /* note them */
    size_t at;    /* of the next gram */
    size_t clean; /* there is neither - nor _ from there on */
    uint64_t gram;
    uint32_t ring[ARCHIVE_WINDOW];
    uint32_t last;   /* what was noted last; 0: nothing */
    uint32_t streak; /* windows in a row that have it, and neither - nor _ */
};

void archive_winnow_begin(struct archive_winnow *winnow, struct lb_str run, bool streaks);

/* The next hash, never 0; 0: no more. */
uint32_t archive_winnow_next(struct archive_winnow *winnow);

/* The rows of the filter that stand for a hash. */
static inline uint32_t archive_row(uint32_t hash, unsigned i, uint32_t rows)
{
    uint64_t mixed = (uint64_t)hash * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t place = (uint32_t)(mixed >> 32) + i * ((uint32_t)mixed | 1);

    return (uint32_t)((uint64_t)place * rows >> 32);
}

#endif
