/*
 * alert_ground.h - the ground that tests of the alert engine stand on.
 *
 * A test says which records come when, on a clock that it sets; what the
 * engine tells is noted as one line each: "rule key state severity". Batches
 * are made by hand, as the workers would make them. Includes the engine's .c.
 */
#ifndef LB_ALERT_GROUND_H
#define LB_ALERT_GROUND_H

#include "alert_engine.c"

#include "alert_conf.h"
#include "lb_route.h"

#include "lb_test.h"

#include <unistd.h>

enum { TOLD_MAX = 400, SHOTS_MAX = 4096, ARCHIVE = 0, PAGER = 1, SINKS = 2 };

#define MINUTE (60 * LB_SECOND)
#define BEGIN (1767225600 * LB_SECOND) /* 2026-01-01T00:00:00Z */

/* What was told, as it stood in the record. */
struct told {
    char line[200];
    char message[400];
    char id[20];
    int64_t at;
    double value;
    bool late;
    uint64_t sinks;
};

struct fixture {
    char path[64];
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_pool *pool;
    struct lb_share *share;
    struct lb_alert_rule rules[2];
    struct lb_route routes[2];
    struct lb_alerting alerting;
    struct lb_alert_engine *engine;
    struct lb_stream input; /* of the batches that a test sends */
    struct lb_stream input2;
    struct lb_record records[SHOTS_MAX];
    struct lb_feed feeds[SHOTS_MAX];
    struct told told[TOLD_MAX];
    uint32_t told_count;
    struct lb_batch *kept; /* a sink that gives nothing back */
    bool keep;
    char scratch[1024];
};

/* --- the sinks ------------------------------------------------------------ */

static inline struct lb_str field_of(struct fixture *self, const struct lb_record *record, const char *name)
{
    struct lb_scratch scratch = { self->scratch, sizeof(self->scratch), 0 };

    return lb_value_str(lb_record_get(record, lb_str_from(name), &scratch), &scratch);
}

static inline void note(struct fixture *self, const struct lb_record *record, struct told *told)
{
    char key[64];
    struct lb_str word = field_of(self, record, "key");
    double value;

    snprintf(key, sizeof(key), LB_STR_FMT, LB_STR_ARG(word));
    snprintf(told->line, sizeof(told->line), LB_STR_FMT " %s ", LB_STR_ARG(field_of(self, record, "rule")), key);
    word = field_of(self, record, "state");
    snprintf(told->line + strlen(told->line), 40, LB_STR_FMT " ", LB_STR_ARG(word));
    word = field_of(self, record, "severity");
    snprintf(told->line + strlen(told->line), 40, LB_STR_FMT, LB_STR_ARG(word));
    word = field_of(self, record, "alert_id");
    snprintf(told->id, sizeof(told->id), LB_STR_FMT, LB_STR_ARG(word));
    word = (struct lb_str){ record->message.ptr, record->message.len };
    snprintf(told->message, sizeof(told->message), LB_STR_FMT, LB_STR_ARG(word));
    told->at = record->time_ns;
    told->late = lb_str_is(field_of(self, record, "late"), "true");
    told->value = lb_value_number(lb_record_get(record, LB_STR("value"), NULL), &value) ? value : -1;
    told->sinks = 0;
    assert_true((record->flags & LB_RECORD_ALERT) != 0);
}

static inline void deliver(void *context, struct lb_batch *batch)
{
    struct fixture *self = context;

    for (uint32_t i = 0; i < batch->record_count; i++)
        note(self, &batch->records[i], &self->told[self->told_count + i]);
    for (uint32_t sink = 0; sink < SINKS; sink++)
        for (uint32_t i = 0; i < batch->selections[sink].count; i++)
            self->told[self->told_count + (lb_batch_selected(batch, &batch->selections[sink], i) - batch->records)]
                .sinks |= UINT64_C(1) << sink;
    self->told_count += batch->record_count;
    assert_true(self->told_count < TOLD_MAX - 30);
    assert_int_equal(batch->position_end - batch->position, batch->record_count);
    if (self->keep) {
        batch->next = self->kept;
        self->kept = batch;
    } else {
        lb_batch_unref(batch);
    }
}

/* --- the ground ----------------------------------------------------------- */

static inline void set(struct lb_alert_rule *rule, enum lb_severity severity, const char *text)
{
    struct lb_diag diag = { 0 };

    rule->threshold_texts[severity] = lb_str_from(text);
    assert_true(lb_threshold_read(lb_str_from(text), rule, &rule->thresholds[severity], (struct lb_place){ 0 }, &diag));
    lb_diag_free(&diag);
}

static struct lb_str by_ip[] = { { "ip", 2 } };

static inline struct lb_alert_rule count_rule(const char *name, int64_t over, const char *critical)
{
    struct lb_alert_rule rule = { .name = lb_str_from(name),
                                  .function = LB_ALERT_COUNT,
                                  .value_text = LB_STR("count()"),
                                  .over_ns = over,
                                  .by = { by_ip, 1 },
                                  .sinks = 1 << ARCHIVE };

    if (critical != NULL)
        set(&rule, LB_SEVERITY_CRITICAL, critical);
    return rule;
}

