"""Every parser through the whole program: from lines of a file to records in an archive, and what explain tells."""
import json
import re
import subprocess

import pytest

from harness import BIN, ROOT, archive_records, run_to_end, wait_for

SETTINGS = """
  csv_own: {type: csv, header: 'time,level,message,n', types: {n: int}}
  tsv_own: {type: tsv, columns: [time, level, message, n]}
  pairs: {type: key_value, separator: '::', delimiter: '||', types: {took: duration}}
  order: {type: grok, pattern: '^%{ORDER:order} %{WORD:state} in %{NUMBER:took_ms:float}', definitions: {ORDER: 'o-[0-9]+'}}
  httpd: {type: grok, pattern: '%{COMBINEDAPACHELOG}', names: ecs}
  berlin: {type: nginx, timezone: Europe/Berlin}
  pods: {type: cri, then: [json, klog, text]}
"""

# parser, line, what the record must hold; timestamps are 2026-03-01T10:00:00Z unless they say otherwise
CASES = [
    ("json", '{"ts":1772359200,"level":40,"msg":"m","n":1.50}', {"level": "warn", "message": "m", "n": 1.5}),
    ("logfmt", 'time=2026-03-01T10:00:00Z level=warn msg="a \\"b\\"" n=1', {"level": "warn", "message": 'a "b"', "n": "1"}),
    ("ltsv", "time:2026-03-01T10:00:00Z\tlevel:warn\tmessage:m\tn:1", {"level": "warn", "message": "m", "n": "1"}),
    ("csv_own", '2026-03-01T10:00:00Z,warn,"a ""b"", c",7', {"level": "warn", "message": 'a "b", c', "n": 7}),
    ("tsv_own", "2026-03-01T10:00:00Z\twarn\tm\t7", {"level": "warn", "message": "m", "n": "7"}),
    ("pairs", "time :: 2026-03-01T10:00:00Z || took::250ms || path::/a b", {"took": 0.25, "path": "/a b"}),
    ("nginx", '192.0.2.1 - al [01/Mar/2026:11:00:00 +0100] "GET /a HTTP/1.1" 200 612 "-" "curl"',
     {"client_ip": "192.0.2.1", "user": "al", "method": "GET", "path": "/a", "status": 200, "bytes": 612, "user_agent": "curl"}),
    ("berlin", "2026/03/01 11:00:00 [error] 1#2: *3 broken, client: 192.0.2.1, server: _", {"level": "error", "message": "broken"}),
    ("apache", "[Sun Mar 01 10:00:00 2026] [core:error] [pid 4] [client 192.0.2.1:5] m", {"level": "error", "client_port": 5}),
    ("haproxy", "192.0.2.1:9 [01/Mar/2026:10:00:00] in out/s1 1/2/3 4 -- 1/1/0/0/0 0/0", {"backend": "out", "duration_ms": 3}),
    ("postgres", "2026-03-01 11:00:00 CET [42] al@shop LOG:  duration: 1.50 ms  statement: select 1",
     {"level": "info", "user": "al", "database": "shop", "duration_ms": 1.5}),
    ("mysql", "2026-03-01T10:00:00.000000Z 8 [Warning] [MY-010926] [Server] no", {"level": "warn", "thread_id": 8}),
    ("redis", "1:M 01 Mar 2026 10:00:00.000 # no", {"level": "warn", "role": "master", "message": "no"}),
    ("klog", 'E20260301 10:00:00 7 a.go:70] "Pod gone" pod="ns/x"', {"level": "error", "message": "Pod gone", "pod": "ns/x"}),
    ("text", "2026-03-01 10:00:00 [main] ERROR c.a.Shop - it broke", {"level": "error", "thread": "main", "logger": "c.a.Shop"}),
    ("java", "2026-03-01 10:00:00,000 WARN  [pool-1] x: y", {"level": "warn", "message": "[pool-1] x: y"}),
    ("python", "2026-03-01 10:00:00,000 - my.module - ERROR - m", {"level": "error", "logger": "my.module", "message": "m"}),
    ("auditd", "type=USER_LOGIN msg=audit(1772359200.000:7): pid=1 msg='op=login acct=\"al\" res=failed'",
     {"type": "USER_LOGIN", "sequence": 7, "acct": "al", "res": "failed"}),
    ("cef", "CEF:0|A|B|1|2|scan|8|rt=1772359200000 src=192.0.2.1 msg=a b", {"level": "error", "message": "scan", "msg": "a b"}),
    ("leef", "LEEF:2.0|A|B|1|2|^|devTime=2026-03-01T10:00:00Z^src=192.0.2.1", {"event_id": "2", "src": "192.0.2.1"}),
    ("pods", "2026-03-01T10:00:00Z stderr F error: it broke", {"level": "error", "stream": "stderr", "message": "it broke"}),
    ("cri", '2026-03-01T09:00:00Z stdout F {"time":"2026-03-01T10:00:00Z","msg":"m"}', {"stream": "stdout", "message": "m"}),
    ("syslog", "<34>1 2026-03-01T10:00:00Z h app 7 - - m", {"level": "critical", "host": "h", "service": "app", "message": "m"}),
    ("httpd", '192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl"',
     {"source.address": "192.0.2.1", "http.response.status_code": 200, "url.original": "/a"}),
]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    directory = tmp_path_factory.mktemp("parsers")
    sources = ""
    for number, (parser, line, _) in enumerate(CASES):
        (directory / f"in{number}.log").write_text(line + "\n")
        sources += f"  s{number}: {{type: file, include: ['{directory}/in{number}.log'], parse: {parser}, fields: {{case: '{number}'}}}}\n"
    (directory / "order.log").write_text("o-17 paid in 12.50 ms\nnothing of the kind\n")
    sources += f"  order: {{type: file, include: ['{directory}/order.log'], parse: order, fields: {{case: order}}}}\n"
    run_to_end(directory / "lb", f"sources:\n{sources}parsers:{SETTINGS}"
               f"routes: [{{to: archive}}]\nsinks: {{archive: {{type: archive, path: '{directory}/archive/all.jsonl.zst'}}}}\n")
    found = {}
    for record in archive_records(directory / "archive"):
        found.setdefault(record["case"], []).append(record)
    return found


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_a_line_becomes_a_record(records, number):
    (record,) = records[str(number)]
    assert record["timestamp"] == "2026-03-01T10:00:00Z"
    assert "parse_error" not in record
    for key, value in CASES[number][2].items():
        assert record.get(key) == value, record


