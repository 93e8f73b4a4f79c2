/*
 * reference.c - the option reference and `logboom help MODULE`, printed from
 * the tables that also read the configuration: they cannot disagree with it.
 *
 * One description of an option (kind, bounds, fallback, meaning) feeds two
 * writers: Markdown tables for the manual, plain lines for a terminal.
 */
#include "lb_reference.h"

#include "loading.h"
#include "units.h"

#include "lb_filter.h"
#include "lb_parser.h"

#include <ctype.h>
#include <stdio.h>

enum { NAME_BYTES = 128, KIND_BYTES = 512 };

/* --- the modules of each kind --------------------------------------------- */

static const struct lb_module *source_at(uint32_t i)
{
    return lb_source_types()[i] != NULL ? &lb_source_types()[i]->module : NULL;
}

static const struct lb_module *parser_at(uint32_t i)
{
    return lb_parser_types()[i] != NULL ? &lb_parser_types()[i]->module : NULL;
}

static const struct lb_module *filter_at(uint32_t i)
{
    return lb_filters_all()[i] != NULL ? &lb_filters_all()[i]->module : NULL;
}

static const struct lb_module *sink_at(uint32_t i)
{
    return lb_sink_types()[i] != NULL ? &lb_sink_types()[i]->module : NULL;
}

static const struct family {
    const char *word; /* `source.file` */
    const char *title;
    const char *intro;
    const struct lb_module *(*at)(uint32_t i);
    const struct lb_option *common; /* what every module of the kind takes; NULL: nothing */
} families[] = {
    { "source", "Sources", "`sources:` is a map of names to maps with a `type`, its options and these.", source_at,
      lb_source_common },
    { "parser", "Parsers", "`parsers:` is a map of names to maps with a `type` and its options.", parser_at, NULL },
    { "filter", "Filters", "`filters:` is a list of maps of one key, the filter; they run in order on every record.",
      filter_at, NULL },
    { "sink", "Sinks", "`sinks:` is a map of names to maps with a `type`, its options and these.", sink_at,
      lb_sink_common },
};

enum { FAMILIES = sizeof(families) / sizeof(families[0]) };

/* --- one option ----------------------------------------------------------- */

static const char *const kind_names[] = {
    [LB_OPTION_STRING] = "text",
    [LB_OPTION_STRINGS] = "text or list",
    [LB_OPTION_BOOL] = "true or false",
    [LB_OPTION_COUNT] = "whole number",
    [LB_OPTION_NUMBER] = "number",
    [LB_OPTION_DURATION] = "duration",
    [LB_OPTION_SIZE] = "size",
    [LB_OPTION_CHOICE] = "one of ",
    [LB_OPTION_LEVEL] = "level",
    [LB_OPTION_WHERE] = "expression",
    [LB_OPTION_TEMPLATE] = "template",
    [LB_OPTION_PAIRS] = "map of text",
    [LB_OPTION_TEMPLATES] = "map of templates",
    [LB_OPTION_GROUP] = "map",
    [LB_OPTION_GROUPS] = "list of maps",
    [LB_OPTION_PARSERS] = "parser or list",
    [LB_OPTION_SINKS] = "sink or list",
    [LB_OPTION_NODE] = "map, list or text",
};

static void print_number(const struct lb_option *option, int64_t number, char *out)
{
    if (option->kind == LB_OPTION_DURATION)
        lb_duration_print(number, out);
    else if (option->kind == LB_OPTION_SIZE)
        lb_size_print((uint64_t)number, out);
    else
        snprintf(out, LB_UNIT_TEXT_SIZE, "%lld", (long long)number);
}

static void append(char *out, const char *text)
{
    size_t len = strlen(out);

    snprintf(out + len, KIND_BYTES - len, "%s", text);
}

/* "size, at least 64B, at most 16MiB" */
static void describe_kind(const struct lb_option *option, char *out)
{
    char number[LB_UNIT_TEXT_SIZE];
    bool is_file = option->kind == LB_OPTION_STRING && (option->flags & LB_OPTION_PATH) != 0;

    snprintf(out, KIND_BYTES, "%s", is_file ? "file" : kind_names[option->kind]);
    for (size_t i = 0; option->kind == LB_OPTION_CHOICE && option->choices[i] != NULL; i++) {
        append(out, i > 0 ? ", " : "");
        append(out, option->choices[i]);
    }
    if (option->min > 0 && option->kind != LB_OPTION_GROUPS) {
        print_number(option, option->min, number);
        append(out, ", at least ");
        append(out, number);
    }
    if (option->max > 0 && option->max < INT64_MAX) {
        print_number(option, option->max, number);
        append(out, ", at most ");
        append(out, number);
    }
    if ((option->flags & LB_OPTION_SECRET) != 0)
        append(out, ", never shown");
}

static const char *describe_fallback(const struct lb_option *option)
{
    if ((option->flags & LB_OPTION_REQUIRED) != 0)
        return "required";
    return option->fallback != NULL ? option->fallback : "";
}

/* A sentence for the manual begins with a capital; the tables do as they like. */
static void print_sentence(FILE *out, const char *help)
{
    if (help != NULL && *help != '\0')
        fprintf(out, "%c%s", toupper((unsigned char)*help), help + 1);
}

/* Called for every option, those of groups as `group.option`, with the writer of the moment. */
static void each_option(FILE *out, const struct lb_option *options, const char *group,
                        void (*write)(FILE *out, const char *name, const struct lb_option *option))
{
    for (const struct lb_option *option = options; option != NULL && option->name != NULL; option++) {
        char name[NAME_BYTES];

        if (snprintf(name, sizeof(name), "%s%s%s", group, *group != '\0' ? "." : "", option->name) >= NAME_BYTES)
            continue;
        write(out, name, option);
        if (option->kind == LB_OPTION_GROUP || option->kind == LB_OPTION_GROUPS)
            each_option(out, option->group, name, write);
    }
}

