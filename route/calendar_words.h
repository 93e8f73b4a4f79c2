/* calendar_words.h - words and numbers of a calendar's text, one after the other. */
#ifndef LB_CALENDAR_WORDS_H
#define LB_CALENDAR_WORDS_H

#include "lb_str.h"

#include <stdint.h>

struct calendar_cursor {
    const char *begin;
    const char *ptr;
    const char *end;
};

void calendar_skip_blanks(struct calendar_cursor *at);
bool calendar_at_end(struct calendar_cursor *at);
bool calendar_take(struct calendar_cursor *at, char c);

/* Letters only; empty where none stand. */
struct lb_str calendar_word(struct calendar_cursor *at);

/* Digits with an optional minus sign. False: none, or too many. */
bool calendar_number(struct calendar_cursor *at, int *number);

/* Whether a time of day ("02:00") stands here. */
bool calendar_sees_time(struct calendar_cursor *at);

/* "02:00" in minutes; up to 24:00. */
bool calendar_time(struct calendar_cursor *at, int *minutes);

/* "2026-12-24", "2026-12-24 18:00[:30]", with a T for the blank; `*zoned`: with Z or +02:00, and then in UTC. */
bool calendar_date_time(struct calendar_cursor *at, int64_t *civil, bool *zoned);

/* 0: Sunday; -1: none. At least three letters of the name, of any case. */
int calendar_weekday(struct lb_str word);
/* 1: January; -1: none. */
int calendar_month(struct lb_str word);

bool calendar_same(struct lb_str word, const char *name); /* of any case */

#endif
