"""What people are told of alerts, from the log line to a webhook: groups, acknowledgements, escalation, closing."""
import datetime
import json
import time

import pytest

from harness import wait_for
from recorder import Recorder
from trials import program

CONFIG = """
    sources:
      app: {{type: file, include: ['{{dir}}/app.log'], parse: json}}
    routes:
      - to: all
    sinks:
      all: {{type: file, path: '{{dir}}/all.log', flush: 200ms}}
      hook: {{type: webhook, url: '{hook}', retry: {{first: 20ms, max: 100ms}}}}
      second: {{type: webhook, url: '{second}', retry: {{first: 20ms, max: 100ms}}}}
    alerting:
      lateness: 200ms
"""

RULE = """
      rules:
        logins: {{value: {value}, over: {over}, by: ip, critical: at least 1, to: hook{more}}}
"""


@pytest.fixture
def hook():
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture
def second():
    recorder = Recorder()
    yield recorder
    recorder.close()


def line(ip, **fields):
    stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": "warn", "message": "logins", "ip": ip, **fields}) + "\n"


def write(daemon, *lines):
    with open(daemon.dir / "app.log", "a") as log:
        log.write("".join(lines))


def begin(logboom, hook, second, alerting):
    daemon = logboom(CONFIG.format(hook=hook.url, second=second.url) + alerting)
    (daemon.dir / "app.log").touch()
    return daemon.start().ready()


def rule(over="1s", more="", value="count()"):
    return RULE.format(over=over, more=more, value=value).replace("{{", "{").replace("}}", "}")


def rule_until_told(more=""):
    """It fires from a line with open=1 to one with open=0, so nothing ends before the test has seen it."""
    return rule("1h", more, "last(open)")


def reconfigure(daemon, hook, second, alerting):
    daemon.write_config(CONFIG.format(hook=hook.url, second=second.url) + alerting)
    status, text = daemon.get("/api/v1/reload", "POST", b"")
    assert status == 200, text


def acknowledge(daemon, alert, body=b'{"by": "bob", "comment": "looking"}'):
    return daemon.get(f"/api/v1/alerts/{alert}/ack", "POST", body)


def test_an_acknowledged_alert_is_not_repeated_and_ends_over_a_kill(logboom, hook, second):
    daemon = begin(logboom, hook, second, rule_until_told(", repeat: 1s"))
    write(daemon, line("10.0.0.1", open=1))
    wait_for(lambda: "repeated" in hook.states(), what="a repeated notice")
    alert = hook.told()[0]["alert_id"]
    assert acknowledge(daemon, "0123456789abcdef")[0] == 404
    assert acknowledge(daemon, alert, b"[1]")[0] == 400
    assert daemon.get(f"/api/v1/alerts/{alert}/ack")[0] == 405
    assert acknowledge(daemon, alert) == (200, '{"acknowledged":true}\n')
    wait_for(lambda: "acknowledged" in hook.states(), what="word of it")
    notice = hook.told(state="acknowledged")[0]
    assert notice["note"] == "acknowledged by bob: looking" and notice["level"] == "info"
    daemon.kill()
    daemon.start().ready()
    fires = wait_for(lambda: json.loads(daemon.get("/api/v1/alerts")[1]), what="what fires")
    assert fires[0]["acknowledged_by"] == "bob" and fires[0]["comment"] == "looking"
    write(daemon, line("10.0.0.1", open=0))
    wait_for(lambda: "resolved" in hook.states(), 60, "its end")
    # What was told just before the kill may come again, as the same notice.
    states = [state for _, state in sorted({(notice["sequence"], notice["state"]) for notice in hook.told()})]
    assert states[0] == "firing" and states[-2:] == ["acknowledged", "resolved"], hook.states()
    assert set(states[1:-2]) == {"repeated"}, hook.states()


def test_nobody_acknowledges_it_so_others_are_called_and_called_off(logboom, hook, second):
    daemon = begin(logboom, hook, second, rule_until_told(", escalate: [{after: 2s, to: second}]"))
    write(daemon, line("10.0.0.1", open=1))
    wait_for(lambda: second.states() == ["escalated"], what="the escalation")
    assert "nobody acknowledged it for 2s" in second.told()[0]["message"]
    write(daemon, line("10.0.0.1", open=0))
    wait_for(lambda: "resolved" in hook.states() and "resolved" in second.states(), 60, "its end")
    assert hook.states() == ["firing", "resolved"] and second.states() == ["escalated", "resolved"]
    assert len({notice["alert_id"] for notice in hook.told() + second.told()}) == 1


GROUP = """
      routes:
        - {to: second, group_by: [rule], group_wait: 1s, group_interval: 1s}
      rules:
        logins: {value: last(open), over: 1h, by: ip, critical: at least 1}
"""


