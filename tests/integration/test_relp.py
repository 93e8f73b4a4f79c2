"""RELP: rsyslog's omrelp as the sender, the frames by hand, garbage, limits, reloads and kill -9."""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import archive_records, free_port, wait_for

CRASHES = int(os.environ.get("LB_CRASHES", "20"))
SEED = int(os.environ.get("LB_SEED", "1"))

CONFIG = """
    sources:
      net:
        type: relp
        listen: ['{scheme}://127.0.0.1:{port}']
        {more}
    routes: [{{to: out}}]
    sinks:
      out: {{type: file, path: '{{dir}}/out.jsonl', format: json}}
    commit_every: 200ms
"""


class Receiver:
    def __init__(self, make, more="", scheme="tcp"):
        self.port = free_port()
        self.daemon = make(CONFIG.format(port=self.port, more=more, scheme=scheme)).start().ready()
        self.out = self.daemon.dir / "out.jsonl"

    def records(self):
        if not self.out.exists():
            return []
        return [json.loads(line) for line in self.out.read_bytes().split(b"\n")[:-1]]

    def wait_for(self, count):
        wait_for(lambda: len(self.records()) >= count, what=f"{count} records")
        records = self.records()
        assert len(records) == count
        return records


class Client:
    """The protocol by hand."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.bytes = b""
        self.number = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def frame(self, command, data=b""):
        self.number += 1
        return self.number, b"%d %s %d%s\n" % (self.number, command, len(data), b" " + data if data else b"")

    def send(self, command, data=b""):
        number, frame = self.frame(command, data)
        self.socket.sendall(frame)
        return number

    def answer(self):
        """(number, command, data), or None at the end."""
        while True:
            match = re.match(rb"(\d+) ([a-z]+) (\d+)( |\n)", self.bytes)
            if match:
                length = int(match.group(3))
                start = match.end() if match.group(4) == b" " else match.end() - 1
                if len(self.bytes) > start + length:
                    data = self.bytes[start:start + length]
                    assert self.bytes[start + length:start + length + 1] == b"\n"
                    self.bytes = self.bytes[start + length + 1:]
                    return int(match.group(1)), match.group(2), data
            try:
                data = self.socket.recv(65536)
            except OSError:
                return None
            if not data:
                return None
            self.bytes += data

    def open(self):
        number = self.send(b"open", b"relp_version=0\nrelp_software=test\ncommands=syslog")
        answer = self.answer()
        assert answer[:2] == (number, b"rsp") and answer[2].startswith(b"200 ")
        assert b"relp_version=0" in answer[2] and b"commands=syslog" in answer[2]
        return self


@pytest.fixture
def receiver(logboom):
    return Receiver(logboom)


def test_messages_are_answered_in_order(receiver):
    with Client(receiver.port).open() as client:
        numbers = [client.send(b"syslog", b"<14>1 2026-01-01T00:00:00Z web1 app 7 - - message %d" % n) for n in range(500)]
        assert [client.answer() for _ in numbers] == [(n, b"rsp", b"200 OK") for n in numbers]
        closing = client.send(b"close")
        assert client.answer() == (closing, b"rsp", b"")
        assert client.answer() == (0, b"serverclose", b"")
        assert client.answer() is None
    records = receiver.wait_for(500)
    assert [r["message"] for r in records] == [f"message {n}" for n in range(500)]
    assert records[0]["host"] == "web1" and records[0]["service"] == "app" and records[0]["pid"] == "7"


def test_bytes_that_come_one_by_one_and_what_is_empty(receiver):
    with Client(receiver.port).open() as client:
        data = b"".join(client.frame(b"syslog", d)[1] for d in (b"<13>app: one", b"", b"<13>app: two\nlines\n"))
        for i in range(len(data)):
            client.socket.sendall(data[i:i + 1])
        assert [client.answer()[2] for _ in range(3)] == [b"200 OK"] * 3
    assert [r["message"] for r in receiver.wait_for(2)] == ["one", "two\nlines"]


def test_an_unknown_command_is_refused_and_the_session_goes_on(receiver):
    with Client(receiver.port).open() as client:
        number = client.send(b"starttls")
        answer = client.answer()
        assert answer[0] == number and answer[2].startswith(b"500 ")
        client.send(b"syslog", b"<13>app: still here")
        assert client.answer()[2] == b"200 OK"


@pytest.mark.parametrize("data", [b"1 syslog 3 <1>\n", b"x", b"GET / HTTP/1.1\r\n\r\n",
                                  pytest.param(random.Random(SEED).randbytes(3000), id="random"),
                                  b"1 open 3 abcd\n", b"9999999999 open 1 x\n", b"1 open 99999999999 x\n",
                                  b"1 " + b"a" * 64 + b" 1 x\n", b"1 open 14 relp_version=9\n"])
def test_garbage_closes_the_connection_and_nothing_else(receiver, data):
    with Client(receiver.port).open() as good:
        with Client(receiver.port) as client:
            client.socket.sendall(data)
            with contextlib.suppress(OSError):  # it may be closed by the other side already
                client.socket.shutdown(1)
            while client.answer() is not None:
                pass
        good.send(b"syslog", b"<13>app: good")
        assert good.answer()[2] == b"200 OK"
    assert receiver.wait_for(1)[0]["message"] == "good"


def test_a_long_message_is_cut_and_a_frame_over_max_message_refused(logboom):
    receiver = Receiver(logboom, more="max_line: 64KiB\n        max_message: 1MiB")
    with Client(receiver.port).open() as client:
        client.send(b"syslog", b"<13>app: " + b"x" * 200_000)
        assert client.answer()[2] == b"200 OK"
        client.send(b"syslog", b"<13>app: next")
        assert client.answer()[2] == b"200 OK"
        client.socket.sendall(b"9 syslog 2000000 x")
        assert client.answer() is None
    first, second = receiver.wait_for(2)
    assert first["truncated"] is True and len(first["message"]) == 65536 - len("<13>app: ")
    assert second["message"] == "next"
    assert "longer than max_message" in receiver.daemon.log()


@pytest.mark.parametrize("more", ["", "durable: true"])
def test_a_reload_keeps_the_port_and_the_connection(logboom, more):
    receiver = Receiver(logboom, more=more)
    with Client(receiver.port).open() as client:
        client.send(b"syslog", b"<13>app: before")
        assert client.answer()[2] == b"200 OK"
        receiver.daemon.write_config(CONFIG.format(port=receiver.port, scheme="tcp",
                                                   more="max_connections: 7\n        " + more))
        receiver.daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in receiver.daemon.log(), what="the reload")
        client.send(b"syslog", b"<13>app: after")
        assert client.answer()[2] == b"200 OK"
    assert [r["message"] for r in receiver.wait_for(2)] == ["before", "after"]


def sends_what_it_can(connection, data):
    with contextlib.suppress(OSError):
        connection.sendall(data)


def test_nothing_is_answered_while_the_disk_takes_nothing(logboom):
    """The bound is 1 MiB, and the sink has no place to write to: what is not answered is not on disk."""
    port = free_port()
    config = f"""
        sources:
          net: {{type: relp, listen: 'tcp://127.0.0.1:{port}', durable: {{max_size: 1MiB}}}}
        routes: [{{to: out}}]
        sinks:
          out: {{type: webhook, url: 'http://127.0.0.1:{free_port()}/', when_full: block}}
        commit_every: 200ms
    """
    daemon = logboom(config).start().ready()
    text = b"<13>app: " + b"x" * 10_000
    answered = 0

    def is_full():
        status = json.loads(daemon.get("/api/v1/status")[1])
        return next(c for c in status["components"] if c["kind"] == "source")["state"] == "failing"

    with Client(port).open() as client:
        frames = b"".join(client.frame(b"syslog", text)[1] for _ in range(400))
        threading.Thread(target=sends_what_it_can, args=(client.socket, frames), daemon=True).start()
        wait_for(is_full, what="a full journal")
        assert client.answer() is not None
        answered += 1
        client.socket.settimeout(1)
        while client.answer() is not None:
            answered += 1
    on_disk = sum(p.read_bytes().count(b"<13>app: x") for p in (daemon.dir / "data/intake/net").glob("*.seg"))
    assert 0 < answered < 400
    assert answered <= on_disk


# --- rsyslog ------------------------------------------------------------------------------


def has_omrelp():
    return shutil.which("rsyslogd") and any(os.path.exists(f"{d}/omrelp.so") for d in (
        "/usr/lib/x86_64-linux-gnu/rsyslog", "/usr/lib/aarch64-linux-gnu/rsyslog", "/usr/lib64/rsyslog"))


needs_rsyslog = pytest.mark.skipif(not has_omrelp(), reason="rsyslog-relp is not installed")

RSYSLOG = """
global(workDirectory="{dir}")
module(load="imfile")
module(load="omrelp")
input(type="imfile" file="{dir}/in.log" tag="app" reopenOnTruncate="on")
action(type="omrelp" target="127.0.0.1" port="{port}" template="RSYSLOG_SyslogProtocol23Format"
       action.resumeRetryCount="-1" action.resumeInterval="1" conn.timeout="5"
       queue.type="LinkedList" queue.size="200000" queue.saveOnShutdown="on" queue.filename="relp" {tls})
