/* alert_book_test.c - entries by key: found, used again, and let go in order of use. */
#include "alert_book.c"

#include "lb_test.h"

struct entry {
    uint64_t number;
    char text[24];
};

static struct entry *take(struct lb_alert_book *book, uint64_t hash)
{
    bool fresh;
    struct entry *entry = lb_alert_book_take(book, hash, &fresh);

    assert_non_null(entry);
    if (fresh) {
        assert_int_equal(entry->number, 0);
        entry->number = hash;
    }
    assert_int_equal(entry->number, hash);
    return entry;
}

static void what_was_not_used_for_the_longest_time_makes_room(void **state)
{
    struct lb_alert_book book;

    (void)state;
    lb_alert_book_init(&book, sizeof(struct entry), 3);
    for (uint64_t i = 1; i <= 3; i++)
        take(&book, i);
    take(&book, 1);
    take(&book, 4);
    assert_null(lb_alert_book_find(&book, 2));
    assert_non_null(lb_alert_book_find(&book, 1));
    assert_int_equal(book.forgotten, 1);
    assert_int_equal(book.count, 3);
    lb_alert_book_free(&book);
}

/* The same as a plain list, whatever is taken and removed. */
static void a_book_is_a_list_in_order_of_use(void **state)
{
    enum { MAX = 50, STEPS = 20000 };
    struct lb_alert_book book;
    uint64_t list[MAX];
    size_t count = 0;
    uint64_t random = lb_seed();

    (void)state;
    lb_alert_book_init(&book, sizeof(struct entry), MAX);
    for (int step = 0; step < STEPS; step++) {
        /* Few different low bits, so that they collide. */
        uint64_t hash = (lb_random(&random) % 90 + 1) << 32 | lb_random(&random) % 2;
        size_t at = 0;

        hash |= hash >> 32 << 33;
        while (at < count && list[at] != hash)
            at++;
        assert_int_equal(lb_alert_book_find(&book, hash) != NULL, at < count);
        if (at == count && count == MAX)
            at = 0;
        if (at < count) {
            memmove(list + at, list + at + 1, (count - at - 1) * sizeof(*list));
            count--;
        }
        if (step % 7 == 0 && lb_alert_book_find(&book, hash) != NULL) {
            lb_alert_book_remove(&book, lb_alert_book_find(&book, hash));
            continue;
        }
        take(&book, hash);
        list[count++] = hash;
    }
    size_t i = 0;
    for (uint32_t place = lb_alert_book_next(&book, LB_ALERT_BOOK_END); place != LB_ALERT_BOOK_END;
         place = lb_alert_book_next(&book, place))
        assert_int_equal(lb_alert_book_hash(&book, lb_alert_book_at(&book, place)), list[i++]);
    assert_int_equal(i, count);
    lb_alert_book_free(&book);
}

static void a_flood_of_keys_allocates_nothing_in_the_end(void **state)
{
    struct lb_alert_book book;
    long before;

    (void)state;
    lb_alert_book_init(&book, sizeof(struct entry), 1000);
    for (uint64_t i = 1; i <= 1000; i++)
        take(&book, i * UINT64_C(0x9E3779B97F4A7C15));
    before = lb_alloc_count;
    for (uint64_t i = 1; i <= 100000; i++)
        take(&book, i * UINT64_C(0x9E3779B97F4A7C15) + 1);
    assert_int_equal(lb_alloc_count, before);
    assert_int_equal(book.count, 1000);
    assert_in_range(lb_alert_book_bytes(&book), 1000 * sizeof(struct entry), 1000 * sizeof(struct entry) + 40000);
    lb_alert_book_free(&book);
}

static void a_book_comes_back_in_its_order_and_damage_is_refused(void **state)
{
    struct lb_alert_book book;
    struct lb_alert_book again;
    struct lb_buffer bytes;
    struct lb_buffer second;
    struct lb_str rest;

    (void)state;
    lb_buffer_init(&bytes, 1 << 20);
    lb_buffer_init(&second, 1 << 20);
    lb_alert_book_init(&book, sizeof(struct entry), 100);
    for (uint64_t i = 1; i <= 120; i++)
        take(&book, i * 7919);
    lb_alert_book_write(&book, &bytes);
    lb_alert_book_init(&again, sizeof(struct entry), 100);
    rest = lb_buffer_str(&bytes);
    assert_true(lb_alert_book_restore(&again, &rest));
    lb_alert_book_write(&again, &second);
    assert_true(lb_str_equal(lb_buffer_str(&bytes), lb_buffer_str(&second)));
    for (size_t len = 0; len < bytes.len; len += 13) {
        lb_alert_book_free(&again);
        rest = (struct lb_str){ bytes.ptr, len };
        assert_false(lb_alert_book_restore(&again, &rest));
    }
    lb_alert_book_free(&again);
    lb_alert_book_init(&again, sizeof(struct entry) + 8, 100);
    rest = lb_buffer_str(&bytes);
    assert_false(lb_alert_book_restore(&again, &rest));
    lb_alert_book_free(&again);
    lb_alert_book_free(&book);
    lb_buffer_free(&bytes);
    lb_buffer_free(&second);
}

static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    for (long n = 1; n < 40; n++) {
        struct lb_alert_book book;
        uint64_t made = 0;
        bool fresh;

        lb_alert_book_init(&book, sizeof(struct entry), 200);
        lb_alloc_fail_at = n;
        for (uint64_t i = 1; i <= 200; i++)
            made += lb_alert_book_take(&book, i, &fresh) != NULL;
        lb_alloc_fail_at = 0;
        assert_int_equal(book.count, made);
        assert_true(made >= 199);
        lb_alert_book_free(&book);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_used_for_the_longest_time_makes_room),
        cmocka_unit_test(a_book_is_a_list_in_order_of_use),
        cmocka_unit_test(a_flood_of_keys_allocates_nothing_in_the_end),
        cmocka_unit_test(a_book_comes_back_in_its_order_and_damage_is_refused),
        cmocka_unit_test(without_memory_nothing_is_lost),
    };

    return cmocka_run_group_tests_name("route/alert_book", tests, NULL, NULL);
}
