"""Alert rules from the log line to the sink, in the running program."""
import datetime
import json
import subprocess

import pytest

from alerts_in import rows
from harness import BIN, wait_for

CONFIG = """
    sources:
      app: {type: file, include: ['{dir}/app.log'], parse: json}
    routes:
      - to: all
    sinks:
      all: {type: file, path: '{dir}/all.log', flush: 200ms}
      alerts: {type: file, path: '{dir}/alerts.log', flush: 200ms}
      pager: {type: file, path: '{dir}/pager.log', flush: 200ms}
    alerting:
      lateness: 1s
      severities: {critical: P1}
      routes:
        - to: alerts
        - {where: severity >= high, to: pager}
      rules:
        logins:
          where: message contains "Failed password"
          value: count()
          over: 3s
          by: [client_ip, service]
          low: at least 2
          critical: at least 5
"""


def line(message, at=None, **fields):
    at = at or datetime.datetime.now(datetime.timezone.utc)
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": "warn", "service": "sshd", "message": message, **fields}) + "\n"


def write(daemon, *lines):
    with open(daemon.dir / "app.log", "a") as log:
        log.write("".join(lines))


def told(daemon, name="alerts"):
    return rows(daemon.dir / f"{name}.log")


def test_an_alert_fires_rises_and_is_called_off_once(logboom):
    daemon = logboom(CONFIG.replace("over: 3s", "over: 8s"))  # so long it fires, and is looked at
    daemon.dir.mkdir(parents=True, exist_ok=True)
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    bad = 'Failed password for "root"'
    write(daemon, line("Accepted password", client_ip="10.0.0.9"), line(bad, client_ip="10.0.0.8"),
          *(line(f"{bad} {i}", client_ip="10.0.0.1") for i in range(6)))
    wait_for(lambda: len(told(daemon)) >= 2, what="firing, then critical")
    firing = json.loads(daemon.get("/api/v1/alerts")[1])
    assert json.dumps(firing).count("10.0.0.1") == 1
    assert daemon.metric("logboom_alerts_firing", severity="critical") == 1
    for name in ("alerts", "pager"):
        wait_for(lambda: "resolved" in [alert["state"] for alert in told(daemon, name)], what=f"the end in {name}")
    assert daemon.metric("logboom_alerts_firing") == 0
    assert daemon.stop() == 0

    alerts = told(daemon)
    assert [(a["state"], a["severity"]) for a in alerts[:2]] == [("firing", "low"), ("updated", "critical")]
    assert [a["state"] for a in alerts].count("resolved") == 1
    assert len({a["alert_id"] for a in alerts}) == 1
    assert [a["sequence"] for a in alerts] == list(range(1, len(alerts) + 1))
    first = alerts[0]
    assert first["key"] == {"client_ip": "10.0.0.1", "service": "sshd"}
    assert first["service"] == "sshd" and first["level"] == "notice" and first["value"] == 2
    assert first["samples"] == [f"{bad} 0", f"{bad} 1"]
    assert first["message"].startswith("logins: count() is 2 (at least 2) over 8s for client_ip=10.0.0.1, service=sshd")
    assert alerts[1]["level"] == "critical" and alerts[1]["message"].startswith("[P1] logins: count() is 5")
    # Whoever was told that it is critical hears the end, though the end itself is of severity low.
    pages = told(daemon, "pager")
    assert pages[0]["severity"] == "critical" and pages[-1] == alerts[-1]
    assert [a["state"] for a in pages].count("resolved") == 1
    assert len(told(daemon, "all")) == 8


