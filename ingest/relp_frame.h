/*
 * relp_frame.h - frames of RELP: `TXNR COMMAND LENGTH DATA`, and a line feed.
 */
#ifndef RELP_FRAME_H
#define RELP_FRAME_H

#include "lb_err.h"
#include "lb_str.h"

#include <stdint.h>

enum {
    RELP_DIGITS_MAX = 9, /* of a number: of a transaction, and of a length */
    RELP_COMMAND_MAX = 32,
};

struct relp_frame {
    uint32_t transaction;
    struct lb_str command;
    struct lb_str data;
    size_t length; /* of the whole frame */
};

/* The frame that `bytes` begins with. LB_AGAIN: it is not whole; at least `needed` bytes are. LB_BAD_INPUT: it is none.
 */
enum lb_err relp_frame_read(struct lb_str bytes, struct relp_frame *frame, size_t *needed) LB_MUST_USE;

#endif
