/* command_tail.c - `logboom tail`: the last records, then those that come. */
#include "command.h"

#include "archive_root.h"
#include "colour.h"
#include "fresh.h"
#include "tail.h"

#include "lb_alloc.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { OUT_BYTES_MAX = 256 * 1024 * 1024, FLUSH_MS = 2000, PREFIX_WIDTH = 12, COUNT_MAX = 10 * 1000 * 1000 };

bool tail_flush(struct tail *self)
{
    struct lb_str rest = lb_buffer_str(&self->out);

    while (rest.len > 0) {
        ssize_t written = write(STDOUT_FILENO, rest.ptr, rest.len);

        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0)
            rest = (struct lb_str){ rest.ptr + written, rest.len - (size_t)written };
    }
    lb_buffer_reset(&self->out);
    return true;
}

static void write_prefix(struct tail *self, const struct lb_record *record, struct lb_buffer *out)
{
    self->lines.scratch.used = 0;
    struct lb_str service = lb_value_str(record->service, &self->lines.scratch);

    if (service.len == 0)
        service = LB_STR("-");
    lb_buffer_print(out, "%s%-*.*s%s | ", self->colour ? colour_of_name(service) : "", PREFIX_WIDTH, (int)service.len,
                    service.ptr, self->colour ? colour_end : "");
}

void tail_format(struct tail *self, struct lb_str line, const struct lb_record *record, struct lb_buffer *out)
{
    lb_buffer_reset(&self->line);
    if (self->prefix)
        write_prefix(self, record, out);
    self->lines.scratch.used = 0;
    if (self->as_is) {
        lb_buffer_append_str(&self->line, line);
        lb_buffer_append_char(&self->line, '\n');
    } else {
        lb_format_write(&self->formatter, &self->lines.batch, record, &self->line);
    }
    if (self->colour)
        colour_line(out, lb_buffer_str(&self->line), record->level);
    else
        lb_buffer_append_str(out, lb_buffer_str(&self->line));
}

/* --- options ------------------------------------------------------------------------ */

struct tail_options {
    const char *config;
    const char *directory;
};

static bool set_format(struct tail *self, const char *word)
{
    self->as_is = strcmp(word, "as-is") == 0;
    if (self->as_is)
        return true;
    for (int i = 0; lb_format_names[i] != NULL; i++) {
        if (strcmp(lb_format_names[i], word) == 0) {
            self->formatter.format = (enum lb_format)i;
            return true;
        }
    }
    usage_error(&command_tail, "there is no format \"%s\"; one of text, json, logfmt, raw, as-is", word);
    return false;
}

static bool set_count(struct tail *self, const char *word)
{
    char *end;
    unsigned long long count = strtoull(word, &end, 10);

    if (*word < '0' || *word > '9' || *end != '\0' || count > COUNT_MAX) {
        usage_error(&command_tail, "-n: \"%s\" is no number of records", word);
        return false;
    }
    self->count = count;
    return true;
}

/* 1: taken, 0: not one of these, -1: wrong. */
static int value_option(struct tail *self, struct tail_options *options, int argc, char **argv, int *i)
{
    static const char *const names[] = { "-n", "-c", "--dir", "--format", NULL };
    int which = 0;

    while (names[which] != NULL && strcmp(names[which], argv[*i]) != 0)
        which++;
    if (names[which] == NULL)
        return 0;
    if (*i + 1 == argc) {
        usage_error(&command_tail, "%s needs a value", argv[*i]);
        return -1;
    }
    const char *value = argv[++*i];
    switch (which) {
    case 0: return set_count(self, value) ? 1 : -1;
    case 1: options->config = value; return 1;
    case 2: options->directory = value; return 1;
    default: return set_format(self, value) ? 1 : -1;
    }
}

static bool add_service(struct tail *self, const char *name)
{
    if (self->selection.service_count == SELECTION_SERVICES_MAX) {
        usage_error(&command_tail, "more than %d services", SELECTION_SERVICES_MAX);
        return false;
    }
    self->selection.services[self->selection.service_count++] = lb_str_from(name);
    return true;
}

