/*
 * grep_pattern.c - which lines match, and where.
 *
 * Patterns that are searched together become one in a branch-reset group, so
 * that \1 in each means its own first group. The tricky thing is a comment of
 * (?x) at the end of one: it would swallow the bracket that closes it, so
 * then a newline goes before the bracket.
 */
#include "grep_pattern.h"

#include "lb_alloc.h"
#include "lb_buffer.h"
#include "lb_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    STEPS_MAX = 2 * 1000 * 1000, /* backtracking steps from one place of a line: some 20 ms */
    HEAP_KIB_MAX = 16 * 1024,    /* where JIT cannot help */
    STACK_START = 64 * 1024,
    STACK_MAX = 4 * 1024 * 1024,
    PATTERN_BYTES_MAX = 16 * 1024 * 1024,
    COST_MAX = 440,      /* a literal that nearly every line has is no help */
    COST_OF_NEEDLE = 12, /* one more text to look for */
};

struct grep_matcher {
    const struct grep_pattern *pattern;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    const char *end;                    /* of the text */
    bool is_valid;                      /* all of it is UTF-8 */
    size_t active;                      /* needles that are looked for in it */
    const char *next[GREP_NEEDLES_MAX]; /* where each is found next; NULL: nowhere */
    const char *failure;
};

static void *allocate(size_t size, void *context)
{
    (void)context;
    return lb_alloc(size);
}

static void release(void *ptr, void *context)
{
    (void)context;
    lb_free(ptr);
}

/* --- compiling --------------------------------------------------------------------- */

static pcre2_code *compile(struct lb_str text, uint32_t options, int *error, size_t *at)
{
    pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *context = memory != NULL ? pcre2_compile_context_create(memory) : NULL;
    pcre2_code *code = NULL;

    *error = PCRE2_ERROR_NOMEMORY;
    *at = 0;
    if (context != NULL && pcre2_set_newline(context, PCRE2_NEWLINE_LF) == 0)
        code = pcre2_compile((PCRE2_SPTR)(text.len > 0 ? text.ptr : ""), text.len, options, error, at, context);
    pcre2_compile_context_free(context);
    pcre2_general_context_free(memory);
    return code;
}

static bool complain(struct lb_str pattern, int error, size_t at)
{
    PCRE2_UCHAR reason[160];

    pcre2_get_error_message(error, reason, sizeof(reason));
    fprintf(stderr, "logboom: the pattern \"" LB_STR_FMT "\" is wrong at byte %zu: %s; -F takes it as plain text\n",
            LB_STR_ARG(pattern), at + 1, (const char *)reason);
    return false;
}

static void append_quoted(struct lb_buffer *out, struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_word && c < 0x80)
            lb_buffer_append_char(out, '\\');
        lb_buffer_append_char(out, (char)c);
    }
}

struct compiling {
    const struct lb_strs *patterns;
    struct grep_pattern_options options;
    uint32_t flags;
    bool utf;
    struct lb_buffer text;
};

static void append_pattern(struct compiling *self, struct lb_str pattern)
{
    if (self->options.fixed)
        append_quoted(&self->text, pattern);
    else
        lb_buffer_append_str(&self->text, pattern);
}

/* All patterns as one. `close`: the bracket behind each of them. */
static void append_patterns(struct compiling *self, const char *close)
{
    lb_buffer_print(&self->text, "(?|");
    for (size_t i = 0; i < self->patterns->count; i++) {
        lb_buffer_print(&self->text, i > 0 ? "|(?:" : "(?:");
        append_pattern(self, self->patterns->items[i]);
        lb_buffer_print(&self->text, "%s", close);
    }
    lb_buffer_append_char(&self->text, ')');
}

/* The pattern as it is compiled. `newline`: before each bracket that closes one. */
static struct lb_str whole_text(struct compiling *self, bool newline)
{
    const char *close = newline ? "\n)" : ")";
    const char *before = "";
    const char *after = "";

    if (self->options.line) {
        before = "^(?:";
        after = "$";
    } else if (self->options.word) {
        before = self->utf ? "(?<![\\p{L}\\p{N}_])(?:" : "(?<!\\w)(?:";
        after = self->utf ? "(?![\\p{L}\\p{N}_])" : "(?!\\w)";
    }
    lb_buffer_reset(&self->text);
    lb_buffer_print(&self->text, "%s", before);
    if (self->patterns->count > 1)
        append_patterns(self, close);
    else
        append_pattern(self, self->patterns->items[0]);
    if (*before != '\0')
        lb_buffer_print(&self->text, "%s%s", self->patterns->count > 1 ? ")" : close, after);
    return lb_buffer_str(&self->text);
}

