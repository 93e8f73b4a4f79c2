/*
 * automatic.c - the candidates in a fixed order, the strictest first.
 *
 * Each has a look of its own: the first byte, and something that must stand
 * near the front. So prose costs a few comparisons, and only what may well be
 * right is tried. A parser that accepts too much has no place here.
 */
#include "automatic.h"

#include "leading.h"

#include <ctype.h>
#include <string.h>

#define LB_PARSER(name) extern const struct lb_parser_type lb_parser_##name;
#include "parsers.def"
#undef LB_PARSER

enum { PAIRS_MIN = 3, FRONT_BYTES = 256, PREFIX_BYTES = 48, BRACKET_BYTES = 112 };

static const max_align_t zeroes[32]; /* the state of a parser without settings */

/* What a line begins with, seen once for all candidates. */
struct look {
    struct lb_str front;
    char first;
    bool quoted;  /* a quotation mark */
    bool bracket; /* `[` */
    bool equals;
    bool tab;
};

static bool has(struct lb_str text, const char *what)
{
    return memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

static bool begins(struct lb_str text, const char *with)
{
    size_t len = strlen(with);

    return text.len >= len && memcmp(text.ptr, with, len) == 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* --- looks ------------------------------------------------------------------- */

static bool looks_cef(const struct look *look)
{
    return look->first == 'C' && begins(look->front, "CEF:");
}

static bool looks_leef(const struct look *look)
{
    return look->first == 'L' && begins(look->front, "LEEF:");
}

static bool looks_syslog(const struct look *look)
{
    return look->first == '<' && look->front.len > 2 && is_digit(look->front.ptr[1]);
}

/* `Mar  1 10:00:00 host`, `2026-03-01T10:00:00+01:00 host program: …` */
static bool looks_old_syslog(const struct look *look)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const char *text = look->front.ptr;
    size_t at = 4;

    if (look->front.len < 16 || text[3] != ' ' || !isupper((unsigned char)look->first))
        return false;
    at += text[at] == ' '; /* the day is padded, or not */
    while (at < 7 && is_digit(text[at]))
        at++;
    for (size_t i = 0; i < sizeof(months) - 1; i += 3)
        if (memcmp(text, months + i, 3) == 0)
            return at > 4 && text[at] == ' ' && is_digit(text[at + 1]) && text[at + 3] == ':';
    return false;
}

/* `Sun Mar  1 10:00:00 2026 daemon.notice program: …` as OpenWrt shows it: the priority in words behind the year. */
static bool looks_logread(const struct look *look)
{
    enum { WORD = 25 };
    const char *text = look->front.ptr;
    const char *blank;

    if (look->front.len < WORD + 8 || !isupper((unsigned char)look->first) || text[3] != ' ' || text[13] != ':' ||
        text[16] != ':' || text[19] != ' ' || !is_digit(text[20]) || text[24] != ' ')
        return false;
    blank = memchr(text + WORD, ' ', look->front.len - WORD);
    return blank != NULL && islower((unsigned char)text[WORD]) &&
           memchr(text + WORD, '.', (size_t)(blank - text) - WORD) != NULL;
}

/* `2026-03-01T10:00:00.123456+01:00 host program[7]: …` as rsyslog writes files. */
static bool looks_new_syslog(const struct look *look)
{
    if (!is_digit(look->first) || look->front.len < 24 || look->front.ptr[10] != 'T' || look->front.ptr[4] != '-')
        return false;
    const char *blank = memchr(look->front.ptr, ' ', look->front.len);
    if (blank == NULL || blank < look->front.ptr + 16 || (blank[-1] != 'Z' && blank[-3] != ':'))
        return false;
    struct lb_str rest = { blank + 1, look->front.len - (size_t)(blank + 1 - look->front.ptr) };
    /* `Db(167)` of ESXi is no host. */
    const char *second = memchr(rest.ptr, ' ', rest.len);
    const char *colon = memmem(rest.ptr, rest.len, ": ", 2);
    if (second == NULL || colon == NULL || colon < second + 2 || *rest.ptr == '[' ||
        memchr(rest.ptr, '(', (size_t)(second - rest.ptr)) != NULL)
        return false;
    return memchr(second + 1, ' ', (size_t)(colon - second) - 1) == NULL;
}

/* A header of syslog in front is no virtual host. */
static bool looks_access(const struct look *look)
{
    return look->bracket && look->quoted && (has(look->front, "] \"") || look->first == '[') &&
           !looks_old_syslog(look) && !looks_new_syslog(look);
}

static bool looks_apache_error(const struct look *look)
{
    return look->first == '[' && look->front.len > 20 && isupper((unsigned char)look->front.ptr[1]) &&
           has(look->front, "] [");
}

static bool looks_nginx_error(const struct look *look)
{
    return is_digit(look->first) && look->front.len > 22 && look->front.ptr[4] == '/' && look->front.ptr[20] == '[';
}

/* `2026-03-01 10:00:00.123 UTC,"al","shop",42,…`: csvlog has 22 commas at least, five of them near. */
static bool looks_postgres_csv(const struct look *look)
{
    const char *end = look->front.ptr + look->front.len;
    const char *comma = look->front.ptr;
    int count = 0;

    if (!is_digit(look->first) || look->front.len < 64 || look->front.ptr[4] != '-' || look->front.ptr[13] != ':')
        return false;
    while (count < 5 && (comma = memchr(comma, ',', (size_t)(end - comma))) != NULL) {
        comma++;
        count++;
    }
    return count == 5 && memchr(look->front.ptr, ',', 40) != NULL;
}

static bool looks_postgres(const struct look *look)
{
    return is_digit(look->first) && look->bracket && has(look->front, ":  ");
}

/*
 * `2026-03-01T10:00:00.000000Z 8 [Warning] [MY-010926] …`, `260301 10:00:00 [Note] …`: levels that only MySQL writes
 * so, or a number of a thread before it.
 */
static bool looks_mysql(const struct look *look)
{
    static const char *const own[] = { "[Note] ", "[System] " };
    const char *bracket = memchr(look->front.ptr, '[', look->front.len);
    const char *at = bracket;

    if (!is_digit(look->first) || bracket == NULL || bracket - look->front.ptr < 15 || bracket[-1] != ' ')
        return false;
    struct lb_str rest = { bracket, look->front.len - (size_t)(bracket - look->front.ptr) };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (begins(rest, own[i]))
            return true;
    while (at - 2 > look->front.ptr && is_digit(at[-2]))
        at--;
    return at < bracket && at[-2] == ' ' && (begins(rest, "[Warning] ") || begins(rest, "[ERROR] "));
}

static bool looks_mysql_slow(const struct look *look)
{
    return look->first == '#' && (begins(look->front, "# Time: ") || begins(look->front, "# User@Host: "));
}

/* `05-26 14:57:03.870 …`, `2026-05-26 14:57:03.870 …`, `V/Tag( 1766): …` */
static bool looks_logcat(const struct look *look)
{
    const char *text = look->front.ptr;

    if (look->front.len < 12)
        return false;
    if (text[1] == '/')
        return isupper((unsigned char)look->first) && has(look->front, "): ");
    if (is_digit(look->first) && text[4] == '-' && look->front.len > 25)
        text += 5;
    return is_digit(*text) && text[2] == '-' && text[5] == ' ' && is_digit(text[6]) && text[8] == ':';
}

/* `(2026-03-01 10:00:00): [nss] [function] (0x0040): …` */
static bool looks_sssd(const struct look *look)
{
    return look->first == '(' && look->bracket && has(look->front, "] (0x");
}

/* `1:M 01 Mar …`, `[7] 01 Mar …`, `1:signal-handler (…` */
static bool looks_redis(const struct look *look)
{
    const char *colon = memchr(look->front.ptr, ':', look->front.len < 9 ? look->front.len : 9);

    if (look->first == '[')
        return look->front.len > 24 && is_digit(look->front.ptr[1]) && has(look->front, "] ") &&
               (has(look->front, " * ") || has(look->front, " # ") || has(look->front, " - "));
    if (!is_digit(look->first) || colon == NULL || colon + 2 >= look->front.ptr + look->front.len)
        return false;
    return (colon[2] == ' ' && strchr("MSCX", colon[1]) != NULL) || has(look->front, ":signal-handler (");
}

static bool looks_klog(const struct look *look)
{
    static const char letters[] = { 'I', 'W', 'E', 'F', 'D', 'V' };

    return memchr(letters, look->first, sizeof(letters)) != NULL && look->front.len > 20 &&
           is_digit(look->front.ptr[1]) && is_digit(look->front.ptr[4]);
}

static bool looks_cri(const struct look *look)
{
    return is_digit(look->first) && (has(look->front, " stdout ") || has(look->front, " stderr "));
}

/* `192.0.2.1:9 [01/Mar/2026:10:00:00.123] …`: a port or a number before the date. */
static bool looks_haproxy(const struct look *look)
{
    const char *bracket = look->bracket ? memmem(look->front.ptr, look->front.len, " [", 2) : NULL;

    if (bracket == NULL || bracket == look->front.ptr || !has(look->front, "/"))
        return false;
    return has(look->front, " haproxy[") ||
           (is_digit(bracket[-1]) && has(look->front, "] ") && !has(look->front, "] \""));
}

/* A time or a level in front; Erlang's reports, WebLogic. */
static bool looks_text(const struct look *look)
{
    if (look->first == '=' || look->first == '#')
        return has(look->front, " REPORT==== ") || begins(look->front, "####<");
    return is_digit(look->first) || look->first == '[' || look->first == '\x1b' ||
           isupper((unsigned char)look->first) || (islower((unsigned char)look->first) && !look->equals);
}

static bool looks_logfmt(const struct look *look)
{
    const char *equals = memchr(look->front.ptr, '=', look->front.len);

    /* The `=` of a URL is none. */
    return equals != NULL && (isalpha((unsigned char)look->first) || look->first == '@' || look->first == '_') &&
           memmem(look->front.ptr, (size_t)(equals - look->front.ptr), "://", 3) == NULL;
}

/* Nothing but pairs, as firewalls send them behind a header of syslog; "user root uid=0" is a sentence. */
static bool looks_pairs(const struct look *look)
{
    struct lb_str front = look->front;
    size_t pairs = 0;
    bool equals = false;
    bool quoted = false;

    if (!look->equals || !isalpha((unsigned char)look->first))
        return false;
    for (size_t i = 0; i < front.len; i++) {
        char c = front.ptr[i];

        quoted = quoted != (c == '"');
        if (!quoted && c == ' ') {
            if (!equals)
                return false;
            equals = false;
            pairs++;
        }
        equals = equals || (c == '=' && !quoted);
    }
    return pairs >= PAIRS_MIN;
}

static bool looks_ltsv(const struct look *look)
{
    return look->tab && isalpha((unsigned char)look->first);
}

/* `type=SYSCALL msg=audit(1772359200.123:4711): …` */
static bool looks_auditd(const struct look *look)
{
    return look->equals && (begins(look->front, "type=") || begins(look->front, "node=")) &&
           has(look->front, "msg=audit(");
}

struct candidate {
    const struct lb_parser_type *type;
    bool (*looks)(const struct look *look);
    bool inside; /* known well enough to be looked for inside a line of syslog */
};

static const struct candidate candidates[] = {
    { &lb_parser_syslog, looks_syslog, false },
    { &lb_parser_auditd, looks_auditd, true },
    { &lb_parser_cef, looks_cef, true },
    { &lb_parser_leef, looks_leef, true },
    { &lb_parser_cri, looks_cri, false },
    { &lb_parser_klog, looks_klog, true },
    { &lb_parser_redis, looks_redis, true },
    { &lb_parser_nginx, looks_nginx_error, true },
    { &lb_parser_apache, looks_apache_error, true },
    { &lb_parser_nginx, looks_access, true },
    { &lb_parser_apache, looks_access, true },
    { &lb_parser_mysql, looks_mysql, true },
    { &lb_parser_mysql, looks_mysql_slow, false },
    { &lb_parser_logcat, looks_logcat, false },
    { &lb_parser_sssd, looks_sssd, false },
    { &lb_parser_postgres, looks_postgres, true },
    { &lb_parser_postgres, looks_postgres_csv, false },
    { &lb_parser_haproxy, looks_haproxy, true },
    { &lb_parser_syslog, looks_old_syslog, false },
    { &lb_parser_syslog, looks_new_syslog, false },
    { &lb_parser_syslog, looks_logread, false },
    { &lb_parser_text, looks_text, false },
    { &lb_parser_ltsv, looks_ltsv, false },
    { &lb_parser_logfmt, looks_logfmt, false },
    { &lb_parser_logfmt, looks_pairs, true },
};

/* --- one line -------------------------------------------------------------------- */

static bool tried(const struct lb_parser_type *type, const void *state, struct lb_record *record,
                  struct lb_parse_context *context)
{
    context->reason = NULL;
    context->reason_at = 0;
    return type->parse(state, record, context) == LB_OK;
}

/* Where the JSON object of a text begins: behind blanks, or CEE's cookie. NULL: it is none. */
static const char *json_of(struct lb_str text)
{
    while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '\t')) {
        text.ptr++;
        text.len--;
    }
    if (begins(text, "@cee:"))
        return memchr(text.ptr, '{', text.len < 16 ? text.len : 16);
    return text.len > 0 && *text.ptr == '{' ? text.ptr : NULL;
}

