/* redact_test.c - what is a secret, what only looks like one, and that nothing of it is left in any format. */
#include "lb_test.h"
#include "lb_test_filter.h"

#define ALL "patterns: [email, ipv4, ipv6, card, iban, bearer, password_url, aws_key, jwt], "
#define KEYS "keys: [password, token, Cookie, authorization, api_key]"
#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"

struct row {
    const char *text;
    const char *expected; /* NULL: as it was */
};

static const struct row messages[] = {
    /* email */
    { "mail to alice.b+c@mail.example.org.", "mail to [email]." },
    { "<bob@example.org>,user=eve@example.org;", "<[email]>,user=[email];" },
    { "'carl@example.org' \"dora@example.co.uk\"", "'[email]' \"[email]\"" },
    { "a@b, @example.org, x@, user@localhost, 3@4.5", NULL },
    { "a@@example.org x@example..org", NULL },
    /* addresses */
    { "from 192.0.2.1 to 10.0.0.255:8080, (198.51.100.7)", "from [ipv4] to [ipv4]:8080, ([ipv4])" },
    { "version 1.2.3.4.5, 1.2.3, 256.1.1.1, 1.2.3.4567, v1.2.3.4", NULL },
    { "ip=192.0.2.1. Next", "ip=[ipv4]. Next" },
    { "2001:db8::1 and fe80::1%eth0 [::1]:80", "[ipv6] and [ipv6]%eth0 [[ipv6]]:80" },
    { "client:2001:db8::8a2e:370:7334: gone", "client:[ipv6]: gone" },
    { "2001:db8::1:failed", "[ipv6]:failed" },
    { "::ffff:192.0.2.1 2001:db8:0:0:0:0:0:1/64", "[ipv6] [ipv6]/64" },
    { "at 12:30:45 in main::add, std::fade, a::b, 00:1a:2b:3c:4d:5e", NULL },
    { "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", NULL },
    /* cards */
    { "card 4111111111111111 paid", "card [card] paid" },
    { "card 4111 1111 1111 1111, 4111-1111-1111-1111.", "card [card], [card]." },
    { "amex 378282246310005 3782 822463 10005", "amex [card] [card]" },
    { "4111111111111112 1411111111111111 41111111111111111111", NULL },
    { "at 1767225600000000000 id 5105105105105101", NULL },
    { "order 12 4111111111111111", "order 12 [card]" },
    { "0.4111111111111111 x4111111111111111", NULL },
    /* iban */
    { "to DE89370400440532013000 now", "to [iban] now" },
    { "to GB82 WEST 1234 5698 7654 32, thanks", "to [iban], thanks" },
    { "DE89370400440532013001 AB12 word and more words", NULL },
    { "de89370400440532013000", "[iban]" },
    /* tokens */
    { "Authorized with Bearer abc123def456", "Authorized with Bearer [bearer]" },
    { "bearer certificate of basic training, Bearer token", NULL },
    { "Basic dXNlcjpwYXNzd29yZA==", "Basic [bearer]" },
    { "key AKIAIOSFODNN7EXAMPLE!", "key [aws_key]!" },
    { "AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7EXAMPLE1 akiaiosfodnn7example", NULL },
    { "jwt " JWT ".", "jwt [jwt]." },
    { "eyJhbGciOiJIUzI1NiJ9 eyJ.eyJ.x", NULL },
    { "postgres://app:s3cr:et@db:5432/shop", "postgres://app:[password_url]@db:5432/shop" },
    { "redis://:pass/w0rd@cache/0", "redis://:[password_url]@cache/0" },
    { "http://host:8080/a@b https://user@example https://example/x:y@z", NULL },
    /* keys */
    { "password=hunter2 user=eve", "password=[redacted] user=eve" },
    { "PASSWORD = 'a b c', next", "PASSWORD = '[redacted]', next" },
    { "password: \"a\\\"b\" rest", "password: \"[redacted]\" rest" },
    { "body {\"password\": \"x y\",\"n\":1,\"token\":7}",
      "body {\"password\": \"[redacted]\",\"n\":1,\"token\":[redacted]}" },
    { "body {\\\"password\\\":\\\"x\\\\\\\"y\\\",\\\"n\\\":1}",
      "body {\\\"password\\\":\\\"[redacted]\\\",\\\"n\\\":1}" },
    { "token={\"a\":[\"]}\",2]},x", "token=[redacted],x" },
    { "GET /?token=abc&x=1", "GET /?token=[redacted]&x=1" },
    { "Cookie: a=b; c=d", "Cookie: [redacted]" },
    { "-H 'Authorization: Digest x y' -v", "-H 'Authorization: [redacted]' -v" },
    { "--api_key=k,user=eve api_key=a,b;c,", "--api_key=[redacted],user=eve api_key=[redacted]," },
    { "user.password=x :password=>'y'", "user.password=[redacted] :password=>'[redacted]'" },
    { "my_password=x mypassword=x password_reset=1 password token", NULL },
    { "token::parse password= ", NULL },
    { "password=alice@example.org,4111111111111111", "password=[redacted]" },
    { "mail alice@example.org: Bearer abc123def 192.0.2.1", "mail [email]: Bearer [bearer] [ipv4]" },
    { "4111111111111111@example.org", "[card][email]" },
};

