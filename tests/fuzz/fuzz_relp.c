/* Any bytes as frames of RELP: slices stay inside, and a frame is the same however much comes behind it. */
#include "ingest/relp_frame.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *bytes, size_t size)
{
    struct relp_frame frame;
    struct relp_frame again;
    size_t needed = 0;
    enum lb_err err = relp_frame_read((struct lb_str){ bytes, size }, &frame, &needed);

    if (err == LB_AGAIN)
        assert(needed > size);
    if (err != LB_OK)
        return;
    assert(frame.length <= size && bytes[frame.length - 1] == '\n');
    assert(frame.data.ptr >= bytes && frame.data.ptr + frame.data.len < bytes + frame.length);
    assert(relp_frame_read((struct lb_str){ bytes, frame.length }, &again, &needed) == LB_OK);
    assert(again.length == frame.length && again.data.len == frame.data.len);
    assert(relp_frame_read((struct lb_str){ bytes, frame.length - 1 }, &again, &needed) == LB_AGAIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size);

    if (size > 0)
        memcpy(copy, data, size);
    check(copy, size);
    free(copy);
    return 0;
}
