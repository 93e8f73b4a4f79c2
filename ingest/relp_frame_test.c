/* Frames of RELP: what is one, what is none, and that a frame is none before it is whole. */
#include "lb_test.h"

#include "relp_frame.c"

static void reads_frames(void **state)
{
    static const struct {
        const char *bytes;
        uint32_t transaction;
        const char *command;
        const char *data;
        size_t length;
    } cases[] = {
        { "1 open 14 relp_version=0\n2 x", 1, "open", "relp_version=0", 25 },
        { "999999999 syslog 3 a\nb\n", 999999999, "syslog", "a\nb", 23 },
        { "7 close 0\n", 7, "close", "", 10 },
        { "7 close 0 \n", 7, "close", "", 11 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct relp_frame frame;
        size_t needed;

        assert_int_equal(relp_frame_read(lb_str_from(cases[i].bytes), &frame, &needed), LB_OK);
        assert_int_equal(frame.transaction, cases[i].transaction);
        assert_true(lb_str_equal(frame.command, lb_str_from(cases[i].command)));
        assert_true(lb_str_equal(frame.data, lb_str_from(cases[i].data)));
        assert_int_equal(frame.length, cases[i].length);
    }
}

static void a_frame_is_none_before_it_is_whole(void **state)
{
    static const char bytes[] = "12 syslog 11 hello\nworld\n";
    struct relp_frame frame;
    size_t needed;

    (void)state;
    for (size_t len = 0; len < sizeof(bytes) - 1; len++) {
        assert_int_equal(relp_frame_read((struct lb_str){ bytes, len }, &frame, &needed), LB_AGAIN);
        assert_true(needed > len && needed <= sizeof(bytes) - 1);
    }
    assert_int_equal(needed, sizeof(bytes) - 1);
}

static void refuses_what_is_no_frame(void **state)
{
    static const char *const cases[] = {
        "",
        " 1 open 1 x\n",
        "x open 1 x\n",
        "1  1 x\n",
        "1 op3n 1 x\n",
        "1 open x\n",
        "1 open 1\n",
        "1 open 1 xx\n",
        "1234567890 open 1 x\n",
        "1 open 1234567890",
        "1\nopen 1 x\n",
        "\n",
        "1 abcdefghijklmnopqrstuvwxyzabcdefgh 1 x\n",
    };

    (void)state;
    for (size_t i = 1; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct relp_frame frame;
        size_t needed;

        if (relp_frame_read(lb_str_from(cases[i]), &frame, &needed) != LB_BAD_INPUT)
            fail_msg("taken for a frame: %s", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_frames),
        cmocka_unit_test(a_frame_is_none_before_it_is_whole),
        cmocka_unit_test(refuses_what_is_no_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
