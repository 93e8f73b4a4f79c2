#!/usr/bin/env python3
"""Runs the test programs of each build and the black-box tests, and prints the totals.

usage: run.py BUILD… [--integration] [--only PATTERN]
  BUILD          release, asan, tsan: every unit and property test below build/BUILD
  --integration  also pytest over tests/integration, against build/release/logboom
The last line is "N passed, N failed, N skipped". Exit 0 only if nothing failed and something passed.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[1]
UNIT_SECONDS = 300
OPTIONS = {
    "asan": {"ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1", "UBSAN_OPTIONS": "print_stacktrace=1"},
    "tsan": {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"},
}


def sources():
    for folder in ("core", "ingest", "parse", "route", "sinks", "conf", "cli"):
        yield from sorted((ROOT / folder).glob("*_test.c"))
    yield from sorted((ROOT / "tests/property").glob("*.c"))


def run_unit(build, source):
    """Returns (passed, failed, skipped) of one test program; a crash or a hang is one more failure."""
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
    print(f"{build:8} {source.relative_to(ROOT)!s:45} {passed:4} {word} {time.monotonic() - begin:6.1f} s", flush=True)
    if failed:
        print(output[:6000], flush=True)
        print(output[6000:][-3000:], flush=True)
    return passed, failed, skipped


def run_integration(only):
    report = ROOT / "build/pytest.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-x" if os.environ.get("LB_FAIL_FAST") else "-ra", "--durations=8",
               "-p", "no:cacheprovider", f"--junitxml={report}", "tests/integration"]
    if only:
        command += ["-k", only]
    code = subprocess.run(command, cwd=ROOT).returncode
    if not report.exists():
        return 0, 1, 0
    suite = xml.parse(report).getroot().find("testsuite")
    total, errors, failures, skipped = (int(suite.get(key)) for key in ("tests", "errors", "failures", "skipped"))
    failed = errors + failures
    return total - failed - skipped, failed or (code not in (0, 5)), skipped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("builds", nargs="*")
    parser.add_argument("--integration", action="store_true")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    results = []
    failures = []
    for build in args.builds:
        for source in sources():
            if args.only and args.only not in str(source):
                continue
            results.append(run_unit(build, source))
            if results[-1][1]:
                failures.append(f"{build} {source.relative_to(ROOT)}")
    if args.integration:
        results.append(run_integration(args.only))
        if results[-1][1]:
            failures.append(f"tests/integration: {results[-1][1]}")
    passed, failed, skipped = (sum(column) for column in zip(*results)) if results else (0, 1, 0)
    for failure in failures:  # again, where the end of a long log shows it
        print(f"FAILED {failure}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(0 if failed == 0 and passed > 0 else 1)


if __name__ == "__main__":
    main()
