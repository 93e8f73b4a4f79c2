/*
 * alert_memory.c - the file, its writer, and the tokens that wait for it.
 *
 *   head ─ sink names ─ positions ─ rule ─ rule …      each part with length and checksum
 *
 * The tricky thing: marks in the ledger move after the file is there, so the
 * file may be ahead of them but never behind. What lies between is applied
 * once because the file says how far each stream counts.
 */
#include "alert_memory.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_directories.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define MODULE "route.alert"
#define WRITE_EVERY (10 * LB_SECOND)
#define RETRY_EVERY LB_SECOND
#define FORGET_AFTER (600 * LB_SECOND) /* positions that the ledger must know by now */

enum {
    TOKENS_MAX = 8192, /* then it is written early */
    STREAMS_MAX = 65536,
    COST_SHARE = 20, /* writing takes one part in so many of the time */
};

#define FILE_BYTES_MAX (UINT64_C(1) << 30)

static const char magic[8] = "LBALERT1";

/* How far a stream counts. */
struct position {
    uint64_t id; /* 0: free */
    uint64_t end;
    int64_t touched; /* monotonic */
};

struct positions {
    struct position *table; /* open addressing, at most half full */
    uint32_t capacity;      /* a power of two, or 0 */
    uint32_t count;
};

struct writer {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    bool wanted; /* `bytes` are to be written, and the thread's until they are */
    bool ending;
    bool failed; /* the last time */
    struct lb_buffer bytes;
};

struct lb_alert_memory {
    char *path;
    char *temp;
    struct positions positions; /* of what was applied */
    struct positions loaded;    /* of the file of an earlier run */
    struct lb_token **tokens;   /* [0, writing) are in what is being written */
    uint32_t token_count;
    uint32_t writing;
    bool busy;
    bool dirty;
    int64_t due; /* monotonic */
    bool told;   /* that it cannot be written */
    struct writer writer;
};

/* --- positions ----------------------------------------------------------------- */

static struct position *slot_of(const struct positions *positions, uint64_t id)
{
    uint32_t mask = positions->capacity - 1;
    uint32_t i = (uint32_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;

    while (positions->table[i].id != 0 && positions->table[i].id != id)
        i = (i + 1) & mask;
    return &positions->table[i];
}

static bool put_position(struct positions *positions, struct position position);

/* Room for one more; what nobody needs any more is left out. */
static bool reserve(struct positions *positions, int64_t now)
{
    struct positions grown = { .capacity = positions->capacity > 0 ? positions->capacity : 64 };
    uint32_t live = 0;

    if ((positions->count + 1) * 2 <= positions->capacity)
        return true;
    for (uint32_t i = 0; i < positions->capacity; i++)
        live += positions->table[i].id != 0 && now - positions->table[i].touched < FORGET_AFTER;
    while ((live + 1) * 4 > grown.capacity && grown.capacity < STREAMS_MAX)
        grown.capacity *= 2;
    if ((live + 1) * 2 > grown.capacity)
        return false;
    grown.table = lb_alloc(grown.capacity * sizeof(*grown.table));
    if (grown.table == NULL)
        return false;
    for (uint32_t i = 0; i < positions->capacity; i++)
        if (positions->table[i].id != 0 && now - positions->table[i].touched < FORGET_AFTER)
            put_position(&grown, positions->table[i]);
    lb_free(positions->table);
    *positions = grown;
    return true;
}

static bool put_position(struct positions *positions, struct position position)
{
    struct position *slot;

    if (!reserve(positions, position.touched))
        return false;
    slot = slot_of(positions, position.id);
    positions->count += slot->id == 0;
    *slot = position;
    return true;
}

bool lb_alert_memory_holds(const struct lb_alert_memory *memory, const struct lb_stream *stream, uint64_t end)
{
    if (memory->loaded.capacity == 0 || !stream->durable)
        return false;
    const struct position *slot = slot_of(&memory->loaded, stream->id);
    return slot->id != 0 && end <= slot->end;
}

/* --- parts --------------------------------------------------------------------- */

struct part {
    uint64_t length;
    uint64_t checksum; /* XXH3, 64 bits */
};

static void append_part(struct lb_buffer *out, struct lb_str bytes)
{
    struct part part = { bytes.len, XXH3_64bits(bytes.ptr, bytes.len) };

    lb_buffer_append(out, (const char *)&part, sizeof(part));
    lb_buffer_append_str(out, bytes);
}

static bool take_part(struct lb_str *rest, struct lb_str *bytes)
{
    struct part part;

    if (rest->len < sizeof(part))
        return false;
    memcpy(&part, rest->ptr, sizeof(part));
    *bytes = (struct lb_str){ rest->ptr + sizeof(part), part.length };
    if (part.length > rest->len - sizeof(part) || XXH3_64bits(bytes->ptr, bytes->len) != part.checksum)
        return false;
    *rest = (struct lb_str){ bytes->ptr + bytes->len, rest->len - sizeof(part) - bytes->len };
    return true;
}

static void append_names(struct lb_buffer *out, const struct lb_strs *sinks)
{
    struct lb_buffer names;

    lb_buffer_init(&names, 64 * 1024);
    for (size_t i = 0; i < sinks->count; i++) {
        lb_buffer_append_str(&names, sinks->items[i]);
        lb_buffer_append_char(&names, '\n');
    }
    append_part(out, lb_buffer_str(&names));
    lb_buffer_free(&names);
}

static void append_positions(struct lb_buffer *out, const struct positions *positions)
{
    struct lb_buffer bytes;

    lb_buffer_init(&bytes, STREAMS_MAX * 2 * sizeof(uint64_t));
    for (uint32_t i = 0; i < positions->capacity; i++) {
        const struct position *each = &positions->table[i];
        uint64_t pair[2] = { each->id, each->end };

        if (each->id != 0)
            lb_buffer_append(&bytes, (const char *)pair, sizeof(pair));
    }
    append_part(out, lb_buffer_str(&bytes));
    lb_buffer_free(&bytes);
}

/* --- the writer ------------------------------------------------------------------- */

static bool write_whole(int fd, struct lb_str bytes)
{
    while (bytes.len > 0) {
        ssize_t count = write(fd, bytes.ptr, bytes.len);

        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0)
            bytes = (struct lb_str){ bytes.ptr + count, bytes.len - (size_t)count };
    }
    return true;
}

