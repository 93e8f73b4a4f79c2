/* grep_options.c - the command line of `logboom grep`: the options of grep, and those of records. */
#include "grep.h"

#include "colour.h"

#include "lb_alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATTERN_FILE_MAX = 8 * 1024 * 1024 };

/* Options without a letter. */
enum { FORMAT = 128, JSON, STATS, SORT, NO_INDEX, CONFIG, COLOR, IGNORED };

static const struct {
    const char *name;
    int code;
    bool has_value;
} options_table[] = {
    { "regexp", 'e', true },
    { "file", 'f', true },
    { "ignore-case", 'i', false },
    { "no-ignore-case", 'I', false },
    { "invert-match", 'v', false },
    { "word-regexp", 'w', false },
    { "line-regexp", 'x', false },
    { "fixed-strings", 'F', false },
    { "extended-regexp", 'E', false },
    { "perl-regexp", 'P', false },
    { "count", 'c', false },
    { "files-with-matches", 'l', false },
    { "files-without-match", 'L', false },
    { "line-number", 'n', false },
    { "after-context", 'A', true },
    { "before-context", 'B', true },
    { "context", 'C', true },
    { "max-count", 'm', true },
    { "only-matching", 'o', false },
    { "quiet", 'q', false },
    { "silent", 'q', false },
    { "with-filename", 'H', false },
    { "no-filename", 'h', false },
    { "recursive", 'r', false },
    { "text", 'a', false },
    { "line-buffered", IGNORED, false },
    { "color", COLOR, false },
    { "colour", COLOR, false },
    { "format", FORMAT, true },
    { "json", JSON, false },
    { "stats", STATS, false },
    { "sort", SORT, true },
    { "no-index", NO_INDEX, false },
    { "config", CONFIG, true },
};

static bool wrong_number(const char *option, const char *text)
{
    usage_error(&command_grep, "%s: \"%s\" is no number of lines", option, text);
    return false;
}

static bool set_number(uint64_t *number, uint64_t most, const char *option, const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0')
        return wrong_number(option, text);
    *number = value < most ? value : most;
    return true;
}

static bool add_pattern(struct grep_options *options, struct lb_str text)
{
    if (options->pattern_count == GREP_PATTERNS_MAX) {
        usage_error(&command_grep, "more than %d patterns", GREP_PATTERNS_MAX);
        return false;
    }
    options->patterns[options->pattern_count++] = text;
    return true;
}

bool grep_options_add(struct grep_options *options, struct lb_str text)
{
    bool added = true;

    options->has_patterns = true;
    for (bool more = true; more && added;) {
        const char *newline = text.len > 0 ? memchr(text.ptr, '\n', text.len) : NULL;
        size_t length = newline != NULL ? (size_t)(newline - text.ptr) : text.len;

        added = add_pattern(options, (struct lb_str){ text.ptr, length });
        more = newline != NULL;
        text = (struct lb_str){ text.ptr + length + more, text.len - length - more };
    }
    return added;
}

/* All of a file, in the arena of the options; `ptr` is NULL when it cannot be read, and it was said why. */
static struct lb_str read_all(struct grep_options *options, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct lb_str copy = { NULL, 0 };
    struct lb_buffer text;
    char piece[4096];
    size_t got;

    if (file == NULL) {
        fprintf(stderr, "logboom: %s: %s\n", path, strerror(errno));
        return copy;
    }
    lb_buffer_init(&text, PATTERN_FILE_MAX);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        lb_buffer_append(&text, piece, got);
    if (ferror(file) == 0 && !text.failed)
        copy = lb_arena_copy(&options->selection.arena, lb_buffer_str(&text));
    if (copy.ptr == NULL)
        fprintf(stderr, "logboom: %s: it cannot be read as patterns of at most 8 MiB\n", path);
    if (file != stdin)
        fclose(file);
    lb_buffer_free(&text);
    return copy;
}

static bool add_file(struct grep_options *options, const char *path)
{
    struct lb_str text = read_all(options, path);

    if (text.ptr == NULL)
        return false;
    options->has_patterns = true;
    if (text.len == 0)
        return true; /* no pattern: nothing matches */
    if (text.ptr[text.len - 1] == '\n')
        text.len--;
    return grep_options_add(options, text);
}

static bool set_format(struct grep_options *options, const char *word)
{
    for (int i = 0; lb_format_names[i] != NULL; i++) {
        if (strcmp(lb_format_names[i], word) == 0) {
            options->format = (enum lb_format)i;
            options->convert = true;
            return true;
        }
    }
    usage_error(&command_grep, "there is no format \"%s\"; one of json, logfmt, text, raw", word);
    return false;
}

static bool set_sort(struct grep_options *options, const char *word)
{
    options->sort_time = strcmp(word, "time") == 0;
    if (options->sort_time)
        return true;
    usage_error(&command_grep, "--sort: \"%s\" is not \"time\"", word);
    return false;
}

