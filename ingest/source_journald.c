/*
 * source_journald.c - follows systemd's journal.
 *
 * libsystemd tells by a descriptor that files have changed, and is asked for
 * the next entry until there is none. An entry that was read and for which
 * there is no credit waits here. The journal is opened with the first turn,
 * for new streams are written to the ledger, and a source that may be taken
 * back must not do that.
 */
#include "journald.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ENTRIES_PER_TURN = 1024,
    FROM_HEAD = 0,
    FROM_END = 1,
    PAUSE_US = 20000, /* after a turn that found something, so that the next one finds more than one entry */
    BOOT_ALL = 0,
    BOOT_CURRENT = 1,
};

struct journald_source {
    /* Options. */
    struct lb_strs units;
    uint8_t priority;
    int boot;
    int read_from;
    bool all_fields;
    struct lb_str path;

    struct lb_source *source;
    sd_journal *journal; /* NULL: not open yet */
    struct event *changed;
    struct event *turn;
    struct event *tick;
    struct journald_stream *streams;
    struct journald_stream *stream; /* of the batch */
    struct lb_batch *batch;         /* being filled, or NULL */
    struct journald_cursor last;    /* of its last entry */
    struct journald_entry_at {
        struct journald_cursor cursor;
        struct lb_entry entry;
        bool held; /* read, and in no batch */
    } at;
    struct journal_entry reader;
    struct lb_metric *entries;
    bool loaded;
    bool waiting; /* for credit */
    bool stopped;
    bool failing; /* told */
    bool finished;
};

static void turn_in(struct journald_source *self, suseconds_t us)
{
    struct timeval delay = { 0, us };

    evtimer_add(self->turn, &delay);
}

static void say(struct journald_source *self, const char *what, int error)
{
    if (!self->failing)
        LB_ERROR("source.journald", "%s, it is tried again every second source=" LB_STR_FMT " error=\"%s\"", what,
                 LB_STR_ARG(self->source->section.name), strerror(-error));
    self->failing = true;
}

/* --- opening the journal ------------------------------------------------------------ */

static int add_match(sd_journal *journal, const char *name, struct lb_str value)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "%s=" LB_STR_FMT, name, LB_STR_ARG(value));

    return len < (int)sizeof(text) ? sd_journal_add_match(journal, text, (size_t)len) : -E2BIG;
}

/* What the unit says itself, and what the manager says of it. */
static int match_unit(sd_journal *journal, struct lb_str unit)
{
    char name[300];
    int len = snprintf(name, sizeof(name), LB_STR_FMT "%s", LB_STR_ARG(unit),
                       memchr(unit.ptr, '.', unit.len) != NULL ? "" : ".service");
    struct lb_str full = { name, (size_t)len < sizeof(name) ? (size_t)len : sizeof(name) - 1 };
    int err = add_match(journal, "_SYSTEMD_UNIT", full);

    if (err >= 0)
        err = sd_journal_add_disjunction(journal);
    if (err >= 0)
        err = add_match(journal, "UNIT", full);
    if (err >= 0)
        err = add_match(journal, "_PID", LB_STR("1"));
    if (err >= 0)
        err = sd_journal_add_disjunction(journal);
    if (err >= 0)
        err = add_match(journal, "_SYSTEMD_USER_UNIT", full);
    return err >= 0 ? sd_journal_add_disjunction(journal) : err;
}

static int match_boot(sd_journal *journal)
{
    sd_id128_t boot;
    char text[SD_ID128_STRING_MAX];
    int err = sd_id128_get_boot(&boot);

    return err >= 0 ? add_match(journal, "_BOOT_ID", lb_str_from(sd_id128_to_string(boot, text))) : err;
}

static int add_matches(const struct journald_source *self, sd_journal *journal)
{
    int err = 0;

    for (size_t i = 0; i < self->units.count && err >= 0; i++)
        err = match_unit(journal, self->units.items[i]);
    if (err >= 0)
        err = sd_journal_add_conjunction(journal);
    for (uint8_t level = 0; self->priority < LB_LEVEL_DEBUG && level <= self->priority && err >= 0; level++) {
        char text[2] = { (char)('0' + level), '\0' };

        err = add_match(journal, "PRIORITY", lb_str_from(text));
    }
    if (err >= 0 && self->boot == BOOT_CURRENT)
        err = match_boot(journal);
    return err;
}

/* The earliest of the entries that all have, of all streams. */
static const struct journald_cursor *where_to_begin(const struct journald_source *self)
{
    const struct journald_cursor *first = NULL;

    for (const struct journald_stream *stream = self->streams; stream != NULL; stream = stream->next)
        if (first == NULL || stream->known.time_us < first->time_us)
            first = &stream->known;
    return first;
}

