/*
 * alert_engine_test.c - rules at work, on a clock that the test sets.
 *
 * A test says which records come when; what the engine tells is noted as one
 * line each: "rule key state severity". Batches are made by hand, as the
 * workers would make them.
 */
#include "alert_engine.c"

#include "lb_corpus.h"
#include "lb_expr.h"
#include "lb_json.h"
#include "lb_test.h"
#include "lb_time.h"

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

static struct lb_str field_of(struct fixture *self, const struct lb_record *record, const char *name)
{
    struct lb_scratch scratch = { self->scratch, sizeof(self->scratch), 0 };

    return lb_value_str(lb_record_get(record, lb_str_from(name), &scratch), &scratch);
}

static void note(struct fixture *self, const struct lb_record *record, struct told *told)
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

static void deliver(void *context, struct lb_batch *batch)
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

static void set(struct lb_alert_rule *rule, enum lb_severity severity, const char *text)
{
    struct lb_diag diag = { 0 };

    rule->threshold_texts[severity] = lb_str_from(text);
    assert_true(lb_threshold_read(lb_str_from(text), rule->function == LB_ALERT_RATIO, &rule->thresholds[severity],
                                  (struct lb_place){ 0 }, &diag));
    lb_diag_free(&diag);
}

static struct lb_str by_ip[] = { { "ip", 2 } };

static struct lb_alert_rule count_rule(const char *name, int64_t over, const char *critical)
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

static struct lb_alert_rule ratio_rule(const char *name, int64_t over, uint64_t min_count)
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

static struct fixture *open_pool(size_t pool_bytes)
{
    struct fixture *self = calloc(1, sizeof(*self));
    struct lb_str names[] = { LB_STR("archive"), LB_STR("pager"), LB_STR("alerts") };
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

static struct fixture *open_ground(void)
{
    return open_pool(1024 * 1024);
}

static void start(struct fixture *self)
{
    self->engine = lb_alert_engine_new(&self->alerting, SINKS, self->streams, self->share, deliver, self);
    assert_non_null(self->engine);
}

static void close_ground(struct fixture *self)
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

/* --- the records ---------------------------------------------------------- */

struct shot {
    int64_t at; /* behind BEGIN */
    const char *key;
    bool miss; /* the inner predicate does not hold */
    uint16_t rule;
};

static struct lb_batch batch_of(struct fixture *self, const struct shot *shots, uint32_t count, int64_t arrival)
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

static void send(struct fixture *self, const struct shot *shots, uint32_t count, int64_t arrival)
{
    struct lb_batch batch = batch_of(self, shots, count, arrival);

    lb_clock_set(BEGIN + arrival);
    lb_alert_engine_apply(self->engine, &batch);
    lb_alert_engine_flush(self->engine);
}

/* One record that arrives when it happens. */
static void hit(struct fixture *self, int64_t at)
{
    send(self, &(struct shot){ at, "ip=10.0.0.1", false, 0 }, 1, at);
}

static void miss(struct fixture *self, int64_t at)
{
    send(self, &(struct shot){ at, "ip=10.0.0.1", true, 0 }, 1, at);
}

/* The clock goes on, second by second, and nothing comes. */
static void idle(struct fixture *self, int64_t from, int64_t to)
{
    for (int64_t at = from; at <= to; at += LB_SECOND) {
        lb_clock_set(BEGIN + at);
        lb_alert_engine_tick(self->engine, BEGIN + at, false);
        lb_alert_engine_flush(self->engine);
    }
}

static void expect_told(const struct fixture *self, uint32_t i, const char *line, int64_t at)
{
    if (i >= self->told_count)
        fail_msg("expected \"%s\", only %u were told", line, self->told_count);
    assert_string_equal(self->told[i].line, line);
    assert_int_equal(self->told[i].at, BEGIN + at);
}

#define IP1 "{\"ip\":\"10.0.0.1\"}"
#define IP2 "{\"ip\":\"10.0.0.2\"}"

/* --- counts --------------------------------------------------------------- */

static void fires_at_the_very_record_that_makes_it_enough(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 5");
    start(self);
    for (int i = 0; i < 4; i++)
        hit(self, i * MINUTE);
    assert_int_equal(self->told_count, 0);
    hit(self, 4 * MINUTE);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 4 * MINUTE);
    assert_true(self->told[0].value == 5);
    assert_string_equal(self->told[0].message,
                        "logins: count() is 5 (at least 5) over 10m for ip=10.0.0.1, since 00:04:00Z");
    close_ground(self);
}

