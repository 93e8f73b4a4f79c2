/*
 * alert_parts.c - windows in step, and what is made of their values.
 *
 * Logic has three values: what cannot be known is NAN, and it is false that
 * both of something false and something unknown hold. A comparison with NAN is
 * NAN.
 */
#include "alert_parts.h"

#include "lb_alloc.h"

#include <assert.h>
#include <math.h>

/* --- formulas ------------------------------------------------------------- */

static double both(double left, double right)
{
    if (left == 0 || right == 0)
        return 0;
    return isnan(left) ? left : right;
}

static double either(double left, double right)
{
    if (left == 1 || right == 1)
        return 1;
    return isnan(left) ? left : right;
}

static double combine(enum lb_alert_step_kind kind, double left, double right)
{
    switch (kind) {
    case LB_STEP_ADD: return left + right;
    case LB_STEP_SUBTRACT: return left - right;
    case LB_STEP_MULTIPLY: return left * right;
    case LB_STEP_DIVIDE: return right != 0 ? left / right : (double)NAN;
    case LB_STEP_AND: return both(left, right);
    case LB_STEP_OR: return either(left, right);
    default: return NAN;
    }
}

double lb_alert_formula_value(const struct lb_alert_formula *formula, const double *parts)
{
    double stack[LB_ALERT_STEPS_MAX];
    uint32_t depth = 0;

    for (uint32_t i = 0; i < formula->count; i++) {
        const struct lb_alert_step *step = &formula->steps[i];

        switch (step->kind) {
        case LB_STEP_PART: stack[depth++] = parts[step->part]; break;
        case LB_STEP_NUMBER: stack[depth++] = step->number; break;
        case LB_STEP_COMPARE:
            if (!isnan(stack[depth - 1]))
                stack[depth - 1] = lb_threshold_crossed(&step->threshold, stack[depth - 1]);
            break;
        default:
            assert(depth >= 2);
            depth--;
            stack[depth - 1] = combine(step->kind, stack[depth - 1], stack[depth]);
        }
    }
    return depth == 1 && isfinite(stack[0]) ? stack[0] : (double)NAN;
}

/* --- windows -------------------------------------------------------------- */

void lb_alert_parts_shape(struct lb_alert_runner *runner, int64_t lateness_ns)
{
    const struct lb_alert_rule *rule = runner->rule;

    for (uint32_t i = 0; i < rule->part_count; i++) {
        const struct lb_alert_rule *part = &rule->parts[i];

        lb_alert_shape_init(&runner->part_shapes[i], part->over_ns, lateness_ns, runner->falling);
        lb_alert_shape_measure(&runner->part_shapes[i], part->function, part->quantile);
        if (part->over_ns > runner->shape.over_ns)
            lb_alert_shape_init(&runner->shape, part->over_ns, lateness_ns, runner->falling);
    }
}

bool lb_alert_parts_init(const struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t end)
{
    uint32_t count = runner->rule->part_count;

    if (key->parts == NULL)
        key->parts = lb_alloc(count * sizeof(*key->parts));
    if (key->parts == NULL)
        return false;
    key->part_count = count;
    for (uint32_t i = 0; i < count; i++) {
        lb_alert_window_init(&key->parts[i].window, &runner->part_shapes[i], end);
        key->parts[i].value = NAN;
    }
    return true;
}

/* --- in step -------------------------------------------------------------- */

static double value_of(const struct lb_alert_rule *part, uint64_t count, double value)
{
    return count > 0 || lb_alert_counts_nothing(part->function) ? value : (double)NAN;
}

/* What is made of the parts; `totals.count` is that of the fullest window. */
struct sum {
    double values[LB_ALERT_PARTS_MAX];
    uint64_t count;
};

static void take(struct sum *sum, const struct lb_alert_runner *runner, uint32_t part, uint64_t count, double value)
{
    sum->values[part] = value_of(&runner->rule->parts[part], count, value);
    if (count > sum->count)
        sum->count = count;
}

static struct lb_alert_segment segment_of(const struct lb_alert_runner *runner, const struct sum *sum, int64_t from,
                                          int64_t to)
{
    return (struct lb_alert_segment){
        from, to, { sum->count, 0 }, lb_alert_formula_value(&runner->rule->formula, sum->values)
    };
}

bool lb_alert_parts_next(const struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit,
                         struct lb_alert_segment *segment)
{
    int64_t from = key->window.cursor.end + 1;
    int64_t to = limit;
    struct sum sum = { .count = 0 };

    if (from > limit)
        return false;
    for (uint32_t i = 0; i < key->part_count; i++) {
        struct lb_alert_window *window = &key->parts[i].window;

        lb_alert_window_refresh(window, &runner->part_shapes[i]);
        int64_t change = lb_alert_cursor_change(window, &runner->part_shapes[i], &window->cursor);
        if (change < to)
            to = change;
    }
    for (uint32_t i = 0; i < key->part_count; i++) {
        struct lb_alert_window *window = &key->parts[i].window;
        struct lb_alert_segment part;

        (void)lb_alert_cursor_next(window, &runner->part_shapes[i], &window->cursor, to, &part);
        take(&sum, runner, i, part.totals.count, part.value);
        key->parts[i].value = sum.values[i];
    }
    key->window.cursor.end = to;
    *segment = segment_of(runner, &sum, from, to);
    return true;
}

struct lb_alert_segment lb_alert_parts_now(const struct lb_alert_runner *runner, struct lb_alert_key *key)
{
    int64_t end = key->window.cursor.end;
    struct sum sum = { .count = 0 };

    for (uint32_t i = 0; i < key->part_count; i++) {
        struct lb_alert_window *window = &key->parts[i].window;

        take(&sum, runner, i, window->cursor.totals.count, lb_alert_window_value(window, &runner->part_shapes[i]));
        key->parts[i].value = sum.values[i];
    }
    return segment_of(runner, &sum, end, end);
}

void lb_alert_parts_seek(const struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t from,
                         struct lb_alert_cursors *cursors)
{
    for (uint32_t i = 0; i < key->part_count; i++)
        cursors->items[i] = lb_alert_window_seek(&key->parts[i].window, &runner->part_shapes[i], from);
}

bool lb_alert_parts_step(const struct lb_alert_runner *runner, struct lb_alert_key *key,
                         struct lb_alert_cursors *cursors, int64_t limit, struct lb_alert_segment *segment)
{
    int64_t from = cursors->items[0].end + 1;
    int64_t to = limit;
    struct sum sum = { .count = 0 };

    if (from > limit)
        return false;
    for (uint32_t i = 0; i < key->part_count; i++) {
        int64_t change = lb_alert_cursor_change(&key->parts[i].window, &runner->part_shapes[i], &cursors->items[i]);

        if (change < to)
            to = change;
    }
    for (uint32_t i = 0; i < key->part_count; i++) {
        struct lb_alert_segment part;

        (void)lb_alert_cursor_next(&key->parts[i].window, &runner->part_shapes[i], &cursors->items[i], to, &part);
        take(&sum, runner, i, part.totals.count, part.value);
    }
    *segment = segment_of(runner, &sum, from, to);
    return true;
}
