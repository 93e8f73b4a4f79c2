"""Rules with `when:` in the running program: conditions, each, absent, over restarts and kill -9."""
import datetime
import http.server
import json
import re
import signal
import subprocess
import threading
import time

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
    alerting:
      lateness: 1s
      routes:
        - to: alerts
      rules:
"""


def line(at=None, **fields):
    at = at or datetime.datetime.now(datetime.timezone.utc)
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": "info", "message": "m", **fields}) + "\n"


def write(daemon, *lines):
    with open(daemon.dir / "app.log", "a") as log:
        log.write("".join(lines))


def told(daemon, state=None):
    return [alert for alert in rows(daemon.dir / "alerts.log") if state in (None, alert["state"])]


def open_daemon(logboom, rules):
    daemon = logboom(CONFIG + rules)
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    return daemon


def kill(daemon):
    daemon.process.send_signal(signal.SIGKILL)
    daemon.process.wait()


def saved(daemon):
    """When what the rules know was saved; 0: it was not. Nothing is saved while nothing changes."""
    path = daemon.dir / "data" / "alerts.state"
    return path.stat().st_mtime_ns if path.exists() else 0


def write_until_saved(daemon, *lines):
    before = saved(daemon)
    write(daemon, *lines)
    wait_for(lambda: saved(daemon) > before, 60, "alerts.state saved")


def test_several_conditions_make_one_alert(logboom):
    daemon = open_daemon(logboom, """
        attack:
          when: count(level >= error) >= 3 and distinct(user, 10s) > 1
          over: 3s
          by: service
          severity: critical
""")
    write(daemon, *(line(level="error", service="a", user="u1") for _ in range(5)))
    at = datetime.datetime.now(datetime.timezone.utc)
    write(daemon, *(line(at, level="error", service="b", user=f"u{i}") for i in range(3)))
    wait_for(lambda: told(daemon, "resolved"), what="the end")
    assert json.loads(daemon.get("/api/v1/alerts")[1]) == []
    metrics = daemon.get("/metrics")[1]
    assert 'logboom_alert_transitions_total{rule="attack",state="firing"} 1' in metrics
    assert metrics.count('logboom_alert_transitions_total{rule="attack"') == 3
    assert metrics.count("logboom_alert_transitions_total{") == 3  # parts are nobody's business
    assert daemon.stop() == 0
    alerts = told(daemon)
    assert [(a["state"], a["severity"], a["key"]) for a in alerts] == [
        ("firing", "critical", {"service": "b"}), ("resolved", "critical", {"service": "b"})]
    assert alerts[0]["values"] == {"count(level >= error)": 3, "distinct(user, 10s)": 3}
    assert alerts[0]["message"].startswith("attack: count(level >= error) >= 3 and distinct(user, 10s) > 1 for service=b")
    assert "rules=1 " in daemon.log()


def test_parts_keep_what_they_know_over_a_restart_and_a_kill(logboom):
    daemon = open_daemon(logboom, """
        attack:
          when: count(level >= error) >= 3 and distinct(user) > 2
          over: 5m
          severity: high
""")
    write(daemon, line(level="error", user="a"))
    wait_for(lambda: (daemon.dir / "all.log").exists() and "a" in (daemon.dir / "all.log").read_text(), what="read")
    assert daemon.stop() == 0
    daemon.start().ready()
    write_until_saved(daemon, line(level="error", user="b"))
    kill(daemon)
    daemon.start().ready()
    assert not told(daemon)
    write(daemon, line(level="error", user="c"))
    wait_for(lambda: told(daemon), what="firing")
    kill(daemon)
    daemon.start().ready()
    write(daemon, line(level="error", user="d"))
    wait_for(lambda: daemon.metric("logboom_alerts_firing", severity="high") == 1, what="firing again, or still")
    assert daemon.stop() == 0
    assert len({a["alert_id"] for a in told(daemon)}) == 1


def test_arithmetic_with_what_is_measured(logboom):
    daemon = open_daemon(logboom, """
        errors:
          value: count(level >= error) / count() * 100
          over: 1m
          min_count: 10
          high: above 20
