/*
 * lb_sink.h - delivers records to one destination.
 *
 * A sink instance runs on a thread of its own, so write() may block up to its
 * timeout. It copies or sends what it needs and returns; the slab goes back
 * at once. What is behind it (queue, marks, commits, back-off while it cannot
 * take, spool, metrics) belongs to sinks/delivery*.c, not to sinks.
 *
 * Three ways to be safe:
 *  - at once: write() returns LB_OK and that is it;
 *  - later, in any order: lb_token_hold(token, n) in write(), and
 *    lb_token_done() when each piece is delivered, from any thread;
 *  - at a commit: the type has commit(); all that was written up to it counts
 *    as delivered when it and the ledger are durable.
 */
#ifndef LB_SINK_H
#define LB_SINK_H

#include "lb_batch.h"
#include "lb_ledger.h"
#include "lb_module.h"
#include "lb_stream.h"

#define LB_CONTROL_SOCKET "control" /* in data_dir: readers of archives ask there for what is in memory */

struct lb_sink_type;
struct lb_delivery;

/* What happens while a sink takes less than comes. */
enum lb_when_full {
    LB_FULL_BY_TYPE,     /* network sinks spool, others block */
    LB_FULL_BLOCK,       /* the sources wait, and with them all sinks */
    LB_FULL_SPOOL,       /* records go to disk, then to the sink, in order */
    LB_FULL_DROP_OLDEST, /* counted */
};

/* And when the spool is full too. */
enum lb_spool_then { LB_SPOOL_BLOCK, LB_SPOOL_DROP_OLDEST };

/* What every sink takes; filled by options before open(). */
struct lb_sink_options {
    int when_full;                   /* enum lb_when_full; after loading never BY_TYPE */
    uint64_t spool_max;              /* bytes on disk */
    int spool_then;                  /* enum lb_spool_then */
    struct lb_str dead_letter;       /* path of the file; empty: data_dir/dead-letters/SINK.jsonl */
    uint64_t dead_letter_max;        /* bytes of that file */
    int dead_letter_then;            /* enum lb_spool_then; BLOCK: such records are tried again until there is room */
    struct lb_str dead_letter_topic; /* where they go instead, if the sink's type has topics; empty: the file only */
    uint64_t otherwise;              /* `else`: sinks (bits) that alerts go to as well */
    int64_t otherwise_ns;            /* when it has failed for so long */
};

struct lb_buffer;
struct lb_dead_letters;

/* What became of a notice of an alert. */
struct lb_delivery_outcome {
    struct lb_str sink;
    struct lb_str record; /* its id, by lb_record_id() */
    bool refused;         /* for good; otherwise it is delivered */
    struct lb_str answer; /* for a person: "HTTP 202", "exit 0" */
    uint32_t attempts;    /* of this run; 0: nobody counts */
};

struct lb_sink {
    const struct lb_sink_type *type;
    struct lb_section section; /* section.name is the sink's name */
    struct lb_sink_options options;
    void *state;
    uint32_t index;           /* its bit, and its consumer number */
    struct lb_ledger *ledger; /* for what it committed in earlier runs; set before open() */
    struct lb_str data_dir;
    bool moved;       /* data_dir was copied or restored since the last run: inodes in the ledger say nothing */
    bool exit_at_eof; /* the run ends when all is read: work that can wait, like sealing, is left to the next one */
    void (*told)(void *context, const struct lb_delivery_outcome *outcome); /* NULL: nobody asks. Any thread */
    void *told_context;
    struct lb_delivery *delivery;         /* its queue and thread */
    struct lb_dead_letters *dead_letters; /* NULL before the first one */
};

struct lb_sink_type {
    struct lb_module module;
    bool network; /* what is behind it may be away for hours: spools unless told otherwise */
    bool tells;   /* it says itself what became of each notice of an alert, by lb_delivery_told() */
    bool topics;  /* it can send its dead letters to a topic, and falls back to the file by itself */

    /* Optional; for `check`: certificates, directories, patterns. Leaves nothing open. */
    enum lb_err (*check)(struct lb_sink *sink, struct lb_diag *diag);

