/*
 * parser_logcat.c - Android's logcat in its one-line forms:
 * `05-26 14:57:03.870  1766  1790 V Tag: message` (threadtime, perhaps with who it is before the numbers),
 * `05-26 14:57:03.870 V/Tag( 1766): message` (time) and `V/Tag( 1766): message` (brief).
 *
 * The date has a year where logcat was told so. The tag is the logger; it may hold blanks and colons itself, so it ends
 * at a colon with a blank behind it.
 */
#include "cut.h"
#include "fill.h"
#include "zoned.h"

static bool read_level(struct fill *fill, struct lb_str *text)
{
    static const char letters[] = "VDIWEFA";
    static const uint8_t levels[] = { LB_LEVEL_TRACE, LB_LEVEL_DEBUG,    LB_LEVEL_INFO,    LB_LEVEL_WARN,
                                      LB_LEVEL_ERROR, LB_LEVEL_CRITICAL, LB_LEVEL_CRITICAL };
    const char *letter = text->len > 1 ? memchr(letters, *text->ptr, sizeof(letters) - 1) : NULL;

    if (letter == NULL)
        return false;
    fill->record.level = levels[letter - letters];
    *text = cut_from(*text, 1);
    return true;
}

/* `05-26 14:57:03.870` or `2026-05-26 14:57:03.870 +0200` */
static bool read_time(struct fill *fill, const struct zoned *zone, struct lb_str *text)
{
    struct time_cursor at = time_cursor_of(*text);
    struct time_parts parts = { 0 };
    int64_t time_ns;

    if (time_digits(&at, 5) == 4 && (!time_read_number(&at, 4, 4, &parts.year) || !time_take(&at, '-')))
        return false;
    if (!time_read_number(&at, 2, 2, &parts.month) || !time_take(&at, '-') ||
        !time_read_number(&at, 2, 2, &parts.day) || !time_take(&at, ' ') || !time_read_clock(&at, &parts) ||
        !time_at(&at, ' '))
        return false;
    time_skip_blanks(&at);
    if ((time_at(&at, '+') || time_at(&at, '-')) && !time_read_offset(&at, &parts))
        return false;
    if (!zoned_parts(zone, &parts, fill->context->batch->arrival_ns, &time_ns))
        return false;
    fill_time(fill, time_ns);
    *text = (struct lb_str){ at.ptr, (size_t)(at.end - at.ptr) };
    cut_blanks(text);
    return true;
}

/* `V/Tag( 1766): ` */
static bool read_brief(struct fill *fill, struct lb_str *text)
{
    struct lb_str rest = *text;
    struct lb_str tag, pid;

    if (!read_level(fill, &rest) || !cut_char(&rest, '/') || !cut_until(&rest, '(', &tag))
        return false;
    cut_blanks(&rest);
    if (!cut_digits(&rest, &pid) || !cut_word(&rest, "):"))
        return false;
    fill_text(fill, LB_STR("logger"), cut_trimmed(tag));
    fill_number(fill, LB_STR("pid"), pid);
    *text = rest;
    return true;
}

/* `  root  1215  1215 ` */
static bool read_ids(struct fill *fill, struct lb_str *text)
{
    struct lb_str words[3];
    size_t count = 0;

    while (count < 3 && text->len > 1 && text->ptr[1] != ' ' && cut_token(text, &words[count])) {
        count++;
        cut_blanks(text);
    }
    for (size_t i = count; i-- > 0 && i + 2 >= count;)
        if (cut_count_digits(words[i]) != words[i].len)
            return false;
    if (count < 2)
        return false;
    if (count == 3)
        fill_text(fill, LB_STR("user"), words[0]);
    fill_number(fill, LB_STR("pid"), words[count - 2]);
    fill_number(fill, LB_STR("tid"), words[count - 1]);
    return true;
}

static bool read_threadtime(struct fill *fill, struct lb_str *text)
{
    const char *colon;

    if (!read_ids(fill, text) || !read_level(fill, text) || !cut_char(text, ' '))
        return false;
    colon = text->len > 1 ? memmem(text->ptr, text->len, ": ", 2) : NULL;
    if (colon == NULL)
        return true;
    fill_text(fill, LB_STR("logger"), cut_trimmed((struct lb_str){ text->ptr, (size_t)(colon - text->ptr) }));
    *text = cut_from(*text, (size_t)(colon + 1 - text->ptr));
    return true;
}

static enum lb_err logcat_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);
    struct lb_str text;
    bool timed;

    if (err != LB_OK)
        return err;
    text = cut_trimmed(fill.text);
    timed = read_time(&fill, state, &text);
    if (!read_brief(&fill, &text) && (!timed || !read_threadtime(&fill, &text)))
        return fill_refuse(&fill, "expected V/Tag( 1766): or month, day, time, two numbers and a letter", text.ptr);
    fill_message(&fill, cut_trimmed(text));
    return fill_done(&fill, record);
}

const struct lb_parser_type lb_parser_logcat = {
    .module = { .name = "logcat",
                .help = "Android's logcat: threadtime, time and brief",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = logcat_parse,
    .close = zoned_close,
};