/* --- the manual ----------------------------------------------------------- */

/* A bar would end the cell. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void write_row(FILE *out, const char *name, const struct lb_option *option)
{
    const char *fallback = describe_fallback(option);
    bool literal = option->fallback != NULL && (option->flags & LB_OPTION_REQUIRED) == 0;
    char kind[KIND_BYTES];

    describe_kind(option, kind);
    fprintf(out, "| `%s` | ", name);
    print_cell(out, kind);
    fprintf(out, " | %s", literal ? "`" : "");
    print_cell(out, fallback);
    fprintf(out, "%s | ", literal ? "`" : "");
    if (option->help != NULL && *option->help != '\0') {
        fputc(toupper((unsigned char)*option->help), out);
        print_cell(out, option->help + 1);
    }
    fputs(" |\n", out);
}

static void write_table(FILE *out, const struct lb_option *options)
{
    if (options == NULL || options->name == NULL)
        return;
    fputs("\n| option | kind | default | meaning |\n|---|---|---|---|\n", out);
    each_option(out, options, "", write_row);
}

/* Only a filter's value can stand where its map of options would: the others have a `type` beside it. */
static bool has_short_form(const struct family *family, const struct lb_module *module)
{
    return module->whole != NULL && strcmp(family->word, "filter") == 0;
}

static void write_module(FILE *out, const struct family *family, const struct lb_module *module)
{
    fprintf(out, "\n### %s.%s\n\n", family->word, module->name);
    print_sentence(out, module->help);
    fputs(".\n", out);
    if (has_short_form(family, module))
        fprintf(out, "In short `%s: …` stands for `%s: {%s: …}`.\n", module->name, module->name, module->whole);
    write_table(out, module->options);
}

static void write_family(FILE *out, const struct family *family)
{
    fprintf(out, "\n## %s\n\n%s\n", family->title, family->intro);
    write_table(out, family->common);
    for (uint32_t i = 0; family->at(i) != NULL; i++)
        write_module(out, family, family->at(i));
}

void lb_reference_write(void *out)
{
    FILE *file = out;

    fputs("# Option reference\n\n"
          "Written by `logboom help --reference` from the tables that read the configuration.\n\n"
          "A duration is a number with ms, s, m, h, d or w (`500ms`, `1h30m`); a size has B, kB, MB, GB (powers of\n"
          "1000) or KiB, MiB, GiB (powers of 1024). `${NAME}`, `${NAME:-default}` and `${file:PATH}` work in every\n"
          "value, `$$` is a dollar. A template takes fields as `{service}`, with a word for a missing one\n"
          "`{service|none}`. A file is looked for beside the configuration file.\n\n"
          "## Top level\n\nBesides the sections below, `alerting:`, and `include:` (a pattern or a list of patterns of "
          "files to merge).\n",
          file);
    write_table(file, lb_config_options);
    fputs("\n## Routes\n\n`routes:` is a list; a record takes every route that matches.\n", file);
    write_table(file, lb_route_options);
    for (size_t i = 0; i < FAMILIES; i++)
        write_family(file, &families[i]);
}

/* --- help on a terminal --------------------------------------------------- */

static void write_lines(FILE *out, const char *name, const struct lb_option *option)
{
    const char *fallback = describe_fallback(option);
    char kind[KIND_BYTES];

    describe_kind(option, kind);
    fprintf(out, "  %-22s %s", name, kind);
    if (strcmp(fallback, "required") == 0)
        fputs("; required", out);
    else if (*fallback != '\0')
        fprintf(out, "; default %s", fallback);
    fputc('\n', out);
    if (option->help != NULL)
        fprintf(out, "%*s%s\n", 25, "", option->help);
}

static void write_help(FILE *out, const struct family *family, const struct lb_module *module)
{
    fprintf(out, "%s.%s: ", family->word, module->name);
    print_sentence(out, module->help);
    fputs(".\n", out);
    if (has_short_form(family, module))
        fprintf(out, "In short: `%s: …` for `%s: {%s: …}`.\n", module->name, module->name, module->whole);
    if (module->options != NULL && module->options->name != NULL) {
        fputs("\nOptions\n", out);
        each_option(out, module->options, "", write_lines);
    }
    if (family->common != NULL) {
        fprintf(out, "\nOptions of every %s\n", family->word);
        each_option(out, family->common, "", write_lines);
    }
}

static const struct lb_module *find_module(const struct family *family, const char *name)
{
    for (uint32_t i = 0; family->at(i) != NULL; i++) {
        if (strcmp(family->at(i)->name, name) == 0)
            return family->at(i);
    }
    return NULL;
}

/* `sink.kafka`: the part behind the dot if the word before it is the family's, else NULL. */
static const char *name_in(const struct family *family, const char *name)
{
    size_t len = strlen(family->word);

    return strncmp(name, family->word, len) == 0 && name[len] == '.' ? name + len + 1 : NULL;
}

bool lb_reference_help(void *out, const char *name)
{
    const struct family *found = NULL;
    const struct lb_module *module = NULL;
    bool has_dot = strchr(name, '.') != NULL;

    for (size_t i = 0; i < FAMILIES; i++) {
        const char *wanted = has_dot ? name_in(&families[i], name) : name;
        const struct lb_module *candidate = wanted != NULL ? find_module(&families[i], wanted) : NULL;

        if (candidate == NULL)
            continue;
        /* A bare name that two kinds have says too little. */
        if (module != NULL)
            return false;
        found = &families[i];
        module = candidate;
    }
    if (module == NULL)
        return false;
    write_help(out, found, module);
    return true;
}
