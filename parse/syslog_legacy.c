/*
 * syslog_legacy.c - RFC 3164 as it is found: what stands behind PRI, in the order in which evidence is weighed.
 *
 *   [number: ] [origin: ] [card:] [*|.] TIME HOST TAG[pid]: MESSAGE
 *
 * The rule is to invent nothing: a word is a host only behind a time, a tag only when it says so by a colon, a [pid],
 * a bracket behind it, or by being the last word. What is not taken stays in the message, so no text is lost.
 */
#include "syslog.h"

#include "lb_level.h"

enum { HOST_MAX = 255, TAG_MAX = 128, PID_MAX = 128, SEQUENCE_DIGITS_MAX = 12 };

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static bool is_alnum(char c)
{
    return is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 26;
}

static bool is_hex(char c)
{
    return is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6;
}

static bool is_host_char(char c)
{
    return is_alnum(c) || c == '.' || c == '-' || c == '_' || c == '@' || c == '/';
}

static bool take(struct syslog_cursor *at, char c)
{
    if (at->ptr == at->end || *at->ptr != c)
        return false;
    at->ptr++;
    return true;
}

static void skip_blanks(struct syslog_cursor *at)
{
    while (at->ptr < at->end && *at->ptr == ' ')
        at->ptr++;
}

static struct lb_str rest_of(const struct syslog_cursor *at)
{
    return (struct lb_str){ at->ptr, (size_t)(at->end - at->ptr) };
}

static bool starts(const struct syslog_cursor *at, struct lb_str prefix)
{
    return lb_str_starts(rest_of(at), prefix);
}

/* --- time ------------------------------------------------------------------- */

/* "2006-01-02T15:04:05Z" or "2006-01-02 15:04:05", perhaps with a colon behind. */
static bool read_iso_time(struct syslog_cursor *at, struct syslog_message *message)
{
    const char *end;
    struct lb_str text;

    if (at->end - at->ptr < 19 || !is_digit(*at->ptr) || at->ptr[4] != '-')
        return false;
    end = memchr(at->ptr + 11, ' ', (size_t)(at->end - at->ptr) - 11);
    text = (struct lb_str){ at->ptr, (size_t)((end != NULL ? end : at->end) - at->ptr) };
    if (text.ptr[text.len - 1] == ':')
        text.len--;
    if (!lb_time_rfc3339_cached(message->data->second, text, &message->time_ns))
        return false;
    message->has_time = true;
    at->ptr = end != NULL ? end : at->end;
    return true;
}

/* "03/01/2026:10:00:00 GMT", of NetScaler. */
static bool read_slashed_time(struct syslog_cursor *at, int64_t now_ns, struct syslog_message *message)
{
    enum { LENGTH = 19 };
    struct lb_str text = rest_of(at);

    if (text.len < LENGTH || !is_digit(*text.ptr) || text.ptr[2] != '/' || text.ptr[5] != '/' || text.ptr[10] != ':')
        return false;
    text.len = LENGTH;
    if (!lb_time_guess(text, now_ns, &message->time_ns))
        return false;
    message->has_time = true;
    at->ptr += LENGTH;
    if (starts(at, LB_STR(" GMT ")))
        at->ptr += 4;
    return true;
}

/* "Sun " before the month, as OpenWrt writes it; passed over. */
static void skip_weekday(struct syslog_cursor *at)
{
    static const char days[] = "MonTueWedThuFriSatSun";

    if (at->end - at->ptr < 8 || at->ptr[3] != ' ' || is_digit(at->ptr[4]))
        return;
    for (size_t i = 0; i < sizeof(days) - 1; i += 3)
        if (memcmp(at->ptr, days + i, 3) == 0) {
            at->ptr += 4;
            return;
        }
}

/* True also for a stamp that is none by the calendar: it is passed over. */
static bool read_time(struct syslog_cursor *at, int64_t now_ns, struct syslog_message *message)
{
    struct syslog_cursor start = *at;
    size_t used;

    if (read_iso_time(at, message) || read_slashed_time(at, now_ns, message))
        return true;
    skip_weekday(at);
    message->has_time = lb_time_rfc3164(rest_of(at), now_ns, &message->time_ns, &used);
    if (used == 0) {
        *at = start;
        return false;
    }
    if (!message->has_time)
        message->reason = "there is no such date";
    at->ptr += used;
    return true;
}

