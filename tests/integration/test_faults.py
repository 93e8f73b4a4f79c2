"""The crash loop on a disk that fails: short writes, EINTR, EIO, ENOSPC, failing fsync, rename, open, mkdir; and reads of
the sources that are short or fail. Lost 0, doubled 0, archives whole at every moment, all the same.
"""
import os
import random
import time

import pytest

from harness import Logboom, wait_for, zstd_text
from trials import FILES, Prober, Writer, check_files, first_run, program

CRASHES = int(os.environ.get("LB_CRASHES", "20"))
ROUND = min(CRASHES, 20)
SEED = int(os.environ.get("LB_SEED", "1"))


def shim(directory, seed, rate):
    return {"LD_PRELOAD": program("shim.so"), "LB_SHIM_SEED": str(seed), "LB_SHIM_RATE": str(rate),
            "LB_SHIM_OUTPUT": f"{directory}/data:{directory}/archive:{directory}/out",
            "LB_SHIM_INPUT": f"{directory}/log", "LB_SHIM_SWITCH": f"{directory}/failing"}


@pytest.mark.parametrize("seed", range(SEED, SEED + -(-CRASHES // ROUND)))
def test_every_line_once_on_a_failing_disk(tmp_path, seed):
    rng = random.Random(seed)
    rate = rng.choice([20, 100, 500])
    config = FILES.format(dir=tmp_path, rest=rng.choice(["", "*"]))
    (tmp_path / "log").mkdir()
    (tmp_path / "failing").touch()
    writer = Writer(seed, rename=tmp_path / "log/app.log", copytruncate=tmp_path / "log/web.log")
    prober = Prober(tmp_path / "archive", tmp_path, seed)
    daemon = Logboom(tmp_path, config)
    try:
        first_run(daemon, writer)
        refused = 0
        for crash in range(ROUND):
            daemon.environment = shim(tmp_path, seed * 1000 + crash, rate)
            daemon.start()
            time.sleep(rng.uniform(0.0, 1.2))  # the moment is random on purpose
            refused += daemon.process.poll() is not None  # its ledger could not be opened, say
            daemon.kill()
        (tmp_path / "failing").unlink()
        written = writer.stop()
        assert daemon.start("--exit-at-eof").wait(120) == 0, daemon.log()
        print("seed", seed, "faults in 10000:", rate, "written", written, "rotations", writer.rotations, "of", ROUND,
              "starts refused:", refused, "reads of the archives meanwhile:", prober.stop())
        check_files(tmp_path, written)
    finally:
        writer.kill()
        daemon.kill()


@pytest.mark.parametrize("rate", [200, 2000])
def test_it_goes_on_by_itself_when_the_disk_is_mended(tmp_path, rate):
    """No restart: whatever failed, syncs too, is made good."""
    config = FILES.format(dir=tmp_path, rest="")
    (tmp_path / "log").mkdir()
    writer = Writer(SEED, rename=tmp_path / "log/app.log", copytruncate=tmp_path / "log/web.log")
    prober = Prober(tmp_path / "archive", tmp_path, SEED)
    daemon = Logboom(tmp_path, config)
    try:
        first_run(daemon, writer)
        daemon.environment = shim(tmp_path, SEED, rate)
        daemon.start().ready()
        for _ in range(3):
            (tmp_path / "failing").touch()
            wait_for(lambda: daemon.get("/health")[0] == 503, 60, "a failure that shows")
            time.sleep(1)  # so much of it
            (tmp_path / "failing").unlink()
            wait_for(lambda: daemon.get("/health")[0] == 200, 60, "health")
        written = writer.stop()
        wait_for(lambda: archived(tmp_path) >= sum(written.values()), 60, "all lines in the archive")
        assert daemon.stop() == 0, daemon.log()
        print("rate", rate, "written", written, "reads of the archives meanwhile:", prober.stop())
        check_files(tmp_path, written)
    finally:
        writer.kill()
        daemon.kill()


def archived(directory):
    return zstd_text(*(directory / "archive").rglob("*.zst")).count(b"\n")
