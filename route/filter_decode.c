/*
 * filter_decode.c - what stands encoded in a field: JSON, a URL, a query string, percent or base64.
 *
 * Text that is not so encoded stays as it was. JSON is checked, not copied;
 * URLs and queries become an object, so `uri.query.page` can be asked for.
 */
#include "lb_expr.h"
#include "lb_filter.h"
#include "lb_json.h"
#include "lb_limits.h"

#include "arena_text.h"
#include "fields.h"

enum as { AS_JSON, AS_URL, AS_QUERY, AS_PERCENT, AS_BASE64 };
static const char *const as_words[] = { "json", "url", "query", "percent", "base64", NULL };

struct state {
    struct lb_str field;
    int as;
    struct lb_str to;
    const struct lb_expr *where;
};

static const struct lb_option options[] = {
    { .name = "field",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct state, field),
      .help = "The field, which may be dotted",
      .flags = LB_OPTION_REQUIRED },
    { .name = "as",
      .kind = LB_OPTION_CHOICE,
      .offset = offsetof(struct state, as),
      .choices = as_words,
      .help = "How it is encoded; url and query become objects: {scheme, user, host, port, path, query, fragment}",
      .flags = LB_OPTION_REQUIRED },
    { .name = "to",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct state, to),
      .help = "The field that gets the result; without it the same one" },
    { .name = "where",
      .kind = LB_OPTION_WHERE,
      .offset = offsetof(struct state, where),
      .help = "Which records; without it all" },
    { .name = NULL },
};

static const struct lb_value none = { .ptr = "", .kind = LB_VALUE_NONE };

/* --- JSON --------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct lb_value decode_json(struct lb_str text)
{
    struct lb_value value;

    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    while (text.len > 0 && is_blank(*text.ptr))
        text = (struct lb_str){ text.ptr + 1, text.len - 1 };
    if (text.len == 0 || (*text.ptr != '{' && *text.ptr != '[') || !lb_json_valid(text))
        return none;
    /* A record is one line: what was written over several goes on with other blanks in their place. */
    value = lb_value_of(text, *text.ptr == '{' ? LB_VALUE_OBJECT : LB_VALUE_ARRAY);
    value.flags = lb_utf8_valid(text) == text.len ? 0 : LB_VALUE_BAD_UTF8;
    return value;
}

/* Line ends can stand only between the tokens of valid JSON. */
static struct lb_value without_line_ends(struct lb_value value, struct lb_arena *arena)
{
    struct lb_str text = { value.ptr, value.len };
    char *copy;

    if (value.kind == LB_VALUE_NONE ||
        (memchr(text.ptr, '\n', text.len) == NULL && memchr(text.ptr, '\r', text.len) == NULL))
        return value;
    copy = lb_arena_alloc(arena, text.len);
    if (copy == NULL)
        return none;
    for (size_t i = 0; i < text.len; i++)
        copy[i] = text.ptr[i] == '\n' || text.ptr[i] == '\r' ? ' ' : text.ptr[i];
    value.ptr = copy;
    return value;
}

/* --- percent, queries, URLs ------------------------------------------------------ */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* `plus`: stands for a blank, as in forms. `ptr` NULL: the arena is full. A % that begins no escape stays one. */
static struct lb_str decode_percent(struct lb_str text, bool plus, struct lb_arena *arena)
{
    char *out = lb_arena_alloc(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; out != NULL && i < text.len; i++) {
        bool escape = text.ptr[i] == '%' && i + 2 < text.len && hex(text.ptr[i + 1]) >= 0 && hex(text.ptr[i + 2]) >= 0;

        if (escape) {
            out[len++] = (char)(hex(text.ptr[i + 1]) * 16 + hex(text.ptr[i + 2]));
            i += 2;
        } else {
            out[len++] = plus && text.ptr[i] == '+' ? ' ' : text.ptr[i];
        }
    }
    return (struct lb_str){ out, len };
}