static const struct lb_parser_type *read_json(struct lb_record *record, struct lb_parse_context *context)
{
    struct lb_value whole = record->message;
    const char *object = json_of((struct lb_str){ whole.ptr, whole.len });

    if (object == NULL)
        return NULL;
    record->message.len -= (uint32_t)(object - whole.ptr);
    record->message.ptr = object;
    if (tried(&lb_parser_json, &leading_plain, record, context))
        return &lb_parser_json;
    record->message = whole;
    return NULL;
}

static void look_at(struct lb_str text, struct look *look)
{
    struct lb_str front = { text.ptr, text.len < FRONT_BYTES ? text.len : FRONT_BYTES };

    *look = (struct look){ .front = front,
                           .first = *front.ptr,
                           .quoted = memchr(front.ptr, '"', front.len) != NULL,
                           .bracket = memchr(front.ptr, '[', front.len) != NULL,
                           .equals = memchr(front.ptr, '=', front.len) != NULL,
                           .tab = memchr(front.ptr, '\t', front.len) != NULL };
}

/* A word in capitals that is a level: `Thread-7::INFO::`, `[INFO:shop] shop:47 `. */
static uint8_t level_among(struct lb_str prefix)
{
    size_t from = 0;

    for (size_t i = 0; i <= prefix.len; i++) {
        if (i < prefix.len && isalnum((unsigned char)prefix.ptr[i]))
            continue;
        struct lb_str word = { prefix.ptr + from, i - from };
        bool loud = word.len >= 4;

        for (size_t n = 0; n < word.len; n++)
            loud = loud && isupper((unsigned char)word.ptr[n]);
        if (loud && lb_level_parse(word) != LB_LEVEL_NONE)
            return lb_level_parse(word);
        from = i + 1;
    }
    return LB_LEVEL_NONE;
}

