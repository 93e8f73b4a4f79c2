/* arena_text.c - text that grows in an arena; see arena_text.h. */
#include "arena_text.h"

enum { FIRST = 128 };

static bool reserve(struct arena_text *self, size_t more)
{
    size_t capacity = self->capacity < FIRST ? FIRST : 2 * self->capacity;
    char *ptr;

    if (self->failed)
        return false;
    if (self->capacity - self->len >= more)
        return true;
    if (capacity < self->len + more)
        capacity = self->len + more;
    ptr = lb_arena_alloc(self->arena, capacity);
    if (ptr == NULL) {
        self->failed = true;
        return false;
    }
    if (self->len > 0)
        memcpy(ptr, self->ptr, self->len);
    self->ptr = ptr;
    self->capacity = capacity;
    return true;
}

void arena_text_put(struct arena_text *self, const char *ptr, size_t len)
{
    if (len == 0 || !reserve(self, len))
        return;
    memcpy(self->ptr + self->len, ptr, len);
    self->len += len;
}

void arena_text_put_escaped(struct arena_text *self, struct lb_str text)
{
    static const char hex[] = "0123456789abcdef";
    size_t start = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        char escape[6] = { '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] };

        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        arena_text_put(self, text.ptr + start, i - start);
        if (byte < 0x20)
            arena_text_put(self, escape, sizeof(escape));
        else
            arena_text_put(self, (const char[]){ '\\', (char)byte }, 2);
        start = i + 1;
    }
    arena_text_put(self, text.ptr + start, text.len - start);
}
