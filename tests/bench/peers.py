#!/usr/bin/env python3
"""make bench, make bench-peers: CPU seconds, wall seconds and peak memory of logboom and its peers.

Every program does the same work on the same bytes in the same run; each figure is the median of RUNS (3).
The times are of the whole process (getrusage of the child), start and end included.

  syslog   RFC 5424 messages over one TCP connection, fields parsed, JSON lines into two files by service
  docker   a Docker json-file, JSON inside JSON, by level and service into a live zstd archive
  access   an access log, regular expression with named groups, JSON lines into two files

usage: peers.py [--lines N] [--runs N] [--only logboom,rsyslog,…] [--work syslog,…] [--json]
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("LB_BIN", str(ROOT / "build/release/logboom"))
LOAD = ROOT / "build/release/tests/bench/load"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class PeakMemory(threading.Thread):
    """Reads VmHWM of a process until it ends. ru_maxrss would count this script's own memory before exec."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.mib = pid, 0.0
        self.start()

    def run(self):
        while True:
            try:
                with open(f"/proc/{self.pid}/status") as status:
                    found = [line for line in status if line.startswith("VmHWM:")]
            except OSError:
                return
            if not found:
                return
            self.mib = max(self.mib, int(found[0].split()[1]) / 1024)
            time.sleep(0.02)


def finish(process, peak):
    """Waits for the child and returns (exit status, CPU seconds, peak RSS in MiB)."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak.join()
    return process.returncode, usage.ru_utime + usage.ru_stime, peak.mib


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"peers.py: {what} did not happen within {seconds} s")
        time.sleep(0.02)


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def count_lines(paths):
    total = 0
    for path in paths:
        if path.exists():
            total += int(subprocess.check_output(["wc", "-l", str(path)]).split()[0])
    return total


def settled(directory, lines):
    """True when the two output files hold every line; looks at sizes first, since counting costs the same cores."""
    paths = [directory / "auth.out", directory / "rest.out"]
    size = sum(path.stat().st_size for path in paths if path.exists())
    known = getattr(settled, "size", -1)
    settled.size = size
    return size == known and size > 0 and count_lines(paths) >= lines


def serve_syslog(command, directory, port, data, lines):
    """Starts a receiver, sends it everything over TCP, waits until all is in its files, ends it."""
    with open(directory / "stderr.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    peak = PeakMemory(process.pid)
    wait_until(lambda: listening(port), 20, f"{command[0]} listening on {port}")
    begin = time.monotonic()
    subprocess.run([str(LOAD), "send", str(data), "127.0.0.1", str(port)], check=False)
    wait_until(lambda: settled(directory, lines), 120, f"{command[0]} writing {lines} lines")
    wall = time.monotonic() - begin
    process.send_signal(signal.SIGTERM)
    _, cpu, rss = finish(process, peak)
    return cpu, wall, rss, count_lines([directory / "auth.out", directory / "rest.out"])


def read_file(command, directory):
    begin = time.monotonic()
    with open(directory / "stderr.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    code, cpu, rss = finish(process, PeakMemory(process.pid))
    if code != 0:
        sys.exit(f"peers.py: {command} ended with {code}:\n{(directory / 'stderr.log').read_text()}")
    return cpu, time.monotonic() - begin, rss


# --- logboom ---------------------------------------------------------------------

TWO_FILES = """
routes:
  - {{where: 'service == "auth"', to: auth, stop: true}}
  - {{to: rest}}
sinks:
  auth: {{type: file, path: {dir}/auth.out, format: json}}
  rest: {{type: file, path: {dir}/rest.out, format: json}}
"""


def logboom_syslog(directory, data, lines):
    port = free_port()
    conf = directory / "lb.yaml"
    conf.write_text(f"data_dir: {directory}/data\nsources:\n  net: {{type: syslog, listen: ['tcp://127.0.0.1:{port}']}}\n"
                    + TWO_FILES.format(dir=directory))
    return serve_syslog([BIN, "run", "-c", str(conf)], directory, port, data, lines)


def logboom_docker(directory, data, lines):
    conf = directory / "lb.yaml"
    conf.write_text(f"""data_dir: {directory}/data
sources:
  containers: {{type: docker, include: ['{data}']}}
