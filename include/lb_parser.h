/*
 * lb_parser.h - from bytes to records, in two steps, on a worker.
 *
 * First the envelope of the source turns the events of a batch into records
 * whose `message` is the text that the application wrote: a line as it is,
 * the content of Docker's json-file lines (parts joined), a syslog frame.
 * Then the source's parser chain reads each message: parsers are tried in
 * order, the first that accepts fills the record. A parser is pure: it
 * allocates only from the batch's arena, does no I/O and keeps nothing
 * between calls; its state is const after open() and shared by all workers.
 */
#ifndef LB_PARSER_H
#define LB_PARSER_H

#include "lb_batch.h"
#include "lb_json.h"
#include "lb_module.h"
#include "lb_time.h"

struct lb_envelope {
    const char *name;

    /*
     * Makes batch->records (in the arena) from its events: time, level, service and fields where the envelope has
     * them, `message` for the rest, start and end from lb_batch_offset(). A broken frame is a record too: the whole
     * event as message with LB_RECORD_PARSE_ERROR. LB_NOMEM only when the arena cannot even hold the records.
     */
    enum lb_err (*open)(struct lb_batch *batch);
};

extern const struct lb_envelope lb_envelope_lines;
extern const struct lb_envelope lb_envelope_docker;
extern const struct lb_envelope lb_envelope_cri;
extern const struct lb_envelope lb_envelope_syslog;
extern const struct lb_envelope lb_envelope_forward; /* events of "TIME_NS {JSON}" */
extern const struct lb_envelope lb_envelope_gelf;

struct lb_parser_type;

struct lb_parser {
    const struct lb_parser_type *type;
    struct lb_section section;
    void *state;
    bool opened;
};

/* What a parser may use besides the record. */
struct lb_parse_context {
    struct lb_batch *batch; /* arena and arrival time */
    struct lb_scratch *scratch;
    struct lb_time_second second; /* for lb_time_rfc3339_cached(); zeroed at first, as is */
    struct lb_json_shape shape;   /* for lb_json_read_object() */
    const char *reason;           /* set on LB_BAD_INPUT: what was expected, a literal */
    uint32_t reason_at;           /* and at which byte of the message */

    bool inside;                        /* a line of a container runtime: `auto` looks for no other in it */
    const struct lb_parser_type *taken; /* by lb_parser_chain_apply(): who read the message, or NULL */
};

struct lb_parser_type {
    struct lb_module module;

    /* Optional: compiles patterns, reports faults by `diag`. */
    enum lb_err (*open)(struct lb_parser *parser, struct lb_diag *diag);

    /*
     * Reads record->message. LB_OK: the record is filled (message replaced if the text had one).
     * LB_BAD_INPUT: not this format; the record is as it was. LB_LIMIT: no room; the record is as it was.
     */
    enum lb_err (*parse)(const void *state, struct lb_record *record, struct lb_parse_context *context);

    void (*close)(struct lb_parser *parser);
};

/* A source's `parse:`. */
struct lb_parser_chain {
    const struct lb_parser *const *parsers; /* tried in order */
    uint32_t count;
    bool automatic; /* `auto`, the last: the parser that a line looks like, else the text as it is; never an error */
    bool lenient;   /* that none accepts is no error here either */
};

/* Applies the chain. When none accepts, sets LB_RECORD_PARSE_ERROR and `reason` (not with `automatic`, `lenient` or
 * count 0). */
void lb_parser_chain_apply(const struct lb_parser_chain *chain, struct lb_record *record,
                           struct lb_parse_context *context);

const struct lb_parser_type *lb_parser_find(struct lb_str name);
const struct lb_parser_type *const *lb_parser_types(void); /* NULL at the end */

/* A ready instance of a parser that needs no settings (json, syslog), or NULL. */
const struct lb_parser *lb_parser_builtin(struct lb_str name);

#endif
