/*
 * parser_mysql.c - MySQL, MariaDB and Percona: the slow query log and the error log.
 *
 * An entry of the slow log has several lines; a multi-line rule brings them together (`# Time:` or `# User@Host:`
 * begins one). What its header says under names of its own stays under them. The time is that of SET timestamp, for it
 * alone has no zone to be guessed; the message is the statement.
 */
#include "cut.h"
#include "fill.h"
#include "zoned.h"

/* The rest of the line, without its end, which goes too. */
static struct lb_str cut_line(struct lb_str *text)
{
    struct lb_str line;

    if (!cut_until(text, '\n', &line)) {
        line = *text;
        *text = cut_from(*text, text->len);
    }
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* `161209 13:08:33`, `161209  9:08:33` */
static bool cut_short_time(struct fill *fill, const struct zoned *zone, struct lb_str *text)
{
    struct time_cursor at = time_cursor_of(*text);
    struct time_parts parts = { 0 };
    int64_t time_ns;

    if (time_digits(&at, 7) != 6 || !time_read_number(&at, 2, 2, &parts.year) ||
        !time_read_number(&at, 2, 2, &parts.month) || !time_read_number(&at, 2, 2, &parts.day) || !time_take(&at, ' '))
        return false;
    parts.year += 2000;
    time_skip_blanks(&at);
    if (!time_read_clock(&at, &parts) || !zoned_parts(zone, &parts, fill->context->batch->arrival_ns, &time_ns))
        return false;
    fill_time(fill, time_ns);
    *text = (struct lb_str){ at.ptr, (size_t)(at.end - at.ptr) };
    return true;
}

/* --- slow ---------------------------------------------------------------------------- */

/* `root[root] @ apphost [192.0.2.1]  Id: 7234` */
static void fill_user(struct fill *fill, struct lb_str text)
{
    struct lb_str user, host, address, id;

    cut_blanks(&text);
    if (!cut_until(&text, '[', &user) || !cut_until(&text, '@', &host))
        return;
    fill_text(fill, LB_STR("user"), user);
    if (!cut_until(&text, '[', &host) || !cut_until(&text, ']', &address))
        return;
    fill_text(fill, LB_STR("client_host"), cut_trimmed(host));
    fill_text(fill, LB_STR("client_ip"), address);
    cut_blanks(&text);
    if (cut_word(&text, "Id: ")) {
        cut_blanks(&text);
        if (cut_digits(&text, &id))
            fill_number(fill, LB_STR("thread_id"), id);
    }
}

static void fill_item(struct fill *fill, struct lb_str key, struct lb_str value)
{
    static const struct {
        const char *theirs;
        struct lb_str ours;
    } names[] = { { "Rows_sent", LB_STR("rows_sent") },         { "Rows_examined", LB_STR("rows_examined") },
                  { "Rows_affected", LB_STR("rows_affected") }, { "Bytes_sent", LB_STR("bytes") },
                  { "Thread_id", LB_STR("thread_id") },         { "Schema", LB_STR("database") } };

    if (lb_str_is(key, "Query_time")) {
        fill_scaled(fill, LB_STR("duration_ms"), value, 3);
    } else if (lb_str_is(key, "Lock_time")) {
        fill_scaled(fill, LB_STR("lock_ms"), value, 3);
    } else {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (lb_str_is(key, names[i].theirs))
                key = names[i].ours;
        if (value.len > 0)
            fill_pair(fill, key, fill_as_number(value));
    }
}

/* `Query_time: 2.0  Lock_time: 0.0 Schema:  Rows_sent: 1`: a value may be missing. */
static void fill_items(struct fill *fill, struct lb_str text)
{
    struct lb_str key;

    for (;;) {
        struct lb_str value = { NULL, 0 };
        struct lb_str rest;

        cut_blanks(&text);
        if (!cut_until(&text, ':', &key) || key.len == 0 || memchr(key.ptr, ' ', key.len) != NULL)
            return;
        cut_blanks(&text);
        rest = text;
        if (cut_token(&rest, &value) && value.ptr[value.len - 1] != ':')
            text = rest;
        else
            value.len = 0;
        fill_item(fill, key, value);
    }
}

static void read_comment(struct fill *fill, const struct zoned *zone, struct lb_str line)
{
    int64_t time_ns;

    if (cut_word(&line, "Time: ")) {
        if (!cut_short_time(fill, zone, &line) && zoned_time(zone, line, fill->context->batch->arrival_ns, &time_ns))
            fill_time(fill, time_ns);
    } else if (cut_word(&line, "User@Host:")) {
        fill_user(fill, line);
    } else {
        fill_items(fill, line);
    }
}

/* `use shop;` and `SET timestamp=1533630467;` before the statement. False: it is the statement. */
static bool read_setting(struct fill *fill, struct lb_str line)
{
    struct lb_str value;
    int64_t time_ns;

    if (cut_word(&line, "use ") && cut_until(&line, ';', &value) && line.len == 0) {
        fill_text(fill, LB_STR("database"), value);
        return true;
    }
    if (!cut_word(&line, "SET timestamp=") || !cut_until(&line, ';', &value) || !lb_time_epoch(value, &time_ns))
        return false;
    fill_time(fill, time_ns);
    return true;
}

/* Where entries are told apart at `# User@Host:`, the time of the next one is the last line. */
static struct lb_str without_next_time(struct lb_str text)
{
    const char *line;

