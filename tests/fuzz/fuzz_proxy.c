/* Any bytes as the header of a proxy: what is decided by fewer bytes does not change when more come. */
#include "ingest/proxy_header.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum lb_err read_some(const uint8_t *data, size_t size, struct proxy_header *header)
{
    char *copy = malloc(size == 0 ? 1 : size); /* of the exact size: reading past it is caught */

    if (size > 0)
        memcpy(copy, data, size);
    *header = (struct proxy_header){ 0 };
    enum lb_err err = proxy_header_read(copy, size, header);
    free(copy);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole;
    struct proxy_header part;
    enum lb_err err = read_some(data, size, &whole);

    assert(err == LB_OK || err == LB_AGAIN || err == LB_BAD_INPUT);
    assert(err != LB_BAD_INPUT || whole.reason != NULL);
    assert(err != LB_AGAIN || size < PROXY_HEADER_MAX);
    if (err == LB_OK) {
        assert(whole.length > 0 && whole.length <= size && whole.length <= PROXY_HEADER_MAX);
        assert(!whole.known || whole.of.ss_family == AF_INET || whole.of.ss_family == AF_INET6);
        assert(read_some(data, whole.length, &part) == LB_OK && part.length == whole.length);
        assert(part.known == whole.known && memcmp(&part.of, &whole.of, sizeof(part.of)) == 0);
        assert(read_some(data, whole.length - 1, &part) == LB_AGAIN);
    }
    for (size_t cut = 1; cut < size && cut <= 256; cut += 1 + cut / 8) {
        enum lb_err early = read_some(data, cut, &part);

        assert(early == LB_AGAIN || early == err);
        assert(early != LB_OK || part.length == whole.length);
    }
    return 0;
}
