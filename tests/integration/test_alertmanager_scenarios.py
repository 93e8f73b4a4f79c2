"""The scenarios that Alertmanager is accepted by, told to logboom: what is pushed there is a log record here.

A pushed alert is a record with firing: 1, its end one with firing: 0, and one line is the rule. Times are ten times as
long as there (a second is ten), on the clock of `logboom test`; what needs a reload or a silence is done to the
running program, in the same order. What each group is told, and within which time, must be as it is there (with
`settle: 0s`, for there no end waits); where it is not, "differs" says so beside it.

Not here: the two scenarios of its cluster.
"""
import json
import subprocess

import pytest

from harness import BIN, wait_for
from recorder import Recorder
from test_acceptance import CONFIG, line, write

RULES = {"r": {"value": "last(firing)", "over": "1h", "by": ["alertname", "lbl"], "high": "at least 1"}}
SECOND = 10


def route(group_by, **more):
    return {"group_by": group_by, "group_wait": "10s", "group_interval": "10s", **more}


def push(at, name, lbl="-", firing=1, arrive=None, **more):
    late = {"arrive": f"{arrive * SECOND:g}s"} if arrive else {}
    return {"from": f"{at * SECOND:g}s", **late,
            "record": {"message": f"{name} {lbl}", "alertname": name, "lbl": lbl, "firing": firing, **more}}


def told(notice):
    """(when, state, {alert: state}) of a notice."""
    record = notice["record"]
    members = {(m["key"].get("alertname"), m["key"].get("lbl")): m["state"] for m in record.get("members", [])}
    return round(notice["after"] / SECOND, 2), record["state"], members


