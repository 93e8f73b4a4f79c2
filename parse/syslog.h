/*
 * syslog.h - one syslog message: RFC 5424, RFC 3164 and what is sent under their names.
 *
 * Reading never fails: what is no header is message. All slices point into the text that was read.
 */
#ifndef SYSLOG_H
#define SYSLOG_H

#include "lb_record.h"
#include "lb_time.h"

enum {
    SYSLOG_PRIORITY_DEFAULT = 13, /* user.notice, RFC 3164 section 4.3.3 */
    SYSLOG_PRIORITY_MAX = 191,
    SYSLOG_PARTS_MAX = 128, /* elements and parameters of structured data that are told apart */
};

enum syslog_format { SYSLOG_RAW, SYSLOG_RFC3164, SYSLOG_RFC5424 };

/* An element of structured data (its id is `name`), or a parameter of the element before it. */
struct syslog_part {
    struct lb_str name;
    struct lb_str value; /* with its backslashes */
    bool element;
    bool plain; /* neither has a byte that JSON escapes */
    bool written;
};

struct syslog_data {
    struct lb_time_second *second; /* the caller's, for times that follow each other */
    struct lb_str text;            /* from [ to ]; empty: there is none */
    uint32_t count;
    bool crowded; /* there are more parts than these */
    bool high;    /* a byte is not ASCII */
    struct syslog_part parts[SYSLOG_PARTS_MAX];
};

struct syslog_message {
    enum syslog_format format;
    uint8_t priority;
    bool has_priority;
    bool has_time;
    char clock_mark; /* Cisco's, before the time: `*`, the clock was never set; `.`, it was; 0: none */
    int64_t time_ns;
    struct lb_value host; /* kind NONE: not said */
    struct lb_value service;
    struct lb_value pid;
    struct lb_value msgid;
    struct syslog_data *data; /* the caller's */
    struct lb_str sequence;   /* Cisco's number before the time; or empty */
    struct lb_str message;
    const char *reason; /* what is wrong with it, a literal; NULL: nothing */
};

/* A missing year follows from `now_ns`. `data->second` is set; of the rest only `text` where the message has none. */
void syslog_read(struct lb_str text, int64_t now_ns, struct syslog_message *message, struct syslog_data *data);

/* The text without trailing LF and NUL, then one CR. */
struct lb_str syslog_trim(struct lb_str text);

/*
 * Puts what was read into the record. A message without priority is user.notice when `assume_priority` (a peer sent
 * it), otherwise it has no level. False when the arena is full; then the record is as it was.
 */
bool syslog_fill(const struct syslog_message *message, bool assume_priority, struct lb_record *record,
                 struct lb_arena *arena);

/* --- between the files of this reader --------------------------------------- */

struct syslog_cursor {
    const char *ptr;
    const char *end;
};

enum syslog_class {
    SYSLOG_NAME = 1,    /* may stand in the names of structured data */
    SYSLOG_PLAIN = 2,   /* in its values: neither the end of one nor to be escaped */
    SYSLOG_PRINT = 4,   /* PRINTUSASCII */
    SYSLOG_ESCAPED = 8, /* to be escaped in JSON */
};
extern const unsigned char syslog_classes[256];

static inline bool syslog_is(char c, enum syslog_class class)
{
    return (syslog_classes[(unsigned char)c] & class) != 0;
}

/* Everything behind PRI by RFC 3164 and its dialects. */
void syslog_read_legacy(struct lb_str text, int64_t now_ns, struct syslog_message *message);

/*
 * A header of RFC 5424 from its version on. False when it is none; with `strict` also when anything in it is not by
 * the grammar.
 */
bool syslog_read_5424(struct lb_str text, bool strict, struct syslog_message *message);

/* Reads well-formed structured data at the front of `text`. Its length, or 0 when it is not. */
size_t syslog_data_read(struct lb_str text, struct syslog_data *data);

/* {"id":{"name":"value"}} in the arena, or its text when it is crowded; kind NONE when the arena is full. */
struct lb_value syslog_data_json(struct syslog_data *data, struct lb_arena *arena);

#endif
