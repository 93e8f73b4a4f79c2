/*
 * proof_items.c - what a test is made of: inputs, expectations, faults,
 * records. Each is a map, read by a table.
 */
#include "proof.h"

#include "lb_json.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES_MAX = 16 * 1024 * 1024, COUNT_MAX = 100 * 1000 * 1000 };

/* --- what tests share ------------------------------------------------------------------------ */

bool proof_no_room(const struct proof_reader *self, const struct lb_node *node)
{
    lb_diag_error(self->diag, node->place, "the file is too large");
    return false;
}

bool proof_fill(const struct proof_reader *self, const struct lb_option *options, const struct lb_node *node,
                void *state)
{
    return lb_options_fill(self->file->tree, options, node, state, self->diag);
}

/* One, or a list of them; `*count` of them. */
const struct lb_node *proof_items(const struct lb_node *node, uint32_t *count)
{
    *count = node == NULL ? 0 : node->kind == LB_NODE_LIST ? node->count : 1;
    return node != NULL && node->kind == LB_NODE_LIST ? node->values : node;
}

bool proof_read_whole(const struct proof_reader *self, const struct lb_node *node, int64_t *number)
{
    char *end = NULL;

    *number = PROOF_COUNT_ANY;
    if (node == NULL)
        return true;
    if (node->kind == LB_NODE_SCALAR && node->text.len > 0 && node->text.len < 10)
        *number = strtol(node->text.ptr, &end, 10);
    if (end != NULL && *end == '\0' && *number >= 0)
        return true;
    lb_diag_error(self->diag, node->place, "expected a whole number");
    return false;
}

static bool read_names(const struct proof_reader *self, const struct lb_node *node, struct lb_strs *names)
{
    uint32_t count;
    const struct lb_node *items = proof_items(node, &count);

    names->count = count;
    names->items = lb_arena_zalloc(&self->file->tree->arena, (count + 1) * sizeof(struct lb_str));
    if (names->items == NULL)
        return proof_no_room(self, node);
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].kind != LB_NODE_SCALAR) {
            lb_diag_error(self->diag, items[i].place, "expected a name");
            return false;
        }
        names->items[i] = items[i].text;
    }
    return true;
}

bool proof_find_source(const struct proof_reader *self, struct lb_str name, struct lb_place place, uint32_t *index)
{
    const struct lb_config *config = self->file->config;
    const char *names[LB_SOURCES_MAX + 1] = { NULL };

    *index = 0;
    if (name.len == 0)
        return true;
    for (uint32_t i = 0; i < config->source_count; i++) {
        names[i] = config->sources[i].section.name.ptr;
        *index = i;
        if (lb_str_equal(config->sources[i].section.name, name))
            return true;
    }
    const char *nearest = lb_nearest(name, names);
    lb_diag_error(self->diag, place, "there is no source \"" LB_STR_FMT "\"%s%s%s", LB_STR_ARG(name),
                  nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                  nearest != NULL ? "\"?" : "");
    return false;
}

/* --- inputs ---------------------------------------------------------------------------------- */

struct input_options {
    const struct lb_node *from;
    const struct lb_node *at;
    const struct lb_node *arrive;
    int64_t every_ns;
    uint64_t count;
    const struct lb_node *record;
    const struct lb_node *line;
    struct lb_strs lines;
    struct lb_str file;
    struct lb_str source;
    struct lb_str stream;
};

#define INPUT_OPTION(member) offsetof(struct input_options, member)
#define INPUT_NODE(word, member, text)                                                                                 \
    {                                                                                                                  \
        .name = (word), .kind = LB_OPTION_NODE, .offset = INPUT_OPTION(member), .help = (text)                         \
    }

static const struct lb_option input_options[] = {
    INPUT_NODE("from", from, "when the first happens"),
    INPUT_NODE("at", at, "the same, of a single one"),
    INPUT_NODE("arrive", arrive, "when the first arrives, if that is later"),
    { .name = "every",
      .kind = LB_OPTION_DURATION,
      .offset = INPUT_OPTION(every_ns),
      .fallback = "1s",
      .help = "from one to the next" },
    { .name = "n",
      .kind = LB_OPTION_COUNT,
      .offset = INPUT_OPTION(count),
      .help = "how many; 1, or all `lines`",
      .max = COUNT_MAX },
    INPUT_NODE("record", record, "fields; {n} in a value is 1, 2, 3 …"),
    INPUT_NODE("line", line, "a line as it comes; {timestamp} or {timestamp:%d/%b/%Y} is the time at which it happens"),
    { .name = "lines", .kind = LB_OPTION_STRINGS, .offset = INPUT_OPTION(lines), .help = "several, in turn" },
    { .name = "file",
      .kind = LB_OPTION_STRING,
      .offset = INPUT_OPTION(file),
      .flags = LB_OPTION_PATH,
      .help = "an archive, .jsonl, .zst, .gz or plain text: each line arrives at its own time" },
    { .name = "source",
      .kind = LB_OPTION_STRING,
      .offset = INPUT_OPTION(source),
      .help = "where it comes from; the first one unless given" },
    { .name = "stream",
      .kind = LB_OPTION_STRING,
      .offset = INPUT_OPTION(stream),
      .help = "a file or connection of its own within the source" },
    { 0 },
};

