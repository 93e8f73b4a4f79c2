/*
 * lb_fake_modules.h - a small set of modules for tests of conf/: every kind
 * of option, nothing behind them. Expressions are any text, but `never` and
 * `always` say what they are and `broken` has a fault at its column.
 */
#ifndef LB_FAKE_MODULES_H
#define LB_FAKE_MODULES_H

#include "lb_alloc.h"
#include "lb_conf.h"
#include "lb_expr.h"
#include "lb_filter.h"
#include "lb_parser.h"
#include "lb_template.h"

#include <stdlib.h>

/* --- expressions and templates -------------------------------------------- */

struct lb_expr {
    struct lb_str text;
    struct lb_place place;
    void *heap; /* stands for a compiled pattern: leaks are seen */
};

struct lb_expr *lb_expr_new(struct lb_arena *arena, struct lb_str text, struct lb_place place, struct lb_diag *diag)
{
    const char *fault = memmem(text.ptr, text.len, "broken", 6);
    struct lb_expr *expr = lb_arena_zalloc(arena, sizeof(*expr));

    if (fault != NULL) {
        place.column += (uint32_t)(fault - text.ptr);
        lb_diag_error(diag, place, "this is broken");
        return NULL;
    }
    if (expr != NULL)
        *expr = (struct lb_expr){ text, place, lb_alloc(8) };
    return expr;
}

void lb_expr_free(struct lb_expr *expr)
{
    lb_free(expr->heap);
    expr->heap = NULL;
}

enum lb_expr_constant lb_expr_constant(const struct lb_expr *expr)
{
    if (lb_str_is(expr->text, "always"))
        return LB_EXPR_ALWAYS;
    return lb_str_is(expr->text, "never") ? LB_EXPR_NEVER : LB_EXPR_VARIES;
}

struct lb_template {
    struct lb_str text;
    struct lb_place place;
};

struct lb_template *lb_template_new(struct lb_arena *arena, struct lb_str text, struct lb_place place,
                                    struct lb_diag *diag)
{
    struct lb_template *made = lb_arena_zalloc(arena, sizeof(*made));

    if (text.len > 0 && text.ptr[text.len - 1] == '{') {
        place.column += (uint32_t)text.len - 1;
        lb_diag_error(diag, place, "this brace is never closed");
        return NULL;
    }
    if (made != NULL)
        *made = (struct lb_template){ text, place };
    return made;
}

struct lb_str lb_template_text(const struct lb_template *text)
{
    return text->text;
}

/* --- a source ------------------------------------------------------------- */

struct fake_source {
    struct lb_strs include;
    struct lb_strs exclude;
    int read_from;
    int64_t ignore_older_ns;
    struct lb_str cert;
    struct lb_str key;
    bool verify;
};

static const char *const fake_read_from[] = { "head", "end", NULL };

#define FAKE_AT(type, member) offsetof(struct type, member)

static const struct lb_option fake_tls_options[] = {
    { .name = "cert",
      .kind = LB_OPTION_STRING,
      .offset = FAKE_AT(fake_source, cert),
      .flags = LB_OPTION_REQUIRED | LB_OPTION_PATH,
      .help = "the certificate" },
    { .name = "key",
      .kind = LB_OPTION_STRING,
      .offset = FAKE_AT(fake_source, key),
      .flags = LB_OPTION_PATH,
      .help = "its key" },
    { .name = "verify_client",
      .kind = LB_OPTION_BOOL,
      .offset = FAKE_AT(fake_source, verify),
      .fallback = "false",
      .help = "ask for a certificate" },
    { 0 },
};

