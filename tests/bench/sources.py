#!/usr/bin/env python3
"""make bench: what each source costs. One logboom with that source and one file behind it, measured when it is warm.

  lines/s   from the first byte that is sent until the last record is in the file; the sender is on the same machine
  µs        CPU of the process for a record: source, parsers (as the source has them by default) and sink
  allocs    of logboom's own code for a record; mallocs: of the whole process, libraries included

usage: sources.py [--lines N] [--only syslog-udp,http,…] [--json]
"""
import argparse
import json
import mmap
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

import harness  # noqa: E402
from harness import Logboom, free_port, make_certificate, wait_for  # noqa: E402

LOAD = ROOT / "build/release/tests/bench/load"
MALLOCS = ROOT / "build/release/tests/faults/mallocs.so"
WARM = 30000  # records before anything is measured

CONFIG = """
    commit_every: 1s
    sources:
      bench: {source}
    routes: [{{to: out}}]
    sinks:
      out: {{type: file, path: '{{dir}}/out.log', rotate: {{size: 64MiB}}, keep: {{at_least: 1s, size: 128MiB}}}}
"""
TEXT = "request handled without trouble in the usual way, as nearly all of them are"
SYSLOG = "<34>1 2026-03-01T10:00:00.123Z host01 payments 4242 ID7 - " + TEXT
JSON = '{"time":"2026-03-01T10:00:00.123Z","level":"info","service":"payments","msg":"' + TEXT + '","status":200}'


class NotHere(Exception):
    """A row that cannot be made, and why."""


# --- loads: `source` is its configuration, make(count) prepares, send() brings it in ----------------

class Files:
    name = "app.log"
    line = JSON
    source = "{{type: file, include: ['{dir}/app.log']}}"

    def __init__(self, directory):
        self.path = directory / self.name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self.source = type(self).source.format(dir=directory)

    def make(self, count):
        return (self.line + "\n") * count

    def send(self, data):
        with open(self.path, "a") as out:
            out.write(data)

    def close(self):
        pass


class Docker(Files):
    name = "containers/c1/c1-json.log"
    line = json.dumps({"log": JSON + "\n", "stream": "stdout", "time": "2026-03-01T10:00:00.123456789Z"}, separators=(",", ":"))
    source = "{{type: docker, include: ['{dir}/containers/*/*-json.log']}}"


class Cri(Files):
    name = "pods/shop_web-1_0a1b/web/0.log"
    line = "2026-03-01T10:00:00.123456789Z stdout F " + JSON
    source = "{{type: cri, include: ['{dir}/pods/*/*/*.log']}}"


class Stream:
    """A connection that is written to; what comes back is read and thrown away."""

    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        self.socket = None
        self.source = self.configure()

    def address(self):
        return f"tcp://127.0.0.1:{self.port}"

    def configure(self):
        return f"{{type: syslog, listen: ['{self.address()}']}}"

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))

    def make(self, count):
        return (SYSLOG + "\n").encode() * count

    def drain(self):
        try:
            while self.socket.recv(1 << 16):
                pass
        except (OSError, ValueError):
            pass

    def begin(self):
        threading.Thread(target=self.drain, daemon=True).start()

    def send(self, data):
        if self.socket is None:
            self.socket = self.connect()
            self.begin()
        self.socket.sendall(data)

    def close(self):
        if self.socket is not None:
            self.socket.close()


class Tls(Stream):
    def address(self):
        return f"tls://127.0.0.1:{self.port}"

    def configure(self):
        make_certificate(self.directory, "server", "/CN=bench")
        return f"{{type: syslog, listen: ['{self.address()}'], tls: {{cert: {self.directory}/server.pem, key: {self.directory}/server.key}}}}"

    def connect(self):
        context = ssl.create_default_context(cafile=self.directory / "server.pem")
        return context.wrap_socket(super().connect(), server_hostname="127.0.0.1")

    def begin(self):
        pass  # nothing comes back, and one ssl object is not for two threads


class Unix(Stream):
    def address(self):
        return f"unix://{self.directory}/log"

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(str(self.directory / "log"))
        return s


class Udp:
    sockets = 1
    rate = 60000  # the sender is on the same cores; what can be received at most says bench_udp

    def __init__(self, directory):
        self.port = free_port(socket.SOCK_DGRAM)
        self.source = f"{{type: syslog, listen: ['udp://127.0.0.1:{self.port}'], udp_sockets: {self.sockets}}}"

    def make(self, count):
        return count

    def send(self, count):
        subprocess.run([LOAD, "datagrams", str(count), "127.0.0.1", str(self.port), "32", str(self.rate)], check=True)

    def nudge(self):
        """What the kernel dropped is told with the next datagram of a socket."""
        for _ in range(8):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(SYSLOG.encode(), ("127.0.0.1", self.port))

    def close(self):
        pass