/* The members of a record as JSON, without braces. */
static bool read_record(const struct proof_reader *self, const struct lb_node *node, struct proof_input *input)
{
    struct lb_buffer json;

    if (node->kind != LB_NODE_MAP) {
        lb_diag_error(self->diag, node->place, "expected a map of fields such as {service: api, level: error}");
        return false;
    }
    lb_buffer_init(&json, TEXT_BYTES_MAX);
    proof_write_json(&json, node);
    input->record = json.len >= 2 && !json.failed
                        ? lb_arena_copy(&self->file->tree->arena, (struct lb_str){ json.ptr + 1, json.len - 2 })
                        : (struct lb_str){ NULL, 0 };
    lb_buffer_free(&json);
    input->timed = lb_node_get(node, "timestamp") != NULL;
    input->worded = lb_node_get(node, "message") != NULL;
    return input->record.ptr != NULL || proof_no_room(self, node);
}

bool proof_read_line(const struct proof_reader *self, const struct lb_node *node, struct lb_strs *lines)
{
    if (node->kind == LB_NODE_SCALAR)
        return read_names(self, node, lines);
    lb_diag_error(self->diag, node->place, "expected a line of text; quote it");
    return false;
}

static bool read_what(const struct proof_reader *self, const struct input_options *options, const struct lb_node *node,
                      struct proof_input *input)
{
    int given =
        (options->record != NULL) + (options->line != NULL) + (options->lines.count > 0) + (options->file.len > 0);

    if (given != 1) {
        lb_diag_error(self->diag, node->place, "expected one of \"record\", \"line\", \"lines\" and \"file\"");
        return false;
    }
    input->file = options->file;
    input->lines = options->lines;
    if (options->record != NULL)
        return read_record(self, options->record, input);
    return options->line == NULL || proof_read_line(self, options->line, &input->lines);
}

bool proof_read_input(const struct proof_reader *self, const struct lb_node *node, struct proof_input *input)
{
    struct input_options options = { 0 };
    const struct lb_node *from;
    bool ok = proof_fill(self, input_options, node, &options);

    if (!ok)
        return false;
    from = options.from != NULL ? options.from : options.at;
    *input = (struct proof_input){ .place = node->place,
                                   .from_ns = self->proof->start_ns,
                                   .every_ns = options.every_ns,
                                   .sourced = options.source.len > 0,
                                   .stream = options.stream };
    ok = read_what(self, &options, node, input) &&
         proof_find_source(self, options.source,
                           lb_node_get(node, "source") != NULL ? lb_node_get(node, "source")->place : node->place,
                           &input->source) &&
         (from == NULL || proof_read_time(self, from, &input->from_ns));
    input->arrive_ns = input->from_ns;
    ok = ok && (options.arrive == NULL || proof_read_time(self, options.arrive, &input->arrive_ns));
    input->count = options.count > 0 ? options.count : input->lines.count > 0 ? input->lines.count : 1;
    return ok;
}

/* --- expectations ------------------------------------------------------------------------------ */

struct expect_options {
    const struct lb_node *at;
    const struct lb_node *rule;
    const struct lb_node *key;
    int state;
    int severity;
    const struct lb_node *value;
    struct lb_str message;
    const struct lb_node *to;
    const struct lb_node *deliveries;
    const struct lb_node *times;
};

static const char *const states[] = { "any",     "firing",       "updated",   "repeated",   "resolved",
                                      "summary", "acknowledged", "escalated", "suppressed", "flapping",
                                      "unknown", "digest",       NULL };
static const char *const severities[] = { "any", "info", "low", "medium", "high", "critical", "warning", NULL };

#define EXPECT_OPTION(member) offsetof(struct expect_options, member)
#define EXPECT_NODE(word, member, text)                                                                                \
    {                                                                                                                  \
        .name = (word), .kind = LB_OPTION_NODE, .offset = EXPECT_OPTION(member), .help = (text)                        \
    }

