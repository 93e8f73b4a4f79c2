/*
 * access.c - access logs: a scanner, for every line has the same few pieces.
 *
 * The tricky part is before the time: who asked. That may be an address, a list of forwarded ones, with the host that
 * was asked or the last proxy beside it. All of it is taken from its end: user, ident, and what is left.
 */
#include "access.h"

#include "cut.h"

enum { SECOND_BYTES = 20, BRACKETS_MAX = 4 };

static int two_digits(const char *ptr, unsigned *bad)
{
    unsigned high = (unsigned char)ptr[0] - '0';
    unsigned low = (unsigned char)ptr[1] - '0';

    *bad |= (high > 9) | (low > 9);
    return (int)(high * 10 + low);
}

/* 1 to 12; 0: no month. */
static int month_of(const char *ptr)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++)
        if (memcmp(ptr, names + (ptrdiff_t)i * 3, 3) == 0)
            return i + 1;
    return 0;
}

/* "10/Oct/2000:13:55:36" at fixed places; days that not every month has are left to the slow reader to judge. */
static bool fixed_second(const char *ptr, int64_t *second)
{
    unsigned bad = 0;
    int day = two_digits(ptr, &bad);
    int month = month_of(ptr + 3);
    int year = two_digits(ptr + 7, &bad) * 100 + two_digits(ptr + 9, &bad);
    int hour = two_digits(ptr + 12, &bad);
    int minute = two_digits(ptr + 15, &bad);
    int seconds = two_digits(ptr + 18, &bad);

    bad |= (ptr[2] != '/') | (ptr[6] != '/') | (ptr[11] != ':') | (ptr[14] != ':') | (ptr[17] != ':');
    bad |= (month == 0) | (day < 1) | (day > 28) | (hour > 23) | (minute > 59) | (seconds > 59);
    if (bad != 0 || year < 1970 || year > 2200)
        return false;
    *second = lb_time_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + seconds;
    return true;
}

/* " -0700" */
static bool fixed_zone(const char *ptr, int64_t *second)
{
    unsigned bad = 0;
    int offset = (two_digits(ptr + 2, &bad) * 60 + two_digits(ptr + 4, &bad)) * 60;

    if (bad != 0 || ptr[0] != ' ' || (ptr[1] != '+' && ptr[1] != '-') || offset > 15 * 3600)
        return false;
    *second -= ptr[1] == '-' ? -offset : offset;
    return true;
}

/* With a zone, or with milliseconds and none, as HAProxy writes it. */
static bool fixed_time(const struct zoned *zone, struct lb_str text, int64_t *time_ns)
{
    const char *rest = text.ptr + SECOND_BYTES;
    unsigned bad = 0;
    int64_t second;

    if ((text.len != SECOND_BYTES + 6 && text.len != SECOND_BYTES + 4) || !fixed_second(text.ptr, &second))
        return false;
    if (text.len == SECOND_BYTES + 6) {
        *time_ns = fixed_zone(rest, &second) ? second * LB_SECOND : LB_TIME_NONE;
        return *time_ns != LB_TIME_NONE;
    }
    int hundredths = two_digits(rest + 1, &bad);
    int thousandths = two_digits(rest + 2, &bad) % 10;
    if (bad != 0 || *rest != '.')
        return false;
    *time_ns = second * LB_SECOND + (hundredths * 10 + thousandths) * LB_MILLISECOND;
    return zoned_to_utc(zone, time_ns);
}

bool access_time(const struct zoned *zone, struct lb_str text, int64_t now_ns, int64_t *time_ns)
{
    return fixed_time(zone, text, time_ns) || zoned_time(zone, text, now_ns, time_ns);
}

/* --- who asked -------------------------------------------------------------------- */

/* The last word of `*text`, which becomes what is before it. */
static bool cut_last_word(struct lb_str *text, struct lb_str *word)
{
    const char *blank = text->len > 0 ? memrchr(text->ptr, ' ', text->len) : NULL;

    if (blank == NULL)
        return false;
    *word = cut_from(*text, (size_t)(blank + 1 - text->ptr));
    text->len = (size_t)(blank - text->ptr);
    return word->len > 0;
}

/* "a, b, c": the first is who asked. */
static void fill_forwarded(struct fill *fill, struct lb_str list)
{
    struct lb_str rest = list;
    struct lb_str first;

    if (!cut_until(&rest, ',', &first))
        first = list;
    fill_text(fill, LB_STR("client_ip"), cut_trimmed(first));
    if (first.len < list.len)
        fill_text(fill, LB_STR("forwarded_for"), list);
}

/* The blank before the last word that does not belong to a list: "a, b c" is a list and a proxy. */
static const char *proxy_blank(struct lb_str text)
{
    const char *blank = memrchr(text.ptr, ' ', text.len);

    return blank != NULL && blank > text.ptr && blank[-1] != ',' ? blank : NULL;
}

