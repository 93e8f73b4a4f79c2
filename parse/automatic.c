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

enum { FRONT_BYTES = 256, PREFIX_BYTES = 48 };

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

/* `2026-03-01T10:00:00.123456+01:00 host program[7]: …` as rsyslog writes files. */
static bool looks_new_syslog(const struct look *look)
{
    if (!is_digit(look->first) || look->front.len < 24 || look->front.ptr[10] != 'T' || look->front.ptr[4] != '-')
        return false;
    const char *blank = memchr(look->front.ptr, ' ', look->front.len);
    if (blank == NULL || (blank[-1] != 'Z' && blank[-3] != ':'))
        return false;
    struct lb_str rest = { blank + 1, look->front.len - (size_t)(blank + 1 - look->front.ptr) };
    const char *second = memchr(rest.ptr, ' ', rest.len);
    const char *colon = memmem(rest.ptr, rest.len, ": ", 2);
    if (second == NULL || colon == NULL || colon < second + 2 || *rest.ptr == '[')
        return false;
    return memchr(second + 1, ' ', (size_t)(colon - second) - 1) == NULL;
}

static bool looks_access(const struct look *look)
{
    return look->bracket && look->quoted && (has(look->front, "] \"") || look->first == '[');
}

static bool looks_apache_error(const struct look *look)
{
    return look->first == '[' && look->front.len > 20 && has(look->front, "] [");
}

static bool looks_nginx_error(const struct look *look)
{
    return is_digit(look->first) && look->front.len > 22 && look->front.ptr[4] == '/' && look->front.ptr[20] == '[';
}

static bool looks_postgres(const struct look *look)
{
    return is_digit(look->first) && look->bracket && has(look->front, ":  ");
}

static bool looks_mysql(const struct look *look)
{
    return is_digit(look->first) && look->bracket && has(look->front, "Z ") && has(look->front, " [");
}

static bool looks_redis(const struct look *look)
{
    const char *colon = memchr(look->front.ptr, ':', look->front.len < 9 ? look->front.len : 9);

    return is_digit(look->first) && colon != NULL && colon + 2 < look->front.ptr + look->front.len && colon[2] == ' ' &&
           strchr("MSCX", colon[1]) != NULL;
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

static bool looks_haproxy(const struct look *look)
{
    return look->bracket && has(look->front, "/") && (has(look->front, "] ") && !has(look->front, "] \""));
}

/* A time or a level in front. */
static bool looks_text(const struct look *look)
{
    return is_digit(look->first) || look->first == '[' || look->first == '\x1b' ||
           isupper((unsigned char)look->first) || (islower((unsigned char)look->first) && !look->equals);
}

static bool looks_logfmt(const struct look *look)
{
    return look->equals && (isalpha((unsigned char)look->first) || look->first == '@' || look->first == '_');
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
};

static const struct candidate candidates[] = {
    { &lb_parser_syslog, looks_syslog },
    { &lb_parser_auditd, looks_auditd },
    { &lb_parser_cef, looks_cef },
    { &lb_parser_leef, looks_leef },
    { &lb_parser_cri, looks_cri },
    { &lb_parser_klog, looks_klog },
    { &lb_parser_redis, looks_redis },
    { &lb_parser_nginx, looks_nginx_error },
    { &lb_parser_apache, looks_apache_error },
    { &lb_parser_nginx, looks_access },
    { &lb_parser_apache, looks_access },
    { &lb_parser_mysql, looks_mysql },
    { &lb_parser_postgres, looks_postgres },
    { &lb_parser_haproxy, looks_haproxy },
    { &lb_parser_syslog, looks_old_syslog },
    { &lb_parser_syslog, looks_new_syslog },
    { &lb_parser_text, looks_text },
    { &lb_parser_ltsv, looks_ltsv },
    { &lb_parser_logfmt, looks_logfmt },
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
    if (prefix.len < 3 || (!enclosed && !isupper((unsigned char)*prefix.ptr)))
        return LB_LEVEL_NONE; /* "http" may be a level, and is none here */
    return lb_level_parse(prefix);
}

/*
 * A few words of the application's own stand before the time: `[GIN] 2026/…`. The time and the level are taken, the
 * text stays whole. Only where the line has neither.
 */
static const struct lb_parser_type *find_time(struct lb_record *record, struct lb_parse_context *context,
                                              struct lb_str front)
{
    for (size_t at = 1; at + 10 < front.len && at < PREFIX_BYTES; at++) {
        struct lb_record within = *record;

        if (!is_digit(front.ptr[at]) || strchr(" [(|", front.ptr[at - 1]) == NULL)
            continue;
        within.message.ptr += at;
        within.message.len -= (uint32_t)at;
        if (!tried(&lb_parser_text, zeroes, &within, context) || (within.flags & LB_RECORD_NO_TIME) != 0)
            continue;
        record->time_ns = within.time_ns;
        record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
        if (record->level == LB_LEVEL_NONE)
            record->level = level_of_prefix((struct lb_str){ front.ptr, at });
        if (record->level == LB_LEVEL_NONE)
            record->level = within.level;
        return &lb_parser_text;
    }
    return NULL;
}

const struct lb_parser_type *automatic_apply(struct lb_record *record, struct lb_parse_context *context)
{
    const struct lb_parser_type *taken = read_json(record, context);
    struct look look;

    if (taken != NULL || record->message.len == 0 || *record->message.ptr == '{')
        return taken;
    look_at((struct lb_str){ record->message.ptr, record->message.len }, &look);
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        if (!candidates[i].looks(&look) || !tried(candidates[i].type, zeroes, record, context))
            continue;
        /* What stands inside a line of syslog may be an object in turn. */
        if (candidates[i].type == &lb_parser_syslog && lb_value_is_string(record->message))
            (void)read_json(record, context);
        return candidates[i].type;
    }
    return (record->flags & LB_RECORD_NO_TIME) != 0 || record->level == LB_LEVEL_NONE
               ? find_time(record, context, look.front)
               : NULL;
}
