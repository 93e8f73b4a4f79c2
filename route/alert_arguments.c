/*
 * alert_arguments.c - conditions are cut from behind: `A -> B within 5m` has
 * its words outside of what expressions may hold in quotes.
 */
#include "alert_arguments.h"

#include "alert_conf.h"
#include "lb_clock.h"

static struct lb_alert_argument part(struct lb_alert_argument argument, size_t from, size_t to)
{
    return (struct lb_alert_argument){ { argument.text.ptr + from, to - from }, lb_place_at(argument.place, from) };
}

struct lb_alert_argument lb_alert_argument_trim(struct lb_alert_argument argument)
{
    struct lb_str trimmed = lb_alert_trim(argument.text);
    size_t from = (size_t)(trimmed.ptr - argument.text.ptr);

    return part(argument, from, from + trimmed.len);
}

/* --- cutting --------------------------------------------------------------- */

/* How far the quoted text, or the pattern between slashes, that begins there goes; 0: none does. */
static size_t quoted_length(struct lb_str text, size_t at, bool pattern)
{
    char quote = text.ptr[at];

    if (quote != '"' && quote != '\'' && !(quote == '/' && pattern))
        return 0;
    for (size_t i = at + 1; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == quote)
            return i + 1 - at;
    }
    return text.len - at;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool word_at(struct lb_str text, size_t at, struct lb_str word)
{
    size_t end = at + word.len;
    bool letters = word.ptr[0] >= 'a' && word.ptr[0] <= 'z';

    if (text.len - at < word.len || memcmp(text.ptr + at, word.ptr, word.len) != 0)
        return false;
    return !letters || ((at == 0 || is_blank(text.ptr[at - 1])) && (end == text.len || is_blank(text.ptr[end])));
}

bool lb_alert_argument_split(struct lb_alert_argument argument, const char *word, struct lb_alert_argument *before,
                             struct lb_alert_argument *behind)
{
    struct lb_str text = argument.text;
    struct lb_str sought = lb_str_from(word);
    size_t found = text.len;
    size_t depth = 0;
    char last = ' '; /* that is no blank */

    for (size_t at = 0; at < text.len;) {
        size_t quoted = quoted_length(text, at, last == '~');

        if (quoted == 0 && depth == 0 && word_at(text, at, sought))
            found = at;
        depth += text.ptr[at] == '(';
        depth -= text.ptr[at] == ')' && depth > 0;
        if (!is_blank(text.ptr[at]))
            last = text.ptr[at];
        at += quoted > 0 ? quoted : 1;
    }
    if (found == text.len)
        return false;
    *before = lb_alert_argument_trim(part(argument, 0, found));
    *behind = lb_alert_argument_trim(part(argument, found + sought.len, text.len));
    return true;
}

/* --- fields ---------------------------------------------------------------- */

static bool is_name(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(" \t()=<>!~\"'", text.ptr[i]) != NULL)
            return false;
    return text.len > 0;
}

bool lb_alert_argument_fields(struct lb_config *config, struct lb_alert_argument argument, const char *help,
                              struct lb_strs *fields, struct lb_diag *diag)
{
    struct lb_str text = argument.text;
    size_t at = 0;

    fields->items = lb_arena_zalloc(&config->arena, LB_ALERT_FIELDS_MAX * sizeof(*fields->items));
    fields->count = 0;
    while (fields->items != NULL && at <= text.len) {
        const char *comma = at < text.len ? memchr(text.ptr + at, ',', text.len - at) : NULL;
        size_t end = comma != NULL ? (size_t)(comma - text.ptr) : text.len;
        struct lb_alert_argument name = lb_alert_argument_trim(part(argument, at, end));

        if (fields->count == LB_ALERT_FIELDS_MAX || !is_name(name.text)) {
            lb_diag_error(diag, name.place, "%s%s", help,
                          fields->count == LB_ALERT_FIELDS_MAX ? "; four fields at most" : "");
            return false;
        }
        fields->items[fields->count++] = name.text;
        at = end + 1;
    }
    return fields->items != NULL;
}

/* --- durations ------------------------------------------------------------- */

static int64_t unit_ns(struct lb_str unit)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {
        { "ms", LB_MILLISECOND },       { "s", LB_SECOND },
        { "m", 60 * LB_SECOND },        { "h", 3600 * LB_SECOND },
        { "d", 24 * 3600 * LB_SECOND }, { "w", 7 * 24 * 3600 * LB_SECOND },
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (lb_str_is(unit, units[i].unit))
            return units[i].ns;
    return 0;
}

static size_t run_of(struct lb_str text, char least, char most)
{
    size_t len = 0;

    while (len < text.len && text.ptr[len] >= least && text.ptr[len] <= most)
        len++;
    return len;
}

/* One number and its unit off the front, added. */
static bool take_unit(struct lb_str *text, int64_t *sum)
{
    enum { DIGITS_MAX = 7, WEEKS_MAX = 53 };
    size_t digits = run_of(*text, '0', '9');
    struct lb_str rest = { text->ptr + digits, text->len - digits };
    size_t letters = run_of(rest, 'a', 'z');
    int64_t unit = unit_ns((struct lb_str){ rest.ptr, letters });
    int64_t number = 0;

    if (digits == 0 || digits > DIGITS_MAX || unit == 0)
        return false;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (text->ptr[i] - '0');
    if (number > (WEEKS_MAX * 7 * 24 * 3600 * LB_SECOND - *sum) / unit)
        return false;
    *sum += number * unit;
    *text = (struct lb_str){ rest.ptr + letters, rest.len - letters };
    return true;
}

bool lb_alert_argument_duration(struct lb_alert_argument argument, int64_t *duration_ns, struct lb_diag *diag)
{
    struct lb_str rest = argument.text;
    int64_t sum = 0;

    while (rest.len > 0 && take_unit(&rest, &sum))
        ;
    if (rest.len == 0 && sum > 0) {
        *duration_ns = sum;
        return true;
    }
    lb_diag_error(diag, argument.place,
                  "expected a time of at most a year such as 30s, 5m or 1h30m, got \"" LB_STR_FMT "\"",
                  LB_STR_ARG(argument.text));
    return false;
}