/* A letter or a level in front: `(W) 2026-…`, `E [01/Mar/2026…`. */
static uint8_t level_of_prefix(struct lb_str prefix)
{
    static const char letters[] = "DIWEFC";
    static const uint8_t levels[] = { LB_LEVEL_DEBUG, LB_LEVEL_INFO,     LB_LEVEL_WARN,
                                      LB_LEVEL_ERROR, LB_LEVEL_CRITICAL, LB_LEVEL_CRITICAL };

    bool enclosed = prefix.len > 0 && strchr("([<", *prefix.ptr) != NULL;

    while (prefix.len > 0 && strchr(" ([<", *prefix.ptr) != NULL) {
        prefix.ptr++;
        prefix.len--;
    }
    while (prefix.len > 0 && strchr(" )]>:,-[(", prefix.ptr[prefix.len - 1]) != NULL)
        prefix.len--;
    const char *letter = prefix.len == 1 ? memchr(letters, *prefix.ptr, sizeof(letters) - 1) : NULL;
    if (letter != NULL)
        return levels[letter - letters];
    if (prefix.len < 3)
        return LB_LEVEL_NONE;
    /* "http" may be a level, and is none here. */
    uint8_t level = enclosed || isupper((unsigned char)*prefix.ptr) ? lb_level_parse(prefix) : LB_LEVEL_NONE;
    return level != LB_LEVEL_NONE ? level : level_among(prefix);
}