static void put_member(struct arena_text *out, struct lb_str name, struct lb_str value, const char *quote)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '{')
        arena_text_put(out, ",", 1);
    arena_text_put(out, "\"", 1);
    arena_text_put_escaped(out, name);
    arena_text_put(out, "\":", 2);
    arena_text_put(out, quote, strlen(quote));
    arena_text_put_escaped(out, value);
    arena_text_put(out, quote, strlen(quote));
}

/* a=1&b=x+y; a name without a value has an empty one. */
static void put_query(struct arena_text *out, struct lb_str text)
{
    const char *end = text.ptr + text.len;

    arena_text_put(out, "{", 1);
    for (const char *at = text.ptr; at < end;) {
        const char *and = memchr(at, '&', (size_t)(end - at));
        const char *stop = and != NULL ? and : end;
        const char *is = memchr(at, '=', (size_t)(stop - at));
        struct lb_str name = { at, (size_t)((is != NULL ? is : stop) - at) };
        struct lb_str value = { is != NULL ? is + 1 : stop, is != NULL ? (size_t)(stop - is - 1) : 0 };

        name = decode_percent(name, true, out->arena);
        value = decode_percent(value, true, out->arena);
        if (name.ptr == NULL || value.ptr == NULL) {
            out->failed = true;
            return;
        }
        if (name.len > 0)
            put_member(out, name, value, "\"");
        at = stop + 1;
    }
    arena_text_put(out, "}", 1);
}

/* Cuts `text` at the first `c`, and gives what stands behind it. */
static struct lb_str cut_behind(struct lb_str *text, char c)
{
    const char *found = text->len > 0 ? memchr(text->ptr, c, text->len) : NULL;
    struct lb_str behind = { "", 0 };

    if (found != NULL) {
        behind = (struct lb_str){ found + 1, text->len - (size_t)(found - text->ptr) - 1 };
        text->len = (size_t)(found - text->ptr);
    }
    return behind;
}

static void put_text(struct arena_text *out, const char *name, struct lb_str value)
{
    if (value.len > 0)
        put_member(out, lb_str_from(name), value, "\"");
}

static bool is_port(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return text.len > 0 && text.len <= 5 && *text.ptr != '0';
}

/* user@host:port. A password is left out: it has no business in a log. */
static void put_authority(struct arena_text *out, struct lb_str text)
{
    const char *at = text.len > 0 ? memrchr(text.ptr, '@', text.len) : NULL;
    struct lb_str user = { text.ptr, at != NULL ? (size_t)(at - text.ptr) : 0 };
    struct lb_str host = { at != NULL ? at + 1 : text.ptr, at != NULL ? text.len - user.len - 1 : text.len };
    struct lb_str port = { "", 0 };
    const char *colon;

    cut_behind(&user, ':');
    colon = host.len > 0 ? memrchr(host.ptr, ':', host.len) : NULL;
    if (colon != NULL && memchr(colon, ']', host.len - (size_t)(colon - host.ptr)) == NULL) {
        port = (struct lb_str){ colon + 1, host.len - (size_t)(colon - host.ptr) - 1 };
        host.len -= port.len + 1;
    }
    put_text(out, "user", user);
    put_text(out, "host", host);
    if (is_port(port))
        put_member(out, LB_STR("port"), port, "");
}

/* Absolute, or a path as in an access log. */
static bool put_url(struct arena_text *out, struct lb_str text)
{
    struct lb_str fragment = cut_behind(&text, '#');
    struct lb_str query = cut_behind(&text, '?');
    const char *slashes = text.len > 0 ? memmem(text.ptr, text.len, "://", 3) : NULL;

    if (text.len == 0 || (slashes == NULL && *text.ptr != '/') || slashes == text.ptr)
        return false;
    arena_text_put(out, "{", 1);
    if (slashes != NULL) {
        struct lb_str authority = { slashes + 3, text.len - (size_t)(slashes + 3 - text.ptr) };
        struct lb_str whole = authority;
        size_t path = whole.len;

        put_text(out, "scheme", (struct lb_str){ text.ptr, (size_t)(slashes - text.ptr) });
        cut_behind(&authority, '/');
        put_authority(out, authority);
        path -= authority.len;
        text = (struct lb_str){ whole.ptr + authority.len, path };
    }
    put_text(out, "path", text);
    if (query.len > 0) {
        arena_text_put(out, out->len > 1 ? ",\"query\":" : "\"query\":", out->len > 1 ? 9 : 8);
        put_query(out, query);
    }
    put_text(out, "fragment", fragment);
    arena_text_put(out, "}", 1);
    return true;
}