/* All before ident and user. */
static void fill_clients(struct fill *fill, struct lb_str text)
{
    struct lb_str list;
    const char *blank;

    if (cut_quoted(&text, &list)) {
        fill_forwarded(fill, list);
        fill_text(fill, LB_STR("proxy_ip"), cut_trimmed(text));
        return;
    }
    /* An old ingress: "address - [forwarded]" */
    if (text.len > 4 && text.ptr[text.len - 1] == ']' && (blank = memmem(text.ptr, text.len, " - [", 4)) != NULL)
        text.len = (size_t)(blank - text.ptr);
    blank = proxy_blank(text);
    if (blank == NULL) {
        fill_forwarded(fill, text);
        return;
    }
    list = (struct lb_str){ text.ptr, (size_t)(blank - text.ptr) };
    text = cut_from(text, list.len + 1);
    if (memchr(list.ptr, ',', list.len) != NULL) {
        fill_forwarded(fill, list);
        fill_text(fill, LB_STR("proxy_ip"), text);
    } else {
        fill_text(fill, LB_STR("vhost"), list);
        fill_text(fill, LB_STR("client_ip"), text);
    }
}

/* --- what was asked and answered --------------------------------------------------- */

/* A quoted text or a lone dash. */
static bool cut_item(struct lb_str *text, struct lb_str *item)
{
    cut_blanks(text);
    if (cut_quoted(text, item))
        return true;
    *item = (struct lb_str){ text->ptr, 0 };
    return cut_char(text, '-') && (text->len == 0 || *text->ptr == ' ');
}

static bool cut_count(struct lb_str *text, struct lb_str *count)
{
    cut_blanks(text);
    if (!cut_digits(text, count) && !cut_char(text, '-'))
        return false;
    return text->len == 0 || *text->ptr == ' ';
}

/* A word, or several where a comma ends all but the last: "10.0.0.1:80, 10.0.0.2:80". */
static bool cut_list(struct lb_str *text, struct lb_str *list)
{
    struct lb_str word;

    cut_blanks(text);
    *list = (struct lb_str){ text->ptr, 0 };
    do {
        if (!cut_token(text, &word))
            return false;
    } while (word.ptr[word.len - 1] == ',');
    list->len = (size_t)(word.ptr + word.len - list->ptr);
    return true;
}

static bool cut_bracketed(struct lb_str *text, struct lb_str *inside)
{
    cut_blanks(text);
    return cut_char(text, '[') && cut_until(text, ']', inside);
}

/* `462 0.050 [upstream] [] 10.0.0.1:80 12 0.049 200 id`: what the ingress of Kubernetes appends. */
static bool fill_ingress(struct fill *fill, struct lb_str text)
{
    struct lb_str bytes, seconds, upstream, other, address, length, upstream_seconds, status, id;

    if (!cut_count(&text, &bytes) || !cut_list(&text, &seconds) || !cut_bracketed(&text, &upstream) ||
        !cut_bracketed(&text, &other) || !cut_list(&text, &address) || !cut_list(&text, &length) ||
        !cut_list(&text, &upstream_seconds) || !cut_list(&text, &status) || !cut_list(&text, &id))
        return false;
    fill_number(fill, LB_STR("request_bytes"), bytes);
    fill_scaled(fill, LB_STR("duration_ms"), seconds, 3);
    fill_text(fill, LB_STR("upstream"), upstream);
    fill_text(fill, LB_STR("upstream_alternative"), other);
    fill_text(fill, LB_STR("upstream_address"), address);
    fill_number(fill, LB_STR("upstream_bytes"), length);
    fill_scaled(fill, LB_STR("upstream_duration_ms"), upstream_seconds, 3);
    fill_number(fill, LB_STR("upstream_status"), status);
    fill_text(fill, LB_STR("request_id"), id);
    fill_text(fill, LB_STR("extra"), cut_trimmed(text));
    return true;
}

/* `12 "router@provider" "http://10.0.0.4:80" 3ms`: what Traefik appends. */
static bool fill_traefik(struct fill *fill, struct lb_str text)
{
    struct lb_str count, router, server, took;

    if (!cut_count(&text, &count) || !cut_item(&text, &router) || !cut_item(&text, &server))
        return false;
    cut_blanks(&text);
    if (!cut_digits(&text, &took) || !lb_str_is(cut_trimmed(text), "ms"))
        return false;
    fill_number(fill, LB_STR("request_number"), count);
    fill_text(fill, LB_STR("router"), router);
    fill_text(fill, LB_STR("upstream_address"), server);
    fill_number(fill, LB_STR("duration_ms"), took);
    return true;
}

/* Behind the user agent: forwarded addresses, the ratio of gzip, an ingress's numbers, or what nobody knows. */
static void fill_rest(struct fill *fill, struct lb_str text)
{
    struct lb_str rest = text;
    struct lb_str item;

    if (cut_item(&rest, &item) && cut_trimmed(rest).len == 0) {
        if (cut_is_number(item))
            fill_number(fill, LB_STR("gzip_ratio"), item);
        else
            fill_text(fill, LB_STR("forwarded_for"), item);
        return;
    }
    if (!fill_ingress(fill, text) && !fill_traefik(fill, text))
        fill_text(fill, LB_STR("extra"), cut_trimmed(text));
}

