/*
 * leading_keys.c - which member is the time, the level, the message …
 *
 * Every member of every record is asked, and most are nothing special. So a
 * table by length says which first letters are worth a look, and only then
 * the few names of that length are compared. All of it is folded by setting
 * bit 5, which makes letters lower case; it also takes '@' for '`' and '_'
 * for DEL, which no logger writes.
 */
#include "leading.h"

struct alias {
    const char *name;
    uint8_t role;
    bool weak;
};

/* Sorted by length. A name stands here as loggers write it. */
static const struct alias aliases[] = {
    { "t", LEADING_TIME, true },
    { "ts", LEADING_TIME, false },
    { "@t", LEADING_TIME, false },
    { "@l", LEADING_LEVEL, false },
    { "@m", LEADING_MESSAGE, false },
    { "msg", LEADING_MESSAGE, false },
    { "lvl", LEADING_LEVEL, false },
    { "@mt", LEADING_MESSAGE, true },
    { "app", LEADING_SERVICE, true },
    { "log", LEADING_MESSAGE, true },
    { "body", LEADING_MESSAGE, true },
    { "time", LEADING_TIME, false },
    { "date", LEADING_TIME, true },
    { "host", LEADING_HOST, false },
    { "text", LEADING_MESSAGE, true },
    { "name", LEADING_SERVICE, true },
    { "level", LEADING_LEVEL, false },
    { "event", LEADING_MESSAGE, true },
    { "_time", LEADING_TIME, false },
    { "fields", LEADING_MESSAGE, true },
    { "record", LEADING_MESSAGE, true },
    { "message", LEADING_MESSAGE, false },
    { "service", LEADING_SERVICE, false },
    { "asctime", LEADING_TIME, true },
    { "created", LEADING_TIME, true },
    { "instant", LEADING_TIME, true },
    { "appname", LEADING_SERVICE, true },
    { "hostname", LEADING_HOST, false },
    { "severity", LEADING_LEVEL, false },
    { "loglevel", LEADING_LEVEL, false },
    { "priority", LEADING_LEVEL, true },
    { "datetime", LEADING_TIME, false },
    { "app_name", LEADING_SERVICE, true },
    { "unixTime", LEADING_TIME, true },
    { "log_time", LEADING_TIME, false },
    { "computer", LEADING_HOST, true },
    { "timestamp", LEADING_TIME, false },
    { "eventTime", LEADING_TIME, false },
    { "levelname", LEADING_LEVEL, false },
    { "log.level", LEADING_LEVEL, false },
    { "log_level", LEADING_LEVEL, false },
    { "host.name", LEADING_HOST, false },
    { "_hostname", LEADING_HOST, false },
    { "@timestamp", LEADING_TIME, false },
    { "start_time", LEADING_TIME, true },
    { "level_name", LEADING_LEVEL, false },
    { "timeMillis", LEADING_TIME, false },
    { "created_at", LEADING_TIME, true },
    { "event_time", LEADING_TIME, false },
    { "application", LEADING_SERVICE, true },
    { "serviceName", LEADING_SERVICE, false },
    { "log_message", LEADING_MESSAGE, false },
    { "textPayload", LEADING_MESSAGE, false },
    { "jsonPayload", LEADING_MESSAGE, true },
    { "programname", LEADING_SERVICE, true },
    { "service.name", LEADING_SERVICE, false },
    { "service_name", LEADING_SERVICE, false },
    { "severityText", LEADING_LEVEL, false },
    { "logTimestamp", LEADING_TIME, false },
    { "timeUnixNano", LEADING_TIME, false },
    { "short_message", LEADING_MESSAGE, false },
    { "TimeGenerated", LEADING_TIME, false },
    { "severity_text", LEADING_LEVEL, false },
    { "error_severity", LEADING_LEVEL, false },
    { "severityNumber", LEADING_LEVEL, true },
    { "severity_number", LEADING_LEVEL, true },
    { "RenderedMessage", LEADING_MESSAGE, false },
    { "MessageTemplate", LEADING_MESSAGE, true },
    { "syslog_identifier", LEADING_SERVICE, true },
    { "__realtime_timestamp", LEADING_TIME, false },
};

