/* buffer.c - bytes that grow by doubling, up to a bound given at the start. */
#include "lb_buffer.h"

#include "lb_alloc.h"

#include <stdarg.h>
#include <stdio.h>

enum { FIRST_CAPACITY = 256 };

void lb_buffer_init(struct lb_buffer *buffer, size_t bytes_max)
{
    *buffer = (struct lb_buffer){ .bytes_max = bytes_max };
}

void lb_buffer_free(struct lb_buffer *buffer)
{
    lb_free(buffer->ptr);
    lb_buffer_init(buffer, buffer->bytes_max);
}

bool lb_buffer_grow(struct lb_buffer *buffer, size_t size)
{
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : FIRST_CAPACITY;

    /* Subtract rather than add: len + size could wrap around. */
    if (buffer->failed || size > buffer->bytes_max - buffer->len) {
        buffer->failed = true;
        return false;
    }
    while (capacity < buffer->len + size)
        capacity *= 2;
    if (capacity > buffer->bytes_max)
        capacity = buffer->bytes_max;
    char *ptr = lb_realloc(buffer->ptr, capacity);
    if (ptr == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->ptr = ptr;
    buffer->capacity = capacity;
    return true;
}

void lb_buffer_print(struct lb_buffer *buffer, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0 || !lb_buffer_reserve(buffer, (size_t)len + 1))
        return;
    va_start(args, fmt);
    vsnprintf(buffer->ptr + buffer->len, (size_t)len + 1, fmt, args);
    va_end(args);
    buffer->len += (size_t)len;
}
