/*
 * parser_redis.c - Redis and Valkey: `1:M 01 Mar 2026 10:00:00.123 * message`, and what older ones wrote.
 *
 * Four dialects differ only in how the process is named and whether there is a year; a line of a signal handler has
 * seconds since 1970 in parentheses and no level.
 */
#include "cut.h"
#include "fill.h"
#include "zoned.h"

/* `98738:M ` or `[2932] ` or nothing. */
static void cut_process(struct fill *fill, struct lb_str *text)
{
    static const char letters[] = "XCSM";
    static const char *const roles[] = { "sentinel", "child", "replica", "master" };
    struct lb_str rest = *text;
    struct lb_str pid;
    const char *role;

    if (cut_char(&rest, '[') && cut_digits(&rest, &pid) && cut_word(&rest, "] ")) {
        fill_number(fill, LB_STR("pid"), pid);
        *text = rest;
        return;
    }
    rest = *text;
    if (!cut_digits(&rest, &pid) || !cut_char(&rest, ':') || rest.len < 2 || rest.ptr[1] != ' ')
        return;
    role = memchr(letters, *rest.ptr, sizeof(letters) - 1);
    if (role == NULL)
        return;
    fill_number(fill, LB_STR("pid"), pid);
    fill_text(fill, LB_STR("role"), lb_str_from(roles[role - letters]));
    *text = cut_from(rest, 2);
}

/* `01 Mar 2026 10:00:00.123 ` or without a year. */
static bool read_time(struct fill *fill, const struct zoned *zone, struct lb_str *text)
{
    struct time_cursor at = time_cursor_of(*text);
    struct time_parts parts = { 0 };
    int64_t time_ns;

    if (!time_read_number(&at, 1, 2, &parts.day) || !time_take(&at, ' ') || !time_read_month(&at, &parts.month) ||
        !time_take(&at, ' '))
        return false;
    if (time_digits(&at, 5) == 4 && (!time_read_number(&at, 4, 4, &parts.year) || !time_take(&at, ' ')))
        return false;
    if (!time_read_clock(&at, &parts) || !time_take(&at, ' ') ||
        !zoned_parts(zone, &parts, fill->context->batch->arrival_ns, &time_ns))
        return false;
    fill_time(fill, time_ns);
    *text = (struct lb_str){ at.ptr, (size_t)(at.end - at.ptr) };
    return true;
}

static bool read_level(struct fill *fill, struct lb_str *text)
{
    static const char signs[] = ".-*#";
    static const uint8_t levels[] = { LB_LEVEL_DEBUG, LB_LEVEL_DEBUG, LB_LEVEL_NOTICE, LB_LEVEL_WARN };
    const char *sign = text->len > 0 ? memchr(signs, *text->ptr, sizeof(signs) - 1) : NULL;

    if (sign == NULL || (text->len > 1 && text->ptr[1] != ' '))
        return false;
    fill->record.level = levels[sign - signs];
    *text = cut_from(*text, text->len > 1 ? 2 : 1);
    return true;
}

/* `5092:signal-handler (1496141844) Received SIGINT` */
static bool read_signal(struct fill *fill, struct lb_str text)
{
    struct lb_str pid, seconds;
    int64_t time_ns;

    if (!cut_digits(&text, &pid) || !cut_word(&text, ":signal-handler (") || !cut_digits(&text, &seconds) ||
        !cut_word(&text, ") ") || !lb_time_epoch(seconds, &time_ns))
        return false;
    fill_number(fill, LB_STR("pid"), pid);
    fill_time(fill, time_ns);
    fill_message(fill, text);
    return true;
}

static enum lb_err redis_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);
    struct lb_str text;

    if (err != LB_OK)
        return err;
    if (read_signal(&fill, fill.text))
        return fill_done(&fill, record);
    text = fill.text;
    cut_process(&fill, &text);
    if (!read_time(&fill, state, &text))
        return fill_refuse(&fill, "expected pid:role and a time such as 02 Jan 2006 15:04:05.000", text.ptr);
    if (!read_level(&fill, &text))
        return fill_refuse(&fill, "expected one of . - * #", text.ptr);
    fill_message(&fill, text);
    return fill_done(&fill, record);
}

const struct lb_parser_type lb_parser_redis = {
    .module = { .name = "redis",
                .help = "Redis and Valkey",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = redis_parse,
    .close = zoned_close,
};
