"""Every filter through the whole program: explain shows what it changed; sinks get what is left; nothing is read twice."""
import json
import re
import subprocess

import pytest

from harness import BIN, ROOT, archive_records, run_to_end, wait_for

# filter as YAML, line, what explain must say of it: a part of the record's JSON, "changed nothing", "dropped" …
EXPLAINED = [
    ("parse: {with: nginx, where: service == web}",
     '{"service":"web","msg":"192.0.2.1 - al [01/Mar/2026:11:00:00 +0100] \\"GET /a HTTP/1.1\\" 200 612 \\"-\\" \\"curl\\""}',
     '"client_ip":"192.0.2.1"'),
    ("parse: {with: nginx, where: service == web}", '{"service":"db","msg":"x"}', "changed nothing"),
    ("decode: {field: uri, as: url}", '{"msg":"m","uri":"/a?b=1"}', '"uri":{"path":"/a","query":{"b":"1"}}'),
    ("flatten: o", '{"msg":"m","o":{"a":1}}', '"o.a":1'),
    ("unflatten: o", '{"msg":"m","o.a":1}', '"o":{"a":1}'),
    ("types: {took: duration}", '{"msg":"m","took":"250ms"}', '"took":0.25'),
    ("redact: {patterns: [card], keys: [password]}", '{"msg":"4111 1111 1111 1111","a":{"password":"x"}}',
     '"message":"[card]","a":{"password":"[redacted]"}'),
    ("redact: {patterns: [card]}", '{"msg":"nothing"}', "changed nothing"),
    ("throttle: {rate: 10/s, where: level == debug}", '{"msg":"m","level":"debug"}', "judges by what came before: a first one passes"),
    ("throttle: {rate: 10/s, where: level == debug}", '{"msg":"m","level":"info"}', "judges by what came before: not this record"),
    ("dedupe: 1m", '{"msg":"m"}', "judges by what came before: a first one passes"),
    ("sample: {rate: 0%, keep: level >= error}", '{"msg":"m","level":"info"}', "dropped the record"),
    ("sample: {rate: 0%, keep: level >= error}", '{"msg":"m","level":"error"}', "changed nothing"),
]


