/*
 * parser_apache.c - Apache's access logs (common, combined, with a virtual host in front, mod_ssl's) and error log.
 *
 * Lines of the error log are those that begin with a bracket: time, then module and level, process and client, each
 * in brackets, then the message.
 */
#include "access.h"
#include "cut.h"

/* "core:error" or "error" */
static bool fill_severity(struct fill *fill, struct lb_str inside)
{
    const char *colon = memchr(inside.ptr, ':', inside.len);
    struct lb_str level = colon != NULL ? cut_from(inside, (size_t)(colon + 1 - inside.ptr)) : inside;

    /* trace1 to trace8 */
    if (level.len == 6 && memcmp(level.ptr, "trace", 5) == 0)
        level.len = 5;
    if (lb_level_parse(level) == LB_LEVEL_NONE)
        return false;
    fill->record.level = lb_level_parse(level);
    if (colon != NULL)
        fill_text(fill, LB_STR("module"), (struct lb_str){ inside.ptr, (size_t)(colon - inside.ptr) });
    return true;
}

/* "pid 4803:tid 3814" or "client 192.0.2.1:1234" */
static bool fill_bracket(struct fill *fill, struct lb_str inside)
{
    struct lb_str number;

    if (cut_word(&inside, "pid ") && cut_digits(&inside, &number)) {
        fill_number(fill, LB_STR("pid"), number);
        if (cut_word(&inside, ":tid "))
            fill_text(fill, LB_STR("tid"), inside);
        return true;
    }
    if (!cut_word(&inside, "client ") && !cut_word(&inside, "remote "))
        return false;
    fill_address(fill, LB_STR("client_ip"), LB_STR("client_port"), inside);
    return true;
}

/* "…, referer: http://…" at the end. */
static struct lb_str without_referrer(struct fill *fill, struct lb_str message)
{
    const char *at = message.len > 0 ? memmem(message.ptr, message.len, ", referer: ", 11) : NULL;

    if (at == NULL)
        return message;
    fill_text(fill, LB_STR("referrer"), cut_from(message, (size_t)(at + 11 - message.ptr)));
    message.len = (size_t)(at - message.ptr);
    return message;
}

/* An address of IPv6 has brackets of its own before its port: "client [2001:db8::1]:1234" */
static bool cut_bracket(struct lb_str *text, struct lb_str *inside)
{
    struct lb_str more;

    if (!cut_word(text, " [") || !cut_until(text, ']', inside))
        return false;
    if (inside->len > 8 && inside->ptr[7] == '[' && text->len > 0 && *text->ptr == ':' && cut_until(text, ']', &more))
        inside->len += more.len + 1;
    return true;
}

/* [Tue Apr 04 06:18:29.712806 2017] [core:error] [pid 17725] [client 127.0.0.1:60444] message */
static enum lb_err read_error(struct fill *fill, const struct zoned *zone)
{
    struct lb_str text = fill->text;
    struct lb_str inside;
    int64_t time_ns;

    if (!cut_char(&text, '[') || !cut_until(&text, ']', &inside) ||
        !access_time(zone, inside, fill->context->batch->arrival_ns, &time_ns))
        return fill_refuse(fill, "expected a time in brackets", fill->text.ptr);
    fill_time(fill, time_ns);
    if (!cut_word(&text, " [") || !cut_until(&text, ']', &inside) || !fill_severity(fill, inside))
        return fill_refuse(fill, "expected [module:level]", text.ptr);
    for (int i = 0; i < 2; i++) {
        struct lb_str rest = text;

        if (cut_bracket(&rest, &inside) && fill_bracket(fill, inside))
            text = rest;
    }
    fill_message(fill, without_referrer(fill, cut_trimmed(text)));
    return LB_OK;
}

/* [10/Aug/2018:09:45:56 +0200] 192.0.2.1 TLSv1.2 ECDHE-… "GET / HTTP/1.1" 1375 */
static enum lb_err read_ssl(struct fill *fill, const struct zoned *zone)
{
    struct lb_str text = fill->text;
    struct lb_str inside, client, protocol, cipher, request, bytes = { NULL, 0 };
    int64_t time_ns;

    fill->count = 0;
    if (!cut_char(&text, '[') || !cut_until(&text, ']', &inside) || !cut_char(&text, ' ') ||
        !cut_token(&text, &client) || !cut_token(&text, &protocol) || !cut_token(&text, &cipher) ||
        !cut_quoted(&text, &request) || !access_time(zone, inside, fill->context->batch->arrival_ns, &time_ns))
        return LB_BAD_INPUT;
    cut_blanks(&text);
    if (!cut_digits(&text, &bytes) && !cut_char(&text, '-'))
        return LB_BAD_INPUT;
    fill_time(fill, time_ns);
    fill_text(fill, LB_STR("client_ip"), client);
    fill_text(fill, LB_STR("tls_version"), protocol);
    fill_text(fill, LB_STR("tls_cipher"), cipher);
    fill_message(fill, request);
    fill_request(fill, request);
    fill_number(fill, LB_STR("bytes"), bytes);
    return LB_OK;
}

static enum lb_err apache_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    const struct zoned *self = state;
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);

    if (err != LB_OK)
        return err;
    if (fill.text.len > 0 && *fill.text.ptr == '[') {
        err = read_error(&fill, self);
        if (err == LB_BAD_INPUT && read_ssl(&fill, self) == LB_OK)
            err = LB_OK;
    } else {
        err = access_read(&fill, self);
    }
    return err == LB_OK ? fill_done(&fill, record) : err;
}

const struct lb_parser_type lb_parser_apache = {
    .module = { .name = "apache",
                .help = "Apache's access logs (common, combined, with virtual hosts) and error log",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = apache_parse,
    .close = zoned_close,
};