/*
 * Envoy and Istio have nothing before the time, and behind the status flags, perhaps details in words, then numbers:
 * `200 - via_upstream - "-" 0 5028 3 2 "-" "agent" "id" "host" "10.0.0.4:80" …`.
 */
static bool read_envoy(struct fill *fill, struct lb_str text)
{
    struct lb_str status, flags, request, word, sent, received, took, upstream, forwarded, agent, id, host, address;

    if (!cut_item(&text, &request) || !cut_count(&text, &status) || !cut_char(&text, ' ') || !cut_token(&text, &flags))
        return false;
    for (int i = 0; i < BRACKETS_MAX && text.len > 0 && !cut_is_digit(*text.ptr); i++) {
        if (!cut_quoted(&text, &word) && !cut_token(&text, &word))
            return false;
        cut_blanks(&text);
    }
    if (!cut_count(&text, &received) || !cut_count(&text, &sent) || !cut_count(&text, &took) ||
        !cut_count(&text, &upstream) || !cut_item(&text, &forwarded) || !cut_item(&text, &agent) ||
        !cut_item(&text, &id) || !cut_item(&text, &host) || !cut_item(&text, &address))
        return false;
    fill_message(fill, request);
    if (!lb_str_is(request, "- - -")) /* a connection that asked for nothing */
        fill_request(fill, request);
    fill_number(fill, LB_STR("status"), status);
    fill_text(fill, LB_STR("response_flags"), flags);
    fill_number(fill, LB_STR("request_bytes"), received);
    fill_number(fill, LB_STR("bytes"), sent);
    fill_number(fill, LB_STR("duration_ms"), took);
    fill_number(fill, LB_STR("upstream_duration_ms"), upstream);
    if (forwarded.len > 0)
        fill_forwarded(fill, forwarded);
    fill_text(fill, LB_STR("user_agent"), agent);
    fill_text(fill, LB_STR("request_id"), id);
    fill_text(fill, LB_STR("vhost"), host);
    fill_text(fill, LB_STR("upstream_address"), address);
    fill_text(fill, LB_STR("extra"), cut_trimmed(text));
    return true;
}

static enum lb_err read_answer(struct fill *fill, struct lb_str text)
{
    struct lb_str request, status = { NULL, 0 }, bytes = { NULL, 0 }, referrer, agent;
    struct lb_str before;

    if (!cut_item(&text, &request))
        return fill_refuse(fill, "expected the request in quotes", text.ptr);
    if (!cut_count(&text, &status))
        return fill_refuse(fill, "expected the status", text.ptr);
    if (!cut_count(&text, &bytes))
        return fill_refuse(fill, "expected the number of bytes", text.ptr);
    fill_message(fill, request);
    fill_request(fill, request);
    fill_number(fill, LB_STR("status"), status);
    fill_number(fill, LB_STR("bytes"), bytes);
    before = text;
    if (cut_item(&text, &referrer) && cut_item(&text, &agent)) {
        fill_text(fill, LB_STR("referrer"), referrer);
        fill_text(fill, LB_STR("user_agent"), agent);
    } else {
        text = before;
    }
    text = cut_trimmed(text);
    if (text.len > 0)
        fill_rest(fill, text);
    return LB_OK;
}

/* The bracket that begins the time; those of addresses before it hold none. `*text` is behind it then. */
static bool find_time(struct fill *fill, const struct zoned *zone, struct lb_str *text, struct lb_str *before)
{
    int64_t now_ns = fill->context->batch->arrival_ns;
    struct lb_str piece;
    struct lb_str inside;
    int64_t time_ns;

    for (int i = 0; i < BRACKETS_MAX && cut_until(text, '[', &piece); i++) {
        struct lb_str rest = *text;

        if (!cut_until(&rest, ']', &inside))
            return false;
        if (!lb_str_is(inside, "-")) {
            if (!access_time(zone, inside, now_ns, &time_ns))
                continue;
            fill_time(fill, time_ns);
        }
        *before = (struct lb_str){ fill->text.ptr, (size_t)(piece.ptr + piece.len - fill->text.ptr) };
        *text = rest;
        return true;
    }
    return false;
}

enum lb_err access_read(struct fill *fill, const struct zoned *zone)
{
    struct lb_str text = fill->text;
    struct lb_str before;
    struct lb_str ident;
    struct lb_str user;

    if (!find_time(fill, zone, &text, &before))
        return fill_refuse(fill, "expected a time in brackets", fill->text.ptr);
    before = cut_trimmed(before);
    if (before.len == 0 && read_envoy(fill, text))
        return LB_OK;
    if (!cut_last_word(&before, &user) || !cut_last_word(&before, &ident))
        return fill_refuse(fill, "expected address, ident and user before the time", fill->text.ptr);
    fill_clients(fill, before);
    fill_text(fill, LB_STR("ident"), ident);
    fill_text(fill, LB_STR("user"), user);
    return read_answer(fill, text);
}