    /* Optional: would this sink write to `path`? Refuses sources that read logboom's own outputs. */
    bool (*writes)(const struct lb_sink *sink, const char *path);

    /* On the main thread. Files: cuts them to their committed lengths. */
    enum lb_err (*open)(struct lb_sink *sink, struct lb_diag *diag);

    /*
     * On the sink's thread, as is all below. The batch is read-only and valid until the call returns; all of the
     * selection is taken (LB_OK) or none of it (LB_AGAIN: the same call comes again after a pause).
     */
    enum lb_err (*write)(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                         struct lb_token *token);

    /* Optional. Returns the monotonic time at which it wants to be called again; INT64_MAX: only after a write. */
    int64_t (*tick)(struct lb_sink *sink, int64_t monotonic_ns);

    /*
     * Optional. Makes everything written so far durable and adds the facts that must change together with the marks
     * to `txn`. On LB_OK the delivery code adds the marks, commits the ledger, and calls committed(). Any other
     * result: nothing counts as delivered, it is called again later.
     */
    enum lb_err (*commit)(struct lb_sink *sink, struct lb_ledger_txn *txn);
    void (*committed)(struct lb_sink *sink); /* optional: rotate, seal, expire old files */

    /* Optional. A reader asks for what is still in memory: makes it visible now. */
    void (*flush)(struct lb_sink *sink);

    /* Optional. Any thread. What a person should know though records are safe (say, sealing fails); else no text. */
    void (*note)(const struct lb_sink *sink, char *text, size_t size);

    /* Optional. Waits for what is in flight, at most until `deadline` (monotonic). Before the last commit. */
    void (*drain)(struct lb_sink *sink, int64_t deadline);

    void (*close)(struct lb_sink *sink); /* called if and only if open() succeeded */
};

const struct lb_sink_type *lb_sink_find(struct lb_str name);
const struct lb_sink_type *const *lb_sink_types(void); /* NULL at the end */

/* --- delivery: what the engine sees --------------------------------------- */

/*
 * Starts the sink's thread, and the one of its spool below data_dir/spool/SINK. `commit_ns`: the longest time between
 * commits. LB_IO: the spool cannot be opened, errno says why.
 */
enum lb_err lb_delivery_start(struct lb_sink *sink, struct lb_streams *streams, int64_t commit_ns) LB_MUST_USE;

/* Gives a reference of the batch. `selection` lives in the batch. Never blocks. Called in stream order. */
void lb_delivery_push(struct lb_delivery *delivery, struct lb_batch *batch, const struct lb_selection *selection,
                      struct lb_token *token);

/* Has the sink show what came so far (archive: writes its frames). Waits until `deadline` (monotonic). Any thread. */
bool lb_delivery_flush(struct lb_delivery *delivery, int64_t deadline);

/*
 * Writes what is queued, drains, commits and ends the thread, by `deadline` (monotonic). A sink that spools and lags
 * puts the rest into its spool rather than wait, unless there is no deadline (INT64_MAX). True: all is delivered, or
 * safe in the spool. A second call only answers again.
 */
bool lb_delivery_stop(struct lb_delivery *delivery, int64_t deadline);

/* After the sink was closed; a sink that was never started is left alone. */
void lb_delivery_free(struct lb_sink *sink);

/* Says in the log which spools below data_dir belong to no sink of these names. At start. */
void lb_delivery_tell_orphans(struct lb_str data_dir, const struct lb_strs *sinks);

/* True once the thread was told to end at once: a write() that waits shall return LB_AGAIN. */
bool lb_delivery_stopping(const struct lb_sink *sink);

/*
 * Another instance takes the place of the sink, with all that waits, while batches are pushed. pause() ends the thread
 * when its current call has returned, drains what is in flight until `deadline` (monotonic), spools what is left of it
 * if the sink spools, and commits; false: the sink has something that would be lost with it. Between the two one
 * instance is closed and the other opened; resume() with `fresh` starts the thread for that one, which keeps the
 * consumer's number; without it the one that was paused goes on as if nothing had been.
 */
bool lb_delivery_pause(struct lb_delivery *delivery, int64_t deadline);
enum lb_err lb_delivery_resume(struct lb_delivery *delivery, struct lb_sink *sink, bool fresh,
                               int64_t commit_ns) LB_MUST_USE;

