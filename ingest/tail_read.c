/*
 * tail_read.c - one slab of one file: read, make sure that it is still the
 * same log, cut behind the last complete line, push.
 *
 * What is left over is not kept: the next read starts at `offset` again. So
 * that an unfinished line of a megabyte is not read again at every byte that
 * is added, `scanned` remembers up to where it has no newline, and only what
 * is new is looked at. The check comes after the read: what a truncation
 * brought in between is then seen, never pushed.
 */
#include "tail.h"

#include "lb_log.h"
#include "lb_multiline.h"
#include "lb_scan.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    AHEAD_MIN = 2 * 1024,      /* an unfinished line of that size is looked at ahead; the smallest slab holds more */
    AHEAD_READS = 16,          /* of the scratch, in one turn */
    LINE_SPAN_MAX = 1 << 30,   /* a line longer than that ends there: record offsets have 32 bits */
    REST_SECONDS = 5,          /* the last line of a deleted file ends when nothing came for so long, */
    ROTATED_REST_SECONDS = 10, /* and of a renamed one */
    PARTS_SECONDS = 5,         /* a run of parts waits so long for its end */
};

struct reading {
    struct lb_batch *batch;
    char marker[LB_TAIL_MARKER_BYTES];
    size_t length;   /* of the new bytes */
    bool at_end;     /* of the file */
    bool at_mark;    /* some consumer's mark at the start: events must not span it */
    bool full;       /* the table of events is */
    size_t consumed; /* bytes of whole events */
};

/* Events must end where consumers' marks were, or one of them would get half of it again. */
static uint64_t bound_of(const struct lb_tail_file *file)
{
    return file->offset < file->stream->resume_until ? file->stream->resume_until : UINT64_MAX;
}

static bool is_idle(const struct lb_tail_file *file, int64_t seconds)
{
    return lb_clock_monotonic() - file->changed_ns >= seconds * LB_SECOND;
}

/* Does an unfinished line at the end of the file end there? */
static bool is_final(const struct lb_tail *self, const struct lb_tail_file *file)
{
    int64_t timeout_ns = self->options.line_timeout_ns;

    if (self->source->exit_at_eof || (timeout_ns > 0 && lb_clock_monotonic() - file->changed_ns >= timeout_ns))
        return true;
    return (file->gone && is_idle(file, REST_SECONDS)) || (file->rotated && is_idle(file, ROTATED_REST_SECONDS));
}

/* --- one read -------------------------------------------------------------------------- */

static size_t slab_bytes(const struct lb_tail_file *file)
{
    uint64_t pending = file->size > file->offset ? file->size - file->offset : 0;
    size_t bytes = LB_SLAB_LARGE;

    if (pending < lb_lines_room(LB_SLAB_SMALL))
        bytes = LB_SLAB_SMALL;
    else if (pending < lb_lines_room(LB_SLAB_MEDIUM))
        bytes = LB_SLAB_MEDIUM;
    return bytes > file->wanted ? bytes : file->wanted;
}

/* More than the table of events can cover would be read in vain. */
static size_t read_length(const struct lb_tail *self, const struct lb_tail_file *file, const struct lb_batch *batch)
{
    size_t length = lb_lines_room(batch->capacity);
    size_t useful = (size_t)lb_lines_max(batch->capacity) * self->event_bytes * 3 / 2 + LB_SLAB_SMALL;

    return length < useful || file->wanted > 0 ? length : useful;
}

/* Nothing of it is given up; where a path leads to it, another descriptor may do better. */
void lb_tail_read_failed(struct lb_tail *self, struct lb_tail_file *file)
{
    if (!file->unreadable)
        LB_ERROR("source.file", "cannot read file, it is tried again every second path=%s error=\"%s\"", file->path,
                 strerror(errno));
    file->unreadable = true;
    if (!file->gone)
        lb_tail_file_close(self, file);
}

static bool marker_holds(const struct lb_tail_file *file, const char *marker)
{
    return file->marker_len == 0 || XXH64(marker, file->marker_len, 0) == file->marker;
}

static enum lb_tail_match match_log(const struct lb_tail_file *file)
{
    struct stat status;

    if (file->marker_len == 0 && (fstat(file->fd, &status) != 0 || (uint64_t)status.st_size < file->offset ||
                                  (uint64_t)status.st_size < file->stream->resume_until))
        return LB_TAIL_OTHER;
    return lb_tail_match_head(&file->identity, file->fd);
}

