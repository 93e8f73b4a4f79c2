"""The power fails again and again: what was not synced is lost, or is there in part. In the end nothing is lost, nothing
doubled, and every archive is whole. power.py says what a failure leaves.
"""
import os
import random
import time

import pytest

import power
from harness import Logboom
from trials import FILES, Writer, check_files, first_run, program

CRASHES = int(os.environ.get("LB_CRASHES", "20"))
ROUND = min(CRASHES, 20)
SEED = int(os.environ.get("LB_SEED", "1"))


@pytest.mark.parametrize("seed", range(SEED, SEED + -(-CRASHES // ROUND)))
def test_every_line_once_over_power_failures(tmp_path, seed):
    rng = random.Random(seed)
    config = FILES.format(dir=tmp_path, rest=rng.choice(["", "*"]))
    roots = [tmp_path / name for name in ("data", "archive", "out")]
    for directory in (*roots, tmp_path / "log", tmp_path / "grave"):
        directory.mkdir()
    journal = tmp_path / "journal"
    daemon = Logboom(tmp_path, config)
    daemon.environment = {
        "LD_PRELOAD": program("shim.so"), "LB_SHIM_OUTPUT": ":".join(map(str, roots)), "LB_SHIM_GRAVE":
        str(tmp_path / "grave"), "LB_SHIM_JOURNAL": str(journal), "LB_SHIM_INPUT": str(tmp_path / "log"),
        "LB_SHIM_SWITCH": str(tmp_path / "failing"), "LB_SHIM_RATE": str(rng.choice([0, 0, 20, 100]))}
    writer = Writer(seed, rename=tmp_path / "log/app.log", copytruncate=tmp_path / "log/web.log")
    disk = power.Disk(roots)
    failures = 0
    try:
        first_run(daemon, writer)
        (tmp_path / "failing").touch()
        for crash in range(ROUND):
            if journal.exists():  # else it was killed before it wrote anything
                disk.replay(journal)
                journal.unlink()
            if rng.random() < 0.7:  # else only the process ends, and its pages stay in the kernel
                disk.fail(rng, tmp_path / "grave")
                disk = power.Disk(roots)
                failures += 1
            daemon.environment["LB_SHIM_SEED"] = str(seed * 1000 + crash)
            daemon.start()
            time.sleep(rng.uniform(0.0, 1.2))  # the moment is random on purpose
            daemon.kill()
        (tmp_path / "failing").unlink()
        written = writer.stop()
        assert daemon.start("--exit-at-eof").wait(120) == 0, daemon.log()
        print("seed", seed, "faults in 10000:", daemon.environment["LB_SHIM_RATE"], "written", written, "rotations",
              writer.rotations, "power failures", failures)
        check_files(tmp_path, written)
    finally:
        writer.kill()
        daemon.kill()
