/* worker_test.c - a batch from lines to selections and feeds, with a source and a stream made here. */
#include "lb_test.h"

#include "worker.c"

#include "lb_expr.h"

struct lb_place lb_section_place(const struct lb_section *section, const char *option);

/* Stands in where conf/ is not linked. */
__attribute__((weak)) struct lb_place lb_section_place(const struct lb_section *section, const char *option)
{
    (void)section;
    (void)option;
    return (struct lb_place){ 0 };
}

enum { SLAB = 64 * 1024, ARENA_MAX = 1024 * 1024, SINKS = 3 };

struct fixture {
    struct lb_arena conf;
    struct lb_diag diag;
    struct lb_parser_chain chain;
    struct lb_source_type type;
    struct lb_source source;
    struct lb_stream stream;
    struct lb_batch batch;
    struct lb_filter filters[4];
    struct lb_route routes[4];
    struct lb_alert_rule rules[4];
    struct lb_alerting alerting;
    struct lb_route_plan plan;
    struct lb_worker *worker;
    struct lb_expr *exprs[8];
    size_t expr_count;
};

static void start_batch(struct fixture *fixture)
{
    struct lb_batch *batch = &fixture->batch;

    lb_arena_reset(&batch->arena, SIZE_MAX);
    batch->length = 0;
    batch->event_count = 0;
    batch->record_count = 0;
    batch->position_end = batch->position;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    lb_arena_init(&fixture->conf, 1 << 20);
    fixture->chain.automatic = true;
    fixture->type = (struct lb_source_type){ .envelope = &lb_envelope_lines };
    fixture->source = (struct lb_source){ .type = &fixture->type,
                                          .section = { .name = LB_STR("app") },
                                          .options = { .parse = &fixture->chain, .level = LB_LEVEL_NONE } };
    fixture->stream =
        (struct lb_stream){ .source = &fixture->source, .name = LB_STR("/var/log/app.log"), .level = LB_LEVEL_NONE };
    fixture->batch = (struct lb_batch){
        .capacity = SLAB, .position = 1000, .arrival_ns = 1700000000 * LB_SECOND, .stream = &fixture->stream
    };
    fixture->batch.bytes = aligned_alloc(64, SLAB);
    lb_arena_init(&fixture->batch.arena, ARENA_MAX);
    start_batch(fixture);
    fixture->alerting.rules = fixture->rules;
    fixture->plan = (struct lb_route_plan){
        .filters = fixture->filters, .routes = fixture->routes, .sink_count = SINKS, .alerting = &fixture->alerting
    };
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    lb_worker_free(fixture->worker);
    for (size_t i = 0; i < fixture->expr_count; i++)
        lb_expr_free(fixture->exprs[i]);
    lb_arena_free(&fixture->batch.arena);
    lb_arena_free(&fixture->conf);
    lb_diag_free(&fixture->diag);
    lb_metrics_free_all();
    free(fixture->batch.bytes);
    free(fixture);
    return 0;
}

static void add_line(struct fixture *fixture, const char *line)
{
    struct lb_batch *batch = &fixture->batch;
    size_t len = strlen(line);

    assert_true(lb_batch_room(batch, 1) > len);
    memcpy(batch->bytes + batch->length, line, len);
    batch->bytes[batch->length + len] = '\n';
    lb_batch_note(batch, batch->length, len);
    batch->length += (uint32_t)len + 1;
    batch->position_end = batch->position + batch->length;
}

static void process(struct fixture *fixture)
{
    if (fixture->worker == NULL)
        fixture->worker = lb_worker_new(&fixture->plan);
    assert_non_null(fixture->worker);
    lb_worker_process(fixture->worker, &fixture->batch);
}

static const struct lb_expr *where(struct fixture *fixture, const char *text)
{
    struct lb_expr *expr =
        lb_expr_new(&fixture->conf, lb_str_from(text), (struct lb_place){ "t", 1, 1 }, &fixture->diag);

    assert_non_null(expr);
    fixture->exprs[fixture->expr_count++] = expr;
    return expr;
}

static void add_route(struct fixture *fixture, const char *text, uint64_t sinks)
{
    fixture->routes[fixture->plan.route_count++] =
        (struct lb_route){ .where = text != NULL ? where(fixture, text) : NULL, .sinks = sinks };
}

static void add_drop(struct fixture *fixture, const char *text)
{
    const struct lb_expr **state = lb_arena_alloc(&fixture->conf, sizeof(*state));

    *state = where(fixture, text);
    fixture->filters[fixture->plan.filter_count++] =
        (struct lb_filter){ .type = lb_filter_find(LB_STR("drop")), .state = state };
}

static struct lb_str get(struct fixture *fixture, uint32_t record, const char *name)
{
    static char memory[256];
    struct lb_scratch scratch = { memory, sizeof(memory), 0 };
    struct lb_value value = lb_record_get(&fixture->batch.records[record], lb_str_from(name), &scratch);

