/*
 * dead_letter.h - what the dead_letter*.c share.
 *
 * A sink's letters wait as lines in memory; a thread, begun with the first
 * letter, appends them to the file and lets their tokens go behind the fsync:
 * many letters, one fsync, and the sink never waits for a disk. Others may
 * rewrite the file meanwhile (see lb_dead_letter_lock()).
 */
#ifndef DEAD_LETTER_H
#define DEAD_LETTER_H

#include "lb_buffer.h"
#include "lb_metrics.h"
#include "lb_sink.h"

#include <pthread.h>
#include <sys/types.h>

enum {
    DEAD_LETTER_WAITING_MAX = 4 * 1024 * 1024, /* bytes in memory; one letter may be longer */
    DEAD_LETTER_TAIL_BYTES = 1024 * 1024,      /* of an old file that is looked at for letters of the last run */
    DEAD_LETTER_SEEN_SLOTS = 16384,            /* of them; a power of two */
};

struct dead_letter_file {
    char path[LB_DEAD_LETTER_PATH_SIZE];
    uint64_t max_bytes;
    bool drop_oldest;
    int fd;           /* -1: not open */
    uint64_t *seen;   /* hashes of the letters at the end of the file when it was opened first; 0: free */
    uint64_t dropped; /* letters that had to make room, since it was made */
};

/* `self` is zeroed but for path and bounds. */
void dead_letter_file_init(struct dead_letter_file *self);
void dead_letter_file_close(struct dead_letter_file *self);

/*
 * Whole lines, on disk when it returns LB_OK. LB_LIMIT: no room below max_bytes; LB_AGAIN: somebody else has locked
 * it; LB_IO: errno says why. Otherwise than with LB_OK the file is as it was, or ends with lines that the next call
 * writes over.
 */
enum lb_err dead_letter_file_write(struct dead_letter_file *self, struct lb_str lines);

/* Is a letter of the same sink and id among those of the last run? */
bool dead_letter_file_has(struct dead_letter_file *self, struct lb_str line);

#endif
