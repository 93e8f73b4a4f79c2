/*
 * grok.c - writing patterns out; see grok.h.
 *
 * The groups of captures get names that no one writes (`_g12`), for those of the user's own may be numbered before or
 * between them. As in the grok of others, ^ and $ match at every line end and a dot matches line ends too.
 */
#include "grok.h"

#include "cut.h"

#include "lb_alloc.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 96, GROUP_NAME_BYTES = 16 };

struct writing {
    const struct grok_definitions *definitions;
    struct lb_arena *arena;
    struct grok_fault *fault;
    struct grok_capture captures[GROK_CAPTURES_MAX];
    uint32_t count;
    bool shared; /* IPV6 is written once and called */
    bool too_large;
    char *out;
    size_t len;
};

/* The largest meaning by far, and in every address or host; it has no captures. */
#define SHARED_NAME "IPV6"

static enum lb_err put(struct writing *self, struct lb_str text)
{
    if (self->len + text.len > GROK_PATTERN_BYTES_MAX) {
        snprintf(self->fault->text, sizeof(self->fault->text),
                 "the pattern is longer than %d bytes when all names are written out", GROK_PATTERN_BYTES_MAX);
        return LB_BAD_CONF;
    }
    if (text.len > 0)
        memcpy(self->out + self->len, text.ptr, text.len);
    self->len += text.len;
    return LB_OK;
}

static struct lb_str meaning_of(const struct writing *self, struct lb_str name)
{
    const char *stock;

    for (size_t i = 0; i < self->definitions->count; i++)
        if (lb_str_equal(self->definitions->items[i].name, name))
            return self->definitions->items[i].value;
    stock = grok_stock(name, self->definitions->ecs);
    return stock != NULL ? lb_str_from(stock) : (struct lb_str){ NULL, 0 };
}

/* "[http][method]" is "http.method". */
static struct lb_str key_of(struct writing *self, struct lb_str field)
{
    struct lb_str key = lb_arena_copy(self->arena, field);
    char *out = (char *)(uintptr_t)key.ptr;
    size_t len = 0;

    if (key.ptr == NULL || field.len == 0 || *field.ptr != '[')
        return key;
    for (size_t i = 0; i < field.len; i++) {
        if (field.ptr[i] == '[' && len > 0)
            out[len++] = '.';
        else if (field.ptr[i] != '[' && field.ptr[i] != ']')
            out[len++] = field.ptr[i];
    }
    key.len = len;
    return key;
}

static enum lb_convert_to type_of(struct lb_str word)
{
    for (int i = 0; lb_convert_names[i] != NULL; i++)
        if (lb_str_is(word, lb_convert_names[i]))
            return (enum lb_convert_to)(i + 1);
    return lb_str_is(word, "integer") || lb_str_is(word, "long") ? LB_CONVERT_INT : LB_CONVERT_TEXT;
}

static enum lb_err add_capture(struct writing *self, struct lb_str field, struct lb_str type)
{
    struct grok_capture *capture = &self->captures[self->count];
    struct lb_str key;

    if (self->count == GROK_CAPTURES_MAX) {
        snprintf(self->fault->text, sizeof(self->fault->text), "more than %d captures", GROK_CAPTURES_MAX);
        return LB_BAD_CONF;
    }
    *capture = (struct grok_capture){ .type = type.len > 0 ? type_of(type) : LB_CONVERT_TEXT };
    if (type.len > 0 && capture->type == LB_CONVERT_TEXT && !lb_str_is(type, "string") && !lb_str_is(type, "text")) {
        snprintf(self->fault->text, sizeof(self->fault->text),
                 "'" LB_STR_FMT "' is no type; expected int, float, bool, duration or bytes", LB_STR_ARG(type));
        return LB_BAD_CONF;
    }
    key = key_of(self, field);
    if (key.ptr == NULL)
        return LB_NOMEM;
    capture->key = lb_value_text(key);
    self->count++;
    return LB_OK;
}

static enum lb_err write_out(struct writing *self, struct lb_str pattern, unsigned depth);

/* What is between the braces: NAME, NAME:field or NAME:field:type. */
static enum lb_err write_name(struct writing *self, struct lb_str inside, unsigned depth)
{
    struct lb_str name, field = { NULL, 0 }, type = { NULL, 0 };
    char group[GROUP_NAME_BYTES];
    struct lb_str meaning;
    enum lb_err err = LB_OK;

