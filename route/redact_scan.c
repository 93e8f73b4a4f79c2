/*
 * redact_scan.c - the scanners of the stock patterns that begin or stand around a byte.
 *
 * All but email, ipv6 and password_url are asked only where no letter or
 * digit stands before, so a word is looked at once.
 */
#include "redact.h"

#include <arpa/inet.h>

const char *const redact_pattern_names[] = { "email",  "ipv4",         "ipv6",    "card", "iban",
                                             "bearer", "password_url", "aws_key", "jwt",  NULL };

enum {
    LOCAL_MAX = 128,
    DOMAIN_MAX = 255,
    CARD_MIN = 13,
    CARD_MAX = 19,
    IBAN_MIN = 15,
    IBAN_MAX = 34,
    BEARER_MIN = 6,
    BEARER_LONG = 20,
    URL_MAX = 2048,
    JWT_PARTS_MAX = 5,
    JWT_PART_MIN = 8,
};

/* 0 behind the end: no scanner takes that for a part of anything. */
static inline char byte_at(struct lb_str text, size_t at)
{
    return at < text.len ? text.ptr[at] : '\0';
}

static bool ends_word(struct lb_str text, size_t at)
{
    return !redact_is_word(byte_at(text, at));
}

/* --- email ------------------------------------------------------------------------ */

static bool is_local(char c)
{
    return redact_is_word(c) || (c != '\0' && strchr("._%+-'&!#$*~^", c) != NULL);
}

/* Labels of letters, digits and hyphens; the last one of letters alone. Returns where it ends, or `at`. */
static size_t domain_end(struct lb_str text, size_t at)
{
    size_t limit = at + DOMAIN_MAX;
    size_t end = at;
    size_t label = at;
    bool letters = true;

    for (size_t i = at; i <= limit; i++) {
        char c = byte_at(text, i);

        if (redact_is_word(c) || c == '-') {
            letters = letters && redact_is_letter(c);
            continue;
        }
        if (i == label)
            break;
        if (label > at && letters && i - label >= 2)
            end = i;
        if (c != '.')
            break;
        label = i + 1;
        letters = true;
    }
    return end;
}

static bool scan_email(struct lb_str text, size_t at, struct redact_span *span)
{
    size_t start = at;
    size_t end = domain_end(text, at + 1);

    while (start > 0 && at - start < LOCAL_MAX && is_local(text.ptr[start - 1]))
        start--;
    while (start < at && !redact_is_word(text.ptr[start]) && text.ptr[start] != '_')
        start++;
    if (start == at || end == at + 1)
        return false;
    *span = (struct redact_span){ .start = start, .end = end };
    return true;
}

/* --- addresses ----------------------------------------------------------------------- */

static bool scan_ipv4(struct lb_str text, size_t at, struct redact_span *span)
{
    size_t end = at;

    if (at >= 2 && text.ptr[at - 1] == '.' && redact_is_digit(text.ptr[at - 2]))
        return false;
    for (unsigned part = 0; part < 4; part++) {
        unsigned number = 0;
        size_t digits = 0;

        if (part > 0 && byte_at(text, end++) != '.')
            return false;
        for (; digits < 4 && redact_is_digit(byte_at(text, end)); digits++)
            number = number * 10 + (unsigned)(text.ptr[end++] - '0');
        if (digits == 0 || digits > 3 || number > 255)
            return false;
    }
    if (!ends_word(text, end) || (byte_at(text, end) == '.' && redact_is_digit(byte_at(text, end + 1))))
        return false;
    *span = (struct redact_span){ .start = at, .end = end };
    return true;
}

