/*
 * ledger.c - the map of facts, and its transactions.
 *
 * The tricky thing is that memory and disk must not part: a transaction first
 * reserves all memory it needs, then is written and synced, and then applied
 * by steps that cannot fail. A change is written as: what (u8), length of the
 * key and of the value (u32 each), key, value.
 */
#include "lb_ledger.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "ledger_file.h"
#include "ledger_map.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>

#define MODULE "ledger"

enum change_kind { CHANGE_PUT = 1, CHANGE_DELETE = 2 };

enum {
    CHANGE_HEAD_BYTES = 9,
    TXN_BYTES_MAX = 64 * 1024 * 1024,
    DEAD_BYTES_MIN = 1024 * 1024, /* below that a rewrite is not worth while */
    DEAD_FACTOR = 4,
};

struct lb_ledger {
    pthread_mutex_t lock; /* guards all below; held over the fsync, so commits come one after another */
    struct lb_ledger_file file;
    struct lb_ledger_map map;
    uint64_t rewrite_at; /* a rewrite failed: not again before the file is that long */
};

struct change {
    uint8_t kind;
    struct lb_str key;
    struct lb_str value;
};

/* --- transactions --------------------------------------------------------------- */

void lb_ledger_txn_init(struct lb_ledger_txn *txn)
{
    lb_buffer_init(&txn->changes, TXN_BYTES_MAX);
    txn->count = 0;
}

void lb_ledger_txn_free(struct lb_ledger_txn *txn)
{
    lb_buffer_free(&txn->changes);
    txn->count = 0;
}

static void reset_txn(struct lb_ledger_txn *txn)
{
    lb_buffer_reset(&txn->changes);
    txn->count = 0;
}

static void append_u32(struct lb_buffer *out, size_t number)
{
    const char bytes[4] = { (char)number, (char)(number >> 8), (char)(number >> 16), (char)(number >> 24) };

    lb_buffer_append(out, bytes, sizeof(bytes));
}

static uint32_t load_u32(const char *bytes)
{
    const unsigned char *digits = (const unsigned char *)bytes;

    return digits[0] | (uint32_t)digits[1] << 8 | (uint32_t)digits[2] << 16 | (uint32_t)digits[3] << 24;
}

static void append_change(struct lb_buffer *out, enum change_kind kind, struct lb_str key, struct lb_str value)
{
    if (!lb_buffer_reserve(out, CHANGE_HEAD_BYTES + key.len + value.len))
        return;
    lb_buffer_append_char(out, (char)kind);
    append_u32(out, key.len);
    append_u32(out, value.len);
    lb_buffer_append_str(out, key);
    lb_buffer_append_str(out, value);
}

/* Room for the head of the record, which ledger_file.c fills in. */
static void append_record_head(struct lb_buffer *out)
{
    lb_buffer_append(out, "\0\0\0\0\0\0\0", LB_LEDGER_RECORD_BYTES);
}

static void add_change(struct lb_ledger_txn *txn, enum change_kind kind, struct lb_str key, struct lb_str value)
{
    if (txn->count++ == 0)
        append_record_head(&txn->changes);
    append_change(&txn->changes, kind, key, value);
}

void lb_ledger_put(struct lb_ledger_txn *txn, struct lb_str key, struct lb_str value)
{
    add_change(txn, CHANGE_PUT, key, value);
}

void lb_ledger_delete(struct lb_ledger_txn *txn, struct lb_str key)
{
    add_change(txn, CHANGE_DELETE, key, LB_STR(""));
}

/* --- changes, one after another ---------------------------------------------------- */

/* LB_END behind the last change, LB_BAD_INPUT where `rest` is none. */
static enum lb_err next_change(struct lb_str *rest, struct change *change)
{
    if (rest->len == 0)
        return LB_END;
    if (rest->len < CHANGE_HEAD_BYTES)
        return LB_BAD_INPUT;
    size_t key_len = load_u32(rest->ptr + 1);
    size_t value_len = load_u32(rest->ptr + 5);
    size_t left = rest->len - CHANGE_HEAD_BYTES;
    if (key_len > left || value_len > left - key_len)
        return LB_BAD_INPUT;
    change->kind = (uint8_t)rest->ptr[0];
    change->key = (struct lb_str){ rest->ptr + CHANGE_HEAD_BYTES, key_len };
    change->value = (struct lb_str){ change->key.ptr + key_len, value_len };
    rest->ptr = change->value.ptr + value_len;
    rest->len = left - key_len - value_len;
    return change->kind == CHANGE_PUT || change->kind == CHANGE_DELETE ? LB_OK : LB_BAD_INPUT;
}

