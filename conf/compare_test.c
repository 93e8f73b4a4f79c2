/* compare_test.c - what makes a source, a sink or a rule another one, and what does not. */
#include "lb_test.h"

#include "compare.c"

#include <stdio.h>
#include <stdlib.h>

static char certificate[] = "/tmp/lb_compare_test.XXXXXX";

static const char text[] = "data_dir: /tmp\n"
                           "sources:\n"
                           "  app: {type: file, include: [/srv/app.log], parse: words}\n"
                           "parsers:\n"
                           "  words: {type: regex, pattern: '^(?<message>.*)$'}\n"
                           "  unused: {type: regex, pattern: '^(?<message>.+)$'}\n"
                           "routes: [{to: hook}]\n"
                           "sinks:\n"
                           "  hook: {type: webhook, url: 'https://example.org/${LB_COMPARE}', tls: {ca: %s}}\n"
                           "alerting:\n"
                           "  routes: [{to: hook}]\n"
                           "  rules:\n"
                           "    many: {value: count(), over: 5m, low: at least 5, to: hook}\n";

struct prints {
    uint64_t source;
    uint64_t sink;
    uint64_t rule;
};

/* The prints of the text with the first `from` replaced by `to`. */
static struct prints prints_of(const char *from, const char *to)
{
    struct lb_diag diag = { 0 };
    char whole[2048];
    char edited[4096];

    snprintf(whole, sizeof(whole), text, certificate); // NOLINT(clang-diagnostic-format-nonliteral)
    const char *at = strstr(whole, from);
    assert_non_null(at);
    snprintf(edited, sizeof(edited), "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
    struct lb_config *config = lb_config_parse("a.yaml", lb_str_from(edited), &diag);
    if (config == NULL)
        lb_diag_print(&diag, stderr);
    assert_non_null(config);
    struct prints prints = { lb_config_source_print(config, 0), lb_config_sink_print(config, 0),
                             lb_config_rule_print(config, 0) };
    lb_config_free(config);
    lb_diag_free(&diag);
    return prints;
}

static void each_edit_changes_what_it_is_about_and_nothing_else(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        bool source, sink, rule; /* changed */
    } edits[] = {
        { "data_dir: /tmp\n", "# a comment, and other places of everything\ndata_dir: /tmp\n", false, false, false },
        { "data_dir: /tmp\n", "data_dir: /tmp\nshutdown_timeout: 9s\n", false, false, false },
        { "data_dir: /tmp\n", "data_dir: /tmp\ncommit_every: 9s\n", false, true, false },
        { "app.log]", "app.log, /srv/b.log]", true, false, false },
        { "app: {", "other: {", true, false, false },
        { "{type: file, include: [/srv/app.log], parse: words}",
          "\n    type: file\n    include: [/srv/app.log]\n    parse: words", false, false, false },
        { ".*)$", ".*?)$", true, false, false },
        { ".+)$", ".+?)$", false, false, false },
        { "example.org/", "example.com/", false, true, false },
        { "over: 5m", "over: 6m", false, false, true },
        { "at least 5, to: hook", "at least 5", false, false, false },
        { "at least 5, to: hook", "at least 5, text: hello, to: hook", false, false, false },
        { "routes: [{to: hook}]\n  rules", "routes: [{where: severity >= high, to: hook}]\n  rules", false, false,
          false },
        { "  routes: [{to: hook}]\n  rules", "  lateness: 1m\n  routes: [{to: hook}]\n  rules", false, false, true },
    };
    struct prints before = prints_of("data_dir", "data_dir");
    int failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        struct prints after = prints_of(edits[i].from, edits[i].to);

        if ((after.source != before.source) == edits[i].source && (after.sink != before.sink) == edits[i].sink &&
            (after.rule != before.rule) == edits[i].rule)
            continue;
        print_error("edit %zu: source %d sink %d rule %d\n", i, after.source != before.source,
                    after.sink != before.sink, after.rule != before.rule);
        failed++;
    }
    assert_int_equal(failed, 0);
}

static void the_value_of_a_variable_counts_not_its_name(void **state)
{
    struct prints before = prints_of("data_dir", "data_dir");

    (void)state;
    assert_int_equal(prints_of("${LB_COMPARE}", "x").sink, before.sink);
    setenv("LB_COMPARE", "y", 1);
    assert_int_not_equal(prints_of("data_dir", "data_dir").sink, before.sink);
    setenv("LB_COMPARE", "x", 1);
}

static void write_certificate(const char *content)
{
    FILE *file = fopen(certificate, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void the_content_of_a_certificate_counts(void **state)
{
    struct prints before = prints_of("data_dir", "data_dir");

    (void)state;
    write_certificate("another");
    struct prints after = prints_of("data_dir", "data_dir");
    assert_int_not_equal(after.sink, before.sink);
    assert_int_equal(after.source, before.source);
    write_certificate("one");
    assert_int_equal(prints_of("data_dir", "data_dir").sink, before.sink);
}

static int make_certificate(void **state)
{
    int fd = mkstemp(certificate);

    (void)state;
    setenv("LB_COMPARE", "x", 1);
    if (fd < 0)
        return -1;
    close(fd);
    write_certificate("one");
    return 0;
}

static int remove_certificate(void **state)
{
    (void)state;
    return unlink(certificate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_edit_changes_what_it_is_about_and_nothing_else),
        cmocka_unit_test(the_value_of_a_variable_counts_not_its_name),
        cmocka_unit_test(the_content_of_a_certificate_counts),
    };

    return cmocka_run_group_tests_name("conf/compare", tests, make_certificate, remove_certificate);
}
