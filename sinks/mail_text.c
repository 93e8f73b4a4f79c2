/*
 * mail_text.c - encoded words, quoted-printable, dates, addresses.
 *
 * The tricky thing is that an encoded word must hold whole characters: the
 * piece that is encoded ends before the byte that begins one.
 */
#include "mail_text.h"

#include "lb_clock.h"
#include "lb_time.h"

#include <openssl/evp.h>

enum {
    WORD_BYTES = 39,    /* of text in an encoded word: 52 of base64, 12 around them, and the header's name before */
    PLAIN_BYTES = 66,   /* a header that is as short needs no folding */
    LINE_BYTES = 75,    /* of quoted-printable, before the soft end */
    ADDRESS_BYTES = 254 /* RFC 5321 */
};

/* --- headers ---------------------------------------------------------------------- */

/* "=?" would be read as the beginning of an encoded word. */
static bool is_plain(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] > '~' ||
            (text.ptr[i] == '=' && i + 1 < text.len && text.ptr[i + 1] == '?'))
            return false;
    }
    return text.len <= PLAIN_BYTES;
}

static bool is_inside(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

void mail_header_text(struct lb_buffer *out, struct lb_str text)
{
    unsigned char code[WORD_BYTES / 3 * 4 + 1];
    size_t at = 0;

    if (is_plain(text)) {
        lb_buffer_append_str(out, text);
        return;
    }
    while (at < text.len) {
        size_t len = text.len - at < WORD_BYTES ? text.len - at : WORD_BYTES;

        while (len > 1 && at + len < text.len && is_inside(text.ptr[at + len]))
            len--;
        int written = EVP_EncodeBlock(code, (const unsigned char *)text.ptr + at, (int)len);
        lb_buffer_append_str(out, at > 0 ? LB_STR("\r\n =?UTF-8?B?") : LB_STR("=?UTF-8?B?"));
        lb_buffer_append(out, (const char *)code, (size_t)written);
        lb_buffer_append_str(out, LB_STR("?="));
        at += len;
    }
}

void mail_date(struct lb_buffer *out, int64_t time_ns)
{
    static const char *const days[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int64_t seconds = time_ns > 0 ? time_ns / LB_SECOND : 0;
    int year;
    int month;
    int day;

    lb_time_civil(seconds / 86400, &year, &month, &day);
    lb_buffer_print(out, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[seconds / 86400 % 7], day, months[month - 1],
                    year, (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60), (int)(seconds % 60));
}

/* --- the body --------------------------------------------------------------------- */

void mail_quoted_printable(struct lb_buffer *out, struct lb_str text)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t line = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool last = i + 1 == text.len || text.ptr[i + 1] == '\n';
        bool plain = (c > ' ' && c <= '~' && c != '=') || (c == ' ' && !last);

        if (c == '\n') {
            lb_buffer_append(out, "\r\n", 2);
            line = 0;
            continue;
        }
        if (line + (plain ? 1 : 3) > LINE_BYTES) {
            lb_buffer_append(out, "=\r\n", 3);
            line = 0;
        }
        if (plain)
            lb_buffer_append_char(out, (char)c);
        else
            lb_buffer_append(out, (const char[]){ '=', hex[c >> 4], hex[c & 15] }, 3);
        line += plain ? 1 : 3;
    }
    if (text.len == 0 || text.ptr[text.len - 1] != '\n')
        lb_buffer_append(out, "\r\n", 2);
}

/* --- addresses -------------------------------------------------------------------- */

/* Letters, digits, and the others that an address or a name may have as they are. */
static bool is_made_of(struct lb_str text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!alphanumeric && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return text.len > 0;
}

struct lb_str mail_domain(struct lb_str address)
{
    const char *at = address.len > 0 ? memrchr(address.ptr, '@', address.len) : NULL;

    if (at == NULL)
        return (struct lb_str){ NULL, 0 };
    return (struct lb_str){ at + 1, address.len - (size_t)(at + 1 - address.ptr) };
}

static bool is_address(struct lb_str text)
{
    struct lb_str domain = mail_domain(text);

    return domain.len > 0 && text.len <= ADDRESS_BYTES && is_made_of(domain, ".-") &&
           is_made_of((struct lb_str){ text.ptr, text.len - domain.len - 1 }, "!#$%&'*+-/=?^_`{|}~.");
}

struct lb_str mail_address(struct lb_str text)
{
    static const struct lb_str none = { NULL, 0 };
    const char *open = text.len > 0 ? memchr(text.ptr, '<', text.len) : NULL;

    if (open == NULL)
        return is_address(text) ? text : none;
    struct lb_str name = { text.ptr, (size_t)(open - text.ptr) };
    struct lb_str address = { open + 1, text.len - name.len - 1 };
    if (address.len < 2 || address.ptr[address.len - 1] != '>' || !is_made_of(name, " -_'"))
        return none;
    address.len--;
    return is_address(address) ? address : none;
}