    if (cut_until(&inside, ':', &name)) {
        field = inside;
        if (cut_until(&inside, ':', &field))
            type = inside;
    } else {
        name = inside;
    }
    meaning = meaning_of(self, name);
    if (meaning.ptr == NULL) {
        snprintf(self->fault->text, sizeof(self->fault->text),
                 "%%{" LB_STR_FMT "} is not known; it can be defined under `definitions` or in `file`",
                 LB_STR_ARG(name));
        return LB_BAD_CONF;
    }
    if (self->shared && lb_str_is(name, SHARED_NAME))
        meaning = LB_STR("(?&_" SHARED_NAME ")");
    if (field.len > 0) {
        snprintf(group, sizeof(group), "(?<_g%u>", self->count);
        err = add_capture(self, field, type);
        if (err == LB_OK)
            err = put(self, lb_str_from(group));
    } else {
        err = put(self, LB_STR("(?:"));
    }
    if (err == LB_OK)
        err = write_out(self, meaning, depth + 1);
    return err == LB_OK ? put(self, LB_STR(")")) : err;
}

static bool is_name_byte(char c)
{
    return cut_is_letter(c) || cut_is_digit(c) || c == '_';
}

/*
 * A name stands behind the braces; anything else with a percent sign before it is what it is. Words behind a name and
 * a blank are a remark: `%{NAGIOSLOGLINE - HOST ALERT}`.
 */
static bool cut_name(struct lb_str *text, struct lb_str *inside)
{
    struct lb_str rest = *text;

    if (!cut_word(&rest, "%{") || rest.len == 0 || !is_name_byte(*rest.ptr) || !cut_until(&rest, '}', inside) ||
        inside->len > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < inside->len && inside->ptr[i] != ':'; i++) {
        if (inside->ptr[i] == ' ')
            inside->len = i;
        else if (!is_name_byte(inside->ptr[i]))
            return false;
    }
    *text = rest;
    return true;
}

static enum lb_err write_out(struct writing *self, struct lb_str pattern, unsigned depth)
{
    enum lb_err err = LB_OK;

    if (depth > GROK_DEPTH_MAX) {
        snprintf(self->fault->text, sizeof(self->fault->text),
                 "names within names, more than %d deep; does one mean itself?", GROK_DEPTH_MAX);
        return LB_BAD_CONF;
    }
    while (pattern.len > 0 && err == LB_OK) {
        struct lb_str inside;

        if (cut_name(&pattern, &inside)) {
            err = write_name(self, inside, depth);
            continue;
        }
        /* An escaped percent sign begins no name. */
        size_t len = *pattern.ptr == '\\' && pattern.len > 1 ? 2 : 1;
        err = put(self, (struct lb_str){ pattern.ptr, len });
        pattern = cut_from(pattern, len);
    }
    return err;
}

/* --- captures ---------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const struct grok_capture *left = a;
    const struct grok_capture *right = b;

    return (left->number > right->number) - (left->number < right->number);
}

/* An entry of PCRE2's table: two bytes of number, then the name. A name of the user's own is a capture too. */
static enum lb_err read_entry(struct writing *self, const unsigned char *entry)
{
    uint32_t number = (uint32_t)entry[0] << 8 | entry[1];
    struct lb_str name = lb_str_from((const char *)entry + 2);

    if (lb_str_is(name, "_" SHARED_NAME))
        return LB_OK;
    if (lb_str_starts(name, LB_STR("_g")) && cut_count_digits(cut_from(name, 2)) == name.len - 2) {
        size_t index = strtoul(name.ptr + 2, NULL, 10);

        if (index < self->count)
            self->captures[index].number = number;
        return LB_OK;
    }
    enum lb_err err = add_capture(self, name, (struct lb_str){ NULL, 0 });
    if (err == LB_OK)
        self->captures[self->count - 1].number = number;
    return err;
}

static enum lb_err read_captures(struct grok *self, struct writing *writing)
{
    PCRE2_SPTR table = NULL;
    uint32_t entry_size = 0;
    uint32_t names = 0;
    uint32_t groups = 0;