static void two_records_exactly_one_window_apart_are_not_in_one_window(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 2");
    start(self);
    hit(self, 0);
    hit(self, 10 * MINUTE);
    assert_int_equal(self->told_count, 0);
    hit(self, 20 * MINUTE - 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 20 * MINUTE - 1);
    close_ground(self);
}

static void resolves_exactly_once_when_the_window_empties(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    start(self);
    hit(self, 0);
    hit(self, 10 * LB_SECOND);
    idle(self, 11 * LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    expect_told(self, 0, "logins " IP1 " firing critical", 10 * LB_SECOND);
    /* One of them leaves at 60 s; `lateness` later nothing can change that. */
    expect_told(self, 1, "logins " IP1 " resolved critical", 90 * LB_SECOND);
    assert_string_equal(self->told[0].id, self->told[1].id);
    assert_string_equal(self->told[1].message,
                        "logins: resolved after 1m20s for ip=10.0.0.1: count() is 0 over 1m, peak 2");
    close_ground(self);
}

static void counts_on_across_a_match(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 5");
    start(self);
    for (int i = 0; i < 14; i++)
        hit(self, i * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    assert_int_equal(self->engine->runners[0].keys.lists[LB_ALERT_FIRING].head->totals.count, 14);
    close_ground(self);
}

static void keeps_keys_apart(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 3");
    start(self);
    for (int i = 0; i < 8; i++)
        send(self, &(struct shot){ i * LB_SECOND, i % 4 == 0 ? "ip=10.0.0.1" : "ip=10.0.0.2", false, 0 }, 1,
             i * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP2 " firing critical", 3 * LB_SECOND);
    close_ground(self);
}

/* --- ratios and levels ---------------------------------------------------- */

static void a_ratio_waits_for_enough_records(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = ratio_rule("errors", 5 * MINUTE, 50);
    start(self);
    for (int i = 0; i < 49; i++)
        hit(self, i * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    miss(self, 49 * LB_SECOND);
    expect_told(self, 0, "errors " IP1 " firing critical", 49 * LB_SECOND);
    assert_true(self->told[0].value == 0.98);
    close_ground(self);
}

static void levels_rise_and_fall_as_one_alert(void **state)
{
    static const char *const expected[] = { "errors " IP1 " firing medium", "errors " IP1 " updated critical",
                                            "errors " IP1 " updated medium", "errors " IP1 " resolved medium" };
    struct fixture *self = open_ground();
    int64_t at = 0;

    (void)state;
    self->rules[0] = ratio_rule("errors", MINUTE, 50);
    start(self);
    for (int i = 0; i < 100; i++)
        miss(self, at += LB_SECOND / 10);
    for (int i = 0; i < 10; i++)
        hit(self, at += LB_SECOND / 10);
    for (int i = 0; i < 3000; i++)
        miss(self, at += LB_SECOND / 10);
    assert_int_equal(self->told_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(self->told[i].line, expected[i]);
        assert_string_equal(self->told[i].id, self->told[0].id);
    }
    assert_non_null(strstr(self->told[1].message, ", now critical, was medium"));
    close_ground(self);
}

static void too_few_to_judge_keeps_it_for_one_more_window(void **state)
{
    struct fixture *self = open_ground();
    int64_t at = 0;

    (void)state;
    self->rules[0] = ratio_rule("errors", MINUTE, 50);
    start(self);
    for (int i = 0; i < 60; i++)
        hit(self, at += LB_SECOND / 2);
    assert_int_equal(self->told_count, 1);
    /* From 25 s on there are less than 50 in the window, but never none. */
    for (int i = 0; i < 60; i++)
        miss(self, at += 5 * LB_SECOND);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "errors " IP1 " resolved critical");
    assert_in_range(self->told[1].at - BEGIN, 2 * MINUTE, 4 * MINUTE);
    close_ground(self);
}

static void waits_for_as_long_as_for_says(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 2");
    self->rules[0].for_ns = 2 * MINUTE;
    start(self);
    hit(self, 0);
    hit(self, 5 * LB_SECOND);
    idle(self, 6 * LB_SECOND, 2 * MINUTE + 4 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    idle(self, 2 * MINUTE + 5 * LB_SECOND, 2 * MINUTE + 10 * LB_SECOND);
    expect_told(self, 0, "logins " IP1 " firing critical", 2 * MINUTE + 5 * LB_SECOND);
    close_ground(self);
}

static void cooldown_holds_back_all_but_what_is_worse(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 4");
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 2");
    self->rules[0].cooldown_ns = 30 * MINUTE;
    start(self);
    for (int64_t from = 0; from < 20 * MINUTE; from += 5 * MINUTE) {
        hit(self, from);
        hit(self, from + LB_SECOND);
        idle(self, from + 2 * LB_SECOND, from + 4 * MINUTE);
    }
    assert_int_equal(self->told_count, 2);
    expect_told(self, 0, "logins " IP1 " firing low", LB_SECOND);
    for (int i = 0; i < 4; i++)
        hit(self, 20 * MINUTE + i * LB_SECOND);
    assert_int_equal(self->told_count, 3);
    expect_told(self, 2, "logins " IP1 " firing critical", 20 * MINUTE + 3 * LB_SECOND);
    idle(self, 20 * MINUTE, 40 * MINUTE);
    assert_int_equal(self->told_count, 4);
    assert_string_equal(self->told[3].line, "logins " IP1 " resolved low");
    close_ground(self);
}

static void who_was_called_is_called_off(void **state)
{
    struct fixture *self = open_ground();
    struct lb_arena arena;
    struct lb_diag diag = { 0 };

    (void)state;
    lb_arena_init(&arena, 64 * 1024);
    self->rules[0] = count_rule("logins", MINUTE, "at least 4");
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 2");
    self->routes[0].where =
        lb_expr_new(&arena, LB_STR("severity >= high and state != resolved"), (struct lb_place){ 0 }, &diag);
    self->routes[0].sinks = 1 << PAGER;
    self->alerting.route_count = 1;
    start(self);
    hit(self, 0);
    hit(self, 1);
    assert_int_equal(self->told[0].sinks, 1 << ARCHIVE);
    hit(self, 20 * LB_SECOND);
    hit(self, 21 * LB_SECOND);
    idle(self, 22 * LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 4);
    for (int i = 1; i < 4; i++)
        assert_int_equal(self->told[i].sinks, 1 << ARCHIVE | 1 << PAGER);
    assert_string_equal(self->told[2].line, "logins " IP1 " updated low");
    assert_string_equal(self->told[3].line, "logins " IP1 " resolved low");
    close_ground(self);
    lb_arena_free(&arena);
}

/* --- what is missing ------------------------------------------------------ */

static struct lb_alert_rule heartbeat_rule(void)
{
    struct lb_alert_rule rule = count_rule("heartbeat", MINUTE, "below 2");

    rule.by.count = 0;
    return rule;
}

static void silence_is_told_when_a_whole_window_was_silent_and_none_can_come_late(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = heartbeat_rule();
    start(self);
    idle(self, 0, 89 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    idle(self, 90 * LB_SECOND, 100 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "heartbeat {} firing critical", MINUTE);
    for (int64_t at = 101 * LB_SECOND; at < 5 * MINUTE; at += 10 * LB_SECOND)
        send(self, &(struct shot){ at, NULL, false, 0 }, 1, at);
    assert_int_equal(self->told_count, 2);
    expect_told(self, 1, "heartbeat {} resolved critical", 111 * LB_SECOND);
    close_ground(self);
}

static void a_late_heartbeat_is_no_silence(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = heartbeat_rule();
    start(self);
    /* Every record comes 25 s late, two at a time in the wrong order. */
    for (int64_t at = 0; at < 20 * MINUTE; at += 40 * LB_SECOND) {
        struct shot shots[] = { { at + 20 * LB_SECOND, NULL, false, 0 }, { at, NULL, false, 0 } };

        idle(self, at + 21 * LB_SECOND, at + 24 * LB_SECOND);
        send(self, shots, 2, at + 25 * LB_SECOND);
    }
    assert_int_equal(self->told_count, 0);
    close_ground(self);
}

/* --- clocks --------------------------------------------------------------- */

static void one_record_from_the_future_blinds_nobody(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 5");
    start(self);
    send(self, &(struct shot){ 24 * 60 * MINUTE, "ip=10.0.0.1", false, 0 }, 1, 0);
    for (int i = 1; i < 5; i++)
        hit(self, i * MINUTE);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 4 * MINUTE);
    close_ground(self);
}

static void a_burst_that_is_completed_late_is_found(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 3");
    start(self);
    hit(self, 0);
    hit(self, 30 * LB_SECOND);
    hit(self, 85 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    send(self, &(struct shot){ 59 * LB_SECOND, "ip=10.0.0.1", false, 0 }, 1, 86 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 85 * LB_SECOND);
    idle(self, 86 * LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    close_ground(self);
}

static void what_is_too_late_is_counted_and_ignored(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    start(self);
    hit(self, 10 * MINUTE);
    send(self, &(struct shot){ 0, "ip=10.0.0.1", false, 0 }, 1, 10 * MINUTE);
    assert_int_equal(self->engine->runners[0].late, 1);
    assert_int_equal(self->told_count, 0);
    close_ground(self);
}

static void old_records_end_in_one_summary(void **state)
{
    struct fixture *self = open_ground();
    char keys[50][32];

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    self->rules[0].by.count = 1;
    start(self);
    for (int i = 0; i < 50; i++) {
        struct shot shots[2];

        snprintf(keys[i], sizeof(keys[i]), "ip=10.0.1.%d", i);
        shots[0] = (struct shot){ i * LB_SECOND, keys[i], false, 0 };
        shots[1] = (struct shot){ i * LB_SECOND + 1, keys[i], false, 0 };
        send(self, shots, 2, 3 * 60 * MINUTE);
    }
    assert_int_equal(self->told_count, 0);
    idle(self, 3 * 60 * MINUTE, 3 * 60 * MINUTE + 5 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "logins  summary critical");
    assert_true(self->told[0].late);
    assert_string_equal(self->told[0].message,
                        "logins: 50 alerts in old records, from 2026-01-01T00:00:00Z to 2026-01-01T00:00:49Z, highest "
                        "critical: they came too late to be told one by one");
    close_ground(self);
}

static void what_still_fires_when_it_has_caught_up_is_told(void **state)
{
    struct fixture *self = open_ground();
    int64_t now = 3 * 60 * MINUTE;

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 2");
    start(self);
    for (int64_t at = 0; at <= now; at += MINUTE)
        send(self, &(struct shot){ at, "ip=10.0.0.1", false, 0 }, 1, now);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "logins " IP1 " firing critical");
    assert_false(self->told[0].late);
    close_ground(self);
}

static void a_stream_that_is_behind_is_judged_by_its_own_time(void **state)
{
    struct fixture *self = open_ground();
    int64_t behind = 40 * MINUTE;

    (void)state;
    self->rules[0] = count_rule("logins", 5 * MINUTE, "at least 2");
    start(self);
    send(self, &(struct shot){ behind, "ip=10.0.0.2", false, 0 }, 1, behind);
    self->input.id = 12;
    /* One a minute, read ten times as fast; the clock ticks in between. */
    for (int i = 0; i < 30; i++) {
        int64_t arrival = behind + i * 6 * LB_SECOND;

        send(self, &(struct shot){ i * MINUTE, "ip=10.0.0.1", false, 0 }, 1, arrival);
        idle(self, arrival + LB_SECOND, arrival + 5 * LB_SECOND);
    }
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", MINUTE);
    close_ground(self);
}

/* --- floods --------------------------------------------------------------- */

static void a_flood_of_keys_is_bounded_and_does_not_stop_what_fires(void **state)
{
    struct fixture *self = open_ground();
    static char keys[SHOTS_MAX][32];
    static struct shot shots[SHOTS_MAX];
    long before = 0;

    (void)state;
    self->alerting.max_keys = 512;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 3");
    start(self);
    for (int i = 0; i < 3; i++)
        hit(self, i);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < SHOTS_MAX; i++) {
            snprintf(keys[i], sizeof(keys[i]), "ip=%d.%d", round, i);
            shots[i] = (struct shot){ 10 * LB_SECOND + round * LB_MILLISECOND, keys[i], false, 0 };
        }
        send(self, shots, SHOTS_MAX, 11 * LB_SECOND);
        if (round == 0)
            before = atomic_load(&lb_alloc_count);
    }
    assert_int_equal(atomic_load(&lb_alloc_count), before);
    assert_int_equal(self->engine->runners[0].keys.count, 512);
    assert_int_equal(self->engine->runners[0].keys.evicted, 50 * SHOTS_MAX + 1 - 512);
    assert_int_equal(self->told_count, 1);
    idle(self, 11 * LB_SECOND, 12 * MINUTE);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "logins " IP1 " resolved critical");
    close_ground(self);
}

static void silent_keys_are_forgotten(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 3");
    start(self);
    for (int i = 0; i < 40; i++)
        send(self, &(struct shot){ i, i % 2 ? "ip=10.0.0.1" : "ip=10.0.0.2", false, 0 }, 1, i);
    idle(self, 0, 10 * MINUTE);
    assert_int_equal(self->engine->runners[0].keys.count, 0);
    close_ground(self);
}

static void steady_work_allocates_nothing(void **state)
{
    struct fixture *self = open_ground();
    static struct shot shots[1000];
    long before = 0;

    (void)state;
    self->rules[0] = ratio_rule("errors", 5 * MINUTE, 50);
    start(self);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 1000; i++)
            shots[i] = (struct shot){ round * LB_SECOND + i * LB_MILLISECOND, i % 2 ? "ip=1" : "ip=2", i % 8 != 0, 0 };
        send(self, shots, 1000, round * LB_SECOND + LB_SECOND);
        if (round == 2)
            before = atomic_load(&lb_alloc_count);
    }
    assert_int_equal(atomic_load(&lb_alloc_count), before);
    close_ground(self);
}

