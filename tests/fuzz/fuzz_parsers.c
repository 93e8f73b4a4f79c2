/*
 * Any bytes as a message for every parser that needs no settings, and for csv, key_value and grok with some: what is
 * refused leaves the record as it was and says why; what is accepted writes out as one valid line of JSON.
 */
#include "lb_arena.h"
#include "lb_batch.h"
#include "lb_format.h"
#include "lb_json.h"
#include "lb_level.h"
#include "lb_parser.h"

#include <assert.h>
#include <stdlib.h>

enum { PARSERS_MAX = 64, ARENA_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct lb_parser *parsers[PARSERS_MAX];
static struct lb_parser own[4];
static size_t count;

/* Options are set where the parser's table says that they are. */
static void set_option(const struct lb_option *options, char *state, const char *name, struct lb_str value)
{
    static struct lb_str columns[] = { LB_STR("time"), LB_STR("a"), LB_STR("message"), LB_STR("b") };

    for (const struct lb_option *option = options; option->name != NULL; option++) {
        void *member = state + option->offset;

        if (option->kind == LB_OPTION_COUNT && option->fallback != NULL)
            *(uint64_t *)member = 10000;
        if (strcmp(option->name, name) != 0)
            continue;
        if (option->kind == LB_OPTION_STRING)
            *(struct lb_str *)member = value;
        else if (strcmp(name, "columns") == 0)
            *(struct lb_strs *)member = (struct lb_strs){ columns, 4 };
        else if (option->kind == LB_OPTION_STRINGS)
            *(struct lb_strs *)member = (struct lb_strs){ memcpy(malloc(sizeof(value)), &value, sizeof(value)), 1 };
    }
}

static char *add_parser(struct lb_parser *parser, const char *type)
{
    parser->type = lb_parser_find(lb_str_from(type));
    assert(parser->type != NULL);
    parser->state = calloc(1, parser->type->module.state_size);
    parsers[count++] = parser;
    return parser->state;
}

static void make_parsers(void)
{
    struct lb_diag diag = { 0 };
    size_t opened = 0;
    char *state;

    for (const struct lb_parser_type *const *type = lb_parser_types(); *type != NULL; type++) {
        const struct lb_parser *ready = lb_parser_builtin(lb_str_from((*type)->module.name));

        if (ready != NULL)
            parsers[count++] = ready;
    }
    opened = count;
    state = add_parser(&own[0], "csv");
    set_option(own[0].type->module.options, state, "columns", LB_STR(""));
    set_option(own[0].type->module.options, state, "delimiter", LB_STR(","));
    state = add_parser(&own[1], "key_value");
    set_option(own[1].type->module.options, state, "separator", LB_STR("::"));
    set_option(own[1].type->module.options, state, "delimiter", LB_STR("||"));
    state = add_parser(&own[2], "grok");
    set_option(own[2].type->module.options, state, "pattern", LB_STR("%{SYSLOGLINE}"));
    state = add_parser(&own[3], "grok");
    set_option(own[3].type->module.options, state, "pattern", LB_STR("%{NUMBER:n:int} %{QS:q}|%{URI:u}"));
    for (; opened < count; opened++) {
        struct lb_parser *parser = &own[opened - (count - 4)];

        if (parser->type->open(parser, &diag) != LB_OK)
            abort();
    }
}

static void check_written(const struct lb_batch *batch, const struct lb_record *record)
{
    static char room[LB_SCRATCH_BYTES];
    static struct lb_buffer out;
    static bool ready;
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_formatter formatter = { .format = LB_FORMAT_JSON, .scratch = &scratch };

    if (!ready)
        lb_buffer_init(&out, 64 << 20);
    ready = true;
    lb_buffer_reset(&out);
    lb_format_write(&formatter, batch, record, &out);
    struct lb_str line = lb_buffer_str(&out);
    assert(line.len > 0 && line.ptr[line.len - 1] == '\n');
    assert(memchr(line.ptr, '\n', line.len) == line.ptr + line.len - 1);
    assert(lb_json_valid(line) && lb_utf8_valid(line) == line.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lb_batch batch;
    char *copy = malloc(size == 0 ? 1 : size);

    if (count == 0) {
        make_parsers();
        lb_arena_init(&batch.arena, ARENA_BYTES);
        batch.arrival_ns = INT64_C(1700000000) * LB_SECOND;
    }
    if (size > 0)
        memcpy(copy, data, size);
    for (size_t i = 0; i < count; i++) {
        struct lb_record record;
        struct lb_record before;
        struct lb_parse_context context = { .batch = &batch };

        memset(&record, 0, sizeof(record));
        record.message = lb_value_text((struct lb_str){ copy, size });
        record.level = LB_LEVEL_NONE;
        record.flags = LB_RECORD_NO_TIME;
        before = record;
        enum lb_err err = parsers[i]->type->parse(parsers[i]->state, &record, &context);

        if (err == LB_OK)
            check_written(&batch, &record);
        else
            assert(memcmp(&record, &before, sizeof(record)) == 0);
        assert(err != LB_BAD_INPUT || (context.reason != NULL && context.reason_at <= size));
        lb_arena_reset(&batch.arena, ARENA_BYTES);
    }
    free(copy);
    return 0;
}