/* Each alone, so that a fault is told where it is. */
static bool check_each(const struct compiling *self)
{
    for (size_t i = 0; i < self->patterns->count && !self->options.fixed; i++) {
        int error;
        size_t at;
        pcre2_code *code = compile(self->patterns->items[i], self->flags, &error, &at);

        if (code == NULL)
            return complain(self->patterns->items[i], error, at);
        pcre2_code_free(code);
    }
    return true;
}

static bool compile_all(struct grep_pattern *pattern, struct compiling *self)
{
    bool is_wrapped = self->patterns->count > 1 || self->options.word || self->options.line;
    uint32_t options = 0;
    int error;
    size_t at;

    if (is_wrapped && !check_each(self))
        return false;
    pattern->code = compile(whole_text(self, false), self->flags, &error, &at);
    if (pattern->code == NULL && is_wrapped && !self->text.failed)
        pattern->code = compile(whole_text(self, true), self->flags, &error, &at);
    if (self->text.failed)
        error = PCRE2_ERROR_NOMEMORY;
    if (pattern->code == NULL || self->text.failed)
        return complain(self->patterns->count == 1 ? self->patterns->items[0] : lb_buffer_str(&self->text), error, at);
    pattern->jit = pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0;
    if (pcre2_pattern_info(pattern->code, PCRE2_INFO_ALLOPTIONS, &options) == 0 && (options & PCRE2_UTF) != 0) {
        pattern->careful = compile(lb_buffer_str(&self->text), self->flags | PCRE2_MATCH_INVALID_UTF, &error, &at);
        return pattern->careful != NULL || complain(lb_buffer_str(&self->text), error, at);
    }
    return true;
}

/* --- needles ------------------------------------------------------------------------- */

static bool is_other_form(struct lb_str text)
{
    return memmem(text.ptr, text.len, "\xc5\xbf", 2) != NULL || memmem(text.ptr, text.len, "\xe2\x84\xaa", 3) != NULL;
}

/* How much it costs to look for a clause: its most frequent literal, and how many there are. */
static uint32_t cost_of(const struct lb_archive_clause *clause, bool fold)
{
    uint32_t cost = 0;

    for (size_t i = 0; i < clause->count; i++) {
        struct grep_needle needle = grep_needle(clause->any[i], fold);
        uint32_t one = grep_needle_cost(&needle);

        cost = one > cost ? one : cost;
    }
    return cost + COST_OF_NEEDLE * (uint32_t)clause->count;
}

static void choose_needles(struct grep_pattern *pattern)
{
    const struct grep_literals *literals = &pattern->literals;
    const struct lb_archive_clause *best = NULL;
    uint32_t best_cost = pattern->is_exact ? UINT32_MAX : COST_MAX;

    for (size_t i = 0; i < literals->count; i++) {
        uint32_t cost = cost_of(&literals->clauses[i], literals->fold);

        if (literals->clauses[i].count <= GREP_NEEDLES_MAX && cost < best_cost) {
            best = &literals->clauses[i];
            best_cost = cost;
        }
    }
    pattern->is_exact = pattern->is_exact && best != NULL;
    for (int others = 0; others < 2 && best != NULL; others++) {
        for (size_t i = 0; i < best->count; i++) {
            if ((literals->fold && is_other_form(best->any[i])) == (others == 1))
                pattern->needles[pattern->needle_count++] = grep_needle(best->any[i], literals->fold);
        }
        if (others == 0)
            pattern->plain_count = pattern->needle_count;
    }
}

static int compare_lengths(const void *a, const void *b)
{
    size_t a_length = ((const struct lb_str *)a)->len;
    size_t b_length = ((const struct lb_str *)b)->len;

    return a_length > b_length ? -1 : a_length < b_length;
}

bool grep_pattern_open(struct grep_pattern *pattern, const struct lb_strs *patterns,
                       struct grep_pattern_options options)
{
    struct compiling compiling = { .patterns = patterns, .options = options };
    bool utf = true;