@pytest.mark.parametrize("text,line,said", EXPLAINED, ids=[f"{n}-{row[0].split(':')[0]}" for n, row in enumerate(EXPLAINED)])
def test_explain_shows_what_a_filter_does(text, line, said, tmp_path):
    (tmp_path / "logboom.yaml").write_text("data_dir: ./data\nsources: {in: {type: stdin}}\n"
                                           f"filters:\n  - {text}\nroutes: [{{to: out}}]\nsinks: {{out: {{type: stdout}}}}\n")
    done = subprocess.run([BIN, "explain", "-c", "logboom.yaml", line], cwd=tmp_path, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = re.search(r"^filter +\w+ \(logboom.yaml:4\) (.*)$", done.stdout, re.M)
    assert shown is not None and said in shown[1], done.stdout


SECRETS = ["alice@example.org", "4111 1111 1111 1111", "5105105105105100", "hunter2x", "s3cr3tpw", "192.0.2.77", "2001:db8::77",
           "AKIAIOSFODNN7EXAMPLE", "DE89370400440532013000", "tok3n-value"]

SECRET_LINES = [
    {"msg": "mail from alice@example.org at 192.0.2.77, card 4111 1111 1111 1111", "n": 1},
    {"msg": "m", "user": {"password": "hunter2x", "list": [{"mail": "alice@example.org"}, 5105105105105100]}},
    {"msg": "POST postgres://app:s3cr3tpw@db/x from [2001:db8::77]:80 with AKIAIOSFODNN7EXAMPLE"},
    {"msg": "m", "body": json.dumps({"a": json.dumps({"password": "hunter2x", "iban": "DE89370400440532013000"})})},
    {"msg": "Authorization: Bearer tok3n-value", "alice@example.org": True},
]


def test_no_sink_gets_a_secret_whatever_its_format(tmp_path):
    lines = [json.dumps(line) for line in SECRET_LINES]
    lines += ['{"password": "hunter2x", cut off alice@example.org', "plain password=hunter2x for alice@example.org"]
    (tmp_path / "in.log").write_text("\n".join(lines) + "\n")
    sinks = "".join(f"  {name}: {{type: file, path: '{tmp_path}/out.{name}', format: {name}}}\n"
                    for name in ("json", "logfmt", "text", "raw"))
    run_to_end(tmp_path / "lb", f"""
sources: {{in: {{type: file, include: ['{tmp_path}/in.log'], parse: [json]}}}}
filters:
  - redact:
      patterns: [email, ipv4, ipv6, card, iban, bearer, password_url, aws_key, jwt]
      keys: [password]
routes: [{{to: [json, logfmt, text, raw, archive]}}]
sinks:
{sinks}  archive: {{type: archive, path: '{tmp_path}/archive/all.jsonl.zst'}}
""")
    records = archive_records(tmp_path / "archive")
    assert len(records) == len(lines)
    written = {name: (tmp_path / f"out.{name}").read_text() for name in ("json", "logfmt", "text", "raw")}
    written["archive"] = json.dumps(records)
    for name, text in written.items():
        assert len(text) > 100, name
        for secret in SECRETS:
            assert secret not in text, f"{name} has {secret}"
    assert "mail from [email] at [ipv4], card [card]" in written["raw"]


def numbered(path, count, start=0):
    with open(path, "a") as file:
        for n in range(start, start + count):
            file.write(json.dumps({"msg": f"message {n}", "service": f"s{n % 3}", "n": n}) + "\n")


def config(tmp_path, filters):
    return f"""
sources: {{in: {{type: file, include: ['{tmp_path}/in.log']}}}}
filters: {filters}
routes: [{{to: archive}}]
sinks: {{archive: {{type: archive, path: '{tmp_path}/archive/all.jsonl.zst'}}}}
"""


def test_throttle_lets_the_first_pass_in_order_and_what_it_drops_is_not_read_again(tmp_path):
    numbered(tmp_path / "in.log", 30000)  # many batches, on several workers
    run_to_end(tmp_path / "lb", config(tmp_path, "[{throttle: {rate: 1/d, burst: 500}}]"))
    assert [record["n"] for record in archive_records(tmp_path / "archive")] == list(range(500))
    # Without the filter nothing of what was dropped comes back.
    numbered(tmp_path / "in.log", 7, 30000)
    run_to_end(tmp_path / "lb", config(tmp_path, "[]"))
    assert [record["n"] for record in archive_records(tmp_path / "archive")] == [*range(500), *range(30000, 30007)]


def test_dedupe_lets_one_of_each_pass(tmp_path):
    numbered(tmp_path / "in.log", 30000)
    run_to_end(tmp_path / "lb", config(tmp_path, "[{dedupe: {by: service, over: 1d}}]"))
    assert [record["n"] for record in archive_records(tmp_path / "archive")] == [0, 1, 2]


def test_sample_keeps_the_same_traces_and_counts_what_it_drops(logboom, tmp_path):
    numbered(tmp_path / "in.log", 3000)
    daemon = logboom(config(tmp_path, "[{sample: {rate: 20%, by: n, keep: n < 10}}]")).start().ready()

    def all_dropped():
        dropped = daemon.metric("logboom_filter_dropped_records_total", filter="sample", position="1")
        return dropped if dropped + daemon.metric("logboom_sink_records_total") == 3000 else None

    dropped = wait_for(all_dropped, what="3000 records that were dropped or taken")
    daemon.stop()
    kept = {record["n"] for record in archive_records(tmp_path / "archive")}
    assert len(kept) == 3000 - dropped and set(range(10)) <= kept and 400 < len(kept) < 800
    (tmp_path / "other").mkdir()
    numbered(tmp_path / "other" / "in.log", 3000)
    run_to_end(tmp_path / "other" / "lb", config(tmp_path / "other", "[{sample: {rate: 20%, by: n, keep: n < 10}}]"))
    assert {record["n"] for record in archive_records(tmp_path / "other" / "archive")} == kept


def test_what_filters_drop_is_lost_once_and_what_they_let_pass_is_there_once_over_kill_9(tmp_path, logboom):
    """dedupe drops the second half of every pair, sample some of the rest; both halves of a pair stand side by side."""
    filters = "[{dedupe: {by: [n], over: 1d, keys: 100000}}, {sample: {rate: 60%, by: n}}]"
    (tmp_path / "other").mkdir()
    daemon = logboom("commit_every: 50ms\n" + config(tmp_path, filters))
    for part in range(4):
        pairs = "".join(json.dumps({"msg": "m" * 100, "n": n // 2}) + "\n" for n in range(part * 20000, (part + 1) * 20000))
        for log in (tmp_path / "in.log", tmp_path / "other" / "in.log"):
            with open(log, "a") as file:
                file.write(pairs)
        daemon.start().ready()
        wait_for(lambda: daemon.metric("logboom_records_total") > 0, what="a first batch")
        daemon.kill()
    run_to_end(tmp_path / "lb", config(tmp_path, filters))
    run_to_end(tmp_path / "other" / "lb", config(tmp_path / "other", filters))
    expected = [record["n"] for record in archive_records(tmp_path / "other" / "archive")]
    found = [record["n"] for record in archive_records(tmp_path / "archive")]
    # A start that falls between the halves of a pair has forgotten the first: once for each kill at most.
    assert sorted(set(found)) == expected
    assert len(found) - len(expected) <= 4


def test_what_was_held_back_is_told_by_metrics_and_by_the_next_that_passes(logboom, tmp_path):
    numbered(tmp_path / "in.log", 100)
    daemon = logboom(config(tmp_path, "[{throttle: {rate: 1/s, burst: 10}}]")).start().ready()

    def dropped():
        return daemon.metric("logboom_filter_dropped_records_total", filter="throttle", position="1")

    wait_for(lambda: dropped() >= 1, what="records held back")

    def next_passes():
        numbered(tmp_path / "in.log", 1, 1000)
        return daemon.metric("logboom_records_total") > 100 and daemon.metric("logboom_level_records_total") > 10
    wait_for(next_passes, what="another record that passes")
    daemon.stop()
    records = archive_records(tmp_path / "archive")
    assert sum(record.get("throttled", 0) for record in records) >= 1
    assert all("throttled" not in record for record in records[:10])


def test_every_filter_is_in_its_page():
    page = (ROOT / "docs/filters.md").read_text()
    for name in re.findall(r"^LB_FILTER\((\w+)\)", (ROOT / "route/filters.def").read_text(), re.M):
        assert f"`{name}`" in page, f"docs/filters.md does not name {name}"