def play(tmp_path, routes, inputs, until, rules=None, faults=(), lateness="1s"):
    """All notices, by sink, in order."""
    (tmp_path / "c.yaml").write_text(json.dumps({
        "data_dir": str(tmp_path / "data"), "sources": {"in": {"type": "stdin"}}, "routes": [{"to": "one"}],
        "sinks": {name: {"type": "stdout"} for name in ("one", "two")},
        "alerting": {"lateness": lateness, "routes": routes, "rules": rules or RULES,
                     "defaults": {"settle": "0s"}}}, ensure_ascii=False))
    file = tmp_path / "a.test.yaml"
    file.write_text(json.dumps({"config": "c.yaml", "tests": [
        {"name": "scenario", "until": f"{until * SECOND}s", "input": inputs, "faults": list(faults),
         "never": [{"state": "summary"}]}]}, ensure_ascii=False))
    done = subprocess.run([BIN, "test", "--json", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    notices = json.loads(done.stdout)["results"][0]["notices"]
    return {sink: [each for each in notices if sink in each["sinks"]] for sink in ("one", "two")}


def expect(notices, *wanted):
    """Each wanted (from, to, state, {alert: state}) is one notice, and there is no other."""
    found = [told(each) for each in notices]
    assert len(found) == len(wanted), found
    for (at, state, members), (earliest, latest, expected, who) in zip(found, wanted):
        assert earliest <= at <= latest and state == expected and members == who, (at, state, members, who)


def names(state, *which):
    return {(name, "-"): state for name in which}


def labels(state, *which):
    return {("test", lbl): state for lbl in which}


ONE = [{"to": "one", **route(["alertname"], repeat="10s")}]


def test_merge(tmp_path):
    """What comes again, also with an earlier time, is one alert; what fires after its end is another one."""
    out = play(tmp_path, ONE, [push(1.1, "test"), push(1, "test", arrive=1.2), push(2.1, "test"), push(3.6, "test"),
                               push(4.6, "test", firing=0), push(4.8, "test", firing=0), push(5.3, "test")], 7.5)["one"]
    fires = names("firing", "test")
    expect(out[:4], (2, 2.5, "firing", fires), (3, 3.5, "repeated", fires), (4, 4.5, "repeated", fires),
           (5, 5.5, "resolved", names("resolved", "test")))
    expect(out[4:], (6, 6.5, "firing", fires), (7, 7.5, "repeated", fires))
    assert len({each["record"]["alert_id"] for each in out[:4]}) == 1
    assert out[4]["record"]["alert_id"] != out[0]["record"]["alert_id"]
    assert out[4]["record"]["members"][0]["started_at"].endswith(":53Z")


@pytest.mark.parametrize("restart", ["stop", "kill"])
def test_merge_over_a_restart(tmp_path, restart):
    """That part is disabled there, for what was told is not persisted. Here nothing is told anew, or an older one."""
    routes = [{"to": "one", **route(["alertname"], repeat="1h")}]
    out = play(tmp_path, routes, [push(1, "test"), push(3, "test", firing=0), push(5.3, "test"), push(7, "test")], 9,
               faults=[{"at": "67s", "restart": restart}])["one"]
    expect(out, (2, 2.5, "firing", names("firing", "test")), (3, 4.5, "resolved", names("resolved", "test")),
           (6.3, 6.6, "firing", names("firing", "test")))


def test_repeat(tmp_path):
    out = play(tmp_path, ONE, [push(1, "test"), push(3.5, "test", firing=0)], 6)["one"]
    expect(out, (2, 2.5, "firing", names("firing", "test")), (3, 3.5, "repeated", names("firing", "test")),
           (4, 4.5, "resolved", names("resolved", "test")))


def test_retry(tmp_path):
    """Two channels, one of which fails for a while: it gets the first one as soon as it takes anything (there: when an
    interval begins anew); the other is not told twice."""
    routes = [{"to": ["one", "two"], **route(["alertname"], repeat="30s")}]
    out = play(tmp_path, routes, [push(1, "test1")], 7, faults=[{"sink": "two", "replies": [503] * 4 + [200]}])
    for sink in out:
        expect(out[sink], (2, 2.5, "firing", names("firing", "test1")), (5, 5.5, "repeated", names("firing", "test1")))


def test_webhook_timeout(tmp_path):
    """A receiver that hangs is given up and tried again; it has the notice before the next one is due."""
    routes = [{"to": "one", **route(["alertname"], repeat="1h")}]
    out = play(tmp_path, routes, [push(1, "test1")], 9, faults=[{"sink": "one", "replies": ["hang", 200]}])
    expect(out["one"], (2, 2.5, "firing", names("firing", "test1")))
    assert out["one"][0]["delivered"] == 1


def test_batching(tmp_path):
    """Differs: what comes long after the last notice of its group does not wait for a beat of the interval."""
    routes = [{"to": "one", **route([], repeat="49s")}]
    out = play(tmp_path, routes, [push(1.1, "test1"), push(1.7, "test5"), *(push(3.3, f"test{i}") for i in (2, 3, 4))],
               8.5)["one"]
    every = names("firing", *(f"test{i}" for i in range(1, 6)))
    expect(out, (2, 2.5, "firing", names("firing", "test1", "test5")), (3.3, 4.5, "updated", every),
           (8.1, 9.5, "repeated", every))


def test_resolved(tmp_path):
    routes = [{"to": "one", **{**route(["alertname"]), "group_interval": "50s"}}]
    which = ("v1", "v2", "v3")
    out = play(tmp_path, routes, [*(push(1, "test", lbl) for lbl in which),
                                  *(push(11, "test", lbl, firing=0) for lbl in which)], 14)["one"]
    expect(out, (2, 2.5, "firing", labels("firing", *which)), (11, 13, "resolved", labels("resolved", *which)))


def test_resolved_filter(tmp_path):
    """Differs: who was told that it fires is always told its end; only a command may leave out states (below)."""
    routes = [{"to": "one", **{**route(["alertname"]), "group_interval": "50s"}}]
    out = play(tmp_path, routes, [push(1, "test", "v1"), push(1, "test", "v2"), push(3, "test", "v1", firing=0),
                                  push(3, "test", "v3"), push(8, "test", "v3"), push(11, "test", "v2", firing=0)],
               13)["one"]
    expect(out, (2, 2.5, "firing", labels("firing", "v1", "v2")),
           (7, 7.5, "updated", {**labels("firing", "v2", "v3"), **labels("resolved", "v1")}),
           (12, 12.5, "updated", {**labels("firing", "v3"), **labels("resolved", "v2")}))


def test_cold_start(tmp_path):
    """What comes with the very first record is grouped and told like all else."""
    out = play(tmp_path, [{"to": "one", **route(["alertname"])}], [push(0, "test", "v1"), push(0.5, "test", "v2")], 3)
    expect(out["one"], (1, 1.5, "firing", labels("firing", "v1", "v2")))


def test_utf8(tmp_path):
    name, lbl = "Σ 🙂 tëst", 'v"=\\{},ß'
    out = play(tmp_path, ONE, [push(1, name, lbl)], 2.5)["one"]
    expect(out, (2, 2.5, "firing", {(name, lbl): "firing"}))
    assert out[0]["record"]["key"] == {"alertname": name}


def of_rule(name, **more):
    return {**RULES["r"], "where": f"alertname == {name}", **more}


INHIBITING = {"test1": of_rule("test1"), "instance": of_rule("InstanceDown"),
              "job": of_rule("JobDown", inhibits=["instance"], equal=["lbl"])}


def test_inhibiting(tmp_path):
    """Differs: what is inhibited is shown as suppressed once to those who were told, not left out without a word."""
    out = play(tmp_path, [{"to": "one", **route([], repeat="10s")}],
               [push(1, "test1", "aa"), push(1, "InstanceDown", "aa"), push(1, "InstanceDown", "ab"),
                push(2.2, "JobDown", "aa"), push(3.6, "JobDown", "aa", firing=0)], 4.5, rules=INHIBITING)["one"]
    rest = {("test1", "aa"): "firing", ("InstanceDown", "ab"): "firing"}
    expect(out, (2, 2.5, "firing", {**rest, ("InstanceDown", "aa"): "firing"}),
           (3, 3.5, "updated", {**rest, ("InstanceDown", "aa"): "suppressed", ("JobDown", "aa"): "firing"}),
           (4, 4.5, "updated", {**rest, ("InstanceDown", "aa"): "firing", ("JobDown", "aa"): "resolved"}))


@pytest.mark.parametrize("order", [("InstanceDown", "JobDown"), ("JobDown", "InstanceDown")])
def test_always_inhibiting(tmp_path, order):
    """Whichever came first, the inhibited one is not told. Differs: nor is its end, of which nobody knows anything."""
    out = play(tmp_path, [{"to": "one", **route([], repeat="10s")}],
               [*(push(1, name, "aa") for name in order), *(push(2.6, name, "aa", firing=0) for name in ("JobDown", "InstanceDown"))],
               5, rules=INHIBITING)["one"]
    expect(out, (2, 2.5, "firing", {("JobDown", "aa"): "firing"}), (3, 3.5, "resolved", {("JobDown", "aa"): "resolved"}))


# --- in the running program ---------------------------------------------------

LIVE = """
      routes: [{to: hook, group_by: [], group_wait: 1s, group_interval: 1s, repeat: REPEAT}]
      rules: {r: {value: last(firing), over: 1h, by: [alertname], high: at least 1}}
"""


@pytest.fixture
def hook():
    recorder = Recorder()
    yield recorder
    recorder.close()


def live(logboom, hook, repeat):
    daemon = logboom(CONFIG.format(hook=hook.url, second=hook.url, lateness="100ms") + LIVE.replace("REPEAT", repeat))
    (daemon.dir / "app.log").touch()
    return daemon.start().ready()


def firing(record):
    return sorted(each["key"]["alertname"] for each in record["members"] if each["state"] == "firing")


def silence(daemon, where, lasts):
    body = json.dumps({"where": where, "for": lasts, "comment": "known"}).encode()
    status, text = daemon.get("/api/v1/silences", "POST", body)
    assert status == 201, text
    return json.loads(text)["silence"]["id"]


def told_behind(hook, count, names):
    """How many notices there are up to the first one behind so many that says that these fire; 0: none does yet."""
    return next((i + 1 for i, record in enumerate(hook.told()) if i >= count and firing(record) == names), 0)


def test_silencing(logboom, hook):
    """Both, then one of them while the other is silenced, then both again."""
    daemon = live(logboom, hook, "1s")
    write(daemon, line(alertname="test1", firing=1), line(alertname="test2", firing=1))
    wait_for(lambda: hook.rows and firing(hook.told()[-1]) == ["test1", "test2"], what="both")
    seen = len(hook.rows)
    silence(daemon, 'key.alertname == "test1"', "4s")
    seen = wait_for(lambda: told_behind(hook, seen, ["test2"]), what="one of them")
    wait_for(lambda: told_behind(hook, seen, ["test1", "test2"]), 60, "both again")
    assert daemon.stop() == 0
    told = [firing(record) for record in hook.told()]
    first, again = told.index(["test2"]), len(told) - told[::-1].index(["test2"])
    assert told == [["test1", "test2"]] * first + [["test2"]] * (again - first) + [["test1", "test2"]] * (len(told) - again)


def test_silence_delete(logboom, hook):
    """Silenced before the group is told: nothing; ended by hand: both."""
    daemon = live(logboom, hook, "1s")
    named = silence(daemon, 'key.alertname ~ ".+"', "1h")
    write(daemon, line(alertname="test1", firing=1), line(alertname="test2", firing=1))
    wait_for(lambda: sum(alert.get("suppressed", False) for alert in json.loads(daemon.get("/api/v1/alerts")[1])) == 2,
             what="both held back")
    before = daemon.metric("logboom_alert_journal_syncs_total")
    wait_for(lambda: "alerts.state" in {path.name for path in (daemon.dir / "data").iterdir()}, 60, "ten seconds")
    assert hook.rows == [] and daemon.metric("logboom_alert_journal_syncs_total") == before
    assert daemon.get(f"/api/v1/silences/{named}", "DELETE")[0] == 200
    wait_for(lambda: hook.rows, what="both")
    assert firing(hook.told()[0]) == ["test1", "test2"] and hook.told()[0]["state"] == "firing"


def test_reload(logboom, hook):
    """A reload tells nobody anew; what comes behind it is told with what was told before."""
    daemon = live(logboom, hook, "10m")
    write(daemon, line(alertname="test1", firing=1))
    wait_for(lambda: hook.states() == ["firing"], what="the first")
    assert daemon.get("/api/v1/reload", "POST", b"")[0] == 200
    write(daemon, line(alertname="test2", firing=1))
    wait_for(lambda: len(hook.rows) == 2, what="the second")
    assert daemon.stop() == 0
    assert hook.states() == ["firing", "updated"] and firing(hook.told()[1]) == ["test1", "test2"]


def test_a_command_may_leave_out_ends(logboom, hook, tmp_path):
    """ResolvedFilter with a receiver that wants no ends: it fires, ends and fires again, and that is told."""
    program, out = tmp_path / "note.sh", tmp_path / "states"
    program.write_text(f"#!/bin/sh\necho \"$1\" >>'{out}'\n")
    program.chmod(0o755)
    daemon = logboom(CONFIG.format(hook=hook.url, second=hook.url, lateness="100ms").replace(
        "      hook:", f"      run: {{type: command, command: ['{program}', '{{state}}'], states: [firing]}}\n      hook:") +
        "      rules: {r: {value: last(firing), over: 1h, by: [alertname], high: at least 1, to: [run, hook]}}\n")
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    for state in (1, 0, 1):
        seen = len(hook.rows)
        write(daemon, line(alertname="test", firing=state))
        wait_for(lambda: len(hook.rows) > seen, what="a notice")
    wait_for(lambda: out.exists() and out.read_text().count("\n") == 2, 60, "two calls")
    assert daemon.stop() == 0
    assert hook.states() == ["firing", "resolved", "firing"] and out.read_text() == "firing\nfiring\n"