    /* Of two texts that begin alike, the longer one is found. */
    if (options.fixed && patterns->count > 1)
        qsort(patterns->items, patterns->count, sizeof(*patterns->items), compare_lengths);
    *pattern = (struct grep_pattern){ .is_all = false };
    lb_buffer_init(&compiling.text, PATTERN_BYTES_MAX);
    for (size_t i = 0; i < patterns->count; i++)
        utf = utf && lb_utf8_valid(patterns->items[i]) == patterns->items[i].len;
    compiling.utf = utf;
    compiling.flags = PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_DUPNAMES;
    compiling.flags |= utf ? PCRE2_UTF : 0;
    compiling.flags |= options.fold ? PCRE2_CASELESS : 0;
    grep_literals_init(&pattern->literals, patterns, (struct grep_syntax){ options.fixed, options.fold, utf });
    pattern->is_all = pattern->literals.is_all && !options.word && !options.line;
    pattern->is_exact = pattern->literals.is_exact && !options.word && !options.line;
    choose_needles(pattern);
    bool compiled = compile_all(pattern, &compiling);
    lb_buffer_free(&compiling.text);
    if (!compiled)
        grep_pattern_close(pattern);
    return compiled;
}

void grep_pattern_close(struct grep_pattern *pattern)
{
    pcre2_code_free(pattern->code);
    pcre2_code_free(pattern->careful);
    pattern->code = pattern->careful = NULL;
    grep_literals_free(&pattern->literals);
}

/* --- matching ------------------------------------------------------------------------ */

struct grep_matcher *grep_matcher_new(const struct grep_pattern *pattern)
{
    struct grep_matcher *self = lb_alloc(sizeof(*self));
    pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);

    if (self != NULL && memory != NULL) {
        self->pattern = pattern;
        self->data = pcre2_match_data_create(1, memory);
        self->context = pcre2_match_context_create(memory);
        self->stack = pcre2_jit_stack_create(STACK_START, STACK_MAX, memory);
    }
    pcre2_general_context_free(memory);
    if (self == NULL)
        return NULL;
    if (self->data == NULL || self->context == NULL || self->stack == NULL) {
        grep_matcher_free(self);
        return NULL;
    }
    (void)pcre2_set_match_limit(self->context, STEPS_MAX);
    (void)pcre2_set_depth_limit(self->context, STEPS_MAX);
    (void)pcre2_set_heap_limit(self->context, HEAP_KIB_MAX);
    pcre2_jit_stack_assign(self->context, NULL, self->stack);
    return self;
}

void grep_matcher_free(struct grep_matcher *matcher)
{
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    lb_free(matcher);
}

bool grep_matcher_takes_all(const struct grep_matcher *matcher)
{
    return matcher->pattern->is_all;
}

const char *grep_matcher_failure(const struct grep_matcher *matcher)
{
    return matcher->failure;
}

static void fail(struct grep_matcher *self, int result)
{
    switch (result) {
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
        self->failure = "it takes too many steps on a line; make it say more exactly what comes in between";
        break;
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_JIT_STACKLIMIT: self->failure = "it takes too much memory on a line"; break;
    default: self->failure = "PCRE2 gave it up"; break;
    }
}

/* PCRE2 on `subject` from `from`. */
static bool match(struct grep_matcher *self, struct lb_str subject, size_t from, struct lb_str *span)
{
    const struct grep_pattern *pattern = self->pattern;
    PCRE2_SPTR text = (PCRE2_SPTR)subject.ptr;
    int result = PCRE2_ERROR_JIT_STACKLIMIT;

    if (self->failure != NULL)
        return false;
    if (pattern->careful != NULL && !self->is_valid && lb_utf8_valid(subject) != subject.len) {
        result = pcre2_match(pattern->careful, text, subject.len, from, 0, self->data, self->context);
    } else {
        if (pattern->jit)
            result = pcre2_jit_match(pattern->code, text, subject.len, from, 0, self->data, self->context);
        if (result == PCRE2_ERROR_JIT_STACKLIMIT)
            result = pcre2_match(pattern->code, text, subject.len, from, PCRE2_NO_JIT | PCRE2_NO_UTF_CHECK, self->data,
                                 self->context);
    }
    if (result < 0) {
        if (result != PCRE2_ERROR_NOMATCH)
            fail(self, result);
        return false;
    }
    const size_t *ends = pcre2_get_ovector_pointer(self->data);
    /* \K in a lookahead can set the start behind the end. */
    *span = (struct lb_str){ subject.ptr + ends[0], ends[1] > ends[0] ? ends[1] - ends[0] : 0 };
    return true;
}

