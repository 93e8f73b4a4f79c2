/*
 * grep_literals.c - reads patterns in the syntax of PCRE2 for the literals in
 * them.
 *
 * It reads what PCRE2 has accepted, so what would be a fault is not looked
 * for. The tricky thing is to know where something ends whose meaning does
 * not matter; where even that is not certain, or a verb could end the match
 * early, the reader gives up and the pattern has no literals. Caseless k and
 * s have a third form in Unicode (Kelvin sign, long s), and other letters
 * than ASCII ones are left unknown.
 */
#include "grep_sets.h"

enum { DEPTH_MAX = 64, CLASS_MAX = 16, ARENA_BYTES = 4 * 1024 * 1024, TIMES_LIMIT = 65535 };

struct reader {
    struct lb_arena *arena;
    const char *at;
    const char *end;
    bool utf;
    bool fixed;
    bool fold;     /* (?i) */
    bool extended; /* (?x) */
    bool extended_more;
    bool quoted; /* behind \Q */
    bool gave_up;
    bool is_local;
    bool has_folded, has_exact; /* letters of either kind */
    int depth;
};

static struct grep_expression read_alternatives(struct reader *self);

static struct grep_expression give_up(struct reader *self)
{
    self->gave_up = true;
    self->is_local = false;
    self->at = self->end;
    return grep_unknown();
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_next(const struct reader *self, const char *text)
{
    size_t length = strlen(text);

    return (size_t)(self->end - self->at) >= length && memcmp(self->at, text, length) == 0;
}

static struct grep_expression condition(void)
{
    struct grep_expression nothing = grep_nothing();

    nothing.is_plain = false;
    return nothing;
}

/* --- characters -------------------------------------------------------------- */

static struct grep_expression ascii_character(struct reader *self, char c)
{
    struct grep_expression character;

    if (c == '\n') {
        self->is_local = false;
        return grep_unknown();
    }
    if (!is_letter(c))
        return grep_text(self->arena, (struct lb_str){ &c, 1 });
    if (!self->fold) {
        self->has_exact = true;
        return grep_text(self->arena, (struct lb_str){ &c, 1 });
    }
    self->has_folded = true;
    c |= 0x20;
    character = grep_text(self->arena, (struct lb_str){ &c, 1 });
    if (self->utf && c == 'k')
        character = grep_either(self->arena, character, grep_text(self->arena, LB_STR("\xe2\x84\xaa")));
    if (self->utf && c == 's')
        character = grep_either(self->arena, character, grep_text(self->arena, LB_STR("\xc5\xbf")));
    return character;
}

static size_t character_bytes(const struct reader *self)
{
    unsigned char lead = (unsigned char)*self->at;
    size_t bytes = !self->utf || lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    return bytes <= (size_t)(self->end - self->at) ? bytes : (size_t)(self->end - self->at);
}

/* The character at `at` stands for itself. */
static struct grep_expression read_character(struct reader *self)
{
    struct lb_str text = { self->at, character_bytes(self) };

    self->at += text.len;
    if ((unsigned char)*text.ptr < 0x80)
        return ascii_character(self, *text.ptr);
    return self->fold ? grep_unknown() : grep_text(self->arena, text);
}

/* --- escapes ------------------------------------------------------------------ */

/* What ends at `close`. */
static struct grep_expression skip_behind(struct reader *self, char close)
{
    const char *found = self->at < self->end ? memchr(self->at, close, (size_t)(self->end - self->at)) : NULL;