/* False: there is no entry at hand. */
static bool read_cursor(struct journald_source *self, struct journald_cursor *cursor)
{
    char *text = NULL;
    int err = sd_journal_get_cursor(self->journal, &text);
    bool done = err >= 0 && journald_read_cursor(lb_str_from(text), cursor);

    free(text);
    return done;
}

/* The last entry that is there counts as had, so that what comes from now on is read, over restarts too. */
static int seek_end(struct journald_source *self)
{
    struct journald_cursor cursor;
    struct journald_stream *stream;
    int err = sd_journal_seek_tail(self->journal);

    if (err < 0 || (err = sd_journal_previous(self->journal)) < 0)
        return err;
    if (err == 0 || !read_cursor(self, &cursor))
        return sd_journal_seek_head(self->journal);
    if (journald_find_stream(self->source, &self->streams, &cursor, true, &stream) != LB_OK)
        return -EAGAIN;
    return 0;
}

static int seek(struct journald_source *self)
{
    const struct journald_cursor *first = where_to_begin(self);

    if (first == NULL)
        return self->read_from == FROM_END ? seek_end(self) : sd_journal_seek_head(self->journal);
    int err = sd_journal_seek_cursor(self->journal, first->text);
    if (err < 0 || (err = sd_journal_next(self->journal)) < 0)
        return err;
    if (err == 0 || sd_journal_test_cursor(self->journal, first->text) <= 0)
        LB_WARN("source.journald",
                "the last entry that was read is not there any more; what came after it may be lost source=" LB_STR_FMT,
                LB_STR_ARG(self->source->section.name));
    /* That one, or the first that there is, comes again, and is passed over if it was read. */
    return sd_journal_seek_cursor(self->journal, first->text);
}

static int open_files(struct journald_source *self)
{
    if (self->path.len > 0)
        return sd_journal_open_directory(&self->journal, self->path.ptr, 0);
    return sd_journal_open(&self->journal, SD_JOURNAL_LOCAL_ONLY);
}

static void close_journal(struct journald_source *self)
{
    if (self->changed != NULL)
        event_free(self->changed);
    self->changed = NULL;
    sd_journal_close(self->journal);
    self->journal = NULL;
}

static void on_changed(evutil_socket_t fd, short what, void *context);

/* False: not now. */
static bool open_journal(struct journald_source *self)
{
    if (self->journal != NULL)
        return true;
    if (!self->loaded)
        self->streams = journald_load_streams(self->source);
    self->loaded = true;
    int err = open_files(self);
    if (err < 0) {
        self->journal = NULL;
        say(self, "cannot open the journal", err);
        return false;
    }
    (void)sd_journal_set_data_threshold(self->journal, self->reader.max_line + JOURNAL_NAME_BYTES_MAX + 1);
    err = sd_journal_get_fd(self->journal);
    if (err >= 0) {
        self->changed = event_new(lb_loop_base(self->source->loop), err, EV_READ | EV_PERSIST, on_changed, self);
        err = add_matches(self, self->journal);
    }
    if (err >= 0)
        err = seek(self);
    if (err < 0) {
        say(self, "cannot read the journal", err);
        close_journal(self);
        return false;
    }
    self->failing = false;
    LB_INFO("source.journald", "started source=" LB_STR_FMT, LB_STR_ARG(self->source->section.name));
    return true;
}

/* --- entries ------------------------------------------------------------------------ */

static bool read_fields(struct journald_source *self)
{
    const void *data;
    size_t len;

    journal_entry_begin(&self->reader);
    sd_journal_restart_data(self->journal);
    while (sd_journal_enumerate_available_data(self->journal, &data, &len) > 0)
        journal_entry_add(&self->reader, data, len);
    self->at.entry = (struct lb_entry){ .position = self->at.cursor.number };
    if (!journal_entry_end(&self->reader, &self->at.entry))
        return false;
    uint64_t time_us = 0;
    if (self->at.entry.time_ns == LB_TIME_NONE && sd_journal_get_realtime_usec(self->journal, &time_us) >= 0 &&
        time_us < INT64_MAX / 1000)
        self->at.entry.time_ns = (int64_t)time_us * 1000;
    return true;
}

static void push(struct journald_source *self)
{
    struct lb_batch *batch = self->batch;

    if (batch == NULL)
        return;
    self->batch = NULL;
    batch->arrival_ns = lb_clock_now();
    lb_metric_add(self->entries, batch->event_count);
    journald_note_pushed(self->stream, &self->last);
    lb_queue_push(self->source->queue, batch);
}

/* LB_LIMIT: no credit. LB_AGAIN: its stream is not to be had yet. LB_END: it was read before. */
static enum lb_err place(struct journald_source *self)
{
    struct journald_stream *stream;
    enum lb_err err = journald_find_stream(self->source, &self->streams, &self->at.cursor, false, &stream);
    size_t size = lb_entry_size(&self->at.entry) + 2 * sizeof(struct lb_event);

