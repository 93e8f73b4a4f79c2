/*
 * fields_nested.c - removing a member from within nested objects.
 *
 * An object is the JSON text it came in. It is copied once and the bytes of
 * the member are cut out of the copy, wherever in it the path ends. Of
 * several members of one name all go, for what was removed for a good reason
 * must not come back; an object that has too many of them loses everything.
 */
#include "fields.h"

#include "lb_json.h"
#include "lb_limits.h"

enum { REPEATS_MAX = 32 }; /* each cut moves the bytes behind it */

/* The value at `path`: a member of that name, or a path into nested objects. Any dot may be one of a name. */
static struct lb_value find(struct lb_value object, struct lb_str path, unsigned parts)
{
    struct lb_value found = lb_value_member(object, path);
    const char *end = path.ptr + path.len;
    const char *dot = parts < LB_NAME_PARTS_MAX ? memchr(path.ptr, '.', path.len) : NULL;

    while (found.kind == LB_VALUE_NONE && dot != NULL) {
        struct lb_value head = lb_value_member(object, (struct lb_str){ path.ptr, (size_t)(dot - path.ptr) });

        if (head.kind == LB_VALUE_OBJECT)
            found = find(head, (struct lb_str){ dot + 1, (size_t)(end - dot - 1) }, parts + 1);
        dot = memchr(dot + 1, '.', (size_t)(end - dot - 1));
    }
    return found;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The quote before the key, seen from the first byte of the value. An unescaped quote cannot stand within a key. */
static char *member_start(char *ptr)
{
    while (*--ptr != '"') {
    }
    while (true) {
        unsigned backslashes = 0;

        while (*--ptr != '"') {
        }
        while (ptr[-1 - (int)backslashes] == '\\')
            backslashes++;
        if (backslashes % 2 == 0)
            return ptr;
    }
}

/* Cuts the member with that value, and one comma, out of the text that holds it; returns the bytes cut. */
static size_t cut(char *text, size_t len, struct lb_value value)
{
    bool quoted = lb_value_is_string(value);
    char *first = text + (value.ptr - text) - (quoted ? 1 : 0);
    char *end = text + (value.ptr - text) + value.len + (quoted ? 1 : 0);
    char *start = member_start(first);

    while (is_blank(*end))
        end++;
    if (*end == ',') {
        end++;
    } else {
        while (is_blank(start[-1]))
            start--;
        start -= start[-1] == ',' ? 1 : 0;
    }
    memmove(start, end, (size_t)(text + len - end));
    return (size_t)(end - start);
}

/* `text` is the caller's, an object from brace to brace. Returns its new length. */
static size_t cut_all(char *text, size_t len, struct lb_str path)
{
    for (unsigned i = 0; i < REPEATS_MAX; i++) {
        struct lb_value value = find(lb_value_of((struct lb_str){ text, len }, LB_VALUE_OBJECT), path, 1);

        if (value.kind == LB_VALUE_NONE)
            return len;
        len -= cut(text, len, value);
    }
    text[1] = '}';
    return 2;
}

static void remove_nested(struct lb_field *field, struct lb_arena *arena, struct lb_str path)
{
    struct lb_str copy;

    if (find(field->value, path, 1).kind == LB_VALUE_NONE)
        return;
    copy = lb_arena_copy(arena, (struct lb_str){ field->value.ptr, field->value.len });
    if (copy.ptr == NULL) {
        field->value = (struct lb_value){ .kind = LB_VALUE_NONE };
        return;
    }
    field->value.ptr = copy.ptr;
    field->value.len = (uint32_t)cut_all((char *)(uintptr_t)copy.ptr, copy.len, path);
}

/* Members that no field was made of. */
static void remove_from_rest(struct lb_record *record, struct lb_arena *arena, struct lb_str name)
{
    char *text = lb_arena_alloc(arena, record->rest.len + 2);
    size_t len = record->rest.len + 2;

    if (text == NULL) {
        record->rest = LB_STR("");
        return;
    }
    text[0] = '{';
    memcpy(text + 1, record->rest.ptr, record->rest.len);
    text[len - 1] = '}';
    len = cut_all(text, len, name);
    record->rest = (struct lb_str){ text + 1, len - 2 };
}

void lb_fields_remove(struct lb_record *record, struct lb_arena *arena, struct lb_str name)
{
    const char *end = name.ptr + name.len;
    const char *dot = memchr(name.ptr, '.', name.len);

    lb_fields_take(record, name);
    if (record->rest.len > 0)
        remove_from_rest(record, arena, name);
    while (dot != NULL) {
        struct lb_field *field = lb_record_field(record, (struct lb_str){ name.ptr, (size_t)(dot - name.ptr) });
        struct lb_str path = { dot + 1, (size_t)(end - dot - 1) };

        if (field != NULL && field->value.kind == LB_VALUE_OBJECT)
            remove_nested(field, arena, path);
        dot = memchr(dot + 1, '.', path.len);
    }
}
