/*
 * redact_json.c - secrets within JSON text, and in values of all kinds.
 *
 * Nested objects are the bytes they came in, so they are gone through from
 * front to back without a tree: a string with a colon behind it is a name, and
 * the value of a name that is one of the keys goes whole, whatever it is. All
 * that holds no secret is copied byte for byte.
 */
#include "redact.h"

#include "lb_json.h"

static const struct lb_str whole = { "[redacted]", 10 };

struct walk {
    const struct redact_rules *rules;
    struct lb_str text;
    bool patterns;
    struct arena_text out;
    size_t written; /* of the text */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(struct lb_str text, size_t at)
{
    while (at < text.len && is_blank(text.ptr[at]))
        at++;
    return at;
}

/* text[at] is the opening quote; gives the closing one's place. */
static size_t string_end(struct lb_str text, size_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++)
        at += text.ptr[at] == '\\';
    return at;
}

/* Numbers and words. */
static size_t scalar_end(struct lb_str text, size_t at)
{
    while (at < text.len && !is_blank(text.ptr[at]) && strchr(",]}", text.ptr[at]) == NULL)
        at++;
    return at;
}

static size_t value_end(struct lb_str text, size_t at)
{
    size_t depth = 0;

    if (at < text.len && text.ptr[at] != '"' && text.ptr[at] != '{' && text.ptr[at] != '[')
        return scalar_end(text, at);
    for (; at < text.len; at++) {
        char c = text.ptr[at];

        if (c == '"')
            at = string_end(text, at);
        else if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        if (depth == 0)
            return at < text.len ? at + 1 : text.len;
    }
    return text.len;
}

static void copy_to(struct walk *self, size_t at)
{
    arena_text_put(&self->out, self->text.ptr + self->written, at - self->written);
    self->written = at;
}

/* Plain bytes of the inside of a JSON string; `ptr` NULL: no room. */
static struct lb_str unescape(struct lb_str text, struct lb_arena *arena)
{
    char *out;

    if (text.len == 0 || memchr(text.ptr, '\\', text.len) == NULL)
        return text;
    out = lb_arena_alloc(arena, text.len);
    if (out == NULL)
        return (struct lb_str){ NULL, 0 };
    return (struct lb_str){ out, lb_json_unescape(text, out) };
}

static void put_string(struct walk *self, struct lb_str text)
{
    arena_text_put(&self->out, "\"", 1);
    arena_text_put_escaped(&self->out, text);
    arena_text_put(&self->out, "\"", 1);
}

/* A string or number at [at, end), quotes included. */
static void walk_scalar(struct walk *self, size_t at, size_t end)
{
    size_t quote = self->text.ptr[at] == '"';
    struct lb_str inside = { self->text.ptr + at + quote, end - at - 2 * quote };
    struct lb_str plain = unescape(inside, self->out.arena);
    struct lb_str clean = whole;

    if (plain.ptr != NULL &&
        redact_text(self->rules, plain, self->patterns, self->out.arena, &clean) == REDACT_UNCHANGED)
        return;
    copy_to(self, at);
    put_string(self, clean);
    self->written = end;
}

/* Without the value of a key, its name and one comma go too. The comma before it is the last thing in `out`. */
static size_t drop_member(struct walk *self, size_t name, size_t end)
{
    struct arena_text *out = &self->out;
    size_t behind = skip_blanks(self->text, end);

    copy_to(self, name);
    while (out->len > 0 && is_blank(out->ptr[out->len - 1]))
        out->len--;
    if (out->len > 0 && out->ptr[out->len - 1] == ',')
        out->len--;
    else if (behind < self->text.len && self->text.ptr[behind] == ',')
        end = behind + 1;
    self->written = end;
    return end;
}

static size_t redact_member(struct walk *self, size_t name, size_t value)
{
    size_t end = value_end(self->text, value);
    size_t quote = self->text.ptr[value] == '"';
    struct lb_str secret = { self->text.ptr + value + quote, end - value - 2 * quote };

    if (self->rules->with == REDACT_DROP)
        return drop_member(self, name, end);
    secret = unescape(secret, self->out.arena);
    copy_to(self, value);
    arena_text_put(&self->out, "\"", 1);
    if (secret.ptr != NULL)
        redact_put(self->rules, LB_STR("redacted"), secret, &self->out);
    else
        arena_text_put_str(&self->out, whole);
    arena_text_put(&self->out, "\"", 1);
    self->written = end;
    return end;
}

