"""What others were measured to get wrong about alerts (F1 to F19), each as a test of the running program.

The first line of each docstring is what was measured there: Alertmanager 0.25 (AM), ElastAlert2 (EA2), SEC 2.9; the
second what must be here. What dies at random moments is in test_acceptance_kills.py.
"""
import datetime
import json
import os
import random
import signal
import subprocess
import time

import pytest

from alerts_in import rows
from harness import BIN, wait_for
from recorder import Recorder

CONFIG = """
    commit_every: 50ms
    sources:
      app: {{type: file, include: ['{{dir}}/app.log'], parse: json}}
    routes: [{{to: all}}]
    sinks:
      all: {{type: file, path: '{{dir}}/all.log', flush: 50ms}}
      told: {{type: file, path: '{{dir}}/told.log', flush: 50ms}}
      hook: {{type: webhook, url: '{hook}', retry: {{first: 20ms, max: 100ms}}}}
      second: {{type: webhook, url: '{second}', retry: {{first: 20ms, max: 100ms}}}}
    alerting:
      lateness: {lateness}
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


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def line(at=None, **fields):
    stamp = (at or now()).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": "warn", "message": "failed", **fields}) + "\n"


def burst(ip, count, **fields):
    """All of one moment, however long it takes to write them: of a short window none is missing."""
    at = now()
    return [line(at, ip=ip, **fields) for _ in range(count)]


def write(daemon, *lines):
    with open(daemon.dir / "app.log", "a") as log:
        log.write("".join(lines))


def prepare(logboom, hook, second, alerting, lateness="200ms"):
    daemon = logboom(CONFIG.format(hook=hook.url, second=second.url, lateness=lateness) + alerting)
    (daemon.dir / "app.log").touch()
    return daemon


def begin(*args, **more):
    return prepare(*args, **more).start().ready()


def read(daemon, count):
    """Waits until so many records have come through."""
    path = daemon.dir / "all.log"
    wait_for(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, 60, f"{count} records")


def told(daemon, *states):
    return [row for row in rows(daemon.dir / "told.log") if not states or row["state"] in states]


def fires(daemon):
    return [alert for alert in json.loads(daemon.get("/api/v1/alerts")[1]) if alert["state"] == "firing"]


def outlast_a_commit(daemon):
    """What was answered before is noted by then, so a kill does not bring it again: two records that came later are."""
    for _ in range(2):
        before = daemon.metric("logboom_sink_commits_total", sink="all")
        write(daemon, line(ip="later"))
        wait_for(lambda: daemon.metric("logboom_sink_commits_total", sink="all") > before, 60, "a commit")


def end_with(daemon, how):
    if how == "kill":
        daemon.kill()
    else:
        assert daemon.stop() == 0, daemon.log()


def judged(logboom, hook, second, rule, lines, lateness="1s"):
    """What one rule tells of lines that stand in a file, when all of it was read."""
    daemon = prepare(logboom, hook, second, f"      rules: {{r: {{{rule}, to: told}}}}\n", lateness=lateness)
    write(daemon, *lines)
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    return told(daemon)


GROUPED = """
      routes: [{{to: hook, group_by: [ip], group_wait: {wait}, group_interval: {interval}}}]
      rules: {{r: {{value: count(), over: {over}, by: ip, high: at least 3}}}}
