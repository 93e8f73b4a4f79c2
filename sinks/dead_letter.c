/*
 * dead_letter.c - records that were refused for good, kept with the reason.
 *
 * Letters are lines in memory until the writer's thread has them on disk;
 * only then do their tokens go. So what cannot be written is not lost: it
 * waits here, and when this is full the sink is told to try the record again.
 */
#include "dead_letter.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_log.h"
#include "lb_time.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

enum { KINDS_MAX = 64 };

#define PAUSE LB_SECOND /* between tries to write */
#define LOCKED_PAUSE (50 * LB_MILLISECOND)

struct letters {
    struct lb_buffer lines;
    struct lb_token **tokens;
    uint32_t count;
    size_t capacity;
};

struct kind {
    char *name;
    struct lb_metric *count;
};

struct lb_dead_letters {
    const struct lb_sink *sink;
    struct dead_letter_file file; /* the writer's, but for path and bounds */
    struct letters writing;       /* the writer's */
    struct lb_metric *dropped;
    pthread_t thread;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct letters waiting;
    bool busy; /* the writer has some */
    bool ending;
    uint64_t count;
    char problem[200];
    char last[200];
    struct kind kinds[KINDS_MAX];
};

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER; /* guards that a sink gets its letters once */

void lb_dead_letter_path(const struct lb_sink *sink, char *path)
{
    struct lb_str given = sink->options.dead_letter;

    if (given.len > 0) {
        snprintf(path, LB_DEAD_LETTER_PATH_SIZE, LB_STR_FMT, LB_STR_ARG(given));
        return;
    }
    int len = snprintf(path, LB_DEAD_LETTER_PATH_SIZE, LB_STR_FMT "/dead-letters/", LB_STR_ARG(sink->data_dir));
    snprintf(path + len, (size_t)(LB_DEAD_LETTER_PATH_SIZE - len), LB_STR_FMT ".jsonl", LB_STR_ARG(sink->section.name));
    for (char *at = path + len; *at != '\0'; at++) {
        if (*at == '/')
            *at = '_';
    }
}

/* --- the writer ------------------------------------------------------------------- */

static void swap(struct lb_dead_letters *self)
{
    struct letters letters = self->writing;

    self->writing = self->waiting;
    self->waiting = letters;
    self->busy = self->writing.count > 0;
}

/* What the file says why not; with the lock held. */
static void tell_problem(struct lb_dead_letters *self, enum lb_err err, int error)
{
    char text[sizeof(self->problem)];

    if (err == LB_LIMIT)
        snprintf(text, sizeof(text),
                 "dead letters have reached their bound: replay or remove %.80s; refused records are tried again until "
                 "then",
                 self->file.path);
    else
        snprintf(text, sizeof(text), "cannot write dead letters to %.80s: %.50s; refused records wait", self->file.path,
                 strerror(error));
    if (strcmp(text, self->problem) != 0)
        LB_WARN("sink", "%s sink=" LB_STR_FMT, text, LB_STR_ARG(self->sink->section.name));
    memcpy(self->problem, text, sizeof(text));
}

static void let_go(struct lb_dead_letters *self)
{
    char reason[sizeof(self->last)];

    pthread_mutex_lock(&self->lock);
    memcpy(reason, self->last, sizeof(reason));
    pthread_mutex_unlock(&self->lock);
    for (uint32_t i = 0; i < self->writing.count; i++)
        lb_token_done(self->writing.tokens[i], LB_DEAD_LETTERED, reason);
    self->writing.count = 0;
    lb_buffer_reset(&self->writing.lines);
}

/* Lines of letters that are in the file since the last run go. Their tokens stay: they are as safe as the others. */
static void leave_out_known(struct lb_dead_letters *self)
{
    struct lb_buffer *lines = &self->writing.lines;
    size_t kept = 0;

    for (size_t at = 0; at < lines->len;) {
        const char *line = lines->ptr + at;
        size_t len = (size_t)((const char *)memchr(line, '\n', lines->len - at) - line) + 1;

        if (!dead_letter_file_has(&self->file, (struct lb_str){ line, len })) {
            memmove(lines->ptr + kept, line, len);
            kept += len;
        }
        at += len;
    }
    lines->len = kept;
}

