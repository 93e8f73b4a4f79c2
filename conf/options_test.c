/* options_test.c - every kind of option, its fallback, and where its value stands. */
#include "options.c"

#include "lb_fake_modules.h"
#include "lb_test.h"

struct all {
    struct lb_str text;
    struct lb_strs list;
    bool flag;
    uint64_t count;
    double number;
    int64_t duration_ns;
    uint64_t size;
    int choice;
    uint8_t level;
    const struct lb_expr *where;
    const struct lb_template *words;
    struct lb_pairs pairs;
    struct lb_template_pairs templates;
    struct lb_str inner;
    struct lb_parser_chain *parse;
    uint64_t to;
    const struct lb_node *node;
    struct lb_str path;
    uint8_t plain_level;
};

static const char *const colours[] = { "red", "green", NULL };

static const struct lb_option group_options[] = {
    { .name = "inner",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct all, inner),
      .fallback = "core",
      .flags = 0 },
    { 0 },
};

#define ROW(the_name, the_kind, ...)                                                                                   \
    {                                                                                                                  \
        .name = #the_name, .kind = LB_OPTION_##the_kind, .offset = offsetof(struct all, the_name), __VA_ARGS__         \
    }

static const struct lb_option all_options[] = {
    ROW(text, STRING, .fallback = "word"),
    ROW(list, STRINGS, .fallback = "[a, 'b c']"),
    ROW(flag, BOOL, .fallback = "true"),
    ROW(count, COUNT, .fallback = "3"),
    ROW(number, NUMBER, .fallback = "0.5"),
    ROW(duration_ns, DURATION, .fallback = "5s"),
    ROW(size, SIZE, .fallback = "64KiB"),
    ROW(choice, CHOICE, .choices = colours, .fallback = "green"),
    ROW(level, LEVEL, .fallback = "warn"),
    ROW(where, WHERE, .fallback = NULL),
    ROW(words, TEMPLATE, .fallback = "{service}"),
    ROW(pairs, PAIRS, .fallback = NULL),
    ROW(templates, TEMPLATES, .fallback = NULL),
    { .name = "group", .kind = LB_OPTION_GROUP, .group = group_options },
    ROW(parse, PARSERS, .fallback = "auto"),
    ROW(to, SINKS, .fallback = NULL),
    ROW(node, NODE, .fallback = NULL),
    ROW(path, STRING, .flags = LB_OPTION_PATH),
    ROW(plain_level, LEVEL, .fallback = NULL),
    { 0 },
};

struct filled {
    struct lb_config config;
    struct lb_diag diag;
    struct lb_node *root;
    struct all all;
    bool ok;
};

static struct lb_sink two_sinks[] = { { .section = { .name = { "one", 3 } } },
                                      { .section = { .name = { "two", 3 } } } };
static struct lb_parser one_parser[] = { { .section = { .name = { "mine", 4 } } } };

static void fill(struct filled *self, const char *text)
{
    *self = (struct filled){ 0 };
    lb_arena_init(&self->config.arena, 1 << 20);
    self->config.sinks = two_sinks;
    self->config.sink_count = 2;
    self->config.parsers = one_parser;
    self->config.parser_count = 1;
    struct lb_yaml yaml = { .arena = &self->config.arena, .diag = &self->diag };
    self->root = lb_yaml_read(&yaml, "conf/a.yaml", lb_str_from(text));
    assert_non_null(self->root);
    self->ok = lb_options_fill(&self->config, all_options, self->root, &self->all, &self->diag);
}

static void forget(struct filled *self)
{
    if (self->all.where != NULL)
        lb_expr_free((struct lb_expr *)self->all.where);
    lb_diag_free(&self->diag);
    lb_arena_free(&self->config.arena);
}

static void fills_every_kind(void **state)
{
    struct filled filled;
    const struct all *all = &filled.all;

    (void)state;
    fill(&filled, "text: 5\nlist: x\nflag: false\ncount: '7'\nnumber: -1e3\nduration_ns: 1m30s\nsize: 1MB\n"
                  "choice: red\nlevel: ERR\nwhere: level >= warn\nwords: '{host}'\npairs: {a: 1, b: two}\n"
                  "templates: {c: '{d}'}\ngroup: {inner: x}\nparse: [mine, json, auto]\nto: [two]\nnode: [1]\n"
                  "path: key.pem\nplain_level: info\n");
    assert_int_equal(filled.diag.count, 0);
    assert_true(filled.ok);
    assert_text(all->text, "5");
    assert_int_equal(all->list.count, 1);
    assert_text(all->list.items[0], "x");
    assert_false(all->flag);
    assert_int_equal(all->count, 7);
    assert_true(all->number == -1000);
    assert_int_equal(all->duration_ns, INT64_C(90000000000));
    assert_int_equal(all->size, 1000000);
    assert_int_equal(all->choice, 0);
    assert_int_equal(all->level, LB_LEVEL_ERROR);
    assert_text(all->where->text, "level >= warn");
    assert_int_equal(all->where->place.line, 10);
    assert_int_equal(all->where->place.column, 8);
    assert_text(all->words->text, "{host}");
    assert_int_equal(all->words->place.column, 9);
    assert_int_equal(all->pairs.count, 2);
    assert_text(all->pairs.items[1].name, "b");
    assert_text(all->pairs.items[1].value, "two");
    assert_text(all->templates.items[0].name, "c");
    assert_text(all->templates.items[0].value->text, "{d}");
    assert_text(all->inner, "x");
    assert_int_equal(all->parse->count, 2);
    assert_ptr_equal(all->parse->parsers[0], &one_parser[0]);
    assert_ptr_equal(all->parse->parsers[1], &fake_builtin_json);
    assert_true(all->parse->automatic);
    assert_int_equal(all->to, 2);
    assert_int_equal(all->node->kind, LB_NODE_LIST);
    assert_text(all->path, "conf/key.pem");
    assert_int_equal(all->plain_level, LB_LEVEL_INFO);
    forget(&filled);
}

