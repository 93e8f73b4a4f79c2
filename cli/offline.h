/*
 * offline.h - the pipeline of a configuration without its sources, sinks and
 * threads, on a clock that is set: lines go in when the caller says, alerts
 * come out as records with the sinks that would get them.
 *
 * The same worker, judge and engine as in the daemon, called in turn on one
 * thread, so the same lines at the same times give the same alerts. Nothing
 * of the configuration is opened but its parsers and filters; what the engine
 * has to keep is in a directory below TMPDIR that goes at the end.
 */
#ifndef OFFLINE_H
#define OFFLINE_H

#include "temporary_dir.h"

#include "lb_alert_steps.h"
#include "lb_buffer.h"
#include "lb_conf.h"
#include "lb_multiline.h"
#include "lb_mutes.h"

/* Where lines come from: a stream of its own. Zeroed at first; lives as long as the pipeline is used. */
struct offline_stream {
    struct lb_stream stream;
    struct lb_source source;
    struct lb_source_type type;
    struct lb_multiline_state joining; /* lines that arrive together may be one event */
    bool records;
};

/* What is done with lines. */
enum offline_lines {
    OFFLINE_AS_SOURCE, /* as the source reads them */
    OFFLINE_RECORDS,   /* they are records in JSON: no envelope and parser, but all else that the source adds */
};

struct offline {
    struct lb_config *config;
    struct lb_route_plan plan;
    struct lb_worker *worker;
    struct lb_judge *judge; /* NULL: no filter has a memory */
    char dir[TEMPORARY_DIR_SIZE];
    struct lb_ledger *ledger;
    struct lb_strs consumers;
    struct lb_streams *streams;
    struct lb_pool *pool;
    struct lb_share *share;
    struct lb_mutes *mutes; /* maintenance windows; NULL: nothing is held back */
    struct lb_alert_engine *engine;
    bool remembers;        /* over offline_end() and the next offline_begin() */
    struct lb_batch batch; /* in the making */

    /* Optional: a batch went through worker and judge; valid until the call returns. */
    void (*seen)(void *context, const struct lb_batch *batch);
    /* An alert is handed to `sinks` (bits). */
    void (*told)(void *context, const struct lb_batch *batch, const struct lb_record *record, uint64_t sinks);
    void *context;
};

/*
 * Makes the directory and what does not depend on a configuration. `seen`, `told` and `context` are the caller's to set
 * before. False: said why on stderr.
 */
bool offline_open(struct offline *self);
void offline_close(struct offline *self);

/*
 * Sets the clock and begins (or, with `remember`, goes on) with a configuration that the caller keeps until
 * offline_end(). `records_only`: parsers and filters of the configuration have had these records before. False: said
 * why on stderr.
 */
struct offline_start {
    struct lb_config *config;
    int64_t now_ns;
    bool remember; /* what rules know is kept in the directory, and read from there */
    bool records_only;
    bool unmuted; /* maintenance windows hold nothing back */
};
bool offline_begin(struct offline *self, const struct offline_start *start);
void offline_end(struct offline *self);

/* Forgets what rules knew. */
void offline_forget(const struct offline *self);

/* `id` is not 0, the same for the same stream in every run. */
void offline_stream_init(struct offline_stream *stream, const struct lb_source *source, uint64_t id,
                         enum offline_lines lines);

/* Adds a line to the batch in the making. `position`: where it begins in its stream. False: send first. */
bool offline_add(struct offline *self, struct offline_stream *stream, struct lb_str line, uint64_t position);

/*
 * A line of an archive as a record of its own: one in JSON without a message gets an empty one, else another field
 * would be taken for it. Points into `line` or `buffer`.
 */
struct lb_str offline_record(struct lb_buffer *buffer, struct lb_str line);

/* Sends it off, if there is one: it arrives now, and the clock stands there. */
void offline_send(struct offline *self, int64_t now_ns);

/* Nothing came, and the clock stands at `now_ns`. `last`: nothing will come any more. */
void offline_tick(struct offline *self, int64_t now_ns, bool last);

#endif
