/* filters_test.c - what each filter does to a record, and what it must not do. */
#include "lb_test.h"
#include "lb_test_record.h"

#include "filters.c"

#include "lb_expr.h"
#include "lb_template.h"

static const char *const subject =
    "{\"level\":\"info\",\"service\":\"pay\",\"host\":\"web\",\"message\":\"hello\",\"user\":\"eve\",\"password\":"
    "\"x\","
    "\"password\":\"y\",\"compose\":{\"service\":\"cart\",\"project\":\"shop\"},\"n\":7,\"sev\":\"crit\","
    "\"esc\":\"a\\\"b\",\"http\":{ \"headers\" : {\"cookie\":\"s\\\"ec{ret\", \"c\\\"k\":1 , \"x.y\":2},\"status\":200 "
    "},"
    "\"when\":\"2026-02-03T04:05:06Z\",\"nothing\":null}";

struct lb_place lb_section_place(const struct lb_section *section, const char *option);

/* Stands in where conf/ is not linked. */
__attribute__((weak)) struct lb_place lb_section_place(const struct lb_section *section, const char *option)
{
    (void)section;
    (void)option;
    return (struct lb_place){ "t", 4, 2 };
}

struct fixture {
    struct lb_batch batch;
    struct lb_record record;
    struct lb_scratch scratch;
    struct lb_diag diag;
    char memory[4096];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    lb_arena_init(&fixture->batch.arena, 1 << 20);
    fixture->record = lb_test_record(&fixture->batch.arena, subject);
    fixture->scratch = (struct lb_scratch){ fixture->memory, sizeof(fixture->memory), 0 };
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    lb_diag_free(&fixture->diag);
    lb_arena_free(&fixture->batch.arena);
    free(fixture);
    return 0;
}

/* Each of these filters has one option, the one that `whole` names. */
union state {
    const struct lb_expr *where;
    struct lb_strs strings;
    struct lb_pairs pairs;
    struct lb_template_pairs templates;
};

static const struct lb_filter_type *type_of(const char *name)
{
    const struct lb_filter_type *type = lb_filter_find(lb_str_from(name));

    assert_non_null(type);
    assert_int_equal(type->module.options[0].offset, 0);
    assert_string_equal(type->module.options[0].name, type->module.whole);
    assert_null(type->module.options[1].name);
    return type;
}

static enum lb_verdict apply(struct fixture *fixture, const char *name, const union state *filter)
{
    const struct lb_filter_type *type = type_of(name);
    union state copy = *filter;

    if (type->open != NULL)
        assert_int_equal(type->open(&copy, NULL, &fixture->diag), LB_OK);
    return type->apply(&copy, &fixture->record, &fixture->batch, &fixture->scratch);
}

static enum lb_verdict apply_where(struct fixture *fixture, const char *name, const char *text)
{
    struct lb_expr *expr =
        lb_expr_new(&fixture->batch.arena, lb_str_from(text), (struct lb_place){ "t", 1, 1 }, &fixture->diag);
    enum lb_verdict verdict;

    assert_non_null(expr);
    verdict = apply(fixture, name, &(union state){ .where = expr });
    lb_expr_free(expr);
    return verdict;
}

static void apply_pair(struct fixture *fixture, const char *filter, const char *name, const char *value)
{
    struct lb_pair pair = { lb_str_from(name), lb_str_from(value) };

    assert_int_equal(apply(fixture, filter, &(union state){ .pairs = { &pair, 1 } }), LB_PASS);
}

static void set(struct fixture *fixture, const char *name, const char *text)
{
    struct lb_template_pair pair = { .name = lb_str_from(name) };

    pair.value =
        lb_template_new(&fixture->batch.arena, lb_str_from(text), (struct lb_place){ "t", 1, 1 }, &fixture->diag);
    assert_non_null(pair.value);
    assert_int_equal(apply(fixture, "set", &(union state){ .templates = { &pair, 1 } }), LB_PASS);
}

static void remove_name(struct fixture *fixture, const char *name)
{
    struct lb_str item = lb_str_from(name);

    assert_int_equal(apply(fixture, "remove", &(union state){ .strings = { &item, 1 } }), LB_PASS);
}

