/*
 * detector_ground.h - the ground that tests of detectors stand on: a rule with
 * a condition in words, records in words, and what was told.
 */
#ifndef LB_DETECTOR_GROUND_H
#define LB_DETECTOR_GROUND_H

#include "alert_ground.h"
#include "alert_snapshot.h"
#include "lb_expr.h"

enum { WORDS_MAX = 8 };

static struct lb_config detector_config;

/* `change(region)`, as the reader of rules would. NULL: refused; what was said is in `diag`. */
static inline const struct lb_alert_detector_type *read_condition(const char *text, struct lb_alert_rule *rule,
                                                                  struct lb_diag *diag)
{
    const char *open = strchr(text, '(');
    const struct lb_alert_detector_type *type = lb_alert_detector_find((struct lb_str){ text, (size_t)(open - text) });

    assert_non_null(type);
    if (detector_config.arena.bytes_max == 0)
        lb_arena_init(&detector_config.arena, 1024 * 1024);
    rule->detector_text = (struct lb_str){ open + 1, strlen(open) - 2 };
    return type->read(&detector_config, rule->detector_text, (struct lb_place){ 0 }, rule, diag) ? type : NULL;
}

static inline struct lb_alert_rule detector_rule(const char *name, const char *text, int64_t over)
{
    struct lb_alert_rule rule = count_rule(name, over, "at least 1");
    struct lb_diag diag = { 0 };

    rule.value_text = lb_str_from(text);
    rule.detector = read_condition(text, &rule, &diag);
    if (rule.detector == NULL)
        fail_msg("%s was refused", text);
    lb_diag_free(&diag);
    return rule;
}

static inline void refuses(const char *text)
{
    struct lb_alert_rule rule = { 0 };
    struct lb_diag diag = { 0 };

    if (read_condition(text, &rule, &diag) != NULL)
        fail_msg("%s was not refused", text);
    assert_true(diag.errors > 0);
    lb_diag_free(&diag);
}

static inline void close_detector_ground(struct fixture *self)
{
    close_ground(self);
    lb_arena_free(&detector_config.arena);
    detector_config = (struct lb_config){ 0 };
}

/* One record: "region=eu user=kim"; `message` too. By the expressions of the rule, as a worker would feed it. */
static inline void saw_at(struct fixture *self, int64_t at, int64_t arrival, const char *key, const char *words)
{
    const struct lb_alert_rule *rule = &self->rules[0];
    struct lb_field fields[WORDS_MAX];
    struct lb_record record = { .time_ns = BEGIN + at, .fields = fields, .field_capacity = WORDS_MAX };
    struct lb_scratch scratch = { self->scratch, sizeof(self->scratch), 0 };
    struct lb_feed feed = { .key = lb_str_from(key) };
    struct lb_batch batch = { .arrival_ns = BEGIN + arrival,
                              .stream = &self->input,
                              .records = &record,
                              .record_count = 1,
                              .feeds = &feed,
                              .feed_count = 1 };

    record.message = lb_value_text(lb_str_from(words));
    for (const char *word = words; word != NULL && *word != '\0';) {
        const char *end = strchrnul(word, ' ');
        const char *equals = memchr(word, '=', (size_t)(end - word));

        if (equals != NULL)
            fields[record.field_count++] =
                (struct lb_field){ lb_value_text((struct lb_str){ word, (size_t)(equals - word) }),
                                   lb_value_text((struct lb_str){ equals + 1, (size_t)(end - equals - 1) }) };
        word = *end == '\0' ? NULL : end + 1;
    }
    feed.bits = rule->inner == NULL || lb_expr_match(rule->inner, &record, &scratch);
    if (rule->second != NULL && lb_expr_match(rule->second, &record, &scratch))
        feed.bits |= 2;
    if (rule->field.len > 0 && !lb_value_number(lb_record_get(&record, rule->field, &scratch), &feed.number))
        return;
    lb_clock_set(BEGIN + arrival);
    lb_alert_engine_apply(self->engine, &batch);
    lb_alert_engine_flush(self->engine);
}

static inline void saw(struct fixture *self, int64_t at, const char *key, const char *words)
{
    saw_at(self, at, at, key, words);
}

static inline struct lb_alert_runner *find_rule(void *context, struct lb_str rule)
{
    struct lb_alert_engine *engine = context;

    return lb_str_equal(engine->alerting->rules[0].name, rule) ? &engine->runners[0] : NULL;
}

/* The engine ends, and another begins with what this one knew; that is the same again as bytes. */
static inline void restart_engine(struct fixture *self)
{
    uint64_t sinks[64] = { 1, 2 };
    struct lb_buffer bytes;
    struct lb_buffer again;
    struct lb_str rest;

    lb_buffer_init(&bytes, 64 * 1024 * 1024);
    lb_buffer_init(&again, 64 * 1024 * 1024);
    lb_alert_snapshot_write(&bytes, &self->engine->runners[0]);
    assert_false(bytes.failed);
    lb_alert_engine_free(self->engine);
    start(self);
    rest = lb_buffer_str(&bytes);
    assert_int_equal(lb_alert_snapshot_read(&rest, sinks, find_rule, self->engine), LB_OK);
    lb_alert_snapshot_write(&again, &self->engine->runners[0]);
    assert_int_equal(again.len, bytes.len);
    lb_buffer_free(&bytes);
    lb_buffer_free(&again);
}

/* What the detector knows as bytes: all that is shorter, or of another version, is refused and leaves nothing broken.
 */
static inline void survives_damage(struct fixture *self)
{
    struct lb_alert_runner *runner = &self->engine->runners[0];
    const struct lb_alert_detector_type *type = runner->rule->detector;
    struct lb_buffer bytes;

    lb_buffer_init(&bytes, 64 * 1024 * 1024);
    type->write(&runner->detector, &bytes);
    assert_true(bytes.len > 0);
    for (size_t len = 1; len < bytes.len; len += 1 + bytes.len / 500) {
        struct lb_buffer after;

        lb_alert_runner_restore(runner, (struct lb_str){ bytes.ptr, len });
        lb_buffer_init(&after, 64 * 1024 * 1024);
        type->write(&runner->detector, &after);
        assert_true(after.len < bytes.len);
        lb_buffer_free(&after);
    }
    for (size_t at = 0; at < bytes.len; at += 1 + bytes.len / 500) {
        bytes.ptr[at] ^= 0x55;
        lb_alert_runner_restore(runner, lb_buffer_str(&bytes));
        bytes.ptr[at] ^= 0x55;
    }
    lb_buffer_free(&bytes);
}

static inline void expect_message(const struct fixture *self, uint32_t i, const char *message)
{
    if (i >= self->told_count)
        fail_msg("expected \"%s\", only %u were told", message, self->told_count);
    assert_string_equal(self->told[i].message, message);
}

#endif
