/*
 * parser_postgres.c - PostgreSQL's log: stderr with any usual log_line_prefix, csvlog, jsonlog; pgbouncer's too.
 *
 * A prefix is what the administrator made it, so it is read from both ends: the time at its front, the severity at its
 * end, and between them whatever can be told: [pid], user=…, user@database, an address. If something cannot, the whole
 * prefix is kept as the field `prefix`, so that nothing is lost.
 */
#include "csv.h"
#include "cut.h"
#include "fill.h"
#include "leading.h"
#include "zoned.h"

enum { PREFIX_BYTES_MAX = 512 };

extern const struct lb_parser_type lb_parser_json;

static bool is_severity(struct lb_str word)
{
    static const char *const words[] = { "LOG",    "ERROR",  "STATEMENT", "DETAIL", "WARNING",  "FATAL",  "HINT",
                                         "NOTICE", "INFO",   "CONTEXT",   "PANIC",  "QUERY",    "DEBUG",  "NOISE",
                                         "DEBUG1", "DEBUG2", "DEBUG3",    "DEBUG4", "LOCATION", "DEBUG5", NULL };

    for (int i = 0; words[i] != NULL; i++)
        if (lb_str_is(word, words[i]))
            return true;
    return false;
}

/* LOG and what explains another line (DETAIL, HINT, STATEMENT …) are information. */
static void fill_severity(struct fill *fill, struct lb_str word)
{
    uint8_t level;

    fill_text(fill, LB_STR("error_severity"), word);
    if (word.len == 6 && cut_is_digit(word.ptr[5]))
        word.len = 5;
    level = lb_level_parse(word);
    fill->record.level = level != LB_LEVEL_NONE ? level : LB_LEVEL_INFO;
}

/* "duration: 0.168 ms  statement: …" */
static bool duration_of(struct lb_str message, struct lb_str *duration)
{
    return cut_word(&message, "duration: ") && cut_token(&message, duration) && cut_is_number(*duration) &&
           cut_word(&message, "ms");
}

static void fill_statement(struct fill *fill, struct lb_str message)
{
    struct lb_str duration;

    fill_message(fill, message);
    if (duration_of(message, &duration))
        fill_number(fill, LB_STR("duration_ms"), duration);
}

static void fill_client(struct fill *fill, struct lb_str address)
{
    if (address.len > 0 && *address.ptr != '[')
        fill_address(fill, LB_STR("client_ip"), LB_STR("client_port"), address);
}

/* --- the time ------------------------------------------------------------------------ */

/* "2026-03-01 10:00:00", with fraction, without zone. Its length; 0: it is none. */
static size_t stamp_length(struct lb_str text)
{
    static const char shape[] = "0000-00-00 00:00:00";
    size_t len = sizeof(shape) - 1;

    if (text.len < len)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (shape[i] == '0' ? !cut_is_digit(text.ptr[i]) : text.ptr[i] != shape[i])
            return 0;
    if (len < text.len && text.ptr[len] == '.')
        len += 1 + cut_count_digits(cut_from(text, len + 1));
    return len;
}

/* " CET" or " +0100" or "+01"; 0: there is none. */
static size_t zone_length(struct lb_str text)
{
    size_t len = text.len > 0 && *text.ptr == ' ';

    if (len == text.len)
        return 0;
    if (text.ptr[len] == '+' || text.ptr[len] == '-') {
        size_t digits = cut_count_digits(cut_from(text, len + 1));

        return digits == 2 || digits == 4 ? len + 1 + digits : 0;
    }
    while (len < text.len && cut_is_letter(text.ptr[len]))
        len++;
    return len > 3 ? len : 0;
}

/* %m, %t or %n at the front. */
static bool cut_stamp(struct fill *fill, const struct zoned *zone, struct lb_str *text)
{
    int64_t now_ns = fill->context->batch->arrival_ns;
    size_t len = stamp_length(*text);
    size_t zone_len = len > 0 ? zone_length(cut_from(*text, len)) : 0;
    int64_t time_ns;

    if (len > 0) {
        if (zone_len > 0 && zoned_time(zone, (struct lb_str){ text->ptr, len + zone_len }, now_ns, &time_ns))
            len += zone_len;
        else if (!zoned_time(zone, (struct lb_str){ text->ptr, len }, now_ns, &time_ns))
            return false;
    } else {
        len = cut_count_digits(*text);
        if (len != 10)
            return false;
        if (len < text->len && text->ptr[len] == '.')
            len += 1 + cut_count_digits(cut_from(*text, len + 1));
        if (!lb_time_epoch((struct lb_str){ text->ptr, len }, &time_ns))
            return false;
    }
    fill_time(fill, time_ns);
    *text = cut_from(*text, len);
    return true;
}

