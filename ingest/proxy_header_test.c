/*
 * PROXY headers: only what is exactly right is believed, and it does not matter how its bytes come.
 */
#include "lb_test.h"

#include "proxy_header.c"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

struct row {
    const char *bytes;
    size_t length;
    enum lb_err err;
    size_t header;  /* its length, with LB_OK */
    const char *of; /* the peer, or NULL */
};

#define ROW(text, err, header, of)                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1, err, header, of                                                                        \
    }

static const struct row rows[] = {
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 4711 514\r\n<13>x", LB_OK, 41, "192.0.2.7"),
    ROW("PROXY TCP6 2001:db8::7 ::1 4711 514\r\n", LB_OK, 37, "2001:db8::7"),
    ROW("PROXY UNKNOWN\r\n<13>", LB_OK, 15, NULL),
    ROW("PROXY UNKNOWN ffff:: any thing\r\n", LB_OK, 32, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 0 65535\r\n", LB_OK, 40, "192.0.2.7"),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 4711 65536\r\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 4711 514 \r\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 4711 514 1\r\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 4711 0514\r\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 4711 514\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 4711 514\rx", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY TCP6 192.0.2.7 192.0.2.1 4711 514\r\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY TCP4 ::1 ::1 4711 514\r\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY  TCP4 192.0.2.7 192.0.2.1 4711 514\r\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY \r\n", LB_BAD_INPUT, 0, NULL),
    ROW("PROXY\r\n", LB_BAD_INPUT, 0, NULL),
    ROW("<13>app: no header\n", LB_BAD_INPUT, 0, NULL),
    ROW(V2 "\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\x12\x34\2\2<13>x", LB_OK, 28, "192.0.2.7"),
    ROW(V2 "\x20\0\0\0", LB_OK, 16, NULL),
    ROW(V2 "\x20\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\x12\x34\2\2", LB_OK, 28, NULL),
    ROW(V2 "\x21\x31\0\2zz", LB_OK, 18, NULL),
    ROW(V2 "\x21\x11\0\x0b\xc0\0\2\7\xc0\0\2\1\x12\x34\2", LB_BAD_INPUT, 0, NULL),
    ROW(V2 "\x11\x11\0\x0c", LB_BAD_INPUT, 0, NULL),
    ROW(V2 "\x22\x11\0\x0c", LB_BAD_INPUT, 0, NULL),
    ROW(V2 "\x21\x11\xff\xff", LB_BAD_INPUT, 0, NULL),
};

static void believes_only_what_is_exactly_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct proxy_header header;
        char text[INET6_ADDRSTRLEN] = "";
        enum lb_err err = proxy_header_read(rows[i].bytes, rows[i].length, &header);

        if (err != rows[i].err)
            fail_msg("row %zu: %d, not %d", i, (int)err, (int)rows[i].err);
        assert_true(err != LB_BAD_INPUT || header.reason != NULL);
        if (err != LB_OK)
            continue;
        assert_int_equal(header.length, rows[i].header);
        assert_int_equal(header.known, rows[i].of != NULL);
        if (header.known && header.of.ss_family == AF_INET)
            inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)&header.of)->sin_addr, text, sizeof(text));
        else if (header.known)
            inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)&header.of)->sin6_addr, text, sizeof(text));
        assert_string_equal(text, rows[i].of != NULL ? rows[i].of : "");
    }
}

static void waits_for_every_byte_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t length = 0; rows[i].err == LB_OK && length < rows[i].header; length++) {
            char *exact = malloc(length + 1); /* so that a sanitizer sees a byte too much */
            struct proxy_header header;

            memcpy(exact, rows[i].bytes, length);
            exact = realloc(exact, length > 0 ? length : 1);
            assert_int_equal(proxy_header_read(exact, length, &header), LB_AGAIN);
            free(exact);
        }
    }
}

static void gives_up_at_107_bytes(void **state)
{
    char line[200] = "PROXY UNKNOWN ";
    struct proxy_header header;

    (void)state;
    memset(line + 14, 'x', sizeof(line) - 14);
    assert_int_equal(proxy_header_read(line, 106, &header), LB_AGAIN);
    assert_int_equal(proxy_header_read(line, 107, &header), LB_BAD_INPUT);
    memcpy(line + 105, "\r\n", 2);
    assert_int_equal(proxy_header_read(line, sizeof(line), &header), LB_OK);
    assert_int_equal(header.length, 107);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_only_what_is_exactly_right),
        cmocka_unit_test(waits_for_every_byte_of_it),
        cmocka_unit_test(gives_up_at_107_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
