/*
 * lb_template.h - text with fields in it: `logs.{service}`, `/var/log/{service}/%Y-%m-%d.jsonl.zst`.
 *
 * `{name}` is the field's text, `{name|word}` with a word for a missing one
 * (otherwise `_unknown`), `{{` a brace; with LB_TEMPLATE_TIME also strftime's
 * %Y %m %d %H %M %S %j %% in UTC of the record's time. Running it allocates
 * nothing.
 */
#ifndef LB_TEMPLATE_H
#define LB_TEMPLATE_H

#include "lb_arena.h"
#include "lb_buffer.h"
#include "lb_diag.h"
#include "lb_record.h"

enum lb_template_flag {
    LB_TEMPLATE_TIME = 1, /* % sequences are dates */
    LB_TEMPLATE_PATH =
        2, /* fields are made safe for one path component: [A-Za-z0-9._-], no leading dot, 64 bytes, else %XX */
    LB_TEMPLATE_TOPIC = 4, /* fields are made safe for a Kafka topic: [A-Za-z0-9._-] */
};

struct lb_template;

struct lb_template *lb_template_new(struct lb_arena *arena, struct lb_str text, struct lb_place place,
                                    struct lb_diag *diag);

/* Appends. `time_ns` is used for dates (the caller decides between the event's and the arrival's). */
void lb_template_write(const struct lb_template *template, unsigned flags, const struct lb_record *record,
                       int64_t time_ns, struct lb_scratch *scratch, struct lb_buffer *out);

/* True when it is the same text for every record. */
bool lb_template_is_constant(const struct lb_template *template);
struct lb_strs lb_template_fields(const struct lb_template *template);
struct lb_str lb_template_text(const struct lb_template *template);

/* The constant text before its first field or date. */
struct lb_str lb_template_prefix(const struct lb_template *template);

#endif