/* `Mar  1 10:00:00 host postgres[7]: [3-1] ` as syslog writes it to a file; the time may be that of RFC 3339. */
static bool cut_header(struct fill *fill, struct lb_str *text)
{
    struct lb_str rest = *text;
    struct lb_str stamp, host, pid;
    int64_t time_ns;
    size_t used;

    if (lb_time_rfc3164(rest, fill->context->batch->arrival_ns, &time_ns, &used))
        rest = cut_from(rest, used);
    else if (!cut_token(&rest, &stamp) || stamp.len < 20 || !lb_time_rfc3339(stamp, &time_ns))
        return false;
    cut_blanks(&rest);
    if (!cut_token(&rest, &host))
        return false;
    if (!cut_word(&rest, "postgres[")) {
        /* logplex: `app[postgres.4882]: ` */
        rest = host;
        if (!cut_word(&rest, "app[postgres."))
            return false;
        rest.len = (size_t)(text->ptr + text->len - rest.ptr);
        host.len = 0;
    }
    if (!cut_digits(&rest, &pid) || !cut_word(&rest, "]: "))
        return false;
    if (host.len > 0)
        fill->record.host = lb_value_text(host);
    fill_time(fill, time_ns);
    fill_number(fill, LB_STR("pid"), pid);
    *text = rest;
    return true;
}

/* --- the prefix ---------------------------------------------------------------------- */

struct prefix {
    struct fill *fill;
    bool has_pid;
    bool strange; /* something in it was not understood */
};

/* %h is an address alone, %r has its port in parentheses. */
static void take_client(struct fill *fill, struct lb_str text)
{
    struct lb_str rest = text;
    struct lb_str address, port;

    if (text.len == 0 || *text.ptr == '[')
        return;
    if (!cut_until(&rest, '(', &address)) {
        fill_text(fill, LB_STR("client_ip"), text);
        return;
    }
    fill_text(fill, LB_STR("client_ip"), address);
    if (cut_digits(&rest, &port))
        fill_number(fill, LB_STR("client_port"), port);
}

/* `user=alice` up to a comma or blank. */
static bool take_named(struct prefix *self, struct lb_str *text)
{
    static const struct {
        const char *theirs;
        struct lb_str ours;
    } names[] = {
        { "user=", LB_STR("user") },
        { "db=", LB_STR("database") },
        { "app=", LB_STR("application_name") },
        { "client=", LB_STR("client_ip") },
        { "host=", LB_STR("client_ip") },
        { "sql_error_code = ", LB_STR("sql_state") },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct lb_str rest = *text;
        size_t len = 0;

        if (!cut_word(&rest, names[i].theirs))
            continue;
        while (len < rest.len && rest.ptr[len] != ',' && rest.ptr[len] != ' ')
            len++;
        if (lb_str_is(names[i].ours, "client_ip"))
            take_client(self->fill, (struct lb_str){ rest.ptr, len });
        else
            fill_text(self->fill, names[i].ours, (struct lb_str){ rest.ptr, len });
        *text = cut_from(rest, len);
        return true;
    }
    return false;
}

/* `[123]` or `[123-4]`: the process, then a line number of it. `[queryid=…]`. `[local]`. */
static bool take_bracket(struct prefix *self, struct lb_str *text)
{
    struct lb_str rest = *text;
    struct lb_str inside;
    struct lb_str digits;

    if (!cut_char(&rest, '[') || !cut_until(&rest, ']', &inside))
        return false;
    *text = rest;
    rest = inside;
    if (cut_digits(&rest, &digits) && (rest.len == 0 || *rest.ptr == '-')) {
        if (!self->has_pid)
            fill_number(self->fill, LB_STR("pid"), digits);
        self->has_pid = true;
    } else if (cut_word(&inside, "queryid=")) {
        fill_text(self->fill, LB_STR("query_id"), inside);
    } else if (!lb_str_is(inside, "local")) {
        self->strange = true;
    }
    return true;
}

static bool is_part_end(char c)
{
    return c == ' ' || c == ',' || c == ':';
}

