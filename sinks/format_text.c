/*
 * format_text.c - TIMESTAMP LEVEL host service: message key=value …
 *
 * For eyes. It is one line whatever the message holds: control characters,
 * which could also steer a terminal, are written as JSON escapes, and so are
 * newlines; quotes and backslashes stand as they are.
 */
#include "format.h"

#include "lb_json.h"

/* Text without quotes, backslashes and control characters. */
static void append_repaired(const char *ptr, size_t len, struct lb_buffer *out)
{
    lb_json_write_value(out, (struct lb_value){ ptr, (uint32_t)len, LB_VALUE_OBJECT, LB_VALUE_BAD_UTF8 });
}

/* Runs of ordinary bytes are copied; a control character is escaped; DEL too, which JSON lets pass. */
static void append_readable(const char *ptr, size_t len, struct lb_buffer *out)
{
    size_t start = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i < len && (unsigned char)ptr[i] >= 0x20 && ptr[i] != 0x7f)
            continue;
        append_repaired(ptr + start, i - start, out);
        if (i < len && ptr[i] == 0x7f)
            format_literal(out, "\\u007f");
        else if (i < len)
            lb_json_escape(out, (struct lb_str){ ptr + i, 1 });
        start = i + 1;
    }
}

/* Length of the escape at `at`; two that follow each other may be one character. The text is valid. */
static size_t escape_length(const char *at, const char *end)
{
    if (end - at < 6 || at[1] != 'u')
        return 2;
    return end - at >= 12 && at[6] == '\\' && at[7] == 'u' ? 12 : 6;
}

/* The inside of a JSON string: what an escape says may need one here too. */
static void append_unescaped(struct lb_value value, struct lb_buffer *out)
{
    const char *end = value.ptr + value.len;
    const char *at = value.ptr;
    char text[12];

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        const char *run_end = slash != NULL ? slash : end;

        append_readable(at, (size_t)(run_end - at), out);
        at = run_end;
        if (at == end)
            return;
        size_t len = escape_length(at, end);
        append_readable(text, lb_json_unescape((struct lb_str){ at, len }, text), out);
        at += len;
    }
}

static void append_value(struct lb_value value, struct lb_buffer *out)
{
    if (value.kind == LB_VALUE_ESCAPED)
        append_unescaped(value, out);
    else
        append_readable(value.ptr, value.len, out);
}

/* ` word`, or nothing where it is not known. */
static void append_word(struct lb_value word, struct lb_buffer *out)
{
    if (word.kind == LB_VALUE_NONE)
        return;
    lb_buffer_append_char(out, ' ');
    append_value(word, out);
}

void format_text(struct lb_formatter *formatter, const struct lb_record *record, struct lb_buffer *out)
{
    static const char *const words[] = { "EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARN",
                                         "NOTICE",    "INFO",  "DEBUG",    "TRACE" };
    bool named = record->host.kind != LB_VALUE_NONE || record->service.kind != LB_VALUE_NONE;

    format_time(formatter, record->time_ns, out);
    if (record->level < LB_LEVEL_COUNT) {
        lb_buffer_append_char(out, ' ');
        format_literal(out, words[record->level]);
    }
    append_word(record->host, out);
    append_word(record->service, out);
    if (named)
        lb_buffer_append_char(out, ':');
    append_word(record->message, out);
    format_pairs(record, false, formatter->scratch, out);
    lb_buffer_append_char(out, '\n');
}
