/*
 * syslog.c - PRI, and the header of RFC 5424.
 *
 * A header is read as far as it goes: a field that is not by the grammar ends it, what was read is kept and the rest is
 * the message, with the reason. Versions other than 1 are read only when they are wholly by the grammar of version 1.
 */
#include "syslog.h"

enum { HOST_MAX = 255, SERVICE_MAX = 48, PID_MAX = 128, MSGID_MAX = 32 };

static const char bom[] = "\xef\xbb\xbf";

static struct lb_str from(const char *ptr, const char *end)
{
    return (struct lb_str){ ptr, (size_t)(end - ptr) };
}

static struct lb_str without_bom(struct lb_str text)
{
    if (text.len >= 3 && memcmp(text.ptr, bom, 3) == 0)
        return from(text.ptr + 3, text.ptr + text.len);
    return text;
}

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* --- RFC 5424 ------------------------------------------------------------- */

/*
 * PRINTUSASCII up to a blank or the end; longer than `max` is cut. NILVALUE gives kind NONE. False: not by the grammar.
 * The cursor is behind one blank.
 */
static bool read_token(struct syslog_cursor *at, size_t max, struct lb_value *value)
{
    const char *start = at->ptr;
    const char *ptr = start;
    unsigned classes = 0;
    size_t len;

    for (; ptr < at->end && syslog_is(*ptr, SYSLOG_PRINT); ptr++)
        classes |= syslog_classes[(unsigned char)*ptr];
    len = (size_t)(ptr - start);
    if (len == 0 || (ptr < at->end && *ptr != ' '))
        return false;
    at->ptr = ptr < at->end ? ptr + 1 : ptr;
    if (len == 1 && *start == '-') {
        value->kind = LB_VALUE_NONE;
        return true;
    }
    *value = lb_value_of((struct lb_str){ start, len < max ? len : max },
                         (classes & SYSLOG_ESCAPED) != 0 ? LB_VALUE_TEXT : LB_VALUE_CLEAN);
    return true;
}

static bool read_stamp(struct syslog_cursor *at, struct syslog_message *message)
{
    const char *blank = memchr(at->ptr, ' ', (size_t)(at->end - at->ptr));
    struct lb_str text = from(at->ptr, blank != NULL ? blank : at->end);

    if (text.len == 1 && *text.ptr == '-') {
        message->has_time = false;
    } else if (lb_time_rfc3339_cached(message->data->second, text, &message->time_ns)) {
        message->has_time = true;
    } else if (text.len == 10 && at->end - at->ptr >= 19) {
        /* A blank for T. */
        blank = memchr(at->ptr + 11, ' ', (size_t)(at->end - at->ptr) - 11);
        text = from(at->ptr, blank != NULL ? blank : at->end);
        if (!lb_time_rfc3339(text, &message->time_ns))
            return false;
        message->has_time = true;
    } else {
        return false;
    }
    at->ptr = blank != NULL ? blank + 1 : at->end;
    return true;
}

/* STRUCTURED-DATA and MSG. False: the data is not by the grammar and all of it is the message. */
static bool read_data_and_message(struct syslog_cursor *at, struct syslog_message *message)
{
    struct lb_str rest = from(at->ptr, at->end);
    size_t len = 0;

    if (rest.len > 0 && *rest.ptr == '[')
        len = syslog_data_read(rest, message->data);
    else if (rest.len > 0 && *rest.ptr == '-')
        len = 1;
    if (len == 0 || (len < rest.len && rest.ptr[len] != ' ')) {
        message->message = rest;
        if (rest.len == 0)
            message->reason = "the header ends before its structured data";
        else if (*rest.ptr == '[')
            message->reason = "the structured data is not by RFC 5424";
        else
            message->reason = "the structured data is missing";
        return false;
    }
    if (*rest.ptr == '[')
        message->data->text = (struct lb_str){ rest.ptr, len };
    message->message = without_bom(from(rest.ptr + len + (len < rest.len), at->end));
    return true;
}

static bool read_fields(struct syslog_cursor *at, struct syslog_message *message)
{
    struct lb_value *const values[] = { &message->host, &message->service, &message->pid, &message->msgid };
    static const size_t lengths[] = { HOST_MAX, SERVICE_MAX, PID_MAX, MSGID_MAX };

    for (int i = 0; i < 4; i++) {
        if (at->ptr == at->end) {
            message->reason = "the header ends early";
            message->message = from(at->end, at->end);
            return false;
        }
        if (!read_token(at, lengths[i], values[i])) {
            message->reason = "a field of the header is not by RFC 5424";
            message->message = from(at->ptr, at->end);
            return false;
        }
    }
    return read_data_and_message(at, message);
}

