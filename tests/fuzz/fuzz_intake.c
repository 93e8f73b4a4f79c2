/*
 * fuzz_intake.c - an entry of an intake with any bytes. What is taken lies
 * within its slab, and encoded again gives what is taken as the same.
 */
#include "ingest/intake_record.h"

#include "lb_pool.h"
#include "lb_stream.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POOL_BYTES = 64 * 1024 * 1024 };

static struct lb_batch *decode(struct lb_share *share, struct lb_str payload)
{
    struct intake_head head;

    if (intake_decode_head(payload, &head) != LB_OK)
        return NULL;
    struct lb_batch *batch = lb_pool_take(share, intake_slab_bytes(&head), NULL);
    if (batch == NULL || intake_decode(payload, batch) == LB_OK)
        return batch;
    lb_batch_unref(batch);
    return NULL;
}

static void assert_same(const struct lb_batch *one, const struct lb_batch *other)
{
    assert(one->event_count == other->event_count && one->arrival_ns == other->arrival_ns);
    assert(lb_str_equal(one->name, other->name) && lb_str_equal(one->host, other->host));
    assert((one->peers == NULL) == (other->peers == NULL));
    for (uint32_t i = 0; i < one->event_count; i++) {
        const struct lb_event *a = lb_batch_event(one, i);
        const struct lb_event *b = lb_batch_event(other, i);

        assert(a->start + a->length <= one->length && a->start == b->start && a->length == b->length);
        assert(a->truncated == b->truncated);
        assert(memcmp(one->bytes + a->start, other->bytes + b->start, a->length) == 0);
        assert(one->peers == NULL || lb_str_equal(one->peers[i], other->peers[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size + 1);
    struct lb_pool *pool = lb_pool_new(POOL_BYTES);
    struct lb_share *share = lb_share_new(pool, POOL_BYTES);
    struct lb_stream stream = { .id = 1 };
    struct lb_buffer out;

    memcpy(exact, data, size);
    lb_buffer_init(&out, POOL_BYTES);
    struct lb_batch *batch = decode(share, (struct lb_str){ exact, size });
    if (batch != NULL) {
        stream.name = batch->name;
        stream.host = lb_value_of(batch->host, LB_VALUE_CLEAN);
        batch->stream = &stream;
        intake_encode(batch, &out);
        batch->stream = NULL;
        struct lb_batch *again = decode(share, lb_buffer_str(&out));
        assert(!out.failed && again != NULL);
        assert_same(batch, again);
        lb_batch_unref(again);
        lb_batch_unref(batch);
    }
    lb_buffer_free(&out);
    lb_share_free(share);
    lb_pool_free(pool);
    free(exact);
    return 0;
}
