/*
 * json_keys.c - which member is the time, the level, the message …
 *
 * Every member of every record is asked, and most are nothing special. So a
 * table by length says which first letters are worth a look, and only then
 * the few names of that length are compared. All of it is folded by setting
 * bit 5, which makes letters lower case; it also takes '@' for '`' and '_'
 * for DEL, which no logger writes.
 */
#include "parser_json.h"

struct alias {
    const char *name;
    uint8_t role;
    bool weak;
};

/* Sorted by length. A name stands here as loggers write it. */
static const struct alias aliases[] = {
    { "t", JSON_TIME, true },
    { "ts", JSON_TIME, false },
    { "@t", JSON_TIME, false },
    { "@l", JSON_LEVEL, false },
    { "@m", JSON_MESSAGE, false },
    { "msg", JSON_MESSAGE, false },
    { "lvl", JSON_LEVEL, false },
    { "@mt", JSON_MESSAGE, true },
    { "app", JSON_SERVICE, true },
    { "log", JSON_MESSAGE, true },
    { "time", JSON_TIME, false },
    { "date", JSON_TIME, true },
    { "host", JSON_HOST, false },
    { "text", JSON_MESSAGE, true },
    { "name", JSON_SERVICE, true },
    { "level", JSON_LEVEL, false },
    { "event", JSON_MESSAGE, true },
    { "fields", JSON_MESSAGE, true },
    { "message", JSON_MESSAGE, false },
    { "service", JSON_SERVICE, false },
    { "asctime", JSON_TIME, true },
    { "hostname", JSON_HOST, false },
    { "severity", JSON_LEVEL, false },
    { "loglevel", JSON_LEVEL, false },
    { "priority", JSON_LEVEL, true },
    { "datetime", JSON_TIME, false },
    { "app_name", JSON_SERVICE, true },
    { "timestamp", JSON_TIME, false },
    { "eventTime", JSON_TIME, false },
    { "levelname", JSON_LEVEL, false },
    { "log.level", JSON_LEVEL, false },
    { "log_level", JSON_LEVEL, false },
    { "host.name", JSON_HOST, false },
    { "_hostname", JSON_HOST, false },
    { "@timestamp", JSON_TIME, false },
    { "level_name", JSON_LEVEL, false },
    { "timeMillis", JSON_TIME, false },
    { "application", JSON_SERVICE, true },
    { "serviceName", JSON_SERVICE, false },
    { "service.name", JSON_SERVICE, false },
    { "service_name", JSON_SERVICE, false },
    { "severityText", JSON_LEVEL, false },
    { "short_message", JSON_MESSAGE, false },
    { "error_severity", JSON_LEVEL, false },
    { "syslog_identifier", JSON_SERVICE, true },
    { "__realtime_timestamp", JSON_TIME, false },
};

enum { ALIAS_COUNT = sizeof(aliases) / sizeof(aliases[0]), LENGTH_MAX = 20 };

#define LETTER(c) (UINT32_C(1) << ((c)&31))

/* For each length, the first letters of its names. */
static const uint32_t letters[LENGTH_MAX + 1] = {
    [1] = LETTER('t'),
    [2] = LETTER('t') | LETTER('@'),
    [3] = LETTER('m') | LETTER('l') | LETTER('@') | LETTER('a'),
    [4] = LETTER('t') | LETTER('d') | LETTER('h') | LETTER('n'),
    [5] = LETTER('l') | LETTER('e'),
    [6] = LETTER('f'),
    [7] = LETTER('m') | LETTER('s') | LETTER('a'),
    [8] = LETTER('h') | LETTER('s') | LETTER('l') | LETTER('p') | LETTER('d') | LETTER('a'),
    [9] = LETTER('t') | LETTER('e') | LETTER('l') | LETTER('h') | LETTER('_'),
    [10] = LETTER('@') | LETTER('l') | LETTER('t'),
    [11] = LETTER('a') | LETTER('s'),
    [12] = LETTER('s'),
    [13] = LETTER('s'),
    [14] = LETTER('e'),
    [17] = LETTER('s'),
    [20] = LETTER('_'),
};

/* Where the names of a length begin; those of one length end where the next begin. */
static const uint8_t first_of_length[LENGTH_MAX + 2] = {
    0, 0, 1, 5, 10, 15, 17, 18, 21, 27, 34, 37, 39, 42, 43, 44, 44, 44, 45, 45, 45, ALIAS_COUNT,
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

struct json_key json_key_of(struct lb_value key)
{
    struct json_key none = { JSON_NO_ROLE, false };

    if (key.len == 0 || key.len > LENGTH_MAX || (letters[key.len] >> (*key.ptr & 31) & 1) == 0)
        return none;
    for (unsigned i = first_of_length[key.len]; i < first_of_length[key.len + 1]; i++) {
        if (same_folded(key.ptr, aliases[i].name, key.len))
            return (struct json_key){ aliases[i].role, aliases[i].weak };
    }
    return none;
}
