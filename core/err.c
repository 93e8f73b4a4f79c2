/* err.c - the names of error codes, for logboom's own log. */
#include "lb_err.h"

const char *lb_err_name(enum lb_err err)
{
    switch (err) {
    case LB_OK: return "ok";
    case LB_AGAIN: return "again";
    case LB_END: return "end";
    case LB_LIMIT: return "limit";
    case LB_BAD_INPUT: return "bad input";
    case LB_BAD_CONF: return "bad configuration";
    case LB_IO: return "i/o error";
    case LB_NOMEM: return "out of memory";
    }
    return "unknown";
}
