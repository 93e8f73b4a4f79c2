/*
 * tail_packed.c - compressed files, each read once from its front.
 *
 * One at a time for a tail, so that memory has a bound however many there
 * are. Positions are those of the text, so after a restart a file that was
 * not read to its end is unpacked again, up to where the slowest consumer
 * was. What is not a whole line yet waits in a buffer; of a line longer than
 * max_line the front waits there, and the rest is counted. That a file has
 * been read, by everybody, goes into its identity: then it is not unpacked
 * again. A damaged one is read up to there, told, and left alone until it
 * changes.
 */
#include "tail.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_multiline.h"

#include <errno.h>
#include <inttypes.h>

enum {
    SKIP_STEPS = 8,     /* of a slab, in one turn, of what is passed over */
    SHORT_SECONDS = 10, /* a file that ends in the middle is being written, unless it was left alone for so long */
};

struct lb_tail_packed {
    struct lb_tail_file *file; /* NULL: none now */
    struct lb_unpack *unpack;
    char *bytes; /* of the text, from file->offset on */
    size_t capacity;
    size_t length;
    size_t wanted; /* so much is needed for the next event */
    uint64_t skip; /* of the text, before file->offset */
    uint64_t gap;  /* left out behind `bytes`, of a line that is too long */
    bool cutting;  /* such a line is open */
    bool ended;
};

/* --- whose turn it is --------------------------------------------------------------- */

static void let_go(struct lb_tail_packed *packed)
{
    lb_unpack_free(packed->unpack);
    packed->unpack = NULL;
    packed->file = NULL;
}

void lb_tail_packed_let_go(struct lb_tail *self, const struct lb_tail_file *file)
{
    if (self->packed != NULL && self->packed->file == file)
        let_go(self->packed);
}

void lb_tail_packed_free(struct lb_tail *self)
{
    if (self->packed == NULL)
        return;
    let_go(self->packed);
    lb_free(self->packed->bytes);
    lb_free(self->packed);
    self->packed = NULL;
}

static bool make_room(struct lb_tail *self)
{
    if (self->packed == NULL && (self->packed = lb_alloc(sizeof(*self->packed))) == NULL)
        return false;
    if (self->packed->bytes != NULL)
        return true;
    self->packed->capacity = (size_t)self->source->options.max_line + LB_SLAB_LARGE;
    self->packed->bytes = lb_alloc(self->packed->capacity);
    return self->packed->bytes != NULL;
}

/* True: the file is the one that is read now. */
static bool take(struct lb_tail *self, struct lb_tail_file *file)
{
    struct lb_tail_packed *packed;

    if (!make_room(self))
        return false;
    packed = self->packed;
    if (packed->file == file)
        return true;
    if (packed->file != NULL && packed->file->ready)
        return false;
    let_go(packed);
    packed->unpack = lb_unpack_new((enum lb_unpack_kind)file->packed);
    if (packed->unpack == NULL)
        return false;
    packed->file = file;
    packed->skip = file->offset;
    packed->length = packed->gap = 0;
    packed->cutting = packed->ended = false;
    packed->wanted = lb_lines_room(LB_SLAB_LARGE);
    return true;
}

/* The others wait for this. */
static void wake_others(struct lb_tail *self)
{
    for (uint32_t i = 0; i < self->file_count; i++) {
        struct lb_tail_file *file = self->files[i];

        if (file->packed != LB_UNPACK_NONE && !file->finished && file->stream != NULL)
            lb_tail_ready(self, file);
    }
}

static void finish(struct lb_tail *self, struct lb_tail_file *file)
{
    struct stat status;

    file->finished = true;
    /* Of a damaged one not all was looked at; and one that is whole may have grown since. */
    file->size = file->bad && fstat(file->fd, &status) == 0 ? (uint64_t)status.st_size
                                                            : lb_unpack_position(self->packed->unpack);
    let_go(self->packed);
    lb_stream_note_unread(file->stream, 0);
    wake_others(self);
}

/* --- unpacking ---------------------------------------------------------------------- */

static void say_bad(struct lb_tail_file *file, const char *reason, uint64_t position)
{
    file->bad = true;
    LB_ERROR("source.file",
             "compressed file is damaged, what comes behind is not read; it is tried again when it changes path=%s "
             "text_bytes=%" PRIu64 " reason=\"%s\"",
             file->path, position, reason);
}

/* Nothing is added to a file that ends in the middle: is that all there will be? */
static bool is_short_for_good(const struct lb_tail *self, const struct lb_tail_file *file)
{
    return self->source->exit_at_eof || lb_clock_monotonic() - file->changed_ns >= SHORT_SECONDS * LB_SECOND;
}

/* LB_OK; LB_AGAIN: for more bytes of the file; LB_IO: told. */
static enum lb_err unpack(struct lb_tail *self, struct lb_tail_file *file, char *out, size_t size, size_t *got)
{
    struct lb_tail_packed *packed = self->packed;
    enum lb_unpack_step step = lb_unpack_read(packed->unpack, file->fd, out, size, got);
    uint64_t position = file->offset + packed->length + packed->gap + *got;

