/*
 * parser_klog.c - klog and glog, as Kubernetes and Google's C++ write them:
 * `I0301 10:00:00.123456   28133 file.go:70] message`, with a year in front of the month from some.
 *
 * klog's structured messages are a quoted text and pairs; the pairs become fields.
 */
#include "cut.h"
#include "fill.h"
#include "quoted.h"
#include "zoned.h"

enum { THREAD_DIGITS_MAX = 20 };

static bool read_level(struct fill *fill, struct lb_str *text)
{
    static const char letters[] = "IWEF";
    static const uint8_t levels[] = { LB_LEVEL_INFO, LB_LEVEL_WARN, LB_LEVEL_ERROR, LB_LEVEL_CRITICAL };
    const char *letter = text->len > 0 ? memchr(letters, *text->ptr, sizeof(letters) - 1) : NULL;

    if (letter == NULL)
        return false;
    fill->record.level = levels[letter - letters];
    *text = cut_from(*text, 1);
    return true;
}

/* `0301 10:00:00.123456` or `20260301 10:00:00.123456` */
static bool read_time(struct fill *fill, const struct zoned *zone, struct lb_str *text)
{
    struct time_cursor at = time_cursor_of(*text);
    struct time_parts parts = { 0 };
    int64_t time_ns;

    if (time_digits(&at, 9) == 8 && !time_read_number(&at, 4, 4, &parts.year))
        return false;
    if (time_digits(&at, 5) != 4 || !time_read_number(&at, 2, 2, &parts.month) ||
        !time_read_number(&at, 2, 2, &parts.day) || !time_take(&at, ' ') || !time_read_clock(&at, &parts) ||
        !zoned_parts(zone, &parts, fill->context->batch->arrival_ns, &time_ns))
        return false;
    fill_time(fill, time_ns);
    *text = (struct lb_str){ at.ptr, (size_t)(at.end - at.ptr) };
    return true;
}

/* `  28133 file.go:70] ` */
static bool read_place(struct fill *fill, struct lb_str *text)
{
    struct lb_str thread, place, file;

    cut_blanks(text);
    if (!cut_digits(text, &thread) || thread.len > THREAD_DIGITS_MAX || !cut_char(text, ' ') ||
        !cut_until(text, ']', &place) || !cut_until(&place, ':', &file) || cut_count_digits(place) != place.len)
        return false;
    fill_number(fill, LB_STR("tid"), thread);
    fill_text(fill, LB_STR("source_file"), file);
    fill_number(fill, LB_STR("line"), place);
    cut_char(text, ' ');
    return true;
}

/* Up to a blank: numbers, words, `[]string{…}` without blanks. */
static void cut_bare(struct lb_str *text, struct lb_str *value)
{
    const char *blank = text->len > 0 ? memchr(text->ptr, ' ', text->len) : NULL;

    *value = (struct lb_str){ text->ptr, blank != NULL ? (size_t)(blank - text->ptr) : text->len };
    *text = cut_from(*text, value->len);
}

static bool read_value(struct fill *fill, struct lb_str *text, struct lb_value *value)
{
    struct lb_str piece;
    enum lb_err err;

    if (text->len > 0 && *text->ptr == '"') {
        if (!cut_quoted(text, &piece))
            return false;
        err = quoted_value(piece, &fill->context->batch->arena, value);
        fill->full = fill->full || err == LB_LIMIT;
        return err == LB_OK;
    }
    cut_bare(text, &piece);
    *value = lb_value_text(piece);
    return true;
}

/* `"message" key="value" n=1`; false, with nothing kept, where it is anything else. */
static bool read_structured(struct fill *fill, struct lb_str text)
{
    uint32_t count = fill->count;
    struct lb_value message;
    struct lb_value value;

    if (text.len == 0 || *text.ptr != '"' || !read_value(fill, &text, &message))
        return false;
    while (text.len > 0) {
        struct lb_str key;

        if (!cut_char(&text, ' ') || !cut_until(&text, '=', &key) || key.len == 0 ||
            memchr(key.ptr, ' ', key.len) != NULL || !read_value(fill, &text, &value)) {
            fill->count = count;
            return false;
        }
        fill_pair(fill, key, value);
    }
    fill->record.message = message;
    return true;
}

static enum lb_err klog_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);
    struct lb_str text;

    if (err != LB_OK)
        return err;
    text = cut_trimmed(fill.text);
    if (!read_level(&fill, &text))
        return fill_refuse(&fill, "expected I, W, E or F", text.ptr);
    if (!read_time(&fill, state, &text))
        return fill_refuse(&fill, "expected month, day and time: 0102 15:04:05.000000", text.ptr);
    if (!read_place(&fill, &text))
        return fill_refuse(&fill, "expected thread and file:line]", text.ptr);
    if (!read_structured(&fill, text))
        fill_message(&fill, text);
    return fill_done(&fill, record);
}

const struct lb_parser_type lb_parser_klog = {
    .module = { .name = "klog",
                .help = "klog and glog, as Kubernetes and C++ programs write them",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = klog_parse,
    .close = zoned_close,
};