static void expect_fallbacks(const struct all *all)
{
    assert_text(all->text, "word");
    assert_int_equal(all->list.count, 2);
    assert_text(all->list.items[1], "b c");
    assert_true(all->flag);
    assert_int_equal(all->count, 3);
    assert_true(all->number == 0.5);
    assert_int_equal(all->duration_ns, INT64_C(5000000000));
    assert_int_equal(all->size, 65536);
    assert_int_equal(all->choice, 1);
    assert_int_equal(all->level, LB_LEVEL_WARN);
    assert_null(all->where);
    assert_text(all->words->text, "{service}");
    assert_int_equal(all->pairs.count, 0);
    assert_text(all->inner, "core");
    assert_true(all->parse->automatic);
    assert_int_equal(all->parse->count, 0);
    assert_int_equal(all->to, 0);
    assert_null(all->node);
    assert_int_equal(all->path.len, 0);
    assert_int_equal(all->plain_level, LB_LEVEL_NONE);
}

static void what_is_not_written_has_its_fallback(void **state)
{
    struct filled filled;
    struct lb_arena arena;
    struct all all = { 0 };

    (void)state;
    fill(&filled, "{}");
    assert_true(filled.ok);
    expect_fallbacks(&filled.all);
    forget(&filled);

    lb_arena_init(&arena, 1 << 20);
    assert_true(lb_options_defaults(all_options, &all, &arena));
    expect_fallbacks(&all);
    lb_arena_free(&arena);
}

static void a_fallback_that_is_wrong_is_refused(void **state)
{
    static const struct lb_option wrong[] = { ROW(size, SIZE, .fallback = "64"), { 0 } };
    struct lb_arena arena;
    struct all all = { 0 };

    (void)state;
    lb_arena_init(&arena, 1 << 20);
    assert_false(lb_options_defaults(wrong, &all, &arena));
    lb_arena_free(&arena);
}

static void goes_on_behind_a_fault(void **state)
{
    struct filled filled;

    (void)state;
    fill(&filled, "txt: x\nflag: maybe\ncount: -1\nnumber: inf\nsize: 64\nlist: {}\ntext: []\ngroup: {iner: x}\n");
    assert_false(filled.ok);
    assert_int_equal(filled.diag.errors, 8);
    forget(&filled);
    fill(&filled, "{}");
    assert_true(filled.ok);
    forget(&filled);
}

static void a_map_is_needed(void **state)
{
    struct filled filled;

    (void)state;
    fill(&filled, "[a]");
    assert_false(filled.ok);
    assert_string_equal(filled.diag.entries[0].text, "expected a map, got a list");
    forget(&filled);
}

struct item {
    struct lb_str name;
    uint64_t count;
    struct lb_str inner;
};

static const struct lb_option inner_options[] = {
    { .name = "inner", .kind = LB_OPTION_STRING, .offset = offsetof(struct item, inner), .fallback = "core" },
    { 0 },
};

static const struct lb_option item_options[] = {
    { .name = "name", .kind = LB_OPTION_STRING, .offset = offsetof(struct item, name), .flags = LB_OPTION_REQUIRED },
    { .name = "count", .kind = LB_OPTION_COUNT, .offset = offsetof(struct item, count), .fallback = "3", .max = 9 },
    { .name = "group", .kind = LB_OPTION_GROUP, .group = inner_options },
    { 0 },
};

static const struct lb_option list_options[] = {
    { .name = "items", .kind = LB_OPTION_GROUPS, .group = item_options, .min = sizeof(struct item), .max = 4 },
    { 0 },
};

