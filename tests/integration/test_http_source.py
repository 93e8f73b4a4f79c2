"""Events posted by HTTP, with curl and by hand: what is taken, what is refused and why, and when it is 200."""
import contextlib
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from harness import BIN, free_port, make_certificate, wait_for

CONFIG = """
    sources:
      posted: {source}
    routes: [{{to: out}}]
    sinks:
      out: {{type: file, path: '{{dir}}/out.jsonl', format: json}}
    commit_every: 200ms
"""


class Receiver:
    def __init__(self, make, **more):
        self.port = free_port()
        self.source = {"type": "http", "listen": [f"tcp://127.0.0.1:{self.port}"], **more}
        self.daemon = make(CONFIG.format(source=json.dumps(self.source))).start().ready()
        self.out = self.daemon.dir / "out.jsonl"

    def records(self):
        return [json.loads(line) for line in self.out.read_bytes().split(b"\n")[:-1]] if self.out.exists() else []

    def wait_for(self, count):
        wait_for(lambda: len(self.records()) >= count, what=f"{count} records, of which there are {len(self.records())},")
        return self.records()

    def curl(self, data, *arguments, url=None):
        """Status and body of a POST by curl."""
        done = subprocess.run(["curl", "-sS", "-m", "120", "-o", "-", "-w", "\n%{http_code}", "--data-binary", "@-", *arguments,
                               url or f"http://127.0.0.1:{self.port}/"], input=data, capture_output=True)
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.decode().rpartition("\n")
        return int(status), body

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


def answer_of(connection):
    """Status and all that came, until the other side closes."""
    got = b""
    try:
        while data := connection.recv(65536):
            got += data
    except ConnectionResetError:
        pass
    return int(got.split(b" ", 2)[1]) if got else None, got


def read_answer(stream):
    """Status and body of one answer on a connection that stays."""
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline().strip()):
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return status, stream.read(length)


JSON = ("-H", "Content-Type: application/json")
TEXT = ("-H", "Content-Type: text/plain")


def request(body, *headers, method=b"POST", path=b"/"):
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: x", *headers]
    if not any(h.lower().startswith((b"content-length", b"transfer-encoding")) for h in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


# --- what is taken ------------------------------------------------------------------

def test_all_forms_of_events(logboom):
    receiver = Receiver(logboom)
    one = {"timestamp": "2026-01-31T12:00:00Z", "level": "error", "service": "shop", "host": "web1", "message": "refused", "user": {"id": 7}}
    assert receiver.curl(json.dumps(one).encode(), *JSON) == (200, '{"records":1}\n')
    assert receiver.curl(json.dumps([{"message": f"a{i}"} for i in range(3)], indent=2).encode(), *JSON) == (200, '{"records":3}\n')
    assert receiver.curl(b'{"message":"n0"}\n\n{"message":"n1"}\r\n{"message":\n"n2"}', "-H", "Content-Type: application/x-ndjson; charset=utf-8") == (
        200, '{"records":3}\n')
    assert receiver.curl(b"first line\r\n\nsecond line", *TEXT) == (200, '{"records":2}\n')
    assert receiver.curl(b'{"message":"no type"}') == (200, '{"records":1}\n')
    assert receiver.curl(b"[]", *JSON) == (200, '{"records":0}\n')
    assert receiver.curl(b"", *TEXT) == (200, '{"records":0}\n')
    records = receiver.wait_for(10)
    assert records[0] == {"timestamp": "2026-01-31T12:00:00Z", "level": "error", "service": "shop", "host": "web1", "message": "refused",
                          "user": {"id": 7}}
    assert [r["message"] for r in records[1:]] == ["a0", "a1", "a2", "n0", "n1", "n2", "first line", "second line", "no type"]
    assert {r["host"] for r in records[1:]} == {"127.0.0.1"}


def test_much_at_once_compressed_and_in_chunks(logboom):
    receiver = Receiver(logboom)
    data = b"".join(json.dumps({"message": f"number {i}", "pad": "x" * (i % 50)}).encode() + b"\n" for i in range(20000))
    zipped = gzip.compress(data)
    assert receiver.curl(data, *JSON)[0] == 200
    assert receiver.curl(zipped, *JSON, "-H", "Content-Encoding: gzip")[0] == 200
    assert receiver.curl(zipped[:0] + data, *JSON, "-H", "Transfer-Encoding: chunked")[0] == 200
    packed = subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout
    assert receiver.curl(packed, *JSON, "-H", "Content-Encoding: zstd", "-H", "Expect: 100-continue")[0] == 200
    records = receiver.wait_for(80000)
    assert [r["message"] for r in records] == [f"number {i}" for i in range(20000)] * 4


def test_a_connection_is_kept_and_requests_may_come_in_any_pieces(logboom):
    receiver = Receiver(logboom)
    chunked = b"5;x=y\r\n{\"mes\r\n0b\r\nsage\":\"c\"}\n\r\n0\r\nTrailer: x\r\n\r\n"
    stream = request(b'{"message":"a"}') + request(b"b", b"Content-Type: text/plain") + request(chunked, b"Transfer-Encoding: chunked") + request(b"d")
    with receiver.connect() as s, s.makefile("rb") as answers:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(stream)):
            s.sendall(stream[i:i + 1])
        assert [read_answer(answers) for _ in range(4)] == [(200, b'{"records":1}\n')] * 4
        s.sendall(stream)
        assert [read_answer(answers)[0] for _ in range(4)] == [200] * 4
    assert [r["message"] for r in receiver.wait_for(8)] == ["a", "b", "c", "d"] * 2