"""


def grouped(wait, interval, over):
    return GROUPED.format(wait=wait, interval=interval, over=over)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_f1_what_waits_for_its_group_is_told_after_a_restart(logboom, hook, second, how):
    """AM: killed within group_wait, by SIGKILL or by SIGTERM, and nobody sends it again: 0 notifications.
    Here: exactly one."""
    daemon = begin(logboom, hook, second, grouped("3s", "1s", "1h"))
    since = time.monotonic()
    write(daemon, *(line(ip="a") for _ in range(3)))
    wait_for(lambda: fires(daemon), what="the alert")
    end_with(daemon, how)
    daemon.start().ready()
    restarted = time.monotonic()
    wait_for(hook.states, 60, "the notice")
    assert daemon.stop() == 0
    assert hook.rows[0][0] - since >= 3, "it came before its group was due"
    # Where the machine stood still for group_wait, it was told just before the kill, and may come again.
    late = how == "kill" and hook.rows[0][0] < restarted
    assert hook.states() == ["firing"] or (late and hook.told() == 2 * hook.told()[:1])


def test_f2_an_end_before_the_flush_is_told_after_a_restart(logboom, hook, second):
    """AM: told that it fires; resolved, then SIGTERM before the flush: it is open for ever.
    Here: one end, of the same incident."""
    daemon = begin(logboom, hook, second, grouped("100ms", "10s", "1h").replace("count()", "last(open)"))
    since = time.monotonic()
    write(daemon, line(ip="a", open=3))
    wait_for(hook.states, what="the alert")
    write(daemon, line(ip="a", open=0))
    wait_for(lambda: not fires(daemon), what="its end")
    assert daemon.stop() == 0
    daemon.start().ready()
    wait_for(lambda: "resolved" in hook.states(), 60, "word of its end")
    assert daemon.stop() == 0
    assert hook.states() == ["firing", "resolved"] and len({each["alert_id"] for each in hook.told()}) == 1
    assert hook.rows[1][0] - since >= 10, "the end came before its group was due"


def test_f3_what_was_told_is_not_told_anew_after_a_kill(logboom, hook, second):
    """AM: told, SIGKILL two seconds later, restart, sent again: a second page.
    Here: one, for the file is read again, and more of the same adds nothing."""
    daemon = begin(logboom, hook, second, "      rules: {r: {value: count(), over: 1h, by: ip, high: at least 3, to: hook}}\n")
    write(daemon, *(line(ip="a") for _ in range(3)))
    wait_for(lambda: hook.states() == ["firing"], what="the alert")
    outlast_a_commit(daemon)
    daemon.kill()
    daemon.start().ready()
    write(daemon, *(line(ip="a") for _ in range(3)))
    read(daemon, 8)
    assert fires(daemon) and daemon.stop() == 0
    assert hook.states() == ["firing"]


def test_f4_retry_after_is_obeyed(logboom, hook, second):
    """AM: 429 with Retry-After: 1 is tried once, then not for group_interval (5 min).
    Here: tried again when that second is over, not before."""
    hook.answers, hook.headers = [429], {"Retry-After": "1"}
    daemon = begin(logboom, hook, second, "      rules: {r: {value: count(), over: 1h, by: ip, high: at least 3, to: hook}}\n")
    write(daemon, *(line(ip="a") for _ in range(3)))
    wait_for(hook.states, 60, "the notice")
    assert len(hook.refused) == 1 and hook.rows[0][0] - hook.refused[0] >= 0.95
    assert daemon.stop() == 0 and hook.states() == ["firing"]


def test_f5_a_short_alert_reaches_who_was_busy(logboom, hook, second):
    """AM: an alert of 4 s whose first attempt got 429: neither it nor its end is ever told.
    Here: both, once, in order."""
    hook.status, hook.headers = 429, {"Retry-After": "1"}
    daemon = begin(logboom, hook, second, "      rules: {r: {value: count(), over: 4s, by: ip, high: at least 3, to: hook}}\n")
    write(daemon, *burst("a", 3))
    wait_for(lambda: hook.refused, what="an attempt")
    wait_for(lambda: daemon.metric("logboom_alert_transitions_total", state="resolved") == 1, 60, "its end")
    hook.status = 200
    wait_for(lambda: len(hook.states()) >= 2, 60, "both")
    assert daemon.stop() == 0
    assert hook.states() == ["firing", "resolved"]


def flaps(tmp_path, apart, until, **alerting):
    """What is told of a rule that is over its threshold 8 times, so many seconds apart."""
    file = tmp_path / f"flap-{apart}.test.yaml"
    rule = {"value": "count()", "over": "1s", "by": "ip", "high": "at least 3", **alerting.pop("rule", {})}
    file.write_text(json.dumps({
        "alerting": {"routes": [{"to": "told"}], "rules": {"r": rule}, **alerting},
        "tests": [{"name": "eight times", "until": until,
                   "input": [{"from": f"{apart * i}s", "every": "10ms", "n": 3, "record": {"ip": "a", "message": "m"}}
                             for i in range(8)]}]}))
    done = subprocess.run([BIN, "test", "--json", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return [each["record"] for each in json.loads(done.stdout)["results"][0]["notices"]]


@pytest.mark.parametrize("apart, until, alerting", [
    (6, "20m", {"lateness": "1s", "rule": {"hold": "4s"}}),
    (12, "20m", {"lateness": "1s", "rule": {"hold": "4s"}}),
    (40, "30m", {}),
    (120, "45m", {}),
    (180, "50m", {"rule": {"over": "1m"}}),
    (420, "90m", {"rule": {"over": "5m"}}),
    (240, "60m", {"rule": {"hold": "2m"}}),
    (6, "20m", {"lateness": "1s", "rule": {"hold": "4s"},
                "routes": [{"to": "told", "group_by": ["ip"], "group_wait": "1s", "group_interval": "1s"}]}),
    (180, "50m", {"routes": [{"to": "told", "group_by": ["ip"]}], "rule": {"over": "1m"}}),
])
def test_f6_who_flaps_is_damped(tmp_path, apart, until, alerting):
    """AM: 8 times fired and resolved: 16 notifications.
    Here: 3, quick or slow, alone or in a group: that it fires, that it flaps, and that this is over."""
    notices = flaps(tmp_path, apart, until, **alerting)
    assert [each["state"] for each in notices] == ["firing", "flapping", "resolved"]
    assert len({each["alert_id"] for each in notices}) == 1


def test_f6_what_comes_again_later_is_told_each_time(tmp_path):
    """Ten minutes apart are no flapping: 8 alerts, each with its end."""
    notices = flaps(tmp_path, 600, "90m")
    assert [each["state"] for each in notices] == ["firing", "resolved"] * 8
    assert len({each["alert_id"] for each in notices}) == 8


def test_f6_ends_may_be_told_at_once(tmp_path):
    """With `settle: 0s` the first two ends are told before it flaps; a short alert alone ends at once."""
    notices = flaps(tmp_path, 6, "20m", lateness="1s", rule={"hold": "4s", "settle": "0s"})
    assert [each["state"] for each in notices] == ["firing", "resolved"] * 2 + ["flapping", "resolved"]


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_f7_a_window_is_as_full_after_a_restart(logboom, hook, second, how):
    """EA2: at least 50 in 1 h; 40, a restart, 40: 0 matches.
    Here: one, at the tenth behind the restart."""
    daemon = begin(logboom, hook, second, "      rules: {r: {value: count(), over: 1h, by: ip, high: at least 50, to: told}}\n")
    write(daemon, *(line(ip="a") for _ in range(40)))
    read(daemon, 40)
    end_with(daemon, how)
    daemon.start().ready()
    write(daemon, *(line(ip="a") for _ in range(9)))
    read(daemon, 49)
    assert not fires(daemon)
    write(daemon, *(line(ip="a") for _ in range(31)))
    wait_for(lambda: told(daemon), what="the alert")
    read(daemon, 80)
    assert daemon.stop() == 0
    assert [(row["state"], row["value"]) for row in told(daemon)] == [("firing", 50)]


def test_f8_a_clock_that_is_ahead_blinds_no_rule(logboom, hook, second):
    """EA2: one record a day in the future, then 20 good ones, threshold 5: 0 matches.
    Here: one alert."""
    start = now() - datetime.timedelta(minutes=10)
    lines = [line(now() + datetime.timedelta(days=1), ip="a")]
    lines += [line(start + datetime.timedelta(seconds=i), ip="a") for i in range(20)]
    rows = judged(logboom, hook, second, "value: count(), over: 1m, by: ip, high: at least 5", lines)
    assert [row["value"] for row in rows if row["state"] == "firing"] == [5]


def test_f9_the_third_of_a_burst_may_come_late(logboom, hook, second):
    """EA2: 3 within 60 s, of which the last arrives when a newer one has moved the window: missed.
    Here: found, at its own time."""
    start = now() - datetime.timedelta(minutes=10)
    lines = [line(start + datetime.timedelta(seconds=second_), ip="a") for second_ in (0, 20, 65, 59)]
    rows = judged(logboom, hook, second, "value: count(), over: 1m, by: ip, high: at least 3", lines, lateness="30s")
    firing, = [row for row in rows if row["state"] == "firing"]
    assert firing["value"] == 3
    early = [line(start + datetime.timedelta(seconds=second_), ip="a") for second_ in (0, 20, 85)]
    daemon_rows = judged(lambda config: logboom(config, name="other"), hook, second,
                         "value: count(), over: 1m, by: ip, high: at least 3", early, lateness="30s")
    assert daemon_rows == [], "and three that are not within a minute are none"


@pytest.mark.parametrize("apart, expected", [("10.000000", 0), ("9.999000", 1), ("9.999999", 1)])
def test_f10_the_edge_of_the_window_is_one_to_the_microsecond(logboom, hook, second, apart, expected):
    """EA2: two exactly `timeframe` apart are no match, 9.999 s are.
    Here: the same, as alerts.md says (t - over < time <= t)."""
    start = now() - datetime.timedelta(minutes=10)
    lines = [line(start, ip="a"), line(start + datetime.timedelta(seconds=float(apart)), ip="a")]
    rows = judged(logboom, hook, second, "value: count(), over: 10s, by: ip, high: at least 2", lines)
    assert len([row for row in rows if row["state"] == "firing"]) == expected


def test_f11_a_match_does_not_empty_the_window(logboom, hook, second):
    """EA2: 14 events, threshold 5: 2 matches, for the counter begins anew after each.
    Here: one alert that sees all 14 of them, and rises when 14 are critical."""
    start = now() - datetime.timedelta(minutes=10)
    lines = [line(start + datetime.timedelta(seconds=i), ip="a") for i in range(14)]
    rows = judged(logboom, hook, second, "value: count(), over: 1m, by: ip, high: at least 5, critical: at least 14", lines)
    assert [(row["state"], row["severity"], row["value"]) for row in rows[:2]] == [
        ("firing", "high", 5), ("updated", "critical", 14)]
    assert len({row["alert_id"] for row in rows}) == 1
    assert [row["state"] for row in rows].count("firing") == 1


def test_f12_who_is_silent_is_told_once_and_who_never_came_too(logboom, hook, second, tmp_path):
    """EA2: a host that is gone matches at every check, for ever; one never seen since the start matches never.
    Here: one alert each, that ends by itself once it is forgotten, or when something comes."""
    file = tmp_path / "silent.test.yaml"
    file.write_text(json.dumps({
        "alerting": {"lateness": "1s", "routes": [{"to": "told"}],
                     "rules": {"r": {"when": "absent", "over": "5m", "by": "host", "keys": ["never"], "forget": "1h",
                                     "severity": "high"}}},
        "tests": [{"name": "gone", "until": "2h", "expect": [{"rule": "r", "key": {"host": "never"}, "state": "firing"}],
                   "input": [{"from": "0s", "every": "1m", "n": 121, "record": {"host": "well", "message": "m"}},
                             {"from": "0s", "every": "1m", "n": 3, "record": {"host": "gone", "message": "m"}}]}]}))
    done = subprocess.run([BIN, "test", "--json", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    notices = [each["record"] for each in json.loads(done.stdout)["results"][0]["notices"]]
    states = {}
    for each in notices:
        states.setdefault(each["key"]["host"], []).append(each["state"])
    assert states == {"gone": ["firing", "resolved"], "never": ["firing"]}, states


def memory(daemon, name):
    with open(f"/proc/{daemon.process.pid}/status") as status:
        return next(int(row.split()[1]) for row in status if row.startswith(name)) * 1024


KEYS = 100_000


def test_f13_a_flood_of_keys_has_a_bound(logboom, hook, second):
    """EA2: 100,000 keys of a frequency rule cost 136 MB, and there is no end to it.
    Here: max_keys of them and a sketch of 2 MiB; the same lines of one key cost at most 16 MiB less."""
    start, peaks = now() - datetime.timedelta(seconds=50), []
    for name, key in (("one", lambda i: "a"), ("many", lambda i: f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}")):
        # A small pool, for how full it gets is a matter of which thread comes first.
        daemon = logboom("    memory: {pool: 2MiB}" + CONFIG.format(hook=hook.url, second=second.url, lateness="1s") + """
      rules: {r: {value: count(), over: 10m, by: ip, high: at least 60000, to: told}}
