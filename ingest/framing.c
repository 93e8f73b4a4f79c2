/*
 * framing.c - octet counting and lines.
 *
 * The tricky thing is what makes a peer lose messages elsewhere: text that begins with digits ("2026-01-01 …",
 * "1700000000 …") is no count, so a count needs its blank and the `<` of a message behind it; and a frame that is too
 * long is cut and passed over to its end, never split, for a second half could begin with a priority of its own.
 */
#include "framing.h"

/* Of a frame that is not too long there may be a CR and a LF more than frame_max. */
enum { SPARE = 3 };

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

void framing_init(struct framing *self, size_t frame_max)
{
    *self = (struct framing){ .frame_max = frame_max };
}

/* --- which of the two ---------------------------------------------------------- */

/* LB_AGAIN while the bytes may be both. */
static enum lb_err decide(struct framing *self, const char *bytes, size_t length)
{
    size_t at = self->start;
    size_t digits;

    while (at < length && is_digit(bytes[at]) && at - self->start <= FRAMING_COUNT_DIGITS_MAX)
        at++;
    digits = at - self->start;
    if (digits > FRAMING_COUNT_DIGITS_MAX) {
        self->reason = "the count has more than 10 digits";
        return LB_BAD_INPUT;
    }
    if (at == length || (digits > 0 && bytes[at] == ' ' && at + 1 == length))
        return LB_AGAIN;
    self->mode = digits > 0 && bytes[at] == ' ' && bytes[at + 1] == '<' ? FRAMING_COUNTED : FRAMING_TEXT;
    return LB_OK;
}

/* --- text ------------------------------------------------------------------------ */

static void trim_end(const char *bytes, struct frame *frame)
{
    while (frame->length > 0 &&
           (bytes[frame->start + frame->length - 1] == '\n' || bytes[frame->start + frame->length - 1] == '\0'))
        frame->length--;
    if (frame->length > 0 && bytes[frame->start + frame->length - 1] == '\r')
        frame->length--;
}

/* Blanks that some devices put before `<`. */
static void trim_start(const char *bytes, struct frame *frame)
{
    size_t blanks = 0;

    while (blanks < frame->length && bytes[frame->start + blanks] == ' ')
        blanks++;
    if (blanks < frame->length && bytes[frame->start + blanks] == '<') {
        frame->start += blanks;
        frame->length -= blanks;
    }
}

/* The first LF or NUL of bytes[from, length), or length. Each byte is looked at once for NUL, whatever the lines. */
static size_t find_end(struct framing *self, const char *bytes, size_t from, size_t length)
{
    const char *line = self->mode != FRAMING_NUL ? memchr(bytes + from, '\n', length - from) : NULL;
    size_t line_at = line != NULL ? (size_t)(line - bytes) : length;
    const char *nul;

    if (self->no_nul < from)
        self->no_nul = from;
    if (line_at <= self->no_nul)
        return line_at;
    nul = memchr(bytes + self->no_nul, '\0', length - self->no_nul);
    self->no_nul = nul != NULL ? (size_t)(nul - bytes) : length;
    return line_at < self->no_nul ? line_at : self->no_nul;
}

/*
 * The frame [start, start + length) in `bytes`; false when nothing is left of it. Of a long one no byte beyond
 * frame_max + SPARE is looked at, so that it does not matter how much of it has come.
 */
static bool take_frame(struct framing *self, const char *bytes, size_t start, size_t length, struct frame *frame)
{
    bool truncated = length >= self->frame_max + SPARE;

    *frame = (struct frame){ .start = start, .length = truncated ? self->frame_max + SPARE : length };
    if (self->mode != FRAMING_COUNTED)
        trim_start(bytes, frame);
    trim_end(bytes, frame);
    if (frame->length > self->frame_max) {
        frame->length = self->frame_max;
        truncated = true;
    }
    frame->truncated = truncated;
    return frame->length > 0;
}

static enum lb_err next_line(struct framing *self, const char *bytes, size_t length, struct frame *frame)
{
    for (;;) {
        size_t start = self->start;
        size_t end = find_end(self, bytes, start + self->scanned, length);
        bool ends = end < length;
        bool skipping = self->skip_line;

        if (!ends && !skipping && end - start < self->frame_max + SPARE) {
            self->scanned = end - start;
            return LB_AGAIN;
        }
        self->start = ends ? end + 1 : length;
        self->scanned = 0;
        self->skip_line = !ends;
        if (!skipping && take_frame(self, bytes, start, end - start, frame))
            return LB_OK;
        if (!ends)
            return LB_AGAIN;
    }
}

