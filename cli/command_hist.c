/*
 * command_hist.c - `logboom hist`: counts over time.
 *
 * A block whose records all fall into one bucket is counted by its zone map;
 * one that spans several, or records that must be looked at, are unpacked.
 */
#include "command.h"

#include "archive_scan.h"
#include "colour.h"
#include "histogram.h"
#include "lb_line_records.h"
#include "selection.h"
#include "time_argument.h"

#include "lb_json.h"
#include "lb_time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 80, WIDTH_MAX = 240, EMPTY_ROWS_MAX = 10000, WHEN_SIZE = 64 };

struct hist {
    struct selection selection;
    struct lb_line_records lines;
    struct histogram histogram;
    struct progress progress;
    uint32_t level_names[LB_ARCHIVE_LEVELS];
    const struct lb_archive_summary *summary; /* of the file that is read */
    int64_t every_ns;
    bool by_service;
    bool json;
    bool colour;
    uint64_t blocks, unpacked;
};

/* --- counting ------------------------------------------------------------------------ */

/* What the zone map says is all there is to know of the block. */
static bool is_told_by_index(const struct hist *self, const struct lb_archive_block *block)
{
    const struct selection *selection = &self->selection;

    if (selection->where != NULL || selection->service_count > 0 || selection->host_count > 0 ||
        !histogram_is_one(&self->histogram, block->first_ns, block->last_ns) ||
        !selection_has_time(selection, block->first_ns) || !selection_has_time(selection, block->last_ns))
        return false;
    return !self->by_service || (self->summary->service_count == 1 && selection->levels == 0);
}

static bool count_by_index(void *context, const struct lb_archive_block *block)
{
    struct hist *self = context;

    self->blocks++;
    if (!is_told_by_index(self, block)) {
        self->unpacked++;
        return false;
    }
    if (self->by_service) {
        struct lb_str service = self->summary->services[0];
        uint32_t name = histogram_name(&self->histogram, service.len > 0 ? service : LB_STR("(none)"));

        histogram_add(&self->histogram, block->first_ns, name, block->lines);
        return true;
    }
    for (uint32_t i = 0; i < LB_ARCHIVE_LEVELS; i++) {
        bool wanted = self->selection.levels == 0 || (self->selection.levels >> i & 1) != 0;

        if (block->levels[i] > 0 && wanted)
            histogram_add(&self->histogram, block->first_ns, self->level_names[i], block->levels[i]);
    }
    return true;
}

static void count_record(struct hist *self, const struct lb_record *record)
{
    uint32_t name = self->level_names[record->level < LB_LEVEL_COUNT ? record->level : LB_LEVEL_COUNT];

    if (self->by_service) {
        self->lines.scratch.used = 0;
        struct lb_str service = lb_value_str(record->service, &self->lines.scratch);
        name = histogram_name(&self->histogram, service.len > 0 ? service : LB_STR("(none)"));
    }
    if ((record->flags & LB_RECORD_NO_TIME) != 0)
        self->histogram.without_time++;
    else
        histogram_add(&self->histogram, record->time_ns, name, 1);
}

static bool count_text(void *context, const struct lb_archive_block *block, struct lb_str text)
{
    struct hist *self = context;

    (void)block;
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct lb_str line = { text.ptr, end != NULL ? (size_t)(end - text.ptr) : text.len };
        size_t used = line.len + (end != NULL);
        struct lb_record record;

        lb_line_records_read(&self->lines, line, &record);
        if (selection_match(&self->selection, &record, &self->lines.scratch))
            count_record(self, &record);
        text = (struct lb_str){ text.ptr + used, text.len - used };
    }
    return !self->histogram.failed;
}