/* Returns when to try again; 0: it is done. */
static int64_t write_letters(struct lb_dead_letters *self)
{
    enum lb_err err = LB_OK;

    leave_out_known(self);
    if (self->writing.lines.len > 0)
        err = dead_letter_file_write(&self->file, lb_buffer_str(&self->writing.lines));
    int error = errno;
    lb_metric_set(self->dropped, (int64_t)self->file.dropped);
    if (err == LB_OK)
        let_go(self);
    pthread_mutex_lock(&self->lock);
    if (err == LB_OK) {
        self->problem[0] = '\0';
        self->busy = false;
        pthread_cond_broadcast(&self->changed);
    } else if (err != LB_AGAIN) {
        tell_problem(self, err, error);
    }
    pthread_mutex_unlock(&self->lock);
    if (err == LB_OK)
        return 0;
    return err == LB_AGAIN ? LOCKED_PAUSE : PAUSE;
}

/* Under the lock. */
static void wait_for_change(struct lb_dead_letters *self, int64_t pause_ns)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t wake = at.tv_sec * LB_SECOND + at.tv_nsec + pause_ns;
    at.tv_sec = wake / LB_SECOND;
    at.tv_nsec = wake % LB_SECOND;
    pthread_cond_timedwait(&self->changed, &self->lock, &at);
}

/* Waits for letters, or for the end of a pause. Under the lock. False: it shall end. */
static bool wait_for_work(struct lb_dead_letters *self, int64_t until)
{
    while (!self->ending) {
        int64_t left = until - lb_clock_monotonic();

        if (left > 0)
            wait_for_change(self, left);
        else if (self->writing.count > 0 || self->waiting.count > 0)
            break;
        else
            pthread_cond_wait(&self->changed, &self->lock);
    }
    return !self->ending;
}

static void *run(void *context)
{
    struct lb_dead_letters *self = context;
    int64_t until = 0;

    pthread_mutex_lock(&self->lock);
    while (wait_for_work(self, until)) {
        if (self->writing.count == 0)
            swap(self);
        pthread_mutex_unlock(&self->lock);
        int64_t pause = write_letters(self);
        until = pause > 0 ? lb_clock_monotonic() + pause : 0;
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* --- its making ----------------------------------------------------------------------- */

static void free_letters(struct letters *letters)
{
    lb_buffer_free(&letters->lines);
    lb_free((void *)letters->tokens);
}

static void free_all(struct lb_dead_letters *self)
{
    dead_letter_file_close(&self->file);
    free_letters(&self->writing);
    free_letters(&self->waiting);
    for (unsigned i = 0; i < KINDS_MAX; i++)
        lb_free(self->kinds[i].name);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}

static struct lb_dead_letters *make(const struct lb_sink *sink)
{
    struct lb_dead_letters *self = lb_alloc(sizeof(*self));
    pthread_condattr_t attr;
    char name[256];
    char labels[320];

    if (self == NULL)
        return NULL;
    self->sink = sink;
    lb_dead_letter_path(sink, self->file.path);
    self->file.max_bytes = sink->options.dead_letter_max > 0 ? sink->options.dead_letter_max : UINT64_MAX;
    self->file.drop_oldest = sink->options.dead_letter_then == LB_SPOOL_DROP_OLDEST;
    dead_letter_file_init(&self->file);
    lb_buffer_init(&self->waiting.lines, DEAD_LETTER_WAITING_MAX + (size_t)8 * LB_LINE_BYTES_MAX);
    lb_buffer_init(&self->writing.lines, DEAD_LETTER_WAITING_MAX + (size_t)8 * LB_LINE_BYTES_MAX);
    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(sink->section.name));
    self->dropped = lb_metric(LB_COUNTER, "logboom_dead_letters_dropped_total",
                              "Dead letters that were given up because their file reached its bound",
                              lb_metric_labels(labels, sizeof(labels), "sink", name, (char *)NULL));
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&self->thread, NULL, run, self) == 0) {
        pthread_setname_np(self->thread, "dead letters");
        return self;
    }
    free_all(self);
    return NULL;
}

static struct lb_dead_letters *letters_of(struct lb_sink *sink)
{
    pthread_mutex_lock(&making);
    if (sink->dead_letters == NULL)
        sink->dead_letters = make(sink);
    struct lb_dead_letters *self = sink->dead_letters;
    pthread_mutex_unlock(&making);
    return self;
}

/* Those that the sink has already; for readers on other threads. */
static struct lb_dead_letters *letters_there(const struct lb_sink *sink)
{
    pthread_mutex_lock(&making);
    struct lb_dead_letters *self = sink->dead_letters;
    pthread_mutex_unlock(&making);
    return self;
}

void lb_dead_letters_free(struct lb_sink *sink)
{
    struct lb_dead_letters *self = sink->dead_letters;

    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    self->ending = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    sink->dead_letters = NULL;
    free_all(self);
}

/* --- a letter ---------------------------------------------------------------------------- */