static bool read_options(struct tail *self, struct tail_options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int taken = 1;

        if (argv[i][0] != '-')
            taken = add_service(self, argv[i]) ? 1 : -1;
        else if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--follow") == 0)
            self->follow = true;
        else if (strcmp(argv[i], "--color") == 0 || strncmp(argv[i], "--color=", 8) == 0)
            taken = colour_option(argv[i][7] == '=' ? argv[i] + 8 : NULL, STDOUT_FILENO, &self->colour) ? 1 : 0;
        else
            taken = value_option(self, options, argc, argv, &i);
        if (taken == 0)
            taken = selection_option(&self->selection, &command_tail, argc, argv, &i);
        if (taken == 0)
            usage_error(&command_tail, "unexpected \"%s\"", argv[i]);
        if (taken <= 0)
            return false;
    }
    return true;
}

static void close_files(struct tail *self)
{
    while (self->files != NULL) {
        struct tail_file *file = self->files;

        self->files = file->following;
        if (file->archive != NULL)
            lb_archive_close(file->archive);
        lb_free(file->path);
        lb_free(file);
    }
}

static int tail(struct tail *self, const struct tail_options *options)
{
    char directory[PATH_MAX];
    struct rlimit limit;

    self->directory = options->directory;
    if (self->directory == NULL) {
        if (!archive_root(options->config, directory))
            return EXIT_USAGE;
        self->directory = directory;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) { /* every growing file is held open */
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    self->prefix = self->selection.service_count != 1 && (self->as_is || self->formatter.format == LB_FORMAT_RAW);
    fresh_flush(self->directory, FLUSH_MS);
    tail_last(self);
    if (!tail_flush(self))
        return EXIT_OK;
    if (self->follow)
        tail_follow(self);
    return self->failed ? EXIT_USAGE : EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct tail self = { .count = 10,
                         .colour = colour_wanted(STDOUT_FILENO),
                         .formatter = { .format = LB_FORMAT_TEXT } };
    struct tail_options options = { .config = default_config() };
    int code = EXIT_USAGE;

    selection_init(&self.selection);
    lb_buffer_init(&self.out, OUT_BYTES_MAX);
    lb_buffer_init(&self.line, OUT_BYTES_MAX);
    self.decoder = lb_archive_decoder_new();
    if (!lb_line_records_open(&self.lines) || self.decoder == NULL) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
    } else if (read_options(&self, &options, argc, argv)) {
        self.formatter.scratch = &self.lines.scratch;
        code = tail(&self, &options);
    }
    close_files(&self);
    if (self.decoder != NULL)
        lb_archive_decoder_free(self.decoder);
    lb_line_records_close(&self.lines);
    lb_buffer_free(&self.out);
    lb_buffer_free(&self.line);
    selection_free(&self.selection);
    return code;
}

const struct command command_tail = {
    .name = "tail",
    .summary = "print the last records of services, and follow them",
    .help = "logboom tail [-n N] [-f] [-c FILE | --dir DIR] [--format FORMAT] [--color[=WHEN]]\n"
            "             [--since TIME] [--until TIME] [--level LEVEL] [--where EXPR] [SERVICE…]\n\n"
            "Prints the last 10 (N) records of the services (all, unless named) in the archive, by time. With -f it\n"
            "goes on with those that come, over rotation and new files, until it is interrupted. A logboom that is\n"
            "running is asked to write what it holds, so records show within about a second.\n\n"
            "  -n N             so many records\n"
            "  -f, --follow     and those that come\n"
            "  -c FILE          the archive of this configuration ($LOGBOOM_CONFIG, /etc/logboom/logboom.yaml)\n"
            "  --dir DIR        the archive in this directory\n"
            "  --format FORMAT  text (unless given), json, logfmt, raw (the message alone), as-is (the line as it\n"
            "                   is kept); raw and as-is get the service in front when there are several\n"
            "  --color[=WHEN]   auto, always or never\n" SELECTION_HELP "\n  logboom tail -f shop\n"
            "  logboom tail -n 100 --level error --dir ./var/archive\n",
    .run = run,
};
