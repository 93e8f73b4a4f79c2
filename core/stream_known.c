/*
 * stream_known.c - streams in the ledger.
 *
 *   "stream/<id, 16 hex>"            -> "<source name>\n<identity>"
 *   "mark/<consumer>/<id, 16 hex>"   -> decimal
 *
 * The tricky thing: every consumer has a mark from the moment a stream is
 * new. So a mark that is missing means a consumer that is new, which starts
 * at the highest, and never one that was merely slow. What adopting decides
 * is committed before anything else can move a mark.
 */
#include "stream.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MODULE "stream"
#define STREAM_PREFIX "stream/"
#define MARK_PREFIX "mark/"

enum { IDENTITY_BYTES_MAX = 64 * 1024, KNOWN_BYTES_MAX = 256 * 1024 * 1024 };

/* --- keys and values --------------------------------------------------------------- */

struct lb_str lb_source_name(const struct lb_source *source)
{
    return source != NULL ? source->section.name : LB_STR("");
}

static struct lb_str stream_key(uint64_t id, char text[LB_STREAM_KEY_SIZE])
{
    int len = snprintf(text, LB_STREAM_KEY_SIZE, STREAM_PREFIX "%016" PRIx64, id);

    return (struct lb_str){ text, (size_t)len };
}

static void write_mark_key(struct lb_buffer *key, struct lb_str consumer, uint64_t id)
{
    lb_buffer_reset(key);
    lb_buffer_print(key, MARK_PREFIX LB_STR_FMT "/%016" PRIx64, LB_STR_ARG(consumer), id);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The last 16 characters of a key. False if they are no id. */
static bool read_id(struct lb_str key, uint64_t *id)
{
    *id = 0;
    if (key.len < LB_STREAM_ID_DIGITS)
        return false;
    for (size_t i = key.len - LB_STREAM_ID_DIGITS; i < key.len; i++) {
        int digit = hex_digit(key.ptr[i]);

        if (digit < 0)
            return false;
        *id = *id << 4 | (uint64_t)digit;
    }
    return true;
}

/* A mark that is no number was not written here: 0 reads again rather than skip. */
static uint64_t read_mark(struct lb_str text)
{
    uint64_t mark = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
        mark = mark * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    return mark;
}

void lb_stream_put_identity(struct lb_ledger_txn *txn, uint64_t id, struct lb_str source, struct lb_str identity)
{
    char key[LB_STREAM_KEY_SIZE];
    struct lb_buffer value;

    lb_buffer_init(&value, IDENTITY_BYTES_MAX);
    lb_buffer_append_str(&value, source);
    lb_buffer_append_char(&value, '\n');
    lb_buffer_append_str(&value, identity);
    if (value.failed)
        txn->changes.failed = true; /* the commit says so */
    else
        lb_ledger_put(txn, stream_key(id, key), lb_buffer_str(&value));
    lb_buffer_free(&value);
}

void lb_stream_put_mark(const struct lb_streams *streams, struct lb_ledger_txn *txn, uint32_t consumer, uint64_t id,
                        uint64_t mark)
{
    lb_stream_put_mark_of(txn, streams->consumers[consumer], id, mark);
}

void lb_stream_put_mark_of(struct lb_ledger_txn *txn, struct lb_str consumer, uint64_t id, uint64_t mark)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRIu64, mark);
    struct lb_buffer key;

    lb_buffer_init(&key, KNOWN_BYTES_MAX);
    write_mark_key(&key, consumer, id);
    if (key.failed)
        txn->changes.failed = true;
    else
        lb_ledger_put(txn, lb_buffer_str(&key), (struct lb_str){ text, (size_t)len });
    lb_buffer_free(&key);
}

void lb_stream_delete_all(const struct lb_streams *streams, struct lb_ledger_txn *txn, uint64_t id)
{
    char text[LB_STREAM_KEY_SIZE];
    struct lb_buffer key;

    lb_buffer_init(&key, KNOWN_BYTES_MAX);
    lb_ledger_delete(txn, stream_key(id, text));
    for (uint32_t i = 0; i < streams->consumer_count; i++) {
        if (streams->consumers[i].len == 0)
            continue;
        write_mark_key(&key, streams->consumers[i], id);
        if (key.failed)
            txn->changes.failed = true;
        else
            lb_ledger_delete(txn, lb_buffer_str(&key));
    }
    lb_buffer_free(&key);
}