static const struct lb_option fake_file_options[] = {
    { .name = "include",
      .kind = LB_OPTION_STRINGS,
      .offset = FAKE_AT(fake_source, include),
      .flags = LB_OPTION_REQUIRED,
      .help = "patterns of the files to read" },
    { .name = "exclude",
      .kind = LB_OPTION_STRINGS,
      .offset = FAKE_AT(fake_source, exclude),
      .help = "patterns to leave out" },
    { .name = "read_from",
      .kind = LB_OPTION_CHOICE,
      .offset = FAKE_AT(fake_source, read_from),
      .choices = fake_read_from,
      .fallback = "head",
      .help = "where to begin" },
    { .name = "ignore_older",
      .kind = LB_OPTION_DURATION,
      .offset = FAKE_AT(fake_source, ignore_older_ns),
      .max = INT64_C(365) * 86400 * 1000000000,
      .help = "age of files to skip" },
    { .name = "tls", .kind = LB_OPTION_GROUP, .group = fake_tls_options, .help = "encryption" },
    { 0 },
};

static inline bool fake_starts(const struct lb_strs *patterns, const char *path)
{
    for (size_t i = 0; i < patterns->count; i++) {
        struct lb_str prefix = { patterns->items[i].ptr, strcspn(patterns->items[i].ptr, "*") };

        if (lb_str_starts(lb_str_from(path), prefix))
            return true;
    }
    return false;
}

/* A pattern means what begins with its text before the first star, as it is written. */
static bool fake_reads(const struct lb_source *source, const char *path)
{
    const struct fake_source *self = source->state;

    return fake_starts(&self->include, path) && !fake_starts(&self->exclude, path);
}

static enum lb_err fake_source_check(struct lb_source *source, struct lb_diag *diag)
{
    const struct fake_source *self = source->state;

    (void)diag;
    return lb_str_is(self->include.items[0], "/silent") ? LB_IO : LB_OK;
}

static const struct lb_source_type fake_source_file = {
    .module = { .name = "file",
                .help = "follows text files",
                .state_size = sizeof(struct fake_source),
                .options = fake_file_options },
    .parse = "auto",
    .reads = fake_reads,
    .check = fake_source_check,
};

static const struct lb_source_type fake_source_stdin = { .module = { .name = "stdin", .help = "standard input" } };

static const struct lb_source_type *const fake_sources[] = { &fake_source_file, &fake_source_stdin, NULL };

const struct lb_source_type *const *lb_source_types(void)
{
    return fake_sources;
}

/* --- parsers -------------------------------------------------------------- */

struct fake_regex {
    struct lb_str pattern;
    struct lb_pairs types;
    struct lb_str format;
};

static const struct lb_option fake_timestamp_options[] = {
    { .name = "format", .kind = LB_OPTION_STRING, .offset = FAKE_AT(fake_regex, format), .help = "how it is written" },
    { 0 },
};

static const struct lb_option fake_regex_options[] = {
    { .name = "pattern",
      .kind = LB_OPTION_STRING,
      .offset = FAKE_AT(fake_regex, pattern),
      .flags = LB_OPTION_REQUIRED,
      .help = "the pattern, with named groups" },
    { .name = "types", .kind = LB_OPTION_PAIRS, .offset = FAKE_AT(fake_regex, types), .help = "of fields" },
    { .name = "timestamp", .kind = LB_OPTION_GROUP, .group = fake_timestamp_options, .help = "the time" },
    { 0 },
};

/* A pattern with an opening parenthesis more than closing ones is refused at that place. */
static enum lb_err fake_regex_open(struct lb_parser *parser, struct lb_diag *diag)
{
    const struct fake_regex *self = parser->state;
    struct lb_place place = lb_section_place(&parser->section, "pattern");
    const char *open = strchr(self->pattern.ptr, '(');

    if (open == NULL || strchr(open, ')') != NULL)
        return LB_OK;
    place.column += (uint32_t)(open - self->pattern.ptr);
    lb_diag_error(diag, place, "parser \"%s\": \"pattern\": missing )", parser->section.name.ptr);
    return LB_BAD_CONF;
}

static const struct lb_parser_type fake_parser_regex = {
    .module = { .name = "regex",
                .help = "a pattern with named groups",
                .state_size = sizeof(struct fake_regex),
                .options = fake_regex_options },
    .open = fake_regex_open,
};
static const struct lb_parser_type fake_parser_json = { .module = { .name = "json", .help = "a JSON object" } };
static const struct lb_parser_type fake_parser_syslog = { .module = { .name = "syslog", .help = "a syslog line" } };
static const struct lb_parser_type *const fake_parsers[] = { &fake_parser_json, &fake_parser_regex, &fake_parser_syslog,
                                                             NULL };
