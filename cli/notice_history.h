/*
 * notice_history.h - what people were told of alerts, to look back at.
 *
 * Each notice as a line of JSON in data_dir/alerts.history, with the sinks it
 * went to; at 8 MiB the file becomes alerts.history.1 in the place of the one
 * before. What became of a notice at each sink is a line of its own, written
 * before the sink's mark goes on. It is for people and promises nothing after a
 * power failure: what must not be lost is what the sinks have. Notes are taken
 * on the engine's thread, outcomes on the sinks', questions answered on any.
 */
#ifndef NOTICE_HISTORY_H
#define NOTICE_HISTORY_H

#include "lb_batch.h"
#include "lb_buffer.h"
#include "lb_sink.h"

struct notice_history;

struct notice_query {
    int64_t since; /* [since, until) */
    int64_t until;
    struct lb_str rule;     /* empty: any */
    struct lb_str alert_id; /* empty: any */
    size_t limit;           /* the newest so many */
};

/* NULL: no memory. A file that cannot be written is told in the log when it is needed. */
struct notice_history *notice_history_open(const char *path);
void notice_history_close(struct notice_history *self);

/* A batch of alert events; `sinks` are the names behind its selections. */
void notice_history_note(struct notice_history *self, const struct lb_batch *batch, const struct lb_strs *sinks);

/* A JSON object without line end, of something else that was done for an alert. Any thread. */
void notice_history_add(struct notice_history *self, struct lb_str object);

/* What became of one of them: see lb_sink.h. `history` is the context. Any thread. */
void notice_history_told(void *history, const struct lb_delivery_outcome *outcome);

/* As a JSON array, the oldest first; each with what is known of its `deliveries`. */
void notice_history_write(struct notice_history *self, const struct notice_query *query, struct lb_buffer *out);

#endif
