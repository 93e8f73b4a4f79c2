"""`logboom test`: tests of a configuration. Each of these must be able to tell a right expectation from a wrong one."""
import json
import os
import subprocess
import xml.etree.ElementTree as xml

import pytest

from harness import BIN, ROOT

LOGINS = """
rules:
  logins: {where: event == login_failed, value: count(), over: 10m, by: ip, critical: at least 5}
tests:
"""
FIVE = "    input: [{from: 0s, every: 1s, n: 5, record: {event: login_failed, ip: 10.0.0.1}}]\n"


@pytest.fixture
def proof(tmp_path):
    """Runs tests (YAML text); gives exit status, what was printed and the results as JSON."""

    def run(text, *options, name="a.test.yaml", environment=None):
        file = tmp_path / name
        file.write_text(text)
        done = subprocess.run([BIN, "test", *options, str(file)], capture_output=True, text=True, timeout=300,
                              env={**os.environ, **(environment or {})})
        told = (done.stdout + done.stderr).replace(str(tmp_path) + "/", "")
        results = json.loads(done.stdout) if "--json" in options and done.stdout else None
        return done.returncode, told, results

    return run


def one(results):
    assert results["tests"] == 1
    return results["results"][0]


def test_the_ops_guide_and_each_of_its_thresholds():
    done = subprocess.run([BIN, "test", "--json", "--coverage", ROOT / "conf/examples/ops-guide.test.yaml"],
                          capture_output=True, text=True, timeout=300)
    results = json.loads(done.stdout)
    assert done.returncode == 0, [each for each in results["results"] if not each.get("ok", True)]
    coverage = results["results"][-1]
    assert results["tests"] >= 28 and coverage["never"] == [] and coverage["fired"] == coverage["thresholds"] > 25


def test_an_expectation_that_holds_and_one_that_does_not(proof):
    code, _, results = proof(LOGINS + "  - name: x\n" + FIVE + "    expect: {at: 4s, rule: logins, key: {ip: 10.0.0.1}, "
                             "state: firing, severity: critical, value: 5, message: at least 5, to: told, times: 1}\n",
                             "--json")
    assert code == 0 and one(results)["ok"]
    for wrong in ("at: 3s..3500ms", "at: 6s..9s", "key: {ip: 10.0.0.2}", "state: resolved, at: 0s..1m", "severity: high",
                  "value: 6", "value: 5.5..9", "message: at most", "times: 2", "times: 0", "deliveries: 2"):
        code, told, _ = proof(LOGINS + "  - name: x\n" + FIVE + f"    expect: {{rule: logins, {wrong}}}\n")
        assert code == 1, (wrong, told)
        assert "FAIL x  (a.test.yaml:5)" in told and "expected  " in told, told


def test_a_failure_shows_the_nearest_notice_and_the_windows(proof):
    code, told, _ = proof(LOGINS + "  - name: x\n" + FIVE + "    expect: {at: 2s..3s, rule: logins, value: 5}\n")
    assert code == 1
    assert 'nearest   4s logins {"ip":"10.0.0.1"} firing critical, value 5 to told (at another time)' in told
    assert "at 2s       logins ip=10.0.0.1: 3, 3 records in the window, quiet" in told
    assert "at 3s       logins ip=10.0.0.1: 4, 4 records in the window, quiet" in told
    assert "what was told\n" in told


def test_never_strict_and_max_notifications(proof):
    assert proof(LOGINS + "  - name: x\n" + FIVE + "    never: {rule: logins, state: summary}\n")[0] == 0
    code, told, _ = proof(LOGINS + "  - name: x\n" + FIVE + "    never: {rule: logins, at: 0s..1m}\n")
    assert code == 1 and "never     " in told and "but       4s logins" in told
    text = LOGINS + "  - name: x\n" + FIVE + "    until: 1h\n    expect: {rule: logins, state: firing}\n"
    assert proof(text + "    max_notifications: 2\n")[0] == 0
    code, told, _ = proof(text + "    max_notifications: 1\n")
    assert code == 1 and "at most 1 notices, 2 were told" in told
    code, told, _ = proof(text + "    strict: true\n")
    assert code == 1 and "nobody expected" in told and "resolved" in told
    assert proof(text.replace("expect: {rule: logins, state: firing}", "expect: [{state: firing}, {state: resolved}]") +
                 "    strict: true\n")[0] == 0


