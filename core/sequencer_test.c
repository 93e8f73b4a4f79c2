/* sequencer_test.c - whatever the order of finishing, batches leave in theirs. */
#include "lb_test.h"

#include "sequencer.c"

enum { BATCHES = 1000 };

struct seen {
    uint64_t sequences[BATCHES];
    unsigned count;
};

static void note(void *context, struct lb_batch *batch)
{
    struct seen *seen = context;

    seen->sequences[seen->count++] = batch->sequence;
}

static void shuffle(unsigned *order, unsigned count, uint64_t *random)
{
    for (unsigned i = count - 1; i > 0; i--) {
        unsigned j = (unsigned)(lb_random(random) % (i + 1));
        unsigned kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}

/* More batches than buckets, so that some share one. */
static void any_order_in_gives_the_same_order_out(void **state)
{
    static struct lb_batch batches[BATCHES];
    static unsigned order[BATCHES];
    uint64_t random = lb_seed();

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct seen seen = { .count = 0 };
        struct lb_sequencer *sequencer = lb_sequencer_new(note, &seen);

        for (unsigned i = 0; i < BATCHES; i++) {
            batches[i] = (struct lb_batch){ .sequence = i, .references = 1 };
            order[i] = i;
        }
        shuffle(order, BATCHES, &random);
        for (unsigned i = 0; i < BATCHES; i++)
            lb_sequencer_done(sequencer, &batches[order[i]]);
        assert_int_equal(seen.count, BATCHES);
        for (unsigned i = 0; i < BATCHES; i++)
            assert_int_equal(seen.sequences[i], i);
        lb_sequencer_free(sequencer);
    }
}

static void what_stands_behind_a_gap_waits_and_is_let_go_at_the_end(void **state)
{
    struct lb_batch batches[3] = { { .sequence = 0, .references = 1 },
                                   { .sequence = 2, .references = 1 },
                                   { .sequence = 258, .references = 1 } };
    struct seen seen = { .count = 0 };
    struct lb_sequencer *sequencer = lb_sequencer_new(note, &seen);

    (void)state;
    for (unsigned i = 3; i-- > 0;)
        lb_sequencer_done(sequencer, &batches[i]);
    assert_int_equal(seen.count, 1);
    lb_sequencer_free(sequencer);
    assert_int_equal(batches[0].references, 1); /* given to emit */
    assert_int_equal(batches[1].references, 0);
    assert_int_equal(batches[2].references, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_in_gives_the_same_order_out),
        cmocka_unit_test(what_stands_behind_a_gap_waits_and_is_let_go_at_the_end),
    };

    return cmocka_run_group_tests_name("core/sequencer", tests, NULL, NULL);
}