static bool fill_list(struct filled *self, const char *text, struct lb_groups *groups)
{
    struct lb_yaml yaml = { .diag = &self->diag };

    *self = (struct filled){ 0 };
    *groups = (struct lb_groups){ 0 };
    lb_arena_init(&self->config.arena, 1 << 20);
    yaml.arena = &self->config.arena;
    self->root = lb_yaml_read(&yaml, "a.yaml", lb_str_from(text));
    assert_non_null(self->root);
    return lb_options_fill(&self->config, list_options, self->root, groups, &self->diag);
}

static void count_names(void *context, const char *path, const struct lb_option *option, void *member)
{
    char *paths = context;

    if (strcmp(option->name, "name") == 0)
        snprintf(paths + strlen(paths), 128 - strlen(paths), "%s=%s ", path, ((struct lb_str *)member)->ptr);
}

static void a_list_of_maps_fills_a_state_for_each(void **state)
{
    struct filled filled;
    struct lb_groups groups;
    char paths[128] = "";
    const struct lb_visitor visitor = { count_names, paths };

    (void)state;
    assert_true(fill_list(&filled, "items: [{name: a, count: 5}, {name: b, group: {inner: x}}]", &groups));
    const struct item *items = groups.items;
    assert_int_equal(groups.count, 2);
    assert_text(items[0].name, "a");
    assert_int_equal(items[0].count, 5);
    assert_text(items[0].inner, "core");
    assert_int_equal(items[1].count, 3);
    assert_text(items[1].inner, "x");
    assert_int_equal(groups.node->values[1].place.column, 30);
    lb_options_walk(list_options, &groups, &visitor);
    assert_string_equal(paths, "items.1.name=a items.2.name=b ");
    const struct lb_section section = { LB_STR("x"), filled.root };
    assert_int_equal(lb_section_place(&section, "items.2.group.inner").column, 55);
    assert_int_equal(lb_section_place(&section, "items.3.name").column, 1);
    forget(&filled);
    assert_true(fill_list(&filled, "{}", &groups));
    assert_int_equal(groups.count, 0);
    forget(&filled);
}

static void faults_in_a_list_of_maps_say_which_item(void **state)
{
    static const struct {
        const char *text;
        const char *fault;
    } cases[] = {
        { "items: [{name: a}, {count: 1}]", "missing \"items.2.name\"" },
        { "items: [{name: a, cuont: 1}]", "unknown key \"items.1.cuont\"; did you mean \"items.1.count\"?" },
        { "items: [{name: a, count: 10}]", "\"items.1.count\": expected at most 9, got 10" },
        { "items: [{name: a}, b]", "\"items\": expected a map for item 2, got text" },
        { "items: {name: a}", "\"items\": expected a list of maps, got a map" },
        { "items: [{name: a}, {name: a}, {name: a}, {name: a}, {name: a}]", "\"items\": 5 items; 4 is the most" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct filled filled;
        struct lb_groups groups;

        assert_false(fill_list(&filled, cases[i].text, &groups));
        if (strstr(filled.diag.entries[0].text, cases[i].fault) == NULL)
            fail_msg("%s: %s", cases[i].text, filled.diag.entries[0].text);
        forget(&filled);
    }
}

static void finds_the_place_of_an_option(void **state)
{
    static const struct {
        const char *option;
        uint32_t line;
        uint32_t column;
    } cases[] = {
        { "a", 1, 4 }, { "b", 2, 5 },   { "c.d", 4, 7 }, { "c", 3, 1 },
        { "e", 5, 4 }, { "c.x", 1, 1 }, { "x", 1, 1 },   { "a.b", 1, 1 },
    };
    struct lb_config config = { 0 };
    struct lb_diag diag = { 0 };
    struct lb_yaml yaml = { .arena = &config.arena, .diag = &diag };
    struct lb_section section = { .name = LB_STR("x") };

    (void)state;
    lb_arena_init(&config.arena, 1 << 20);
    section.node = lb_yaml_read(&yaml, "f", LB_STR("a: 1\nb: '2'\nc:\n  d: \"3\"\ne: [4]\n"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_place place = lb_section_place(&section, cases[i].option);

        if (place.line != cases[i].line || place.column != cases[i].column)
            fail_msg("%s is at %u:%u", cases[i].option, place.line, place.column);
    }
    section.node = &section.node->values[0];
    assert_int_equal(lb_section_place(&section, "where").column, 4);
    section.node = NULL;
    assert_int_equal(lb_section_place(&section, "where").line, 0);
    lb_arena_free(&config.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_every_kind),
        cmocka_unit_test(what_is_not_written_has_its_fallback),
        cmocka_unit_test(a_fallback_that_is_wrong_is_refused),
        cmocka_unit_test(goes_on_behind_a_fault),
        cmocka_unit_test(a_map_is_needed),
        cmocka_unit_test(a_list_of_maps_fills_a_state_for_each),
        cmocka_unit_test(faults_in_a_list_of_maps_say_which_item),
        cmocka_unit_test(finds_the_place_of_an_option),
    };

    return cmocka_run_group_tests_name("conf/options", tests, NULL, NULL);
}