    if (err != LB_OK)
        return LB_AGAIN;
    if (self->at.cursor.number < stream->position)
        return LB_END;
    if (self->batch != NULL && (stream != self->stream || !lb_entry_append(self->batch, &self->at.entry)))
        push(self);
    else if (self->batch != NULL)
        return LB_OK;
    self->stream = stream;
    self->batch = lb_pool_take(self->source->share, size > LB_SLAB_MEDIUM ? size : LB_SLAB_MEDIUM, stream->stream);
    if (self->batch == NULL)
        return LB_LIMIT;
    self->batch->position = self->at.entry.position;
    return lb_entry_append(self->batch, &self->at.entry) ? LB_OK : LB_NOMEM;
}

/* One entry on. LB_END: there is none now. */
static enum lb_err advance(struct journald_source *self)
{
    if (!self->at.held) {
        int err = sd_journal_next(self->journal);

        if (err < 0)
            say(self, "cannot read the next entry", err);
        if (err <= 0)
            return LB_END;
        if (!read_cursor(self, &self->at.cursor) || !read_fields(self)) {
            say(self, "an entry cannot be read and is left out", -EBADMSG);
            return LB_OK;
        }
        self->failing = false;
        self->at.held = true;
    }
    enum lb_err err = place(self);
    if (err == LB_AGAIN || err == LB_LIMIT)
        return err;
    self->at.held = false;
    if (err == LB_OK) {
        self->stream->position = self->at.cursor.number + 1;
        self->last = self->at.cursor;
    }
    return LB_OK;
}

static void note_behind(const struct journald_source *self, bool more)
{
    for (const struct journald_stream *stream = self->streams; stream != NULL; stream = stream->next)
        if (stream->stream != NULL)
            lb_stream_note_unread(stream->stream, more ? 1 : 0);
}

static void finish(struct journald_source *self)
{
    if (!self->source->exit_at_eof || self->finished)
        return;
    self->finished = true;
    lb_source_finished(self->source);
}

static void take_turn(struct journald_source *self)
{
    enum lb_err err = LB_OK;

    if (!open_journal(self)) {
        finish(self);
        return;
    }
    (void)sd_journal_process(self->journal);
    for (unsigned i = 0; i < ENTRIES_PER_TURN && err == LB_OK; i++)
        err = advance(self);
    push(self);
    note_behind(self, err != LB_END);
    self->waiting = err == LB_LIMIT;
    if (err == LB_OK)
        turn_in(self, 0);
    else if (err == LB_END)
        finish(self);
    if (err == LB_END && self->changed != NULL && event_add(self->changed, NULL) != 0)
        say(self, "no memory for an event", -ENOMEM);
}

/* --- events -------------------------------------------------------------------------- */

static void on_changed(evutil_socket_t fd, short what, void *context)
{
    struct journald_source *self = context;

    (void)fd, (void)what;
    event_del(self->changed);
    if (!self->stopped)
        turn_in(self, PAUSE_US);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    struct journald_source *self = context;

    (void)fd, (void)what;
    if (!self->stopped && !self->waiting)
        take_turn(self);
}

/* What no descriptor tells of (network file systems), what waits for its stream, and the marks. */
static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct journald_source *self = context;

    (void)fd, (void)what;
    if (self->stopped)
        return;
    for (struct journald_stream *stream = self->streams; stream != NULL; stream = stream->next)
        if (stream->stream != NULL)
            journald_note_committed(stream);
    self->waiting = false; /* credit or not, trying costs little */
    if (evtimer_pending(self->turn, NULL) == 0)
        turn_in(self, 0);
}

static void on_credit(void *context)
{
    struct journald_source *self = context;

    if (self->stopped)
        return;
    self->waiting = false;
    turn_in(self, 0);
}

/* From any thread. */
static void wake(void *context)
{
    struct journald_source *self = context;

    lb_loop_post(self->source->loop, on_credit, self);
}

/* --- open and close --------------------------------------------------------------------- */

static void register_metrics(struct journald_source *self)
{
    char name[LB_NAME_BYTES_MAX + 1];
    char labels[2 * LB_KEY_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, (char *)NULL);
    self->entries =
        lb_metric(LB_COUNTER, "logboom_journald_entries_total", "Entries of the journal that were read", labels);
}

static void release(struct journald_source *self)
{
    if (self->journal != NULL)
        close_journal(self);
    if (self->turn != NULL)
        event_free(self->turn);
    if (self->tick != NULL)
        event_free(self->tick);
    if (self->batch != NULL)
        lb_batch_unref(self->batch);
    journald_free_streams(self->streams);
    journal_entry_free(&self->reader);
    self->turn = self->tick = NULL;
    self->batch = NULL;
    self->streams = NULL;
    self->source = NULL;
}

