"""F1, F2, F3 and F7 under kill -9 at random moments: no alert is lost, told twice or left open.

LB_ALERT_KILLS says how many kills (8); LB_SEED which moments. Each burst has a key of its own, in a group of its own,
so that kills come while it waits for its group, between its end and the next flush of the group, and just after it was
told. Each slow key has 60 records in an hour with a threshold of 50, so its window must be kept over many kills.
"""
import os
import random
import time

from harness import wait_for
from test_acceptance import CONFIG, burst, line
from test_alert_crash import Runs

KILLS = int(os.environ.get("LB_ALERT_KILLS", "8"))
SEED = int(os.environ.get("LB_SEED", "1"))
SLOW, PORTION = 60, 6  # records of a slow key, and how many of them between two kills

RULES = """
      routes:
        - {where: rule == "bursts", to: hook, group_by: [ip], group_wait: 200ms, group_interval: 600ms}
        - {where: rule == "slow", to: second}
      rules:
        bursts: {where: kind == burst, value: count(), over: 1s, by: ip, high: at least 3}
        slow: {where: kind == slow, value: count(), over: 1h, by: user, high: at least 50}
"""


TEXT = CONFIG.replace("{lateness}", "200ms")


def escaped(text):
    return text.replace("{", "{{").replace("}", "}}")


class Slow:
    """Keys that get some records between each two kills, one after the other."""

    def __init__(self):
        self.written = []

    def lines(self):
        if not self.written or self.written[-1] >= SLOW:
            self.written.append(0)
        self.written[-1] += PORTION
        return [line(kind="slow", user=f"s{len(self.written) - 1}") for _ in range(PORTION)]

    def full(self):
        return [f"s{i}" for i, count in enumerate(self.written) if count >= 50]


def check_groups(rows, keys):
    """Of each key one incident of its group, with its notices in order, the same one where it came again."""
    by_key = {}
    for record in rows:
        by_key.setdefault(record["key"]["ip"], []).append(record)
    assert sorted(by_key) == sorted(keys)
    for key, notices in by_key.items():
        assert len({notice["alert_id"] for notice in notices}) == 1, (key, notices)
        unique = {notice["sequence"]: notice for notice in notices}
        assert all(notice == unique[notice["sequence"]] for notice in notices), "two notices of one number"
        states = [unique[number]["state"] for number in sorted(unique)]
        assert sorted(unique) == list(range(1, len(unique) + 1)), (key, sorted(unique))
        assert states[-1] == "resolved" and states.count("resolved") == 1 and states.count("firing") <= 1, (key, states)


def check_slow(rows, keys):
    unique = {(record["alert_id"], record["sequence"]): record for record in rows}
    assert all(record == unique[record["alert_id"], record["sequence"]] for record in rows)
    told = sorted((record["key"]["user"], record["state"], record["value"]) for record in unique.values())
    assert told == sorted((key, "firing", 50) for key in keys)


def over(runs, keys):
    return {record["key"]["ip"] for record in runs.told("hook", state="resolved")} >= set(keys)


def test_f1_f2_f3_f7_over_kills(logboom):
    rng = random.Random(SEED)
    daemon = logboom("")
    runs = Runs(daemon, TEXT + escaped(RULES), "hook", "second")
    keys, slow = [], Slow()
    try:
        with open(daemon.dir / "app.log", "w") as log:
            for _ in range(KILLS):
                runs.start()
                if rng.random() < 0.8:
                    daemon.ready()
                for _ in range(rng.randrange(1, 4)):
                    keys.append(f"k{len(keys)}")
                    log.writelines(burst(keys[-1], rng.choice([3, 4, 7]), kind="burst"))
                    log.flush()
                    time.sleep(rng.uniform(0.0, 0.6))  # the moment is random on purpose
                log.writelines(slow.lines())
                log.flush()
                time.sleep(rng.uniform(0.0, 2.5))
                runs.kill()
            while len(slow.full()) < 1 or slow.written[-1] < SLOW:
                log.writelines(slow.lines())
        runs.start().ready()
        wait_for(lambda: over(runs, keys), 90, "the end of every burst")
        wait_for(lambda: {row["key"]["user"] for row in runs.told("second")} >= set(slow.full()), 60, "every slow one")
        assert daemon.stop() == 0, daemon.log()
        runs.save()
        check_groups(runs.told("hook"), keys)
        check_slow(runs.told("second"), slow.full())
        repeats = runs.check_repeats("hook") + runs.check_repeats("second")
        print(f"kills={KILLS} bursts={len(keys)} slow={len(slow.full())} "
              f"notices={len(runs.told('hook')) + len(runs.told('second'))} "
              f"repeats={repeats}")
    finally:
        runs.close()


