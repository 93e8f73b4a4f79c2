"""`logboom alerts replay`, `lint` and `drill`: rules over archives, faults of rules, who would be told."""
import datetime
import json
import subprocess

import pytest

from harness import BIN
from test_channels import Recorder
from test_sealed import seal

START = datetime.datetime(2026, 11, 20, tzinfo=datetime.timezone.utc)
CONFIG = """
data_dir: {dir}/never-made
sources: {{app: {{type: stdin}}}}
routes: [{{to: archive}}]
sinks: {{archive: {{type: archive, path: '{dir}/logs/{{service}}/%Y-%m-%d.jsonl.zst'}}, told: {{type: stdout}}}}
alerting:
  routes: [{{to: told}}]
  rules:
"""
RATE = "    rate: {value: ratio(level >= error), over: 1m, by: service, warning: above 10%, critical: above 50%, min_count: 5}\n"
COUNT = "    errors: {value: count(level >= error), over: 1m, critical: at least 8}\n"


def record(second, service, level="info", **more):
    time = (START + datetime.timedelta(seconds=second)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"timestamp": time, "level": level, "service": service, "message": "m", **more}


def bursts(service, spans, seconds=7200):
    """A record each second; errors within the spans (begin, length)."""
    return [record(second, service, "error" if any(b <= second < b + n for b, n in spans) else "info")
            for second in range(seconds)]


def write(path, records, sealed=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in records)
    if sealed:
        from test_archive_tools import frame
        lines = text.splitlines(keepends=True)
        path.write_bytes(b"".join(frame("".join(lines[i:i + 100])) for i in range(0, len(lines), 100)))
        seal(path, 8000)
    else:
        path.write_text(text)


