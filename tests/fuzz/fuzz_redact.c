/*
 * Any bytes as a line for the filter redact, in all three ways: what is written is valid JSON and one line, and
 * nothing outside of the line is read.
 */
#include "lb_test_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct lb_test_filter *filter, struct lb_str line)
{
    struct lb_str written;

    lb_test_filter_run(filter, line);
    written = lb_test_filter_written(filter, LB_FORMAT_JSON);
    assert(lb_json_valid(written) && lb_utf8_valid(written) == written.len);
    assert(memchr(written.ptr, '\n', written.len) == NULL);
    lb_test_filter_written(filter, LB_FORMAT_RAW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const filters[] = {
        ("[{redact: {patterns: [email, ipv4, ipv6, card, iban, bearer, password_url, aws_key, jwt], "
         "keys: [password, a], match: {x: 'x[0-9]+'}}}]"),
        "[{redact: {with: drop, patterns: [email, card], keys: [password, a]}}]",
        "[{redact: {with: hash, key: k, patterns: [ipv6, iban, jwt], keys: [cookie]}}]",
    };
    static struct lb_test_filter made[3];
    struct lb_str line = { (const char *)data, size };

    for (size_t i = 0; i < 3; i++) {
        if (made[i].config == NULL && !lb_test_filter_open(&made[i], filters[i]))
            abort();
        if (size > 0 && memchr(data, '\n', size) == NULL)
            check(&made[i], line);
    }
    return 0;
}
