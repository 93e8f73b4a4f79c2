"""The daemon as an operator sees it: health, metrics, lock, log level, signals, help."""
import json
import signal
import subprocess
import urllib.request

import pytest

from harness import BIN, PATIENCE, ROOT, Logboom, free_port, wait_for

CONFIG = """
sources:
  in: {{type: file, include: ['{dir}/*.log']}}
  net: {{type: syslog, listen: ['tcp://127.0.0.1:{port}', 'udp://127.0.0.1:{port}']}}
routes:
  - {{to: out}}
sinks:
  out: {{type: file, path: '{dir}/out.jsonl', format: json}}
  archive: {{type: archive, path: '{dir}/archive/{{service}}.jsonl.zst'}}
alerting:
  routes: [{{to: archive}}]
  rules:
    many: {{value: count(), over: 1m, by: service, low: at least 1000}}
"""


@pytest.fixture
def daemon(logboom, tmp_path):
    (tmp_path / "a.log").write_text("".join(f'{{"level":"info","msg":"line {i}"}}\n' for i in range(1000)))
    return logboom(CONFIG.format(dir=tmp_path, port=free_port())).start().ready()


def out_lines(tmp_path):
    path = tmp_path / "out.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def test_health_tells_the_state_of_every_component(daemon):
    status, body = daemon.get("/health")
    health = json.loads(body)
    assert status == 200 and health["status"] == "ok" and health["version"]
    states = {c["name"]: (c["kind"], c["type"], c["state"]) for c in health["components"]}
    assert states == {"in": ("source", "file", "ok"), "net": ("source", "syslog", "ok"), "out": ("sink", "file", "ok"),
                      "archive": ("sink", "archive", "ok")}


def test_promtool_accepts_the_metrics(daemon):
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="out") >= 1000, 20, "records")
    _, text = daemon.get("/metrics")
    check = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr
    assert daemon.metric("logboom_records_total", source="in") == 1000


def test_unknown_paths_and_methods_are_told(daemon):
    assert daemon.get("/nothing")[0] == 404
    assert daemon.get("/health", "POST", b"")[0] == 405
    assert daemon.get("/api/v1/log_level", "POST", b"loud")[0] == 400


def test_own_log_level_changes_at_run_time(daemon):
    assert daemon.get("/api/v1/log_level", "POST", b"debug\n") == (200, '{"log_level":"debug"}\n')
    assert json.loads(daemon.get("/api/v1/status")[1])["log_level"] == "debug"
    daemon.process.send_signal(signal.SIGUSR2)
    wait_for(lambda: json.loads(daemon.get("/api/v1/status")[1])["log_level"] == "info", 20, "SIGUSR2")
    daemon.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: json.loads(daemon.get("/api/v1/status")[1])["log_level"] == "debug", 20, "SIGUSR1")


def test_sigterm_drains_and_commits(daemon, tmp_path):
    wait_for(lambda: daemon.metric("logboom_records_total", source="in") == 1000, 20, "records read")
    assert daemon.stop() == 0
    assert len(out_lines(tmp_path)) == 1000


def test_a_second_one_on_the_same_data_dir_is_refused(daemon):
    second = Logboom(daemon.dir, daemon.config.read_text().replace(str(daemon.http), str(free_port())))
    second.start()
    assert second.wait(10) == 1
    assert f"in use by process {daemon.process.pid}" in second.log()


def test_a_port_in_use_is_an_error_with_its_place(logboom, daemon, tmp_path):
    text = daemon.config.read_text().replace(str(daemon.dir / "data"), str(tmp_path / "other"))
    second = logboom(text, name="second")
    second.config.write_text(text)
    second.start()
    assert second.wait(10) == 1
    assert "in use" in second.log().lower(), second.log()