/* --- the same again ------------------------------------------------------- */

enum { SHUFFLED = 600 };

static const char *const three_keys[] = { "ip=1", "ip=2", "ip=3" };

static int random_shots(uint64_t *random, struct shot *shots)
{
    int64_t at = 0;

    for (int i = 0; i < SHUFFLED; i++) {
        at += (int64_t)(lb_random(random) % (uint64_t)(10 * LB_SECOND));
        shots[i] = (struct shot){ at, three_keys[lb_random(random) % 3], false, 0 };
    }
    return SHUFFLED;
}

/* For each of the keys the highest severity that fired, and how often anything was told. */
static void outcome(uint64_t seed, const struct shot *shots, const int64_t *arrivals, int cut, int *highest)
{
    static const char *const words[] = { "low", "high", "critical" };
    struct fixture *self = open_ground();
    int from = 0;

    (void)seed;
    self->rules[0] = count_rule("logins", MINUTE, "at least 9");
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 5");
    set(&self->rules[0], LB_SEVERITY_HIGH, "at least 7");
    start(self);
    while (from < SHUFFLED) {
        int count = from + cut < SHUFFLED ? cut : SHUFFLED - from;

        send(self, shots + from, (uint32_t)count, arrivals[from + count - 1]);
        from += count;
    }
    idle(self, arrivals[SHUFFLED - 1], arrivals[SHUFFLED - 1] + 3 * MINUTE);
    for (int key = 0; key < 3; key++) {
        char prefix[40];

        highest[key] = -1;
        snprintf(prefix, sizeof(prefix), "logins {\"ip\":\"%d\"}", key + 1);
        for (uint32_t i = 0; i < self->told_count; i++)
            for (int word = 0; word < 3; word++)
                if (strncmp(self->told[i].line, prefix, strlen(prefix)) == 0 && word > highest[key] &&
                    strstr(self->told[i].line, words[word]) != NULL)
                    highest[key] = word;
    }
    close_ground(self);
}