static const struct lb_option expect_options[] = {
    EXPECT_NODE("at", at, "when it is told, such as 74s..78s"),
    EXPECT_NODE("rule", rule, "of which rule"),
    EXPECT_NODE("key", key, "the fields of `by`, those that are written"),
    { .name = "state",
      .kind = LB_OPTION_CHOICE,
      .offset = EXPECT_OPTION(state),
      .fallback = "any",
      .choices = states,
      .help = "as in the notice: firing, updated, repeated, resolved, escalated …" },
    { .name = "severity",
      .kind = LB_OPTION_CHOICE,
      .offset = EXPECT_OPTION(severity),
      .fallback = "any",
      .choices = severities,
      .help = "info to critical" },
    EXPECT_NODE("value", value, "5, 7.3% or 4..6"),
    { .name = "message", .kind = LB_OPTION_STRING, .offset = EXPECT_OPTION(message), .help = "a part of its words" },
    EXPECT_NODE("to", to, "sinks that get it; others may"),
    EXPECT_NODE("deliveries", deliveries, "how often it is delivered to them, duplicates included"),
    EXPECT_NODE("times", times, "how many notices are like that; at least one unless given"),
    { 0 },
};

static bool read_expectation(const struct proof_reader *self, const struct lb_node *node,
                             struct proof_expectation *expectation)
{
    struct expect_options options = { 0 };

    if (!proof_fill(self, expect_options, node, &options))
        return false;
    *expectation = (struct proof_expectation){
        .place = node->place, .severity = options.severity - 1, .message = options.message, .key = options.key
    };
    if (expectation->severity == LB_SEVERITY_COUNT) /* warning */
        expectation->severity = LB_SEVERITY_MEDIUM;
    if (options.state > 0)
        expectation->state = lb_str_from(states[options.state]);
    expectation->has_value = options.value != NULL;
    if (options.key != NULL && options.key->kind != LB_NODE_MAP) {
        lb_diag_error(self->diag, options.key->place, "expected a map such as {service: api}");
        return false;
    }
    return (options.at == NULL || proof_read_range(self, options.at, &expectation->at)) &&
           (options.rule == NULL || proof_read_rule(self, options.rule, &expectation->rule)) &&
           (options.value == NULL ||
            proof_read_value(self, options.value, &expectation->value_low, &expectation->value_high)) &&
           (options.to == NULL || proof_read_sinks(self, options.to, &expectation->to)) &&
           proof_read_whole(self, options.deliveries, &expectation->deliveries) &&
           proof_read_whole(self, options.times, &expectation->times);
}

bool proof_read_expectations(const struct proof_reader *self, const struct lb_node *node,
                             struct proof_expectation **expectations, uint32_t *count)
{
    const struct lb_node *items = proof_items(node, count);
    bool ok = true;

    *expectations = lb_arena_zalloc(&self->file->tree->arena, (*count + 1) * sizeof(**expectations));
    if (*expectations == NULL)
        return proof_no_room(self, node);
    for (uint32_t i = 0; i < *count; i++)
        ok = read_expectation(self, &items[i], &(*expectations)[i]) && ok;
    return ok;
}

/* --- faults ------------------------------------------------------------------------------------- */

struct fault_options {
    const struct lb_node *at;
    const struct lb_node *restart;
    int64_t down_ns;
    const struct lb_node *sink;
    const struct lb_node *replies;
    const struct lb_node *acknowledge;
    const struct lb_node *key;
};

#define FAULT_OPTION(member) offsetof(struct fault_options, member)
#define FAULT_NODE(word, member, text)                                                                                 \
    {                                                                                                                  \
        .name = (word), .kind = LB_OPTION_NODE, .offset = FAULT_OPTION(member), .help = (text)                         \
    }

static const struct lb_option fault_options[] = {
    FAULT_NODE("at", at, "when"),
    FAULT_NODE("restart", restart, "kill (kill -9), or stop (what rules know is saved)"),
    { .name = "down",
      .kind = LB_OPTION_DURATION,
      .offset = FAULT_OPTION(down_ns),
      .fallback = "0s",
      .help = "how long it is away" },
    FAULT_NODE("sink", sink, "a sink that answers"),
    FAULT_NODE("acknowledge", acknowledge, "a rule: somebody says that they work on its alert"),
    FAULT_NODE("key", key, "with `acknowledge`: which one, by fields of `by`"),
    FAULT_NODE("replies", replies, "what, one after the other: 200, 503, 429 retry-after 2, hang; then 200"),
    { 0 },
};

