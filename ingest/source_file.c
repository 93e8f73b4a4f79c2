/*
 * source_file.c - follows the files that match some patterns, line by line,
 * through rotation and restarts. All of the work is in tail*.c.
 */
#include "tail.h"

static const struct lb_option options[] = {
    { .name = "include",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct lb_tail_state, options.include),
      .help = "patterns of the files to read; * and ? match within a name, ** any number of directories",
      .flags = LB_OPTION_REQUIRED },
    { .name = "exclude",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct lb_tail_state, options.exclude),
      .help = "patterns of files to leave out; one without a slash is compared with the last part of the path" },
    { .name = "read_from",
      .kind = LB_OPTION_CHOICE,
      .offset = offsetof(struct lb_tail_state, options.read_from),
      .fallback = "head",
      .help = "where to begin in files that exist at the first start; later ones are read from their head",
      .choices = lb_tail_from_words },
    { .name = "ignore_older",
      .kind = LB_OPTION_DURATION,
      .offset = offsetof(struct lb_tail_state, options.ignore_older_ns),
      .fallback = "0s",
      .help = "of files not changed for so long, skip what they hold; 0s reads all",
      .max = INT64_MAX },
    { .name = "poll",
      .kind = LB_OPTION_DURATION,
      .offset = offsetof(struct lb_tail_state, options.poll_ns),
      .fallback = "1s",
      .help = "how often to look for changes where inotify cannot tell of them, as on network file systems",
      .min = 100 * LB_MILLISECOND,
      .max = 3600 * LB_SECOND },
    { .name = NULL },
};

static const struct lb_tail_kind kind;

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    return lb_tail_source_open(source, &kind, diag);
}

const struct lb_source_type lb_source_file = {
    .module = { .name = "file",
                .help = "follows text files, a record for each line",
                .state_size = sizeof(struct lb_tail_state),
                .options = options },
    .file_like = true,
    .envelope = &lb_envelope_lines,
    .parse = "auto",
    .check = lb_tail_source_check,
    .reads = lb_tail_source_reads,
    .open = open_source,
    .stop = lb_tail_source_stop,
    .close = lb_tail_source_close,
};
