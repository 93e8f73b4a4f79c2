/* faults_test.c - what is said of settings, sources, parsers and sinks that have a fault, word for word. */
#include "lb_faults.h"

static void tells_faults_of_top_level_settings(void **state)
{
    static const struct fault faults[] = {
        { "", "a.yaml:1:1: error: no sources: add for example \"sources: {app: {type: file, include: "
              "[/var/log/app.log]}}\"\n" },
        { "# nothing\n", "a.yaml:1:1: error: no sources: add for example \"sources: {app: {type: file, include: "
                         "[/var/log/app.log]}}\"\n" },
        { WHOLE "sorces: {}\n", "a.yaml:5:1: error: unknown key \"sorces\"; did you mean \"sources\"?\n" },
        { WHOLE "service: {flush: 1s}\n",
          "a.yaml:5:1: error: unknown key \"service\"; expected include, sources, parsers, filters, routes, sinks, "
          "alerting, data_dir, http, workers, shutdown_timeout, commit_every, log_level or memory\n" },
        { WHOLE "<<: {a: b}\n", "a.yaml:5:1: error: \"<<\" (merge) is not a part of YAML 1.2; write the keys out\n" },
        { "data_dir: ''\n" NO_DATA_DIR, "a.yaml:1:11: error: \"data_dir\": it must not be empty\n" },
        { "data_dir: /dev/null/x\n" NO_DATA_DIR,
          "a.yaml:1:11: error: \"data_dir\": \"/dev/null\" is not a directory\n" },
        { WHOLE "workers: many\n", "a.yaml:5:10: error: \"workers\": expected a whole number, got \"many\"\n" },
        { WHOLE "workers: 65\n", "a.yaml:5:10: error: \"workers\": expected at most 64, got 65\n" },
        { WHOLE "http: {listen: 8686}\n",
          "a.yaml:5:16: error: \"http.listen\": expected host:port such as 127.0.0.1:8686, got \"8686\"\n" },
        { WHOLE "http: {listen: '0.0.0.0:8686'}\n",
          "a.yaml:5:16: error: \"http.listen\": \"0.0.0.0:8686\" can be reached from outside; set \"http.token\" or "
          "listen on 127.0.0.1\n" },
        { WHOLE "http: {lisen: '127.0.0.1:8686'}\n",
          "a.yaml:5:8: error: unknown key \"http.lisen\"; did you mean \"http.listen\"?\n" },
        { WHOLE "http: 127.0.0.1:8686\n", "a.yaml:5:7: error: \"http\": expected a map, got \"127.0.0.1:8686\"\n" },
        { WHOLE "log_level: inof\n",
          "a.yaml:5:12: error: \"log_level\": unknown word \"inof\"; did you mean \"info\"?\n" },
        { WHOLE "log_level: loud\n", "a.yaml:5:12: error: \"log_level\": expected emergency, alert, critical, error, "
                                     "warn, notice, info, debug or trace, got \"loud\"\n" },
        { WHOLE "shutdown_timeout: 30\n", "a.yaml:5:19: error: \"shutdown_timeout\": give a unit, for example 30s\n" },
        { WHOLE "shutdown_timeout: soon\n",
          "a.yaml:5:19: error: \"shutdown_timeout\": expected a duration such as 5s or 1h30m, got \"soon\"\n" },
        { WHOLE "shutdown_timeout: 3x\n",
          "a.yaml:5:19: error: \"shutdown_timeout\": unknown unit in \"3x\"; expected ms, s, m, h, d or w\n" },
        { WHOLE "memory: {pool: banana}\n",
          "a.yaml:5:16: error: \"memory.pool\": expected a size such as 64KiB or 1MB, got \"banana\"\n" },
        { WHOLE "memory: {pool: 64M}\n",
          "a.yaml:5:16: error: \"memory.pool\": unknown unit in \"64M\"; did you mean \"64MiB\"?\n" },
        { WHOLE "memory: {pool: 64Q}\n",
          "a.yaml:5:16: error: \"memory.pool\": unknown unit in \"64Q\"; expected B, kB, MB, GB, KiB, MiB or GiB\n" },
        { WHOLE "shutdown_timeout: 5min\n",
          "a.yaml:5:19: error: \"shutdown_timeout\": unknown unit in \"5min\"; did you mean \"5m\"?\n" },
        { WHOLE "memory: {pool: 64}\n", "a.yaml:5:16: error: \"memory.pool\": give a unit, for example 64KiB\n" },
        { WHOLE "memory: {pool: 1KiB}\n", "a.yaml:5:16: error: \"memory.pool\": expected at least 2MiB, got 1KiB\n" },
        { WHOLE "memory: {pool: 99999999999999999999GiB}\n",
          "a.yaml:5:16: error: \"memory.pool\": \"99999999999999999999GiB\" is too large\n" },
        { WHOLE "include: nowhere.yaml\n",
          "a.yaml:5:10: error: \"include\": cannot read \"nowhere.yaml\": No such file or directory\n" },
        { WHOLE "include: {a: b}\n", "a.yaml:5:10: error: \"include\": expected text or a list of text, got a map\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void tells_faults_of_sources(void **state)
{
    static const struct fault faults[] = {
        { NO_SOURCES, "a.yaml:1:1: error: no sources: add for example \"sources: {app: {type: file, include: "
                      "[/var/log/app.log]}}\"\n" },
        { "data_dir: /tmp\n"
          "sources: {}\n"
          "sinks: {archive: {type: archive, path: /a/x.zst}}\n"
          "routes: [{to: archive}]\n",
          "a.yaml:2:10: error: no sources: add for example \"sources: {app: {type: file, include: "
          "[/var/log/app.log]}}\"\n" },
        { "data_dir: /tmp\n"
          "sources: [a]\n"
          "sinks: {archive: {type: archive, path: /a/x.zst}}\n"
          "routes: [{to: archive}]\n",
          "a.yaml:2:10: error: \"sources\": expected a map of names, got a list\n" },
        { "data_dir: /tmp\n"
          "sources:\n"
          "sinks: {archive: {type: archive, path: /a/x.zst}}\n"
          "routes: [{to: archive}]\n",
          "a.yaml:2:9: error: \"sources\": expected a map of names, got nothing\n" },
        { NO_SOURCES "sources: {app: {type: fiel, include: [/x]}}\n",
          "a.yaml:4:23: error: source \"app\": unknown type \"fiel\"; did you mean \"file\"?\n" },
        { NO_SOURCES "sources: {app: {type: tail, include: [/x]}}\n",
          "a.yaml:4:23: error: source \"app\": unknown type \"tail\"; expected file or stdin\n" },
        { NO_SOURCES "sources: {app: {include: [/x]}}\n",
          "a.yaml:4:16: error: source \"app\": missing \"type\" (file or stdin)\n" },
        { NO_SOURCES "sources: {app: {type: [file]}}\n",
          "a.yaml:4:23: error: source \"app\": \"type\": expected file or stdin, got a list\n" },
        { NO_SOURCES "sources: {app: /var/log/x}\n",
          "a.yaml:4:16: error: source \"app\": expected a map with \"type\" in it, got text\n" },
        { NO_SOURCES "sources: {'a b': {type: file, include: /x}}\n",
          "a.yaml:4:11: error: source \"a b\": a name is made of letters, digits, \"_\" and \"-\"\n" },
        { NO_SOURCES "sources:\n"
                     "  app:\n"
                     "    type: file\n",
          "a.yaml:5:3: error: source \"app\": missing \"include\" (patterns of the files to read)\n" },
        { NO_SOURCES "sources: {app: {type: file, include: []}}\n",
          "a.yaml:4:38: error: source \"app\": \"include\": the list must not be empty\n" },
        { NO_SOURCES "sources: {app: {type: file, include: {a: b}}}\n",
          "a.yaml:4:38: error: source \"app\": \"include\": expected text or a list of text, got a map\n" },
        { NO_SOURCES "sources: {app: {type: file, include: [/x, {service}]}}\n",
          "a.yaml:4:43: error: source \"app\": \"include\": expected text, got a map; quote it: '{service}'\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, incldue: /y}}\n",
          "a.yaml:4:42: error: source \"app\": unknown key \"incldue\"; did you mean \"include\"?\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, path: /y}}\n",
          "a.yaml:4:42: error: source \"app\": unknown key \"path\"; expected type, include, exclude, read_from, "
          "ignore_older, tls, parse, service, level, fields, add, max_line, multiline or durable\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, read_from: maybe}}\n",
          "a.yaml:4:53: error: source \"app\": \"read_from\": expected head or end, got \"maybe\"\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, read_from: tail}}\n",
          "a.yaml:4:53: error: source \"app\": \"read_from\": expected head or end, got \"tail\"\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, read_from: hed}}\n",
          "a.yaml:4:53: error: source \"app\": \"read_from\": unknown word \"hed\"; did you mean \"head\"?\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, ignore_older: 500d}}\n",
          "a.yaml:4:56: error: source \"app\": \"ignore_older\": expected at most 365d, got 500d\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, tls: {cert: /no/such, verify_client: maybe}}}\n",
          "a.yaml:4:79: error: source \"app\": \"tls.verify_client\": expected true or false, got \"maybe\"\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, tls: {cert: /no/such, verify_client: yes}}}\n",
          "a.yaml:4:79: error: source \"app\": \"tls.verify_client\": expected true or false, got \"yes\"; did you "
          "mean true?\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, tls: {key: /no/such, crt: a}}}\n",
          "a.yaml:4:47: error: source \"app\": missing \"tls.cert\" (the certificate)\n"
          "a.yaml:4:63: error: source \"app\": unknown key \"tls.crt\"; did you mean \"tls.cert\"?\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, tls: {cert: no/such}}}\n",
          "a.yaml:4:54: error: source \"app\": \"tls.cert\": cannot read \"no/such\": No such file or directory\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, max_line: 17MiB}}\n",
          "a.yaml:4:52: error: source \"app\": \"max_line\": expected at most 16MiB, got 17MiB\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, add: [source, line]}}\n",
          "a.yaml:4:56: error: source \"app\": \"add\": expected source, file or offset, got \"line\"\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, fields: [a]}}\n",
          "a.yaml:4:50: error: source \"app\": \"fields\": expected a map of names to text, got a list\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, fields: {a: [b]}}}\n",
          "a.yaml:4:54: error: source \"app\": \"fields.a\": expected text, got a list\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, level: wran}}\n",
          "a.yaml:4:49: error: source \"app\": \"level\": unknown word \"wran\"; did you mean \"warn\"?\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /silent}}\n",
          "a.yaml:4:16: error: source \"app\": cannot be opened (i/o error)\n" },
        { NO_SOURCES "sources: {app: {type: file, include: '${LB_NOT_SET}'}}\n",
          "a.yaml:4:39: error: variable \"LB_NOT_SET\" is not set; set it, or give a default: "
          "${LB_NOT_SET:-default}\n" },
        { NO_SOURCES "sources: {app: {type: file, include: 'a/${LB NOT}'}}\n",
          "a.yaml:4:41: error: \"${LB NOT}\" is no variable; write ${NAME}, ${NAME:-default} or ${file:PATH}, or $$ "
          "for a dollar\n" },
        { NO_SOURCES "sources: {app: {type: file, include: '${file:/no/such}'}}\n",
          "a.yaml:4:39: error: cannot read \"/no/such\": No such file or directory\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void tells_faults_of_parsers(void **state)
{
    static const struct fault faults[] = {
        { NO_SOURCES "sources: {app: {type: file, include: /x, parse: jsn}}\n",
          "a.yaml:4:49: error: source \"app\": \"parse\": unknown parser \"jsn\"; did you mean \"json\"?\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, parse: apache_combined}}\n",
          "a.yaml:4:49: error: source \"app\": \"parse\": unknown parser \"apache_combined\"; expected json, syslog, "
          "auto or none\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, parse: regex}}\n",
          "a.yaml:4:49: error: source \"app\": \"parse\": parser \"regex\" needs settings: define one with type: regex "
          "under \"parsers\" and use its name\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, parse: [auto, json]}}\n",
          "a.yaml:4:56: error: source \"app\": \"parse\": never tried: \"auto\" before it accepts every text\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, parse: [json, none]}}\n",
          "a.yaml:4:56: error: source \"app\": \"parse\": \"none\" cannot stand beside other parsers\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, parse: []}}\n",
          "a.yaml:4:49: error: source \"app\": \"parse\": the list must not be empty\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, parse: {with: json}}}\n",
          "a.yaml:4:49: error: source \"app\": \"parse\": expected the name of a parser or a list of names, got a "
          "map\n" },
        { WHOLE "parsers: {json: {type: regex, pattern: x}}\n",
          "a.yaml:5:11: error: parser \"json\": the name belongs to logboom itself; choose another\n" },
        { WHOLE "parsers: {mine: {type: regex, pattern: x}}\n",
          "a.yaml:5:17: warning: parser \"mine\": nothing uses it\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, parse: mine}}\n"
                     "parsers:\n"
                     "  mine:\n"
                     "    type: regex\n"
                     "    pattern: '^a(?<b'\n",
          "a.yaml:8:17: error: parser \"mine\": \"pattern\": missing )\n" },
        { NO_SOURCES "sources: {app: {type: file, include: /x, parse: mine}}\n"
                     "parsers: {mine: {type: regex, timestamp: {formt: x}}}\n",
          "a.yaml:5:17: error: parser \"mine\": missing \"pattern\" (the pattern, with named groups)\n"
          "a.yaml:5:43: error: parser \"mine\": unknown key \"timestamp.formt\"; did you mean "
          "\"timestamp.format\"?\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void tells_faults_of_sinks(void **state)
{
    static const struct fault faults[] = {
        { NO_SINKS "sinks:\n"
                   "  archive:\n"
                   "    type: archive\n"
                   "    path: /a/x.zst\n"
                   "    rotat: {size: 1GiB}\n",
          "a.yaml:8:5: error: sink \"archive\": unknown key \"rotat\"; did you mean \"rotate\"?\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: /a/x.zst, rotate: {sise: 1GiB}}}\n",
          "a.yaml:4:59: error: sink \"archive\": unknown key \"rotate.sise\"; did you mean \"rotate.size\"?\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: /a/x.zst, rotate: {size: banana}}}\n",
          "a.yaml:4:65: error: sink \"archive\": \"rotate.size\": expected a size such as 64KiB or 1MB, got "
          "\"banana\"\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: /a/x.zst, rotate: {size: 64}}}\n",
          "a.yaml:4:65: error: sink \"archive\": \"rotate.size\": give a unit, for example 64KiB\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: /a/x.zst, rotate: {size: 1kB, every: 1s}}}\n",
          "a.yaml:4:65: error: sink \"archive\": \"rotate.size\": expected at least 64KiB, got 1kB\n"
          "a.yaml:4:77: error: sink \"archive\": \"rotate.every\": expected at least 1m, got 1s\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: /a/x.zst, rotate: 1GiB}}\n",
          "a.yaml:4:58: error: sink \"archive\": \"rotate\": expected a map, got \"1GiB\"\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: '/a/{'}}\n",
          "a.yaml:4:44: error: this brace is never closed\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: {service}}}\n",
          "a.yaml:4:40: error: sink \"archive\": \"path\": expected text, got a map; quote it: '{service}'\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: }}\n",
          "a.yaml:4:40: error: sink \"archive\": \"path\": expected text, got nothing\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: /a/x.zst, format: jsn}}\n",
          "a.yaml:4:58: error: sink \"archive\": \"format\": unknown word \"jsn\"; did you mean \"json\"?\n" },
        { NO_SINKS "sinks: {archive: {type: archive}, bus: {type: kafka}}\n",
          "a.yaml:4:18: error: sink \"archive\": missing \"path\" (where the files are written)\n"
          "a.yaml:4:40: error: sink \"bus\": missing \"brokers\" (host:port of the first brokers)\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: /a}, bus: {type: kafka, brokers: [k:1]}}\n",
          "a.yaml:4:50: warning: sink \"bus\": no route and no alert sends to it\n" },
        { NO_SINKS
          "sinks: {archive: {type: archive, path: /a}, bus: {type: kafka, brokers: [k:1], retries: 0, else: bus}}\n",
          "a.yaml:4:89: error: sink \"bus\": \"retries\": expected at least 1, got 0\n"
          "a.yaml:4:98: error: sink \"bus\": \"else\": a sink cannot name itself\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: /a, dead_letter: {topic: refused}}}\n",
          "a.yaml:4:57: error: sink \"archive\": \"dead_letter.topic\": only a kafka sink has topics, this one is of "
          "type "
          "archive; use dead_letter.path\n" },
        { NO_SINKS "sinks: {archive: {type: archiv, path: /a}}\n",
          "a.yaml:4:25: error: sink \"archive\": unknown type \"archiv\"; did you mean \"archive\"?\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: /a/x}, archive: {type: archive, path: /b/x}}\n",
          "a.yaml:4:47: error: \"archive\" stands twice; the first is at a.yaml:4:9\n" },
        { NO_SINKS "sinks: {archive: {type: archive, path: *x}}\n",
          "a.yaml:4:40: error: no anchor \"&x\" stands before this; quote \"*x\" if it is text\n" },
    };

    (void)state;
    EXPECT_FAULTS(faults);
}

static void is_silent_about_a_whole_configuration(void **state)
{
    static const struct fault faults[] = { { WHOLE, "" } };

    (void)state;
    EXPECT_FAULTS(faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_faults_of_top_level_settings),
        cmocka_unit_test(tells_faults_of_sources),
        cmocka_unit_test(tells_faults_of_parsers),
        cmocka_unit_test(tells_faults_of_sinks),
        cmocka_unit_test(is_silent_about_a_whole_configuration),
    };

    return cmocka_run_group_tests_name("conf/faults", tests, NULL, NULL);
}
