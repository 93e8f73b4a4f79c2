/*
 * replay.h - dead letters, sent once more.
 *
 * A file of letters is read, never changed, while its records go through the
 * sink; then another file with what is left is put in its place, with what a
 * running logboom has appended meanwhile. Killed at any instant, the file is
 * the old one or the new one. Letters go in windows: when all of a window is
 * delivered or refused, it counts; what is cut short is sent again next time,
 * under the same ids.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "progress.h"
#include "temporary_dir.h"

#include "lb_conf.h"

#include <limits.h>
#include <signal.h>

/* --- letters of a file (replay_file.c) ------------------------------------------- */

enum letter_state {
    LETTER_KEPT, /* not asked for, or not readable: stays as it is */
    LETTER_DUE,  /* to be sent */
    LETTER_DONE, /* delivered, or refused again and in the file of those */
};

struct letter {
    size_t offset; /* of its line in the text */
    uint32_t length;
    uint32_t sink; /* index in the configuration */
    uint64_t stream;
    uint64_t position;
    struct lb_str record; /* JSON, in the text */
    uint8_t state;        /* enum letter_state */
    bool alert;           /* the alert engine made it */
};

struct letter_file {
    const char *path; /* "-": standard input, and what is left goes to standard output */
    char refused_path[PATH_MAX];
    int fd;
    char *text;
    size_t length;
    struct letter *letters;
    size_t count;
    uint64_t refused_end; /* bytes of the file of the refused that count */
    uint64_t refused;     /* letters of it; known at the end */
};

struct letter_choice {
    const struct lb_config *config;
    struct lb_str sink; /* empty: the one that the letter names */
    int64_t since_ns;   /* INT64_MIN: all */
    int64_t until_ns;
};

/* False: said why on stderr. `scratch_dir` is for the refused of standard input. */
bool letter_file_open(struct letter_file *file, const char *path, const struct letter_choice *choice,
                      const char *scratch_dir);

/* Puts what is left in the file's place and counts it; false: said why, and the file is as it was. */
bool letter_file_finish(struct letter_file *file, uint64_t *left);
void letter_file_close(struct letter_file *file);

/* --- sending (replay_send.c) -------------------------------------------------------- */

struct replay {
    struct lb_config *config;
    char dir[TEMPORARY_DIR_SIZE]; /* for a ledger that nobody needs afterwards */
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_stream *stream; /* of all batches; their ids come from their origin */
    uint64_t issued;          /* tokens */
    struct lb_strs consumers;
    uint64_t opened; /* bit n: sink n */
    uint64_t started;
    int64_t deadline; /* monotonic */
    struct replay_window *window;
    struct progress progress;
};

extern volatile sig_atomic_t replay_interrupted;

bool replay_open(struct replay *self, struct lb_config *config, struct lb_diag *diag);
void replay_close(struct replay *self);

/* Sends the letters that are due. False: something could not be done and was said, or it was cut short. */
bool replay_send(struct replay *self, struct letter_file *file);

#endif
