/*
 * redact_text.c - one pass over a text; what stands in the place of a secret.
 *
 * The tricky thing: a scanner may look back (email) or find something that
 * reaches further than what was found before it. So a span is written only
 * when the reading has come to its end; until then others may join it, and
 * one that reaches back behind what is written already is cut there.
 */
#include "redact.h"

#include "lb_json.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

enum {
    HASH_BYTES = 8, /* 64 bits of it: enough to tell values apart */
    OWN_MATCHES_MAX = 10000,
    /* Asked only where no letter or digit stands before. */
    AT_WORDS = 1 << REDACT_IPV4 | 1 << REDACT_CARD | 1 << REDACT_IBAN | 1 << REDACT_BEARER | 1 << REDACT_AWS_KEY |
               1 << REDACT_JWT,
};

#define WHOLE "[redacted]"

/* --- rules ------------------------------------------------------------------------ */

static void ask(struct redact_rules *rules, enum redact_pattern pattern, const char *bytes)
{
    if ((rules->wanted & 1U << pattern) == 0)
        return;
    for (; *bytes != '\0'; bytes++)
        rules->starts[(unsigned char)*bytes] |= (uint16_t)(1U << pattern);
}

void redact_rules_prepare(struct redact_rules *rules)
{
    static const char digits[] = "0123456789";
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    if (rules->keys.count > 0)
        rules->wanted |= 1U << REDACT_KEYS;
    ask(rules, REDACT_EMAIL, "@");
    ask(rules, REDACT_IPV4, digits);
    ask(rules, REDACT_IPV6, "0123456789abcdefABCDEF:");
    ask(rules, REDACT_CARD, digits);
    ask(rules, REDACT_IBAN, letters);
    ask(rules, REDACT_BEARER, "bB");
    ask(rules, REDACT_PASSWORD_URL, ":");
    ask(rules, REDACT_AWS_KEY, "A");
    ask(rules, REDACT_JWT, "e");
    ask(rules, REDACT_KEYS, "=:");
}

/* --- in the place of a secret --------------------------------------------------------- */

static void put_hash(const struct redact_rules *rules, struct lb_str secret, struct arena_text *out)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[2 * HASH_BYTES];
    unsigned len = 0;

    if (HMAC(EVP_sha256(), rules->secret.ptr, (int)rules->secret.len, (const unsigned char *)secret.ptr, secret.len,
             digest, &len) == NULL)
        return;
    for (unsigned i = 0; i < HASH_BYTES; i++) {
        text[2 * i] = hex[digest[i] >> 4];
        text[2 * i + 1] = hex[digest[i] & 15];
    }
    arena_text_put(out, ":", 1);
    arena_text_put(out, text, sizeof(text));
}

void redact_put(const struct redact_rules *rules, struct lb_str name, struct lb_str secret, struct arena_text *out)
{
    if (rules->with == REDACT_DROP)
        return;
    arena_text_put(out, "[", 1);
    arena_text_put_str(out, name);
    if (rules->with == REDACT_HASH)
        put_hash(rules, secret, out);
    arena_text_put(out, "]", 1);
}

/* --- one pass ---------------------------------------------------------------------------- */

struct pass {
    const struct redact_rules *rules;
    struct lb_str text;
    struct arena_text out;
    size_t written; /* of the text */
    struct redact_span span;
    bool pending;
    bool changed;
};

static void write_span(struct pass *self)
{
    struct lb_str secret = { self->text.ptr + self->span.start, self->span.end - self->span.start };

    arena_text_put(&self->out, self->text.ptr + self->written, self->span.start - self->written);
    redact_put(self->rules, self->span.name, secret, &self->out);
    self->written = self->span.end;
    self->pending = false;
    self->changed = true;
}

static void join(struct pass *self, struct redact_span span)
{
    if (span.start < self->written)
        span.start = self->written;
    if (span.end <= span.start)
        return;
    if (!self->pending) {
        self->span = span;
        self->pending = true;
        return;
    }
    if (span.start < self->span.start)
        self->span.start = span.start;
    if (span.end > self->span.end)
        self->span.end = span.end;
    self->span.whole |= span.whole;
}

static void ask_scanners(struct pass *self, unsigned bits, size_t at)
{
    for (; bits != 0; bits &= bits - 1) {
        unsigned pattern = (unsigned)__builtin_ctz(bits);
        struct redact_span span;
        bool found = pattern == REDACT_KEYS ? redact_scan_value(self->rules, self->text, at, &span)
                                            : redact_scan((enum redact_pattern)pattern, self->text, at, &span);

        if (found)
            join(self, span);
    }
}

