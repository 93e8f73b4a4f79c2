/* crc32c_test.c - known sums, by both implementations, whole and in pieces. */
#include "lb_test.h"

#include "crc32c.c"

static void agrees_with_the_published_sums(void **state)
{
    static const unsigned char zeros[32];
    unsigned char rising[32];

    (void)state;
    for (unsigned i = 0; i < sizeof(rising); i++)
        rising[i] = (unsigned char)i;
    assert_int_equal(lb_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(lb_crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
    assert_int_equal(lb_crc32c(0, rising, sizeof(rising)), 0x46dd794e);
    assert_int_equal(lb_crc32c(0, "", 0), 0);
}

static void the_table_and_the_instruction_agree_at_every_length_and_offset(void **state)
{
    unsigned char bytes[80];
    uint64_t random = lb_seed();

    (void)state;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)lb_random(&random);
    for (size_t start = 0; start < 9; start++) {
        for (size_t len = 0; start + len <= sizeof(bytes); len++) {
            uint32_t whole = lb_crc32c(0, bytes + start, len);

            assert_int_equal(~by_table(~0U, bytes + start, len), whole);
            assert_int_equal(lb_crc32c(lb_crc32c(0, bytes + start, len / 3), bytes + start + len / 3, len - len / 3),
                             whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_published_sums),
        cmocka_unit_test(the_table_and_the_instruction_agree_at_every_length_and_offset),
    };

    return cmocka_run_group_tests_name("core/crc32c", tests, NULL, NULL);
}