CALLED = """
      routes:
        - {to: hook, group_by: [ip], group_wait: 200ms, group_interval: 600ms, escalate: [{after: 1s, to: second}]}
      rules:
        bursts: {where: kind == burst, value: count(), over: 1s, by: ip, high: at least 3, hold: 600ms}
"""


def by_incident(rows):
    """Of each incident its notices by number; what came twice is the same."""
    incidents = {}
    for record in rows:
        notices = incidents.setdefault(record["alert_id"], {})
        assert notices.setdefault(record["sequence"], record) == record, "two notices of one number"
    return incidents


def check_called(hook, second):
    """Nothing of a group is missing between the two; each is called off once; who was called was called once."""
    called, incidents = by_incident(second), by_incident(hook + second)
    for alert, notices in incidents.items():
        assert sorted(notices) == list(range(1, len(notices) + 1)), (alert, sorted(notices))
        states = [notices[number]["state"] for number in sorted(notices)]
        assert states[-1] == "resolved" and states.count("resolved") == 1, (alert, states)
        assert states.count("escalated") <= 1 and (alert in called) == ("escalated" in states), (alert, states)
    for alert, notices in called.items():
        states = [notices[number]["state"] for number in sorted(notices)]
        assert states[0] == "escalated" and states[-1] == "resolved", (alert, states)
    return len(incidents), len(called)


def test_groups_that_are_escalated_and_flap_over_kills(logboom):
    """One key of each round, and one that comes in all of them: so it flaps as often as its ends come soon enough. What
    still flaps at the end is called off when its rule goes."""
    rng = random.Random(SEED)
    daemon = logboom("")
    runs = Runs(daemon, TEXT + escaped(CALLED), "hook", "second")
    keys = []
    try:
        with open(daemon.dir / "app.log", "w") as log:
            for _ in range(KILLS):
                runs.start()
                if rng.random() < 0.8:
                    daemon.ready()
                keys.append(f"k{len(keys)}")
                for key in (keys[-1], "again"):
                    log.writelines(burst(key, 3, kind="burst"))
                log.flush()
                time.sleep(rng.uniform(0.0, 3.5))  # the moment is random on purpose
                runs.kill()
        runs.start().ready()
        wait_for(lambda: over(runs, keys), 90, "the end of every burst")
        assert daemon.stop() == 0, daemon.log()
        runs.config = runs.config.replace("bursts:", "others:")
        runs.start().ready()
        wait_for(lambda: {record["alert_id"] for record in runs.told("hook") + runs.told("second")} ==
                 {record["alert_id"] for record in runs.told("hook", state="resolved")}, 90, "the end of what flaps")
        assert daemon.stop() == 0, daemon.log()
        runs.save()
        incidents, called = check_called(runs.told("hook"), runs.told("second"))
        repeats = runs.check_repeats("hook") + runs.check_repeats("second")
        print(f"kills={KILLS} incidents={incidents} escalated={called} flapping={len(runs.told('hook', state='flapping'))} "
              f"repeats={repeats}")
        assert called > 0
    finally:
        runs.close()
