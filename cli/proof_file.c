/*
 * proof_file.c - a file of tests, read by option tables, so that a key nobody
 * knows is told with its place and the nearest one.
 *
 * The configuration is read before the tests: names of rules and sinks in
 * them must be in it. Variables of the file are put into the environment
 * before that.
 */
#include "proof.h"

#include "lb_json.h"
#include "lb_time.h"

#include <stdio.h>
#include <stdlib.h>

#define START_DEFAULT (INT64_C(1767571200) * LB_SECOND) /* 2026-01-05T00:00:00Z, a Monday */

enum { TEXT_BYTES_MAX = 16 * 1024 * 1024 };

struct file_options {
    struct lb_str config;
    const struct lb_node *rules;
    const struct lb_node *alerting;
    struct lb_pairs variables;
    const struct lb_node *tests;
};

#define FILE_OPTION(member) offsetof(struct file_options, member)

static const struct lb_option file_options[] = {
    { .name = "config",
      .kind = LB_OPTION_STRING,
      .offset = FILE_OPTION(config),
      .flags = LB_OPTION_PATH,
      .help = "the configuration that is tested, beside this file" },
    { .name = "rules",
      .kind = LB_OPTION_NODE,
      .offset = FILE_OPTION(rules),
      .help = "instead of it: rules, all of which tell the sink \"told\"" },
    { .name = "alerting",
      .kind = LB_OPTION_NODE,
      .offset = FILE_OPTION(alerting),
      .help = "instead of it: an `alerting:` section whose only sink is \"told\"" },
    { .name = "variables",
      .kind = LB_OPTION_PAIRS,
      .offset = FILE_OPTION(variables),
      .help = "what ${NAME} in the configuration stands for" },
    { .name = "tests",
      .kind = LB_OPTION_NODE,
      .offset = FILE_OPTION(tests),
      .help = "a list of tests",
      .flags = LB_OPTION_REQUIRED },
    { 0 },
};

struct test_options {
    struct lb_str name;
    struct lb_str start;
    const struct lb_node *until;
    const struct lb_node *input;
    const struct lb_node *expect;
    const struct lb_node *never;
    const struct lb_node *faults;
    const struct lb_node *notices_max;
    bool strict;
    struct lb_str golden;
    struct lb_str source;
    const struct lb_node *line;
    struct lb_strs lines;
    const struct lb_node *record;
    const struct lb_node *records;
    const struct lb_node *without;
    const struct lb_node *to;
    const struct lb_node *dropped;
    const struct lb_node *feeds;
};

#define TEST_OPTION(member) offsetof(struct test_options, member)
#define TEST_NODE(word, member, text)                                                                                  \
    {                                                                                                                  \
        .name = (word), .kind = LB_OPTION_NODE, .offset = TEST_OPTION(member), .help = (text)                          \
    }

static const struct lb_option test_options[] = {
    { .name = "name",
      .kind = LB_OPTION_STRING,
      .offset = TEST_OPTION(name),
      .flags = LB_OPTION_REQUIRED,
      .help = "what it shows, in a few words" },
    { .name = "start",
      .kind = LB_OPTION_STRING,
      .offset = TEST_OPTION(start),
      .help = "the time at which it begins; a Monday, or the first record of a file" },
    TEST_NODE("until", until, "when it ends"),
    TEST_NODE("input", input, "records or lines, one or a list"),
    TEST_NODE("expect", expect, "a list of notices that are told"),
    TEST_NODE("never", never, "a list of notices that are not"),
    TEST_NODE("faults", faults, "restarts, and what sinks answer"),
    TEST_NODE("max_notifications", notices_max, "so many notices at most"),
    { .name = "strict",
      .kind = LB_OPTION_BOOL,
      .offset = TEST_OPTION(strict),
      .fallback = "false",
      .help = "nothing may be told but what is expected" },
    { .name = "golden",
      .kind = LB_OPTION_STRING,
      .offset = TEST_OPTION(golden),
      .flags = LB_OPTION_PATH,
      .help = "a file with the notices as records, one a line" },
    { .name = "source",
      .kind = LB_OPTION_STRING,
      .offset = TEST_OPTION(source),
      .help = "of `line` and `lines`; the first one unless given" },
    TEST_NODE("line", line, "a line as it comes"),
    { .name = "lines", .kind = LB_OPTION_STRINGS, .offset = TEST_OPTION(lines), .help = "several" },
    TEST_NODE("record", record, "fields of the record that the line becomes"),
    TEST_NODE("records", records, "one map for each record: fields, without, to, dropped, feeds"),
    TEST_NODE("without", without, "fields that it does not have"),
    TEST_NODE("to", to, "the sinks that it goes to, all of them"),
    TEST_NODE("dropped", dropped, "whether a filter drops it"),
    TEST_NODE("feeds", feeds, "rules that look at it, all of them"),
    { 0 },
};