    return value.kind != LB_VALUE_NONE ? lb_value_str(value, &scratch) : LB_STR("-");
}

static int64_t counter(const char *name, const char *labels)
{
    return atomic_load(&lb_metric(LB_COUNTER, name, "", labels)->value);
}

static void lines_go_through_parser_filters_and_routes(void **state)
{
    struct fixture *fixture = *state;

    add_drop(fixture, "level == debug");
    add_route(fixture, "level >= error", 1);
    add_route(fixture, NULL, 2);
    add_line(fixture, "{\"level\":\"error\",\"msg\":\"one\",\"time\":\"2026-01-02T03:04:05Z\"}");
    add_line(fixture, "{\"level\":\"debug\",\"msg\":\"two\"}");
    add_line(fixture, "plain text");
    process(fixture);
    assert_int_equal(fixture->batch.record_count, 3);
    assert_text(get(fixture, 0, "message"), "one");
    assert_text(get(fixture, 0, "timestamp"), "2026-01-02T03:04:05Z");
    assert_text(get(fixture, 2, "message"), "plain text");
    assert_int_equal(fixture->batch.records[2].time_ns, fixture->batch.arrival_ns);
    assert_true(fixture->batch.records[2].flags & LB_RECORD_NO_TIME);
    assert_false(fixture->batch.records[0].flags & LB_RECORD_NO_TIME);
    assert_true(fixture->batch.records[1].flags & LB_RECORD_DROPPED);

    const struct lb_selection *selections = fixture->batch.selections;
    assert_int_equal(selections[0].count, 1);
    assert_int_equal(selections[0].indexes[0], 0);
    assert_int_equal(selections[1].count, 2);
    assert_int_equal(selections[1].indexes[0], 0);
    assert_int_equal(selections[1].indexes[1], 2);
    assert_int_equal(selections[2].count, 0);
}

static void a_batch_that_goes_whole_needs_no_list(void **state)
{
    struct fixture *fixture = *state;

    add_route(fixture, NULL, 4);
    add_line(fixture, "a");
    add_line(fixture, "b");
    process(fixture);
    assert_int_equal(fixture->batch.selections[2].count, 2);
    assert_null(fixture->batch.selections[2].indexes);
}

static void an_empty_batch_has_empty_selections(void **state)
{
    struct fixture *fixture = *state;

    add_route(fixture, NULL, 1);
    process(fixture);
    assert_int_equal(fixture->batch.record_count, 0);
    for (int i = 0; i < SINKS; i++)
        assert_int_equal(fixture->batch.selections[i].count, 0);
}

static void the_record_wins_over_the_stream_and_that_over_the_source(void **state)
{
    struct fixture *fixture = *state;
    struct lb_field stream_fields[] = {
        { lb_value_text(LB_STR("a")), lb_value_text(LB_STR("stream")) },
        { lb_value_text(LB_STR("b")), lb_value_text(LB_STR("stream")) },
    };
    struct lb_pair source_fields[] = {
        { LB_STR("a"), LB_STR("source") },
        { LB_STR("b"), LB_STR("source") },
        { LB_STR("c"), LB_STR("source") },
        { LB_STR("host"), LB_STR("source-host") },
    };

    fixture->stream.fields = stream_fields;
    fixture->stream.field_count = 2;
    fixture->stream.service = lb_value_text(LB_STR("stream-service"));
    fixture->source.options.fields = (struct lb_pairs){ source_fields, 4 };
    fixture->source.options.service = LB_STR("source-service");
    fixture->source.options.level = LB_LEVEL_NOTICE;
    add_line(fixture, "{\"level\":\"warn\",\"service\":\"own\",\"a\":\"own\",\"host\":\"own-host\"}");
    add_line(fixture, "text");
    process(fixture);
    assert_text(get(fixture, 0, "service"), "own");
    assert_text(get(fixture, 0, "level"), "warn");
    assert_text(get(fixture, 0, "host"), "own-host");
    assert_text(get(fixture, 0, "a"), "own");
    assert_text(get(fixture, 0, "b"), "stream");
    assert_text(get(fixture, 0, "c"), "source");
    assert_text(get(fixture, 1, "service"), "stream-service");
    assert_text(get(fixture, 1, "level"), "notice");
    assert_text(get(fixture, 1, "host"), "source-host");
    assert_text(get(fixture, 1, "a"), "stream");
    fixture->stream.level = LB_LEVEL_TRACE;
    fixture->stream.service = (struct lb_value){ .kind = LB_VALUE_NONE };
    start_batch(fixture);
    add_line(fixture, "text");
    process(fixture);
    assert_text(get(fixture, 0, "level"), "trace");
    assert_text(get(fixture, 0, "service"), "source-service");
}