/* Each record is late by less than lateness. */
static void shuffle(uint64_t *random, const struct shot *shots, struct shot *shuffled, int64_t *arrivals)
{
    for (int i = 0; i < SHUFFLED; i++) {
        int64_t arrival = shots[i].at + (int64_t)(lb_random(random) % (uint64_t)(29 * LB_SECOND));
        int j = i;

        for (; j > 0 && arrivals[j - 1] > arrival; j--) {
            arrivals[j] = arrivals[j - 1];
            shuffled[j] = shuffled[j - 1];
        }
        arrivals[j] = arrival;
        shuffled[j] = shots[i];
    }
}

static void order_within_lateness_changes_nothing(void **state)
{
    uint64_t random = lb_seed();
    int seen[4] = { 0 };

    (void)state;
    for (int run = 0; run < 40; run++) {
        static struct shot shots[SHUFFLED];
        static struct shot shuffled[SHUFFLED];
        static int64_t in_order[SHUFFLED];
        static int64_t arrivals[SHUFFLED];
        int expected[3];
        int found[3];

        random_shots(&random, shots);
        for (int i = 0; i < SHUFFLED; i++)
            in_order[i] = shots[i].at;
        shuffle(&random, shots, shuffled, arrivals);
        outcome(random, shots, in_order, 1, expected);
        outcome(random, shuffled, arrivals, 1, found);
        for (int key = 0; key < 3; key++) {
            seen[expected[key] + 1]++;
            if (expected[key] != found[key])
                fail_msg("seed %llu run %d key %d: in order %d, shuffled %d", (unsigned long long)lb_seed(), run, key,
                         expected[key], found[key]);
        }
    }
    /* The runs are worth something: not all alike. */
    assert_true(seen[2] > 0 && seen[3] > 0);
}

