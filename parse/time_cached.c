/*
 * time_cached.c - RFC 3339 times of lines that follow each other.
 *
 * Their first nineteen bytes are the same a thousandfold; then only the
 * fraction is read. Leap seconds and the like take the long way.
 */
#include "lb_time.h"

/* ".123456789Z", or "Z", in nanoseconds; false where it is anything else. */
static bool read_fraction(const char *at, const char *end, int64_t *nanos)
{
    static const int32_t scales[10] = { 1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1 };
    ptrdiff_t digits = end - at - 2;
    uint32_t number = 0;
    uint32_t bad = end[-1] != 'Z';

    if (digits < 0) {
        *nanos = 0;
        return bad == 0;
    }
    if (*at != '.' || digits == 0 || digits > 9)
        return false;
    for (ptrdiff_t i = 1; i <= digits; i++) {
        uint32_t digit = (unsigned char)at[i] - (uint32_t)'0';

        bad |= digit > 9;
        number = number * 10 + digit;
    }
    *nanos = (int64_t)number * scales[digits];
    return bad == 0;
}

bool lb_time_rfc3339_cached(struct lb_time_second *second, struct lb_str text, int64_t *time_ns)
{
    enum { SECOND = sizeof(second->text) };
    int64_t nanos;

    if (text.len <= SECOND || !read_fraction(text.ptr + SECOND, text.ptr + text.len, &nanos))
        return lb_time_rfc3339(text, time_ns);
    if (second->set && memcmp(second->text, text.ptr, SECOND) == 0) {
        *time_ns = second->second_ns + nanos;
        return true;
    }
    if (!lb_time_rfc3339(text, time_ns))
        return false;
    memcpy(second->text, text.ptr, SECOND);
    second->second_ns = *time_ns - nanos;
    second->set = true;
    return true;
}
