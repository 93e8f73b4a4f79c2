#include "lb_test.h"

#include "http_settings.c"

static struct lb_sink sink;

static bool passes(const struct http_settings *settings, struct lb_diag *diag)
{
    *diag = (struct lb_diag){ 0 };
    return http_settings_check(&sink, settings, diag);
}

static void an_address_is_http_or_https(void **state)
{
    static const struct {
        const char *url;
        bool good;
    } cases[] = {
        { "http://127.0.0.1:8080/in", true },
        { "https://example.org", true },
        { "HTTPS://example.org/in?a=b#c", true },
        { "https://user:pass@example.org/in", true },
        { "http://[::1]:80/", true },
        { "", false },
        { "example.org/in", false },
        { "ftp://example.org/", false },
        { "file:///etc/passwd", false },
        { "https://", false },
        { "http://example.org:99999/", false },
        { "http://exa mple.org/", false },
        { "http://example.org/\r\nX: y", false },
        { "gopher://127.0.0.1:6379/_x", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_settings settings = { .url = lb_str_from(cases[i].url) };
        struct lb_diag diag;

        if (passes(&settings, &diag) != cases[i].good)
            fail_msg("%s", cases[i].url);
        assert_int_equal(diag.errors, cases[i].good ? 0 : 1);
        lb_diag_free(&diag);
    }
}

static void a_header_cannot_write_another(void **state)
{
    static const struct {
        const char *name;
        struct lb_str value;
        const char *fault; /* part of the message; NULL: good */
    } cases[] = {
        { "Authorization", LB_STR("Bearer abc"), NULL },
        { "X-Team", LB_STR("a\tb \xc3\xa4"), NULL },
        { "Host", LB_STR("inner.example.org"), NULL },
        { "Authorization", LB_STR("Bearer abc\n"), "one line" },
        { "Authorization", LB_STR("abc\r\nX-Admin: 1"), "one line" },
        { "Authorization", LB_STR("abc\rX-Admin: 1"), "one line" },
        { "Authorization", LB_STR("abc\0def"), "one line" },
        { "Authorization", LB_STR("abc\x7f"), "one line" },
        { "Authorization", LB_STR(""), "empty" },
        { "", LB_STR("x"), "header name" },
        { "X-A: b\r\nX-C", LB_STR("x"), "header name" },
        { "X Team", LB_STR("x"), "header name" },
        { "X-Team:", LB_STR("x"), "header name" },
        { "X-T\xc3\xa4m", LB_STR("x"), "header name" },
        { "content-type", LB_STR("text/plain"), "itself" },
        { "Content-Length", LB_STR("0"), "itself" },
        { "Transfer-Encoding", LB_STR("chunked"), "itself" },
        { "Webhook-Signature", LB_STR("v1,x"), "itself" },
        { "idempotency-key", LB_STR("x"), "itself" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_pair pair = { lb_str_from(cases[i].name), cases[i].value };
        struct http_settings settings = { .url = LB_STR("http://x/"), .headers = { &pair, 1 } };
        struct lb_diag diag;

        if (passes(&settings, &diag) != (cases[i].fault == NULL))
            fail_msg("%s: " LB_STR_FMT, cases[i].name, LB_STR_ARG(cases[i].value));
        if (cases[i].fault != NULL && strstr(diag.entries[0].text, cases[i].fault) == NULL)
            fail_msg("%s: %s", cases[i].name, diag.entries[0].text);
        lb_diag_free(&diag);
    }
}

static void a_header_that_does_not_fit_is_refused_not_cut(void **state)
{
    static char value[HTTP_HEADER_BYTES];
    struct lb_pair pair = { LB_STR("X-Long"), { value, sizeof(value) - 6 - 3 } };
    struct http_settings settings = { .url = LB_STR("http://x/"), .headers = { &pair, 1 } };
    struct lb_diag diag;

    (void)state;
    memset(value, 'v', sizeof(value));
    assert_true(passes(&settings, &diag));
    pair.value.len++;
    assert_false(passes(&settings, &diag));
    lb_diag_free(&diag);
}

static void no_message_repeats_a_value(void **state)
{
    struct lb_pair pairs[] = { { LB_STR("Authorization"), LB_STR("hunter2\n") },
                               { LB_STR("Bad\nName hunter2"), LB_STR("hunter2") } };
    struct http_settings settings = { .url = LB_STR("htps://me:hunter2@example.org/hunter2"), .headers = { pairs, 2 } };
    struct lb_diag diag;

    (void)state;
    assert_false(passes(&settings, &diag));
    assert_int_equal(diag.errors, 3);
    for (uint32_t i = 0; i < diag.count; i++)
        assert_null(strstr(diag.entries[i].text, "hunter2"));
    lb_diag_free(&diag);
}

static void a_key_needs_its_certificate(void **state)
{
    struct http_settings settings = { .url = LB_STR("https://x/"), .key = LB_STR("client.key") };
    struct lb_diag diag;

    (void)state;
    assert_false(passes(&settings, &diag));
    lb_diag_free(&diag);
    settings.cert = LB_STR("client.pem");
    assert_true(passes(&settings, &diag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_http_or_https),
        cmocka_unit_test(a_header_cannot_write_another),
        cmocka_unit_test(a_header_that_does_not_fit_is_refused_not_cut),
        cmocka_unit_test(no_message_repeats_a_value),
        cmocka_unit_test(a_key_needs_its_certificate),
    };

    return cmocka_run_group_tests_name("sinks/http_settings", tests, NULL, NULL);
}
