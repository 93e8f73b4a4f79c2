"""kill -9 and SIGTERM at random moments, while a writer writes and rotates without end: every line is there once."""
import json
import os
import random
import signal
import time

import pytest

from harness import Logboom, archive_records, wait_for
from trials import Writer, check_complete, check_order

CRASHES = int(os.environ.get("LB_CRASHES", "20"))
ROUND = min(CRASHES, 20)  # ends in one trial; more of them take more trials, each with a seed of its own
SEED = int(os.environ.get("LB_SEED", "1"))

CONFIG = """
data_dir: {dir}/data
commit_every: 50ms
sources:
  app: {{type: file, include: ['{dir}/log/app.log{rest}']}}
  web: {{type: file, include: ['{dir}/log/web.log']}}
routes:
  - {{where: 'level >= error', to: [problems, archive]}}
  - {{where: 'not level >= error', to: archive}}
sinks:
  archive: {{type: archive, path: '{dir}/archive/{{service}}/%Y-%m-%d.jsonl.zst', rotate: {{size: 256KiB}}}}
  problems: {{type: file, path: '{dir}/problems.out', format: json}}
"""


def committed(daemon):
    return daemon.metric("logboom_sink_records_total", sink="archive")


def wait_for_some(daemon, rng):
    """Half of the ends come at any moment from the start on, the others after something was committed."""
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0.0, 0.8))  # the moment is random on purpose
        return
    daemon.ready()
    wait_for(lambda: committed(daemon) > 0, 60, "records in the archive")
    time.sleep(rng.uniform(0.0, 0.3))


def end(daemon, rng):
    if rng.random() < 0.2:
        # Before it watches for signals, SIGTERM is the end of it too: nothing was begun then.
        daemon.process.send_signal(signal.SIGTERM)
        code = daemon.wait(60)
        assert code in (0, -signal.SIGTERM), daemon.log()
        return "SIGTERM"
    daemon.kill()
    return "kill"


def read_lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize("seed", range(SEED, SEED + -(-CRASHES // ROUND)))
def test_every_line_once_over_kill_9_and_sigterm(tmp_path, seed):
    rng = random.Random(seed)
    config = CONFIG.format(dir=tmp_path, rest=rng.choice(["", "*"]))
    (tmp_path / "log").mkdir()
    writer = Writer(seed, rename=tmp_path / "log/app.log", copytruncate=tmp_path / "log/web.log")
    try:
        ends = []
        for _ in range(ROUND):
            daemon = Logboom(tmp_path, config).start()
            wait_for_some(daemon, rng)
            ends.append(end(daemon, rng))
        written = writer.stop()
    finally:
        writer.kill()
    last = Logboom(tmp_path, config).start("--exit-at-eof")
    assert last.wait(120) == 0, last.log()
    print("seed", seed, "written", written, "rotations", writer.rotations, "ends", ends)
    records = archive_records(tmp_path / "archive")
    check_complete(records, written, "archive")
    check_order(records, "archive")
    check_complete(read_lines(tmp_path / "problems.out"), written, "file sink", step=10)
