/* colour.c - colours of a terminal. */
#include "colour.h"

#include "lb_level.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HEAD_BYTES = 160 }; /* where the level of a line stands */

const char *const colour_end = "\033[0m";

bool colour_wanted(int fd)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fd) == 1 && (no == NULL || *no == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
}

bool colour_option(const char *word, int fd, bool *wanted)
{
    if (word == NULL || strcmp(word, "always") == 0)
        *wanted = true;
    else if (strcmp(word, "never") == 0)
        *wanted = false;
    else if (strcmp(word, "auto") == 0)
        *wanted = colour_wanted(fd);
    else
        return false;
    return true;
}

const char *colour_of_level(uint8_t level)
{
    static const char *const colours[LB_LEVEL_COUNT] = {
        "\033[1;97;41m", "\033[1;97;41m", "\033[1;31m", "\033[31m", "\033[33m",
        "\033[36m",      "\033[32m",      "\033[34m",   "\033[90m",
    };

    return level < LB_LEVEL_COUNT ? colours[level] : "";
}

const char *colour_of_name(struct lb_str name)
{
    static const char *const colours[] = { "\033[36m", "\033[33m", "\033[32m", "\033[35m", "\033[34m", "\033[96m" };
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
    return colours[hash % (sizeof(colours) / sizeof(colours[0]))];
}

/* Where the name of the level stands in the head of the line, or its length. */
static size_t find_level(struct lb_str line, struct lb_str name)
{
    size_t head = line.len < HEAD_BYTES ? line.len : HEAD_BYTES;

    for (size_t i = 0; i + name.len <= head; i++) {
        if (strncasecmp(line.ptr + i, name.ptr, name.len) == 0)
            return i;
    }
    return line.len;
}

void colour_line(struct lb_buffer *out, struct lb_str line, uint8_t level)
{
    struct lb_str name = lb_level_name(level);
    size_t at = name.len > 0 ? find_level(line, name) : line.len;

    lb_buffer_append(out, line.ptr, at);
    if (at == line.len)
        return;
    lb_buffer_append_str(out, lb_str_from(colour_of_level(level)));
    lb_buffer_append(out, line.ptr + at, name.len);
    lb_buffer_append_str(out, lb_str_from(colour_end));
    lb_buffer_append(out, line.ptr + at + name.len, line.len - at - name.len);
}
