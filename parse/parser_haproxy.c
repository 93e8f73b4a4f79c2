/*
 * parser_haproxy.c - HAProxy's log lines: option httplog, option tcplog, connection errors, and what it says of itself.
 *
 * The date of acceptance has no zone, so a time that came with the line (from a syslog source) is kept. Files often
 * have the header of syslog before each line; only with it is a line without that date taken for HAProxy's.
 */
#include "access.h"
#include "cut.h"

enum { TIMERS_MAX = 5, CONNECTIONS = 5, QUEUES = 2 };

struct haproxy_names {
    struct lb_str items[TIMERS_MAX];
};

static const struct haproxy_names http_timers = { { LB_STR("request_ms"), LB_STR("queue_ms"), LB_STR("connect_ms"),
                                                    LB_STR("response_ms"), LB_STR("duration_ms") } };
static const struct haproxy_names tcp_timers = { { LB_STR("queue_ms"), LB_STR("connect_ms"), LB_STR("duration_ms") } };
static const struct haproxy_names connection_names = { { LB_STR("active_connections"), LB_STR("frontend_connections"),
                                                         LB_STR("backend_connections"), LB_STR("server_connections"),
                                                         LB_STR("retries") } };
static const struct haproxy_names queue_names = { { LB_STR("server_queue"), LB_STR("backend_queue") } };

/* "0/-1/+12": the names' numbers; a plus is HAProxy's for what was not over yet. Returns how many there were; 0: none.
 */
static int cut_numbers(struct lb_str token, struct lb_str *numbers)
{
    for (int count = 0; count < TIMERS_MAX; count++) {
        bool last = !cut_until(&token, '/', &numbers[count]);

        if (last)
            numbers[count] = token;
        cut_char(&numbers[count], '+');
        if (!cut_is_number(numbers[count]))
            return 0;
        if (last)
            return count + 1;
    }
    return 0;
}

static bool fill_numbers(struct fill *fill, struct lb_str token, const struct haproxy_names *names, int expected)
{
    struct lb_str numbers[TIMERS_MAX];

    if (cut_numbers(token, numbers) != expected)
        return false;
    for (int i = 0; i < expected; i++)
        fill_number(fill, names->items[i], numbers[i]);
    return true;
}

/* "{a|b}" */
static void cut_headers(struct fill *fill, struct lb_str *text, struct lb_str key)
{
    struct lb_str rest = *text;
    struct lb_str inside;

    if (!cut_char(&rest, '{') || !cut_until(&rest, '}', &inside))
        return;
    cut_blanks(&rest);
    fill_text(fill, key, inside);
    *text = rest;
}

/* Captured headers, then the request. A line that was cut has no closing quote. */
static void fill_captured(struct fill *fill, struct lb_str text)
{
    bool two = memmem(text.ptr, text.len, "} {", 3) != NULL;

    if (two)
        cut_headers(fill, &text, LB_STR("request_headers"));
    /* One group alone is the request's: those of the response are rarely captured without. */
    cut_headers(fill, &text, two ? LB_STR("response_headers") : LB_STR("request_headers"));
    if (!cut_char(&text, '"'))
        return;
    text = cut_trimmed(text);
    if (text.len > 0 && text.ptr[text.len - 1] == '"')
        text.len--;
    fill_message(fill, text);
    fill_request(fill, text);
}

/* `--VN 1/1/0/0/0 0/0` and what follows. */
static bool read_end(struct fill *fill, struct lb_str text)
{
    struct lb_str termination, connections, queues;

    if (!cut_token(&text, &termination) || !cut_token(&text, &connections) || !cut_token(&text, &queues))
        return false;
    fill_text(fill, LB_STR("termination"), termination);
    if (!fill_numbers(fill, connections, &connection_names, CONNECTIONS) ||
        !fill_numbers(fill, queues, &queue_names, QUEUES))
        return false;
    fill_captured(fill, text);
    return true;
}

/* `backend/server timers …` behind the frontend. */
static bool read_session(struct fill *fill, struct lb_str text)
{
    struct lb_str place, timers, first, second, request_cookie, response_cookie;
    struct lb_str backend;

    if (!cut_token(&text, &place) || !cut_until(&place, '/', &backend) || !cut_token(&text, &timers) ||
        !cut_token(&text, &first))
        return false;
    fill_text(fill, LB_STR("backend"), backend);
    fill_text(fill, LB_STR("server"), place);
    if (fill_numbers(fill, timers, &http_timers, 5)) {
        if (!cut_token(&text, &second) || !cut_token(&text, &request_cookie) || !cut_token(&text, &response_cookie))
            return false;
        cut_char(&second, '+');
        fill_number(fill, LB_STR("status"), first);
        fill_number(fill, LB_STR("bytes"), second);
        fill_text(fill, LB_STR("request_cookie"), request_cookie);
        fill_text(fill, LB_STR("response_cookie"), response_cookie);
        return read_end(fill, text);
    }
    if (!fill_numbers(fill, timers, &tcp_timers, 3))
        return false;
    cut_char(&first, '+');
    fill_number(fill, LB_STR("bytes"), first);
    return read_end(fill, text);
}

