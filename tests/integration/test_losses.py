"""What others were measured to lose, done to logboom: the table at the end says who lost how much.

The losses of the peers were measured with the same steps, on Fluent Bit 5.1.1, rsyslog 8.2302 and syslog-ng 3.38 with
their defaults unless it says otherwise. Of logboom 0 lines are to be missing, and 0 twice in an archive or a file. The
table is printed (-s) and written to build/losses.txt. LB_LONG=1: outages last at least 25 s, as they did with the peers.
"""
import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from harness import ROOT, Logboom, archive_records, wait_for, zstd_text
from trials import Hook, MockKafka

OUTAGE_SECONDS = 25 if os.environ.get("LB_LONG") else 0
rows = []

ARCHIVE = """
commit_every: 50ms
sources:
  in: {{type: file, include: ['{dir}/log/{pattern}'], service: app{options}}}
routes:
  - {{to: archive}}
sinks:
  archive: {{type: archive, path: '{archive}/{{service}}.jsonl.zst', flush: 50ms}}
"""

HOOK = """
commit_every: 50ms
sources:
  in: {{type: file, include: ['{dir}/log/app.log']}}
routes:
  - {{to: hook}}
sinks:
  hook: {{type: webhook, url: '{url}', retry: {{first: 20ms, max: 500ms}}, batch: {{count: 1000, every: 20ms}}}}
"""


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    width = max((len(what) for what, _, _ in rows), default=0)
    text = "".join(f"{what:{width}}  {'peers: ' + peers:64}  logboom: {own}\n" for what, peers, own in rows)
    print("\n" + text, end="")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/losses.txt").write_text(text)


def judge(what, peers, written, got, repeats=False):
    """`got`: messages as they arrived. Adds a row and fails if one is missing, or twice."""
    counts = collections.Counter(got)
    lost = [line for line in written if line not in counts]
    doubled = [line for line, n in counts.items() if n > 1]
    rows.append((what, peers, f"{len(lost)} of {len(written)} lost, {len(doubled)} doubled"))
    assert not lost and not set(counts) - set(written), f"{len(lost)} of {len(written)} lost: {lost[:3]}"
    assert repeats or not doubled, f"{len(doubled)} of {len(written)} doubled: {doubled[:3]}"


class Place:
    """A directory with a log, and a logboom that may be started again and again."""

    def __init__(self, directory, config, **words):
        self.dir = directory
        (directory / "log").mkdir()
        self.log = directory / "log/app.log"
        self.archive = words.setdefault("archive", directory / "archive")
        self.daemon = Logboom(directory, config.format(dir=directory, **words))
        self.lines = []

    def write(self, count, text="line", path=None):
        lines = [f"{text} {len(self.lines) + i}" for i in range(count)]
        with open(path or self.log, "a") as out:
            out.write("\n".join(lines) + "\n")
        self.lines += lines

    def archived(self):
        return [r["message"] for r in archive_records(self.archive)] if self.archive.exists() else []

    def wait_archived(self):
        def count():
            return zstd_text(*self.archive.rglob("*.zst")).count(b"\n") if self.archive.exists() else 0
        wait_for(lambda: count() >= len(self.lines), 120, "all lines in the archive")

    def finish(self):
        """All that is still to come, with a last line by which it is seen that nothing comes between."""
        self.daemon.ready()
        self.write(1, "last")
        self.wait_archived()
        assert self.daemon.stop() == 0, self.daemon.log()
        return self.archived()

    def rename(self, name):
        os.rename(self.log, self.log.with_name(name))

    def copytruncate(self, name):
        shutil.copy(self.log, self.log.with_name(name))
        os.truncate(self.log, 0)


@contextlib.contextmanager
def place(directory, config=ARCHIVE, **words):
    if config == ARCHIVE:
        words = {"pattern": "app.log", "options": "", **words}
    made = Place(directory, config, **words)
    try:
        yield made
    finally:
        made.daemon.kill()


# --- the receiver is away --------------------------------------------------------------------------------

class Receiver:
    """A webhook receiver that goes away and comes back on the same port."""

    def __init__(self):
        self.hook = Hook(1)
        self.url, self.rows = self.hook.url, self.hook.rows
        self.away()

    def away(self):
        self.hook.close()

    def back(self):
        self.hook = Hook(2, port=self.hook.server.server_port, rows=self.rows)

    def messages(self):
        return [record["message"] for _, batch in list(self.rows) for record in batch]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.away()