""", name=name)
        with open(daemon.dir / "app.log", "w") as log:
            log.writelines(line(start + datetime.timedelta(microseconds=400 * i), ip=key(i)) for i in range(KEYS))
        daemon.start().ready()
        read(daemon, KEYS)
        peaks.append(memory(daemon, "VmHWM"))
        if name == "many":
            wait_for(lambda: daemon.metric("logboom_alert_key_overflow_records_total") > KEYS / 2, what="the sketch")
        assert daemon.stop() == 0
    one, many = peaks
    print(f"peak of one key {one / 2**20:.1f} MiB, of {KEYS} keys {many / 2**20:.1f} MiB")
    assert many - one < 16 * 2**20


def test_f14_each_channel_is_told_whatever_happens_to_others(logboom, hook, second):
    """EA2: of two channels one fails, the other works: the first is never tried again.
    Here: it is tried until it takes what it should tell; the other hears nothing twice."""
    second.status = 503
    daemon = begin(logboom, hook, second,
                   "      rules: {r: {value: count(), over: 1h, by: ip, high: at least 3, to: [hook, second]}}\n")
    write(daemon, *(line(ip="a") for _ in range(3)))
    wait_for(lambda: hook.states() == ["firing"] and len(second.refused) >= 3, 60, "one told, the other tried")
    outlast_a_commit(daemon)
    daemon.kill()
    daemon.start().ready()
    second.status = 200
    wait_for(lambda: second.states() == ["firing"], 60, "the other")
    assert daemon.stop() == 0
    assert second.states() == ["firing"] and hook.states() == ["firing"]


EVIL = ['{"timestamp": 17, "ip": {"a": [1, {"b": null}]}, "duration_ms": "fast"}', '{"ip": null, "duration_ms": null}',
        '{"ip": "", "duration_ms": 1e400}', '{"ip": [], "duration_ms": [1, 2]}', '{"duration_ms": true}', "[" * 5000,
        '{"ip": "\\ud800", "duration_ms": -0.0}', "\x00\xff\xfe", '{"ip": "' + "x" * 100_000 + '", "duration_ms": 1}',
        '{"timestamp": "9999-99-99", "ip": 1e308, "duration_ms": NaN}', "{", "", '{"ip": "a", "ip": "b"}']


def test_f15_no_record_switches_a_rule_off(logboom, hook, second):
    """EA2: an exception in a rule disables it until the next restart.
    Here: records that nobody thought of leave each rule as it was."""
    daemon = begin(logboom, hook, second, """
      rules:
        slow: {value: avg(duration_ms), over: 1h, by: ip, high: above 1s, to: told}
        many: {when: count(duration_ms > 1) >= 3 and distinct(user) >= 2, over: 1h, by: ip, severity: high, to: told}
        fresh: {when: new(user), by: ip, learn: 0s, known: [u0, u1, u2], severity: low, to: told}