static bool is_whole_fault(const struct fault_options *options)
{
    int kinds = (options->restart != NULL) + (options->sink != NULL) + (options->acknowledge != NULL);
    bool needs_time = options->restart != NULL || options->acknowledge != NULL;
    bool has_key = options->key == NULL || (options->acknowledge != NULL && options->key->kind == LB_NODE_MAP);

    return kinds == 1 && (options->sink != NULL) == (options->replies != NULL) && needs_time == (options->at != NULL) &&
           has_key;
}

bool proof_read_fault(const struct proof_reader *self, const struct lb_node *node, struct proof_fault *fault)
{
    struct fault_options options = { 0 };
    uint64_t sinks = 0;

    if (!proof_fill(self, fault_options, node, &options))
        return false;
    *fault = (struct proof_fault){
        .place = node->place, .kind = PROOF_REPLIES, .at_ns = self->proof->start_ns, .down_ns = options.down_ns
    };
    if (options.at != NULL && !proof_read_time(self, options.at, &fault->at_ns))
        return false;
    if (!is_whole_fault(&options)) {
        lb_diag_error(
            self->diag, node->place,
            "expected {at: 10s, restart: kill}, {at: 10s, acknowledge: RULE} or {sink: NAME, replies: [503, 200]}");
        return false;
    }
    if (options.acknowledge != NULL) {
        fault->kind = PROOF_ACKNOWLEDGE;
        fault->key = options.key;
        return proof_read_rule(self, options.acknowledge, &fault->rule);
    }
    if (options.sink != NULL) {
        bool ok = options.sink->kind == LB_NODE_SCALAR && proof_read_sinks(self, options.sink, &sinks);

        fault->sink = sinks != 0 ? (uint32_t)__builtin_ctzll(sinks) : 0;
        return ok && proof_read_replies(self, options.replies, fault);
    }
    fault->kind = lb_str_is(options.restart->text, "kill") ? PROOF_KILL : PROOF_STOP;
    if (fault->kind == PROOF_KILL || lb_str_is(options.restart->text, "stop"))
        return true;
    lb_diag_error(self->diag, options.restart->place, "expected kill or stop, got \"%.40s\"",
                  options.restart->kind == LB_NODE_SCALAR ? options.restart->text.ptr : "a list or map");
    return false;
}

/* --- records of a pipeline test -------------------------------------------------------------- */

#define RECORD_NODE(word, member, text)                                                                                \
    {                                                                                                                  \
        .name = (word), .kind = LB_OPTION_NODE, .offset = offsetof(struct proof_record_nodes, member), .help = (text)  \
    }

const struct lb_option proof_record_options[] = {
    RECORD_NODE("fields", fields, "fields that it has"),
    RECORD_NODE("without", without, "fields that it does not have"),
    RECORD_NODE("to", to, "the sinks that it goes to, all of them"),
    RECORD_NODE("dropped", dropped, "whether a filter drops it"),
    RECORD_NODE("feeds", feeds, "rules that look at it, all of them"),
    { 0 },
};

static bool read_feeds(const struct proof_reader *self, const struct lb_node *node, struct lb_strs *rules)
{
    uint32_t count;
    const struct lb_node *items = proof_items(node, &count);
    bool ok = read_names(self, node, rules);

    for (uint32_t i = 0; ok && i < count; i++)
        ok = proof_read_rule(self, &items[i], &rules->items[i]);
    return ok;
}

bool proof_read_record(const struct proof_reader *self, const struct proof_record_nodes *options, struct lb_place place,
                       struct proof_record *record)
{
    const struct lb_node *dropped = options->dropped;

    *record = (struct proof_record){
        .place = place, .fields = options->fields, .has_to = options->to != NULL, .has_dropped = dropped != NULL
    };
    if (options->fields != NULL && options->fields->kind != LB_NODE_MAP) {
        lb_diag_error(self->diag, options->fields->place, "expected a map of fields such as {level: error}");
        return false;
    }
    record->dropped = dropped != NULL && lb_str_is(dropped->text, "true");
    if (dropped != NULL && !record->dropped && !lb_str_is(dropped->text, "false")) {
        lb_diag_error(self->diag, dropped->place, "\"dropped\": expected true or false");
        return false;
    }
    return (options->without == NULL || read_names(self, options->without, &record->without)) &&
           (options->to == NULL || proof_read_sinks(self, options->to, &record->to)) &&
           (options->feeds == NULL || read_feeds(self, options->feeds, &record->rules));
}
