"""Silences, maintenance windows, markers and the audit log, over HTTP with curl, as people script them."""
import datetime
import json
import subprocess

import pytest

from alerts_in import rows
from harness import BIN, wait_for

CONFIG = """
    http: {listen: '{http}', token: s3cret}
    sources:
      app: {type: file, include: ['{dir}/app.log'], parse: json}
    routes: [{to: all}]
    sinks:
      all: {type: file, path: '{dir}/all.log', flush: 200ms}
      alerts: {type: file, path: '{dir}/alerts.log', flush: 200ms}
    alerting:
      lateness: 1s
      routes: [{to: alerts}]
      maintenance:
        - {name: always, every: 'day 00:00-24:00', zone: UTC, where: service == "batch"}
        - {name: rare, monthly: '29', months: feb, zone: Europe/Paris}
      rules:
        logins:
          where: message contains "Failed"
          value: count()
          over: 10m
          by: [client_ip, service]
          low: at least 2
          critical: at least 5
"""


def line(message, **fields):
    stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": "warn", "service": "sshd", "message": message, **fields}) + "\n"


@pytest.fixture
def daemon(logboom):
    made = logboom(CONFIG)
    (made.dir / "app.log").write_text("".join(line(f"Failed {i}", client_ip="10.0.0.1") for i in range(6)) +
                                      "".join(line(f"Failed {i}", client_ip="10.0.0.2") for i in range(2)))
    made.start().ready()
    wait_for(lambda: len(curl(made, "/api/v1/alerts")[1]) == 2, what="two alerts")
    return made


