"""kill -9 at random moments while alerts fire and end: none is lost, none is stuck, none is told twice.

Each burst of records has a key of its own, so it must come to exactly one incident: told as firing, and as over. A
notice may come twice only where the kill came in the moment between the receiver's answer and the commit of the mark;
then it is the same notice, by alert_id and sequence.
"""
import json
import os
import random
import threading
import time

import pytest

from alerts_in import line, rows
from harness import Logboom, wait_for
from recorder import Recorder

KILLS = int(os.environ.get("LB_ALERT_KILLS", "10"))
SEED = int(os.environ.get("LB_SEED", "1"))
MOMENT = 30  # beats (see Runs) before a kill in which an answer may not have been noted; far fewer, but others are busy too

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


class Runs:
    """The runs of a logboom, each with receivers of its own: so it is known which of them told a notice.

    A thread notes the pace of the machine: each beat is an answer of logboom and a sync of a file beside those that it
    syncs. So what takes no time is known to take none also where all takes long.
    """

    def __init__(self, daemon, config, *names):
        """`config`: with the names of the receivers, for their addresses."""
        self.daemon, self.config, self.names = daemon, config, names
        self.runs, self.killed, self.beats = [], set(), []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.beat, daemon=True)
        self.thread.start()

    def start(self):
        receivers = {name: Recorder() for name in self.names}
        self.daemon.write_config(self.config.format(**{name: receiver.url for name, receiver in receivers.items()}))
        self.runs.append(receivers)
        return self.daemon.start()

    def kill(self):
        self.killed.add(len(self.runs) - 1)
        self.daemon.kill()

    def beat(self):
        with open(self.daemon.dir / "beats", "w") as file:
            while not self.ended.wait(0.05):
                run = len(self.runs) - 1
                try:
                    self.daemon.get("/health")
                except OSError:
                    continue  # it is down
                file.write(".")
                file.flush()
                os.fsync(file.fileno())
                self.beats.append((run, time.monotonic()))

    def rows(self, name):
        """(run, time, record) of all that these receivers were told."""
        return [(number, at, record) for number, run in enumerate(self.runs) for at, record in list(run[name].rows)]

    def told(self, name, **fields):
        return [record for run in self.runs for record in run[name].told(**fields)]

    def check_repeats(self, name):
        """What came twice came just before a kill, and once more behind it. How many did."""
        last, repeats = {}, 0
        for run, at, record in self.rows(name):
            number = (record["alert_id"], record["sequence"])
            if number in last:
                repeats += 1
                before, told = last[number]
                assert before < run and before in self.killed, f"told twice, with no kill in between: {record}"
                life = sum(beats == before and beat > told for beats, beat in self.beats)
                assert life <= MOMENT, f"told twice, {life} beats before the kill: {record}"
            last[number] = run, at
        return repeats

    def save(self):
        text = "\n".join(json.dumps(row) for name in self.names for row in self.rows(name))
        (self.daemon.dir / "told.json").write_text(text)

    def close(self):
        self.ended.set()
        self.thread.join(60)
        self.daemon.kill()
        for run in self.runs:
            for receiver in run.values():
                receiver.close()


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


def test_no_alert_is_lost_or_told_twice_over_kills(tmp_path):
    rng = random.Random(SEED)
    daemon = Logboom(tmp_path / "lb", "")
    runs = Runs(daemon, CONFIG, "url")
    keys = []
    try:
        with open(daemon.dir / "app.log", "w") as log:
            for _ in range(KILLS):
                runs.start()
                if rng.random() < 0.7:
                    daemon.ready()
                for _ in range(rng.randrange(1, 4)):
                    keys.append(f"k{len(keys)}")
                    burst(log, keys[-1], rng.choice([3, 4, 7]))
                    time.sleep(rng.uniform(0.0, 0.6))  # the moment is random on purpose
                time.sleep(rng.uniform(0.0, 1.2))
                runs.kill()
            runs.start().ready()
            wait_for(lambda: is_over(runs.told("url"), keys) and is_over(exact_records(daemon.dir), keys), 90,
                     "the end of every alert")
        assert daemon.stop() == 0, daemon.log()
        runs.save()
        check_incidents(runs.told("url"), keys)
        check_incidents(exact_records(daemon.dir), keys)
        numbers = [(record["alert_id"], record["sequence"]) for record in exact_records(daemon.dir)]
        assert len(numbers) == len(set(numbers)), "a file has a notice twice"
        print(f"kills={KILLS} alerts={len(keys)} notices={len(numbers)} repeats={runs.check_repeats('url')}")
    finally:
        runs.close()


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
