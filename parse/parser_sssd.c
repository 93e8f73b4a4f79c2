/*
 * parser_sssd.c - SSSD's debug logs: `(2026-03-01 10:00:00): [be[example.com]] [function] (0x0040): message`, and the
 * older `(Sun Mar  1 10:00:00:123456 2026) [sssd] …`.
 *
 * The level is one bit of SSSD's mask. The lower, the worse.
 */
#include "cut.h"
#include "fill.h"
#include "zoned.h"

/* `Sun Mar  1 10:00:00:123456 2026`: the fraction is behind a colon. */
static bool read_old_time(struct lb_str text, struct time_parts *parts)
{
    struct time_cursor at = time_cursor_of(text);

    if (!time_read_weekday(&at) || !time_take(&at, ' ') || !time_read_month(&at, &parts->month))
        return false;
    time_skip_blanks(&at);
    if (!time_read_number(&at, 1, 2, &parts->day) || !time_take(&at, ' ') || !time_read_clock(&at, parts))
        return false;
    if (time_take(&at, ':') && !time_read_fraction(&at, &parts->nanos))
        return false;
    return time_take(&at, ' ') && time_read_number(&at, 4, 4, &parts->year) && at.ptr == at.end;
}

static bool read_time(struct fill *fill, const struct zoned *zone, struct lb_str *text)
{
    int64_t now_ns = fill->context->batch->arrival_ns;
    struct time_parts parts = { 0 };
    struct lb_str stamp;
    int64_t time_ns;

    if (!cut_char(text, '(') || !cut_until(text, ')', &stamp))
        return false;
    if (!(read_old_time(stamp, &parts) && zoned_parts(zone, &parts, now_ns, &time_ns)) &&
        !zoned_time(zone, stamp, now_ns, &time_ns))
        return false;
    cut_char(text, ':');
    fill_time(fill, time_ns);
    return true;
}

/* `[be[example.com]]`: there may be brackets inside. */
static bool read_name(struct fill *fill, struct lb_str *text, struct lb_str key)
{
    const char *end;

    cut_blanks(text);
    if (!cut_char(text, '['))
        return false;
    end = text->len > 1 ? memmem(text->ptr, text->len, "] ", 2) : NULL;
    if (end == NULL)
        return false;
    fill_text(fill, key, (struct lb_str){ text->ptr, (size_t)(end - text->ptr) });
    *text = cut_from(*text, (size_t)(end + 1 - text->ptr));
    return true;
}

/* `(0x0040): ` */
static bool read_level(struct fill *fill, struct lb_str *text)
{
    static const uint8_t levels[] = { LB_LEVEL_CRITICAL, LB_LEVEL_CRITICAL, LB_LEVEL_ERROR, LB_LEVEL_WARN,
                                      LB_LEVEL_INFO };
    struct lb_str mask;
    unsigned bits = 0;
    size_t level = 0;

    cut_blanks(text);
    if (!cut_word(text, "(0x") || !cut_until(text, ')', &mask) || mask.len == 0 || mask.len > 6)
        return false;
    for (size_t i = 0; i < mask.len; i++) {
        unsigned char c = (unsigned char)mask.ptr[i];

        if (!cut_is_digit(mask.ptr[i]) && ((c | 0x20) < 'a' || (c | 0x20) > 'f'))
            return false;
        bits = bits << 4 | (cut_is_digit(mask.ptr[i]) ? c & 0xfU : (c & 0xfU) + 9);
    }
    while (level < sizeof(levels) && bits >> (level + 5) != 0) /* 0x0010 is the first */
        level++;
    fill->record.level = level < sizeof(levels) ? levels[level] : LB_LEVEL_DEBUG;
    cut_char(text, ':');
    return true;
}

static enum lb_err sssd_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);
    struct lb_str text;

    if (err != LB_OK)
        return err;
    text = fill.text;
    if (!read_time(&fill, state, &text))
        return fill_refuse(&fill, "expected a time in parentheses", text.ptr);
    if (!read_name(&fill, &text, LB_STR("logger")) || !read_name(&fill, &text, LB_STR("function")))
        return fill_refuse(&fill, "expected the component and the function in brackets", text.ptr);
    if (!read_level(&fill, &text))
        return fill_refuse(&fill, "expected the level: (0x0040)", text.ptr);
    fill_message(&fill, cut_trimmed(text));
    return fill_done(&fill, record);
}

const struct lb_parser_type lb_parser_sssd = {
    .module = { .name = "sssd",
                .help = "debug logs of SSSD",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = sssd_parse,
    .close = zoned_close,
};
