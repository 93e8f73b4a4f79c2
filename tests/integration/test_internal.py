"""logboom's own log and metrics as records of its own pipeline, and that they come to an end."""
import math
import subprocess
import time

from harness import BIN, free_port, wait_for
from machine import Records

CONFIG = """
    sources:
      own: {{type: internal, {options}}}
      lines: {{type: file, include: ['{{dir}}/in.log']{lines}}}
    routes: [{{to: [{sinks}]}}]
    sinks:
      out: {{type: file, path: '{{dir}}/out.jsonl', format: json, flush: 50ms}}
      hook: {{type: webhook, url: '{url}', timeout: 1s, retry: {{first: 1ms, max: 5ms}}}}
      unused: {{type: file, path: '{{dir}}/unused.jsonl'}}
"""


def config(options, sinks="out, unused, hook", url="http://127.0.0.1:1/", lines=""):
    return CONFIG.format(options=options, sinks=sinks, url=url, lines=lines)


def start(logboom, text):
    daemon = logboom(text)
    (daemon.dir / "in.log").touch()
    daemon.start().ready()
    return daemon, Records(daemon.dir / "out.jsonl")


def test_lines_of_the_own_log_are_records(logboom):
    daemon, out = start(logboom, config("level: info, metrics_every: 0s"))
    started = wait_for(lambda: out.last(module="daemon"), what="the line that it has started")
    assert started["service"] == "logboom" and started["level"] == "info" and started["event"] == "log"
    assert started["message"].startswith("started sources=2 sinks=3") and started["details"]["sinks"] == "3"
    assert all(record["event"] == "log" for record in out.all())
    assert daemon.stop() == 0
    assert out.last(module="daemon")["message"].startswith("stopping"), "the last lines before the end too"


def test_a_sink_that_fails_because_of_them_does_not_feed_itself(logboom):
    """The hook gets every record and answers none, so each line about it is a record for it."""
    begin = time.monotonic()
    daemon, out = start(logboom, config("level: debug, metrics_every: 0s", url=f"http://127.0.0.1:{free_port()}/"))
    daemon_lines = lambda: daemon.log().count("Couldn't connect")  # noqa: E731
    wait_for(lambda: daemon_lines() > 60, what="many failures in the log")
    failures = [r for r in out.all() if "Couldn't connect" in r["message"]]
    # After 0, 1, 3, 7 … seconds; the log has ten in each second.
    assert 1 <= len(failures) <= 1 + math.log2(time.monotonic() - begin + 1), failures
    wait_for(lambda: any("held_back" in r for r in out.all()), what="how many were held back")
    assert daemon.metric("logboom_internal_held_back_total", source="own") > 20
    assert daemon.metric("logboom_reported_records_total", source="own") < 60


def test_metrics_are_records(logboom):
    daemon, out = start(logboom, config("metrics_every: 1s", sinks="out"))
    record = wait_for(lambda: out.last(metric="logboom_pool_limit_bytes"), what="the limit of the pool")
    assert record["value"] == 8 * 1024 * 1024 and record["event"] == "metric" and record["level"] == "info"
    labelled = wait_for(lambda: out.last(metric="logboom_reported_records_total"), what="one with labels")
    assert labelled["labels"] == {"source": "own"} and labelled["service"] == "logboom"
    first = [r for r in out.all() if r["metric"] == "logboom_reported_records_total"][0]["value"]
    wait_for(lambda: out.last(metric="logboom_reported_records_total")["value"] > first, what="a later value")
    assert daemon.process.poll() is None


def test_a_reload_loses_no_line(logboom):
    daemon, out = start(logboom, config("level: info, metrics_every: 0s", sinks="out"))
    wait_for(lambda: out.last(module="daemon"), what="the start")
    daemon.write_config(config("level: info, metrics_every: 0s, service: own", sinks="out"))
    assert daemon.get("/api/v1/reload", "POST", b"")[0] == 200
    wait_for(lambda: out.last(service="own", module="reload"), what="the line that tells of the reload")
    # One that cannot be used: the old one goes on, and hears why.
    daemon.write_config(config("level: info, metrics_every: 1ms", sinks="out"))
    assert daemon.get("/api/v1/reload", "POST", b"")[0] != 200
    wait_for(lambda: any("metrics_every" in r["message"] or "reload" in r["module"] for r in out.all(service="own")[1:]),
             what="the line that tells why not")
    daemon.write_config(config("level: info, metrics_every: 0s, service: third", sinks="out"))
    assert daemon.get("/api/v1/reload", "POST", b"")[0] == 200
    wait_for(lambda: out.last(module="reload")["service"] in ("own", "third"), what="the next reload")
    assert daemon.stop() == 0


def test_faults_of_options(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(f"data_dir: {tmp_path}/data\nsources: {{own: {{type: internal, metrics_every: 5ms, level: loud}}}}\n"
                    "routes: [{to: out}]\nsinks: {out: {type: stdout}}\n")
    done = subprocess.run([BIN, "check", "-c", str(file)], capture_output=True, text=True)
    assert done.returncode == 1 and '"level": expected emergency' in done.stderr
    file.write_text(file.read_text().replace(", level: loud", ""))
    done = subprocess.run([BIN, "check", "-c", str(file)], capture_output=True, text=True)
    assert done.returncode == 1 and "expected at least 1s, or 0 for never" in done.stderr, done.stderr
    shown = subprocess.run([BIN, "help", "--reference"], capture_output=True, text=True).stdout
    assert "### source.internal" in shown