/* A width that the archives' own times ask for, before anything is counted: more blocks then fit into one bucket. */
static void fit(struct hist *self, const struct archive_paths *paths)
{
    int64_t first = INT64_MAX;
    int64_t last = INT64_MIN;

    for (size_t i = 0; i < paths->count && !self->histogram.fixed; i++) {
        struct lb_archive *archive = NULL;
        lb_archive_reason reason = NULL;

        if (strcmp(paths->items[i].name, "-") == 0 || lb_archive_open(&archive, paths->items[i].name, &reason) != LB_OK)
            continue;
        const struct lb_archive_summary *summary = lb_archive_summary(archive);
        if (summary->first_ns <= summary->last_ns && summary->first_ns != INT64_MIN && summary->last_ns != INT64_MAX) {
            first = summary->first_ns < first ? summary->first_ns : first;
            last = summary->last_ns > last ? summary->last_ns : last;
        }
        lb_archive_close(archive);
    }
    first = self->selection.since_ns > first ? self->selection.since_ns : first;
    last = self->selection.until_ns < last ? self->selection.until_ns : last;
    histogram_fit(&self->histogram, first, last);
}

static bool count_files(struct hist *self, const struct archive_paths *paths)
{
    struct lb_archive_query query = selection_query(&self->selection);
    struct archive_scan scan = { .query = selection_is_all(&self->selection) ? NULL : &query,
                                 .verify = true,
                                 .progress = &self->progress,
                                 .text = count_text,
                                 .skip = count_by_index,
                                 .context = self };
    uint64_t total = 0;

    for (size_t i = 0; i < paths->count; i++)
        total += paths->items[i].bytes;
    progress_start(&self->progress, "hist", total);
    for (size_t i = 0; i < paths->count && !scan.stopped; i++) {
        struct lb_archive *archive = archive_open(paths->items[i].name);

        scan.failed = scan.failed || archive == NULL;
        if (archive == NULL)
            continue;
        self->summary = lb_archive_summary(archive);
        lb_line_records_begin(&self->lines);
        archive_scan_open(&scan, paths->items[i].name, archive);
        lb_archive_close(archive);
    }
    progress_hide(&self->progress);
    archive_scan_end(&scan);
    return !scan.failed && !scan.stopped;
}

/* --- showing ------------------------------------------------------------------------- */

static uint64_t total_of(const struct histogram_bucket *bucket)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < HISTOGRAM_NAMES_MAX; i++)
        total += bucket->counts[i];
    return total;
}

