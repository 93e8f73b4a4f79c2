/*
 * alerts.h - the commands below `logboom alerts`, and what they share.
 *
 * Most ask the running daemon (ask.h) and show its JSON: as it is with --json,
 * otherwise for people, with colours on a terminal only.
 */
#ifndef ALERTS_H
#define ALERTS_H

#include "ask.h"
#include "command.h"
#include "lb_record.h"
#include "table.h"

struct alerts_command {
    const char *name;
    const char *summary;
    const char *help;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct alerts_command alerts_list;
extern const struct alerts_command alerts_show;
extern const struct alerts_command alerts_history;
extern const struct alerts_command alerts_explain;
extern const struct alerts_command alerts_why_not;
extern const struct alerts_command alerts_ack;
extern const struct alerts_command alerts_silence;
extern const struct alerts_command alerts_silences;
extern const struct alerts_command alerts_unsilence;
extern const struct alerts_command alerts_marker;
extern const struct alerts_command alerts_export;
extern const struct alerts_command alerts_audit;
extern const struct alerts_command alerts_replay; /* these three ask nobody */
extern const struct alerts_command alerts_lint;
extern const struct alerts_command alerts_drill;
extern const struct alerts_command alerts_report;

/* --- the command line -------------------------------------------------------------- */

/* One of the two is set: an option with a value, or one without. */
struct alerts_option {
    const char *name; /* `--for` */
    const char **value;
    bool *flag;
};

enum { ALERTS_WORDS_MAX = 16 };

struct alerts_line {
    const char *config; /* -c */
    bool json;          /* --json */
    const char *words[ALERTS_WORDS_MAX];
    size_t word_count;
};

/* False: wrong, and said so. `options` end with a NULL name; -c and --json are known to all. */
bool alerts_read_line(int argc, char **argv, const struct alerts_option *options, struct alerts_line *line);

/* EXIT_USAGE, and what is wrong on stderr. */
int alerts_usage_error(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- asking ------------------------------------------------------------------------- */

/* A configuration, and the answer of its daemon. */
struct alerts_talk {
    struct lb_config *config;
    struct lb_buffer answer;
    struct lb_arena arena; /* of what was read from answers */
    long status;
};

/* False: said why on stderr. alerts_close() in any case. */
bool alerts_open(struct alerts_talk *talk, const char *config);
void alerts_close(struct alerts_talk *talk);

/* True: 200 or 201, and the answer is in talk->answer. Otherwise what it said is on stderr. */
bool alerts_ask(struct alerts_talk *talk, const char *method, const char *path, struct lb_str body);

/* The member of the answer (an object), whose text goes on to live in talk->arena. NONE: it has none. */
struct lb_value alerts_member(struct alerts_talk *talk, const char *name);

/* The answer of GET `path` whole (an array or object) in talk->arena. */
bool alerts_get(struct alerts_talk *talk, const char *path, struct lb_str *json);

/* Prints the answer as it came, with a line end. */
void alerts_print_answer(const struct alerts_talk *talk);

/* --- values ---------------------------------------------------------------------------- */

/* Text of a member in `arena`; "" where it has none. */
struct lb_str alerts_text(struct lb_arena *arena, struct lb_str object, const char *name);
bool alerts_number(struct lb_str object, const char *name, double *number);
int64_t alerts_time(struct lb_arena *arena, struct lb_str object, const char *name); /* LB_TIME_NONE */

/* An alert's key as "client_ip=10.0.0.1 service=sshd" ("-" without one). */
struct lb_str alerts_key(struct lb_arena *arena, struct lb_str object);

/* `text` as a JSON string. */
void alerts_write_text(struct lb_buffer *out, struct lb_str text);

/* "2026-11-26 12:03:05" in the zone of TZ. */
enum { ALERTS_TIME_SIZE = 32, ALERTS_SPAN_SIZE = 32 };
const char *alerts_local_time(int64_t time, char *out);

/* "2h5m", "3d", "45s": two units at most. */
const char *alerts_span(int64_t duration, char *out);

const char *alerts_colour(struct lb_str severity); /* of a severity's word; "" if it is none */

/* The one whose alert_id begins with `id`; said on stderr if there is none, or more than one. */
bool alerts_find(struct alerts_talk *talk, struct lb_str alerts, const char *id, struct lb_str *alert);

/* The silence or window that holds it back, as "silence 3f… until 14:00 (known)"; "" if none. `held`: see below. */
struct alerts_held {
    struct lb_str silences; /* arrays of GET /api/v1/silences */
    struct lb_str windows;
};
bool alerts_read_held(struct alerts_talk *talk, struct alerts_held *held);
struct lb_str alerts_holder(struct alerts_talk *talk, const struct alerts_held *held, struct lb_str alert);

/* Whether the expression matches the alert. */
bool alerts_matches(struct alerts_talk *talk, struct lb_str where, struct lb_str alert);

#endif