class TwoSockets(Udp):
    sockets = 2


class Gelf(Stream):
    def configure(self):
        return f"{{type: gelf, listen: ['{self.address()}']}}"

    def make(self, count):
        return (json.dumps({"version": "1.1", "host": "host01", "short_message": TEXT, "timestamp": 1772359200.123,
                            "level": 6, "_status": 200}) + "\0").encode() * count


class Http(Stream):
    batch = 2000

    def configure(self):
        return f"{{type: http, listen: ['{self.address()}']}}"

    def make(self, count):
        bodies = []
        for first in range(0, count, self.batch):
            body = (JSON + "\n").encode() * min(self.batch, count - first)
            bodies.append(b"POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n"
                          % len(body) + body)
        return bodies

    def begin(self):
        pass

    def send(self, data):
        for request in data:
            super().send(request)
            answer = self.socket.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200"), answer


class Forward(Stream):
    def configure(self):
        return f"{{type: forward, listen: ['{self.address()}']}}"

    def make(self, count):
        try:
            from forward_sender import event_time, packed
        except ImportError:
            raise NotHere("python3-msgpack is missing; tests/deps.sh") from None
        record = {"level": "info", "service": "payments", "message": TEXT, "status": 200}
        return b"".join(packed("app", [(event_time(1772359200, 123), record)] * min(1000, count - first))
                        for first in range(0, count, 1000))


class Relp(Stream):
    number = 1

    def configure(self):
        return f"{{type: relp, listen: ['{self.address()}']}}"

    def begin(self):
        self.socket.sendall(self.frame(1, b"open", b"relp_version=0\nrelp_software=bench\ncommands=syslog"))
        super().begin()

    @staticmethod
    def frame(number, command, data):
        return b"%d %s %d %s\n" % (number, command, len(data), data)

    def make(self, count):
        first, self.number = self.number + 1, self.number + count
        return b"".join(self.frame(n, b"syslog", SYSLOG.encode()) for n in range(first, first + count))


class Stdin:
    source = "{type: stdin}"

    def __init__(self, directory):
        self.read, self.write = os.pipe()

    def make(self, count):
        return (JSON + "\n").encode() * count

    def send(self, data):
        while data:
            data = data[os.write(self.write, data):]

    def close(self):
        os.close(self.write)
        os.close(self.read)


class Journald:
    def __init__(self, directory):
        from test_journald import REMOTE, Journal
        if not os.path.exists(REMOTE):
            raise NotHere("systemd-journal-remote is missing; tests/deps.sh")
        self.journal = Journal(directory / "journal" / "bench.journal")
        self.source = f"{{type: journald, path: '{directory}/journal'}}"

    def make(self, count):
        from test_journald import export
        first, self.journal.count = self.journal.count + 1, self.journal.count + count
        return b"".join(export(n, [("MESSAGE", TEXT), ("PRIORITY", 6), ("_SYSTEMD_UNIT", "shop.service")])
                        for n in range(first, first + count))

    def send(self, data):
        self.journal.writer.stdin.write(data)
        self.journal.writer.stdin.flush()

    def close(self):
        self.journal.close()


class Kafka:
    """A broker that is there: LB_KAFKA_BROKER=HOST:PORT, or the one that `tests/kafka.sh start` starts."""

    def __init__(self, directory):
        self.broker = os.environ.get("LB_KAFKA_BROKER", "127.0.0.1:19092")
        host, port = self.broker.rsplit(":", 1)
        if shutil.which("kcat") is None:
            raise NotHere("kcat is missing; tests/deps.sh")
        with socket.socket() as s:
            answers = s.connect_ex((host, int(port))) == 0
        # It may be something else that listens there.
        if not answers or subprocess.run(["kcat", "-L", "-b", self.broker, "-m", "20"], capture_output=True).returncode != 0:
            raise NotHere(f"no broker at {self.broker}: `tests/kafka.sh start`, or LB_KAFKA_BROKER=HOST:PORT")
        self.topic = f"bench-{os.getpid()}-{time.monotonic_ns()}"
        self.send(self.make(1))  # makes the topic
        self.first = 1
        self.source = f"{{type: kafka, brokers: ['{self.broker}'], topics: [{self.topic}]}}"

    def make(self, count):
        return (JSON + "\n").encode() * count

    def send(self, data):
        subprocess.run(["kcat", "-P", "-b", self.broker, "-t", self.topic, "-q"], input=data, check=True)

    def close(self):
        pass


