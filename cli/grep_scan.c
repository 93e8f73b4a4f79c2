/*
 * grep_scan.c - the lines of a text that are asked for, as they will be
 * printed.
 *
 * Where nobody asks for numbers or context, lines go to the part one behind
 * the other, prefix and all, and many at once where they stand together.
 * Otherwise the part gets a list of lines, and of lines around them: also the
 * first and the last ones of each text, since what is near them is in another.
 */
#include "grep.h"

#include "colour.h"

#include "lb_json.h"

enum { LINE_BYTES_MAX = 512 * 1024 * 1024 };

bool grep_needs_lines(const struct grep_options *options)
{
    return options->numbers || options->before > 0 || options->after > 0 || options->max != UINT64_MAX ||
           options->json || options->sort_time;
}

static bool needs_text(const struct grep_options *options)
{
    return !options->quiet && !options->count && options->list == GREP_LIST_NONE;
}

bool grep_scan_open(struct grep_scan *scan, const struct grep_options *options, const struct grep_pattern *pattern)
{
    *scan = (struct grep_scan){ .options = options,
                                .matcher = grep_matcher_new(pattern),
                                .needs_text = needs_text(options),
                                .needs_lines = needs_text(options) && grep_needs_lines(options),
                                .carried_ns = LB_TIME_NONE };
    lb_buffer_init(&scan->line, LINE_BYTES_MAX);
    scan->is_plain = !options->only && !options->json && !options->convert && !options->colour;
    bool opened = lb_line_records_open(&scan->records);
    scan->formatter = (struct lb_formatter){ .format = options->format, .scratch = &scan->records.scratch };
    return opened && scan->matcher != NULL;
}

void grep_scan_close(struct grep_scan *scan)
{
    if (scan->matcher != NULL)
        grep_matcher_free(scan->matcher);
    lb_line_records_close(&scan->records);
    lb_buffer_free(&scan->line);
}

void grep_scan_begin(struct grep_scan *scan, struct lb_str prefix)
{
    scan->prefix = prefix;
    scan->carried_ns = LB_TIME_NONE;
    scan->read_end = NULL;
}

/* --- what a line looks like ---------------------------------------------------------------- */

static void append_json(struct lb_str line, struct lb_buffer *out)
{
    if (line.len > 0 && *line.ptr == '{' && lb_json_valid(line)) {
        lb_buffer_append_str(out, LB_STR("\"record\":"));
        lb_buffer_append_str(out, line);
    } else {
        lb_buffer_append_str(out, LB_STR("\"text\":\""));
        lb_json_escape(out, line);
        lb_buffer_append_char(out, '"');
    }
    lb_buffer_append_str(out, LB_STR("}\n"));
}

static void append_record(struct grep_scan *scan, struct lb_str line, struct lb_buffer *out)
{
    bool colour = scan->options->colour;
    struct lb_record record;

    grep_filter_read(scan, line, &record);
    lb_buffer_reset(&scan->line);
    scan->records.scratch.used = 0;
    lb_format_write(&scan->formatter, &scan->records.batch, &record, colour ? &scan->line : out);
    if (colour)
        colour_line(out, lb_buffer_str(&scan->line), record.level);
}

static void append_coloured(struct lb_str text, struct lb_buffer *out)
{
    lb_buffer_append_str(out, LB_STR("\033[1;31m"));
    lb_buffer_append_str(out, text);
    lb_buffer_append_str(out, lb_str_from(colour_end));
}

/* The line with its matches in colour. */
static void append_matches(struct grep_scan *scan, struct lb_str line, struct lb_buffer *out)
{
    struct lb_str span;
    size_t at = 0;

    while (grep_matcher_span(scan->matcher, line, at, &span)) {
        size_t start = (size_t)(span.ptr - line.ptr);

        lb_buffer_append(out, line.ptr + at, start - at);
        append_coloured(span, out);
        at = start + span.len;
    }
    lb_buffer_append(out, line.ptr + at, line.len - at);
    lb_buffer_append_char(out, '\n');
}

