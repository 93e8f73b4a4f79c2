"""The power fails again and again: what was not synced is lost, or is there in part. In the end nothing is lost, nothing
doubled, and every archive is whole; and what a spool had taken is delivered. power.py says what a failure leaves.
"""
import os
import random
import time

import pytest

import power
from harness import Logboom, wait_for
from trials import FILES, Hook, Writer, check_complete, check_files, first_run, program

CRASHES = int(os.environ.get("LB_CRASHES", "20"))
ROUND = min(CRASHES, 20)
SEED = int(os.environ.get("LB_SEED", "1"))
SEEDS = range(SEED, SEED + -(-CRASHES // ROUND))


class House:
    """A logboom and a writer, and the mains that fail. The disk fails too while `failing` exists."""

    def __init__(self, directory, config, seed, rate):
        self.rng = random.Random(seed)
        self.seed = seed
        self.roots = [directory / name for name in ("data", "archive", "out")]
        self.journal, self.grave, self.failing = directory / "journal", directory / "grave", directory / "failing"
        for made in (*self.roots, directory / "log", self.grave):
            made.mkdir()
        self.disk = power.Disk(self.roots)
        self.failures = self.starts = 0
        self.daemon = Logboom(directory, config)
        self.daemon.environment = {
            "LD_PRELOAD": program("shim.so"), "LB_SHIM_OUTPUT": ":".join(map(str, self.roots)),
            "LB_SHIM_INPUT": str(directory / "log"), "LB_SHIM_GRAVE": str(self.grave), "LB_SHIM_RATE": str(rate),
            "LB_SHIM_JOURNAL": str(self.journal), "LB_SHIM_SWITCH": str(self.failing)}
        self.writer = Writer(seed, rename=directory / "log/app.log", copytruncate=directory / "log/web.log")

    def after_a_kill(self):
        """The power fails, or only the process ended and its pages stay in the kernel."""
        if self.journal.exists():  # else it was killed before it wrote anything
            self.disk.replay(self.journal)
            self.journal.unlink()
        if self.rng.random() < 0.7:
            self.disk.fail(self.rng, self.grave)
            self.disk = power.Disk(self.roots)
            self.failures += 1

    def start(self, *args):
        self.starts += 1
        self.daemon.environment["LB_SHIM_SEED"] = str(self.seed * 1000 + self.starts)
        return self.daemon.start(*args)

    def live_and_die(self, rounds):
        for _ in range(rounds):
            self.after_a_kill()
            self.start()
            time.sleep(self.rng.uniform(0.0, 1.2))  # the moment is random on purpose
            self.daemon.kill()

    def finish(self):
        """How many lines each log had."""
        self.after_a_kill()
        self.failing.unlink(missing_ok=True)
        written = self.writer.stop()
        assert self.start("--exit-at-eof").wait(120) == 0, self.daemon.log()
        print("seed", self.seed, "faults in 10000:", self.daemon.environment["LB_SHIM_RATE"], "written", written,
              "rotations", self.writer.rotations, "power failures", self.failures)
        return written

    def leave(self):
        self.writer.kill()
        self.daemon.kill()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_line_once_over_power_failures(tmp_path, seed):
    rng = random.Random(seed)
    house = House(tmp_path, FILES.format(dir=tmp_path, rest=rng.choice(["", "*"])), seed, rng.choice([0, 0, 20, 100]))
    try:
        first_run(house.daemon, house.writer)
        house.failing.touch()
        house.live_and_die(ROUND)
        check_files(tmp_path, house.finish())
    finally:
        house.leave()


SPOOL = """
data_dir: {dir}/data
commit_every: 50ms
sources:
  app: {{type: file, include: ['{dir}/log/app.log']}}
  web: {{type: file, include: ['{dir}/log/web.log']}}
routes:
  - {{to: hook}}
sinks:
  hook: {{type: webhook, url: '{url}', when_full: spool, retry: {{first: 20ms, max: 100ms}},
         batch: {{count: 500, every: 20ms}}}}
"""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_spool_over_power_failures(tmp_path, seed):
    """The receiver is away until the end; some of the time logboom alone is killed."""
    hook = Hook(seed)
    hook.close()
    house = House(tmp_path, SPOOL.format(dir=tmp_path, url=hook.url), seed, random.Random(seed).choice([0, 20]))
    daemon = house.daemon
    try:
        house.start().ready()
        for source in ("app", "web"):  # a log that is rotated before logboom saw it is none of its own
            wait_for(lambda: daemon.metric("logboom_tail_lines_total", source=source) > 0, 60, f"lines of {source}")
        wait_for(lambda: daemon.metric("logboom_sink_spool_bytes") > 0, 60, "records in the spool")
        daemon.kill()
        house.writer.rotate()
        house.failing.touch()
        house.live_and_die(10)
        hook = Hook(seed, port=hook.server.server_port, rows=hook.rows)
        written = house.finish()
        rows = [(record["log"], record["seq"]) for _, batch in hook.rows for record in batch]
        repeats = check_complete([record for _, batch in hook.rows for record in batch], written, "webhook", once=False)
        print(f"{len(rows)} records, {repeats} repeated")
    finally:
        house.leave()
        hook.close()


class Harsh(random.Random):
    """Of what is not synced, nothing is left."""

    def random(self):
        return 0.6  # the power does fail, and no page was written

    def randint(self, low, high):
        return low

    def choice(self, options):
        return min(options)


SHOWN = """
data_dir: {dir}/data
commit_every: {commit}
sources:
  app: {{type: file, include: ['{dir}/log/still.log']}}
routes:
  - {{to: plain}}
sinks:
  plain: {{type: file, path: '{dir}/out/{folder}plain.out', format: text, flush: 20ms}}
"""


@pytest.fixture
def still(tmp_path):
    """A house with a log that does not grow; when its power fails, nothing is left that was not synced."""
    house = House(tmp_path, "", 1, 0)
    house.writer.kill()
    house.rng = Harsh()
    (tmp_path / "log/still.log").write_text("".join(f"line {n}\n" for n in range(1000)))
    yield house
    house.daemon.kill()


def run_and_lose_the_rest(house, tmp_path, folder):
    """A whole run, and a power failure behind it; the next start has nothing to do."""
    house.daemon.write_config(SHOWN.format(dir=tmp_path, commit="50ms", folder=folder))
    assert house.start("--exit-at-eof").wait(60) == 0, house.daemon.log()
    assert sum(len(path.read_text().splitlines()) for path in (tmp_path / "out").rglob("*.out")) == 1000
    house.after_a_kill()
    assert house.failures == 1
    assert house.start("--exit-at-eof").wait(60) == 0, house.daemon.log()
    texts = [path.read_text() for path in (tmp_path / "out").rglob("*.out")]
    assert [line.split("line ")[-1] for text in texts for line in text.splitlines()] == [str(n) for n in range(1000)]


def test_a_name_from_before_a_kill_is_durable_once_something_is_committed(tmp_path, still):
    """The first process shows the file and is killed; the second goes on with it and commits."""
    still.daemon.write_config(SHOWN.format(dir=tmp_path, commit="60s", folder=""))
    plain = tmp_path / "out/plain.out"
    still.start().ready()
    wait_for(lambda: plain.exists() and plain.stat().st_size > 0, 30, "the file")
    still.daemon.kill()
    run_and_lose_the_rest(still, tmp_path, "")


@pytest.mark.parametrize("folder", ["{service}/", "a/b/{service}/"])
def test_a_directory_from_before_a_kill_is_durable_once_something_is_committed(tmp_path, still, folder):
    """The first process had made it, and no more."""
    with open(still.journal, "a") as journal:
        path = tmp_path / "out"
        for name in folder.format(service="_unknown").split("/")[:-1]:
            path /= name
            path.mkdir()
            journal.write(f"M {path}\n")
    run_and_lose_the_rest(still, tmp_path, folder)


def test_the_lock_of_data_dir_is_durable(tmp_path, still):
    """Another lock file would make the next start take data_dir for a copy."""
    still.daemon.write_config(SHOWN.format(dir=tmp_path, commit="50ms", folder=""))
    still.start().ready()
    still.daemon.kill()
    journal = still.journal.read_bytes().split(b"\n")
    synced = journal.index(b"S %d" % (tmp_path / "data/lock").stat().st_ino)
    assert b"D %s" % str(tmp_path / "data").encode() in [line.rstrip(b"/") for line in journal[synced:]]