def outage(daemon):
    """Tries that failed prove it; the long form also takes its time."""
    begin = time.monotonic()
    wait_for(lambda: daemon.metric("logboom_sink_errors_total", sink="hook") >= 3 or not fine(daemon), 60, "failed tries")
    wait_for(lambda: time.monotonic() - begin >= OUTAGE_SECONDS, OUTAGE_SECONDS + 5, "the outage's length")


def fine(daemon):
    return daemon.get("/health")[0] == 200


def delivered(here, receiver):
    receiver.back()
    wait_for(lambda: len(set(receiver.messages())) >= len(here.lines), 60, "all lines at the receiver")
    assert here.daemon.stop() == 0, here.daemon.log()
    first = list(dict.fromkeys(receiver.messages()))
    assert first == here.lines, "out of order"
    return receiver.messages()


def test_an_outage_of_the_receiver(tmp_path, receiver):
    with place(tmp_path, HOOK, url=receiver.url) as here:
        here.daemon.start().ready()
        here.write(5250)
        outage(here.daemon)
        judge("receiver away 25 s", "Fluent Bit 5,170 of 5,250 lost", here.lines, delivered(here, receiver))


def test_a_kill_in_an_outage(tmp_path, receiver):
    with place(tmp_path, HOOK, url=receiver.url) as here:
        here.daemon.start().ready()
        here.write(20000)
        outage(here.daemon)
        here.daemon.kill()
        here.daemon.start().ready()
        judge("kill -9 in an outage", "Fluent Bit (memory) 20,000 of 20,000 lost", here.lines,
              delivered(here, receiver), repeats=True)


def test_a_clean_stop_in_an_outage(tmp_path, receiver):
    with place(tmp_path, "shutdown_timeout: 1s\n" + HOOK, url=receiver.url) as here:
        here.daemon.start().ready()
        here.write(1000)
        outage(here.daemon)
        assert here.daemon.stop() in (0, 1)
        here.daemon.start().ready()
        judge("SIGTERM in an outage", "Fluent Bit (memory) 1,000 of 1,000 lost", here.lines, delivered(here, receiver),
              repeats=True)


KAFKA = """
commit_every: 50ms
sources:
  in: {{type: file, include: ['{dir}/log/app.log']}}
routes:
  - {{to: bus}}
sinks:
  bus: {{type: kafka, brokers: ['{kafka}'], topic: outage}}
"""


def test_a_kill_while_kafka_does_not_answer(tmp_path):
    with contextlib.closing(MockKafka(tmp_path)) as kafka, place(tmp_path, KAFKA, kafka=kafka.address) as here:
        here.write(1000)
        here.daemon.start().ready()
        kafka.rows("outage", 1000)
        kafka.process.send_signal(signal.SIGSTOP)
        here.write(1000)
        wait_for(lambda: here.daemon.metric("logboom_tail_lines_total") >= 2000, 30, "all lines read")
        here.daemon.kill()
        kafka.process.send_signal(signal.SIGCONT)
        here.daemon.start().ready()
        got = [record["message"] for _, record in kafka.rows("outage", 2000)]
        assert here.daemon.stop() == 0, here.daemon.log()
        judge("kill -9 while Kafka does not answer", "Fluent Bit: all that it had handed to librdkafka lost", here.lines,
              got, repeats=True)


# --- rotation ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("pattern, peers", [
    ("app.log", "Fluent Bit 1,000 of 1,000 unread lines lost"),
    ("app.log*", "Fluent Bit 3,100 of 3,200 doubled")])
def test_a_rename_while_down(tmp_path, pattern, peers):
    with place(tmp_path, pattern=pattern) as here:
        here.write(2100)
        here.daemon.start()
        here.wait_archived()
        here.daemon.stop()
        here.write(1000)
        here.rename("app.log.1")
        here.write(100, "new")
        here.daemon.start()
        judge(f"renamed while down, path {pattern}", peers, here.lines, here.finish())


def test_a_rename_after_a_burst(tmp_path):
    with place(tmp_path) as here:
        here.write(100)
        here.daemon.start()
        here.wait_archived()
        here.write(1_000_000, "x" * 80)  # 92 MB
        here.rename("app.log.1")
        here.write(100, "new")
        judge("92 MB burst, then renamed", "Fluent Bit (mem_buf_limit 5M) 693,915 of 1,000,100 lost", here.lines,
              here.finish())


