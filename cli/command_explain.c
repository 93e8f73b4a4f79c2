/*
 * command_explain.c - `logboom explain`: what happens to one line.
 *
 * Runs the real worker over a batch of that one line, with more and more of
 * the filters switched on, and shows what each step made of it. So it cannot
 * disagree with the daemon.
 */
#include "command.h"

#include "lb_alloc.h"
#include "lb_conf.h"
#include "lb_expr.h"
#include "lb_format.h"
#include "lb_template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = LB_LINE_BYTES_MAX, ARENA_BYTES = 64 * 1024 * 1024 };

struct explanation {
    struct lb_config *config;
    const struct lb_source *source;
    struct lb_stream stream;
    struct lb_str line;
    int64_t arrival_ns; /* the same for every run of a line, else each filter would change the time */
    struct lb_scratch scratch;
    bool colour;
};

static void heading(const struct explanation *self, const char *word)
{
    printf("%s%-10s%s", self->colour ? "\033[1m" : "", word, self->colour ? "\033[0m" : "");
}

/* A batch that holds the line alone. The caller frees it by drop_batch(). */
static bool make_batch(struct explanation *self, struct lb_batch *batch)
{
    size_t capacity = (self->line.len + sizeof(struct lb_event) + 64) & ~(size_t)7;

    *batch = (struct lb_batch){ .capacity = (uint32_t)capacity, .stream = &self->stream };
    batch->bytes = lb_alloc(capacity);
    lb_arena_init(&batch->arena, ARENA_BYTES);
    if (batch->bytes == NULL)
        return false;
    memcpy(batch->bytes, self->line.ptr, self->line.len);
    batch->length = (uint32_t)self->line.len;
    batch->position_end = self->line.len + 1;
    batch->arrival_ns = self->arrival_ns;
    lb_batch_note(batch, 0, self->line.len);
    return true;
}

static void drop_batch(struct lb_batch *batch)
{
    lb_arena_free(&batch->arena);
    lb_free(batch->bytes);
}

/* Runs the worker with the first `filters` filters. */
static bool process(struct explanation *self, uint32_t filters, struct lb_batch *batch)
{
    struct lb_route_plan plan = self->config->plan;

    plan.filter_count = filters;
    struct lb_worker *worker = lb_worker_new(&plan);
    if (worker == NULL || !make_batch(self, batch))
        return false;
    lb_worker_process(worker, batch);
    lb_worker_free(worker);
    return true;
}

static void print_record(struct explanation *self, const struct lb_batch *batch, const struct lb_record *record,
                         struct lb_buffer *out)
{
    struct lb_formatter formatter = { .format = LB_FORMAT_JSON, .scratch = &self->scratch };

    self->scratch.used = 0;
    lb_buffer_reset(out);
    lb_format_write(&formatter, batch, record, out);
}

/* What `auto` takes the text for; it is asked when those before it have refused. */
static void explain_automatic(struct explanation *self, struct lb_batch *batch)
{
    static const struct lb_parser_chain chain = { .automatic = true };

    struct lb_parse_context context = { .batch = batch, .scratch = &self->scratch };
    struct lb_record record = batch->records[0];

    lb_parser_chain_apply(&chain, &record, &context);
    printf("auto: %s",
           context.taken != NULL ? context.taken->module.name : "no parser's look, the text stays as it is");
}

/* What each parser of the source's chain says to the message that the envelope found. */
static void explain_parsers(struct explanation *self)
{
    const struct lb_parser_chain *chain = self->source->options.parse;
    struct lb_batch batch;

    if (chain == NULL || !make_batch(self, &batch))
        return;
    if (self->source->type->envelope->open(&batch) != LB_OK || batch.record_count == 0) {
        drop_batch(&batch);
        return;
    }
    heading(self, "envelope");
    printf("%s%s\n", self->source->type->envelope->name,
           (batch.records[0].flags & LB_RECORD_PARSE_ERROR) != 0 ? ": refused the line, it goes on whole" : "");
    heading(self, "parse");
    bool accepted = false;
    for (uint32_t i = 0; i < chain->count && !accepted; i++) {
        const struct lb_parser *parser = chain->parsers[i];
        struct lb_parse_context context = { .batch = &batch, .scratch = &self->scratch };
        enum lb_err err = parser->type->parse(parser->state, &batch.records[0], &context);

        printf("%s" LB_STR_FMT ": ", i > 0 ? ", " : "", LB_STR_ARG(parser->section.name));
        accepted = err == LB_OK;
        if (accepted)
            printf("accepted");
        else
            printf("refused, %s (byte %u)", context.reason != NULL ? context.reason : "no match", context.reason_at);
    }
    if (chain->automatic && !accepted) {
        printf("%s", chain->count > 0 ? ", " : "");
        explain_automatic(self, &batch);
    }
    printf("%s\n", !chain->automatic && chain->count == 0 ? "none" : "");
    drop_batch(&batch);
}

