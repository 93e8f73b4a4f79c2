/* alert_patterns_test.c - messages of one kind are one pattern, in bounded memory. */
#include "alert_patterns.c"

#include "lb_alloc.h"
#include "lb_test.h"

static struct lb_alert_pattern see(struct lb_alert_patterns *patterns, uint64_t group, const char *message)
{
    struct lb_alert_pattern pattern;

    assert_true(lb_alert_patterns_see(patterns, group, lb_str_from(message), &pattern));
    return pattern;
}

/* Counts, chains and lists agree with each other. */
static void expect_sound(const struct lb_alert_patterns *patterns)
{
    const struct lb_alert_book *leaves = &patterns->leaves;
    const struct lb_alert_book *groups = &patterns->groups;
    uint64_t in_leaves = 0;
    uint64_t in_groups = 0;
    uint64_t nodes = 0;

    for (uint32_t i = lb_alert_book_next(leaves, LB_ALERT_BOOK_END); i != LB_ALERT_BOOK_END;
         i = lb_alert_book_next(leaves, i)) {
        const struct leaf *leaf = lb_alert_book_at(leaves, i);
        uint32_t count = 0;

        for (uint32_t link = leaf->first; link != NONE; link = at(patterns, link)->next)
            count++;
        assert_int_equal(count, leaf->count);
        assert_in_range(count, 1, LB_ALERT_PATTERNS_ALIKE);
        in_leaves += count;
    }
    for (uint32_t i = lb_alert_book_next(groups, LB_ALERT_BOOK_END); i != LB_ALERT_BOOK_END;
         i = lb_alert_book_next(groups, i)) {
        const struct group *group = lb_alert_book_at(groups, i);
        uint64_t count = 0;
        uint32_t before = NONE;

        for (uint32_t link = group->oldest; link != NONE; link = at(patterns, link)->newer) {
            assert_int_equal(at(patterns, link)->older, before);
            before = link;
            count++;
        }
        assert_int_equal(group->newest, before);
        assert_int_equal(count, group->count);
        assert_in_range(count, 1, LB_ALERT_PATTERNS_GROUP);
        in_groups += count;
    }
    for (uint32_t i = lb_alert_book_next(&patterns->nodes, LB_ALERT_BOOK_END); i != LB_ALERT_BOOK_END;
         i = lb_alert_book_next(&patterns->nodes, i))
        nodes += ((const struct node *)lb_alert_book_at(&patterns->nodes, i))->leaves;
    assert_int_equal(in_leaves, patterns->clusters.count);
    assert_int_equal(in_groups, patterns->clusters.count);
    assert_int_equal(nodes, leaves->count);
}

static void messages_that_differ_in_parameters_are_of_one_pattern(void **state)
{
    struct lb_alert_patterns patterns;
    struct lb_alert_pattern first;
    struct lb_alert_pattern second;

    (void)state;
    lb_alert_patterns_init(&patterns);
    first = see(&patterns, 1, "Failed password for root from 10.0.0.1 port 22");
    assert_true(first.fresh);
    assert_text(((struct lb_str){ first.text, first.length }), "Failed password for root from <ip> port <num>");
    second = see(&patterns, 1, "Failed password for kim from 10.9.8.7 port 54321");
    assert_false(second.fresh);
    assert_true(first.id == second.id);
    /* More general now, and the id is what it was. */
    second = see(&patterns, 1, "Failed password for lee from ::1 port 1");
    assert_false(second.fresh);
    assert_true(first.id == second.id);
    assert_true(see(&patterns, 1, "Accepted password for root from 10.0.0.1 port 22").fresh);
    assert_true(see(&patterns, 1, "Failed password for root").fresh);
    expect_sound(&patterns);
    lb_alert_patterns_free(&patterns);
}

static void what_was_seen_once_is_never_new_again(void **state)
{
    static const char *const messages[] = { "cache miss for key one", "cache hit for key two", "cache is full now ok",
                                            "cache miss on shard three", "cache hit on shard four" };
    struct lb_alert_patterns patterns;

    (void)state;
    lb_alert_patterns_init(&patterns);
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        see(&patterns, 1, messages[i]);
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        assert_false(see(&patterns, 1, messages[i]).fresh);
    lb_alert_patterns_free(&patterns);
}

static void groups_do_not_know_each_others_patterns(void **state)
{
    struct lb_alert_patterns patterns;

    (void)state;
    lb_alert_patterns_init(&patterns);
    assert_true(see(&patterns, 1, "disk is full").fresh);
    assert_true(see(&patterns, 2, "disk is full").fresh);
    assert_false(see(&patterns, 1, "disk is full").fresh);
    expect_sound(&patterns);
    lb_alert_patterns_free(&patterns);
}

