/*
 * grep_print.c - parts become output: prefixes, numbers, context, counts.
 *
 * Lines are known by their number in the file, so it makes no difference in
 * which part they came: a line is printed as context if it is near enough
 * behind the last match, and kept for a while in case a match follows.
 */
#include "grep.h"

#include "colour.h"

#include "lb_alloc.h"
#include "lb_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { OUT_BYTES_MAX = 1024 * 1024 * 1024 };

static const char *label(const char *path)
{
    return strcmp(path, "-") == 0 ? "(standard input)" : path;
}

bool grep_print_names(const struct grep_options *options, const struct archive_paths *paths)
{
    bool several = paths->given > 1 || paths->count > 1;

    if (options->names != GREP_NAMES_AUTO)
        return options->names == GREP_NAMES_ON;
    return several || paths->beneath;
}

bool grep_print_open(struct grep_print *print, const struct grep_options *options, const struct archive_paths *paths)
{
    *print = (struct grep_print){ .options = options, .paths = paths, .file = UINT32_MAX };
    print->names = grep_print_names(options, paths);
    lb_buffer_init(&print->out, OUT_BYTES_MAX);
    if (options->before > 0) {
        print->kept = lb_alloc(options->before * sizeof(*print->kept));
        if (print->kept == NULL)
            return false;
        for (uint64_t i = 0; i < options->before; i++)
            lb_buffer_init(&print->kept[i].text, OUT_BYTES_MAX);
    }
    return true;
}

void grep_print_close(struct grep_print *print)
{
    for (uint64_t i = 0; print->kept != NULL && i < print->options->before; i++)
        lb_buffer_free(&print->kept[i].text);
    lb_free(print->kept);
    lb_buffer_free(&print->out);
}

static bool write_all(struct grep_print *print, struct lb_str rest)
{
    while (rest.len > 0 && !print->closed) {
        ssize_t written = write(STDOUT_FILENO, rest.ptr, rest.len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            print->closed = true;
            if (errno != EPIPE) /* who reads no more needs no word about it */
                fprintf(stderr, "logboom: cannot write: %s\n", strerror(errno));
            print->failed = print->failed || errno != EPIPE;
            return false;
        }
        rest = (struct lb_str){ rest.ptr + written, rest.len - (size_t)written };
    }
    return !print->closed;
}

bool grep_print_flush(struct grep_print *print)
{
    bool written = write_all(print, lb_buffer_str(&print->out));

    if (print->out.failed) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
        print->failed = print->closed = true;
    }
    lb_buffer_reset(&print->out);
    return written && !print->closed;
}

/* --- prefixes ---------------------------------------------------------------------------------- */

static void append_in(struct lb_buffer *out, bool colour, const char *escape, const char *text)
{
    if (colour)
        lb_buffer_append_str(out, lb_str_from(escape));
    lb_buffer_append_str(out, lb_str_from(text));
    if (colour)
        lb_buffer_append_str(out, lb_str_from(colour_end));
}

static void append_path(const struct grep_options *options, const char *path, const char *separator,
                        struct lb_buffer *out)
{
    append_in(out, options->colour, "\033[35m", label(path));
    append_in(out, options->colour, "\033[36m", separator);
}

void grep_print_prefix(const struct grep_options *options, const char *path, struct lb_buffer *out)
{
    lb_buffer_reset(out);
    append_path(options, path, ":", out);
}

static void append_json_path(struct lb_buffer *out, const char *path)
{
    lb_buffer_append_str(out, LB_STR("{\"path\":\""));
    lb_json_escape(out, lb_str_from(label(path)));
    lb_buffer_append_char(out, '"');
}

static void append_line(struct grep_print *print, const char *path, struct lb_str body, uint64_t number, bool context)
{
    const struct grep_options *options = print->options;
    const char *separator = context ? "-" : ":";
    struct lb_buffer *out = &print->out;
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRIu64, number);
    if (options->json) {
        append_json_path(out, path);
        if (options->numbers)
            lb_buffer_print(out, ",\"line\":%s", digits);
        lb_buffer_append_str(out, lb_str_from(context ? ",\"context\":true," : ","));
    } else {
        if (print->names)
            append_path(options, path, separator, out);
        if (options->numbers) {
            append_in(out, options->colour, "\033[32m", digits);
            append_in(out, options->colour, "\033[36m", separator);
        }
    }
    lb_buffer_append_str(out, body);
}

void grep_print_line(struct grep_print *print, const char *path, const struct grep_part *part,
                     const struct grep_line *line)
{
    append_line(print, path, (struct lb_str){ part->text.ptr + line->start, line->length }, line->number,
                line->context);
}

/* --- lines in their place ------------------------------------------------------------------------- */

static const char *path_of(const struct grep_print *print)
{
    return print->paths->items[print->file].name;
}

