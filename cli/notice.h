/*
 * notice.h - an alert that no rule made, and its end, through one sink: a
 * test of a channel, a drill.
 *
 * It goes the way of dead letters that are replayed: with the sink's address,
 * retries and limits, and without touching what belongs to a running logboom.
 */
#ifndef NOTICE_H
#define NOTICE_H

#include "lb_conf.h"

enum { NOTICES = 2, NOTICE_REASON_BYTES = 256 };

struct notice {
    struct lb_str texts[NOTICES]; /* records in JSON: it fires, it is over */
    uint64_t number;              /* of the stream that they come from; not 0 */
    int64_t timeout_ns;
};

/* A number that no other notice has. */
uint64_t notice_number(void);

/* A signal ends it: replay_interrupted. Once for a process. */
void notice_signals(void);

enum notice_result {
    NOTICE_TOLD,
    NOTICE_NOT_TOLD, /* `reason` says why, as far as it is known */
    NOTICE_UNSENT,   /* it could not even be tried; said on stderr */
};
enum notice_result notice_send(struct lb_config *config, const struct lb_sink *sink, const struct notice *notice,
                               char *reason);

#endif
