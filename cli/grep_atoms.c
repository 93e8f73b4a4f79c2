/*
 * grep_atoms.c - single items of a pattern: characters, escapes, classes.
 *
 * The tricky thing is caseless letters: k and s have a third form in Unicode
 * (Kelvin sign, long s), and other letters than ASCII ones are left unknown.
 */
#include "grep_reader.h"

enum { CLASS_MAX = 16 };

struct grep_expression grep_give_up(struct grep_reader *self)
{
    self->gave_up = true;
    self->is_local = false;
    self->at = self->end;
    return grep_unknown();
}

struct grep_expression grep_condition(void)
{
    struct grep_expression nothing = grep_nothing();

    nothing.is_plain = false;
    return nothing;
}

/* --- characters -------------------------------------------------------------- */

static struct grep_expression ascii_character(struct grep_reader *self, char c)
{
    struct grep_expression character;

    if (c == '\n') {
        self->is_local = false;
        return grep_unknown();
    }
    if (!grep_is_letter(c))
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

size_t grep_character_bytes(const struct grep_reader *self)
{
    unsigned char lead = (unsigned char)*self->at;
    size_t bytes = !self->utf || lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    return bytes <= (size_t)(self->end - self->at) ? bytes : (size_t)(self->end - self->at);
}

struct grep_expression grep_read_character(struct grep_reader *self)
{
    struct lb_str text = { self->at, grep_character_bytes(self) };

    self->at += text.len;
    if ((unsigned char)*text.ptr < 0x80)
        return ascii_character(self, *text.ptr);
    return self->fold ? grep_unknown() : grep_text(self->arena, text);
}

/* --- escapes ------------------------------------------------------------------ */

struct grep_expression grep_skip_behind(struct grep_reader *self, char close)
{
    const char *found = self->at < self->end ? memchr(self->at, close, (size_t)(self->end - self->at)) : NULL;

    if (found == NULL)
        return grep_give_up(self);
    self->at = found + 1;
    return grep_unknown();
}

static int hex_digit(char c)
{
    return grep_is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

static struct grep_expression read_hex(struct grep_reader *self)
{
    int value = 0;

    if (self->at < self->end && *self->at == '{') {
        self->is_local = false;
        return grep_skip_behind(self, '}');
    }
    for (int i = 0; i < 2 && self->at < self->end && hex_digit(*self->at) >= 0; i++)
        value = value * 16 + hex_digit(*self->at++);
    return value < 0x80 ? ascii_character(self, (char)value) : grep_unknown();
}

static struct grep_expression read_reference(struct grep_reader *self)
{
    char open = self->at < self->end ? *self->at : '\0';

    if (open == '{' || open == '<' || open == '\'') {
        self->at++;
        return grep_skip_behind(self, open == '{' ? '}' : open == '<' ? '>' : '\'');
    }
    return grep_give_up(self);
}

/* \d and the like, which stand for one character of many. */
static struct grep_expression read_kind(struct grep_reader *self, char c)
{
    if (strchr("dwShN", c) == NULL)
        self->is_local = false; /* it may stand for a newline */
    if ((c == 'p' || c == 'P') && self->at < self->end && *self->at++ != '{')
        return grep_unknown();
    if (c == 'p' || c == 'P' || (c == 'N' && grep_is_next(self, "{U+")))
        return grep_skip_behind(self, '}');
    return grep_unknown();
}

static struct grep_expression read_digits(struct grep_reader *self, char c)
{
    self->is_local = false;
    if (c == '0') {
        for (int i = 0; i < 2 && self->at < self->end && *self->at >= '0' && *self->at <= '7'; i++)
            self->at++;
        return grep_unknown();
    }
    if (self->at < self->end && grep_is_digit(*self->at))
        return grep_give_up(self); /* \12: a group, or a character, or two */
    return grep_unknown();
}

static struct grep_expression read_letter_escape(struct grep_reader *self, char c)
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
    case 'K': return grep_condition();
    case 'n': return ascii_character(self, '\n');
    case 'x': return read_hex(self);
    case 'g':
    case 'k': return read_reference(self);
    case 'Q': self->quoted = true; return grep_nothing();
    case 'E': return grep_nothing();
    default: return grep_give_up(self);
    }
}

struct grep_expression grep_read_escape(struct grep_reader *self)
{
    self->at++;
    if (self->at == self->end)
        return grep_give_up(self);
    char c = *self->at;
    if ((unsigned char)c >= 0x80)
        return grep_give_up(self);
    self->at++;
    if (grep_is_digit(c))
        return read_digits(self, c);
    return grep_is_letter(c) ? read_letter_escape(self, c) : ascii_character(self, c);
}

/* --- classes ------------------------------------------------------------------- */

struct class
{
    bool has[128];
    bool other; /* more than `has` says */
};

/* Whether [:name:] and the like stand at `at`; moves behind it. */
static bool skip_posix(struct grep_reader *self)
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

static void read_class_escape(struct grep_reader *self, struct class *class)
{
    char c = self->end - self->at > 1 ? self->at[1] : '\0';

    self->at += self->end - self->at > 1 ? 2 : 1;
    if (c == 'Q' || c == 'E' || (unsigned char)c >= 0x80) {
        grep_give_up(self);
    } else if (grep_is_letter(c) || grep_is_digit(c)) {
        class->other = true;
        self->is_local = self->is_local && (c == 'd' || c == 'w' || c == 'S');
        self->at += c == 'c' && self->at < self->end;
    } else {
        class->has[(unsigned char)c] = true;
        class->other = class->other || (self->at < self->end && *self->at == '-'); /* a range, perhaps */
    }
}

static void read_class_item(struct grep_reader *self, struct class *class)
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
    self->at += grep_character_bytes(self);
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

static struct grep_expression class_expression(struct grep_reader *self, const struct class *class)
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

struct grep_expression grep_read_class(struct grep_reader *self)
{
    struct class class = { .other = false };
    bool first = true;

    self->at++;
    if (grep_is_next(self, "[:<:]]") || grep_is_next(self, "[:>:]]"))
        return grep_give_up(self);
    if (grep_is_next(self, "^")) {
        class.other = true;
        self->is_local = false;
        self->at++;
    }
    for (; self->at < self->end && (first || *self->at != ']'); first = false) {
        if (self->extended_more && (*self->at == ' ' || *self->at == '\t'))
            return grep_give_up(self); /* it does not count, also not as the first */
        read_class_item(self, &class);
    }
    if (self->at == self->end)
        return grep_give_up(self);
    self->at++;
    return class_expression(self, &class);
}
