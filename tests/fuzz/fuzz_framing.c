/* Any bytes as a TCP stream of syslog: frames stay inside it, and cuts make no difference. */
#include "ingest/framing.h"

#include <assert.h>
#include <stdlib.h>

enum { FRAME_MAX = 64, CUTS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A hash of all frames; `chunk` bytes come at a time, `cut` tells to cut an unfinished frame after each. */
static uint64_t run(const char *bytes, size_t size, size_t chunk, bool cut)
{
    struct framing framing;
    struct frame frame;
    uint64_t hash = 1469598103934665603u;
    size_t length = 0;
    enum lb_err err = LB_AGAIN;

    framing_init(&framing, FRAME_MAX);
    while (length < size && err != LB_BAD_INPUT) {
        length = size - length < chunk ? size : length + chunk;
        while ((err = framing_next(&framing, bytes, length, &frame)) == LB_OK) {
            assert(frame.length > 0 && frame.length <= FRAME_MAX && frame.start + frame.length <= length);
            for (size_t i = 0; i < frame.length; i++)
                hash = (hash ^ (unsigned char)bytes[frame.start + i]) * 1099511628211u;
            hash = (hash ^ frame.truncated) * 1099511628211u;
        }
        assert(framing.start <= length);
        if (cut && err == LB_AGAIN && framing_cut(&framing, bytes, length, &frame) == LB_OK)
            assert(frame.length <= FRAME_MAX && frame.start + frame.length <= length && framing.start == length);
    }
    if (err != LB_BAD_INPUT && framing_finish(&framing, bytes, length, &frame) == LB_OK)
        assert(frame.start + frame.length <= length);
    return hash ^ (uint64_t)(err == LB_BAD_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t chunks[CUTS] = { 1, 3, 17 };
    char *copy = malloc(size == 0 ? 1 : size);
    uint64_t whole;

    if (size > 0)
        memcpy(copy, data, size);
    whole = run(copy, size, size + 1, false);
    for (int i = 0; i < CUTS; i++) {
        assert(run(copy, size, chunks[i], false) == whole);
        run(copy, size, chunks[i], true);
    }
    free(copy);
    return 0;
}