/* --- base64 ----------------------------------------------------------------------- */

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Of both alphabets, padded or not. */
static struct lb_value decode_base64(struct lb_str text, struct lb_arena *arena)
{
    unsigned char *out;
    uint32_t bits = 0;
    unsigned count = 0;
    size_t len = 0;

    for (unsigned pads = 0; pads < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; pads++)
        text.len--;
    if (text.len == 0 || text.len % 4 == 1)
        return none;
    out = lb_arena_alloc(arena, text.len);
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        int six = sextet(text.ptr[i]);

        if (six < 0)
            return none;
        bits = bits << 6 | (uint32_t)six;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        out[len++] = (unsigned char)(bits >> count);
    }
    return out != NULL ? lb_value_text((struct lb_str){ (const char *)out, len }) : none;
}

/* --- the filter --------------------------------------------------------------------- */

static struct lb_value decode_object(int as, struct lb_str text, struct lb_arena *arena)
{
    struct arena_text out = { .arena = arena };
    struct lb_value value;

    if (as == AS_URL && !put_url(&out, text))
        return none;
    if (as == AS_QUERY) {
        if (text.len > 0 && *text.ptr == '?')
            text = (struct lb_str){ text.ptr + 1, text.len - 1 };
        if (text.len == 0 || memchr(text.ptr, '=', text.len) == NULL)
            return none;
        put_query(&out, text);
    }
    if (out.failed)
        return none;
    value = lb_value_of((struct lb_str){ out.ptr, out.len }, LB_VALUE_OBJECT);
    value.flags = lb_utf8_valid((struct lb_str){ out.ptr, out.len }) == out.len ? 0 : LB_VALUE_BAD_UTF8;
    return value;
}

static struct lb_value decode(int as, struct lb_str text, struct lb_arena *arena)
{
    struct lb_str plain;

    switch ((enum as)as) {
    case AS_JSON: return without_line_ends(decode_json(text), arena);
    case AS_BASE64: return decode_base64(text, arena);
    case AS_PERCENT: plain = decode_percent(text, false, arena); return plain.ptr != NULL ? lb_value_text(plain) : none;
    case AS_URL:
    case AS_QUERY: break;
    }
    return decode_object(as, text, arena);
}

/* Plain bytes that live as long as the batch. */
static bool plain_text(struct lb_value value, struct lb_arena *arena, struct lb_str *text)
{
    char *out;

    *text = (struct lb_str){ value.ptr, value.len };
    if (value.kind != LB_VALUE_ESCAPED)
        return true;
    out = lb_arena_alloc(arena, value.len + 1);
    if (out == NULL)
        return false;
    *text = (struct lb_str){ out, lb_json_unescape(*text, out) };
    return true;
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;
    struct lb_value value;
    struct lb_str text;

    if (self->where != NULL && !lb_expr_match(self->where, record, scratch))
        return LB_PASS;
    value = lb_fields_get(record, &batch->arena, scratch, self->field);
    if (!lb_value_is_string(value) || !plain_text(value, &batch->arena, &text))
        return LB_PASS;
    value = decode(self->as, text, &batch->arena);
    if (value.kind != LB_VALUE_NONE)
        lb_fields_put(record, &batch->arena, scratch, self->to.len > 0 ? self->to : self->field, value);
    return LB_PASS;
}

const struct lb_filter_type lb_filter_decode = {
    .module = { .name = "decode",
                .help = "Decode JSON, a URL, a query string, percent or base64 that stands in a field",
                .state_size = sizeof(struct state),
                .options = options },
    .apply = apply,
};