def test_a_line_that_is_refused_stays_whole(records):
    taken, refused = records["order"]
    assert (taken["order"], taken["state"], taken["took_ms"]) == ("o-17", "paid", 12.5)
    assert taken["message"] == "o-17 paid in 12.50 ms"
    assert refused["message"] == "nothing of the kind" and "parse_error" in refused


def test_explain_says_who_took_it_and_where_the_others_gave_up(tmp_path):
    (tmp_path / "logboom.yaml").write_text("data_dir: ./data\nsources: {in: {type: stdin, parse: [nginx, logfmt, text]}}\n"
                                           "routes: [{to: out}]\nsinks: {out: {type: stdout}}\n")
    done = subprocess.run([BIN, "explain", "-c", "logboom.yaml", "a=1 b=\"never closed"], cwd=tmp_path, text=True,
                          capture_output=True, timeout=60)
    said = re.search(r"^parse +(.*)$", done.stdout, re.M)[1]
    assert said == ("nginx: refused, expected a time in brackets (byte 0), logfmt: refused, expected the closing quote (byte 6), "
                    "text: refused, expected a time or a level in front (byte 0)")
    record = json.loads(re.search(r"^record +(.*)$", done.stdout, re.M)[1])
    assert record["message"] == 'a=1 b="never closed'


def test_faults_of_settings_are_told_at_their_place(tmp_path):
    (tmp_path / "logboom.yaml").write_text("""data_dir: ./data
sources: {in: {type: stdin, parse: [a, b, c, d]}}
parsers:
  a: {type: csv, columns: [x, y], header: 'x,y'}
  b: {type: grok, pattern: '%{NOSUCH:x}'}
  c: {type: nginx, timezone: Europe/Nowhere}
  d: {type: logfmt, types: {n: itn}}
routes: [{to: out}]
sinks: {out: {type: stdout}}
""")
    done = subprocess.run([BIN, "check", "-c", "logboom.yaml"], cwd=tmp_path, text=True, capture_output=True, timeout=60)
    assert done.returncode == 1
    told = done.stderr
    assert re.search(r"^logboom.yaml:4:\d+: error: .*columns and header say the same", told, re.M), told
    assert re.search(r"^logboom.yaml:5:\d+: error: .*%\{NOSUCH\} is not known", told, re.M), told
    assert re.search(r"^logboom.yaml:6:\d+: error: .*Europe/Nowhere", told, re.M), told
    assert re.search(r"^logboom.yaml:7:\d+: error: .*'itn' is no type, did you mean 'int'", told, re.M), told


def test_every_parser_is_in_its_page():
    page = (ROOT / "docs/parsers.md").read_text()
    table = page[page.index("## Which\n"):page.index("## Which field")]
    for name in re.findall(r"^LB_PARSER\((\w+)\)", (ROOT / "parse/parsers.def").read_text(), re.M):
        assert f"`{name}`" in table, name


def test_the_status_and_a_metric_say_what_auto_picked(logboom):
    daemon = logboom("""
        sources:
          app: {type: file, include: ['{dir}/app.log'], parse: auto}
          strict: {type: file, include: ['{dir}/strict.log'], parse: [json, logfmt]}
          raw: {type: file, include: ['{dir}/raw.log'], parse: none}
        routes: [{to: out}]
        sinks: {out: {type: file, path: '{dir}/out.log', flush: 100ms}}
    """)
    lines = {parser: line for parser, line, _ in CASES}
    (daemon.dir / "app.log").write_text((lines["json"] + "\n") * 300 + (lines["redis"] + "\n") * 20 + "just words\n" * 3
                                        + (lines["json"] + "\n") * 7)
    (daemon.dir / "strict.log").write_text((lines["logfmt"] + "\n") * 5 + lines["json"] + "\n" + "refused\n" * 2)
    (daemon.dir / "raw.log").write_text("anything\n")
    daemon.start().ready()
    wait_for(lambda: daemon.metric("logboom_records_total") == 339, what="all records")
    wait_for(lambda: daemon.metric("logboom_parsed_records_total") == 336, what="all counted")
    components = {each["name"]: each for each in json.loads(daemon.get("/api/v1/status")[1])["components"]}
    assert components["app"]["parsed"] == {"json": 307, "redis": 20, "none": 3}
    assert components["strict"]["parsed"] == {"json": 1, "logfmt": 5}
    assert "parsed" not in components["raw"]
    assert daemon.metric("logboom_parsed_records_total", source="app", parser="redis") == 20
    assert daemon.metric("logboom_parse_errors_total", source="strict") == 2