"""


class Rsyslog:
    def __init__(self, directory, port, tls=""):
        directory.mkdir()
        self.input = directory / "in.log"
        self.input.touch()
        config = directory / "rsyslog.conf"
        config.write_text(RSYSLOG.format(dir=directory, port=port, tls=tls))
        self.log = open(directory / "rsyslog.err", "wb")
        self.process = subprocess.Popen(["rsyslogd", "-n", "-f", config, "-i", directory / "pid"], stdout=self.log,
                                        stderr=self.log)

    def write(self, lines):
        with open(self.input, "a") as out:
            out.write("".join(line + "\n" for line in lines))

    def end(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


@needs_rsyslog
def test_rsyslog_delivers(receiver, tmp_path):
    rsyslog = Rsyslog(tmp_path / "rsyslog", receiver.port)
    try:
        rsyslog.write(f"line {n}" for n in range(2000))
        records = receiver.wait_for(2000)
    finally:
        rsyslog.end()
    assert [r["message"] for r in records] == [f"line {n}" for n in range(2000)]
    assert {r["service"] for r in records} == {"app"}


@needs_rsyslog
def test_rsyslog_delivers_over_tls_with_its_certificate(logboom, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True,
                   capture_output=True)
    receiver = Receiver(logboom, f"tls: {{cert: {cert}, key: {key}, ca: {cert}, verify_client: true}}", scheme="tls")
    stranger = Rsyslog(tmp_path / "stranger", receiver.port)
    rsyslog = Rsyslog(tmp_path / "rsyslog", receiver.port, tls=f'tls="on" tls.caCert="{cert}" tls.myCert="{cert}" '
                      f'tls.myPrivKey="{key}" tls.authMode="name" tls.permittedPeer=["127.0.0.1"]')
    try:
        stranger.write(["not encrypted"])
        rsyslog.write(f"line {n}" for n in range(2000))
        records = receiver.wait_for(2000)
        wait_for(lambda: "a connection broke" in receiver.daemon.log(), what="the stranger's end")
    finally:
        rsyslog.end()
        stranger.end()
    assert [r["message"] for r in records] == [f"line {n}" for n in range(2000)]


ARCHIVE = """
commit_every: 300ms
sources:
  net: {{type: relp, listen: 'tcp://127.0.0.1:{port}', durable: true}}
