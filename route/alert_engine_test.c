/* alert_engine_test.c - floods, credit, its thread, and what the API sees. */
#include "alert_ground.h"
#include "lb_json.h"

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
    struct lb_buffer out;

    (void)state;
    lb_buffer_init(&out, 4096);
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
        lb_buffer_reset(&out);
        lb_alert_engine_write(self->engine, &out);
        assert_true(lb_json_valid(lb_buffer_str(&out)));
    }
    lb_alert_engine_stop(self->engine);
    assert_int_equal(lb_stream_mark(stream, SINKS), 40);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 19);
    lb_buffer_free(&out);
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

static void note_done(void *context)
{
    *(bool *)context = true;
}

/* Has rule 0 of `before` stand second in `after`, and sink 1 first. */
static void other_rules_take_over_and_what_is_kept_goes_on(void **state)
{
    struct fixture *self = open_ground();
    struct lb_alert_rule rules[3];
    struct lb_alerting after = self->alerting;
    bool done = false;

    (void)state;
    self->rules[0] = count_rule("kept", 10 * MINUTE, "at least 3");
    self->rules[1] = count_rule("gone", 10 * MINUTE, "at least 1");
    self->alerting.rule_count = 2;
    start(self);
    hit(self, 0);
    hit(self, 1);
    send(self, &(struct shot){ 2, "ip=1", false, 1 }, 1, 2);
    assert_int_equal(self->told_count, 1);

    rules[0] = count_rule("fresh", 10 * MINUTE, "at least 3");
    rules[1] = count_rule("kept", 10 * MINUTE, "at least 3");
    rules[1].sinks = 1 << PAGER;
    after.rules = rules;
    after.rule_count = 2;
    struct lb_alert_change *change = lb_alert_change_new(&after, SINKS);
    change->kept[1] = 0;
    change->sinks[ARCHIVE] = PAGER;
    change->done = note_done;
    change->context = &done;
    lb_engine_take_change(self->engine, change);
    assert_false(done);
    lb_engine_note_changed(self->engine); /* the end of "gone" has not left yet */
    assert_false(done);
    lb_alert_engine_flush(self->engine);
    lb_engine_note_changed(self->engine);
    assert_true(done);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "gone {\"ip\":\"1\"} resolved critical");
    assert_int_equal(self->told[1].sinks, 1 << ARCHIVE); /* by the numbers of before */

    /* Two hits before the change and one after: rule 1 is the one that goes on. */
    send(self, &(struct shot){ 3, "ip=10.0.0.1", false, 0 }, 1, 3);
    assert_int_equal(self->told_count, 2);
    send(self, &(struct shot){ 4, "ip=10.0.0.1", false, 1 }, 1, 4);
    assert_int_equal(self->told_count, 3);
    assert_string_equal(self->told[2].line, "kept " IP1 " firing critical");
    assert_int_equal(self->told[2].sinks, 1 << PAGER);
    close_ground(self);
}

static void who_was_told_is_called_off_by_the_new_number(void **state)
{
    struct fixture *self = open_ground();
    struct lb_alerting after = self->alerting;
    struct lb_alert_rule rule;

    (void)state;
    self->rules[0] = count_rule("kept", MINUTE, "at least 1");
    start(self);
    hit(self, 0);
    assert_int_equal(self->told[0].sinks, 1 << ARCHIVE);
    rule = self->rules[0];
    rule.sinks = 0;
    after.rules = &rule;
    struct lb_alert_change *change = lb_alert_change_new(&after, SINKS);
    change->kept[0] = 0;
    change->sinks[ARCHIVE] = PAGER;
    lb_engine_take_change(self->engine, change);
    idle(self, LB_SECOND, 5 * MINUTE);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "kept " IP1 " resolved critical");
    assert_int_equal(self->told[1].sinks, 1 << PAGER);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_keys_is_bounded_and_does_not_stop_what_fires),
        cmocka_unit_test(silent_keys_are_forgotten),
        cmocka_unit_test(steady_work_allocates_nothing),
        cmocka_unit_test(no_alert_is_lost_for_want_of_credit),
        cmocka_unit_test(the_thread_applies_what_is_queued_and_marks_it_done),
        cmocka_unit_test(tells_the_api_what_fires),
        cmocka_unit_test(other_rules_take_over_and_what_is_kept_goes_on),
        cmocka_unit_test(who_was_told_is_called_off_by_the_new_number),
        cmocka_unit_test(survives_every_failing_allocation),
    };

    return cmocka_run_group_tests_name("route/alert_engine", tests, NULL, NULL);
}