def test_a_group_is_one_record_with_its_members(logboom, hook, second):
    daemon = begin(logboom, hook, second, GROUP)
    write(daemon, *(line(f"10.0.0.{i}", open=1) for i in range(5)))
    wait_for(lambda: second.told(), what="the group")
    first = second.told()[0]
    assert first["state"] == "firing" and first["alerts"] == 5 and first["key"] == {"rule": "logins"}
    assert sorted(member["key"]["ip"] for member in first["members"]) == [f"10.0.0.{i}" for i in range(5)]
    assert {member["state"] for member in first["members"]} == {"firing"}
    assert len({member["alert_id"] for member in first["members"]}) == 5
    write(daemon, *(line(f"10.0.0.{i}", open=0) for i in range(5)))
    wait_for(lambda: "resolved" in second.states(), 60, "its end")
    assert len({notice["alert_id"] for notice in second.told()}) == 1
    assert second.states().count("resolved") == 1 and second.told()[-1]["alerts"] == 0
    assert [notice["sequence"] for notice in second.told()] == list(range(1, len(second.told()) + 1))


def test_a_group_goes_on_over_a_kill(logboom, hook, second):
    daemon = begin(logboom, hook, second, GROUP)
    write(daemon, line("10.0.0.1", open=1), line("10.0.0.2", open=1))
    wait_for(lambda: second.states() == ["firing"], what="the group")
    daemon.kill()
    daemon.start().ready()
    write(daemon, line("10.0.0.1", open=0), line("10.0.0.2", open=0))
    wait_for(lambda: "resolved" in second.states(), 90, "its end")
    assert len({notice["alert_id"] for notice in second.told()}) == 1
    # The kill may come before the answer was noted: then it is the same notice again.
    states = [state for _, state in sorted({(notice["sequence"], notice["state"]) for notice in second.told()})]
    assert states.count("firing") == 1 and states.count("resolved") == 1
    assert daemon.stop() == 0


@pytest.mark.parametrize("after", ["", "      rules: {renamed: {value: count(), over: 1h, by: ip, critical: at least 1, to: hook}}\n"])
def test_a_rule_that_goes_with_a_reload_calls_off_whoever_was_called(logboom, hook, second, after):
    daemon = begin(logboom, hook, second, rule("1h"))
    write(daemon, line("10.0.0.1"))
    wait_for(lambda: hook.states() == ["firing"], what="the alert")
    reconfigure(daemon, hook, second, after)
    wait_for(lambda: "resolved" in hook.states(), what="its end")
    assert hook.told()[-1]["note"] == "its rule was changed or removed"
    assert daemon.stop() == 0
    assert hook.states() == ["firing", "resolved"]


def test_a_rule_that_goes_while_logboom_is_down_calls_off_whoever_was_called(logboom, hook, second):
    daemon = begin(logboom, hook, second, rule("1h"))
    write(daemon, line("10.0.0.1"))
    wait_for(lambda: hook.states() == ["firing"], what="the alert")
    assert daemon.stop() == 0
    daemon.write_config(CONFIG.format(hook=hook.url, second=second.url))
    daemon.start().ready()
    wait_for(lambda: "resolved" in hook.states(), what="its end")
    end = hook.told()[-1]
    assert end["note"] == "its rule is no more" and end["key"] == {"ip": "10.0.0.1"}
    assert end["alert_id"] == hook.told()[0]["alert_id"]
    assert daemon.stop() == 0
    daemon.start().ready()
    assert daemon.stop() == 0
    assert hook.states() == ["firing", "resolved"]


def test_a_route_that_leads_elsewhere_leaves_nobody_behind(logboom, hook, second):
    route = "\n      routes: [{{to: {to}, repeat: 1h}}]\n      rules: {{logins: {{value: last(open), over: 1h, by: ip, critical: at least 1}}}}\n"
    daemon = begin(logboom, hook, second, route.format(to="hook"))
    write(daemon, line("10.0.0.1", open=1))
    wait_for(lambda: hook.states() == ["firing"], what="the alert")
    reconfigure(daemon, hook, second, route.format(to="second"))
    wait_for(lambda: second.states() == ["firing"], what="the alert, for the other")
    write(daemon, line("10.0.0.1", open=0))
    wait_for(lambda: "resolved" in hook.states() and "resolved" in second.states(), 60, "its end, for both")
    assert hook.states() == ["firing", "resolved"] and second.states() == ["firing", "resolved"]


def test_what_a_receiver_did_not_take_comes_after_a_kill(logboom, hook, second):
    hook.status = 503
    daemon = begin(logboom, hook, second, rule("2s"))
    write(daemon, line("10.0.0.1"))
    wait_for(lambda: hook.refused, what="an attempt")
    assert daemon.metric("logboom_alert_journal_syncs_total") > 0, "it is on disk before it is told"
    daemon.kill()
    hook.status = 200
    daemon.start().ready()
    wait_for(lambda: "resolved" in hook.states(), 60, "its end")
    assert daemon.stop() == 0
    assert hook.states() == ["firing", "resolved"]


