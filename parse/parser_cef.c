/*
 * parser_cef.c - CEF and LEEF, the event formats of security products.
 *
 * Both are a header with bars and then pairs. In CEF a value goes up to the blank before the next key, so that it may
 * hold blanks itself; in LEEF pairs have a delimiter, a tab unless the header says otherwise. Something may stand in
 * front, a header of syslog mostly; it is passed over. The name of the event is the message; its severity of 0 to 10
 * gives the level and stays a field.
 */
#include "cut.h"
#include "fill.h"
#include "zoned.h"

#include <stdlib.h>

struct cef {
    struct zoned zone; /* first, as zoned.h wants it */
    bool labels;
};

/* Up to a bar without a backslash before it; `escaped` tells of any. */
static bool cut_header(struct lb_str *text, struct lb_str *piece, bool *escaped)
{
    *escaped = false;
    for (size_t i = 0; i < text->len; i++) {
        if (text->ptr[i] == '|') {
            *piece = (struct lb_str){ text->ptr, i };
            *text = cut_from(*text, i + 1);
            return true;
        }
        if (text->ptr[i] == '\\') {
            *escaped = true;
            i++;
        }
    }
    return false;
}

/* \| \\ \= \n \r; a backslash before anything else is one. Into the arena. */
static struct lb_str unescape(struct fill *fill, struct lb_str text)
{
    char *out = lb_arena_alloc(&fill->context->batch->arena, text.len);
    size_t len = 0;

    if (out == NULL) {
        fill->full = true;
        return text;
    }
    for (size_t i = 0; i < text.len; i++) {
        char next = i + 1 < text.len ? text.ptr[i + 1] : '\0';

        out[len] = text.ptr[i];
        if (text.ptr[i] == '\\' && (next == '|' || next == '\\' || next == '=' || next == 'n' || next == 'r')) {
            out[len] = next == 'n' ? '\n' : next == 'r' ? '\r' : next;
            i++;
        }
        len++;
    }
    return (struct lb_str){ out, len };
}

static bool cut_piece(struct fill *fill, struct lb_str *text, struct lb_str *piece)
{
    bool escaped;

    if (!cut_header(text, piece, &escaped))
        return false;
    if (escaped)
        *piece = unescape(fill, *piece);
    *piece = cut_trimmed(*piece);
    return true;
}

static uint8_t level_of(struct lb_str severity)
{
    static const uint8_t levels[] = { LB_LEVEL_INFO,  LB_LEVEL_INFO,     LB_LEVEL_INFO,    LB_LEVEL_INFO,
                                      LB_LEVEL_WARN,  LB_LEVEL_WARN,     LB_LEVEL_WARN,    LB_LEVEL_ERROR,
                                      LB_LEVEL_ERROR, LB_LEVEL_CRITICAL, LB_LEVEL_CRITICAL };
    static const struct {
        const char *word;
        uint8_t level;
    } words[] = { { "Low", LB_LEVEL_INFO },
                  { "Medium", LB_LEVEL_WARN },
                  { "High", LB_LEVEL_ERROR },
                  { "Very-High", LB_LEVEL_CRITICAL } };
    unsigned number = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (lb_str_is(severity, words[i].word))
            return words[i].level;
    if (severity.len == 0 || severity.len > 2 || cut_count_digits(severity) != severity.len)
        return LB_LEVEL_NONE;
    for (size_t i = 0; i < severity.len; i++)
        number = number * 10 + (unsigned)(severity.ptr[i] - '0');
    return number < sizeof(levels) ? levels[number] : LB_LEVEL_NONE;
}

/* --- pairs ------------------------------------------------------------------------- */

static bool is_key_byte(char c)
{
    return cut_is_letter(c) || cut_is_digit(c) || c == '_' || c == '.' || c == '-' || c == '[' || c == ']';
}

static size_t key_length(struct lb_str text)
{
    size_t len = 0;

    while (len < text.len && is_key_byte(text.ptr[len]))
        len++;
    return len < text.len && text.ptr[len] == '=' ? len : 0;
}

/* To the blank before the next `key=`, or the end. */
static size_t value_length(struct lb_str text, bool *escaped)
{
    *escaped = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\') {
            *escaped = true;
            i++;
        } else if (text.ptr[i] == ' ' && key_length(cut_from(text, i + 1)) > 0) {
            return i;
        }
    }
    return text.len;
}

/* "rt", "devTime", and "…utcTime", in which some say their own. */
static bool is_time_key(struct lb_str key)
{
    static const struct lb_str end = LB_STR("utcTime");

    return lb_str_is(key, "rt") || lb_str_is(key, "devTime") ||
           (key.len >= end.len && memcmp(key.ptr + key.len - end.len, end.ptr, end.len) == 0);
}