def test_copytruncate_while_down(tmp_path):
    with place(tmp_path) as here:
        here.write(500)
        here.daemon.start()
        here.wait_archived()
        here.daemon.stop()
        here.write(500)
        here.copytruncate("app.log.1")
        here.write(100, "new")
        here.daemon.start()
        judge("copytruncate while down", "Fluent Bit 500 of 500 unread lines lost", here.lines, here.finish())


def test_copytruncate_after_bursts(tmp_path):
    with place(tmp_path) as here:
        here.write(1)
        here.daemon.start()
        here.wait_archived()
        for burst in range(10):
            here.write(500, f"burst {burst}")
            here.copytruncate(f"app.log.{burst}")
        judge("10 bursts, each with copytruncate", "Fluent Bit 965 of 5,000 lost", here.lines, here.finish())


def test_an_inode_that_is_used_again(tmp_path):
    """Deleted while down, and the next log has its inode (the file system decides; the row says whether it had)."""
    with place(tmp_path) as here:
        here.write(1000)
        here.daemon.start()
        here.wait_archived()
        here.daemon.stop()
        inode = here.log.stat().st_ino
        here.log.unlink()
        here.write(1000, "new")
        again = "same inode" if here.log.stat().st_ino == inode else "another inode"
        here.daemon.start()
        judge(f"deleted and made anew while down ({again})", "not measured", here.lines,
              here.finish())


# --- lines, kills --------------------------------------------------------------------------------------------

def test_a_long_line(tmp_path):
    with place(tmp_path) as here:
        here.write(100)
        here.write(1, "x" * 40960)
        here.write(299)
        here.daemon.start()
        judge("a line of 40 KB", "Fluent Bit 300 of 400 lost: the file is given up", here.lines, here.finish())


def test_a_kill_while_nothing_is_behind(tmp_path):
    with place(tmp_path) as here:
        here.write(20000)
        here.daemon.start()
        here.wait_archived()
        here.daemon.kill()
        here.daemon.start()
        judge("kill -9, all delivered", "rsyslog 19,994 of 20,000 doubled", here.lines, here.finish())


def test_an_archive_after_a_kill_and_a_restart(tmp_path):
    with place(tmp_path) as here:
        here.daemon.start()
        for _ in range(20):
            here.write(100)
            here.wait_archived()
        here.daemon.kill()
        whole = zstd_text(*here.archive.rglob("*.zst")).count(b"\n")
        rows.append(("zstd archive after kill -9, before a restart", "rsyslog 1,900 of 2,000 lines can be read",
                     f"{whole} of 2000 lines can be read"))
        assert whole == 2000
        here.daemon.start()
        here.write(10, "new")
        judge("and appended to after the restart", "rsyslog 0 of 10 new lines can be read", here.lines, here.finish())


# --- a full disk ------------------------------------------------------------------------------------------------

@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]).returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_under_the_archive(tmp_path, small_disk):
    rng = random.Random(1)
    with place(tmp_path, archive=small_disk / "archive") as here:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(1024 * 1024))
        here.write(100)
        here.daemon.start().ready()
        here.wait_archived()
        for _ in range(40000):
            here.write(1, rng.randbytes(32).hex())  # compresses to 1.3 MB at best
        wait_for(lambda: "No space left on device" in here.daemon.get("/health")[1], 60, "the full disk in /health")
        assert not fine(here.daemon)
        assert here.daemon.process.poll() is None
        assert zstd_text(*here.archive.rglob("*.zst")).endswith(b"\n")
        ballast.unlink()
        judge("disk full under the archive, then room again", "rsyslog 29,190, syslog-ng 19,140 of 40,000 lost",
              here.lines, here.finish())


def test_a_full_disk_under_the_spool(tmp_path, small_disk, receiver):
    config = f"data_dir: {small_disk}/data\n" + HOOK.replace("{{type: webhook,", "{{type: webhook, when_full: spool,")
    with place(tmp_path, config, url=receiver.url) as here:
        here.daemon.start().ready()
        here.write(100_000, "x" * 60)
        wait_for(lambda: "No space left on device" in here.daemon.get("/health")[1], 60, "the full disk in /health")
        assert here.daemon.process.poll() is None
        judge("disk full under the spool, receiver away", "Fluent Bit 47,704 of 100,000 lost", here.lines,
              delivered(here, receiver))
