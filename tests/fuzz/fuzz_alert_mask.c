/*
 * fuzz_alert_mask.c - any text as messages, one in each line: masked within its room, and of the same pattern when it
 * comes again. What patterns know is read back; what is no snapshot of theirs is refused or sound.
 */
#include "route/alert_patterns.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(struct lb_alert_patterns *patterns, struct lb_str message)
{
    struct lb_alert_pattern first;
    struct lb_alert_pattern again;
    char masked[64];

    assert(lb_alert_mask(message, masked, sizeof(masked)) <= sizeof(masked));
    if (!lb_alert_patterns_see(patterns, 1, message, &first))
        return;
    assert(first.length <= sizeof(first.text));
    assert(lb_alert_patterns_see(patterns, 1, message, &again));
    assert(!again.fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_alert_patterns patterns;
    struct lb_str rest = { (const char *)data, size };
    struct lb_buffer bytes;

    lb_buffer_init(&bytes, 1 << 24);
    lb_alert_patterns_init(&patterns);
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.ptr) : rest.len;

        check_message(&patterns, (struct lb_str){ rest.ptr, len });
        len += end != NULL;
        rest = (struct lb_str){ rest.ptr + len, rest.len - len };
    }
    lb_alert_patterns_write(&patterns, &bytes);
    lb_alert_patterns_free(&patterns);

    lb_alert_patterns_init(&patterns);
    rest = lb_buffer_str(&bytes);
    assert(lb_alert_patterns_restore(&patterns, &rest) && rest.len == 0);
    lb_alert_patterns_free(&patterns);

    lb_alert_patterns_init(&patterns);
    rest = (struct lb_str){ (const char *)data, size };
    if (lb_alert_patterns_restore(&patterns, &rest))
        check_message(&patterns, LB_STR("one of its own"));
    lb_alert_patterns_free(&patterns);
    lb_buffer_free(&bytes);
    return 0;
}
