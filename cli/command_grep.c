/* command_grep.c - `logboom grep`: lines of archives and other files that match, found by the index where there is one.
 */
#include "command.h"

#include "archive_root.h"
#include "archive_scan.h"
#include "daemon.h"
#include "fresh.h"
#include "grep.h"

#include "lb_alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_MS = 2000, THREAD_BYTES = 128 * 1024 };

struct grep {
    struct grep_options options;
    struct grep_pattern pattern;
    struct archive_paths paths;
    struct grep_print print;
    struct grep_totals totals;
    struct progress progress;
    uint64_t file_done; /* bytes of the file at work */
    int64_t begun_ns;
    bool failed;
};

/* --- searching ----------------------------------------------------------------------------- */

static void tell(struct grep *self, struct lb_str text)
{
    if (text.len == 0)
        return;
    self->failed = true;
    progress_hide(&self->progress);
    fwrite(text.ptr, 1, text.len, stderr);
}

/* Whether the pattern was given up. */
static bool gave_up(struct grep *self, const struct grep_part *part)
{
    if (part->failure == NULL)
        return false;
    self->failed = true;
    progress_hide(&self->progress);
    fprintf(stderr, "logboom: %s: the pattern is given up: %s\n", self->paths.items[part->file].name, part->failure);
    return true;
}

/* What the index spared counts as done when its file is. */
static void add_progress(struct grep *self, const struct grep_part *part, bool ended)
{
    uint64_t size = self->paths.items[part->file].bytes;
    uint64_t packed = part->packed < size - self->file_done ? part->packed : size - self->file_done;

    progress_add(&self->progress, ended ? size - self->file_done : packed);
    self->file_done = ended ? 0 : self->file_done + packed;
}

/* Takes a part and gives it back. False: the search is over. */
static bool print_part(struct grep *self, struct grep_search *search, struct grep_part *part)
{
    tell(self, lb_buffer_str(&part->complaints));
    if (gave_up(self, part)) {
        grep_search_give_back(search, part);
        return false;
    }
    bool go_on = grep_print_part(&self->print, part);
    bool last = part->last;
    if (isatty(STDOUT_FILENO) != 1)
        add_progress(self, part, last || !go_on);
    grep_search_give_back(search, part);
    if (!go_on && !last)
        grep_search_skip(search);
    return !self->print.closed && !(self->options.quiet && self->print.total > 0);
}

static bool search(struct grep *self)
{
    struct grep_search *search =
        grep_search_start(&self->options, &self->pattern, &self->paths, worker_count_allowed());
    struct grep_part *part;
    uint64_t total = 0;
    bool go_on = search != NULL;

    if (search == NULL) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
        self->failed = true;
        return true;
    }
    progress_start(&self->progress, "grep", total);
    while (go_on && (part = grep_search_next(search)) != NULL)
        go_on = print_part(self, search, part);
    progress_hide(&self->progress);
    if (go_on)
        grep_search_end(search, &self->totals);
    return go_on;
}

static void print_stats(struct grep *self)
{
    double seconds = (double)(lb_clock_monotonic() - self->begun_ns) / 1e9;
    const struct grep_totals *totals = &self->totals;
    char packed[SIZE_TEXT_SIZE];
    char all[SIZE_TEXT_SIZE];
    char raw[SIZE_TEXT_SIZE];

    if (self->options.json) {
        printf("{\"stats\":{\"files\":%" PRIu64 ",\"lines\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"blocks_all\":%" PRIu64
               ",\"bytes\":%" PRIu64 ",\"packed\":%" PRIu64 ",\"packed_all\":%" PRIu64 ",\"seconds\":%.6f}}\n",
               totals->files, self->print.total, totals->blocks, totals->blocks_all, totals->raw, totals->packed,
               totals->packed_all, seconds);
        return;
    }
    fprintf(stderr,
            "logboom: %" PRIu64 " lines in %" PRIu64 " files; %" PRIu64 " of %" PRIu64
            " blocks read, %s of %s, unpacked %s; %.3f s\n",
            self->print.total, totals->files, totals->blocks, totals->blocks_all, size_text(totals->packed, packed),
            size_text(totals->packed_all, all), size_text(totals->raw, raw), seconds);
}