/* Under the lock. Few words; what comes past the bound is counted together. */
static void count_kind(struct lb_dead_letters *self, const char *word)
{
    struct kind *kind = self->kinds;
    struct kind *end = self->kinds + KINDS_MAX - 1;
    char name[256];
    char labels[400];

    while (kind < end && kind->name != NULL && strcmp(kind->name, word) != 0)
        kind++;
    if (kind == end)
        word = "other";
    if (kind->count == NULL) {
        size_t size = strlen(word) + 1;
        char *copy = lb_alloc(size);

        if (copy == NULL)
            return;
        memcpy(copy, word, size);
        kind->name = copy;
        snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->sink->section.name));
        kind->count = lb_metric(LB_COUNTER, "logboom_dead_letters_total",
                                "Records that a sink's peer refused for good, kept as dead letters",
                                lb_metric_labels(labels, sizeof(labels), "sink", name, "reason", word, (char *)NULL));
    }
    lb_metric_add(kind->count, 1);
}

static void append_text(struct lb_buffer *out, const char *key, struct lb_str text)
{
    lb_buffer_print(out, ",\"%s\":\"", key);
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

/* The order of the first keys is what dead_letter_file.c looks for. */
bool lb_dead_letter_write(const struct lb_sink *sink, const struct lb_letter *letter, struct lb_buffer *out)
{
    char time[LB_TIME_TEXT_SIZE];
    size_t before = out->len;
    struct lb_str record = letter->record;

    while (record.len > 0 && record.ptr[record.len - 1] == '\n')
        record.len--;
    size_t time_len = lb_time_write(lb_clock_now(), time);
    lb_buffer_print(out, "{\"timestamp\":\"%.*s\"", (int)time_len, time);
    append_text(out, "sink", sink->section.name);
    append_text(out, "id", letter->id);
    append_text(out, "kind", lb_str_from(letter->kind));
    append_text(out, "reason", lb_str_from(letter->reason));
    lb_buffer_print(out, ",\"attempts\":%u%s,\"record\":", letter->attempts, letter->alert ? ",\"alert\":true" : "");
    lb_buffer_append_str(out, record);
    lb_buffer_append(out, "}\n", 2);
    if (!out->failed)
        return true;
    out->len = before;
    out->failed = false;
    return false;
}

static bool reserve_token(struct letters *letters)
{
    struct lb_token **tokens =
        lb_grown((void *)letters->tokens, letters->count, &letters->capacity, sizeof(struct lb_token *));

    if (tokens == NULL)
        return false;
    letters->tokens = tokens;
    return true;
}

/* Under the lock. */
static void note(struct lb_dead_letters *self, const char *kind, const char *reason)
{
    self->count++;
    snprintf(self->last, sizeof(self->last), "%s", reason);
    count_kind(self, kind);
}

void lb_dead_letter_note(struct lb_sink *sink, const char *kind, const char *reason)
{
    struct lb_dead_letters *self = letters_of(sink);

    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    note(self, kind, reason);
    pthread_mutex_unlock(&self->lock);
}

enum lb_err lb_delivery_dead_letter(struct lb_sink *sink, const struct lb_letter *letter, struct lb_token *token)
{
    struct lb_dead_letters *self = letters_of(sink);

    if (self == NULL)
        return LB_AGAIN;
    pthread_mutex_lock(&self->lock);
    struct letters *waiting = &self->waiting;
    bool room = waiting->count == 0 || waiting->lines.len + letter->record.len <= DEAD_LETTER_WAITING_MAX;
    bool taken = room && reserve_token(waiting) && lb_dead_letter_write(sink, letter, &waiting->lines);
    if (taken) {
        waiting->tokens[waiting->count++] = token;
        note(self, letter->kind, letter->reason);
        if (letter->alert)
            lb_delivery_refused(sink, letter->id, letter->reason, letter->attempts);
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->lock);
    return taken ? LB_OK : LB_AGAIN;
}

void lb_dead_letters_flush(struct lb_sink *sink, int64_t deadline)
{
    struct lb_dead_letters *self = letters_there(sink);

    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    while (self->waiting.count > 0 || self->busy) {
        int64_t left = deadline - lb_clock_monotonic();

        if (left <= 0)
            break;
        wait_for_change(self, left < LB_SECOND ? left : LB_SECOND);
    }
    pthread_mutex_unlock(&self->lock);
}

void lb_dead_letter_state(const struct lb_sink *sink, struct lb_dead_letter_state *state)
{
    struct lb_dead_letters *self = letters_there(sink);

    *state = (struct lb_dead_letter_state){ .ok = true };
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    state->ok = self->problem[0] == '\0';
    state->count = self->count;
    memcpy(state->text, self->problem, sizeof(state->text));
    memcpy(state->last, self->last, sizeof(state->last));
    pthread_mutex_unlock(&self->lock);
}