/* The text of a field, "-" if it is missing. */
static struct lb_str get(struct fixture *fixture, const char *name)
{
    struct lb_value value = lb_record_get(&fixture->record, lb_str_from(name), &fixture->scratch);

    return value.kind != LB_VALUE_NONE ? lb_value_str(value, &fixture->scratch) : LB_STR("-");
}

static void drop_and_keep_are_opposites(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(apply_where(fixture, "drop", "level == info"), LB_DROP);
    assert_int_equal(apply_where(fixture, "drop", "level == debug"), LB_PASS);
    assert_int_equal(apply_where(fixture, "keep", "level == info"), LB_PASS);
    assert_int_equal(apply_where(fixture, "keep", "level == debug"), LB_DROP);
}

static void set_wins_over_everything(void **state)
{
    struct fixture *fixture = *state;

    set(fixture, "environment", "production");
    set(fixture, "user", "{service}:{user}:{esc}:{missing|none}");
    set(fixture, "service", "shop");
    set(fixture, "host", "{n}");
    set(fixture, "message", "{message}, {user}");
    set(fixture, "level", "WARNING");
    set(fixture, "timestamp", "2026-03-04T05:06:07Z");
    set(fixture, "a.b", "dotted");
    assert_text(get(fixture, "environment"), "production");
    assert_text(get(fixture, "user"), "pay:eve:a\"b:none");
    assert_text(get(fixture, "service"), "shop");
    assert_text(get(fixture, "host"), "7");
    assert_text(get(fixture, "message"), "hello, pay:eve:a\"b:none");
    assert_text(get(fixture, "level"), "warn");
    assert_text(get(fixture, "timestamp"), "2026-03-04T05:06:07Z");
    assert_text(get(fixture, "a.b"), "dotted");
}

static void set_leaves_alone_what_it_cannot_read(void **state)
{
    struct fixture *fixture = *state;
    struct lb_str before = get(fixture, "timestamp");

    set(fixture, "level", "{missing}");
    set(fixture, "timestamp", "yesterday or so");
    assert_text(get(fixture, "level"), "info");
    assert_true(lb_str_equal(get(fixture, "timestamp"), before));
}

static void a_full_arena_leaves_the_record_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct lb_template_pair pair = { .name = LB_STR("user") };
    union state filter = { .templates = { &pair, 1 } };

    pair.value =
        lb_template_new(&fixture->batch.arena, LB_STR("{message} {n}"), (struct lb_place){ "t", 1, 1 }, &fixture->diag);
    fixture->batch.arena.next = fixture->batch.arena.end;
    fixture->batch.arena.bytes_max = fixture->batch.arena.bytes_held;
    assert_int_equal(apply(fixture, "set", &filter), LB_PASS);
    assert_text(get(fixture, "user"), "eve");
}

static void copy_takes_from_nested_objects_and_leading_keys(void **state)
{
    struct fixture *fixture = *state;

    apply_pair(fixture, "copy", "service", "compose.service");
    apply_pair(fixture, "copy", "project", "compose.project");
    apply_pair(fixture, "copy", "old_level", "level");
    apply_pair(fixture, "copy", "at", "timestamp");
    apply_pair(fixture, "copy", "level", "sev");
    apply_pair(fixture, "copy", "timestamp", "when");
    apply_pair(fixture, "copy", "user", "missing");
    apply_pair(fixture, "copy", "count", "n");
    fixture->scratch.used = 0;
    memset(fixture->memory, '#', sizeof(fixture->memory));
    assert_text(get(fixture, "service"), "cart");
    assert_text(get(fixture, "compose.service"), "cart");
    assert_text(get(fixture, "project"), "shop");
    assert_text(get(fixture, "old_level"), "info");
    assert_text(get(fixture, "at"), "2026-01-01T00:00:00Z");
    assert_text(get(fixture, "level"), "critical");
    assert_text(get(fixture, "timestamp"), "2026-02-03T04:05:06Z");
    assert_text(get(fixture, "user"), "eve");
    assert_int_equal(lb_record_field(&fixture->record, LB_STR("count"))->value.kind, LB_VALUE_NUMBER);
}

