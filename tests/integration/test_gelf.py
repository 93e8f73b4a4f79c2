"""GELF as others send it: chunks, compression, TCP with NULs, TLS; garbage, bombs and stalled chunks beside good messages."""
import gzip
import json
import os
import socket
import struct
import zlib

import pytest

from harness import free_port, wait_for

CONFIG = """
    sources:
      apps: {source}
    routes: [{{to: out}}]
    sinks:
      out: {{type: file, path: '{{dir}}/out.jsonl', format: json}}
    commit_every: 200ms
"""


class Receiver:
    def __init__(self, make, **more):
        self.udp, self.tcp = free_port(socket.SOCK_DGRAM), free_port()
        self.daemon = make(CONFIG.format(source=json.dumps(
            {"type": "gelf", "listen": [f"udp://127.0.0.1:{self.udp}", f"tcp://127.0.0.1:{self.tcp}"], **more}))).start().ready()
        self.out = self.daemon.dir / "out.jsonl"

    def records(self):
        return [json.loads(line) for line in self.out.read_bytes().split(b"\n")[:-1]] if self.out.exists() else []

    def wait_for(self, count):
        wait_for(lambda: len(self.records()) >= count, what=f"{count} records, of which there are {len(self.records())},")
        return self.records()

    def datagram(self, *datagrams):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for data in datagrams:
                s.sendto(data, ("127.0.0.1", self.udp))

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.tcp), timeout=20)


def message(text, **more):
    return json.dumps({"version": "1.1", "host": "web1", "short_message": text, **more}).encode()


def chunks(data, count, name=b"12345678"):
    step = -(-len(data) // count)
    return [b"\x1e\x0f" + name + bytes([i, count]) + data[i * step:(i + 1) * step] for i in range(count)]


def test_every_field_has_its_place(logboom):
    receiver = Receiver(logboom)
    receiver.datagram(message("refused", full_message="a\nb", timestamp=1700000000.25, level=3, _user_id=17, _service="shop",
                              _ok=True, _host="x", facility="pay", line=7, file="a.rb", **{"_a.b-c": "d"}))
    assert receiver.wait_for(1)[0] == {
        "timestamp": "2023-11-14T22:13:20.250Z", "level": "error", "service": "shop", "host": "web1", "message": "refused",
        "full_message": "a\nb", "user_id": 17, "ok": True, "host_": "x", "facility": "pay", "line": 7, "file": "a.rb", "a.b-c": "d"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress])
def test_many_messages_in_chunks_and_compressed(logboom, pack):
    receiver = Receiver(logboom)
    for i in range(200):
        data = pack(message(f"number {i} " + os.urandom(2000).hex()))
        parts = chunks(data, 1 + i % 7, struct.pack(">Q", i)) if i % 2 else [data]
        receiver.datagram(*reversed(parts))
        wait_for(lambda: receiver.daemon.metric("logboom_gelf_messages_total") == i + 1, what=f"message {i}")
    assert [r["message"].split()[1] for r in receiver.wait_for(200)] == [str(i) for i in range(200)]
    assert not any("parse_error" in r for r in receiver.records())


def test_tcp_messages_end_with_nul_whatever_the_pieces(logboom):
    receiver = Receiver(logboom)
    stream = b"".join(json.dumps(json.loads(message(f"number {i}")), indent=1).encode() + b"\0" for i in range(300))
    with receiver.connect() as s:
        for at in range(0, len(stream), 777):
            s.sendall(stream[at:at + 777])
        s.sendall(message("the last"))
    records = receiver.wait_for(301)
    assert [r["message"] for r in records] == [f"number {i}" for i in range(300)] + ["the last"]


def test_what_is_invalid_is_kept_as_text_with_the_reason(logboom):
    receiver = Receiver(logboom)
    cases = [(b"hello", "object"), (b'{"short_message":"x"}', "host"), (b'{"host":"h"}', "short_message"),
             (b'{"host":"h","short_message":"x","_a%b":1}', "name"), (b'{"host":"h","short_message":"x"} y', "behind"),
             (gzip.compress(message("cut"))[:40], "object"), (b"\x1e\x0f12", "object")]
    for data, _ in cases:
        receiver.datagram(data)
    records = receiver.wait_for(len(cases))
    assert all(reason in record["parse_error"] for record, (_, reason) in zip(records, cases)), records
    assert records[0]["message"] == "hello" and records[0]["host"] == "127.0.0.1"


def test_garbage_bombs_and_stalled_chunks_hurt_nobody(logboom):
    receiver = Receiver(logboom, max_line="64KiB")
    sent = 0

    def send(*datagrams):
        """And waits until all were read: no more lies in the socket's buffer than any has room for."""
        nonlocal sent
        receiver.datagram(*datagrams)
        sent += sum(map(len, datagrams))
        wait_for(lambda: receiver.daemon.metric("logboom_gelf_bytes_total") == sent, what=f"{sent} bytes")

    send(zlib.compress(b"a" * 50_000_000), b"", os.urandom(30000), b"{" * 60000, b"\x1e\x0f" + b"x" * 10 + b"\0")
    for _ in range(5):
        send(*[chunks(b"never whole" * 500, 100, os.urandom(8))[0] for _ in range(100)])
    with receiver.connect() as stalled, receiver.connect() as flood, receiver.connect() as good:
        stalled.sendall(b'{"host":')
        flood.sendall(b"x" * 1_000_000)
        good.sendall(message("good") + b"\0")
        receiver.datagram(message("and by udp"))
        wait_for(lambda: {r["message"] for r in receiver.records()} >= {"good", "and by udp"}, what="the good messages")
    bomb = next(r for r in receiver.records() if r["message"].startswith("aaa"))
    assert bomb["truncated"] is True and len(bomb["message"]) == 65536 and bomb["parse_error"]

    def given_up():
        receiver.datagram(message("tick"))
        return receiver.daemon.metric("logboom_gelf_lost_chunked_messages_total") == 500
    wait_for(given_up, what="500 given up")


def test_a_durable_one_keeps_what_was_taken_over_a_kill(logboom):
    receiver = Receiver(logboom, durable=True)
    with receiver.connect() as s:
        s.sendall(b"".join(message(f"number {i}") + b"\0" for i in range(500)))
        wait_for(lambda: receiver.daemon.metric("logboom_gelf_messages_total") == 500, what="500 taken")
        receiver.wait_for(500)
    receiver.daemon.kill()
    receiver.daemon.start().ready()
    receiver.datagram(message("after"))
    wait_for(lambda: any(r["message"] == "after" for r in receiver.records()), what="one more")
    assert {r["message"] for r in receiver.records()} >= {f"number {i}" for i in range(500)}


def test_a_reload_keeps_connections_and_chunks(logboom):
    receiver = Receiver(logboom)
    parts = chunks(message("in two halves"), 2)
    with receiver.connect() as s:
        s.sendall(message("first") + b"\0" + message("split")[:30])
        receiver.wait_for(1)
        receiver.datagram(parts[0])
        wait_for(lambda: receiver.daemon.metric("logboom_gelf_bytes_total") == len(message("first")) + 31 + len(parts[0]), what="the half")
        text = receiver.daemon.config.read_text().replace('"type": "gelf"', '"type": "gelf", "service": "s"')
        receiver.daemon.config.write_text(text)
        receiver.daemon.get("/api/v1/reload", method="POST")
        receiver.datagram(parts[1])
        s.sendall(message("split")[30:] + b"\0")
        records = receiver.wait_for(3)
    assert {r["message"] for r in records} == {"first", "split", "in two halves"}
    assert [r.get("service") for r in records if r["message"] != "first"] == ["s", "s"]