static void told_alike(const struct fixture *one, const struct fixture *other)
{
    assert_int_equal(one->told_count, other->told_count);
    for (uint32_t i = 0; i < one->told_count; i++) {
        assert_string_equal(one->told[i].line, other->told[i].line);
        assert_string_equal(one->told[i].message, other->told[i].message);
        assert_string_equal(one->told[i].id, other->told[i].id);
        assert_int_equal(one->told[i].at, other->told[i].at);
    }
}

static struct fixture *run_cut(const struct shot *shots, int cut)
{
    struct fixture *self = open_ground();

    self->rules[0] = count_rule("logins", MINUTE, "at least 9");
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 5");
    self->rules[0].for_ns = 10 * LB_SECOND;
    start(self);
    for (int from = 0; from < SHUFFLED; from += cut)
        send(self, shots + from, (uint32_t)(from + cut < SHUFFLED ? cut : SHUFFLED - from), 60 * MINUTE);
    return self;
}

static int compare_told(const void *a, const void *b)
{
    const struct told *left = a;
    const struct told *right = b;

    if (left->at != right->at)
        return left->at < right->at ? -1 : 1;
    return strcmp(left->line, right->line);
}

static void how_batches_are_cut_changes_nothing(void **state)
{
    uint64_t random = lb_seed();
    static struct shot shots[SHUFFLED];
    struct fixture *whole;

    (void)state;
    random_shots(&random, shots);
    whole = run_cut(shots, SHUFFLED);
    assert_true(whole->told_count > 10);
    qsort(whole->told, whole->told_count, sizeof(whole->told[0]), compare_told);
    for (int cut = 1; cut < SHUFFLED; cut = cut * 3 + 1) {
        struct fixture *pieces = run_cut(shots, cut);

        qsort(pieces->told, pieces->told_count, sizeof(pieces->told[0]), compare_told);
        told_alike(whole, pieces);
        close_ground(pieces);
    }
    close_ground(whole);
}

