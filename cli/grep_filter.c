/*
 * grep_filter.c - which lines are asked for by --level, --service, --host,
 * --since, --until and --where.
 *
 * Lines as logboom writes them begin with keys in a fixed order: most of those
 * that are not asked for are left out by these, read in place. All others
 * become records, so that the answer is that of the index, which read them so.
 * The tricky thing is a line without a time, which has that of the line before
 * it: then lines are read backwards until one has a time.
 */
#include "grep.h"

#include "lb_limits.h"
#include "lb_time.h"

static bool pass(struct lb_str *rest, struct lb_str text)
{
    if (!lb_str_starts(*rest, text))
        return false;
    *rest = (struct lb_str){ rest->ptr + text.len, rest->len - text.len };
    return true;
}

/* The inside of a string whose opening quote was passed, if it has no escapes. */
static bool pass_string(struct lb_str *rest, struct lb_str *inside)
{
    const char *quote = rest->len > 0 ? memchr(rest->ptr, '"', rest->len) : NULL;

    if (quote == NULL)
        return false;
    *inside = (struct lb_str){ rest->ptr, (size_t)(quote - rest->ptr) };
    *rest = (struct lb_str){ quote + 1, rest->len - inside->len - 1 };
    return inside->len == 0 || memchr(inside->ptr, '\\', inside->len) == NULL;
}

/* Levels are few: the word of the line before is most often this one. */
static uint8_t level_of(struct grep_scan *scan, struct lb_str word)
{
    if (lb_str_equal(word, scan->level_word))
        return scan->level;
    uint8_t level = lb_level_parse(word);
    if (word.len <= sizeof(scan->level_text)) {
        memcpy(scan->level_text, word.ptr, word.len);
        scan->level_word = (struct lb_str){ scan->level_text, word.len };
        scan->level = level;
    }
    return level;
}

/* What comes behind the time says no: level, service, host, each of which may be missing. */
static bool names_rule_out(struct grep_scan *scan, struct lb_str rest)
{
    const struct selection *selection = &scan->options->selection;
    uint8_t level = LB_LEVEL_NONE;
    struct lb_str word;

    if (pass(&rest, LB_STR(",\"level\":\"")) && pass_string(&rest, &word))
        level = level_of(scan, word);
    if (selection->levels != 0 && level < LB_LEVEL_COUNT && (selection->levels >> level & 1) == 0)
        return true;
    if (!pass(&rest, LB_STR(",\"service\":\"")) || !pass_string(&rest, &word))
        return false;
    if (!selection_has_service(selection, word))
        return true;
    return pass(&rest, LB_STR(",\"host\":\"")) && pass_string(&rest, &word) && !selection_has_host(selection, word);
}

/* The leading keys of a line as logboom writes it say that it is not asked for. */
static bool keys_rule_out(struct grep_scan *scan, struct lb_str line)
{
    const struct selection *selection = &scan->options->selection;
    bool any_time = selection->since_ns == INT64_MIN && selection->until_ns == INT64_MAX;
    struct lb_str rest = line;
    struct lb_str word;
    int64_t time_ns;

    if (!pass(&rest, LB_STR("{\"timestamp\":\"")) || !pass_string(&rest, &word))
        return false;
    /* What breaks off behind its keys is no record, and has the time of the line before. */
    if (!any_time && line.ptr[line.len - 1] == '}' &&
        lb_time_rfc3339_cached(&scan->records.context.second, word, &time_ns) &&
        !selection_has_time(selection, time_ns))
        return true;
    return names_rule_out(scan, rest);
}

/* The line before the one that begins at `start`. */
static struct lb_str line_before(struct lb_str text, const char *start)
{
    const char *end = start - 1; /* its newline */
    const char *newline = end > text.ptr ? memrchr(text.ptr, '\n', (size_t)(end - text.ptr)) : NULL;
    const char *begin = newline != NULL ? newline + 1 : text.ptr;

    return (struct lb_str){ begin, (size_t)(end - begin) };
}

/* The time of the nearest line before `start` that has one. */
static int64_t time_before(struct grep_scan *scan, const char *start)
{
    while (start > scan->text.ptr) {
        struct lb_str line = line_before(scan->text, start);
        struct lb_record record;

        lb_line_records_begin(&scan->records);
        lb_line_records_read(&scan->records, line, &record);
        if ((record.flags & LB_RECORD_NO_TIME) == 0)
            return record.time_ns;
        start = line.ptr;
    }
    return scan->carried_ns;
}

void grep_filter_read(struct grep_scan *scan, struct lb_str line, struct lb_record *record)
{
    bool is_next = scan->read_end != NULL && line.ptr == scan->read_end;
    int64_t before_ns = is_next ? scan->records.last_ns : LB_TIME_NONE;

    if (!is_next)
        lb_line_records_begin(&scan->records);
    lb_line_records_read(&scan->records, line, record);
    if ((record->flags & LB_RECORD_NO_TIME) != 0 && before_ns == LB_TIME_NONE && !is_next) {
        scan->records.last_ns = time_before(scan, line.ptr);
        lb_line_records_read(&scan->records, line, record);
    }
    scan->read_end = line.ptr + line.len + 1;
}

void grep_filter_carry(struct grep_scan *scan)
{
    scan->carried_ns = time_before(scan, scan->text.ptr + scan->text.len);
    scan->read_end = NULL;
}

bool grep_filter_takes(struct grep_scan *scan, struct lb_str line)
{
    struct lb_record record;

    if (keys_rule_out(scan, line))
        return false;
    grep_filter_read(scan, line, &record);
    return selection_match(&scan->options->selection, &record, &scan->records.scratch);
}
