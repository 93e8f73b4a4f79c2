/*
 * template.c - text with fields and dates in it, cut into pieces once.
 *
 * Whether % begins a date is known only when the template is written, so a
 * date keeps the two bytes it was made of. The same goes for what makes a
 * field safe: the path of a file may hold any text between its fields, but a
 * field never leaves its component.
 */
#include "template.h"

#include "lb_limits.h"
#include "lb_time.h"

enum {
    COMPONENT_BYTES_MAX = 64, /* of a field in a path */
    TOPIC_BYTES_MAX = 249,    /* what Kafka takes */
};

enum piece_kind { PIECE_TEXT, PIECE_FIELD, PIECE_DATE };

struct piece {
    enum piece_kind kind;
    struct lb_str text; /* the text, the field's name, or the two bytes of a date */
    struct lb_str missing;
};

struct lb_template {
    struct lb_str text;
    struct piece *pieces;
    uint32_t count;
    struct lb_strs fields;
    struct lb_str prefix;
};

/* --- reading it -------------------------------------------------------------------- */

struct reader {
    struct lb_template *self;
    struct lb_str text;
    size_t at;
    struct lb_place place;
    struct lb_diag *diag;
    char *literal; /* text pieces lie here one behind the other */
    size_t literal_len;
};

static void report(const struct reader *reader, size_t at, const char *message)
{
    struct lb_place place = reader->place;

    for (size_t i = 0; i < at; i++)
        place.column += ((unsigned char)reader->text.ptr[i] & 0xc0) != 0x80;
    lb_diag_error(reader->diag, place, "%s", message);
}

static void add_text(struct reader *reader, char c)
{
    struct lb_template *self = reader->self;
    char *end = reader->literal + reader->literal_len;

    if (self->count == 0 || self->pieces[self->count - 1].kind != PIECE_TEXT)
        self->pieces[self->count++] = (struct piece){ .kind = PIECE_TEXT, .text = { end, 0 } };
    self->pieces[self->count - 1].text.len++;
    *end = c;
    reader->literal_len++;
}

static void note_field(struct lb_template *self, struct lb_str name)
{
    for (size_t i = 0; i < self->fields.count; i++) {
        if (lb_str_equal(self->fields.items[i], name))
            return;
    }
    self->fields.items[self->fields.count++] = name;
}

static bool is_name_byte(char c)
{
    return c > ' ' && strchr("{}|\"':;,()[]<>=!?*%\\`\x7f", c) == NULL;
}

static bool is_name(struct lb_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_name_byte(name.ptr[i]) && (unsigned char)name.ptr[i] < 0x80)
            return false;
    }
    return name.len > 0;
}

/* `{name}` or `{name|word}`; reader->at stands on the brace. */
static bool read_field(struct reader *reader)
{
    const char *start = reader->text.ptr + reader->at + 1;
    size_t left = reader->text.len - reader->at - 1;
    const char *close = memchr(start, '}', left);

    if (close == NULL) {
        report(reader, reader->at, "this brace is not closed: expected {name}, or {{ for a brace itself");
        return false;
    }
    const char *bar = memchr(start, '|', (size_t)(close - start));
    struct piece piece = { .kind = PIECE_FIELD, .missing = LB_STR("_unknown") };
    piece.text = (struct lb_str){ start, (size_t)((bar != NULL ? bar : close) - start) };
    if (bar != NULL)
        piece.missing = (struct lb_str){ bar + 1, (size_t)(close - bar - 1) };
    if (!is_name(piece.text)) {
        report(reader, reader->at + 1,
               "expected the name of a field behind {, as in {service} or {service|other}; "
               "write {{ for a brace itself");
        return false;
    }
    reader->self->pieces[reader->self->count++] = piece;
    note_field(reader->self, piece.text);
    reader->at = (size_t)(close + 1 - reader->text.ptr);
    return true;
}