/* Prints the line of that number, behind a separator where lines are left out. */
static void place_line(struct grep_print *print, struct lb_str body, uint64_t number, bool context)
{
    bool has_context = print->options->before > 0 || print->options->after > 0;

    if (has_context && !print->options->json && print->any_printed && number != print->printed &&
        (print->printed == 0 || number != print->printed + 1)) {
        append_in(&print->out, print->options->colour, "\033[36m", "--");
        lb_buffer_append_char(&print->out, '\n');
    }
    append_line(print, path_of(print), body, number, context);
    print->printed = number;
    print->any_printed = true;
}

static void keep_line(struct grep_print *print, struct lb_str body, uint64_t number)
{
    struct grep_kept *kept;

    if (print->kept == NULL)
        return;
    kept = &print->kept[print->kept_next++ % print->options->before];
    kept->number = number;
    lb_buffer_reset(&kept->text);
    lb_buffer_append_str(&kept->text, body);
}

/* What was kept, and is near enough to a match at `number`. */
static void place_kept(struct grep_print *print, uint64_t number)
{
    uint64_t before = print->options->before;

    for (uint64_t i = 0; print->kept != NULL && i < before; i++) {
        struct grep_kept *kept = &print->kept[(print->kept_next + i) % before];

        if (kept->number > print->printed && kept->number < number && kept->number + before >= number)
            place_line(print, lb_buffer_str(&kept->text), kept->number, true);
        kept->number = 0;
    }
}

static void place(struct grep_print *print, const struct grep_part *part, const struct grep_line *line)
{
    const struct grep_options *options = print->options;
    struct lb_str body = { part->text.ptr + line->start, line->length };
    uint64_t number = print->base + line->number;
    bool matches = !line->context && (line->more || print->matches < options->max);

    if (!matches) {
        if (number <= print->after_until)
            place_line(print, body, number, true);
        else
            keep_line(print, body, number);
        return;
    }
    if (!line->more) {
        print->matches++;
        place_kept(print, number);
        print->after_until = number + options->after;
    }
    if (body.len > 0)
        place_line(print, body, number, false);
}

static void begin_file(struct grep_print *print, uint32_t file)
{
    print->file = file;
    print->base = print->matches = print->printed = print->after_until = 0;
    for (uint64_t i = 0; print->kept != NULL && i < print->options->before; i++)
        print->kept[i].number = 0;
}

/* --- files ------------------------------------------------------------------------------------------ */

static void end_file(struct grep_print *print)
{
    const struct grep_options *options = print->options;
    const char *path = path_of(print);
    bool listed = (options->list == GREP_LIST_WITH) == (print->matches > 0);

    print->total += print->matches;
    if (options->quiet)
        return;
    if (options->list != GREP_LIST_NONE && listed && options->json) {
        append_json_path(&print->out, path);
        lb_buffer_append_str(&print->out, LB_STR("}\n"));
    } else if (options->list != GREP_LIST_NONE && listed) {
        append_in(&print->out, options->colour, "\033[35m", label(path));
        lb_buffer_append_char(&print->out, '\n');
    } else if (options->list == GREP_LIST_NONE && options->count && options->json) {
        append_json_path(&print->out, path);
        lb_buffer_print(&print->out, ",\"count\":%" PRIu64 "}\n", print->matches);
    } else if (options->list == GREP_LIST_NONE && options->count) {
        if (print->names)
            append_path(options, path, ":", &print->out);
        lb_buffer_print(&print->out, "%" PRIu64 "\n", print->matches);
    }
}

/* Whether more of the file can change what is printed. */
static bool is_done(const struct grep_print *print)
{
    const struct grep_options *options = print->options;

    if ((options->quiet || options->list != GREP_LIST_NONE) && print->matches > 0)
        return true;
    return print->matches >= options->max && print->base >= print->after_until;
}

bool grep_print_part(struct grep_print *print, const struct grep_part *part)
{
    const struct grep_options *options = print->options;
    bool has_text = !options->quiet && !options->count && options->list == GREP_LIST_NONE;

    if (part->file != print->file)
        begin_file(print, part->file);
    print->base += part->gap;
    if (!has_text) {
        print->matches += part->matches;
        if (print->matches > options->max)
            print->matches = options->max;
    } else if (grep_needs_lines(options)) {
        const struct grep_line *lines = (const struct grep_line *)(const void *)part->lines.ptr;

        for (size_t i = 0; i < part->lines.len / sizeof(*lines); i++)
            place(print, part, &lines[i]);
    } else {
        print->matches += part->matches;
        write_all(print, lb_buffer_str(&part->text));
    }
    print->base += part->line_count;
    bool done = is_done(print);
    if (part->last || done)
        end_file(print);
    if (part->text.failed || part->lines.failed)
        print->out.failed = true;
    grep_print_flush(print);
    return !done;
}