def test_a_backlog_ends_in_one_summary(logboom):
    daemon = logboom(CONFIG)
    daemon.dir.mkdir(parents=True, exist_ok=True)
    old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=5)
    write(daemon, *(line("Failed password", at=old + datetime.timedelta(seconds=i // 10), client_ip=f"10.0.0.{i % 4}")
                    for i in range(400)))
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0
    alerts = told(daemon)
    assert [(a["state"], a["severity"], a["late"], a["alerts"]) for a in alerts] == [("summary", "critical", True, 4)]
    assert told(daemon, "pager") == alerts


def test_check_says_what_is_wrong_with_a_rule_and_where(logboom):
    daemon = logboom(CONFIG.replace("critical: at least 5", "critical: at least 1").replace("count()", "cuont()"))
    check = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
    assert check.returncode == 1
    text = check.stdout + check.stderr
    assert 'unknown function "cuont"; did you mean "count"?' in text
    assert "critical (at least 1) must be harder to reach than low (at least 2)" in text


MEASURES = """
    sources:
      app: {type: file, include: ['{dir}/app.log'], parse: json}
    routes:
      - to: all
    sinks:
      all: {type: file, path: '{dir}/all.log', flush: 200ms}
      alerts: {type: file, path: '{dir}/alerts.log', flush: 200ms}
    alerting:
      lateness: 0s
      routes:
        - to: alerts
      rules:
        slow: {value: p95(duration_ms), over: 10m, critical: above 500ms, min_count: 100}
        mean: {value: avg(duration_ms), over: 10m, critical: above 0.1s, min_count: 100}
        volume: {value: sum(bytes), over: 10m, critical: at least 150KiB}
        spread: {value: stddev(duration_ms), over: 10m, critical: above 200, min_count: 100}
        peak: {value: max(duration_ms), over: 10m, critical: at least 1s}
        spray: {value: distinct(user), over: 10m, by: client_ip, critical: above 20}
        pace: {value: rate(), over: 10m, critical: at least 18/m}
        health: {value: consecutive(status != "ok"), by: service, critical: at least 3}
        disk: {value: last(disk_free_pct), by: host, over: 10m, critical: below 20%}
        never: {value: p50(duration_ms), over: 10m, critical: above 500ms, min_count: 100}
"""


def test_every_function_measures_what_it_says(logboom):
    daemon = logboom(MEASURES)
    daemon.dir.mkdir(parents=True, exist_ok=True)
    begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=15)
    with open(daemon.dir / "app.log", "w") as log:
        for i in range(200):
            log.write(line("request", at=begin + datetime.timedelta(seconds=i), host="db1", user=f"u{i // 8}",
                           duration_ms=1000 if i >= 180 else i % 50, bytes=1024, client_ip="10.0.0.1",
                           status="bad" if i in (3, 4, 50, 51, 52) else "ok",
                           disk_free_pct=50 if i < 150 else 19.5))
        log.write(line("the end", at=begin + datetime.timedelta(minutes=14)))
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    first = {}
    for alert in told(daemon):
        first.setdefault(alert["rule"], alert)
    assert set(first) == {"slow", "mean", "volume", "spread", "peak", "spray", "pace", "health", "disk"}
    # Twenty of the first 200 take a second: the 95th of a hundred is one of them when 5 % and one more are.
    assert first["slow"]["value"] == 1000 and first["slow"]["count"] == 190
    assert first["mean"]["count"] == 196 and first["mean"]["value"] == pytest.approx(20110 / 196)
    assert first["volume"]["value"] == 150 * 1024
    assert first["peak"]["value"] == 1000
    assert first["spray"]["value"] == 21 and first["spray"]["key"] == {"client_ip": "10.0.0.1"}
    assert first["pace"]["count"] == 180 and "0.3/s" in first["pace"]["message"]
    assert first["health"]["value"] == 3 and first["health"]["count"] == 53
    assert first["disk"]["value"] == 19.5 and first["disk"]["key"] == {"host": "db1"}


MEMORY = """
    sources:
      app: {type: file, include: ['{dir}/app.log'], parse: json}
    routes:
      - to: all
    sinks:
      all: {type: file, path: '{dir}/all.log', flush: 50ms}
      alerts: {type: file, path: '{dir}/alerts.log', flush: 50ms}
    commit_every: 100ms
    alerting:
      lateness: 1s
      routes:
        - to: alerts
      rules:
        logins: {value: count(), over: 1h, by: client_ip, critical: at least 50}
        slow: {value: p95(duration_ms), over: 1h, critical: above 1s, min_count: 60}
"""


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_windows_and_who_was_told_survive_a_restart(logboom, end):
    daemon = logboom(MEMORY)
    daemon.dir.mkdir(parents=True, exist_ok=True)
    (daemon.dir / "app.log").touch()

    def more(first, last):
        write(daemon, *(line("Failed password", client_ip="10.0.0.1", duration_ms=2000, seq=i)
                        for i in range(first, last)))
        wait_for(lambda: len(told(daemon, "all")) == last, what=f"{last} records")

    daemon.start().ready()
    more(0, 40)
    getattr(daemon, end)()
    daemon.start().ready()
    more(40, 49)
    assert daemon.get("/api/v1/alerts")[1].strip() == "[]"
    more(49, 70)
    wait_for(lambda: len(told(daemon)) >= 2, what="both alerts")
    # Ten seconds pass until it is written by itself; then, and after a kill before, nobody is told again.
    getattr(daemon, end)()
    daemon.start().ready()
    wait_for(lambda: json.dumps(json.loads(daemon.get("/api/v1/alerts")[1])).count("firing") == 2, what="both fire still")
    more(70, 80)
    assert daemon.stop() == 0
    alerts = told(daemon)
    if end == "stop":
        assert [(a["rule"], a["state"], a["value"]) for a in alerts] == [("logins", "firing", 50), ("slow", "firing", 2000)]
    # What was told just before a kill may come again, as the same event of the same alert.
    events = {(a["rule"], a["alert_id"], a["sequence"], a["state"]) for a in alerts}
    assert len(events) == 2 and {event[0] for event in events} == {"logins", "slow"}
