#!/usr/bin/env python3
"""make bench-alerts: how soon people are told, and what rules cost.

  latency  from the write of the record that crosses a threshold into a tailed file to the bytes at a webhook, without
           group_wait, ALERTS (1000) times, while RATE (50000) lines a second flow through another source
  cost     CPU seconds of LINES (1000000) lines of the docker load (see peers.py) without and with RULES (200) rules,
           by turns, the median of RUNS (3), and their ratio; and with one rule by a key that is another one in each
           line: peak memory without and with it

usage: alerts.py [latency] [cost] [--alerts N] [--rate N] [--lines N] [--rules N] [--runs N]
"""
import argparse
import datetime
import multiprocessing
import os
import pathlib
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from peers import BIN, ROOT, free_port, make_data, read_file, wait_until

BLOCK = 0.01  # seconds of load that are written at once


def stamp():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


# --- latency -------------------------------------------------------------------

LATENCY = """
data_dir: {dir}/data
http: {{listen: '127.0.0.1:{port}'}}
sources:
  app: {{type: file, include: ['{dir}/app.log'], parse: json}}
  load: {{type: file, include: ['{dir}/load.log'], parse: json}}
routes: [{{to: archive}}]
sinks:
  archive: {{type: archive, path: '{dir}/archive/%Y-%m-%d.jsonl.zst'}}
  hook: {{type: webhook, url: 'http://127.0.0.1:{hook}/in'}}
alerting:
  routes: [{{to: hook}}]
  rules:
    logins: {{where: message == "failed", value: count(), over: 1h, by: ip, critical: at least 3}}
    errors: {{value: ratio(level >= error), over: 5m, by: service, critical: above 90%, min_count: 50}}
    slow: {{value: p95(duration_ms), over: 5m, by: service, critical: above 1h}}
"""


def write_load(path, rate, stop):
    """`rate` lines a second until told to stop, in blocks; says at the end how many there were and how long it took."""
    lines, began, count = int(rate * BLOCK), time.monotonic(), 0
    with open(path, "ab", buffering=0) as out:
        while not stop.is_set():
            now = stamp()
            out.write("".join(f'{{"timestamp":"{now}","level":"info","service":"s{i % 7}","message":"request handled in '
                              f'the usual way","duration_ms":{i % 90},"user":{i}}}\n' for i in range(lines)).encode())
            count += lines
            time.sleep(max(0.0, began + count / rate - time.monotonic()))
    print(f"load: {count / (time.monotonic() - began):.0f} lines/s written")


class Hook:
    """Notes when the first bytes of each request are there, and answers."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.parts = {}

    def _take(self, peer):
        """The whole requests of a peer: (time of their first bytes, body)."""
        data = peer.recv(1 << 20)
        now = time.monotonic()
        if not data:
            self.selector.unregister(peer)
            peer.close()
            return
        since, known = self.parts.pop(peer, (now, b""))
        known += data
        while b"\r\n\r\n" in known:
            head, rest = known.split(b"\r\n\r\n", 1)
            length = int(next(row.split(b":")[1] for row in head.split(b"\r\n") if row.lower().startswith(b"content-length")))
            if len(rest) < length:
                break
            yield since, rest[:length]
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            known, since = rest[length:], now
        if known:
            self.parts[peer] = (since, known)

    def wait(self, seconds):
        """What comes within that time: (time of the first bytes, body)."""
        for key, _ in self.selector.select(max(0.0, seconds)):
            if key.fileobj is self.listener:
                peer, _ = self.listener.accept()
                self.selector.register(peer, selectors.EVENT_READ)
            else:
                yield from self._take(key.fileobj)


def raise_alerts(path, hook, first, alerts):
    """Writes the records of one alert after the other; how long each took, in seconds."""
    took = []
    with open(path, "ab", buffering=0) as out:
        for i in range(first, first + alerts):
            text = "".join(f'{{"timestamp":"{stamp()}","message":"failed","ip":"10.{i >> 8}.{i & 255}.{n}"}}\n'
                           for n in (1, 1, 1))
            began = time.monotonic()
            out.write(text.encode())
            word = f"10.{i >> 8}.{i & 255}.1".encode()
            while len(took) == i - first:
                if time.monotonic() > began + 60:
                    sys.exit(f"alerts.py: alert {i} was not told within a minute")
                took += [at - began for at, body in hook.wait(1) if word in body]
            deadline = began + 0.02
            while time.monotonic() < deadline:
                list(hook.wait(deadline - time.monotonic()))
    return took


def latency(args):
    with tempfile.TemporaryDirectory(prefix="lb-bench-", dir=ROOT / "build") as name:
        directory, hook, port = pathlib.Path(name), Hook(), free_port()
        for each in ("app.log", "load.log"):
            (directory / each).touch()
        (directory / "lb.yaml").write_text(LATENCY.format(dir=directory, port=port, hook=hook.port))
        stop = multiprocessing.Event()
        load = multiprocessing.Process(target=write_load, args=(directory / "load.log", args.rate, stop))
        with open(directory / "stderr.log", "wb") as log:
            process = subprocess.Popen([BIN, "run", "-c", str(directory / "lb.yaml")], stdout=log, stderr=log)
        try:
            wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 20, "logboom listening")
            load.start()
            raise_alerts(directory / "app.log", hook, 0, 20)  # to warm up
            took = sorted(each * 1000 for each in raise_alerts(directory / "app.log", hook, 20, args.alerts))
        finally:
            stop.set()
            if load.is_alive():
                load.join()
            process.send_signal(signal.SIGTERM)
            process.wait()
    at = {f"p{each}": took[min(len(took) - 1, len(took) * each // 100)] for each in (50, 90, 99)}
    print(f"latency: {len(took)} alerts at {args.rate} lines/s: "
          + ", ".join(f"{name}={value:.1f}ms" for name, value in at.items()) + f", max={took[-1]:.1f}ms "
          f"(load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")


# --- cost ----------------------------------------------------------------------

COST = """
data_dir: {dir}/data
sources:
  containers: {{type: docker, include: ['{data}']}}