""")
    with open(daemon.dir / "app.log", "ab") as log:
        for each in EVIL * 20:
            log.write(each.encode("utf-8", "surrogatepass") + b"\n")
    write(daemon, *(line(ip="good", duration_ms=5000, user=f"u{i}") for i in range(4)))
    wait_for(lambda: {row["rule"] for row in told(daemon) if row["key"].get("ip") == "good"} == {"slow", "many", "fresh"},
             60, "all three")
    assert daemon.metric("logboom_alert_unmeasured_records_total") > 0
    assert daemon.stop() == 0, daemon.log()


@pytest.mark.parametrize("apart, expected", [(3600, 0), (20, 1)])
def test_f16_time_is_that_of_the_events(logboom, hook, second, apart, expected):
    """SEC: 3 failures an hour apart, replayed at once, "3 in 60 s": fires.
    Here: not; three 20 s apart do."""
    start = now() - datetime.timedelta(hours=3)
    lines = [line(start + datetime.timedelta(seconds=i * apart), ip="a") for i in range(3)]
    daemon = prepare(logboom, hook, second, """
      max_age: 1d
      rules: {r: {value: count(), over: 60s, by: ip, high: at least 3, to: told}}
""")
    write(daemon, *lines)
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    assert len(told(daemon, "firing")) == expected


@pytest.mark.parametrize("how", ["kill", "stop", "reload", "hangup"])
def test_f17_nothing_is_forgotten_by_a_restart_or_a_reload(logboom, hook, second, how):
    """SEC: 2 failures, a restart, 2 failures, threshold 4: nothing; SIGHUP drops all state as well.
    Here: one alert."""
    daemon = begin(logboom, hook, second, "      rules: {r: {value: count(), over: 1h, by: ip, high: at least 4, to: told}}\n")
    write(daemon, *(line(ip="a") for _ in range(2)))
    read(daemon, 2)
    if how == "reload":
        assert daemon.get("/api/v1/reload", "POST", b"")[0] == 200
    elif how == "hangup":
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload" in daemon.log(), what="word of the reload")
    else:
        end_with(daemon, how)
        daemon.start().ready()
    write(daemon, *(line(ip="a") for _ in range(2)))
    wait_for(lambda: told(daemon), what="the alert")
    assert daemon.stop() == 0
    assert [(row["state"], row["value"]) for row in told(daemon)] == [("firing", 4)]


def test_f18_log_text_is_an_argument_never_a_command(logboom, hook, second, tmp_path):
    """SEC: --noquoting is the default; EA2: a command that is text goes through a shell.
    Here: a program gets it as one argument, byte for byte."""
    program, out, stolen = tmp_path / "note.sh", tmp_path / "arguments", tmp_path / "stolen"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$#\" \"$1\" >>'{out}'\n")
    program.chmod(0o755)
    evil = [f"$(touch {stolen})", f"`touch {stolen}`", f"; touch {stolen}", f"| touch {stolen} &", f"'\" && touch {stolen} \\"]
    daemon = logboom(CONFIG.format(hook=hook.url, second=second.url, lateness="200ms").replace(
        "      hook:", f"      run: {{type: command, command: ['{program}', 'ip={{key.ip}}']}}\n      hook:") +
        "      rules: {r: {value: count(), over: 1h, by: ip, high: at least 3, to: run}}\n")
    (daemon.dir / "app.log").touch()
    daemon.start().ready()
    write(daemon, *(line(ip=each) for each in evil for _ in range(3)))
    wait_for(lambda: out.exists() and out.read_text().count("\n") >= 2 * len(evil), 60, "the calls")
    assert daemon.stop() == 0
    assert out.read_text() == "".join(f"1\nip={each}\n" for each in evil) and not stolen.exists()


ONCE, ATTACKERS, NEAR = 150_000, 20, 50


def test_f19_a_flood_of_keys_hides_nobody(logboom, hook, second):
    """Space-Saving with 1024 counters finds 0 of 20 attackers among keys that come once, with 32,768 all.
    Here: all 20, none of 50 near-misses, with 4096 places (a million keys: route/alert_flood_test.c)."""
    rng = random.Random(int(os.environ.get("LB_SEED", "1")))
    who = [f"once-{i}" for i in range(ONCE)]
    for i in range(ATTACKERS):
        who += [f"attacker-{i}"] * rng.randint(60, 200)
    for i in range(NEAR):
        who += [f"near-{i}"] * rng.randint(30, 49)
    rng.shuffle(who)
    daemon = prepare(logboom, hook, second, "      rules: {r: {value: count(), over: 10m, by: ip, high: at least 50, to: told}}\n",
                     lateness="1s")
    start = now() - datetime.timedelta(minutes=9)
    with open(daemon.dir / "app.log", "w") as log:
        log.writelines(line(start + datetime.timedelta(microseconds=3000 * i), ip=each) for i, each in enumerate(who))
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    fired = {row["key"]["ip"] for row in told(daemon, "firing")}
    assert fired == {f"attacker-{i}" for i in range(ATTACKERS)}