/* The marker, and behind it `asked` bytes; fewer only where the file ends: a read may stop before. */
static ssize_t read_both(const struct lb_tail_file *file, struct reading *reading, size_t asked)
{
    struct iovec parts[2] = { { reading->marker, file->marker_len }, { reading->batch->bytes, asked } };
    uint64_t start = file->offset - file->marker_len;
    ssize_t got = preadv(file->fd, parts, 2, (off_t)start);
    size_t marked = file->marker_len;

    if (got < 0)
        got = 0; /* the calls below say whether that was for a moment only */
    if ((size_t)got < marked) {
        ssize_t more = lb_tail_pread(file->fd, reading->marker + got, marked - (size_t)got, start + (uint64_t)got);

        if (more < 0 || (size_t)(got + more) < marked)
            return more < 0 ? -1 : got + more;
        got += more;
    }
    size_t have = (size_t)got - marked;
    ssize_t more = lb_tail_pread(file->fd, reading->batch->bytes + have, asked - have, file->offset + have);
    return more < 0 ? -1 : got + more;
}

/* LB_BAD_INPUT: it is another log now. LB_IO: it cannot be read now. */
static enum lb_err fill(struct lb_tail *self, struct lb_tail_file *file, struct reading *reading)
{
    size_t asked = read_length(self, file, reading->batch);
    uint64_t bound = bound_of(file);

    if (bound - file->offset < asked)
        asked = (size_t)(bound - file->offset);
    ssize_t got = read_both(file, reading, asked);
    if (got < 0)
        return LB_IO;
    if (got < file->marker_len || !marker_holds(file, reading->marker))
        return LB_BAD_INPUT;
    enum lb_tail_match match = match_log(file);
    if (match != LB_TAIL_SAME)
        return match == LB_TAIL_OTHER ? LB_BAD_INPUT : LB_IO;
    file->unreadable = false;
    reading->length = (size_t)got - file->marker_len;
    reading->at_end = reading->length < asked;
    reading->at_mark = file->offset + reading->length == bound;
    uint64_t end = file->offset + reading->length;
    if (end > file->size)
        file->changed_ns = lb_clock_monotonic();
    if (end > file->size || reading->at_end)
        file->size = end;
    return LB_OK;
}

/* --- cutting -------------------------------------------------------------------------------- */

/* A file that ends in the middle of an event (a run of parts, of lines): is it time to give up waiting for its end? */
static bool parts_are_late(struct lb_tail *self, struct lb_tail_file *file, const struct reading *reading)
{
    if (reading->at_mark || (reading->at_end && is_final(self, file)))
        return true;
    if (!reading->at_end)
        return file->wanted >= lb_lines_slab(self->source->options.max_line); /* as long as a record may be */
    int64_t now = lb_clock_monotonic();
    if (file->open_ns == 0)
        file->open_ns = now;
    if (self->source->multiline != NULL)
        return now - file->changed_ns >= lb_multiline_timeout(self->source->multiline);
    return now - file->open_ns >= PARTS_SECONDS * LB_SECOND;
}

uint32_t lb_tail_count_whole(struct lb_tail *self, struct lb_batch *batch)
{
    const struct lb_multiline *rule = self->source->multiline;

    if (self->kind->whole != NULL)
        return self->kind->whole(batch, rule, self->ends);
    return rule != NULL ? lb_lines_join(batch, rule, self->source->options.max_line) : batch->event_count;
}

/* Leaves out events at the end that need what is not read yet. */
static void cut_parts(struct lb_tail *self, struct lb_tail_file *file, struct reading *reading)
{
    struct lb_batch *batch = reading->batch;

    if (batch->event_count == 0)
        return;
    uint32_t whole = lb_tail_count_whole(self, batch);
    if (whole == batch->event_count) {
        file->open_ns = 0;
        return;
    }
    if (whole == 0 && parts_are_late(self, file, reading)) {
        file->open_ns = 0;
        return;
    }
    if (whole == 0 && (!reading->at_end || reading->full))
        file->wanted = (uint32_t)lb_lines_slab((size_t)batch->capacity * 2 < self->source->options.max_line
                                                   ? (size_t)batch->capacity * 2
                                                   : self->source->options.max_line);
    reading->consumed = lb_batch_event(batch, whole)->start;
    reading->full |= whole > 0; /* there is more: look at once whether, and since when, it waits */
    batch->event_count = whole;
}

static void find_events(struct lb_tail *self, struct lb_tail_file *file, struct reading *reading)
{
    size_t max_line = self->source->options.max_line;

    const struct lb_encoding *encoding = self->source->encoding;

    if (encoding != NULL && encoding->width > 1)
        reading->consumed = lb_lines_note_wide(reading->batch, reading->length, max_line, encoding, &reading->full);
    else
        reading->consumed = lb_lines_note(reading->batch, reading->length, max_line, self->ends, &reading->full);
    size_t rest = reading->length - reading->consumed;
    if (reading->full)
        return;
    if (rest > 0 && (reading->at_mark || (reading->at_end && is_final(self, file)))) {
        lb_lines_note_rest(reading->batch, reading->consumed, rest, max_line);
        reading->consumed = reading->length;
    } else if (rest > 0 && reading->consumed == 0) {
        file->scanned = file->offset + reading->length;
    }
}