/* --- credit, threads, asking ---------------------------------------------- */

static void no_alert_is_lost_for_want_of_credit(void **state)
{
    struct fixture *self = open_pool(256 * 1024);
    static char keys[300][32];
    struct shot shots[300];

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 1");
    start(self);
    self->keep = true;
    for (int i = 0; i < 300; i++) {
        snprintf(keys[i], sizeof(keys[i]), "ip=10.0.2.%d", i);
        shots[i] = (struct shot){ i, keys[i], false, 0 };
    }
    send(self, shots, 300, LB_SECOND);
    assert_true(self->told_count < 300);
    while (!lb_alert_engine_flush(self->engine)) {
        struct lb_batch *batch = self->kept;

        assert_non_null(batch);
        self->kept = batch->next;
        lb_batch_unref(batch);
    }
    assert_int_equal(self->told_count, 300);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(self->told[i].at, BEGIN + i);
    close_ground(self);
}

static void the_thread_applies_what_is_queued_and_marks_it_done(void **state)
{
    struct fixture *self = open_ground();
    struct lb_stream *stream = lb_stream_new(self->streams, NULL);

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 20");
    start(self);
    assert_int_equal(lb_alert_engine_start(self->engine), LB_OK);
    for (int i = 0; i < 40; i++) {
        struct lb_batch *batch = lb_pool_take(self->share, 1024, stream);

        assert_non_null(batch);
        batch->arrival_ns = BEGIN + i;
        batch->records = lb_arena_zalloc(&batch->arena, sizeof(struct lb_record));
        batch->records[0].time_ns = BEGIN + i;
        batch->record_count = 1;
        batch->feeds = lb_arena_zalloc(&batch->arena, sizeof(struct lb_feed));
        batch->feeds[0].key = LB_STR("ip=10.0.0.1");
        batch->feed_count = 1;
        batch->position = (uint64_t)i;
        batch->position_end = (uint64_t)i + 1;
        lb_alert_engine_push(self->engine, batch, lb_token_issue(stream, SINKS, batch->position_end, false));
    }
    lb_alert_engine_stop(self->engine);
    assert_int_equal(lb_stream_mark(stream, SINKS), 40);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 19);
    lb_stream_unref(stream);
    close_ground(self);
}