routes:
  - {{where: 'level >= warn', to: problems}}
  - {{to: archive}}
sinks:
  archive: {{type: archive, path: '{directory}/archive/{{service}}/%Y-%m-%d.jsonl.zst'}}
  problems: {{type: file, path: {directory}/problems.out, format: json}}
""")
    cpu, wall, rss = read_file([BIN, "run", "-c", str(conf), "--exit-at-eof"], directory)
    raw = subprocess.run(f"find {directory}/archive -name '*.zst' | xargs zstd -dcq | wc -l", shell=True,
                         capture_output=True, check=True)
    return cpu, wall, rss, int(raw.stdout)


ACCESS = (r"^(?<client_ip>\S+) \S+ \S+ \[(?<timestamp>[^\]]+)\] \"(?<method>\S+) (?<path>\S+) [^\"]*\" (?<status>\d+) "
          r"(?<bytes>\d+) \"(?<referrer>[^\"]*)\" \"(?<user_agent>[^\"]*)\"$")


def logboom_access(directory, data, lines):
    conf = directory / "lb.yaml"
    pattern = ACCESS.replace('\\"', '"').replace("'", "''")
    conf.write_text(f"""data_dir: {directory}/data
sources:
  web: {{type: file, include: ['{data}'], parse: access, service: web}}
parsers:
  access:
    type: regex
    pattern: '{pattern}'
    timestamp: {{format: '%d/%b/%Y:%H:%M:%S %z'}}
    types: {{status: int, bytes: int}}
routes:
  - {{where: 'status >= 500', to: auth, stop: true}}
  - {{to: rest}}
sinks:
  auth: {{type: file, path: {directory}/auth.out, format: json}}
  rest: {{type: file, path: {directory}/rest.out, format: json}}
""")
    cpu, wall, rss = read_file([BIN, "run", "-c", str(conf), "--exit-at-eof"], directory)
    return cpu, wall, rss, count_lines([directory / "auth.out", directory / "rest.out"])


# --- peers -----------------------------------------------------------------------

def peer_program(name):
    found = shutil.which(name)
    if found:
        return found
    unpacked = ROOT / "build/peers/bin" / name
    return str(unpacked) if unpacked.exists() else None


def rsyslog_syslog(directory, data, lines):
    port = free_port()
    conf = directory / "rsyslog.conf"
    conf.write_text(f"""global(workDirectory="{directory}" maxMessageSize="64k")
