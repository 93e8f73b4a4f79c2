"""What logboom tells of itself: a dead sink, a full disk, a stalled source, signs of life, and what an outage hid."""
import datetime
import json
import os
import subprocess
import time

import pytest

from harness import free_port, wait_for
from recorder import Recorder

CONFIG = """
    sources:
      app: {{type: file, include: ['{{dir}}/app.log'], parse: json}}
    routes:
      - to: all
    sinks:
      all: {{type: file, path: '{{dir}}/all.log', flush: 200ms}}
      hook: {{type: webhook, url: '{hook}', retry: {{first: 20ms, max: 100ms}}}}
      other: {{type: webhook, url: '{other}', retry: {{first: 20ms, max: 100ms}}, else_after: 1s}}
"""


@pytest.fixture
def hook():
    recorder = Recorder()
    yield recorder
    recorder.close()


def line(message="text", at=None, **more):
    stamp = at or datetime.datetime.now(datetime.timezone.utc)
    text = stamp.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": text, "level": "info", "message": message, **more}) + "\n"


def write(daemon, *lines):
    with open(daemon.dir / "app.log", "a") as log:
        log.write("".join(lines))


def begin(logboom, hook, alerting, other="http://127.0.0.1:9/"):
    daemon = logboom(CONFIG.format(hook=hook.url, other=other) + alerting)
    (daemon.dir / "app.log").touch()
    return daemon.start().ready()


def told(hook, rule, state=None):
    return [each for each in hook.told() if each.get("rule") == rule and state in (None, each["state"])]


def test_a_dead_sink_is_told_with_its_error_and_called_off(logboom, hook):
    url = f"http://127.0.0.1:{free_port()}/in"  # nobody listens there
    daemon = begin(logboom, hook, """
    alerting:
      routes: [{where: severity >= high, to: hook}]
      self: {sink_failing: 1s}
""", url)
    daemon.write_config((daemon.dir / "logboom.yaml").read_text().replace("- to: all", "- to: [all, other]"))
    assert daemon.get("/api/v1/reload", "POST", b"")[0] == 200
    write(daemon, line())
    wait_for(lambda: told(hook, "logboom_sink", "firing"), what="word of the dead sink")
    notice = told(hook, "logboom_sink", "firing")[0]
    assert notice["key"] == {"sink": "other"} and notice["severity"] == "high" and notice["event"] == "alert"
    assert "delivers nothing" in notice["message"] and "onnect" in notice["reason"], notice
    # The disk of this machine may be an alert as well.
    fires = [each for each in json.loads(daemon.get("/api/v1/alerts")[1]) if each["rule"] != "logboom_disk"]
    assert [each["rule"] for each in fires] == ["logboom_sink"] and fires[0]["told"] is True
    history = json.loads(daemon.get("/api/v1/alerts/history?rule=logboom_sink")[1])["notices"]
    assert history[0]["rule"] == "logboom_sink" and history[0]["sinks"] == ["hook"]
    daemon.write_config((daemon.dir / "logboom.yaml").read_text().replace("- to: [all, other]", "- to: all")
                        .replace(f"url: '{url}'", f"url: '{hook.url}'"))
    assert daemon.get("/api/v1/reload", "POST", b"")[0] == 200
    wait_for(lambda: told(hook, "logboom_sink", "resolved"), what="its end")
    assert told(hook, "logboom_sink", "resolved")[0]["alert_id"] == notice["alert_id"]


def test_a_channel_that_fails_is_told_through_the_others_with_its_error(logboom, hook):
    daemon = begin(logboom, hook, """
    alerting:
      lateness: 200ms
      routes: [{to: [hook, other]}]
      self: {sink_failing: 1s}
      rules:
        any: {value: count(), over: 1m, critical: at least 1}
""")
    write(daemon, line())
    wait_for(lambda: told(hook, "channel_down", "firing"), what="word of the channel")
    assert told(hook, "channel_down")[0]["key"] == {"sink": "other"}
    assert not told(hook, "logboom_sink")


def test_signs_of_life(logboom, hook):
    daemon = begin(logboom, hook, """
    alerting:
      heartbeat: {to: hook, every: 1s}
""")
    wait_for(lambda: len(told(hook, "heartbeat")) >= 3, what="three heartbeats")
    beat = told(hook, "heartbeat")[0]
    assert beat["state"] == "heartbeat" and beat["message"] == "logboom is alive" and beat["level"] == "info"
    daemon.kill()
    count = len(told(hook, "heartbeat"))
    time.sleep(1.5)
    assert len(told(hook, "heartbeat")) <= count + 1


