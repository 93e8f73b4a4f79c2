/* batch_test.c - ids, references, and the shared slab of bytes and events. */
#include "lb_test.h"

#include "lb_stream.h"

#include "batch.c"

static void an_id_is_the_stream_and_the_position_in_hex(void **state)
{
    static const struct {
        uint64_t stream;
        uint64_t position;
        uint32_t start;
        const char *id;
    } cases[] = {
        { 1, 0, 0, "0000000000000001-0" },
        { 0xdeadbeef, 0xff, 1, "00000000deadbeef-100" },
        { UINT64_MAX, 0x123456789abcdef0, 0xf, "ffffffffffffffff-123456789abcdeff" },
        { 0x10, UINT64_MAX, 0, "0000000000000010-ffffffffffffffff" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_stream stream = { .id = cases[i].stream };
        struct lb_batch batch = { .stream = &stream, .position = cases[i].position };
        struct lb_record record = { .start = cases[i].start };
        char id[LB_RECORD_ID_SIZE];

        assert_int_equal(lb_record_id(&batch, &record, id), strlen(cases[i].id));
        assert_string_equal(id, cases[i].id);
    }
}

static void a_batch_without_a_pool_stays_with_who_made_it(void **state)
{
    struct lb_batch batch = { .references = 1 };

    (void)state;
    lb_batch_ref(&batch);
    lb_batch_unref(&batch);
    lb_batch_unref(&batch);
    assert_int_equal(batch.references, 0);
}

static void bytes_and_events_share_the_slab(void **state)
{
    _Alignas(struct lb_event) char slab[64];
    struct lb_batch batch = { .bytes = slab, .capacity = sizeof(slab) };

    (void)state;
    assert_int_equal(lb_batch_room(&batch, 1), 56);
    batch.length = 40;
    lb_batch_note(&batch, 0, 19);
    lb_batch_note(&batch, 20, 19);
    batch.position_end = 40;
    assert_int_equal(lb_batch_room(&batch, 1), 0);
    assert_int_equal(lb_batch_event(&batch, 1)->start, 20);
    assert_int_equal(lb_batch_offset(&batch, 1), 20);
    assert_int_equal(lb_batch_offset(&batch, 2), 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_the_stream_and_the_position_in_hex),
        cmocka_unit_test(a_batch_without_a_pool_stays_with_who_made_it),
        cmocka_unit_test(bytes_and_events_share_the_slab),
    };

    return cmocka_run_group_tests_name("core/batch", tests, NULL, NULL);
}
