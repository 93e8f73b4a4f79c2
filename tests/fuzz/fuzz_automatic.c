/*
 * fuzz_automatic.c - any line through `auto`: what nobody takes is as it was, what somebody takes writes out as one
 * valid line of JSON, and the same line gives the same record again.
 */
#include "lb_arena.h"
#include "lb_batch.h"
#include "lb_format.h"
#include "lb_json.h"
#include "lb_level.h"
#include "lb_parser.h"

#include <assert.h>

enum { ARENA_BYTES = 1 << 20, OUT_BYTES = 1 << 24, SCRATCH_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_line(struct lb_batch *batch, struct lb_str line, struct lb_buffer *out)
{
    static const struct lb_parser_chain chain = { .automatic = true };
    static char room[SCRATCH_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_record record = { .message = lb_value_text(line), .level = LB_LEVEL_NONE, .flags = LB_RECORD_NO_TIME };
    struct lb_parse_context context = { .batch = batch, .scratch = &scratch };
    struct lb_formatter formatter = { .format = LB_FORMAT_JSON, .scratch = &scratch };

    lb_arena_reset(&batch->arena, ARENA_BYTES);
    lb_parser_chain_apply(&chain, &record, &context);
    if (context.taken == NULL)
        assert(record.message.ptr == line.ptr && record.message.len == line.len && record.field_count == 0);
    /* Syslog keeps what can be read of a message that is not by the grammar, and says so. */
    assert((record.flags & LB_RECORD_PARSE_ERROR) == 0 || context.taken != NULL);
    assert(!context.inside);
    scratch.used = 0;
    lb_buffer_reset(out);
    lb_format_write(&formatter, batch, &record, out);
    assert(!out->failed && lb_json_valid(lb_buffer_str(out)) && lb_utf8_valid(lb_buffer_str(out)) == out->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_str line = { (const char *)data, size };
    struct lb_buffer first, second;
    struct lb_batch batch = { .arrival_ns = INT64_C(1772359200) * LB_SECOND };

    lb_arena_init(&batch.arena, ARENA_BYTES);
    lb_buffer_init(&first, OUT_BYTES);
    lb_buffer_init(&second, OUT_BYTES);
    read_line(&batch, line, &first);
    read_line(&batch, line, &second);
    assert(lb_str_equal(lb_buffer_str(&first), lb_buffer_str(&second)));
    lb_buffer_free(&first);
    lb_buffer_free(&second);
    lb_arena_free(&batch.arena);
    return 0;
}
