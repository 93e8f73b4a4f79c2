"""`logboom alerts …` against a running daemon: what people see and type, and what programs read."""
import datetime
import json
import os
import pty
import subprocess

import pytest

from harness import BIN, archive_records, wait_for
from recorder import Recorder

CONFIG = """
    sources:
      app: {type: file, include: ['{dir}/app.log'], parse: json}
    routes: [{to: [all, archive]}]
    sinks:
      all: {type: file, path: '{dir}/all.log', flush: 200ms}
      archive: {type: archive, path: '{dir}/archive/{service}/%Y-%m-%d.jsonl.zst', flush: 200ms}
      alerts: {type: file, path: '{dir}/alerts.log', flush: 200ms}
    alerting:
      lateness: 1s
      routes: [{to: alerts}]
      rules:
        logins:
          where: message contains "Failed"
          value: count()
          over: 10m
          by: [client_ip, service]
          low: at least 2
          critical: at least 5
          min_count: 2
        slow: {where: event == "slow", value: count(), over: 10m, critical: at least 1, for: 1h}
"""


def line(message, **fields):
    stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": "warn", "service": "sshd", "message": message, **fields}) + "\n"


@pytest.fixture
def daemon(logboom):
    made = logboom(CONFIG)
    (made.dir / "app.log").write_text("".join(line(f"Failed {i}", client_ip="10.0.0.1") for i in range(6)) +
                                      "".join(line(f"Failed {i}", client_ip="10.0.0.2") for i in range(2)) +
                                      line("Failed once", client_ip="10.0.0.3") + line("fine") + line("x", event="slow"))
    made.start().ready()
    wait_for(lambda: len(json.loads(made.get("/api/v1/alerts")[1])) == 2, what="two alerts")
    wait_for(lambda: len(json.loads(made.get("/api/v1/alerts/history")[1])["notices"]) == 3, what="what is told of them")
    return made


def alerts(daemon, *words, code=0, cwd=None):
    run = subprocess.run([BIN, "alerts", words[0], "-c", str(daemon.config), *words[1:]], capture_output=True,
                         text=True, timeout=60, cwd=cwd)
    assert run.returncode == code, f"{words}: {run.returncode}\n{run.stdout}{run.stderr}"
    return run.stdout, run.stderr


def firing(daemon, ip):
    found = json.loads(alerts(daemon, "list", "--json")[0])
    return next(a["alert_id"] for a in found if a["key"].get("client_ip") == ip)


def test_the_list_has_the_worst_first_and_what_is_pending(daemon):
    text = wait_for(lambda: (out := alerts(daemon, "list")[0]) and "pending" in out and out, what="a pending alert")
    rows = text.splitlines()
    assert rows[0].split() == ["SEVERITY", "STATE", "SINCE", "RULE", "KEY", "VALUE", "ID", "HELD", "BACK", "BY"]
    shown = [(r.split()[0], r.split()[1], r.split()[3]) for r in rows[1:]]
    assert ("critical", "pending", "slow") in shown and shown[-1] == ("low", "firing", "logins")
    assert "client_ip=10.0.0.1 service=sshd" in text and "6 (at least 5)" in text
    assert "\033" not in text
    only = json.loads(alerts(daemon, "list", "--json", "--where", 'key.client_ip == "10.0.0.2"')[0])
    assert [(a["rule"], a["severity"], a["state"]) for a in only] == [("logins", "low", "firing")]
    assert alerts(daemon, "list", "--where", "rule == nothing", code=1)[0] == "nothing fires\n"
    assert "--where:1:9" in alerts(daemon, "list", "--where", "rule == = x", code=2)[1]


