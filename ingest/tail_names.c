/*
 * tail_names.c - `{name}` in a pattern: a part of the path that becomes a
 * field of every record of the file.
 *
 * It stands for one or more characters within a component, as few as will do;
 * `{service}` and `{host}` are what every record has, others are fields. A
 * file that was rotated matches no pattern any more: what its log is called
 * says what its names are.
 */
#include "tail.h"

#include "lb_log.h"

#include <ctype.h>
#include <fnmatch.h>
#include <limits.h>

enum { STEPS_MAX = 100000 }; /* of one match: some patterns can be matched in very many ways */

struct match {
    struct lb_tail_names *names;
    unsigned steps;
};

static bool match_path(struct match *self, const char *pattern, const char *path);

size_t lb_tail_name_length(const char *text)
{
    size_t len = 1;

    if (text[0] != '{' || (isalpha((unsigned char)text[1]) == 0 && text[1] != '_'))
        return 0;
    while (isalnum((unsigned char)text[len]) != 0 || text[len] == '_')
        len++;
    return text[len] == '}' ? len + 1 : 0;
}

/* How much of a component comes before its next name. */
static size_t plain_length(const char *pattern)
{
    size_t len = 0;

    while (pattern[len] != '\0' && pattern[len] != '/' && lb_tail_name_length(pattern + len) == 0)
        len++;
    return len;
}

static bool matches_plain(const char *pattern, size_t pattern_len, const char *text, size_t text_len, bool first)
{
    char left[NAME_MAX + 1];
    char right[NAME_MAX + 1];

    if (pattern_len > NAME_MAX || text_len > NAME_MAX)
        return false;
    memcpy(left, pattern, pattern_len);
    left[pattern_len] = '\0';
    memcpy(right, text, text_len);
    right[text_len] = '\0';
    return fnmatch(left, right, first ? FNM_PERIOD : 0) == 0;
}

/* The rest of a component, in the middle of it unless `first`; then what follows it. */
static bool match_component(struct match *self, const char *pattern, const char *path, bool first)
{
    size_t left = strcspn(path, "/");
    size_t name = lb_tail_name_length(pattern);

    if (++self->steps > STEPS_MAX)
        return false;
    if (name > 0) {
        uint32_t index = self->names->count;

        if (index == LB_TAIL_NAMES_MAX || (first && path[0] == '.'))
            return false;
        for (size_t len = 1; len <= left; len++) {
            self->names->items[index] = (struct lb_tail_name){ { pattern + 1, name - 2 }, { path, len } };
            self->names->count = index + 1;
            if (match_component(self, pattern + name, path + len, false))
                return true;
        }
        self->names->count = index;
        return false;
    }
    size_t plain = plain_length(pattern);
    bool last = pattern[plain] == '\0' || pattern[plain] == '/';
    if (last)
        return matches_plain(pattern, plain, path, left, first) && match_path(self, pattern + plain, path + left);
    for (size_t len = 0; len <= left; len++)
        if (matches_plain(pattern, plain, path, len, first) &&
            match_component(self, pattern + plain, path + len, false))
            return true;
    return false;
}

static bool match_path(struct match *self, const char *pattern, const char *path)
{
    pattern += strspn(pattern, "/");
    path += strspn(path, "/");
    size_t left = strcspn(path, "/");

    if (++self->steps > STEPS_MAX)
        return false;
    if (*pattern == '\0' || *path == '\0')
        return *pattern == *path;
    if (strncmp(pattern, "**", 2) != 0 || (pattern[2] != '/' && pattern[2] != '\0'))
        return match_component(self, pattern, path, true);
    const char *rest = pattern + 2 + strspn(pattern + 2, "/");
    if (match_path(self, *rest != '\0' ? rest : "*", path))
        return true;
    return path[0] != '.' && path[left] == '/' && match_path(self, pattern, path + left);
}

bool lb_tail_read_names(const char *pattern, const char *path, struct lb_tail_names *names)
{
    struct match match = { .names = names };

    names->count = 0;
    return match_path(&match, pattern, path);
}

static bool find_names(const struct lb_tail *self, const char *path, struct lb_tail_names *names)
{
    for (size_t i = 0; i < self->options.include.count; i++)
        if (lb_tail_read_names(self->options.include.items[i].ptr, path, names))
            return true;
    return false;
}

