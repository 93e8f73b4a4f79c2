/*
 * lb_ledger.h - the small facts that must survive anything.
 *
 * A map of keys to values in one append-only file. A transaction changes any
 * number of keys and is durable as a whole or not at all: one record with
 * length and CRC32C, written and fsynced before lb_ledger_commit() returns.
 * Opening replays the records, drops a torn tail, and rewrites the file (by
 * rename) when it holds much that is old.
 *
 * logboom keeps here: the identity of streams ("stream/…"), the mark of each
 * consumer in each stream ("mark/…"), the committed length of each file that
 * a sink writes ("file/…"). Keys and values are any bytes; by convention keys
 * are text with "/" and values are text.
 *
 * Thread-safe. An fsync that fails is not tried again on the same file: the
 * ledger is rewritten whole to a new one.
 */
#ifndef LB_LEDGER_H
#define LB_LEDGER_H

#include "lb_buffer.h"
#include "lb_err.h"

struct lb_ledger;

/* Changes that belong together. Owned by one thread; reusable after commit. */
struct lb_ledger_txn {
    struct lb_buffer changes;
    uint32_t count;
};

/* `path` is the file. LB_IO: errno says why; LB_BAD_INPUT: it is not a ledger, or of a newer version. */
enum lb_err lb_ledger_open(struct lb_ledger **ledger, const char *path) LB_MUST_USE;
void lb_ledger_close(struct lb_ledger *ledger);

/* The version that the file at `path` says it has; 0: it is no ledger. This logboom reads those up to
 * LB_LEDGER_VERSION. */
enum { LB_LEDGER_VERSION = 1 };
uint32_t lb_ledger_version(const char *path);

void lb_ledger_txn_init(struct lb_ledger_txn *txn);
void lb_ledger_txn_free(struct lb_ledger_txn *txn);
void lb_ledger_put(struct lb_ledger_txn *txn, struct lb_str key, struct lb_str value);
void lb_ledger_delete(struct lb_ledger_txn *txn, struct lb_str key);

/*
 * Durable on LB_OK; then `txn` is empty again. LB_IO (say, ENOSPC): nothing changed, `txn` is kept: try again later.
 * LB_NOMEM: nothing changed; a `txn` that lost a change on the way is emptied, since it must not pass for the whole.
 */
enum lb_err lb_ledger_commit(struct lb_ledger *ledger, struct lb_ledger_txn *txn) LB_MUST_USE;

/* Copies the value into `value` (reset first). LB_END: no such key. */
enum lb_err lb_ledger_get(struct lb_ledger *ledger, struct lb_str key, struct lb_buffer *value) LB_MUST_USE;

/* Calls `visit` for every key that starts with `prefix`, in order of the keys. Slices live for the call, which
 * must not use the ledger. */
void lb_ledger_each(struct lb_ledger *ledger, struct lb_str prefix,
                    void (*visit)(void *context, struct lb_str key, struct lb_str value), void *context);

#endif
