/*
 * grep_pattern.h - which lines match, and where.
 *
 * A pattern is compiled once (PCRE2, UTF-8; a byte that is not matches
 * nothing). A matcher, one per thread, finds the next line of a
 * text that matches: by the rarest literals first, which may be all there is
 * to the pattern, then by PCRE2 on the lines that have one; without literals
 * on whole texts where that makes no difference, and else line by line.
 */
#ifndef GREP_PATTERN_H
#define GREP_PATTERN_H

#include "grep_find.h"
#include "grep_literals.h"

struct grep_pattern_options {
    bool fixed; /* -F */
    bool fold;  /* -i */
    bool word;  /* -w */
    bool line;  /* -x */
};

enum { GREP_NEEDLES_MAX = 16 };

struct grep_pattern {
    struct grep_literals literals;
    bool is_all;   /* every line matches */
    bool is_exact; /* a line matches if it has one of the needles */
    struct grep_needle needles[GREP_NEEDLES_MAX];
    size_t needle_count;
    size_t plain_count; /* the first of them; others have forms of k and s outside ASCII */
    void *code;         /* pcre2_code, for text that is UTF-8 where the patterns are, */
    void *careful;      /* and for text that is not; without JIT. NULL: `code` is for any */
    bool jit;
};

/* False: it was said why on stderr. The order of the patterns may change. */
bool grep_pattern_open(struct grep_pattern *pattern, const struct lb_strs *patterns,
                       struct grep_pattern_options options);
void grep_pattern_close(struct grep_pattern *pattern);

struct grep_matcher;

struct grep_matcher *grep_matcher_new(const struct grep_pattern *pattern); /* NULL: out of memory */
void grep_matcher_free(struct grep_matcher *matcher);

/* Every line matches: there is nothing to look for. */
bool grep_matcher_takes_all(const struct grep_matcher *matcher);

/* A text of whole lines, ending in a newline, which lives until the next one. */
void grep_matcher_begin(struct grep_matcher *matcher, struct lb_str text);

/* The next line of it at `from`, where a line begins, or behind; without its newline. */
bool grep_matcher_next(struct grep_matcher *matcher, const char *from, struct lb_str *line);

/* The next match in a line at `from` or behind; never empty. */
bool grep_matcher_span(struct grep_matcher *matcher, struct lb_str line, size_t from, struct lb_str *span);

/* Why matching was given up, once it was; then nothing matches any more. NULL: it was not. */
const char *grep_matcher_failure(const struct grep_matcher *matcher);

#endif
