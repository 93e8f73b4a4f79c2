/*
 * tail_since.c - since when each pattern is followed.
 *
 * A log that was rotated before we saw it is read, unless it is older than
 * our interest in it. The positions of its earlier files tell that, but they
 * may all be forgotten: it was truncated, or its files were deleted. So the
 * ledger has a note for each pattern too, in the manner of a stream that
 * never gets a record: "since:TIME:PATTERN", the time in hexadecimal.
 */
#include "tail.h"

#include "lb_log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOTE_BYTES = PATH_MAX + 64 };

#define PREFIX "since:"

static void forget(struct lb_tail *self, uint64_t id, struct lb_str note)
{
    struct lb_stream *stream;

    if (lb_stream_open(self->source->streams, self->source, id, note, &stream) != LB_OK)
        return; /* at the next start, then */
    lb_stream_forget(stream);
    lb_stream_unref(stream);
}

bool lb_tail_read_since(struct lb_tail *self, uint64_t id, struct lb_str note)
{
    char text[NOTE_BYTES];
    char *pattern;

    if (note.len < strlen(PREFIX) || memcmp(note.ptr, PREFIX, strlen(PREFIX)) != 0)
        return false;
    snprintf(text, sizeof(text), LB_STR_FMT, LB_STR_ARG(note));
    int64_t since = (int64_t)strtoull(text + strlen(PREFIX), &pattern, 16);
    for (size_t i = 0; i < self->options.include.count && *pattern == ':'; i++) {
        if (strcmp(self->options.include.items[i].ptr, pattern + 1) != 0)
            continue;
        self->since_ns[i] = since;
        self->returned = true;
        return true;
    }
    self->since_gone = id; /* of a pattern that is no more; one at each start is enough */
    return true;
}

void lb_tail_note_since(struct lb_tail *self)
{
    char text[NOTE_BYTES];

    lb_streams_begin(self->source->streams);
    for (size_t i = 0; i < self->options.include.count; i++) {
        struct lb_stream *stream;

        if (self->since_ns[i] != 0)
            continue;
        self->since_ns[i] = self->started_ns;
        int len = snprintf(text, sizeof(text), PREFIX "%" PRIx64 ":%s", (uint64_t)self->started_ns,
                           self->options.include.items[i].ptr);
        if ((size_t)len < sizeof(text) && lb_stream_open(self->source->streams, self->source, 0,
                                                         (struct lb_str){ text, (size_t)len }, &stream) == LB_OK)
            lb_stream_unref(stream);
    }
    if (self->since_gone != 0)
        forget(self, self->since_gone, LB_STR(PREFIX "0:"));
    if (lb_streams_end(self->source->streams) != LB_OK)
        LB_WARN("source.file", "cannot note since when files are followed, the next start does error=\"%s\"",
                strerror(errno));
}

int64_t lb_tail_followed_since(const struct lb_tail *self, const char *log)
{
    int64_t since = lb_tail_log_born(self, log);

    for (size_t i = 0; i < self->options.include.count; i++)
        if (self->since_ns[i] != 0 && self->since_ns[i] < since &&
            lb_glob_match(self->options.include.items[i].ptr, log))
            since = self->since_ns[i];
    return since;
}
