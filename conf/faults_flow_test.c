/* faults_flow_test.c - faults of routes and filters and between sections, word for word. */
#include "lb_faults.h"

static void tells_faults_of_routes(void **state)
{
    static const struct fault faults[] = {
        { NO_ROUTES, "a.yaml:2:10: error: 1 source, but no route sends records anywhere; add for example \"routes: "
                     "[{to: archive}]\"\n" },
        { "data_dir: /tmp\n"
          "sources: {app: {type: file, include: [/var/log/app.log]}}\n",
          "a.yaml:2:10: error: 1 source, but no route sends records anywhere; add for example \"routes: [{to: "
          "archive}]\"\n" },
        { NO_ROUTES "routes: []\n", "a.yaml:2:10: error: 1 source, but no route sends records anywhere; add for "
                                    "example \"routes: [{to: archive}]\"\n" },
        { NO_ROUTES "routes: {to: archive}\n", "a.yaml:4:9: error: \"routes\": expected a list, got a map\n" },
        { NO_ROUTES "routes: [archive]\n",
          "a.yaml:4:10: error: a route is a map, for example {where: level >= error, to: archive}; got text\n" },
        { NO_ROUTES "routes: [{to: archiv}]\n",
          "a.yaml:4:15: error: route: \"to\": unknown sink \"archiv\"; did you mean \"archive\"?\n" },
        { NO_ROUTES "routes: [{to: archive}, {to: elsewhere}]\n",
          "a.yaml:4:30: error: route: \"to\": unknown sink \"elsewhere\"; expected archive\n" },
        { NO_SINKS, "a.yaml:3:15: error: route: \"to\": unknown sink \"archive\"; no sinks are defined\n" },
        { NO_ROUTES "routes: [{to: archive}, {where: x}]\n",
          "a.yaml:4:25: error: route: missing \"to\" (the sink or the list of sinks that get them)\n" },
        { NO_ROUTES "routes: [{to: archive}, {where: never, to: archive}]\n",
          "a.yaml:4:33: error: this route is never taken: no record can match \"never\"\n" },
        { NO_ROUTES "routes:\n"
                    "  - {to: archive, stop: true}\n"
                    "  - {where: x, to: archive}\n"
                    "  - to: archive\n",
          "a.yaml:6:5: error: this route is never reached: the one at line 5 takes every record and stops\n"
          "a.yaml:7:5: error: this route is never reached: the one at line 5 takes every record and stops\n" },
        { NO_ROUTES "routes:\n"
                    "  - {where: always, to: archive, stop: true}\n"
                    "  - to: archive\n",
          "a.yaml:6:5: error: this route is never reached: the one at line 5 takes every record and stops\n" },
        { NO_ROUTES "routes: [{to: archive, stop: maybe}]\n",
          "a.yaml:4:30: error: route: \"stop\": expected true or false, got \"maybe\"\n" },
        { NO_ROUTES "routes: [{to: archive, where: 'a broken b'}]\n", "a.yaml:4:34: error: this is broken\n" },
        { NO_ROUTES "routes:\n"
                    "  - to: archive\n"
                    "    where: >\n"
                    "      a\n"
                    "      broken\n",
          "a.yaml:7:9: error: this is broken\n" },
        { NO_ROUTES "routes: [{to: [archive, [x]]}]\n",
          "a.yaml:4:25: error: route: \"to\": expected the name of a sink or a list of names, got a list\n" },
        { NO_ROUTES "routes: [{if: x, to: archive}]\n",
          "a.yaml:4:11: error: route: unknown key \"if\"; expected where, to or stop\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void tells_faults_of_filters(void **state)
{
    static const struct fault faults[] = {
        { WHOLE "filters: {drop: x}\n", "a.yaml:5:10: error: \"filters\": expected a list, got a map\n" },
        { WHOLE "filters: [drop]\n",
          "a.yaml:5:11: error: a filter is one key with its value, for example \"- drop: level == debug\"\n" },
        { WHOLE "filters:\n"
                "  - drop: x\n"
                "    set: {a: b}\n",
          "a.yaml:7:5: error: a filter is one key with its value, for example \"- drop: level == debug\"\n" },
        { WHOLE "filters: [{dorp: x}]\n", "a.yaml:5:12: error: unknown filter \"dorp\"; did you mean \"drop\"?\n" },
        { WHOLE "filters: [{grep: x}]\n", "a.yaml:5:12: error: unknown filter \"grep\"; did you mean \"drop\"?\n" },
        { WHOLE "filters: [{drop: {were: x}}]\n",
          "a.yaml:5:18: error: filter \"drop\": missing \"where\" (which records)\n"
          "a.yaml:5:19: error: filter \"drop\": unknown key \"were\"; did you mean \"where\"?\n" },
        { WHOLE "filters: [{drop: }]\n",
          "a.yaml:5:18: error: filter \"drop\": \"where\": expected an expression, got nothing\n" },
        { WHOLE "filters: [{drop: a broken b}]\n", "a.yaml:5:20: error: this is broken\n" },
        { WHOLE "filters: [{drop: refused}]\n", "a.yaml:5:18: error: filter \"drop\": refused\n" },
        { WHOLE "filters: [{parse: json}]\n", "a.yaml:5:19: error: filter \"parse\": expected a map, got text\n" },
        { WHOLE "filters: [{parse: {with: jsno, rate: lots}}]\n",
          "a.yaml:5:26: error: filter \"parse\": \"with\": unknown parser \"jsno\"; did you mean \"json\"?\n"
          "a.yaml:5:38: error: filter \"parse\": \"rate\": expected a number, got \"lots\"\n" },
        { WHOLE "filters: [{set: x}]\n",
          "a.yaml:5:17: error: filter \"set\": \"fields\": expected a map of names to text, got \"x\"\n" },
        { WHOLE "filters: [{set: {a: [b]}}]\n",
          "a.yaml:5:21: error: filter \"set\": \"fields.a\": expected text, got a list\n" },
        { WHOLE "filters: [{set: {fields: {a: b}, whre: x}}]\n",
          "a.yaml:5:34: error: filter \"set\": unknown key \"whre\"; did you mean \"where\"?\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void refuses_to_read_its_own_outputs(void **state)
{
    static const struct fault faults[] = {
        { "data_dir: /tmp\n"
          "sources: {app: {type: file, include: [/a/*.zst]}}\n"
          "sinks: {archive: {type: archive, path: /a/x.zst}}\n"
          "routes: [{to: archive}]\n",
          "a.yaml:2:39: error: source \"app\": \"/a/*.zst\" matches what sink \"archive\" writes (/a/x.zst); leave it "
          "out with \"exclude\"\n" },
        { "data_dir: /tmp\n"
          "sources: {app: {type: file, include: ['/var/log/**']}}\n"
          "routes: [{to: archive}]\n"
          "sinks: {archive: {type: archive, path: '/var/log/logboom/{service}/%Y-%m-%d.jsonl.zst'}}\n",
          "a.yaml:2:39: error: source \"app\": \"/var/log/**\" matches what sink \"archive\" writes "
          "(/var/log/logboom/{service}/%Y-%m-%d.jsonl.zst); leave it out with \"exclude\"\n" },
        { "data_dir: /tmp\n"
          "sources: {app: {type: file, include: ['/tmp/*/x']}}\n"
          "routes: [{to: archive}]\n"
          "sinks: {archive: {type: archive, path: /a/x.zst}}\n",
          "a.yaml:2:39: error: source \"app\": \"/tmp/*/x\" matches files in \"data_dir\" (/tmp); leave them out with "
          "\"exclude\"\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void tells_all_faults_in_one_run(void **state)
{
    static const struct fault faults[] = {
        { "data_dir: /tmp\n"
          "sources:\n"
          "  app:\n"
          "    type: file\n"
          "    includ: [/x]\n"
          "    parse: jsn\n"
          "  two:\n"
          "    type: fiel\n"
          "sinks:\n"
          "  archive:\n"
          "    type: archive\n"
          "    path: /a/x.zst\n"
          "    rotate: {size: banana, every: 5}\n"
          "routes:\n"
          "  - where: never\n"
          "    to: archve\n"
          "http: {listen: nowhere}\n",
          "a.yaml:3:3: error: source \"app\": missing \"include\" (patterns of the files to read)\n"
          "a.yaml:5:5: error: source \"app\": unknown key \"includ\"; did you mean \"include\"?\n"
          "a.yaml:6:12: error: source \"app\": \"parse\": unknown parser \"jsn\"; did you mean \"json\"?\n"
          "a.yaml:8:11: error: source \"two\": unknown type \"fiel\"; did you mean \"file\"?\n"
          "a.yaml:13:20: error: sink \"archive\": \"rotate.size\": expected a size such as 64KiB or 1MB, got "
          "\"banana\"\n"
          "a.yaml:13:35: error: sink \"archive\": \"rotate.every\": give a unit, for example 5s\n"
          "a.yaml:15:12: error: this route is never taken: no record can match \"never\"\n"
          "a.yaml:16:9: error: route: \"to\": unknown sink \"archve\"; did you mean \"archive\"?\n"
          "a.yaml:17:16: error: \"http.listen\": expected host:port such as 127.0.0.1:8686, got \"nowhere\"\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_faults_of_routes),
        cmocka_unit_test(tells_faults_of_filters),
        cmocka_unit_test(refuses_to_read_its_own_outputs),
        cmocka_unit_test(tells_all_faults_in_one_run),
    };

    return cmocka_run_group_tests_name("conf/faults_flow", tests, NULL, NULL);
}