@pytest.fixture
def alerts(tmp_path):
    def run(rules, *words, code=0):
        (tmp_path / "a.yaml").write_text(CONFIG.format(dir=tmp_path) + rules)
        done = subprocess.run([BIN, "alerts", words[0], "-c", str(tmp_path / "a.yaml"), *map(str, words[1:])],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stdout + done.stderr
        if "--json" in words and code < 2:
            return json.loads(done.stdout)
        return (done.stdout + done.stderr).replace(str(tmp_path) + "/", "")

    return run


API, SHOP = [(600, 50), (1800, 40), (3600, 600)], [(1200, 25)]


@pytest.fixture
def logs(tmp_path):
    write(tmp_path / "logs/api/2026-11-20.jsonl.zst", bursts("api", API))
    write(tmp_path / "logs/shop/2026-11-20.jsonl.zst", bursts("shop", SHOP))
    return tmp_path / "logs"


def test_replay_finds_each_burst_where_it_is(alerts, logs):
    found = alerts(RATE + COUNT, "replay", "--json")        # the archive of the configuration
    assert (found["records"], found["files"]) == (14400, 2)
    rate, errors = found["rules"]
    spans = [(each["key"]["service"], each["started_at"][11:19], each["severity"]) for each in rate["incidents"]]
    assert spans == [("api", "00:10:06", "critical"), ("shop", "00:20:06", "medium"), ("api", "00:30:06", "critical"),
                     ("api", "01:00:06", "critical")]
    # Of 60 records more than a tenth are errors from the 7th on, until there are 6 again: 53 s behind the last one.
    assert [round(each["seconds"]) for each in rate["incidents"]] == [97, 72, 87, 647]
    assert rate["fired"] == 4 and rate["shorter_than_2m"] == 3 and rate["suggested_for_seconds"] == 120
    assert rate["left_with_it"] == 1
    # Without a key the two services are one row by time.
    assert errors["fired"] == 4 and [each["key"] for each in errors["incidents"]] == [{}] * 4


def test_what_is_suggested_comes_true(alerts, logs):
    with_it = alerts(RATE, "replay", "--json", "--set", "for=2m")["rules"][0]
    assert with_it["fired"] == 1 and with_it["incidents"][0]["started_at"].startswith("2026-11-20T01:00:06")
    higher = alerts(RATE, "replay", "--json", "--set", "warning=above 60%", "--set", "critical=above 90%")["rules"][0]
    assert [each["severity"] for each in higher["incidents"]] == ["medium", "medium", "critical"]


def test_replay_and_the_tests_of_rules_agree(alerts, tmp_path, logs):
    write(tmp_path / "api.jsonl", bursts("api", API), sealed=False)
    (tmp_path / "x.test.yaml").write_text("rules:\n" + RATE[2:].replace("    ", "  ", 1).replace("  rate", "  rate", 1) +
                                          "tests: [{name: x, input: {file: api.jsonl}, never: {rule: rate, state: summary}}]\n")
    done = subprocess.run([BIN, "test", "--json", str(tmp_path / "x.test.yaml")], capture_output=True, text=True)
    notices = json.loads(done.stdout)["results"][0]["notices"]
    found = alerts(RATE, "replay", "--json", logs / "api")["rules"][0]
    told = [each["record"]["timestamp"] for each in notices if each["record"]["state"] == "firing"]
    assert told == [each["told_at"] for each in found["incidents"]] and len(told) == 3
    assert found["notices"] == len(notices)


def test_replay_unpacks_what_lies_in_the_time_alone(alerts, logs):
    found = alerts(RATE, "replay", "--json", "--since", "2026-11-20T00:28:00Z", "--until", "2026-11-20T00:34:00Z")
    assert [each["started_at"][11:19] for each in found["rules"][0]["incidents"]] == ["00:30:06"]
    assert found["records"] == 2 * 360 and 0 < found["blocks_unpacked"] < found["blocks"] / 4
    assert alerts(RATE, "replay", "--json", "--since", "2027-01-01T00:00:00Z")["records"] == 0


@pytest.mark.parametrize("shape", ("plain", "live", "gz"))
def test_replay_reads_files_of_any_age(alerts, tmp_path, shape):
    path = tmp_path / "in/api.jsonl"
    write(path, bursts("api", API), sealed=False)
    if shape == "gz":
        subprocess.run(["gzip", path], check=True)
    elif shape == "live":
        from test_archive_tools import frame
        lines = path.read_text().splitlines(keepends=True)
        (tmp_path / "in/api.jsonl.zst").write_bytes(b"".join(frame("".join(lines[i:i + 500]))
                                                             for i in range(0, len(lines), 500)))
        path.unlink()
    assert alerts(RATE, "replay", "--json", tmp_path / "in")["rules"][0]["fired"] == 3


def test_replay_for_people(alerts, logs):
    told = alerts(RATE.replace("min_count: 5", "min_count: 5, mode: shadow"), "replay", "--rule", "rate")
    assert "would have fired 4 times: 3 critical, 1 medium" in told
    assert "3 shorter than 2 min; suggested `for: 2m` (1 left)" in told
    assert '{"service":"api"}' in told and "█" in told


def test_replay_what_is_wrong(alerts, logs, tmp_path):
    assert 'has no rule "rat"; did you mean "rate"?' in alerts(RATE, "replay", "--rule", "rat", code=2)
    assert "expected a threshold" in alerts(RATE, "replay", "--set", "critical=much", code=2)
    assert 'there is no "colour"' in alerts(RATE, "replay", "--set", "colour=red", code=2)
    assert "expected KEY=VALUE" in alerts(RATE, "replay", "--set", "critical", code=2)
    assert "is no time" in alerts(RATE, "replay", "--since", "soon", code=2)
    alerts(RATE, "replay", tmp_path / "none", code=2)
    assert "did you mean `alerts replay`" in subprocess.run([BIN, "alerts", "repla"], capture_output=True, text=True).stderr


def test_a_message_that_is_not_there_is_no_other_field(alerts, tmp_path):
    """`event` is the message of many loggers, but not in an archive, where that has a name."""
    path = tmp_path / "in/host.jsonl"
    records = [record(second, "host", event="health", status="down") for second in range(5)]
    for each in records:
        del each["message"]
    write(path, records, sealed=False)
    rule = "    health: {where: event == health, value: consecutive(status != ok), critical: at least 3}\n"
    assert alerts(rule, "replay", "--json", path)["rules"][0]["fired"] == 1


# --- lint -------------------------------------------------------------------------------------------------------------

def findings(result):
    return [each["text"].split(": ", 1)[1] if each["text"].startswith("rule") else each["text"]
            for each in result["findings"]]


def test_lint_fields_that_no_record_has(alerts, logs):
    rules = "    a: {value: count(), over: 1m, by: servce, critical: at least 5}\n" \
            "    b: {where: levl == error or at.zone == eu, value: avg(message), over: 1m, critical: above 5}\n"
    found = alerts(rules, "lint", "--json", "--since", "2026-11-01", code=1)
    texts = [each["text"] for each in found["findings"]]
    assert found["records"] == 14400
    assert 'rule "a" (by): no record has servce; nearest: service' in texts
    assert any(text.startswith('rule "b" (where): no record has levl') for text in texts)
    assert any("no record has at.zone" in text for text in texts)
    assert 'rule "b" (value): message is no number in any record, it is such as "m"' in texts
    assert len(texts) == 4 and all(each["line"] in (9, 10) for each in found["findings"])


def test_lint_nearest_of_a_nested_field(alerts, tmp_path):
    write(tmp_path / "in/x.jsonl", [record(1, "a", client={"ip": "10.0.0.1"})], sealed=False)
    found = alerts("    a: {value: count(), over: 1m, by: client_ip, critical: at least 5}\n", "lint", "--json", "--since",
                   "2026-11-01", tmp_path / "in", code=1)
    assert found["findings"][0]["text"] == 'rule "a" (by): no record has client_ip; nearest: client.ip'


UNREACHABLE = {
    "few with min_count": ("    a: {value: count(), over: 1m, min_count: 50, high: below 10}\n", "leaves it unjudged"),
    "past a hundred": ("    a: {value: last(mem_pct), high: above 90, critical: above 100}\n", "mem_pct ends at 100"),
    "levels that are one": ("    a: {value: count(), over: 1m, min_count: 50, low: at least 5, high: at least 50}\n",
                            "low cannot be reached"),
    "a repeat that is held back": ("    a: {value: count(), over: 1m, high: at least 5, repeat: 5m, cooldown: 1h}\n",
                                   "cooldown holds that back"),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_lint_what_cannot_be_meant(alerts, case, tmp_path):
    rules, text = UNREACHABLE[case]
    told = alerts(rules, "lint", code=1)
    assert text in told, told
    assert "a.yaml:9:5: warning" in told


def test_lint_somebody_is_told(alerts, tmp_path):
    rules = "    a: {value: count(), over: 1m, low: at least 5, high: at least 50}\n"
    assert "finding" not in alerts(rules, "lint")
    text = CONFIG.format(dir=tmp_path).replace("[{to: told}]\n  rules", "[{where: severity >= high, to: told}]\n  rules")
    (tmp_path / "b.yaml").write_text(text + rules)
    done = subprocess.run([BIN, "alerts", "lint", "-c", tmp_path / "b.yaml"], capture_output=True, text=True)
    assert done.returncode == 1 and "nobody is told of low" in done.stdout
    assert "nobody is told of high" not in done.stdout


def test_lint_costs_and_a_clean_bill(alerts, logs):
    found = alerts(RATE + COUNT, "lint", "--json", "--since", "2026-11-01")
    assert found["findings"] == []
    assert [(each["rule"], each["records"], each["keys"]) for each in found["rules"]] == [("rate", 14400, 2),
                                                                                         ("errors", 14400, 1)]
    for each in found["rules"]:
        assert 500 < each["quiet_key_bytes"] < each["busy_key_bytes"] < 100000


# --- drill -------------------------------------------------------------------------------------------------------------

def drill(tmp_path, url, *words):
    (tmp_path / "a.yaml").write_text(f"""
data_dir: {tmp_path}/never-made
sources: {{app: {{type: stdin}}}}
sinks:
  file: {{type: file, path: '{tmp_path}/alerts.log'}}
  chat: {{type: slack, url: '{url}/services/T0/B0/x', retry: {{first: 10ms}}}}
  hook: {{type: webhook, url: '{url}/hook', retry: {{first: 10ms}}}}
alerting:
  severities: {{critical: P1}}
  routes: [{{to: [file, chat]}}, {{where: severity == critical and rule == disk, to: hook}}]
  rules:
    disk: {{value: last(free_pct), by: [host, mount], medium: below 20, critical: below 10, runbook: https://wiki/disk}}
""")
    return subprocess.run([BIN, "alerts", "drill", "-c", tmp_path / "a.yaml", *words], capture_output=True, text=True,
                          timeout=60)


def test_a_drill_goes_to_everyone_who_would_be_told_and_is_marked(tmp_path):
    people = Recorder((200, "ok"))
    done = drill(tmp_path, people.url, "disk", "host=db1", "mount=/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == ["DRILL disk critical", "file: left alone, a file calls nobody",
                                        "chat: told, and that it is over", "hook: told, and that it is over"]
    assert not (tmp_path / "alerts.log").exists() and not (tmp_path / "never-made").exists()
    chat = [body for path, body in people.taken if path.startswith("/services")]
    hook = [each for path, body in people.taken if path == "/hook" for each in (body if isinstance(body, list) else [body])]
    assert len(chat) == 2 and all("DRILL" in json.dumps(each) for each in chat)
    assert [each["state"] for each in hook] == ["firing", "resolved"]
    assert hook[0]["rule"] == "DRILL disk" and hook[0]["key"] == {"host": "db1", "mount": "/"}
    assert hook[0]["severity_text"] == "P1" and hook[0]["runbook"] == "https://wiki/disk"
    assert hook[0]["fingerprint"] == hook[1]["fingerprint"] and hook[0]["message"].startswith("DRILL")


def test_a_drill_of_a_lower_severity_goes_where_that_goes(tmp_path):
    people = Recorder((200, "ok"))
    done = drill(tmp_path, people.url, "disk", "host=db1", "mount=/", "--severity", "medium")
    assert done.returncode == 0 and "hook" not in done.stdout and len(people.taken) == 2


def test_a_drill_that_does_not_reach_everyone(tmp_path):
    people = Recorder((403, "no"))
    done = drill(tmp_path, people.url, "disk", "host=db1", "mount=/", "--timeout", "5s")
    assert done.returncode == 1 and "chat: not told: " in done.stdout and "hook: not told: " in done.stdout


def test_a_drill_asks_for_the_key(tmp_path):
    for words, text in ((["disk"], "add host=VALUE"), (["disk", "host=a", "mount=b", "hst=c"], "did you mean host"),
                        (["disc"], 'did you mean "disk"?'), (["disk", "host=a", "mount=b", "--severity", "low"], "no severity"),
                        ([], "which rule?"), (["disk", "host"], "expected FIELD=VALUE")):
        done = drill(tmp_path, "http://127.0.0.1:1", *words)
        assert done.returncode == 2 and text in done.stderr, (words, done.stderr)
