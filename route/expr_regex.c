/*
 * expr_regex.c - patterns of expressions, by PCRE2.
 *
 * Patterns of ASCII match bytes; one that has other characters, or asks for
 * them by \p \X \x{…}, matches characters, and takes invalid UTF-8 as
 * characters that never match. What a match needs to write is one block per
 * thread, made at its first match and freed when the thread ends. A match
 * that runs into the limits counts as none.
 */
#include "expr.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_metrics.h"

#include <pthread.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    STEPS_MAX = 1000000, /* backtracking steps of one match: some 10 ms */
    HEAP_KIB_MAX = 1024, /* without JIT */
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

/* --- the block of each thread ---------------------------------------------- */

static pthread_key_t block_key;
static pthread_once_t block_once = PTHREAD_ONCE_INIT;
static _Thread_local pcre2_match_data *block;

static void free_block(void *ptr)
{
    pcre2_match_data_free(ptr);
    block = NULL;
}

static void make_key(void)
{
    pthread_key_create(&block_key, free_block);
}

static pcre2_match_data *make_block(void)
{
    pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);

    if (memory == NULL)
        return NULL;
    pcre2_match_data *made = pcre2_match_data_create(1, memory);
    pcre2_general_context_free(memory);
    if (made == NULL)
        return NULL;
    pthread_once(&block_once, make_key);
    pthread_setspecific(block_key, made);
    block = made;
    return made;
}

static void note_limit(const struct lb_expr_regex *regex, int result)
{
    struct lb_metric *metric = lb_metric(LB_COUNTER, "logboom_regex_limits_total",
                                         "Matches that were given up at their limit and count as none", NULL);

    lb_metric_add(metric, 1);
    LB_WARN("route.expr",
            "regular expression given up at its limit, counts as no match; pattern=" LB_STR_FMT " code=%d",
            LB_STR_ARG(regex->pattern), result);
}

enum lb_expr_found lb_expr_regex_find(const struct lb_expr_regex *regex, struct lb_str text, size_t from,
                                      size_t span[2])
{
    pcre2_match_data *data = block != NULL ? block : make_block();
    int result = PCRE2_ERROR_NOMEMORY;

    if (data != NULL)
        result = pcre2_match(regex->code, (PCRE2_SPTR)text.ptr, text.len, from, 0, data, regex->limits);
    if (result >= 0) {
        const size_t *offsets = pcre2_get_ovector_pointer(data);

        span[0] = offsets[0];
        span[1] = offsets[1];
        return LB_EXPR_FOUND;
    }
    if (result == PCRE2_ERROR_NOMATCH)
        return LB_EXPR_NOT_FOUND;
    note_limit(regex, result);
    return LB_EXPR_GIVEN_UP;
}

bool lb_expr_regex_match(const struct lb_expr_regex *regex, struct lb_str text)
{
    size_t span[2];

    return lb_expr_regex_find(regex, text, 0, span) == LB_EXPR_FOUND;
}

/* --- compiling --------------------------------------------------------------- */

static uint32_t options_of(struct lb_str pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        const char *next = pattern.ptr + i + 1;

        if ((unsigned char)pattern.ptr[i] >= 0x80)
            return PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF;
        if (pattern.ptr[i] != '\\' || i + 1 == pattern.len)
            continue;
        if (strchr("pPX", *next) != NULL || (*next == 'x' && i + 2 < pattern.len && next[1] == '{'))
            return PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF;
        i++;
    }
    return 0;
}

static bool compile(struct lb_expr_regex *regex, pcre2_general_context *memory, int *error, size_t *offset)
{
    pcre2_compile_context *settings = pcre2_compile_context_create(memory);
    pcre2_match_context *limits = pcre2_match_context_create(memory);

    *error = PCRE2_ERROR_NOMEMORY;
    *offset = 0;
    if (settings != NULL && limits != NULL) {
        pcre2_set_match_limit(limits, STEPS_MAX);
        pcre2_set_heap_limit(limits, HEAP_KIB_MAX);
        regex->code = pcre2_compile((PCRE2_SPTR)regex->pattern.ptr, regex->pattern.len, options_of(regex->pattern),
                                    error, offset, settings);
    }
    pcre2_compile_context_free(settings);
    regex->limits = limits;
    if (regex->code == NULL)
        return false;
    /* Without JIT (a hardened kernel refuses executable memory) it runs interpreted. */
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    return true;
}

bool lb_expr_regex_compile(struct lb_expr_regex *regex, struct lb_str pattern, char *reason, size_t *offset)
{
    pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);
    int error = PCRE2_ERROR_NOMEMORY;

    regex->pattern = pattern;
    *offset = 0;
    bool done = memory != NULL && compile(regex, memory, &error, offset);
    pcre2_general_context_free(memory);
    if (!done) {
        *reason = '\0';
        pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, LB_EXPR_REASON_BYTES);
        lb_expr_regex_free(regex);
    }
    return done;
}

struct lb_expr_regex *lb_expr_regex_new(struct lb_expr_source *source, const struct lb_expr_token *token)
{
    struct lb_expr_regex *regex = lb_expr_alloc(source, sizeof(*regex));
    char reason[LB_EXPR_REASON_BYTES];
    size_t offset;

    if (regex == NULL)
        return NULL;
    if (!lb_expr_regex_compile(regex, token->value, reason, &offset)) {
        lb_expr_error(source, lb_expr_origin(token, offset), "this regular expression is wrong here: %s", reason);
        return NULL;
    }
    return regex;
}

void lb_expr_regex_free(struct lb_expr_regex *regex)
{
    pcre2_code_free(regex->code);
    pcre2_match_context_free(regex->limits);
    regex->code = NULL;
    regex->limits = NULL;
}

/* --- patterns that are no patterns --------------------------------------------- */

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool lb_expr_regex_literal(struct lb_arena *arena, struct lb_str pattern, struct lb_str *literal, bool *anchored)
{
    size_t at = pattern.len > 0 && pattern.ptr[0] == '^' ? 1 : 0;
    char *out = lb_arena_alloc(arena, pattern.len + 1);

    if (out == NULL)
        return false;
    *anchored = at == 1;
    *literal = (struct lb_str){ out, 0 };
    for (; at < pattern.len; at++) {
        char c = pattern.ptr[at];

        /* An escaped letter has a meaning, escaped punctuation is itself. */
        if (c == '\\') {
            if (++at == pattern.len || is_letter_or_digit(pattern.ptr[at]) || (unsigned char)pattern.ptr[at] >= 0x80)
                return false;
            c = pattern.ptr[at];
        } else if (c == '\0' || strchr("^$.[]|()?*+{}", c) != NULL) {
            return false;
        }
        out[literal->len++] = c;
    }
    return true;
}
