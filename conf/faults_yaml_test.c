/* faults_yaml_test.c - YAML that is none, or not what its writer meant: what is said of it, word for word. */
#include "lb_faults.h"

static void says_what_yaml_trips_over(void **state)
{
    static const struct fault faults[] = {
        { "a: foo: bar\n", "a.yaml:1:7: error: a second \": \" on this line; quote the value if it is a part of it\n" },
        { "a: 1\n"
          "  b: 2\n",
          "a.yaml:2:4: error: this line continues the value above; check its indentation, and that \": \" follows "
          "every key\n" },
        { "a:1\n"
          "b: 2\n",
          "a.yaml:2:2: error: this line continues the value above; check its indentation, and that \": \" follows "
          "every key\n" },
        { "a:\n"
          "\tb: 1\n",
          "a.yaml:2:1: error: a tab; YAML is indented with spaces only\n" },
        { "a:\n"
          "  b: 1\n"
          "\tc: 2\n",
          "a.yaml:3:1: error: a tab; YAML is indented with spaces only\n" },
        { "a: @foo\n", "a.yaml:1:4: error: a value cannot begin with \"@\"; quote it\n" },
        { "a: `foo`\n", "a.yaml:1:4: error: a value cannot begin with \"`\"; quote it\n" },
        { "a: %Y-%m-%d\n", "a.yaml:1:4: error: a value cannot begin with \"%\"; quote it\n" },
        { "%foo\n", "a.yaml:1:1: error: a line cannot begin with \"%\"; quote the value\n" },
        { "a: \"abc\n"
          "b: 1\n",
          "a.yaml:1:4: error: this quote is never closed\n" },
        { "a: 'it's'\n", "a.yaml:1:8: error: text behind a closing quote; put the whole value in quotes\n" },
        { "a: \"x\" y\n", "a.yaml:1:8: error: text behind a closing quote; put the whole value in quotes\n" },
        { "a:\n"
          "  b: 1\n"
          " c: 2\n",
          "a.yaml:3:2: error: wrong indentation: it fits no key above\n" },
        { "a:\n"
          "  - x\n"
          "  b: 1\n",
          "a.yaml:3:3: error: expected \"- \", as in the list that begins at line 2, column 3\n" },
        { "a: [x, y\n"
          "b: 1\n",
          "a.yaml:1:4: error: this \"[\" is never closed\n" },
        { "a: {x: 1\n"
          "b: 2\n",
          "a.yaml:1:4: error: this \"{\" is never closed\n" },
        { "a: {service}/x\n", "a.yaml:1:13: error: text behind \"}\"; quote a value that begins with \"{\"\n" },
        { "a: [/srv/{service}/log]\n", "a.yaml:1:10: error: quote a value that contains \"{\" inside [ ]\n" },
        { "a: {x: ${Y}}\n", "a.yaml:1:9: error: quote a value that contains \"{\" inside { }\n" },
        { "a: [x y: z: w]\n", "a.yaml:1:11: error: a second \":\" in one value; quote the value\n" },
        { "a: {where: service in (\"a\", \"b\")}\n",
          "a.yaml:1:32: error: expected \",\" or \"}\"; quote a value that contains commas, brackets or quotes\n" },
        { "a: > 5%\n", "a.yaml:1:4: error: \">\" begins a block of text; quote the value: '> 5%'\n" },
        { "a: >= 5   \n", "a.yaml:1:4: error: \">\" begins a block of text; quote the value: '>= 5'\n" },
        { "a: >1\n"
          "b: 1\n",
          "a.yaml:1:1: error: no sources: add for example \"sources: {app: {type: file, include: "
          "[/var/log/app.log]}}\"\n"
          "a.yaml:1:1: error: unknown key \"a\"; expected include, sources, parsers, filters, routes, sinks, alerting, "
          "data_dir, http, workers, shutdown_timeout, commit_every, log_level or memory\n"
          "a.yaml:1:4: error: \">\" begins a block of text, and none follows; quote the value\n"
          "a.yaml:2:1: error: unknown key \"b\"; expected include, sources, parsers, filters, routes, sinks, alerting, "
          "data_dir, http, workers, shutdown_timeout, commit_every, log_level or memory\n" },
        { "a: | x\n", "a.yaml:1:4: error: \"|\" begins a block of text; quote the value: '| x'\n" },
        { "a: *.log\n", "a.yaml:1:4: error: a value cannot begin with \"*\"; quote it\n" },
        { "a: *foo\n", "a.yaml:1:4: error: no anchor \"&foo\" stands before this; quote \"*foo\" if it is text\n" },
        { "a: &\n", "a.yaml:1:4: error: a value cannot begin with \"&\"; quote it\n" },
        { "a: !foo x\n",
          "a.yaml:1:1: error: no sources: add for example \"sources: {app: {type: file, include: "
          "[/var/log/app.log]}}\"\n"
          "a.yaml:1:1: error: unknown key \"a\"; expected include, sources, parsers, filters, routes, sinks, alerting, "
          "data_dir, http, workers, shutdown_timeout, commit_every, log_level or memory\n"
          "a.yaml:1:4: error: tags (\"!word\") have no meaning here; quote a value that begins with \"!\"\n" },
        { "a: \"\\S+\"\n",
          "a.yaml:1:5: error: \"\\S\" is no escape inside \"…\"; write '…', where a backslash is a backslash\n" },
        { "a: - b\n", "a.yaml:1:4: error: a list cannot begin here; put \"- \" on a line of its own, or quote it\n" },
        { "a: ? b\n", "a.yaml:1:4: error: a value cannot begin with \"?\"; quote it\n" },
        { "a: ]\n", "a.yaml:1:4: error: a value cannot begin with \"]\"; quote it\n" },
        { "a: [a,,b]\n", "a.yaml:1:7: error: a value is missing before \",\"\n" },
        { "a: 1\n"
          "b\n",
          "a.yaml:2:1: error: expected \"key: value\": there is no \": \" on this line\n" },
        { "a: 1\n"
          "...\n"
          "b: 1\n",
          "a.yaml:3:1: error: text behind the end of the configuration\n" },
        { "a: 1\n"
          "---\n"
          "b: 1\n",
          "a.yaml:2:1: error: a second document begins here; a configuration is one document\n" },
        { "a: \377\n", "a.yaml:1:4: error: this is not UTF-8 text\n" },
        { "é: b\n"
          "éé: c: d\n",
          "a.yaml:2:6: error: a second \": \" on this line; quote the value if it is a part of it\n" },
        { "a: \002\n", "a.yaml:1:4: error: a control character (0x02)\n" },
        { "[a]: 1\n", "a.yaml:1:1: error: a key must be text; quote a value that begins with \"{\", \"[\" or \"*\"\n" },
        { "- a\n", "a.yaml:1:1: error: expected a map of sections (sources, routes, sinks), got a list\n" },
        { "text\n", "a.yaml:1:1: error: expected a map of sections (sources, routes, sinks), got text\n" },
        { "a: &x [*x]\n", "a.yaml:1:8: error: no anchor \"&x\" stands before this; quote \"*x\" if it is text\n" },
        { "a: 1\n"
          "b: 2\n"
          "a: 3\n"
          "a: 4\n",
          "a.yaml:1:1: error: no sources: add for example \"sources: {app: {type: file, include: "
          "[/var/log/app.log]}}\"\n"
          "a.yaml:1:1: error: unknown key \"a\"; expected include, sources, parsers, filters, routes, sinks, alerting, "
          "data_dir, http, workers, shutdown_timeout, commit_every, log_level or memory\n"
          "a.yaml:2:1: error: unknown key \"b\"; expected include, sources, parsers, filters, routes, sinks, alerting, "
          "data_dir, http, workers, shutdown_timeout, commit_every, log_level or memory\n"
          "a.yaml:3:1: error: \"a\" stands twice; the first is at a.yaml:1:1\n"
          "a.yaml:3:1: error: unknown key \"a\"; expected include, sources, parsers, filters, routes, sinks, alerting, "
          "data_dir, http, workers, shutdown_timeout, commit_every, log_level or memory\n"
          "a.yaml:4:1: error: \"a\" stands twice; the first is at a.yaml:1:1\n"
          "a.yaml:4:1: error: unknown key \"a\"; expected include, sources, parsers, filters, routes, sinks, alerting, "
          "data_dir, http, workers, shutdown_timeout, commit_every, log_level or memory\n" },
        { "a: \"\\0\"\n", "a.yaml:1:4: error: a NUL character cannot be part of a value\n" },
        { ": 1\n", "a.yaml:1:1: error: a key is missing before \":\"\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void says_where_a_comment_cut_a_value(void **state)
{
    static const struct fault faults[] = {
        { NO_ROUTES "routes:\n"
                    "  - {to: archive}\n"
                    "  - where: message contains \"a #b\"\n"
                    "    to: archive\n",
          "a.yaml:6:32: error: the value ends here, \" #\" begins a comment; quote the value\n" },
        { NO_ROUTES "routes:\n"
                    "  - to: #archive\n",
          "a.yaml:5:8: error: route: \"to\": expected the name of a sink or a list of names, got nothing: \" #\" "
          "begins a comment; quote it if it is the value\n" },
        { NO_SINKS "sinks:\n"
                   "  archive:\n"
                   "    type: archive\n"
                   "    path: /a/x #1.zst\n",
          "a.yaml:7:16: warning: \" #\" begins a comment; quote the value if it is a part of it\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_yaml_trips_over),
        cmocka_unit_test(says_where_a_comment_cut_a_value),
    };

    return cmocka_run_group_tests_name("conf/faults_yaml", tests, NULL, NULL);
}