/* Words that nothing masks, so that each message is a pattern. */
static void write_words(char *out, uint64_t *random, int words)
{
    for (int i = 0; i < words; i++) {
        for (int letter = 0; letter < 6; letter++)
            *out++ = (char)('a' + lb_random(random) % 26);
        *out++ = i + 1 < words ? ' ' : '\0';
    }
}

static void a_flood_of_patterns_is_bounded(void **state)
{
    struct lb_alert_patterns patterns;
    uint64_t random = lb_seed();
    long before = 0;

    (void)state;
    lb_alert_patterns_init(&patterns);
    for (int i = 0; i < 60000; i++) {
        char message[256];

        if (i == 30000)
            before = lb_alloc_count;
        write_words(message, &random, 2 + (int)(lb_random(&random) % 20));
        see(&patterns, lb_random(&random) % 12, message);
        if (i % 5000 == 0)
            expect_sound(&patterns);
    }
    assert_int_equal(patterns.clusters.count, LB_ALERT_PATTERNS_MAX);
    assert_true(lb_alert_patterns_forgotten(&patterns) > 30000);
    /* Tables may still double once; nothing grows with each message. */
    assert_in_range(lb_alloc_count - before, 0, 16);
    expect_sound(&patterns);
    lb_alert_patterns_free(&patterns);
}

/* A first word that is different every time does not make a pattern of each message for ever. */
static void too_many_first_words_are_a_parameter(void **state)
{
    struct lb_alert_patterns patterns;
    uint64_t random = lb_seed();
    int fresh = 0;

    (void)state;
    lb_alert_patterns_init(&patterns);
    for (int i = 0; i < 2000; i++) {
        char message[256];

        write_words(message, &random, 1);
        strcat(message, " logged in from the office network");
        fresh += see(&patterns, 1, message).fresh;
    }
    assert_in_range(fresh, 1, LB_ALERT_PATTERNS_ALIKE + 1);
    expect_sound(&patterns);
    lb_alert_patterns_free(&patterns);
}

static void patterns_come_back_and_damage_is_refused(void **state)
{
    struct lb_alert_patterns patterns;
    struct lb_alert_patterns again;
    struct lb_buffer bytes;
    struct lb_str rest;
    uint64_t random = lb_seed();
    char messages[300][256];

    (void)state;
    lb_buffer_init(&bytes, 1 << 24);
    lb_alert_patterns_init(&patterns);
    for (int i = 0; i < 300; i++) {
        write_words(messages[i], &random, 2 + i % 9);
        see(&patterns, (uint64_t)i % 7, messages[i]);
    }
    lb_alert_patterns_write(&patterns, &bytes);
    lb_alert_patterns_init(&again);
    rest = lb_buffer_str(&bytes);
    assert_true(lb_alert_patterns_restore(&again, &rest));
    expect_sound(&again);
    for (int i = 0; i < 300; i++) {
        struct lb_alert_pattern was = see(&patterns, (uint64_t)i % 7, messages[i]);
        struct lb_alert_pattern is = see(&again, (uint64_t)i % 7, messages[i]);

        assert_false(is.fresh);
        assert_true(was.id == is.id);
    }
    lb_alert_patterns_free(&again);
    for (size_t len = 0; len < bytes.len; len += 211) {
        lb_alert_patterns_init(&again);
        rest = (struct lb_str){ bytes.ptr, len };
        assert_false(lb_alert_patterns_restore(&again, &rest));
        lb_alert_patterns_free(&again);
    }
    lb_alert_patterns_free(&patterns);
    lb_buffer_free(&bytes);
}

static void without_memory_nothing_breaks(void **state)
{
    (void)state;
    for (long n = 1; n < 60; n++) {
        struct lb_alert_patterns patterns;
        struct lb_alert_pattern pattern;
        uint64_t random = lb_seed();

        lb_alert_patterns_init(&patterns);
        lb_alloc_fail_at = n;
        for (int i = 0; i < 200; i++) {
            char message[256];

            write_words(message, &random, 3);
            (void)lb_alert_patterns_see(&patterns, (uint64_t)i, lb_str_from(message), &pattern);
        }
        lb_alloc_fail_at = 0;
        expect_sound(&patterns);
        lb_alert_patterns_free(&patterns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_that_differ_in_parameters_are_of_one_pattern),
        cmocka_unit_test(what_was_seen_once_is_never_new_again),
        cmocka_unit_test(groups_do_not_know_each_others_patterns),
        cmocka_unit_test(a_flood_of_patterns_is_bounded),
        cmocka_unit_test(too_many_first_words_are_a_parameter),
        cmocka_unit_test(patterns_come_back_and_damage_is_refused),
        cmocka_unit_test(without_memory_nothing_breaks),
    };

    return cmocka_run_group_tests_name("route/alert_patterns", tests, NULL, NULL);
}
