/*
 * lb_err.h - how functions fail.
 *
 * The code is for the program: every value is something a caller acts on
 * differently. The text for a person is in lb_diag.h (start-up) or in
 * logboom's own log (running). Handle an error or return it, never both.
 */
#ifndef LB_ERR_H
#define LB_ERR_H

enum lb_err {
    LB_OK = 0,
    LB_AGAIN,     /* nothing now, or not yet; call again later */
    LB_END,       /* no more, ever */
    LB_LIMIT,     /* a bound in lb_limits.h or of the arena was reached */
    LB_BAD_INPUT, /* the peer or the file sent something malformed */
    LB_BAD_CONF,  /* the operator must change the configuration */
    LB_IO,        /* errno says why */
    LB_NOMEM,
};

#define LB_MUST_USE __attribute__((warn_unused_result))

const char *lb_err_name(enum lb_err err);

#endif
