/*
 * source_stdin.c - lines of standard input: a pipe, a terminal or a file.
 *
 * The descriptor is shared with other processes (a shell, the writer's end of
 * a terminal), so it is not made non-blocking: one read() for each time that
 * it is readable returns what is there. A file is always readable, and epoll
 * refuses it; then a timer takes the place of readiness. What cannot be read
 * again has to be kept: an unfinished line is carried over, at most max_line.
 */
#include "tail.h"

#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

enum { READ_BYTES = 48 * 1024 }; /* with the table of events it fills the medium slab */

struct stdin_state {
    struct lb_source *source;
    struct lb_stream *stream;
    struct event *readable;
    struct event *again;
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

static void end(struct stdin_state *self, struct lb_batch *batch)
{
    lb_lines_note_rest(batch, 0, self->carry.len, self->source->options.max_line);
    push(self, batch, self->carry.len);
    lb_buffer_reset(&self->carry);
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
    lb_buffer_reset(&self->carry);
    lb_buffer_append(&self->carry, batch->bytes + consumed, length - consumed);
    if (self->carry.failed)
        LB_ERROR("source.stdin", "out of memory, an unfinished line is lost bytes=%zu", length - consumed);
    push(self, batch, consumed);
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
    if (self->stream == NULL || self->readable == NULL || self->again == NULL) {
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
    .envelope = &lb_envelope_lines,
    .parse = "auto",
    .open = open_source,
    .stop = stop,
    .close = close_source,
};
