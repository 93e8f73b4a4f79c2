#include "webhook_key.h"

#include "lb_test.h"

static void a_signature_is_what_others_compute(void **state)
{
    static const struct {
        const char *secret, *head, *body, *code;
    } cases[] = {
        /* The example of the Standard Webhooks specification. */
        { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.",
          "{\"test\": 2432232314}", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" },
        /* Python: base64.b64encode(hmac.new(key, head + body, "sha256").digest()) */
        { "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "lb_00000000000000ab-5.1767225600.", "{\"a\":1}",
          "BzWzDDpoXMu0uXM/kq/Bv3DXOHSfeae4Z8cJDshbzOs=" },
        { "a plain text", "lb_00000000000000ab-5.1767225600.", "{\"a\":1}",
          "KWM/sErK68jh3+WPgW38XNiC9Qx9uDFDQEbEY0EWo8s=" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct webhook_key key;
        char code[WEBHOOK_SIGNATURE_BYTES];

        assert_true(webhook_key_read(&key, lb_str_from(cases[i].secret)));
        assert_true(webhook_key_sign(&key, lb_str_from(cases[i].head), lb_str_from(cases[i].body), code));
        assert_string_equal(code, cases[i].code);
    }
}

#define KEY_23 "a2tra2tra2tra2tra2tra2tra2tra2s="
#define KEY_24 "a2tra2tra2tra2tra2tra2tra2tra2tr"
#define KEY_32 "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
#define KEY_64 "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2traw=="
#define KEY_65 "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="

static void bad_secrets_are_refused(void **state)
{
    static char long_text[WEBHOOK_SECRET_BYTES_MAX + 2];
    static const struct {
        const char *secret;
        size_t key_len; /* 0: refused */
    } cases[] = {
        { "x", 1 },
        { "a plain text", 12 },
        { "whsec", 5 },
        { "whsec_" KEY_24, 24 },
        { "whsec_" KEY_32, 32 },
        { "whsec_" KEY_64, 64 },
        { "", 0 },
        { "whsec_", 0 },
        { "whsec_" KEY_23, 0 },
        { "whsec_" KEY_65, 0 },
        { "whsec_" KEY_64 KEY_64 KEY_64 KEY_64 KEY_64, 0 },
        { "whsec_a2tra2tra2tra2tra2tra2tra2tra2t", 0 },     /* padding is missing */
        { "whsec_a2tra2tra2tra2tra2tra2tra2tra2=r", 0 },    /* in the middle */
        { "whsec_a2tra2tra2tra2tra2tra2tra2tra2t====", 0 }, /* too much */
        { "whsec_a2tra2tra2tra2tra2tra2tra2tra-_r", 0 },    /* the other alphabet */
        { "whsec_ a2tra2tra2tra2tra2tra2tra2tra2s", 0 },    /* blanks */
        { "whsec_" KEY_24 "\n", 0 },                        /* a line end, as files have */
        { "whsec_a2tra2tra2tra2tra2tra2tra2tra2\xc3\xa4", 0 },
    };
    struct webhook_key key;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (webhook_key_read(&key, lb_str_from(cases[i].secret)) != (cases[i].key_len > 0))
            fail_msg("%s", cases[i].secret);
        if (cases[i].key_len > 0)
            assert_int_equal(key.len, cases[i].key_len);
    }
    memset(long_text, 's', WEBHOOK_SECRET_BYTES_MAX);
    assert_true(webhook_key_read(&key, lb_str_from(long_text)));
    long_text[WEBHOOK_SECRET_BYTES_MAX] = 's';
    assert_false(webhook_key_read(&key, lb_str_from(long_text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_what_others_compute),
        cmocka_unit_test(bad_secrets_are_refused),
    };

    return cmocka_run_group_tests_name("sinks/webhook_key", tests, NULL, NULL);
}
