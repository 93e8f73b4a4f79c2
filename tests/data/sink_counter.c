/* sink_counter.c - counts records; at the end the count is written to a file. */
#include "lb_log.h"
#include "lb_sink.h"

#include <inttypes.h>
#include <stdio.h>

struct sink_counter {
    struct lb_str path;
    uint64_t count;
};

static const struct lb_option options[] = {
    { .name = "path",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct sink_counter, path),
      .flags = LB_OPTION_REQUIRED,
      .help = "the file that gets the count" },
    { 0 },
};

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_counter *self = sink->state;

    (void)batch;
    (void)token; /* nothing is held: records are safe when this returns */
    self->count += selection->count;
    lb_delivery_count(sink, selection->count, 0);
    return LB_OK;
}

static void close_sink(struct lb_sink *sink)
{
    const struct sink_counter *self = sink->state;
    FILE *file = fopen(self->path.ptr, "we");

    if (file == NULL || fprintf(file, "%" PRIu64 "\n", self->count) < 0)
        LB_ERROR("sink.counter", "cannot write the count path=%s", self->path.ptr);
    if (file != NULL)
        fclose(file);
}

const struct lb_sink_type lb_sink_counter = {
    .module = { .name = "counter",
                .help = "counts records",
                .state_size = sizeof(struct sink_counter),
                .options = options },
    .write = write_batch,
    .close = close_sink,
};
