"""The command sink: a program for each alert, without a shell, in its bounds."""
import json
import stat
import subprocess

from alerts_in import config, letters, problem, raise_alert, started, wait_letters
from harness import BIN, wait_for

# Notes how it was called; then does what the file beside it says.
PROGRAM = """#!/bin/sh
{ printf '%s\\n' "$#"; for each; do printf '[%s]\\n' "$each"; done; cat; } >"$0.$$.part"
mv "$0.$$.part" "$0.$$.called"
[ ! -e "$0.do" ] || . "$0.do"
"""


def program(tmp_path):
    path = tmp_path / "playbook.sh"
    path.write_text(PROGRAM)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def do(tmp_path, text):
    """What it does from now on; it may be reading just now, and must not find half of that."""
    (tmp_path / "do.new").write_text(text)
    (tmp_path / "do.new").rename(tmp_path / "playbook.sh.do")


def calls(tmp_path):
    """Arguments and input of each call, in order."""
    found = []
    for path in sorted(tmp_path.glob("playbook.sh.*.called"), key=lambda p: p.stat().st_mtime_ns):
        lines = path.read_text().splitlines()
        count = int(lines[0])
        found.append((lines[1:1 + count], json.loads(lines[1 + count])))
    return found


def sink(path, arguments, more=""):
    return config(f"""
  fix:
    type: command
    command: {json.dumps([str(path), *arguments])}
    retry: {{first: 10ms, max: 100ms}}
    {more}
""", ["fix"])


def test_a_program_gets_an_alert(logboom, tmp_path):
    path = program(tmp_path)
    daemon = logboom(sink(path, ["{state}", "--ip={key.client_ip}", "{key.client_ip}", "{missing|none}", "a b"]))
    daemon.environment = {"SLACK_URL": "hunter2"}
    started(daemon)
    do(tmp_path, f"env >{tmp_path}/env")
    raise_alert(daemon, ip=f"-rf $(touch {tmp_path}/pwned) `id` ; 'x' \"y\"\r\n--flag {{state}}")
    wait_for(lambda: len(calls(tmp_path)) == 2, 60, "two calls")
    assert daemon.stop() == 0, daemon.log()
    (firing, alert), (resolved, end) = calls(tmp_path)
    value = f"rf $(touch {tmp_path}/pwned) `id` ; 'x' \"y\"  --flag {{state}}"
    assert firing == ["[firing]", f"[--ip=-{value}]", f"[_{value}]", "[none]", "[a b]"]
    assert resolved[0] == "[resolved]" and alert["state"] == "firing" and end["state"] == "resolved"
    assert alert["event"] == "alert" and alert["key"]["client_ip"].startswith("-rf")
    assert not (tmp_path / "pwned").exists() and "hunter2" not in (tmp_path / "env").read_text()
    log = daemon.log()
    assert log.count("command starts") == 2 and log.count("playbook.sh: exit 0") == 2, "audited"


def test_what_its_exit_says(logboom, tmp_path):
    path = program(tmp_path)
    do(tmp_path, "exit 75")
    daemon = started(logboom(sink(path, ["x"], "states: [firing]")))
    raise_alert(daemon)
    wait_for(lambda: len(calls(tmp_path)) >= 3, 60, "tries")
    assert "exit 75" in problem(daemon, "fix") and not letters(daemon, "fix")
    do(tmp_path, "echo no such host >&2; exit 1")
    (letter,) = wait_letters(daemon, "fix", 1)
    assert letter["kind"] == "exit" and letter["reason"].endswith("playbook.sh: exit 1: no such host")
    assert letter["record"]["state"] == "firing" and letter["alert"] is True
    do(tmp_path, "sleep 600")
    assert daemon.stop() == 0, daemon.log()
    assert all(alert["state"] == "firing" for _, alert in calls(tmp_path))


def test_one_that_hangs_is_ended_and_stops_nobody(logboom, tmp_path):
    path = program(tmp_path)
    do(tmp_path, "sleep 600 & wait")
    daemon = started(logboom(sink(path, ["x"], "timeout: 300ms")))
    raise_alert(daemon)
    wait_for(lambda: len(letters(daemon, "fix")) == 2, 60, "both ended")
    assert {letter["kind"] for letter in letters(daemon, "fix")} == {"timeout"}
    wait_for(lambda: daemon.metric("logboom_sink_records_total", sink="all") >= 3, 30, "the file sink goes on")
    assert daemon.stop() == 0


def test_it_is_not_run_too_often(logboom, tmp_path):
    path = program(tmp_path)
    daemon = started(logboom(sink(path, ["x"], "max: 2/h")))
    for number in range(4):
        raise_alert(daemon, ip=f"10.0.0.{number}")
    kept = wait_letters(daemon, "fix", 6)
    wait_for(lambda: len(calls(tmp_path)) >= 2, 60, "two calls")
    assert len(kept) == 6 and len(calls(tmp_path)) == 2
    assert all(each["kind"] == "rate" and each["reason"] == "not run: 2/h were run already" for each in kept)
    assert daemon.stop() == 0


def test_what_was_running_at_the_end_runs_again(logboom, tmp_path):
    path = program(tmp_path)
    do(tmp_path, "sleep 60")
    daemon = started(logboom("shutdown_timeout: 1s\n" + sink(path, ["x"], "states: [firing]\n    timeout: 100s")))
    raise_alert(daemon)
    wait_for(lambda: len(calls(tmp_path)) == 1, 60, "the call")
    daemon.stop()
    assert daemon.log().count("command starts") == 1
    do(tmp_path, "exit 0")
    daemon.start().ready()
    wait_for(lambda: len(calls(tmp_path)) >= 2, 60, "the call after the restart")
    first, second = calls(tmp_path)[:2]
    assert first[1]["alert_id"] == second[1]["alert_id"] and first[1]["state"] == second[1]["state"]
    assert daemon.stop() == 0


def test_check_says_what_is_wrong(logboom, tmp_path):
    for command, more, words in (("[playbook.sh]", "", "an absolute path without fields"),
                                 ("'/bin/sh -c true'", "", "cannot run /bin/sh -c true: No such file or directory"),
                                 ("['/bin/{service}']", "", "an absolute path without fields"),
                                 ("[/bin/true, '{a']", "", "this brace is not closed"),
                                 ("[/bin/true]", "max: often", "max: expected a number up to 1000 and a unit"),
                                 ("[/bin/true]", "environment: {'A=B': x}", "environment: expected up to 48 names")):
        daemon = logboom(config(f"\n  fix:\n    type: command\n    command: {command}\n    {more}\n", ["fix"]))
        check = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
        assert check.returncode == 1 and words in check.stderr, check.stderr
