/* config_test.c - a whole configuration, section by section, and its end. */
#include "config.c"

#include "lb_faults.h"

static const char text[] = "data_dir: /tmp\n"
                           "http: {listen: '[::1]:8686', token: '${LB_TOKEN:-t}'}\n"
                           "workers: 4\n"
                           "shutdown_timeout: 1m\n"
                           "log_level: debug\n"
                           "memory: {pool: 16MiB}\n"
                           "sources:\n"
                           "  app:\n"
                           "    type: file\n"
                           "    include: ['/srv/*/x.log']\n"
                           "    parse: [json, lines]\n"
                           "    service: app\n"
                           "    level: info\n"
                           "    fields: {zone: a}\n"
                           "    add: [source, offset]\n"
                           "    max_line: 64KiB\n"
                           "  other: {type: file, include: /x}\n"
                           "  in: {type: stdin}\n"
                           "parsers:\n"
                           "  lines: {type: regex, pattern: '^(?<message>.*)$'}\n"
                           "filters:\n"
                           "  - drop: level == debug\n"
                           "  - set: {environment: production}\n"
                           "  - set: {fields: {a: b}, where: c}\n"
                           "  - drop: {where: x}\n"
                           "  - parse: {with: syslog}\n"
                           "routes:\n"
                           "  - where: level >= warn\n"
                           "    to: [bus, archive]\n"
                           "    stop: true\n"
                           "  - to: archive\n"
                           "sinks:\n"
                           "  archive: {type: archive, path: '/a/{service}.zst', rotate: {size: 1GiB}}\n"
                           "  bus: {type: kafka, brokers: [k:1], else: spare}\n"
                           "  spare: {type: kafka, brokers: k:2}\n"
                           "  alarms: {type: kafka, brokers: k:3}\n"
                           "alerting:\n"
                           "  rules: {many: {to: alarms}}\n";

static void expect_top(const struct lb_config *config)
{
    assert_text(config->data_dir, "/tmp");
    assert_text(config->http_listen, "[::1]:8686");
    assert_text(config->http_token, "t");
    assert_int_equal(config->workers, 4);
    assert_int_equal(config->shutdown_timeout_ns, INT64_C(60000000000));
    assert_int_equal(config->log_level, LB_LEVEL_DEBUG);
    assert_int_equal(config->memory, 16 << 20);
    assert_string_equal(config->text, text);
}

static void expect_sources(const struct lb_config *config)
{
    const struct lb_source *app = &config->sources[0];

    assert_int_equal(config->source_count, 3);
    assert_ptr_equal(app->type, &fake_source_file);
    assert_text(app->section.name, "app");
    assert_int_equal(app->options.parse->count, 2);
    assert_ptr_equal(app->options.parse->parsers[1], &config->parsers[0]);
    assert_text(app->options.service, "app");
    assert_int_equal(app->options.level, LB_LEVEL_INFO);
    assert_text(app->options.fields.items[0].value, "a");
    assert_int_equal(app->add, LB_ADD_SOURCE | LB_ADD_OFFSET);
    assert_int_equal(app->options.max_line, 65536);
    assert_true(config->sources[1].options.parse->automatic);
    assert_int_equal(config->sources[1].options.level, LB_LEVEL_NONE);
    assert_int_equal(config->sources[1].options.max_line, LB_LINE_BYTES);
    assert_false(config->sources[2].options.parse->automatic);
    assert_int_equal(config->sources[2].options.parse->count, 0);
}

static void expect_plan(const struct lb_config *config)
{
    const struct lb_route_plan *plan = &config->plan;
    const struct fake_filter *set = plan->filters[1].state;
    const struct fake_filter *set_where = plan->filters[2].state;

    assert_int_equal(plan->filter_count, 5);
    assert_text(((const struct fake_filter *)plan->filters[0].state)->where->text, "level == debug");
    assert_text(set->fields.items[0].name, "environment");
    assert_null(set->where);
    assert_text(set_where->fields.items[0].name, "a");
    assert_text(set_where->where->text, "c");
    assert_text(((const struct fake_filter *)plan->filters[3].state)->where->text, "x");
    assert_int_equal(plan->route_count, 2);
    assert_int_equal(plan->sink_count, 4);
    assert_int_equal(plan->routes[0].sinks, 3);
    assert_true(plan->routes[0].stop);
    assert_int_equal(plan->routes[0].place.line, 28);
    assert_null(plan->routes[1].where);
    assert_ptr_equal(plan->alerting, &config->alerting);
}

