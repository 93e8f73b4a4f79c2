/*
 * A pattern in the first line, what its names mean (NAME meaning) in those behind it up to an empty one, and any text:
 * a pattern is refused with a fault, or its captures lie in the text.
 */
#include "parse/grok.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { DEFINITIONS_MAX = 8, STEPS_MAX = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lb_str next_line(struct lb_str *rest)
{
    const char *newline = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    size_t len = newline != NULL ? (size_t)(newline - rest->ptr) : rest->len;
    struct lb_str line = { rest->ptr, len };

    rest->ptr += len + (newline != NULL);
    rest->len -= len + (newline != NULL);
    return line;
}

static void match(const struct grok *grok, struct lb_str text)
{
    struct lb_arena arena;
    struct lb_field fields[GROK_CAPTURES_MAX];
    uint32_t count = 0;
    const char *reason = NULL;

    lb_arena_init(&arena, 1 << 20);
    enum lb_err err = grok_match(grok, text, &arena, fields, &count, &reason);
    assert(count <= GROK_CAPTURES_MAX && (err == LB_OK || reason != NULL || err == LB_NOMEM || err == LB_LIMIT));
    lb_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    struct lb_str rest = { copy, size };
    struct lb_pair pairs[DEFINITIONS_MAX];
    struct grok_definitions definitions = { pairs, 0, size % 2 == 0 };
    struct lb_arena arena;
    struct grok_fault fault = { "" };
    struct grok grok = { 0 };

    if (size > 0)
        memcpy(copy, data, size);
    struct lb_str pattern = next_line(&rest);
    while (definitions.count < DEFINITIONS_MAX) {
        struct lb_str line = next_line(&rest);
        const char *blank = line.len > 0 ? memchr(line.ptr, ' ', line.len) : NULL;

        if (blank == NULL)
            break;
        size_t len = (size_t)(blank - line.ptr);
        pairs[definitions.count++] = (struct lb_pair){ { line.ptr, len }, { blank + 1, line.len - len - 1 } };
    }
    lb_arena_init(&arena, 1 << 20);
    enum lb_err err = grok_compile(&grok, &arena, pattern, &definitions, STEPS_MAX, &fault);
    assert(err == LB_OK || err == LB_NOMEM || fault.text[0] != '\0');
    if (err == LB_OK) {
        match(&grok, rest);
        grok_free(&grok);
    }
    lb_arena_free(&arena);
    free(copy);
    return 0;
}
