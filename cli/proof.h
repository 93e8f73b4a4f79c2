/*
 * proof.h - tests of a configuration: what goes in, what is expected.
 *
 *   file ─▶ proofs ─▶ [ inputs ─▶ offline pipeline ─▶ notices ─▶ recorders ] ─▶ what was expected? ─▶ report
 *
 * A proof is one test of a file. It runs on a clock of its own from `start`,
 * second by second, so what it finds is the same every time. Times in a file
 * count from `start` unless they are dates. docs/testing.md says what may be
 * written.
 */
#ifndef PROOF_H
#define PROOF_H

#include "offline.h"

#include "lb_buffer.h"
#include "lb_format.h"

enum { PROOF_SEVERITY_ANY = -1, PROOF_COUNT_ANY = -1 };

/* Moments from `from` to `to`, both included; Unix time. */
struct proof_range {
    bool set;
    int64_t from;
    int64_t to;
};

/* What a notice must be like. */
struct proof_expectation {
    struct lb_place place;
    struct proof_range at;
    struct lb_str rule;
    const struct lb_node *key; /* a map, or NULL */
    struct lb_str state;       /* a word of the notice, or empty */
    int severity;
    bool has_value;
    double value_low;
    double value_high;
    struct lb_str message; /* a part of it */
    uint64_t to;           /* sinks that get it, others may */
    int64_t deliveries;    /* of it to those sinks (to any, without `to`) */
    int64_t times;         /* how many notices are like that */
};

/* Records or lines, one or a row of them. */
struct proof_input {
    struct lb_place place;
    int64_t from_ns;   /* Unix time of the first, */
    int64_t arrive_ns; /* and when it arrives */
    int64_t every_ns;
    uint64_t count;
    struct lb_str record; /* JSON without its braces, or ptr NULL */
    bool timed;           /* the record has a timestamp of its own, */
    bool worded;          /* and a message */
    struct lb_strs lines; /* in turn */
    struct lb_str file;   /* a path, or empty */
    uint32_t source;      /* index in the configuration */
    bool sourced;         /* it was named: a file is read as it does */
    struct lb_str stream; /* a name of its own, or empty */
};

enum proof_fault_kind { PROOF_KILL, PROOF_STOP, PROOF_ACKNOWLEDGE, PROOF_REPLIES };

struct proof_reply {
    struct lb_str text; /* as written */
    bool delivered;
    bool refused;     /* for good */
    int64_t takes_ns; /* until the answer is there */
    int64_t wait_ns;  /* asked for before the next try; 0: nothing was said */
};

struct proof_fault {
    struct lb_place place;
    enum proof_fault_kind kind;
    int64_t at_ns;
    int64_t down_ns; /* until it is up again */
    uint32_t sink;
    struct proof_reply *replies;
    uint32_t reply_count;
    struct lb_str rule;        /* that is acknowledged, */
    const struct lb_node *key; /* and which key of it; NULL: any */
};

/* One record of a pipeline test. */
struct proof_record {
    struct lb_place place;
    const struct lb_node *fields; /* a map, or NULL */
    struct lb_strs without;
    bool has_to;
    uint64_t to; /* exactly these */
    bool has_dropped;
    bool dropped;
    struct lb_strs rules; /* that it feeds */
};

struct proof {
    struct lb_place place;
    struct lb_str name;
    int64_t start_ns;
    int64_t until_ns;
    bool until_given; /* else it goes on for ten minutes behind the last line of a file, too */
    struct proof_input *inputs;
    uint32_t input_count;
    struct proof_expectation *expected;
    uint32_t expected_count;
    struct proof_expectation *never;
    uint32_t never_count;
    struct proof_fault *faults;
    uint32_t fault_count;
    struct proof_record *records; /* of a pipeline test */
    uint32_t record_count;
    bool pipeline;
    bool strict;          /* nothing is told but what is expected */
    int64_t notices_max;  /* or PROOF_COUNT_ANY */
    struct lb_str golden; /* a path, or empty */
};

/* A file of tests. Everything lives in the arena of `tree`. */
struct proof_file {
    const char *path;
    struct lb_config *tree;
    struct lb_str config_path; /* empty: `config_text` */
    struct lb_str config_text;
    struct lb_config *config; /* as it was read first, for names and coverage */
    struct proof *proofs;
    uint32_t proof_count;
    bool *fired; /* [rule * LB_SEVERITY_COUNT + severity]: some test saw it */
};

/* --- reading (proof_file.c, proof_values.c) ------------------------------------------- */

