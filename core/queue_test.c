/* queue_test.c - order, numbers and the end of a queue. */
#include "lb_test.h"

#include "queue.c"

static void batches_leave_in_order_with_their_numbers(void **state)
{
    struct lb_batch batches[3] = { { .references = 1 }, { .references = 1 }, { .references = 1 } };
    struct lb_queue queue;

    (void)state;
    lb_queue_init(&queue);
    lb_queue_push(&queue, &batches[2]);
    lb_queue_push(&queue, &batches[0]);
    assert_int_equal(lb_queue_depth(&queue), 2);
    assert_ptr_equal(lb_queue_pop(&queue), &batches[2]);
    assert_ptr_equal(lb_queue_pop(&queue), &batches[0]);
    lb_queue_push(&queue, &batches[1]);
    assert_ptr_equal(lb_queue_pop(&queue), &batches[1]);
    assert_int_equal(batches[2].sequence, 0);
    assert_int_equal(batches[0].sequence, 1);
    assert_int_equal(batches[1].sequence, 2);
    assert_int_equal(lb_queue_depth(&queue), 0);
    lb_queue_free(&queue);
}

static void nobody(struct lb_generation *generation)
{
    (void)generation;
    fail();
}

static void the_marker_stands_between_the_generations(void **state)
{
    struct lb_generation old = { 1, nobody };
    struct lb_generation new = { 1, nobody };
    struct lb_batch batches[2] = { { .references = 1 }, { .references = 1 } };
    struct lb_batch marker = { .references = 1 };
    struct lb_queue queue;

    (void)state;
    lb_queue_init(&queue);
    queue.generation = &old;
    lb_queue_push(&queue, &batches[0]);
    lb_queue_switch(&queue, &new, &marker);
    lb_queue_push(&queue, &batches[1]);
    assert_ptr_equal(lb_queue_pop(&queue), &batches[0]);
    assert_ptr_equal(lb_queue_pop(&queue), &marker);
    assert_ptr_equal(lb_queue_pop(&queue), &batches[1]);
    assert_ptr_equal(batches[0].generation, &old);
    assert_ptr_equal(marker.generation, &new);
    assert_ptr_equal(batches[1].generation, &new);
    assert_int_equal(marker.sequence, 1);
    assert_int_equal(old.references, 2);
    assert_int_equal(new.references, 3);
    assert_int_equal(lb_queue_pushed(&queue), 3);
    lb_queue_free(&queue);
}

static void a_closed_queue_drains_then_gives_null(void **state)
{
    struct lb_batch batch = { .references = 1 };
    struct lb_queue queue;

    (void)state;
    lb_queue_init(&queue);
    lb_queue_push(&queue, &batch);
    lb_queue_close(&queue);
    assert_ptr_equal(lb_queue_pop(&queue), &batch);
    assert_null(lb_queue_pop(&queue));
    assert_null(lb_queue_pop(&queue));
    lb_queue_free(&queue);
}

static void freeing_lets_go_of_what_is_left(void **state)
{
    struct lb_batch batches[2] = { { .references = 1 }, { .references = 2 } };
    struct lb_queue queue;

    (void)state;
    lb_queue_init(&queue);
    lb_queue_push(&queue, &batches[0]);
    lb_queue_push(&queue, &batches[1]);
    lb_queue_free(&queue);
    assert_int_equal(batches[0].references, 0);
    assert_int_equal(batches[1].references, 1);
}

static void *pop_until_the_end(void *context)
{
    struct lb_queue *queue = context;
    size_t count = 0;

    while (lb_queue_pop(queue) != NULL)
        count++;
    return (void *)count;
}

static void closing_wakes_every_receiver(void **state)
{
    struct lb_batch batches[100] = { { .references = 1 } };
    struct lb_queue queue;
    pthread_t threads[3];
    size_t total = 0;

    (void)state;
    lb_queue_init(&queue);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pop_until_the_end, &queue), 0);
    for (unsigned i = 0; i < 100; i++)
        lb_queue_push(&queue, &batches[i]);
    lb_queue_close(&queue);
    for (unsigned i = 0; i < 3; i++) {
        void *count;

        pthread_join(threads[i], &count);
        total += (size_t)count;
    }
    assert_int_equal(total, 100);
    lb_queue_free(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_leave_in_order_with_their_numbers),
        cmocka_unit_test(the_marker_stands_between_the_generations),
        cmocka_unit_test(a_closed_queue_drains_then_gives_null),
        cmocka_unit_test(freeing_lets_go_of_what_is_left),
        cmocka_unit_test(closing_wakes_every_receiver),
    };

    return cmocka_run_group_tests_name("core/queue", tests, NULL, NULL);
}
