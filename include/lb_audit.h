/*
 * lb_audit.h - what people did, in a file that cannot be changed unseen.
 *
 * A line of JSON for each action: {"sequence":N, …, "prev":"<SHA-256 of the
 * line before>"}. A line that is changed, taken out or put in breaks the chain
 * there; only lines cut off at the end are not missed, unless the last hash
 * was noted elsewhere. A file of 8 MiB is renamed to audit.<its first
 * sequence>.log beside it and the chain goes on in the next one. Appending
 * holds a lock on the file, so commands may write beside a running daemon.
 */
#ifndef LB_AUDIT_H
#define LB_AUDIT_H

#include "lb_err.h"
#include "lb_str.h"

#include <stdint.h>

#define LB_AUDIT_NAME "audit.log"

enum { LB_AUDIT_MEMBERS_MAX = 60 * 1024, LB_AUDIT_HASH_SIZE = 65 };

/*
 * `members` are those between the two, valid JSON without braces or line ends: `"time":"…","action":"…"`. On disk when
 * LB_OK comes back. LB_LIMIT: too long; LB_IO: errno says why, nothing was written.
 */
enum lb_err lb_audit_append(const char *path, struct lb_str members) LB_MUST_USE;

struct lb_audit_line {
    const char *file;
    size_t number;       /* in its file, from 1 */
    struct lb_str text;  /* without the line end */
    uint64_t sequence;   /* 0: not readable */
    const char *problem; /* why it does not fit behind the line before; NULL: it does */
    const char *hash;    /* of this line */
};

/*
 * Every line, the oldest first, whether or not it fits. What a crash left behind the last line end is no line. False:
 * errno says why (ENOENT: there is none).
 */
bool lb_audit_read(const char *path, void (*visit)(void *context, const struct lb_audit_line *line), void *context);

#endif