routes: [{{to: archive}}]
sinks:
  archive: {{type: archive, path: '{{dir}}/archive/all.jsonl.zst', flush: 100ms}}
"""


@needs_rsyslog
def test_kill_9_in_the_middle_loses_nothing_that_rsyslog_sent(logboom, tmp_path):
    port = free_port()
    daemon = logboom(ARCHIVE.format(port=port)).start().ready()
    rsyslog = Rsyslog(tmp_path / "rsyslog", port)
    written = 0
    try:
        for _ in range(max(3, CRASHES // 4)):
            before = daemon.metric("logboom_peer_records_total")
            rsyslog.write(f"line {n}" for n in range(written, written + 3000))
            written += 3000
            wait_for(lambda: daemon.metric("logboom_peer_records_total") > before, 60, "some of the lines")
            daemon.kill()
            daemon.start().ready()
        rsyslog.write(["the last"])
        wait_for(lambda: all_there(daemon, written), 120, "every line")
    finally:
        rsyslog.end()
    assert daemon.stop() == 0
    messages = [r["message"] for r in archive_records(daemon.dir / "archive")]
    assert {f"line {n}" for n in range(written)} <= set(messages)


def all_there(daemon, written):
    try:
        found = {r["message"] for r in archive_records(daemon.dir / "archive")}
    except AssertionError:
        return False  # a frame is just on its way
    time.sleep(0.2)  # unpacking all of it again and again costs
    return len(found) > written
