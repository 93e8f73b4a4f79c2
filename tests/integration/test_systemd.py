"""What systemd sees: readiness, reloads, stops, pings that mean something, and sockets that outlive a restart.

The test plays systemd: it owns the notify socket, and passes sockets as LISTEN_FDS says.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from harness import BIN, ROOT, free_port, wait_for, whole_lines

CONFIG = """
sources:
  net: {{type: syslog, listen: ['udp://127.0.0.1:{port}', 'tcp://127.0.0.1:{port}']}}
routes:
  - {{to: out}}
sinks:
  out: {{type: file, path: '{dir}/out.jsonl', format: json, flush: 50ms}}
"""

# Puts the given descriptors at 3, 4 … and becomes the program.
PASS = """
import os, sys
names, fds, program = sys.argv[1], [int(fd) for fd in sys.argv[2].split(",") if fd], sys.argv[3:]
high = [os.dup(fd) for fd in fds]
while any(fd < 3 + len(fds) for fd in high):
    high = [os.dup(fd) for fd in high]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(program[0], program)
"""


class Systemd:
    """Starts logboom as a service manager would, and keeps all it was told."""

    def __init__(self, daemon, directory):
        self.daemon = daemon
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.messages = []

    def start(self, watchdog_us=None, sockets=(), names=""):
        environment = dict(os.environ, NOTIFY_SOCKET=self.path)
        if watchdog_us:
            environment["WATCHDOG_USEC"] = str(watchdog_us)
        fds = [s.fileno() for s in sockets]
        with open(self.daemon.log_path, "ab") as log:
            self.daemon.process = subprocess.Popen(
                [sys.executable, "-c", PASS, names, ",".join(map(str, fds)), BIN, "run", "-c", str(self.daemon.config)],
                stderr=log, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment, pass_fds=fds)
        wait_for(lambda: self.saw("READY=1"), 20, "READY=1")
        return self

    def read(self):
        while True:
            try:
                self.messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.messages

    def saw(self, text):
        return [m for m in self.read() if text in m.splitlines() or re.search(f"^{text}", m, re.M)]

    def forget(self):
        self.read()
        self.messages = []


@pytest.fixture
def systemd(logboom, tmp_path):
    return lambda config, **values: Systemd(
        logboom(config.format(**dict({"dir": tmp_path}, **values))), tmp_path)


def out(tmp_path):
    return [json.loads(line)["message"] for line in whole_lines(tmp_path / "out.jsonl")]


def test_ready_reloading_and_stopping_are_told(systemd, tmp_path):
    port = free_port()
    manager = systemd(CONFIG, port=port).start()
    # When it is said, everything is open.
    socket.create_connection(("127.0.0.1", port)).close()
    assert manager.saw("STATUS=1 sources, 1 sinks, 0 rules; configuration 1")
    assert not manager.saw("WATCHDOG=1"), "nobody watches"
    manager.forget()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.daemon.process.send_signal(signal.SIGHUP)
    reloading = wait_for(lambda: manager.saw("RELOADING=1"), 20, "RELOADING=1")[0]
    assert before <= int(re.search(r"MONOTONIC_USEC=(\d+)", reloading).group(1)) <= before + 60_000_000
    wait_for(lambda: manager.saw("READY=1"), 20, "READY=1 after the reload")
    assert manager.messages.index(reloading) < manager.messages.index(manager.saw("READY=1")[0])
    manager.forget()
    manager.daemon.config.write_text("nonsense: 1\n")
    manager.daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: manager.saw("READY=1"), 20, "READY=1 after a refused reload")
    assert manager.saw("STATUS=.*the last reload was refused")
    manager.forget()
    assert manager.daemon.stop() == 0
    stopping = manager.saw("STOPPING=1")[0]
    assert int(re.search(r"EXTEND_TIMEOUT_USEC=(\d+)", stopping).group(1)) == 40_000_000


def test_the_watchdog_is_told_while_all_stages_move(systemd, tmp_path):
    manager = systemd(CONFIG, port=free_port()).start(watchdog_us=400_000)
    wait_for(lambda: len(manager.saw("WATCHDOG=1")) >= 5, 20, "pings")
    assert manager.daemon.stop() == 0


def test_a_stuck_worker_stops_the_pings_and_cannot_stop_the_stop(systemd, tmp_path):
    config = CONFIG.replace("{port}']}}", "{port}'], parse: slow}}") + (
        "workers: 1\nshutdown_timeout: 1s\nparsers:\n"
        "  slow: {{type: regex, pattern: '^(?<x>(a|a|a)*)[bx]$', match_limit: 100000000}}\n")
    port = free_port()
    # It looks every 500 ms: a busy machine may not let a loop answer within less.
    manager = systemd(config, port=port).start(watchdog_us=2_000_000)
    wait_for(lambda: manager.saw("WATCHDOG=1"), 20, "a ping")
    with socket.create_connection(("127.0.0.1", port)) as tcp:
        tcp.sendall((b"<13>1 - h app - - - " + b"a" * 60 + b"c\n") * 400)
        wait_for(lambda: re.search("a stage does not move.* sockets=ok workers=stuck", manager.daemon.log()), 20, "it is told")
    manager.forget()
    # The loops answer all the while: with pings every 500 ms there would be some.
    looks = time.monotonic() + 1.5
    wait_for(lambda: time.monotonic() > looks, 5, "three looks")
    assert not manager.saw("WATCHDOG=1")
    began = time.monotonic()
    assert manager.daemon.stop() == 1
    assert time.monotonic() - began < 60, "all these lines take minutes"
    assert "did not end within shutdown_timeout" in manager.daemon.log()


def bound(kind, port=0):
    s = socket.socket(socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    if kind == socket.SOCK_STREAM:
        s.listen(16)
    return s


def test_a_restart_loses_no_datagram_and_refuses_no_connection(systemd, tmp_path):
    udp = bound(socket.SOCK_DGRAM)
    port = udp.getsockname()[1]
    tcp = bound(socket.SOCK_STREAM, port)
    manager = systemd(CONFIG, port=port).start(sockets=[udp, tcp])
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", port))
    sent = []

    def send(count):
        for _ in range(count):
            sent.append(f"m{len(sent)}")
            sender.send(f"<13>1 - h app - - - {sent[-1]}".encode())

    for _ in range(3):
        send(50)
        wait_for(lambda: len(out(tmp_path)) >= len(sent), 30, "datagrams while it runs")
        assert manager.daemon.stop() == 0
        send(50)  # nobody is there but the kernel
        with socket.create_connection(("127.0.0.1", port)) as early:
            sent.append(f"t{len(sent)}")
            early.sendall(f"<13>1 - h app - - - {sent[-1]}\n".encode())
        manager.forget()
        manager.start(sockets=[udp, tcp])
        wait_for(lambda: len(out(tmp_path)) >= len(sent), 30, "what waited in the kernel")
    assert sorted(out(tmp_path)) == sorted(sent)
    assert manager.daemon.stop() == 0


def test_a_socket_is_taken_by_name_and_survives_a_reload_that_removes_its_source(systemd, tmp_path):
    udp = bound(socket.SOCK_DGRAM)
    spare = bound(socket.SOCK_DGRAM)
    manager = systemd(CONFIG, port=free_port()).start(sockets=[udp, spare], names="net:spare")
    assert "name=spare" in manager.daemon.log() and "name=net" not in manager.daemon.log()
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(udp.getsockname())
    sender.send(b"<13>1 - h app - - - one")
    wait_for(lambda: out(tmp_path) == ["one"], 20, "a datagram")
    with_it = manager.daemon.config.read_text()
    (tmp_path / "other.log").touch()
    manager.daemon.config.write_text(re.sub(r"  net: .*", f"  other: {{type: file, include: ['{tmp_path}/other.log']}}", with_it))
    assert subprocess.run([BIN, "reload", "-c", str(manager.daemon.config)]).returncode == 0
    sender.send(b"<13>1 - h app - - - two")
    manager.daemon.config.write_text(with_it)
    again = subprocess.run([BIN, "reload", "-c", str(manager.daemon.config)], capture_output=True, text=True)
    assert again.returncode == 0 and "sources: 0 kept, 0 changed, 1 added, 1 removed" in again.stdout
    wait_for(lambda: out(tmp_path) == ["one", "two"], 20, "what came meanwhile")


def test_logboom_reload_says_what_came_of_it(systemd, tmp_path):
    manager = systemd(CONFIG, port=free_port()).start()
    good = manager.daemon.config.read_text()

    def reload():
        return subprocess.run([BIN, "reload", "-c", str(manager.daemon.config)], capture_output=True, text=True)

    assert "this is configuration 2" in reload().stdout
    manager.daemon.config.write_text(good + "sorces: 1\n")
    run = reload()
    assert run.returncode == 1 and "did you mean" in run.stderr
    manager.daemon.config.write_text(re.sub("data_dir: .*", f"data_dir: {tmp_path}/new", good))
    run = reload()
    assert run.returncode == 1 and "error: \"data_dir\" cannot be changed" in run.stdout
    manager.daemon.config.write_text(re.sub("http: .*", "", good))
    run = reload()
    assert run.returncode == 0 and f"process {manager.daemon.process.pid}" in run.stdout
    wait_for(lambda: "configuration 3" in "".join(manager.read()), 20, "the reload by signal")
    manager.daemon.config.write_text(good)
    assert manager.daemon.stop() == 0
    run = reload()
    assert run.returncode == 2 and "nobody runs" in run.stderr


def test_systemd_itself_passes_sockets(logboom, tmp_path):
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip("systemd-socket-activate is not installed")
    port = free_port(socket.SOCK_DGRAM)
    daemon = logboom(CONFIG.format(dir=tmp_path, port=port).replace(f", 'tcp://127.0.0.1:{port}'", ""))
    with open(daemon.log_path, "ab") as log:
        daemon.process = subprocess.Popen([program, "--datagram", f"--listen=127.0.0.1:{port}", BIN, "run", "-c",
                                           str(daemon.config)], stderr=log)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", port))

    def arrived():
        try:
            sender.send(b"<13>1 - h app - - - hello")
        except ConnectionRefusedError:
            pass  # it does not listen yet
        return "hello" in out(tmp_path)
    wait_for(arrived, 30, "a datagram through systemd's socket")
    assert daemon.stop() == 0


def test_units_are_valid(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in (ROOT / "conf/dist").glob("logboom*"):
        if unit.suffix in (".service", ".socket"):
            text = unit.read_text().replace("/usr/bin/logboom", str(pathlib.Path(BIN).resolve()))
            (tmp_path / unit.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    assert len(units) == 3
    check = subprocess.run([program, "verify", *units], capture_output=True, text=True)
    lines = [line for line in check.stderr.splitlines() if "logboom" in line]
    assert check.returncode == 0 and not lines, check.stderr
