/*
 * sink_archive.c - records in .zst files, one per service and day, exactly
 * once.
 *
 * The work is done elsewhere: partitions, files and commits by output*.c,
 * frames that leave the file valid at every instant by archive_frame.c.
 */
#include "archive_frame.h"
#include "archive_walk.h"
#include "sealer.h"

#include <errno.h>

struct sink_archive {
    struct output output;
    uint64_t live_level;
    uint64_t level;
    bool seal;
    struct archive_writer writer;
};

static const struct lb_option rotate_options[] = {
    { "size", LB_OPTION_SIZE, offsetof(struct sink_archive, output.rotate_size), "256MiB",
      "compressed size at which the next file begins", .min = 4096, .max = INT64_C(1) << 40 },
    { "every", LB_OPTION_DURATION, offsetof(struct sink_archive, output.rotate_every_ns), "1d",
      "age of its first record at which a file is finished", .min = LB_SECOND, .max = 366 * 24 * 3600 * LB_SECOND },
    { 0 },
};

static const struct lb_option compression_options[] = {
    { "level", LB_OPTION_COUNT, offsetof(struct sink_archive, level), "9", "zstd level of a sealed file", .min = 1,
      .max = 19 },
    { "live_level", LB_OPTION_COUNT, offsetof(struct sink_archive, live_level), "1",
      "zstd level of the frames as they are written", .min = 1, .max = 19 },
    { 0 },
};

static const struct lb_option options[] = {
    { "path", LB_OPTION_TEMPLATE, offsetof(struct sink_archive, output.template), NULL,
      "template of the files' paths, with dates in UTC; must end in .zst", .flags = LB_OPTION_REQUIRED },
    { "format", LB_OPTION_CHOICE, offsetof(struct sink_archive, output.format), "json", "how a record is written",
      .choices = lb_format_names },
    { "flush", LB_OPTION_DURATION, offsetof(struct sink_archive, output.flush_ns), "5s",
      "the oldest a record may get before its frame is written", .min = 10 * LB_MILLISECOND, .max = 3600 * LB_SECOND },
    { "rotate", LB_OPTION_GROUP, .help = "when the next file begins", .group = rotate_options },
    { "keep", LB_OPTION_GROUP, .help = "what is deleted; nothing unless set", .group = output_keep_options },
    { "compression", LB_OPTION_GROUP, .help = "how much CPU is spent on size", .group = compression_options },
    { "seal", LB_OPTION_BOOL, offsetof(struct sink_archive, seal), "true",
      .help = "finished files are compressed anew and get an index, in the background" },
    { "buffer", LB_OPTION_SIZE, offsetof(struct sink_archive, output.buffer_bytes), "4MiB",
      "memory for records that wait for their frame, over all files", .min = 64 * 1024, .max = INT64_C(1) << 32 },
    { "max_open", LB_OPTION_COUNT, offsetof(struct sink_archive, output.open_max), "256", "files that are open at once",
      .min = 1, .max = 65536 },
    { 0 },
};

static bool append(struct output *self, struct output_file *file, struct lb_str lines, struct lb_str *bytes)
{
    return archive_append(&((struct sink_archive *)self)->writer, file, lines, bytes);
}

/* Nothing but our own file has a frame that ends just there. */
static bool is_ours(int fd, uint64_t length)
{
    struct archive_frame_at frame = { 0 };
    uint64_t at = 0;

    while (at < length) {
        if (!archive_walk(fd, at, length, &frame) || frame.kind > ARCHIVE_FRAME_SKIPPABLE)
            return false;
        at += frame.packed;
    }
    return at == length;
}

static const struct output_kind kind = { .numbered = true,
                                         .full = 768 * 1024,
                                         .append = append,
                                         .append_bytes = archive_append_frame,
                                         .is_ours = is_ours,
                                         .cut = archive_cut };

static bool has_suffix(const struct lb_sink *sink, struct lb_diag *diag)
{
    const struct sink_archive *self = sink->state;
    struct lb_str text = lb_template_text(self->output.template);

    if (text.len > 4 && memcmp(text.ptr + text.len - 4, ".zst", 4) == 0)
        return true;
    lb_diag_error(diag, lb_section_place(&sink->section, "path"),
                  "the path of an archive must end in .zst, so that every tool knows what it is");
    return false;
}

static enum lb_err check_archive(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_archive *self = sink->state;

    if (!has_suffix(sink, diag))
        return LB_BAD_CONF;
    return output_check(&self->output, sink, diag);
}

static enum lb_err start_sealer(struct sink_archive *self, struct lb_sink *sink, struct lb_diag *diag)
{
    if (!self->seal || sink->exit_at_eof)
        return LB_OK;
    self->output.sealer = sealer_start(&self->output, (int)self->level);
    if (self->output.sealer != NULL) {
        output_look_around(&self->output);
        return LB_OK;
    }
    lb_diag_error(diag, lb_section_place(&sink->section, "seal"), "cannot start a thread that seals: %s",
                  strerror(errno));
    output_close(&self->output);
    archive_writer_close(&self->writer);
    return LB_NOMEM;
}

static enum lb_err open_archive(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_archive *self = sink->state;

    if (!has_suffix(sink, diag))
        return LB_BAD_CONF;
    if (!archive_writer_open(&self->writer, (int)self->live_level)) {
        lb_diag_error(diag, lb_section_place(&sink->section, "path"), "out of memory at start");
        return LB_NOMEM;
    }
    enum lb_err err = output_open(&self->output, sink, &kind, diag);

    if (err != LB_OK) {
        archive_writer_close(&self->writer);
        return err;
    }
    output_note_control(&self->output);
    return start_sealer(self, sink, diag);
}

static bool writes(const struct lb_sink *sink, const char *path)
{
    const struct sink_archive *self = sink->state;

    return output_writes(&self->output, path);
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_archive *self = sink->state;

    (void)token;
    return output_write(&self->output, batch, selection);
}

static int64_t tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct sink_archive *self = sink->state;

    return output_tick(&self->output, monotonic_ns);
}

static enum lb_err commit(struct lb_sink *sink, struct lb_ledger_txn *txn)
{
    struct sink_archive *self = sink->state;

    return output_commit(&self->output, txn);
}

static void committed(struct lb_sink *sink)
{
    struct sink_archive *self = sink->state;

    output_committed(&self->output);
}

static void note(const struct lb_sink *sink, char *text, size_t size)
{
    const struct sink_archive *self = sink->state;

    if (self->output.sealer != NULL)
        sealer_note(self->output.sealer, text, size);
}

static void flush(struct lb_sink *sink)
{
    struct sink_archive *self = sink->state;

    output_flush_now(&self->output);
}

static void close_archive(struct lb_sink *sink)
{
    struct sink_archive *self = sink->state;

    if (self->output.sealer != NULL)
        sealer_stop(self->output.sealer);
    self->output.sealer = NULL;
    output_close(&self->output);
    archive_writer_close(&self->writer);
}

const struct lb_sink_type lb_sink_archive = {
    .module = { .name = "archive",
                .help = "zstd files by service and day, each record exactly once, valid at every instant",
                .state_size = sizeof(struct sink_archive),
                .options = options,
                .whole = "path" },
    .check = check_archive,
    .writes = writes,
    .open = open_archive,
    .write = write_batch,
    .tick = tick,
    .commit = commit,
    .committed = committed,
    .flush = flush,
    .note = note,
    .close = close_archive,
};
