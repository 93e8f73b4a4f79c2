"""Conditions with a memory in the running program: what they find, over restarts, kill -9 and reloads; floods of keys."""
import datetime
import re

from harness import wait_for
from test_alerts_when import CONFIG, kill, line, open_daemon, told, write, write_until_saved

RULES = """
        region:
          when: new(region)
          by: user
          severity: high
          learn: 2s
          cooldown: 0s
        pattern:
          when: new(pattern)
          severity: low
          learn: 2s
          cooldown: 0s
        plan:
          when: change(plan)
          by: user
          severity: low
          cooldown: 0s
        break_in:
          when: seq(event == failed -> event == ok within 1h)
          by: user
          severity: critical
        stuck:
          when: missing(event == done after event == started within 3s)
          by: job
          over: 10s
          severity: high
"""


def ago(seconds):
    return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)


def reasons(daemon, rule):
    return [alert["reason"] for alert in told(daemon) if alert["rule"] == rule and alert["state"] != "resolved"]


def read(daemon, text):
    path = daemon.dir / "all.log"
    wait_for(lambda: path.exists() and text in path.read_text(), what=f"{text} read")


def test_what_is_known_survives_a_restart_and_a_kill(logboom):
    daemon = open_daemon(logboom, RULES)
    write(daemon, line(ago(60), user="kim", region="eu", plan="a", event="failed", message="disk /dev/sda1 is full"),
          line(ago(50), user="kim", region="eu", message="first"))
    read(daemon, "first")
    assert daemon.stop() == 0
    daemon.start().ready()
    write_until_saved(daemon, line(ago(40), user="kim", region="eu", plan="a", message="disk /dev/sdb2 is full"),
                      line(ago(39), user="kim", region="us", plan="b", message="second"))
    kill(daemon)
    daemon.start().ready()
    write(daemon, line(user="kim", region="us", plan="b", event="ok", message="second"))
    wait_for(lambda: reasons(daemon, "break_in"), what="the sequence")
    assert daemon.stop() == 0
    # After a kill a notice may come twice; nothing that was known is new again.
    assert set(reasons(daemon, "region")) == {'new value "us" of region'}
    assert set(reasons(daemon, "plan")) == {'plan changed from "a" to "b"'}
    assert reasons(daemon, "break_in") == ['"event == ok" after "event == failed" within 1h']
    assert len({reason for reason in reasons(daemon, "pattern") if "disk" in reason}) == 0
    assert len({reason for reason in reasons(daemon, "pattern") if "second" in reason}) == 1
    alert = [alert for alert in told(daemon) if alert["rule"] == "region"][0]
    assert alert["message"].startswith('region: new value "us" of region for user=kim, since ')
    assert alert["key"] == {"user": "kim"}


def test_what_does_not_follow_is_told_though_there_was_a_kill(logboom):
    daemon = open_daemon(logboom, RULES)
    write_until_saved(daemon, line(job="a", event="started"), line(job="b", event="started"))
    kill(daemon)
    daemon.start().ready()
    write(daemon, line(job="c", event="started"), line(job="c", event="done"))
    wait_for(lambda: len(told(daemon, "resolved")) >= 2, 60, "both told and called off")
    assert daemon.stop() == 0
    stuck = [alert for alert in told(daemon) if alert["rule"] == "stuck"]
    assert {alert["key"]["job"] for alert in stuck} == {"a", "b"}
    assert stuck[0]["reason"] == 'no "event == done" within 3s after "event == started"'


def test_a_reload_with_another_severity_forgets_nothing(logboom):
    daemon = open_daemon(logboom, RULES)
    write(daemon, line(ago(60), user="kim", region="eu"), line(ago(50), user="kim", message="first"))
    read(daemon, "first")
    text = daemon.config.read_text()
    daemon.config.write_text(re.sub(r"severity: high(\s+learn)", r"severity: critical\1", text))
    assert text != daemon.config.read_text()
    assert daemon.get("/api/v1/reload", method="POST")[0] == 200
    write(daemon, line(ago(40), user="kim", region="eu"), line(ago(39), user="kim", region="us", message="second"))
    wait_for(lambda: reasons(daemon, "region"), what="a new region")
    assert daemon.stop() == 0
    assert reasons(daemon, "region") == ['new value "us" of region']
    assert [alert["severity"] for alert in told(daemon) if alert["rule"] == "region"][0] == "critical"


def test_a_flood_of_keys_hides_nobody_and_is_named(logboom):
    daemon = logboom(CONFIG.replace("lateness: 1s", "lateness: 1s\n      max_keys: 100") + """
        logins:
          value: count()
          over: 10m
          by: ip
          critical: at least 20
""")
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    at = ago(30)
    lines = []
    for i in range(4000):
        lines.append(line(at, ip=f"10.0.{i // 250}.{i % 250}"))
        if i % 100 == 99:
            lines.append(line(at, ip="192.0.2.7"))
    write(daemon, *lines)
    wait_for(lambda: told(daemon, "firing"), what="the attacker")
    metric = "logboom_alert_key_overflow_records_total"
    wait_for(lambda: metric in daemon.get("/metrics")[1], what="the metric")
    read(daemon, "10.0.15.249")
    wait_for(lambda: "more keys than alerting.max_keys" in daemon.log(), what="the log")
    assert "rule=logins records=" in daemon.log()
    assert daemon.stop() == 0
    alerts = told(daemon, "firing")
    assert [alert["key"] for alert in alerts] == [{"ip": "192.0.2.7"}]
    assert alerts[0]["approximate"] is True
    assert "count() is about " in alerts[0]["message"]
