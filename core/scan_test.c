/* scan_test.c - every implementation against a byte loop, at every alignment and length. */
#include "scan.c"

#include "lb_test.h"

static const char *const names[] = { "plain", "sse2", "avx2", "neon" };

enum { ROOM = 200 };

static size_t simple_string(const char *ptr, size_t len, unsigned char *high)
{
    size_t i = 0;

    for (; i < len; i++) {
        unsigned char byte = (unsigned char)ptr[i];

        if (byte < 0x20 || byte == '"' || byte == '\\')
            break;
        if (byte >= 0x80)
            *high |= 0x80;
    }
    return i;
}

/* The bytes stand at the end of an allocation, so that the sanitizer sees a read behind them. */
static char *at_the_end(size_t offset, size_t len)
{
    char *bytes = malloc(offset + len + (offset + len == 0));

    memset(bytes, 'a', offset + len);
    return bytes;
}

static void check_string(size_t offset, size_t len, size_t stop_at, char stop, size_t high_at)
{
    char *bytes = at_the_end(offset, len);
    unsigned char high = 0;
    unsigned char expected_high = 0;

    if (stop_at < len)
        bytes[offset + stop_at] = stop;
    if (high_at < len && high_at != stop_at)
        bytes[offset + high_at] = (char)0xc3;
    size_t expected = simple_string(bytes + offset, len, &expected_high);
    size_t got = lb_scan_string(bytes + offset, len, &high);
    if (got != expected || high != expected_high)
        fail_msg("%s: len=%zu stop=%zu high_at=%zu: got %zu/%02x", lb_scan_name(), len, stop_at, high_at, got, high);
    free(bytes);
}

static void string_stops_alike_at_every_place(void **state)
{
    static const char stops[] = { '"', '\\', 0x1f, 0, '\n' };

    (void)state;
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        if (!lb_scan_force(names[n]))
            continue;
        assert_string_equal(lb_scan_name(), names[n]);
        for (size_t offset = 0; offset < 4; offset++) {
            for (size_t len = 0; len < 100; len++) {
                for (size_t at = 0; at <= len; at++)
                    check_string(offset, len, at, stops[at % sizeof(stops)], (at * 7 + len) % 101);
            }
        }
    }
    lb_scan_force(NULL);
}

static void string_takes_every_other_byte(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        if (!lb_scan_force(names[n]))
            continue;
        for (int byte = 0; byte < 256; byte++) {
            for (size_t len = 1; len < 70; len += 17)
                check_string(1, len, len / 2, (char)byte, SIZE_MAX);
        }
    }
    lb_scan_force(NULL);
}

static void check_marks(const char *ptr, size_t len)
{
    uint64_t marks[ROOM / 64 + 1];
    bool high = false;

    memset(marks, 0xff, sizeof(marks));
    bool got = lb_scan_marks(ptr, len, marks);
    for (size_t i = 0; i < (len + 63) / 64 * 64; i++) {
        unsigned char byte = i < len ? (unsigned char)ptr[i] : 'a';

        high |= byte >= 0x80;
        assert_int_equal(marks[i / 64] >> (i % 64) & 1, byte < 0x20 || byte == '"' || byte == '\\');
    }
    assert_int_equal(got, high);
}

static void marks_stand_where_strings_stop(void **state)
{
    static const char alphabet[] = "abcdefgh \"\\\n";
    uint64_t random = lb_seed();

    (void)state;
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        if (!lb_scan_force(names[n]))
            continue;
        for (size_t len = 0; len < ROOM; len++) {
            char *bytes = at_the_end(len % 3, len);

            for (size_t i = 0; i < len; i++)
                bytes[len % 3 + i] = alphabet[lb_random(&random) % (sizeof(alphabet) - 1)];
            check_marks(bytes + len % 3, len);
            if (len > 0)
                bytes[len % 3 + lb_random(&random) % len] = (char)0xe2;
            check_marks(bytes + len % 3, len);
            free(bytes);
        }
    }
    lb_scan_force(NULL);
}

static void check_lines(const char *ptr, size_t len, size_t max)
{
    uint32_t ends[ROOM];
    size_t count = 0;
    size_t got = lb_scan_lines(ptr, len, ends, max);

    for (size_t i = 0; i < len && count < max; i++) {
        if (ptr[i] != '\n')
            continue;
        assert_true(count < got);
        assert_int_equal(ends[count], i);
        count++;
    }
    assert_int_equal(got, count);
}

static void lines_are_found_up_to_the_maximum(void **state)
{
    uint64_t random = lb_seed();

    (void)state;
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        if (!lb_scan_force(names[n]))
            continue;
        for (size_t len = 0; len < ROOM; len++) {
            char *bytes = at_the_end(len % 5, len);

            for (size_t i = 0; i < len; i++) {
                if (lb_random(&random) % 6 == 0)
                    bytes[len % 5 + i] = '\n';
            }
            check_lines(bytes + len % 5, len, ROOM);
            check_lines(bytes + len % 5, len, 3);
            check_lines(bytes + len % 5, len, 0);
            free(bytes);
        }
    }
    lb_scan_force(NULL);
}

static void last_line_ends_behind_the_last_newline(void **state)
{
    (void)state;
    assert_int_equal(lb_scan_last_line("a\nb\nc", 5), 4);
    assert_int_equal(lb_scan_last_line("a\nb\n", 4), 4);
    assert_int_equal(lb_scan_last_line("abc", 3), 0);
    assert_int_equal(lb_scan_last_line("", 0), 0);
}

static void an_unknown_implementation_is_refused(void **state)
{
    (void)state;
    assert_false(lb_scan_force("mmx"));
    assert_true(lb_scan_force("plain"));
    assert_string_equal(lb_scan_name(), "plain");
    assert_true(lb_scan_force(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(string_stops_alike_at_every_place),
        cmocka_unit_test(string_takes_every_other_byte),
        cmocka_unit_test(marks_stand_where_strings_stop),
        cmocka_unit_test(lines_are_found_up_to_the_maximum),
        cmocka_unit_test(last_line_ends_behind_the_last_newline),
        cmocka_unit_test(an_unknown_implementation_is_refused),
    };

    return cmocka_run_group_tests_name("core/scan", tests, NULL, NULL);
}
