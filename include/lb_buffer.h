/*
 * lb_buffer.h - bytes that grow while a sink writes them.
 *
 * Owned by one thread. It cannot grow past `bytes_max`; appending then sets
 * `failed` and drops the bytes, so a writer checks once at the end. Reserve
 * first on hot paths and write through `ptr + len`.
 */
#ifndef LB_BUFFER_H
#define LB_BUFFER_H

#include "lb_str.h"

#include <stdint.h>

struct lb_buffer {
    char *ptr;
    size_t len;
    size_t capacity;
    size_t bytes_max;
    bool failed;
};

void lb_buffer_init(struct lb_buffer *buffer, size_t bytes_max);
void lb_buffer_free(struct lb_buffer *buffer);

/* The slow path of lb_buffer_reserve. */
bool lb_buffer_grow(struct lb_buffer *buffer, size_t size);

/* True when `size` more bytes fit behind `len`; otherwise sets `failed`. */
static inline bool lb_buffer_reserve(struct lb_buffer *buffer, size_t size)
{
    return buffer->capacity - buffer->len >= size || lb_buffer_grow(buffer, size);
}

static inline void lb_buffer_append(struct lb_buffer *buffer, const char *ptr, size_t len)
{
    if (!lb_buffer_reserve(buffer, len))
        return;
    if (len > 0)
        memcpy(buffer->ptr + buffer->len, ptr, len);
    buffer->len += len;
}

static inline void lb_buffer_append_str(struct lb_buffer *buffer, struct lb_str bytes)
{
    lb_buffer_append(buffer, bytes.ptr, bytes.len);
}

static inline void lb_buffer_append_char(struct lb_buffer *buffer, char c)
{
    lb_buffer_append(buffer, &c, 1);
}

void lb_buffer_print(struct lb_buffer *buffer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline void lb_buffer_reset(struct lb_buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
}

static inline struct lb_str lb_buffer_str(const struct lb_buffer *buffer)
{
    return (struct lb_str){ buffer->ptr, buffer->len };
}

#endif