/* --- pipeline tests ------------------------------------------------------------------------------ */

static bool read_pipeline(const struct proof_reader *self, const struct test_options *options,
                          const struct lb_node *node)
{
    struct proof *proof = self->proof;
    struct proof_record_nodes single = { options->record, options->without, options->to, options->dropped,
                                         options->feeds };
    uint32_t count;
    const struct lb_node *items = proof_items(options->records, &count);
    bool ok = true;

    proof->pipeline = true;
    proof->input_count = 1;
    proof->inputs[0] = (struct proof_input){
        .place = node->place, .from_ns = proof->start_ns, .arrive_ns = proof->start_ns, .lines = options->lines
    };
    if (options->line != NULL && !proof_read_line(self, options->line, &proof->inputs[0].lines))
        return false;
    proof->inputs[0].count = proof->inputs[0].lines.count;
    proof->record_count = options->records != NULL ? count : 1;
    proof->records = lb_arena_zalloc(&self->file->tree->arena, (proof->record_count + 1) * sizeof(*proof->records));
    if (proof->records == NULL)
        return proof_no_room(self, node);
    for (uint32_t i = 0; i < count; i++) {
        struct proof_record_nodes each = { 0 };

        ok = proof_fill(self, proof_record_options, &items[i], &each) &&
             proof_read_record(self, &each, items[i].place, &proof->records[i]) && ok;
    }
    if (options->records == NULL)
        ok = proof_read_record(self, &single, options->record != NULL ? options->record->place : node->place,
                               &proof->records[0]);
    return proof_find_source(self, options->source, node->place, &proof->inputs[0].source) && ok;
}

/* --- one test ------------------------------------------------------------------------------------- */

static bool has_pipeline_keys(const struct test_options *options)
{
    return options->line != NULL || options->lines.count > 0 || options->record != NULL || options->records != NULL ||
           options->dropped != NULL || options->without != NULL || options->to != NULL || options->feeds != NULL;
}

static bool check_kind(const struct proof_reader *self, const struct test_options *options, const struct lb_node *node)
{
    bool pipeline = has_pipeline_keys(options);
    bool alerts = options->input != NULL || options->expect != NULL || options->never != NULL ||
                  options->faults != NULL || options->notices_max != NULL;

    if (pipeline && alerts)
        lb_diag_error(self->diag, node->place,
                      "a test has either \"line\" and what becomes of it, or \"input\" and the alerts that follow");
    else if (pipeline && (options->line != NULL) == (options->lines.count > 0))
        lb_diag_error(self->diag, node->place, "expected \"line\" or \"lines\"");
    else if (!pipeline && options->input == NULL && options->expect == NULL && options->never == NULL)
        lb_diag_error(self->diag, node->place,
                      "nothing is tested: expected \"line\" and \"record\", or \"input\" and "
                      "\"expect\" or \"never\"");
    else
        return true;
    return false;
}

/* When it ends, unless that is written: ten minutes after the last thing that is known of. */
static int64_t end_of(const struct proof *proof)
{
    int64_t end = proof->start_ns;

    for (uint32_t i = 0; i < proof->input_count; i++) {
        const struct proof_input *input = &proof->inputs[i];
        int64_t last = input->arrive_ns + (int64_t)(input->count - 1) * input->every_ns;

        if (input->file.len == 0 && last > end)
            end = last;
    }
    for (uint32_t i = 0; i < proof->expected_count; i++)
        if (proof->expected[i].at.set && proof->expected[i].at.to > end)
            end = proof->expected[i].at.to;
    for (uint32_t i = 0; i < proof->fault_count; i++)
        if (proof->faults[i].at_ns + proof->faults[i].down_ns > end)
            end = proof->faults[i].at_ns + proof->faults[i].down_ns;
    return end + 600 * LB_SECOND;
}

