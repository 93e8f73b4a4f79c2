/*
 * framing.h - where syslog messages end in a TCP stream (RFC 6587).
 *
 * The peer's first octets decide for the connection: a count, a blank and `<` is octet counting; anything else is text
 * that ends with LF or NUL. Frames are found in place, in one buffer that grows at its end; what is unfinished stays
 * from `start` on, and the caller may move it. It can be cut at any byte: the same frames come out.
 */
#ifndef FRAMING_H
#define FRAMING_H

#include "lb_err.h"
#include "lb_str.h"

#include <stdint.h>

enum { FRAMING_COUNT_DIGITS_MAX = 10 };
#define FRAMING_COUNT_MAX UINT64_C(67108864) /* no syslog message is 64 MiB: the peer speaks something else */

enum framing_mode {
    FRAMING_UNDECIDED,
    FRAMING_TEXT,
    FRAMING_COUNTED,
    FRAMING_NUL, /* set by the caller, for what is no syslog: frames end with NUL alone */
};

struct framing {
    enum framing_mode mode;
    size_t frame_max; /* longer frames are cut */
    size_t start;     /* in the buffer: of what is not framed yet */
    size_t scanned;   /* bytes behind `start` that hold no end of line */
    size_t no_nul;    /* in the buffer: from `start` to here there is no NUL */
    uint64_t skip;    /* counted: bytes to pass over of a frame that was cut */
    bool skip_line;   /* text: up to the end of the line */
    bool whole_count; /* counted: the count of the frame at `start` has been read */
    uint64_t count;
    const char *reason; /* on LB_BAD_INPUT, a literal */
};

struct frame {
    size_t start;
    size_t length;
    bool truncated;
};

void framing_init(struct framing *self, size_t frame_max);

/*
 * The next frame of bytes[0, length), without its terminator and never empty. LB_AGAIN: more is needed;
 * bytes[self->start, length) must be kept. LB_BAD_INPUT: close the connection.
 */
enum lb_err framing_next(struct framing *self, const char *bytes, size_t length, struct frame *frame) LB_MUST_USE;

/* The peer has ended, or no more will be kept: what is left as a frame. LB_END: nothing is. */
enum lb_err framing_finish(struct framing *self, const char *bytes, size_t length, struct frame *frame) LB_MUST_USE;

/* Takes the unfinished frame as it is, cut; its rest will be passed over. LB_END: there is none. */
enum lb_err framing_cut(struct framing *self, const char *bytes, size_t length, struct frame *frame) LB_MUST_USE;

/* bytes[self->start, …) have been moved to the front of a buffer. */
static inline void framing_moved(struct framing *self)
{
    self->start = 0;
    self->no_nul = 0;
}

#endif