def curl(daemon, path, body=None, method=None, token="s3cret", socket=False):
    """The status and the JSON that came back."""
    command = ["curl", "-s", "-o", "-", "-w", "\n%{http_code}"]
    if method:
        command += ["-X", method]
    if body is not None:
        command += ["-d", body if isinstance(body, str) else json.dumps(body)]
    if socket:
        command += ["--unix-socket", str(daemon.dir / "data/control"), f"http://logboom{path}"]
    else:
        command += ["-H", f"Authorization: Bearer {token}", f"http://127.0.0.1:{daemon.http}{path}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    text, status = run.stdout.rsplit("\n", 1)
    return int(status), json.loads(text) if text.strip() else None


def audit(daemon):
    return rows(daemon.dir / "data/audit.log")


def test_a_silence_is_set_changed_ended_and_outlives_a_kill(daemon):
    status, answer = curl(daemon, "/api/v1/silences", {
        "where": 'rule == logins and key.client_ip == "10.0.0.1"', "for": "2h", "comment": 'a "known" thing',
        "author": "anna"})
    assert status == 201
    silence = answer["silence"]
    assert silence["state"] == "active" and silence["author"] == "anna" and silence["comment"] == 'a "known" thing'
    assert [alert["key"]["client_ip"] for alert in answer["alerts"]] == ["10.0.0.1"]
    # It was on disk before the answer came.
    daemon.kill()
    daemon.start().ready()
    status, answer = curl(daemon, "/api/v1/silences")
    assert status == 200 and answer["silences"] == [silence]

    status, answer = curl(daemon, "/api/v1/silences", {"id": silence["id"], "until": "2099-01-01T00:00:00Z"})
    assert status == 200 and answer["silence"]["until"] == "2099-01-01T00:00:00Z"
    assert answer["silence"]["where"] == silence["where"] and "updated_at" in answer["silence"]

    status, answer = curl(daemon, f"/api/v1/silences/{silence['id']}", method="DELETE")
    assert status == 200 and answer["silence"]["state"] == "ended"
    assert curl(daemon, "/api/v1/silences")[1]["silences"] == []
    ended = curl(daemon, "/api/v1/silences?ended=true")[1]["silences"]
    assert [each["id"] for each in ended] == [silence["id"]]
    assert curl(daemon, f"/api/v1/silences/{silence['id']}")[1]["ended_by"] == "127.0.0.1"
    assert curl(daemon, f"/api/v1/silences/{silence['id']}", method="DELETE")[0] == 404
    assert curl(daemon, "/api/v1/silences", {"id": silence["id"], "for": "1h"})[0] == 404


def test_a_preview_changes_nothing(daemon):
    status, answer = curl(daemon, "/api/v1/silences/preview", {"where": "severity >= high"})
    assert status == 200 and [alert["severity"] for alert in answer["alerts"]] == ["critical"]
    assert curl(daemon, "/api/v1/silences")[1]["silences"] == []


@pytest.mark.parametrize("body, status, says, column", [
    ({"where": "service = = db", "for": "1h", "comment": "c"}, 400, "where, column 11: expected a value", 11),
    ({"where": "service == db and", "for": "1h", "comment": "c"}, 400, "where, column 18", 18),
    ({"where": "false", "for": "1h", "comment": "c"}, 400, "it is never true", None),
    ({"where": "true", "for": "1 fortnight", "comment": "c"}, 400, '"for": expected a duration', None),
    ({"where": "true", "for": "1h", "until": "2099-01-01", "comment": "c"}, 400, "give one of them", None),
    ({"where": "true", "until": "2001-01-01T00:00:00Z", "comment": "c"}, 400, "expected a time to come", None),
    ({"where": "true", "until": "tomorrow", "comment": "c"}, 400, '"until": expected a time', None),
    ({"where": "true", "for": "1h"}, 400, "comment: missing", None),
    ({"where": "true", "comment": "c"}, 400, "until: missing", None),
    ({"for": "1h", "comment": "c"}, 400, "where: missing", None),
    ({"wher": "true", "for": "1h"}, 400, 'unknown member "wher"; did you mean "where"?', None),
    ({"where": ["true"], "for": "1h"}, 400, '"where": expected text', None),
    ("where=true", 400, "the body is no JSON object", None),
    ('{"where":"true"} x', 400, "text behind it at byte 17", None),
    ({"where": "x" * 5000 + " == 1", "for": "1h", "comment": "c"}, 400, "longer than 4096", None),
])
def test_a_fault_says_what_is_wrong_and_where(daemon_for_faults, body, status, says, column):
    got, answer = curl(daemon_for_faults, "/api/v1/silences", body)
    assert got == status and says in answer["error"], answer
    assert answer.get("column") == column
    assert curl(daemon_for_faults, "/api/v1/silences")[1]["silences"] == []


@pytest.fixture(scope="module")
def daemon_for_faults(tmp_path_factory):
    from harness import Logboom
    made = Logboom(tmp_path_factory.mktemp("faults"), CONFIG)
    (made.dir / "app.log").touch()
    made.start().ready()
    yield made
    made.kill()


def test_nothing_is_answered_without_the_token_but_over_the_socket(daemon):
    for path, method in (("/api/v1/silences", "GET"), ("/api/v1/silences", "POST"), ("/api/v1/markers", "GET"),
                         ("/api/v1/silences/preview", "POST"), ("/api/v1/alerts/history", "GET"),
                         ("/api/v1/alerts/explain?rule=logins", "GET"), ("/api/v1/silences/0123456789abcdef", "DELETE")):
        assert curl(daemon, path, method=method, token="wrong")[0] == 401
    status, answer = curl(daemon, "/api/v1/silences", {"where": "true", "for": "1h", "comment": "c"}, socket=True)
    assert status == 201
    # The system says who it is, so nobody need say it.
    assert answer["silence"]["author"] == audit(daemon)[-1]["who"]["user"]
    assert audit(daemon)[-1]["who"]["via"] == "socket"


def test_other_methods_and_paths_are_refused(daemon):
    assert curl(daemon, "/api/v1/silences", method="DELETE")[0] == 405
    assert curl(daemon, "/api/v1/silences/preview", method="GET")[0] == 405
    assert curl(daemon, "/api/v1/silences/a/b")[0] == 404
    assert curl(daemon, "/api/v1/silences/")[0] == 404
    assert curl(daemon, "/api/v1/silences/0123456789abcdef")[0] == 404


def test_windows_are_listed_and_follow_a_reload(daemon):
    windows = curl(daemon, "/api/v1/silences")[1]["windows"]
    assert [(w["name"], w["state"]) for w in windows] == [("always", "active"), ("rare", "pending")]
    assert windows[1]["from"].endswith("-02-28T23:00:00Z") and windows[1]["until"].endswith("-02-29T23:00:00Z")
    daemon.write_config(CONFIG.replace("- {name: rare,", "- {name: other,"))
    assert curl(daemon, "/api/v1/reload", method="POST")[0] == 200
    assert [w["name"] for w in curl(daemon, "/api/v1/silences")[1]["windows"]] == ["always", "other"]


def test_markers_are_kept_over_a_restart_and_asked_for_by_time_and_service(daemon):
    status, marker = curl(daemon, "/api/v1/markers", {"text": "deployed 2.3", "service": "sshd",
                                                      "time": "2026-01-02T03:04:05Z", "author": "ci"})
    assert status == 201
    assert curl(daemon, "/api/v1/markers", {"text": "moved the rack"})[0] == 201
    assert curl(daemon, "/api/v1/markers", {"text": ""})[0] == 400
    assert curl(daemon, "/api/v1/markers", {"text": "x" * 600})[0] == 400
    daemon.kill()
    daemon.start().ready()
    assert curl(daemon, "/api/v1/markers?until=2026-02-01T00:00:00Z")[1]["markers"] == [marker]
    assert len(curl(daemon, "/api/v1/markers?service=sshd")[1]["markers"]) == 2
    assert len(curl(daemon, "/api/v1/markers?service=db")[1]["markers"]) == 1
    assert curl(daemon, "/api/v1/markers?since=soon")[0] == 400


def test_the_history_tells_what_was_told_and_to_whom(daemon):
    def told():
        notices = curl(daemon, "/api/v1/alerts/history")[1]["notices"]
        return len(notices) == 3 and all(notice["deliveries"] for notice in notices) and notices

    notices = wait_for(told, what="notices, and what became of them")
    assert [(n["state"], n["severity"]) for n in notices[:2]] == [("firing", "low"), ("updated", "critical")]
    assert all(n["sinks"] == ["alerts"] for n in notices)
    mine = notices[0]["alert_id"]
    assert {n["alert_id"] for n in curl(daemon, f"/api/v1/alerts/history?alert_id={mine}")[1]["notices"]} == {mine}
    assert curl(daemon, "/api/v1/alerts/history?rule=other")[1]["notices"] == []
    assert curl(daemon, "/api/v1/alerts/history?until=2020-01-01T00:00:00Z")[1]["notices"] == []
    assert len(curl(daemon, "/api/v1/alerts/history?limit=1")[1]["notices"]) == 1
    daemon.stop()
    daemon.start().ready()
    assert curl(daemon, f"/api/v1/alerts/history?alert_id={mine}")[1]["notices"][0] == notices[0]


def test_every_action_of_people_is_in_the_audit_log(daemon):
    silence = curl(daemon, "/api/v1/silences", {"where": "true", "for": "1h", "comment": "c"})[1]["silence"]
    curl(daemon, "/api/v1/silences", {"id": silence["id"], "comment": "d"})
    curl(daemon, f"/api/v1/silences/{silence['id']}", method="DELETE")
    curl(daemon, "/api/v1/markers", {"text": "deployed"}, socket=True)
    curl(daemon, "/api/v1/log_level", "debug")
    daemon.write_config(CONFIG.replace("at least 5", "at least 6").replace("alerts: {type", "mails: {type: file, path: "
                        "'{dir}/m.log'}\n      alerts: {type"))
    assert curl(daemon, "/api/v1/reload", method="POST")[0] == 200
    daemon.write_config("nonsense: [")
    assert curl(daemon, "/api/v1/reload", method="POST")[0] == 422
    wait_for(lambda: len([e for e in audit(daemon) if e["action"] == "reload"]) == 2, what="two reloads in the log")
    entries = audit(daemon)
    assert [e["action"] for e in entries] == ["start", "silence.set", "silence.change", "silence.end", "marker",
                                              "log_level", "reload.ask", "reload", "reload.ask", "reload"]
    assert entries[1]["who"] == {"via": "http", "peer": "127.0.0.1", "token": True}
    assert entries[1]["details"]["id"] == silence["id"]
    assert entries[4]["who"]["via"] == "socket"
    good, bad = entries[7]["details"], entries[9]["details"]
    assert good["ok"] and good["rules"] == ["~logins"] and good["sinks"] == ["+mails"] and good["sources"] == []
    assert good["sha256"] != good["sha256_before"] and not bad["ok"] and bad["faults"] > 0
    assert [e["sequence"] for e in entries] == list(range(1, len(entries) + 1))
    check = subprocess.run([BIN, "alerts", "audit", "--verify", str(daemon.dir / "data")], capture_output=True,
                           text=True)
    assert check.returncode == 0 and "whole: 10 entries" in check.stdout


def test_a_rule_answers_what_it_knows_of_a_key(daemon):
    answer = curl(daemon, "/api/v1/alerts/explain?rule=logins&key.client_ip=10.0.0.2")[1]
    assert answer["key"] == {"client_ip": "10.0.0.2", "service": "sshd"} and answer["state"] == "firing"
    assert answer["window"]["count"] == 2 and answer["window"]["judged"]
    assert [(t["severity"], t["crossed"]) for t in answer["thresholds"]] == [("low", True), ("critical", False)]
    past = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)).isoformat()[:19] + "Z"
    assert not curl(daemon, f"/api/v1/alerts/explain?rule=logins&at={past}")[1]["window"]["known"]
    nobody = curl(daemon, "/api/v1/alerts/explain?rule=logins&key.client_ip=nobody")[1]
    assert "window" not in nobody and len(nobody["keys"]) == 2
    assert curl(daemon, "/api/v1/alerts/explain?rule=nothing")[0] == 404


