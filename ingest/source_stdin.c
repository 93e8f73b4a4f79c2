/*
 * source_stdin.c - lines of standard input: a pipe, a terminal or a file.
 *
 * The descriptor is shared with other processes (a shell, the writer's end of
 * a terminal), so it is not made non-blocking: one read() for each time that
 * it is readable returns what is there. A file is always readable, and epoll
 * refuses it; then a timer takes the place of readiness. What cannot be read
 * again has to be kept: an unfinished line is carried over, at most max_line,
 * and with `multiline:` the lines of an event that may still go on.
 */
#include "tail.h"

#include "lb_log.h"
#include "lb_multiline.h"

#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

enum { READ_BYTES = 48 * 1024 }; /* with the table of events it fills the medium slab */

struct stdin_state {
    struct lb_source *source;
    struct lb_stream *stream;
    struct event *readable;
    struct event *again;
    struct event *quiet; /* with `multiline:`: the event that is open waits no longer */
    int fd;
    bool pollable;
    bool backlog;  /* the carry holds whole lines */
    bool skipping; /* the rest of a line that was cut */
    bool ended;
    bool stopped;
    uint64_t position; /* of the first byte of the carry */
    struct lb_buffer carry;
};

static void wait_for_more(struct stdin_state *self)
{
    struct timeval now = { 0, 0 };

    if (self->stopped || self->ended)
        return;
    if (self->pollable && !self->backlog)
        event_add(self->readable, NULL);
    else
        evtimer_add(self->again, &now);
}

static void push(struct stdin_state *self, struct lb_batch *batch, size_t consumed)
{
    batch->length = (uint32_t)consumed;
    batch->position = self->position;
    batch->position_end = self->position + consumed;
    batch->arrival_ns = lb_clock_now();
    self->position += consumed;
    if (batch->event_count > 0)
        lb_queue_push(self->source->queue, batch);
    else
        lb_batch_unref(batch);
}

static void carry_over(struct stdin_state *self, const char *bytes, size_t length)
{
    lb_buffer_reset(&self->carry);
    lb_buffer_append(&self->carry, bytes, length);
    if (self->carry.failed)
        LB_ERROR("source.stdin", "out of memory, an unfinished line is lost bytes=%zu", length);
}

/* Of bytes[0, consumed), the lines of an event that may still go on are left for the next time. */
static size_t hold_open(struct stdin_state *self, struct lb_batch *batch, size_t consumed)
{
    const struct lb_multiline *rule = self->source->multiline;
    size_t max_line = self->source->options.max_line;
    uint32_t whole;

    if (rule == NULL || batch->event_count == 0)
        return consumed;
    whole = lb_lines_join(batch, rule, max_line);
    if (whole == batch->event_count || self->skipping || (whole == 0 && (self->backlog || consumed > max_line)))
        return consumed;
    consumed = lb_batch_event(batch, whole)->start;
    batch->event_count = whole;
    self->backlog = false; /* what is left has to grow first */
    return consumed;
}

/* All that is carried, as far as lines are whole; at the end the last one too. */
static void flush(struct stdin_state *self, struct lb_batch *batch, bool last)
{
    size_t max_line = self->source->options.max_line;
    uint32_t ends[LB_TAIL_EVENTS_MAX];
    bool full;
    size_t length = self->carry.len;
    size_t consumed = lb_lines_note(batch, length, max_line, ends, &full);

    if (last && !full) {
        lb_lines_note_rest(batch, consumed, length - consumed, max_line);
        consumed = length;
    }
    if (self->source->multiline != NULL)
        (void)lb_lines_join(batch, self->source->multiline, max_line);
    carry_over(self, batch->bytes + consumed, length - consumed);
    push(self, batch, consumed);
    self->backlog = full;
}

static void end(struct stdin_state *self, struct lb_batch *batch)
{
    flush(self, batch, true);
    if (self->backlog)
        return; /* called again for the rest */
    self->ended = true;
    LB_INFO("source.stdin", "standard input has ended bytes=%llu", (unsigned long long)self->position);
    if (self->source->exit_at_eof)
        lb_source_finished(self->source);
}

/* Leaves out what belongs to a line that was cut. Returns how much is left, moved to the front. */
static size_t skip(struct stdin_state *self, struct lb_batch *batch, size_t length)
{
    const char *newline = memchr(batch->bytes, '\n', length);
    size_t skipped = newline != NULL ? (size_t)(newline + 1 - batch->bytes) : length;

    self->skipping = newline == NULL;
    self->position += skipped;
    memmove(batch->bytes, batch->bytes + skipped, length - skipped);
    return length - skipped;
}

/* Cuts bytes[0, length) into lines and carries the rest over. */
static void cut(struct stdin_state *self, struct lb_batch *batch, size_t length)
{
    size_t max_line = self->source->options.max_line;
    uint32_t ends[LB_TAIL_EVENTS_MAX];

    if (self->skipping)
        length = skip(self, batch, length);
    size_t consumed = lb_lines_note(batch, length, max_line, ends, &self->backlog);
    if (!self->backlog && length - consumed > max_line + 1) { /* the one may be a CR */
        lb_lines_note_rest(batch, consumed, length - consumed, max_line);
        consumed = length;
        self->skipping = true;
    }
    consumed = hold_open(self, batch, consumed);
    carry_over(self, batch->bytes + consumed, length - consumed);
    push(self, batch, consumed);
}