static bool read_piece(struct reader *reader)
{
    const char *ptr = reader->text.ptr + reader->at;
    char next = reader->at + 1 < reader->text.len ? ptr[1] : '\0';

    if ((*ptr == '{' || *ptr == '}') && next == *ptr) {
        add_text(reader, *ptr);
        reader->at += 2;
        return true;
    }
    if (*ptr == '{')
        return read_field(reader);
    if (*ptr == '}') {
        report(reader, reader->at, "this brace closes nothing: write }} for a brace itself");
        return false;
    }
    if (*ptr == '%' && next != '\0' && strchr("YmdHMSj%", next) != NULL) {
        reader->self->pieces[reader->self->count++] = (struct piece){ .kind = PIECE_DATE, .text = { ptr, 2 } };
        reader->at += 2;
        return true;
    }
    add_text(reader, *ptr);
    reader->at++;
    return true;
}

/* No piece is shorter than one byte of the text, so that bounds all arrays. */
static bool reserve(struct reader *reader, struct lb_arena *arena)
{
    struct lb_template *self = reader->self;
    size_t fields = 0;
    size_t pieces = 1;

    for (size_t i = 0; i < reader->text.len; i++) {
        fields += reader->text.ptr[i] == '{';
        pieces += strchr("{}%", reader->text.ptr[i]) != NULL ? 2 : 0;
    }
    self->pieces = lb_arena_zalloc(arena, pieces * sizeof(*self->pieces));
    self->fields.items = lb_arena_zalloc(arena, (fields + 1) * sizeof(*self->fields.items));
    reader->literal = lb_arena_alloc(arena, reader->text.len + 1);
    return self->pieces != NULL && self->fields.items != NULL && reader->literal != NULL;
}

struct lb_template *lb_template_new(struct lb_arena *arena, struct lb_str text, struct lb_place place,
                                    struct lb_diag *diag)
{
    struct lb_template *self = lb_arena_zalloc(arena, sizeof(*self));
    struct reader reader = { .self = self, .text = lb_arena_copy(arena, text), .place = place, .diag = diag };

    if (self == NULL || reader.text.ptr == NULL || !reserve(&reader, arena)) {
        lb_diag_error(diag, place, "no memory is left for this template");
        return NULL;
    }
    self->text = reader.text;
    while (reader.at < reader.text.len) {
        if (!read_piece(&reader))
            return NULL;
    }
    self->prefix = self->count > 0 && self->pieces[0].kind == PIECE_TEXT ? self->pieces[0].text : LB_STR("");
    return self;
}

bool lb_template_is_constant(const struct lb_template *template)
{
    return template->count == 0 || (template->count == 1 && template->pieces[0].kind == PIECE_TEXT);
}

struct lb_strs lb_template_fields(const struct lb_template *template)
{
    return template->fields;
}

struct lb_str lb_template_text(const struct lb_template *template)
{
    return template->text;
}

struct lb_str lb_template_prefix(const struct lb_template *template)
{
    return template->prefix;
}

/* --- writing it -------------------------------------------------------------------- */

static bool is_safe(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' || c == '_' || c == '-';
}

/* One component of a path. A byte is written whole (%2F) or not at all, so the bound cuts no escape in two. */
static void write_component(struct lb_str text, struct lb_buffer *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t written = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = is_safe((char)c) && !(i == 0 && c == '.');
        size_t len = plain ? 1 : 3;

        if (written + len > COMPONENT_BYTES_MAX)
            return;
        if (plain)
            lb_buffer_append_char(out, (char)c);
        else
            lb_buffer_append(out, (const char[]){ '%', digits[c >> 4], digits[c & 15] }, 3);
        written += len;
    }
}

/* A topic named "." or ".." is refused by Kafka, so no field begins with a dot here either. */
static void write_topic(struct lb_str text, struct lb_buffer *out)
{
    for (size_t i = 0; i < text.len && i < TOPIC_BYTES_MAX; i++) {
        bool plain = is_safe(text.ptr[i]) && !(i == 0 && text.ptr[i] == '.');

        lb_buffer_append_char(out, plain ? text.ptr[i] : '_');
    }
}

