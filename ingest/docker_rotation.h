/*
 * docker_rotation.h - how long until Docker's rotation takes lines that were not read.
 *
 * The json-file driver keeps `max-file` files of `max-size` bytes; what is older it deletes, read or not. From how fast
 * a container writes, how fast it is read and what is left to read follows when the first unread line goes. Looked at
 * once a second on the source's loop, for containers that are behind; the result may be asked for from any thread.
 */
#ifndef DOCKER_ROTATION_H
#define DOCKER_ROTATION_H

#include "lb_buffer.h"

#include "tail.h"

enum { DOCKER_FILES_MAX = 64, DOCKER_LEFT_MAX = 24 * 3600 }; /* seconds: nothing is in danger, or not today */

/* Of one container. */
struct docker_limits {
    uint64_t file_bytes; /* `max-size`; 0: it never rotates */
    uint32_t files;      /* `max-file`: kept, the one that is written included */
};

/* From the text of hostconfig.json, or of config.v2.json where it is in there. False: it says nothing. */
bool docker_limits_read(struct lb_str text, struct docker_limits *limits);

struct docker_backlog {
    struct docker_limits limits;
    uint64_t live_bytes;               /* of the file that is written */
    uint64_t unread[DOCKER_FILES_MAX]; /* of it, of .1, of .2 … */
    double written;                    /* bytes in a second */
    double read;
};

/* Seconds, at most DOCKER_LEFT_MAX. */
int64_t docker_rotation_left(const struct docker_backlog *backlog);

struct docker_rotation; /* of one source */

struct docker_rotation *docker_rotation_new(const struct lb_source *source); /* NULL: out of memory */
void docker_rotation_free(struct docker_rotation *self);

/* On the loop's thread; `now` is monotonic. */
void docker_rotation_look(struct docker_rotation *self, const struct lb_tail *tail, int64_t now);

/* Members of a JSON object, each with a comma before it; nothing when nothing is in danger. Any thread. */
void docker_rotation_status(struct docker_rotation *self, struct lb_buffer *out);

#endif