static void wait_for_rest(struct stdin_state *self)
{
    const struct lb_multiline *rule = self->source->multiline;

    if (rule == NULL || self->stopped || self->ended || self->carry.len == 0)
        return;
    int64_t timeout = lb_multiline_timeout(rule);
    struct timeval delay = { timeout / LB_SECOND, timeout % LB_SECOND / 1000 };

    evtimer_add(self->quiet, &delay);
}

static void read_some(struct stdin_state *self)
{
    size_t kept = self->carry.len;
    struct lb_batch *batch = lb_pool_take(self->source->share, lb_lines_slab(kept + READ_BYTES), self->stream);

    if (batch == NULL)
        return; /* called again when there is credit */
    if (kept > 0)
        memcpy(batch->bytes, self->carry.ptr, kept);
    ssize_t got = self->backlog ? 0 : read(self->fd, batch->bytes + kept, lb_lines_room(batch->capacity) - kept);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        lb_batch_unref(batch);
        wait_for_more(self);
        return;
    }
    if (got < 0)
        LB_ERROR("source.stdin", "cannot read standard input error=\"%s\"", strerror(errno));
    if (got > 0 || self->backlog)
        cut(self, batch, kept + (size_t)got);
    else
        end(self, batch);
    wait_for_more(self);
    wait_for_rest(self);
}

/* Nothing came for so long: the event that is open is whole. */
static void on_quiet(evutil_socket_t fd, short what, void *context)
{
    struct stdin_state *self = context;

    (void)fd, (void)what;
    if (self->stopped || self->ended || self->carry.len == 0)
        return;
    struct lb_batch *batch = lb_pool_take(self->source->share, lb_lines_slab(self->carry.len), self->stream);
    if (batch != NULL) {
        memcpy(batch->bytes, self->carry.ptr, self->carry.len);
        flush(self, batch, false);
    } else {
        wait_for_rest(self);
    }
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    struct stdin_state *self = context;

    (void)fd, (void)what;
    if (!self->stopped && !self->ended)
        read_some(self);
}

static void on_credit(void *context)
{
    wait_for_more(context);
}

/* From any thread. */
static void wake(void *context)
{
    struct stdin_state *self = context;

    lb_loop_post(self->source->loop, on_credit, self);
}

/* --- open and close ------------------------------------------------------------------ */

static void release(struct stdin_state *self)
{
    if (self->readable != NULL)
        event_free(self->readable);
    if (self->again != NULL)
        event_free(self->again);
    if (self->quiet != NULL)
        event_free(self->quiet);
    if (self->stream != NULL)
        lb_stream_unref(self->stream);
    lb_buffer_free(&self->carry);
    *self = (struct stdin_state){ 0 };
}

static bool is_pollable(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || isatty(fd) == 1);
}

static enum lb_err open_fd(struct lb_source *source, int fd)
{
    struct stdin_state *self = source->state;
    struct event_base *base = lb_loop_base(source->loop);

    self->source = source;
    self->fd = fd;
    lb_buffer_init(&self->carry, source->options.max_line + LB_SLAB_LARGE);
    self->stream = lb_stream_new(source->streams, source);
    self->readable = event_new(base, fd, EV_READ, on_event, self);
    self->again = evtimer_new(base, on_event, self);
    self->quiet = evtimer_new(base, on_quiet, self);
    if (self->stream == NULL || self->readable == NULL || self->again == NULL || self->quiet == NULL) {
        release(self);
        return LB_NOMEM;
    }
    self->stream->name = LB_STR("stdin");
    self->pollable = is_pollable(fd);
    lb_share_on_credit(source->share, wake, self);
    wait_for_more(self);
    return LB_OK;
}

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    enum lb_err err = open_fd(source, STDIN_FILENO);

    if (err != LB_OK)
        lb_diag_error(diag, lb_section_place(&source->section, ""), "out of memory while opening standard input");
    return err;
}

static void stop(struct lb_source *source)
{
    struct stdin_state *self = source->state;

    self->stopped = true;
    event_del(self->readable);
    event_del(self->again);
    event_del(self->quiet);
}

static void close_source(struct lb_source *source)
{
    lb_share_on_credit(source->share, NULL, NULL);
    release(source->state);
}

static const struct lb_option options[] = {
    { .name = NULL },
};

const struct lb_source_type lb_source_stdin = {
    .module = { .name = "stdin",
                .help = "reads standard input, a record for each line",
                .state_size = sizeof(struct stdin_state),
                .options = options },
    .file_like = true,
    .multiline = true,
    .envelope = &lb_envelope_lines,
    .parse = "auto",
    .open = open_source,
    .stop = stop,
    .close = close_source,
};