static void append_body(struct grep_scan *scan, struct lb_str line, bool context, struct lb_buffer *out)
{
    if (scan->options->json)
        append_json(line, out);
    else if (scan->options->convert)
        append_record(scan, line, out);
    else if (scan->options->colour && !context && !scan->options->invert)
        append_matches(scan, line, out);
    else
        lb_buffer_append(out, line.ptr, line.len + 1); /* every line of a text ends in a newline */
}

/* --- lines that stand in a list --------------------------------------------------------------- */

static uint64_t number_of(struct grep_scan *scan, const char *line)
{
    scan->part->line_count += grep_count_newlines(scan->counted, line);
    scan->counted = line;
    return scan->part->line_count + 1;
}

static int64_t time_of(struct grep_scan *scan, struct lb_str line)
{
    struct lb_record record;

    grep_filter_read(scan, line, &record);
    return (record.flags & LB_RECORD_NO_TIME) != 0 ? INT64_MIN : record.time_ns;
}

static void list_text(struct grep_scan *scan, struct grep_line *entry, size_t start)
{
    entry->start = start;
    entry->length = scan->part->text.len - start;
    lb_buffer_append(&scan->part->lines, (const char *)entry, sizeof(*entry));
}

static void list_line(struct grep_scan *scan, struct lb_str line, bool context)
{
    struct grep_line entry = { .number = number_of(scan, line.ptr), .context = context };
    struct lb_buffer *out = &scan->part->text;
    size_t start = out->len;
    struct lb_str span;

    if (scan->options->sort_time)
        entry.time_ns = time_of(scan, line);
    if (!scan->options->only || context) {
        append_body(scan, line, context, out);
        list_text(scan, &entry, start);
        return;
    }
    for (size_t at = 0; grep_matcher_span(scan->matcher, line, at, &span);
         at = (size_t)(span.ptr - line.ptr) + span.len) {
        start = out->len;
        if (scan->options->json)
            append_json(span, out);
        else if (scan->options->colour)
            append_coloured(span, out);
        else
            lb_buffer_append_str(out, span);
        if (!scan->options->json)
            lb_buffer_append_char(out, '\n');
        list_text(scan, &entry, start);
        entry.more = true;
    }
    if (!entry.more)
        list_text(scan, &entry, out->len); /* nothing to print, but it counts for -m */
}

static struct lb_str line_at(const struct grep_scan *scan, const char *at)
{
    const char *newline = memchr(at, '\n', (size_t)(scan->text.ptr + scan->text.len - at));

    return (struct lb_str){ at, (size_t)(newline - at) };
}

/* Lines behind the last one, as long as they are its context. */
static void list_after(struct grep_scan *scan, const char *limit)
{
    while (scan->after_left > 0 && scan->cursor < limit) {
        struct lb_str line = line_at(scan, scan->cursor);

        list_line(scan, line, true);
        scan->cursor = line.ptr + line.len + 1;
        scan->after_left--;
    }
}

/* Lines before `start` that are its context. */
static void list_before(struct grep_scan *scan, const char *start)
{
    const char *at = start;

    for (uint64_t i = 0; i < scan->options->before && at > scan->cursor; i++) {
        const char *newline =
            at - 1 > scan->cursor ? memrchr(scan->cursor, '\n', (size_t)(at - 1 - scan->cursor)) : NULL;

        at = newline != NULL ? newline + 1 : scan->cursor;
    }
    while (at < start) {
        struct lb_str line = line_at(scan, at);

        list_line(scan, line, true);
        at = line.ptr + line.len + 1;
    }
}

/* --- lines that go straight out ----------------------------------------------------------------- */

static void append_straight(struct grep_scan *scan, struct lb_str line)
{
    struct lb_buffer *out = &scan->part->text;
    struct lb_str span;

    if (!scan->options->only) {
        lb_buffer_append_str(out, scan->prefix);
        append_body(scan, line, false, out);
        return;
    }
    for (size_t at = 0; grep_matcher_span(scan->matcher, line, at, &span);
         at = (size_t)(span.ptr - line.ptr) + span.len) {
        lb_buffer_append_str(out, scan->prefix);
        if (scan->options->colour)
            append_coloured(span, out);
        else
            lb_buffer_append_str(out, span);
        lb_buffer_append_char(out, '\n');
    }
}