/* The batch points to the stream only while a line runs, so it may be moved. */
static struct lb_test_filter open_filter(const char *filters)
{
    struct lb_test_filter filter;

    if (!lb_test_filter_open(&filter, filters)) {
        lb_diag_print(&filter.diag, stderr);
        fail_msg("%s", filters);
    }
    return filter;
}

/* As the message of a JSON line, so that nothing else reads it. */
static const struct lb_record *run_message(struct lb_test_filter *filter, const char *text)
{
    struct lb_buffer line;
    const struct lb_record *record;

    lb_buffer_init(&line, 1 << 20);
    lb_buffer_append(&line, "{\"message\":\"", 12);
    lb_json_escape(&line, lb_str_from(text));
    lb_buffer_append(&line, "\"}", 2);
    record = lb_test_filter_run(filter, lb_buffer_str(&line));
    lb_buffer_free(&line);
    return record;
}

static void secrets_in_text_are_masked_and_what_is_none_stays(void **state)
{
    struct lb_test_filter filter = open_filter("[{redact: {" ALL KEYS "}}]");

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        const char *expected = messages[i].expected != NULL ? messages[i].expected : messages[i].text;

        run_message(&filter, messages[i].text);
        struct lb_str got = lb_test_filter_written(&filter, LB_FORMAT_RAW);
        if (!lb_str_is(got, expected))
            fail_msg("row %zu: %s\n expected %s\n got      " LB_STR_FMT, i, messages[i].text, expected,
                     LB_STR_ARG(got));
    }
    lb_test_filter_close(&filter);
}

struct record_row {
    const char *filters;
    const char *line;
    const char *expected; /* behind the timestamp */
};

