"""kill -9 and SIGTERM at random moments of a large file: every line is in the archive once."""
import collections
import json
import os
import random
import signal
import time

import pytest

from harness import Logboom, archive_records, wait_for, zstd_text

CRASHES = int(os.environ.get("LB_CRASHES", "20"))
ROUND = min(CRASHES, 20)  # ends in one file; more of them take more files, each with a seed of its own
LINES = int(os.environ.get("LB_CRASH_LINES", "1000000"))
SEED = int(os.environ.get("LB_SEED", "1"))

CONFIG = """
data_dir: {dir}/data
commit_every: 50ms
sources:
  in: {{type: file, include: ['{dir}/in.log']}}
routes:
  - {{where: 'level >= error', to: [problems, archive]}}
  - {{where: 'not level >= error', to: archive}}
sinks:
  archive: {{type: archive, path: '{dir}/archive/{{service}}/%Y-%m-%d.jsonl.zst', rotate: {{size: 1MiB}}}}
  problems: {{type: file, path: '{dir}/problems.out', format: json}}
"""

SERVICES = ["auth", "payments", "search", "mailer"]


def write_input(path, lines):
    with open(path, "w") as out:
        for i in range(lines):
            out.write(f'{{"time":"2026-03-01T00:00:{i % 60:02d}Z","level":"{"error" if i % 10 == 0 else "info"}",'
                      f'"service":"{SERVICES[i % 4]}","msg":"line","seq":{i},"padding":"{"x" * (i % 50)}"}}\n')


def check_once(records, expected, what):
    counts = collections.Counter(r["seq"] for r in records)
    lost = [i for i in expected if counts[i] == 0]
    doubled = [i for i, n in counts.items() if n > 1]
    assert not lost and not doubled, f"{what}: {len(lost)} lost {lost[:5]}, {len(doubled)} doubled {doubled[:5]}"
    assert len(counts) == len(expected)


def check_order(records):
    last = {}
    for record in records:
        assert record["seq"] > last.get(record["service"], -1), f"out of order at {record['seq']}"
        last[record["service"]] = record["seq"]


def check_output(directory, lines):
    records = archive_records(directory / "archive")
    check_once(records, range(lines), "archive")
    check_order(records)
    with open(directory / "problems.out") as file:
        check_once([json.loads(line) for line in file], range(0, lines, 10), "file sink")


def archived(directory):
    """Lines in the archives as they stand, readable at every moment."""
    return sum(zstd_text(path).count(b"\n") for path in (directory / "archive").rglob("*.zst"))


def committed(daemon):
    return daemon.metric("logboom_sink_records_total", sink="archive")


@pytest.mark.parametrize("seed", range(SEED, SEED + -(-CRASHES // ROUND)))
def test_every_line_once_over_kill_9_and_sigterm(tmp_path, seed):
    rng = random.Random(seed)
    write_input(tmp_path / "in.log", LINES)
    moments = []
    in_the_middle = 0
    for crash in range(ROUND):
        daemon = Logboom(tmp_path, CONFIG.format(dir=tmp_path)).start()
        # The moment is random on purpose: up to 60 ms after it began to answer, while it is reading.
        daemon.ready()
        pause = rng.uniform(0.0, 0.06)
        time.sleep(pause)
        if crash % 5 == 4:
            daemon.process.send_signal(signal.SIGTERM)
            code = daemon.wait(60)
            assert code == 0, daemon.log()
        else:
            daemon.kill()
        moments.append(round(pause, 3))
        in_the_middle += archived(tmp_path) < LINES
    assert in_the_middle >= ROUND // 2, f"only {in_the_middle} of {ROUND} ends came before all was read"
    last = Logboom(tmp_path, CONFIG.format(dir=tmp_path)).start("--exit-at-eof")
    assert last.wait(120) == 0, last.log()
    print("seed", seed, "moments", moments, "in the middle", in_the_middle)
    check_output(tmp_path, LINES)


def test_restarts_in_the_middle_go_on_where_they_stopped(tmp_path):
    """Kills only after something was committed, so that each start has a position to resume from."""
    write_input(tmp_path / "in.log", 200000)
    for _ in range(3):
        daemon = Logboom(tmp_path, CONFIG.format(dir=tmp_path)).start().ready()
        wait_for(lambda: committed(daemon) > 0 or daemon.process.poll() is not None, 30, "records in the archive")
        daemon.kill()
    last = Logboom(tmp_path, CONFIG.format(dir=tmp_path)).start("--exit-at-eof")
    assert last.wait(120) == 0, last.log()
    check_output(tmp_path, 200000)