ROWS = {"file": Files, "docker": Docker, "cri": Cri, "stdin": Stdin, "syslog-udp": Udp, "syslog-udp-2": TwoSockets,
        "syslog-tcp": Stream, "syslog-tls": Tls, "syslog-unix": Unix, "gelf": Gelf, "http": Http, "forward": Forward,
        "relp": Relp, "journald": Journald, "kafka": Kafka}
OTHERS = {name: "makes a few records a second by itself: there is no load to measure" for name in ("host", "probe", "internal")}


# --- measuring --------------------------------------------------------------------------------------

def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Counted:
    """A logboom whose allocations are counted; without the shim only its own."""

    def __init__(self, directory, source, stdin=None):
        self.daemon = Logboom(directory, CONFIG.format(source=source))
        self.shared = None
        counts = directory / "mallocs"
        if MALLOCS.exists():
            counts.write_bytes(bytes(8))
            with open(counts, "r+b") as file:
                self.shared = mmap.mmap(file.fileno(), 8)
            self.daemon.environment = {"LD_PRELOAD": str(MALLOCS), "LB_MALLOCS": str(counts)}
        with open(self.daemon.log_path, "ab") as log:
            self.daemon.process = subprocess.Popen(
                [harness.BIN, "run", "-c", str(self.daemon.config)], stderr=log, stdout=subprocess.DEVNULL,
                stdin=stdin if stdin is not None else subprocess.DEVNULL, env={**os.environ, **self.daemon.environment})
        self.daemon.ready()

    def wait(self, records, load, seconds=300):
        """Looks ever more rarely, for each look costs some allocations, too. Returns how many looks it took."""
        begin, looks, pause = time.monotonic(), 0, 0.05
        while True:
            there = self.daemon.metric("logboom_sink_records_total", sink="out") \
                + self.daemon.metric("logboom_syslog_kernel_dropped_total")
            looks += 2
            if there >= records:
                return looks
            waited = time.monotonic() - begin
            assert waited < seconds, f"{there:.0f} of {records} records came:\n{self.daemon.log()}"
            if waited > 2 and hasattr(load, "nudge"):
                load.nudge()
            time.sleep(pause)
            pause = min(pause * 1.3, 1)

    def state(self):
        """CPU seconds, own allocations, all allocations; one look at the metrics."""
        allocs = self.daemon.metric("logboom_allocations_total")
        mallocs = struct.unpack("Q", self.shared[:8])[0] if self.shared is not None else 0
        return cpu_seconds(self.daemon.process.pid), allocs, mallocs


def measure(name, lines, directory):
    """A row: lines_per_second, us, allocs, mallocs (None: not counted), lost. Raises NotHere."""
    load = ROWS[name](directory)
    counted = Counted(directory, load.source, getattr(load, "read", None))
    try:
        begun = getattr(load, "first", 0)
        warm, data = load.make(WARM), load.make(lines)
        load.send(warm)
        counted.wait(begun + WARM, load)
        counted.state()
        start = time.monotonic()
        look = counted.state()
        before = counted.state()
        load.send(data)
        looks = 1 + counted.wait(begun + WARM + lines, load)
        took = time.monotonic() - start
        after = counted.state()
        # What the looks cost is not the source's.
        cpu, allocs, mallocs = (a - b - (looks * (b - c) if i > 0 else 0)
                                for i, (a, b, c) in enumerate(zip(after, before, look)))
        return {"source": name, "lines_per_second": round(lines / took), "us": round(cpu / lines * 1e6, 2),
                "allocs": round(max(allocs, 0) / lines, 4),
                "mallocs": None if counted.shared is None else round(max(mallocs, 0) / lines, 4),
                "lost": int(counted.daemon.metric("logboom_syslog_kernel_dropped_total"))}
    finally:
        counted.daemon.kill()
        load.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=300000)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    for name in args.only.split(",") if args.only else [*ROWS, *OTHERS]:
        with tempfile.TemporaryDirectory(prefix="lb-bench-", dir=ROOT / "build") as directory:
            try:
                if name in OTHERS:
                    raise NotHere(OTHERS[name])
                rows.append(measure(name, args.lines, pathlib.Path(directory)))
            except NotHere as reason:
                rows.append({"source": name, "reason": str(reason)})
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    print(f"\n{'source':13} {'lines/s':>9} {'CPU µs':>7} {'allocs':>8} {'mallocs':>8} {'lost':>6}    each of a record; {args.lines} lines")
    for row in rows:
        if "reason" in row:
            print(f"{row['source']:13} n/a: {row['reason']}")
        else:
            print(f"{row['source']:13} {row['lines_per_second']:9} {row['us']:7.2f} {row['allocs']:8.4f} "
                  f"{'-' if row['mallocs'] is None else row['mallocs']:>8} {row['lost']:6}")
    return 1 if any(row.get("allocs", 0) > 0.1 for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
