/*
 * level.c - level words and numbers.
 *
 * The table is short and its first letters differ enough: a lookup compares
 * one byte per row and one or two words.
 */
#include "lb_level.h"

static const char *const names[LB_LEVEL_COUNT] = {
    "emergency", "alert", "critical", "error", "warn", "notice", "info", "debug", "trace",
};

struct lb_str lb_level_name(uint8_t level)
{
    return level < LB_LEVEL_COUNT ? lb_str_from(names[level]) : LB_STR("");
}

struct word {
    const char *text; /* lower case, at most 13 bytes */
    uint8_t level;
};

/*
 * Most frequent first. Four letters: what logrus, log15 and .NET cut them to. One letter: klog, glog, logcat, redis and
 * Android spellings.
 */
static const struct word words[] = {
    { "info", LB_LEVEL_INFO },
    { "error", LB_LEVEL_ERROR },
    { "warn", LB_LEVEL_WARN },
    { "debug", LB_LEVEL_DEBUG },
    { "warning", LB_LEVEL_WARN },
    { "notice", LB_LEVEL_NOTICE },
    { "trace", LB_LEVEL_TRACE },
    { "fatal", LB_LEVEL_CRITICAL },
    { "critical", LB_LEVEL_CRITICAL },
    { "err", LB_LEVEL_ERROR },
    { "crit", LB_LEVEL_CRITICAL },
    { "alert", LB_LEVEL_ALERT },
    { "emergency", LB_LEVEL_EMERGENCY },
    { "emerg", LB_LEVEL_EMERGENCY },
    { "panic", LB_LEVEL_EMERGENCY },
    { "dpanic", LB_LEVEL_CRITICAL },
    { "severe", LB_LEVEL_ERROR },
    { "information", LB_LEVEL_INFO },
    { "informational", LB_LEVEL_INFO },
    { "verbose", LB_LEVEL_DEBUG },
    { "silly", LB_LEVEL_TRACE },
    { "http", LB_LEVEL_DEBUG },
    { "dbg", LB_LEVEL_DEBUG },
    { "dbug", LB_LEVEL_DEBUG },
    { "trce", LB_LEVEL_TRACE },
    { "fail", LB_LEVEL_ERROR },
    { "eror", LB_LEVEL_ERROR },
    { "debu", LB_LEVEL_DEBUG },
    { "erro", LB_LEVEL_ERROR },
    { "fata", LB_LEVEL_CRITICAL },
    { "pani", LB_LEVEL_EMERGENCY },
    { "trac", LB_LEVEL_TRACE },
    { "inf", LB_LEVEL_INFO },
    { "wrn", LB_LEVEL_WARN },
    { "ftl", LB_LEVEL_CRITICAL },
    { "trc", LB_LEVEL_TRACE },
    { "fine", LB_LEVEL_DEBUG },
    { "finer", LB_LEVEL_DEBUG },
    { "finest", LB_LEVEL_TRACE },
    { "config", LB_LEVEL_DEBUG },
    { "log", LB_LEVEL_INFO },
    { "statement", LB_LEVEL_INFO },
    { "hint", LB_LEVEL_INFO },
    { "detail", LB_LEVEL_INFO },
    { "i", LB_LEVEL_INFO },
    { "w", LB_LEVEL_WARN },
    { "e", LB_LEVEL_ERROR },
    { "d", LB_LEVEL_DEBUG },
    { "f", LB_LEVEL_CRITICAL },
    { "c", LB_LEVEL_CRITICAL },
    { "n", LB_LEVEL_NOTICE },
    { "v", LB_LEVEL_DEBUG },
    { "t", LB_LEVEL_TRACE },
    { "a", LB_LEVEL_ALERT },
};

/* 0-7 as syslog numbers; from 10 on as pino and bunyan (10 trace … 60 fatal), between steps the lower one. */
static uint8_t level_of_number(struct lb_str digits)
{
    static const uint8_t steps[] = { LB_LEVEL_TRACE, LB_LEVEL_DEBUG, LB_LEVEL_INFO,
                                     LB_LEVEL_WARN,  LB_LEVEL_ERROR, LB_LEVEL_CRITICAL };
    unsigned number = 0;

    if (digits.len > 2)
        return LB_LEVEL_NONE;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return LB_LEVEL_NONE;
        number = number * 10 + (unsigned)(digits.ptr[i] - '0');
    }
    if (number <= LB_LEVEL_DEBUG)
        return (uint8_t)number;
    return number >= 10 && number < 70 ? steps[number / 10 - 1] : LB_LEVEL_NONE;
}

static bool is_word(struct lb_str text, const char *word)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((char)(text.ptr[i] | 0x20) != word[i])
            return false;
    }
    return word[text.len] == '\0';
}

uint8_t lb_level_parse(struct lb_str word)
{
    if (word.len == 0 || word.len > 13)
        return LB_LEVEL_NONE;
    if (word.ptr[0] >= '0' && word.ptr[0] <= '9')
        return level_of_number(word);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if ((word.ptr[0] | 0x20) == words[i].text[0] && is_word(word, words[i].text))
            return words[i].level;
    }
    return LB_LEVEL_NONE;
}