def test_a_full_disk(logboom, hook, tmp_path):
    room = tmp_path / "room"
    room.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", room],
                                           stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("needs to mount a tmpfs")
    try:
        daemon = logboom(CONFIG.format(hook=hook.url, other="http://127.0.0.1:9/")
                         .replace("{dir}/all.log", str(room / "all.log")) + """
    alerting:
      self: {to: hook}
""")
        (daemon.dir / "app.log").touch()
        daemon.start().ready()
        (room / "ballast").write_bytes(b"x" * 3950000)
        of_room = {"rule": "logboom_disk", "key": {"path": str(room)}}  # that of this machine may be nearly full as well
        wait_for(lambda: hook.told(**of_room), what="word of the disk")
        assert "free" in hook.told(**of_room)[0]["message"]
        (room / "ballast").unlink()
        wait_for(lambda: "resolved" in hook.states(**of_room), what="its end")
        daemon.stop()
    finally:
        subprocess.run(["umount", "-l", room], check=True)


def be_busy_and_stall(daemon, busy, quiet, is_seen):
    begin = time.monotonic()
    while time.monotonic() < begin + busy:
        write(daemon, line())
        time.sleep(0.2)  # the pace is what is tested
    begin = time.monotonic()
    while time.monotonic() < begin + quiet and not is_seen():
        time.sleep(0.1)
    return is_seen()


def test_a_source_that_was_busy_is_missed_when_it_stalls(logboom, hook):
    daemon = begin(logboom, hook, """
    alerting:
      self: {to: hook, source_silent: 5s}
""")
    # Busy is what had lines in nearly all of its last ten seconds; where this machine stood still in some, it was not.
    wait_for(lambda: be_busy_and_stall(daemon, 12, 8, lambda: told(hook, "logboom_source_silent")), 180, "word of the silence")
    notice = told(hook, "logboom_source_silent")[0]
    assert notice["key"] == {"source": "app"} and "nothing came for" in notice["message"]
    write(daemon, line())
    wait_for(lambda: told(hook, "logboom_source_silent", "resolved"), what="its end")


def test_parse_errors_and_a_silence(logboom, hook):
    daemon = begin(logboom, hook, """
    alerting:
      self: {to: hook, parse_errors_least: 20}
""")
    write(daemon, line())
    wait_for(lambda: (daemon.dir / "data/alive").exists(), what="a look at the counters before they rise")
    write(daemon, *(["{no json\n"] * 30))
    wait_for(lambda: told(hook, "logboom_parse_errors", "firing"), what="word of it")
    notice = told(hook, "logboom_parse_errors")[0]
    assert notice["key"] == {"source": "app"} and "could not be parsed" in notice["message"]
    status, text = daemon.get("/api/v1/silences", "POST",
                              b'{"where": "rule == logboom_parse_errors", "for": "1h", "comment": "known"}')
    assert status in (200, 201), text
    wait_for(lambda: told(hook, "logboom_parse_errors", "suppressed"), what="that it is silenced")


def test_what_an_outage_hid_is_told_in_one_summary(logboom, hook):
    daemon = begin(logboom, hook, """
    alerting:
      lateness: 200ms
      self: {to: hook, down: 3s}
      rules:
        logins: {value: count(), over: 1s, by: ip, critical: at least 3, to: hook}
""")
    write(daemon, line())
    wait_for(lambda: (daemon.dir / "data/alive").exists(), what="a sign of life")
    daemon.kill()
    killed = datetime.datetime.now(datetime.timezone.utc)
    at = killed + datetime.timedelta(seconds=1)
    write(daemon, *(line("failed", at, ip="10.0.0.1") for _ in range(3)),
          *(line("failed", at, ip="10.0.0.2") for _ in range(4)))
    time.sleep(4)  # longer than `down`, and than the alerts would have lasted
    daemon.start().ready()
    wait_for(lambda: told(hook, "logboom_down"), 60, what="the summary")
    notice = told(hook, "logboom_down")[0]
    assert notice["state"] == "summary" and notice["alerts"] == 2, notice
    assert "2 alerts would have fired: logins of ip=10.0.0.1; logins of ip=10.0.0.2" in notice["message"], notice
    assert not told(hook, "logins", "firing")


def test_a_full_queue_does_not_hide_it(logboom, hook):
    """All memory for records is in use by a sink that takes nothing; it is told all the same."""
    daemon = logboom(("    memory: {{pool: 4MiB}}" + CONFIG + """
    alerting:
      self: {{to: hook, sink_failing: 5s}}
""").replace("- to: all", "- to: [all, other]").replace("else_after: 1s", "when_full: block")
        .replace("      app: {{", "      more: {{type: file, include: ['{{dir}}/more.log'], parse: json}}\n      app: {{")
        .format(hook=hook.url, other=f"http://127.0.0.1:{free_port()}/in"))  # nobody listens there
    for name in ("app.log", "more.log"):
        with open(daemon.dir / name, "w") as log:
            log.write(line("x" * 1000) * 20000)
    daemon.start().ready()
    wait_for(lambda: daemon.metric("logboom_pool_used_bytes") >= 0.75 * daemon.metric("logboom_pool_limit_bytes"),
             what="a full pool")
    wait_for(lambda: told(hook, "logboom_sink", "firing"), what="word of the sink")