    text = cut_trimmed(text);
    line = text.len > 0 ? memrchr(text.ptr, '\n', text.len) : NULL;
    if (line != NULL && lb_str_starts(cut_from(text, (size_t)(line + 1 - text.ptr)), LB_STR("# Time: ")))
        text.len = (size_t)(line - text.ptr);
    return cut_trimmed(text);
}

static enum lb_err read_slow(struct fill *fill, const struct zoned *zone)
{
    struct lb_str text = fill->text;

    if (!lb_str_starts(text, LB_STR("# Time: ")) && !lb_str_starts(text, LB_STR("# User@Host: ")))
        return fill_refuse(fill, "expected # Time: or # User@Host:", text.ptr);
    while (text.len > 0 && *text.ptr == '#') {
        struct lb_str line = cut_line(&text);

        if (cut_word(&line, "# "))
            read_comment(fill, zone, line);
    }
    for (;;) {
        struct lb_str rest = text;

        if (text.len == 0 || !read_setting(fill, cut_line(&rest)))
            break;
        text = rest;
    }
    fill_message(fill, without_next_time(text));
    return LB_OK;
}

/* --- errors ---------------------------------------------------------------------------- */

/* `2026-03-01T10:00:00.000000Z`, `2026-03-01 10:00:00`, `2026-03-01  9:00:00` */
static bool cut_time(struct fill *fill, const struct zoned *zone, struct lb_str *text)
{
    struct lb_str rest = *text;
    struct lb_str stamp, clock;
    int64_t time_ns;

    if (cut_short_time(fill, zone, text))
        return true;
    if (!cut_token(&rest, &stamp) || stamp.len < 10 || stamp.ptr[4] != '-')
        return false;
    if (stamp.len == 10) {
        cut_blanks(&rest);
        if (!cut_token(&rest, &clock))
            return false;
        stamp.len = (size_t)(clock.ptr + clock.len - stamp.ptr);
    }
    if (!zoned_time(zone, stamp, fill->context->batch->arrival_ns, &time_ns))
        return false;
    fill_time(fill, time_ns);
    *text = rest;
    return true;
}

static bool fill_level(struct fill *fill, struct lb_str word)
{
    uint8_t level = lb_level_parse(word);

    if (lb_str_is(word, "Note"))
        level = LB_LEVEL_NOTICE;
    else if (lb_str_is(word, "System"))
        level = LB_LEVEL_INFO;
    if (level == LB_LEVEL_NONE)
        return false;
    fill->record.level = level;
    return true;
}

/* `[Note] [MY-010926] [Server] ` */
static void cut_brackets(struct fill *fill, struct lb_str *text)
{
    static const struct lb_str names[] = { LB_STR(""), LB_STR("code"), LB_STR("subsystem") };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct lb_str rest = *text;
        struct lb_str inside;

        if (!cut_char(&rest, '[') || !cut_until(&rest, ']', &inside) || (i == 0 && !fill_level(fill, inside)) ||
            (i == 1 && !lb_str_starts(inside, LB_STR("MY-"))))
            return;
        if (i > 0)
            fill_text(fill, names[i], inside);
        cut_blanks(&rest);
        *text = rest;
    }
}

static enum lb_err read_error(struct fill *fill, const struct zoned *zone)
{
    struct lb_str text = fill->text;
    struct lb_str rest;
    struct lb_str thread;

    if (!cut_time(fill, zone, &text))
        return fill_refuse(fill, "expected a time or an entry of the slow log", fill->text.ptr);
    cut_blanks(&text);
    rest = text;
    if (cut_digits(&rest, &thread) && cut_char(&rest, ' ')) {
        fill_number(fill, LB_STR("thread_id"), thread);
        text = rest;
        cut_blanks(&text);
    }
    cut_brackets(fill, &text);
    fill_message(fill, cut_trimmed(text));
    return LB_OK;
}

static enum lb_err mysql_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);

    if (err != LB_OK)
        return err;
    err = fill.text.len > 0 && *fill.text.ptr == '#' ? read_slow(&fill, state) : read_error(&fill, state);
    return err == LB_OK ? fill_done(&fill, record) : err;
}

const struct lb_parser_type lb_parser_mysql = {
    .module = { .name = "mysql",
                .help = "MySQL, MariaDB and Percona: the slow query log and the error log",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = mysql_parse,
    .close = zoned_close,
};
