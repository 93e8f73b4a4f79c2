/* colour.h - colours of a terminal: when, and which. */
#ifndef COLOUR_H
#define COLOUR_H

#include "lb_buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* On a terminal, unless NO_COLOR is set or TERM is dumb. */
bool colour_wanted(int fd);

/* `auto`, `always`, `never`; NULL is always. False: none of them. */
bool colour_option(const char *word, int fd, bool *wanted);

/* The escape sequence of a level ("" without one), and the one that ends any. */
const char *colour_of_level(uint8_t level);
extern const char *const colour_end;

/* One of a few, the same for the same name. */
const char *colour_of_name(struct lb_str name);

/* The line with the word of its level in the level's colour. */
void colour_line(struct lb_buffer *out, struct lb_str line, uint8_t level);

#endif
