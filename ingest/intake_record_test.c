/* intake_record_test.c - batches as entries of the journal and back, and what damage does to them. */
#include "intake_ground.h"

static void datagrams_keep_their_senders_and_cut_ones_say_so(void **state)
{
    struct lb_buffer out;

    (void)state;
    begin();
    lb_buffer_init(&out, INTAKE_ENTRY_MAX);
    struct lb_batch *batch = batch_of(3, 40);
    struct lb_batch *again = lb_pool_take(ground.share, 3 * 64, ground.connection);
    struct lb_str peers[] = { LB_STR("192.0.2.7"), LB_STR(""), LB_STR("2001:db8::1") };
    batch->peers = peers;
    lb_batch_event(batch, 1)->truncated = 1;
    batch->length += 20; /* of an event that is not whole */
    intake_encode(batch, &out);
    assert_false(out.failed);
    assert_int_equal(intake_decode(lb_buffer_str(&out), again), LB_OK);
    assert_int_equal(again->event_count, 3);
    assert_int_equal(again->length, 120);
    assert_int_equal(again->arrival_ns, batch->arrival_ns);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(number_of(again, i), i);
        assert_true(lb_str_equal(again->peers[i], peers[i]));
        assert_int_equal(lb_batch_event(again, i)->truncated, i == 1);
    }
    lb_batch_unref(again);
    batch->peers = NULL;
    lb_batch_unref(batch);
    lb_buffer_free(&out);
    end();
}

/* Each byte changed and each length: an error or something whole, and never outside of its memory. */
static void no_damage_is_trusted(void **state)
{
    struct lb_buffer out;
    uint64_t random = lb_seed();

    (void)state;
    begin();
    lb_buffer_init(&out, INTAKE_ENTRY_MAX);
    struct lb_batch *batch = batch_of(3, 20);
    struct lb_str peers[] = { LB_STR("192.0.2.7"), LB_STR("x"), LB_STR("192.0.2.8") };
    batch->peers = peers;
    intake_encode(batch, &out);
    for (size_t i = 0; i < out.len * 20; i++) {
        size_t len = i < out.len ? i : out.len;
        char *exact = malloc(len + 1); /* so that a sanitizer sees a read behind it */

        memcpy(exact, out.ptr, len);
        if (i >= out.len)
            exact[i % out.len] = (char)lb_random(&random);
        struct lb_str payload = { exact, len };
        struct intake_head head;
        enum lb_err err = intake_decode_head(payload, &head);
        if (i < out.len)
            assert_int_equal(err, LB_BAD_INPUT);
        struct lb_batch *again =
            err == LB_OK ? lb_pool_take(ground.share, intake_slab_bytes(&head), ground.connection) : NULL;
        if (again != NULL && intake_decode(payload, again) == LB_OK) {
            for (uint32_t e = 0; e < again->event_count; e++)
                assert_true(lb_batch_event(again, e)->start + lb_batch_event(again, e)->length <= again->length);
        }
        if (again != NULL)
            lb_batch_unref(again);
        free(exact);
    }
    batch->peers = NULL;
    lb_batch_unref(batch);
    lb_buffer_free(&out);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INTAKE_TEST(datagrams_keep_their_senders_and_cut_ones_say_so),
        INTAKE_TEST(no_damage_is_trusted),
    };

    atomic_store(&lb_log_level, LB_LEVEL_NONE);
    int failed = cmocka_run_group_tests_name("ingest/intake_record", tests, NULL, NULL);
    lb_metrics_free_all();
    return failed;
}