module(load="imtcp")
template(name="json" type="list" option.jsonf="on") {{
  property(outname="timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="facility" name="syslogfacility-text" format="jsonf")
  property(outname="service" name="app-name" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="pid" name="procid" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="structured_data" name="structured-data" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
input(type="imtcp" port="{port}" address="127.0.0.1")
if $app-name == "auth" then {{ action(type="omfile" file="{directory}/auth.out" template="json") stop }}
action(type="omfile" file="{directory}/rest.out" template="json")
""")
    command = [peer_program("rsyslogd"), "-n", "-f", str(conf), "-i", str(directory / "pid")]
    return serve_syslog(command, directory, port, data, lines)


def syslog_ng_syslog(directory, data, lines):
    port = free_port()
    conf = directory / "syslog-ng.conf"
    conf.write_text(f"""@version: 3.38
options {{ use-dns(no); keep-hostname(yes); flush-lines(1000); log-fifo-size(200000); stats-freq(0); }};
source s {{ network(transport(tcp) ip(127.0.0.1) port({port}) flags(syslog-protocol) log-iw-size(100000) log-fetch-limit(1000)); }};
template t {{ template("{{\\"timestamp\\":\\"$ISODATE\\",\\"level\\":\\"$LEVEL\\",\\"facility\\":\\"$FACILITY\\",\\"service\\":\\"$PROGRAM\\",\\"host\\":\\"$HOST\\",\\"pid\\":\\"$PID\\",\\"msgid\\":\\"$MSGID\\",\\"structured_data\\":\\"$SDATA\\",\\"message\\":\\"$MESSAGE\\"}}\n"); template-escape(yes); }};
destination auth {{ file("{directory}/auth.out" template(t)); }};
destination rest {{ file("{directory}/rest.out" template(t)); }};
log {{ source(s); filter {{ program("auth" type(string)); }}; destination(auth); flags(final flow-control); }};
log {{ source(s); destination(rest); flags(flow-control); }};
""")
    command = [peer_program("syslog-ng"), "-F", "--no-caps", "-f", str(conf), "-R", str(directory / "persist"),
               "-c", str(directory / "control"), "-p", str(directory / "pid")]
    return serve_syslog(command, directory, port, data, lines)


def fluent_bit(directory, data, parser, extra):
    conf = directory / "fluent-bit.conf"
    (directory / "parsers.conf").write_text(extra)
    conf.write_text(f"""[SERVICE]
    flush 1
    parsers_file {directory}/parsers.conf
[INPUT]
    name tail
    path {data}
    read_from_head true
    exit_on_eof true
    parser {parser}
[OUTPUT]
    name file
    match *
    path {directory}
    file rest.out
""")
    cpu, wall, rss = read_file([shutil.which("fluent-bit"), "-q", "-c", str(conf)], directory)
    return cpu, wall, rss, count_lines([directory / "rest.out"])


def fluent_bit_docker(directory, data, lines):
    return fluent_bit(directory, data, "docker", "[PARSER]\n    name docker\n    format json\n    time_key time\n"
                      "    time_format %Y-%m-%dT%H:%M:%S.%L\n    decode_field_as json log\n")


def fluent_bit_access(directory, data, lines):
    return fluent_bit(directory, data, "access", "[PARSER]\n    name access\n    format regex\n    regex "
                      + ACCESS.replace('\\"', '"') + "\n    time_key timestamp\n    time_format %d/%b/%Y:%H:%M:%S %z\n")


WORKS = {
    "syslog": {"logboom": logboom_syslog, "rsyslogd": rsyslog_syslog, "syslog-ng": syslog_ng_syslog},
    "docker": {"logboom": logboom_docker, "fluent-bit": fluent_bit_docker},
    "access": {"logboom": logboom_access, "fluent-bit": fluent_bit_access},
}


def available(name):
    return name == "logboom" or peer_program(name) is not None


def measure(function, data, lines, runs):
    results = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="lb-bench-", dir=ROOT / "build") as directory:
            results.append(function(pathlib.Path(directory), data, lines))
    cpu, wall, rss = (statistics.median(r[i] for r in results) for i in range(3))
    return {"cpu": round(cpu, 3), "wall": round(wall, 3), "rss": round(rss, 1), "lines": min(r[3] for r in results)}


def make_data(work, lines):
    path = ROOT / "build" / f"load-{work}-{lines}"
    if not path.exists():
        with open(path, "wb") as out:
            subprocess.run([str(LOAD), work, str(lines)], stdout=out, check=True)
    subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)  # in the page cache for everybody
    return path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=1000000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--work", default="")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    only = set(filter(None, args.only.split(",")))
    rows = []
    for work, programs in WORKS.items():
        if args.work and work not in args.work.split(","):
            continue
        data = make_data(work, args.lines)
        for name, function in programs.items():
            if (only and name not in only) or not available(name):
                continue
            row = measure(function, data, args.lines, args.runs)
            rows.append({"work": work, "program": name, **row, "mb": data.stat().st_size // 1000000})
            print(f"{work} {name}: {row}", file=sys.stderr)
    reference = next((r["cpu"] for r in rows if r["work"] == "syslog" and r["program"] == "rsyslogd"), None)
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"\n{args.lines} lines, median of {args.runs}; ratio: CPU seconds against rsyslog's for syslog over TCP in this run")
    print(f"{'work':8} {'program':11} {'MB':>5} {'CPU s':>7} {'wall s':>7} {'RSS MiB':>8} {'lines':>9} {'ratio':>6}")
    for r in rows:
        ratio = f"{r['cpu'] / reference:.2f}" if reference else "-"
        print(f"{r['work']:8} {r['program']:11} {r['mb']:5} {r['cpu']:7.2f} {r['wall']:7.2f} {r['rss']:8.1f} {r['lines']:9} {ratio:>6}")
    short = [r for r in rows if r["lines"] != args.lines]
    if short:
        sys.exit(f"peers.py: not every line arrived: {short}")


if __name__ == "__main__":
    main()