static void adds_where_a_record_came_from_when_asked(void **state)
{
    struct fixture *fixture = *state;

    fixture->source.add = LB_ADD_SOURCE | LB_ADD_FILE | LB_ADD_OFFSET;
    add_line(fixture, "first");
    add_line(fixture, "{\"source\":\"own\"}");
    process(fixture);
    assert_text(get(fixture, 0, "source"), "app");
    assert_text(get(fixture, 0, "file"), "/var/log/app.log");
    assert_text(get(fixture, 0, "offset"), "1000");
    assert_text(get(fixture, 1, "source"), "own");
    assert_text(get(fixture, 1, "offset"), "1006");
}

static void rules_are_fed_with_keys_and_predicates(void **state)
{
    struct fixture *fixture = *state;
    struct lb_str by[] = { LB_STR("service"), LB_STR("http.status") };

    fixture->rules[0] = (struct lb_alert_rule){ .inner = where(fixture, "level >= error"), .by = { by, 2 } };
    fixture->rules[1] = (struct lb_alert_rule){ .where = where(fixture, "level == info") };
    fixture->alerting.rule_count = 2;
    add_drop(fixture, "service == dropped");
    add_line(fixture, "{\"level\":\"error\",\"service\":\"a\",\"http\":{\"status\":500}}");
    add_line(fixture, "{\"level\":\"info\",\"service\":\"a\",\"http\":{\"status\":500}}");
    add_line(fixture, "{\"level\":\"info\",\"service\":\"a\"}");
    add_line(fixture, "{\"level\":\"info\",\"service\":\"dropped\",\"http\":{\"status\":500}}");
    process(fixture);

    const struct lb_feed *feeds = fixture->batch.feeds;
    assert_int_equal(fixture->batch.feed_count, 4);
    assert_int_equal(feeds[0].record, 0);
    assert_int_equal(feeds[0].rule, 0);
    assert_int_equal(feeds[0].bits, 1);
    assert_text(feeds[0].key, "service=a\x1fhttp.status=500");
    assert_int_equal(feeds[1].record, 1);
    assert_int_equal(feeds[1].rule, 0);
    assert_int_equal(feeds[1].bits, 0);
    assert_ptr_equal(feeds[1].key.ptr, feeds[0].key.ptr);
    assert_int_equal(feeds[2].rule, 1);
    assert_int_equal(feeds[2].bits, 1);
    assert_text(feeds[2].key, "");
    assert_int_equal(feeds[3].record, 2);
    assert_int_equal(feeds[3].rule, 1);
    assert_int_equal(counter("logboom_alert_keyless_records_total", NULL), 1);
}

static void a_long_key_is_cut_between_characters(void **state)
{
    struct fixture *fixture = *state;
    struct lb_str by[] = { LB_STR("k") };
    char line[600] = "{\"k\":\"";

    fixture->rules[0] = (struct lb_alert_rule){ .by = { by, 1 } };
    fixture->alerting.rule_count = 1;
    strcat(line, "x");
    for (int i = 0; i < 200; i++)
        strcat(line, "\xc3\xb6");
    strcat(line, "\"}");
    add_line(fixture, line);
    process(fixture);
    assert_int_equal(fixture->batch.feed_count, 1);
    assert_int_equal(fixture->batch.feeds[0].key.len, LB_KEY_BYTES_MAX - 1);
    assert_int_equal((unsigned char)fixture->batch.feeds[0].key.ptr[LB_KEY_BYTES_MAX - 2], 0xb6);
}

static void fill_with_lines(struct fixture *fixture, const char *line)
{
    while (lb_batch_room(&fixture->batch, 1) > strlen(line) + 1)
        add_line(fixture, line);
}

static void nothing_is_lost_when_the_arena_is_far_too_small(void **state)
{
    struct fixture *fixture = *state;

    add_route(fixture, "message == \"a\"", 1);
    add_route(fixture, NULL, 2);
    fixture->rules[0] = (struct lb_alert_rule){ 0 };
    fixture->alerting.rule_count = 1;
    fixture->source.add = LB_ADD_SOURCE | LB_ADD_FILE | LB_ADD_OFFSET;
    lb_arena_free(&fixture->batch.arena);
    lb_arena_init(&fixture->batch.arena, 64);
    add_line(fixture, "b");
    fill_with_lines(fixture, "a");
    process(fixture);
    assert_int_equal(fixture->batch.record_count, fixture->batch.event_count);
    assert_int_equal(fixture->batch.selections[0].count, fixture->batch.event_count - 1);
    assert_int_equal(fixture->batch.selections[1].count, fixture->batch.event_count);
    assert_int_equal(fixture->batch.feed_count + counter("logboom_alert_feeds_lost_total", NULL),
                     fixture->batch.event_count);
}