static const struct record_row records[] = {
    { "[{redact: {" KEYS "}}]",
      "{\"message\":\"m\",\"Password\":\"x\",\"n\":{\"a\":[{\"token\":{\"b\":\"}\"}},{\"pass\\u0077ord\" : 7 "
      "}],\"api_key\":null}}",
      "\"message\":\"m\",\"Password\":\"[redacted]\",\"n\":{\"a\":[{\"token\":\"[redacted]\"},{\"pass\\u0077ord\" : "
      "\"[redacted]\" }],\"api_key\":\"[redacted]\"}" },
    { "[{redact: {with: drop, " KEYS "}}]",
      "{\"message\":\"m\",\"password\":\"x\",\"n\":{\"token\":1,\"a\":2},\"o\":{\"a\":2 , "
      "\"token\":\",\"},\"p\":{\"token\":[],"
      "\"password\":{}},\"q\":{\"a\":1,\"token\":2,\"b\":3}}",
      "\"message\":\"m\",\"n\":{\"a\":2},\"o\":{\"a\":2 },\"p\":{},\"q\":{\"a\":1,\"b\":3}" },
    { "[{redact: {" ALL KEYS "}}]",
      "{\"message\":\"m\",\"n\":4111111111111111,\"o\":{\"n\":[4111111111111111,7],\"alice@example.org\":\"x "
      "192.0.2.1\"},"
      "\"bob@example.org\":true,\"service\":\"x\",\"host\":\"192.0.2.1\"}",
      "\"service\":\"x\",\"host\":\"[ipv4]\",\"message\":\"m\",\"n\":\"[card]\",\"o\":{\"n\":[\"[card]\",7],\"[email]"
      "\":\"x "
      "[ipv4]\"},\"[email]\":true" },
    { "[{redact: {patterns: email, fields: [message, a, b.c], keys: password}}]",
      "{\"message\":\"a@example.org\",\"a\":\"a@example.org\",\"b\":{\"c\":\"a@example.org\",\"password\":1},\"d\":\"a@"
      "example.org\","
      "\"e\":{\"password\":2,\"f\":\"a@example.org\"}}",
      "\"message\":\"[email]\",\"a\":\"[email]\",\"b\":{\"c\":\"[email]\",\"password\":\"[redacted]\"},\"d\":\"a@"
      "example.org\","
      "\"e\":{\"password\":\"[redacted]\",\"f\":\"a@example.org\"}" },
    { "[{redact: {with: drop, patterns: email}}]", "{\"message\":\"to a@example.org.\",\"x\":\"a@example.org\"}",
      "\"message\":\"to .\",\"x\":\"\"" },
    { "[{redact: {with: hash, key: k, patterns: email, keys: token}}]",
      "{\"message\":\"a@example.org\",\"x\":\"a@example.org\",\"token\":\"a@example.org\"}",
      "\"message\":\"[email:895124f1f6e438dc]\",\"x\":\"[email:895124f1f6e438dc]\",\"token\":\"[redacted:"
      "895124f1f6e438dc]\"" },
    { "[{redact: {match: {order: 'o-\\d+'}}}]", "{\"message\":\"o-17 and o-18, o-\",\"x\":\"\\u00e9 o-1\"}",
      "\"message\":\"[order] and [order], o-\",\"x\":\"\xc3\xa9 [order]\"" },
    { "[{redact: {match: {byte: '\\xa9'}}}]", "{\"message\":\"caf\xc3\xa9\",\"o\":{\"x\":\"\xc3\xa9\"}}",
      "\"message\":\"caf\xef\xbf\xbd[byte]\",\"o\":{\"x\":\"\xef\xbf\xbd[byte]\"}" },
    { "[{redact: {match: {slow: '(a+)+$'}}}]", "{\"message\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}",
      "\"message\":\"[redacted]\"" },
    { "[{redact: {patterns: email, where: n == 2}}]", "{\"message\":\"a@example.org\",\"n\":1}",
      "\"message\":\"a@example.org\",\"n\":1" },
    { "[{redact: {keys: message}}]", "{\"message\":\"m\"}", "\"message\":\"[redacted]\"" },
    { "[{redact: {keys: token}}]",
      "{\"message\":\"m\",\"s\":\"{\\\"token\\\":\\\"x\\\"}\",\"o\":{\"s\":\"{\\\"token\\\":\\\"x\\\"}\"}}",
      "\"message\":\"m\",\"s\":\"{\\\"token\\\":\\\"[redacted]\\\"}\",\"o\":{\"s\":\"{\\\"token\\\":\\\"[redacted]\\\"}"
      "\"}" },
    { "[{redact: {" ALL KEYS "}}]",
      "{\"message\":\"m\\u0000\xff\",\"o\":{ \"a\" : [1.50, true ,null,\"\\u00e9\\/\"]},\"z\":-1e9}",
      "\"message\":\"m\\u0000\xef\xbf\xbd\",\"o\":{ \"a\" : [1.50, true ,null,\"\\u00e9\\/\"]},\"z\":-1e9" },
};

static void secrets_in_records_are_masked_wherever_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        char expected[1024];
        struct lb_test_filter filter = open_filter(records[i].filters);

        lb_test_filter_run(&filter, lb_str_from(records[i].line));
        struct lb_str got = lb_test_filter_written(&filter, LB_FORMAT_JSON);
        snprintf(expected, sizeof(expected), "{\"timestamp\":\"2026-01-01T00:00:00Z\",%s}", records[i].expected);
        if (!lb_str_is(got, expected))
            fail_msg("row %zu, %s on %s:\n expected %s\n got      " LB_STR_FMT, i, records[i].filters, records[i].line,
                     expected, LB_STR_ARG(got));
        lb_test_filter_close(&filter);
    }
}

/* Members beyond the bound of fields are in no table, and a line that nobody can read is message. */
static void the_rest_and_refused_lines_are_redacted_too(void **state)
{
    static char line[64 * 1024] = "{\"message\":\"m\"";
    struct lb_test_filter filter = open_filter("[{redact: {patterns: card, fields: message, keys: password}}]");
    size_t len = strlen(line);

    (void)state;
    for (int i = 0; i < LB_RECORD_FIELDS_MAX; i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, ",\"k%d\":%d", i, i);
    snprintf(line + len, sizeof(line) - len, ",\"password\":\"x\",\"c\":4111111111111111}");
    assert_true(lb_test_filter_run(&filter, lb_str_from(line))->rest.len > 0);
    struct lb_str got = lb_test_filter_written(&filter, LB_FORMAT_JSON);
    assert_non_null(memmem(got.ptr, got.len, ",\"password\":\"[redacted]\",\"c\":\"[card]\"}", 38));
    lb_test_filter_run(&filter, LB_STR("{\"password\":\"x\", broken 4111111111111111"));
    assert_text(lb_test_filter_written(&filter, LB_FORMAT_RAW), "{\"password\":\"[redacted]\", broken [card]");
    lb_test_filter_close(&filter);
}