/* From the timestamp on. False: something is not by the grammar; what was read is in `message` with the reason. */
static bool read_version_1(struct syslog_cursor *at, struct lb_str text, struct syslog_message *message)
{
    message->format = SYSLOG_RFC5424;
    if (!read_stamp(at, message)) {
        message->message = text;
        message->reason = "the timestamp is not by RFC 5424";
        return false;
    }
    return read_fields(at, message);
}

bool syslog_read_5424(struct lb_str text, bool strict, struct syslog_message *message)
{
    struct syslog_cursor at = { text.ptr, text.ptr + text.len };
    struct syslog_message before;

    while (at.ptr < at.end && is_digit(*at.ptr))
        at.ptr++;
    if (at.ptr == at.end || *at.ptr != ' ')
        return false;
    at.ptr++;
    if (!strict) {
        (void)read_version_1(&at, text, message);
        return true;
    }
    before = *message;
    if (read_version_1(&at, text, message))
        return true;
    *message = before;
    return false;
}

/* --- PRI ------------------------------------------------------------------- */

/* Bytes of `<n>`, or 0. Leading zeros are let pass. */
static size_t read_priority(struct lb_str text, uint8_t *priority)
{
    unsigned value = 0;
    size_t at = 1;

    if (text.len < 3 || text.ptr[0] != '<')
        return 0;
    for (; at < 4 && at < text.len && is_digit(text.ptr[at]); at++)
        value = value * 10 + (unsigned)(text.ptr[at] - '0');
    if (at == 1 || at == text.len || text.ptr[at] != '>' || value > SYSLOG_PRIORITY_MAX)
        return 0;
    *priority = (uint8_t)value;
    return at + 1;
}

/* "53 <2>…": the count of a frame that came as a datagram. */
static struct lb_str without_count(struct lb_str text)
{
    size_t at = 0;

    while (at < text.len && at < 10 && is_digit(text.ptr[at]))
        at++;
    if (at > 0 && at + 1 < text.len && text.ptr[at] == ' ' && text.ptr[at + 1] == '<')
        return from(text.ptr + at + 1, text.ptr + text.len);
    return text;
}

/* Digits of a version and a blank: 1 to 3 of them, the first not 0. */
static size_t version_length(struct lb_str text)
{
    size_t at = 0;

    while (at < text.len && at < 4 && is_digit(text.ptr[at]))
        at++;
    return at > 0 && at < 4 && text.ptr[0] != '0' && at < text.len && text.ptr[at] == ' ' ? at : 0;
}

struct lb_str syslog_trim(struct lb_str text)
{
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\0'))
        text.len--;
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    return text;
}

/* Behind a valid PRI. */
static void read_header(struct lb_str text, int64_t now_ns, struct syslog_message *message)
{
    size_t version = version_length(text);

    if (version == 1 && *text.ptr == '1' && syslog_read_5424(text, false, message))
        return;
    if (version > 0 && syslog_read_5424(text, true, message))
        return;
    if (version > 0) {
        message->message = text;
        message->reason = "the version is not 1 and the header not like that of version 1";
        return;
    }
    text = without_bom(text);
    while (text.len > 0 && *text.ptr == ' ')
        text = from(text.ptr + 1, text.ptr + text.len);
    syslog_read_legacy(text, now_ns, message);
}

void syslog_read(struct lb_str text, int64_t now_ns, struct syslog_message *message, struct syslog_data *data)
{
    size_t len;

    text = syslog_trim(text);
    data->text = (struct lb_str){ NULL, 0 };
    *message = (struct syslog_message){ .priority = SYSLOG_PRIORITY_DEFAULT, .message = text, .data = data };
    len = read_priority(text, &message->priority);
    if (len == 0 && text.len > 0 && is_digit(*text.ptr)) {
        struct lb_str counted = without_count(text);

        len = read_priority(counted, &message->priority);
        if (len > 0)
            text = counted;
    }
    if (len > 0) {
        message->has_priority = true;
        read_header(from(text.ptr + len, text.ptr + text.len), now_ns, message);
    } else if (text.len > 0 && *text.ptr == '<') {
        message->reason = "the priority is not <0> to <191>";
    } else if (version_length(text) == 0 || !syslog_read_5424(text, true, message)) {
        syslog_read_legacy(text, now_ns, message);
    }
}
