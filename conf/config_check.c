/*
 * config_check.c - what can be found out without running: patterns compile,
 * files can be read, directories written, and no source reads what logboom
 * itself writes.
 *
 * The last needs no help from a module beyond its options: what a source
 * reads stands in `include`, what a sink writes in `path`, and two patterns
 * either have a path in common or not. Types say by `reads` and `writes` that
 * these options are paths; `reads` has the last word, for it knows `exclude`.
 */
#include "options.h"

#include "globs.h"
#include "lb_template.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- data_dir ------------------------------------------------------------- */

/* Cuts `path` to what exists of it. */
static void existing_part(char *path)
{
    while (access(path, F_OK) != 0) {
        char *slash = strrchr(path, '/');

        if (slash == NULL) {
            memcpy(path, ".", 2);
            return;
        }
        slash[slash == path ? 1 : 0] = '\0';
        if (slash == path)
            return;
    }
}

static void check_data_dir(const struct lb_config *config, struct lb_diag *diag)
{
    const struct lb_node *node = lb_node_get(config->root, "data_dir");
    struct lb_place place = node != NULL ? node->place : (struct lb_place){ config->file, 1, 1 };
    struct stat status;
    char path[PATH_MAX];

    if (config->data_dir.len >= sizeof(path)) {
        lb_diag_error(diag, place, "\"data_dir\": the path is too long");
        return;
    }
    memcpy(path, config->data_dir.ptr, config->data_dir.len + 1);
    existing_part(path);
    if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode))
        lb_diag_error(diag, place, "\"data_dir\": \"%s\" is not a directory", path);
    else if (access(path, W_OK | X_OK) != 0)
        lb_diag_error(diag, place, "\"data_dir\": cannot write to \"%s\": %s", path, strerror(errno));
}

/* --- modules -------------------------------------------------------------- */

/* A module that fails says why; this is for one that does not. */
static void tell_silent(struct lb_diag *diag, uint32_t errors, const char *word, const struct lb_section *section,
                        enum lb_err err)
{
    if (err != LB_OK && diag->errors == errors)
        lb_diag_error(diag, section->node->place, "%s \"" LB_STR_FMT "\": cannot be opened (%s)", word,
                      LB_STR_ARG(section->name), lb_err_name(err));
}

static void open_parsers(struct lb_config *config, struct lb_diag *diag)
{
    for (uint32_t i = 0; i < config->parser_count; i++) {
        struct lb_parser *parser = &config->parsers[i];
        uint32_t errors = diag->errors;
        enum lb_err err = LB_OK;

        if (parser->opened)
            continue;
        if (parser->type->open != NULL)
            err = parser->type->open(parser, diag);
        parser->opened = err == LB_OK;
        tell_silent(diag, errors, "parser", &parser->section, err);
    }
}

static void open_filters(struct lb_config *config, struct lb_diag *diag)
{
    for (uint32_t i = 0; i < config->plan.filter_count; i++) {
        struct lb_filter *filter = &config->plan.filters[i];
        uint32_t errors = diag->errors;
        enum lb_err err = LB_OK;

        if (filter->opened)
            continue;
        if (filter->type->open != NULL)
            err = filter->type->open(filter->state, &filter->section, diag);
        filter->opened = err == LB_OK;
        tell_silent(diag, errors, "filter", &filter->section, err);
    }
}

struct files {
    const char *word;
    const struct lb_section *section;
    struct lb_diag *diag;
};

static void check_file(void *context, const char *path, const struct lb_option *option, void *member)
{
    const struct files *self = context;
    const struct lb_str *file = member;

    if (option->kind != LB_OPTION_STRING || (option->flags & LB_OPTION_PATH) == 0 || file->len == 0)
        return;
    if (access(file->ptr, R_OK) != 0)
        lb_diag_error(self->diag, lb_section_place(self->section, path), "%s \"%s\": \"%s\": cannot read \"%s\": %s",
                      self->word, self->section->name.ptr, path, file->ptr, strerror(errno));
}

static void check_files(const char *word, const struct lb_section *section, const struct lb_module *module, void *state,
                        struct lb_diag *diag)
{
    struct files files = { word, section, diag };
    const struct lb_visitor visitor = { check_file, &files };

    lb_options_walk(module->options, state, &visitor);
}

static void check_instances(struct lb_config *config, struct lb_diag *diag)
{
    for (uint32_t i = 0; i < config->parser_count; i++)
        check_files("parser", &config->parsers[i].section, &config->parsers[i].type->module, config->parsers[i].state,
                    diag);
    for (uint32_t i = 0; i < config->source_count; i++) {
        struct lb_source *source = &config->sources[i];
        uint32_t errors = diag->errors;

        check_files("source", &source->section, &source->type->module, source->state, diag);
        if (source->type->check != NULL)
            tell_silent(diag, errors, "source", &source->section, source->type->check(source, diag));
    }
    for (uint32_t i = 0; i < config->sink_count; i++) {
        struct lb_sink *sink = &config->sinks[i];
        uint32_t errors = diag->errors;

        check_files("sink", &sink->section, &sink->type->module, sink->state, diag);
        if (sink->type->check != NULL)
            tell_silent(diag, errors, "sink", &sink->section, sink->type->check(sink, diag));
    }
}

