/*
 * fuzz_multiline.c - any lines, by `auto` and by rules with patterns: the first line begins an event, an event never
 * grows past its bound, and the same lines give the same events again.
 */
#include "lb_conf.h"
#include "lb_multiline.h"

#include <assert.h>
#include <stdlib.h>

enum { LINES_MAX = 256, LINES_OF_EVENT = 1000, RULES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lb_node scalar(const char *text)
{
    return (struct lb_node){ .kind = LB_NODE_SCALAR, .text = lb_str_from(text) };
}

static struct lb_multiline *make_rule(const char *key, const char *value)
{
    static struct lb_config config;
    struct lb_node word = scalar(value);
    struct lb_node name = scalar(key != NULL ? key : "");
    struct lb_node map = { .kind = LB_NODE_MAP, .keys = &name, .values = &word, .count = 1 };
    struct lb_diag diag = { 0 };
    struct lb_multiline *rule = NULL;

    lb_arena_init(&config.arena, 1 << 20);
    if (!lb_multiline_read(&config, key != NULL ? &map : &word, "fuzz", &rule, &diag))
        abort();
    return rule;
}

static uint64_t events_of(const struct lb_multiline *rule, const uint8_t *data, size_t size)
{
    struct lb_multiline_state state = { 0 };
    uint64_t seen = 1;
    size_t at = 0;

    for (int i = 0; at < size && i < LINES_MAX; i++) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end != NULL ? (size_t)(end - data) - at : size - at;
        bool joins = lb_multiline_joins(rule, &state, (struct lb_str){ (const char *)data + at, len });

        assert(i > 0 || !joins);
        assert(state.lines <= LINES_OF_EVENT);
        seen = seen * 31 + joins;
        at += len + 1;
    }
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lb_multiline *rules[RULES];

    if (rules[0] == NULL) {
        rules[0] = make_rule(NULL, "auto");
        rules[1] = make_rule("start", "^\\d{4}-|^\\[");
        rules[2] = make_rule("continues", "\\\\$");
        rules[3] = make_rule("count", "3");
    }
    for (size_t i = 0; i < RULES; i++)
        assert(events_of(rules[i], data, size) == events_of(rules[i], data, size));
    return 0;
}