/* --- handing on -------------------------------------------------------------------------------- */

/* Remembers the bytes before the new offset; `bytes` are the last `length` of what was consumed. */
static void set_marker(struct lb_tail_file *file, const char *marker, const char *bytes, size_t length)
{
    char joined[2 * LB_TAIL_MARKER_BYTES];
    size_t before = file->marker_len;

    if (length > LB_TAIL_MARKER_BYTES) {
        bytes += length - LB_TAIL_MARKER_BYTES;
        length = LB_TAIL_MARKER_BYTES;
    }
    if (length < LB_TAIL_MARKER_BYTES) {
        memcpy(joined, marker, before);
        memcpy(joined + before, bytes, length);
        size_t all = before + length;
        size_t kept = all < LB_TAIL_MARKER_BYTES ? all : LB_TAIL_MARKER_BYTES;

        file->marker = XXH64(joined + all - kept, kept, 0);
        file->marker_len = (uint8_t)kept;
        return;
    }
    file->marker = XXH64(bytes, length, 0);
    file->marker_len = (uint8_t)length;
}

static void count_batch(struct lb_tail *self, const struct lb_batch *batch, size_t consumed)
{
    int64_t truncated = 0;

    for (uint32_t i = 0; i < batch->event_count; i++)
        truncated += lb_batch_event(batch, i)->truncated;
    if (truncated > 0)
        lb_metric_add(self->metrics.truncated, truncated);
    lb_metric_add(self->metrics.bytes, (int64_t)consumed);
    lb_metric_add(self->metrics.lines, batch->event_count);
    if (batch->event_count == 0)
        return;
    size_t average = consumed / batch->event_count;
    if (average > LB_SLAB_LARGE)
        average = LB_SLAB_LARGE;
    self->event_bytes = (uint32_t)((self->event_bytes * 3 + average) / 4 + 1);
}

void lb_tail_hand_on(struct lb_tail *self, struct lb_tail_file *file, struct lb_batch *batch, uint64_t end)
{
    count_batch(self, batch, (size_t)(end - file->offset));
    batch->position = file->offset;
    batch->position_end = end;
    batch->arrival_ns = lb_clock_now();
    file->offset = end;
    file->wanted = 0;
    if (file->scanned < end)
        file->scanned = end;
    if (lb_tail_grow_head(&file->identity, file->fd, file->packed != LB_UNPACK_NONE ? NULL : batch))
        lb_tail_identify(file);
    if (batch->event_count > 0)
        file->pushed = end;
    if (batch->event_count > 0)
        lb_queue_push(self->source->queue, batch);
    else
        lb_batch_unref(batch);
}

static enum lb_tail_step next_step(const struct lb_tail_file *file, const struct reading *reading, bool more)
{
    if (reading->at_end)
        lb_stream_note_unread(file->stream, 0);
    return more ? LB_TAIL_STEP_MORE : LB_TAIL_STEP_IDLE;
}

static enum lb_tail_step read_lines(struct lb_tail *self, struct lb_tail_file *file)
{
    struct reading reading = { .batch = lb_pool_take(self->source->share, slab_bytes(file), file->stream) };

    if (reading.batch == NULL)
        return LB_TAIL_STEP_NO_CREDIT;
    enum lb_err err = fill(self, file, &reading);
    if (err != LB_OK) {
        lb_batch_unref(reading.batch);
        if (err == LB_IO)
            lb_tail_read_failed(self, file);
        else
            lb_tail_truncated(self, file);
        return LB_TAIL_STEP_IDLE;
    }
    find_events(self, file, &reading);
    cut_parts(self, file, &reading);
    if (reading.consumed == 0) {
        lb_batch_unref(reading.batch);
        return next_step(file, &reading, !reading.at_end);
    }
    set_marker(file, reading.marker, reading.batch->bytes, reading.consumed);
    reading.batch->length = (uint32_t)reading.consumed;
    lb_tail_hand_on(self, file, reading.batch, file->offset + reading.consumed);
    return next_step(file, &reading, !reading.at_end || reading.full);
}

/* --- long lines ------------------------------------------------------------------------------------- */

