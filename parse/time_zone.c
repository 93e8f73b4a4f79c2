/*
 * time_zone.c - reads TZif files (RFC 8536, version 2 or later).
 *
 * The file lists the changes of the offset, then ends with a rule for all later years ("CET-1CEST,M3.5.0,M10.5.0/3");
 * slim files leave everything to the rule. It is expanded into changes up to 2100, so that a lookup has one way.
 * Every size in the file is checked against its length before it is used.
 */
#include "time_zone.h"
#include "time_parts.h"

#include "lb_alloc.h"

#include <errno.h>
#include <stdio.h>

enum { FILE_BYTES_MAX = 256 * 1024, HEADER_BYTES = 44, LAST_YEAR = 2100, RULE_BYTES_MAX = 128 };

/* A view of the 64-bit block. */
struct tzif {
    const unsigned char *times;
    const unsigned char *indexes;
    const unsigned char *types; /* 6 bytes each: offset, is_dst, abbreviation */
    uint32_t time_count;
    uint32_t type_count;
    struct lb_str rule;
};

/* "M3.5.0/2": the fifth (last) Sunday of March at 02:00; or "J60", "59". */
struct rule_date {
    char kind; /* M, J or 0 */
    int month;
    int week;
    int day;
    int seconds;
};

struct rule {
    int standard; /* seconds east of UTC */
    int daylight;
    bool has_daylight;
    struct rule_date begin;
    struct rule_date end;
};

static uint32_t read_u32(const unsigned char *ptr)
{
    return (uint32_t)ptr[0] << 24 | (uint32_t)ptr[1] << 16 | (uint32_t)ptr[2] << 8 | ptr[3];
}

static int64_t read_i64(const unsigned char *ptr)
{
    return (int64_t)((uint64_t)read_u32(ptr) << 32 | read_u32(ptr + 4));
}

/* Bytes of one block behind its header; `time_size` is 4 in the first, 8 in the second. */
static size_t block_size(const unsigned char *header, size_t time_size)
{
    size_t utc_count = read_u32(header + 20);
    size_t std_count = read_u32(header + 24);
    size_t leap_count = read_u32(header + 28);
    size_t time_count = read_u32(header + 32);
    size_t type_count = read_u32(header + 36);
    size_t char_count = read_u32(header + 40);

    return time_count * (time_size + 1) + type_count * 6 + char_count + leap_count * (time_size + 4) + std_count +
           utc_count;
}

static bool open_tzif(struct tzif *tzif, const unsigned char *bytes, size_t len)
{
    const unsigned char *header;
    const unsigned char *end = bytes + len;
    size_t skip;

    if (len < HEADER_BYTES || memcmp(bytes, "TZif", 4) != 0 || bytes[4] < '2')
        return false;
    skip = HEADER_BYTES + block_size(bytes, 4);
    if (skip > len || len - skip < HEADER_BYTES || memcmp(bytes + skip, "TZif", 4) != 0)
        return false;
    header = bytes + skip;
    tzif->time_count = read_u32(header + 32);
    tzif->type_count = read_u32(header + 36);
    if (block_size(header, 8) > (size_t)(end - header) - HEADER_BYTES)
        return false;
    tzif->times = header + HEADER_BYTES;
    tzif->indexes = tzif->times + (size_t)tzif->time_count * 8;
    tzif->types = tzif->indexes + tzif->time_count;
    header += HEADER_BYTES + block_size(header, 8);
    if (end - header >= 2 && header[0] == '\n' && end[-1] == '\n')
        tzif->rule = (struct lb_str){ (const char *)header + 1, (size_t)(end - header) - 2 };
    return tzif->type_count > 0 && tzif->time_count < TIME_ZONE_CHANGES_MAX - 2 * (LAST_YEAR - 1970);
}

/* "CET" or "<+03>" */
static bool skip_abbreviation(struct time_cursor *at)
{
    const char *start = at->ptr;

    if (time_take(at, '<')) {
        while (at->ptr < at->end && *at->ptr != '>')
            at->ptr++;
        return time_take(at, '>');
    }
    while (at->ptr < at->end && time_is_letter(*at->ptr))
        at->ptr++;
    return at->ptr - start >= 3;
}