static int exit_code(const struct grep *self)
{
    bool failed = self->failed || self->paths.failed || self->print.failed;

    /* As grep: with -q a match is enough. */
    if (failed && !(self->options.quiet && self->print.total > 0))
        return EXIT_USAGE;
    return self->print.total > 0 ? EXIT_OK : EXIT_NO;
}

/* --- the command line ------------------------------------------------------------------------ */

static bool is_path(const char *word)
{
    struct stat status;

    return strcmp(word, "-") == 0 || stat(word, &status) == 0;
}

/* With --level and the like the pattern may be left out. */
static bool has_pattern(const struct grep_options *options, const char **operands, size_t count)
{
    if (options->has_patterns || count == 0)
        return false;
    if (selection_is_all(&options->selection))
        return true;
    return !(is_path(operands[0]) && (count == 1 || strchr(operands[0], '/') != NULL));
}

/* In the same directory: what is in memory for one is for the other. */
static bool is_beside(const char *a, const char *b)
{
    const char *a_slash = strrchr(a, '/');
    const char *b_slash = strrchr(b, '/');
    size_t a_length = a_slash != NULL ? (size_t)(a_slash - a) : 0;
    size_t b_length = b_slash != NULL ? (size_t)(b_slash - b) : 0;

    return a_length == b_length && memcmp(a, b, a_length) == 0;
}

static bool set_paths(struct grep *self, const char **operands, size_t count)
{
    char directory[PATH_MAX];
    bool from_config = self->options.config != NULL || (count == 0 && isatty(STDIN_FILENO) == 1);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(operands[i], "-") != 0 && (i == 0 || !is_beside(operands[i - 1], operands[i])))
            fresh_flush(operands[i], FLUSH_MS);
        archive_paths_add(&self->paths, operands[i]);
    }
    if (from_config) {
        if (!archive_root(self->options.config != NULL ? self->options.config : default_config(), directory))
            return false;
        fresh_flush(directory, FLUSH_MS);
        archive_paths_add(&self->paths, directory);
    } else if (count == 0) {
        archive_paths_add(&self->paths, "-");
    }
    return true;
}

static bool prepare(struct grep *self, const char **operands, size_t count)
{
    struct grep_options *options = &self->options;
    struct lb_strs patterns = { options->patterns, 0 };
    bool first = has_pattern(options, operands, count);

    if (!first && !options->has_patterns && selection_is_all(&options->selection)) {
        usage_error(&command_grep, "there is nothing to look for: it needs a pattern, or an option such as --level");
        return false;
    }
    if (first && !grep_options_add(options, lb_str_from(operands[0])))
        return false;
    if (options->has_patterns && options->pattern_count == 0) { /* an empty -f FILE: nothing matches */
        options->patterns[options->pattern_count++] = LB_STR("(?!)");
        options->pattern.fixed = false;
    } else if (!options->has_patterns) {
        options->patterns[options->pattern_count++] = LB_STR("");
    }
    patterns.count = options->pattern_count;
    return grep_pattern_open(&self->pattern, &patterns, options->pattern) &&
           set_paths(self, operands + first, count - first);
}

static int grep(struct grep *self, const char **operands, size_t count)
{
    bool ended = true;

    if (!prepare(self, operands, count))
        return EXIT_USAGE;
    if (!grep_print_open(&self->print, &self->options, &self->paths)) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
        return EXIT_USAGE;
    }
    if (self->options.sort_time && !self->options.count && !self->options.quiet && self->options.list == GREP_LIST_NONE)
        self->failed = !grep_merge(&self->options, &self->pattern, &self->paths, &self->print, &self->totals);
    else
        ended = search(self);
    if (self->options.stats && ended)
        print_stats(self);
    if (!ended) {
        /* A thread may be waiting for a pipe, for ever; nothing is left to write. */
        fflush(NULL);
        _exit(exit_code(self));
    }
    return exit_code(self);
}