def test_a_file_of_a_newer_version_stops_the_start_and_is_left_alone(logboom):
    daemon = logboom(CONFIG)
    (daemon.dir / "data").mkdir()
    (daemon.dir / "data/silences").write_text('{"silences":1,"version":99}\n')
    daemon.start()
    assert daemon.wait(30) != 0
    assert "written by a newer logboom" in daemon.log()
    assert (daemon.dir / "data/silences").read_text() == '{"silences":1,"version":99}\n'


def told(daemon):
    return rows(daemon.dir / "alerts.log")


def write(daemon, *lines):
    with open(daemon.dir / "app.log", "a") as log:
        log.write("".join(lines))


def test_a_silence_holds_notices_back_until_it_ends(daemon_for_notices):
    daemon = daemon_for_notices
    silence = curl(daemon, "/api/v1/silences", {"where": 'key.client_ip == "10.0.0.7"', "for": "1h",
                                                "comment": "c"})[1]["silence"]
    write(daemon, *(line(f"Failed {i}", client_ip="10.0.0.7") for i in range(6)),
          *(line(f"Failed {i}", client_ip="10.0.0.8") for i in range(6)))
    wait_for(lambda: [a for a in told(daemon) if a["key"]["client_ip"] == "10.0.0.8"], what="the other is told")
    wait_for(lambda: len(curl(daemon, "/api/v1/alerts")[1]) == 2, what="both fire")
    assert [a for a in told(daemon) if a["key"]["client_ip"] == "10.0.0.7"] == []
    held = [a for a in curl(daemon, "/api/v1/alerts")[1] if a["key"]["client_ip"] == "10.0.0.7"]
    assert held[0]["suppressed"] is True and held[0]["told"] is False
    curl(daemon, f"/api/v1/silences/{silence['id']}", method="DELETE")
    wait_for(lambda: [a["state"] for a in told(daemon) if a["key"]["client_ip"] == "10.0.0.7"] == ["firing"],
             what="told when the silence has ended")