/* --- choosing lines ---------------------------------------------------------------------------- */

/* False: enough of this file. */
static bool take(struct grep_scan *scan, struct lb_str line)
{
    const struct grep_options *options = scan->options;

    if (!selection_is_all(&options->selection) && !grep_filter_takes(scan, line))
        return true;
    scan->part->matches++;
    if (!scan->needs_text)
        return (!options->quiet && options->list == GREP_LIST_NONE) && scan->part->matches < options->max;
    if (!scan->needs_lines) {
        append_straight(scan, line);
        return true;
    }
    list_after(scan, line.ptr);
    list_before(scan, line.ptr);
    list_line(scan, line, false);
    scan->cursor = line.ptr + line.len + 1;
    scan->after_left = options->after;
    return scan->part->matches < options->max;
}

/* All lines of [from, end). */
static bool take_range(struct grep_scan *scan, const char *from, const char *end)
{
    const struct grep_options *options = scan->options;
    bool all = selection_is_all(&options->selection);

    if (all && from < end && !scan->needs_text && options->max == UINT64_MAX) {
        scan->part->matches += grep_count_newlines(from, end);
        return !options->quiet && options->list == GREP_LIST_NONE;
    }
    if (all && scan->is_plain && scan->needs_text && !scan->needs_lines && scan->prefix.len == 0) {
        scan->part->matches += grep_count_newlines(from, end);
        lb_buffer_append(&scan->part->text, from, (size_t)(end - from));
        return true;
    }
    while (from < end) {
        struct lb_str line = line_at(scan, from);

        if (!take(scan, line))
            return false;
        from = line.ptr + line.len + 1;
    }
    return true;
}

static bool take_others(struct grep_scan *scan)
{
    const char *from = scan->text.ptr;
    const char *end = scan->text.ptr + scan->text.len;
    struct lb_str line;

    while (from < end && grep_matcher_next(scan->matcher, from, &line)) {
        if (!take_range(scan, from, line.ptr))
            return false;
        from = line.ptr + line.len + 1;
    }
    return grep_matcher_failure(scan->matcher) != NULL || take_range(scan, from, end);
}

static bool take_matches(struct grep_scan *scan)
{
    const char *from = scan->text.ptr;
    const char *end = scan->text.ptr + scan->text.len;
    struct lb_str line;

    while (from < end && grep_matcher_next(scan->matcher, from, &line)) {
        if (!take(scan, line))
            return false;
        from = line.ptr + line.len + 1;
    }
    return true;
}

/* Chooses lines of the text. False: enough of this file. */
static bool scan_lines(struct grep_scan *scan)
{
    if (scan->part->matches >= scan->options->max)
        return false;
    if (grep_matcher_takes_all(scan->matcher))
        return scan->options->invert || take_range(scan, scan->text.ptr, scan->text.ptr + scan->text.len);
    grep_matcher_begin(scan->matcher, scan->text);
    return scan->options->invert ? take_others(scan) : take_matches(scan);
}

bool grep_scan_text(struct grep_scan *scan, struct grep_part *part, struct lb_str text)
{
    const char *end = text.ptr + text.len;

    if (text.len == 0)
        return true;
    scan->part = part;
    scan->text = text;
    scan->cursor = scan->counted = text.ptr;
    scan->after_left = scan->options->after;
    scan->read_end = NULL;
    bool go_on = scan_lines(scan);
    if (scan->needs_lines) {
        list_after(scan, end); /* also behind the last match of -m, */
        list_before(scan, end);
        number_of(scan, end);
        go_on = go_on || scan->options->after > 0; /* which may reach into the next text */
    }
    part->failure = grep_matcher_failure(scan->matcher);
    return go_on && part->failure == NULL;
}
