/* alert_tops_test.c - which values are common among the records of an alert, and when they are counted. */
#include "alert_ground.h"

#include "lb_buffer.h"

static struct lb_alert_rule rule;

static void add_one(struct lb_alert_tops *tops, const char *ip, const char *id, const char *path)
{
    char space[256];
    struct lb_scratch scratch = { space, sizeof(space), 0 };
    struct lb_field fields[] = {
        { lb_value_text(LB_STR("ip")), lb_value_text(lb_str_from(ip)) },
        { lb_value_text(LB_STR("trace_id")), lb_value_text(lb_str_from(id)) },
        { lb_value_text(LB_STR("path")), lb_value_text(lb_str_from(path)) },
        { lb_value_text(LB_STR("took")), lb_value_of(LB_STR("1.5"), LB_VALUE_NUMBER) },
        { lb_value_text(LB_STR("status")), lb_value_of(LB_STR("500"), LB_VALUE_NUMBER) },
    };
    struct lb_record record = { .service = lb_value_text(LB_STR("shop")), .fields = fields, .field_count = 5 };

    lb_alert_tops_add(tops, &rule, &record, &scratch);
}

static void expect_text(const struct lb_alert_tops *tops, const char *expected)
{
    struct lb_buffer out;

    lb_buffer_init(&out, 64 * 1024);
    assert_int_equal(lb_alert_tops_write(&out, tops), expected[0] != '\0');
    lb_buffer_append_char(&out, '\0');
    assert_string_equal(out.ptr, expected);
    lb_buffer_free(&out);
}

static void the_common_values_are_shown_and_ids_are_not(void **state)
{
    struct lb_alert_tops *tops = lb_alloc(sizeof(*tops));

    (void)state;
    rule = (struct lb_alert_rule){ .by = { by_ip, 1 } };
    for (int i = 0; i < 200; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%08x", i * 7919);
        add_one(tops, "10.0.0.1", id, i % 4 == 0 ? "/a \"b\"" : "/login");
    }
    /* `ip` is the key, `took` is measured, each `trace_id` is another one. */
    expect_text(tops,
                "{\"service\":{\"shop\":200},\"path\":{\"/login\":150,\"/a \\\"b\\\"\":50},\"status\":{\"500\":200}}");
    /* The place of the ids is free again. */
    assert_int_equal(tops->passed_count, 1);
    assert_true(lb_alert_tops_bytes(tops) <= sizeof(*tops) + 3 * sizeof(struct lb_alert_tops_field));
    lb_alert_tops_free(tops);
}

static void what_came_once_is_not_said(void **state)
{
    struct lb_alert_tops *tops = lb_alloc(sizeof(*tops));

    (void)state;
    rule = (struct lb_alert_rule){ 0 };
    expect_text(NULL, "");
    add_one(tops, "10.0.0.1", "x", "/");
    expect_text(tops, "");
    lb_alert_tops_free(tops);
}

static void fields_are_bounded(void **state)
{
    struct lb_alert_tops *tops = lb_alloc(sizeof(*tops));
    char space[256];
    char names[40][16];
    struct lb_scratch scratch = { space, sizeof(space), 0 };
    struct lb_field fields[40];
    struct lb_record record = { .fields = fields, .field_count = 40 };

    (void)state;
    rule = (struct lb_alert_rule){ 0 };
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof(names[i]), "f%d", i);
        fields[i] = (struct lb_field){ lb_value_text(lb_str_from(names[i])), lb_value_text(LB_STR("x")) };
    }
    for (int i = 0; i < 1000; i++)
        lb_alert_tops_add(tops, &rule, &record, &scratch);
    assert_int_equal(lb_alert_tops_bytes(tops), sizeof(*tops) + LB_TOPS_FIELDS * sizeof(struct lb_alert_tops_field));
    lb_alert_tops_free(tops);
}

/* The engine's key of that address. */
static struct lb_alert_key *key_of_ip(struct fixture *self, const char *text)
{
    struct lb_str key = lb_str_from(text);

    return lb_alert_keys_find(&self->engine->runners[0].keys, key, lb_alert_hash(key));
}

static void a_quiet_key_counts_nothing_and_one_that_is_close_does(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 10");
    start(self);
    for (int i = 0; i < 4; i++)
        hit(self, i * LB_SECOND);
    assert_null(key_of_ip(self, "ip=10.0.0.1")->tops);
    hit(self, 4 * LB_SECOND);
    assert_non_null(key_of_ip(self, "ip=10.0.0.1")->tops);
    assert_int_equal(self->engine->runners[0].keys.tops, 1);
    /* The window has emptied: what there was is forgotten with the next record. */
    idle(self, 5 * LB_SECOND, 80 * LB_SECOND);
    hit(self, 81 * LB_SECOND);
    assert_null(key_of_ip(self, "ip=10.0.0.1")->tops);
    assert_int_equal(self->engine->runners[0].keys.tops, 0);
    close_ground(self);
}

static void so_many_keys_of_a_rule_and_no_more(void **state)
{
    struct fixture *self = open_ground();
    char keys[100][32];

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 1");
    self->rules[0].sinks = 0;
    start(self);
    for (int i = 0; i < 100; i++) {
        snprintf(keys[i], sizeof(keys[i]), "ip=10.0.0.%d", i);
        send(self, &(struct shot){ 0, keys[i], false, 0 }, 1, 0);
    }
    assert_int_equal(self->engine->runners[0].keys.tops, LB_TOPS_KEYS);
    idle(self, LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->engine->runners[0].keys.tops, 0);
    close_ground(self);
}

static void only_rules_that_count_and_look_up(void **state)
{
    double from = 0;

    (void)state;
    rule = count_rule("a", MINUTE, "at least 10");
    assert_true(lb_alert_tops_from(&rule, &from));
    assert_true(from == 5);
    rule = count_rule("a", MINUTE, "below 10");
    assert_false(lb_alert_tops_from(&rule, &from));
    rule = count_rule("a", MINUTE, "above 10");
    rule.function = LB_ALERT_AVG;
    assert_false(lb_alert_tops_from(&rule, &from));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_common_values_are_shown_and_ids_are_not),
        cmocka_unit_test(what_came_once_is_not_said),
        cmocka_unit_test(fields_are_bounded),
        cmocka_unit_test(a_quiet_key_counts_nothing_and_one_that_is_close_does),
        cmocka_unit_test(so_many_keys_of_a_rule_and_no_more),
        cmocka_unit_test(only_rules_that_count_and_look_up),
    };

    return cmocka_run_group_tests_name("route/alert_tops", tests, NULL, NULL);
}
