/*
 * firing_table.c - a list, and the same in the ledger.
 *
 * A change that the ledger does not take (disk full) stays in memory; it is
 * missing after a restart, which the log says. Alerts are few: each change is
 * a transaction of its own.
 */
#include "firing_table.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEY_BYTES = 160, STAMP_BYTES = 24 };

static struct lb_str key_of(const struct firing_table *table, struct lb_str fingerprint, char *key)
{
    int len =
        snprintf(key, KEY_BYTES, "firing/" LB_STR_FMT "/" LB_STR_FMT, LB_STR_ARG(table->name), LB_STR_ARG(fingerprint));

    return (struct lb_str){ key, len < KEY_BYTES ? (size_t)len : KEY_BYTES - 1 };
}

static void commit(const struct firing_table *table, struct lb_ledger_txn *txn)
{
    if (lb_ledger_commit(table->ledger, txn) != LB_OK)
        LB_WARN("sink.firing", "cannot note what fires: a restart will not know it sink=" LB_STR_FMT,
                LB_STR_ARG(table->name));
}

/* --- the list -------------------------------------------------------------------- */

static struct firing *add(struct firing_table *table, struct lb_str fingerprint, struct lb_str text)
{
    struct firing *firing = NULL;

    if (table->count < FIRING_MAX && table->bytes + text.len <= FIRING_BYTES_MAX &&
        fingerprint.len < sizeof(firing->fingerprint))
        firing = lb_alloc(sizeof(*firing) + text.len);
    if (firing == NULL)
        return NULL;
    memcpy(firing->fingerprint, fingerprint.ptr, fingerprint.len);
    memcpy(firing->text, text.ptr, text.len);
    firing->length = text.len;
    firing->next = table->first;
    table->first = firing;
    table->count++;
    table->bytes += text.len;
    return firing;
}

/* False: it is not there. */
static bool drop(struct firing_table *table, struct lb_str fingerprint)
{
    struct firing **link = &table->first;

    while (*link != NULL && !lb_str_is(fingerprint, (*link)->fingerprint))
        link = &(*link)->next;
    struct firing *found = *link;
    if (found == NULL)
        return false;
    *link = found->next;
    if (table->cursor == found)
        table->cursor = found->next;
    table->count--;
    table->bytes -= found->length;
    lb_free(found);
    return true;
}

const struct firing *firing_find(const struct firing_table *table, struct lb_str fingerprint)
{
    const struct firing *at = table->first;

    while (at != NULL && !lb_str_is(fingerprint, at->fingerprint))
        at = at->next;
    return at;
}

/* --- the list and the ledger ------------------------------------------------------- */

bool firing_put(struct firing_table *table, struct lb_str fingerprint, struct lb_str text, int64_t now)
{
    char key[KEY_BYTES];
    char stamp[STAMP_BYTES];
    struct lb_ledger_txn txn;
    struct lb_buffer value;

    drop(table, fingerprint);
    struct firing *firing = add(table, fingerprint, text);
    if (firing == NULL)
        return false;
    firing->told_ns = now;
    lb_ledger_txn_init(&txn);
    lb_buffer_init(&value, FIRING_BYTES_MAX);
    lb_buffer_append(&value, stamp, (size_t)snprintf(stamp, sizeof(stamp), "%lld ", (long long)now));
    lb_buffer_append_str(&value, text);
    if (!value.failed)
        lb_ledger_put(&txn, key_of(table, fingerprint, key), lb_buffer_str(&value));
    commit(table, &txn);
    lb_buffer_free(&value);
    lb_ledger_txn_free(&txn);
    return true;
}

void firing_remove(struct firing_table *table, struct lb_str fingerprint)
{
    char key[KEY_BYTES];
    struct lb_ledger_txn txn;

    if (!drop(table, fingerprint))
        return;
    lb_ledger_txn_init(&txn);
    lb_ledger_delete(&txn, key_of(table, fingerprint, key));
    commit(table, &txn);
    lb_ledger_txn_free(&txn);
}

void firing_expire(struct firing_table *table, int64_t now)
{
    struct firing *next;

    for (struct firing *each = table->first; each != NULL; each = next) {
        next = each->next;
        if (now - each->told_ns > FIRING_KEEP)
            firing_remove(table, lb_str_from(each->fingerprint));
    }
}

/* --- a start ------------------------------------------------------------------------- */

struct opening {
    struct firing_table *table;
    size_t prefix;
    bool full;
};

/* "1767225600000000000 {…": a time that cannot be read is long ago. */
static void take(void *context, struct lb_str key, struct lb_str value)
{
    struct opening *opening = context;
    const char *blank = value.len > 0 ? memchr(value.ptr, ' ', value.len) : NULL;
    struct lb_str text = { NULL, 0 };
    char stamp[STAMP_BYTES] = "";

    if (blank != NULL && (size_t)(blank - value.ptr) < sizeof(stamp)) {
        memcpy(stamp, value.ptr, (size_t)(blank - value.ptr));
        text = (struct lb_str){ blank + 1, value.len - (size_t)(blank + 1 - value.ptr) };
    }
    struct firing *firing = add(opening->table, (struct lb_str){ key.ptr + opening->prefix, key.len - opening->prefix },
                                text.len > 0 ? text : LB_STR("{"));
    if (firing != NULL)
        firing->told_ns = strtoll(stamp, NULL, 10);
    opening->full = opening->full || firing == NULL;
}

enum lb_err firing_open(struct firing_table *table, struct lb_ledger *ledger, struct lb_str name)
{
    char prefix[KEY_BYTES];

    *table = (struct firing_table){ .ledger = ledger, .name = name };
    struct lb_str each = key_of(table, LB_STR(""), prefix);
    struct opening opening = { table, each.len, false };
    lb_ledger_each(ledger, each, take, &opening);
    firing_expire(table, lb_clock_now());
    return opening.full ? LB_NOMEM : LB_OK;
}

void firing_close(struct firing_table *table)
{
    while (table->first != NULL) {
        struct firing *next = table->first->next;

        lb_free(table->first);
        table->first = next;
    }
    table->cursor = NULL;
    table->count = 0;
    table->bytes = 0;
}
