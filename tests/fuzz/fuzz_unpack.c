/* Any bytes as a compressed file: bounded, and the same text whatever the pieces. The first byte says gzip or zstd. */
#include "ingest/tail.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TEXT_MAX = 1024 * 1024, PIECES = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t run(enum lb_unpack_kind kind, int fd, size_t piece, enum lb_unpack_step *last)
{
    struct lb_unpack *unpack = lb_unpack_new(kind);
    char *out = malloc(piece);
    uint64_t hash = 1469598103934665603u;
    size_t total = 0;
    size_t got;

    do {
        *last = lb_unpack_read(unpack, fd, out, piece, &got);
        assert(got <= piece && (got > 0 || *last != LB_UNPACK_MORE));
        for (size_t i = 0; i < got; i++)
            hash = (hash ^ (unsigned char)out[i]) * 1099511628211u;
        total += got;
    } while (*last == LB_UNPACK_MORE && total < TEXT_MAX);
    free(out);
    lb_unpack_free(unpack);
    return total < TEXT_MAX ? hash : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[PIECES] = { 1, 7, 4096 };
    enum lb_unpack_step first;
    enum lb_unpack_step step;

    if (size == 0)
        return 0;
    enum lb_unpack_kind kind = data[0] == 'Z' ? LB_UNPACK_ZSTD : LB_UNPACK_GZIP;
    int fd = memfd_create("packed", MFD_CLOEXEC);
    if (write(fd, data + 1, size - 1) != (ssize_t)size - 1)
        abort();
    uint64_t whole = run(kind, fd, 65536, &first);
    for (int i = 0; i < PIECES && whole != 0; i++) {
        uint64_t hash = run(kind, fd, pieces[i], &step);

        /* Of what is damaged a decoder may give more or less before it says so. */
        assert(step == first && (first == LB_UNPACK_BAD || hash == whole));
    }
    close(fd);
    return 0;
}
