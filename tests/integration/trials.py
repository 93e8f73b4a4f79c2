"""What the trials share that try to break "nothing lost, nothing doubled": a writer that never stops, and the verdict.

A Writer is a process of its own, so a kill of logboom comes in the middle of its lines by construction, however fast or
slow the machine is.
"""
import collections
import json
import pathlib
import subprocess
import sys

WRITER = pathlib.Path(__file__).with_name("writer.py")


class Writer:
    def __init__(self, seed, **ways):
        """ways: log path by name of its way, e.g. rename=dir/"app.log"."""
        arguments = [f"{path}={way}" for way, path in ways.items()]
        self.rotations = {}
        self.process = subprocess.Popen([sys.executable, str(WRITER), str(seed), *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def stop(self):
        """Ends it after a whole line; how many lines each log has had, by its name."""
        assert self.process.poll() is None, "the writer ended by itself"
        out, _ = self.process.communicate("", timeout=60)
        assert self.process.returncode == 0
        ended = json.loads(out)
        self.rotations = {log: rotations for log, (_, rotations) in ended.items()}
        return {log: lines for log, (lines, _) in ended.items()}

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def numbers(records, log):
    return collections.Counter(r["seq"] for r in records if r["log"] == log)


def check_complete(records, written, what, step=1, once=True):
    """Every step-th line of each log is there; once, unless repeats are allowed. How many repeats there were."""
    repeats = 0
    for log, lines in written.items():
        counts = numbers(records, log)
        lost = [i for i in range(0, lines, step) if counts[i] == 0]
        doubled = [i for i, n in counts.items() if n > 1]
        strange = [i for i in counts if i >= lines or i % step]
        assert not lost and not strange, f"{what}: {log}: {len(lost)} lost {lost[:5]}, {len(strange)} never written"
        assert not once or not doubled, f"{what}: {log}: {len(doubled)} doubled {doubled[:5]}"
        repeats += sum(n - 1 for n in counts.values())
    return repeats


def check_order(records, what):
    """Lines of one file and one service are in the order in which they were written."""
    last = {}
    for record in records:
        key = record["log"], record["generation"], record["service"]
        assert record["seq"] > last.get(key, -1), f"{what}: {key} out of order at {record['seq']}"
        last[key] = record["seq"]