static void expect_sinks(const struct lb_config *config)
{
    const struct fake_sink *archive = config->sinks[0].state;
    const struct fake_sink *bus = config->sinks[1].state;

    assert_int_equal(config->sink_count, 4);
    assert_int_equal(config->sinks[1].index, 1);
    assert_text(config->sinks[1].data_dir, "/tmp");
    assert_text(archive->path->text, "/a/{service}.zst");
    assert_int_equal(archive->size, 1 << 30);
    assert_int_equal(archive->every_ns, INT64_C(86400000000000));
    assert_int_equal(config->sinks[1].options.otherwise, 4);
    assert_int_equal(bus->retries, 5);
}

static void reads_a_whole_configuration(void **state)
{
    struct lb_diag diag = { 0 };
    struct lb_config *config = lb_config_parse("a.yaml", LB_STR(text), &diag);

    (void)state;
    assert_non_null(config);
    expect_top(config);
    expect_sources(config);
    expect_plan(config);
    expect_sinks(config);
    assert_int_equal(config->alerting.rule_count, 1);
    assert_true(lb_config_check(config, &diag));
    assert_true(config->parsers[0].opened);
    assert_int_equal(diag.count, 0);
    lb_config_free(config);
    lb_diag_free(&diag);
}

static void what_is_not_written_has_its_fallback(void **state)
{
    struct lb_diag diag = { 0 };
    struct lb_config *config = lb_config_parse("a.yaml", LB_STR(SOURCES SINKS ROUTES), &diag);

    (void)state;
    assert_non_null(config);
    assert_text(config->data_dir, "/var/lib/logboom");
    assert_int_equal(config->http_listen.len, 0);
    assert_int_equal(config->workers, 0);
    assert_int_equal(config->shutdown_timeout_ns, INT64_C(30000000000));
    assert_int_equal(config->log_level, LB_LEVEL_INFO);
    assert_int_equal(config->memory, LB_POOL_BYTES);
    lb_config_free(config);
    lb_diag_free(&diag);
}

static void alert_rules_are_a_way_out_for_records(void **state)
{
    static const struct fault faults[] = {
        { NO_ROUTES "alerting: {rules: {many: {to: archive}}}\n", "" },
        { NO_ROUTES "alerting: {rules: {}}\n",
          "a.yaml:2:10: error: 1 source, but no route sends records anywhere; add for example \"routes: [{to: "
          "archive}]\"\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void finds_loops_and_only_loops(void **state)
{
    static const struct fault faults[] = {
        { NO_SOURCES "sources: {app: {type: file, include: ['/a/*'], exclude: ['/a/*']}}\n", "" },
        { NO_SOURCES "sources: {app: {type: file, include: ['/a/*.log']}}\n", "" },
        { "data_dir: ./d\n" SINKS ROUTES "sources: {app: {type: file, include: ['d/*']}}\n",
          "a.yaml:4:39: error: source \"app\": \"d/*\" matches files in \"data_dir\" (./d); leave them out with "
          "\"exclude\"\n" },
        { "data_dir: ./d\n" SINKS ROUTES "sources: {app: {type: file, include: ['./d/*']}}\n",
          "a.yaml:4:39: error: source \"app\": \"./d/*\" matches files in \"data_dir\" (./d); leave them out with "
          "\"exclude\"\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void refuses_more_of_a_kind_than_there_is_room_for(void **state)
{
    static char many[200000];
    size_t len = (size_t)snprintf(many, sizeof(many), SOURCES ROUTES "sinks:\n");

    (void)state;
    for (int i = 0; i < LB_SINKS_MAX + 1; i++)
        len += (size_t)snprintf(many + len, sizeof(many) - len, "  s%d: {type: archive, path: /x}\n", i);
    char *told = faults_told(many, len);
    assert_non_null(strstr(told, "a.yaml:3:1: error: 64 sinks; 63 is the most\n"));
    free(told);
}

static void survives_the_failure_of_every_allocation(void **state)
{
    (void)state;
    for (long n = 1; n < 60; n++) {
        struct lb_diag diag = { 0 };

        lb_alloc_fail_at = n;
        struct lb_config *config = lb_config_parse("a.yaml", LB_STR(text), &diag);
        lb_alloc_fail_at = 0;
        assert_true(config != NULL || diag.errors > 0);
        lb_config_free(config);
        lb_diag_free(&diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_whole_configuration),
        cmocka_unit_test(what_is_not_written_has_its_fallback),
        cmocka_unit_test(alert_rules_are_a_way_out_for_records),
        cmocka_unit_test(finds_loops_and_only_loops),
        cmocka_unit_test(refuses_more_of_a_kind_than_there_is_room_for),
        cmocka_unit_test(survives_the_failure_of_every_allocation),
    };

    return cmocka_run_group_tests_name("conf/config", tests, NULL, NULL);
}