""")
    write(daemon, *(line() for _ in range(16)), *(line(level="error") for _ in range(4)))
    write(daemon, line(level="error"))
    wait_for(lambda: told(daemon), what="firing")
    assert daemon.stop() == 0
    alert, = told(daemon)
    assert alert["value"] == pytest.approx(100 * 5 / 21)
    assert alert["values"] == {"count(level >= error)": 5, "count()": 21}


def test_each_record_is_told_or_counted(logboom):
    daemon = open_daemon(logboom, """
        all_of_them:
          where: amount > 1000
          when: each
          severity: high
          cooldown: 0s
        first_of_them:
          where: amount > 1000
          when: each
          severity: low
          cooldown: 1h
""")
    write(daemon, *(line(message=f"payment {i}", amount=2000) for i in range(10)), line(amount=5))
    wait_for(lambda: len(told(daemon, "resolved")) == 2, what="both ends")
    assert daemon.stop() == 0
    every = [a for a in told(daemon) if a["rule"] == "all_of_them"]
    assert [a["state"] for a in every] == ["firing"] + 9 * ["repeated"] + ["resolved"]
    assert [a["samples"][-1] for a in every[:10]] == [f"payment {i}" for i in range(10)]
    first = [a for a in told(daemon) if a["rule"] == "first_of_them"]
    assert [a["state"] for a in first] == ["firing", "resolved"]
    assert first[1]["held_back"] == 9


ABSENT = """
        silent:
          when: absent
          over: 3s
          by: service
          keys: [never]
          severity: high
"""


def test_absent_over_restarts_and_kills_is_told_once_and_called_off_once(logboom):
    daemon = open_daemon(logboom, ABSENT)
    write_until_saved(daemon, line(service="a"), line(service="b"))
    firing = wait_for(lambda: len(told(daemon, "firing")) == 3 and told(daemon, "firing"), what="all three silent")
    assert sorted(a["key"]["service"] for a in firing) == ["a", "b", "never"]
    kill(daemon)
    daemon.start().ready()
    wait_for(lambda: daemon.metric("logboom_alerts_firing") == 3, what="what fires is remembered")
    write(daemon, line(service="a"))
    wait_for(lambda: told(daemon, "resolved"), what="a is back")
    # The other two stay as they are; nobody is told anew.
    assert daemon.stop() == 0
    daemon.start().ready()
    write(daemon, line(service="never"))
    wait_for(lambda: any(a["key"]["service"] == "never" for a in told(daemon, "resolved")), what="never is there")
    assert daemon.stop() == 0
    by_id = {}
    for alert in told(daemon):
        by_id.setdefault(alert["alert_id"], []).append(alert["state"])
    for states in by_id.values():
        assert states in (["firing"], ["firing", "resolved"])
    assert sum(a["key"]["service"] == "b" for a in told(daemon)) == 1


class Gate(http.server.BaseHTTPRequestHandler):
    """Takes nothing until it is opened."""
    is_open = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.is_open.wait(120)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def test_what_is_not_read_is_not_missed(logboom):
    """A sink that blocks takes nothing: then nothing is read, and what has not been read may be what is missing."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    daemon = logboom(f"""
    memory: {{pool: 2MiB}}
    sources:
      app: {{type: file, include: ['{{dir}}/app.log'], parse: json}}
    routes:
      - to: all
    sinks:
      all: {{type: webhook, url: 'http://127.0.0.1:{server.server_port}/', when_full: block, queue: 64KiB,
             timeout: 2m, batch: {{count: 1000, every: 100ms}}}}
      alerts: {{type: file, path: '{{dir}}/alerts.log', flush: 200ms}}
    alerting:
      lateness: 1s
      routes:
        - to: alerts
      rules:
        silent: {{when: absent, over: 3s, by: service, severity: high, unknown_after: 2s}}
