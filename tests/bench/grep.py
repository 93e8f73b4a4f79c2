#!/usr/bin/python3
"""logboom grep beside `zstdcat | grep` and `rg -z`: the same archive, the same queries, one run; prints ratios.

The archive is made on the first run (bench_archive: 1200MiB of 16 services, or LB_BENCH_SIZE) in LB_BENCH_DIR
(build/bench-grep); or name a directory of archives. Every tool must count the same lines. Warm cache; each figure is
the best of --runs, of wall seconds and of CPU seconds by itself. Ratios are what counts; where others work on the
machine, those of CPU time (a tool of four processes gets more of a busy machine than one of two threads).
"""
import argparse
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("LB_BIN", str(ROOT / "build/release/logboom"))
GOALS = {"id": (50, 30), "absent word": (50, 30), "unselective": (None, 1.5)}


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def best(command, runs):
    """Wall seconds, CPU seconds, and the sum of the counts that were printed."""
    walls, cpus = [], []
    for _ in range(runs):
        begun, used = time.perf_counter(), cpu_seconds()
        out = subprocess.run(command, shell=isinstance(command, str), stdout=subprocess.PIPE,
                             env={**os.environ, "LC_ALL": "C"}).stdout.decode()
        walls.append(time.perf_counter() - begun)
        cpus.append(cpu_seconds() - used)
    return min(walls), min(cpus), sum(int(line.rsplit(":", 1)[-1]) for line in out.split())


def make(directory):
    print(f"making {directory} …", file=sys.stderr)
    subprocess.run([ROOT / "build/release/tests/bench/bench_archive", os.environ.get("LB_BENCH_SIZE", "1200MiB"),
                    directory], check=True, stdout=subprocess.DEVNULL)


def queries_of(files):
    text = subprocess.run(f"zstdcat {' '.join(files[:4])} | head -n 400000 | tail -n 2000", shell=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    hexadecimal = re.search(r"[^0-9a-f-]([0-9a-f]{16})[^0-9a-f-]", text)
    uuid = re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", text)
    named = []
    if hexadecimal:
        named += [("id", hexadecimal.group(1)), ("id prefix", hexadecimal.group(1)[:13])]
    if uuid:
        named += [("uuid", uuid.group(0))]
    return named + [
        ("absent word", "zzqxnotthere"),
        ("unselective", '"level":"warn"'),
        ("word, some blocks", "replicated"),
        ("case-insensitive", "(?i)REPLICATED"),
        ("alternation", "timed out|terminated|FAILED"),
        ("literal inside", r"user\d+ .*(from|attempts)"),
        ("no literal", r"10\.\d+\.[0-7]\.1[0-9]5\b"),
    ]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("directory", nargs="?", type=pathlib.Path)
    options.add_argument("--runs", type=int, default=3)
    options = options.parse_args()
    directory = options.directory or pathlib.Path(os.environ.get("LB_BENCH_DIR", ROOT / "build/bench-grep"))
    if options.directory is None and not directory.exists():
        make(directory)
    files = sorted(str(p) for p in directory.rglob("*.zst"))
    rg = shutil.which("rg")
    print(f"{len(files)} files, {sum(map(os.path.getsize, files)) / 2**20:.0f} MiB packed; wall seconds (CPU seconds), "
          "and how many times logboom's")
    print(f"{'query':17} {'lines':>8} {'logboom':>15} {'--no-index':>15} {'zstdcat|grep':>15} {'ratio':>13} "
          f"{'rg -z':>15} {'ratio':>13}")
    missed = []
    for name, pattern in queries_of(files):
        flag = "-F" if re.fullmatch(r'[\w":-]*', pattern) else "-P"
        tools = [[BIN, "grep", "-c", "-e", pattern, str(directory)],
                 [BIN, "grep", "--no-index", "-c", "-e", pattern, str(directory)],
                 f"zstdcat {' '.join(files)} | grep -c {flag} -e '{pattern}'",
                 [rg or "rg", "-zc", "--no-ignore", "-g", "*.zst", "-e", pattern, str(directory)]]
        results = [best(tool, options.runs) for tool in tools[:4 if rg else 3]]
        assert len({lines for *_, lines in results}) == 1, (name, results)
        own = results[0]
        row = f"{name:17} {own[2]:8}"
        for i, (wall, cpu, _) in enumerate(results):
            row += f" {wall:7.4f} ({cpu:5.3f})" if i < 2 else f" {wall:7.3f} ({cpu:5.2f})"
            row += f" {wall / own[0]:5.1f} ({cpu / own[1]:5.1f})" if i >= 2 else ""
        print(row)
        for (wall, *_), goal in zip(results[2:], GOALS.get(name, ())):
            if goal and wall / own[0] < goal:
                missed.append(f"{name}: {wall / own[0]:.1f} times by wall time; the goal is {goal}")
    for line in missed:
        print("missed:", line)


if __name__ == "__main__":
    main()
