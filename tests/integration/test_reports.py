"""Reports: what was counted, over a restart; made when it is time, and on demand from archives."""
import datetime
import json
import subprocess

import pytest

from harness import BIN, wait_for
from recorder import Recorder

CONFIG = """
    sources:
      app: {type: file, include: ['{dir}/app.log'], parse: json}
    routes:
      - to: kept
    sinks:
      kept: {type: archive, path: '{dir}/archive/%Y-%m-%d.jsonl.zst', flush: 200ms}
      hook: {type: webhook, url: 'URL', retry: {first: 20ms, max: 100ms}}
    alerting:
      lateness: 200ms
      reports:
        - {name: daily, daily: 'AT', zone: '+00:00', to: hook, top: 5}
      rules:
        errors: {where: level >= error, value: count(), over: 1s, by: service, critical: at least 1, to: kept}
"""


@pytest.fixture
def hook():
    recorder = Recorder()
    yield recorder
    recorder.close()


def write(daemon, count, ago=0, **fields):
    stamp = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=ago)
    text = stamp.isoformat(timespec="microseconds").replace("+00:00", "Z")
    with open(daemon.dir / "app.log", "a") as log:
        log.write("".join(json.dumps({"timestamp": text, **fields}) + "\n" for _ in range(count)))


def load(daemon):
    write(daemon, 20, level="error", service="payments", message="card 4711 was refused")
    write(daemon, 30, level="info", service="payments", message="ok", route="/pay", duration_ms=800)
    write(daemon, 40, level="info", service="search", message="ok", route="/find", duration_ms=20)


def records(daemon):
    return daemon.metric("logboom_records_total", source="app") or 0


def expect(text):
    assert "payments: 20 of 50" in text and "20 errors in 90 records" in text, text
    assert "payments /pay: about" in text and text.index("/pay") < text.index("/find"), text


def test_it_is_made_when_it_is_time_and_counts_over_a_restart(logboom, hook):
    now = datetime.datetime.now(datetime.timezone.utc)
    at = now + datetime.timedelta(seconds=90)  # half a minute at least, for a start, the records and a restart
    daemon = logboom(CONFIG.replace("URL", hook.url).replace("AT", at.strftime("%H:%M")))
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    load(daemon)
    wait_for(lambda: records(daemon) == 90, what="the records")
    assert daemon.stop() == 0
    daemon.start().ready()
    wait_for(lambda: hook.told(state="report"), 120, what="the report")
    report = hook.told(state="report")[0]
    assert report["rule"] == "daily" and report["event"] == "alert" and report["level"] == "info"
    expect(report["message"])
    assert "- errors: 1" in report["message"] and "first report" in report["message"]


def test_on_demand_from_archives(logboom, hook):
    daemon = logboom(CONFIG.replace("URL", hook.url).replace("AT", "03:00"))
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    write(daemon, 10, ago=5400, level="error", service="payments", message="card 12 was refused")
    load(daemon)
    write(daemon, 3, level="error", service="search", message="index is broken")
    wait_for(lambda: records(daemon) == 103, what="the records")
    assert daemon.stop() == 0
    answer = subprocess.run([BIN, "alerts", "report", "daily", "-c", daemon.config, "--since", "1h"],
                            capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert "payments: 20 of 50, 10 before (+100%)" in answer.stdout, answer.stdout
    assert "- 3 times: index is broken" in answer.stdout and "was refused" not in answer.stdout, answer.stdout
    wrong = subprocess.run([BIN, "alerts", "report", "weekly", "-c", daemon.config], capture_output=True, text=True)
    assert wrong.returncode == 2 and 'no report "weekly"' in wrong.stderr


@pytest.mark.parametrize("line, problem", [
    ("{name: a b, daily: '08:00', to: hook}", '"name"'), ("{name: a, daily: '8', to: hook}", "expected daily"),
    ("{name: a, weekly: 'Noday 08:00', to: hook}", "expected daily"), ("{name: a, to: hook}", "expected daily"),
    ("{name: a, daily: '08:00'}", "to"), ("{name: a, daily: '08:00', zone: Nowhere/X, to: hook}", "Nowhere/X"),
])
def test_what_check_refuses(logboom, line, problem):
    daemon = logboom(CONFIG.replace("URL", "http://127.0.0.1:9/").replace("{name: daily, daily: 'AT', zone: '+00:00', "
                                                                          "to: hook, top: 5}", line))
    answer = subprocess.run([BIN, "check", "-c", daemon.config], capture_output=True, text=True)
    assert answer.returncode != 0 and problem in answer.stdout + answer.stderr, answer.stdout + answer.stderr
