/*
 * intake.h - what the parts of an intake share: intake.c (the list, and the thread that writes and passes on),
 * intake_open.c (journal and stream, at both ends of its life).
 */
#ifndef INTAKE_H
#define INTAKE_H

#include "intake_record.h"
#include "lb_clock.h"
#include "lb_intake.h"
#include "lb_journal.h"
#include "lb_metrics.h"

#include <pthread.h>

enum {
    INTAKE_GROUP_BATCHES = 1024,      /* at most with one fsync */
    INTAKE_GROUP_BYTES = 1024 * 1024, /* so many do not wait for more, and no more are added */
    INTAKE_READ_BYTES = 1024 * 1024,  /* read back before it is looked who waits to be written */
    INTAKE_BUFFER_KEEP = 4 * 1024 * 1024,
    INTAKE_SEGMENTS_MIN = 8,
    INTAKE_SEGMENT_MIN = 64 * 1024,
    INTAKE_SEGMENT_MAX = 16 * 1024 * 1024,
    INTAKE_OVERHEAD = 64, /* of an entry in its journal, and of a segment that it may begin */
};

#define INTAKE_GROUP_AGE (50 * LB_MILLISECOND)
#define INTAKE_RETRY (200 * LB_MILLISECOND) /* while it is full, or the disk fails */
#define INTAKE_LOOK_EVERY LB_SECOND         /* what may be trimmed */

/* Batches in order, chained through `next`. */
struct intake_list {
    struct lb_batch *first;
    struct lb_batch **last;
    uint32_t count;
    size_t bytes;
};

struct intake_metrics {
    struct lb_metric *bytes;
    struct lb_metric *entries;
    struct lb_metric *syncs;
    struct lb_metric *restored;
    struct lb_metric *damaged;
    struct lb_metric *oldest;
    struct lb_metric *failing;
};

/* Where an entry that was appended lies. */
struct intake_place {
    uint64_t position; /* of its payload: of its first event */
    uint64_t end;
};

struct lb_intake {
    const struct lb_source *source;
    struct lb_intake_options options;
    char *directory;
    struct intake_metrics metrics;
    pthread_t thread;
    bool started;
    bool finished;

    /* The thread's. */
    struct lb_journal *journal;       /* NULL: not open yet */
    struct lb_stream *stream;         /* NULL: not open yet; what is written stays where it is until then */
    struct lb_journal_reader *reader; /* while it is behind */
    uint64_t passed;                  /* all below has gone on, or was read */
    struct lb_buffer encoded;
    struct lb_buffer payload; /* read, and not gone on for want of credit */
    uint64_t payload_end;
    bool payload_waits;
    struct intake_list group;
    struct intake_place places[INTAKE_GROUP_BATCHES];
    uint64_t safe_number; /* of the last batch that is on disk */
    uint64_t damaged;
    int64_t retry_at; /* writing; monotonic */
    int64_t read_at;  /* reading, after it failed */
    int64_t look_at;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;
    struct intake_list list;
    int64_t since;   /* the first of the list came; monotonic */
    int64_t arrived; /* the oldest that has not gone on; Unix time, 0: there is none */
    uint64_t number; /* of the last batch that was put */
    bool credit;     /* worth a try */
    bool behind;
    bool ending;
    uint64_t bytes; /* of the journal */
    char problem[256];
};

void intake_list_add(struct intake_list *list, struct lb_batch *batch);

/* --- intake.c --------------------------------------------------------------------- */

void *intake_run(void *context);

/* Credit to read back may be there. Any thread. */
void intake_wake(void *context);

/* To the workers as what it was, without a place in the journal. */
void intake_let_pass(struct lb_intake *self, struct intake_list *list);

/* `format` NULL: there is none. Told in the log once. */
void intake_problem(struct lb_intake *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- intake_open.c ---------------------------------------------------------------- */

/* What is not open yet. LB_AGAIN: records of an instance before are on their way. */
enum lb_err intake_open_parts(struct lb_intake *self) LB_MUST_USE;

#endif
