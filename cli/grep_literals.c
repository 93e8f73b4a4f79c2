/*
 * grep_literals.c - reads patterns in the syntax of PCRE2 for the literals in
 * them.
 *
 * It reads what PCRE2 has accepted, so what would be a fault is not looked
 * for. The tricky thing is to know where something ends whose meaning does
 * not matter; where even that is not certain, or a verb could end the match
 * early, the reader gives up and the pattern has no literals.
 */
#include "grep_reader.h"

enum { DEPTH_MAX = 64, ARENA_BYTES = 4 * 1024 * 1024, TIMES_LIMIT = 65535 };

static struct grep_expression read_alternatives(struct grep_reader *self);

/* --- groups --------------------------------------------------------------------- */

static struct grep_expression read_inside(struct grep_reader *self)
{
    bool fold = self->fold;
    bool extended = self->extended;
    bool extended_more = self->extended_more;

    if (++self->depth > DEPTH_MAX)
        return grep_give_up(self);
    struct grep_expression inside = read_alternatives(self);
    self->depth--;
    if (self->at == self->end)
        return grep_give_up(self);
    self->at++;
    self->fold = fold;
    self->extended = extended;
    self->extended_more = extended_more;
    return inside;
}

/* Behind (?, at letters that switch something on or off. */
static struct grep_expression read_switches(struct grep_reader *self)
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
            return grep_give_up(self);
    }
    if (self->at == self->end)
        return grep_give_up(self);
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
static struct grep_expression read_look(struct grep_reader *self, bool positive)
{
    struct grep_expression inside = read_inside(self);

    self->is_local = false;
    return positive ? grep_somewhere(self->arena, inside) : grep_condition();
}

static struct grep_expression read_named(struct grep_reader *self, size_t skip, char close)
{
    self->at += skip;
    grep_skip_behind(self, close);
    return read_inside(self);
}

/* Behind (?. */
static struct grep_expression read_special_group(struct grep_reader *self)
{
    char c = self->at < self->end ? *self->at : '\0';
    char next = self->end - self->at > 1 ? self->at[1] : '\0';
    bool is_name = c == '<' || (c == 'P' && next == '<');

    if (c == '#') {
        grep_skip_behind(self, ')');
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
    if (c == 'R' || c == '&' || c == '+' || grep_is_digit(c) || (c == '-' && grep_is_digit(next)) || c == 'P') {
        self->is_local = false;
        return grep_skip_behind(self, ')');
    }
    return c == '^' || c == '-' || c == ')' || grep_is_letter(c) ? read_switches(self) : grep_give_up(self);
}

static struct grep_expression read_group(struct grep_reader *self)
{
    self->at++;
    if (grep_is_next(self, "*")) /* a verb may end the match, or change what a pattern means */
        return grep_give_up(self);
    if (!grep_is_next(self, "?"))
        return read_inside(self);
    self->at++;
    return read_special_group(self);
}

/* --- rows ----------------------------------------------------------------------- */

/* Passes over what may stand between an item and its quantifier. */
static void skip_ignored(struct grep_reader *self)
{
    while (self->at < self->end) {
        const char *before = self->at;

        if (grep_is_next(self, "\\E")) {
            self->quoted = false;
            self->at += 2;
        } else if (self->quoted) {
            return;
        } else if (grep_is_next(self, "\\Q\\E")) {
            self->at += 4;
        } else if (grep_is_next(self, "(?#")) {
            grep_skip_behind(self, ')');
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

    for (*number = 0; *at < end && grep_is_digit(**at) && *number <= TIMES_LIMIT; (*at)++)
        *number = *number * 10 + (uint32_t)(**at - '0');
    return *at > start;
}

/* {n}, {n,} or {n,m}. False: a brace. What newer versions read as a quantifier and others do not: gives up. */
static bool read_braces(struct grep_reader *self, uint32_t *min, uint32_t *max)
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
        grep_give_up(self);
    return false;
}

static struct grep_expression read_quantifier(struct grep_reader *self, struct grep_expression item)
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

static struct grep_expression read_item(struct grep_reader *self)
{
    if (self->quoted)
        return grep_read_character(self);
    if (self->extended && (unsigned char)*self->at >= 0x80) {
        self->at += grep_character_bytes(self); /* some of them are blanks */
        return grep_unknown();
    }
    switch (*self->at) {
    case '^':
    case '$': self->at++; return grep_condition();
    case '.': self->at++; return grep_unknown();
    case '[': return grep_read_class(self);
    case '(': return read_group(self);
    case '\\': return grep_read_escape(self);
    default: return grep_read_character(self);
    }
}

static struct grep_expression read_row(struct grep_reader *self)
{
    struct grep_expression row = grep_nothing();

    skip_ignored(self);
    while (self->at < self->end && (self->quoted || (*self->at != '|' && *self->at != ')'))) {
        struct grep_expression item = read_item(self);

        row = grep_row(self->arena, row, read_quantifier(self, item));
    }
    return row;
}

static struct grep_expression read_alternatives(struct grep_reader *self)
{
    struct grep_expression all = read_row(self);

    while (self->at < self->end && *self->at == '|') {
        self->at++;
        all = grep_either(self->arena, all, read_row(self));
    }
    return all;
}

/* --- whole patterns -------------------------------------------------------------- */

static struct grep_expression read_fixed(struct grep_reader *self)
{
    struct grep_expression row = grep_nothing();

    while (self->at < self->end)
        row = grep_row(self->arena, row, grep_read_character(self));
    return row;
}

static struct grep_expression read_pattern(struct grep_reader *self, struct lb_str pattern)
{
    self->at = pattern.ptr;
    self->end = pattern.ptr + pattern.len;
    struct grep_expression all = self->fixed ? read_fixed(self) : read_alternatives(self);
    return self->at == self->end && !self->gave_up ? all : grep_give_up(self);
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
    struct grep_reader reader = {
        .arena = &literals->arena, .utf = syntax.utf, .fixed = syntax.fixed, .is_local = true
    };
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
