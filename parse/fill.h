/*
 * fill.h - a record on its way: what a parser of text has cut out so far.
 *
 * A parser writes into a copy and a table on its stack, and gives both to the
 * record at the end. So a record is filled whole or stays as it was, and a
 * field costs nothing before the line is known to be of the format.
 */
#ifndef FILL_H
#define FILL_H

#include "lb_parser.h"

enum { FILL_FIELDS_MAX = 64 };

struct fill {
    struct lb_record record; /* as it will be, but for its fields */
    struct lb_parse_context *context;
    struct lb_str text; /* the message as plain bytes that live as long as the batch */
    bool full;          /* the arena had no room for a value */
    uint32_t count;
    struct lb_field fields[FILL_FIELDS_MAX];
};

/* The record's message as plain bytes that live as long as the batch. False when the arena is full. */
bool fill_plain_text(struct lb_value message, struct lb_arena *arena, struct lb_str *text);

/* LB_OK: `text` is there to be read. */
enum lb_err fill_open(struct fill *self, const struct lb_record *record, struct lb_parse_context *context) LB_MUST_USE;

/* The end of a parser: the fields go behind those that the record had. LB_LIMIT: no room; the record is as it was. */
enum lb_err fill_done(struct fill *self, struct lb_record *record);

/* The end of a parser that found something else at `at`, which stands in `text`. Returns LB_BAD_INPUT. */
enum lb_err fill_refuse(struct fill *self, const char *reason, const char *at);

/* Fields past the bound are left out: no format of ours has as many. The key is ours, and clean. */
void fill_value(struct fill *self, struct lb_str key, struct lb_value value);

/* The key is from the line, and may be any bytes. */
void fill_pair(struct fill *self, struct lb_str key, struct lb_value value);

/* An empty value or a lone "-" is no field. */
void fill_text(struct fill *self, struct lb_str key, struct lb_str value);

/* What is no JSON number becomes text. */
struct lb_value fill_as_number(struct lb_str value);
void fill_number(struct fill *self, struct lb_str key, struct lb_str value);

/* `text` is a decimal number of units of 10^-exponent of the field's: "0.050" s with 3 is 50 ms. Else nothing. */
void fill_scaled(struct fill *self, struct lb_str key, struct lb_str text, unsigned exponent);

/* "GET /path HTTP/1.1": method, path and protocol; nothing where it is no request line. */
void fill_request(struct fill *self, struct lb_str request);

/* "192.0.2.1:1234", "[2001:db8::1]:1234", "192.0.2.1": an address and perhaps its port. */
void fill_address(struct fill *self, struct lb_str ip_key, struct lb_str port_key, struct lb_str address);

static inline void fill_time(struct fill *self, int64_t time_ns)
{
    self->record.time_ns = time_ns;
    self->record.flags &= (uint16_t)~LB_RECORD_NO_TIME;
}

static inline void fill_message(struct fill *self, struct lb_str message)
{
    self->record.message = lb_value_text(message);
}

#endif