/* --- at opening ------------------------------------------------------------------------ */

/* The names as they are now, for which the entry has room. Returns how many. */
static uint32_t copy_consumers(struct lb_streams *streams, struct lb_stream_entry *entry,
                               struct lb_str names[LB_CONSUMERS_MAX])
{
    pthread_mutex_lock(&streams->lock);
    uint32_t count = streams->consumer_count < entry->track_capacity ? streams->consumer_count : entry->track_capacity;
    memcpy(names, streams->consumers, count * sizeof(*names));
    pthread_mutex_unlock(&streams->lock);
    return count;
}

void lb_stream_load_marks(struct lb_streams *streams, struct lb_stream_entry *entry)
{
    struct lb_str names[LB_CONSUMERS_MAX];
    bool missing[LB_CONSUMERS_MAX] = { false };
    uint64_t highest = 0;
    struct lb_buffer key;
    struct lb_buffer value;

    lb_buffer_init(&key, KNOWN_BYTES_MAX);
    lb_buffer_init(&value, IDENTITY_BYTES_MAX);
    uint32_t count = copy_consumers(streams, entry, names);
    for (uint32_t i = 0; i < count; i++) {
        write_mark_key(&key, names[i], entry->stream.id);
        missing[i] = names[i].len == 0 || lb_ledger_get(streams->ledger, lb_buffer_str(&key), &value) != LB_OK;
        if (missing[i])
            continue;
        entry->tracks[i].mark = read_mark(lb_buffer_str(&value));
        if (entry->tracks[i].mark > highest)
            highest = entry->tracks[i].mark;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (missing[i])
            entry->tracks[i].mark = highest;
    }
    lb_buffer_free(&value);
    lb_buffer_free(&key);
}

uint64_t lb_stream_committed(struct lb_stream *stream)
{
    struct lb_streams *streams = stream->registry;
    struct lb_str names[LB_CONSUMERS_MAX];
    uint64_t lowest = UINT64_MAX;
    struct lb_buffer key;
    struct lb_buffer value;

    lb_buffer_init(&key, KNOWN_BYTES_MAX);
    lb_buffer_init(&value, IDENTITY_BYTES_MAX);
    uint32_t count = copy_consumers(streams, lb_stream_entry(stream), names);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t mark = 0; /* of one that has none there yet */

        if (names[i].len == 0)
            continue;
        write_mark_key(&key, names[i], stream->id);
        if (!key.failed && lb_ledger_get(streams->ledger, lb_buffer_str(&key), &value) == LB_OK)
            mark = read_mark(lb_buffer_str(&value));
        if (mark < lowest)
            lowest = mark;
    }
    lb_buffer_free(&value);
    lb_buffer_free(&key);
    return lowest != UINT64_MAX ? lowest : 0;
}

enum lb_err lb_stream_look_up(struct lb_streams *streams, uint64_t id, struct lb_str source, struct lb_str identity,
                              bool *changed)
{
    char key[LB_STREAM_KEY_SIZE];
    struct lb_buffer value;

    lb_buffer_init(&value, IDENTITY_BYTES_MAX);
    enum lb_err err = lb_ledger_get(streams->ledger, stream_key(id, key), &value);
    struct lb_str known = lb_buffer_str(&value);
    *changed = true;
    if (known.len > source.len && known.ptr[source.len] == '\n' && lb_str_starts(known, source)) {
        struct lb_str rest = { known.ptr + source.len + 1, known.len - source.len - 1 };

        *changed = !lb_str_equal(rest, identity);
    }
    lb_buffer_free(&value);
    return err;
}

/* --- every identity ---------------------------------------------------------------------- */

struct known {
    struct lb_str source;
    struct lb_buffer found; /* id (8 bytes), length (8 bytes), identity */
};

static void note_known(void *context, struct lb_str key, struct lb_str value)
{
    struct known *known = context;
    size_t name = known->source.len;
    uint64_t head[2];

    if (value.len <= name || value.ptr[name] != '\n' || !lb_str_starts(value, known->source) || !read_id(key, &head[0]))
        return;
    head[1] = value.len - name - 1;
    if (!lb_buffer_reserve(&known->found, sizeof(head) + head[1]))
        return;
    lb_buffer_append(&known->found, (const char *)head, sizeof(head));
    lb_buffer_append(&known->found, value.ptr + name + 1, head[1]);
}