/* The time and the host that the pairs tell; all others are fields. */
static void take_pair(struct fill *fill, const struct zoned *zone, struct lb_str key, struct lb_str value)
{
    int64_t time_ns;

    if (is_time_key(key) && zoned_time(zone, value, fill->context->batch->arrival_ns, &time_ns)) {
        fill_time(fill, time_ns);
        return;
    }
    if (lb_str_is(key, "dvchost") && value.len > 0) {
        fill->record.host = lb_value_text(value);
        return;
    }
    if (lb_str_is(key, "sev")) {
        uint8_t level = level_of(value);

        fill->record.level = level != LB_LEVEL_NONE ? level : fill->record.level;
    }
    if (value.len > 0)
        fill_pair(fill, key, lb_value_text(value));
}

static bool read_extension(struct fill *fill, const struct zoned *zone, struct lb_str text)
{
    text = cut_trimmed(text);
    while (text.len > 0) {
        size_t key_len = key_length(text);
        struct lb_str key = { text.ptr, key_len };
        struct lb_str value;
        bool escaped;

        if (key_len == 0)
            return false;
        text = cut_from(text, key_len + 1);
        value = (struct lb_str){ text.ptr, value_length(text, &escaped) };
        text = cut_from(text, value.len);
        /* A lone `=` is the sign of a key that is missing: in a value it is escaped. */
        if (memmem(value.ptr, value.len, " =", 2) != NULL)
            return false;
        cut_blanks(&text);
        take_pair(fill, zone, key, escaped ? unescape(fill, cut_trimmed(value)) : cut_trimmed(value));
    }
    return true;
}

/* --- labels -------------------------------------------------------------------------- */

static struct lb_str key_text(const struct lb_field *field)
{
    return (struct lb_str){ field->key.ptr, field->key.len };
}

/* The keys that have a label: cs1, cn1, cfp1, c6a1, flexString1, flexNumber1, flexDate1, deviceCustomDate1 … */
static bool is_custom_key(struct lb_str key)
{
    static const char *const stems[] = { "cs",         "cn",         "cfp",      "c6a",
                                         "flexString", "flexNumber", "flexDate", "deviceCustomDate" };

    for (size_t i = 0; i < sizeof(stems) / sizeof(stems[0]); i++) {
        struct lb_str rest = key;

        if (cut_word(&rest, stems[i]) && rest.len == 1 && cut_is_digit(*rest.ptr))
            return true;
    }
    return false;
}

/* The field `<key>Label`. */
static const struct lb_field *label_of(const struct fill *fill, struct lb_str key)
{
    for (uint32_t i = 0; i < fill->count; i++) {
        struct lb_str rest = key_text(&fill->fields[i]);

        if (rest.len > key.len && memcmp(rest.ptr, key.ptr, key.len) == 0 &&
            lb_str_is(cut_from(rest, key.len), "Label"))
            return &fill->fields[i];
    }
    return NULL;
}

static bool is_doubled(const struct fill *fill, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (lb_str_equal(key_text(&fill->fields[i]), key_text(&fill->fields[index])))
            return true;
    return false;
}

static bool is_label(struct lb_str key)
{
    static const struct lb_str end = LB_STR("Label");

    return key.len > end.len && memcmp(key.ptr + key.len - end.len, end.ptr, end.len) == 0 &&
           is_custom_key((struct lb_str){ key.ptr, key.len - end.len });
}

/*
 * cs1Label=Rule cs1=7 becomes Rule=7. False: a custom field without a label, or twice. The labels themselves go last,
 * for they are looked up until then.
 */
static bool join_labels(struct fill *fill, uint32_t from)
{
    struct lb_value names[FILL_FIELDS_MAX];
    uint32_t kept = from;

    for (uint32_t i = from; i < fill->count; i++) {
        struct lb_str key = key_text(&fill->fields[i]);
        const struct lb_field *label = is_custom_key(key) ? label_of(fill, key) : NULL;

        if (is_custom_key(key) && (label == NULL || is_doubled(fill, i)))
            return false;
        names[i] = label != NULL ? label->value : fill->fields[i].key;
    }
    for (uint32_t i = from; i < fill->count; i++)
        if (!is_label(key_text(&fill->fields[i])))
            fill->fields[kept++] = (struct lb_field){ names[i], fill->fields[i].value };
    fill->count = kept;
    return true;
}

