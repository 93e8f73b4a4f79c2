/*
 * channel_text.h - log text on its way to people.
 *
 * What a log line says is a stranger's: it may hold markup, mentions, line
 * ends, control bytes, broken UTF-8, or a megabyte. Every channel takes its
 * text through channel_clean(), which leaves valid UTF-8 of a bounded length
 * in which nothing means anything to the receiver. Lengths count UTF-16
 * units, the strictest of what the services count.
 */
#ifndef CHANNEL_TEXT_H
#define CHANNEL_TEXT_H

#include "lb_buffer.h"

/* What else is done to it; flags. */
enum channel_form {
    CHANNEL_LINE = 0,     /* one line of plain text */
    CHANNEL_LINES = 1,    /* line feeds stay */
    CHANNEL_ENTITIES = 2, /* & < > as entities: Slack */
    CHANNEL_MARKDOWN = 4, /* a backslash before what Markdown could mean: Discord */
    CHANNEL_CODE = 8,     /* no backquotes: the inside of a code block cannot end it */
};

/*
 * Appends `text` made harmless, at most `units_max` UTF-16 units (1 or more) of it, escapes included; where something
 * is cut off the last one is an ellipsis. Control and direction characters become blanks, what is not UTF-8 U+FFFD.
 */
void channel_clean(struct lb_buffer *out, struct lb_str text, size_t units_max, unsigned form);

/* The front of `text`, at most `bytes_max` bytes, cut between characters. */
struct lb_str channel_front(struct lb_str text, size_t bytes_max);

/* Appends one line in the alphabet of GSM 03.38 (as UTF-8), at most `septets_max` of it; other characters as "?". */
void channel_gsm7(struct lb_buffer *out, struct lb_str text, size_t septets_max);

/* Appends text as part of a form or of a path: what is not a letter, a digit or one of -._~ as %XX. */
void channel_percent(struct lb_buffer *out, struct lb_str text);

/* Appends a JSON string with its quotes: as it is, or cleaned. */
void channel_json(struct lb_buffer *out, struct lb_str text);
void channel_json_clean(struct lb_buffer *out, struct lb_str text, size_t units_max, unsigned form);

#endif