static void tells_the_api_what_fires(void **state)
{
    struct fixture *self = open_ground();
    struct lb_buffer out;

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    start(self);
    lb_buffer_init(&out, 4096);
    lb_alert_engine_write(self->engine, &out);
    assert_text(lb_buffer_str(&out), "[]");
    for (int i = 0; i < 4; i++)
        send(self, &(struct shot){ i, i % 2 ? "ip=1" : "ip=2\"", false, 0 }, 1, i);
    lb_buffer_reset(&out);
    lb_alert_engine_write(self->engine, &out);
    assert_true(lb_json_valid(lb_buffer_str(&out)));
    lb_buffer_append_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "\"key\":{\"ip\":\"2\\\"\"},\"value\":2,\"threshold\":\"at least 2\""));
    assert_non_null(strstr(out.ptr, "\"key\":{\"ip\":\"1\"}"));
    lb_buffer_free(&out);
    close_ground(self);
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    for (int n = 1; n < 40; n++) {
        struct fixture *self = open_ground();

        self->rules[0] = count_rule("logins", MINUTE, "at least 2");
        atomic_store(&lb_alloc_fail_at, n);
        self->engine = lb_alert_engine_new(&self->alerting, SINKS, self->streams, self->share, deliver, self);
        for (int i = 0; self->engine != NULL && i < 30; i++)
            hit(self, i);
        atomic_store(&lb_alloc_fail_at, 0);
        close_ground(self);
    }
}

/* --- frequency rules of the corpus ---------------------------------------- */

static int64_t corpus_number(struct lb_str value)
{
    return value.ptr != NULL ? strtoll(value.ptr, NULL, 10) : 0;
}

static int64_t corpus_time(struct lb_str value)
{
    int64_t time = 0;

    assert_true(lb_time_rfc3339(corpus_text(value), &time));
    return time;
}

/* `count` records of that key at that time. */
static void shoot(struct fixture *self, int64_t time, struct lb_str key, int64_t count)
{
    char text[64];
    struct shot shots[100];

    snprintf(text, sizeof(text), "ip=" LB_STR_FMT, LB_STR_ARG(key));
    for (int64_t i = 0; i < count; i++)
        shots[i] = (struct shot){ time - BEGIN, text, false, 0 };
    if (count > 0)
        send(self, shots, (uint32_t)count, time - BEGIN);
}

/* An array's elements; `element` is its next, or false. */
static bool next_of(struct lb_str *array, struct lb_str *element)
{
    const char *ptr = corpus_skip_blanks(array->ptr);

    if (*ptr == ']')
        return false;
    element->ptr = ptr;
    array->ptr = corpus_skip(ptr);
    element->len = (size_t)(array->ptr - ptr);
    return true;
}

static struct lb_str inside(struct lb_str array)
{
    return (struct lb_str){ array.ptr + 1, array.len - 1 };
}

static void shoot_events(struct fixture *self, struct lb_str args, const char *timestamp)
{
    struct lb_str events = inside(inside(args));
    struct lb_str event;

    events.ptr = corpus_skip_blanks(events.ptr);
    while (next_of(&events, &event))
        shoot(self, corpus_time(corpus_get(event, timestamp)), LB_STR("all"), 1);
}

/* [{"time": [{"key":…, "doc_count":…}]}] */
static void shoot_terms(struct fixture *self, struct lb_str args)
{
    const char *name = corpus_skip_blanks(args.ptr + 1) + 1;
    struct lb_str time = { name, 0 };
    struct lb_str terms;
    struct lb_str term;

    time.len = (size_t)(corpus_skip(time.ptr) - time.ptr);
    terms = inside((struct lb_str){ corpus_skip_blanks(time.ptr + time.len), 1 });
    while (next_of(&terms, &term))
        shoot(self, corpus_time(time), corpus_text(corpus_get(term, "key")),
              corpus_number(corpus_get(term, "doc_count")));
}