static inline struct lb_alert_rule ratio_rule(const char *name, int64_t over, uint64_t min_count)
{
    struct lb_alert_rule rule = count_rule(name, over, NULL);

    rule.function = LB_ALERT_RATIO;
    rule.value_text = LB_STR("ratio(level >= error)");
    rule.inner = (const struct lb_expr *)&by_ip; /* only asked whether it is there */
    rule.min_count = min_count;
    set(&rule, LB_SEVERITY_MEDIUM, "above 1%");
    set(&rule, LB_SEVERITY_CRITICAL, "above 5%");
    return rule;
}

static inline struct fixture *open_pool(size_t pool_bytes)
{
    struct fixture *self = calloc(1, sizeof(*self));
    struct lb_str names[] = { LB_STR("archive"), LB_STR("pager"), LB_STR(LB_ALERTS_CONSUMER) };
    struct lb_strs consumers = { names, 3 };

    lb_clock_set(BEGIN);
    snprintf(self->path, sizeof(self->path), "/tmp/lb_alert_engine_test.%d", (int)getpid());
    unlink(self->path);
    assert_int_equal(lb_ledger_open(&self->ledger, self->path), LB_OK);
    self->streams = lb_streams_new(self->ledger, &consumers);
    self->pool = lb_pool_new(pool_bytes);
    self->share = lb_share_new(self->pool, pool_bytes);
    self->alerting = (struct lb_alerting){ .rules = self->rules,
                                           .rule_count = 1,
                                           .routes = self->routes,
                                           .lateness_ns = 30 * LB_SECOND,
                                           .max_age_ns = 60 * MINUTE,
                                           .max_keys = 4096 };
    self->input.id = 11;
    self->input2.id = 12;
    return self;
}

static inline struct fixture *open_ground(void)
{
    return open_pool(1024 * 1024);
}

static inline void start(struct fixture *self)
{
    self->engine = lb_alert_engine_new(&self->alerting, SINKS, self->streams, self->share, deliver, self);
    assert_non_null(self->engine);
}

static inline void close_ground(struct fixture *self)
{
    lb_alert_engine_free(self->engine);
    while (self->kept != NULL) {
        struct lb_batch *batch = self->kept;

        self->kept = batch->next;
        lb_batch_unref(batch);
    }
    lb_share_free(self->share);
    lb_pool_free(self->pool);
    lb_streams_free(self->streams);
    lb_ledger_close(self->ledger);
    unlink(self->path);
    lb_clock_set(LB_TIME_NONE);
    free(self);
}

/* What people were told goes over to an engine that goes on. */
static inline void hand_over(const struct lb_alert_engine *before, struct lb_alert_engine *engine)
{
    struct lb_buffer known;
    uint64_t sinks[64];

    for (int i = 0; i < 64; i++)
        sinks[i] = UINT64_C(1) << i;
    lb_buffer_init(&known, 1024 * 1024);
    lb_alert_notifier_write(&known, &before->notifier);
    assert_true(lb_alert_notifier_read(&engine->notifier, lb_buffer_str(&known), sinks));
    lb_buffer_free(&known);
}

/* --- the records ---------------------------------------------------------- */

struct shot {
    int64_t at; /* behind BEGIN */
    const char *key;
    bool miss; /* the inner predicate does not hold */
    uint16_t rule;
};

static inline struct lb_batch batch_of(struct fixture *self, const struct shot *shots, uint32_t count, int64_t arrival)
{
    struct lb_batch batch = { .arrival_ns = BEGIN + arrival, .stream = &self->input };

    assert_true(count <= SHOTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        self->records[i] = (struct lb_record){ .time_ns = BEGIN + shots[i].at,
                                               .message = lb_value_text(LB_STR("Failed password \"x\"")) };
        self->feeds[i] = (struct lb_feed){ .record = i,
                                           .rule = shots[i].rule,
                                           .bits = shots[i].miss ? 0 : 1,
                                           .key = lb_str_from(shots[i].key != NULL ? shots[i].key : "") };
    }
    batch.records = self->records;
    batch.record_count = count;
    batch.feeds = self->feeds;
    batch.feed_count = count;
    return batch;
}

static inline void send(struct fixture *self, const struct shot *shots, uint32_t count, int64_t arrival)
{
    struct lb_batch batch = batch_of(self, shots, count, arrival);

    lb_clock_set(BEGIN + arrival);
    lb_alert_engine_apply(self->engine, &batch);
    lb_alert_engine_flush(self->engine);
}

/* One record that arrives when it happens. */
static inline void hit(struct fixture *self, int64_t at)
{
    send(self, &(struct shot){ at, "ip=10.0.0.1", false, 0 }, 1, at);
}

static inline void miss(struct fixture *self, int64_t at)
{
    send(self, &(struct shot){ at, "ip=10.0.0.1", true, 0 }, 1, at);
}

/* The clock goes on, second by second, and nothing comes. */
static inline void idle(struct fixture *self, int64_t from, int64_t to)
{
    for (int64_t at = from; at <= to; at += LB_SECOND) {
        lb_clock_set(BEGIN + at);
        lb_alert_engine_tick(self->engine, BEGIN + at, false);
        lb_alert_engine_flush(self->engine);
    }
}

static inline void expect_told(const struct fixture *self, uint32_t i, const char *line, int64_t at)
{
    if (i >= self->told_count)
        fail_msg("expected \"%s\", only %u were told", line, self->told_count);
    assert_string_equal(self->told[i].line, line);
    assert_int_equal(self->told[i].at, BEGIN + at);
}

#define IP1 "{\"ip\":\"10.0.0.1\"}"
#define IP2 "{\"ip\":\"10.0.0.2\"}"

#endif
