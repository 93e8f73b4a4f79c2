/*
 * grep.h - what the parts of `logboom grep` share.
 *
 * Workers unpack blocks and find lines (grep_scan.c); each fills a part, the
 * lines of some blocks that follow one another. The main thread takes parts
 * in the order of files and blocks, whichever was ready first
 * (grep_search.c), and prints (grep_print.c). What a line looks like is made
 * by the worker; where it stands in its file, and so its number, context at
 * the borders of blocks and -m, only the main thread knows.
 */
#ifndef GREP_H
#define GREP_H

#include "archive_paths.h"
#include "grep_pattern.h"
#include "lb_line_records.h"
#include "selection.h"

#include "lb_format.h"

enum { GREP_CONTEXT_MAX = 100 * 1000, GREP_PATTERNS_MAX = 65536 };

enum grep_list { GREP_LIST_NONE, GREP_LIST_WITH, GREP_LIST_WITHOUT };
enum grep_names { GREP_NAMES_AUTO, GREP_NAMES_ON, GREP_NAMES_OFF };

struct grep_options {
    struct grep_pattern_options pattern;
    struct lb_str patterns[GREP_PATTERNS_MAX]; /* from the command line, or in selection.arena */
    size_t pattern_count;
    bool has_patterns; /* -e or -f was given */
    bool invert, count, numbers, only, quiet, no_index, json, stats, sort_time, colour, convert;
    enum lb_format format;
    enum grep_list list;
    enum grep_names names;
    uint64_t before, after;
    uint64_t max; /* of a file; UINT64_MAX: all */
    const char *config;
    struct selection selection;
};

/* --- options --------------------------------------------------------------------------- */

/* False: wrong, and said so. What is no option goes to `operands`. */
bool grep_options_read(struct grep_options *options, const char **operands, size_t *operand_count, int argc,
                       char **argv);

/* Each line of `text` is a pattern. False: too many. */
bool grep_options_add(struct grep_options *options, struct lb_str text);

/* --- lines of a part ---------------------------------------------------------------------- */

struct grep_line {
    size_t start; /* in the part's text, */
    size_t length;
    uint64_t number; /* among the lines of the part, from 1 */
    int64_t time_ns; /* with --sort time */
    bool context;    /* it did not match; it may be near one that does */
    bool more;       /* one more match (-o) of the same line */
};

struct grep_part {
    struct grep_part *following;
    uint32_t worker; /* whose it is */
    uint32_t file;
    uint32_t ordinal; /* among the parts of its file */
    bool last;        /* of its file */

    struct lb_buffer text;
    struct lb_buffer lines;       /* of struct grep_line; only where grep_needs_lines() */
    uint64_t matches;             /* lines */
    uint64_t line_count;          /* of all lines that were seen, */
    uint64_t gap;                 /* and of blocks before it that were not read */
    struct lb_buffer complaints;  /* for stderr */
    const char *failure;          /* of the pattern */
    uint64_t blocks, raw, packed; /* that were read */
};

/* --- scanning (one per thread) --------------------------------------------------------------- */

struct grep_scan {
    const struct grep_options *options;
    struct grep_matcher *matcher;
    struct lb_line_records records;
    struct lb_formatter formatter;
    struct lb_buffer line; /* before it gets its colour */
    struct lb_str prefix;  /* of each line, where parts have no lines */
    bool needs_lines, needs_text, is_plain;

    /* The part and the text that are at work. */
    struct grep_part *part;
    struct lb_str text;
    const char *cursor;  /* behind the last line that went to the part */
    const char *counted; /* lines are counted up to here */
    uint64_t after_left;

    /* For lines that have no time. */
    const char *read_end; /* behind the last line that was read as a record */
    int64_t carried_ns;   /* time of the last line of the text before */
    struct lb_str level_word;
    char level_text[16];
    uint8_t level;
};

/* Lines one by one, because somebody asks for their number or place. */
bool grep_needs_lines(const struct grep_options *options);

bool grep_scan_open(struct grep_scan *scan, const struct grep_options *options, const struct grep_pattern *pattern);
void grep_scan_close(struct grep_scan *scan);

/* Before the first text of a file or a job. `prefix` lives until the next one. */
void grep_scan_begin(struct grep_scan *scan, struct lb_str prefix);

/* A text of whole lines goes to `part`. False: no more is wanted of this file. */
bool grep_scan_text(struct grep_scan *scan, struct grep_part *part, struct lb_str text);

