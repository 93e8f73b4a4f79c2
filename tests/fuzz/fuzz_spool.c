/*
 * fuzz_spool.c - an entry of a spool with any bytes. What is taken can be
 * written in every format, and encoded again gives what is taken as the same.
 */
#include "sinks/spool_record.h"

#include "lb_format.h"
#include "lb_limits.h"
#include "lb_stream.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_all(struct spool_batch *spool, struct lb_buffer *out)
{
    static char room[LB_SCRATCH_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };

    for (uint32_t i = 0; i < spool->selection.count; i++) {
        for (int format = 0; format < 4; format++) {
            struct lb_formatter formatter = { .format = (enum lb_format)format, .scratch = &scratch };

            formatter.time.second = INT64_MIN;
            scratch.used = 0;
            lb_format_write(&formatter, &spool->batch, lb_batch_selected(&spool->batch, &spool->selection, i), out);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_stream stream = { .id = 1 };
    struct spool_batch spool;
    struct spool_batch again;
    struct spool_head head;
    struct lb_buffer out;
    struct lb_buffer lines[2];
    char *exact = malloc(size + 1);

    memcpy(exact, data, size);
    struct lb_str payload = { exact, size };
    spool_batch_init(&spool);
    spool_batch_init(&again);
    lb_buffer_init(&out, 1 << 26);
    lb_buffer_init(&lines[0], 1 << 26);
    lb_buffer_init(&lines[1], 1 << 26);
    enum lb_err err = spool_decode(payload, &spool);
    if (err == LB_OK) {
        assert(spool_decode_head(payload, &head) == LB_OK && head.count == spool.selection.count);
        spool.batch.stream = &stream;
        spool_encode(&spool.batch, &spool.selection, &out);
        assert(!out.failed && spool_decode(lb_buffer_str(&out), &again) == LB_OK);
        again.batch.stream = &stream;
        write_all(&spool, &lines[0]);
        write_all(&again, &lines[1]);
        assert(lb_str_equal(lb_buffer_str(&lines[0]), lb_buffer_str(&lines[1])));
    }
    lb_buffer_free(&lines[1]);
    lb_buffer_free(&lines[0]);
    lb_buffer_free(&out);
    spool_batch_free(&again);
    spool_batch_free(&spool);
    free(exact);
    return 0;
}
