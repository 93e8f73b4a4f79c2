/*
 * sink_stdout.c - records as lines on standard output.
 *
 * What the kernel has taken counts as delivered. When the reader is slow,
 * write() waits; told to stop, it gives up in the middle and goes on from
 * there when the same batch comes again. A reader that went away does not
 * come back: nothing is taken from then on.
 */
#include "lb_format.h"
#include "lb_sink.h"

#include "lb_alloc.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum {
    PIECE = 64 * 1024, /* written at once */
    WAIT_MS = 100,
};

struct sink_stdout {
    int format;
    int fd;
    struct lb_formatter formatter;
    struct lb_scratch scratch;
    struct lb_buffer buffer;
    size_t written; /* bytes of the buffer that are out */
    uint32_t next;  /* entry of the selection that is formatted next */
};

static const struct lb_option options[] = {
    { "format", LB_OPTION_CHOICE, offsetof(struct sink_stdout, format), "json", "how a record is written",
      .choices = lb_format_names },
    { 0 },
};

static enum lb_err open_stdout(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_stdout *self = sink->state;

    self->fd = STDOUT_FILENO;
    lb_buffer_init(&self->buffer, (size_t)8 * LB_LINE_BYTES_MAX);
    self->scratch.ptr = lb_alloc(LB_SCRATCH_BYTES);
    if (self->scratch.ptr == NULL) {
        lb_diag_error(diag, lb_section_place(&sink->section, "type"), "out of memory at start");
        return LB_NOMEM;
    }
    self->scratch.size = LB_SCRATCH_BYTES;
    self->formatter = (struct lb_formatter){ .format = (enum lb_format)self->format, .scratch = &self->scratch };
    self->formatter.time.second = INT64_MIN;
    return LB_OK;
}

/* After a write that failed. False: give up for now. */
static bool wait_until_writable(struct lb_sink *sink)
{
    struct sink_stdout *self = sink->state;
    struct pollfd fd = { self->fd, POLLOUT, 0 };

    if (errno == EINTR)
        return true;
    if (errno == EAGAIN) {
        poll(&fd, 1, WAIT_MS);
        return !lb_delivery_stopping(sink);
    }
    lb_delivery_problem(sink, "cannot write to standard output: %s; takes nothing more: restart logboom with a reader",
                        strerror(errno));
    return false;
}

static bool write_out(struct lb_sink *sink)
{
    struct sink_stdout *self = sink->state;

    while (self->written < self->buffer.len) {
        ssize_t n = write(self->fd, self->buffer.ptr + self->written, self->buffer.len - self->written);

        if (n >= 0)
            self->written += (size_t)n;
        else if (!wait_until_writable(sink))
            return false;
    }
    lb_delivery_count(sink, 0, self->written);
    lb_buffer_reset(&self->buffer);
    self->written = 0;
    return true;
}

/* Formats records until a piece is full. False: no memory, and nothing of the record that failed is in the buffer. */
static bool format_piece(struct sink_stdout *self, const struct lb_batch *batch, const struct lb_selection *selection)
{
    while (self->next < selection->count && self->buffer.len < PIECE) {
        size_t before = self->buffer.len;

        self->scratch.used = 0;
        lb_format_write(&self->formatter, batch, lb_batch_selected(batch, selection, self->next), &self->buffer);
        if (self->buffer.failed) {
            self->buffer.len = before;
            self->buffer.failed = false;
            return false;
        }
        self->next++;
    }
    return true;
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_stdout *self = sink->state;

    (void)token;
    do {
        if (self->written == 0 && !format_piece(self, batch, selection)) {
            lb_delivery_problem(sink, "out of memory: it goes on by itself when there is some");
            return LB_AGAIN;
        }
        if (!write_out(sink))
            return LB_AGAIN;
    } while (self->next < selection->count);
    self->next = 0;
    lb_delivery_count(sink, selection->count, 0);
    lb_delivery_fine(sink);
    return LB_OK;
}

static void close_stdout(struct lb_sink *sink)
{
    struct sink_stdout *self = sink->state;

    lb_buffer_free(&self->buffer);
    lb_free(self->scratch.ptr);
}

const struct lb_sink_type lb_sink_stdout = {
    .module = { .name = "stdout",
                .help = "lines on standard output",
                .state_size = sizeof(struct sink_stdout),
                .options = options },
    .open = open_stdout,
    .write = write_batch,
    .close = close_stdout,
};