/* One that has ended may have left the registry since the ledger was read: then that has its last words now. */
static bool read_again(struct lb_streams *streams, uint64_t id, struct lb_str source, struct lb_buffer *copy,
                       struct lb_str *identity)
{
    char key[LB_STREAM_KEY_SIZE];
    enum lb_err err = lb_ledger_get(streams->ledger, stream_key(id, key), copy);
    struct lb_str value = lb_buffer_str(copy);

    if (err == LB_OK && value.len > source.len && value.ptr[source.len] == '\n' && lb_str_starts(value, source))
        *identity = (struct lb_str){ value.ptr + source.len + 1, value.len - source.len - 1 };
    return err != LB_END;
}

/*
 * What was changed or forgotten in this run counts more than what was read of the ledger. `identity` is replaced by a
 * copy. False: nobody knows it any more.
 */
static bool look_at_pending(struct lb_streams *streams, uint64_t id, struct lb_str source, struct lb_buffer *copy,
                            struct lb_str *identity)
{
    bool forgotten = false;

    pthread_mutex_lock(&streams->lock);
    struct lb_stream *stream = streams->buckets[id % LB_STREAM_BUCKETS];
    while (stream != NULL && stream->id != id)
        stream = stream->next;
    struct lb_stream_entry *entry = stream != NULL ? lb_stream_entry(stream) : NULL;
    if (entry != NULL && entry->forgotten)
        forgotten = true;
    if (entry != NULL && entry->identity.ptr != NULL) {
        lb_buffer_reset(copy);
        lb_buffer_append_str(copy, entry->identity);
        *identity = lb_buffer_str(copy);
    }
    pthread_mutex_unlock(&streams->lock);
    return entry != NULL ? !forgotten : read_again(streams, id, source, copy, identity);
}

/* The visitor may open streams, so it is called without a lock, on a copy. */
void lb_streams_each_known(struct lb_streams *streams, struct lb_str source,
                           void (*visit)(void *context, uint64_t id, struct lb_str identity), void *context)
{
    struct known known = { .source = source };
    struct lb_buffer copy;

    lb_buffer_init(&known.found, KNOWN_BYTES_MAX);
    lb_buffer_init(&copy, IDENTITY_BYTES_MAX);
    lb_ledger_each(streams->ledger, LB_STR(STREAM_PREFIX), note_known, &known);
    if (known.found.failed)
        LB_ERROR(MODULE, "no memory for all known files, some are read from their beginning source=" LB_STR_FMT,
                 LB_STR_ARG(source));
    for (size_t at = 0; at < known.found.len;) {
        uint64_t head[2];

        memcpy(head, known.found.ptr + at, sizeof(head));
        struct lb_str identity = { known.found.ptr + at + sizeof(head), head[1] };
        at += sizeof(head) + head[1];
        if (look_at_pending(streams, head[0], source, &copy, &identity))
            visit(context, head[0], identity);
    }
    lb_buffer_free(&copy);
    lb_buffer_free(&known.found);
}

/* --- at start: who is new, who has gone ------------------------------------------------------ */

enum { CONSUMER_GONE = UINT32_MAX };

struct stored_mark {
    uint64_t id;
    uint64_t mark;
    uint32_t consumer;
};

struct adoption {
    struct lb_streams *streams;
    struct lb_ledger_txn txn;
    struct lb_buffer marks; /* struct stored_mark, by id later on */
    struct lb_buffer ids;   /* uint64_t, rising */
};

static uint32_t find_consumer(const struct lb_streams *streams, struct lb_str name)
{
    for (uint32_t i = 0; i < streams->consumer_count; i++) {
        if (lb_str_equal(streams->consumers[i], name))
            return i;
    }
    return CONSUMER_GONE;
}

