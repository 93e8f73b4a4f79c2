/*
 * lb_encoding.h - text that is not UTF-8.
 *
 * Positions are bytes of the file as it is, so bytes are carried as they came
 * and become UTF-8 only when a worker makes a record of them. Ingest needs to
 * know no more than how wide a line end is.
 */
#ifndef LB_ENCODING_H
#define LB_ENCODING_H

#include "lb_arena.h"
#include "lb_str.h"

#include <stdbool.h>
#include <stdint.h>

enum { LB_ENCODING_NAME_BYTES = 40 };

struct lb_encoding {
    char name[LB_ENCODING_NAME_BYTES]; /* as iconv(3) has it */
    uint8_t width;                     /* bytes of a line end: 1, 2 or 4 */
    bool big;                          /* its most significant byte comes first */
};

/* False: nobody knows an encoding of that name. UTF-8 is one like the others. */
bool lb_encoding_find(struct lb_str name, struct lb_encoding *encoding);

/*
 * The text as UTF-8, in the arena; what stands for no character becomes U+FFFD. `ptr` NULL: the arena is full. Any
 * thread: each keeps a converter of its own for the encoding that it met last.
 */
struct lb_str lb_encoding_text(const struct lb_encoding *encoding, struct lb_str bytes, struct lb_arena *arena);

#endif
