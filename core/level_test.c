/* level_test.c - the usual spellings of levels. */
#include "level.c"

#include "lb_test.h"

static void reads_the_usual_words_and_numbers(void **state)
{
    static const struct {
        const char *word;
        uint8_t level;
    } rows[] = {
        { "info", LB_LEVEL_INFO },       { "INFO", LB_LEVEL_INFO },       { "Information", LB_LEVEL_INFO },
        { "warn", LB_LEVEL_WARN },       { "WARNING", LB_LEVEL_WARN },    { "err", LB_LEVEL_ERROR },
        { "Error", LB_LEVEL_ERROR },     { "SEVERE", LB_LEVEL_ERROR },    { "fatal", LB_LEVEL_CRITICAL },
        { "panic", LB_LEVEL_EMERGENCY }, { "emerg", LB_LEVEL_EMERGENCY }, { "http", LB_LEVEL_DEBUG },
        { "silly", LB_LEVEL_TRACE },     { "0", LB_LEVEL_EMERGENCY },     { "3", LB_LEVEL_ERROR },
        { "7", LB_LEVEL_DEBUG },         { "10", LB_LEVEL_TRACE },        { "20", LB_LEVEL_DEBUG },
        { "30", LB_LEVEL_INFO },         { "35", LB_LEVEL_INFO },         { "40", LB_LEVEL_WARN },
        { "50", LB_LEVEL_ERROR },        { "60", LB_LEVEL_CRITICAL },     { "I", LB_LEVEL_INFO },
        { "8", LB_LEVEL_NONE },          { "70", LB_LEVEL_NONE },         { "", LB_LEVEL_NONE },
        { "informed", LB_LEVEL_NONE },   { "inf0", LB_LEVEL_NONE },       { "100", LB_LEVEL_NONE },
        { "errors", LB_LEVEL_NONE },     { "1a", LB_LEVEL_NONE },         { "eror", LB_LEVEL_ERROR },
        { "ERRO", LB_LEVEL_ERROR },      { "fail", LB_LEVEL_ERROR },      { "trce", LB_LEVEL_TRACE },
        { "failed", LB_LEVEL_NONE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (lb_level_parse(lb_str_from(rows[i].word)) != rows[i].level)
            fail_msg("\"%s\" gives %u", rows[i].word, lb_level_parse(lb_str_from(rows[i].word)));
    }
}

static void names_can_be_read_back(void **state)
{
    (void)state;
    for (uint8_t level = 0; level < LB_LEVEL_COUNT; level++)
        assert_int_equal(lb_level_parse(lb_level_name(level)), level);
    assert_int_equal(lb_level_name(LB_LEVEL_NONE).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_usual_words_and_numbers),
        cmocka_unit_test(names_can_be_read_back),
    };
    return cmocka_run_group_tests_name("core/level", tests, NULL, NULL);
}
