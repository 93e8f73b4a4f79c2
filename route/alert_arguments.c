/*
 * alert_arguments.c - conditions are cut from behind: `A -> B within 5m` has
 * its words outside of what expressions may hold in quotes.
 */
#include "alert_arguments.h"

#include "alert_conf.h"

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

bool lb_alert_argument_duration(struct lb_alert_argument argument, int64_t *duration_ns, struct lb_diag *diag)
{
    if (lb_alert_duration_read(argument.text, duration_ns) && *duration_ns > 0)
        return true;
    lb_diag_error(diag, argument.place,
                  "expected a time of at most a year such as 30s, 5m or 1h30m, got \"" LB_STR_FMT "\"",
                  LB_STR_ARG(argument.text));
    return false;
}