/* For health: "ok", or what is wrong now and since when. */
struct lb_delivery_state {
    bool ok;
    char text[408];
    int64_t blocked_since_ns; /* Unix time; 0: not blocked */
    uint32_t queue_depth;     /* batches */
    const char *policy;       /* "block", "spool", "drop_oldest" */
    uint64_t spool_bytes;     /* on disk, not yet delivered */
    int64_t oldest_ns;        /* age of the oldest record that is not delivered; 0: there is none */
    uint64_t dropped;         /* records, for any reason */
};
void lb_delivery_state(struct lb_delivery *delivery, struct lb_delivery_state *state);

/* A sink says what is wrong (shown in health, logged when it changes); NULL: fine again. Any thread. */
void lb_delivery_problem(struct lb_sink *sink, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lb_delivery_fine(struct lb_sink *sink);

/* Counts records that left, and their bytes on the wire or disk. */
void lb_delivery_count(struct lb_sink *sink, uint64_t records, uint64_t bytes);

/*
 * What a peer answered to a notice of an alert, said before its token is done: so what the ledger counts as delivered
 * has its outcome. lb_delivery_dead_letter() says by itself that one was refused. Any thread.
 */
void lb_delivery_told(const struct lb_sink *sink, const char *record_id, const char *answer, uint32_t attempts);
void lb_delivery_refused(const struct lb_sink *sink, struct lb_str record_id, const char *reason, uint32_t attempts);

/* --- dead letters: what is refused for good ------------------------------- */

struct lb_letter {
    struct lb_str id;     /* of the record, by lb_record_id() */
    struct lb_str record; /* a JSON object, as lb_format_write() makes it */
    const char *kind;     /* one of few words, for the counter: "http_400", "too_large" */
    const char *reason;   /* for a person */
    uint32_t attempts;
    bool alert; /* the alert engine made it; so it is one again when it is replayed */
};

/*
 * Keeps a refused record. LB_OK: it is copied, and one hold of `token` goes (LB_DEAD_LETTERED) as soon as the letter is
 * on disk. LB_AGAIN: letters cannot be kept now, and health says why; nothing has changed, the sink tries the record
 * again later. Any thread.
 */
enum lb_err lb_delivery_dead_letter(struct lb_sink *sink, const struct lb_letter *letter,
                                    struct lb_token *token) LB_MUST_USE;

/*
 * For a sink that keeps its letters elsewhere than in the file: the same line of JSON behind what is in `out`, with a
 * newline (false: no memory, nothing was added); and, once it is safe there, to have it counted and shown like the
 * others. The hold of the token is the sink's to let go. Any thread.
 */
bool lb_dead_letter_write(const struct lb_sink *sink, const struct lb_letter *letter,
                          struct lb_buffer *out) LB_MUST_USE;
void lb_dead_letter_note(struct lb_sink *sink, const char *kind, const char *reason);

/* Waits until all letters so far are on disk, at most until `deadline` (monotonic). */
void lb_dead_letters_flush(struct lb_sink *sink, int64_t deadline);
void lb_dead_letters_free(struct lb_sink *sink); /* what is not on disk yet stays held; its thread ends */

/* The file that a sink's letters go to. */
enum { LB_DEAD_LETTER_PATH_SIZE = 4096 };
void lb_dead_letter_path(const struct lb_sink *sink, char *path);

struct lb_dead_letter_state {
    bool ok;
    char text[200]; /* what is wrong, or empty */
    uint64_t count; /* letters since the start */
    char last[200]; /* the last one's reason */
};
void lb_dead_letter_state(const struct lb_sink *sink, struct lb_dead_letter_state *state);

/*
 * Who rewrites a file of letters beside a running logboom holds this lock of its descriptor meanwhile (an OFD lock of
 * one byte), and puts the new file in place by rename; the daemon then goes on with the new one.
 */
enum { LB_DEAD_LETTER_LOCK_WRITE = 0, LB_DEAD_LETTER_LOCK_REPLAY = 1 };
bool lb_dead_letter_lock(int fd, int which); /* false: somebody else holds it */
void lb_dead_letter_unlock(int fd, int which);

#endif
