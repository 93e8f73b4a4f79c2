"""Programs of rules: their arguments, how often they run, what is noted of them."""
import datetime
import json
import subprocess

import pytest

from harness import BIN, wait_for, whole_lines

CONFIG = """
    sources:
      app: {type: file, include: ['{dir}/app.log'], parse: json}
    routes:
      - to: all
    sinks:
      all: {type: file, path: '{dir}/all.log', flush: 200ms}
      told: {type: file, path: '{dir}/told.log', flush: 200ms}
    alerting:
      lateness: 200ms
      routes: [{to: told}]
      rules:
        logins: {value: count(), over: 1s, by: ip, critical: at least 1, run: RUN}
"""


def write(daemon, ip):
    stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    with open(daemon.dir / "app.log", "a") as log:
        log.write(json.dumps({"timestamp": stamp, "level": "warn", "message": "failed", "ip": ip}) + "\n")


@pytest.fixture
def begin(logboom, tmp_path):
    def make(arguments, body):
        program = tmp_path / "program"
        program.write_text("#!/bin/sh\n" + body)
        program.chmod(0o755)
        daemon = logboom(CONFIG.replace("RUN", json.dumps([str(program), *arguments])))
        (daemon.dir / "app.log").touch()
        return daemon.start().ready()
    return make


def history(daemon, state="run"):
    notices = json.loads(daemon.get("/api/v1/alerts/history")[1])["notices"]
    return [notice for notice in notices if notice.get("state") == state]


def audit(daemon, action):
    entries = map(json.loads, whole_lines(daemon.dir / "data/audit.log"))  # made with the first entry
    return [each for each in entries if each["action"] == action]


def test_a_field_fills_one_argument_and_no_shell_reads_it(begin, tmp_path):
    daemon = begin(["--ip={ip}", "a {ip} b", "{severity}"],
                   f'for each; do echo "[$each]"; done > {tmp_path}/seen; cat > {tmp_path}/input; echo first; echo second\n')
    hostile = "10.0.0.1; touch owned $(id) `id` 'q' \"d\""
    write(daemon, hostile)
    wait_for(lambda: history(daemon), what="the end of the program")
    assert (tmp_path / "seen").read_text() == f"[--ip={hostile}]\n[a {hostile} b]\n[critical]\n"
    assert json.loads((tmp_path / "input").read_text()) == {"ip": hostile}
    notice = history(daemon)[0]
    assert "exit status 0" in notice["message"] and notice["message"].endswith("first"), notice
    assert notice["rule"] == "logins" and notice["alert_id"] == history(daemon, "firing")[0]["alert_id"]
    assert audit(daemon, "run")[0]["details"]["argv"][1] == f"--ip={hostile}"
    assert len(audit(daemon, "run_ended")) == 1


def test_three_in_an_hour_and_one_at_a_time(begin, tmp_path):
    daemon = begin(["{ip}"], f'mkdir {tmp_path}/alone || echo two > {tmp_path}/together\nsleep 0.5\nrmdir {tmp_path}/alone\n')
    for i in range(5):
        write(daemon, f"10.0.0.{i}")
    wait_for(lambda: len(audit(daemon, "run_refused")) == 2 and len(audit(daemon, "run_ended")) == 3, what="all of them")
    assert not (tmp_path / "together").exists()
    assert "three times within an hour" in audit(daemon, "run_refused")[0]["details"]["reason"]


def test_a_log_line_cannot_make_an_option(begin, tmp_path):
    daemon = begin(["{ip}"], f"touch {tmp_path}/ran\n")
    write(daemon, "--delete-all")
    wait_for(lambda: audit(daemon, "run_refused"), what="the refusal")
    assert not (tmp_path / "ran").exists()
    wait_for(lambda: history(daemon), what="the notice of it")
    assert "option" in history(daemon)[0]["message"]


def test_what_is_silenced_is_not_run(begin, tmp_path):
    daemon = begin(["{ip}"], f"echo $1 >> {tmp_path}/ran\n")
    status, text = daemon.get("/api/v1/silences", "POST", b'{"where": "rule == logins", "for": "1h", "comment": "c"}')
    assert status in (200, 201), text
    write(daemon, "10.0.0.1")
    wait_for(lambda: daemon.metric("logboom_alert_transitions_total", rule="logins", state="firing") == 1,
             what="the alert")
    identifier = json.loads(text)["silence"]["id"]
    wait_for(lambda: daemon.metric("logboom_alert_transitions_total", rule="logins", state="resolved") == 1,
             what="its end")
    assert daemon.get(f"/api/v1/silences/{identifier}", "DELETE")[0] in (200, 204)
    write(daemon, "10.0.0.2")
    wait_for(lambda: (tmp_path / "ran").exists() and (tmp_path / "ran").read_text(), what="the program")
    assert (tmp_path / "ran").read_text() == "10.0.0.2\n"


@pytest.mark.parametrize("run, problem", [
    ("[restart.sh]", "by its whole path"), ("['/bin/{ip}']", "without fields"), ("[/bin/true, '{host}']", "unknown {host}"),
])
def test_what_check_refuses(logboom, run, problem):
    daemon = logboom(CONFIG.replace("RUN", run))
    result = subprocess.run([BIN, "check", "-c", daemon.config], capture_output=True, text=True)
    assert result.returncode != 0 and problem in result.stdout + result.stderr