/* grep_filter.c: whether a line of scan->text is asked for by --level and the like. */
bool grep_filter_takes(struct grep_scan *scan, struct lb_str line);

/* A line of scan->text as a record. */
void grep_filter_read(struct grep_scan *scan, struct lb_str line, struct lb_record *record);

/* Behind a text that another of the same file follows. */
void grep_filter_carry(struct grep_scan *scan);

/* --- searching files ---------------------------------------------------------------------- */

struct grep_totals {
    uint64_t files, blocks, blocks_all, raw, packed, packed_all, index;
};

struct grep_search;

struct grep_search *grep_search_start(const struct grep_options *options, const struct grep_pattern *pattern,
                                      const struct archive_paths *paths, uint32_t threads);

/* The next part in order: the caller's until it is given back. NULL: there are no more. */
struct grep_part *grep_search_next(struct grep_search *search);
void grep_search_give_back(struct grep_search *search, struct grep_part *part);

/* No more parts of the file at work are wanted. */
void grep_search_skip(struct grep_search *search);

/* Ends the threads. */
void grep_search_end(struct grep_search *search, struct grep_totals *totals);

/* grep_file.c: one file that is open, and which of its blocks are to be read. */
struct grep_file {
    struct lb_archive *archive;
    const struct lb_archive_summary *summary;
    const struct lb_archive_block *blocks;
    uint64_t *bits;
    uint32_t wanted; /* blocks */
    bool verify;     /* checksums */
    int fd;          /* to tell the kernel what comes; -1 */
};

/* False: it cannot be read; the reason is added to `complaints`. */
bool grep_file_open(struct grep_file *file, const char *path, const struct grep_options *options,
                    const struct grep_pattern *pattern, struct lb_buffer *complaints);
void grep_file_close(struct grep_file *file);
bool grep_file_wants(const struct grep_file *file, uint32_t block);

/* What is known of a block without reading it: how many of its lines are asked for. */
bool grep_file_count(const struct grep_file *file, const struct grep_options *options,
                     const struct grep_pattern *pattern, uint32_t block, uint64_t *lines);

/* Reads a block into a part. False: no more is wanted. */
bool grep_file_scan(struct grep_file *file, const char *path, uint32_t block, struct lb_archive_decoder *decoder,
                    struct grep_scan *scan, struct grep_part *part);

/* The next piece of a stream. LB_END: it was the last one, or the rest cannot be read. */
enum lb_err grep_file_scan_next(struct grep_file *file, const char *path, struct lb_archive_decoder *decoder,
                                struct grep_scan *scan, struct grep_part *part);

void grep_part_init(struct grep_part *part);
void grep_part_reset(struct grep_part *part);
void grep_part_free(struct grep_part *part);

/* --- printing ------------------------------------------------------------------------------ */

struct grep_kept { /* a line that may become context */
    uint64_t number;
    struct lb_buffer text;
};

struct grep_print {
    const struct grep_options *options;
    const struct archive_paths *paths;
    bool names;
    struct lb_buffer out;

    /* The file at work. */
    uint32_t file;
    uint64_t base;    /* lines before the part at work */
    uint64_t matches; /* so far */
    uint64_t printed; /* number of the last line that was printed; 0: none */
    uint64_t after_until;
    struct grep_kept *kept; /* options->before of them, a ring */
    uint64_t kept_next;
    bool any_printed;

    uint64_t total; /* matches of all files */
    bool closed;    /* nobody reads any more */
    bool failed;
};

bool grep_print_open(struct grep_print *print, const struct grep_options *options, const struct archive_paths *paths);
void grep_print_close(struct grep_print *print);

/* False: no more of this file is wanted. */
bool grep_print_part(struct grep_print *print, const struct grep_part *part);

/* One line of a part, whatever came before (--sort time). */
void grep_print_line(struct grep_print *print, const char *path, const struct grep_part *part,
                     const struct grep_line *line);
bool grep_print_flush(struct grep_print *print);

/* What stands before each line of a file; `out` is reset. */
void grep_print_prefix(const struct grep_options *options, const char *path, struct lb_buffer *out);

/* Whether paths are printed. */
bool grep_print_names(const struct grep_options *options, const struct archive_paths *paths);

/* --- by time ------------------------------------------------------------------------------- */

/* Searches and prints all files by the time of their records. False: something could not be read. */
bool grep_merge(const struct grep_options *options, const struct grep_pattern *pattern,
                const struct archive_paths *paths, struct grep_print *print, struct grep_totals *totals);

#endif
