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

#define FOLD 0x20

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
    { "level", JSON_LEVEL, false },
    { "event", JSON_MESSAGE, true },
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
    { "syslog_identifier", JSON_SERVICE, true },
    { "__realtime_timestamp", JSON_TIME, false },
};

enum { ALIAS_COUNT = sizeof(aliases) / sizeof(aliases[0]), LENGTH_MAX = 20 };

#define LETTER(c) (UINT32_C(1) << ((c)&31))

/* For each length: where its names begin, and the first letters of them. */
static const struct {
    uint8_t first;
    uint32_t letters;
} lengths[LENGTH_MAX + 2] = {
    [1] = { 0, LETTER('t') },
    [2] = { 1, LETTER('t') | LETTER('@') },
    [3] = { 5, LETTER('m') | LETTER('l') | LETTER('@') | LETTER('a') },
    [4] = { 10, LETTER('t') | LETTER('d') | LETTER('h') },
    [5] = { 14, LETTER('l') | LETTER('e') },
    [6] = { 16, 0 },
    [7] = { 16, LETTER('m') | LETTER('s') | LETTER('a') },
    [8] = { 19, LETTER('h') | LETTER('s') | LETTER('l') | LETTER('p') | LETTER('d') | LETTER('a') },
    [9] = { 25, LETTER('t') | LETTER('e') | LETTER('l') | LETTER('h') | LETTER('_') },
    [10] = { 32, LETTER('@') | LETTER('l') | LETTER('t') },
    [11] = { 35, LETTER('a') | LETTER('s') },
    [12] = { 37, LETTER('s') },
    [13] = { 40, LETTER('s') },
    [14] = { 41, 0 },
    [15] = { 41, 0 },
    [16] = { 41, 0 },
    [17] = { 41, LETTER('s') },
    [18] = { 42, 0 },
    [19] = { 42, 0 },
    [20] = { 42, LETTER('_') },
    [21] = { ALIAS_COUNT, 0 },
};

static bool same_folded(const char *a, const char *b, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if ((a[i] | FOLD) != (b[i] | FOLD))
            return false;
    }
    return true;
}

struct json_key json_key_of(struct lb_value key)
{
    struct json_key none = { JSON_NO_ROLE, false };

    if (key.len == 0 || key.len > LENGTH_MAX || (lengths[key.len].letters >> (key.ptr[0] & 31) & 1) == 0)
        return none;
    for (unsigned i = lengths[key.len].first; i < lengths[key.len + 1].first; i++) {
        if (same_folded(key.ptr, aliases[i].name, key.len))
            return (struct json_key){ aliases[i].role, aliases[i].weak };
    }
    return none;
}