static bool start(struct journald_source *self)
{
    struct timeval second = { 1, 0 };

    self->stopped = self->waiting = false;
    lb_share_on_credit(self->source->share, wake, self);
    turn_in(self, 0);
    return event_add(self->tick, &second) == 0;
}

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    struct journald_source *self = source->state;
    struct event_base *base = lb_loop_base(source->loop);

    self->source = source;
    journal_entry_init(&self->reader, self->all_fields, (size_t)source->options.max_line);
    self->turn = evtimer_new(base, on_turn, self);
    self->tick = event_new(base, -1, EV_PERSIST, on_tick, self);
    register_metrics(self);
    if (self->turn != NULL && self->tick != NULL && start(self))
        return LB_OK;
    release(self);
    lb_diag_error(diag, lb_section_place(&source->section, ""), "out of memory while opening the journal");
    return LB_NOMEM;
}

static void stop(struct lb_source *source)
{
    struct journald_source *self = source->state;

    self->stopped = true;
    event_del(self->turn);
    event_del(self->tick);
    if (self->changed != NULL)
        event_del(self->changed);
}

static void resume(struct lb_source *source)
{
    if (!start(source->state))
        LB_ERROR("source.journald", "no memory for a timer source=" LB_STR_FMT, LB_STR_ARG(source->section.name));
}

static void close_source(struct lb_source *source)
{
    struct journald_source *self = source->state;

    if (self->source == NULL)
        return;
    lb_share_on_credit(source->share, NULL, NULL);
    release(self);
}

/* --- check -------------------------------------------------------------------------------- */

static bool is_directory(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static enum lb_err check(struct lb_source *source, struct lb_diag *diag)
{
    const struct journald_source *self = source->state;
    struct lb_place place = lb_section_place(&source->section, self->path.len > 0 ? "path" : "");
    uint32_t errors = diag->errors;

    if (self->path.len > 0 && !is_directory(self->path.ptr))
        lb_diag_warn(diag, place, "%s is no directory yet; the journal is read when it appears", self->path.ptr);
    else if (self->path.len > 0 && access(self->path.ptr, R_OK | X_OK) != 0)
        lb_diag_error(diag, place, "cannot look into %s (%s); let the user that runs logboom read it", self->path.ptr,
                      strerror(errno));
    else if (self->path.len == 0 && !is_directory("/var/log/journal") && !is_directory("/run/log/journal"))
        lb_diag_warn(diag, place,
                     "there is no journal in /var/log/journal nor /run/log/journal; in a container mount the "
                     "machine's and name it by `path`");
    for (size_t i = 0; i < self->units.count; i++)
        if (self->units.items[i].len == 0 || self->units.items[i].len > 256)
            lb_diag_error(diag, lb_section_place(&source->section, "units"),
                          "units: expected the name of a unit, such as nginx or nginx.service");
    return diag->errors > errors ? LB_BAD_CONF : LB_OK;
}

static const char *const boot_words[] = { "all", "current", NULL };
static const char *const from_words[] = { "head", "end", NULL };

static const struct lb_option options[] = {
    { .name = "units",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct journald_source, units),
      .help = "entries of these units only, by name, .service where it has no ending; what systemd says of them too" },
    { .name = "priority",
      .kind = LB_OPTION_LEVEL,
      .offset = offsetof(struct journald_source, priority),
      .fallback = "debug",
      .help = "entries as bad as that, or worse; debug: all, those without a priority too" },
    { .name = "boot",
      .kind = LB_OPTION_CHOICE,
      .offset = offsetof(struct journald_source, boot),
      .fallback = "all",
      .help = "entries of every boot, or of the current one only",
      .choices = boot_words },
    { .name = "read_from",
      .kind = LB_OPTION_CHOICE,
      .offset = offsetof(struct journald_source, read_from),
      .fallback = "head",
      .help = "where to begin at the first start",
      .choices = from_words },
    { .name = "all_fields",
      .kind = LB_OPTION_BOOL,
      .offset = offsetof(struct journald_source, all_fields),
      .fallback = "false",
      .help = "also what only the journal itself says of an entry: _CMDLINE, _EXE and others" },
    { .name = "path",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct journald_source, path),
      .help = "a directory of journal files instead of those of this machine" },
    { .name = NULL },
};

const struct lb_source_type lb_source_journald = {
    .module = { .name = "journald",
                .help = "follows systemd's journal",
                .state_size = sizeof(struct journald_source),
                .options = options },
    .file_like = true,
    .envelope = &lb_envelope_entries,
    .parse = "auto",
    .check = check,
    .open = open_source,
    .stop = stop,
    .resume = resume,
    .close = close_source,
};