static const struct lb_parser fake_builtin_json = { .type = &fake_parser_json };
static const struct lb_parser fake_builtin_syslog = { .type = &fake_parser_syslog };

const struct lb_parser_type *const *lb_parser_types(void)
{
    return fake_parsers;
}

const struct lb_parser *lb_parser_builtin(struct lb_str name)
{
    if (lb_str_is(name, "json"))
        return &fake_builtin_json;
    return lb_str_is(name, "syslog") ? &fake_builtin_syslog : NULL;
}

/* --- filters -------------------------------------------------------------- */

struct fake_filter {
    const struct lb_expr *where;
    struct lb_template_pairs fields;
    struct lb_parser_chain *with;
    struct lb_strs names;
    double rate;
};

static const struct lb_option fake_drop_options[] = {
    { .name = "where",
      .kind = LB_OPTION_WHERE,
      .offset = FAKE_AT(fake_filter, where),
      .flags = LB_OPTION_REQUIRED,
      .help = "which records" },
    { 0 },
};

static const struct lb_option fake_set_options[] = {
    { .name = "fields",
      .kind = LB_OPTION_TEMPLATES,
      .offset = FAKE_AT(fake_filter, fields),
      .flags = LB_OPTION_REQUIRED,
      .help = "names and texts" },
    { .name = "where", .kind = LB_OPTION_WHERE, .offset = FAKE_AT(fake_filter, where), .help = "which records" },
    { 0 },
};

static const struct lb_option fake_parse_options[] = {
    { .name = "with",
      .kind = LB_OPTION_PARSERS,
      .offset = FAKE_AT(fake_filter, with),
      .flags = LB_OPTION_REQUIRED,
      .help = "a parser" },
    { .name = "where", .kind = LB_OPTION_WHERE, .offset = FAKE_AT(fake_filter, where), .help = "which records" },
    { .name = "rate", .kind = LB_OPTION_NUMBER, .offset = FAKE_AT(fake_filter, rate), .help = "a share" },
    { 0 },
};

static enum lb_err fake_filter_open(void *state, const struct lb_section *section, struct lb_diag *diag)
{
    const struct fake_filter *self = state;

    if (self->where == NULL || !lb_str_is(self->where->text, "refused"))
        return LB_OK;
    lb_diag_error(diag, lb_section_place(section, "where"), "filter \"drop\": refused");
    return LB_BAD_CONF;
}

static const struct lb_filter_type fake_filter_drop = { .module = { .name = "drop",
                                                                    .help = "drops records",
                                                                    .state_size = sizeof(struct fake_filter),
                                                                    .options = fake_drop_options,
                                                                    .whole = "where" },
                                                        .open = fake_filter_open };
static const struct lb_filter_type fake_filter_set = { .module = { .name = "set",
                                                                   .help = "sets fields",
                                                                   .state_size = sizeof(struct fake_filter),
                                                                   .options = fake_set_options,
                                                                   .whole = "fields" } };
static const struct lb_filter_type fake_filter_parse = { .module = { .name = "parse",
                                                                     .help = "reads messages",
                                                                     .state_size = sizeof(struct fake_filter),
                                                                     .options = fake_parse_options } };
static const struct lb_filter_type *const fake_filters[] = { &fake_filter_drop, &fake_filter_set, &fake_filter_parse,
                                                             NULL };

const struct lb_filter_type *const *lb_filters_all(void)
{
    return fake_filters;
}

const struct lb_filter_type *lb_filter_find(struct lb_str name)
{
    for (size_t i = 0; fake_filters[i] != NULL; i++) {
        if (lb_str_is(name, fake_filters[i]->module.name))
            return fake_filters[i];
    }
    return NULL;
}

/* --- sinks ---------------------------------------------------------------- */

