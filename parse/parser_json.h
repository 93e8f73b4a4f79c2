/*
 * parser_json.h - the settings of the JSON parser, and its table of keys.
 */
#ifndef PARSER_JSON_H
#define PARSER_JSON_H

#include "lb_arena.h"
#include "lb_parser.h"

/* What a member can be of the record itself. */
enum json_role {
    JSON_TIME,
    JSON_LEVEL,
    JSON_MESSAGE,
    JSON_SERVICE,
    JSON_HOST,
    JSON_ROLE_COUNT,
    JSON_NO_ROLE = JSON_ROLE_COUNT,
};

struct json_key {
    uint8_t role; /* enum json_role */
    bool weak;    /* a word that also means other things: only where no better key has that role */
};

/* By the usual names of loggers, in any case. */
struct json_key json_key_of(struct lb_value key);

struct parser_json {
    struct lb_str keys[JSON_ROLE_COUNT]; /* the user's, instead of the usual ones; or empty */
    struct lb_str format;
    struct lb_str timezone;

    /* Made by open(). */
    struct lb_arena arena;
    const struct lb_time_format *time_format; /* NULL: any usual form */
};

/* Without settings; needs no open(). */
extern const struct parser_json parser_json_plain;
extern const struct lb_parser_type lb_parser_json;

#endif