static bool is_hex(char c)
{
    return redact_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/*
 * Where an address may begin: at a group that no letter, digit or colon stands before; behind the colon of a word
 * that is no group ("client:2001:db8::1"); at two colons behind no word, for main::add is no address.
 */
static bool begins_ipv6(struct lb_str text, size_t *at)
{
    size_t group = *at;

    if (text.ptr[*at] != ':')
        return *at == 0 || (text.ptr[*at - 1] != ':' && !redact_in_word(text, *at));
    if (byte_at(text, *at + 1) == ':')
        return *at == 0 || (text.ptr[*at - 1] != ':' && !redact_in_word(text, *at));
    while (group > 0 && *at - group < 5 && is_hex(text.ptr[group - 1]))
        group--;
    (*at)++;
    return *at - 1 == group || *at - 1 - group > 4 || (group > 0 && redact_is_word(text.ptr[group - 1]));
}

static bool is_ipv6(const char *ptr, size_t len)
{
    char name[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (len < 3 || len >= sizeof(name))
        return false;
    memcpy(name, ptr, len);
    name[len] = '\0';
    return strpbrk(name, "0123456789") != NULL && inet_pton(AF_INET6, name, &address) == 1;
}

static bool scan_ipv6(struct lb_str text, size_t at, struct redact_span *span)
{
    size_t start = at;
    size_t len = 0;

    if (!begins_ipv6(text, &start))
        return false;
    while (len < INET6_ADDRSTRLEN && (is_hex(byte_at(text, start + len)) || byte_at(text, start + len) == ':' ||
                                      byte_at(text, start + len) == '.'))
        len++;
    if (len == INET6_ADDRSTRLEN)
        return false;
    /* "2001:db8::1:failed": the word that follows is none of its groups. */
    while (len > 2 && !ends_word(text, start + len)) {
        const char *colon = memrchr(text.ptr + start, ':', len);

        len = colon != NULL ? (size_t)(colon - text.ptr) - start : 0;
    }
    /* The end of a sentence or "address: text". */
    while (len > 2 &&
           (text.ptr[start + len - 1] == '.' || (text.ptr[start + len - 1] == ':' && text.ptr[start + len - 2] != ':')))
        len--;
    if (!is_ipv6(text.ptr + start, len))
        return false;
    *span = (struct redact_span){ .start = start, .end = start + len };
    return true;
}

/* --- numbers with check digits --------------------------------------------------------- */

static bool luhn(const char *digits, size_t count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)(digits[count - 1 - i] - '0') << (i % 2);

        sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 == 0;
}

/* The lengths that numbers with that beginning have: it is what keeps counters and times from being cards. */
static bool is_issued(const char *digits, size_t count)
{
    unsigned four = 0;

    for (unsigned i = 0; i < 4; i++)
        four = four * 10 + (unsigned)(digits[i] - '0');
    switch (digits[0]) {
    case '2': return count == 16 && four >= 2221 && four <= 2720;
    case '3':
        if (four / 100 == 34 || four / 100 == 37)
            return count == 15;
        return count >= (four / 100 == 35 ? 16 : 14) && (four / 100 >= 35 || four / 100 == 30);
    case '4': return count == 13 || count == 16 || count == 19;
    case '5': return count == 16 || (count >= 13 && four / 100 != 51 && four / 100 > 55) || four / 100 == 50;
    case '6': return count >= 13;
    default: return false;
    }
}

/* Digits, also in groups of three or more with one blank or hyphen between; the longest that is one. */
static bool scan_card(struct lb_str text, size_t at, struct redact_span *span)
{
    char digits[CARD_MAX];
    size_t count = 0;
    size_t found = 0;

    if (at >= 2 && text.ptr[at - 1] == '.' && redact_is_digit(text.ptr[at - 2]))
        return false;
    while (count < CARD_MAX) {
        size_t group = 0;

        while (count < CARD_MAX && redact_is_digit(byte_at(text, at + group)))
            digits[count++] = text.ptr[at + group++];
        if (group < 3 || !ends_word(text, at + group))
            break;
        if (span->start == SIZE_MAX)
            span->start = at;
        at += group;
        if (count >= CARD_MIN && is_issued(digits, count) && luhn(digits, count))
            found = at;
        if ((byte_at(text, at) != ' ' && byte_at(text, at) != '-') || !redact_is_digit(byte_at(text, at + 1)))
            break;
        at++;
    }
    span->end = found;
    return found > 0;
}

static unsigned modulo(unsigned rest, char c)
{
    if (redact_is_digit(c))
        return (rest * 10 + (unsigned)(c - '0')) % 97;
    return (rest * 100 + (unsigned)((c | 0x20) - 'a') + 10) % 97;
}

/* The check: the country and its two digits behind the rest, letters as two digits, make 1 modulo 97. */
static bool is_iban(const char *letters, size_t count)
{
    unsigned rest = 0;

    for (size_t i = 0; i < count; i++)
        rest = modulo(rest, letters[(i + 4) % count]);
    return rest == 1;
}

/* In one piece or in groups of four; the longest that is one. */
static bool scan_iban(struct lb_str text, size_t at, struct redact_span *span)
{
    char letters[IBAN_MAX];
    size_t count = 0;
    size_t start = at;
    size_t found = 0;

    if (!redact_is_letter(byte_at(text, at + 1)) || !redact_is_digit(byte_at(text, at + 2)) ||
        !redact_is_digit(byte_at(text, at + 3)))
        return false;
    while (count < IBAN_MAX) {
        size_t group = 0;

        while (count < IBAN_MAX && redact_is_word(byte_at(text, at + group)))
            letters[count++] = text.ptr[at + group++];
        at += group;
        if (!ends_word(text, at))
            break;
        if (count >= IBAN_MIN && is_iban(letters, count))
            found = at;
        if (group != 4 || byte_at(text, at) != ' ' || !redact_is_word(byte_at(text, at + 1)))
            break;
        at++;
    }
    *span = (struct redact_span){ .start = start, .end = found };
    return found > 0;
}

/* --- tokens ------------------------------------------------------------------------------ */

static bool matches_word(struct lb_str text, size_t at, const char *word)
{
    for (; *word != '\0'; word++, at++) {
        if ((byte_at(text, at) | 0x20) != *word)
            return false;
    }
    return true;
}

/* A token is long, or has a digit or such a letter as words have not; "bearer certificate" is none. */
static bool is_token(const char *ptr, size_t len)
{
    bool odd = false;

    for (size_t i = 0; i < len && !odd; i++)
        odd = redact_is_digit(ptr[i]) || strchr("_~+/=", ptr[i]) != NULL ||
              (i > 0 && ptr[i] >= 'A' && ptr[i] <= 'Z' && ptr[i - 1] >= 'a' && ptr[i - 1] <= 'z');
    return len >= BEARER_LONG || (odd && len >= BEARER_MIN);
}

/* Behind "Bearer" or "Basic". */
static bool scan_bearer(struct lb_str text, size_t at, struct redact_span *span)
{
    size_t end;

    if (matches_word(text, at, "bearer"))
        at += 6;
    else if (matches_word(text, at, "basic"))
        at += 5;
    else
        return false;
    if (byte_at(text, at) != ' ')
        return false;
    while (byte_at(text, at) == ' ')
        at++;
    for (end = at; redact_is_word(byte_at(text, end)) ||
                   (byte_at(text, end) != '\0' && strchr("-._~+/=", byte_at(text, end)) != NULL);)
        end++;
    if (!is_token(text.ptr + at, end - at))
        return false;
    *span = (struct redact_span){ .start = at, .end = end, .whole = true };
    return true;
}

static bool scan_aws_key(struct lb_str text, size_t at, struct redact_span *span)
{
    static const char *const kinds[] = {
        "AKIA", "ASIA", "AGPA", "AIDA", "AROA", "AIPA", "ANPA", "ANVA", "ABIA", "ACCA"
    };
    bool known = false;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !known; i++)
        known = text.len - at >= 20 && memcmp(text.ptr + at, kinds[i], 4) == 0;
    for (size_t i = 4; known && i < 20; i++)
        known = redact_is_digit(text.ptr[at + i]) || (text.ptr[at + i] >= 'A' && text.ptr[at + i] <= 'Z');
    *span = (struct redact_span){ .start = at, .end = at + 20 };
    return known && ends_word(text, at + 20);
}