static bool read_alerts(const struct proof_reader *self, const struct test_options *options)
{
    struct proof *proof = self->proof;
    const struct lb_node *inputs = proof_items(options->input, &proof->input_count);
    const struct lb_node *faults = proof_items(options->faults, &proof->fault_count);
    struct lb_arena *arena = &self->file->tree->arena;
    bool ok = true;

    proof->inputs = lb_arena_zalloc(arena, (proof->input_count + 1) * sizeof(*proof->inputs));
    proof->faults = lb_arena_zalloc(arena, (proof->fault_count + 1) * sizeof(*proof->faults));
    if (proof->inputs == NULL || proof->faults == NULL)
        return proof_no_room(self, options->input);
    for (uint32_t i = 0; i < proof->input_count; i++)
        ok = proof_read_input(self, &inputs[i], &proof->inputs[i]) && ok;
    for (uint32_t i = 0; i < proof->fault_count; i++)
        ok = proof_read_fault(self, &faults[i], &proof->faults[i]) && ok;
    ok = proof_read_expectations(self, options->expect, &proof->expected, &proof->expected_count) && ok;
    ok = proof_read_expectations(self, options->never, &proof->never, &proof->never_count) && ok;
    return proof_read_whole(self, options->notices_max, &proof->notices_max) && ok;
}

/* With recorded lines it begins when they do. */
static bool begin_with_file(const struct proof_reader *self, const struct lb_node *input)
{
    uint32_t count;
    const struct lb_node *items = proof_items(input, &count);
    int64_t first_ns = INT64_MAX;
    bool ok = true;

    for (uint32_t i = 0; i < count; i++) {
        const struct lb_node *node = lb_node_get(&items[i], "file");
        int64_t time_ns;

        if (node == NULL || node->kind != LB_NODE_SCALAR)
            continue;
        const char *path = lb_config_path(self->file->tree, node->place, node->text);
        if (path != NULL && proof_file_begins(path, &time_ns)) {
            first_ns = time_ns < first_ns ? time_ns : first_ns;
            continue;
        }
        lb_diag_error(self->diag, node->place, "\"%.200s\" has no line that can be read", node->text.ptr);
        ok = false;
    }
    if (first_ns != INT64_MAX)
        self->proof->start_ns = first_ns;
    return ok;
}

static bool read_start(const struct proof_reader *self, const struct test_options *options, const struct lb_node *node)
{
    self->proof->start_ns = START_DEFAULT;
    if (options->start.len == 0)
        return begin_with_file(self, options->input);
    if (lb_time_rfc3339(options->start, &self->proof->start_ns))
        return true;
    lb_diag_error(self->diag, lb_node_get(node, "start")->place,
                  "\"start\": expected a time such as 2026-01-05T10:00:00Z, got \"%.40s\"", options->start.ptr);
    return false;
}

static bool read_proof(const struct proof_reader *self, const struct lb_node *node)
{
    struct test_options options = { 0 };
    struct proof *proof = self->proof;
    bool ok = proof_fill(self, test_options, node, &options);

    if (node->kind != LB_NODE_MAP || !ok)
        return false;
    *proof = (struct proof){ .place = node->place,
                             .name = options.name,
                             .strict = options.strict,
                             .notices_max = PROOF_COUNT_ANY,
                             .golden = options.golden };
    proof->inputs = lb_arena_zalloc(&self->file->tree->arena, sizeof(*proof->inputs));
    if (proof->inputs == NULL)
        return proof_no_room(self, node);
    ok = read_start(self, &options, node) && check_kind(self, &options, node);
    if (!ok)
        return false;
    ok = has_pipeline_keys(&options) ? read_pipeline(self, &options, node) : read_alerts(self, &options);
    if (!ok)
        return false;
    proof->until_ns = end_of(proof);
    proof->until_given = options.until != NULL;
    return options.until == NULL || proof_read_time(self, options.until, &proof->until_ns);
}

/* --- the file --------------------------------------------------------------------------------------- */