def test_without_a_command_it_lists(daemon):
    run = subprocess.run([BIN, "alerts", "-c", str(daemon.config)], capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.startswith("SEVERITY")


def test_colours_are_for_terminals_only(daemon):
    main, side = pty.openpty()
    env = {**os.environ, "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    subprocess.run([BIN, "alerts", "list", "-c", str(daemon.config)], stdout=side, env=env, check=True)
    os.close(side)
    assert b"\033[" in os.read(main, 65536)
    os.close(main)


def test_a_silence_from_preview_to_end(daemon):
    out, _ = alerts(daemon, "silence", "--preview", "severity >= high")
    assert "it would hold back 1 alert that fires now" in out and "client_ip=10.0.0.1" in out
    assert alerts(daemon, "silences", code=1)[0] == "there are no silences\n"
    out, _ = alerts(daemon, "silence", "--for", "2h", "--comment", "new disk", "key.client_ip == 10.0.0.1")
    assert out.startswith("silence ") and "it holds back 1 alert that fires now" in out
    listed = alerts(daemon, "list")[0].splitlines()
    held = [row for row in listed if "10.0.0.1" in row]
    assert len(held) == 1 and "silenced" in held[0] and "(new disk)" in held[0]
    found = json.loads(alerts(daemon, "silences", "--json")[0])["silences"]
    assert len(found) == 1 and found[0]["comment"] == "new disk" and found[0]["author"]
    alerts(daemon, "silence", "--id", found[0]["id"], "--comment", "newer disk")
    assert "newer disk" in alerts(daemon, "silences")[0]
    assert alerts(daemon, "unsilence", found[0]["id"][:6])[0] == f"silence {found[0]['id']} has ended\n"
    assert "there is no silence" in alerts(daemon, "unsilence", found[0]["id"], code=1)[1]
    assert alerts(daemon, "silences", code=1)[0] == "there are no silences\n"
    assert "ended" in alerts(daemon, "silences", "--all")[0]


def test_an_expression_needs_no_quotes(daemon):
    out, _ = alerts(daemon, "silence", "--until", "2099-01-01", "--comment", "c", "rule", "==", "logins")
    assert "it holds back 2 alerts that fire now" in out


@pytest.mark.parametrize("words, code, says", [
    (["silence", "service == db"], 2, "how long? give --for 2h or --until TIME"),
    (["silence", "--for", "2h", "service == db"], 2, "why? give --comment TEXT"),
    (["silence", "--for", "2 days", "--comment", "c", "service == db"], 2, '--for: "2 days" is no duration'),
    (["silence", "--until", "soon", "--comment", "c", "service == db"], 2, '--until: "soon" is no time'),
    (["silence", "--for", "2h", "--comment", "c"], 2, "which alerts?"),
    (["silence", "--for", "2h", "--comment", "c", "service = = db"], 1, "where, column 11: expected a value, got `=`"),
    (["silence", "--fro", "2h"], 2, 'there is no option "--fro"; see `logboom alerts silence --help`'),
    (["silence", "--for"], 2, "--for needs a value"),
    (["unsilence"], 2, "give the id of one silence"),
    (["show"], 2, "give the id of one alert"),
    (["show", "ffffffffffffffff0"], 1, "no alert ffffffffffffffff0 fires or is in the history"),
    (["ack", "ffffffffffffffff0"], 1, "no alert ffffffffffffffff0 fires now"),
    (["why-not", "nothing"], 1, 'there is no rule "nothing" in alerting.rules'),
    (["why-not", "logins", "client_ip"], 2, '"client_ip": expected NAME=VALUE'),
    (["history", "--since", "soon"], 2, '--since: "soon" is no time'),
    (["marker"], 2, "what was done?"),
    (["lst"], 2, "there is no `alerts lst`; did you mean `alerts list`?"),
])
def test_a_wrong_command_line_says_what_to_do(daemon, words, code, says):
    assert says in alerts(daemon, *words, code=code)[1]


def test_one_alert_shown_and_explained(daemon):
    which = firing(daemon, "10.0.0.1")
    out = alerts(daemon, "show", which[:8])[0]
    assert out.startswith("logins  critical  firing, began ") and "client_ip=10.0.0.1" in out
    rows = [row.split() for row in out.splitlines() if which in row and "TIME" not in row]
    assert rows[-1][-1] == "alerts", "the sink that was told stands last"
    alerts(daemon, "silence", "--for", "1h", "--comment", "known", "severity >= high")
    out = alerts(daemon, "explain", which)[0]
    assert "rule logins: count() over 10m" in out and "min_count 2" in out
    assert [row.split()[0] for row in out.splitlines() if " crossed" in row] == ["low", "critical"]
    assert "notices are held back by silence" in out and "(known)" in out
    assert json.loads(alerts(daemon, "explain", which, "--json")[0])["alert_id"] == which


def test_it_is_said_that_a_sink_cannot_deliver(logboom):
    daemon = logboom(CONFIG.replace("routes: [{to: alerts}]", "routes: [{to: [alerts, hook]}]").replace(
        "      alerts: {type", "      hook: {type: webhook, url: 'http://127.0.0.1:1/'}\n      alerts: {type"))
    (daemon.dir / "app.log").write_text("".join(line(f"Failed {i}", client_ip="10.0.0.1") for i in range(6)))
    daemon.start().ready()
    which = wait_for(lambda: json.loads(daemon.get("/api/v1/alerts")[1]), what="the alert")[0]["alert_id"]
    out = wait_for(lambda: (text := alerts(daemon, "explain", which)[0]) and "cannot deliver" in text and text,
                   what="the failing sink")
    row = next(row for row in out.splitlines() if "cannot deliver" in row)
    assert row.startswith("sink hook cannot deliver now, what it has waits: ") and "connect" in row


def test_what_became_of_each_notice_is_kept_over_a_kill(logboom, tmp_path):
    """Of each sink its answer and how many tries that took; a sink that has not answered yet waits."""
    hook, strict = Recorder(), Recorder()
    hook.answers, strict.status = [503, 429], 400
    daemon = logboom("    commit_every: 100ms" + CONFIG.replace(
        "routes: [{to: alerts}]", "routes: [{to: [alerts, hook, strict, run, away]}]").replace(
        "      alerts: {type", f"""      hook: {{type: webhook, url: '{hook.url}', retry: {{first: 20ms, max: 50ms}}}}
      strict: {{type: webhook, url: '{strict.url}'}}
      run: {{type: command, command: [/bin/true]}}
      away: {{type: webhook, url: 'http://127.0.0.1:1/'}}
      alerts: {{type"""))
    (daemon.dir / "app.log").write_text("".join(line(f"Failed {i}", client_ip="10.0.0.1") for i in range(2)))
    daemon.start().ready()

    def deliveries():
        notices = json.loads(daemon.get("/api/v1/alerts/history?rule=logins")[1])["notices"]
        found = notices[0]["deliveries"] if notices else []
        return found if len({each["sink"] for each in found}) == 4 else None

    def known(found):  # the first of each: who was killed before it noted an answer asks again
        return {each["sink"]: (each["result"], each["answer"], each.get("attempts")) for each in reversed(found)}

    found = known(wait_for(deliveries, what="four outcomes"))
    assert found["hook"] == ("delivered", "HTTP 200", 3)
    assert found["alerts"] == ("delivered", "written", None) and found["run"] == ("delivered", "exit 0", 1)
    result, answer, attempts = found["strict"]
    assert (result, attempts) == ("refused", 1) and "400" in answer
    daemon.kill()
    daemon.start().ready()
    assert known(deliveries()) == found, "none is lost"
    notice, = json.loads(daemon.get("/api/v1/alerts/history?rule=logins")[1])["notices"]  # though `away` is given it again
    which = notice["alert_id"]
    rows = [row.split() for row in alerts(daemon, "explain", which)[0].splitlines()]
    assert any(row[2:] == "firing hook delivered, HTTP 200, 3 tries".split() for row in rows), rows
    assert ["-", "firing", "away", "waits"] in rows
    explained = json.loads(alerts(daemon, "explain", which, "--json")[0])
    assert known(explained["notices"][0]["deliveries"]) == found
    alerts(daemon, "export", which, "--to", str(tmp_path / "incident"))
    assert " hook: delivered, HTTP 200, 3 tries\n" in (tmp_path / "incident" / "README.md").read_text()
    notices = [json.loads(row) for row in (tmp_path / "incident" / "notices.jsonl").read_text().splitlines()]
    assert known(notices[0]["deliveries"]) == found
    hook.close()
    strict.close()


def test_why_not_says_what_was_missing(daemon):
    out = alerts(daemon, "why-not", "logins", "client_ip=10.0.0.3")[0]
    assert "records 1" in out and "it was not judged: the window held fewer records than min_count" in out
    out = alerts(daemon, "why-not", "slow")[0]
    assert "for 1h" in out and "a threshold was crossed, but not yet for as long as `for` says" in out
    out = alerts(daemon, "why-not", "logins", "client_ip=10.9.9.9")[0]
    assert "no record of such a key has been counted" in out and "client_ip=10.0.0.3 service=sshd" in out
    assert "it fires now, as alert" in alerts(daemon, "why-not", "logins", "client_ip=10.0.0.1")[0]
    out = alerts(daemon, "why-not", "logins", "client_ip=10.0.0.1", "--at", "2020-01-01")[0]
    assert "not known (any more)" in out


def test_who_works_on_it_is_shown_and_noted(daemon):
    which = firing(daemon, "10.0.0.1")
    assert "noted: you work on logins client_ip=10.0.0.1" in alerts(daemon, "ack", which[:8], "--comment", "on it")[0]
    row = next(row for row in alerts(daemon, "list")[0].splitlines() if which in row)
    assert row.split()[1] == "acked"
    assert "acked by" in alerts(daemon, "show", which)[0]
    wait_for(lambda: "acknowledged" in alerts(daemon, "history")[0], what="the notice")
    entry = [json.loads(row) for row in alerts(daemon, "audit", "--json")[0].splitlines()][-1]
    assert entry["action"] == "ack" and entry["details"]["alert_id"] == which
    assert entry["details"]["said"]["comment"] == "on it" and entry["who"]["via"] == "socket"


def test_history_by_rule_and_time(daemon):
    rows = alerts(daemon, "history")[0].splitlines()
    assert len([row for row in rows if "firing" in row]) == 2 and "TOLD" in rows[0]
    assert alerts(daemon, "history", "--rule", "slow", code=1)[0] == "nothing was told\n"
    assert alerts(daemon, "history", "--until", "2020-01-01", code=1)[0] == "nothing was told\n"
    assert len(json.loads(alerts(daemon, "history", "--since", "1h", "--json")[0])) == len(rows) - 1


def test_markers(daemon):
    assert "for service sshd" in alerts(daemon, "marker", "--service", "sshd", "deployed", "2.3")[0]
    assert "for all services" in alerts(daemon, "marker", "--at", "2026-01-02 03:04", "--author", "ci", "moved")[0]
    rows = alerts(daemon, "marker", "--list")[0].splitlines()
    assert rows[1].split()[2:] == ["ci", "moved"] and rows[2].endswith("deployed 2.3")


def test_an_export_has_all_that_belongs_to_the_incident(daemon, tmp_path):
    alerts(daemon, "marker", "--service", "sshd", "deployed 2.3")
    which = firing(daemon, "10.0.0.1")
    wait_for(lambda: len(archive_records(daemon.dir / "archive")) == 11, what="records in the archive")
    out = alerts(daemon, "export", which, "--to", "out", cwd=tmp_path)[0]
    assert out == "out/README.md\n"
    made = tmp_path / "out"
    text = (made / "README.md").read_text()
    assert f"# Incident {which}: logins" in text and "**firing**" in text and "(to alerts)" in text
    records = [json.loads(r) for r in (made / "records.jsonl").read_text().splitlines()]
    assert sorted(r["message"] for r in records) == [f"Failed {i}" for i in range(6)]
    assert {r["client_ip"] for r in records} == {"10.0.0.1"}
    notices = [json.loads(r) for r in (made / "notices.jsonl").read_text().splitlines()]
    assert notices and {n["alert_id"] for n in notices} == {which}
    assert json.loads((made / "markers.json").read_text())["markers"][0]["text"] == "deployed 2.3"
    assert [json.loads(r)["action"] for r in (made / "audit.jsonl").read_text().splitlines()] == ["start", "marker"]
    assert json.loads((made / "alert.json").read_text())["alert_id"] == which
    assert "cannot make out" in alerts(daemon, "export", which, "--to", "out", cwd=tmp_path, code=2)[1]


def test_the_audit_log_is_shown_and_checked(daemon):
    alerts(daemon, "silence", "--for", "1h", "--comment", "c", "rule == logins")
    alerts(daemon, "marker", "deployed")
    out = alerts(daemon, "audit")[0]
    assert [row.split()[2] for row in out.splitlines()] == ["start", "silence.set", "marker"]
    assert len(alerts(daemon, "audit", "--json")[0].splitlines()) == 3
    assert alerts(daemon, "audit", "--verify")[0].startswith("whole: 3 entries, the last is 3\n")
    path = daemon.dir / "data/audit.log"
    path.write_text(path.read_text().replace('"comment":"c"', '"comment":"d"'))
    _, err = alerts(daemon, "audit", "--verify", code=1)
    assert f"{path}:3: `prev` is not the hash of the line before" in err and "broken in 1 place" in err


def test_what_commands_do_by_themselves_is_in_the_audit_log(daemon):
    daemon.config.write_text(daemon.config.read_text().replace(
        "  all: {type: file,", "  hook: {type: webhook, url: 'http://127.0.0.1:1/', retry: {first: 100ms}}\n  all: {type: file,", 1))
    run = subprocess.run([BIN, "channels", "test", "hook", "-c", str(daemon.config), "--timeout", "1s"],
                         capture_output=True, text=True)
    assert run.returncode == 1, run.stderr
    (daemon.dir / "letters.jsonl").write_text("")
    for more in (["--dry-run"], []):
        subprocess.run([BIN, "replay", "-c", str(daemon.config), *more, str(daemon.dir / "letters.jsonl")], check=True,
                       capture_output=True)
    entries = [json.loads(row) for row in alerts(daemon, "audit", "--json")[0].splitlines()]
    assert [(e["action"], e["who"]["via"]) for e in entries[1:]] == [("channels.test", "command"), ("replay", "command")]
    assert entries[1]["details"] == {"what": "hook", "exit": 1}
    assert alerts(daemon, "audit", "--verify")[0].startswith("whole: 3 entries")


def test_it_says_when_nobody_answers(daemon):
    daemon.stop()
    err = alerts(daemon, "list", code=2)[1]
    assert "nobody answers on" in err and "is logboom running with this configuration" in err
    # What is on disk is read without a daemon.
    assert "start" in alerts(daemon, "audit")[0]


def test_it_asks_over_http_where_there_is_no_socket(daemon):
    (daemon.dir / "data/control").unlink()
    assert alerts(daemon, "list")[0].startswith("SEVERITY")


@pytest.mark.parametrize("command", ["list", "show", "history", "explain", "why-not", "ack", "silence", "silences",
                                     "unsilence", "marker", "export", "audit"])
def test_each_explains_itself(command):
    run = subprocess.run([BIN, "alerts", command, "--help"], capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.startswith("logboom alerts ") and "Exit: " in run.stdout
    overview = subprocess.run([BIN, "alerts", "--help"], capture_output=True, text=True).stdout
    assert f"  {command} " in overview
