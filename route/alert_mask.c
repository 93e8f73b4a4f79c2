/*
 * alert_mask.c - what is surely a parameter of a message becomes its kind:
 * <time> <uuid> <ip> <hex> <num> <id> <path>, and "<str>" for what is quoted.
 *
 * One pass, no regular expressions: at each place where a word may begin the
 * kinds are tried in order, the most special one first, and the first that
 * fits wins. All of them only look at bytes within the message.
 */
#include "alert_patterns.h"

enum { QUOTED_MAX = 200, HEX_MIN = 8, ID_MIN = 16, UNIT_MAX = 3 };

struct scan {
    const char *at;
    const char *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_word(char c)
{
    return is_digit(c) || is_letter(c) || c == '_' || ((unsigned char)c & 0x80) != 0;
}

static bool is_one_of(const char *signs, char c)
{
    return c != '\0' && strchr(signs, c) != NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* How many bytes of that kind are next. */
static size_t run(struct scan scan, bool (*is)(char))
{
    size_t len = 0;

    while (scan.at + len < scan.end && is(scan.at[len]))
        len++;
    return len;
}

static bool next_is(struct scan scan, size_t at, char c)
{
    return scan.at + at < scan.end && scan.at[at] == c;
}

static bool word_ends(struct scan scan, size_t len)
{
    return scan.at + len >= scan.end || !is_word(scan.at[len]);
}

static size_t digits_at(struct scan scan, size_t at)
{
    return scan.at + at >= scan.end ? 0 : run((struct scan){ scan.at + at, scan.end }, is_digit);
}

/* --- kinds: how long it is, or 0 ------------------------------------------ */

/* 12:03:05, 12:03, 12:03:05.123 at that place. */
static size_t clock_at(struct scan scan, size_t at)
{
    size_t len = 5;

    if (digits_at(scan, at) != 2 || !next_is(scan, at + 2, ':') || digits_at(scan, at + 3) != 2)
        return 0;
    if (next_is(scan, at + 5, ':') && digits_at(scan, at + 6) == 2)
        len = 8;
    if (len == 8 && (next_is(scan, at + 8, '.') || next_is(scan, at + 8, ',')))
        len += digits_at(scan, at + 9) > 0 ? 1 + digits_at(scan, at + 9) : 0;
    return len;
}

static size_t zone_at(struct scan scan, size_t at)
{
    size_t digits = digits_at(scan, at + 1);

    if (next_is(scan, at, 'Z'))
        return 1;
    if (!next_is(scan, at, '+') && !next_is(scan, at, '-'))
        return 0;
    if (digits == 4)
        return 5;
    return digits == 2 && next_is(scan, at + 3, ':') && digits_at(scan, at + 4) == 2 ? 6 : 0;
}

static size_t time_length(struct scan scan)
{
    size_t len = 0;
    size_t clock;

    if (digits_at(scan, 0) == 4 && (next_is(scan, 4, '-') || next_is(scan, 4, '/')) && digits_at(scan, 5) == 2 &&
        next_is(scan, 7, scan.at[4]) && digits_at(scan, 8) == 2) {
        len = 10;
        clock = next_is(scan, len, 'T') || next_is(scan, len, ' ') ? clock_at(scan, len + 1) : 0;
        if (clock > 0)
            len += 1 + clock + zone_at(scan, len + 1 + clock);
        return len;
    }
    clock = clock_at(scan, 0);
    return clock == 5 ? 0 : clock; /* 12:03 may be anything */
}

static size_t uuid_length(struct scan scan)
{
    static const size_t groups[] = { 8, 4, 4, 4, 12 };
    size_t len = 0;

    for (size_t i = 0; i < 5; i++) {
        struct scan rest = { scan.at + len, scan.end };

        if (run(rest, is_hex) != groups[i])
            return 0;
        len += groups[i];
        if (i < 4 && !next_is(scan, len++, '-'))
            return 0;
    }
    return word_ends(scan, len) ? len : 0;
}

static size_t ip4_length(struct scan scan)
{
    size_t len = 0;

    for (int i = 0; i < 4; i++) {
        size_t digits = digits_at(scan, len);

        if (digits == 0 || digits > 3)
            return 0;
        len += digits;
        if (i < 3 && !next_is(scan, len++, '.'))
            return 0;
    }
    if (next_is(scan, len, ':') && digits_at(scan, len + 1) > 0)
        len += 1 + digits_at(scan, len + 1);
    return word_ends(scan, len) && !(next_is(scan, len, '.') && digits_at(scan, len + 1) > 0) ? len : 0;
}

static bool is_ip6(char c)
{
    return is_hex(c) || c == ':' || c == '.';
}

/* Hex digits and at least two colons; one of them doubled, or seven. */
static size_t ip6_length(struct scan scan)
{
    size_t len = run(scan, is_ip6);
    size_t colons = 0;
    bool doubled = false;

    while (len > 0 && (scan.at[len - 1] == '.' || (scan.at[len - 1] == ':' && len > 1 && scan.at[len - 2] != ':')))
        len--;
    for (size_t i = 0; i < len; i++) {
        colons += scan.at[i] == ':';
        doubled = doubled || (i > 0 && scan.at[i] == ':' && scan.at[i - 1] == ':');
    }
    return len > 2 && len <= 45 && (colons == 7 || (doubled && colons >= 2)) && word_ends(scan, len) ? len : 0;
}

static size_t hex_length(struct scan scan)
{
    size_t len;
    size_t digits = 0;

    if (next_is(scan, 0, '0') && (next_is(scan, 1, 'x') || next_is(scan, 1, 'X'))) {
        len = 2 + run((struct scan){ scan.at + 2, scan.end }, is_hex);
        return len > 2 && word_ends(scan, len) ? len : 0;
    }
    len = run(scan, is_hex);
    for (size_t i = 0; i < len; i++)
        digits += is_digit(scan.at[i]);
    /* A word such as "deadbeef" has no digit; a number has nothing else. */
    return len >= HEX_MIN && digits > 0 && digits < len && word_ends(scan, len) ? len : 0;
}

/* With its fraction and a unit: 12, 3.5ms, 80%. */
static size_t number_length(struct scan scan)
{
    size_t len = digits_at(scan, 0);
    size_t unit;

    if (len == 0)
        return 0;
    while ((next_is(scan, len, '.') || next_is(scan, len, ',')) && digits_at(scan, len + 1) > 0)
        len += 1 + digits_at(scan, len + 1);
    if (next_is(scan, len, '%'))
        return len + 1;
    unit = scan.at + len < scan.end ? run((struct scan){ scan.at + len, scan.end }, is_letter) : 0;
    if (unit <= UNIT_MAX && word_ends(scan, len + unit))
        return len + unit;
    return 0;
}

static bool is_path(char c)
{
    return is_word(c) || is_one_of("/.-+~%@:", c);
}

static size_t path_length(struct scan scan)
{
    size_t len;

    if (scan.at + 1 >= scan.end || scan.at[0] != '/' || !is_path(scan.at[1]))
        return 0;
    len = run(scan, is_path);
    while (len > 1 && is_one_of(".:", scan.at[len - 1]))
        len--;
    return len > 1 ? len : 0;
}

/* With both quotes. */
static size_t quoted_length(struct scan scan)
{
    size_t room = (size_t)(scan.end - scan.at);
    const char *close;

    if (room < 2 || (scan.at[0] != '"' && scan.at[0] != '\''))
        return 0;
    if (room > QUOTED_MAX)
        room = QUOTED_MAX;
    close = memchr(scan.at + 1, scan.at[0], room - 1);
    return close != NULL ? (size_t)(close - scan.at) + 1 : 0;
}

static const struct {
    size_t (*length)(struct scan scan);
    const char *mask;
} kinds[] = {
    { quoted_length, "\"<str>\"" }, { time_length, "<time>" }, { uuid_length, "<uuid>" }, { ip4_length, "<ip>" },
    { ip6_length, "<ip>" },         { hex_length, "<hex>" },   { path_length, "<path>" }, { number_length, "<num>" },
};

/* --- writing --------------------------------------------------------------- */

struct out {
    char *bytes;
    size_t len;
    size_t max;
};

static void put(struct out *out, const char *bytes, size_t len)
{
    if (len > out->max - out->len)
        len = out->max - out->len;
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

/* A word that is no kind: letters stay, digits do not; one that is mostly a mixture is an id. */
static size_t put_word(struct out *out, struct scan scan)
{
    size_t len = run(scan, is_word);
    size_t turns = 0;
    bool digits = false;

    for (size_t i = 0; i < len; i++) {
        turns += i > 0 && is_digit(scan.at[i]) != is_digit(scan.at[i - 1]);
        digits = digits || is_digit(scan.at[i]);
    }
    if (turns > 2 || (digits && len >= ID_MIN)) {
        put(out, "<id>", 4);
        return len;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(scan.at[i]))
            put(out, scan.at + i, 1);
        else if (i == 0 || !is_digit(scan.at[i - 1]))
            put(out, "<num>", 5);
    }
    return len;
}

/* One parameter, word, blank or other byte; returns how far it goes. */
static size_t step(struct out *out, struct scan scan, bool begins)
{
    if (is_blank(*scan.at)) {
        if (out->len > 0 && out->bytes[out->len - 1] != ' ')
            put(out, " ", 1);
        return 1;
    }
    for (size_t i = 0; begins && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t len = kinds[i].length(scan);

        if (len == 0)
            continue;
        put(out, kinds[i].mask, strlen(kinds[i].mask));
        return len;
    }
    if (is_word(*scan.at))
        return put_word(out, scan);
    put(out, scan.at, 1);
    return 1;
}

size_t lb_alert_mask(struct lb_str message, char *masked, size_t bytes_max)
{
    struct scan scan = { message.ptr, message.ptr + message.len };
    struct out out = { masked, 0, bytes_max };
    bool begins = true;

    while (scan.at < scan.end && out.len < out.max) {
        size_t len = step(&out, scan, begins);

        begins = !is_word(scan.at[len - 1]);
        scan.at += len;
    }
    while (out.len > 0 && out.bytes[out.len - 1] == ' ')
        out.len--;
    return out.len;
}
