/*
 * json_write.c - text into JSON strings, values into JSON.
 *
 * Text is copied in runs between the bytes that must be escaped. A run with
 * bytes that are not ASCII is checked, and each byte that is not part of
 * UTF-8 becomes U+FFFD, so what is written is always valid.
 */
#include "lb_json.h"

#include "lb_scan.h"

/* Valid UTF-8 up to `len`, then the byte that is not. */
static void append_repaired(struct lb_buffer *out, const char *ptr, size_t len)
{
    while (len > 0) {
        size_t valid = lb_utf8_valid((struct lb_str){ ptr, len });

        lb_buffer_append(out, ptr, valid);
        if (valid == len)
            return;
        lb_buffer_append(out, "\xef\xbf\xbd", 3);
        ptr += valid + 1;
        len -= valid + 1;
    }
}

static void append_escape(struct lb_buffer *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
    char letter = byte < 0x20 ? letters[byte] : (char)byte;

    if (letter != 0)
        lb_buffer_append(out, (char[]){ '\\', letter }, 2);
    else
        lb_buffer_append(out, (char[]){ '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] }, 6);
}

void lb_json_escape(struct lb_buffer *out, struct lb_str bytes)
{
    size_t at = 0;

    /* Room for all of it where nothing has to be escaped, and for a few that must. */
    if (bytes.len == 0 || !lb_buffer_reserve(out, bytes.len + 16))
        return;
    while (true) {
        unsigned char high = 0;
        size_t run = lb_scan_string(bytes.ptr + at, bytes.len - at, &high);

        if (high == 0)
            lb_buffer_append(out, bytes.ptr + at, run);
        else
            append_repaired(out, bytes.ptr + at, run);
        at += run;
        if (at == bytes.len)
            return;
        append_escape(out, (unsigned char)bytes.ptr[at++]);
    }
}

void lb_json_write_value(struct lb_buffer *out, struct lb_value value)
{
    struct lb_str bytes = { value.ptr, value.len };

    if (value.kind == LB_VALUE_NONE) {
        lb_buffer_append(out, "null", 4);
        return;
    }
    if (lb_value_is_string(value))
        lb_buffer_append_char(out, '"');
    if (value.kind == LB_VALUE_TEXT)
        lb_json_escape(out, bytes);
    else if ((value.flags & LB_VALUE_BAD_UTF8) != 0)
        append_repaired(out, bytes.ptr, bytes.len);
    else
        lb_buffer_append_str(out, bytes);
    if (lb_value_is_string(value))
        lb_buffer_append_char(out, '"');
}