static void release_all(struct lb_ledger *ledger, struct lb_str changes)
{
    struct change change;

    while (next_change(&changes, &change) == LB_OK)
        lb_ledger_map_release(&ledger->map, change.key);
}

/* Takes the memory for all changes, or for none. */
static enum lb_err reserve_all(struct lb_ledger *ledger, struct lb_str changes)
{
    struct lb_str rest = changes;
    struct change change;
    enum lb_err err;

    while ((err = next_change(&rest, &change)) == LB_OK) {
        if (change.kind == CHANGE_PUT)
            err = lb_ledger_map_reserve(&ledger->map, change.key, change.value.len);
        if (err != LB_OK)
            break;
    }
    if (err == LB_END)
        return LB_OK;
    release_all(ledger, changes);
    return err;
}

static void apply_all(struct lb_ledger *ledger, struct lb_str changes)
{
    struct lb_str rest = changes;
    struct change change;

    while (next_change(&rest, &change) == LB_OK) {
        if (change.kind == CHANGE_PUT)
            lb_ledger_map_put(&ledger->map, change.key, change.value);
        else
            lb_ledger_map_delete(&ledger->map, change.key);
    }
    release_all(ledger, changes);
}

static enum lb_err replay(void *context, struct lb_str payload)
{
    struct lb_ledger *ledger = context;
    enum lb_err err = reserve_all(ledger, payload);

    if (err == LB_OK)
        apply_all(ledger, payload);
    return err;
}

/* --- the file ------------------------------------------------------------------------ */

static uint64_t live_bytes(const struct lb_ledger *ledger)
{
    return LB_LEDGER_HEADER_BYTES + LB_LEDGER_RECORD_BYTES + ledger->map.text_bytes +
           (uint64_t)ledger->map.count * CHANGE_HEAD_BYTES;
}

/* A new file with all that is in the map, and `txn` behind it if there is one. */
static enum lb_err rewrite(struct lb_ledger *ledger, struct lb_ledger_txn *txn)
{
    struct lb_buffer all;
    enum lb_err err = LB_NOMEM;

    lb_buffer_init(&all, UINT32_MAX);
    if (ledger->map.count > 0)
        append_record_head(&all);
    for (struct lb_ledger_node *node = lb_ledger_map_seek(&ledger->map, LB_STR("")); node != NULL;
         node = lb_ledger_map_next(node))
        append_change(&all, CHANGE_PUT, lb_ledger_node_key(node), lb_ledger_node_value(node));
    if (!all.failed)
        err = lb_ledger_file_rewrite(&ledger->file, all.ptr, all.len, txn != NULL ? txn->changes.ptr : NULL,
                                     txn != NULL ? txn->changes.len : 0);
    int cause = errno;
    lb_buffer_free(&all);
    errno = cause;
    return err;
}

static void rewrite_if_much_is_old(struct lb_ledger *ledger)
{
    uint64_t live = live_bytes(ledger);
    uint64_t dead = ledger->file.length > live ? ledger->file.length - live : 0;

    if (dead <= DEAD_BYTES_MIN || dead <= DEAD_FACTOR * live || ledger->file.length < ledger->rewrite_at)
        return;
    if (rewrite(ledger, NULL) == LB_OK) {
        ledger->rewrite_at = 0;
        return;
    }
    LB_WARN(MODULE, "cannot rewrite the ledger, it goes on growing path=%s error=%s", ledger->file.path,
            strerror(errno));
    ledger->rewrite_at = ledger->file.length + ledger->file.length / 2;
}

/*
 * What was read may be in the kernel's memory alone: after a failed fsync a page counts as clean without being on disk,
 * and no later fsync writes it. A process that was killed then leaves a file whose end a power failure takes back, with
 * all that was appended behind it. So nothing is appended to a file from before.
 */
