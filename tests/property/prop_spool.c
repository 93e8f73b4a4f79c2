/*
 * prop_spool.c - records that go through a spool are written as if they had
 * not: encode, decode, and every format gives the same bytes and the same ids.
 *
 * Records are made of members of JSON text, which a format may copy as one
 * run, of changed fields, and of any bytes.
 */
#include "lb_test.h"

#include "sinks/spool_record.h"

#include "lb_format.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_stream.h"

#include <stdlib.h>

enum { RUNS = 3000, RECORDS_MAX = 12, FIELDS_MAX = 40, TEXT_MAX = 200 };

static uint64_t seed;

static unsigned below(unsigned bound)
{
    return (unsigned)(lb_random(&seed) % bound);
}

static struct lb_str text(struct lb_arena *arena, unsigned max)
{
    static const char *const pieces[] = { "a",    "B",        " ", "\"", "\\",  "\n",
                                          "\xff", "\xc3\xa9", "=", "{",  "\":", "x\",\"y" };
    char bytes[TEXT_MAX];
    size_t len = 0;

    for (unsigned count = below(max); count > 0; count--) {
        const char *piece = pieces[below(sizeof(pieces) / sizeof(pieces[0]))];

        if (len + strlen(piece) > sizeof(bytes))
            break;
        memcpy(bytes + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return lb_arena_copy(arena, (struct lb_str){ bytes, len });
}

static struct lb_value value(struct lb_arena *arena)
{
    switch (below(8)) {
    case 0: return lb_value_of(LB_STR("-12.50e3"), LB_VALUE_NUMBER);
    case 1: return lb_value_of(LB_STR("true"), LB_VALUE_BOOL);
    case 2: return lb_value_of(LB_STR("null"), LB_VALUE_NULL);
    case 3: return lb_value_of(LB_STR("{\"a\":[1,\"b\"]}"), LB_VALUE_OBJECT);
    case 4: return lb_value_of(LB_STR("plain"), LB_VALUE_CLEAN);
    case 5: return lb_value_of(LB_STR("tab\\tand \\u00e9"), LB_VALUE_ESCAPED);
    case 6: return (struct lb_value){ "", 0, LB_VALUE_NONE, 0 };
    default: return lb_value_text(text(arena, 20));
    }
}

/* As a parser reads it: keys and values keep their place in the text. */
static void add_members(struct lb_arena *arena, struct lb_record *record)
{
    static const char *const lines[] = {
        "{\"a\":1,\"b\":\"two\",\"c\":[3,4],\"d\":{\"e\":null},\"level\":\"x\",\"f\":true}",
        "{ \"a\" : 1 , \"b\":\"t\\\"wo\",\"message\":\"no\",\"g\":\"\xff\xfe\",\"h\":1e5}",
        "{\"timestamp\":\"x\",\"facility\":2,\"k\":\"v\",\"k\":\"w\",\"truncated\":0}",
    };
    struct lb_str line = lb_arena_copy(arena, lb_str_from(lines[below(3)]));
    unsigned max = 2 + below(10);
    struct lb_field *fields = lb_arena_alloc(arena, FIELDS_MAX * sizeof(*fields));
    struct lb_json_object object = { .fields = fields, .field_max = max };

    assert_int_equal(lb_json_read_object(line, &object), LB_OK);
    record->fields = fields;
    record->field_count = (uint16_t)object.field_count;
    record->field_capacity = FIELDS_MAX;
    record->rest = object.rest;
}

static void make_record(struct lb_arena *arena, struct lb_record *record, uint32_t at)
{
    *record = (struct lb_record){ .time_ns = (int64_t)(lb_random(&seed) % 4000000000U) * LB_SECOND + below(1000000000) -
                                             (below(9) == 0 ? INT64_C(2000000000) * LB_SECOND : 0),
                                  .start = at,
                                  .end = at + 1 + below(10),
                                  .level = (uint8_t)below(LB_LEVEL_COUNT + 1),
                                  .facility = (uint8_t)below(25),
                                  .flags = (uint16_t)below(32),
                                  .service = value(arena),
                                  .host = value(arena),
                                  .message = value(arena) };
    if (below(2) == 0)
        add_members(arena, record);
    for (unsigned count = below(6); count > 0; count--)
        assert_true(lb_record_add(record, arena, lb_value_text(text(arena, 6)), value(arena)));
    if ((record->flags & LB_RECORD_PARSE_ERROR) != 0)
        record->reason = LB_STR("no parser took it");
}

static void compare_record(struct lb_batch *left, const struct lb_record *before, struct lb_batch *right,
                           const struct lb_record *after)
{
    static char room[LB_SCRATCH_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_buffer lines[2];
    char ids[2][LB_RECORD_ID_SIZE];

    for (int i = 0; i < 2; i++)
        lb_buffer_init(&lines[i], 1 << 20);
    for (int format = 0; format < 4; format++) {
        for (int i = 0; i < 2; i++) {
            struct lb_formatter formatter = { .format = (enum lb_format)format, .scratch = &scratch };

            formatter.time.second = INT64_MIN;
            scratch.used = 0;
            lb_buffer_reset(&lines[i]);
            lb_format_write(&formatter, i == 0 ? left : right, i == 0 ? before : after, &lines[i]);
        }
        if (!lb_str_equal(lb_buffer_str(&lines[0]), lb_buffer_str(&lines[1])))
            fail_msg("LB_SEED=%llu\n%.*s%.*s", (unsigned long long)lb_seed(), (int)lines[0].len, lines[0].ptr,
                     (int)lines[1].len, lines[1].ptr);
    }
    lb_record_id(left, before, ids[0]);
    lb_record_id(right, after, ids[1]);
    assert_string_equal(ids[0], ids[1]);
    assert_true(before->time_ns == after->time_ns && before->level == after->level && before->flags == after->flags);
    assert_true(before->start == after->start && before->end == after->end);
    for (int i = 0; i < 2; i++)
        lb_buffer_free(&lines[i]);
}

static void round_trip(struct lb_batch *batch, const struct lb_selection *selection, struct spool_batch *spool)
{
    struct lb_stream other = { .id = 999 };
    struct lb_buffer out;
    struct spool_head head;

    lb_buffer_init(&out, 1 << 24);
    spool_encode(batch, selection, &out);
    assert_false(out.failed);
    assert_int_equal(spool_decode_head(lb_buffer_str(&out), &head), LB_OK);
    assert_int_equal(head.count, selection->count);
    assert_int_equal(spool_decode(lb_buffer_str(&out), spool), LB_OK);
    spool->batch.stream = &other;
    assert_int_equal(spool->batch.position_end, batch->position_end);
    assert_int_equal(spool->batch.arrival_ns, batch->arrival_ns);
    for (uint32_t i = 0; i < selection->count; i++)
        compare_record(batch, lb_batch_selected(batch, selection, i), &spool->batch,
                       lb_batch_selected(&spool->batch, &spool->selection, i));
    /* Encoded again, as a copy of a copy: the same bytes. */
    struct lb_buffer again;
    lb_buffer_init(&again, 1 << 24);
    spool_encode(&spool->batch, &spool->selection, &again);
    assert_true(lb_str_equal(lb_buffer_str(&out), lb_buffer_str(&again)));
    /* Cut anywhere, it is not an entry. */
    size_t cut = below((unsigned)out.len);
    struct spool_batch part;
    spool_batch_init(&part);
    assert_int_equal(spool_decode((struct lb_str){ out.ptr, cut }, &part), LB_BAD_INPUT);
    spool_batch_free(&part);
    lb_buffer_free(&again);
    lb_buffer_free(&out);
}

static void records_come_back_as_they_were(void **state)
{
    struct lb_stream stream = { .id = UINT64_C(0xfedcba9876543210) };
    struct lb_arena arena;
    struct spool_batch spool;

    (void)state;
    seed = lb_seed();
    lb_arena_init(&arena, 1 << 24);
    spool_batch_init(&spool);
    for (unsigned run = 0; run < RUNS; run++) {
        struct lb_record records[RECORDS_MAX];
        uint32_t indexes[RECORDS_MAX];
        uint32_t count = 1 + below(RECORDS_MAX);
        struct lb_batch batch = { .stream = &stream,
                                  .position = lb_random(&seed),
                                  .arrival_ns = (int64_t)(lb_random(&seed) >> 2),
                                  .counted = below(2) == 0,
                                  .records = records,
                                  .record_count = count };
        struct lb_selection selection = { 0, below(2) == 0 ? indexes : NULL };

        batch.position_end = batch.position + 1000;
        for (uint32_t i = 0; i < count; i++) {
            make_record(&arena, &records[i], i * 50);
            if (below(3) > 0)
                indexes[selection.count++] = i;
        }
        if (selection.indexes == NULL)
            selection.count = count;
        round_trip(&batch, &selection, &spool);
        lb_arena_reset(&arena, 1 << 20);
    }
    spool_batch_free(&spool);
    lb_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(records_come_back_as_they_were) };

    return cmocka_run_group_tests_name("property/spool", tests, NULL, NULL);
}
