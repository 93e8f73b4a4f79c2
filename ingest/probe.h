/*
 * probe.h - the parts of the source that checks whether others are well.
 *
 * A check asks a URL, a port or a program, every so often, and writes a record
 * of event `health` with what came of it. At most `concurrency` of them run at
 * once; the others wait for their turn. Whatever the other side does (hangs,
 * answers without an end, writes garbage), a check ends by its timeout, holds
 * a bounded number of bytes and never blocks the loop. One thread: the loop of
 * sockets.
 */
#ifndef PROBE_H
#define PROBE_H

#define PCRE2_CODE_UNIT_WIDTH 8

#include "reporter.h"

#include <curl/curl.h>
#include <pcre2.h>
#include <sys/types.h>

enum {
    PROBE_CHECKS_MAX = 1000,
    PROBE_CONCURRENCY_MAX = 128,
    PROBE_BODY_BYTES_MAX = 1024 * 1024, /* of an answer; what comes behind is not read */
    PROBE_OUTPUT_BYTES = 512,           /* of what a command writes */
    PROBE_REASON_BYTES = 256,
    PROBE_STATUS_MAX = 16,      /* of `expect` */
    PROBE_MATCH_LIMIT = 200000, /* steps of a pattern in one body */
    PROBE_HEADER_BYTES = 4096,
};

enum probe_kind { PROBE_HTTP, PROBE_TCP, PROBE_COMMAND };

/* One item of `checks`, filled by options. */
struct probe_check {
    struct lb_str name;
    struct lb_str service;
    struct lb_str http;
    struct lb_str tcp;
    struct lb_strs command;
    int64_t every_ns; /* 0: that of the source */
    int64_t timeout_ns;
    struct lb_str method;
    struct lb_pairs headers;
    struct lb_strs expect;
    struct lb_str match;
    struct lb_pairs json;
    struct lb_pairs prometheus;
    struct lb_str ca;
    bool verify;
    bool follow;
};

/* What an answer may be: 200, or 2xx. */
struct probe_status {
    int first;
    int last;
};

struct probe_slot;
struct probe_source;

/* A check and what is known of it. */
struct probe_run {
    const struct probe_check *check;
    enum probe_kind kind;
    char name[128];
    struct probe_status expect[PROBE_STATUS_MAX];
    uint32_t expect_count;
    pcre2_code *pattern; /* or NULL */
    int64_t every_ns;
    int64_t timeout_ns;
    int64_t due_ns; /* monotonic */
    bool running;
    uint64_t failures; /* in a row */
};

/* What came of a check. */
struct probe_result {
    bool ok;
    char reason[PROBE_REASON_BYTES];
    int64_t duration_ns;
    long http_status; /* 0: none */
    bool has_certificate;
    double days_left; /* of the certificate */
    bool has_exit;
    int exit_status;
    struct lb_str output; /* of a command */
    struct lb_str body;   /* of an answer */
};

struct probe_child;
struct probe_transfer;

struct probe_slot {
    struct probe_source *source;
    struct probe_run *run; /* NULL: free */
    int64_t started_ns;
    struct probe_transfer *transfer; /* of HTTP and TCP; stays for the next check */
    struct probe_child *child;
};

struct probe_source {
    /* Options. */
    int64_t every_ns;
    int64_t timeout_ns;
    uint64_t concurrency;
    struct lb_groups checks;

    struct lb_source *source;
    struct reporter reporter;
    struct probe_run *runs;
    uint32_t run_count;
    struct probe_slot *slots;
    pcre2_match_data *matched;
    pcre2_match_context *limits;
    CURLM *multi;
    struct event *multi_timer;
    struct event *timer; /* of what is due next */
    struct event *turn;  /* to begin what is due: never within a callback of curl */
    bool stopped;
};

/* --- source_probe.c ------------------------------------------------------------------ */

/* The check of the slot has ended; the slot is free again when it returns. */
void probe_finish(struct probe_slot *slot, struct probe_result *result);

/* --- probe_settings.c ---------------------------------------------------------------- */

/* Reads one check; faults go to `diag`, where they stand. The pattern is compiled: probe_run_free(). */
bool probe_run_make(struct probe_run *run, const struct probe_source *self, const struct lb_source *source,
                    size_t index, struct lb_diag *diag);
void probe_run_free(struct probe_run *run);

/* Does the word stand for a field that the source writes itself? */
bool probe_is_own_field(struct lb_str name);

/* --- probe_http.c ---------------------------------------------------------------------- */

bool probe_http_open(struct probe_source *self);
void probe_http_close(struct probe_source *self);
/* False: out of memory. */
bool probe_http_start(struct probe_slot *slot);
void probe_http_cancel(struct probe_slot *slot);
void probe_transfer_free(struct probe_slot *slot);

/* --- probe_body.c ------------------------------------------------------------------------ */

/* What the answer must be like, beside its status. False with a reason. */
bool probe_body_accept(struct probe_source *self, const struct probe_run *run, struct probe_result *result);
/* Its numbers and words that the configuration asks for, as fields. */
void probe_body_report(struct reporter *out, const struct probe_check *check, struct lb_str body);

/* --- probe_command.c ---------------------------------------------------------------------- */

/* False with a reason in `result`: it could not be started. */
bool probe_command_start(struct probe_slot *slot, struct probe_result *result);
void probe_command_cancel(struct probe_slot *slot);

#endif
