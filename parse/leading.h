/*
 * leading.h - which of the fields that a parser found are the record's own
 * time, level, message, service and host.
 *
 * Loggers of JSON, logfmt and the like use the same few names for them. One
 * table has these names; the user's own come first. What is taken so is no
 * field any more; one that cannot be read as a time or level stays a field.
 */
#ifndef LEADING_H
#define LEADING_H

#include "field_types.h"

#include "lb_arena.h"
#include "lb_parser.h"

/* What a field can be of the record itself. */
enum leading_role {
    LEADING_TIME,
    LEADING_LEVEL,
    LEADING_MESSAGE,
    LEADING_SERVICE,
    LEADING_HOST,
    LEADING_ROLE_COUNT,
    LEADING_NO_ROLE = LEADING_ROLE_COUNT,
};

struct leading_key {
    uint8_t role; /* enum leading_role */
    bool weak;    /* a word that also means other things: only where no better key has that role */
};

/* By the usual names of loggers, in any case. */
struct leading_key leading_key_of(struct lb_value key);

/* First in the state of each parser that finds keys, so that the offsets of LEADING_OPTIONS hold. */
struct leading_settings {
    struct lb_str keys[LEADING_ROLE_COUNT]; /* the user's, instead of the usual ones; or empty */
    struct lb_str format;
    struct lb_str timezone;
    struct field_types types;

    /* Made by open(). */
    struct lb_arena arena;
    const struct lb_time_format *time_format; /* NULL: any usual form */
};

/* Without settings; needs no open(). */
extern const struct leading_settings leading_plain;

/* What the fields say of the record itself. */
struct leading_found {
    bool timed;
    bool compact;  /* the time is `@t`: Serilog's compact format, which leaves out the level of information */
    bool numbered; /* the level is a number, as pino and bunyan write it */
    int64_t time_ns;
    uint8_t level;                             /* LB_LEVEL_NONE at first */
    struct lb_value texts[LEADING_ROLE_COUNT]; /* of message, service and host */
    uint8_t weak[LEADING_ROLE_COUNT];          /* the first weak candidate + 1; 0: none */
};

struct leading {
    const struct leading_settings *settings;
    struct lb_parse_context *context;
    struct lb_json_shape *shape; /* optional: notes of what the same keys were before */
    struct lb_field *fields;     /* the caller's */
    uint32_t field_count;
    uint32_t consumed; /* of them: value kind NONE */
    struct leading_found found;
};

/*
 * The end of a parser: converts fields that have a type, finds the record's own among them and puts all into the
 * record. LB_LIMIT: the arena is full; then the record is as it was.
 */
enum lb_err leading_done(struct leading *self, struct lb_record *record);

/* For parsers whose state begins with struct leading_settings. */
enum lb_err leading_open(struct lb_parser *parser, struct lb_diag *diag);
void leading_close(struct lb_parser *parser);

extern const struct lb_option leading_time_options[];

#define LEADING_KEY_OPTION(key, role, what)                                                                            \
    {                                                                                                                  \
        .name = (key), .kind = LB_OPTION_STRING,                                                                       \
        .offset = offsetof(struct leading_settings, keys) + (role) * sizeof(struct lb_str), .help = (what)             \
    }

/* The rows of an option table that fill struct leading_settings. */
#define LEADING_OPTIONS                                                                                                \
    LEADING_KEY_OPTION("time_key", LEADING_TIME, "field that holds the time, instead of the usual names"),             \
        LEADING_KEY_OPTION("level_key", LEADING_LEVEL, "field that holds the level, instead of the usual names"),      \
        LEADING_KEY_OPTION("message_key", LEADING_MESSAGE,                                                             \
                           "field that holds the message, instead of the usual "                                       \
                           "names"),                                                                                   \
        LEADING_KEY_OPTION("service_key", LEADING_SERVICE,                                                             \
                           "field that holds the service, instead of the usual "                                       \
                           "names"),                                                                                   \
        LEADING_KEY_OPTION("host_key", LEADING_HOST, "field that holds the host, instead of the usual names"),         \
        { .name = "timestamp",                                                                                         \
          .kind = LB_OPTION_GROUP,                                                                                     \
          .help = "how the time is written; found out where not given",                                                \
          .group = leading_time_options },                                                                             \
        FIELD_TYPES_OPTION(struct leading_settings, types)

#endif
