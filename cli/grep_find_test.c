/* grep_find_test.c - every implementation finds the same places, and reads nothing behind the end. */
#include "grep_find.c"

#include "lb_test.h"

#include <sys/mman.h>

enum { TEXT_MAX = 512, ROUNDS = 20000 };

static const char *const names[] = { "plain", "sse2", "avx2" };

/* Byte by byte, without a thought. */
static const char *find_slowly(const struct grep_needle *needle, const char *from, const char *end)
{
    for (; from + needle->text.len <= end; from++) {
        size_t same = 0;

        while (same < needle->text.len &&
               (from[same] == needle->text.ptr[same] || (needle->fold && from[same] >= 'A' && from[same] <= 'Z' &&
                                                         (from[same] | 0x20) == needle->text.ptr[same])))
            same++;
        if (same == needle->text.len)
            return from;
    }
    return NULL;
}

static void every_implementation_finds_what_a_plain_loop_does(void **state)
{
    uint64_t random = lb_seed();
    /* Ends where the next page may not be read. */
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(pages != MAP_FAILED && mprotect(pages + 4096, 4096, PROT_NONE) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = lb_random(&random) % TEXT_MAX;
        char *text = pages + 4096 - size;
        char word[64];
        size_t length = 1 + lb_random(&random) % (round % 2 == 0 ? 4 : 40);
        bool fold = lb_random(&random) % 2 == 0;

        for (size_t i = 0; i < size; i++)
            text[i] = "abAB{\n\xc3"[lb_random(&random) % 7];
        if (size > length && lb_random(&random) % 2 == 0)
            memcpy(word, text + lb_random(&random) % (size - length), length);
        else
            memset(word, "abA"[lb_random(&random) % 3], length);
        for (size_t i = 0; i < length; i++)
            word[i] = fold && word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] | 0x20) : word[i];
        struct grep_needle needle = grep_needle((struct lb_str){ word, length }, fold);
        const char *expected = find_slowly(&needle, text, text + size);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (grep_find_force(names[i]) && grep_find(&needle, text, text + size) != expected)
                fail_msg("seed %llu, round %d: %s", (unsigned long long)lb_seed(), round, names[i]);
        }
    }
    grep_find_force(NULL);
    munmap(pages, 8192);
}

static void newlines_are_counted(void **state)
{
    char text[200];
    uint64_t random = lb_seed();

    (void)state;
    for (size_t size = 0; size <= sizeof(text); size++) {
        uint64_t expected = 0;

        for (size_t i = 0; i < size; i++) {
            text[i] = lb_random(&random) % 5 == 0 ? '\n' : 'x';
            expected += text[i] == '\n';
        }
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (grep_find_force(names[i]))
                assert_int_equal(grep_count_newlines(text, text + size), expected);
        }
    }
    grep_find_force(NULL);
}

static void rare_bytes_are_looked_for(void **state)
{
    struct grep_needle needle = grep_needle(LB_STR("session=Zq"), false);

    (void)state;
    assert_true((needle.first == 'Z' && needle.second == 'q') || (needle.first == 'q' && needle.second == 'Z'));
    struct grep_needle common = grep_needle(LB_STR("error"), false);
    assert_true(grep_needle_cost(&needle) < grep_needle_cost(&common));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_implementation_finds_what_a_plain_loop_does),
        cmocka_unit_test(newlines_are_counted),
        cmocka_unit_test(rare_bytes_are_looked_for),
    };

    return cmocka_run_group_tests_name("cli/grep_find", tests, NULL, NULL);
}