/* The heading of step `i`: the record as the parser left it, or what the i-th filter made of it. */
static void step_heading(const struct explanation *self, uint32_t i)
{
    heading(self, i == 0 ? "record" : "filter");
    if (i > 0)
        printf("%s (%s:%u) ", self->config->plan.filters[i - 1].type->module.name,
               self->config->plan.filters[i - 1].section.node->place.file,
               self->config->plan.filters[i - 1].section.node->place.line);
}

/* Filters with memory are not asked here: what they would say depends on what came before. */
static void print_step(const struct explanation *self, uint32_t i, bool judged, bool same, struct lb_str record)
{
    if (i > 0 && self->config->plan.filters[i - 1].type->judge != NULL)
        printf("judges by what came before: %s\n", judged ? "a first one passes" : "not this record");
    else
        printf(LB_STR_FMT, LB_STR_ARG(same ? LB_STR("changed nothing\n") : record));
}

static void explain_filters(struct explanation *self)
{
    struct lb_buffer before;
    struct lb_buffer after;

    lb_buffer_init(&before, LINE_MAX_BYTES);
    lb_buffer_init(&after, LINE_MAX_BYTES);
    for (uint32_t i = 0; i <= self->config->plan.filter_count; i++) {
        struct lb_batch batch;

        if (!process(self, i, &batch))
            break;
        const struct lb_record *record = &batch.records[0];
        bool dropped = batch.record_count == 0 || (record->flags & LB_RECORD_DROPPED) != 0;
        bool judged = batch.key_count > 0 && batch.keys[batch.key_count - 1].filter + 1 == i;
        if (!dropped)
            print_record(self, &batch, record, &after);
        drop_batch(&batch);
        bool same = !dropped && lb_str_equal(lb_buffer_str(&before), lb_buffer_str(&after));
        step_heading(self, i);
        if (dropped) {
            printf("dropped the record\n");
            break;
        }
        print_step(self, i, judged, same, lb_buffer_str(&after));
        lb_buffer_reset(&before);
        lb_buffer_append_str(&before, lb_buffer_str(&after));
    }
    lb_buffer_free(&before);
    lb_buffer_free(&after);
}

static void print_sinks(const struct explanation *self, uint64_t sinks)
{
    const char *separator = "";

    for (uint32_t i = 0; i < self->config->sink_count; i++) {
        if ((sinks & (UINT64_C(1) << i)) == 0)
            continue;
        printf("%s" LB_STR_FMT " (%s)", separator, LB_STR_ARG(self->config->sinks[i].section.name),
               self->config->sinks[i].type->module.name);
        separator = ", ";
    }
    printf("%s\n", sinks == 0 ? "nowhere" : "");
}

static void explain_routes(struct explanation *self, const struct lb_record *record)
{
    uint64_t all = 0;

    for (uint32_t i = 0; i < self->config->plan.route_count; i++) {
        const struct lb_route *route = &self->config->plan.routes[i];

        self->scratch.used = 0;
        bool matches = route->where == NULL || lb_expr_match(route->where, record, &self->scratch);
        struct lb_str text = route->where != NULL ? lb_expr_text(route->where) : LB_STR("every record");
        heading(self, "route");
        printf("%s:%u " LB_STR_FMT ": %s", route->place.file, route->place.line, LB_STR_ARG(text),
               matches ? "matches, to " : "does not match\n");
        if (!matches)
            continue;
        print_sinks(self, route->sinks);
        all |= route->sinks;
        if (route->stop)
            break;
    }
    heading(self, "sinks");
    print_sinks(self, all);
}

