/*
 * alert_when_ground.h - the ground for tests of rules as people write them.
 *
 * The rules come from YAML and the records through the feeder of the workers;
 * from there on it is the ground of alert_ground.h. A record is written
 * "error service=api ms=500": its level, then fields.
 */
#ifndef LB_ALERT_WHEN_GROUND_H
#define LB_ALERT_WHEN_GROUND_H

#include "alert_ground.h"
#include "alert_snapshot.h"
#include "feeds.h"
#include "lb_conf.h"

enum { RECORD_FIELDS = 8, RECORD_ARENA_BYTES = 64 * 1024 };

struct when_ground {
    struct fixture *ground;
    struct lb_config *config;
    struct lb_feeder feeder;
    struct lb_arena arena;
    struct lb_scratch scratch;
    char bytes[4096];
};

/* `rules` stands below `rules:`, six blanks deep; `more` below `alerting:`. */
static inline struct lb_config *read_rules_text(const char *more, const char *rules, struct lb_diag *diag)
{
    char text[8192];

    snprintf(text, sizeof(text),
             "sources: {in: {type: stdin}}\n"
             "sinks: {archive: {type: stdout}, pager: {type: stdout}}\n"
             "routes: [{to: archive}]\n"
             "alerting:\n"
             "%s"
             "  routes: [{to: archive}]\n"
             "  rules:\n"
             "    r:\n"
             "%s",
             more, rules);
    *diag = (struct lb_diag){ 0 };
    return lb_config_parse("c.yaml", lb_str_from(text), diag);
}

static inline void open_when_more(struct when_ground *self, const char *more, const char *rules)
{
    struct lb_diag diag;

    *self = (struct when_ground){ .ground = open_ground() };
    self->config = read_rules_text(more, rules, &diag);
    if (self->config == NULL) {
        lb_diag_print(&diag, stdout);
        fail_msg("refused:\n%s", rules);
    }
    lb_diag_free(&diag);
    self->ground->alerting = self->config->alerting;
    assert_true(lb_feeder_init(&self->feeder, &self->ground->alerting));
    lb_arena_init(&self->arena, RECORD_ARENA_BYTES);
    self->scratch = (struct lb_scratch){ self->bytes, sizeof(self->bytes), 0 };
    start(self->ground);
}

static inline void open_when(struct when_ground *self, const char *rules)
{
    open_when_more(self, "", rules);
}

static inline void close_when(struct when_ground *self)
{
    lb_feeder_free(&self->feeder);
    close_ground(self->ground);
    lb_arena_free(&self->arena);
    lb_config_free(self->config);
}

static inline void read_record(struct when_ground *self, const char *text, struct lb_record *record)
{
    char *copy = strdup(text);
    char *rest = NULL;
    const char *word = strtok_r(copy, " ", &rest);

    record->level = lb_level_parse(lb_str_from(word));
    record->message = lb_value_text(lb_arena_copy(&self->arena, lb_str_from(text)));
    while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
        const char *equals = strchr(word, '=');
        struct lb_str name = { word, (size_t)(equals - word) };
        struct lb_str value = lb_str_from(equals + 1);
        bool number = value.len > 0 && strspn(value.ptr, "0123456789.") == value.len;

        name = lb_arena_copy(&self->arena, name);
        value = lb_arena_copy(&self->arena, value);
        if (lb_str_is(name, "service"))
            record->service = lb_value_text(value);
        else
            assert_true(lb_record_add(record, &self->arena, lb_value_of(name, LB_VALUE_CLEAN),
                                      lb_value_of(value, number ? LB_VALUE_NUMBER : LB_VALUE_TEXT)));
    }
    free(copy);
}

/* A record that happened at `at` and arrives at `arrival`. */
static inline void arrive(struct when_ground *self, int64_t at, int64_t arrival, const char *text)
{
    struct lb_record record = { .time_ns = BEGIN + at };
    struct lb_batch batch = { .arrival_ns = BEGIN + arrival, .stream = &self->ground->input };

    lb_clock_set(BEGIN + arrival);
    lb_arena_reset(&self->arena, RECORD_ARENA_BYTES);
    lb_arena_init(&batch.arena, RECORD_ARENA_BYTES);
    read_record(self, text, &record);
    batch.records = &record;
    batch.record_count = 1;
    lb_feeder_begin(&self->feeder, &batch);
    lb_feeder_add(&self->feeder, &batch, 0, &self->scratch);
    lb_feeder_end(&self->feeder, &batch);
    lb_alert_engine_apply(self->ground->engine, &batch);
    lb_alert_engine_flush(self->ground->engine);
    lb_arena_free(&batch.arena);
}

static inline void happen(struct when_ground *self, int64_t at, const char *text)
{
    arrive(self, at, at, text);
}

/* A new engine that knows what the one before wrote down. */
static inline void restart(struct when_ground *self)
{
    struct lb_alert_engine *before = self->ground->engine;
    struct lb_buffer bytes;
    struct lb_str rest;

    lb_buffer_init(&bytes, 1024 * 1024);
    for (uint32_t i = 0; i < self->ground->alerting.rule_count; i++)
        lb_alert_snapshot_write(&bytes, &before->runners[i]);
    rest = lb_buffer_str(&bytes);
    start(self->ground);
    hand_over(before, self->ground->engine);
    lb_alert_engine_free(before);
    while (rest.len > 0)
        assert_int_equal(lb_alert_snapshot_read(&rest, find_runner, self->ground->engine), LB_OK);
    lb_alert_notifier_begin(&self->ground->engine->notifier, lb_clock_now());
    lb_buffer_free(&bytes);
}

/* What was told, told by told, with the times behind BEGIN in seconds. */
static inline void expect_all(const struct when_ground *self, const char *const *lines, const int64_t *at,
                              uint32_t count)
{
    for (uint32_t i = 0; i < self->ground->told_count && i < count; i++)
        print_message("%lld: %s: %s\n", (long long)((self->ground->told[i].at - BEGIN) / LB_SECOND),
                      self->ground->told[i].line, self->ground->told[i].message);
    assert_int_equal(self->ground->told_count, count);
    for (uint32_t i = 0; i < count; i++)
        expect_told(self->ground, i, lines[i], at[i] * LB_SECOND);
}

#endif
