/*
 * alert_memory.h - what alert rules know, kept on disk over a restart.
 *
 * Every ten seconds the engine's windows and states are written to a file
 * (new, synced, renamed over the old one), with the position in each durable
 * stream up to which they count. Only then are the tokens of the batches done
 * that they come from; so after a crash the sources bring again what the file
 * does not hold, and what it holds already is left out by position. The bytes
 * are made on the engine's thread and written by another, so that no alert
 * waits for a disk.
 *
 * Used by the engine's thread alone (and before it starts, after it ends).
 */
#ifndef LB_ALERT_MEMORY_H
#define LB_ALERT_MEMORY_H

#include "alert_snapshot.h"
#include "lb_batch.h"
#include "lb_stream.h"

struct lb_alert_memory;

/* `path`: of the file. NULL: out of memory, or no thread. */
struct lb_alert_memory *lb_alert_memory_new(const char *path);

/* Waits for what is being written; tokens that are not safe stay held. */
void lb_alert_memory_free(struct lb_alert_memory *memory);

/*
 * Reads the file of an earlier run into runners. Without one, or where it is damaged, rules begin anew; the log says
 * so. `sinks` are the names that bits of sinks stand for now.
 */
void lb_alert_memory_load(struct lb_alert_memory *memory, const struct lb_strs *sinks,
                          struct lb_alert_runner *(*find)(void *context, struct lb_str rule), void *context);

/* True if what was loaded holds the record that ends there. */
bool lb_alert_memory_holds(const struct lb_alert_memory *memory, const struct lb_stream *stream, uint64_t end);

/* Time alone has changed what the rules know, or what was told: it has to be saved, as after records. */
void lb_alert_memory_touch(struct lb_alert_memory *memory);

/* The batch was applied. Takes over the token, which may be NULL. */
void lb_alert_memory_applied(struct lb_alert_memory *memory, const struct lb_batch *batch, struct lb_token *token);

/* Writes when it is time, and lets go what has become safe. `last`: now, and waits. False: it could not be written. */
bool lb_alert_memory_tick(struct lb_alert_memory *memory, const struct lb_alert_runner *runners, uint32_t count,
                          const struct lb_strs *sinks, bool last);

#endif