enum { ALIAS_COUNT = sizeof(aliases) / sizeof(aliases[0]), LENGTH_MAX = 20 };

#define LETTER(c) (UINT32_C(1) << ((c)&31))

/* For each length, the first letters of its names. */
static const uint32_t letters[LENGTH_MAX + 1] = {
    [1] = LETTER('t'),
    [2] = LETTER('t') | LETTER('@'),
    [3] = LETTER('m') | LETTER('l') | LETTER('@') | LETTER('a'),
    [4] = LETTER('b') | LETTER('t') | LETTER('d') | LETTER('h') | LETTER('n'),
    [5] = LETTER('l') | LETTER('e') | LETTER('_'),
    [6] = LETTER('f') | LETTER('r'),
    [7] = LETTER('m') | LETTER('s') | LETTER('a') | LETTER('c') | LETTER('i'),
    [8] = LETTER('h') | LETTER('s') | LETTER('l') | LETTER('p') | LETTER('d') | LETTER('a') | LETTER('u') | LETTER('c'),
    [9] = LETTER('t') | LETTER('e') | LETTER('l') | LETTER('h') | LETTER('_'),
    [10] = LETTER('@') | LETTER('s') | LETTER('l') | LETTER('t') | LETTER('c') | LETTER('e'),
    [11] = LETTER('a') | LETTER('s') | LETTER('l') | LETTER('t') | LETTER('j') | LETTER('p'),
    [12] = LETTER('s') | LETTER('l') | LETTER('t'),
    [13] = LETTER('s') | LETTER('t'),
    [14] = LETTER('e') | LETTER('s'),
    [15] = LETTER('s') | LETTER('r') | LETTER('m'),
    [17] = LETTER('s'),
    [20] = LETTER('_'),
};

/* Where the names of a length begin; those of one length end where the next begin. */
static const uint8_t first_of_length[LENGTH_MAX + 2] = {
    0, 0, 1, 5, 10, 16, 19, 21, 27, 36, 43, 49, 55, 60, 63, 65, 68, 68, 69, 69, 69, ALIAS_COUNT,
};

static inline uint32_t load4(const char *ptr)
{
    uint32_t four;

    memcpy(&four, ptr, sizeof(four));
    return four;
}

static inline uint64_t load8(const char *ptr)
{
    uint64_t eight;

    memcpy(&eight, ptr, sizeof(eight));
    return eight;
}

/* From both ends, so that four or eight bytes are compared at once. */
static inline bool same_folded(const char *a, const char *b, uint32_t len)
{
    uint64_t differ = 0;

    if (len >= 8) {
        for (uint32_t i = 0; i + 8 < len; i += 8)
            differ |= load8(a + i) ^ load8(b + i);
        differ |= load8(a + len - 8) ^ load8(b + len - 8);
    } else if (len >= 4) {
        differ = (load4(a) ^ load4(b)) | (load4(a + len - 4) ^ load4(b + len - 4));
    } else {
        for (uint32_t i = 0; i < len; i++)
            differ |= (uint64_t)(a[i] ^ b[i]);
    }
    return (differ & ~UINT64_C(0x2020202020202020)) == 0;
}

/* "shopLogLevel", "inv_loglevel": an application's own name for it. */
static bool ends_in_loglevel(struct lb_value key)
{
    enum { LENGTH = 8 };
    const char *end;

    if (key.len <= LENGTH)
        return false;
    end = key.ptr + key.len - LENGTH;
    return (end[LENGTH - 1] | 0x20) == 'l' && ((load8(end) ^ load8("loglevel")) & ~UINT64_C(0x2020202020202020)) == 0;
}

struct leading_key leading_key_of(struct lb_value key)
{
    struct leading_key none = { LEADING_NO_ROLE, false };

    if (ends_in_loglevel(key))
        return (struct leading_key){ LEADING_LEVEL, true };
    if (key.len == 0 || key.len > LENGTH_MAX || (letters[key.len] >> (*key.ptr & 31) & 1) == 0)
        return none;
    for (unsigned i = first_of_length[key.len]; i < first_of_length[key.len + 1]; i++) {
        if (same_folded(key.ptr, aliases[i].name, key.len))
            return (struct leading_key){ aliases[i].role, aliases[i].weak };
    }
    return none;
}
