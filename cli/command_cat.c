/* command_cat.c - `logboom cat`: the text of archives of any age, as it is or in another format. */
#include "command.h"

#include "archive_scan.h"
#include "colour.h"
#include "lb_line_records.h"
#include "selection.h"

#include "lb_alloc.h"
#include "lb_format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OUT_BYTES = 64 * 1024, OUT_BYTES_MAX = 256 * 1024 * 1024 };

struct cat {
    struct selection selection;
    struct lb_line_records lines;
    struct lb_formatter formatter;
    struct lb_buffer out;
    struct lb_buffer line; /* before it gets its colour */
    struct progress progress;
    bool convert;
    bool colour;
    bool plain; /* bytes go through as they are */
};

static bool flush(struct cat *self)
{
    struct lb_str rest = lb_buffer_str(&self->out);

    while (rest.len > 0) {
        ssize_t written = write(STDOUT_FILENO, rest.ptr, rest.len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            fprintf(stderr, "logboom: cannot write: %s\n", strerror(errno));
            return false;
        }
        rest = (struct lb_str){ rest.ptr + written, rest.len - (size_t)written };
    }
    lb_buffer_reset(&self->out);
    return true;
}

static void write_line(struct cat *self, struct lb_str line, const struct lb_record *record)
{
    struct lb_buffer *out = self->colour ? &self->line : &self->out;

    lb_buffer_reset(&self->line);
    if (self->convert) {
        self->lines.scratch.used = 0;
        lb_format_write(&self->formatter, &self->lines.batch, record, out);
    } else {
        lb_buffer_append(out, line.ptr, line.len + 1); /* every line of a text ends in a newline */
    }
    if (self->colour)
        colour_line(&self->out, lb_buffer_str(out), record->level);
}

static bool write_text(void *context, const struct lb_archive_block *block, struct lb_str text)
{
    struct cat *self = context;

    (void)block;
    if (self->plain) {
        lb_buffer_append_str(&self->out, text);
        return flush(self);
    }
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct lb_str line = { text.ptr, end != NULL ? (size_t)(end - text.ptr) : text.len };
        struct lb_record record;

        lb_line_records_read(&self->lines, line, &record);
        if (selection_match(&self->selection, &record, &self->lines.scratch))
            write_line(self, line, &record);
        text = (struct lb_str){ text.ptr + line.len + (end != NULL), text.len - line.len - (end != NULL) };
        if (self->out.len >= OUT_BYTES && !flush(self))
            return false;
    }
    if (self->out.failed) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
        return false;
    }
    return flush(self);
}

static int write_files(struct cat *self, struct archive_paths *paths)
{
    struct lb_archive_query query = selection_query(&self->selection);
    struct archive_scan scan = {
        .query = selection_is_all(&self->selection) ? NULL : &query,
        .verify = true,
        .progress = isatty(STDOUT_FILENO) == 1 ? NULL : &self->progress,
        .text = write_text,
        .context = self,
    };
    uint64_t total = 0;

    for (size_t i = 0; i < paths->count; i++)
        total += paths->items[i].bytes;
    progress_start(&self->progress, "cat", total);
    for (size_t i = 0; i < paths->count && !scan.stopped; i++) {
        lb_line_records_begin(&self->lines);
        archive_scan_file(&scan, paths->items[i].name);
    }
    progress_hide(&self->progress);
    archive_scan_end(&scan);
    return scan.failed || scan.stopped || paths->failed ? EXIT_USAGE : EXIT_OK;
}

static int set_format(struct cat *self, const char *word)
{
    for (int i = 0; lb_format_names[i] != NULL; i++) {
        if (strcmp(lb_format_names[i], word) == 0) {
            self->formatter.format = (enum lb_format)i;
            self->convert = true;
            return 1;
        }
    }
    usage_error(&command_cat, "there is no format \"%s\"; one of json, logfmt, text, raw", word);
    return -1;
}

/* 1: taken, 0: not an option of cat, -1: wrong. */
static int own_option(struct cat *self, int argc, char **argv, int *i)
{
    const char *option = argv[*i];

    if (strncmp(option, "--format=", 9) == 0)
        return set_format(self, option + 9);
    if (strcmp(option, "--format") == 0 || strcmp(option, "-o") == 0) {
        if (*i + 1 < argc)
            return set_format(self, argv[++*i]);
        usage_error(&command_cat, "%s needs json, logfmt, text or raw", option);
        return -1;
    }
    if (strcmp(option, "--color") == 0 || strncmp(option, "--color=", 8) == 0) {
        if (colour_option(option[7] == '=' ? option + 8 : NULL, STDOUT_FILENO, &self->colour))
            return 1;
        usage_error(&command_cat, "--color is auto, always or never");
        return -1;
    }
    return 0;
}

static bool read_options(struct cat *self, struct archive_paths *paths, int argc, char **argv)
{
    bool options = true;

    for (int i = 1; i < argc; i++) {
        if (!options || argv[i][0] != '-' || argv[i][1] == '\0') {
            archive_paths_add(paths, argv[i]);
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            options = false;
            continue;
        }
        int taken = own_option(self, argc, argv, &i);
        if (taken == 0)
            taken = selection_option(&self->selection, &command_cat, argc, argv, &i);
        if (taken == 0)
            usage_error(&command_cat, "there is no option \"%s\"", argv[i]);
        if (taken <= 0)
            return false;
    }
    if (paths->given == 0)
        archive_paths_add(paths, "-");
    return true;
}

static int run(int argc, char **argv)
{
    struct archive_paths paths = { 0 };
    struct cat self = { .colour = colour_wanted(STDOUT_FILENO) };
    int code = EXIT_USAGE;

    selection_init(&self.selection);
    lb_buffer_init(&self.out, OUT_BYTES_MAX);
    lb_buffer_init(&self.line, OUT_BYTES_MAX);
    if (!lb_line_records_open(&self.lines)) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
    } else if (read_options(&self, &paths, argc, argv)) {
        self.formatter.scratch = &self.lines.scratch;
        self.plain = !self.convert && !self.colour && selection_is_all(&self.selection);
        code = write_files(&self, &paths);
    }
    lb_line_records_close(&self.lines);
    lb_buffer_free(&self.out);
    lb_buffer_free(&self.line);
    selection_free(&self.selection);
    archive_paths_free(&paths);
    return code;
}

const struct command command_cat = {
    .name = "cat",
    .summary = "print archives of any age, whole or in part, as they are or in another format",
    .help = "logboom cat [--format json|logfmt|text|raw] [--color[=WHEN]]\n"
            "            " SELECTION_USAGE "\n            [PATH… | -]\n\n"
            "Prints the lines of archives (live, sealed), .zst, .gz and plain files; of a directory all visible\n"
            "files beneath it. A damaged block is left out, and said so on stderr with file and offset.\n\n"
            "  -o, --format FORMAT          write each record as json, logfmt, text (for eyes) or raw (the message\n"
            "                               alone); without it lines are printed as they are\n"
            "  --color[=auto|always|never]  colour the level; auto, on a terminal, unless given\n" SELECTION_HELP
            "\nExit code: 0, or 2 when something could not be read.\n\n"
            "  logboom cat --format text --level warn --since 2h /var/log/logboom/shop\n"
            "  logboom cat old.jsonl.zst | jq -r .message\n",
    .run = run,
};