/* --- of a stream ------------------------------------------------------------------- */

static void add_name(struct lb_stream *stream, const struct lb_tail_name *name)
{
    lb_tail_reserve(stream, name->value.len + 1);
    struct lb_str value = lb_arena_copy(&stream->arena, name->value);

    if (value.ptr == NULL)
        return;
    if (lb_str_is(name->name, "service")) {
        stream->service = lb_value_text(value);
    } else if (lb_str_is(name->name, "host")) {
        stream->host = lb_value_text(value);
    } else {
        lb_tail_reserve(stream, name->name.len + 1);
        struct lb_str key = lb_arena_copy(&stream->arena, name->name);
        if (key.ptr != NULL)
            stream->fields[stream->field_count++] =
                (struct lb_field){ lb_value_of(key, LB_VALUE_CLEAN), lb_value_text(value) };
    }
}

void lb_tail_describe_names(const struct lb_tail *self, const struct lb_tail_file *file)
{
    struct lb_stream *stream = file->stream;
    struct lb_tail_names names;
    char log[PATH_MAX];

    if (!find_names(self, file->name, &names) &&
        (!lb_tail_log_name(self, file->name, log) || !find_names(self, log, &names)))
        return;
    if (names.count == 0)
        return;
    lb_tail_reserve(stream, names.count * sizeof(struct lb_field));
    stream->fields = lb_arena_alloc(&stream->arena, names.count * sizeof(struct lb_field));
    for (uint32_t i = 0; stream->fields != NULL && i < names.count; i++)
        add_name(stream, &names.items[i]);
}

/* --- check ---------------------------------------------------------------------------- */

static bool is_taken(struct lb_str name)
{
    static const char *const taken[] = { "timestamp", "level", "message", "source", "file", "offset" };

    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (lb_str_is(name, taken[i]))
            return true;
    return false;
}

static void check_name(const struct lb_source *source, struct lb_str name, struct lb_diag *diag)
{
    struct lb_place place = lb_section_place(&source->section, "include");

    if (is_taken(name))
        lb_diag_error(diag, place,
                      "{" LB_STR_FMT "} in a pattern would be the record's own " LB_STR_FMT "; choose another name",
                      LB_STR_ARG(name), LB_STR_ARG(name));
    if (lb_str_is(name, "service") && source->options.service.len > 0)
        lb_diag_error(diag, place, "`service` and {service} in the pattern both name the service; remove one");
    for (size_t i = 0; i < source->options.fields.count; i++)
        if (lb_str_equal(source->options.fields.items[i].name, name))
            lb_diag_error(diag, place, "{" LB_STR_FMT "} in the pattern is one of the `fields` too; remove one",
                          LB_STR_ARG(name));
}

/* A brace that begins no name is taken literally; that is rarely meant. */
static void check_pattern(const struct lb_source *source, const char *pattern, struct lb_diag *diag)
{
    struct lb_str names[LB_TAIL_NAMES_MAX];
    uint32_t count = 0;

    for (const char *at = strchr(pattern, '{'); at != NULL; at = strchr(at + 1, '{')) {
        size_t len = lb_tail_name_length(at);
        struct lb_str name = { at + 1, len - 2 };

        if (len == 0) {
            lb_diag_warn(diag, lb_section_place(&source->section, "include"),
                         "the brace in %s begins no {name} (letters, digits, _) and stands for itself", pattern);
            continue;
        }
        check_name(source, name, diag);
        for (uint32_t i = 0; i < count; i++)
            if (lb_str_equal(names[i], name))
                lb_diag_error(diag, lb_section_place(&source->section, "include"),
                              "{" LB_STR_FMT "} is twice in %s; choose two names", LB_STR_ARG(name), pattern);
        if (count == LB_TAIL_NAMES_MAX) {
            lb_diag_error(diag, lb_section_place(&source->section, "include"), "more than %d names in %s",
                          LB_TAIL_NAMES_MAX, pattern);
            return;
        }
        names[count++] = name;
    }
}

void lb_tail_check_names(const struct lb_source *source, const struct lb_strs *include, struct lb_diag *diag)
{
    for (size_t i = 0; i < include->count; i++)
        check_pattern(source, include->items[i].ptr, diag);
}