/* `192.0.2.1:1234 [26/Feb/2019:23:08:47.266] frontend …` */
static bool read_line(struct fill *fill, const struct zoned *zone, struct lb_str text)
{
    struct lb_str client, accepted, frontend;
    int64_t time_ns;

    if (!cut_token(&text, &client) || !cut_char(&text, '[') || !cut_until(&text, ']', &accepted) ||
        !cut_char(&text, ' ') || !cut_token(&text, &frontend) ||
        !access_time(zone, accepted, fill->context->batch->arrival_ns, &time_ns))
        return false;
    if ((fill->record.flags & LB_RECORD_NO_TIME) != 0)
        fill_time(fill, time_ns);
    fill_address(fill, LB_STR("client_ip"), LB_STR("client_port"), client);
    if (frontend.len > 1 && frontend.ptr[frontend.len - 1] == ':') {
        struct lb_str place = { frontend.ptr, frontend.len - 1 };
        struct lb_str name;

        /* `frontend/bind: message` */
        fill_text(fill, LB_STR("frontend"), cut_until(&place, '/', &name) ? name : place);
        fill_message(fill, cut_trimmed(text));
        return true;
    }
    fill_text(fill, LB_STR("frontend"), frontend);
    return read_session(fill, text);
}

/* `Connect from 192.0.2.1:1234 to 192.0.2.2:80 (frontend/HTTP)` */
static void fill_connect(struct fill *fill, struct lb_str text)
{
    struct lb_str client, server, frontend;

    if (!cut_word(&text, "Connect from ") || !cut_token(&text, &client) || !cut_word(&text, "to ") ||
        !cut_token(&text, &server) || !cut_char(&text, '(') || !cut_until(&text, '/', &frontend))
        return;
    fill_address(fill, LB_STR("client_ip"), LB_STR("client_port"), client);
    fill_address(fill, LB_STR("destination_ip"), LB_STR("destination_port"), server);
    fill_text(fill, LB_STR("frontend"), frontend);
}

/* `Feb 26 23:08:47 host haproxy[7]: ` or the same with a time of RFC 3339. */
static bool cut_header(struct fill *fill, struct lb_str *text)
{
    struct lb_str rest = *text;
    struct lb_str stamp, host, tag, pid;
    int64_t time_ns;
    size_t used;

    if (lb_time_rfc3164(rest, fill->context->batch->arrival_ns, &time_ns, &used)) {
        rest = cut_from(rest, used);
    } else if (!cut_token(&rest, &stamp) || !lb_time_rfc3339(stamp, &time_ns)) {
        return false;
    }
    cut_blanks(&rest);
    if (!cut_token(&rest, &host) || !cut_until(&rest, '[', &tag) || memchr(tag.ptr, ' ', tag.len) != NULL ||
        !cut_digits(&rest, &pid) || !cut_word(&rest, "]: "))
        return false;
    fill->record.host = lb_value_text(host);
    fill->record.service = lb_value_text(tag);
    fill_number(fill, LB_STR("pid"), pid);
    *text = rest;
    return true;
}

static enum lb_err read_all(struct fill *fill, const struct zoned *zone)
{
    struct lb_str text = fill->text;
    bool header = cut_header(fill, &text);
    uint32_t count = fill->count;

    fill_message(fill, text);
    if (read_line(fill, zone, text))
        return LB_OK;
    if (!header)
        return fill_refuse(fill, "expected address:port [date] frontend backend/server ...", fill->text.ptr);
    fill->count = count;
    fill_connect(fill, text);
    return LB_OK;
}

static enum lb_err haproxy_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);

    if (err == LB_OK)
        err = read_all(&fill, state);
    return err == LB_OK ? fill_done(&fill, record) : err;
}

const struct lb_parser_type lb_parser_haproxy = {
    .module = { .name = "haproxy",
                .help = "HAProxy's lines: httplog, tcplog and errors, with or without syslog's header",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = haproxy_parse,
    .close = zoned_close,
};
