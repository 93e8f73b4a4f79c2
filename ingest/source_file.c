/*
 * source_file.c - follows the files that match some patterns, line by line,
 * through rotation and restarts. All of the work is in tail*.c.
 */
#include "tail.h"

static const struct lb_option options[] = {
    { .name = "include",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct lb_tail_state, options.include),
      .help = "patterns of the files to read; * and ? match within a name, ** any number of directories; a compressed "
              "file (.gz, .zst, ...) only where the pattern ends as it does",
      .flags = LB_OPTION_REQUIRED },
    LB_TAIL_OPTIONS,
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
    .multiline = true,
    .envelope = &lb_envelope_lines,
    .parse = "auto",
    .check = lb_tail_source_check,
    .reads = lb_tail_source_reads,
    .open = open_source,
    .stop = lb_tail_source_stop,
    .resume = lb_tail_source_resume,
    .close = lb_tail_source_close,
};