/* --- Cisco ------------------------------------------------------------------ */

/* "91: ", or only ": " as NX-OS sends; nothing is a sequence of no digits. */
static bool read_sequence(struct syslog_cursor *at, struct lb_str *sequence)
{
    struct syslog_cursor next = *at;
    const char *start = at->ptr;

    while (next.ptr < next.end && next.ptr - start < SEQUENCE_DIGITS_MAX && is_digit(*next.ptr))
        next.ptr++;
    *sequence = (struct lb_str){ start, (size_t)(next.ptr - start) };
    if (!take(&next, ':') || (next.ptr < next.end && *next.ptr != ' '))
        return false;
    skip_blanks(&next);
    *at = next;
    return true;
}

/* "machine1: " */
static bool read_origin(struct syslog_cursor *at, struct lb_value *host)
{
    struct syslog_cursor next = *at;
    const char *start = at->ptr;

    while (next.ptr < next.end && next.ptr - start < HOST_MAX && is_host_char(*next.ptr))
        next.ptr++;
    *host = lb_value_of((struct lb_str){ start, (size_t)(next.ptr - start) }, LB_VALUE_CLEAN);
    if (host->len == 0 || !take(&next, ':') || !take(&next, ' '))
        return false;
    skip_blanks(&next);
    *at = next;
    return true;
}

/* "RP/0/RSP0/CPU0:", "CLC 1/2: ": which card of a router it is; passed over. */
static void skip_card(struct syslog_cursor *at)
{
    struct syslog_cursor next = *at;

    if (!starts(at, LB_STR("RP/")) && !starts(at, LB_STR("LC/")) && !starts(at, LB_STR("CLC ")))
        return;
    next.ptr += 3;
    while (next.ptr < next.end && (is_alnum(*next.ptr) || *next.ptr == '/' || *next.ptr == ' '))
        next.ptr++;
    if (!take(&next, ':'))
        return;
    skip_blanks(&next);
    *at = next;
}

/* `*` or `.` before the time: the clock was never set, or it was. */
static bool read_marked_time(struct syslog_cursor *at, int64_t now_ns, struct syslog_message *message)
{
    struct syslog_cursor next = *at;
    char mark = take(&next, '*') ? '*' : '\0';

    if (mark == '\0' && take(&next, '.'))
        mark = '.';
    if (!read_time(&next, now_ns, message))
        return false;
    message->clock_mark = mark;
    *at = next;
    return true;
}

/*
 * All that Cisco may put before its time, and the time. False: it is none of it. `*timed` tells that there was a time;
 * without one a sequence alone is evidence when an origin and a %TAG, or nothing, follow.
 */
static bool read_cisco(struct syslog_cursor *at, int64_t now_ns, struct syslog_message *message, bool *timed)
{
    struct syslog_cursor next = *at;
    struct lb_str sequence;
    struct lb_value host = { .kind = LB_VALUE_NONE };
    bool numbered = read_sequence(&next, &sequence);

    *timed = false;
    if (numbered && next.ptr == next.end && sequence.len > 0) {
        message->sequence = sequence;
        *at = next;
        return true;
    }
    if (!read_marked_time(&next, now_ns, message)) {
        if (!read_origin(&next, &host))
            host.kind = LB_VALUE_NONE;
        skip_card(&next);
        *timed = read_marked_time(&next, now_ns, message);
        if (!*timed && (!numbered || sequence.len == 0 || next.ptr == next.end || *next.ptr != '%'))
            return false;
    } else {
        *timed = true;
    }
    if (numbered)
        message->sequence = sequence;
    if (host.kind != LB_VALUE_NONE)
        message->host = host;
    *at = next;
    return true;
}

/* --- host and tag ------------------------------------------------------------ */

/* Hexadecimal groups with `::` or eight of them; an IPv4 address may be its end. */
static size_t ipv6_length(struct lb_str text)
{
    size_t len = 0;
    int colons = 0;
    bool gap = false;

    for (; len < text.len && len < 64 && (is_hex(text.ptr[len]) || text.ptr[len] == ':' || text.ptr[len] == '.'); len++)
        if (text.ptr[len] == ':') {
            colons++;
            gap |= len > 0 && text.ptr[len - 1] == ':';
        }
    return gap || colons == 7 ? len : 0;
}