/* --- loops ---------------------------------------------------------------- */

static const void *member_of(const struct lb_module *module, const void *state, const char *name,
                             enum lb_option_kind kind)
{
    for (const struct lb_option *option = module->options; option != NULL && option->name != NULL; option++) {
        if (option->kind == kind && strcmp(option->name, name) == 0)
            return (const char *)state + option->offset;
    }
    return NULL;
}

/* The paths that a sink writes, as written in the configuration; empty: none. */
static struct lb_str written_by(const struct lb_sink *sink)
{
    const struct lb_module *module = &sink->type->module;
    const struct lb_template *const *template = member_of(module, sink->state, "path", LB_OPTION_TEMPLATE);
    const struct lb_str *text = member_of(module, sink->state, "path", LB_OPTION_STRING);

    if (sink->type->writes == NULL)
        return LB_STR("");
    if (template != NULL && *template != NULL)
        return lb_template_text(*template);
    return text != NULL ? *text : LB_STR("");
}

/* From the root, so that relative and absolute paths can be compared. */
static struct lb_str absolute(struct lb_arena *arena, struct lb_str path)
{
    char directory[PATH_MAX];
    struct lb_str full = path;

    if (lb_str_starts(path, LB_STR("./")))
        path = (struct lb_str){ path.ptr + 2, path.len - 2 };
    if (path.len > 0 && path.ptr[0] != '/' && getcwd(directory, sizeof(directory)) != NULL)
        full = lb_arena_print(arena, "%s/" LB_STR_FMT, directory, LB_STR_ARG(path));
    return full.ptr != NULL ? full : path;
}

struct loop_check {
    struct lb_config *config;
    struct lb_diag *diag;
    const struct lb_source *source;
    struct lb_str include; /* one pattern of the source */
    struct lb_place place;
};

/*
 * Before it runs a source knows its patterns as they are written, so a path below the working directory is asked for
 * in each way in which a pattern may name it.
 */
static bool source_reads(const struct lb_source *source, const char *path)
{
    char text[LB_GLOB_BYTES + 2] = "./";
    char directory[PATH_MAX];
    size_t len;

    if (source->type->reads(source, path))
        return true;
    if (getcwd(directory, sizeof(directory)) == NULL)
        return false;
    len = strlen(directory);
    if (strncmp(path, directory, len) != 0 || path[len] != '/')
        return false;
    memcpy(text + 2, path + len + 1, strlen(path + len + 1) + 1);
    return source->type->reads(source, text) || source->type->reads(source, text + 2);
}

static bool reads(const struct loop_check *self, struct lb_str output)
{
    char example[LB_GLOB_BYTES];

    return lb_globs_meet(absolute(&self->config->arena, self->include), absolute(&self->config->arena, output),
                         example) &&
           source_reads(self->source, example);
}

static void check_pattern(const struct loop_check *self)
{
    const struct lb_config *config = self->config;
    struct lb_str data = lb_arena_print(&self->config->arena, LB_STR_FMT "/**", LB_STR_ARG(config->data_dir));
    char glob[LB_GLOB_BYTES];

    if (data.ptr != NULL && reads(self, data))
        lb_diag_error(self->diag, self->place,
                      "source \"%s\": \"%s\" matches files in \"data_dir\" (%s); leave them out with \"exclude\"",
                      self->source->section.name.ptr, self->include.ptr, config->data_dir.ptr);
    for (uint32_t i = 0; i < config->sink_count; i++) {
        const struct lb_sink *sink = &config->sinks[i];
        struct lb_str path = written_by(sink);

        if (path.len > 0 && lb_glob_of_template(path, glob) && reads(self, lb_str_from(glob)))
            lb_diag_error(self->diag, self->place,
                          "source \"%s\": \"%s\" matches what sink \"%s\" writes (" LB_STR_FMT
                          "); leave it out with \"exclude\"",
                          self->source->section.name.ptr, self->include.ptr, sink->section.name.ptr, LB_STR_ARG(path));
    }
}

static void check_loops(struct lb_config *config, struct lb_diag *diag)
{
    for (uint32_t i = 0; i < config->source_count; i++) {
        const struct lb_source *source = &config->sources[i];
        const struct lb_strs *include = member_of(&source->type->module, source->state, "include", LB_OPTION_STRINGS);
        const struct lb_node *node = lb_node_get(source->section.node, "include");

        if (source->type->reads == NULL || include == NULL || node == NULL)
            continue;
        for (uint32_t j = 0; j < include->count; j++) {
            const struct lb_node *item = node->kind == LB_NODE_LIST ? &node->values[j] : node;
            const struct loop_check check = { config, diag, source, include->items[j], item->place };

            check_pattern(&check);
        }
    }
}

bool lb_config_open(struct lb_config *config, struct lb_diag *diag)
{
    uint32_t errors = diag->errors;

    open_parsers(config, diag);
    open_filters(config, diag);
    return diag->errors == errors;
}

bool lb_config_check(struct lb_config *config, struct lb_diag *diag)
{
    uint32_t errors = diag->errors;

    check_data_dir(config, diag);
    lb_config_open(config, diag);
    check_instances(config, diag);
    check_loops(config, diag);
    return diag->errors == errors;
}