static void rename_moves_a_field_and_keeps_its_place(void **state)
{
    struct fixture *fixture = *state;
    struct lb_field *user = lb_record_field(&fixture->record, LB_STR("user"));

    apply_pair(fixture, "rename", "user", "who");
    assert_text(get(fixture, "who"), "eve");
    assert_text(get(fixture, "user"), "-");
    assert_ptr_equal(lb_record_field(&fixture->record, LB_STR("who")), user);
    apply_pair(fixture, "rename", "who", "n");
    assert_text(get(fixture, "n"), "eve");
    apply_pair(fixture, "rename", "password", "secret");
    assert_text(get(fixture, "secret"), "x");
    assert_text(get(fixture, "password"), "-");
    apply_pair(fixture, "rename", "missing", "n");
    assert_text(get(fixture, "n"), "eve");
    apply_pair(fixture, "rename", "n", "n");
    assert_text(get(fixture, "n"), "eve");
}

static void rename_moves_leading_keys_and_nested_members(void **state)
{
    struct fixture *fixture = *state;

    apply_pair(fixture, "rename", "service", "app");
    assert_text(get(fixture, "app"), "pay");
    assert_text(get(fixture, "service"), "-");
    apply_pair(fixture, "rename", "sev", "level");
    assert_text(get(fixture, "level"), "critical");
    assert_text(get(fixture, "sev"), "-");
    apply_pair(fixture, "rename", "user", "level");
    assert_text(get(fixture, "user"), "eve");
    assert_text(get(fixture, "level"), "critical");
    apply_pair(fixture, "rename", "compose.service", "service");
    assert_text(get(fixture, "service"), "cart");
    assert_text(get(fixture, "compose"), "{\"project\":\"shop\"}");
    apply_pair(fixture, "rename", "level", "old");
    assert_text(get(fixture, "old"), "critical");
    assert_int_equal(fixture->record.level, LB_LEVEL_NONE);
}

static void remove_removes_every_field_of_that_name(void **state)
{
    struct fixture *fixture = *state;

    remove_name(fixture, "password");
    remove_name(fixture, "host");
    remove_name(fixture, "level");
    remove_name(fixture, "missing");
    assert_text(get(fixture, "password"), "-");
    assert_text(get(fixture, "host"), "-");
    assert_text(get(fixture, "level"), "-");
    assert_text(get(fixture, "user"), "eve");
}

static void remove_reaches_into_nested_objects(void **state)
{
    static const struct {
        const char *object;
        const char *name;
        const char *expected;
    } rows[] = {
        { "{\"a\":1}", "o.a", "{}" },
        { "{ \"a\" : 1 }", "o.a", "{}" },
        { "{\"a\":1,\"b\":2}", "o.a", "{\"b\":2}" },
        { "{\"a\":1,\"b\":2}", "o.b", "{\"a\":1}" },
        { "{\"a\":1 , \"b\":2 , \"c\":3}", "o.b", "{\"a\":1 ,  \"c\":3}" },
        { "{\"a\":\"x\",\"b\":\"y\"}", "o.a", "{\"b\":\"y\"}" },
        { "{\"a\":\"x\",\"b\":\"y\"}", "o.b", "{\"a\":\"x\"}" },
        { "{\"a\":\"}\\\"{,\",\"b\":\"\\\\\"}", "o.a", "{\"b\":\"\\\\\"}" },
        { "{\"a\":\"}\\\"{,\",\"b\":\"\\\\\"}", "o.b", "{\"a\":\"}\\\"{,\"}" },
        { "{\"q\\\"\\\\\":1,\"b\":2}", "o.q\"\\", "{\"b\":2}" },
        { "{\"a\":{\"b\":{\"c\":1,\"d\":[1,2]}},\"z\":0}", "o.a.b.c", "{\"a\":{\"b\":{\"d\":[1,2]}},\"z\":0}" },
        { "{\"a\":{\"b\":{\"c\":1,\"d\":[1,2]}},\"z\":0}", "o.a.b.d", "{\"a\":{\"b\":{\"c\":1}},\"z\":0}" },
        { "{\"a\":{\"b\":1},\"z\":0}", "o.a", "{\"z\":0}" },
        { "{\"a.b\":1,\"a\":{\"b\":2},\"z\":0}", "o.a.b", "{\"a\":{},\"z\":0}" },
        { "{\"a\":1,\"b\":2,\"a\":3,\"a\":4}", "o.a", "{\"b\":2}" },
        { "{\"a\":1}", "o.b", "{\"a\":1}" },
        { "{\"a\":1}", "o.a.b", "{\"a\":1}" },
        { "{\"a\":null,\"b\":true}", "o.a", "{\"b\":true}" },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lb_field field = { lb_value_text(LB_STR("o")),
                                  lb_value_of(lb_str_from(rows[i].object), LB_VALUE_OBJECT) };

        fixture->record.fields = &field;
        fixture->record.field_count = 1;
        remove_name(fixture, rows[i].name);
        if (!lb_str_is((struct lb_str){ field.value.ptr, field.value.len }, rows[i].expected))
            fail_msg("%s without %s: got " LB_STR_FMT, rows[i].object, rows[i].name, (int)field.value.len,
                     field.value.ptr);
    }
}