static bool write_file(const struct lb_alert_memory *memory, struct lb_str bytes)
{
    int fd = open(memory->temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);

    if (fd < 0)
        return false;
    bool ok = write_whole(fd, bytes) && fsync(fd) == 0;
    int cause = errno;
    ok = close(fd) == 0 && ok;
    errno = cause;
    return ok && rename(memory->temp, memory->path) == 0 && lb_directories_sync(memory->path);
}

static void *run(void *context)
{
    struct lb_alert_memory *memory = context;
    struct writer *writer = &memory->writer;

    pthread_mutex_lock(&writer->lock);
    for (;;) {
        while (!writer->wanted && !writer->ending)
            pthread_cond_wait(&writer->changed, &writer->lock);
        if (!writer->wanted)
            break;
        pthread_mutex_unlock(&writer->lock);
        bool ok = write_file(memory, lb_buffer_str(&writer->bytes));
        if (!ok)
            LB_WARN(MODULE, "cannot save what alert rules know, trying again path=%s reason=%s", memory->path,
                    strerror(errno));
        pthread_mutex_lock(&writer->lock);
        writer->failed = !ok;
        writer->wanted = false;
        pthread_cond_broadcast(&writer->changed);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* True if the writer is done with what it was given, or has been given nothing. */
static bool writer_rests(struct writer *writer, bool wait)
{
    pthread_mutex_lock(&writer->lock);
    while (wait && writer->wanted)
        pthread_cond_wait(&writer->changed, &writer->lock);
    bool rests = !writer->wanted;
    pthread_mutex_unlock(&writer->lock);
    return rests;
}

static void writer_start(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->wanted = true;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

/* --- making and freeing -------------------------------------------------------------- */

struct lb_alert_memory *lb_alert_memory_new(const char *path)
{
    struct lb_alert_memory *memory = lb_alloc(sizeof(*memory));
    size_t len = strlen(path);

    if (memory == NULL)
        return NULL;
    pthread_mutex_init(&memory->writer.lock, NULL);
    pthread_cond_init(&memory->writer.changed, NULL);
    lb_buffer_init(&memory->writer.bytes, FILE_BYTES_MAX);
    memory->path = lb_alloc(len + 1);
    memory->temp = lb_alloc(len + sizeof(".new"));
    memory->tokens = lb_alloc(TOKENS_MAX * sizeof(struct lb_token *));
    if (memory->path != NULL && memory->temp != NULL && memory->tokens != NULL) {
        memcpy(memory->path, path, len + 1);
        snprintf(memory->temp, len + sizeof(".new"), "%s.new", path);
        memory->writer.started = pthread_create(&memory->writer.thread, NULL, run, memory) == 0;
    }
    if (memory->writer.started) {
        pthread_setname_np(memory->writer.thread, "alert memory");
        return memory;
    }
    lb_alert_memory_free(memory);
    return NULL;
}

void lb_alert_memory_free(struct lb_alert_memory *memory)
{
    struct writer *writer;

    if (memory == NULL)
        return;
    writer = &memory->writer;
    if (writer->started) {
        pthread_mutex_lock(&writer->lock);
        writer->ending = true;
        pthread_cond_broadcast(&writer->changed);
        pthread_mutex_unlock(&writer->lock);
        pthread_join(writer->thread, NULL);
    }
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    lb_buffer_free(&writer->bytes);
    lb_free(memory->positions.table);
    lb_free(memory->loaded.table);
    lb_free((void *)memory->tokens);
    lb_free(memory->temp);
    lb_free(memory->path);
    lb_free(memory);
}

/* --- loading ------------------------------------------------------------------------- */

/* The whole file; LB_END: there is none. */
static enum lb_err read_file(const char *path, struct lb_buffer *bytes)
{
    char chunk[64 * 1024];
    ssize_t count = 1;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? LB_END : LB_IO;
    while (count > 0 && !bytes->failed) {
        count = read(fd, chunk, sizeof(chunk));
        if (count > 0)
            lb_buffer_append(bytes, chunk, (size_t)count);
    }
    close(fd);
    if (bytes->failed)
        return LB_NOMEM;
    return count < 0 ? LB_IO : LB_OK;
}

/* For each bit of the file, the bit of that sink now, or 0. */
static void map_names(struct lb_str names, const struct lb_strs *sinks, uint64_t bits[64])
{
    for (int bit = 0; bit < 64 && names.len > 0; bit++) {
        const char *end = memchr(names.ptr, '\n', names.len);
        size_t len = end != NULL ? (size_t)(end - names.ptr) : names.len;

        for (size_t i = 0; i < sinks->count; i++)
            if (lb_str_equal(sinks->items[i], (struct lb_str){ names.ptr, len }))
                bits[bit] = UINT64_C(1) << i;
        len += end != NULL;
        names = (struct lb_str){ names.ptr + len, names.len - len };
    }
}

static void load_positions(struct lb_alert_memory *memory, struct lb_str bytes)
{
    uint64_t pair[2];

    for (; bytes.len >= sizeof(pair); bytes = (struct lb_str){ bytes.ptr + sizeof(pair), bytes.len - sizeof(pair) }) {
        memcpy(pair, bytes.ptr, sizeof(pair));
        struct position position = { pair[0], pair[1], lb_clock_monotonic() };
        if (position.id != 0 &&
            (!put_position(&memory->loaded, position) || !put_position(&memory->positions, position)))
            LB_WARN(MODULE, "no memory for a position, records of it may count twice stream=%llu",
                    (unsigned long long)position.id);
    }
}

static bool load(struct lb_alert_memory *memory, struct lb_str rest, const struct lb_strs *sinks,
                 struct lb_alert_runner *(*find)(void *context, struct lb_str rule), void *context)
{
    uint64_t bits[64] = { 0 };
    struct lb_str names;
    struct lb_str positions;
    enum lb_err err;

    if (rest.len < sizeof(magic) || memcmp(rest.ptr, magic, sizeof(magic)) != 0)
        return false;
    rest = (struct lb_str){ rest.ptr + sizeof(magic), rest.len - sizeof(magic) };
    if (!take_part(&rest, &names) || !take_part(&rest, &positions))
        return false;
    map_names(names, sinks, bits);
    load_positions(memory, positions);
    while ((err = lb_alert_snapshot_read(&rest, bits, find, context)) == LB_OK)
        continue;
    return err == LB_END;
}

void lb_alert_memory_load(struct lb_alert_memory *memory, const struct lb_strs *sinks,
                          struct lb_alert_runner *(*find)(void *context, struct lb_str rule), void *context)
{
    struct lb_buffer bytes;
    enum lb_err err;

    lb_buffer_init(&bytes, FILE_BYTES_MAX);
    err = read_file(memory->path, &bytes);
    if (err == LB_OK && !load(memory, lb_buffer_str(&bytes), sinks, find, context))
        err = LB_BAD_INPUT;
    if (err != LB_OK && err != LB_END)
        LB_WARN(MODULE, "cannot read all that alert rules knew, they begin anew where it is missing path=%s reason=%s",
                memory->path, err == LB_IO ? strerror(errno) : "damaged, or of another version");
    lb_buffer_free(&bytes);
}

/* --- at work ---------------------------------------------------------------------------- */

void lb_alert_memory_applied(struct lb_alert_memory *memory, const struct lb_batch *batch, struct lb_token *token)
{
    struct position position = { batch->stream->id, batch->position_end, lb_clock_monotonic() };

    memory->dirty = true;
    if (batch->stream->durable && !put_position(&memory->positions, position))
        LB_WARN(MODULE, "no room for a position, records of it count twice after a crash stream=%llu",
                (unsigned long long)position.id);
    if (token == NULL)
        return;
    if (memory->token_count < TOKENS_MAX)
        memory->tokens[memory->token_count++] = token;
    else /* The disk does not take it for long: going on without is better than holding all sources. */
        lb_token_done(token, LB_DELIVERED, NULL);
}

void lb_alert_memory_touch(struct lb_alert_memory *memory)
{
    memory->dirty = true;
}

static void let_go(struct lb_alert_memory *memory)
{
    for (uint32_t i = 0; i < memory->writing; i++)
        lb_token_done(memory->tokens[i], LB_DELIVERED, NULL);
    memory->token_count -= memory->writing;
    memmove((void *)memory->tokens, (void *)(memory->tokens + memory->writing),
            memory->token_count * sizeof(struct lb_token *));
}

/* The writer rests: what it wrote is safe, or has to be written again. */
static bool settle(struct lb_alert_memory *memory)
{
    bool ok = !memory->writer.failed;

    if (!memory->busy)
        return true;
    if (ok)
        let_go(memory);
    memory->busy = false;
    memory->writing = 0;
    memory->dirty = memory->dirty || !ok;
    if (!ok)
        memory->due = lb_clock_monotonic() + RETRY_EVERY;
    return ok;
}

static void begin(struct lb_alert_memory *memory, const struct lb_alert_runner *runners, uint32_t count,
                  const struct lb_strs *sinks)
{
    struct lb_buffer *bytes = &memory->writer.bytes;
    int64_t start = lb_clock_monotonic();

    lb_buffer_reset(bytes);
    lb_buffer_append(bytes, magic, sizeof(magic));
    append_names(bytes, sinks);
    append_positions(bytes, &memory->positions);
    for (uint32_t i = 0; i < count; i++)
        lb_alert_snapshot_write(bytes, &runners[i]);
    int64_t now = lb_clock_monotonic();
    int64_t pause = (now - start) * COST_SHARE;
    memory->due = now + (pause > WRITE_EVERY ? pause : WRITE_EVERY);
    if (bytes->failed) {
        LB_WARN(MODULE, "no memory to save what alert rules know, trying again later");
        return;
    }
    memory->dirty = false;
    memory->busy = true;
    memory->writing = memory->token_count;
    writer_start(&memory->writer);
}

bool lb_alert_memory_tick(struct lb_alert_memory *memory, const struct lb_alert_runner *runners, uint32_t count,
                          const struct lb_strs *sinks, bool last)
{
    bool full = memory->token_count == TOKENS_MAX;

    if (!writer_rests(&memory->writer, last))
        return true;
    bool ok = settle(memory);
    if (!memory->dirty || (!last && !full && lb_clock_monotonic() < memory->due))
        return ok;
    begin(memory, runners, count, sinks);
    if (!last)
        return true;
    return writer_rests(&memory->writer, true) && settle(memory) && !memory->dirty;
}
