/*
 * lb_source.h - brings bytes in and cuts them at event boundaries.
 *
 * A source runs on an event loop and never blocks. It takes a batch from its
 * share of the pool, reads into the slab, notes each event, and pushes the
 * batch; when it gets no batch it waits for credit: that is all it needs to
 * know of backpressure. A carried rest (an unfinished line) is copied to the
 * next slab. What the bytes are (docker's envelope, syslog) is said by the
 * envelope, which the workers apply.
 */
#ifndef LB_SOURCE_H
#define LB_SOURCE_H

#include "lb_batch.h"
#include "lb_loop.h"
#include "lb_module.h"
#include "lb_parser.h"
#include "lb_pool.h"
#include "lb_queue.h"
#include "lb_stream.h"

struct lb_source_type;
struct lb_intake;    /* lb_intake.h */
struct lb_multiline; /* lb_multiline.h */
struct lb_encoding;  /* lb_encoding.h */

enum lb_add { LB_ADD_SOURCE = 1, LB_ADD_FILE = 2, LB_ADD_OFFSET = 4 };

/* What every source takes; filled by options before open(). */
struct lb_source_options {
    struct lb_parser_chain *parse;
    struct lb_str service;
    uint8_t level;
    struct lb_pairs fields;
    struct lb_strs add; /* source, file, offset */
    uint64_t max_line;
    const struct lb_node *durable;   /* network sources only */
    const struct lb_node *multiline; /* sources of lines only */
};

struct lb_source {
    const struct lb_source_type *type;
    struct lb_section section; /* section.name is the source's name */
    void *state;
    struct lb_source_options options;
    unsigned add;                       /* enum lb_add, from options.add */
    uint64_t intake_max;                /* bytes on disk, from options.durable; 0: it is not durable */
    const struct lb_encoding *encoding; /* NULL: UTF-8; set by its check() and open() */
    struct lb_multiline *multiline;     /* from options.multiline; NULL: each line is an event. The configuration's */
    bool intake_later; /* at open(): the instance before has the journal; the intake is started when that is gone */

    /* Set before open(). */
    struct lb_loop *loop;
    struct lb_share *share;
    struct lb_queue *queue;   /* push finished batches here */
    struct lb_intake *intake; /* or here, when it is not NULL: lb_source_push() knows. The daemon's */
    struct lb_streams *streams;
    struct lb_generation *generation; /* that it is of; streams keep it alive. NULL: nobody's */
    bool provisional;                 /* at open(): it may be taken back, see there */
    struct lb_source *before;         /* at open() and resume(): stopped, not closed, see there; or NULL */
    bool replaced;                    /* at stop(): keep what is open, another one takes it over or resume() comes */
    bool exit_at_eof;                 /* read what is there, then call lb_source_finished() */
    void (*finished)(void *context, struct lb_source *source);
    void *finished_context;
};

struct lb_source_type {
    struct lb_module module;
    bool file_like; /* runs on the loop of files, takes at most half of the pool */
    const struct lb_envelope *envelope;
    bool multiline;    /* it reads lines, and takes `multiline:` */
    const char *parse; /* the fallback of `parse:`: auto or none */

    /* Optional; for `check`: looks for what would fail, opens nothing that lasts. */
    enum lb_err (*check)(struct lb_source *source, struct lb_diag *diag);

    /* Optional: does a path belong to what this source reads? Refuses loops. */
    bool (*reads)(const struct lb_source *source, const char *path);

    /*
     * While the loop has not started, or is held: binds, opens, registers events and timers with source->loop. From
     * `before`, an instance of the same type and name that was stopped, it takes over sockets and connections that both
     * want; if it fails it gives them back. Of one that is provisional the loop is held, and if that runs again without
     * its having been stopped, it stays; until then it leaves nothing behind, in the ledger least of all.
     */
    enum lb_err (*open)(struct lb_source *source, struct lb_diag *diag);

    /* On the loop's thread: takes in nothing more. What it holds unfinished stays unacknowledged. */
    void (*stop)(struct lb_source *source);

    /*
     * Optional: goes on after a stop() where it was, for the one that was to replace it could not be used; that is
     * `before`, stopped, and gives back what it took. Loop and thread as with open(). A source whose type has no
     * resume() cannot be changed nor removed while logboom runs.
     */
    void (*resume)(struct lb_source *source);

    /*
     * Optional, of a durable source that answers its peers: all up to the batch that lb_intake_put() called `number` is
     * on disk. On the intake's thread, also after stop().
     */
    void (*safe)(struct lb_source *source, uint64_t number);

    /* Optional: adds members, each behind a comma, to what /api/v1/status says of it. Any thread, while it is open. */
    void (*status)(const struct lb_source *source, struct lb_buffer *out);

    void (*close)(struct lb_source *source); /* on its loop, or after that has ended; frees what open() made */
};

const struct lb_source_type *lb_source_find(struct lb_str name);
const struct lb_source_type *const *lb_source_types(void); /* NULL at the end */

/* With exit_at_eof: the source has pushed everything. On its loop's thread, once. */
static inline void lb_source_finished(struct lb_source *source)
{
    if (source->finished != NULL)
        source->finished(source->finished_context, source);
}

#endif