static void remove_gives_up_the_object_rather_than_leave_one(void **state)
{
    struct fixture *fixture = *state;
    char text[1024] = "{\"a\":0";

    for (int i = 0; i < 40; i++)
        strcat(text, ",\"a\":1");
    strcat(text, ",\"b\":2}");
    struct lb_field field = { lb_value_text(LB_STR("o")), lb_value_of(lb_str_from(text), LB_VALUE_OBJECT) };
    fixture->record.fields = &field;
    fixture->record.field_count = 1;
    remove_name(fixture, "o.a");
    assert_text(((struct lb_str){ field.value.ptr, field.value.len }), "{}");
}

static void remove_reaches_members_that_are_no_fields(void **state)
{
    struct fixture *fixture = *state;

    fixture->record.rest = LB_STR("\"p\":1,\"token\":\"x\",\"q\":{\"token\":2}");
    remove_name(fixture, "token");
    assert_text(fixture->record.rest, "\"p\":1,\"q\":{\"token\":2}");
    remove_name(fixture, "q.token");
    assert_text(fixture->record.rest, "\"p\":1,\"q\":{}");
    remove_name(fixture, "p");
    remove_name(fixture, "q");
    assert_text(fixture->record.rest, "");
}

static void the_timestamp_cannot_be_removed_or_renamed(void **state)
{
    struct fixture *fixture = *state;
    struct lb_str name = LB_STR("timestamp");
    struct lb_pair pair = { name, LB_STR("t") };
    struct lb_pair empty = { LB_STR("a"), LB_STR("") };
    union state removing = { .strings = { &name, 1 } };
    union state renaming = { .pairs = { &pair, 1 } };
    union state emptying = { .pairs = { &empty, 1 } };

    assert_int_equal(type_of("remove")->open(&removing, NULL, &fixture->diag), LB_BAD_CONF);
    assert_int_equal(type_of("rename")->open(&renaming, NULL, &fixture->diag), LB_BAD_CONF);
    assert_int_equal(type_of("rename")->open(&emptying, NULL, &fixture->diag), LB_BAD_CONF);
    assert_int_equal(fixture->diag.errors, 3);
}

static void finds_filters_by_name(void **state)
{
    (void)state;
    assert_null(lb_filter_find(LB_STR("frob")));
    for (size_t i = 0; lb_filters_all()[i] != NULL; i++)
        assert_ptr_equal(lb_filter_find(lb_str_from(lb_filters_all()[i]->module.name)), lb_filters_all()[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(drop_and_keep_are_opposites, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set_wins_over_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set_leaves_alone_what_it_cannot_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_arena_leaves_the_record_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(copy_takes_from_nested_objects_and_leading_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rename_moves_a_field_and_keeps_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rename_moves_leading_keys_and_nested_members, set_up, tear_down),
        cmocka_unit_test_setup_teardown(remove_removes_every_field_of_that_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(remove_reaches_into_nested_objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(remove_gives_up_the_object_rather_than_leave_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(remove_reaches_members_that_are_no_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_timestamp_cannot_be_removed_or_renamed, set_up, tear_down),
        cmocka_unit_test(finds_filters_by_name),
    };

    return cmocka_run_group_tests_name("route/filters", tests, NULL, NULL);
}