static void run_scanners(struct pass *self, unsigned mask)
{
    struct lb_str text = self->text;
    bool in_word = false;

    for (size_t at = 0; at < text.len; at++) {
        unsigned bits = self->rules->starts[(unsigned char)text.ptr[at]] & mask;

        if (in_word)
            bits &= ~(unsigned)AT_WORDS;
        in_word = redact_in_word(text, at + 1);
        if (self->pending && at >= self->span.end)
            write_span(self);
        if (bits != 0)
            ask_scanners(self, bits, at);
        if (self->pending && self->span.whole && self->span.start <= at + 1 && self->span.end > at + 1) {
            at = self->span.end - 1;
            in_word = redact_in_word(text, at + 1);
        }
    }
    if (self->pending)
        write_span(self);
}

/* One pattern of the user. False: it was given up. */
static bool run_own(struct pass *self, const struct redact_own *own)
{
    size_t from = 0;

    for (unsigned i = 0; i < OWN_MATCHES_MAX; i++) {
        size_t span[2];
        enum lb_expr_found found = lb_expr_regex_find(&own->regex, self->text, from, span);

        if (found != LB_EXPR_FOUND)
            return found == LB_EXPR_NOT_FOUND;
        from = span[1] > from ? span[1] : from + 1;
        if (span[1] > span[0] && span[0] >= self->written) {
            self->span = (struct redact_span){ .start = span[0], .end = span[1], .name = own->name };
            write_span(self);
        }
        if (from > self->text.len)
            return true;
    }
    return false;
}

/* The result of a pass is the text of the next. False: there was no room. */
static bool finish(struct pass *self)
{
    struct lb_arena *arena = self->out.arena;

    if (self->written == 0 && !self->changed)
        return true;
    arena_text_put(&self->out, self->text.ptr + self->written, self->text.len - self->written);
    if (self->out.failed)
        return false;
    self->text = (struct lb_str){ self->out.len > 0 ? self->out.ptr : "", self->out.len };
    self->out = (struct arena_text){ .arena = arena };
    self->written = 0;
    return true;
}

static bool is_unicode_escape(const char *at, const char *end)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return false;
    for (int i = 2; i < 6; i++) {
        if (!redact_is_digit(at[i]) && ((at[i] | 0x20) < 'a' || (at[i] | 0x20) > 'f'))
            return false;
    }
    return true;
}

/* Two that follow each other may be one character. A control character becomes a blank: it must not end the line. */
static size_t read_escape(const char *at, const char *end, char *out, size_t *len)
{
    size_t escape = is_unicode_escape(at + 6, end) && (at[2] | 0x20) == 'd' ? 12 : 6;
    size_t written = lb_json_unescape((struct lb_str){ at, escape }, out + *len);

    if (written == 1 && (unsigned char)out[*len] < 0x20)
        out[*len] = ' ';
    *len += written;
    return escape;
}

/*
 * JSON that no parser took, or that stands in a string, may have \u0022 and its like in a name or a secret. They are
 * read before anything is looked for. Nothing to read: the text itself. `ptr` NULL: no room.
 */
static struct lb_str read_escapes(struct lb_str text, struct lb_arena *arena)
{
    const char *end = text.ptr + text.len;
    const char *at = text.len > 0 ? memmem(text.ptr, text.len, "\\u", 2) : NULL;
    char *out;
    size_t len;

    while (at != NULL && !is_unicode_escape(at, end))
        at = memmem(at + 1, (size_t)(end - at - 1), "\\u", 2);
    if (at == NULL)
        return text;
    out = lb_arena_alloc(arena, text.len);
    if (out == NULL)
        return (struct lb_str){ NULL, 0 };
    len = (size_t)(at - text.ptr);
    memcpy(out, text.ptr, len);
    while (at < end) {
        if (is_unicode_escape(at, end))
            at += read_escape(at, end, out, &len);
        else
            out[len++] = *at++;
    }
    return (struct lb_str){ out, len };
}

enum redact_result redact_text(const struct redact_rules *rules, struct lb_str text, bool patterns,
                               struct lb_arena *arena, struct lb_str *result)
{
    struct pass pass = { .rules = rules, .text = read_escapes(text, arena), .out = { .arena = arena } };
    unsigned mask = patterns ? rules->wanted : rules->wanted & 1U << REDACT_KEYS;
    bool done = pass.text.ptr != NULL || text.ptr == NULL;

    for (size_t i = 0; patterns && done && i < rules->own_count; i++) {
        bool had = pass.changed;

        pass.changed = false;
        done = run_own(&pass, &rules->own[i]) && finish(&pass);
        pass.changed |= had;
    }
    if (done && mask != 0) {
        bool had = pass.changed;

        pass.changed = false;
        run_scanners(&pass, mask);
        done = finish(&pass);
        pass.changed |= had;
    }
    if (done && !pass.changed)
        return REDACT_UNCHANGED;
    *result = done ? pass.text : LB_STR(WHOLE);
    return REDACT_CHANGED;
}