routes:
  - {{where: 'level >= warn', to: problems}}
  - {{to: archive}}
sinks:
  archive: {{type: archive, path: '{dir}/archive/{{service}}/%Y-%m-%d.jsonl.zst'}}
  problems: {{type: file, path: {dir}/problems.out, format: json}}
alerting:
  max_age: 3650d
  routes: [{{to: problems}}]
  rules:
"""

SERVICES = ["payments", "auth", "search", "checkout", "mailer"]


def rules_of(count):
    """As teams write them: most are of one service each, of which five are in the load and all others are not."""
    rules = []
    for i in range(count):
        service = SERVICES[i // 8] if i // 8 < len(SERVICES) else f"service{i // 8}"
        rules.append((
            f"{{where: service == {service}, value: ratio(level >= error), over: 5m, critical: above 90%, min_count: 50}}",
            f"{{where: service == {service} and level >= error, value: count(), over: 1m, critical: above 1000000}}",
            f"{{where: service == {service}, value: p95(duration_ms), over: 5m, critical: above 1h, min_count: 20}}",
            f"{{where: service == {service} and status >= 500, value: count(), over: 1m, high: above 1000000}}",
            f"{{where: event == {service}_failed, value: count(), over: 10m, by: client_ip, critical: at least 5}}",
            f"{{where: service == {service} and message contains 'number {i}', when: each, severity: low}}",
            f"{{where: service == {service} and has disk_free_pct, value: last(disk_free_pct), by: host, low: below 20%}}",
            f"{{where: 'message ~ \"(?i)connection (refused|reset) by {service}\"', value: count(), over: 1m, high: at least 5}}",
        )[i % 8])
    return "".join(f"    r{i}: {rule}\n" for i, rule in enumerate(rules))


MANY_KEYS = "    keys: {value: count(), over: 10m, by: request_id, critical: at least 50}\n"


def once(data, rules):
    """CPU seconds and peak memory (MiB) of one run."""
    with tempfile.TemporaryDirectory(prefix="lb-bench-", dir=ROOT / "build") as name:
        conf = pathlib.Path(name) / "lb.yaml"
        text = COST.format(dir=name, data=data)
        conf.write_text(text + rules if rules else text[:text.index("alerting:")])
        cpu, _, rss = read_file([BIN, "run", "-c", str(conf), "--exit-at-eof"], pathlib.Path(name))
        return cpu, rss


def cost(args):
    data = make_data("docker", args.lines)
    kinds = {"none": "", f"{args.rules} rules": rules_of(args.rules), "a key a line": MANY_KEYS}
    found = {kind: [] for kind in kinds}
    for _ in range(args.runs):
        for kind, rules in kinds.items():
            found[kind].append(once(data, rules))
    base = statistics.median(cpu for cpu, _ in found["none"])
    print(f"cost: {args.lines} lines of the docker load, median of {args.runs}")
    for kind, runs in found.items():
        cpu, rss = (statistics.median(each[i] for each in runs) for i in range(2))
        print(f"  {kind:12} CPU {cpu:6.2f} s  ratio {cpu / base:.2f}  peak {rss:6.1f} MiB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", nargs="*", default=[])
    for name, value in (("alerts", 1000), ("rate", 50000), ("lines", 1000000), ("rules", 200), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    for name, work in (("latency", latency), ("cost", cost)):
        if not args.work or name in args.work:
            work(args)


if __name__ == "__main__":
    main()
