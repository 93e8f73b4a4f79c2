/*
 * fuzz_docker.c - the envelopes of docker and of CRI, the parser chain and the formats over any
 * lines. Records are at most as many as lines, their ends rise, texts lie in
 * the slab or the arena, and every line of JSON that comes out is valid.
 */
#include "lb_format.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_parser.h"
#include "lb_test_batch.h"

#include <assert.h>

enum { LINES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t split(const char *bytes, size_t size, struct lb_str *lines)
{
    uint32_t count = 0;
    size_t at = 0;

    while (at < size && count < LINES_MAX) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t len = end != NULL ? (size_t)(end - bytes) - at : size - at;

        lines[count++] = (struct lb_str){ bytes + at, len };
        at += len + 1;
    }
    return count;
}

/* Touches every byte, so that the sanitizer sees one that is outside. */
static unsigned touch(struct lb_value value)
{
    unsigned sum = 0;

    for (uint32_t i = 0; i < value.len; i++)
        sum += (unsigned char)value.ptr[i];
    return sum;
}

static void check_record(const struct lb_record *record)
{
    unsigned sum = touch(record->message) + touch(record->service) + touch(record->host);

    for (uint32_t i = 0; i < record->field_count; i++)
        sum += touch(record->fields[i].key) + touch(record->fields[i].value);
    __asm__ volatile("" : : "r"(sum)); /* so that it is not left out */
    assert(record->start <= record->end);
}

static void format(const struct lb_batch *batch, const struct lb_record *record, struct lb_buffer *out)
{
    static char room[LB_SCRATCH_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };

    for (int i = 0; i < 4; i++) {
        struct lb_formatter formatter = { .format = (enum lb_format)i, .scratch = &scratch };

        lb_buffer_reset(out);
        lb_format_write(&formatter, batch, record, out);
        assert(!out->failed && out->len > 0 && out->ptr[out->len - 1] == '\n');
        if (i != LB_FORMAT_RAW)
            assert(memchr(out->ptr, '\n', out->len) == out->ptr + out->len - 1);
        if (i == LB_FORMAT_JSON)
            assert(lb_json_valid(lb_buffer_str(out)));
        if (i != LB_FORMAT_RAW)
            assert(lb_utf8_valid(lb_buffer_str(out)) == out->len);
    }
}

static void run(const struct lb_envelope *envelope, const struct lb_str *lines, uint32_t count)
{
    struct lb_parser_chain chain = { .automatic = true };
    struct lb_batch batch;
    struct lb_buffer out;

    lb_test_batch_init(&batch, lines, count);
    lb_buffer_init(&out, 1 << 24);
    if (envelope->open(&batch) != LB_OK)
        abort();
    assert(batch.record_count <= count);
    struct lb_parse_context context = { .batch = &batch };
    for (uint32_t i = 0; i < batch.record_count; i++) {
        assert(i == 0 || batch.records[i].end >= batch.records[i - 1].end);
        check_record(&batch.records[i]);
        lb_parser_chain_apply(&chain, &batch.records[i], &context);
        check_record(&batch.records[i]);
        format(&batch, &batch.records[i], &out);
    }
    lb_buffer_free(&out);
    lb_test_batch_free(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_str lines[LINES_MAX];
    uint32_t count = split((const char *)data, size, lines);

    run(&lb_envelope_docker, lines, count);
    run(&lb_envelope_cri, lines, count);
    return 0;
}
