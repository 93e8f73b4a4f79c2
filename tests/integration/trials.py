"""What the trials share that try to break "nothing lost, nothing doubled".

A Writer is a process of its own that never stops, so a kill of logboom comes in the middle of its lines by
construction, however fast or slow the machine is. A Prober reads the archives meanwhile as people do. Kafka is a real
broker where Apache's jars can be had, else librdkafka's mock cluster; it says which.
"""
import collections
import http.server
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

import zstandard

from harness import ROOT, archive_records, free_port, two_free_ports, wait_for

WRITER = pathlib.Path(__file__).with_name("writer.py")
PROGRAMS = ROOT / "build/release/tests/faults"

FILES = """
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
  problems: {{type: file, path: '{dir}/out/problems.out', format: json}}
"""


def program(name):
    """A helper in C from tests/faults, built if it is not."""
    path = PROGRAMS / name
    if not path.exists():
        subprocess.run(["make", "-s", "-C", str(ROOT), "fault-programs"], check=True)
    return str(path)


class Writer:
    def __init__(self, seed, **ways):
        """ways: the path of a log by the way in which it is rotated, e.g. rename=dir/"app.log"."""
        arguments = [f"{path}={way}" for way, path in ways.items()]
        self.rotations = {}
        self.process = subprocess.Popen([sys.executable, str(WRITER), str(seed), *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def rotate(self):
        """From now on: a log that was rotated away before logboom ever saw it is none of its own."""
        self.process.stdin.write("rotate\n")
        self.process.stdin.flush()

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


def first_run(daemon, writer):
    """Until both logs are followed; then the writer may rotate them."""
    daemon.start().ready()
    for source in ("app", "web"):
        wait_for(lambda: daemon.metric("logboom_tail_lines_total", source=source) > 0, 60, f"lines of {source}")
    daemon.kill()
    writer.rotate()


# --- the verdict -----------------------------------------------------------------------------------

def check_complete(records, written, what, step=1, once=True):
    """Every step-th line of each log is there; once, unless repeats are allowed. How many repeats there were."""
    repeats = 0
    for log, lines in written.items():
        counts = collections.Counter(r["seq"] for r in records if r["log"] == log)
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


def check_ids(rows, what):
    """rows of (id, record): a repeated record has the id that it had, and no other record has it."""
    record_of, id_of = {}, {}
    for key, record in rows:
        line = record["log"], record["seq"]
        assert key, f"{what}: {line} came without an id"
        assert record_of.setdefault(key, line) == line, f"{what}: the id {key} belongs to {record_of[key]} and {line}"
        assert id_of.setdefault(line, key) == key, f"{what}: {line} came as {id_of[line]} and as {key}"


def check_files(directory, written):
    """What FILES writes."""
    records = archive_records(directory / "archive")
    check_complete(records, written, "archive")
    check_order(records, "archive")
    # After a failed sync a file is given up, and goes on in another one.
    lines = [line for path in (directory / "out").glob("*.out") for line in path.read_text().splitlines()]
    check_complete([json.loads(line) for line in lines], written, "file sink", step=10)


# --- readers of archives ----------------------------------------------------------------------------

class Prober:
    """Reads the archives below a directory again and again, each time with another tool, until it is stopped.

    A restart takes back what was not committed, from under a reader who is just there: its next read must do. How
    often that happened is counted.
    """

    def __init__(self, directory, home, seed):
        self.directory, self.home = pathlib.Path(directory), home
        self.rng = random.Random(seed)
        self.faults = []
        self.reads = collections.Counter()
        self.ended = threading.Event()
        tools = {"zstdcat": self.zstdcat, "zstdgrep": self.zstdgrep, "rg": self.ripgrep, "bsdcat": self.bsdcat,
                 "lnav": self.lnav}
        self.tools = [read for tool, read in tools.items() if shutil.which(tool)] + [self.python]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.wait(0.02):
            files = sorted(self.directory.rglob("*.zst"))
            read = self.rng.choice(self.tools)
            if not files or (read == self.lnav and self.rng.random() < 0.8):
                continue
            if read != self.ripgrep:
                files = self.rng.sample(files, min(len(files), 3))
            if self.fault_of(read, files):
                fault = self.fault_again(read, files)
                if fault:
                    self.faults.append(f"{read.__name__}: {fault}"[:500])
                self.reads["again"] += 1

    def fault_again(self, read, files):
        """After 0.2 s it must do; on a busy machine the restart that mends a file may come later than that."""
        ended = time.monotonic() + 10
        while True:
            time.sleep(0.2)
            fault = self.fault_of(read, [path for path in files if path.exists()])
            if not fault or time.monotonic() > ended:
                return fault

    def fault_of(self, read, files):
        try:
            if files:
                read([str(path) for path in files])
            self.reads[read.__name__] += 1
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is a finding
            return repr(fault)
        return None

    def stop(self):
        self.ended.set()
        self.thread.join(60)
        assert not self.faults, f"{len(self.faults)} reads failed: {self.faults[:3]}"
        return dict(self.reads)

    def output(self, *command):
        done = subprocess.run(command, capture_output=True, timeout=120)
        assert done.returncode == 0 and not done.stderr, f"{command[:3]}: {done.returncode} {done.stderr[:300]}"
        return done.stdout

    def check_lines(self, text):
        """Whole lines only: what is cut in the middle of a file shows where a line begins or ends."""
        assert not text or text.endswith(b"\n"), f"the end of a line is missing: {text[-80:]!r}"
        for line in text.splitlines():
            assert line.startswith(b'{"timestamp":"') and line.endswith(b'"}'), f"half a line: {line[:200]!r}"

    def zstdcat(self, files):
        self.check_lines(self.output("zstdcat", *files))

    def bsdcat(self, files):
        self.check_lines(self.output("bsdcat", *files))

    def zstdgrep(self, files):
        self.check_lines(self.output("zstdgrep", "-h", '"timestamp"', *files))

    def ripgrep(self, files):
        self.check_lines(self.output("rg", "-z", "-I", "-N", '"timestamp"', *files))

    def python(self, files):
        for path in files:
            with open(path, "rb") as file:
                reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
                self.check_lines(b"".join(iter(lambda: reader.read(65536), b"")))

    def lnav(self, files):
        command = ["lnav", "-n", "-c", ":write-raw-to -", files[0]]
        environment = {**os.environ, "HOME": str(self.home), "TMPDIR": str(self.home)}
        done = subprocess.run(command, capture_output=True, timeout=120, env=environment)
        assert done.returncode == 0, f"{done.returncode} {done.stderr[:300]}"
        self.check_lines(done.stdout)


# --- receivers ---------------------------------------------------------------------------------------

class Hook:
    """A webhook receiver that keeps (id, record) of each POST, and refuses a few at random."""

    def __init__(self, seed, port=None, rows=None):
        self.rows = [] if rows is None else rows
        rng = random.Random(seed)
        rows = self.rows

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                refused = rng.random() < 0.02
                if not refused:
                    rows.append((self.headers["webhook-id"], json.loads(body)))
                self.send_response(503 if refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a peer that was killed

        # It may go and come back: meanwhile nobody else may be given its port.
        self.server = Server(("127.0.0.1", port or free_port()), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def kafka_rows(file):
    for line in file:
        if line.startswith("Partition:"):
            headers, _, value = line.rstrip("\n").split("\t", 4)[2:]
            yield dict(header.split(":", 1) for header in headers.split(",")).get("logboom-id"), json.loads(value)


class RealKafka:
    kind = "a real Kafka broker"

    def __init__(self, directory):
        self.directory, self.port = directory, two_free_ports()  # the broker's, and its controller's
        self.address = f"127.0.0.1:{self.port}"

    def call(self, command, *words, **options):
        return subprocess.run([str(ROOT / "tests/kafka.sh"), command, str(self.directory), str(self.port), *words],
                              **options)

    def start(self):
        """False where the broker cannot be had."""
        done = self.call("start", capture_output=True, text=True)
        assert done.returncode in (0, 3), f"{done.returncode} {done.stderr[-2000:]}"
        return done.returncode == 0

    def rows(self, topic, lines):
        """All messages of a topic."""
        del lines
        with open(self.directory / "consumed", "w+") as file:
            self.call("consume", topic, check=True, stdout=file)
            file.seek(0)
            return list(kafka_rows(file))

    def close(self):
        self.call("kill")


class MockKafka:
    kind = "librdkafka's mock cluster, for want of a real broker"

    def __init__(self, directory):
        self.path = directory / "mock"
        with open(self.path, "w") as out:
            self.process = subprocess.Popen([program("kafka_mock")], stdin=subprocess.PIPE, stdout=out,
                                            stderr=subprocess.DEVNULL)
        self.address = wait_for(lambda: self.path.read_text().partition("\n")[1] and self.path.read_text().split()[0],
                                30, "the mock cluster's address")

    def rows(self, topic, lines):
        del topic  # it has only one
        rows, grown = [], time.monotonic()
        while len({key for key, _ in rows}) < lines and time.monotonic() - grown < 30:
            time.sleep(0.5)
            with open(self.path) as file:
                text = file.read()
            before, rows = len(rows), list(kafka_rows(text[:text.rfind("\n")].splitlines()))
            grown = time.monotonic() if len(rows) > before else grown
        return rows

    def close(self):
        self.process.kill()
        self.process.wait()