/* A line longer than max_line, which ends before `end`: its first bytes become the event, the rest is skipped. */
static enum lb_tail_step read_overlong(struct lb_tail *self, struct lb_tail_file *file, uint64_t end)
{
    size_t max_line = self->source->options.max_line;
    struct lb_batch *batch = lb_pool_take(self->source->share, lb_lines_slab(max_line + 1), file->stream);

    if (batch == NULL)
        return LB_TAIL_STEP_NO_CREDIT;
    ssize_t got = lb_tail_pread(file->fd, batch->bytes, max_line + 1, file->offset);
    enum lb_tail_match match = got < 0 ? LB_TAIL_UNKNOWN : match_log(file);
    if (match != LB_TAIL_SAME || got != (ssize_t)(max_line + 1)) {
        lb_batch_unref(batch);
        if (match == LB_TAIL_UNKNOWN)
            lb_tail_read_failed(self, file);
        else
            lb_tail_truncated(self, file);
        return LB_TAIL_STEP_IDLE;
    }
    lb_lines_note_rest(batch, 0, max_line + 1, max_line);
    lb_batch_event(batch, batch->event_count - 1)->truncated = 1;
    batch->length = lb_batch_event(batch, batch->event_count - 1)->length;
    file->marker_len = 0; /* what comes before `end` was not kept; the head and the size must do */
    lb_tail_hand_on(self, file, batch, end);
    return LB_TAIL_STEP_MORE;
}

/* The line from `offset` ends before `end`. LB_TAIL_STEP_IDLE: it fits into a slab; go on and read it. */
static enum lb_tail_step line_found(struct lb_tail *self, struct lb_tail_file *file, uint64_t end)
{
    size_t max_line = self->source->options.max_line;

    if (end - file->offset > max_line + 2) /* CR LF do not count */
        return read_overlong(self, file, end);
    file->wanted = (uint32_t)lb_lines_slab((size_t)(end - file->offset));
    return LB_TAIL_STEP_IDLE;
}

/* At the end of the file: is it shorter than it was, or another log? Then it has to be read, not scanned. */
static bool lost_bytes(struct lb_tail_file *file)
{
    struct stat status;

    if (fstat(file->fd, &status) == 0 && (uint64_t)status.st_size >= file->scanned && match_log(file) != LB_TAIL_OTHER)
        return false;
    file->scanned = file->offset;
    return true;
}

/* Looks for the end of the line behind `scanned`. `*go_on`: read it as usual; otherwise the step says what to do. */
static enum lb_tail_step look_ahead(struct lb_tail *self, struct lb_tail_file *file, bool *go_on)
{
    uint64_t bound = bound_of(file);
    enum lb_tail_step step;

    if (bound - file->offset > LINE_SPAN_MAX)
        bound = file->offset + LINE_SPAN_MAX;
    for (unsigned reads = 0; reads < AHEAD_READS && file->scanned < bound; reads++) {
        size_t asked =
            bound - file->scanned < LB_TAIL_SCRATCH_BYTES ? (size_t)(bound - file->scanned) : LB_TAIL_SCRATCH_BYTES;
        ssize_t got = lb_tail_pread(file->fd, self->scratch, asked, file->scanned);

        if (got < 0) {
            lb_tail_read_failed(self, file);
            return LB_TAIL_STEP_IDLE;
        }
        if (got == 0 && !is_final(self, file)) {
            *go_on = lost_bytes(file);
            return LB_TAIL_STEP_IDLE;
        }
        if (got == 0)
            break;
        const char *newline = memchr(self->scratch, '\n', (size_t)got);
        uint64_t end = file->scanned + (newline != NULL ? (uint64_t)(newline + 1 - self->scratch) : (uint64_t)got);
        if (newline != NULL) {
            step = line_found(self, file, end);
            *go_on = step == LB_TAIL_STEP_IDLE;
            return step;
        }
        file->scanned = end;
        if (end > file->size) {
            file->size = end;
            file->changed_ns = lb_clock_monotonic();
        }
        if (reads + 1 == AHEAD_READS)
            return LB_TAIL_STEP_MORE;
    }
    step = line_found(self, file, file->scanned);
    *go_on = step == LB_TAIL_STEP_IDLE;
    return step;
}

enum lb_tail_step lb_tail_read(struct lb_tail *self, struct lb_tail_file *file)
{
    if (file->packed != LB_UNPACK_NONE)
        return lb_tail_read_packed(self, file);
    if (!lb_tail_file_open(self, file))
        return LB_TAIL_STEP_IDLE;
    if (file->scanned >= file->offset + AHEAD_MIN) {
        bool go_on = false;
        enum lb_tail_step step = look_ahead(self, file, &go_on);

        if (!go_on)
            return step;
    }
    return read_lines(self, file);
}
