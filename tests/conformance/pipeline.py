"""Runs cases through the real binary: each case's bytes as one event of a file, and what became of it.

Cases that are read in the same way share a source, so that thousands of them need a few runs. Each case is one event, and
events of a file come out in their order; a field of an odd name says of which source a record is.
"""
import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("LB_BIN", str(ROOT / "build/release/logboom"))
MARK = "conformance source"
SETUPS_MAX = 200  # sources and parsers of one run; logboom takes 256


class Setup:
    """How a source reads: `parse` is a name, a list, or the options of a parser of its own; `options` go to the source.

    Cases of different `stream` are in different files.
    """

    def __init__(self, parse, kind="file", stream="", **options):
        self.parse, self.kind, self.stream, self.options = parse, kind, stream, options

    def key(self):
        return json.dumps([self.parse, self.kind, self.stream, self.options], sort_keys=True)


class Case:
    def __init__(self, name, data, setup, expect=None):
        self.name, self.data, self.setup, self.expect = name, data, setup, expect
        self.record = None
        self.refusal = None  # why its parser could not be made


def docker_line(data):
    """Bytes as one line of Docker's json-file, for events that hold line ends."""
    text = bytearray()
    for byte in data:
        text += b"\\u%04x" % byte if byte < 32 or byte in b'"\\' else bytes([byte])
    return b'{"log":"' + bytes(text) + b'\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n'


def event_bytes(case):
    if case.setup.kind == "docker":
        return docker_line(case.data)
    assert b"\n" not in case.data, f"{case.name}: a line end inside; use a docker setup"
    return case.data + b"\n"


def run(cases):
    """Fills case.records of all cases."""
    groups = {}
    for case in cases:
        groups.setdefault(case.setup.key(), []).append(case)
    keys = list(groups)
    for start in range(0, len(keys), SETUPS_MAX):
        run_groups([groups[key] for key in keys[start:start + SETUPS_MAX]])


def run_groups(groups):
    """Cases whose parser logboom refuses to make keep no record, but the reason as `refusal`."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="logboom-conformance-"))
    try:
        sources, parsers = {}, {}
        for number, cases in enumerate(groups):
            name = f"s{number}"
            sources[name], parser = source_of(name, directory, cases[0].setup)
            if parser is not None:
                parsers[f"p{number}"] = parser
                sources[name]["parse"] = f"p{number}"
            (directory / f"{name}.log").write_bytes(b"".join(event_bytes(case) for case in cases))
        leave_out_refused(directory, groups, sources, parsers)
        share_out([cases for number, cases in enumerate(groups) if f"s{number}" in sources],
                  run_config(directory, sources, parsers), list(sources))
    finally:
        shutil.rmtree(directory)


def leave_out_refused(directory, groups, sources, parsers):
    while parsers:
        names = list(parsers)
        write_config(directory, sources, parsers)
        done = subprocess.run([BIN, "check", "-c", str(directory / "logboom.yaml")], capture_output=True, text=True, timeout=120)
        faults = {int(line) - 2: said for line, said in re.findall(r"logboom\.yaml:(\d+):\d+: error: (.*)", done.stderr)}
        faults = {names[number]: said for number, said in faults.items() if 0 <= number < len(names)}
        if not faults:
            return
        for name, said in faults.items():
            for case in groups[int(name[1:])]:
                case.refusal = said
            del parsers[name], sources["s" + name[1:]]


def run_sources(directory, sources, parsers):
    """The records of each source, in their order."""
    found = {name: [] for name in sources}
    for source, name in zip(sources.values(), sources):
        source.setdefault("fields", {})[MARK] = name
    for record in run_config(directory, sources, parsers):
        found[record.pop(MARK)].append(record)
    return list(found.values())


def share_out(groups, records, names):
    found = {name: [] for name in names}
    for record in records:
        found[record.pop(MARK)].append(record)
    for cases, came in zip(groups, found.values()):
        if len(came) != len(cases):
            raise SystemExit(f"{len(cases)} events went into {cases[0].setup.key()}, {len(came)} records came out")
        for case, record in zip(cases, came):
            case.record = record


def source_of(name, directory, setup):
    source = {"type": setup.kind, "include": [str(directory / f"{name}.log")], "fields": {MARK: name}, **setup.options}
    if isinstance(setup.parse, dict):
        return source, setup.parse
    source["parse"] = setup.parse
    return source, None


def run_config(directory, sources, parsers, **sections):
    """Every record that a run over these sources writes."""
    write_config(directory, sources, parsers, **sections)
    done = subprocess.run([BIN, "run", "-c", str(directory / "logboom.yaml"), "--exit-at-eof"],
                          capture_output=True, timeout=300, env={**os.environ, "TZ": "UTC"})
    if done.returncode != 0:
        raise Refused(f"logboom ended with {done.returncode}: {done.stderr.decode(errors='replace')[-1000:]}")
    out = directory / "out.jsonl"
    if not out.exists():
        return []
    return [json.loads(line, object_pairs_hook=members) for line in out.read_bytes().split(b"\n")[:-1]]


def write_config(directory, sources, parsers, **sections):
    """The parsers stand one on a line, from the second line on, so that a fault tells which it is."""
    config = {"data_dir": str(directory / "data"), "sources": sources, "routes": [{"to": "out"}],
              "sinks": {"out": {"type": "file", "path": str(directory / "out.jsonl")}}, **sections}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(options)}" for name, options in parsers.items())
    (directory / "logboom.yaml").write_text('{"parsers": {\n' + lines + "\n}, " + json.dumps(config)[1:])


def members(pairs):
    """A name that comes twice has a list of what it stood for."""
    found = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: values if len(values) > 1 else values[0] for key, values in found.items()}


def rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def row_bytes(row, key="in"):
    if key + "_b64" in row:
        return base64.b64decode(row[key + "_b64"])
    value = row[key]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def setup_for(data, parse, **options):
    """A line is read from a plain file; what holds line ends, or is empty, comes as Docker's."""
    return Setup(parse, "docker" if b"\n" in data or not data else "file", **options)


