"""Syslog as others send it: logger, both framings, slow bytes and garbage; what arrives is read from the file."""
import json
import os
import shutil
import socket
import subprocess
import time

import pytest

from harness import free_port, wait_for

CONFIG = """
    sources:
      hosts:
        type: syslog
        listen: ['udp://127.0.0.1:{udp}', 'tcp://127.0.0.1:{tcp}']
    routes: [{{to: out}}]
    sinks:
      out: {{type: file, path: '{{dir}}/out.jsonl', format: json}}
    commit_every: 200ms
"""


class Receiver:
    """A logboom with a UDP and a TCP port, and the records it has written so far."""

    def __init__(self, make):
        self.udp = free_port(socket.SOCK_DGRAM)
        self.tcp = free_port()
        self.daemon = make(CONFIG.format(udp=self.udp, tcp=self.tcp)).start().ready()
        self.out = self.daemon.dir / "out.jsonl"

    def records(self):
        if not self.out.exists():
            return []
        return [json.loads(line) for line in self.out.read_bytes().split(b"\n")[:-1]]

    def wait_for(self, count):
        wait_for(lambda: len(self.records()) >= count, what=f"{count} records, of which there are {len(self.records())},")
        records = self.records()
        assert len(records) == count
        return records

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.tcp))

    def datagram(self, data):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(data, ("127.0.0.1", self.udp))


@pytest.fixture
def receiver(logboom):
    return Receiver(logboom)


def counted(message):
    return b"%d %s" % (len(message), message)


needs_logger = pytest.mark.skipif(shutil.which("logger") is None, reason="logger (util-linux) is not installed")


@needs_logger
@pytest.mark.parametrize("flags", [["--udp"], ["--udp", "--rfc3164"], ["--tcp"], ["--tcp", "--rfc3164"],
                                   ["--tcp", "--octet-count"], ["--tcp", "--octet-count", "--rfc3164"]])