""")
    # More than there is room for stands there from the beginning: what a comes later than that is not read.
    (daemon.dir / "app.log").write_text("".join(line(service="a", message="x" * 1000) for _ in range(8000)))
    daemon.start().ready()
    deadline = time.monotonic() + 90
    while not told(daemon, "unknown"):
        assert time.monotonic() < deadline, daemon.log()
        write(daemon, *(line(service="a", message="x" * 1000) for _ in range(200)))
        time.sleep(0.1)
    assert not told(daemon, "firing")
    Gate.is_open.set()
    wait_for(lambda: [a for a in told(daemon, "resolved") if "unknown_keys" in a], 60, "known again")
    # And now that all is read, it is silent indeed.
    wait_for(lambda: told(daemon, "firing"), 60, "silence")
    daemon.stop()
    server.shutdown()
    server.server_close()


def test_a_list_in_a_file_is_read_again_when_it_changes(logboom):
    daemon = logboom(CONFIG + """
        blocked:
          where: country in file("blocked.txt")
          when: each
          by: country
          severity: high
""")
    blocked = daemon.dir / "blocked.txt"
    run = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
    assert run.returncode == 1 and re.search(r":18:\d+: error: cannot read the list .*/blocked.txt: No such", run.stderr)
    blocked.write_text("XX\n# YY\n")
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    write(daemon, line(country="XX"), line(country="YY"))
    wait_for(lambda: told(daemon), what="XX")
    (daemon.dir / "blocked.new").write_text("YY\n")
    (daemon.dir / "blocked.new").rename(blocked)  # nobody sees it empty
    wait_for(lambda: "a list has changed" in daemon.log(), what="the new list")
    write(daemon, line(country="YY"))
    wait_for(lambda: len(told(daemon, "firing")) == 2, what="YY")
    blocked.unlink()
    wait_for(lambda: "a list stays as it was" in daemon.log(), what="the warning")
    assert daemon.stop() == 0
    assert [a["key"]["country"] for a in told(daemon, "firing")] == ["XX", "YY"]
    assert daemon.log().count("a list stays as it was") == 1


def test_a_backlog_of_a_sink_is_an_alert(logboom):
    daemon = logboom(CONFIG.replace("- to: all", "- to: [all, away]").replace("sinks:", """sinks:
      away: {type: webhook, url: 'http://127.0.0.1:9/', spool: {max_size: 16MiB}, retry: {first: 100ms, max: 1s}}""") + """
        backlog: {value: queue(away), low: above 1%}
""")
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    write(daemon, *(line(message="x" * 1000) for _ in range(4000)))
    alert = wait_for(lambda: told(daemon), 60, "the backlog")[0]
    assert alert["rule"] == "backlog" and alert["value"] > 1
    daemon.stop()


def check(tmp_path, rules):
    config = tmp_path / "c.yaml"
    config.write_text("sources: {in: {type: stdin}}\nsinks: {out: {type: stdout}}\nroutes: [{to: out}]\n"
                      "alerting:\n  routes: [{to: out}]\n  rules:\n" + rules + f"data_dir: {tmp_path}/data\n")
    run = subprocess.run([BIN, "check", "-c", str(config)], capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


def test_check_points_into_the_condition(tmp_path):
    code, text = check(tmp_path, "    r:\n      when: count() > 5 and distnct(user) > 3\n      over: 1m\n      severity: high\n")
    assert code == 1
    assert 'c.yaml:8:29: error: unknown condition "distnct"; did you mean "distinct"?' in text
    code, text = check(tmp_path, "    r:\n      when: count() > 5 and distinct(user) > 3\n      over: 1m\n      severity: high\n")
    assert code == 0 and "1 alert rule" in text


def test_a_reload_keeps_what_parts_know(logboom):
    rules = """
        attack:
          when: count(level >= error) >= 2 and distinct(user) > 1
          over: 5m
          severity: high
"""
    daemon = open_daemon(logboom, rules)
    write(daemon, line(level="error", user="a"))
    wait_for(lambda: (daemon.dir / "all.log").exists() and "a" in (daemon.dir / "all.log").read_text(), what="read")
    daemon.write_config(CONFIG + rules + """
        other: {value: count(), over: 1m, low: above 1000}
""")
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "the configuration was reloaded" in daemon.log(), what="reload")
    assert "rules_kept=1 rules=2" in daemon.log()
    write(daemon, line(level="error", user="b"))
    wait_for(lambda: told(daemon), what="firing")
    assert daemon.stop() == 0