static uint32_t count_of(struct lb_str array)
{
    struct lb_str rest = inside(array);
    struct lb_str element;
    uint32_t count = 0;

    while (next_of(&rest, &element))
        count++;
    return count;
}

static void replay(struct lb_str trace)
{
    struct fixture *self = open_ground();
    struct lb_str config = corpus_get(trace, "config");
    struct lb_str timestamp = corpus_text(corpus_get(config, "timestamp_field"));
    struct lb_str steps = inside(corpus_get(trace, "steps"));
    struct lb_str step;
    char name[32] = "@timestamp";
    char text[64];

    if (timestamp.len > 0)
        snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(timestamp));
    snprintf(text, sizeof(text), "at least %lld", (long long)corpus_number(corpus_get(config, "num_events")));
    self->rules[0] = count_rule(
        "frequency", corpus_number(corpus_get(corpus_get(config, "timeframe"), "seconds")) * LB_SECOND, text);
    start(self);
    self->engine->now = self->engine->ticked = 0; /* the traces lie before BEGIN */
    while (next_of(&steps, &step)) {
        uint32_t before = self->told_count;
        struct lb_str args = corpus_get(step, "args");

        if (lb_str_is(corpus_get(step, "op"), "\"add_data\""))
            shoot_events(self, args, name);
        else if (lb_str_is(corpus_get(step, "op"), "\"add_terms_data\""))
            shoot_terms(self, args);
        assert_int_equal(self->told_count - before, count_of(corpus_get(step, "new_matches")));
    }
    close_ground(self);
}

static void frequency_rules_of_others_match_where_they_do(void **state)
{
    struct corpus corpus;
    struct lb_str line;
    int replayed = 0;

    (void)state;
    if (!corpus_open(&corpus, "rules/traces.jsonl"))
        skip();
    while (corpus_next(&corpus, &line)) {
        if (!lb_str_is(corpus_get(line, "class"), "\"FrequencyRule\""))
            continue;
        replay(line);
        replayed++;
    }
    corpus_close(&corpus);
    assert_true(replayed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_at_the_very_record_that_makes_it_enough),
        cmocka_unit_test(two_records_exactly_one_window_apart_are_not_in_one_window),
        cmocka_unit_test(resolves_exactly_once_when_the_window_empties),
        cmocka_unit_test(counts_on_across_a_match),
        cmocka_unit_test(keeps_keys_apart),
        cmocka_unit_test(a_ratio_waits_for_enough_records),
        cmocka_unit_test(levels_rise_and_fall_as_one_alert),
        cmocka_unit_test(too_few_to_judge_keeps_it_for_one_more_window),
        cmocka_unit_test(waits_for_as_long_as_for_says),
        cmocka_unit_test(cooldown_holds_back_all_but_what_is_worse),
        cmocka_unit_test(who_was_called_is_called_off),
        cmocka_unit_test(silence_is_told_when_a_whole_window_was_silent_and_none_can_come_late),
        cmocka_unit_test(a_late_heartbeat_is_no_silence),
        cmocka_unit_test(one_record_from_the_future_blinds_nobody),
        cmocka_unit_test(a_burst_that_is_completed_late_is_found),
        cmocka_unit_test(what_is_too_late_is_counted_and_ignored),
        cmocka_unit_test(old_records_end_in_one_summary),
        cmocka_unit_test(what_still_fires_when_it_has_caught_up_is_told),
        cmocka_unit_test(a_stream_that_is_behind_is_judged_by_its_own_time),
        cmocka_unit_test(a_flood_of_keys_is_bounded_and_does_not_stop_what_fires),
        cmocka_unit_test(silent_keys_are_forgotten),
        cmocka_unit_test(steady_work_allocates_nothing),
        cmocka_unit_test(order_within_lateness_changes_nothing),
        cmocka_unit_test(how_batches_are_cut_changes_nothing),
        cmocka_unit_test(no_alert_is_lost_for_want_of_credit),
        cmocka_unit_test(the_thread_applies_what_is_queued_and_marks_it_done),
        cmocka_unit_test(tells_the_api_what_fires),
        cmocka_unit_test(survives_every_failing_allocation),
        cmocka_unit_test(frequency_rules_of_others_match_where_they_do),
    };

    return cmocka_run_group_tests_name("route/alert_engine", tests, NULL, NULL);
}
