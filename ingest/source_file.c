/*
 * source_file.c - follows the files that match some patterns, line by line,
 * through rotation and restarts. All of the work is in tail*.c.
 */
#include "tail.h"

static const char *const after_words[] = { "keep", "delete", NULL };

static const struct lb_option options[] = {
    { .name = "include",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct lb_tail_state, options.include),
      .help = "patterns of the files to read; * and ? match within a name, ** any number of directories, {name} one or "
              "more characters that become a field ({service}, {host} and others); a compressed file (.gz, .zst) only "
              "where the pattern ends as it does",
      .flags = LB_OPTION_REQUIRED },
    { .name = "encoding",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct lb_tail_state, encoding_name),
      .help = "how the text is encoded, where that is not UTF-8: utf-16 (-le, -be), latin1, windows-1252, shift_jis "
              "and what "
              "else iconv knows" },
    LB_TAIL_OPTIONS,
    { .name = "line_timeout",
      .kind = LB_OPTION_DURATION,
      .offset = offsetof(struct lb_tail_state, options.line_timeout_ns),
      .fallback = "0s",
      .help = "a last line without a newline is a record when nothing was added to it for so long; 0s: it waits",
      .max = 3600 * 24 * LB_SECOND },
    { .name = "after",
      .kind = LB_OPTION_CHOICE,
      .offset = offsetof(struct lb_tail_state, options.after),
      .fallback = "keep",
      .help = "what becomes of a file when all of it is safe with every sink, and nobody has it open for writing: "
              "delete removes it",
      .choices = after_words },
    { .name = NULL },
};

static const struct lb_tail_kind kind;

static enum lb_err find_encoding(struct lb_source *source, struct lb_diag *diag)
{
    struct lb_tail_state *state = source->state;

    if (state->encoding_name.len == 0)
        return LB_OK;
    if (!lb_encoding_find(state->encoding_name, &state->encoding)) {
        lb_diag_error(diag, lb_section_place(&source->section, "encoding"),
                      "unknown encoding \"%.60s\"; `iconv -l` lists those that this machine has",
                      state->encoding_name.ptr);
        return LB_BAD_CONF;
    }
    if (state->encoding.width > 1 && source->multiline != NULL) {
        lb_diag_error(diag, lb_section_place(&source->section, "multiline"),
                      "lines of %s cannot be put together; remove `multiline`", state->encoding.name);
        return LB_BAD_CONF;
    }
    source->encoding = &state->encoding;
    return LB_OK;
}

static enum lb_err check_source(struct lb_source *source, struct lb_diag *diag)
{
    const struct lb_tail_state *state = source->state;
    uint32_t errors = diag->errors;
    enum lb_err err = lb_tail_source_check(source, diag);

    lb_tail_check_names(source, &state->options.include, diag);
    lb_tail_check_packed(source, &state->options.include, diag);
    if (diag->errors > errors)
        return LB_BAD_CONF;
    return err == LB_OK ? find_encoding(source, diag) : err;
}

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    enum lb_err err = find_encoding(source, diag);

    return err == LB_OK ? lb_tail_source_open(source, &kind, diag) : err;
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
    .check = check_source,
    .reads = lb_tail_source_reads,
    .open = open_source,
    .stop = lb_tail_source_stop,
    .resume = lb_tail_source_resume,
    .close = lb_tail_source_close,
};
