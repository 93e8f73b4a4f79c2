/*
 * fuzz_alert_when.c - any text as `when:` or `value:` of a rule: it is read or says why, within its place; what was
 * read is then asked with values that are known, and not.
 *
 * The first byte chooses which of the two.
 */
#include "route/alert_conf.h"
#include "route/alert_parts.h"

#include "lb_expr.h"

#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lb_str by[] = { { "service", 7 } };

static void free_expressions(const struct lb_alert_rule *rule)
{
    if (rule->inner != NULL)
        lb_expr_free((struct lb_expr *)rule->inner);
    if (rule->second != NULL)
        lb_expr_free((struct lb_expr *)rule->second);
    for (uint32_t i = 0; i < rule->part_count; i++)
        free_expressions(&rule->parts[i]);
}

static void check_parts(const struct lb_alert_rule *rule)
{
    double values[LB_ALERT_PARTS_MAX];

    assert(rule->part_count <= LB_ALERT_PARTS_MAX && rule->formula.count <= LB_ALERT_STEPS_MAX);
    for (uint32_t i = 0; i < rule->part_count; i++) {
        const struct lb_alert_rule *part = &rule->parts[i];

        assert(part->is_part && part->part == i && part->part_count == 0);
        assert(part->over_ns > 0 && part->over_ns <= rule->over_ns);
        values[i] = (double)i;
    }
    for (unsigned round = 0; rule->part_count > 0 && round < 8; round++) {
        double value = lb_alert_formula_value(&rule->formula, values);

        assert(isfinite(value) || isnan(value));
        values[round % rule->part_count] = round % 2 == 0 ? (double)NAN : 0;
    }
}

static void check_errors(const struct lb_diag *diag, size_t size)
{
    assert(diag->errors > 0);
    for (uint32_t i = 0; i < diag->count; i++) {
        assert(diag->entries[i].place.line == 7);
        assert(diag->entries[i].place.column >= 3 && diag->entries[i].place.column <= 3 + size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_config config = { 0 };
    struct lb_diag diag = { 0 };
    struct lb_alert_rule rule = { .name = LB_STR("r"), .by = { by, 1 }, .over_ns = INT64_C(60000000000) };
    char text[4096];
    bool when = size > 0 && (data[0] & 1) != 0;

    if (size == 0 || size > sizeof(text))
        return 0;
    size--;
    memcpy(text, data + 1, size);
    text[size] = '\0';
    struct lb_node node = {
        .kind = LB_NODE_SCALAR, .place = { "fuzz", 7, 3 }, .begin = { "fuzz", 7, 3 }, .text = { text, size }
    };
    lb_arena_init(&config.arena, 1 << 20);
    bool read = when ? lb_alert_when_read(&config, &node, LB_SEVERITY_HIGH, node.begin, &rule, &diag)
                     : lb_alert_value_read(&config, &node, &rule, &diag);

    if (read)
        check_parts(&rule);
    else
        check_errors(&diag, size);
    free_expressions(&rule);
    lb_diag_free(&diag);
    lb_arena_free(&config.arena);
    return 0;
}