def test_logger_arrives_with_all_that_it_says(receiver, flags):
    port = receiver.tcp if "--tcp" in flags else receiver.udp
    # A fixed zone: RFC 3164 does not say in which its time is.
    subprocess.run(["logger", "--server", "127.0.0.1", "--port", str(port), *flags, "--priority", "local3.err",
                    "--tag", "payments", "--id=4711", "card was refused"], check=True,
                   env={**os.environ, "TZ": "UTC"})
    record = receiver.wait_for(1)[0]
    assert record["level"] == "error"
    assert record["facility"] == "local3"
    assert record["service"] == "payments"
    assert record["pid"] == "4711"
    assert record["message"] == "card was refused"
    assert record["host"] == socket.gethostname().split(".")[0] or record["host"] == socket.gethostname()
    assert "parse_error" not in record
    at = time.mktime(time.strptime(record["timestamp"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert abs(at - time.time()) < 60


def test_rfc5424_keeps_every_field(receiver):
    receiver.datagram(b"<165>1 2026-01-31T12:34:56.789+01:00 web1 shop 12 ID47 "
                      b'[origin ip="192.0.2.1" ip="192.0.2.2"][x@1 note="a \\"b\\" \\] c"] \xef\xbb\xbfna\xc3\xafve')
    assert receiver.wait_for(1)[0] == {
        "timestamp": "2026-01-31T11:34:56.789Z", "level": "notice", "service": "shop", "host": "web1",
        "message": "naïve", "facility": "local4", "pid": "12", "msgid": "ID47",
        "structured_data": {"origin": {"ip": ["192.0.2.1", "192.0.2.2"]}, "x@1": {"note": 'a "b" ] c'}}}


def test_a_message_without_host_gets_the_address_of_its_peer(receiver):
    receiver.datagram(b"<13>app: by udp")
    receiver.wait_for(1)
    with receiver.connect() as s:
        s.sendall(b"<13>app: by tcp\n")
        records = receiver.wait_for(2)
    assert [(r["host"], r["service"], r["message"]) for r in records] == [
        ("127.0.0.1", "app", "by udp"), ("127.0.0.1", "app", "by tcp")]


def test_counted_frames_keep_their_line_ends(receiver):
    with receiver.connect() as s:
        s.sendall(b"".join(counted(b"<11>1 - h app - - - line %d\n  at two" % i) for i in range(500)))
    records = receiver.wait_for(500)
    assert [r["message"] for r in records] == [f"line {i}\n  at two" for i in range(500)]
    assert {r["level"] for r in records} == {"error"}


def test_lines_arrive_in_order_and_the_last_without_an_end_too(receiver):
    with receiver.connect() as s:
        s.sendall(b"".join(b"<14>Oct 11 22:14:15 web1 app[%d]: message %d\n" % (i, i) for i in range(5000)) +
                  b"<14>Oct 11 22:14:15 web1 app: the last")
    records = receiver.wait_for(5001)
    assert [r["message"] for r in records] == [f"message {i}" for i in range(5000)] + ["the last"]
    assert records[4999]["pid"] == "4999"


@pytest.mark.parametrize("stream", [b"<13>x: one\n<13>x: two\n", counted(b"<13>x: one") + counted(b"<13>x: two")])
def test_bytes_that_come_one_by_one_make_the_same_messages(receiver, stream):
    with receiver.connect() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(stream)):
            s.sendall(stream[i:i + 1])
        records = receiver.wait_for(2)
    assert [r["message"] for r in records] == ["one", "two"]


def test_text_that_begins_with_digits_swallows_nothing(receiver):
    with receiver.connect() as s:
        s.sendall(b"2026-01-01 is no count\n1700000000 nor this\n<13>app: a frame\n")
        records = receiver.wait_for(3)
    assert [r["message"] for r in records] == ["2026-01-01 is no count", "1700000000 nor this", "a frame"]


def test_garbage_hurts_neither_the_daemon_nor_other_peers(receiver):
    garbage = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(300), os.urandom(100000),
               b"1" * 5000, b"\n" * 10000, b"\0" * 10000, b"0 <13>x", b"99999999999999999999 <13>x",
               b"<" * 3000 + b"\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
    with receiver.connect() as good:
        good.sendall(b"<13>app: before\n")
        for data in garbage:
            with receiver.connect() as s:
                try:
                    s.sendall(data)
                except OSError:
                    pass  # closed by the receiver, as it should
            receiver.datagram(data[:60000])
        good.sendall(b"<13>app: after\n")
        wait_for(lambda: [r["message"] for r in receiver.records() if r.get("service") == "app"] == ["before", "after"],
                 what="the good peer's messages")
    # Every record is valid JSON and has a time, whatever came in.
    assert all("timestamp" in r and "message" in r for r in receiver.records())
    wait_for(lambda: receiver.daemon.metric("logboom_syslog_framing_errors_total") >= 3, what="three that were closed")


def test_a_line_over_max_line_is_cut_and_flagged(logboom):
    config = CONFIG.replace("type: syslog", "type: syslog\n        max_line: 64KiB")
    udp, tcp = free_port(socket.SOCK_DGRAM), free_port()
    daemon = logboom(config.format(udp=udp, tcp=tcp)).start().ready()
    out = daemon.dir / "out.jsonl"
    with socket.create_connection(("127.0.0.1", tcp)) as s:
        s.sendall(b"<13>app: " + b"x" * 70000 + b"<0>forged: gone\n<13>app: next\n")
        wait_for(lambda: out.exists() and out.read_bytes().count(b"\n") == 2, what="two records")
    first, second = [json.loads(line) for line in out.read_text().splitlines()]
    assert first["truncated"] is True and first["service"] == "app"
    assert len(first["message"]) == 65536 - len("<13>app: ")
    assert second["message"] == "next" and "truncated" not in second


def test_counters_say_what_came(receiver):
    with receiver.connect() as s:
        s.sendall(b"<13>app: one\n")
        receiver.wait_for(1)
        assert receiver.daemon.metric("logboom_syslog_connections", source="hosts") == 1
    receiver.datagram(b"<13>app: two")
    receiver.wait_for(2)
    assert receiver.daemon.metric("logboom_syslog_messages_total", source="hosts") == 2
    assert receiver.daemon.metric("logboom_syslog_bytes_total", source="hosts") == 25
    wait_for(lambda: receiver.daemon.metric("logboom_syslog_connections", source="hosts") == 0, what="no connection")


def test_many_connections_at_once_lose_nothing(receiver):
    sockets = [receiver.connect() for _ in range(200)]
    for round_number in range(20):
        for i, s in enumerate(sockets):
            s.sendall(b"<13>c%d: r%d\n<13>c%d: and r%d" % (i, round_number, i, round_number))
        for s in sockets:
            s.sendall(b" more\n")
    for s in sockets:
        s.close()
    records = receiver.wait_for(200 * 20 * 2)
    for i in range(200):
        own = [r["message"] for r in records if r["service"] == f"c{i}"]
        assert own == [m for n in range(20) for m in (f"r{n}", f"and r{n} more")]


def test_a_port_in_use_is_told_at_start(logboom):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        daemon = logboom(CONFIG.format(udp=free_port(socket.SOCK_DGRAM), tcp=port)).start()
        assert daemon.wait(20) != 0
    assert f"tcp://127.0.0.1:{port}" in daemon.log()
    assert "Address already in use" in daemon.log()


def test_an_unknown_scheme_is_told_with_those_that_are_known(logboom):
    daemon = logboom(CONFIG.replace("udp://", "relp://").format(udp=5140, tcp=5141)).start()
    assert daemon.wait(20) != 0
    assert "relp://127.0.0.1:5140" in daemon.log() and "udp://HOST:PORT" in daemon.log()