static void rewrite_what_was_found(struct lb_ledger *ledger)
{
    if (ledger->map.count == 0 && ledger->file.length <= LB_LEDGER_HEADER_BYTES)
        return;
    if (rewrite(ledger, NULL) == LB_OK)
        return;
    ledger->file.must_rewrite = true;
    LB_WARN(MODULE, "cannot rewrite the ledger at start, the next commit tries again path=%s error=%s",
            ledger->file.path, strerror(errno));
}

enum lb_err lb_ledger_open(struct lb_ledger **ledger, const char *path)
{
    struct lb_ledger *opened = lb_alloc(sizeof(*opened));

    if (opened == NULL)
        return LB_NOMEM;
    lb_ledger_map_init(&opened->map);
    enum lb_err err = lb_ledger_file_open(&opened->file, path, replay, opened);
    if (err != LB_OK) {
        int cause = errno;

        lb_ledger_map_free(&opened->map);
        lb_free(opened);
        errno = cause;
        return err;
    }
    pthread_mutex_init(&opened->lock, NULL);
    rewrite_what_was_found(opened);
    *ledger = opened;
    return LB_OK;
}

void lb_ledger_close(struct lb_ledger *ledger)
{
    if (ledger == NULL)
        return;
    lb_ledger_file_close(&ledger->file);
    lb_ledger_map_free(&ledger->map);
    pthread_mutex_destroy(&ledger->lock);
    lb_free(ledger);
}

/* Durable on LB_OK. */
static enum lb_err write_txn(struct lb_ledger *ledger, struct lb_ledger_txn *txn)
{
    enum lb_err err = LB_IO;

    if (!ledger->file.must_rewrite)
        err = lb_ledger_file_append(&ledger->file, txn->changes.ptr, txn->changes.len);
    if (err != LB_OK && ledger->file.must_rewrite) {
        LB_WARN(MODULE, "the ledger cannot be appended to and is written anew path=%s", ledger->file.path);
        err = rewrite(ledger, txn);
    }
    return err;
}

static enum lb_err commit_locked(struct lb_ledger *ledger, struct lb_ledger_txn *txn)
{
    struct lb_str changes = { txn->changes.ptr + LB_LEDGER_RECORD_BYTES, txn->changes.len - LB_LEDGER_RECORD_BYTES };
    enum lb_err err = reserve_all(ledger, changes);

    if (err != LB_OK)
        return err;
    err = write_txn(ledger, txn);
    if (err != LB_OK) {
        release_all(ledger, changes);
        return err;
    }
    apply_all(ledger, changes);
    reset_txn(txn);
    rewrite_if_much_is_old(ledger);
    return LB_OK;
}

enum lb_err lb_ledger_commit(struct lb_ledger *ledger, struct lb_ledger_txn *txn)
{
    if (txn->changes.failed) { /* some change is missing in it: what is left must not pass for the whole */
        reset_txn(txn);
        return LB_NOMEM;
    }
    if (txn->count == 0)
        return LB_OK;
    pthread_mutex_lock(&ledger->lock);
    enum lb_err err = commit_locked(ledger, txn);
    int cause = errno;
    pthread_mutex_unlock(&ledger->lock);
    errno = cause;
    return err;
}

/* --- reading -------------------------------------------------------------------------- */

enum lb_err lb_ledger_get(struct lb_ledger *ledger, struct lb_str key, struct lb_buffer *value)
{
    enum lb_err err = LB_END;

    lb_buffer_reset(value);
    pthread_mutex_lock(&ledger->lock);
    struct lb_ledger_node *node = lb_ledger_map_seek(&ledger->map, key);
    if (node != NULL && lb_str_equal(lb_ledger_node_key(node), key)) {
        lb_buffer_append_str(value, lb_ledger_node_value(node));
        err = value->failed ? LB_NOMEM : LB_OK;
    }
    pthread_mutex_unlock(&ledger->lock);
    return err;
}

void lb_ledger_each(struct lb_ledger *ledger, struct lb_str prefix,
                    void (*visit)(void *context, struct lb_str key, struct lb_str value), void *context)
{
    pthread_mutex_lock(&ledger->lock);
    struct lb_ledger_node *node = lb_ledger_map_seek(&ledger->map, prefix);
    while (node != NULL && lb_str_starts(lb_ledger_node_key(node), prefix)) {
        visit(context, lb_ledger_node_key(node), lb_ledger_node_value(node));
        node = lb_ledger_map_next(node);
    }
    pthread_mutex_unlock(&ledger->lock);
}