void grep_matcher_begin(struct grep_matcher *matcher, struct lb_str text)
{
    static const struct {
        char text[4];
    } forms[] = { { "\xc5\xbf" }, { "\xe2\x84\xaa" } };
    const struct grep_pattern *pattern = matcher->pattern;

    matcher->end = text.ptr + text.len;
    /* Where only some lines are looked at closely, each is asked by itself. */
    matcher->is_valid = pattern->needle_count == 0 && pattern->careful != NULL && lb_utf8_valid(text) == text.len;
    matcher->active = pattern->plain_count;
    for (size_t i = 0; i < 2 && matcher->active < pattern->needle_count; i++) {
        struct grep_needle form = grep_needle(lb_str_from(forms[i].text), false);

        if (grep_find(&form, text.ptr, matcher->end) != NULL)
            matcher->active = pattern->needle_count;
    }
    for (size_t i = 0; i < matcher->active; i++)
        matcher->next[i] = grep_find(&pattern->needles[i], text.ptr, matcher->end);
}

static const char *next_candidate(struct grep_matcher *self, const char *from)
{
    const char *first = NULL;

    for (size_t i = 0; i < self->active; i++) {
        if (self->next[i] != NULL && self->next[i] < from)
            self->next[i] = grep_find(&self->pattern->needles[i], from, self->end);
        if (self->next[i] != NULL && (first == NULL || self->next[i] < first))
            first = self->next[i];
    }
    return first;
}

/* The line around `at`. */
static struct lb_str line_around(const struct grep_matcher *self, const char *from, const char *at)
{
    const char *before = at > from ? memrchr(from, '\n', (size_t)(at - from)) : NULL;
    const char *start = before != NULL ? before + 1 : from;
    const char *newline = memchr(at, '\n', (size_t)(self->end - at));

    return (struct lb_str){ start, (size_t)((newline != NULL ? newline : self->end) - start) };
}

static bool next_by_needles(struct grep_matcher *self, const char *from, struct lb_str *line)
{
    const char *at;
    struct lb_str span;

    while (from < self->end && (at = next_candidate(self, from)) != NULL) {
        *line = line_around(self, from, at);
        if (self->pattern->is_exact || match(self, *line, 0, &span))
            return true;
        from = line->ptr + line->len + 1;
    }
    return false;
}

static bool next_in_text(struct grep_matcher *self, const char *from, struct lb_str *line)
{
    struct lb_str rest = { from, (size_t)(self->end - from) };
    struct lb_str span;

    if (rest.len == 0 || !match(self, rest, 0, &span) || span.ptr == self->end)
        return false;
    *line = line_around(self, from, span.ptr);
    return true;
}

static bool next_by_line(struct grep_matcher *self, const char *from, struct lb_str *line)
{
    struct lb_str span;

    for (; from < self->end; from = line->ptr + line->len + 1) {
        *line = line_around(self, from, from);
        if (match(self, *line, 0, &span))
            return true;
    }
    return false;
}

bool grep_matcher_next(struct grep_matcher *matcher, const char *from, struct lb_str *line)
{
    if (matcher->pattern->needle_count > 0)
        return next_by_needles(matcher, from, line);
    if (matcher->pattern->literals.is_local && (matcher->is_valid || matcher->pattern->careful == NULL))
        return next_in_text(matcher, from, line);
    return next_by_line(matcher, from, line);
}

bool grep_matcher_span(struct grep_matcher *matcher, struct lb_str line, size_t from, struct lb_str *span)
{
    const struct grep_pattern *pattern = matcher->pattern;

    if (pattern->is_exact && pattern->needle_count == 1) {
        const char *at = grep_find(&pattern->needles[0], line.ptr + from, line.ptr + line.len);

        *span = (struct lb_str){ at, pattern->needles[0].text.len };
        return at != NULL;
    }
    while (from <= line.len && match(matcher, line, from, span)) {
        if (span->len > 0)
            return true;
        from = (size_t)(span->ptr - line.ptr) + 1;
        while (from < line.len && ((unsigned char)line.ptr[from] & 0xc0) == 0x80)
            from++;
    }
    return false;
}
