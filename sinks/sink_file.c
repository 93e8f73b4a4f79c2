/*
 * sink_file.c - records as lines in plain files, exactly once.
 *
 * The work is done by output*.c. The file of a path is always the newest: a
 * full one is renamed ("problems.log" to "problems.2.log", then ".3."), at a
 * commit, so it may be larger than `rotate.size` by what one commit holds. A
 * file that exists is continued. Nobody else may append to it.
 */
#include "output.h"

#include <errno.h>
#include <unistd.h>

struct sink_file {
    struct output output;
};

static const struct lb_option rotate_options[] = {
    { "size", LB_OPTION_SIZE, offsetof(struct sink_file, output.rotate_size), NULL,
      "size at which a file is renamed and a new one begins", .min = 4096, .max = INT64_C(1) << 40 },
    { "every", LB_OPTION_DURATION, offsetof(struct sink_file, output.rotate_every_ns), NULL,
      "age of its first record at which a file is renamed and a new one begins", .min = LB_SECOND,
      .max = 366 * 24 * 3600 * LB_SECOND },
    { 0 },
};

static const struct lb_option options[] = {
    { "path", LB_OPTION_TEMPLATE, offsetof(struct sink_file, output.template), NULL,
      "template of the files' paths, with dates in UTC", .flags = LB_OPTION_REQUIRED },
    { "format", LB_OPTION_CHOICE, offsetof(struct sink_file, output.format), "json", "how a record is written",
      .choices = lb_format_names },
    { "flush", LB_OPTION_DURATION, offsetof(struct sink_file, output.flush_ns), "200ms",
      "the oldest a record may get before it is written", .min = 10 * LB_MILLISECOND, .max = 3600 * LB_SECOND },
    { "rotate", LB_OPTION_GROUP, .help = "when the next file begins", .group = rotate_options },
    { "keep", LB_OPTION_GROUP, .help = "what is deleted; nothing unless set", .group = output_keep_options },
    { "buffer", LB_OPTION_SIZE, offsetof(struct sink_file, output.buffer_bytes), "4MiB",
      "memory for records that wait to be written, over all files", .min = 64 * 1024, .max = INT64_C(1) << 32 },
    { "max_open", LB_OPTION_COUNT, offsetof(struct sink_file, output.open_max), "256", "files that are open at once",
      .min = 1, .max = 65536 },
    { 0 },
};

static bool append_bytes(struct output_file *file, struct lb_str lines)
{
    size_t done = 0;

    while (done < lines.len) {
        ssize_t n = pwrite(file->fd, lines.ptr + done, lines.len - done, (off_t)(file->length + done));

        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        int err = n < 0 ? errno : ENOSPC;
        if (done > 0 && ftruncate(file->fd, (off_t)file->length) != 0)
            err = errno;
        errno = err;
        return false;
    }
    file->length += lines.len;
    file->end = file->length;
    return true;
}

static bool append(struct output *self, struct output_file *file, struct lb_str lines, struct lb_str *bytes)
{
    (void)self;
    *bytes = lines;
    return append_bytes(file, lines);
}

static bool cut(struct output_file *file, int fd, uint64_t size)
{
    file->end = file->length;
    return size == file->length || ftruncate(fd, (off_t)file->length) == 0;
}

static bool is_ours(int fd, uint64_t length)
{
    char last;

    return pread(fd, &last, 1, (off_t)length - 1) == 1 && last == '\n';
}

static const struct output_kind kind = { .numbered = false,
                                         .full = 128 * 1024,
                                         .append = append,
                                         .append_bytes = append_bytes,
                                         .is_ours = is_ours,
                                         .cut = cut };

static enum lb_err check_file(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_file *self = sink->state;

    return output_check(&self->output, sink, diag);
}

static enum lb_err open_file(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_file *self = sink->state;

    return output_open(&self->output, sink, &kind, diag);
}

static bool writes(const struct lb_sink *sink, const char *path)
{
    const struct sink_file *self = sink->state;

    return output_writes(&self->output, path);
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_file *self = sink->state;

    (void)token;
    return output_write(&self->output, batch, selection);
}

static int64_t tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct sink_file *self = sink->state;

    return output_tick(&self->output, monotonic_ns);
}

static enum lb_err commit(struct lb_sink *sink, struct lb_ledger_txn *txn)
{
    struct sink_file *self = sink->state;

    return output_commit(&self->output, txn);
}

static void committed(struct lb_sink *sink)
{
    struct sink_file *self = sink->state;

    output_committed(&self->output);
}

static void flush(struct lb_sink *sink)
{
    struct sink_file *self = sink->state;

    output_flush_now(&self->output);
}

static void close_file(struct lb_sink *sink)
{
    struct sink_file *self = sink->state;

    output_close(&self->output);
}

const struct lb_sink_type lb_sink_file = {
    .module = { .name = "file",
                .help = "plain files, each record exactly once",
                .state_size = sizeof(struct sink_file),
                .options = options,
                .whole = "path" },
    .check = check_file,
    .writes = writes,
    .open = open_file,
    .write = write_batch,
    .tick = tick,
    .commit = commit,
    .committed = committed,
    .flush = flush,
    .close = close_file,
};