/* "[+-]hh[:mm[:ss]]" in seconds */
static bool read_rule_time(struct time_cursor *at, int *seconds)
{
    bool negative = time_at(at, '-');
    int part[3] = { 0 };

    if (negative || time_at(at, '+'))
        at->ptr++;
    if (!time_read_number(at, 1, 3, &part[0]))
        return false;
    for (int i = 1; i < 3 && time_take(at, ':'); i++)
        if (!time_read_number(at, 2, 2, &part[i]))
            return false;
    *seconds = (part[0] * 3600 + part[1] * 60 + part[2]) * (negative ? -1 : 1);
    return true;
}

static bool read_rule_date(struct time_cursor *at, struct rule_date *date)
{
    if (!time_take(at, ','))
        return false;
    date->seconds = 2 * 3600;
    date->kind = '0';
    if (time_take(at, 'M')) {
        date->kind = 'M';
        if (!time_read_number(at, 1, 2, &date->month) || !time_take(at, '.') ||
            !time_read_number(at, 1, 1, &date->week) || !time_take(at, '.') || !time_read_number(at, 1, 1, &date->day))
            return false;
        if (date->month < 1 || date->month > 12 || date->week < 1 || date->week > 5 || date->day > 6)
            return false;
    } else {
        if (time_take(at, 'J'))
            date->kind = 'J';
        if (!time_read_number(at, 1, 3, &date->day))
            return false;
    }
    return !time_take(at, '/') || read_rule_time(at, &date->seconds);
}

/* POSIX writes offsets west of UTC, so the signs turn. */
static bool read_rule(struct lb_str text, struct rule *rule)
{
    struct time_cursor at = time_cursor_of(text);

    if (text.len > RULE_BYTES_MAX || !skip_abbreviation(&at) || !read_rule_time(&at, &rule->standard))
        return false;
    rule->standard = -rule->standard;
    rule->has_daylight = at.ptr < at.end;
    if (!rule->has_daylight)
        return true;
    if (!skip_abbreviation(&at))
        return false;
    rule->daylight = rule->standard + 3600;
    if (!time_at(&at, ',')) {
        if (!read_rule_time(&at, &rule->daylight))
            return false;
        rule->daylight = -rule->daylight;
    }
    return read_rule_date(&at, &rule->begin) && read_rule_date(&at, &rule->end) && at.ptr == at.end;
}

/* Civil seconds of a rule's date in a year. */
static int64_t rule_second(const struct rule_date *date, int year)
{
    int64_t days = lb_time_days(year, 1, 1);

    if (date->kind == 'M') {
        int64_t first = lb_time_days(year, date->month, 1);
        int64_t next = date->month == 12 ? lb_time_days(year + 1, 1, 1) : lb_time_days(year, date->month + 1, 1);
        int weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */

        days = first + (date->day - weekday + 7) % 7 + (date->week - 1) * 7;
        if (days >= next)
            days -= 7;
    } else if (date->kind == 'J') {
        bool leap = lb_time_days(year + 1, 1, 1) - days == 366;

        days += date->day - 1 + (leap && date->day >= 60);
    } else {
        days += date->day;
    }
    return days * 86400 + date->seconds;
}

static void add_change(struct time_zone *zone, int64_t at, int32_t offset)
{
    if (zone->count < TIME_ZONE_CHANGES_MAX && (zone->count == 0 || at > zone->changes[zone->count - 1].at))
        zone->changes[zone->count++] = (struct time_zone_change){ at, offset };
}

static void expand_rule(struct time_zone *zone, const struct rule *rule)
{
    int year = 1970;
    int month;
    int day;

    if (!rule->has_daylight) {
        if (zone->count == 0)
            zone->first_offset = rule->standard;
        return;
    }
    if (zone->count > 0)
        lb_time_civil(zone->changes[zone->count - 1].at / 86400, &year, &month, &day);
    for (; year < LAST_YEAR; year++) {
        int64_t begin = rule_second(&rule->begin, year) - rule->standard;
        int64_t end = rule_second(&rule->end, year) - rule->daylight;

        if (begin > end)
            add_change(zone, end, rule->standard);
        add_change(zone, begin, rule->daylight);
        if (begin < end)
            add_change(zone, end, rule->standard);
    }
}

