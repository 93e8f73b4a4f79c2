/*
 * archive_frame.h - independent zstd frames, appended so that the file is a
 * valid .zst at every instant.
 */
#ifndef LB_ARCHIVE_FRAME_H
#define LB_ARCHIVE_FRAME_H

#include "output.h"

#include <zstd.h>

struct archive_writer {
    ZSTD_CCtx *context;
    char *frame;
    size_t capacity;
};

bool archive_writer_open(struct archive_writer *writer, int level);
void archive_writer_close(struct archive_writer *writer);

/*
 * Compresses `lines` to one frame and appends it; `bytes` is what was written, valid until the next call. On false
 * errno says why, and the file is as it was.
 */
bool archive_append(struct archive_writer *writer, struct output_file *file, struct lb_str lines, struct lb_str *bytes);

/* Appends frames as they stand in another file. */
bool archive_append_frame(struct output_file *file, struct lb_str bytes);

/* Makes the file of `size` bytes end with its first file->length ones; the rest becomes reserve. */
bool archive_cut(struct output_file *file, int fd, uint64_t size);

#endif