    if (step == LB_UNPACK_FAILED) {
        lb_tail_read_failed(self, file);
        return LB_IO;
    }
    file->unreadable = false;
    if (step == LB_UNPACK_BAD)
        say_bad(file, lb_unpack_reason(packed->unpack), position);
    if (step == LB_UNPACK_SHORT && !is_short_for_good(self, file))
        return LB_AGAIN;
    if (step == LB_UNPACK_SHORT)
        say_bad(file, "it ends in the middle", position);
    packed->ended = step != LB_UNPACK_MORE;
    return LB_OK;
}

/* What consumers have already, on the way to file->offset. */
static enum lb_err pass_over(struct lb_tail *self, struct lb_tail_file *file)
{
    struct lb_tail_packed *packed = self->packed;

    for (unsigned i = 0; i < SKIP_STEPS && packed->skip > 0 && !packed->ended; i++) {
        size_t got = 0;
        size_t size = packed->skip < packed->capacity ? (size_t)packed->skip : packed->capacity;
        enum lb_err err = unpack(self, file, packed->bytes, size, &got);

        packed->skip -= got;
        if (err != LB_OK)
            return err;
    }
    return LB_OK;
}

/* Of a line that is too long, what comes behind its first `kept` bytes. */
static void leave_out(struct lb_tail_packed *packed, size_t kept)
{
    size_t rest = packed->length - kept;
    const char *newline = memchr(packed->bytes + kept, '\n', rest);
    size_t left_out = newline != NULL ? (size_t)(newline + 1 - packed->bytes) - kept : rest;

    packed->gap += left_out;
    packed->length -= left_out;
    memmove(packed->bytes + kept, packed->bytes + kept + left_out, rest - left_out);
    packed->cutting = newline == NULL;
}

/* The rest of such a line, up to its end. */
static enum lb_err cut(struct lb_tail *self, struct lb_tail_file *file)
{
    struct lb_tail_packed *packed = self->packed;
    size_t kept = packed->length;

    for (unsigned i = 0; i < SKIP_STEPS && packed->cutting && !packed->ended; i++) {
        size_t got = 0;
        enum lb_err err = unpack(self, file, packed->bytes + kept, packed->capacity - kept, &got);

        packed->length = kept + got;
        leave_out(packed, kept);
        if (err != LB_OK)
            return err;
    }
    packed->cutting = packed->cutting && !packed->ended;
    return LB_OK;
}

static enum lb_err fill(struct lb_tail *self, struct lb_tail_file *file)
{
    struct lb_tail_packed *packed = self->packed;

    if (packed->skip > 0)
        return pass_over(self, file);
    if (packed->cutting)
        return cut(self, file);
    if (packed->ended || packed->length >= packed->wanted)
        return LB_OK;
    size_t got = 0;
    enum lb_err err = unpack(self, file, packed->bytes + packed->length, packed->wanted - packed->length, &got);
    packed->length += got;
    return err;
}

/* --- events ------------------------------------------------------------------------- */

static void consume(struct lb_tail *self, struct lb_tail_file *file, struct lb_batch *batch, size_t consumed)
{
    struct lb_tail_packed *packed = self->packed;
    uint64_t gap = packed->gap;

    batch->length = (uint32_t)consumed;
    packed->gap = 0;
    packed->length -= consumed;
    packed->wanted = lb_lines_room(LB_SLAB_LARGE);
    memmove(packed->bytes, packed->bytes + consumed, packed->length);
    lb_tail_hand_on(self, file, batch, file->offset + consumed + gap);
}

/* The first bytes of a line that was cut. */
static void push_cut(struct lb_tail *self, struct lb_tail_file *file, struct lb_batch *batch)
{
    size_t max_line = self->source->options.max_line;

    lb_lines_note_rest(batch, 0, max_line + 1, max_line);
    lb_batch_event(batch, batch->event_count - 1)->truncated = 1;
    consume(self, file, batch, max_line + 1);
}

/* Nothing is whole in all that is there: more of it is needed, or the line is too long. */
static void want_more(struct lb_tail *self, size_t rest)
{
    struct lb_tail_packed *packed = self->packed;
    size_t max_line = self->source->options.max_line;

    if (rest > max_line + 2) { /* CR LF do not count */
        leave_out(packed, max_line + 1);
        return;
    }
    packed->wanted = packed->wanted * 2 < packed->capacity ? packed->wanted * 2 : packed->capacity;
}

