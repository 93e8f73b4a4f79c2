/*
 * text_header.h - what an application writes in front of its message, while it is taken apart.
 *
 * The pieces that many layouts share are in parser_text.c, their times in text_time.c; those that one family of
 * programs writes are in text_pieces.c. Each function takes its piece from the front of `self->text`, or is false and
 * leaves it.
 */
#ifndef TEXT_HEADER_H
#define TEXT_HEADER_H

#include "cut.h"
#include "fill.h"
#include "zoned.h"

struct text_header {
    struct fill *fill;
    const struct zoned *zone;
    struct lb_str text; /* what is not taken yet */
    struct lb_str behind_time;
    uint32_t count_behind_time; /* of fields */
    unsigned times;             /* that were read */
    bool timed;
    bool leveled;
    bool has_thread;
    bool has_logger;
    bool has_pid;
};

/* --- of parser_text.c ---------------------------------------------------------------- */

/* The word is a level, and none was there before. */
bool text_take_level(struct text_header *self, struct lb_str word);

/* "INFO", not "Info". */
bool text_is_loud_level(struct lb_str word);

/* A name of a class, module or logger. */
bool text_is_name(struct lb_str word);

void text_take_thread(struct text_header *self, struct lb_str name);
void text_take_logger(struct text_header *self, struct lb_str name);
void text_take_pid(struct text_header *self, struct lb_str digits);

/* --- of text_time.c ------------------------------------------------------------------ */

/* A time of any usual form, with its zone; one without a day becomes a field. */
bool text_take_time(struct text_header *self);

/* "1772359200.123456 ": seconds since 1970 with a fraction. */
bool text_take_epoch(struct text_header *self);

/* --- of text_pieces.c ---------------------------------------------------------------- */

/* At the very front of a line. */
bool text_take_opening(struct text_header *self);

/* Anywhere behind it. */
bool text_take_rare(struct text_header *self);

/* A level that is part of the message, which stays whole. */
void text_note_level(struct text_header *self);

#endif