def test_a_line_over_max_line_is_cut_and_flagged(logboom):
    receiver = Receiver(logboom, max_line="64KiB")
    assert receiver.curl(b"x" * 100000 + b"\nnext", *TEXT)[0] == 200
    first, second = receiver.wait_for(2)
    assert first["truncated"] is True and len(first["message"]) == 65536 and second["message"] == "next"


def test_a_local_socket_tells_the_process(logboom):
    directory = tempfile.mkdtemp(prefix="lb-sock-")
    try:
        receiver = Receiver(logboom, listen=[f"unix://{directory}/in"])
        status, _ = receiver.curl(b'{"message":"x","host":"web1"}\n{"message":"y"}', "--unix-socket", f"{directory}/in")
        assert status == 200
        first, second = receiver.wait_for(2)
        assert first["host"] == "web1" and second["host"].split(".")[0] == socket.gethostname().split(".")[0]
        assert first["peer_uid"] == os.getuid() and second["peer_pid"] > 0
    finally:
        shutil.rmtree(directory)


def test_https_with_a_token_and_a_path(logboom, tmp_path):
    make_certificate(tmp_path, "server", "/CN=127.0.0.1")
    port = free_port()
    receiver = Receiver(logboom, listen=[f"tls://127.0.0.1:{port}"], path="/logs", token="s3cret",
                        tls={"cert": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.key")})
    url = f"https://127.0.0.1:{port}/logs?x=y"
    data = b"".join(b'{"message":"%d"}\n' % i for i in range(50000))
    assert receiver.curl(data, "--cacert", str(tmp_path / "server.pem"), "-H", "Authorization: Bearer s3cret", url=url) == (200, '{"records":50000}\n')
    assert receiver.curl(b"{}", "--cacert", str(tmp_path / "server.pem"), "-H", "Authorization: Bearer s3creT", url=url)[0] == 401
    assert [r["message"] for r in receiver.wait_for(50000)] == [str(i) for i in range(50000)]


# --- what is refused -----------------------------------------------------------------

def test_what_is_wrong_is_said_and_nothing_of_it_is_taken(logboom):
    receiver = Receiver(logboom, max_body="64KiB", token="s3cret", path="/in")
    url = f"http://127.0.0.1:{receiver.port}/in"
    auth = ("-H", "Authorization: Bearer s3cret")

    def said(status, data, *arguments, url=url):
        got, body = receiver.curl(data, *auth, *arguments, url=url)
        assert got == status, body
        return json.loads(body)["error"]
    assert "event 2, at byte 20" in said(400, b'{"message": "good"}\n[1]', *JSON)
    assert "event 3" in said(400, b'[{"a":1},{"b":2},{"c":}]', *JSON)
    assert "expected an object" in said(400, b"hello", *JSON)
    assert "expected" in said(400, b'[{"a":1}', *JSON)
    assert "compressed" in said(400, gzip.compress(b'{"a":1}')[:-4], *JSON, "-H", "Content-Encoding: gzip")
    assert "compressed" in said(400, b'{"a":1}', *JSON, "-H", "Content-Encoding: zstd")
    assert "max_body" in said(413, b"x" * 70000, *TEXT)
    assert "max_body" in said(413, b"x" * 70000, *TEXT, "-H", "Transfer-Encoding: chunked")
    assert "decompressed" in said(413, gzip.compress(b"x" * 50_000_000), *TEXT, "-H", "Content-Encoding: gzip")
    assert "application/json" in said(415, b"<x/>", "-H", "Content-Type: text/xml")
    assert "gzip" in said(415, b"{}", *JSON, "-H", "Content-Encoding: br")
    assert "nothing here" in said(404, b"{}", *JSON, url=url + "x")
    assert "POST" in said(405, b"{}", "-X", "DELETE")
    assert receiver.curl(b"{}", *JSON, url=url)[0] == 401
    assert receiver.curl(b"{}", *JSON, "-H", "Authorization: Bearer s3cre", url=url)[0] == 401
    assert receiver.curl(b'{"message":"good"}', *JSON, *auth, url=url)[0] == 200
    assert [r["message"] for r in receiver.wait_for(1)] == ["good"]
    assert receiver.daemon.metric("logboom_http_source_refused_requests_total") == 15


@pytest.mark.parametrize("data, status", [
    (b"hello\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400), (b"POST / HTTP/2.0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", 400), (b"POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\nhello", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400), (b"POST / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400), (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab", 400),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 400), (b"POST / HTTP/1.1\r\n\r\n", 411),
    (b"POST / HTTP/1.1\r\nX: " + b"x" * 20000, 431), (b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n", 413),
])
def test_what_is_no_request_is_refused_and_closed(logboom, data, status):
    receiver = Receiver(logboom)
    with receiver.connect() as s:
        s.sendall(data)
        assert answer_of(s)[0] == status
    assert receiver.curl(b'{"message":"after"}')[0] == 200
    assert [r["message"] for r in receiver.wait_for(1)] == ["after"]


def test_slow_and_silent_peers_are_closed(logboom):
    receiver = Receiver(logboom, request_timeout="500ms", idle_timeout="1s")
    whole = request(b'{"message":"slow"}')
    with contextlib.ExitStack() as stack:
        with receiver.daemon.standing_still():
            silent, slow, body, kept = (stack.enter_context(receiver.connect()) for _ in range(4))
            slow.sendall(whole[:10])
            body.sendall(whole[:-5])
            kept.sendall(request(b'{"message":"kept"}'))
        assert answer_of(slow)[0] == 408 and answer_of(body)[0] == 408
        assert answer_of(silent)[0] is None and answer_of(kept)[0] == 200
    assert [r["message"] for r in receiver.wait_for(1)] == ["kept"]


def test_too_many_connections_are_refused(logboom):
    receiver = Receiver(logboom, max_connections=4)
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(receiver.connect())
        with receiver.connect() as fifth:
            assert answer_of(fifth)[0] is None
        assert receiver.daemon.metric("logboom_http_source_refused_connections_total") == 1


def test_check_says_what_is_wrong(logboom):
    def said(**more):
        daemon = logboom(CONFIG.format(source=json.dumps({"type": "http", "listen": ["tcp://127.0.0.1:8080"], **more})), name="check")
        done = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
        assert done.returncode == 1
        return done.stderr
    assert "expected tcp://HOST:PORT, tls://" in said(listen=["udp://127.0.0.1:8080"])
    assert "expected a path" in said(path="logs")


# --- when it is safe -------------------------------------------------------------------

def test_what_was_answered_200_by_a_durable_source_survives_a_kill(logboom):
    receiver = Receiver(logboom, durable=True)
    answered = []
    with receiver.connect() as s, s.makefile("rb") as answers:
        for i in range(40):
            s.sendall(request(b'{"message":"%d"}' % i))
            assert read_answer(answers)[0] == 200
            answered.append(str(i))
        receiver.daemon.process.send_signal(signal.SIGKILL)
        receiver.daemon.process.wait()
    receiver.daemon.start().ready()
    wait_for(lambda: {r["message"] for r in receiver.records()} >= set(answered), what="all that were answered 200")


def test_no_credit_is_503_with_retry_after_and_then_goes_on(logboom):
    port = free_port()
    daemon = logboom(f"""
        memory: {{pool: 2MiB}}
        sources:
          posted: {{type: http, listen: ['tcp://127.0.0.1:{port}']}}
        routes: [{{to: out}}]
        sinks:
          out: {{type: webhook, url: 'http://127.0.0.1:{free_port()}/', when_full: block, batch: {{count: 10}}}}
        """).start().ready()
    body = b"".join(b'{"message":"%d","pad":"%s"}\n' % (i, b"x" * 1000) for i in range(500))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s, s.makefile("rb") as stream:
        for _ in range(20):
            s.sendall(request(body))
            line = stream.readline()
            status = int(line.split()[1])
            headers = {}
            while (text := stream.readline().strip()):
                name, _, value = text.partition(b":")
                headers[name.lower()] = value.strip()
            stream.read(int(headers[b"content-length"]))
            if status == 503:
                break
            assert status == 200
        assert status == 503 and headers[b"retry-after"] == b"1"
    assert daemon.metric("logboom_http_source_busy_requests_total") == 1


def test_a_reload_keeps_connections(logboom):
    receiver = Receiver(logboom)
    with receiver.connect() as s, s.makefile("rb") as answers, receiver.connect() as half, half.makefile("rb") as half_answers:
        s.sendall(request(b'{"message":"before"}'))
        assert read_answer(answers)[0] == 200
        receiver.wait_for(1)
        half.sendall(request(b'{"message":"half"}')[:-6])
        receiver.daemon.write_config(CONFIG.format(source=json.dumps({**receiver.source, "fields": {"new": "yes"}})))
        assert receiver.daemon.get("/api/v1/reload", method="POST")[0] == 200
        half.sendall(request(b'{"message":"half"}')[-6:])
        assert read_answer(half_answers)[0] == 200
        s.sendall(request(b'{"message":"after"}'))
        assert read_answer(answers)[0] == 200
        records = receiver.wait_for(3)
    assert [(r["message"], r.get("new")) for r in records] == [("before", None), ("half", "yes"), ("after", "yes")]