static int run(int argc, char **argv)
{
    struct grep *self = lb_alloc(sizeof(*self));
    const char **operands = lb_alloc(((size_t)argc + 1) * sizeof(*operands));
    size_t count = 0;
    int code = EXIT_USAGE;

    if (self == NULL || operands == NULL) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
    } else {
        self->begun_ns = lb_clock_monotonic();
        selection_init(&self->options.selection);
        if (grep_options_read(&self->options, operands, &count, argc, argv))
            code = grep(self, operands, count);
        grep_print_close(&self->print);
        grep_pattern_close(&self->pattern);
        selection_free(&self->options.selection);
        archive_paths_free(&self->paths);
    }
    lb_free(operands);
    lb_free(self);
    return code;
}

const struct command command_grep = {
    .name = "grep",
    .summary = "find lines in archives and other files, by their index where they have one",
    .help =
        "logboom grep [OPTIONS] PATTERN [PATH… | -]\n"
        "logboom grep [OPTIONS] (-e PATTERN | -f FILE | --level LEVEL | …)… [PATH… | -]\n\n"
        "Prints the lines that match, of archives (live, sealed), .zst, .gz and plain files; of a directory all\n"
        "visible files beneath it. An archive's index tells which blocks can hold a match, so most are never\n"
        "unpacked. Nothing is left out by it: the lines are those of `zstdcat FILE | grep`. A logboom that is\n"
        "running is asked to write what it holds.\n\n"
        "Find\n"
        "  PATTERN, -e PATTERN          a regular expression, as Perl's (PCRE2); several -e: any of them\n"
        "  -f FILE                      each line of FILE is a pattern\n"
        "  -F                           patterns are plain text (-E and -P, the default, undo it)\n"
        "  -i  -w  -x  -v               whatever case; whole words; whole lines; lines that do not match\n"
        "Only records\n" SELECTION_HELP "Print\n"
        "  -A N  -B N  -C N, -N         N lines after, before, around each match\n"
        "  -n  -H  -h                   line numbers; with, without the name of the file\n"
        "  -o                           only what matches\n"
        "  -c  -l  -L  -q               how many lines of each file; names of files with, without a match; nothing\n"
        "  -m N                         at most N lines of each file\n"
        "  --sort time                  lines of all files by time, instead of file by file\n"
        "  --format FORMAT              write each record as json, logfmt, text (for eyes) or raw (the message)\n"
        "  --json                       {\"path\":…,\"record\":{…}} a line, or \"text\" where it is no record\n"
        "  --color[=WHEN]               auto, always or never\n"
        "  --stats                      what was read, on stderr\n"
        "Where\n"
        "  --config FILE                the archive of this configuration; also without PATH on a terminal\n"
        "                               ($LOGBOOM_CONFIG, /etc/logboom/logboom.yaml)\n"
        "  --no-index                   read every block\n"
        "\nExit code: 0 a line matched, 1 none did, 2 something could not be read (a damaged block is left out and\n"
        "told on stderr with file and offset).\n\n"
        "  logboom grep 4bf92f3577b34da6 /var/log/logboom            # an id, or a part of one: a few blocks are read\n"
        "  logboom grep -i 'timeout|refused' --since 2h /var/log/logboom/shop\n"
        "  logboom grep --level error --format text --sort time /var/log/logboom\n"
        "  logboom grep -c --level error /var/log/logboom            # counted by the index alone\n"
        "  logboom grep -C3 'status=5\\d\\d' --where 'duration_ms > 500' app.jsonl.zst old.log.gz\n",
    .run = run,
    .has_h = true,
};