/* A configuration around the rules of the file. Variables in it were replaced: a dollar that is left is one. */
static bool write_config(struct proof_file *file, const struct lb_node *node, bool rules)
{
    struct lb_buffer json;
    struct lb_buffer text;

    lb_buffer_init(&json, TEXT_BYTES_MAX);
    lb_buffer_init(&text, TEXT_BYTES_MAX);
    proof_write_json(&json, node);
    lb_buffer_append_str(&text, LB_STR("{sources: {test: {type: stdin}}, sinks: {told: {type: stdout}}, alerting: "));
    if (rules)
        lb_buffer_append_str(&text, LB_STR("{routes: [{to: told}], rules: "));
    for (size_t i = 0; i < json.len; i++) {
        lb_buffer_append_char(&text, json.ptr[i]);
        if (json.ptr[i] == '$')
            lb_buffer_append_char(&text, '$');
    }
    lb_buffer_append_str(&text, rules ? LB_STR("}}") : LB_STR("}"));
    file->config_text = lb_arena_copy(&file->tree->arena, lb_buffer_str(&text));
    bool ok = !json.failed && !text.failed && file->config_text.ptr != NULL;
    lb_buffer_free(&json);
    lb_buffer_free(&text);
    return ok;
}

static bool choose_config(struct proof_file *file, const struct file_options *options, struct lb_diag *diag)
{
    int given = (options->config.len > 0) + (options->rules != NULL) + (options->alerting != NULL);

    file->config_path = options->config;
    for (size_t i = 0; i < options->variables.count; i++)
        setenv(options->variables.items[i].name.ptr, options->variables.items[i].value.ptr, 1);
    if (given != 1)
        lb_diag_error(diag, file->tree->root->place, "expected one of \"config\", \"rules\" and \"alerting\"");
    else if (options->config.len == 0 &&
             !write_config(file, options->rules != NULL ? options->rules : options->alerting, options->rules != NULL))
        lb_diag_error(diag, file->tree->root->place, "the file is too large");
    else
        return true;
    return false;
}

static struct lb_config *load_config(const struct proof_file *file, struct lb_diag *diag)
{
    char name[512];

    if (file->config_path.len > 0)
        return lb_config_load(file->config_path.ptr, diag);
    snprintf(name, sizeof(name), "%s (its rules)", file->path);
    return lb_config_parse(name, file->config_text, diag);
}

struct lb_config *proof_file_config(const struct proof_file *file, struct lb_diag *diag)
{
    struct lb_diag quiet = { 0 }; /* warnings were told when it was read first */
    struct lb_config *config = load_config(file, &quiet);

    lb_diag_free(&quiet);
    if (config == NULL || lb_config_open(config, diag))
        return config;
    lb_config_free(config);
    return NULL;
}

static bool read_tests(struct proof_file *file, const struct lb_node *tests, struct lb_diag *diag)
{
    bool ok = true;

    if (tests->kind != LB_NODE_LIST) {
        lb_diag_error(diag, tests->place, "\"tests\": expected a list");
        return false;
    }
    file->proofs = lb_arena_zalloc(&file->tree->arena, (tests->count + 1) * sizeof(*file->proofs));
    file->fired =
        lb_arena_zalloc(&file->tree->arena, (file->config->alerting.rule_count + 1) * LB_SEVERITY_COUNT * sizeof(bool));
    if (file->proofs == NULL || file->fired == NULL)
        return false;
    file->proof_count = tests->count;
    for (uint32_t i = 0; i < tests->count; i++) {
        struct proof_reader reader = { file, diag, &file->proofs[i] };

        ok = read_proof(&reader, &tests->values[i]) && ok;
    }
    return ok;
}

bool proof_file_read(struct proof_file *file, const char *path, struct lb_diag *diag)
{
    struct file_options options = { 0 };

    *file = (struct proof_file){ .path = path };
    file->tree = lb_config_tree(path, diag);
    if (file->tree == NULL || !lb_options_fill(file->tree, file_options, file->tree->root, &options, diag) ||
        !choose_config(file, &options, diag))
        return false;
    file->config = load_config(file, diag);
    if (file->config == NULL || !lb_config_open(file->config, diag))
        return false;
    if (file->config->source_count == 0) {
        lb_diag_error(diag, file->tree->root->place, "the configuration has no source");
        return false;
    }
    return read_tests(file, options.tests, diag) && diag->errors == 0;
}

void proof_file_close(struct proof_file *file)
{
    if (file->config != NULL)
        lb_config_free(file->config);
    if (file->tree != NULL)
        lb_config_free(file->tree);
    file->config = NULL;
    file->tree = NULL;
}