static bool fill_zone(struct time_zone *zone, const struct tzif *tzif)
{
    struct rule rule = { 0 };

    zone->first_offset = (int32_t)read_u32(tzif->types);
    for (uint32_t i = 0; i < tzif->time_count; i++) {
        uint32_t type = tzif->indexes[i];

        if (type >= tzif->type_count)
            return false;
        add_change(zone, read_i64(tzif->times + (size_t)i * 8), (int32_t)read_u32(tzif->types + (size_t)type * 6));
    }
    if (tzif->rule.len == 0)
        return true;
    if (!read_rule(tzif->rule, &rule))
        return false;
    expand_rule(zone, &rule);
    return true;
}

/* [A-Za-z0-9_+-] parts joined by single slashes: no way out of the database's directory. */
static bool is_zone_name(struct lb_str name)
{
    char before = '/';

    if (name.len == 0 || name.len > 64)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (c == '/' ? before == '/' : !time_is_letter(c) && !time_is_digit(c) && c != '_' && c != '+' && c != '-')
            return false;
        before = c;
    }
    return before != '/';
}

static enum lb_err read_zone_file(struct time_zone *zone, struct lb_str name, const char **reason)
{
    char path[128];
    unsigned char *bytes;
    struct tzif tzif = { 0 };
    size_t len;
    FILE *file;
    enum lb_err err = LB_OK;

    snprintf(path, sizeof(path), "/usr/share/zoneinfo/" LB_STR_FMT, LB_STR_ARG(name));
    file = fopen(path, "re");
    if (file == NULL) {
        *reason = errno == ENOENT ? "is not in /usr/share/zoneinfo" : "cannot be read in /usr/share/zoneinfo";
        return errno == ENOENT ? LB_BAD_CONF : LB_IO;
    }
    bytes = lb_alloc(FILE_BYTES_MAX);
    if (bytes == NULL) {
        (void)fclose(file);
        *reason = "needs memory that is not there";
        return LB_NOMEM;
    }
    len = fread(bytes, 1, FILE_BYTES_MAX, file);
    if (!open_tzif(&tzif, bytes, len) || !fill_zone(zone, &tzif)) {
        *reason = "is no time zone file in /usr/share/zoneinfo";
        err = LB_BAD_INPUT;
    }
    lb_free(bytes);
    (void)fclose(file);
    return err;
}

enum lb_err time_zone_open(struct time_zone *zone, struct lb_arena *arena, struct lb_str name, const char **reason)
{
    struct time_cursor at = time_cursor_of(name);
    struct time_parts parts = { 0 };
    enum lb_err err;

    memset(zone, 0, sizeof(*zone));
    if (name.len == 0)
        return LB_OK;
    if ((time_read_offset(&at, &parts) || time_read_zone_name(&at, &parts)) && at.ptr == at.end) {
        zone->first_offset = parts.offset;
        return LB_OK;
    }
    if (!is_zone_name(name)) {
        *reason = "is no name of a time zone";
        return LB_BAD_CONF;
    }
    zone->changes = lb_alloc(TIME_ZONE_CHANGES_MAX * sizeof(*zone->changes));
    if (zone->changes == NULL) {
        *reason = "needs memory that is not there";
        return LB_NOMEM;
    }
    err = read_zone_file(zone, name, reason);
    if (err == LB_OK) {
        struct lb_str bytes = { (const char *)zone->changes, zone->count * sizeof(*zone->changes) };
        struct time_zone_change *kept = lb_arena_alloc(arena, bytes.len + 8);

        if (kept != NULL && bytes.len > 0)
            memcpy(kept, bytes.ptr, bytes.len);
        err = kept == NULL ? LB_NOMEM : LB_OK;
        lb_free(zone->changes);
        zone->changes = kept;
        return err;
    }
    lb_free(zone->changes);
    zone->changes = NULL;
    return err;
}

int32_t time_zone_offset(const struct time_zone *zone, int64_t second)
{
    uint32_t low = 0;
    uint32_t high = zone->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (zone->changes[middle].at <= second)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? zone->first_offset : zone->changes[low - 1].offset;
}

int64_t time_zone_to_utc(const struct time_zone *zone, int64_t civil)
{
    int32_t before;
    int32_t after;

    if (zone->count == 0)
        return civil - zone->first_offset;
    before = time_zone_offset(zone, civil - 86400);
    if (time_zone_offset(zone, civil - before) == before)
        return civil - before;
    after = time_zone_offset(zone, civil + 86400);
    if (time_zone_offset(zone, civil - after) == after)
        return civil - after;
    return civil - before;
}