/* A word of the letters of names, or an address, before a blank or the end. */
static bool read_host(struct syslog_cursor *at, struct syslog_message *message)
{
    struct lb_str rest = rest_of(at);
    size_t len = ipv6_length(rest);

    if (len == 0 && rest.len > 0 && is_alnum(*rest.ptr))
        while (len < rest.len && is_host_char(rest.ptr[len]))
            len++;
    if (len == 0 || (len < rest.len && rest.ptr[len] != ' '))
        return false;
    message->host = lb_value_of((struct lb_str){ rest.ptr, len < HOST_MAX ? len : HOST_MAX }, LB_VALUE_CLEAN);
    at->ptr += len;
    skip_blanks(at);
    return true;
}

static bool is_tag_char(char c)
{
    return c > ' ' && c < 0x7f && c != ':' && c != '[' && c != ',' && c != '=' && c != '{' && c != '"';
}

/* "[123]"; the cursor is behind it. */
static bool read_pid(struct syslog_cursor *at, struct lb_value *pid)
{
    struct syslog_cursor next = *at;
    const char *start;

    if (!take(&next, '['))
        return false;
    start = next.ptr;
    while (next.ptr < next.end && next.ptr - start <= PID_MAX && *next.ptr > ' ' && *next.ptr < 0x7f &&
           *next.ptr != ']' && *next.ptr != '[')
        next.ptr++;
    *pid = lb_value_text((struct lb_str){ start, (size_t)(next.ptr - start) });
    if (pid->len == 0 || pid->len > PID_MAX || !take(&next, ']'))
        return false;
    if (next.ptr < next.end && *next.ptr != ':' && *next.ptr != ' ')
        return false;
    *at = next;
    return true;
}

static bool is_number(struct lb_str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (!is_digit(word.ptr[i]))
            return false;
    return true;
}

/* Whether the colon at the cursor ends a tag: not that of a time or of a URL. */
static bool is_tag_colon(const struct syslog_cursor *at, struct lb_str tag)
{
    if (at->ptr == at->end || *at->ptr != ':')
        return false;
    if (at->end - at->ptr < 2)
        return true;
    return at->ptr[1] != '/' && !(is_number(tag) && is_digit(at->ptr[1]));
}

/* `behind_host`: a last word, a word before a bracket and a number are tags too. */
static bool read_tag(struct syslog_cursor *at, bool behind_host, struct syslog_message *message)
{
    struct syslog_cursor next = *at;
    struct lb_value pid = { .kind = LB_VALUE_NONE };
    struct lb_str tag = { at->ptr, 0 };
    bool sure;

    while (next.ptr < next.end && tag.len < TAG_MAX && is_tag_char(*next.ptr)) {
        next.ptr++;
        tag.len++;
    }
    if (tag.len == 0 || (!behind_host && is_number(tag)))
        return false;
    sure = read_pid(&next, &pid);
    if (is_tag_colon(&next, tag)) {
        next.ptr++;
        sure = true;
    }
    if (!sure && behind_host)
        sure = next.ptr == next.end || starts(&next, LB_STR(" ["));
    if (!sure)
        return false;
    take(&next, ' ');
    message->service = lb_value_text(tag);
    message->pid = pid;
    *at = next;
    return true;
}

/* "Message forwarded from HOST: ", by AIX */
static bool read_forwarded(struct syslog_cursor *at, struct syslog_message *message)
{
    static const char words[] = "Message forwarded from ";
    struct syslog_cursor next = *at;
    struct lb_value host;

    if (!starts(at, LB_STR(words)))
        return false;
    next.ptr += sizeof(words) - 1;
    if (!read_origin(&next, &host))
        return false;
    message->host = host;
    *at = next;
    return true;
}

/* "1 2019-…": a whole header of RFC 5424 behind one of RFC 3164. */
static bool read_nested(const struct syslog_cursor *at, struct syslog_message *message)
{
    struct syslog_message nested = *message;

    if (!starts(at, LB_STR("1 ")) || !syslog_read_5424(rest_of(at), true, &nested))
        return false;
    if (!nested.has_time) {
        nested.has_time = message->has_time;
        nested.time_ns = message->time_ns;
    }
    if (nested.host.kind == LB_VALUE_NONE)
        nested.host = message->host;
    *message = nested;
    return true;
}

static bool is_repetition(const struct syslog_cursor *at)
{
    return starts(at, LB_STR("last message repeated ")) || starts(at, LB_STR("message repeated "));
}