static void local_text(int64_t time_ns, bool seconds, char *text)
{
    time_t time = (time_t)(time_ns / LB_SECOND);
    struct tm parts;

    localtime_r(&time, &parts);
    strftime(text, WHEN_SIZE, seconds ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d %H:%M", &parts);
}

static void print_json(const struct hist *self, const struct histogram_bucket *bucket)
{
    const char *separator = "";
    char when[LB_TIME_TEXT_SIZE];
    struct lb_buffer out;

    lb_buffer_init(&out, 1024 * 1024);
    when[lb_time_write(histogram_begin(&self->histogram, bucket->number), when)] = '\0';
    lb_buffer_print(&out, "{\"timestamp\":\"%s\",\"seconds\":%.9g,\"count\":%" PRIu64 ",\"%s\":{", when,
                    (double)self->histogram.every_ns / 1e9, total_of(bucket), self->by_service ? "services" : "levels");
    for (uint32_t i = 0; i < self->histogram.name_count; i++) {
        if (bucket->counts[i] == 0)
            continue;
        lb_buffer_append_str(&out, lb_str_from(separator));
        lb_json_write_value(&out, lb_value_text(self->histogram.names[i]));
        lb_buffer_print(&out, ":%" PRIu64, bucket->counts[i]);
        separator = ",";
    }
    printf(LB_STR_FMT "}}\n", LB_STR_ARG(lb_buffer_str(&out)));
    lb_buffer_free(&out);
}

static bool is_used(const struct hist *self, uint32_t name)
{
    for (size_t i = 0; i < self->histogram.count; i++) {
        if (self->histogram.buckets[i].counts[name] > 0)
            return true;
    }
    return false;
}

/* For a pipe: columns with a head. */
static void print_row(const struct hist *self, const struct histogram_bucket *bucket)
{
    char when[LB_TIME_TEXT_SIZE];

    when[lb_time_write(histogram_begin(&self->histogram, bucket->number), when)] = '\0';
    printf("%s\t%" PRIu64, when, total_of(bucket));
    for (uint32_t i = 0; i < self->histogram.name_count; i++) {
        if (is_used(self, i))
            printf("\t%" PRIu64, bucket->counts[i]);
    }
    putchar('\n');
}

static void print_head(const struct hist *self)
{
    printf("timestamp\tcount");
    for (uint32_t i = 0; i < self->histogram.name_count; i++) {
        if (is_used(self, i))
            printf("\t" LB_STR_FMT, LB_STR_ARG(self->histogram.names[i]));
    }
    putchar('\n');
}

static const char *colour_of(const struct hist *self, uint32_t name)
{
    if (!self->colour)
        return "";
    struct lb_str text = self->histogram.names[name];
    return self->by_service ? colour_of_name(text) : colour_of_level(lb_level_parse(text));
}

static int bar_width(void)
{
    struct winsize size;
    int width = WIDTH;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col;
    width = width > WIDTH_MAX ? WIDTH_MAX : width;
    return width > 40 ? width - 32 : 8;
}

/* A row of the plot: parts of the bar by name, each as long as its share. */
static void print_bar(const struct hist *self, const struct histogram_bucket *bucket, uint64_t highest, int width)
{
    char when[WHEN_SIZE];
    double before = 0;

    local_text(histogram_begin(&self->histogram, bucket->number), self->histogram.every_ns < 60 * LB_SECOND, when);
    printf("%s %9" PRIu64 " ", when, total_of(bucket));
    for (uint32_t i = 0; i < self->histogram.name_count; i++) {
        if (bucket->counts[i] == 0)
            continue;
        double behind = before + (double)bucket->counts[i] * width / (double)highest;

        fputs(colour_of(self, i), stdout);
        for (int cell = (int)(before + 0.5); cell < (int)(behind + 0.5); cell++)
            fputs("\xe2\x96\x88", stdout);
        fputs(self->colour ? colour_end : "", stdout);
        before = behind;
    }
    putchar('\n');
}

static void print_legend(const struct hist *self)
{
    char text[WHEN_SIZE];
    int64_t seconds = self->histogram.every_ns / LB_SECOND;
    uint64_t totals[HISTOGRAM_NAMES_MAX] = { 0 };

    for (size_t i = 0; i < self->histogram.count; i++) {
        for (uint32_t j = 0; j < self->histogram.name_count; j++)
            totals[j] += self->histogram.buckets[i].counts[j];
    }
    for (uint32_t i = 0; i < self->histogram.name_count; i++) {
        if (totals[i] > 0)
            printf("%s\xe2\x96\x88%s " LB_STR_FMT " %" PRIu64 "  ", colour_of(self, i), self->colour ? colour_end : "",
                   LB_STR_ARG(self->histogram.names[i]), totals[i]);
    }
    snprintf(text, sizeof(text),
             seconds % 3600 == 0 ? "%" PRId64 " h"
             : seconds % 60 == 0 ? "%" PRId64 " min"
                                 : "%" PRId64 " s",
             seconds % 3600 == 0 ? seconds / 3600
             : seconds % 60 == 0 ? seconds / 60
                                 : seconds);
    printf("(a row is %s)\n", text);
}

/* Each bucket from the first to the last, the empty ones too. */
static void print_all(const struct hist *self)
{
    const struct histogram *histogram = &self->histogram;
    bool plot = !self->json && isatty(STDOUT_FILENO) == 1;
    uint64_t highest = 1;
    int width = bar_width();

    for (size_t i = 0; i < histogram->count; i++)
        highest = total_of(&histogram->buckets[i]) > highest ? total_of(&histogram->buckets[i]) : highest;
    if (!plot && !self->json)
        print_head(self);
    for (size_t i = 0; i < histogram->count; i++) {
        struct histogram_bucket bucket = { .number = i > 0 ? histogram->buckets[i - 1].number + 1
                                                           : histogram->buckets[i].number };

        if (histogram->buckets[i].number - bucket.number > EMPTY_ROWS_MAX)
            bucket.number = histogram->buckets[i].number;
        for (; bucket.number <= histogram->buckets[i].number; bucket.number++) {
            const struct histogram_bucket *row =
                bucket.number == histogram->buckets[i].number ? &histogram->buckets[i] : &bucket;
            if (self->json)
                print_json(self, row);
            else if (plot)
                print_bar(self, row, highest, width);
            else
                print_row(self, row);
        }
    }
    if (plot && histogram->count > 0)
        print_legend(self);
    if (histogram->without_time > 0)
        fprintf(stderr, "logboom: %" PRIu64 " lines have no time and are left out\n", histogram->without_time);
}

/* --- options ------------------------------------------------------------------------- */

static bool set_value(struct hist *self, const char *option, const char *value)
{
    bool fine = value != NULL;

    if (fine && strcmp(option, "--every") == 0) {
        fine = duration_argument(value, &self->every_ns) && self->every_ns >= LB_MILLISECOND;
    } else if (fine) {
        self->by_service = strcmp(value, "service") == 0;
        fine = self->by_service || strcmp(value, "level") == 0;
    }
    if (!fine)
        usage_error(&command_hist, strcmp(option, "--by") == 0 ? "--by is level or service"
                                                               : "--every is a duration such as 30s, 5m, 1h");
    return fine;
}

/* 1: taken, 0: not an option of hist, -1: wrong. */
static int own_option(struct hist *self, int argc, char **argv, int *i)
{
    static const char *const names[] = { "--by", "--every" };

    if (strcmp(argv[*i], "--json") == 0) {
        self->json = true;
        return 1;
    }
    for (size_t n = 0; n < 2; n++) {
        size_t length = strlen(names[n]);

        if (strncmp(argv[*i], names[n], length) != 0)
            continue;
        if (argv[*i][length] == '=')
            return set_value(self, names[n], argv[*i] + length + 1) ? 1 : -1;
        if (argv[*i][length] == '\0')
            return set_value(self, names[n], ++*i < argc ? argv[*i] : NULL) ? 1 : -1;
    }
    return 0;
}

static bool read_options(struct hist *self, struct archive_paths *paths, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            archive_paths_add(paths, argv[i]);
            continue;
        }
        int taken = own_option(self, argc, argv, &i);
        if (taken == 0)
            taken = selection_option(&self->selection, &command_hist, argc, argv, &i);
        if (taken == 0)
            usage_error(&command_hist, "there is no option \"%s\"", argv[i]);
        if (taken <= 0)
            return false;
    }
    if (paths->given == 0)
        archive_paths_add(paths, "-");
    return true;
}

