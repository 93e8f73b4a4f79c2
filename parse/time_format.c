/*
 * time_format.c - strptime patterns, compiled once, run without locale, libc state or allocation.
 *
 * A pattern becomes a list of steps; a blank in it stands for any blanks. A whole text must be read. What a pattern
 * leaves out is taken from `now` (the year, or the day when there is only a clock) or zero. Without a zone in the text
 * the format's own zone holds. The last text read is remembered, for a log has many lines of one second.
 */
#include "time_parts.h"
#include "time_zone.h"

#include <stdatomic.h>

enum { STEPS_MAX = 64, MEMO_BYTES = 48 };

enum format_kind { KIND_STEPS, KIND_RFC3339, KIND_EPOCH, KIND_EPOCH_MS, KIND_EPOCH_US, KIND_EPOCH_NS, KIND_GUESS };

static const char *const words[] = { "rfc3339", "epoch", "epoch_ms", "epoch_us", "epoch_ns", "guess", NULL };

/* `code` is the letter behind %, or one of these. */
enum step_code { STEP_BLANKS = ' ', STEP_LITERAL = '=' };

struct step {
    char code;
    char literal;
};

struct lb_time_format {
    enum format_kind kind;
    uint64_t serial; /* of this format among all of the process: what a memo belongs to */
    uint32_t count;
    struct step steps[STEPS_MAX];
    struct time_zone zone;
};

/* Parts that are not in struct time_parts. */
struct reading {
    struct time_parts parts;
    bool has_date;
    bool epoch;
    int64_t epoch_second;
    int day_of_year;
    int half; /* 0: none, 1: AM, 2: PM */
};

/* Lines come many in a second: the last text that a thread has read, and its time. */
struct text_memo {
    uint64_t serial;
    int64_t time_ns;
    size_t len;
    char text[MEMO_BYTES];
};

static _Thread_local struct text_memo last_text;
static atomic_uint_fast64_t serials;

static const char letters[] = "YymdeHkIlMSLfNjbhBaApPzZs";

/* Shorthands are written out first. */
static const char *expansion(char letter)
{
    switch (letter) {
    case 'T': return "%H:%M:%S";
    case 'R': return "%H:%M";
    case 'D': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'r': return "%I:%M:%S %p";
    case 'c': return "%a %b %e %H:%M:%S %Y";
    default: return NULL;
    }
}

