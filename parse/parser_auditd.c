/*
 * parser_auditd.c - Linux's audit log: `type=SYSCALL msg=audit(1772359200.123:4711): pid=1 uid=0 msg='op=login
 * res=success'`.
 *
 * Records of one event have the same `sequence`. What stands in the inner msg='…' are fields like the others. Values
 * in double quotes are as they stand; those that the kernel wrote in hexadecimal, for they hold blanks or worse, stay
 * so.
 */
#include "cut.h"
#include "fill.h"

static bool is_key(struct lb_str key)
{
    for (size_t i = 0; i < key.len; i++)
        if (!cut_is_letter(key.ptr[i]) && !cut_is_digit(key.ptr[i]) && key.ptr[i] != '_' && key.ptr[i] != '-')
            return false;
    return key.len > 0;
}

/* audit(1772359200.123:4711): */
static bool take_stamp(struct fill *fill, struct lb_str *text)
{
    struct lb_str seconds;
    struct lb_str sequence;
    int64_t time_ns;

    if (!lb_str_starts(*text, LB_STR("msg=audit(")))
        return false;
    *text = cut_from(*text, 10);
    if (!cut_until(text, ':', &seconds) || !cut_until(text, ')', &sequence) || !lb_time_epoch(seconds, &time_ns))
        return false;
    (void)cut_char(text, ':');
    fill_time(fill, time_ns);
    fill_number(fill, LB_STR("sequence"), sequence);
    return true;
}

static struct lb_str cut_value(struct lb_str *text, char end)
{
    struct lb_str value;

    if (cut_char(text, '"') && cut_until(text, '"', &value))
        return value;
    size_t len = 0;
    while (len < text->len && text->ptr[len] != ' ' && text->ptr[len] != end && text->ptr[len] != '\x1d')
        len++;
    value = (struct lb_str){ text->ptr, len };
    *text = cut_from(*text, len);
    return value;
}

/* The pairs up to `end`; words between them are the kernel's prose, and stay in the message alone. */
static void take_pairs(struct fill *fill, struct lb_str *text, char end)
{
    while (text->len > 0 && *text->ptr != end) {
        size_t len = 0;

        while (len < text->len && strchr("= \x1d,", text->ptr[len]) == NULL && text->ptr[len] != end)
            len++;
        struct lb_str key = { text->ptr, len };
        *text = cut_from(*text, len);
        if (!cut_char(text, '=')) {
            if (text->len > 0 && *text->ptr != end)
                *text = cut_from(*text, 1);
            continue;
        }
        if (end == '\0' && lb_str_is(key, "msg") && cut_char(text, '\'')) { /* it holds no other */
            take_pairs(fill, text, '\'');
            (void)cut_char(text, '\'');
            continue;
        }
        struct lb_str value = cut_value(text, end);
        if (is_key(key) && !lb_str_is(value, "?"))
            fill_pair(fill, key, lb_value_text(value));
    }
}

static enum lb_err read_line(struct fill *fill)
{
    struct lb_str text = fill->text;
    struct lb_str node;
    struct lb_str type;

    if (lb_str_starts(text, LB_STR("node="))) {
        text = cut_from(text, 5);
        if (!cut_until(&text, ' ', &node))
            return fill_refuse(fill, "expected type=", fill->text.ptr);
        fill->record.host = lb_value_text(node);
    }
    if (!lb_str_starts(text, LB_STR("type=")))
        return fill_refuse(fill, "expected type=", text.ptr);
    text = cut_from(text, 5);
    if (!cut_until(&text, ' ', &type) || !take_stamp(fill, &text))
        return fill_refuse(fill, "expected msg=audit(SECONDS:NUMBER)", text.ptr);
    fill_text(fill, LB_STR("type"), type);
    take_pairs(fill, &text, '\0');
    return LB_OK;
}

static enum lb_err auditd_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);

    (void)state;
    if (err == LB_OK)
        err = read_line(&fill);
    return err == LB_OK ? fill_done(&fill, record) : err;
}

static const struct lb_option options[] = {
    { .name = NULL },
};

const struct lb_parser_type lb_parser_auditd = {
    .module = { .name = "auditd",
                .help = "Linux's audit log: type, sequence and the pairs of each record",
                .options = options },
    .parse = auditd_parse,
};