/* False: errors in `diag`. Close it in any case. */
bool proof_file_read(struct proof_file *file, const char *path, struct lb_diag *diag);
void proof_file_close(struct proof_file *file);

/* The configuration once more, with its parsers and filters opened. NULL: errors in `diag`. */
struct lb_config *proof_file_config(const struct proof_file *file, struct lb_diag *diag);

struct proof_reader {
    struct proof_file *file;
    struct lb_diag *diag;
    struct proof *proof;
};

/* "74s..78s", "10m", "2026-05-05T10:02:10Z..10:02:15Z". */
bool proof_read_range(const struct proof_reader *self, const struct lb_node *node, struct proof_range *range);

/* A time behind `start`, or a date. */
bool proof_read_time(const struct proof_reader *self, const struct lb_node *node, int64_t *time_ns);

/* "5", "7.3%", "4..6", "'1s'": what `value` must be. */
bool proof_read_value(const struct proof_reader *self, const struct lb_node *node, double *low, double *high);

/* Names of sinks, or of rules of the configuration. */
bool proof_read_sinks(const struct proof_reader *self, const struct lb_node *node, uint64_t *sinks);
bool proof_read_rule(const struct proof_reader *self, const struct lb_node *node, struct lb_str *rule);

bool proof_read_replies(const struct proof_reader *self, const struct lb_node *node, struct proof_fault *fault);

/* --- what tests are made of (proof_items.c) ------------------------------------------------ */

bool proof_fill(const struct proof_reader *self, const struct lb_option *options, const struct lb_node *node,
                void *state);
bool proof_no_room(const struct proof_reader *self, const struct lb_node *node); /* false */

/* One, or a list of them; `*count` of them. */
const struct lb_node *proof_items(const struct lb_node *node, uint32_t *count);

bool proof_read_whole(const struct proof_reader *self, const struct lb_node *node, int64_t *number);
bool proof_read_line(const struct proof_reader *self, const struct lb_node *node, struct lb_strs *lines);
bool proof_find_source(const struct proof_reader *self, struct lb_str name, struct lb_place place, uint32_t *index);
bool proof_read_input(const struct proof_reader *self, const struct lb_node *node, struct proof_input *input);
bool proof_read_expectations(const struct proof_reader *self, const struct lb_node *node,
                             struct proof_expectation **expectations, uint32_t *count);
bool proof_read_fault(const struct proof_reader *self, const struct lb_node *node, struct proof_fault *fault);

/* What is expected of a record, by keys of a test or of one of its `records`. */
struct proof_record_nodes {
    const struct lb_node *fields;
    const struct lb_node *without;
    const struct lb_node *to;
    const struct lb_node *dropped;
    const struct lb_node *feeds;
};
extern const struct lb_option proof_record_options[];
bool proof_read_record(const struct proof_reader *self, const struct proof_record_nodes *nodes, struct lb_place place,
                       struct proof_record *record);

/* A node as JSON. */
void proof_write_json(struct lb_buffer *out, const struct lb_node *node);

/* --- what was told (proof_told.c) -------------------------------------------------------- */

struct proof_notice {
    int64_t told_ns; /* when the sinks were handed it */
    int64_t at_ns;   /* its own time */
    struct lb_str rule;
    struct lb_str state;
    struct lb_str severity;
    struct lb_str key; /* JSON */
    struct lb_str message;
    struct lb_str id; /* alert_id, a dash, and the sequence */
    struct lb_str json;
    bool has_value;
    double value;
    uint64_t sinks;
    bool expected; /* by some expectation */
};

/* A try to deliver a notice. */
struct proof_try {
    uint32_t notice;
    uint32_t sink;
    int64_t at_ns;
    const struct proof_reply *reply;
};

/* A sink that only writes down what it gets, and answers as it is told to. */
struct proof_recorder {
    const struct proof_reply *replies;
    uint32_t reply_count;
    uint32_t replied;
    uint32_t *queue; /* notices that wait, in order */
    uint32_t first;
    uint32_t count;
    size_t capacity;
    int64_t due_ns; /* of the next try; INT64_MAX: nothing waits */
    uint32_t failures;
};

/* What a probe found: a key of a rule at a moment. */
struct proof_look {
    int64_t at_ns;
    struct lb_str rule;
    struct lb_str key; /* JSON */
    bool judged;
    double value;
    uint64_t count;
    int severity;
};