/* The bound that the pool gives an arena. */
static void the_shortest_lines_fit_into_the_arena(void **state)
{
    struct fixture *fixture = *state;

    add_route(fixture, "message == \"a\"", 1);
    add_route(fixture, NULL, 2);
    fixture->source.add = LB_ADD_SOURCE | LB_ADD_FILE;
    lb_arena_free(&fixture->batch.arena);
    lb_arena_init(&fixture->batch.arena, (size_t)16 * SLAB);
    add_line(fixture, "b");
    fill_with_lines(fixture, "");
    process(fixture);
    assert_int_equal(fixture->batch.record_count, fixture->batch.event_count);
    assert_int_equal(fixture->batch.arena.bytes_max, (size_t)16 * SLAB);
}

static void a_worker_waits_when_the_machine_has_no_memory(void **state)
{
    for (long n = 1; n < 12; n++) {
        void *fresh = NULL;
        struct fixture *fixture;

        tear_down(state);
        set_up(&fresh);
        *state = fresh;
        fixture = fresh;
        add_route(fixture, "message == \"a\"", 1);
        add_line(fixture, "a");
        add_line(fixture, "{\"b\":1}");
        fixture->worker = lb_worker_new(&fixture->plan);
        atomic_store(&lb_alloc_fail_at, n);
        process(fixture);
        atomic_store(&lb_alloc_fail_at, 0);
        assert_int_equal(fixture->batch.record_count, 2);
        assert_int_equal(fixture->batch.selections[0].count, 1);
    }
}

static void making_a_worker_may_fail_at_every_allocation(void **state)
{
    struct fixture *fixture = *state;
    struct lb_worker *worker = NULL;

    fixture->alerting.rule_count = 1;
    for (long n = 1; worker == NULL; n++) {
        assert_true(n < 100);
        atomic_store(&lb_alloc_fail_at, n);
        worker = lb_worker_new(&fixture->plan);
        atomic_store(&lb_alloc_fail_at, 0);
    }
    lb_worker_free(worker);
}

static void counts_once_for_each_batch(void **state)
{
    struct fixture *fixture = *state;

    add_drop(fixture, "level == debug");
    for (int i = 0; i < 2; i++) {
        start_batch(fixture);
        add_line(fixture, "{\"level\":\"error\"}");
        add_line(fixture, "{\"level\":\"debug\"}");
        add_line(fixture, "text");
        process(fixture);
    }
    assert_int_equal(counter("logboom_records_total", "source=\"app\""), 6);
    assert_int_equal(counter("logboom_filter_dropped_records_total", "filter=\"drop\",position=\"1\""), 2);
    assert_int_equal(counter("logboom_level_records_total", "level=\"error\""), 2);
    assert_int_equal(counter("logboom_level_records_total", "level=\"debug\""), 0);
    assert_int_equal(counter("logboom_level_records_total", "level=\"unknown\""), 2);
    assert_int_equal(counter("logboom_parse_errors_total", "source=\"app\""), 0);
}

static void ten_thousand_lines_allocate_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct lb_str by[] = { LB_STR("service") };
    uint32_t done = 0;
    long before = 0;

    fixture->rules[0] = (struct lb_alert_rule){ .inner = where(fixture, "level >= error"), .by = { by, 1 } };
    fixture->alerting.rule_count = 1;
    add_drop(fixture, "message ~ \"(?i)noise|x{3}\"");
    add_route(fixture, "level >= warn and service in (shop, cart) and not message ~ \"t.st$\"", 1);
    add_route(fixture, NULL, 2);
    fixture->source.add = LB_ADD_SOURCE | LB_ADD_OFFSET;
    while (done < 10000) {
        start_batch(fixture);
        fill_with_lines(fixture,
                        "{\"level\":\"error\",\"service\":\"shop\",\"msg\":\"a \\\"quoted\\\" text\",\"n\":1}");
        process(fixture);
        assert_int_equal(fixture->batch.selections[0].count, fixture->batch.record_count);
        if (before == 0)
            before = atomic_load(&lb_alloc_count);
        else
            done += fixture->batch.record_count;
    }
    assert_int_equal(atomic_load(&lb_alloc_count), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_go_through_parser_filters_and_routes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_that_goes_whole_needs_no_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_batch_has_empty_selections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_record_wins_over_the_stream_and_that_over_the_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(adds_where_a_record_came_from_when_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rules_are_fed_with_keys_and_predicates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_key_is_cut_between_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_lost_when_the_arena_is_far_too_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_shortest_lines_fit_into_the_arena, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_worker_waits_when_the_machine_has_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(making_a_worker_may_fail_at_every_allocation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(counts_once_for_each_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ten_thousand_lines_allocate_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("route/worker", tests, NULL, NULL);
}
