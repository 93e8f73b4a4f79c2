#!/usr/bin/env python3
"""Runs the test programs of each build and the black-box tests side by side, and prints the totals.

usage: run.py BUILD… [--integration] [--only PATTERN]
  BUILD          release, asan, tsan: every unit and property test below build/BUILD
  --integration  also pytest over tests/integration, against build/release/logboom
LB_JOBS test programs run at once, and LB_WORKERS processes of pytest beside them: most of them wait most of the time.
The last line is "N passed, N failed, N skipped". Exit 0 only if nothing failed and something passed.
"""
import argparse
import concurrent.futures
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[1]
CORES = len(os.sched_getaffinity(0))
JOBS = int(os.environ.get("LB_JOBS", 0)) or CORES + 1
WORKERS = int(os.environ.get("LB_WORKERS", 0)) or 2 * CORES + 1
UNIT_SECONDS = 900  # which only a hang takes, even on one slow core with ThreadSanitizer
OPTIONS = {
    "asan": {"ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1", "UBSAN_OPTIONS": "print_stacktrace=1"},
    "tsan": {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"},
}
# What takes longest begins first, or all would wait for it in the end.
SLOW = ("sink_kafka_test", "prop_archive_index", "prop_ledger", "prop_journal", "sink_alertmanager_test", "prop_archive",
        "prop_tail", "sink_archive_test", "delivery_spool_test", "yaml_test", "prop_alert_measure", "probe_body_test")


def sources():
    for folder in ("core", "ingest", "parse", "route", "sinks", "conf", "cli"):
        yield from sorted((ROOT / folder).glob("*_test.c"))
    yield from sorted((ROOT / "tests/property").glob("*.c"))


def slow_first(job):
    name = job[1].stem
    return SLOW.index(name) if name in SLOW else len(SLOW)


def run_unit(build, source):
    """Returns (passed, failed, skipped) of one test program, and what it said; a crash or a hang is one more failure."""
    program = ROOT / "build" / build / source.relative_to(ROOT).with_suffix("")
    environment = {**os.environ, **OPTIONS.get(build, {}), "CMOCKA_MESSAGE_OUTPUT": "stdout"}
    begin = time.monotonic()
    try:
        done = subprocess.run([str(program)], cwd=ROOT, env=environment, timeout=UNIT_SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as hang:
        output, code = (hang.stdout or b"").decode(errors="replace") + f"\nno end within {UNIT_SECONDS} s", 1
    except OSError as error:
        output, code = str(error), 1
    started = len(re.findall(r"^\[ RUN +\]", output, re.M))
    passed = len(re.findall(r"^\[ +OK \]", output, re.M))
    skipped = len(re.findall(r"^\[  SKIPPED \] \S", output, re.M)) // 2 or len(re.findall(r"^\[  SKIPPED \]", output, re.M))
    failed = max(started - passed - skipped, 0)
    if code != 0 and failed == 0:
        failed = 1
    word = "ok" if failed == 0 else "FAILED"
    text = f"{build:8} {source.relative_to(ROOT)!s:45} {passed:4} {word} {time.monotonic() - begin:6.1f} s\n"
    if failed:
        text += output[:6000] + "\n" + output[6000:][-3000:] + "\n"
    sys.stdout.write(text)  # in one piece, for others write too
    sys.stdout.flush()
    said = [line for line in output.splitlines() if re.search(r"ERROR|FAILED|runtime error|WARNING: Thread|no end", line)]
    return (passed, failed, skipped), " | ".join(said)[:700]


def run_units(builds, only):
    """All of them; returns their results, and the names of those that failed."""
    jobs = sorted(((build, source) for build in builds for source in sources() if only in str(source)), key=slow_first)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        results = list(pool.map(lambda job: run_unit(*job), jobs))
    failures = [f"{build} {source.relative_to(ROOT)} {said}" for (build, source), (result, said) in zip(jobs, results) if result[1]]
    return [result for result, _ in results], failures


def why(problem):
    """Of a failure in pytest's report: what it says, and the line of the test."""
    place = re.findall(r"^\S+\.py:\d+", problem.text or "", re.M)
    return f"({place[-1] if place else '?'}) " + " | ".join((problem.get("message") or "").splitlines())[:700]


class Integration:
    """pytest beside the unit tests; what it prints is kept until they are done."""

    def __init__(self, only):
        self.report = ROOT / "build/pytest.xml"
        self.report.unlink(missing_ok=True)
        self.log = open(ROOT / "build/pytest.log", "w+b")
        self.begin = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "-x" if os.environ.get("LB_FAIL_FAST") else "-ra", "--durations=12",
                   "-p", "no:cacheprovider", f"--junitxml={self.report}", "tests/integration"]
        if importlib.util.find_spec("xdist") and WORKERS > 1:
            command += ["-n", str(WORKERS), "--dist", "loadgroup"]
        if only:
            command += ["-k", only]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT)

    def show(self):
        """Prints what came; returns when all has."""
        while True:
            ended = self.process.poll() is not None
            text = os.pread(self.log.fileno(), 1 << 20, self.log.tell())
            self.log.seek(len(text), os.SEEK_CUR)
            sys.stdout.buffer.write(text)
            sys.stdout.flush()
            if ended and not text:
                return
            if not text:
                time.sleep(0.2)

    def result(self):
        """(passed, failed, skipped), and the names of those that failed."""
        self.show()
        print(f"black-box tests: {time.monotonic() - self.begin:.0f} s", flush=True)
        if not self.report.exists():
            return (0, 1, 0), ["tests/integration: pytest wrote no report"]
        suite = xml.parse(self.report).getroot().find("testsuite")
        total, errors, failures, skipped = (int(suite.get(key)) for key in ("tests", "errors", "failures", "skipped"))
        failed = errors + failures
        names = [f"{case.get('classname')}::{case.get('name')} {why(problem)}" for case in suite.iter("testcase")
                 for problem in [*case.iter("failure"), *case.iter("error")][:1]]
        if failed == 0 and self.process.returncode not in (0, 5):
            return (total - skipped, 1, skipped), [f"tests/integration: pytest ended with {self.process.returncode}"]
        return (total - failed - skipped, failed, skipped), names


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("builds", nargs="*")
    parser.add_argument("--integration", action="store_true")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    begin = time.monotonic()
    integration = Integration(args.only) if args.integration else None
    results, failures = run_units(args.builds, args.only)
    if args.builds:
        print(f"unit and property tests: {time.monotonic() - begin:.0f} s", flush=True)
    if integration:
        result, names = integration.result()
        results.append(result)
        failures += names
    passed, failed, skipped = (sum(column) for column in zip(*results)) if results else (0, 1, 0)
    for failure in failures:  # again, where the end of a long log shows it
        print(f"FAILED {failure}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(0 if failed == 0 and passed > 0 else 1)


if __name__ == "__main__":
    main()