def test_who_was_told_hears_of_a_silence_and_of_its_end(daemon_for_notices):
    daemon = daemon_for_notices

    def states():
        return [a["state"] for a in told(daemon) if a["key"]["client_ip"] == "10.0.0.9"]

    write(daemon, *(line(f"Failed {i}", client_ip="10.0.0.9") for i in range(6)))
    wait_for(lambda: states() == ["firing", "updated"], what="it is told, and that it is critical")
    silence = curl(daemon, "/api/v1/silences", {"where": 'key.client_ip == "10.0.0.9"', "for": "1h",
                                                "comment": "c"})[1]["silence"]
    wait_for(lambda: len(states()) == 3, what="they hear that it is silenced")
    assert silence["id"] in json.dumps(told(daemon)[-1])
    curl(daemon, f"/api/v1/silences/{silence['id']}", method="DELETE")
    wait_for(lambda: len(states()) == 4, what="they hear how it stands")


def test_maintenance_holds_back_what_it_says(daemon_for_notices):
    daemon = daemon_for_notices
    write(daemon, *(line(f"Failed {i}", client_ip="10.0.0.5", service="batch") for i in range(6)),
          *(line(f"Failed {i}", client_ip="10.0.0.6") for i in range(6)))
    wait_for(lambda: [a for a in told(daemon) if a["key"]["client_ip"] == "10.0.0.6"], what="the other is told")
    wait_for(lambda: [a for a in curl(daemon, "/api/v1/alerts")[1] if a.get("suppressed")], what="it is held back")
    assert [a for a in told(daemon) if a["key"]["client_ip"] == "10.0.0.5"] == []


def test_an_alert_carries_what_was_done_to_its_service_before(daemon_for_notices):
    daemon = daemon_for_notices
    ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=30)
    for text, service, when in (("deployed 2.3", "sshd", ago), ("deployed 9.9", "db", ago),
                                ("older", "sshd", ago - datetime.timedelta(minutes=1)),
                                ("oldest", "", ago - datetime.timedelta(hours=3))):
        assert curl(daemon, "/api/v1/markers", {"text": text, "service": service, "time": when.isoformat()})[0] == 201
    write(daemon, *(line(f"Failed {i}", client_ip="10.0.0.8") for i in range(6)),
          *(line(f"Failed {i}", client_ip="10.0.0.9", service="web") for i in range(6)))
    wait_for(lambda: len({a["key"]["client_ip"] for a in told(daemon)}) == 2, what="both are told")
    assert {(a["service"], a.get("deploy")) for a in told(daemon)} == {("sshd", "deployed 2.3"), ("web", None)}


@pytest.fixture
def daemon_for_notices(logboom):
    made = logboom(CONFIG)
    (made.dir / "app.log").touch()
    return made.start().ready()