/* A string at `at`: returns where reading goes on. */
static size_t walk_string(struct walk *self, size_t at)
{
    size_t end = string_end(self->text, at) + 1;
    size_t colon = skip_blanks(self->text, end);
    struct lb_str name;

    if (end > self->text.len)
        return self->text.len;
    if (colon >= self->text.len || self->text.ptr[colon] != ':') {
        walk_scalar(self, at, end);
        return end;
    }
    name = unescape((struct lb_str){ self->text.ptr + at + 1, end - at - 2 }, self->out.arena);
    if (name.ptr == NULL || redact_is_key(self->rules, name))
        return redact_member(self, at, skip_blanks(self->text, colon + 1));
    if (self->patterns)
        walk_scalar(self, at, end);
    return colon + 1;
}

enum redact_result redact_json(const struct redact_rules *rules, struct lb_str text, bool patterns,
                               struct lb_arena *arena, struct lb_str *result)
{
    struct walk walk = { .rules = rules, .text = text, .patterns = patterns, .out = { .arena = arena } };
    size_t at = 0;

    *result = text;
    while (at < text.len) {
        if (text.ptr[at] == '"') {
            at = walk_string(&walk, at);
        } else if (redact_is_digit(text.ptr[at])) {
            size_t end = scalar_end(text, at);

            walk_scalar(&walk, at, end);
            at = end;
        } else {
            at++;
        }
    }
    if (walk.written == 0)
        return REDACT_UNCHANGED;
    copy_to(&walk, text.len);
    *result = (struct lb_str){ walk.out.len > 0 ? walk.out.ptr : "", walk.out.len };
    if (walk.out.failed)
        result->ptr = NULL;
    return REDACT_CHANGED;
}

/* --- values of records ----------------------------------------------------------------- */

static void become_text(struct lb_value *value, struct lb_str text)
{
    *value = lb_value_text(text);
}

static void redact_nested(const struct redact_rules *rules, struct lb_value *value, bool patterns,
                          struct lb_arena *arena)
{
    struct lb_str result;

    if (redact_json(rules, (struct lb_str){ value->ptr, value->len }, patterns, arena, &result) == REDACT_UNCHANGED)
        return;
    if (result.ptr == NULL) {
        become_text(value, whole);
        return;
    }
    value->ptr = result.ptr;
    value->len = (uint32_t)result.len;
    /* A pattern of the user may have cut a character. */
    value->flags |= lb_utf8_valid(result) == result.len ? 0 : LB_VALUE_BAD_UTF8;
}

void redact_value(const struct redact_rules *rules, struct lb_value *value, bool patterns, struct lb_arena *arena)
{
    struct lb_str text = { value->ptr, value->len };
    struct lb_str result = whole;

    switch (value->kind) {
    case LB_VALUE_TEXT:
    case LB_VALUE_CLEAN:
    case LB_VALUE_ESCAPED:
    case LB_VALUE_NUMBER: break;
    case LB_VALUE_OBJECT:
    case LB_VALUE_ARRAY: redact_nested(rules, value, patterns, arena); return;
    default: return;
    }
    if (value->kind == LB_VALUE_ESCAPED)
        text = unescape(text, arena);
    if (text.ptr != NULL && redact_text(rules, text, patterns, arena, &result) == REDACT_UNCHANGED)
        return;
    become_text(value, result);
}

void redact_whole(const struct redact_rules *rules, struct lb_value *value, struct lb_arena *arena)
{
    struct arena_text out = { .arena = arena };
    struct lb_str secret = { value->ptr, value->len };

    if (rules->with == REDACT_DROP) {
        *value = (struct lb_value){ .ptr = "", .kind = LB_VALUE_NONE };
        return;
    }
    if (value->kind == LB_VALUE_ESCAPED)
        secret = unescape(secret, arena);
    if (secret.ptr != NULL)
        redact_put(rules, LB_STR("redacted"), secret, &out);
    become_text(value, secret.ptr == NULL || out.failed ? whole : (struct lb_str){ out.ptr, out.len });
}
