/*
 * proxy_header.c - one line of text (version 1), or a binary head with addresses (version 2).
 *
 * Both are told apart by their first bytes, of which there may be only some yet.
 */
#include "proxy_header.h"

#include "lb_str.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static const char text_mark[] = "PROXY ";
static const unsigned char binary_mark[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    TEXT_MARK = sizeof(text_mark) - 1,
    BINARY_MARK = sizeof(binary_mark),
    BINARY_HEAD = 16,
    VERSION_2 = 0x20,
    COMMAND_LOCAL = 0,
    COMMAND_PROXY = 1,
    FAMILY_IPV4 = 1,
    FAMILY_IPV6 = 2,
    IPV4_BYTES = 12, /* two addresses, two ports */
    IPV6_BYTES = 36,
    ADDRESS_MAX = 46,
};

static enum lb_err refuse(struct proxy_header *header, const char *reason)
{
    header->reason = reason;
    return LB_BAD_INPUT;
}

/* --- version 1 ------------------------------------------------------------------- */

/* The next word of a line whose words are parted by one blank each. */
static bool next_word(struct lb_str *line, struct lb_str *word)
{
    const char *blank = line->len > 0 ? memchr(line->ptr, ' ', line->len) : NULL;
    size_t length = blank != NULL ? (size_t)(blank - line->ptr) : line->len;

    *word = (struct lb_str){ line->ptr, length };
    *line = (struct lb_str){ line->ptr + length + (blank != NULL), line->len - length - (blank != NULL) };
    /* A blank at the end of the line would be a further, empty word. */
    return length > 0 && (blank == NULL || line->len > 0);
}

static bool read_port(struct lb_str word, in_port_t *port)
{
    uint32_t number = 0;

    if (word.len == 0 || word.len > 5 || (word.len > 1 && word.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] < '0' || word.ptr[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(word.ptr[i] - '0');
    }
    *port = htons((uint16_t)number);
    return number <= UINT16_MAX;
}

static bool read_address(int family, struct lb_str word, void *address)
{
    char text[ADDRESS_MAX];

    if (word.len >= sizeof(text))
        return false;
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    return inet_pton(family, text, address) == 1;
}

static bool read_peers(int family, struct lb_str line, struct sockaddr_storage *of)
{
    struct lb_str words[4]; /* source, destination, their ports */
    struct in6_addr addresses[2] = { 0 };
    in_port_t ports[2] = { 0 };

    for (size_t i = 0; i < 4; i++) {
        if (!next_word(&line, &words[i]))
            return false;
    }
    if (line.len > 0)
        return false;
    for (size_t i = 0; i < 2; i++) {
        if (!read_address(family, words[i], &addresses[i]) || !read_port(words[2 + i], &ports[i]))
            return false;
    }
    if (family == AF_INET6) {
        *(struct sockaddr_in6 *)(void *)of =
            (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = ports[0], .sin6_addr = addresses[0] };
        return true;
    }
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = ports[0] };
    memcpy(&v4.sin_addr, &addresses[0], sizeof(v4.sin_addr));
    memcpy(of, &v4, sizeof(v4));
    return true;
}

static enum lb_err read_line(const char *bytes, size_t length, struct proxy_header *header)
{
    size_t most = length < PROXY_HEADER_TEXT_MAX ? length : PROXY_HEADER_TEXT_MAX;
    const char *end = memchr(bytes, '\n', most);
    struct lb_str line = { bytes + TEXT_MARK, 0 };
    struct lb_str protocol;

    if (end == NULL && most == PROXY_HEADER_TEXT_MAX)
        return refuse(header, "a PROXY line of more than 107 bytes");
    if (end == NULL)
        return memchr(bytes, '\r', most > 0 ? most - 1 : 0) != NULL
                   ? refuse(header, "a PROXY line that does not end with CR and LF")
                   : LB_AGAIN;
    if (end < line.ptr + 1 || end[-1] != '\r')
        return refuse(header, "a PROXY line that does not end with CR and LF");
    line.len = (size_t)(end - 1 - line.ptr);
    header->length = (size_t)(end + 1 - bytes);
    if (!next_word(&line, &protocol))
        return refuse(header, "a PROXY line without a protocol");
    if (lb_str_is(protocol, "UNKNOWN"))
        return LB_OK; /* whatever follows counts for nothing */
    header->known = true;
    if (lb_str_is(protocol, "TCP4") && read_peers(AF_INET, line, &header->of))
        return LB_OK;
    if (lb_str_is(protocol, "TCP6") && read_peers(AF_INET6, line, &header->of))
        return LB_OK;
    return refuse(header, "a PROXY line with other than two addresses and two ports of its protocol");
}

/* --- version 2 ------------------------------------------------------------------- */

static enum lb_err read_binary(const char *bytes, size_t length, struct proxy_header *header)
{
    const unsigned char *head = (const unsigned char *)bytes;
    size_t rest = 0;

    if (length < BINARY_HEAD)
        return LB_AGAIN;
    if ((head[12] & 0xf0) != VERSION_2 || (head[12] & 0x0f) > COMMAND_PROXY)
        return refuse(header, "a PROXY header of an unknown version or command");
    rest = (size_t)head[14] << 8 | head[15];
    if (rest > PROXY_HEADER_MAX - BINARY_HEAD)
        return refuse(header, "a PROXY header that is too long");
    if (length < BINARY_HEAD + rest)
        return LB_AGAIN;
    header->length = BINARY_HEAD + rest;
    bool local = (head[12] & 0x0f) == COMMAND_LOCAL;
    if (!local && head[13] >> 4 == FAMILY_IPV4 && rest >= IPV4_BYTES) {
        struct sockaddr_in v4 = { .sin_family = AF_INET };

        memcpy(&v4.sin_addr, head + BINARY_HEAD, 4);
        memcpy(&v4.sin_port, head + BINARY_HEAD + 8, 2);
        memcpy(&header->of, &v4, sizeof(v4));
        header->known = true;
    } else if (!local && head[13] >> 4 == FAMILY_IPV6 && rest >= IPV6_BYTES) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

        memcpy(&v6.sin6_addr, head + BINARY_HEAD, 16);
        memcpy(&v6.sin6_port, head + BINARY_HEAD + 32, 2);
        memcpy(&header->of, &v6, sizeof(v6));
        header->known = true;
    } else if (!local && (head[13] >> 4 == FAMILY_IPV4 || head[13] >> 4 == FAMILY_IPV6)) {
        return refuse(header, "a PROXY header without room for its addresses");
    }
    return LB_OK;
}

enum lb_err proxy_header_read(const char *bytes, size_t length, struct proxy_header *header)
{
    size_t text = length < TEXT_MARK ? length : TEXT_MARK;
    size_t binary = length < BINARY_MARK ? length : BINARY_MARK;

    *header = (struct proxy_header){ 0 };
    if (length == 0)
        return LB_AGAIN;
    if (memcmp(bytes, text_mark, text) == 0)
        return text < TEXT_MARK ? LB_AGAIN : read_line(bytes, length, header);
    if (memcmp(bytes, binary_mark, binary) == 0)
        return binary < BINARY_MARK ? LB_AGAIN : read_binary(bytes, length, header);
    return refuse(header, "no PROXY header, which proxy_protocol: true expects of every connection");
}
