/* units.h - durations (1m30s) and sizes (64KiB): read, and written back for messages. */
#ifndef LB_CONF_UNITS_H
#define LB_CONF_UNITS_H

#include "lb_str.h"

#include <stdint.h>

enum lb_unit_result {
    LB_UNIT_OK,
    LB_UNIT_NO_NUMBER, /* it does not begin with a digit */
    LB_UNIT_MISSING,   /* a number without a unit */
    LB_UNIT_UNKNOWN,   /* a number with a word that is no unit */
    LB_UNIT_TOO_LARGE,
};

/* Numbers with ms s m h d w, one behind the other; a bare 0 is a duration. */
enum lb_unit_result lb_duration_read(struct lb_str text, int64_t *duration_ns);

/* A number with B kB KB MB GB TB (powers of 1000) or KiB MiB GiB TiB; a bare 0 is a size. */
enum lb_unit_result lb_size_read(struct lb_str text, uint64_t *size);

/* What an unknown unit probably means, as it should be written ("64M": 64MiB); false when there is no telling. */
enum { LB_UNIT_TEXT_SIZE = 64 };
bool lb_unit_guess(struct lb_str text, bool is_size, char *out);

/* The shortest exact way to write it. */
void lb_duration_print(int64_t duration_ns, char *out);
void lb_size_print(uint64_t size, char *out);

#endif
