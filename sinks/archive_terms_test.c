/* archive_terms_test.c - words and ids of texts. */
#include "archive_terms.c"

#include "lb_test.h"

/* The text is followed by what may be read behind it. */
static size_t words_of(const char *text, char *out)
{
    struct lb_str whole = lb_str_from(text);
    struct lb_str run;
    struct lb_str word;
    unsigned classes;
    size_t len = 0;

    for (size_t at = 0; archive_next_run(whole, &at, &run, &classes);) {
        for (size_t word_at = 0; archive_next_word(run, &word_at, &word);) {
            uint64_t folded[8];

            archive_fold(word, folded);
            memcpy(out + len, folded, word.len);
            len += word.len;
            out[len++] = ' ';
        }
    }
    out[len] = '\0';
    return len;
}

static void words_are_letters_in_lower_case(void **state)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        { "Connection refused: ab abz x1y2 (ABZ)--------", "connection refused abz abz " },
        { "deadbeef face feed fade faded-out--------", "out " }, /* the letters of hexadecimal ids alone are none */
        { "blk_-1608 user_name a.bcz.d--------", "blk user name bcz " },
        { "\xc3\x9c"
          "berlauf caf\xc3\xa9 \\nFoo\\u00e9tat--------",
          "berlauf nfoo tat " },
        { "--------", "" },
        { "abcdefgh abcdefghi abcdefghijklmnopq--------", "abcdefgh abcdefghi abcdefghijklmnopq " },
    };
    char out[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        words_of(cases[i].text, out);
        assert_string_equal(out, cases[i].words);
    }
}

static void every_part_of_a_long_word_lies_in_a_noted_one(void **state)
{
    char letters[400 + ARCHIVE_SLACK];

    (void)state;
    for (size_t i = 0; i < sizeof(letters); i++)
        letters[i] = (char)('g' + i * 7 % 20);
    for (size_t len = 1; len <= 400; len += len < 140 ? 1 : 37) {
        for (size_t from = 0; from < len; from++) {
            size_t to = from + ARCHIVE_PIECE_MAX < len ? from + ARCHIVE_PIECE_MAX : len;
            struct lb_str part;
            bool found = false;

            for (size_t at = 0; archive_next_part((struct lb_str){ letters, len }, &at, &part);) {
                assert_true(part.len <= ARCHIVE_WORD_BYTES);
                found = found || (letters + from >= part.ptr && letters + to <= part.ptr + part.len);
            }
            assert_true(found);
        }
    }
}

static size_t winnow(const char *text, size_t len, uint32_t *hashes)
{
    struct archive_winnow self;
    size_t count = 0;
    uint32_t hash;

    archive_winnow_begin(&self, (struct lb_str){ text, len }, true);
    while ((hash = archive_winnow_next(&self)) != 0)
        hashes[count++] = hash;
    return count;
}

static void the_hashes_of_a_piece_are_among_those_of_the_whole(void **state)
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
    uint64_t seed = lb_seed();
    uint32_t whole[128];
    uint32_t piece[128];
    char text[128];

    (void)state;
    for (int run = 0; run < 2000; run++) {
        size_t len = ARCHIVE_ID_MIN + lb_random(&seed) % 100;
        size_t letters = run % 2 == 0 ? 16 : 64;

        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[lb_random(&seed) % letters];
        size_t count = winnow(text, len, whole);
        assert_true(count > 0);
        size_t part = ARCHIVE_ID_MIN + lb_random(&seed) % (len - ARCHIVE_ID_MIN + 1);
        size_t at = lb_random(&seed) % (len - part + 1);
        for (size_t i = at; i < at + part; i++) /* in other case */
            text[i] =
                (archive_classes[(unsigned char)text[i]] & ARCHIVE_LETTER) != 0 ? (char)(text[i] ^ 0x20) : text[i];
        size_t part_count = winnow(text + at, part, piece);
        assert_true(part_count > 0);
        for (size_t i = 0; i < part_count; i++) {
            bool found = false;

            for (size_t j = 0; j < count; j++)
                found = found || piece[i] == whole[j];
            if (!found)
                fail_msg("seed %llu: a piece has a hash that the whole has not", (unsigned long long)lb_seed());
        }
    }
    assert_int_equal(winnow("aaaaaaaaaaaaaaa", 15, whole), 1);
    assert_int_equal(winnow("aaaaaaaaaaaaaaaaaaaaaaaa", 24, whole), 2); /* the piece, and that it is a streak */
    assert_int_not_equal(whole[0], whole[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_letters_in_lower_case),
        cmocka_unit_test(every_part_of_a_long_word_lies_in_a_noted_one),
        cmocka_unit_test(the_hashes_of_a_piece_are_among_those_of_the_whole),
    };

    return cmocka_run_group_tests_name("sinks/archive_terms", tests, NULL, NULL);
}
