/*
 * tail_lines.c - where lines lie in a slab.
 *
 * The table of events shares the slab with the bytes, so reading leaves room
 * for it: 8 bytes for every 64, plus a few. A slab of shorter lines than that
 * ends when its table is full, and what follows is read again; otherwise the
 * records of a slab of one-byte lines would take a hundred times its size.
 */
#include "tail.h"

#include "lb_multiline.h"
#include "lb_scan.h"

uint32_t lb_lines_max(uint32_t capacity)
{
    uint32_t max = capacity / 64 + 16;

    return max < LB_TAIL_EVENTS_MAX ? max : LB_TAIL_EVENTS_MAX;
}

size_t lb_lines_room(uint32_t capacity)
{
    return capacity - lb_lines_max(capacity) * sizeof(struct lb_event);
}

size_t lb_lines_slab(size_t bytes)
{
    /* An eighth of the slab and 16 entries are the table; no table exceeds the maximum. */
    size_t table = bytes / 7 + 20 * sizeof(struct lb_event);
    size_t table_max = (LB_TAIL_EVENTS_MAX + 1) * sizeof(struct lb_event);

    return bytes + (table < table_max ? table : table_max);
}

size_t lb_lines_cut(const char *line, size_t max_line)
{
    size_t len = max_line;

    while (len > 0 && max_line - len < 4 && ((unsigned char)line[len] & 0xC0) == 0x80)
        len--;
    return max_line - len < 4 && len > 0 ? len : max_line;
}

static void note(struct lb_batch *batch, size_t start, size_t length, size_t max_line)
{
    if (length <= max_line) {
        lb_batch_note(batch, start, length);
        return;
    }
    lb_batch_note(batch, start, lb_lines_cut(batch->bytes + start, max_line));
    lb_batch_event(batch, batch->event_count - 1)->truncated = 1;
}

size_t lb_lines_note(struct lb_batch *batch, size_t length, size_t max_line, uint32_t *ends, bool *full)
{
    uint32_t max = lb_lines_max(batch->capacity);
    size_t count = lb_scan_lines(batch->bytes, length, ends, max);
    size_t start = 0;

    for (size_t i = 0; i < count; i++) {
        size_t line = ends[i] - start;

        if (line > 0 && batch->bytes[ends[i] - 1] == '\r')
            line--;
        if (line > 0)
            note(batch, start, line, max_line);
        start = ends[i] + 1;
    }
    *full = count == max;
    return start;
}

static bool is_unit(const char *at, const struct lb_encoding *encoding, char c)
{
    size_t place = encoding->big ? encoding->width - 1U : 0;

    for (size_t i = 0; i < encoding->width; i++)
        if (at[i] != (i == place ? c : '\0'))
            return false;
    return true;
}

size_t lb_lines_note_wide(struct lb_batch *batch, size_t length, size_t max_line, const struct lb_encoding *encoding,
                          bool *full)
{
    uint32_t max = lb_lines_max(batch->capacity);
    size_t width = encoding->width;
    size_t start = 0;

    *full = false;
    for (size_t at = 0; at + width <= length && !*full; at += width) {
        size_t line = at - start;

        if (!is_unit(batch->bytes + at, encoding, '\n'))
            continue;
        if (line >= width && is_unit(batch->bytes + at - width, encoding, '\r'))
            line -= width;
        if (line > 0)
            note(batch, start, line, max_line);
        start = at + width;
        *full = batch->event_count == max;
    }
    return start;
}

void lb_lines_note_rest(struct lb_batch *batch, size_t start, size_t length, size_t max_line)
{
    if (length > 0 && batch->bytes[start + length - 1] == '\r')
        length--;
    if (length > 0)
        note(batch, start, length, max_line);
}

/* Puts `event` behind the last of the `count` events that are done: its line goes on with that one, or is the next. */
static bool join(struct lb_batch *batch, uint32_t count, const struct lb_event *event, size_t max_line)
{
    struct lb_event *last = lb_batch_event(batch, count - 1);
    size_t length = event->start + event->length - last->start;

    if (length > max_line || last->truncated)
        return false;
    last->length = (uint32_t)length & 0x7fffffff;
    last->truncated = event->truncated;
    return true;
}

uint32_t lb_lines_join(struct lb_batch *batch, const struct lb_multiline *rule, size_t max_line)
{
    struct lb_multiline_state state = { 0 };
    uint32_t count = 0;

    for (uint32_t i = 0; i < batch->event_count; i++) {
        struct lb_event event = *lb_batch_event(batch, i);
        struct lb_str line = { batch->bytes + event.start, event.length };

        if (lb_multiline_joins(rule, &state, line) && count > 0 && join(batch, count, &event, max_line))
            continue;
        *lb_batch_event(batch, count++) = event;
    }
    batch->event_count = count;
    return state.closed || count == 0 ? count : count - 1;
}
