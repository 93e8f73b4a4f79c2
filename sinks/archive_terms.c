/* archive_terms.c - words and ids of a text. */
#include "archive_terms.h"

#define HEX (ARCHIVE_LETTER | ARCHIVE_ID)
#define ABC (ARCHIVE_LETTER | ARCHIVE_ID | ARCHIVE_BEYOND_F)
#define DIG (ARCHIVE_DIGIT | ARCHIVE_ID)

const unsigned char archive_classes[256] = {
    ['0' ... '9'] = DIG, ['A' ... 'F'] = HEX, ['G' ... 'Z'] = ABC, ['a' ... 'f'] = HEX,
    ['g' ... 'z'] = ABC, ['_'] = ARCHIVE_ID,  ['-'] = ARCHIVE_ID,
};

/* Letters in lower case; '_' is the only other byte of an id that bit 5 would change, and stays apart from DEL. */
static inline uint64_t folded(char byte)
{
    return (unsigned char)byte | ((archive_classes[(unsigned char)byte] & ARCHIVE_LETTER) != 0 ? 0x20 : 0);
}

static inline uint32_t hash_of(uint64_t gram)
{
    uint64_t mixed = gram * UINT64_C(0x9E3779B97F4A7C15);

    mixed ^= mixed >> 32;
    uint32_t hash = (uint32_t)(mixed * UINT64_C(0xD6E8FEB86659FD93) >> 32);
    return hash != 0 ? hash : 1;
}

/* Of a piece that is noted a second time: that of no 6 bytes. */
static inline uint32_t hash_of_streak(uint32_t hash)
{
    return hash_of(UINT64_C(1) << 48 | hash);
}

static inline void add_byte(struct archive_winnow *winnow, size_t at)
{
    char byte = winnow->run.ptr[at];

    winnow->gram = (winnow->gram << 8 | folded(byte)) & UINT64_C(0xFFFFFFFFFFFF);
    if (archive_classes[(unsigned char)byte] == ARCHIVE_ID)
        winnow->clean = at + 1;
}

/* The hash of the gram at winnow->at, whose first 5 bytes are in winnow->gram. */
static inline uint32_t next_gram(struct archive_winnow *winnow)
{
    add_byte(winnow, winnow->at + ARCHIVE_GRAM - 1);
    uint32_t hash = hash_of(winnow->gram);
    winnow->ring[winnow->at % ARCHIVE_WINDOW] = hash;
    winnow->at++;
    return hash;
}

void archive_winnow_begin(struct archive_winnow *winnow, struct lb_str run, bool streaks)
{
    winnow->run = run;
    winnow->streaks = streaks;
    winnow->at = 0;
    winnow->clean = 0;
    winnow->gram = 0;
    winnow->last = 0;
    winnow->streak = 0;
    for (size_t i = 0; i < ARCHIVE_GRAM - 1; i++)
        add_byte(winnow, i);
    for (size_t i = 0; i < ARCHIVE_WINDOW - 1; i++)
        next_gram(winnow);
}

static inline uint32_t smallest(const uint32_t *ring)
{
    uint32_t least = ring[0];

    for (size_t i = 1; i < ARCHIVE_WINDOW; i++)
        least = ring[i] < least ? ring[i] : least;
    return least;
}

uint32_t archive_winnow_next(struct archive_winnow *winnow)
{
    while (winnow->at + ARCHIVE_GRAM <= winnow->run.len) {
        uint32_t hash = next_gram(winnow);
        uint32_t least = hash <= winnow->last ? hash : smallest(winnow->ring);
        bool is_clean = winnow->at >= winnow->clean + ARCHIVE_WINDOW;

        if (least != winnow->last) {
            winnow->last = least;
            winnow->streak = is_clean;
            return least;
        }
        winnow->streak = is_clean ? winnow->streak + 1 : 0;
        if (winnow->streak == ARCHIVE_STREAK && winnow->streaks)
            return hash_of_streak(least);
    }
    return 0;
}