static struct lb_str field_text(const struct piece *piece, const struct lb_record *record, struct lb_scratch *scratch)
{
    struct lb_value value = lb_record_get(record, piece->text, scratch);

    if (value.kind == LB_VALUE_NONE)
        return piece->missing;
    return lb_value_str(value, scratch);
}

static void write_field(const struct piece *piece, unsigned flags, const struct lb_record *record,
                        struct lb_scratch *scratch, struct lb_buffer *out)
{
    size_t used = scratch->used;
    struct lb_str text = field_text(piece, record, scratch);

    if (text.len == 0 && (flags & (LB_TEMPLATE_PATH | LB_TEMPLATE_TOPIC)))
        text = piece->missing.len > 0 ? piece->missing : LB_STR("_unknown");
    if (flags & LB_TEMPLATE_PATH)
        write_component(text, out);
    else if (flags & LB_TEMPLATE_TOPIC)
        write_topic(text, out);
    else
        lb_buffer_append_str(out, text);
    scratch->used = used;
}

static void write_digits(struct lb_buffer *out, int64_t number, int width)
{
    char digits[20];

    for (int i = width; i-- > 0; number /= 10)
        digits[i] = (char)('0' + number % 10);
    lb_buffer_append(out, digits, (size_t)width);
}

/* The broken-down time of one write, made when the first date asks. */
struct moment {
    bool known;
    int year, month, day;
    int64_t day_of_year;
    int64_t second; /* of the day */
};

static void break_down(struct moment *moment, int64_t time_ns)
{
    int64_t seconds = time_ns / LB_SECOND - (time_ns % LB_SECOND < 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);

    lb_time_civil(days, &moment->year, &moment->month, &moment->day);
    moment->day_of_year = days - lb_time_days(moment->year, 1, 1) + 1;
    moment->second = seconds - days * 86400;
    moment->known = true;
}

static void write_date(const struct piece *piece, struct moment *moment, int64_t time_ns, struct lb_buffer *out)
{
    if (!moment->known)
        break_down(moment, time_ns);
    switch (piece->text.ptr[1]) {
    case 'Y': write_digits(out, moment->year, 4); break;
    case 'm': write_digits(out, moment->month, 2); break;
    case 'd': write_digits(out, moment->day, 2); break;
    case 'H': write_digits(out, moment->second / 3600, 2); break;
    case 'M': write_digits(out, moment->second / 60 % 60, 2); break;
    case 'S': write_digits(out, moment->second % 60, 2); break;
    case 'j': write_digits(out, moment->day_of_year, 3); break;
    default: lb_buffer_append_char(out, '%'); break;
    }
}

void lb_template_write(const struct lb_template *template, unsigned flags, const struct lb_record *record,
                       int64_t time_ns, struct lb_scratch *scratch, struct lb_buffer *out)
{
    struct moment moment = { 0 };

    for (uint32_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];

        if (piece->kind == PIECE_FIELD)
            write_field(piece, flags, record, scratch, out);
        else if (piece->kind == PIECE_DATE && (flags & LB_TEMPLATE_TIME))
            write_date(piece, &moment, time_ns, out);
        else
            lb_buffer_append_str(out, piece->text);
    }
}

size_t lb_template_size_max(const struct lb_template *template, const struct lb_record *record,
                            struct lb_scratch *scratch)
{
    size_t size = 0;

    for (uint32_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        size_t used = scratch->used;
        struct lb_value value = { .kind = LB_VALUE_NONE };

        if (piece->kind == PIECE_FIELD)
            value = lb_record_get(record, piece->text, scratch);
        /* Unescaping never makes a text longer. */
        size += value.kind != LB_VALUE_NONE ? value.len : piece->text.len + piece->missing.len;
        scratch->used = used;
    }
    return size;
}