struct proof_run {
    const struct proof *proof;
    struct lb_config *config;
    struct lb_arena arena; /* of all that is written down */
    struct lb_formatter formatter;
    struct lb_scratch scratch;
    struct proof_notice *notices;
    uint32_t notice_count;
    size_t notice_capacity;
    struct proof_try *tries;
    uint32_t try_count;
    size_t try_capacity;
    struct proof_recorder recorders[LB_SINKS_MAX];
    const int64_t *probes; /* moments to look at, rising; only in the second run of a proof that failed */
    uint32_t probe_count;
    struct proof_look *looks;
    uint32_t look_count;
    size_t look_capacity;
    uint32_t records_seen;     /* of a pipeline test */
    struct lb_buffer failures; /* one a line; more lines begin with blanks */
    uint32_t failure_count;
    uint64_t lines; /* that went in */
    bool broken;    /* out of memory, or a file cannot be read; it was said */
};

bool proof_run_open(struct proof_run *run, const struct proof *proof);
void proof_run_close(struct proof_run *run);

/* One more of a growing array. NULL: no memory, noted in the run. */
void *proof_grow(struct proof_run *run, void *items, uint32_t count, size_t *capacity, size_t size);

/* A line of why it failed. */
void proof_fail(struct proof_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* An alert was told, at lb_clock_now(). */
void proof_note(struct proof_run *run, const struct lb_batch *batch, const struct lb_record *record, uint64_t sinks);

/* The recorders answer what is due by `now`; returns when the next try is. */
int64_t proof_deliver(struct proof_run *run, int64_t now);

uint32_t proof_deliveries(const struct proof_run *run, const struct proof_notice *notice, uint64_t sinks);

/* --- running (proof_run.c, proof_feed.c) -------------------------------------------------- */

/* Runs a proof. False: it could not be run, and that was said. What it found is in `run`. */
bool proof_run(struct proof_run *run, const struct proof_file *file, struct offline *offline);

struct proof_feed;

/* All inputs of a proof, in the order of arrival. NULL: said why. */
struct proof_feed *proof_feed_open(const struct proof *proof);
void proof_feed_close(struct proof_feed *feed);

struct proof_line {
    int64_t arrive_ns;
    uint32_t stream;
    struct lb_str text; /* until the next call */
};

/* When the next line arrives; INT64_MAX: there is none. */
int64_t proof_feed_due(struct proof_feed *feed);
struct proof_line proof_feed_take(struct proof_feed *feed);
uint32_t proof_feed_streams(const struct proof_feed *feed);
void proof_feed_stream_init(const struct proof_feed *feed, uint32_t stream, const struct lb_config *config,
                            struct offline_stream *out);
bool proof_feed_failed(const struct proof_feed *feed);

/* The time of the first line of a file. False: it cannot be read (said on stderr), or holds nothing. */
bool proof_file_begins(const char *path, int64_t *time_ns);

/* --- judging and telling (proof_judge.c, proof_golden.c, proof_record.c, proof_report.c) ------------------- */

/* A batch of a pipeline test: compares its records with those expected. */
void proof_compare_records(struct proof_run *run, const struct lb_batch *batch);
void proof_compare_end(struct proof_run *run);

/* A notice has these fields of `by` (a map; NULL: whatever it has). */
bool proof_has_key(const struct proof_notice *notice, const struct lb_node *key);

/* What was told against what was expected; failures go to the run. `write_golden`: golden files are made anew. */
void proof_judge(struct proof_run *run, const struct proof_file *file, bool write_golden);
void proof_judge_golden(struct proof_run *run, bool write_it);

/* Moments at which somebody who looks for a failure wants to know the windows. Returns how many. */
enum { PROOF_PROBES_MAX = 64 };
uint32_t proof_probes(const struct proof_run *run, int64_t *probes);

/* "1m15s", behind the start of the proof. */
enum { PROOF_TIME_SIZE = 48 };
const char *proof_time(const struct proof *proof, int64_t at_ns, char *text);

struct proof_totals {
    uint32_t proofs;
    uint32_t failed;
    int64_t virtual_ns; /* how much time went by for the rules */
};

struct proof_report {
    bool json;
    bool verbose;
    bool coverage;
    bool colour;
    struct lb_buffer junit;   /* test cases so far */
    struct lb_buffer results; /* the same as JSON */
    struct proof_totals totals;
};

void proof_report_one(struct proof_report *report, const struct proof_file *file, const struct proof_run *run,
                      int64_t took_ns);
void proof_report_coverage(struct proof_report *report, const struct proof_file *file);
bool proof_report_end(struct proof_report *report, const char *junit_path);

#endif