static bool set_value(struct grep_options *options, int code, const char *option, const char *value)
{
    switch (code) {
    case 'e': return grep_options_add(options, lb_str_from(value));
    case 'f': return add_file(options, value);
    case 'A': return set_number(&options->after, GREP_CONTEXT_MAX, option, value);
    case 'B': return set_number(&options->before, GREP_CONTEXT_MAX, option, value);
    case 'C':
        return set_number(&options->before, GREP_CONTEXT_MAX, option, value) &&
               set_number(&options->after, GREP_CONTEXT_MAX, option, value);
    case 'm': return set_number(&options->max, UINT64_MAX, option, value);
    case FORMAT: return set_format(options, value);
    case SORT: return set_sort(options, value);
    default: options->config = value; return true;
    }
}

/* False: there is no such option. */
static bool set_flag(struct grep_options *options, int code)
{
    switch (code) {
    case 'i': options->pattern.fold = true; break;
    case 'I': options->pattern.fold = false; break;
    case 'v': options->invert = true; break;
    case 'w': options->pattern.word = true; break;
    case 'x': options->pattern.line = true; break;
    case 'F': options->pattern.fixed = true; break;
    case 'E':
    case 'P': options->pattern.fixed = false; break;
    case 'c': options->count = true; break;
    case 'l': options->list = GREP_LIST_WITH; break;
    case 'L': options->list = GREP_LIST_WITHOUT; break;
    case 'n': options->numbers = true; break;
    case 'o': options->only = true; break;
    case 'q': options->quiet = true; break;
    case 'H': options->names = GREP_NAMES_ON; break;
    case 'h': options->names = GREP_NAMES_OFF; break;
    case JSON: options->json = true; break;
    case STATS: options->stats = true; break;
    case NO_INDEX: options->no_index = true; break;
    case 'r':
    case 'R':
    case 'a':
    case IGNORED: break; /* it is always so */
    default: return false;
    }
    return true;
}

/* 1: taken, 0: no such option, -1: wrong. */
static int long_option(struct grep_options *options, int argc, char **argv, int *index)
{
    const char *option = argv[*index];
    size_t length = strcspn(option + 2, "=");
    const char *value = option[2 + length] == '=' ? option + 3 + length : NULL;
    size_t i = 0;

    while (i < sizeof(options_table) / sizeof(options_table[0]) &&
           (strncmp(options_table[i].name, option + 2, length) != 0 || options_table[i].name[length] != '\0'))
        i++;
    if (i == sizeof(options_table) / sizeof(options_table[0]))
        return 0;
    if (options_table[i].code == COLOR) {
        if (colour_option(value, STDOUT_FILENO, &options->colour))
            return 1;
        usage_error(&command_grep, "--color is auto, always or never");
        return -1;
    }
    if (!options_table[i].has_value)
        return value == NULL && set_flag(options, options_table[i].code) ? 1 : 0;
    if (value == NULL && *index + 1 < argc)
        value = argv[++*index];
    if (value == NULL) {
        usage_error(&command_grep, "%s needs a value", option);
        return -1;
    }
    return set_value(options, options_table[i].code, option, value) ? 1 : -1;
}

/* -inA3, -e PATTERN, -3. */
static int short_options(struct grep_options *options, int argc, char **argv, int *index)
{
    const char *at = argv[*index] + 1;

    if (*at >= '0' && *at <= '9')
        return set_value(options, 'C', argv[*index], at) ? 1 : -1;
    for (; *at != '\0'; at++) {
        char option[] = { '-', *at, '\0' };
        const char *value = at + 1;

        if (strchr("efABCm", *at) == NULL) {
            if (*at == 'I' || !set_flag(options, *at))
                return 0;
            continue;
        }
        if (*value == '\0' && *index + 1 < argc)
            value = argv[++*index];
        else if (*value == '\0')
            value = NULL;
        if (value == NULL) {
            usage_error(&command_grep, "%s needs a value", option);
            return -1;
        }
        return set_value(options, *at, option, value) ? 1 : -1;
    }
    return 1;
}

static bool check_together(const struct grep_options *options)
{
    const char *clash = NULL;

    if (options->only && options->convert)
        clash = "-o prints parts of lines, --format whole records";
    else if (options->only && options->invert)
        clash = "with -v there is nothing for -o to print";
    else if (options->json && options->convert)
        clash = "--json has a form of its own, without --format";
    else if (options->sort_time && (options->before > 0 || options->after > 0))
        clash = "--sort time leaves no lines beside a match for -A, -B and -C";
    if (clash != NULL)
        usage_error(&command_grep, "%s", clash);
    return clash == NULL;
}

bool grep_options_read(struct grep_options *options, const char **operands, size_t *operand_count, int argc,
                       char **argv)
{
    bool is_option = true;

    options->max = UINT64_MAX;
    options->colour = colour_wanted(STDOUT_FILENO);
    for (int i = 1; i < argc; i++) {
        int taken = 1;

        if (!is_option || argv[i][0] != '-' || argv[i][1] == '\0') {
            operands[(*operand_count)++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            is_option = false;
            continue;
        }
        const char *option = argv[i];
        if (option[1] == '-') {
            taken = long_option(options, argc, argv, &i);
            if (taken == 0)
                taken = selection_option(&options->selection, &command_grep, argc, argv, &i);
        } else {
            taken = short_options(options, argc, argv, &i);
        }
        if (taken == 0)
            usage_error(&command_grep, "there is no option \"%s\"", option);
        if (taken <= 0)
            return false;
    }
    if (options->json)
        options->colour = false;
    if (options->only)
        options->before = options->after = 0;
    return check_together(options);
}
