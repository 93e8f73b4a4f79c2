/*
 * lb_search_check.h - what must hold of searching, for any pattern and text.
 *
 * PCRE2 alone, line by line, says which lines match. Then a line that matches
 * holds a literal of every clause, and the matcher finds these lines and no
 * others, whichever of its ways it takes.
 */
#ifndef LB_SEARCH_CHECK_H
#define LB_SEARCH_CHECK_H

#include "cli/grep_pattern.h"

#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum lb_search_result { LB_SEARCH_SAME, LB_SEARCH_NO_PATTERN, LB_SEARCH_WRONG };

static inline bool lb_search_holds(const struct lb_archive_clause *clause, bool fold, struct lb_str line)
{
    for (size_t i = 0; i < clause->count; i++) {
        struct grep_needle needle = grep_needle(clause->any[i], fold);

        if (line.len > 0 && grep_find(&needle, line.ptr, line.ptr + line.len) != NULL)
            return true;
    }
    return false;
}

static inline bool lb_search_clauses_hold(const struct grep_literals *literals, struct lb_str line)
{
    for (size_t i = 0; i < literals->count; i++) {
        if (!lb_search_holds(&literals->clauses[i], literals->fold, line))
            return false;
    }
    return true;
}

/* `text` ends in a newline. `why` is set when something is wrong. */
static inline enum lb_search_result lb_search_check(struct lb_str pattern, bool fold, struct lb_str text,
                                                    const char **why)
{
    uint32_t flags = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | (fold ? PCRE2_CASELESS : 0);
    int error;
    size_t at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, flags, &error, &at, NULL);
    struct grep_pattern compiled;
    enum lb_search_result result = LB_SEARCH_SAME;

    if (code == NULL)
        return LB_SEARCH_NO_PATTERN;
    *why = NULL;
    if (!grep_pattern_open(&compiled, &(struct lb_strs){ &pattern, 1 },
                           (struct grep_pattern_options){ .fold = fold })) {
        pcre2_code_free(code);
        *why = "refused";
        return LB_SEARCH_WRONG;
    }
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    struct grep_matcher *matcher = grep_matcher_new(&compiled);
    struct lb_str found = { text.ptr, 0 };
    const char *from = text.ptr;

    (void)pcre2_set_match_limit(context, 100000);
    grep_matcher_begin(matcher, text);
    bool has = grep_matcher_takes_all(matcher) || grep_matcher_next(matcher, from, &found);
    while (from < text.ptr + text.len && *why == NULL) {
        const char *newline = memchr(from, '\n', (size_t)(text.ptr + text.len - from));
        struct lb_str line = { from, (size_t)(newline - from) };
        int matched = pcre2_match(code, (PCRE2_SPTR)line.ptr, line.len, 0, 0, data, context);

        if (matched < PCRE2_ERROR_NOMATCH || grep_matcher_failure(matcher) != NULL)
            break; /* a limit: nothing can be said */
        if (matched >= 0 && !lb_search_clauses_hold(&compiled.literals, line))
            *why = "a line matches without the literals";
        else if (matched < 0 && compiled.literals.is_exact && lb_search_clauses_hold(&compiled.literals, line))
            *why = "the literals are said to be all, and are not";
        else if ((matched >= 0) != (grep_matcher_takes_all(matcher) || (has && found.ptr == line.ptr)))
            *why = matched >= 0 ? "a line was passed over" : "a line was found that does not match";
        from = newline + 1;
        if (has && !grep_matcher_takes_all(matcher) && found.ptr == line.ptr)
            has = from < text.ptr + text.len && grep_matcher_next(matcher, from, &found);
    }
    if (*why != NULL)
        result = LB_SEARCH_WRONG;
    grep_matcher_free(matcher);
    grep_pattern_close(&compiled);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return result;
}

#endif
