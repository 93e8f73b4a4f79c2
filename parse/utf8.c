/*
 * utf8.c - is it UTF-8? (RFC 3629: no overlong forms, no surrogates, nothing
 * above U+10FFFF.) ASCII is stepped over eight bytes at a time.
 */
#include "lb_json.h"

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Length of the sequence at the front, whose first byte is not ASCII; 0 if it is none. */
static size_t sequence_length(const unsigned char *at, size_t len)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    unsigned char first = at[0];

    if (first >= 0xc2 && first <= 0xdf)
        return len >= 2 && is_tail(at[1]) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        low = first == 0xe0 ? 0xa0 : low;
        high = first == 0xed ? 0x9f : high;
        return len >= 3 && at[1] >= low && at[1] <= high && is_tail(at[2]) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        low = first == 0xf0 ? 0x90 : low;
        high = first == 0xf4 ? 0x8f : high;
        return len >= 4 && at[1] >= low && at[1] <= high && is_tail(at[2]) && is_tail(at[3]) ? 4 : 0;
    }
    return 0;
}

size_t lb_utf8_valid(struct lb_str text)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    size_t at = 0;

    while (at < text.len) {
        uint64_t eight;

        if (text.len - at >= 8) {
            memcpy(&eight, bytes + at, 8);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += 8;
                continue;
            }
        }
        if (bytes[at] < 0x80) {
            at++;
            continue;
        }
        size_t len = sequence_length(bytes + at, text.len - at);
        if (len == 0)
            return at;
        at += len;
    }
    return at;
}