static void note_mark(void *context, struct lb_str key, struct lb_str value)
{
    struct adoption *adoption = context;
    struct stored_mark mark = { .mark = read_mark(value) };
    size_t around = strlen(MARK_PREFIX) + 1 + LB_STREAM_ID_DIGITS;

    if (key.len < around || !read_id(key, &mark.id))
        return;
    struct lb_str name = { key.ptr + strlen(MARK_PREFIX), key.len - around };
    mark.consumer = find_consumer(adoption->streams, name);
    if (mark.consumer == CONSUMER_GONE)
        lb_ledger_delete(&adoption->txn, key);
    lb_buffer_append(&adoption->marks, (const char *)&mark, sizeof(mark));
}

static void note_id(void *context, struct lb_str key, struct lb_str value)
{
    struct adoption *adoption = context;
    uint64_t id;

    (void)value;
    if (read_id(key, &id))
        lb_buffer_append(&adoption->ids, (const char *)&id, sizeof(id));
}

static int by_id(const void *a, const void *b)
{
    uint64_t left = ((const struct stored_mark *)a)->id;
    uint64_t right = ((const struct stored_mark *)b)->id;

    return left < right ? -1 : left > right;
}

/* The marks of one stream: of one that is no more they go, otherwise consumers without one get the highest. */
static void adopt_stream(struct adoption *adoption, const struct stored_mark *marks, size_t count, bool known)
{
    struct lb_streams *streams = adoption->streams;
    uint64_t present = 0;
    uint64_t highest = 0;

    if (!known)
        lb_stream_delete_all(streams, &adoption->txn, marks->id);
    for (size_t i = 0; i < count; i++) {
        if (marks[i].consumer != CONSUMER_GONE)
            present |= UINT64_C(1) << marks[i].consumer;
        if (marks[i].mark > highest)
            highest = marks[i].mark;
    }
    for (uint32_t i = 0; known && i < streams->consumer_count; i++) {
        if ((present >> i & 1) == 0 && streams->consumers[i].len > 0)
            lb_stream_put_mark(streams, &adoption->txn, i, marks->id, highest);
    }
}

static void adopt_each(struct adoption *adoption)
{
    struct stored_mark *marks = (struct stored_mark *)(void *)adoption->marks.ptr;
    const uint64_t *ids = (const uint64_t *)(void *)adoption->ids.ptr;
    size_t mark_count = adoption->marks.len / sizeof(*marks);
    size_t id_count = adoption->ids.len / sizeof(*ids);
    size_t at = 0;

    if (mark_count > 0)
        qsort(marks, mark_count, sizeof(*marks), by_id);
    for (size_t first = 0; first < mark_count;) {
        size_t end = first + 1;

        while (end < mark_count && marks[end].id == marks[first].id)
            end++;
        while (at < id_count && ids[at] < marks[first].id)
            at++;
        adopt_stream(adoption, marks + first, end - first, at < id_count && ids[at] == marks[first].id);
        first = end;
    }
}

static enum lb_err commit_adoption(struct adoption *adoption)
{
    if (adoption->marks.failed || adoption->ids.failed)
        return LB_NOMEM;
    adopt_each(adoption);
    enum lb_err err = lb_ledger_commit(adoption->streams->ledger, &adoption->txn);
    if (err == LB_IO)
        LB_ERROR(MODULE,
                 "cannot write the ledger; sinks were added or removed, and that has to be noted first error=%s",
                 strerror(errno));
    return err;
}

enum lb_err lb_streams_adopt_locked(struct lb_streams *streams)
{
    struct adoption adoption = { .streams = streams };

    lb_ledger_txn_init(&adoption.txn);
    lb_buffer_init(&adoption.marks, KNOWN_BYTES_MAX);
    lb_buffer_init(&adoption.ids, KNOWN_BYTES_MAX);
    lb_ledger_each(streams->ledger, LB_STR(MARK_PREFIX), note_mark, &adoption);
    lb_ledger_each(streams->ledger, LB_STR(STREAM_PREFIX), note_id, &adoption);
    enum lb_err err = commit_adoption(&adoption);
    lb_buffer_free(&adoption.ids);
    lb_buffer_free(&adoption.marks);
    lb_ledger_txn_free(&adoption.txn);
    return err;
}

/* What is decided here of the marks that are there is committed before anybody commits others. */
enum lb_err lb_streams_adopt(struct lb_streams *streams)
{
    pthread_mutex_lock(&streams->commit_lock);
    enum lb_err err = lb_streams_adopt_locked(streams);
    pthread_mutex_unlock(&streams->commit_lock);
    return err;
}
