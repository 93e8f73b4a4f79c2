/* archive_walk.h - the frames of a .zst file, found by their headers; nothing is unpacked. */
#ifndef ARCHIVE_WALK_H
#define ARCHIVE_WALK_H

#include <stdbool.h>
#include <stdint.h>

enum archive_frame_kind {
    ARCHIVE_FRAME_DATA,
    ARCHIVE_FRAME_SKIPPABLE,
    ARCHIVE_FRAME_TORN,    /* begins well and goes past the end of the file */
    ARCHIVE_FRAME_DAMAGED, /* no frame begins here, or its headers contradict each other */
};

#define ARCHIVE_RAW_UNKNOWN UINT64_MAX

struct archive_frame_at {
    enum archive_frame_kind kind;
    uint64_t packed; /* DAMAGED: up to where the next frame begins; TORN: up to the end */
    uint64_t raw;    /* DATA: by its header, or ARCHIVE_RAW_UNKNOWN */
};

/* Looks at the frame that begins at `offset` < `size`. False: errno says why. */
bool archive_walk(int fd, uint64_t offset, uint64_t size, struct archive_frame_at *frame);

#endif
