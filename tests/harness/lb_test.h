/*
 * lb_test.h - what every unit and property test includes: cmocka and a few
 * words on top of it. A test's name says what must hold.
 */
#ifndef LB_TEST_H
#define LB_TEST_H

#include "lb_str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_text(actual, expected)                                                                                  \
    do {                                                                                                               \
        struct lb_str lb_actual = (actual);                                                                            \
        struct lb_str lb_expected = lb_str_from(expected);                                                             \
        if (!lb_str_equal(lb_actual, lb_expected))                                                                     \
            fail_msg("expected \"%s\", got \"" LB_STR_FMT "\"", (expected), LB_STR_ARG(lb_actual));                    \
    } while (0)

/*
 * The seed of a property test; LB_SEED repeats a run. The program says it once, so that whatever fails tells of it,
 * also where a thread or a plain assertion does.
 */
static inline uint64_t lb_seed(void)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    const char *text = getenv("LB_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : UINT64_C(20260101);

    if (!atomic_flag_test_and_set(&told))
        print_message("LB_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/*
 * How often something costly is tried. ThreadSanitizer makes it ten times as
 * slow and has nothing to see in one thread: there an eighth, unless LB_LONG is
 * set.
 */
static inline uint32_t lb_rounds(uint32_t count)
{
#ifdef __SANITIZE_THREAD__
    if (getenv("LB_LONG") == NULL)
        return (count + 7) / 8;
#endif
    return count;
}

static inline uint64_t lb_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

#endif