/* `alice@shop`, `192.0.2.1(1234)`, or what nobody knows. */
static void take_word(struct prefix *self, struct lb_str word)
{
    struct lb_str rest = word;
    struct lb_str user;

    if (word.len == 1 && (*word.ptr == '@' || *word.ptr == '-'))
        return;
    if (cut_until(&rest, '@', &user)) {
        if (user.len > 0 && *user.ptr != '[')
            fill_text(self->fill, LB_STR("user"), user);
        if (rest.len > 0 && *rest.ptr != '[')
            fill_text(self->fill, LB_STR("database"), rest);
        return;
    }
    /* Two points at least: one alone is in a session's id too. */
    if (cut_is_digit(*word.ptr) && memchr(word.ptr, '.', word.len) != memrchr(word.ptr, '.', word.len))
        take_client(self->fill, word);
    else
        self->strange = true;
}

static void read_prefix(struct prefix *self, struct lb_str text)
{
    while (text.len > 0) {
        size_t len = 0;

        if (is_part_end(*text.ptr)) {
            text = cut_from(text, 1);
            continue;
        }
        if (take_named(self, &text))
            continue;
        if (*text.ptr == '[' && memchr(text.ptr, '@', text.len) == NULL && take_bracket(self, &text))
            continue;
        if (*text.ptr == '[' && text.len > 1 && cut_is_digit(text.ptr[1]) && take_bracket(self, &text))
            continue;
        while (len < text.len && !is_part_end(text.ptr[len]))
            len++;
        take_word(self, (struct lb_str){ text.ptr, len });
        text = cut_from(text, len);
    }
}

/* The severity and its colon; `*before` is what precedes it. pgbouncer has none, but a blank behind `] LOG`. */
static bool cut_severity(struct lb_str *text, struct lb_str *before, struct lb_str *severity)
{
    size_t max = text->len < PREFIX_BYTES_MAX ? text->len : PREFIX_BYTES_MAX;
    size_t word = 0;

    for (size_t i = 0; i < max; i++) {
        char c = text->ptr[i];

        if (c >= 'A' && c <= 'Z')
            continue;
        if (c >= '0' && c <= '9' && i > word)
            continue;
        *severity = (struct lb_str){ text->ptr + word, i - word };
        if ((c == ':' || (c == ' ' && word > 1 && text->ptr[word - 2] == ']')) && is_severity(*severity)) {
            *before = (struct lb_str){ text->ptr, word };
            *text = cut_from(*text, i + 1);
            return true;
        }
        word = i + 1;
    }
    return false;
}

/* Where the time stands: mostly at the front, but that is the administrator's choice. */
static bool find_stamp(struct fill *fill, const struct zoned *zone, struct lb_str text, struct lb_str *before,
                       struct lb_str *behind)
{
    for (size_t i = 0; i < text.len; i++) {
        if (i > 0 && !is_part_end(text.ptr[i - 1]) && text.ptr[i - 1] != '[')
            continue;
        *behind = cut_from(text, i);
        *before = (struct lb_str){ text.ptr, i };
        if (cut_is_digit(*behind->ptr) && cut_stamp(fill, zone, behind))
            return true;
    }
    return false;
}

static enum lb_err read_text(struct fill *fill, const struct zoned *zone)
{
    struct prefix prefix = { .fill = fill };
    struct lb_str text = fill->text;
    struct lb_str all, severity, before, behind;

    prefix.has_pid = cut_header(fill, &text);
    if (!cut_severity(&text, &all, &severity))
        return fill_refuse(fill, "expected a severity such as LOG: or ERROR:", text.ptr);
    if (find_stamp(fill, zone, all, &before, &behind)) {
        read_prefix(&prefix, before);
        read_prefix(&prefix, behind);
    } else if (prefix.has_pid) {
        read_prefix(&prefix, all);
    } else {
        return fill_refuse(fill, "expected a time such as 2006-01-02 15:04:05 UTC", fill->text.ptr);
    }
    if (prefix.strange)
        fill_text(fill, LB_STR("prefix"), cut_trimmed(all));
    fill_severity(fill, severity);
    cut_blanks(&text);
    fill_statement(fill, text);
    return LB_OK;
}

/* --- csvlog and jsonlog ---------------------------------------------------------------- */

static const struct lb_str columns[] = {
    LB_STR("timestamp"),
    LB_STR("user"),
    LB_STR("database"),
    LB_STR("pid"),
    LB_STR("client"),
    LB_STR("session_id"),
    LB_STR("session_line"),
    LB_STR("command"),
    LB_STR("session_start"),
    LB_STR("virtual_transaction_id"),
    LB_STR("transaction_id"),
    LB_STR("error_severity"),
    LB_STR("sql_state"),
    LB_STR("message"),
    LB_STR("detail"),
    LB_STR("hint"),
    LB_STR("internal_query"),
    LB_STR("internal_query_position"),
    LB_STR("context"),
    LB_STR("statement"),
    LB_STR("statement_position"),
    LB_STR("location"),
    LB_STR("application_name"),
    LB_STR("backend_type"),
    LB_STR("leader_pid"),
    LB_STR("query_id"),
};

