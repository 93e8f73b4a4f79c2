"""kill -9 at random moments while alerts fire and end: none is lost, none is stuck, none is told twice.

Each burst of records has a key of its own, so it must come to exactly one incident: told as firing, and as over. A
notice may come twice only where the kill came in the moment between the receiver's answer and the commit of the mark;
then it is the same notice, by alert_id and sequence.
"""
import json
import os
import random
import time

import pytest

from alerts_in import line, rows
from harness import Logboom, wait_for
from recorder import Recorder

KILLS = int(os.environ.get("LB_ALERT_KILLS", "10"))
SEED = int(os.environ.get("LB_SEED", "1"))
MOMENT = 2.0  # seconds before a kill in which an answer may not have been noted; far less, but the machine is busy

CONFIG = """
    sources:
      app: {{type: file, include: ['{{dir}}/app.log'], parse: json}}
    routes:
      - to: all
    sinks:
      all: {{type: file, path: '{{dir}}/all.log', flush: 200ms}}
      exact: {{type: file, path: '{{dir}}/alerts.log', flush: 50ms}}
      hook: {{type: webhook, url: '{url}', retry: {{first: 20ms, max: 100ms}}}}
    commit_every: 50ms
    alerting:
      lateness: 200ms
      routes:
        - to: [hook, exact]
      rules:
        logins:
          where: message == "failed"
          value: count()
          over: 1s
          by: client_ip
          low: at least 3
          critical: at least 6
"""


def burst(log, key, count):
    """Lines of one moment, however long it takes to write them: they are one incident."""
    log.write(count * line("failed", client_ip=key))
    log.flush()


def by_alert(records):
    alerts = {}
    for record in records:
        alerts.setdefault(record["alert_id"], []).append(record)
    return alerts


def exact_records(directory):
    return rows(directory / "alerts.log")


def is_over(records, keys):
    ended = {record["key"]["client_ip"] for record in records if record["state"] == "resolved"}
    return ended >= set(keys)


def check_incidents(records, keys):
    """One incident for each key, each notice once or as the same, from firing to resolved."""
    found = {}
    for alert, notices in by_alert(records).items():
        unique = {notice["sequence"]: notice for notice in notices}
        for notice in notices:
            assert notice == unique[notice["sequence"]], f"two notices of one number: {notice}"
        states = [unique[number]["state"] for number in sorted(unique)]
        assert sorted(unique) == list(range(1, len(unique) + 1)), (alert, sorted(unique))
        assert states[0] == "firing" and states[-1] == "resolved" and states.count("resolved") == 1, (alert, states)
        found.setdefault(notices[0]["key"]["client_ip"], []).append(alert)
    assert sorted(found) == sorted(keys)
    doubled = {key: alerts for key, alerts in found.items() if len(alerts) > 1}
    assert not doubled, f"keys with more than one incident: {doubled}"


def check_repeats(told, kills):
    """What came twice came first just before a kill."""
    seen = {}
    repeats = 0
    for at, record in told:
        number = (record["alert_id"], record["sequence"])
        if number in seen:
            repeats += 1
            assert any(seen[number] - 0.5 <= kill <= seen[number] + MOMENT for kill in kills), \
                f"told twice, with no kill near the first time: {record}"
        seen.setdefault(number, at)
    return repeats


def test_no_alert_is_lost_or_told_twice_over_kills(tmp_path):
    rng = random.Random(SEED)
    hook = Recorder()
    daemon = Logboom(tmp_path / "lb", CONFIG.format(url=hook.url))
    keys, kills = [], []
    try:
        with open(daemon.dir / "app.log", "w") as log:
            for kill in range(KILLS):
                daemon.start()
                if rng.random() < 0.7:
                    daemon.ready()
                for _ in range(rng.randrange(1, 4)):
                    keys.append(f"k{len(keys)}")
                    burst(log, keys[-1], rng.choice([3, 4, 7]))
                    time.sleep(rng.uniform(0.0, 0.6))  # the moment is random on purpose
                time.sleep(rng.uniform(0.0, 1.2))
                kills.append(time.monotonic())
                daemon.kill()
            daemon.start().ready()
            wait_for(lambda: is_over(hook.told(), keys) and is_over(exact_records(daemon.dir), keys), 90,
                     "the end of every alert")
        assert daemon.stop() == 0, daemon.log()
        (tmp_path / "hook.json").write_text("\n".join(json.dumps([at, record]) for at, record in hook.rows))
        (tmp_path / "kills.json").write_text(json.dumps(kills))
        check_incidents(hook.told(), keys)
        check_incidents(exact_records(daemon.dir), keys)
        numbers = [(record["alert_id"], record["sequence"]) for record in exact_records(daemon.dir)]
        assert len(numbers) == len(set(numbers)), "a file has a notice twice"
        print(f"kills={KILLS} alerts={len(keys)} notices={len(numbers)} repeats={check_repeats(hook.rows, kills)}")
    finally:
        daemon.kill()
        hook.close()


def test_a_firing_alert_is_called_off_after_the_kill(tmp_path):
    """Told, killed, nothing more comes: it ends all the same, once."""
    hook = Recorder()
    daemon = Logboom(tmp_path / "lb", CONFIG.format(url=hook.url))
    try:
        with open(daemon.dir / "app.log", "w") as log:
            daemon.start().ready()
            burst(log, "a", 3)
            wait_for(hook.states, what="the alert")
            daemon.kill()
        daemon.start().ready()
        wait_for(lambda: "resolved" in hook.states(), 60, "its end")
        assert daemon.stop() == 0
        daemon.start().ready()
        assert daemon.stop() == 0
        check_incidents(hook.told(), ["a"])
    finally:
        daemon.kill()
        hook.close()


@pytest.mark.parametrize("lost", ["alerts.state", "alerts"])
def test_what_is_missing_on_disk_costs_no_end(tmp_path, lost):
    """Either of the two that remember is gone: whoever was told that it fires hears its end."""
    hook = Recorder()
    daemon = Logboom(tmp_path / "lb", CONFIG.format(url=hook.url).replace("over: 1s", "over: 10s"))
    try:
        with open(daemon.dir / "app.log", "w") as log:
            daemon.start().ready()
            burst(log, "a", 3)
            wait_for(hook.states, what="the alert")
            assert daemon.stop() == 0
            path = daemon.dir / "data" / lost
            path.unlink() if path.is_file() else [file.unlink() for file in path.iterdir()]
        daemon.start().ready()
        wait_for(lambda: "resolved" in hook.states(), 90, "its end")
        assert daemon.stop() == 0
        assert hook.states() == ["firing", "resolved"]
    finally:
        daemon.kill()
        hook.close()
