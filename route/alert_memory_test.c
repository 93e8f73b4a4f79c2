/* alert_memory_test.c - the file of what rules know: written whole or not at all, read back, never trusted. */
#include "alert_ground.h"

#include "alert_memory.h"

static struct lb_alert_runner *find(void *context, struct lb_str rule)
{
    struct lb_alert_engine *engine = context;

    (void)rule;
    return &engine->runners[0];
}

static struct lb_str names[] = { { "archive", 7 }, { "pager", 5 } };
static const struct lb_strs sinks = { names, 2 };

/* Saves all that the engine knows, now. */
static bool save_all(struct fixture *self, struct lb_alert_memory *memory)
{
    const struct lb_alert_knowledge knowledge = { self->engine->runners, 1, &self->engine->notifier, &sinks, 0 };

    return lb_alert_memory_tick(memory, &knowledge, true);
}

static char *state_path(void)
{
    static char path[64];

    snprintf(path, sizeof(path), "/tmp/lb_alert_memory_test.%d", (int)getpid());
    return path;
}

/* Four records in a durable stream, applied and saved. */
static struct fixture *saved(void)
{
    struct fixture *self = open_ground();

    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 100");
    self->input.durable = true;
    unlink(state_path());
    start(self);
    assert_true(lb_alert_engine_remember(self->engine, state_path()));
    for (int i = 0; i < 4; i++) {
        struct shot shot = { i * LB_SECOND, "ip=10.0.0.1", false, 0 };
        struct lb_batch batch = batch_of(self, &shot, 1, shot.at);

        batch.position = (uint64_t)i * 100;
        batch.position_end = batch.position + 100;
        batch.records[0].end = 100;
        lb_alert_engine_apply(self->engine, &batch);
        lb_alert_memory_applied(self->engine->memory, &batch, NULL);
    }
    assert_true(save_all(self, self->engine->memory));
    return self;
}

static void begin_again(struct fixture *self)
{
    lb_alert_engine_free(self->engine);
    start(self);
    assert_true(lb_alert_engine_remember(self->engine, state_path()));
}

static void close_saved(struct fixture *self)
{
    close_ground(self);
    unlink(state_path());
}

static void leaves_out_what_it_holds_and_applies_the_rest(void **state)
{
    struct fixture *self = saved();

    (void)state;
    begin_again(self);
    assert_int_equal(self->engine->runners[0].keys.count, 1);
    assert_true(lb_alert_memory_holds(self->engine->memory, &self->input, 400));
    assert_false(lb_alert_memory_holds(self->engine->memory, &self->input, 401));
    assert_false(lb_alert_memory_holds(self->engine->memory, &self->input2, 1));
    for (int i = 2; i < 6; i++) {
        struct shot shot = { i * LB_SECOND, "ip=10.0.0.1", false, 0 };
        struct lb_batch batch = batch_of(self, &shot, 1, shot.at);

        batch.position = (uint64_t)i * 100;
        batch.records[0].end = 100;
        lb_alert_engine_apply(self->engine, &batch);
    }
    assert_int_equal(
        lb_alert_keys_find(&self->engine->runners[0].keys, LB_STR("ip=10.0.0.1"), lb_alert_hash(LB_STR("ip=10.0.0.1")))
            ->totals.count,
        6);
    close_saved(self);
}

/* A byte wrong, or an end that is missing, anywhere. */
static void a_damaged_file_costs_knowledge_and_nothing_else(void **state)
{
    struct fixture *self = saved();
    char bytes[16384];
    FILE *file = fopen(state_path(), "rb");

    (void)state;
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_in_range(len, 100, sizeof(bytes) - 1);
    for (size_t at = 0; at < len; at += 7) {
        for (int cut = 0; cut < 2; cut++) {
            file = fopen(state_path(), "wb");
            bytes[at] ^= 0x10;
            assert_int_equal(fwrite(bytes, 1, cut != 0 ? at : len, file), cut != 0 ? at : len);
            fclose(file);
            bytes[at] ^= 0x10;
            begin_again(self);
            assert_in_range(self->engine->runners[0].keys.count, 0, 1);
        }
    }
    lb_alert_memory_load(self->engine->memory, &sinks, &self->engine->notifier, find, self->engine);
    close_saved(self);
}

static void what_cannot_be_written_is_not_said_to_be_safe(void **state)
{
    struct fixture *self = open_ground();
    struct lb_alert_memory *memory = lb_alert_memory_new("/nonexistent/alerts.state");
    struct shot shot = { 0, "ip=10.0.0.1", false, 0 };

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    start(self);
    assert_non_null(memory);
    struct lb_batch batch = batch_of(self, &shot, 1, 0);
    lb_alert_memory_applied(memory, &batch, NULL);
    assert_false(save_all(self, memory));
    lb_alert_memory_free(memory);
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_out_what_it_holds_and_applies_the_rest),
        cmocka_unit_test(a_damaged_file_costs_knowledge_and_nothing_else),
        cmocka_unit_test(what_cannot_be_written_is_not_said_to_be_safe),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/alert_memory", tests, NULL, NULL);
}