/* Where a time may begin: a number behind a blank, a bracket, a bar or two colons, or a word in brackets farther off.
 */
static bool may_be_time(struct lb_str front, size_t at, bool behind_bars)
{
    char before = front.ptr[at - 1];

    if (behind_bars)
        return is_digit(front.ptr[at]) && at > 1 && before == ' ' && front.ptr[at - 2] == '|';
    if (before == '[')
        return isalnum((unsigned char)front.ptr[at]) != 0;
    if (at >= PREFIX_BYTES || !is_digit(front.ptr[at]))
        return false;
    return strchr(" (|", before) != NULL || (before == ':' && at > 1 && front.ptr[at - 2] == ':');
}

/*
 * A line of local time that begins with seconds since 1970 says its zone so: `1690466804.2.0 [27/Jul/2023 16:06:44]`.
 * Only where both are the same moment but for quarters of an hour.
 */
static int64_t moment_of(struct lb_str front, int64_t time_ns)
{
    enum { DIGITS = 10, QUARTER = 15 * 60, DAY = 24 * 3600 };
    int64_t seconds = 0;
    int64_t apart;

    for (size_t i = 0; i < DIGITS; i++) {
        if (i >= front.len || !is_digit(front.ptr[i]))
            return time_ns;
        seconds = seconds * 10 + (front.ptr[i] - '0');
    }
    if (front.len == DIGITS || is_digit(front.ptr[DIGITS]))
        return time_ns;
    apart = time_ns / LB_SECOND - seconds;
    return apart > -DAY && apart < DAY && apart % QUARTER == 0 ? seconds * LB_SECOND : time_ns;
}

