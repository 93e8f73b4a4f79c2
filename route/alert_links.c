/*
 * alert_links.c - alert → address, and command.
 *
 * The command asks for what the rule asks for, from the beginning of the
 * window in which the alert began until now. Where a part of it cannot be said
 * safely it is left out: the command shows more then, never less.
 */
#include "alert_links.h"

#include "alert_text.h"
#include "lb_clock.h"
#include "lb_expr.h"
#include "lb_time.h"

enum { WHERE_BYTES = LB_ALERT_LINK_BYTES };

bool lb_alert_url_write(struct lb_buffer *out, const struct lb_alerting *alerting, const struct lb_alert_event *event)
{
    if (alerting->external_url.len == 0 || event->summary)
        return false;
    lb_buffer_append_str(out, alerting->external_url);
    lb_buffer_print(out, "/#alert/%016llx", (unsigned long long)event->id);
    return true;
}

/* --- words of a shell ----------------------------------------------------- */

/* Means itself in a shell, in an expression and in a list of names. */
static bool is_plain(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!letter && (c == '\0' || strchr("._-/", c) == NULL))
            return false;
    }
    return text.len > 0 && *text.ptr != '-';
}

static bool has_control(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return true;
    return false;
}

static void put_word(struct lb_buffer *out, struct lb_str text)
{
    if (is_plain(text)) {
        lb_buffer_append_str(out, text);
        return;
    }
    lb_buffer_append_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'')
            lb_buffer_append_str(out, LB_STR("'\\''"));
        else
            lb_buffer_append_char(out, text.ptr[i]);
    }
    lb_buffer_append_char(out, '\'');
}

/* --- what is asked for ---------------------------------------------------- */

static void put_and(struct lb_buffer *where)
{
    if (where->len > 0)
        lb_buffer_append_str(where, LB_STR(" and "));
}

/* A line end in a long expression is a blank. */
static void put_expr(struct lb_buffer *where, const struct lb_expr *expr)
{
    struct lb_str text = expr != NULL ? lb_expr_text(expr) : LB_STR("");

    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == ' '))
        text.len--;
    if (text.len == 0 || lb_expr_constant(expr) == LB_EXPR_ALWAYS)
        return;
    put_and(where);
    lb_buffer_append_char(where, '(');
    for (size_t i = 0; i < text.len; i++)
        lb_buffer_append_char(where, text.ptr[i] == '\n' || text.ptr[i] == '\t' ? ' ' : text.ptr[i]);
    lb_buffer_append_char(where, ')');
}

static void put_equal(struct lb_buffer *where, struct lb_str name, struct lb_str value)
{
    if (!is_plain(name) || has_control(value))
        return;
    put_and(where);
    lb_buffer_append_str(where, name);
    lb_buffer_append_str(where, LB_STR(" == \""));
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            lb_buffer_append_char(where, '\\');
        lb_buffer_append_char(where, value.ptr[i]);
    }
    lb_buffer_append_char(where, '"');
}

/* All but a plain service, which is an option of its own. */
static struct lb_str put_key(struct lb_buffer *where, const struct lb_alert_event *event)
{
    struct lb_str service = LB_STR("");
    struct lb_str value;
    size_t at = 0;

    /* What was cut equals nothing. */
    for (size_t i = 0; event->key.len < LB_KEY_BYTES_MAX && lb_alert_key_next(event->rule, event->key, i, &at, &value);
         i++) {
        if (lb_str_is(event->rule->by.items[i], "service") && is_plain(value))
            service = value;
        else
            put_equal(where, event->rule->by.items[i], value);
    }
    return service;
}

/* --- the command ---------------------------------------------------------- */

static bool has_records(const struct lb_alert_rule *rule)
{
    return (rule->value_text.len > 0 || rule->when_text.len > 0) && rule->probe == LB_PROBE_NONE && !rule->absent;
}

static void put_time(struct lb_buffer *out, const char *option, int64_t time)
{
    char text[LB_TIME_TEXT_SIZE];
    size_t len = lb_time_write(time / LB_SECOND * LB_SECOND, text);

    lb_buffer_print(out, " %s %.*s", option, (int)len, text);
}

static void put_path(struct lb_buffer *out, const struct lb_alerting *alerting, struct lb_str service)
{
    struct lb_buffer path;

    lb_buffer_init(&path, LB_ALERT_LINK_BYTES);
    lb_buffer_append_str(&path, alerting->archive_root);
    if (alerting->archive_by_service && service.len > 0 && *service.ptr != '.' &&
        memchr(service.ptr, '/', service.len) == NULL) {
        lb_buffer_append_char(&path, '/');
        lb_buffer_append_str(&path, service);
    }
    lb_buffer_append_char(out, ' ');
    put_word(out, lb_buffer_str(&path));
    out->failed = out->failed || path.failed;
    lb_buffer_free(&path);
}

bool lb_alert_grep_write(struct lb_buffer *out, const struct lb_alerting *alerting, const struct lb_alert_event *event)
{
    const struct lb_alert_rule *rule = event->rule;
    struct lb_buffer command;
    struct lb_buffer where;
    struct lb_str service;

    if (alerting->archive_root.len == 0 || !has_records(rule) || lb_alert_is_blindness(event))
        return false;
    lb_buffer_init(&where, WHERE_BYTES);
    lb_buffer_init(&command, LB_ALERT_LINK_BYTES);
    put_expr(&where, rule->where);
    if (rule->part_count == 0)
        put_expr(&where, rule->inner);
    service = put_key(&where, event);
    lb_buffer_append_str(&command, LB_STR("logboom grep"));
    if (service.len > 0) {
        lb_buffer_append_str(&command, LB_STR(" --service "));
        put_word(&command, service);
    }
    put_time(&command, "--since", event->started - rule->over_ns);
    put_time(&command, "--until", event->at + LB_SECOND);
    if (where.len > 0) {
        lb_buffer_append_str(&command, LB_STR(" --where "));
        put_word(&command, lb_buffer_str(&where));
    }
    put_path(&command, alerting, service);
    bool whole = !where.failed && !command.failed && !has_control(lb_buffer_str(&command));
    if (whole)
        lb_buffer_append_str(out, lb_buffer_str(&command));
    lb_buffer_free(&where);
    lb_buffer_free(&command);
    return whole;
}