    if (found == NULL)
        return give_up(self);
    self->at = found + 1;
    return grep_unknown();
}

static int hex_digit(char c)
{
    return is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

static struct grep_expression read_hex(struct reader *self)
{
    int value = 0;

    if (self->at < self->end && *self->at == '{') {
        self->is_local = false;
        return skip_behind(self, '}');
    }
    for (int i = 0; i < 2 && self->at < self->end && hex_digit(*self->at) >= 0; i++)
        value = value * 16 + hex_digit(*self->at++);
    return value < 0x80 ? ascii_character(self, (char)value) : grep_unknown();
}

static struct grep_expression read_reference(struct reader *self)
{
    char open = self->at < self->end ? *self->at : '\0';

    if (open == '{' || open == '<' || open == '\'') {
        self->at++;
        return skip_behind(self, open == '{' ? '}' : open == '<' ? '>' : '\'');
    }
    return give_up(self);
}

/* \d and the like, which stand for one character of many. */
static struct grep_expression read_kind(struct reader *self, char c)
{
    if (strchr("dwShN", c) == NULL)
        self->is_local = false; /* it may stand for a newline */
    if ((c == 'p' || c == 'P') && self->at < self->end && *self->at++ != '{')
        return grep_unknown();
    if (c == 'p' || c == 'P' || (c == 'N' && is_next(self, "{U+")))
        return skip_behind(self, '}');
    return grep_unknown();
}

static struct grep_expression read_digits(struct reader *self, char c)
{
    self->is_local = false;
    if (c == '0') {
        for (int i = 0; i < 2 && self->at < self->end && *self->at >= '0' && *self->at <= '7'; i++)
            self->at++;
        return grep_unknown();
    }
    if (self->at < self->end && is_digit(*self->at))
        return give_up(self); /* \12: a group, or a character, or two */
    return grep_unknown();
}

static struct grep_expression read_letter_escape(struct reader *self, char c)
{
    static const char controls[] = "a\ae\033f\fr\rt\t";

    for (const char *control = controls; *control != '\0'; control += 2) {
        if (c == *control)
            return ascii_character(self, control[1]);
    }
    if (strchr("dDsSwWhHvVNRXpP", c) != NULL)
        return read_kind(self, c);
    if (strchr("AZzGK", c) != NULL)
        self->is_local = false;
    switch (c) {
    case 'b':
    case 'B':
    case 'A':
    case 'Z':
    case 'z':
    case 'G':
    case 'K': return condition();
    case 'n': return ascii_character(self, '\n');
    case 'x': return read_hex(self);
    case 'g':
    case 'k': return read_reference(self);
    case 'Q': self->quoted = true; return grep_nothing();
    case 'E': return grep_nothing();
    default: return give_up(self);
    }
}

static struct grep_expression read_escape(struct reader *self)
{
    self->at++;
    if (self->at == self->end)
        return give_up(self);
    char c = *self->at;
    if ((unsigned char)c >= 0x80)
        return give_up(self);
    self->at++;
    if (is_digit(c))
        return read_digits(self, c);
    return is_letter(c) ? read_letter_escape(self, c) : ascii_character(self, c);
}

/* --- classes ------------------------------------------------------------------- */

struct class
{
    bool has[128];
    bool other; /* more than `has` says */
};

/* Whether [:name:] and the like stand at `at`; moves behind it. */
static bool skip_posix(struct reader *self)
{
    if (self->end - self->at < 2 || self->at[1] == '\0' || strchr(":.=", self->at[1]) == NULL)
        return false;
    for (const char *at = self->at + 2; at + 1 < self->end; at++) {
        if (*at == '\\' && (at[1] == ']' || at[1] == '\\')) {
            at++;
        } else if ((*at == '[' && at[1] == self->at[1]) || *at == ']') {
            return false;
        } else if (*at == self->at[1] && at[1] == ']') {
            self->at = at + 2;
            return true;
        }
    }
    return false;
}

static void read_class_escape(struct reader *self, struct class *class)
{
    char c = self->end - self->at > 1 ? self->at[1] : '\0';

    self->at += self->end - self->at > 1 ? 2 : 1;
    if (c == 'Q' || c == 'E' || (unsigned char)c >= 0x80) {
        give_up(self);
    } else if (is_letter(c) || is_digit(c)) {
        class->other = true;
        self->is_local = self->is_local && (c == 'd' || c == 'w' || c == 'S');
        self->at += c == 'c' && self->at < self->end;
    } else {
        class->has[(unsigned char)c] = true;
        class->other = class->other || (self->at < self->end && *self->at == '-'); /* a range, perhaps */
    }
}

static void read_class_item(struct reader *self, struct class *class)
{
    unsigned char c = (unsigned char)*self->at;

    if (c == '[' && skip_posix(self)) {
        class->other = true;
        self->is_local = false;
        return;
    }
    if (c == '\\') {
        read_class_escape(self, class);
        return;
    }
    self->at += character_bytes(self);
    if (c >= 0x80) {
        class->other = true;
        return;
    }
    unsigned char last = c;
    if (self->end - self->at > 2 && *self->at == '-' && self->at[1] != ']') {
        last = (unsigned char)self->at[1];
        if (self->extended_more || last >= 0x80 || last == '[' || last == '\\') {
            class->other = true;
            self->at++;
            return;
        }
        self->at += 2;
    }
    for (unsigned i = c; i <= last; i++)
        class->has[i] = true;
}

static struct grep_expression class_expression(struct reader *self, const struct class *class)
{
    struct grep_expression any = grep_unknown();
    size_t count = 0;

    for (unsigned i = 0; i < 128; i++)
        count += class->has[i];
    self->is_local = self->is_local && !class->has['\n'];
    if (class->other || count == 0 || count > CLASS_MAX || class->has['\n'])
        return any;
    count = 0;
    for (unsigned i = 0; i < 128; i++) {
        if (!class->has[i])
            continue;
        struct grep_expression character = ascii_character(self, (char)i);
        any = count++ == 0 ? character : grep_either(self->arena, any, character);
    }
    return any;
}

static struct grep_expression read_class(struct reader *self)
{
    struct class class = { .other = false };
    bool first = true;

    self->at++;
    if (is_next(self, "[:<:]]") || is_next(self, "[:>:]]"))
        return give_up(self);
    if (is_next(self, "^")) {
        class.other = true;
        self->is_local = false;
        self->at++;
    }
    for (; self->at < self->end && (first || *self->at != ']'); first = false) {
        if (self->extended_more && (*self->at == ' ' || *self->at == '\t'))
            return give_up(self); /* it does not count, also not as the first */
        read_class_item(self, &class);
    }
    if (self->at == self->end)
        return give_up(self);
    self->at++;
    return class_expression(self, &class);
}

/* --- groups --------------------------------------------------------------------- */

static struct grep_expression read_inside(struct reader *self)
{
    bool fold = self->fold;
    bool extended = self->extended;
    bool extended_more = self->extended_more;

    if (++self->depth > DEPTH_MAX)
        return give_up(self);
    struct grep_expression inside = read_alternatives(self);
    self->depth--;
    if (self->at == self->end)
        return give_up(self);
    self->at++;
    self->fold = fold;
    self->extended = extended;
    self->extended_more = extended_more;
    return inside;
}

/* Behind (?, at letters that switch something on or off. */
static struct grep_expression read_switches(struct reader *self)
{
    bool on = true;
    bool fold = self->fold;
    bool extended = self->extended;
    bool extended_more = self->extended_more;

    for (; self->at < self->end && *self->at != ')' && *self->at != ':'; self->at++) {
        char c = *self->at;

        if (strchr("msU^", c) != NULL)
            self->is_local = false;
        if (c == '^')
            fold = extended = extended_more = false;
        else if (c == '-')
            on = false;
        else if (c == 'i')
            fold = on;
        else if (c == 'x' && on && self->at[-1] == 'x')
            extended_more = true;
        else if (c == 'x')
            extended = on, extended_more = false;
        else if (strchr("msnJU", c) == NULL)
            return give_up(self);
    }
    if (self->at == self->end)
        return give_up(self);
    if (*self->at++ == ')') {
        self->fold = fold;
        self->extended = extended;
        self->extended_more = extended_more;
        return grep_nothing();
    }
    bool kept[] = { self->fold, self->extended, self->extended_more };
    self->fold = fold;
    self->extended = extended;
    self->extended_more = extended_more;
    struct grep_expression inside = read_inside(self);
    self->fold = kept[0];
    self->extended = kept[1];
    self->extended_more = kept[2];
    return inside;
}

/* Lookaround: what a positive one asks for is somewhere in the line. */
static struct grep_expression read_look(struct reader *self, bool positive)
{
    struct grep_expression inside = read_inside(self);

    self->is_local = false;
    return positive ? grep_somewhere(self->arena, inside) : condition();
}

static struct grep_expression read_named(struct reader *self, size_t skip, char close)
{
    self->at += skip;
    skip_behind(self, close);
    return read_inside(self);
}

/* Behind (?. */
static struct grep_expression read_special_group(struct reader *self)
{
    char c = self->at < self->end ? *self->at : '\0';
    char next = self->end - self->at > 1 ? self->at[1] : '\0';
    bool is_name = c == '<' || (c == 'P' && next == '<');

    if (c == '#') {
        skip_behind(self, ')');
        return grep_nothing();
    }
    if (c == ':' || c == '|' || c == '>' || c == '=' || c == '!')
        self->at++;
    if (c == ':' || c == '|')
        return read_inside(self);
    if (c == '>') {
        struct grep_expression inside = read_inside(self);

        self->is_local = inside.is_plain = false; /* it keeps what it matched first */
        return inside;
    }
    if (c == '=' || c == '!')
        return read_look(self, c == '=');
    if (c == '<' && (next == '=' || next == '!')) {
        self->at += 2;
        return read_look(self, next == '=');
    }
    if (is_name && next != '*')
        return read_named(self, c == 'P' ? 2 : 1, '>');
    if (c == '\'')
        return read_named(self, 1, '\'');
    if (c == 'R' || c == '&' || c == '+' || is_digit(c) || (c == '-' && is_digit(next)) || c == 'P') {
        self->is_local = false;
        return skip_behind(self, ')');
    }
    return c == '^' || c == '-' || c == ')' || is_letter(c) ? read_switches(self) : give_up(self);
}

static struct grep_expression read_group(struct reader *self)
{
    self->at++;
    if (is_next(self, "*")) /* a verb may end the match, or change what a pattern means */
        return give_up(self);
    if (!is_next(self, "?"))
        return read_inside(self);
    self->at++;
    return read_special_group(self);
}

/* --- rows ----------------------------------------------------------------------- */

/* Passes over what may stand between an item and its quantifier. */
static void skip_ignored(struct reader *self)
{
    while (self->at < self->end) {
        const char *before = self->at;

        if (is_next(self, "\\E")) {
            self->quoted = false;
            self->at += 2;
        } else if (self->quoted) {
            return;
        } else if (is_next(self, "\\Q\\E")) {
            self->at += 4;
        } else if (is_next(self, "(?#")) {
            skip_behind(self, ')');
        } else if (self->extended && strchr(" \t\n\v\f\r", *self->at) != NULL && *self->at != '\0') {
            self->at++;
        } else if (self->extended && *self->at == '#') {
            const char *line = memchr(self->at, '\n', (size_t)(self->end - self->at));
            self->at = line != NULL ? line + 1 : self->end;
        }
        if (self->at == before)
            return;
    }
}

static bool read_number(const char **at, const char *end, uint32_t *number)
{
    const char *start = *at;

    for (*number = 0; *at < end && is_digit(**at) && *number <= TIMES_LIMIT; (*at)++)
        *number = *number * 10 + (uint32_t)(**at - '0');
    return *at > start;
}

/* {n}, {n,} or {n,m}. False: a brace. What newer versions read as a quantifier and others do not: gives up. */
static bool read_braces(struct reader *self, uint32_t *min, uint32_t *max)
{
    const char *at = self->at + 1;

    if (read_number(&at, self->end, min)) {
        *max = *min;
        if (at < self->end && *at == ',') {
            at++;
            if (!read_number(&at, self->end, max))
                *max = UINT32_MAX;
        }
        if (at < self->end && *at == '}') {
            self->at = at + 1;
            return true;
        }
    }
    if (self->end - self->at > 1 && strchr("0123456789, \t", self->at[1]) != NULL)
        give_up(self);
    return false;
}

static struct grep_expression read_quantifier(struct reader *self, struct grep_expression item)
{
    uint32_t min = 1;
    uint32_t max = 1;

    skip_ignored(self);
    if (self->quoted || self->at == self->end)
        return item;
    switch (*self->at) {
    case '*':
        min = 0;
        max = UINT32_MAX;
        break;
    case '+': max = UINT32_MAX; break;
    case '?': min = 0; break;
    case '{':
        if (!read_braces(self, &min, &max))
            return self->gave_up ? grep_unknown() : item;
        self->at--;
        break;
    default: return item;
    }
    self->at++;
    skip_ignored(self);
    if (!self->quoted && self->at < self->end && (*self->at == '?' || *self->at == '+')) {
        /* a++ keeps what it has: not all the texts of its set can be matched. */
        item.is_plain = item.is_plain && *self->at == '?';
        self->is_local = self->is_local && *self->at == '?';
        self->at++;
    }
    return grep_times(self->arena, item, min, max);
}

static struct grep_expression read_item(struct reader *self)
{
    if (self->quoted)
        return read_character(self);
    if (self->extended && (unsigned char)*self->at >= 0x80) {
        self->at += character_bytes(self); /* some of them are blanks */
        return grep_unknown();
    }
    switch (*self->at) {
    case '^':
    case '$': self->at++; return condition();
    case '.': self->at++; return grep_unknown();
    case '[': return read_class(self);
    case '(': return read_group(self);
    case '\\': return read_escape(self);
    default: return read_character(self);
    }
}

static struct grep_expression read_row(struct reader *self)
{
    struct grep_expression row = grep_nothing();

    skip_ignored(self);
    while (self->at < self->end && (self->quoted || (*self->at != '|' && *self->at != ')'))) {
        struct grep_expression item = read_item(self);

        row = grep_row(self->arena, row, read_quantifier(self, item));
    }
    return row;
}

static struct grep_expression read_alternatives(struct reader *self)
{
    struct grep_expression all = read_row(self);

    while (self->at < self->end && *self->at == '|') {
        self->at++;
        all = grep_either(self->arena, all, read_row(self));
    }
    return all;
}

/* --- whole patterns -------------------------------------------------------------- */

static struct grep_expression read_fixed(struct reader *self)
{
    struct grep_expression row = grep_nothing();

    while (self->at < self->end)
        row = grep_row(self->arena, row, read_character(self));
    return row;
}

static struct grep_expression read_pattern(struct reader *self, struct lb_str pattern)
{
    self->at = pattern.ptr;
    self->end = pattern.ptr + pattern.len;
    struct grep_expression all = self->fixed ? read_fixed(self) : read_alternatives(self);
    return self->at == self->end && !self->gave_up ? all : give_up(self);
}

static void lower(struct grep_literals *literals)
{
    for (size_t i = 0; i < literals->count; i++) {
        for (size_t k = 0; k < literals->clauses[i].count; k++) {
            struct lb_str item = literals->clauses[i].any[k];
            char *bytes = (char *)(uintptr_t)item.ptr; /* in our arena */

            for (size_t n = 0; n < item.len; n++) {
                if (bytes[n] >= 'A' && bytes[n] <= 'Z')
                    bytes[n] |= 0x20;
            }
        }
    }
}

static bool has_empty(struct grep_set set)
{
    for (size_t i = 0; i < set.count; i++) {
        if (set.items[i].len == 0)
            return true;
    }
    return false;
}

void grep_literals_init(struct grep_literals *literals, const struct lb_strs *patterns, struct grep_syntax syntax)
{
    struct reader reader = { .arena = &literals->arena, .utf = syntax.utf, .fixed = syntax.fixed, .is_local = true };
    struct grep_expression all = grep_unknown();

    *literals = (struct grep_literals){ .count = 0 };
    lb_arena_init(&literals->arena, ARENA_BYTES);
    for (size_t i = 0; i < patterns->count && !reader.gave_up; i++) {
        reader.fold = syntax.fold;
        reader.extended = reader.extended_more = reader.quoted = false;
        struct grep_expression one = read_pattern(&reader, patterns->items[i]);
        all = i == 0 ? one : grep_either(&literals->arena, all, one);
    }
    if (reader.gave_up)
        all = grep_unknown();
    literals->is_local = reader.is_local && !reader.gave_up;
    literals->fold = reader.has_folded;
    literals->is_all = all.is_exact && all.is_plain && has_empty(all.first);
    literals->count = grep_clauses(&literals->arena, all, literals->clauses, GREP_CLAUSES_MAX);
    literals->is_exact = all.is_exact && all.is_plain && !literals->is_all && literals->count == 1 &&
                         !(reader.has_folded && reader.has_exact);
    if (literals->fold)
        lower(literals);
}

void grep_literals_free(struct grep_literals *literals)
{
    lb_arena_free(&literals->arena);
}