/*
 * A few words of the application's own stand before the time: `[GIN] 2026/…`. The time and the level are taken, the
 * text stays whole. Only where the line has neither; one with a level in front has its time behind bars, if at all.
 */
static const struct lb_parser_type *find_time(struct lb_record *record, struct lb_parse_context *context,
                                              struct lb_str front, bool behind_bars)
{
    for (size_t at = 1; at + 10 < front.len && at < BRACKET_BYTES; at++) {
        struct lb_record within = *record;
        size_t from = at - (front.ptr[at - 1] == '[');

        if (!may_be_time(front, at, behind_bars))
            continue;
        within.message = lb_value_text((struct lb_str){ front.ptr + from, front.len - from });
        within.flags |= LB_RECORD_NO_TIME;
        if (!tried(&lb_parser_text, zeroes, &within, context) || (within.flags & LB_RECORD_NO_TIME) != 0)
            continue;
        record->time_ns = moment_of(front, within.time_ns);
        record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
        if (record->level == LB_LEVEL_NONE)
            record->level = level_of_prefix((struct lb_str){ front.ptr, at });
        if (record->level == LB_LEVEL_NONE)
            record->level = within.level;
        return &lb_parser_text;
    }
    return NULL;
}

/* CEF's name is taken for a program's; what is behind it is read, and what is before it stays. */
static bool read_cef_behind(struct lb_record *record, struct lb_parse_context *context, struct lb_value whole)
{
    const char *at = memmem(whole.ptr, whole.len, " CEF:", 5);
    struct lb_record inner = *record;

    if (at == NULL || at + 5 == whole.ptr + whole.len || !is_digit(at[5]))
        return false;
    inner.message = whole;
    inner.message.ptr = at + 1;
    inner.message.len = (uint32_t)(whole.ptr + whole.len - inner.message.ptr);
    if (inner.service.kind != LB_VALUE_NONE && inner.service.len == 3 && memcmp(inner.service.ptr, "CEF", 3) == 0)
        inner.service.kind = LB_VALUE_NONE;
    if (!tried(&lb_parser_cef, zeroes, &inner, context))
        return false;
    *record = inner;
    return true;
}

/*
 * What a line of syslog carries may be an object or a format that we know in turn. The time of the header is kept: it
 * has a zone, and where it was cut short it is that of the sender's clock all the same.
 */
static void read_inside(struct lb_record *record, struct lb_parse_context *context, struct lb_value whole)
{
    struct lb_record inner = *record;
    struct look look;

    if (!lb_value_is_string(record->message) || record->message.len == 0 || read_json(record, context) != NULL ||
        read_cef_behind(record, context, whole))
        return;
    look_at((struct lb_str){ inner.message.ptr, inner.message.len }, &look);
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        if (!candidates[i].inside || !candidates[i].looks(&look) || !tried(candidates[i].type, zeroes, &inner, context))
            continue;
        if ((record->flags & LB_RECORD_NO_TIME) == 0)
            inner.time_ns = record->time_ns;
        if (record->host.kind != LB_VALUE_NONE)
            inner.host = record->host;
        *record = inner;
        return;
    }
}

const struct lb_parser_type *automatic_apply(struct lb_record *record, struct lb_parse_context *context)
{
    const struct lb_parser_type *taken = read_json(record, context);
    struct lb_value whole = record->message;
    struct look look;

    if (taken != NULL || record->message.len == 0 || *record->message.ptr == '{')
        return taken;
    look_at((struct lb_str){ record->message.ptr, record->message.len }, &look);
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        if (!candidates[i].looks(&look) || (candidates[i].type == &lb_parser_cri && context->inside) ||
            !tried(candidates[i].type, zeroes, record, context))
            continue;
        if (candidates[i].type == &lb_parser_syslog)
            read_inside(record, context, whole);
        if (candidates[i].type == &lb_parser_text && (record->flags & LB_RECORD_NO_TIME) != 0)
            (void)find_time(record, context, look.front, true);
        return candidates[i].type;
    }
    return (record->flags & LB_RECORD_NO_TIME) != 0 || record->level == LB_LEVEL_NONE
               ? find_time(record, context, look.front, false)
               : NULL;
}