    (void)pcre2_pattern_info(self->regex.code, PCRE2_INFO_NAMECOUNT, &names);
    (void)pcre2_pattern_info(self->regex.code, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
    (void)pcre2_pattern_info(self->regex.code, PCRE2_INFO_NAMETABLE, &table);
    (void)pcre2_pattern_info(self->regex.code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups > REGEX_GROUPS_MAX) {
        snprintf(writing->fault->text, sizeof(writing->fault->text),
                 "%u groups, at most %d are read; write (?:...) for groups without a name", groups, REGEX_GROUPS_MAX);
        return LB_BAD_CONF;
    }
    for (uint32_t i = 0; i < names; i++) {
        enum lb_err err = read_entry(writing, table + (size_t)i * entry_size);

        if (err != LB_OK)
            return err;
    }
    self->captures = lb_arena_zalloc(writing->arena, (writing->count + 1) * sizeof(*self->captures));
    if (self->captures == NULL)
        return LB_NOMEM;
    memcpy(self->captures, writing->captures, writing->count * sizeof(*self->captures));
    self->count = writing->count;
    qsort(self->captures, self->count, sizeof(*self->captures), by_number);
    return LB_OK;
}

static enum lb_err compile_written(struct grok *self, struct writing *writing, uint32_t match_limit)
{
    PCRE2_UCHAR text[160] = "";
    int error = 0;
    size_t at = 0;
    enum lb_err err =
        regex_compile(&self->regex, (struct lb_str){ writing->out, writing->len }, match_limit, &error, &at);

    if (err == LB_BAD_CONF) {
        size_t from = at > 20 ? at - 20 : 0;

        writing->too_large = error == PCRE2_ERROR_PATTERN_TOO_LARGE;
        (void)pcre2_get_error_message(error, text, sizeof(text));
        snprintf(writing->fault->text, sizeof(writing->fault->text), "%s, with all names written out near `%.*s`",
                 (const char *)text, (int)(at - from), writing->out + from);
    }
    return err;
}

/* Behind the pattern, where no match comes by; named groups are known before them. */
static enum lb_err write_shared(struct writing *self)
{
    enum lb_err err = put(self, LB_STR("(?(DEFINE)(?<_" SHARED_NAME ">"));

    self->shared = false;
    if (err == LB_OK)
        err = write_out(self, meaning_of(self, LB_STR(SHARED_NAME)), 1);
    return err == LB_OK ? put(self, LB_STR("))")) : err;
}

static enum lb_err compile_once(struct grok *self, struct writing *writing, struct lb_str pattern, uint32_t match_limit)
{
    bool shared = writing->shared;
    enum lb_err err = put(writing, LB_STR("(?Jm)"));

    if (err == LB_OK)
        err = write_out(writing, pattern, 0);
    if (err == LB_OK && shared)
        err = write_shared(writing);
    if (err == LB_OK)
        err = compile_written(self, writing, match_limit);
    if (err == LB_OK)
        err = read_captures(self, writing);
    if (err != LB_OK)
        grok_free(self);
    return err;
}

enum lb_err grok_compile(struct grok *self, struct lb_arena *arena, struct lb_str pattern,
                         const struct grok_definitions *definitions, uint32_t match_limit, struct grok_fault *fault)
{
    struct writing writing = { .definitions = definitions, .arena = arena, .fault = fault };
    enum lb_err err;

    *self = (struct grok){ 0 };
    writing.out = lb_alloc(GROK_PATTERN_BYTES_MAX);
    if (writing.out == NULL)
        return LB_NOMEM;
    err = compile_once(self, &writing, pattern, match_limit);
    if (err == LB_BAD_CONF && writing.too_large) {
        /* Calls are slower than what stands in place, so only where that is too much. */
        writing = (struct writing){
            .definitions = definitions, .arena = arena, .fault = fault, .out = writing.out, .shared = true
        };
        err = compile_once(self, &writing, pattern, match_limit);
    }
    lb_free(writing.out);
    return err;
}

void grok_free(struct grok *self)
{
    regex_free(&self->regex);
}

enum lb_err grok_match(const struct grok *self, struct lb_str text, struct lb_arena *arena, struct lb_field *fields,
                       uint32_t *count, const char **reason)
{
    const size_t *offsets = regex_match(&self->regex, text, reason);

    if (offsets == NULL)
        return LB_BAD_INPUT;
    for (uint32_t i = 0; i < self->count; i++) {
        const struct grok_capture *capture = &self->captures[i];
        size_t start = offsets[2 * (size_t)capture->number];
        size_t end = offsets[2 * (size_t)capture->number + 1];
        struct lb_value value;

        if (start == PCRE2_UNSET || end <= start)
            continue;
        if (!lb_convert(capture->type, (struct lb_str){ text.ptr + start, end - start }, arena, &value))
            return LB_LIMIT;
        if (value.kind != LB_VALUE_NONE)
            fields[(*count)++] = (struct lb_field){ capture->key, value };
    }
    return LB_OK;
}