/* The facilities of a selector: "daemon", of AIX also "auth|security". -1: it is none. */
static int facility_of(struct lb_str word)
{
    static const char *const facilities[] = { "kern",   "user",   "mail",   "daemon", "auth",     "syslog",
                                              "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
                                              "ntp",    "audit",  "alert",  "clock",  "local0",   "local1",
                                              "local2", "local3", "local4", "local5", "local6",   "local7" };
    const char *bar = word.len > 0 ? memchr(word.ptr, '|', word.len) : NULL;

    if (bar != NULL)
        word.len = (size_t)(bar - word.ptr);
    for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
        if (lb_str_is(word, facilities[i]))
            return (int)i;
    return -1;
}

/* "tmm1[17212]: " */
static bool is_tag_with_pid(struct syslog_cursor at)
{
    struct lb_value pid;

    while (at.ptr < at.end && is_tag_char(*at.ptr))
        at.ptr++;
    return read_pid(&at, &pid) && at.ptr < at.end && *at.ptr == ':';
}

/*
 * The priority in words: "daemon.err " as the syslogd of BusyBox writes files, "auth|security:info " of AIX, and only
 * "err " before a tag with its process as F5 sends it. False: it does not stand there.
 */
static bool read_selector(struct syslog_cursor *at, struct syslog_message *message)
{
    struct lb_str rest = rest_of(at);
    const char *blank = rest.len > 0 ? memchr(rest.ptr, ' ', rest.len) : NULL;
    struct lb_str word = { rest.ptr, blank != NULL ? (size_t)(blank - rest.ptr) : 0 };
    const char *point = word.len > 0 ? memchr(word.ptr, '.', word.len) : NULL;
    int facility = -1;
    uint8_t level;

    if (word.len == 0)
        return false;
    if (point == NULL)
        point = memchr(word.ptr, ':', word.len);
    if (point != NULL)
        facility = facility_of((struct lb_str){ word.ptr, (size_t)(point - word.ptr) });
    else if (!is_tag_with_pid((struct syslog_cursor){ blank + 1, at->end }))
        return false;
    level = point != NULL ? lb_level_parse((struct lb_str){ point + 1, (size_t)(blank - point) - 1 })
                          : lb_level_parse(word);
    if (level > LB_LEVEL_DEBUG || (point != NULL && facility < 0) || word.len < 3)
        return false;
    if (!message->has_priority) {
        message->priority = (uint8_t)((facility < 0 ? 1 : facility) * 8 + level);
        message->has_priority = true;
    }
    at->ptr = blank + 1;
    return true;
}

/* Host, tag and message behind a time. */
static void read_timed(struct syslog_cursor *at, struct syslog_message *message)
{
    bool has_host = message->host.kind != LB_VALUE_NONE;

    skip_blanks(at);
    if (!read_forwarded(at, message) && !has_host && !is_repetition(at) && !read_selector(at, message))
        has_host = read_host(at, message);
    if (has_host && at->end - at->ptr > 1 && at->ptr[0] == ':' && at->ptr[1] == ' ')
        at->ptr += 2;
    if (has_host)
        (void)read_selector(at, message);
    if (read_nested(at, message))
        return;
    if (!is_repetition(at) && !read_tag(at, has_host, message) && has_host && starts(at, LB_STR("- ")))
        at->ptr += 2;
    message->message = rest_of(at);
}

void syslog_read_legacy(struct lb_str text, int64_t now_ns, struct syslog_message *message)
{
    struct syslog_cursor at = { text.ptr, text.ptr + text.len };
    struct syslog_cursor first = at;
    bool timed = false;

    message->message = text;
    skip_blanks(&first);
    if (first.ptr == first.end || *first.ptr == '{' || *first.ptr == '[' || *first.ptr == '"')
        return;
    if (message->has_priority && is_digit(*first.ptr))
        at = first;
    if (read_cisco(&at, now_ns, message, &timed)) {
        message->format = SYSLOG_RFC3164;
        if (timed) {
            read_timed(&at, message);
            return;
        }
        message->message = rest_of(&at);
    } else if (!message->has_priority) {
        return;
    }
    if (read_tag(&at, false, message)) {
        message->format = SYSLOG_RFC3164;
        message->message = rest_of(&at);
    }
}