FAULTS = {
    "unknown key": ("  - name: x\n    expct: {rule: logins}\n", '5:5: error: unknown key "expct"; did you mean "expect"?'),
    "unknown key of an input": ("  - name: x\n    input: {form: 1s, record: {a: b}}\n    never: {rule: logins}\n",
                                '5:13: error: unknown key "form"; did you mean "from"?'),
    "unknown key of an expectation": ("  - name: x\n    expect: {rule: logins, level: high}\n", "unknown key \"level\""),
    "unknown rule": ("  - name: x\n    expect: {rule: login}\n", '5:20: error: there is no rule "login"; did you mean "logins"?'),
    "unknown sink": ("  - name: x\n    expect: {to: [tolt]}\n", '5:19: error: there is no sink "tolt"; did you mean "told"?'),
    "unknown state": ("  - name: x\n    expect: {state: fireing}\n", 'did you mean "firing"?'),
    "no time": ("  - name: x\n    expect: {at: soon}\n", "expected moments such as 74s..78s"),
    "backwards": ("  - name: x\n    expect: {at: 9s..4s}\n", "ends before it begins"),
    "two kinds": ("  - name: x\n    line: a\n    expect: {rule: logins}\n", 'a test has either "line"'),
    "nothing": ("  - name: x\n    until: 1h\n", "nothing is tested"),
    "no name": ("  - line: a\n    record: {message: a}\n", 'missing "name"'),
    "two inputs in one": ("  - name: x\n    input: {record: {a: b}, line: c}\n    never: {rule: logins}\n", "expected one of"),
    "a reply": ("  - name: x\n    faults: {sink: told, replies: [maybe]}\n    never: {rule: logins}\n", "expected a status"),
    "no file": ("  - name: x\n    input: {file: none.jsonl}\n    never: {rule: logins}\n", "has no line that can be read"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_the_file_is_told_with_its_place(proof, case):
    text, expected = FAULTS[case]
    code, told, _ = proof(LOGINS.lstrip("\n") + text)
    assert code == 2, told
    assert expected in told, told
    assert "a.test.yaml:" in told or "none.jsonl" in told


def test_a_fault_in_the_rules_is_told(proof):
    code, told, _ = proof("rules:\n  x: {value: count(), over: 5m, critical: foo}\ntests: [{name: a, line: b, record: {}}]\n")
    assert code == 2 and "(its rules)" in told and "expected a threshold" in told


# --- time, restarts, sinks ----------------------------------------------------------------------------------------

CONFIG = """
data_dir: ./never-made
sources:
  app: {type: file, include: [/nowhere/*.log], parse: json}
  net: {type: syslog, listen: ['udp://127.0.0.1:1']}
sinks: {chat: {type: webhook, url: 'http://127.0.0.1:1/'}, pager: {type: webhook, url: 'http://127.0.0.1:1/'}}
routes: [{to: chat}]
alerting:
  routes: [{to: chat}, {where: severity == critical, to: pager}]
  rules:
    logins: {where: event == login_failed, value: count(), over: 10m, by: ip, medium: at least 3, critical: at least 5}
"""


@pytest.fixture
def ops(proof, tmp_path):
    (tmp_path / "a.yaml").write_text(CONFIG)
    return lambda text, *options: proof("config: a.yaml\ntests:\n" + text, *options)


BURST = """  - name: x
    input: [{from: 0s, every: 4s, n: 5, source: %s, record: {event: login_failed, ip: 10.0.0.1}}]
    faults: [{at: 15s, restart: %s}]
    expect: {at: 16s, rule: logins, severity: critical, value: 5}
"""


def test_windows_live_on_over_restarts_as_far_as_they_do(ops, tmp_path):
    for source, kind, code in (("app", "kill", 0), ("app", "stop", 0), ("net", "stop", 0),
                               ("net", "kill", 1)):     # a socket's records since the save at 10 s are gone
        assert ops(BURST % (source, kind))[0] == code, (source, kind)
    assert not (tmp_path / "never-made").exists()


def test_nobody_is_told_twice_over_restarts(ops):
    text = """  - name: x
    input: [{from: 0s, every: 1s, n: 30, record: {event: login_failed, ip: 10.0.0.1}}]
    faults: [{at: 4500ms, restart: kill}, {at: 8s, restart: kill, down: 2s}, {at: 14s, restart: stop}]
    until: 30m
    max_notifications: %d
    expect:
      - {rule: logins, state: firing, severity: medium, to: chat, times: 1, deliveries: 1}
      - {rule: logins, state: resolved, times: 1}
"""
    told = [each["record"]["state"] for each in one(ops(text % 9, "--json")[2])["notices"]]
    assert told.count("resolved") == 1 and told[0] == "firing", told
    assert ops(text % len(told))[0] == 0
    assert ops(text % (len(told) - 1))[0] == 1


def test_somebody_works_on_it(ops):
    text = """  - name: x
    input: [{from: 0s, every: 1s, n: 5, record: {event: login_failed, ip: 10.0.0.1}}]
    faults: [{at: %s, acknowledge: logins, key: {ip: 10.0.0.1}}]
    expect: {at: %s, rule: logins, state: acknowledged, to: chat}
"""
    assert ops(text % ("60s", "60s..62s"))[0] == 0
    code, told, _ = ops(text % ("1s", "1s..2s"))         # nothing fires yet
    assert code == 1 and "acknowledge: no alert of logins fires then" in told


def test_maintenance_windows_hold_back(proof):
    text = """alerting:
  maintenance: [{name: backup, weekly: 'Mon 02:00-04:00', zone: UTC, where: service == "db"}]
  routes: [{to: told}]
  rules: {c: {value: count(), over: 1m, by: service, low: at least 1}}
tests:
  - name: x
    start: 2026-01-05T00:00:00Z
    input: [{at: %s, record: {service: db}}]
    expect: {rule: c, key: {service: db}, state: firing}
"""
    assert proof(text % "5h")[0] == 0
    assert proof(text % "2h30m")[0] == 1


def test_what_arrives_while_it_is_down_arrives_when_it_is_up(ops):
    text = BURST.replace("at: 16s,", "at: %s,").replace("restart: %s}", "restart: %s, down: 20s}")
    assert ops(text % ("app", "stop", "35s"))[0] == 0
    assert ops(text % ("app", "stop", "16s"))[0] == 1


def test_replies_of_a_sink(ops):
    base = """  - name: x
    input: [{from: 0s, every: 1s, n: 3, record: {event: login_failed, ip: 10.0.0.1}}]
    until: 2m
    faults: [{sink: chat, replies: %s}]
    expect: {rule: logins, state: firing, to: chat, deliveries: %d}
"""
    for replies, deliveries in (("[200]", 1), ("[429 retry-after 2, 200]", 1), ("[503, 503, hang, 200]", 1), ("[400]", 0),
                                ("[" + ", ".join(["503"] * 20) + "]", 0)):
        code, told, results = ops(base % (replies, deliveries), "--json")
        assert code == 0, (replies, told)
        assert one(results)["notices"][0]["delivered"] == deliveries
        assert ops(base % (replies, deliveries + 1))[0] == 1


def test_a_record_that_comes_late_and_one_from_the_future(ops):
    text = """  - name: x
    input:
      - {from: 0s, every: 1s, n: 4, record: {event: login_failed, ip: 10.0.0.1}}
      - {at: 10s, arrive: 25s, record: {event: login_failed, ip: 10.0.0.1}}
      - {from: 1d, arrive: 5s, record: {event: login_failed, ip: 10.0.0.2}}
    expect: {at: %s, rule: logins, severity: critical, value: 5}
"""
    assert ops(text % "25s")[0] == 0
    assert ops(text % "10s..20s")[0] == 1


def test_the_same_again(ops):
    text = BURST % ("app", "kill")
    first, second = (one(ops(text, "--json")[2]) for _ in range(2))
    assert first.pop("seconds") and second.pop("seconds") and first == second


# --- lines ----------------------------------------------------------------------------------------------------------

LINES = """
data_dir: ./never-made
sources:
  app: {type: file, include: [/nowhere/*.log], parse: json, service: shop}
  proxy: {type: docker, include: [/nowhere/*.log]}
filters:
  - drop: level == debug
  - remove: [password]
  - throttle: {rate: 1/m, burst: 1, where: message == again}
routes: [{where: level >= error, to: problems}, {to: all}]
sinks: {all: {type: stdout}, problems: {type: stdout}}
alerting:
  routes: [{to: problems}]
  rules:
    errors: {value: count(level >= error), over: 1m, by: service, critical: at least 5}
    payments: {where: has amount, value: sum(amount), over: 1m, critical: above 5}
"""


@pytest.fixture
def lines(proof, tmp_path):
    (tmp_path / "a.yaml").write_text(LINES)
    return lambda text, *options: proof("config: a.yaml\ntests:\n" + text, *options)


PAY = "  - name: x\n    line: '{\"level\":\"error\",\"msg\":\"no\",\"amount\":7.50,\"password\":\"x\",\"at\":{\"zone\":\"eu\"}}'\n"


def test_what_becomes_of_a_line(lines):
    right = ("record: {level: error, message: 'no', amount: 7.5, service: shop, at.zone: eu, at: {zone: eu}, city: null}",
             "without: [password, city]", "to: [problems, all]", "feeds: [errors, payments]", "dropped: false",
             "records: [{fields: {level: error}, to: [all, problems]}]")
    for each in right:
        code, told, _ = lines(PAY + "    " + each + "\n")
        assert code == 0, (each, told)
    wrong = ("record: {level: warn}", "record: {message: null}", "record: {amount: 7.51}", "record: {city: x}",
             "without: [amount]", "to: all", "to: []", "feeds: errors", "feeds: []", "dropped: true",
             "records: [{fields: {level: error}}, {fields: {}}]", "records: []")
    for each in wrong:
        code, told, _ = lines(PAY + "    " + each + "\n")
        assert code == 1, (each, told)


def test_lines_that_are_dropped_and_filters_that_remember(lines):
    text = """  - name: x
    lines: ['{"level":"debug","msg":"a"}', '{"msg":"again"}', '{"msg":"again"}', 'plain text']
    records:
      - dropped: true
      - {fields: {message: again}, to: all, feeds: errors}
      - dropped: %s
      - {fields: {message: plain text}, to: all}
"""
    assert lines(text % "true")[0] == 0
    assert lines(text % "false")[0] == 1


def test_lines_of_one_event(proof, tmp_path):
    (tmp_path / "a.yaml").write_text(LINES.replace("parse: json, service: shop", "parse: none, multiline: auto"))
    text = """config: a.yaml
tests:
  - name: x
    lines:
      - 'Traceback (most recent call last):'
      - '  File "a.py", line 1, in <module>'
      - 'ValueError: x'
      - 'next'
    records:
      - {fields: {message: "Traceback (most recent call last):\\n  File \\"a.py\\", line 1, in <module>\\nValueError: x"}}
      - {fields: {message: next}}
"""
    code, told, _ = proof(text)
    assert code == 0, told
    (tmp_path / "a.yaml").write_text(LINES.replace("parse: json, service: shop", "parse: none"))
    code, told, _ = proof(text)
    assert code == 1 and "the lines became 4" in told


def test_an_envelope(lines):
    text = """  - name: x
    source: proxy
    line: '{"log":"{\\"level\\":\\"error\\",\\"msg\\":\\"boom\\"}\\n","stream":"stderr","time":"2026-01-05T09:00:00.5Z"}'
    record: {level: error, message: boom, stream: stderr, timestamp: '2026-01-05T09:00:00.500Z'}
    to: [problems, all]
"""
    code, told, _ = lines(text)
    assert code == 0, told


# --- files, golden, reports -----------------------------------------------------------------------------------------------

def recorded(path, start="2026-05-05T10:00:", count=8):
    path.write_text("".join(json.dumps({"timestamp": f"{start}{second:02}.250Z", "level": "warn", "service": "ssh",
                                        "message": "no", "event": "login_failed", "ip": "10.0.0.1"}) + "\n"
                            for second in range(10, 10 + count)))


@pytest.mark.parametrize("packed", (False, True))
def test_a_recorded_outage(proof, tmp_path, packed):
    recorded(tmp_path / "day.jsonl")
    name = "day.jsonl"
    if packed:
        subprocess.run(["zstd", "-q", tmp_path / name], check=True)
        name += ".zst"
    text = LOGINS + f"  - name: x\n    input: {{file: {name}}}\n" + "    expect: {at: '%s', rule: logins, value: 5}\n"
    assert proof(text % "2026-05-05T10:00:14Z..10:00:15Z")[0] == 0
    assert proof(text % "4s..4500ms")[0] == 0       # it begins with the first record
    assert proof(text % "2026-05-05T10:00:10Z..10:00:14Z")[0] == 1


def test_golden(proof, tmp_path):
    text = LOGINS + "  - name: x\n" + FIVE + "    golden: told.jsonl\n    never: {state: summary}\n    until: 1h\n"
    code, told, _ = proof(text)
    assert code == 1 and "cannot read" in told and "--write-golden" in told
    assert proof(text, "--write-golden")[0] == 0
    golden = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [each["state"] for each in golden] == ["firing", "resolved"]
    assert proof(text)[0] == 0
    (tmp_path / "told.jsonl").write_text((tmp_path / "told.jsonl").read_text().replace("firing", "fired"))
    code, told, _ = proof(text)
    assert code == 1 and "golden    line 1 of " in told and "differs" in told


def test_junit_only_and_exit_codes(proof, tmp_path):
    text = LOGINS + "  - name: right <&>\n" + FIVE + "    expect: {rule: logins}\n" + \
        "  - name: wrong\n" + FIVE + "    expect: {rule: logins, value: 9}\n"
    code, told, _ = proof(text, "--junit", str(tmp_path / "out.xml"))
    assert code == 1 and "2 tests, 1 failed" in told
    suite = xml.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["right <&>", "wrong"]
    assert cases[0].find("failure") is None and "value 9" in cases[1].find("failure").text
    assert proof(text, "--only", "right")[0] == 0
    assert proof(text, "--only", "nothing")[0] == 2
    assert proof(text, "--what")[0] == 2
    assert subprocess.run([BIN, "test"], capture_output=True).returncode == 2
    assert subprocess.run([BIN, "test", tmp_path / "none.yaml"], capture_output=True).returncode == 2


def test_coverage_names_what_no_test_fires(ops):
    code, told, _ = ops("  - name: x\n    input: [{from: 0s, every: 1s, n: 3, record: {event: login_failed, ip: a}}]\n"
                        "    expect: {rule: logins}\n", "--coverage")
    assert code == 0 and "1 of 2 thresholds" in told and "never fired: logins critical" in told
    assert "logins medium" not in told.split("thresholds")[1]


def test_variables_are_the_tests_own(proof, tmp_path):
    (tmp_path / "a.yaml").write_text(CONFIG.replace("at least 5", "'at least ${ENOUGH_LOGINS}'"))
    text = "config: a.yaml\nvariables: {ENOUGH_LOGINS: 4}\ntests:\n  - name: x\n" + FIVE + \
        "    expect: {at: 3s, rule: logins, severity: critical}\n"
    assert proof(text)[0] == 0
    assert proof(text.replace("variables: {ENOUGH_LOGINS: 4}\n", ""))[0] == 2
