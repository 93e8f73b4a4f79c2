/*
 * output_buffer.c - from the partitions' buffers to their files.
 *
 * A buffer is written when it is full, when its oldest byte is `flush` old,
 * at every commit, and, the largest first, while all of them hold more than
 * the budget. What could not be written stays in the buffer, in order.
 */
#include "output.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <zstd.h>

/* Length of the next chunk: whole lines, as many as fit; a line that is longer than a chunk alone. */
static size_t chunk_length(const char *ptr, size_t len)
{
    if (len <= OUTPUT_CHUNK)
        return len;

    const char *end = memrchr(ptr, '\n', OUTPUT_CHUNK);

    if (end == NULL)
        end = memchr(ptr + OUTPUT_CHUNK, '\n', len - OUTPUT_CHUNK);
    return end == NULL ? len : (size_t)(end - ptr) + 1;
}

/* Room for what stands in a file for `size` bytes of lines, and the file. */
static bool make_ready(struct output *self, struct output_partition *partition, size_t size)
{
    return output_redo(self) && output_journal_room(self, ZSTD_COMPRESSBOUND(size) + OUTPUT_FRAME_PADDING) &&
           output_file_ready(self, partition);
}

static bool write_chunk(struct output *self, struct output_partition *partition, struct lb_str lines)
{
    if (!make_ready(self, partition, lines.len))
        return false;

    struct output_file *file = partition->file;
    uint64_t before = file->length;
    struct lb_str bytes;

    if (!self->kind->append(self, file, lines, &bytes)) {
        output_trouble(self, "write", file->path != NULL ? file->path : partition->path);
        if (errno == EIO)
            output_file_give_up(self, file);
        return false;
    }
    output_journal_add(self, file, file->length - bytes.len, bytes);
    lb_delivery_count(self->sink, 0, file->length - before);
    output_file_written(self, file);
    return true;
}

bool output_flush(struct output *self, struct output_partition *partition)
{
    struct lb_buffer *buffer = &partition->buffer;
    size_t done = 0;

    while (done < buffer->len) {
        size_t len = chunk_length(buffer->ptr + done, buffer->len - done);

        if (!write_chunk(self, partition, (struct lb_str){ buffer->ptr + done, len }))
            break;
        done += len;
    }
    if (done > 0 && done < buffer->len)
        memmove(buffer->ptr, buffer->ptr + done, buffer->len - done);
    buffer->len -= done;
    self->buffered -= done;
    return buffer->len == 0;
}

bool output_flush_all(struct output *self)
{
    for (size_t i = 0; i < OUTPUT_BUCKETS; i++) {
        for (struct output_partition *p = self->buckets[i]; p != NULL; p = p->next) {
            if (p->buffer.len > 0 && !output_flush(self, p))
                return false;
        }
    }
    self->flush_at = INT64_MAX;
    return true;
}

bool output_flush_aged(struct output *self, int64_t now)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < OUTPUT_BUCKETS; i++) {
        for (struct output_partition *p = self->buckets[i]; p != NULL; p = p->next) {
            if (p->buffer.len == 0)
                continue;
            if (p->oldest + self->flush_ns <= now) {
                if (!output_flush(self, p))
                    return false;
            } else if (p->oldest + self->flush_ns < next) {
                next = p->oldest + self->flush_ns;
            }
        }
    }
    if (!output_publish(self))
        return false;
    self->flush_at = next;
    return true;
}

static size_t waiting(const struct output_partition *partition)
{
    return partition->buffer.len;
}

static size_t memory(const struct output_partition *partition)
{
    return partition->buffer.capacity;
}

static struct output_partition *largest(struct output *self,
                                        size_t (*size_of)(const struct output_partition *partition))
{
    struct output_partition *found = NULL;

    for (size_t i = 0; i < OUTPUT_BUCKETS; i++) {
        for (struct output_partition *p = self->buckets[i]; p != NULL; p = p->next) {
            if (size_of(p) > 0 && (found == NULL || size_of(p) > size_of(found)))
                found = p;
        }
    }
    assert(found != NULL);
    return found;
}

bool output_relieve(struct output *self)
{
    while (self->full != NULL) {
        struct output_partition *partition = self->full;

        if (!output_flush(self, partition))
            return false;
        self->full = partition->next_full;
        partition->full = false;
    }
    while (self->buffered > self->buffer_bytes) {
        if (!output_flush(self, largest(self, waiting)))
            return false;
    }
    while (self->held > 2 * self->buffer_bytes) {
        struct output_partition *partition = largest(self, memory);

        if (!output_flush(self, partition))
            return false;
        self->held -= partition->buffer.capacity;
        lb_buffer_free(&partition->buffer);
    }
    return true;
}
