/*
 * body_template.c - cut into pieces once, and tried with a value of each kind.
 *
 * The tricky thing is where a name stands: quotes are counted over the
 * literal text, backslashes minded, so that a piece knows whether it is
 * inside a string.
 */
#include "body_template.h"

#include "channel_text.h"

#include "lb_json.h"

enum {
    PIECES_MAX = 256,
    NAME_BYTES_MAX = 128,
    VALUE_UNITS = 8192, /* of a field's text */
    BYTES_MAX = 64 * 1024,
};

struct piece {
    bool is_field;
    bool in_string; /* a field */
    struct lb_str text;
};

struct body_template {
    struct piece pieces[PIECES_MAX];
    uint32_t count;
};

/* --- reading it ------------------------------------------------------------------ */

static bool is_name_byte(char c)
{
    bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

    return alphanumeric || c == '_' || c == '.' || c == '-' || c == '@';
}

/* The name in the braces that begin at `at`; empty: these are no field's. */
static struct lb_str name_at(struct lb_str text, size_t at)
{
    size_t end = at + 1;

    while (end < text.len && end - at <= NAME_BYTES_MAX && is_name_byte(text.ptr[end]))
        end++;
    if (end == text.len || text.ptr[end] != '}')
        return (struct lb_str){ NULL, 0 };
    return (struct lb_str){ text.ptr + at + 1, end - at - 1 };
}

static bool add(struct body_template *template, struct piece piece)
{
    if (piece.text.len == 0)
        return true;
    if (template->count == PIECES_MAX)
        return false;
    template->pieces[template->count++] = piece;
    return true;
}

/* False: too many pieces. */
static bool cut(struct body_template *template, struct lb_str text)
{
    size_t start = 0;
    bool in_string = false;

    for (size_t at = 0; at < text.len; at++) {
        struct lb_str name = text.ptr[at] == '{' ? name_at(text, at) : LB_STR("");

        if (name.len > 0) {
            if (!add(template, (struct piece){ .text = { text.ptr + start, at - start } }) ||
                !add(template, (struct piece){ .is_field = true, .in_string = in_string, .text = name }))
                return false;
            at += name.len + 1;
            start = at + 1;
        } else if (text.ptr[at] == '\\' && in_string) {
            at++;
        } else if (text.ptr[at] == '"') {
            in_string = !in_string;
        }
    }
    return start >= text.len || add(template, (struct piece){ .text = { text.ptr + start, text.len - start } });
}

/* With every field missing: null, or nothing inside a string. */
static bool is_json(const struct body_template *template)
{
    struct lb_buffer out;

    lb_buffer_init(&out, (size_t)2 * BYTES_MAX);
    for (uint32_t i = 0; i < template->count; i++) {
        if (!template->pieces[i].is_field)
            lb_buffer_append_str(&out, template->pieces[i].text);
        else if (!template->pieces[i].in_string)
            lb_buffer_append_str(&out, LB_STR("null"));
    }
    bool valid = !out.failed && out.len > 0 && lb_json_valid(lb_buffer_str(&out));
    lb_buffer_free(&out);
    return valid;
}

struct body_template *body_template_new(struct lb_arena *arena, struct lb_str text, struct lb_place place,
                                        struct lb_diag *diag)
{
    struct body_template *template = lb_arena_zalloc(arena, sizeof(*template));
    struct lb_str copy = lb_arena_copy(arena, text);

    if (template == NULL || copy.ptr == NULL) {
        lb_diag_error(diag, place, "body: no memory is left for it");
        return NULL;
    }
    if (text.len > BYTES_MAX || !cut(template, copy)) {
        lb_diag_error(diag, place, "body: at most 64 KiB, with at most %d fields", PIECES_MAX / 2);
        return NULL;
    }
    if (is_json(template))
        return template;
    lb_diag_error(diag, place,
                  "body: this is no JSON once its {fields} are replaced; expected something like '{\"text\": "
                  "\"{message}\", \"count\": {count}}'");
    return NULL;
}

/* --- writing it ------------------------------------------------------------------- */

static struct lb_value value_of(const struct body_values *values, struct lb_str name, struct lb_scratch *scratch)
{
    if (lb_str_is(name, "title"))
        return lb_value_text(values->title);
    if (lb_str_is(name, "record"))
        return lb_value_of(values->json, LB_VALUE_OBJECT);
    if (lb_str_is(name, "id"))
        return lb_value_text(lb_str_from(values->message->id));
    return lb_record_get(values->record, name, scratch);
}

static void write_field(const struct piece *piece, struct lb_value value, struct lb_scratch *scratch,
                        struct lb_buffer *words, struct lb_buffer *out)
{
    bool is_text = lb_value_is_string(value);

    if (!piece->in_string && !is_text) {
        lb_json_write_value(out, value);
        return;
    }
    lb_buffer_reset(words);
    channel_clean(words, lb_value_str(value, scratch), VALUE_UNITS, CHANNEL_LINES);
    if (!piece->in_string)
        lb_buffer_append_char(out, '"');
    lb_json_escape(out, lb_buffer_str(words));
    if (!piece->in_string)
        lb_buffer_append_char(out, '"');
    out->failed = out->failed || words->failed;
}

void body_template_write(const struct body_template *template, const struct body_values *values,
                         struct lb_scratch *scratch, struct lb_buffer *words, struct lb_buffer *out)
{
    for (uint32_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        size_t used = scratch->used;

        if (piece->is_field)
            write_field(piece, value_of(values, piece->text, scratch), scratch, words, out);
        else
            lb_buffer_append_str(out, piece->text);
        scratch->used = used;
    }
}
