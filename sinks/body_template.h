/*
 * body_template.h - a request's body that people write: JSON with fields in it.
 *
 *   {"summary": "{title}", "count": {count}, "event": {record}}
 *
 * Inside a JSON string a field is its text, escaped: log text cannot end the
 * string. Outside of one it is a JSON value: a number, an object, or a string
 * with quotes; null where it is missing. Braces around anything but a name
 * are the JSON's own. The whole is checked once: it is always valid JSON.
 */
#ifndef BODY_TEMPLATE_H
#define BODY_TEMPLATE_H

#include "channel_message.h"

#include "lb_diag.h"

struct body_template;

/* What names stand for: `title`, `record` (all of it), `id`, else a field of the record as in `where`. */
struct body_values {
    const struct channel_message *message;
    const struct lb_record *record;
    struct lb_str title;
    struct lb_str json; /* the record's */
};

/* NULL, with an error at `place`: it can be no JSON. `text` lives as long as the arena. */
struct body_template *body_template_new(struct lb_arena *arena, struct lb_str text, struct lb_place place,
                                        struct lb_diag *diag);

/* Appends. `words` is for values in the making. */
void body_template_write(const struct body_template *template, const struct body_values *values,
                         struct lb_scratch *scratch, struct lb_buffer *words, struct lb_buffer *out);

#endif
