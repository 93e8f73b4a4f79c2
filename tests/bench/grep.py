#!/usr/bin/python3
"""logboom grep beside `zstdcat | grep` and `rg -z`: the same archive, the same queries, one run; prints ratios.

Makes the archive on its first run (LB_BENCH_MB of text, 1100 unless set, one file per service, 1 MiB frames, an index
beside each) in LB_BENCH_DIR (build/bench-grep), or takes the directory that is named. Every tool must count the same
lines. Warm cache; the best of --runs. Ratios are what counts: other work on the machine makes times longer.
"""
import argparse
import concurrent.futures
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("LB_BIN", str(ROOT / "build/release/logboom"))
SERVICES = ["shop", "web", "auth", "payments", "storage", "scheduler"]
LEVELS = ["info"] * 70 + ["debug"] * 18 + ["warn"] * 9 + ["error"] * 3
GOALS = {"id": (50, 30), "absent word": (50, 30), "unselective": (None, 1.5)}

TEMPLATES = [
    "connection from 10.{a}.{b}.{c} port {p} closed after {n} ms",
    "user=u{p} session opened, cache hit in {n} us",
    "GET /api/v1/orders/{p} status={s} duration_ms={n} peer=10.{a}.{b}.{c}",
    "block blk_{h} replicated to 10.{a}.{b}.{c}:{p}, {n} bytes",
    "request {h} took {n} ms, state changed to READY",
    "worker {c} entered error state, retry {n} of {p}",
    "disk sda{c}: queue depth {n}, latency {p} us",
    "upstream timed out ({p}: Connection refused) while reading 10.{a}.{b}.{c}",
    "job nightly-{c} finished, {n} rows, checksum {h}",
    "login failed for user=u{p} from 10.{a}.{b}.{c}: bad password",
]


def text_of(service, size, seed):
    """Lines as an archive sink writes them, about `size` bytes, 1 MiB at a time."""
    rng = random.Random(seed)
    now = 1767225600.0
    number = 0
    while size > 0:
        lines, length = [], 0
        while length < 1024 * 1024 - 2048:
            now += 0.002
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) if number % 100 == 0 else stamp
            message = TEMPLATES[min(int(rng.expovariate(0.45)), 9)].format(
                a=rng.randrange(4), b=rng.randrange(8), c=rng.randrange(200), p=rng.randrange(1024, 9999),
                n=rng.randrange(5000), s=rng.choice((200, 200, 200, 304, 404, 500)), h="%016x" % rng.getrandbits(64))
            trace = ',"trace_id":"%016x"' % rng.getrandbits(64) if number % 4 == 0 else ""
            lines.append('{"timestamp":"%s.%06dZ","level":"%s","service":"%s","host":"h%d","message":"%s"%s}\n' % (
                stamp, number % 1000000, LEVELS[rng.randrange(100)], service, number % 7, message, trace))
            length += len(lines[-1])
            number += 1
        size -= length
        yield "".join(lines).encode()


def frame(data):
    return subprocess.run(["zstd", "-9qc", f"--stream-size={len(data)}"], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def make(directory, megabytes):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for i, service in enumerate(SERVICES):
            path = directory / service / "2026-01-01.jsonl.zst"
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as out:
                for packed in pool.map(frame, text_of(service, megabytes * 10**6 // len(SERVICES), i)):
                    out.write(packed)
            subprocess.run([BIN, "index", path], check=True, stdout=subprocess.DEVNULL)
    (directory / ".made").touch()


def best(command, runs):
    times, output = [], None
    for _ in range(runs):
        begun = time.perf_counter()
        done = subprocess.run(command, shell=isinstance(command, str), stdout=subprocess.PIPE,
                              env={**os.environ, "LC_ALL": "C"})
        times.append(time.perf_counter() - begun)
        output = done.stdout.decode()
    return min(times), sum(int(line.rsplit(":", 1)[-1]) for line in output.split())


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("directory", nargs="?", type=pathlib.Path)
    options.add_argument("--runs", type=int, default=3)
    options = options.parse_args()
    directory = options.directory or pathlib.Path(os.environ.get("LB_BENCH_DIR", ROOT / "build/bench-grep"))
    if options.directory is None and not (directory / ".made").exists():
        print(f"making {directory} …", file=sys.stderr)
        make(directory, int(os.environ.get("LB_BENCH_MB", "1100")))
    files = sorted(str(p) for p in directory.rglob("*.zst"))
    sample = subprocess.run(f"zstdcat {files[0]} | tail -n 5000 | grep -om1 'trace_id\":\"[0-9a-f]*'", shell=True,
                            stdout=subprocess.PIPE).stdout.decode().strip().rsplit('"', 1)[-1]
    queries = [
        ("id", sample),
        ("id prefix", sample[:13]),
        ("absent word", "zzqxnotthere"),
        ("unselective", "error state"),
        ("case-insensitive", "(?i)ERROR STATE"),
        ("alternation", "timed out|bad password|READY"),
        ("literal inside", r"user=u\d+ .*failed|failed for user=u12\d\d "),
        ("no literal", r"10\.\d+\.[0-7]\.1[0-9]5\b"),
    ]
    total = sum(os.path.getsize(f) for f in files)
    print(f"{len(files)} files, {total / 2**20:.0f} MiB packed, best of {options.runs}; seconds, and how many times "
          "logboom's")
    print(f"{'query':18} {'lines':>9} {'logboom':>9} {'no index':>9} {'zstdcat|grep':>13} {'ratio':>7} {'rg -z':>7} "
          f"{'ratio':>7}")
    missed = []
    for name, pattern in queries:
        flag = "-P" if "\\" in pattern or "|" in pattern or "(" in pattern else "-F"
        tools = [[BIN, "grep", "-c", "-e", pattern, str(directory)],
                 [BIN, "grep", "--no-index", "-c", "-e", pattern, str(directory)],
                 f"zstdcat {' '.join(files)} | grep -c {flag} -e '{pattern}'"]
        if shutil.which("rg"):
            tools.append(["rg", "-zc", "--no-ignore", "-g", "*.zst", "-e", pattern, str(directory)])
        results = [best(tool, options.runs) for tool in tools]
        assert len({lines for _, lines in results}) == 1, (name, results)
        (own, lines), (scan, _), (grep, _) = results[:3]
        rg = results[3][0] if len(results) > 3 else float("nan")
        print(f"{name:18} {lines:9} {own:9.4f} {scan:9.4f} {grep:13.3f} {grep / own:7.1f} {rg:7.3f} {rg / own:7.1f}")
        goals = GOALS.get(name, (None, None))
        missed += [f"{name}: {ratio:.1f} times, the goal is {goal}"
                   for ratio, goal in zip((grep / own, rg / own), goals) if goal and ratio < goal]
    for line in missed:
        print("missed:", line)


if __name__ == "__main__":
    main()