def check_parser(parser):
    """What `logboom check` says against a parser's options; empty if nothing."""
    with tempfile.TemporaryDirectory(prefix="logboom-conformance-") as name:
        path = pathlib.Path(name) / "logboom.yaml"
        path.write_text(json.dumps({"data_dir": name + "/data", "sources": {"in": {"type": "stdin", "parse": "p"}},
                                    "parsers": {"p": parser}, "routes": [{"to": "out"}], "sinks": {"out": {"type": "stdout"}}}))
        done = subprocess.run([BIN, "check", "-c", str(path)], capture_output=True, timeout=60)
        return "" if done.returncode == 0 else done.stderr.decode(errors="replace")


def run_filters(data, filters):
    """The records of one event, unparsed, behind filters."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="logboom-conformance-"))
    try:
        case = Case("", data, Setup("none", "docker"))
        (directory / "s0.log").write_bytes(event_bytes(case))
        source, _ = source_of("s0", directory, case.setup)
        return run_config(directory, {"s0": source}, {}, filters=filters)
    finally:
        shutil.rmtree(directory)


class Running:
    """A logboom with one source that listens on `port`."""

    def __init__(self, source, port):
        self.port = port
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="logboom-conformance-"))
        text = json.dumps({"s0": source}).replace("{port}", str(port))
        self.http = free_port()
        write_config(self.directory, json.loads(text), {}, http={"listen": f"127.0.0.1:{self.http}"})
        self.log = open(self.directory / "log", "w+b")
        self.process = subprocess.Popen([BIN, "run", "-c", str(self.directory / "logboom.yaml")], stderr=self.log,
                                        stdout=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC"})
        self.wait_until_ready()

    def wait_until_ready(self):
        deadline = time.monotonic() + 20
        while True:
            if self.process.poll() is not None:
                self.log.seek(0)
                raise Refused(self.log.read().decode(errors="replace")[-500:])
            try:
                socket.create_connection(("127.0.0.1", self.http), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def wait_for(self, count, seconds=20):
        """Until so many records are written; gives up silently, as the caller counts."""
        deadline = time.monotonic() + seconds
        out = self.directory / "out.jsonl"
        while time.monotonic() < deadline and (not out.exists() or out.read_bytes().count(b"\n") < count):
            time.sleep(0.02)

    def finish(self):
        """Stops it, which delivers all that came, and returns the records."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        out = self.directory / "out.jsonl"
        lines = out.read_bytes().split(b"\n")[:-1] if out.exists() else []
        return [json.loads(line, object_pairs_hook=members) for line in lines]


class Refused(Exception):
    """logboom does not take this configuration."""


@contextlib.contextmanager
def running(source, kind=socket.SOCK_STREAM):
    daemon = Running(source, free_port(kind))
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
        daemon.log.close()
        shutil.rmtree(daemon.directory)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]