static enum lb_err read_cef(struct fill *fill, const struct cef *self, struct lb_str text)
{
    static const struct lb_str names[] = { LB_STR("cef_version"), LB_STR("device_vendor"), LB_STR("device_product"),
                                           LB_STR("device_version"), LB_STR("event_class_id") };
    struct lb_str piece;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!cut_piece(fill, &text, &piece) || (i == 0 && cut_count_digits(piece) == 0))
            return fill_refuse(fill, "expected seven parts with | between them", text.ptr);
        fill_text(fill, names[i], piece);
    }
    if (!cut_piece(fill, &text, &piece))
        return fill_refuse(fill, "expected the name of the event", text.ptr);
    fill_message(fill, piece);
    if (!cut_piece(fill, &text, &piece))
        return fill_refuse(fill, "expected the severity and | behind it", text.ptr);
    fill_text(fill, LB_STR("severity"), piece);
    if (level_of(piece) != LB_LEVEL_NONE)
        fill->record.level = level_of(piece);
    uint32_t count = fill->count;
    if (!read_extension(fill, &self->zone, text))
        return fill_refuse(fill, "expected pairs key=value", text.ptr);
    if (self->labels && !join_labels(fill, count))
        return fill_refuse(fill, "expected each custom field once, with its label", text.ptr);
    return LB_OK;
}

/* "^" or "x09" or "0x09"; nothing is a tab. */
static char delimiter_of(struct lb_str text)
{
    char digits[3] = "";

    if (text.len == 1)
        return *text.ptr;
    cut_char(&text, '0');
    if ((!cut_char(&text, 'x') && !cut_char(&text, 'X')) || text.len == 0 || text.len > 2)
        return '\t';
    memcpy(digits, text.ptr, text.len);
    return (char)strtol(digits, NULL, 16);
}

static enum lb_err read_leef(struct fill *fill, const struct zoned *zone, struct lb_str text)
{
    static const struct lb_str names[] = { LB_STR("leef_version"), LB_STR("device_vendor"), LB_STR("device_product"),
                                           LB_STR("device_version"), LB_STR("event_id") };
    bool second = lb_str_starts(text, LB_STR("2"));
    char delimiter = '\t';
    struct lb_str piece;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!cut_piece(fill, &text, &piece) || (i == 0 && cut_count_digits(piece) == 0))
            return fill_refuse(fill, "expected five parts with | between them", text.ptr);
        fill_text(fill, names[i], piece);
    }
    if (second) {
        struct lb_str rest = text;

        /* The part may be left out. */
        if (cut_until(&rest, '|', &piece) && memchr(piece.ptr, '=', piece.len) == NULL) {
            delimiter = delimiter_of(piece);
            text = rest;
        }
    }
    while (text.len > 0) {
        struct lb_str key;

        if (!cut_until(&text, delimiter, &piece)) {
            piece = text;
            text.len = 0;
        }
        if (cut_trimmed(piece).len == 0)
            continue;
        if (!cut_until(&piece, '=', &key) || key.len == 0)
            return fill_refuse(fill, "expected pairs key=value", piece.ptr);
        take_pair(fill, zone, cut_trimmed(key), piece);
    }
    return LB_OK;
}

/* The text behind the word, which stands at the front or behind a blank. */
static bool find_word(struct lb_str text, const char *word, struct lb_str *behind)
{
    size_t len = strlen(word);
    const char *at = text.len > 0 ? memmem(text.ptr, text.len, word, len) : NULL;

    if (at == NULL || (at > text.ptr && at[-1] != ' '))
        return false;
    *behind = cut_from(text, (size_t)(at - text.ptr) + len);
    return true;
}

static enum lb_err cef_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    struct lb_str text;
    enum lb_err err = fill_open(&fill, record, context);

    if (err != LB_OK)
        return err;
    if (!find_word(fill.text, "CEF:", &text))
        return fill_refuse(&fill, "expected CEF:", fill.text.ptr);
    err = read_cef(&fill, state, text);
    return err == LB_OK ? fill_done(&fill, record) : err;
}

static enum lb_err leef_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    struct lb_str text;
    enum lb_err err = fill_open(&fill, record, context);

    if (err != LB_OK)
        return err;
    if (!find_word(fill.text, "LEEF:", &text))
        return fill_refuse(&fill, "expected LEEF:", fill.text.ptr);
    err = read_leef(&fill, state, text);
    return err == LB_OK ? fill_done(&fill, record) : err;
}

static const struct lb_option cef_options[] = {
    ZONED_OPTION,
    { .name = "labels",
      .kind = LB_OPTION_BOOL,
      .offset = offsetof(struct cef, labels),
      .help = "custom fields are called by their labels: cs1Label=Rule cs1=7 is Rule=7" },
    { .name = NULL },
};

const struct lb_parser_type lb_parser_cef = {
    .module = { .name = "cef",
                .help = "CEF, the Common Event Format of security products",
                .state_size = sizeof(struct cef),
                .options = cef_options },
    .open = zoned_open,
    .parse = cef_parse,
    .close = zoned_close,
};

const struct lb_parser_type lb_parser_leef = {
    .module = { .name = "leef",
                .help = "LEEF, the Log Event Extended Format of security products",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = leef_parse,
    .close = zoned_close,
};
