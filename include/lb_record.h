/*
 * lb_record.h - one log record, read lazily.
 *
 * A parser notes where each key and value stands and how its bytes are
 * written; text is unescaped, numbers converted and nested objects opened
 * only when somebody asks, and members nobody asked for are written out by
 * copying their bytes. So numbers keep every digit and fields their order.
 *
 * Every slice points into the slab or the arena of the batch that holds the
 * record (or into its stream, or the configuration: all live longer). One
 * worker owns a record until its batch is frozen; after that nobody writes.
 */
#ifndef LB_RECORD_H
#define LB_RECORD_H

#include "lb_arena.h"
#include "lb_clock.h"
#include "lb_level.h"
#include "lb_str.h"

#include <stdint.h>

/* How the bytes of a value are written. */
enum lb_value_kind {
    LB_VALUE_NONE,    /* no value: an empty or removed field */
    LB_VALUE_TEXT,    /* any bytes; to be escaped (and repaired where they are not UTF-8) in JSON */
    LB_VALUE_CLEAN,   /* text that is valid UTF-8 and needs no escape in JSON: copied both ways */
    LB_VALUE_ESCAPED, /* the inside of a JSON string that has escapes or invalid UTF-8 */
    LB_VALUE_NUMBER,  /* a JSON number, digits kept */
    LB_VALUE_BOOL,    /* true or false */
    LB_VALUE_NULL,
    LB_VALUE_OBJECT, /* valid JSON text from { to } */
    LB_VALUE_ARRAY,  /* valid JSON text from [ to ] */
};

enum lb_value_flag {
    LB_VALUE_BAD_UTF8 = 1, /* of ESCAPED, OBJECT and ARRAY: replace invalid sequences by U+FFFD when writing */
};

struct lb_value {
    const char *ptr;
    uint32_t len;
    uint8_t kind; /* enum lb_value_kind */
    uint8_t flags;
};

/*
 * `key` is kind CLEAN, TEXT or ESCAPED. Where a field is a member of the JSON
 * text of its line, key and value keep their place in it: the quote before
 * key.ptr and all up to the end of the value are the member as it was.
 */
struct lb_field {
    struct lb_value key;
    struct lb_value value;
};

enum lb_record_flag {
    LB_RECORD_PARSE_ERROR = 1, /* no parser accepted it: `message` is the whole line */
    LB_RECORD_TRUNCATED = 2,   /* cut at max_line */
    LB_RECORD_NO_TIME = 4,     /* time_ns is the time of arrival */
    LB_RECORD_DROPPED = 8,     /* a filter dropped it; no selection has it */
    LB_RECORD_ALERT = 16,      /* an alert event, made by the alert engine */
};

struct lb_record {
    int64_t time_ns;         /* Unix time of the event; the arrival's with LB_RECORD_NO_TIME */
    uint32_t start;          /* position in the stream, relative to the batch's: of its first byte, */
    uint32_t end;            /* and behind its last */
    struct lb_value service; /* kind NONE: unknown */
    struct lb_value host;
    struct lb_value message;
    struct lb_field *fields; /* in order of arrival; a removed one has value kind NONE */
    uint16_t field_count;
    uint16_t field_capacity;
    uint16_t flags;       /* enum lb_record_flag */
    uint8_t level;        /* enum lb_level */
    uint8_t facility;     /* syslog facility number + 1; 0: none. Written as the field `facility` */
    struct lb_str rest;   /* JSON members past LB_RECORD_FIELDS_MAX: `"k":v,"k":v` without braces, or empty */
    struct lb_str reason; /* with LB_RECORD_PARSE_ERROR: why the last parser refused it; a literal */
};

/* Text decoded on demand goes here; reset before each record. One thread. */
struct lb_scratch {
    char *ptr;
    size_t size;
    size_t used;
};

static inline struct lb_value lb_value_of(struct lb_str bytes, enum lb_value_kind kind)
{
    return (struct lb_value){ bytes.ptr, (uint32_t)bytes.len, (uint8_t)kind, 0 };
}

static inline struct lb_value lb_value_text(struct lb_str bytes)
{
    return lb_value_of(bytes, LB_VALUE_TEXT);
}

/* Adds a field behind the others. False when the arena is full. A second field of the same key is kept. */
bool lb_record_add(struct lb_record *record, struct lb_arena *arena, struct lb_value key, struct lb_value value);

/* Sets the field of that name (the first one), or adds it. */
bool lb_record_set(struct lb_record *record, struct lb_arena *arena, struct lb_str name, struct lb_value value);

/* The first present field of that literal name, or NULL. */
struct lb_field *lb_record_field(const struct lb_record *record, struct lb_str name);

/*
 * The value of `name`: `message`, `service`, `host`, `level`, `timestamp`, `facility`, a field, a dotted path into
 * nested objects (first), or a literal key with dots. NONE when it is missing. Values that have to be made (level,
 * timestamp) are written to `scratch`.
 */
struct lb_value lb_record_get(const struct lb_record *record, struct lb_str name, struct lb_scratch *scratch);

/* A member of an OBJECT value by literal key; NONE when it has none. */
struct lb_value lb_value_member(struct lb_value object, struct lb_str key);

/*
 * The value as plain text: strings unescaped (into `scratch` only where they have escapes), others as they are
 * written. Cut where `scratch` is full. Never NULL: NONE gives "".
 */
struct lb_str lb_value_str(struct lb_value value, struct lb_scratch *scratch);

/* A NUMBER, or text that is one. False if it is none. */
bool lb_value_number(struct lb_value value, double *number);

static inline bool lb_value_is_string(struct lb_value value)
{
    return value.kind == LB_VALUE_TEXT || value.kind == LB_VALUE_CLEAN || value.kind == LB_VALUE_ESCAPED;
}

#endif
