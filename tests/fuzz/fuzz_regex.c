/* Any bytes as the subject of patterns as people write them: every slice stays inside the subject. */
#include "lb_parser.h"
#include "lb_time.h"

#include <assert.h>
#include <stdlib.h>

enum { PATTERN_COUNT = 4 };

extern const struct lb_parser_type lb_parser_regex;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The options come first in the parser's state; the table says where. */
static void *make_state(struct lb_str pattern)
{
    const struct lb_module *module = &lb_parser_regex.module;
    char *state = calloc(1, module->state_size);

    assert(state != NULL);
    for (const struct lb_option *option = module->options; option->name != NULL; option++) {
        if (strcmp(option->name, "pattern") == 0)
            *(struct lb_str *)(void *)(state + option->offset) = pattern;
        if (strcmp(option->name, "match_limit") == 0)
            *(uint64_t *)(void *)(state + option->offset) = 10000;
        if (option->kind == LB_OPTION_GROUP)
            *(struct lb_str *)(void *)(state + option->group[0].offset) = LB_STR("guess");
    }
    return state;
}

static struct lb_parser *parser_of(size_t index)
{
    static const char *const patterns[PATTERN_COUNT] = {
        "^(?<timestamp>\\S+ \\S+) \\[(?<level>\\w+)\\] (?<service>[\\w-]+): (?<message>.*)$",
        "^(?<client_ip>\\S+) \\S+ (?<user>\\S+) \\[(?<time>[^\\]]+)\\] \"(?<path>[^\"]*)\" (?<status>\\d+)",
        "(*UTF)(?<word>\\w+)\\W+(?:(?<rest>.*)|$)",
        "(?<a>(x+)+)?(?<b>.{2,5}?)(?<c>,)?",
    };
    static struct lb_parser parsers[PATTERN_COUNT];
    struct lb_parser *parser = &parsers[index % PATTERN_COUNT];

    if (!parser->opened) {
        struct lb_diag diag = { 0 };

        parser->type = &lb_parser_regex;
        parser->state = make_state(lb_str_from(patterns[index % PATTERN_COUNT]));
        parser->opened = lb_parser_regex.open(parser, &diag) == LB_OK;
        assert(parser->opened);
    }
    return parser;
}

static void check_inside(struct lb_value value, const char *start, size_t size)
{
    if (value.kind == LB_VALUE_TEXT && value.len > 0)
        assert(value.ptr >= start && value.ptr + value.len <= start + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lb_batch batch;
    char *copy = malloc(size == 0 ? 1 : size);

    if (batch.arena.bytes_max == 0)
        lb_arena_init(&batch.arena, 1 << 20);
    batch.arrival_ns = INT64_C(1700000000) * LB_SECOND;
    if (size > 0)
        memcpy(copy, data, size);
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        struct lb_record record = { .message = lb_value_text((struct lb_str){ copy, size }) };
        struct lb_parse_context context = { .batch = &batch };

        if (lb_parser_regex.parse(parser_of(i)->state, &record, &context) == LB_OK) {
            assert(record.field_count <= record.field_capacity);
            check_inside(record.message, copy, size);
            check_inside(record.service, copy, size);
            for (uint32_t n = 0; n < record.field_count; n++)
                check_inside(record.fields[n].value, copy, size);
        } else {
            assert(context.reason != NULL);
        }
        lb_arena_reset(&batch.arena, 1 << 16);
    }
    free(copy);
    return 0;
}
