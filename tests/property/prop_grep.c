/* prop_grep.c - literals are sound, and the matcher finds what PCRE2 finds line by line, for random patterns. */
#include "lb_patterns.h"
#include "lb_search_check.h"
#include "lb_test.h"

enum { ROUNDS = 60000, PATTERN_MAX = 64, TEXT_MAX = 1024, PIECES_MAX = 9, LINES = 12 };

static uint64_t random_state;

static uint8_t random_byte(void)
{
    return (uint8_t)(lb_random(&random_state) >> 40);
}

static size_t make_text(char *text)
{
    size_t len = 0;

    for (int line = 0; line < LINES; line++) {
        for (uint64_t n = lb_random(&random_state) % PIECES_MAX; n > 0; n--)
            len = lb_line_piece(random_byte(), text, len, TEXT_MAX - LINES);
        text[len++] = '\n';
    }
    return len;
}

static void lines_are_those_that_pcre2_matches(void **state)
{
    long rounds = getenv("LB_GREP_N") != NULL ? atol(getenv("LB_GREP_N")) * 100 : ROUNDS;
    long compiled = 0;

    (void)state;
    random_state = lb_seed();
    for (long round = 0; round < rounds; round++) {
        char pattern[PATTERN_MAX];
        char text[TEXT_MAX];
        const char *why = "";
        size_t length = 0;

        for (uint64_t n = 1 + lb_random(&random_state) % PIECES_MAX; n > 0; n--)
            length = lb_pattern_piece(random_byte(), pattern, length, PATTERN_MAX);
        struct lb_str made = { text, make_text(text) };
        enum lb_search_result result =
            lb_search_check((struct lb_str){ pattern, length }, random_byte() % 2 == 0, made, &why);
        if (result == LB_SEARCH_WRONG)
            fail_msg("seed %llu, round %ld: %s: pattern \"%.*s\", text:\n%.*s", (unsigned long long)lb_seed(), round,
                     why, (int)length, pattern, (int)made.len, text);
        compiled += result == LB_SEARCH_SAME;
    }
    assert_true(compiled * 10 > rounds); /* enough of them are patterns */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_those_that_pcre2_matches),
    };

    return cmocka_run_group_tests_name("property/grep", tests, NULL, NULL);
}