static bool add_step(struct lb_time_format *self, char code, char literal)
{
    if (self->count == STEPS_MAX)
        return false;
    if (code == STEP_BLANKS && self->count > 0 && self->steps[self->count - 1].code == STEP_BLANKS)
        return true;
    self->steps[self->count++] = (struct step){ code, literal };
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static const char too_long[] = "the format is too long; at most 64 parts are read";

/* NULL, or what is wrong with the letter behind a percent sign. */
static const char *compile_letter(struct lb_time_format *self, char letter)
{
    const char *longer = expansion(letter);
    bool fits = true;

    if (letter == '%') {
        fits = add_step(self, STEP_LITERAL, letter);
    } else if (letter == 'n' || letter == 't') {
        fits = add_step(self, STEP_BLANKS, letter);
    } else if (longer != NULL) {
        for (; *longer != '\0' && fits; longer++)
            fits = *longer == '%' ? add_step(self, *++longer, 0)
                                  : add_step(self, *longer == ' ' ? STEP_BLANKS : STEP_LITERAL, *longer);
    } else if (letter == '\0' || strchr(letters, letter) == NULL) {
        return "is not known in a time format; known are %Y %y %m %d %e %H %I %M %S %L %f %j %b %B %a %A %p %z %Z %s "
               "%T %D %F %R %%";
    } else {
        fits = add_step(self, letter, 0);
    }
    return fits ? NULL : too_long;
}

/* NULL, or what is wrong; `*at` is where. */
static const char *compile(struct lb_time_format *self, struct lb_str format, size_t *at)
{
    for (*at = 0; *at < format.len; (*at)++) {
        char c = format.ptr[*at];
        const char *reason = NULL;

        if (c != '%') {
            if (!add_step(self, is_blank(c) ? STEP_BLANKS : STEP_LITERAL, c))
                return too_long;
            continue;
        }
        if (*at + 1 < format.len && format.ptr[*at + 1] == ':')
            (*at)++;
        if (++*at == format.len)
            return "the format ends with a single %; write %% for a percent sign";
        reason = compile_letter(self, format.ptr[*at]);
        if (reason != NULL)
            return reason;
    }
    return NULL;
}

static struct lb_place moved(struct lb_place place, size_t columns)
{
    place.column += (uint32_t)columns;
    return place;
}

static bool find_word(struct lb_time_format *self, struct lb_str format)
{
    for (int i = 0; words[i] != NULL; i++)
        if (lb_str_is(format, words[i])) {
            self->kind = (enum format_kind)(KIND_RFC3339 + i);
            return true;
        }
    self->kind = KIND_STEPS;
    return false;
}

struct lb_time_format *lb_time_format_new(struct lb_arena *arena, struct lb_str format, struct lb_str timezone,
                                          struct lb_place place, struct lb_diag *diag)
{
    struct lb_time_format *self = lb_arena_zalloc(arena, sizeof(*self));
    const char *reason = NULL;
    size_t at = 0;

    if (self == NULL || time_zone_open(&self->zone, arena, timezone, &reason) == LB_NOMEM) {
        lb_diag_error(diag, place, "no memory for a time format");
        return NULL;
    }
    if (reason != NULL) {
        lb_diag_error(diag, place, "time zone '" LB_STR_FMT "' %s; expected a name such as Europe/Berlin or +02:00",
                      LB_STR_ARG(timezone), reason);
        return NULL;
    }
    self->serial = atomic_fetch_add(&serials, 1) + 1;
    if (find_word(self, format))
        return self;
    if (memchr(format.ptr, '%', format.len) == NULL) {
        const char *near = lb_nearest(format, words);

        lb_diag_error(diag, place,
                      "'" LB_STR_FMT "' is no time format%s%s%s; expected one such as '%%Y-%%m-%%d %%H:%%M:%%S' or one "
                      "of rfc3339, epoch, epoch_ms, epoch_us, epoch_ns, guess",
                      LB_STR_ARG(format), near == NULL ? "" : "; did you mean '", near == NULL ? "" : near,
                      near == NULL ? "" : "'?");
        return NULL;
    }
    reason = compile(self, format, &at);
    if (reason == NULL)
        return self;
    if (at < format.len && reason != too_long)
        lb_diag_error(diag, moved(place, at), "'%%%c' %s", format.ptr[at], reason);
    else
        lb_diag_error(diag, moved(place, at), "%s", reason);
    return NULL;
}

static bool read_epoch_second(struct time_cursor *at, struct reading *reading)
{
    int64_t value = 0;
    int count = 0;

    for (; count < 12 && at->ptr < at->end && time_is_digit(*at->ptr); count++)
        value = value * 10 + (*at->ptr++ - '0');
    reading->epoch = true;
    reading->epoch_second = value;
    return count > 0;
}

static bool read_half(struct time_cursor *at, struct reading *reading)
{
    if (at->end - at->ptr < 2 || (at->ptr[1] | 0x20) != 'm')
        return false;
    reading->half = (at->ptr[0] | 0x20) == 'a' ? 1 : 2;
    at->ptr += 2;
    return reading->half == 1 || (at->ptr[-2] | 0x20) == 'p';
}

static bool read_padded(struct time_cursor *at, int *number)
{
    time_skip_blanks(at);
    return time_read_number(at, 1, 2, number);
}

static bool read_short_year(struct time_cursor *at, struct time_parts *parts)
{
    int year;

    if (!time_read_number(at, 2, 2, &year))
        return false;
    parts->year = year < 69 ? 2000 + year : 1900 + year;
    return true;
}

static bool read_date_step(char code, struct time_cursor *at, struct reading *reading)
{
    struct time_parts *parts = &reading->parts;

    reading->has_date = true;
    switch (code) {
    case 'Y': return time_read_number(at, 4, 4, &parts->year) && parts->year >= TIME_YEAR_MIN;
    case 'y': return read_short_year(at, parts);
    case 'm': return time_read_number(at, 1, 2, &parts->month);
    case 'd':
    case 'e': return read_padded(at, &parts->day);
    case 'j': return time_read_number(at, 1, 3, &reading->day_of_year) && reading->day_of_year > 0;
    case 'b':
    case 'h':
    case 'B': return time_read_month(at, &parts->month);
    default: return read_epoch_second(at, reading);
    }
}

static bool read_step(const struct step *step, struct time_cursor *at, struct reading *reading)
{
    struct time_parts *parts = &reading->parts;

    switch (step->code) {
    case STEP_LITERAL: return time_take(at, step->literal);
    case STEP_BLANKS: time_skip_blanks(at); return true;
    case 'H':
    case 'k':
    case 'I':
    case 'l': return read_padded(at, &parts->hour);
    case 'M': return time_read_number(at, 2, 2, &parts->minute);
    case 'S': return time_read_number(at, 2, 2, &parts->second);
    case 'L':
    case 'f':
    case 'N': return time_read_fraction(at, &parts->nanos);
    case 'a':
    case 'A': return time_read_weekday(at);
    case 'p':
    case 'P': return read_half(at, reading);
    case 'z': return time_read_offset(at, parts) || time_read_zone_name(at, parts);
    case 'Z': return time_read_zone_name(at, parts) || time_read_offset(at, parts);
    default: return read_date_step(step->code, at, reading);
    }
}

/* Fills what the pattern has not: the day of a bare clock is the day of `now`. */
static bool complete(struct reading *reading, int64_t now_ns)
{
    struct time_parts *parts = &reading->parts;

    if (reading->half != 0) {
        if (parts->hour < 1 || parts->hour > 12)
            return false;
        parts->hour = parts->hour % 12 + (reading->half == 2 ? 12 : 0);
    }
    if (reading->day_of_year > 366)
        return false;
    if (reading->day_of_year > 0 && parts->year == 0)
        lb_time_civil(now_ns / LB_SECOND / 86400, &parts->year, &parts->month, &parts->day);
    if (reading->day_of_year > 0)
        lb_time_civil(lb_time_days(parts->year, 1, 1) + reading->day_of_year - 1, &parts->year, &parts->month,
                      &parts->day);
    if (!reading->has_date)
        lb_time_civil(now_ns / LB_SECOND / 86400, &parts->year, &parts->month, &parts->day);
    if (parts->month == 0)
        parts->month = 1;
    if (parts->day == 0)
        parts->day = 1;
    return true;
}

static bool to_utc(const struct lb_time_format *self, bool zoned, int64_t civil, int64_t *time_ns)
{
    int64_t second = civil / LB_SECOND - (civil % LB_SECOND < 0);

    *time_ns = civil;
    if (zoned)
        return true;
    return !__builtin_sub_overflow(civil, (second - time_zone_to_utc(&self->zone, second)) * LB_SECOND, time_ns);
}

/* `*dated` tells that the text alone says when it is: the same text is the same time for ever. */
static bool parse_steps(const struct lb_time_format *self, struct lb_str text, int64_t now_ns, int64_t *time_ns,
                        bool *dated)
{
    struct time_cursor at = time_cursor_of(text);
    struct reading reading = { 0 };
    int64_t civil;

    for (uint32_t i = 0; i < self->count; i++)
        if (!read_step(&self->steps[i], &at, &reading))
            return false;
    time_skip_blanks(&at);
    if (at.ptr != at.end)
        return false;
    *dated = reading.epoch || reading.parts.year != 0;
    if (reading.epoch)
        return !__builtin_mul_overflow(reading.epoch_second, LB_SECOND, time_ns) &&
               !__builtin_add_overflow(*time_ns, reading.parts.nanos, time_ns);
    return complete(&reading, now_ns) && time_from_parts(&reading.parts, now_ns, &civil) &&
           to_utc(self, reading.parts.zoned, civil, time_ns);
}

static bool parse_remembering(const struct lb_time_format *self, struct lb_str text, int64_t now_ns, int64_t *time_ns)
{
    bool dated = false;

    if (last_text.serial == self->serial && last_text.len == text.len &&
        memcmp(last_text.text, text.ptr, text.len) == 0) {
        *time_ns = last_text.time_ns;
        return true;
    }
    if (!parse_steps(self, text, now_ns, time_ns, &dated))
        return false;
    if (dated && text.len <= MEMO_BYTES) {
        last_text.serial = self->serial;
        last_text.time_ns = *time_ns;
        last_text.len = text.len;
        memcpy(last_text.text, text.ptr, text.len);
    }
    return true;
}

/* Any usual form; in the format's zone where the text has none. */
static bool parse_guessing(const struct lb_time_format *self, struct lb_str text, int64_t now_ns, int64_t *time_ns)
{
    int64_t civil;
    bool zoned = false;

    return time_guess_zoned(text, now_ns, &civil, &zoned) && to_utc(self, zoned, civil, time_ns);
}

bool lb_time_format_parse(const struct lb_time_format *format, struct lb_str text, int64_t now_ns, int64_t *time_ns)
{
    switch (format->kind) {
    case KIND_STEPS: return parse_remembering(format, text, now_ns, time_ns);
    case KIND_RFC3339: return lb_time_rfc3339(text, time_ns);
    case KIND_EPOCH: return time_read_epoch(text, LB_SECOND, time_ns);
    case KIND_EPOCH_MS: return time_read_epoch(text, LB_MILLISECOND, time_ns);
    case KIND_EPOCH_US: return time_read_epoch(text, 1000, time_ns);
    case KIND_EPOCH_NS: return time_read_epoch(text, 1, time_ns);
    case KIND_GUESS: return parse_guessing(format, text, now_ns, time_ns);
    }
    return false;
}
