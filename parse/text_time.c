/*
 * text_time.c - the time in front of a message.
 *
 * Layouts write it in many forms and do not say where it ends. So its clock is looked for first, which all have, and
 * what could be a zone behind it; the reader of times says how much of that is one.
 */
#include "text_header.h"

enum { TIME_BYTES_MAX = 48, EPOCH_DIGITS = 10 };

/* "15:04" at `at`; not the year and hour of "01/Mar/2026:15:04". */
static bool is_clock(struct lb_str text, size_t at)
{
    if (at > 0 && cut_is_digit(text.ptr[at - 1]))
        return false;
    return at + 5 <= text.len && cut_is_digit(text.ptr[at]) && cut_is_digit(text.ptr[at + 1]) &&
           text.ptr[at + 2] == ':' && cut_is_digit(text.ptr[at + 3]) && cut_is_digit(text.ptr[at + 4]);
}

/* Behind the fraction of the seconds, which end at `at`. */
static size_t fraction_end(struct lb_str text, size_t at)
{
    if (at + 1 < text.len && (text.ptr[at] == '.' || text.ptr[at] == ',') && cut_is_digit(text.ptr[at + 1]))
        at += 1 + cut_count_digits(cut_from(text, at + 1));
    return at;
}

/* "3:04:05" with one digit in front, where "04:05" was found at `at`. */
static bool is_short_clock(struct lb_str text, size_t at)
{
    return at >= 2 && cut_is_digit(text.ptr[at - 2]) && (at == 2 || !cut_is_digit(text.ptr[at - 3]));
}

/* Behind the seconds and their fraction; 0: there is no clock near. */
static size_t clock_end(struct lb_str text)
{
    size_t max = text.len < TIME_BYTES_MAX ? text.len : TIME_BYTES_MAX;
    size_t at = 0;

    while (at < max && !is_clock(text, at))
        at++;
    if (at == max)
        return 0;
    if (at > 0 && text.ptr[at - 1] == ':') {
        if (is_short_clock(text, at))
            return fraction_end(text, at + 5);
        size_t year = at - (at > 5 && text.ptr[at - 2] == ':' ? 6 : 5);
        if (at < 5 || cut_count_digits(cut_from(text, year)) != 4) /* "01/Mar/2026:15:04", "1-Mar-2026::15:04" */
            return 0;
    }
    at += 5;
    if (at + 2 < text.len && text.ptr[at] == ':' && cut_is_digit(text.ptr[at + 1]) && cut_is_digit(text.ptr[at + 2]))
        at += 3;
    return fraction_end(text, at);
}

/* The longest zone that could follow first: the reader of times says whether it is one. */
static size_t zone_end(struct lb_str text, size_t at)
{
    size_t blank = at < text.len && text.ptr[at] == ' ';
    size_t len = at + blank;

    if (len < text.len && (text.ptr[len] == '+' || text.ptr[len] == '-')) {
        len++;
        while (len < text.len && (cut_is_digit(text.ptr[len]) || text.ptr[len] == ':'))
            len++;
        return text.ptr[len - 1] == ':' ? len - 1 : len;
    }
    while (len < text.len && cut_is_letter(text.ptr[len]))
        len++;
    if (len + 1 < text.len && text.ptr[len] == '/' && cut_is_letter(text.ptr[len + 1])) { /* "Europe/Berlin" */
        while (len < text.len && !cut_is_space(text.ptr[len]) && text.ptr[len] != ']')
            len++;
    }
    return len;
}

static bool read_time(struct text_header *self, struct lb_str text)
{
    int64_t time_ns;

    if (!zoned_time(self->zone, text, self->fill->context->batch->arrival_ns, &time_ns))
        return false;
    fill_time(self->fill, time_ns);
    return true;
}

/* What else there may be behind a time's word: a zone behind "02:47:11 AM", the year behind "Mar  1 10:00:00". */
static size_t behind_word(struct text_header *self, size_t end)
{
    struct lb_str rest = cut_from(self->text, end);
    size_t longer = zone_end(self->text, end);

    cut_blanks(&rest);
    if (cut_is_letter(*self->text.ptr) && cut_count_digits(rest) == 4)
        longer = (size_t)(rest.ptr - self->text.ptr) + 4;
    else if ((self->text.ptr[end - 1] | 0x20) != 'm')
        return end;
    return longer > end && read_time(self, (struct lb_str){ self->text.ptr, longer }) ? longer : end;
}

/* "1772359200.123456 ": seconds since 1970 with a fraction. */
bool text_take_epoch(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str seconds, fraction;
    int64_t time_ns;

    if (self->timed || !cut_digits(&rest, &seconds) || seconds.len != EPOCH_DIGITS || !cut_char(&rest, '.') ||
        !cut_digits(&rest, &fraction) || !cut_char(&rest, ' ') ||
        !lb_time_epoch((struct lb_str){ seconds.ptr, seconds.len + 1 + fraction.len }, &time_ns))
        return false;
    fill_time(self->fill, time_ns);
    self->timed = true;
    self->times++;
    self->text = rest;
    return true;
}

/* "9:04AM " of zerolog's console: the day is not said. */
static bool take_kitchen_time(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str hour, minute;

    if (self->timed || !cut_digits(&rest, &hour) || hour.len > 2 || !cut_char(&rest, ':') ||
        !cut_digits(&rest, &minute) || minute.len != 2 || (!cut_word(&rest, "AM ") && !cut_word(&rest, "PM ")))
        return false;
    fill_text(self->fill, LB_STR("time"), (struct lb_str){ hour.ptr, hour.len + 5 });
    self->timed = true;
    self->times++;
    self->text = rest;
    return true;
}

bool text_take_time(struct text_header *self)
{
    size_t clock = clock_end(self->text);
    size_t zone = clock > 0 ? zone_end(self->text, clock) : 0;

    if (take_kitchen_time(self))
        return true;
    if (clock == 0 || self->timed || (!cut_is_digit(*self->text.ptr) && !cut_is_letter(*self->text.ptr)))
        return false;
    if (zone > clock && read_time(self, (struct lb_str){ self->text.ptr, zone }))
        clock = behind_word(self, zone);
    else if (is_clock(self->text, 0)) /* the day is not said: the time of arrival is nearer the truth */
        fill_text(self->fill, LB_STR("time"), (struct lb_str){ self->text.ptr, clock });
    else if (read_time(self, (struct lb_str){ self->text.ptr, clock }))
        clock = behind_word(self, clock);
    else
        return false;
    self->timed = true;
    self->times++;
    self->text = cut_from(self->text, clock);
    return true;
}
