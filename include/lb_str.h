/*
 * lb_str.h - a borrowed slice of bytes.
 *
 * A slice never owns its bytes and is not NUL-terminated. It is two words,
 * so pass it by value. It lives as long as the arena, slab or literal behind
 * it; who owns that is said where the slice is handed over.
 */
#ifndef LB_STR_H
#define LB_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct lb_str {
    const char *ptr;
    size_t len;
};

/* A list of slices; the array belongs to the same owner as the bytes. */
struct lb_strs {
    struct lb_str *items;
    size_t count;
};

#define LB_STR(literal) ((struct lb_str){ (literal), sizeof(literal) - 1 })

/* For printf: printf("host=" LB_STR_FMT, LB_STR_ARG(host)). */
#define LB_STR_FMT "%.*s"
#define LB_STR_ARG(s) (int)(s).len, (s).ptr

static inline struct lb_str lb_str_from(const char *text)
{
    return (struct lb_str){ text, strlen(text) };
}

static inline bool lb_str_equal(struct lb_str a, struct lb_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool lb_str_is(struct lb_str a, const char *text)
{
    return lb_str_equal(a, lb_str_from(text));
}

static inline bool lb_str_starts(struct lb_str a, struct lb_str prefix)
{
    return a.len >= prefix.len && memcmp(a.ptr, prefix.ptr, prefix.len) == 0;
}

#endif