static void push_lines(struct lb_tail *self, struct lb_tail_file *file, struct lb_batch *batch, size_t length,
                       bool final)
{
    const struct lb_encoding *encoding = self->source->encoding;
    size_t max_line = self->source->options.max_line;
    bool full;
    size_t consumed = encoding != NULL && encoding->width > 1
                          ? lb_lines_note_wide(batch, length, max_line, encoding, &full)
                          : lb_lines_note(batch, length, max_line, self->ends, &full);

    if (final && !full) {
        lb_lines_note_rest(batch, consumed, length - consumed, max_line);
        consumed = length;
    }
    bool none = batch->event_count == 0;
    uint32_t whole = none ? 0 : lb_tail_count_whole(self, batch);
    bool last = (final && !full) || (whole == 0 && length == self->packed->capacity);
    if (whole < batch->event_count && !last) {
        consumed = lb_batch_event(batch, whole)->start;
        batch->event_count = whole;
    }
    if (consumed > 0) {
        consume(self, file, batch, consumed);
        return;
    }
    want_more(self, none ? length : 0);
    lb_batch_unref(batch);
}

static enum lb_tail_step push(struct lb_tail *self, struct lb_tail_file *file)
{
    struct lb_tail_packed *packed = self->packed;
    uint64_t until = file->stream->resume_until;
    size_t length = packed->length < packed->wanted ? packed->length : packed->wanted;
    bool at_mark = packed->gap == 0 && file->offset < until && until - file->offset <= length;

    if (at_mark)
        length = (size_t)(until - file->offset);
    struct lb_batch *batch = lb_pool_take(self->source->share, lb_lines_slab(length), file->stream);
    if (batch == NULL)
        return LB_TAIL_STEP_NO_CREDIT;
    memcpy(batch->bytes, packed->bytes, length);
    if (packed->gap > 0)
        push_cut(self, file, batch);
    else
        push_lines(self, file, batch, length, at_mark || (packed->ended && length == packed->length));
    return LB_TAIL_STEP_MORE;
}

/* --- one turn ------------------------------------------------------------------------- */

/* Is there anything to be read that was not? */
static bool is_wanted(struct lb_tail *self, struct lb_tail_file *file)
{
    struct stat status;

    if (!lb_tail_file_open(self, file) || fstat(file->fd, &status) != 0)
        return false;
    uint64_t size = (uint64_t)status.st_size;
    if (file->finished && (size == file->size || size == file->identity.done))
        return false;
    if (size != file->size)
        file->changed_ns = lb_clock_monotonic();
    file->size = size;
    file->finished = file->bad = false;
    file->identity.done = 0;
    return true;
}

enum lb_tail_step lb_tail_read_packed(struct lb_tail *self, struct lb_tail_file *file)
{
    if (!is_wanted(self, file) || !take(self, file))
        return LB_TAIL_STEP_IDLE;
    enum lb_tail_match match = lb_tail_match_head(&file->identity, file->fd);
    if (match == LB_TAIL_OTHER)
        lb_tail_truncated(self, file);
    if (match != LB_TAIL_SAME)
        return LB_TAIL_STEP_IDLE;
    struct lb_tail_packed *packed = self->packed;
    enum lb_err err = fill(self, file);
    if (err == LB_IO)
        return LB_TAIL_STEP_IDLE;
    if (packed->length > 0 && packed->skip == 0 && !packed->cutting) {
        uint64_t before = file->offset;
        enum lb_tail_step step = push(self, file);

        if (step == LB_TAIL_STEP_NO_CREDIT || err == LB_OK || file->offset > before)
            return step;
    }
    if (err == LB_AGAIN)
        return LB_TAIL_STEP_IDLE;
    if (!packed->ended || (packed->length > 0 && packed->skip == 0))
        return LB_TAIL_STEP_MORE;
    finish(self, file);
    return LB_TAIL_STEP_IDLE;
}

/* --- time ------------------------------------------------------------------------------- */

void lb_tail_tick_packed(struct lb_tail *self, struct lb_tail_file *file)
{
    if (!file->finished) {
        if (file->size > 0)
            lb_tail_ready(self, file);
        return;
    }
    /* Not before: a consumer that has less would never get the rest. */
    if (file->identity.done != 0 || file->bad || file->stream == NULL ||
        lb_stream_committed(file->stream) < file->pushed)
        return;
    file->identity.done = file->size;
    lb_tail_identify(file);
}

uint64_t lb_tail_packed_unread(const struct lb_tail *self, const struct lb_tail_file *file)
{
    uint64_t read = 0;

    if (file->finished)
        return 0;
    if (self->packed != NULL && self->packed->file == file)
        read = lb_unpack_position(self->packed->unpack);
    return file->size > read ? file->size - read : 0;
}

/* --- check ------------------------------------------------------------------------------ */

void lb_tail_check_packed(const struct lb_source *source, const struct lb_strs *include, struct lb_diag *diag)
{
    for (size_t i = 0; i < include->count; i++) {
        const char *pattern = include->items[i].ptr;
        const char *ending = lb_tail_packed(pattern);

        if (ending != NULL && lb_unpack_kind(pattern) == LB_UNPACK_NONE)
            lb_diag_error(diag, lb_section_place(&source->section, "include"),
                          "%s: files that end in %s cannot be read, only .gz and .zst; unpack them first", pattern,
                          ending);
    }
}