static int show(struct hist *self, const struct archive_paths *paths)
{
    for (uint32_t i = 0; i < LB_ARCHIVE_LEVELS && !self->by_service; i++) {
        struct lb_str name = i < LB_LEVEL_COUNT ? lb_level_name((uint8_t)i) : LB_STR("(none)");
        self->level_names[i] = histogram_name(&self->histogram, name);
    }
    fit(self, paths);
    bool fine = count_files(self, paths);
    if (self->histogram.failed) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
        return EXIT_USAGE;
    }
    print_all(self);
    if (!fine || paths->failed)
        return EXIT_USAGE;
    return self->histogram.count > 0 ? EXIT_OK : EXIT_NO;
}

static int run(int argc, char **argv)
{
    struct archive_paths paths = { 0 };
    struct hist self = { .colour = colour_wanted(STDOUT_FILENO) };
    int code = EXIT_USAGE;

    selection_init(&self.selection);
    if (!lb_line_records_open(&self.lines)) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
    } else if (read_options(&self, &paths, argc, argv)) {
        histogram_init(&self.histogram, self.every_ns);
        code = show(&self, &paths);
        histogram_free(&self.histogram);
    }
    lb_line_records_close(&self.lines);
    selection_free(&self.selection);
    archive_paths_free(&paths);
    return code;
}

const struct command command_hist = {
    .name = "hist",
    .summary = "plot how many records there are over time, by level or service",
    .help = "logboom hist [--by level|service] [--every DURATION] [--json]\n"
            "             " SELECTION_USAGE "\n             [PATH… | -]\n\n"
            "Counts records over time: a plot on a terminal, columns separated by tabs in a pipe. Sealed archives\n"
            "answer from their index; only blocks that span two rows are unpacked.\n\n"
            "  --by level|service           what the bars are made of; level unless given\n"
            "  --every DURATION             the width of a row: 30s, 5m, 1h; as the span asks for unless given\n"
            "  --json                       a line of JSON for each row\n" SELECTION_HELP
            "\nExit code: 0, 1 when there is no record, 2 when something could not be read.\n\n"
            "  logboom hist --since 2h --level warn /var/log/logboom\n",
    .run = run,
};