struct fake_sink {
    const struct lb_template *path;
    uint64_t size;
    int64_t every_ns;
    int format;
    struct lb_strs brokers;
    uint64_t retries;
    struct lb_str secret;
};

static const char *const fake_formats[] = { "json", "text", "logfmt", NULL };

static const struct lb_option fake_rotate_options[] = {
    { .name = "size",
      .kind = LB_OPTION_SIZE,
      .offset = FAKE_AT(fake_sink, size),
      .fallback = "256MiB",
      .min = 64 * 1024,
      .help = "largest file" },
    { .name = "every",
      .kind = LB_OPTION_DURATION,
      .offset = FAKE_AT(fake_sink, every_ns),
      .fallback = "1d",
      .min = 60 * INT64_C(1000000000),
      .help = "oldest file" },
    { 0 },
};

static const struct lb_option fake_archive_options[] = {
    { .name = "path",
      .kind = LB_OPTION_TEMPLATE,
      .offset = FAKE_AT(fake_sink, path),
      .flags = LB_OPTION_REQUIRED,
      .help = "where the files are written" },
    { .name = "rotate", .kind = LB_OPTION_GROUP, .group = fake_rotate_options, .help = "when a new file begins" },
    { .name = "format",
      .kind = LB_OPTION_CHOICE,
      .offset = FAKE_AT(fake_sink, format),
      .choices = fake_formats,
      .fallback = "json",
      .help = "of records" },
    { 0 },
};

static const struct lb_option fake_kafka_options[] = {
    { .name = "brokers",
      .kind = LB_OPTION_STRINGS,
      .offset = FAKE_AT(fake_sink, brokers),
      .flags = LB_OPTION_REQUIRED,
      .help = "host:port of the first brokers" },
    { .name = "retries",
      .kind = LB_OPTION_COUNT,
      .offset = FAKE_AT(fake_sink, retries),
      .fallback = "5",
      .min = 1,
      .max = 100,
      .help = "how often" },
    { .name = "password",
      .kind = LB_OPTION_STRING,
      .offset = FAKE_AT(fake_sink, secret),
      .flags = LB_OPTION_SECRET,
      .help = "of the user" },
    { 0 },
};

static bool fake_writes(const struct lb_sink *sink, const char *path)
{
    (void)sink;
    (void)path;
    return true;
}

static const struct lb_sink_type fake_sink_archive = { .module = { .name = "archive",
                                                                   .help = "zstd files",
                                                                   .state_size = sizeof(struct fake_sink),
                                                                   .options = fake_archive_options },
                                                       .writes = fake_writes };
static const struct lb_sink_type fake_sink_kafka = { .module = { .name = "kafka",
                                                                 .help = "messages to Kafka",
                                                                 .state_size = sizeof(struct fake_sink),
                                                                 .options = fake_kafka_options } };
static const struct lb_sink_type *const fake_sinks[] = { &fake_sink_archive, &fake_sink_kafka, NULL };

const struct lb_sink_type *const *lb_sink_types(void)
{
    return fake_sinks;
}

/* --- alerting: `to` of each rule ------------------------------------------ */

static const struct lb_option fake_rule_options[] = {
    { .name = "to", .kind = LB_OPTION_SINKS, .offset = FAKE_AT(lb_alert_rule, sinks) },
    { .name = "where", .kind = LB_OPTION_WHERE, .offset = FAKE_AT(lb_alert_rule, where) },
    { 0 },
};

bool lb_alerting_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                      struct lb_diag *diag)
{
    const struct lb_node *rules = lb_node_get(node, "rules");

    if (rules == NULL)
        return true;
    alerting->rules = lb_arena_zalloc(&config->arena, (rules->count + 1) * sizeof(struct lb_alert_rule));
    for (uint32_t i = 0; i < rules->count; i++) {
        alerting->rules[i].name = rules->keys[i].text;
        alerting->rule_count++;
        lb_options_fill(config, fake_rule_options, &rules->values[i], &alerting->rules[i], diag);
    }
    return true;
}

#endif
