/*
 * parser_nginx.c - nginx's access log (combined, with what is usually appended) and its error log.
 *
 * In the error log the message ends where its context begins: `, client: …, server: …, request: "…"`.
 */
#include "access.h"
#include "cut.h"

/* "*6 " */
static void cut_connection(struct fill *fill, struct lb_str *text)
{
    struct lb_str rest = *text;
    struct lb_str number;

    if (cut_char(&rest, '*') && cut_digits(&rest, &number) && cut_char(&rest, ' ')) {
        fill_number(fill, LB_STR("connection"), number);
        *text = rest;
    }
}

/* `value` or `"value"`, up to the next `, ` or the end. */
static bool cut_context_value(struct lb_str *text, struct lb_str *value)
{
    const char *comma;

    if (cut_quoted(text, value))
        return true;
    comma = memmem(text->ptr, text->len, ", ", 2);
    *value = (struct lb_str){ text->ptr, comma != NULL ? (size_t)(comma - text->ptr) : text->len };
    *text = cut_from(*text, value->len);
    return value->len > 0;
}

static void fill_context(struct fill *fill, struct lb_str text)
{
    static const struct {
        const char *theirs;
        struct lb_str ours;
    } names[] = {
        { "client", LB_STR("client_ip") },      { "server", LB_STR("server") },     { "upstream", LB_STR("upstream") },
        { "host", LB_STR("request_host") },     { "referrer", LB_STR("referrer") }, { "login", LB_STR("login") },
        { "subrequest", LB_STR("subrequest") }, { "port", LB_STR("client_port") },
    };
    struct lb_str key;
    struct lb_str value;

    while (cut_word(&text, ", ") && cut_until(&text, ':', &key) && cut_char(&text, ' ')) {
        if (!cut_context_value(&text, &value))
            return;
        if (lb_str_is(key, "request"))
            fill_request(fill, value);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (lb_str_is(key, names[i].theirs))
                fill_text(fill, names[i].ours, value);
    }
}

/* "limiting requests, excess: 50.416 by zone "api"" */
static void fill_limit(struct fill *fill, struct lb_str text)
{
    const char *found = memmem(text.ptr, text.len, ", excess: ", 10);
    struct lb_str excess;
    struct lb_str zone;

    if (found == NULL)
        return;
    text = cut_from(text, (size_t)(found - text.ptr) + 10);
    if (!cut_token(&text, &excess) || !cut_word(&text, "by zone \"") || !cut_until(&text, '"', &zone))
        return;
    while (excess.len > 0 && excess.ptr[excess.len - 1] == ',')
        excess.len--;
    fill_number(fill, LB_STR("excess"), excess);
    fill_text(fill, LB_STR("zone"), zone);
}

/* 2021/06/03 09:30:50 [error] 32#32: *6 message, client: … */
static enum lb_err read_error(struct fill *fill, const struct zoned *zone)
{
    struct lb_str text = fill->text;
    struct lb_str level, pid, tid;
    const char *context;
    int64_t time_ns;

    if (text.len < 20 || !zoned_time(zone, (struct lb_str){ text.ptr, 19 }, fill->context->batch->arrival_ns, &time_ns))
        return fill_refuse(fill, "expected a time such as 2006/01/02 15:04:05", text.ptr);
    text = cut_from(text, 19);
    if (!cut_word(&text, " [") || !cut_until(&text, ']', &level) || lb_level_parse(level) == LB_LEVEL_NONE)
        return fill_refuse(fill, "expected [level]", text.ptr);
    if (!cut_char(&text, ' ') || !cut_digits(&text, &pid) || !cut_char(&text, '#') || !cut_digits(&text, &tid) ||
        !cut_char(&text, ':'))
        return fill_refuse(fill, "expected pid#tid:", text.ptr);
    fill_time(fill, time_ns);
    fill->record.level = lb_level_parse(level);
    fill_number(fill, LB_STR("pid"), pid);
    fill_number(fill, LB_STR("tid"), tid);
    cut_blanks(&text);
    cut_connection(fill, &text);
    context = memmem(text.ptr, text.len, ", client: ", 10);
    if (context != NULL) {
        fill_context(fill, cut_from(text, (size_t)(context - text.ptr)));
        text.len = (size_t)(context - text.ptr);
    }
    fill_limit(fill, text);
    fill_message(fill, cut_trimmed(text));
    return LB_OK;
}

static enum lb_err nginx_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    const struct zoned *self = state;
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);

    if (err != LB_OK)
        return err;
    /* "2021/…" against "20.0.0.1 - …" */
    if (fill.text.len > 4 && fill.text.ptr[4] == '/' && cut_count_digits(fill.text) == 4)
        err = read_error(&fill, self);
    else
        err = access_read(&fill, self);
    return err == LB_OK ? fill_done(&fill, record) : err;
}

const struct lb_parser_type lb_parser_nginx = {
    .module = { .name = "nginx",
                .help = "nginx's access log (combined and what is usually appended) and error log",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = nginx_parse,
    .close = zoned_close,
};