enum {
    COLUMN_TIME = 0,
    COLUMN_PID = 3,
    COLUMN_CLIENT = 4,
    COLUMN_LINE = 6,
    COLUMN_TRANSACTION = 10,
    COLUMN_SEVERITY = 11,
    COLUMN_MESSAGE = 13,
    COLUMN_COUNT = sizeof(columns) / sizeof(columns[0]),
};

static bool fill_cell(struct fill *fill, const struct zoned *zone, size_t column, struct lb_str cell)
{
    switch (column) {
    case COLUMN_TIME: return cut_stamp(fill, zone, &cell);
    case COLUMN_CLIENT: fill_client(fill, cell); return true;
    case COLUMN_SEVERITY: fill_severity(fill, cell); return is_severity(cell);
    case COLUMN_MESSAGE: fill_statement(fill, cell); return true;
    case COLUMN_PID:
    case COLUMN_LINE:
    case COLUMN_TRANSACTION: fill_number(fill, columns[column], cell); return true;
    default: fill_text(fill, columns[column], cell); return true;
    }
}

static enum lb_err read_csv(struct fill *fill, const struct zoned *zone)
{
    struct csv_reader reader = { .rest = fill->text, .delimiter = ',', .arena = &fill->context->batch->arena };
    struct csv_cell cell;
    size_t column = 0;
    enum lb_err err;

    while ((err = csv_next(&reader, &cell)) == LB_OK) {
        if (column == COLUMN_COUNT || !fill_cell(fill, zone, column, cell.text))
            return fill_refuse(fill, "expected the columns of csvlog", fill->text.ptr);
        column++;
    }
    if (err == LB_LIMIT)
        return err;
    if (err != LB_END || column <= COLUMN_MESSAGE)
        return fill_refuse(fill, "expected the columns of csvlog", fill->text.ptr);
    return LB_OK;
}

/* The names of jsonlog that differ from those of the other formats. */
static void rename_json(struct lb_record *record)
{
    static const struct {
        const char *theirs;
        struct lb_str ours;
    } names[] = {
        { "dbname", LB_STR("database") },
        { "remote_host", LB_STR("client_ip") },
        { "remote_port", LB_STR("client_port") },
        { "line_num", LB_STR("session_line") },
        { "ps", LB_STR("command") },
        { "state_code", LB_STR("sql_state") },
        { "vxid", LB_STR("virtual_transaction_id") },
        { "txid", LB_STR("transaction_id") },
    };

    for (uint32_t i = 0; i < record->field_count; i++)
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
            if (lb_str_is((struct lb_str){ record->fields[i].key.ptr, record->fields[i].key.len }, names[n].theirs))
                record->fields[i].key = lb_value_of(names[n].ours, LB_VALUE_CLEAN);
}

static enum lb_err read_json(struct lb_record *record, struct lb_parse_context *context)
{
    struct lb_record filled = *record;
    enum lb_err err = lb_parser_json.parse(&leading_plain, &filled, context);
    struct lb_str duration;

    if (err != LB_OK)
        return err;
    rename_json(&filled);
    if (lb_value_is_string(filled.message) &&
        duration_of((struct lb_str){ filled.message.ptr, filled.message.len }, &duration) &&
        !lb_record_add(&filled, &context->batch->arena, lb_value_of(LB_STR("duration_ms"), LB_VALUE_CLEAN),
                       lb_value_of(duration, LB_VALUE_NUMBER)))
        return LB_LIMIT;
    *record = filled;
    return LB_OK;
}

static bool is_csv(struct lb_str text)
{
    size_t len = stamp_length(text);

    len += len > 0 ? zone_length(cut_from(text, len)) : 0;
    return len > 0 && len < text.len && text.ptr[len] == ',';
}

static enum lb_err postgres_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);

    if (err != LB_OK)
        return err;
    if (fill.text.len > 0 && *fill.text.ptr == '{')
        return read_json(record, context);
    err = is_csv(fill.text) ? read_csv(&fill, state) : read_text(&fill, state);
    return err == LB_OK ? fill_done(&fill, record) : err;
}

const struct lb_parser_type lb_parser_postgres = {
    .module = { .name = "postgres",
                .help = "PostgreSQL: stderr with any usual log_line_prefix, csvlog and jsonlog; pgbouncer",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = postgres_parse,
    .close = zoned_close,
};
