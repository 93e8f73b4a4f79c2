/* Any pattern over any lines: a line that matches has a literal of every clause, and the matcher finds just these. */
#include "lb_patterns.h"
#include "lb_search_check.h"

#include <assert.h>
#include <stdlib.h>

enum { PATTERN_MAX = 96, TEXT_MAX = 512, MARK = 0xff };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char pattern[PATTERN_MAX];
    char text[TEXT_MAX + 1];
    size_t length = 0;
    size_t len = 0;
    const char *why = "";

    if (size == 0)
        return 0;
    bool fold = (data[0] & 1) != 0;
    bool raw = (data[0] & 2) != 0; /* bytes as they are, instead of pieces */
    size_t i = 1;
    for (; i < size && data[i] != MARK && length < PATTERN_MAX - 16; i++) {
        if (raw)
            pattern[length++] = (char)data[i];
        else
            length = lb_pattern_piece(data[i], pattern, length, PATTERN_MAX);
    }
    for (i++; i < size && len < TEXT_MAX - 16; i++) {
        if (raw || data[i] == MARK)
            text[len++] = data[i] == MARK ? '\n' : (char)data[i];
        else
            len = lb_line_piece(data[i], text, len, TEXT_MAX);
    }
    text[len++] = '\n';
    assert(lb_search_check((struct lb_str){ pattern, length }, fold, (struct lb_str){ text, len }, &why) !=
           LB_SEARCH_WRONG);
    return 0;
}
