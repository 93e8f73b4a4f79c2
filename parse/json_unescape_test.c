/* json_unescape_test.c - both ways of unescaping say the same, and what the specification says. */
#include "json_unescape.c"

#include "lb_test.h"

enum { ROOM = 4096 };

/* `text` stands behind an opening quote. The input ends where an allocation ends. */
static bool decode(const char *text, size_t len, char *out, struct json_decoded *decoded)
{
    char *exact = malloc(len > 0 ? len : 1);

    memcpy(exact, text, len);
    bool good = json_decode_string((struct lb_str){ exact, len }, out, decoded);
    free(exact);
    return good;
}

static void escapes_become_what_they_say(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        { "", "" },
        { "plain", "plain" },
        { "a\\nb\\tc\\rd\\be\\ff\\/g\\\\h\\\"i", "a\nb\tc\rd\be\ff/g\\h\"i" },
        { "\\u0041\\u00e9\\u20ac", "A\xc3\xa9\xe2\x82\xac" },
        { "\\ud83d\\ude00", "\xf0\x9f\x98\x80" },
        { "\\ud83d", "\xef\xbf\xbd" },
        { "\\ud83dx", "\xef\xbf\xbdx" },
        { "\\ud83d\\u0041", "\xef\xbf\xbd"
                            "A" },
        { "\\ude00\\ud83d", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\\\\\\\\\\\"", "\\\\\"" },
        { "\\\\n", "\\n" },
        { "{\\\"a\\\":\\\"\\\\\\\"x\\\\\\\"\\\"}", "{\"a\":\"\\\"x\\\"\"}" },
    };

    (void)state;
    for (int simd_allowed = 0; simd_allowed < 2; simd_allowed++) {
        json_decode_allow_simd(simd_allowed != 0);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            for (size_t before = 0; before < 130; before++) {
                char text[ROOM];
                char out[ROOM];
                struct json_decoded decoded;
                size_t len = strlen(cases[i].text);

                memset(text, 'x', before);
                memcpy(text + before, cases[i].text, len);
                memcpy(text + before + len, "\",\"more\":1}", 12);
                assert_true(decode(text, before + len + 12, out, &decoded));
                assert_int_equal(decoded.used, before + len + 1);
                assert_text(((struct lb_str){ out + before, decoded.len - before }), cases[i].expected);
                assert_false(decoded.high);
            }
        }
    }
    json_decode_allow_simd(true);
}

static void what_is_no_string_is_refused(void **state)
{
    static const char *const cases[] = { "", "a", "a\\", "\\x\"", "\\u12\"", "\\u12g4\"", "a\nb\"", "\\\"", "\\\n\"" };

    (void)state;
    for (int simd_allowed = 0; simd_allowed < 2; simd_allowed++) {
        json_decode_allow_simd(simd_allowed != 0);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            for (size_t before = 0; before < 130; before++) {
                char text[ROOM];
                char out[ROOM];
                struct json_decoded decoded;

                memset(text, 'x', before);
                memcpy(text + before, cases[i], strlen(cases[i]));
                if (decode(text, before + strlen(cases[i]), out, &decoded))
                    fail_msg("%s behind %zu bytes was taken", cases[i], before);
            }
        }
    }
    json_decode_allow_simd(true);
}

static size_t random_string(char *out, size_t len, uint64_t *random)
{
    static const char *const pieces[] = { "a",    "bc",      "\\\"",           "\\\\",
                                          "\\n",  "\\u00e9", "\\ud83d\\ude00", "\xc3\xa9",
                                          "\xff", "\\/",     "0123456789",     "\\ud83d" };
    size_t at = 0;
    uint64_t kinds = 1 + lb_random(random) % (sizeof(pieces) / sizeof(pieces[0]));

    while (at < len) {
        const char *piece = pieces[lb_random(random) % kinds];

        memcpy(out + at, piece, strlen(piece));
        at += strlen(piece);
    }
    /* Sometimes something is wrong with it. */
    if (lb_random(random) % 4 == 0 && at > 0)
        out[lb_random(random) % at] = "\"\\\n\x01u"[lb_random(random) % 5];
    out[at] = '"';
    return at + 1 + lb_random(random) % 80;
}

static void both_ways_agree(void **state)
{
    uint64_t random = lb_seed();

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[ROOM];
        char fast[ROOM];
        char slow[ROOM];
        struct json_decoded fast_result;
        struct json_decoded slow_result;

        memset(text, ' ', sizeof(text));
        size_t len = random_string(text, lb_random(&random) % 400, &random);
        json_decode_allow_simd(true);
        bool fast_good = decode(text, len, fast, &fast_result);
        json_decode_allow_simd(false);
        bool slow_good = decode(text, len, slow, &slow_result);
        if (fast_good != slow_good)
            fail_msg("seed %llu, round %d: fast %d, slow %d: %.*s", (unsigned long long)lb_seed(), i, fast_good,
                     slow_good, (int)len, text);
        if (!fast_good)
            continue;
        assert_int_equal(fast_result.used, slow_result.used);
        assert_int_equal(fast_result.len, slow_result.len);
        assert_int_equal(fast_result.high, slow_result.high);
        assert_memory_equal(fast, slow, fast_result.len);
    }
    json_decode_allow_simd(true);
}

static void unescaping_in_place_says_the_same(void **state)
{
    uint64_t random = lb_seed();

    (void)state;
    for (int i = 0; i < 5000; i++) {
        char text[ROOM];
        char out[ROOM];
        struct json_decoded decoded;

        memset(text, ' ', sizeof(text));
        size_t len = random_string(text, lb_random(&random) % 200, &random);
        if (!decode(text, len, out, &decoded))
            continue;
        size_t in_place = lb_json_unescape((struct lb_str){ text, decoded.used - 1 }, text);
        assert_int_equal(in_place, decoded.len);
        assert_memory_equal(text, out, in_place);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_become_what_they_say),
        cmocka_unit_test(what_is_no_string_is_refused),
        cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(unescaping_in_place_says_the_same),
    };

    return cmocka_run_group_tests_name("parse/json_unescape", tests, NULL, NULL);
}