def test_beyond_loopback_a_token_is_required(logboom, tmp_path):
    port = free_port()
    base = f"sources:\n  in: {{type: file, include: ['{tmp_path}/*.log']}}\nroutes: [{{to: out}}]\n" \
           f"sinks:\n  out: {{type: file, path: {tmp_path}/o}}\n"
    (tmp_path / "a.log").write_text("x\n")
    refused = logboom(f"http: {{listen: '0.0.0.0:{port}'}}\n" + base, name="refused").start()
    assert refused.wait(10) == 1 and "set \"http.token\"" in refused.log()
    daemon = logboom(f"http: {{listen: '0.0.0.0:{port}', token: abc}}\n" + base, name="token")
    daemon.http = port
    daemon.start().ready()
    assert daemon.get("/metrics")[0] == 401
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": "Bearer abc"})
    assert urllib.request.urlopen(request, timeout=PATIENCE).status == 200
    assert daemon.stop() == 0


def run(*words, **options):
    return subprocess.run([BIN, *words], capture_output=True, text=True, timeout=30, **options)


def test_help_is_everywhere():
    overview = run("--help")
    assert overview.returncode == 0
    for command in ("run", "check", "explain", "version", "help"):
        assert command in overview.stdout
        text = run(command, "--help")
        assert text.returncode == 0 and f"logboom {command}" in text.stdout
    assert run().returncode == 2
    assert "did you mean \"explain\"" in run("explian").stderr
    assert run("run", "--nonsense").returncode == 2
    assert "brokers" in run("help", "sink.kafka").stdout
    assert run("version").stdout.startswith("logboom ")


def test_the_reference_in_docs_is_the_one_the_binary_writes():
    assert run("help", "--reference").stdout == (ROOT / "docs/reference.md").read_text(), \
        "run: build/release/logboom help --reference >docs/reference.md"


@pytest.mark.parametrize("example", sorted(set((ROOT / "conf/examples").glob("*.yaml")) -
                                           set((ROOT / "conf/examples").glob("*.test.yaml"))), ids=lambda p: p.name)
def test_every_example_loads(example, tmp_path):
    checked = run("check", "-c", str(example), cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_explain_shows_the_way_of_a_line():
    shown = run("explain", "-c", str(ROOT / "conf/examples/quickstart.yaml"), "--source", "network",
                "<11>1 2026-03-01T10:00:00Z host app 7 - - it broke", cwd=ROOT)
    assert shown.returncode == 0, shown.stderr
    for word in ('"level":"error"', '"service":"app"', '"facility":"user"', "problems (file)", "archive (archive)",
                 "error_burst"):
        assert word in shown.stdout, shown.stdout


def test_nothing_is_allocated_per_record(logboom, tmp_path):
    """In a steady state: the first lines warm up, the next 200,000 may cost a few allocations, not one each."""
    source = tmp_path / "app.log"
    lines = 100000

    def append():
        with source.open("a") as out:
            out.write("".join(f'{{"level":"info","service":"s{i % 5}","msg":"line {i}","n":{i}}}\n' for i in range(lines)))

    append()
    daemon = logboom(f"""
sources:
  in: {{type: file, include: ['{source}']}}
filters:
  - set: {{environment: 'test-{{service}}'}}
routes:
  - {{where: 'service == "s1" and message ~ "[0-9]+5$"', to: out}}
  - {{to: archive}}
sinks:
  out: {{type: file, path: '{tmp_path}/out', format: logfmt}}
  archive: {{type: archive, path: '{tmp_path}/archive/{{service}}.jsonl.zst'}}
alerting:
  routes: [{{to: out}}]
  rules:
    many: {{value: count(), over: 1m, by: service, critical: at least 100000000}}
""").start().ready()
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="archive") == lines, 30, "the first lines")
    before = daemon.metric("logboom_allocations_total")
    for more in (2, 3):
        append()
        wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="archive") == more * lines, 30, "the next lines")
    allocated = daemon.metric("logboom_allocations_total") - before
    assert allocated < 2 * lines / 100, f"{allocated} allocations for {2 * lines} records"
    print(f"{allocated} allocations for {2 * lines} records")