static bool is_base64url(char c)
{
    return redact_is_word(c) || c == '-' || c == '_';
}

/* Header, payload and signature; five parts if it is encrypted. Not asked inside of such a part, so no part is read
 * often. */
static bool scan_jwt(struct lb_str text, size_t at, struct redact_span *span)
{
    size_t end = at;
    unsigned parts = 0;

    if (!matches_word(text, at, "eyj") || (at > 0 && is_base64url(text.ptr[at - 1]) && !redact_is_escape(text, at - 1)))
        return false;
    while (parts < JWT_PARTS_MAX) {
        size_t start = end;

        while (is_base64url(byte_at(text, end)))
            end++;
        if (parts < 2 && end - start < JWT_PART_MIN)
            return false;
        parts++;
        if (byte_at(text, end) != '.' || (parts >= 2 && !is_base64url(byte_at(text, end + 1))))
            break;
        end++;
    }
    *span = (struct redact_span){ .start = at, .end = end };
    return parts >= 2;
}

/* --- scheme://user:password@host ------------------------------------------------------------ */

static bool ends_url(char c)
{
    return (unsigned char)c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`';
}

/* A slash in a password should have been escaped; where no host stands before it, it was not. */
static bool scan_password_url(struct lb_str text, size_t at, struct redact_span *span)
{
    size_t limit = at + 3 + URL_MAX;
    size_t colon = 0;
    size_t host = 0;
    bool port = true;

    if (byte_at(text, at + 1) != '/' || byte_at(text, at + 2) != '/')
        return false;
    for (size_t i = at + 3; i < limit && !ends_url(byte_at(text, i)); i++) {
        char c = text.ptr[i];

        if ((c == '/' || c == '?' || c == '#') && (colon == 0 || host > 0 || port))
            break;
        if (c == ':' && byte_at(text, i + 1) == '/' && byte_at(text, i + 2) == '/')
            break;
        if (c == ':' && colon == 0)
            colon = i;
        else if (c == '@' && colon > 0)
            host = i;
        else if (colon > 0 && host == 0)
            port = port && redact_is_digit(c);
    }
    if (host <= colon + 1)
        return false;
    *span = (struct redact_span){ .start = colon + 1, .end = host, .whole = true };
    return true;
}

bool redact_scan(enum redact_pattern pattern, struct lb_str text, size_t at, struct redact_span *span)
{
    static bool (*const scanners[])(struct lb_str, size_t, struct redact_span *) = {
        scan_email, scan_ipv4, scan_ipv6, scan_card, scan_iban, scan_bearer, scan_password_url, scan_aws_key, scan_jwt,
    };

    *span = (struct redact_span){ .start = SIZE_MAX };
    if (!scanners[pattern](text, at, span))
        return false;
    span->name = lb_str_from(redact_pattern_names[pattern]);
    return true;
}