static void what_there_is_no_room_for_goes_whole(void **state)
{
    struct lb_test_filter plain = open_filter("[]");
    struct lb_test_filter filter = open_filter("[{redact: {patterns: email, keys: password}}]");
    const struct lb_filter *redact = &filter.config->plan.filters[0];
    struct lb_record *record;

    (void)state;
    lb_test_filter_run(&plain,
                       LB_STR("{\"message\":\"a@example.org \\\"\",\"o\":{\"x\":\"a@example.org\"},\"p\":\"clean\","
                              "\"password\":\"abc\",\"q\":{\"password\":1}}"));
    record = &plain.batch.records[0];
    plain.batch.arena.next = plain.batch.arena.end;
    plain.batch.arena.bytes_max = plain.batch.arena.bytes_held;
    assert_int_equal(redact->type->apply(redact->state, record, &plain.batch, &plain.scratch), LB_PASS);
    assert_text(
        lb_test_filter_written(&plain, LB_FORMAT_JSON),
        "{\"timestamp\":\"2026-01-01T00:00:00Z\",\"message\":\"[redacted]\",\"o\":\"[redacted]\",\"p\":\"clean\","
        "\"password\":\"[redacted]\",\"q\":\"[redacted]\"}");
    lb_test_filter_close(&filter);
    lb_test_filter_close(&plain);
}

/* Twice the text takes twice the scans: counted by a text of a megabyte, which would take minutes if it were squared.
 */
static void hostile_texts_take_linear_time(void **state)
{
    static const char *const pieces[] = { "@",   "a@",         "eyJ-",      "eyJaaaaaaaa.", "password=",  "password=\"",
                                          "1:",  "1234 ",      "DE89 ",     "://a:",        "http://a:b", "password={",
                                          "1.1", "Bearer a1 ", "a.b@c.de,", "\\\"",         "token=a,",   "::" };
    enum { SIZE = 1 << 20 };
    struct lb_test_filter filter = open_filter("[{redact: {" ALL KEYS "}}]");
    char *text = malloc(SIZE);

    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t len = strlen(pieces[i]);

        for (size_t at = 0; at < SIZE; at++)
            text[at] = pieces[i][at % len];
        lb_test_filter_run(&filter, (struct lb_str){ text, SIZE });
        assert_true(lb_test_filter_written(&filter, LB_FORMAT_RAW).len > 0);
    }
    free(text);
    lb_test_filter_close(&filter);
}

static void faults_are_told(void **state)
{
    static const struct {
        const char *filters;
        const char *told;
    } faults[] = {
        { "[{redact: {fields: message}}]", "nothing to redact" },
        { "[{redact: {patterns: [emial]}}]", "did you mean \"email\"?" },
        { "[{redact: {patterns: email, with: hash}}]", "needs a key" },
        { "[{redact: {match: {x: '(a'}}}]", "wrong at character 3" },
        { "[{redact: {match: {x: 'a*'}}}]", "matches nothing" },
        { "[{redact: {keys: ['']}}]", "must not be empty" },
        { "[{redact: {patterns: email, with: mark}}]", "did you mean \"mask\"?" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct lb_test_filter filter;
        char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        assert_false(lb_test_filter_open(&filter, faults[i].filters));
        lb_diag_print(&filter.diag, file);
        fclose(file);
        if (strstr(text, faults[i].told) == NULL)
            fail_msg("%s: expected \"%s\" in: %s", faults[i].filters, faults[i].told, text);
        free(text);
        lb_test_filter_close(&filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_in_text_are_masked_and_what_is_none_stays),
        cmocka_unit_test(secrets_in_records_are_masked_wherever_they_are),
        cmocka_unit_test(the_rest_and_refused_lines_are_redacted_too),
        cmocka_unit_test(what_there_is_no_room_for_goes_whole),
        cmocka_unit_test(hostile_texts_take_linear_time),
        cmocka_unit_test(faults_are_told),
    };

    return cmocka_run_group_tests_name("route/redact", tests, NULL, NULL);
}