def test_a_channel_that_is_down_is_told_by_the_others_and_its_alerts_go_another_way(logboom, hook, second):
    """Two channels, one fails: it is tried until it takes them, and meanwhile what only it would tell goes elsewhere."""
    hook.status = 503
    config = CONFIG.replace("max: 100ms}}}}\n      second", "max: 100ms}}, else: second, else_after: 1s}}\n      second")
    daemon = logboom(config.format(hook=hook.url, second=second.url) + rule("12s") +
                     "\n      routes: [{where: rule == channel_down, to: [hook, second]}]\n")
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    write(daemon, line("10.0.0.1"))
    wait_for(lambda: second.states(rule="logins") == ["firing"], 60, "the alert, by the other channel")
    assert "takes no alerts" in second.told(rule="logins")[0]["note"]
    wait_for(lambda: second.states(rule="channel_down") == ["firing"], what="word that it is down")
    down = second.told(rule="channel_down")[0]
    assert down["key"] == {"sink": "hook"} and down["severity"] == "high" and "sink=hook" in down["message"]
    write(daemon, line("10.0.0.2"))
    wait_for(lambda: second.told(rule="logins", key={"ip": "10.0.0.2"}), what="a later alert")
    hook.status = 200
    wait_for(lambda: "resolved" in second.states(rule="channel_down"), 60, "word that it is well again")
    for ip in ("10.0.0.1", "10.0.0.2"):
        wait_for(lambda: "resolved" in hook.states(rule="logins", key={"ip": ip}), 60, "the end")
        wait_for(lambda: "resolved" in second.states(rule="logins", key={"ip": ip}), 60, "the end, by the other")
        for told in (hook, second):
            states = told.states(rule="logins", key={"ip": ip})
            assert states == ["firing", "resolved"], states
    assert hook.told(rule="channel_down") == []


def test_alerts_are_told_while_the_disk_takes_nothing_and_go_by_the_journal_again(logboom, hook, second):
    """Every write of the journal fails: people are told all the same, it is shown, and it mends by itself."""
    daemon = logboom(CONFIG.format(hook=hook.url, second=second.url) + rule("1s"))
    (daemon.dir / "app.log").touch()
    switch = daemon.dir / "failing"
    daemon.environment = {"LD_PRELOAD": program("shim.so"), "LB_SHIM_SEED": "1", "LB_SHIM_RATE": "10000",
                          "LB_SHIM_OUTPUT": f"{daemon.dir}/data/alerts", "LB_SHIM_SWITCH": str(switch)}
    daemon.start().ready()
    switch.touch()
    write(daemon, line("10.0.0.1"))
    wait_for(lambda: hook.states() == ["firing", "resolved"], 60, "an alert without a disk")
    assert daemon.metric("logboom_alert_journal_failing") == 1
    assert daemon.metric("logboom_alert_events_lost_total") == 0
    assert "cannot be written to disk and are told without" in daemon.log()
    # In no journal; so what the rules know is saved at once.
    saved = daemon.dir / "data" / "alerts.state"
    ended = datetime.datetime.fromisoformat(hook.told()[1]["timestamp"][:19] + "+00:00")
    wait_for(lambda: saved.exists() and saved.stat().st_mtime >= ended.timestamp(), what="the state")
    switch.unlink()
    write(daemon, line("10.0.0.2"))
    wait_for(lambda: hook.states(key={"ip": "10.0.0.2"}) == ["firing", "resolved"], 60, "an alert with it")
    assert daemon.metric("logboom_alert_journal_failing") == 0
    assert "alerts are written to disk again" in daemon.log()
    daemon.kill()
    daemon.start().ready()
    write(daemon, line("10.0.0.3"))
    wait_for(lambda: hook.states(key={"ip": "10.0.0.3"}) == ["firing", "resolved"], 60, "an alert after a kill")
    assert daemon.stop() == 0
    assert hook.states(key={"ip": "10.0.0.1"}) == ["firing", "resolved"]


def test_how_long_it_takes_until_people_are_told(logboom, hook, second):
    """From the line that crosses the threshold to the receiver; shown, for a busy machine proves nothing."""
    daemon = begin(logboom, hook, second, rule("1s"))
    took = []
    for i in range(60):
        since = time.monotonic()
        write(daemon, line(f"10.0.1.{i}"))
        wait_for(lambda: hook.told(key={"ip": f"10.0.1.{i}"}, state="firing"), what="the alert")
        took.append(next(at for at, record in hook.rows if record["key"]["ip"] == f"10.0.1.{i}") - since)
    took.sort()
    print(f"alert latency: p50={took[30] * 1000:.1f}ms p99={took[-1] * 1000:.1f}ms")
    assert took[30] < 5