static void explain_rules(struct explanation *self, const struct lb_batch *batch)
{
    for (uint32_t i = 0; i < batch->feed_count; i++) {
        const struct lb_feed *feed = &batch->feeds[i];
        const struct lb_alert_rule *rule = &self->config->alerting.rules[feed->rule];
        struct lb_str name = lb_alerting_owner(&self->config->alerting, rule)->name;

        heading(self, "rule");
        printf(LB_STR_FMT ": feeds " LB_STR_FMT "%s%s" LB_STR_FMT "\n", LB_STR_ARG(name), LB_STR_ARG(rule->value_text),
               rule->inner != NULL && (feed->bits & 1) == 0 ? " (as one of the rest)" : "",
               feed->key.len > 0 ? " for " : "", LB_STR_ARG(feed->key));
    }
}

static void explain_line(struct explanation *self)
{
    struct lb_batch batch;

    self->arrival_ns = lb_clock_now();
    heading(self, "source");
    printf(LB_STR_FMT " (%s)\n", LB_STR_ARG(self->source->section.name), self->source->type->module.name);
    explain_parsers(self);
    explain_filters(self);
    if (!process(self, self->config->plan.filter_count, &batch))
        return;
    if (batch.record_count > 0 && (batch.records[0].flags & LB_RECORD_DROPPED) == 0) {
        explain_routes(self, &batch.records[0]);
        explain_rules(self, &batch);
    }
    drop_batch(&batch);
}

static const struct lb_source *choose_source(const struct lb_config *config, const char *name)
{
    for (uint32_t i = 0; i < config->source_count; i++) {
        if (name == NULL || lb_str_is(config->sources[i].section.name, name))
            return &config->sources[i];
    }
    return NULL;
}

static void explain_stdin(struct explanation *self)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    bool first = true;

    while ((len = getline(&line, &size, stdin)) >= 0) {
        if (len > 0 && line[len - 1] == '\n')
            len--;
        if (len == 0 || len > LINE_MAX_BYTES)
            continue;
        if (!first)
            putchar('\n');
        first = false;
        self->line = (struct lb_str){ line, (size_t)len };
        explain_line(self);
    }
    free(line); /* getline's own */
}

static int explain(struct lb_config *config, const char *source_name, const char *line)
{
    static char scratch[LB_SCRATCH_BYTES];
    struct explanation self = { .config = config,
                                .source = choose_source(config, source_name),
                                .scratch = { scratch, sizeof(scratch), 0 },
                                .colour = isatty(STDOUT_FILENO) == 1 };

    if (self.source == NULL)
        return usage_error(&command_explain, "there is no source \"%s\" in %s", source_name, config->file);
    self.stream.source = self.source;
    self.stream.level = LB_LEVEL_NONE;
    self.stream.name = LB_STR("(command line)");
    if (strcmp(line, "-") == 0) {
        explain_stdin(&self);
    } else {
        self.line = lb_str_from(line);
        explain_line(&self);
    }
    return EXIT_OK;
}

static int run(int argc, char **argv)
{
    const char *file = default_config();
    const char *source = NULL;
    const char *line = "-";
    struct lb_diag diag = { 0 };
    int code = EXIT_NO;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            file = argv[++i];
        else if (strcmp(argv[i], "--source") == 0 && i + 1 < argc)
            source = argv[++i];
        else if (argv[i][0] != '-' || argv[i][1] == '\0')
            line = argv[i];
        else
            return usage_error(&command_explain, "unexpected \"%s\"; a line that begins with - goes through stdin",
                               argv[i]);
    }

    struct lb_config *config = lb_config_load(file, &diag);

    if (config != NULL && lb_config_check(config, &diag))
        code = explain(config, source, line);
    lb_diag_print(&diag, stderr);
    if (config != NULL)
        lb_config_free(config);
    lb_diag_free(&diag);
    return code;
}

const struct command command_explain = {
    .name = "explain",
    .summary = "show how a line is parsed, filtered and routed, and which rules it feeds",
    .help = "logboom explain [-c FILE] [--source NAME] [LINE | -]\n\n"
            "Shows what happens to a line: the parser that accepts it (and why others refuse), the record,\n"
            "what each filter changes, the routes and sinks, the alert rules it feeds. Without LINE, or with -,\n"
            "lines come from stdin. NAME is the source it would come from (the first one unless given).\n\n"
            "  logboom explain -c logboom.yaml '{\"level\":\"error\",\"msg\":\"disk full\"}'\n",
    .run = run,
};