/* --- octet counting ---------------------------------------------------------------- */

/* "MSG-LEN SP" at start; line ends that some senders put between frames are passed over. */
static enum lb_err read_count(struct framing *self, const char *bytes, size_t length)
{
    size_t at;
    uint64_t count = 0;

    while (self->start < length &&
           (bytes[self->start] == '\n' || bytes[self->start] == '\r' || bytes[self->start] == '\0'))
        self->start++;
    for (at = self->start; at < length && is_digit(bytes[at]); at++) {
        if (at - self->start == FRAMING_COUNT_DIGITS_MAX) {
            self->reason = "the count has more than 10 digits";
            return LB_BAD_INPUT;
        }
        count = count * 10 + (uint64_t)(bytes[at] - '0');
    }
    if (at == length)
        return LB_AGAIN;
    if (at == self->start || bytes[at] != ' ') {
        self->reason = "expected a count and a blank before the next message";
        return LB_BAD_INPUT;
    }
    if (bytes[self->start] == '0') {
        self->reason = "the count begins with 0";
        return LB_BAD_INPUT;
    }
    if (count > FRAMING_COUNT_MAX) {
        self->reason = "the count is over 64 MiB";
        return LB_BAD_INPUT;
    }
    self->start = at + 1;
    self->count = count;
    self->whole_count = true;
    return LB_OK;
}

static enum lb_err next_counted(struct framing *self, const char *bytes, size_t length, struct frame *frame)
{
    for (;;) {
        size_t start;
        size_t here;
        enum lb_err err;

        if (self->skip > 0) {
            here = length - self->start < self->skip ? length - self->start : (size_t)self->skip;
            self->start += here;
            self->skip -= here;
            if (self->skip > 0)
                return LB_AGAIN;
        }
        if (!self->whole_count) {
            err = read_count(self, bytes, length);
            if (err != LB_OK)
                return err;
        }
        start = self->start;
        here = length - start;
        /* What is beyond the limit is not waited for. */
        if (here < self->count && here < self->frame_max + SPARE)
            return LB_AGAIN;
        if (here > self->count)
            here = (size_t)self->count;
        self->whole_count = false;
        self->skip = self->count - here;
        self->start += here;
        if (take_frame(self, bytes, start, here, frame))
            return LB_OK;
    }
}

enum lb_err framing_next(struct framing *self, const char *bytes, size_t length, struct frame *frame)
{
    if (self->start == length)
        return LB_AGAIN;
    if (self->mode == FRAMING_UNDECIDED) {
        enum lb_err err = decide(self, bytes, length);

        if (err != LB_OK)
            return err;
    }
    if (self->mode == FRAMING_TEXT || self->mode == FRAMING_NUL)
        return next_line(self, bytes, length, frame);
    return next_counted(self, bytes, length, frame);
}

enum lb_err framing_finish(struct framing *self, const char *bytes, size_t length, struct frame *frame)
{
    size_t start = self->start;
    bool counted = self->mode == FRAMING_COUNTED;

    self->start = length;
    self->scanned = 0;
    if (start == length || self->skip_line || self->skip > 0 || (counted && !self->whole_count))
        return LB_END;
    if (!take_frame(self, bytes, start, length - start, frame))
        return LB_END;
    frame->truncated |= counted;
    self->whole_count = false;
    return LB_OK;
}

enum lb_err framing_cut(struct framing *self, const char *bytes, size_t length, struct frame *frame)
{
    size_t start = self->start;
    uint64_t skip;

    if (start == length || self->skip_line || self->skip > 0)
        return LB_END;
    if (self->mode == FRAMING_COUNTED) {
        if (!self->whole_count)
            return LB_END;
        skip = self->count - (length - start);
        self->skip = skip;
        self->whole_count = false;
    } else {
        self->mode = self->mode == FRAMING_NUL ? FRAMING_NUL : FRAMING_TEXT;
        self->skip_line = true;
    }
    self->start = length;
    self->scanned = 0;
    if (!take_frame(self, bytes, start, length - start, frame))
        return LB_END;
    frame->truncated = true;
    return LB_OK;
}
