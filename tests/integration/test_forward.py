"""The Forward protocol: every mode, answers, the handshake, TLS, Docker's parts, limits, reloads and kill -9."""
import contextlib
import collections
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest

msgpack = pytest.importorskip("msgpack", reason="python3-msgpack is not installed")

from forward_sender import Sender, compressed, event_time, many, one, pack, packed  # noqa: E402
from harness import BIN, archive_records, free_port, wait_for  # noqa: E402

CRASHES = int(os.environ.get("LB_CRASHES", "20"))
AT = 1767225600  # 2026-01-01T00:00:00Z

CONFIG = """
    sources:
      net:
        type: forward
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

    def sender(self, context=None):
        return Sender(self.port, context)


@pytest.fixture
def receiver(logboom):
    return Receiver(logboom)


def entries(count, first=0):
    return [(event_time(AT, n), {"message": f"m{n}"}) for n in range(first, first + count)]


# --- what is sent arrives ------------------------------------------------------------


@pytest.mark.parametrize("make", [many, packed, compressed])
def test_every_mode_arrives_in_order_with_its_time(receiver, make):
    with receiver.sender() as sender:
        sender.send(make("app.web", entries(1000), chunk="c1"))
        assert sender.answer() == {"ack": "c1"}
    records = receiver.wait_for(1000)
    assert [r["message"] for r in records] == [f"m{n}" for n in range(1000)]
    assert records[7]["timestamp"].startswith("2026-01-01T00:00:00")
    assert {r["tag"] for r in records} == {"app.web"}
    assert {r["host"] for r in records} == {"127.0.0.1"}


def test_one_record_a_message_with_each_kind_of_time(receiver):
    times = [AT, event_time(AT, 500_000_000), AT + 0.25, [event_time(AT, 750_000_000), {"meta": 1}]]
    with receiver.sender() as sender:
        for number, time in enumerate(times):
            sender.send(one("t", time, {"message": str(number)}))
    records = receiver.wait_for(4)
    assert [r["timestamp"] for r in records] == [
        "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.500Z", "2026-01-01T00:00:00.250Z", "2026-01-01T00:00:00.750Z"]


def test_compressed_chunks_of_several_members(receiver):
    with receiver.sender() as sender:
        sender.send(compressed("t", entries(500), members=7, chunk="x"))
        assert sender.answer() == {"ack": "x"}
    assert [r["message"] for r in receiver.wait_for(500)] == [f"m{n}" for n in range(500)]


def test_values_of_every_kind_keep_what_they_are(receiver):
    record = {"message": "hällo \"q\" \n\x01", "bytes": b"raw \xff", "int": -5, "big": 2**63 + 1, "small": -2**63,
              "float": 0.1, "nan": float("nan"), "yes": True, "none": None, "list": [1, "a", [2]],
              "map": {"a": {"b": 1}}, 17: "number as key", "level": "error", "time": "stays a field"}
    with receiver.sender() as sender:
        sender.send(one("t", AT, record))
    got = receiver.wait_for(1)[0]
    assert got == {"timestamp": "2026-01-01T00:00:00Z", "level": "error", "host": "127.0.0.1",
                   "message": record["message"], "tag": "t", "bytes": "raw \ufffd", "int": -5, "big": 2**63 + 1,
                   "small": -2**63, "float": 0.1, "nan": None, "yes": True, "none": None, "list": [1, "a", [2]],
                   "map": {"a": {"b": 1}}, "17": "number as key", "time": "stays a field"}


def test_bytes_that_come_one_by_one_make_the_same_records(receiver):
    data = one("t", AT, {"message": "one"}) + packed("t", entries(2), chunk="q")
    with receiver.sender() as sender:
        for i in range(len(data)):
            sender.send(data[i:i + 1])
        assert sender.answer() == {"ack": "q"}
    assert [r["message"] for r in receiver.wait_for(3)] == ["one", "m0", "m1"]


def test_a_real_client_of_fluentd(receiver):
    fluent = pytest.importorskip("fluent.sender", reason="fluent-logger is not installed")
    logger = fluent.FluentSender("app", host="127.0.0.1", port=receiver.port, nanosecond_precision=True)
    for n in range(50):
        assert logger.emit_with_time("follow", fluent.EventTime(AT + n), {"message": f"n{n}", "user": n})
    logger.close()
    records = receiver.wait_for(50)
    assert [(r["message"], r["user"], r["tag"]) for r in records] == [(f"n{n}", n, "app.follow") for n in range(50)]
    assert records[3]["timestamp"] == "2026-01-01T00:00:03Z"


def test_a_chunk_larger_than_the_pool(logboom):
    receiver = Receiver(logboom)
    text = "x" * 1000
    with receiver.sender() as sender:
        sender.send(packed("t", [(AT, {"message": f"{n} {text}"}) for n in range(12000)], chunk="big"))
        assert sender.answer() == {"ack": "big"}
    assert [r["message"] for r in receiver.wait_for(12000)] == [f"{n} {text}" for n in range(12000)]


def test_metrics_of_fluent_bit_are_answered_and_passed_over(receiver):
    with receiver.sender() as sender:
        sender.send(pack(["cpu", b"\x81\xa4meta\x80", {"fluent_signal": 1, "chunk": "m"}]))
        assert sender.answer() == {"ack": "m"}
        sender.send(packed("t", entries(1), fluent_signal=0, chunk="l"))
        assert sender.answer() == {"ack": "l"}
    assert receiver.wait_for(1)[0]["message"] == "m0"
    assert "no logs" in receiver.daemon.log()


# --- Docker --------------------------------------------------------------------------


def docker(log, **more):
    return {"container_id": "3f" * 32, "container_name": "/web-1", "source": "stdout", "log": log, **more}


def test_dockers_fields_have_the_names_of_the_source_docker(receiver):
    with receiver.sender() as sender:
        sender.send(one("3f3f3f3f3f3f", event_time(AT), docker('{"level":"warn","msg":"slow","ms":7}', shop="a")))
        sender.send(one("3f3f3f3f3f3f", event_time(AT), docker("plain text")))
    first, second = receiver.wait_for(2)
    assert (first["level"], first["message"], first["ms"], first["shop"]) == ("warn", "slow", 7, "a")
    assert second["message"] == "plain text"
    for record in (first, second):
        assert record["container"] == {"id": "3f" * 32, "name": "web-1"}
        assert record["stream"] == "stdout" and "log" not in record and "source" not in record


def part(log, ordinal, last, part_id="p1"):
    return docker(log, partial_message="true", partial_id=part_id, partial_ordinal=str(ordinal),
                  partial_last="true" if last else "false")


def test_messages_in_parts_are_joined(receiver):
    parts = b""
    for ordinal in range(1, 5):
        parts += one("t", event_time(AT, ordinal), part("a" * 16384 + str(ordinal), ordinal, ordinal == 4))
        parts += one("t", event_time(AT, ordinal), part(f"b{ordinal} ", ordinal, ordinal == 4, "p2"))
    with receiver.sender() as sender:
        sender.send(parts)  # at once: a part waits a few seconds for its rest
    records = receiver.wait_for(2)
    assert records[0]["message"] == "".join("a" * 16384 + str(n) for n in range(1, 5))
    assert records[1]["message"] == "b1 b2 b3 b4 "
    assert records[0]["container"]["name"] == "web-1" and "partial_id" not in records[0]


def test_parts_without_an_end_come_when_the_connection_ends(receiver):
    with receiver.sender() as sender:
        sender.send(one("t", event_time(AT), part("begun", 1, False)))
        sender.send(one("t", event_time(AT), {"message": "other"}))
        receiver.wait_for(1)
    record = receiver.wait_for(2)[1]
    assert record["message"] == "begun" and record["truncated"] is True


def test_parts_that_want_a_safe_answer_are_not_held(logboom):
    receiver = Receiver(logboom, more="durable: true")
    with receiver.sender() as sender:
        for ordinal in (1, 2):
            sender.send(one("t", event_time(AT), part(f"part{ordinal}", ordinal, ordinal == 2), chunk=f"c{ordinal}"))
            assert sender.answer() == {"ack": f"c{ordinal}"}
    records = receiver.wait_for(2)
    assert [(r["message"], r["partial_ordinal"]) for r in records] == [("part1", "1"), ("part2", "2")]


# --- who may send ------------------------------------------------------------------------


def test_a_shared_key_and_users(logboom):
    receiver = Receiver(logboom, more="shared_key: s3cret\n        users: {alice: wonder}")
    with receiver.sender() as sender:
        assert sender.greet("s3cret", user="alice", password="wonder")[1] is True
        sender.send(one("t", AT, {"message": "in"}, chunk="k"))
        assert sender.answer() == {"ack": "k"}
    for key, user, password, reason in [("wrong", "alice", "wonder", "shared key mismatch"),
                                        ("s3cret", "alice", "wrong", "username/password mismatch"),
                                        ("s3cret", "bob", "wonder", "username/password mismatch")]:
        with receiver.sender() as sender:
            pong = sender.greet(key, user=user, password=password)
            assert pong[1] is False and pong[2] == reason
            assert sender.closed()
    with receiver.sender() as sender:
        assert sender.answer()[0] == "HELO"
        sender.send(one("t", AT, {"message": "without a greeting"}))
        assert sender.closed()
    wait_for(lambda: receiver.daemon.metric("logboom_peer_errors_total") == 4, what="four that were refused")
    assert [r["message"] for r in receiver.wait_for(1)] == ["in"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "key.pem", "-out",
                    directory / "cert.pem"], check=True, capture_output=True)
    return directory


def trusting(certificate, own=False):
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    if own:
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


def test_tls_with_certificates_of_senders(logboom, certificate):
    more = (f"tls: {{cert: {certificate}/cert.pem, key: {certificate}/key.pem, ca: {certificate}/cert.pem, "
            "verify_client: true}")
    receiver = Receiver(logboom, more=more, scheme="tls")
    with receiver.sender(trusting(certificate, own=True)) as sender:
        sender.send(compressed("t", entries(2000), chunk="safe"))
        assert sender.answer() == {"ack": "safe"}
    receiver.wait_for(2000)
    try:
        with receiver.sender(trusting(certificate)) as sender:
            sender.send(one("t", AT, {"message": "without a certificate"}))
            assert sender.closed()
    except OSError:
        pass
    with receiver.sender() as plain:
        plain.send(one("t", AT, {"message": "not encrypted"}))
        assert plain.closed()
    assert len(receiver.records()) == 2000


def test_tls_without_a_certificate_is_told_by_check(logboom):
    daemon = logboom(CONFIG.format(port=free_port(), more="", scheme="tls")).start()
    assert daemon.wait(20) != 0
    assert "TLS needs tls: {cert: server.pem, key: server.key}" in daemon.log()


# --- what is no message ---------------------------------------------------------------------


GARBAGE = [b"\xc1", b"\x93\xa1t", os.urandom(5000), b"GET / HTTP/1.1\r\n\r\n", pack({"a": 1}), pack(["t"]),
           pack([1, 2, 3]), pack(["t", "no time", {}]), pack(["t", AT, "no map"]), pack(["t", [[AT]], {}]),
           pack(["t", b"\x92\x01", {}]), pack(["t", b"junk", {"compressed": "gzip"}]),
           pack(["t", b"junk", {"compressed": "zstd"}]), b"\x93\xa1t\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
           b"\x91" * 5000, b"\x93\xa1t\xc6\xff\xff\xff\xff", pack(["t", AT, {}, {"chunk": "x" * 5000}])]


def test_garbage_hurts_neither_the_daemon_nor_other_peers(receiver):
    with receiver.sender() as good:
        good.send(one("t", AT, {"message": "before"}))
        for data in GARBAGE:
            with receiver.sender() as sender:
                sender.send(data)
                with contextlib.suppress(OSError):  # it may be closed by the other side already
                    sender.socket.shutdown(1)
                assert sender.closed()
        good.send(one("t", AT, {"message": "after"}, chunk="a"))
        assert good.answer() == {"ack": "a"}
    wait_for(lambda: [r["message"] for r in receiver.records() if r.get("message") in ("before", "after")] ==
             ["before", "after"], what="the good peer's records")
    assert receiver.daemon.metric("logboom_peer_errors_total") >= 12


def test_a_message_over_max_message_closes_at_once(logboom):
    receiver = Receiver(logboom, more="max_message: 64KiB")
    with receiver.sender() as sender:
        sender.send(b"\x93\xa1t\xc6\x00\x10\x00\x00")
        assert sender.closed()
    assert "longer than max_message" in receiver.daemon.log()
    with receiver.sender() as sender:  # little that becomes much
        sender.send(compressed("t", [(AT, {"message": "x" * 1_000_000})]))
        assert sender.closed()
    with receiver.sender() as sender:
        sender.send(compressed("t", [(AT, {"message": "x" * 30_000})] * 300, chunk="fine"))
        assert sender.answer() == {"ack": "fine"}


def test_a_record_over_max_line_is_cut_and_stays_whole_json(logboom):
    receiver = Receiver(logboom, more="max_line: 64KiB")
    with receiver.sender() as sender:
        sender.send(one("t", AT, {"a": 1, "message": "ä\n" * 100_000, "behind": 2}))
        sender.send(one("t", AT, {"message": "next", "list": list(range(100_000)), "behind": 2}))
        sender.send(one("t", AT, docker("y" * 100_000)))
    cut, listed, container = receiver.wait_for(3)
    assert cut["truncated"] is True and cut["a"] == 1 and ("ä\n" * 100_000).startswith(cut["message"])
    assert len(cut["message"]) > 15_000
    assert listed["truncated"] is True and listed["message"] == "next" and "list" not in listed
    assert listed["behind"] == 2
    assert container["truncated"] is True and container["container"]["name"] == "web-1"
    assert set(container["message"]) == {"y"} and len(container["message"]) > 50_000


def test_connections_over_the_limit_are_refused(logboom):
    receiver = Receiver(logboom, more="max_connections: 2")
    with receiver.sender() as a, receiver.sender() as b:
        a.send(one("t", AT, {"message": "a"}))
        b.send(one("t", AT, {"message": "b"}))
        receiver.wait_for(2)
        with receiver.sender() as c:
            assert c.closed()
    assert receiver.daemon.metric("logboom_peer_refused_connections_total") == 1


def test_a_silent_peer_is_closed_after_idle_timeout(logboom):
    receiver = Receiver(logboom, more="idle_timeout: 300ms")
    with receiver.daemon.standing_still():
        sender = receiver.sender()
        sender.send(one("t", AT, {"message": "one"}))
    with sender:
        assert sender.closed()
    receiver.wait_for(1)


def test_peers_that_stall_in_mid_message_cost_bounded_memory_and_hinder_nobody(logboom):
    receiver = Receiver(logboom)
    stalled = []
    for _ in range(12):  # 12 × 15 MiB, of which 64 MiB may be held
        sender = receiver.sender()
        stalled.append(sender)
        try:
            sender.send(b"\x93\xa1t\xc6\x00\xf0\x00\x00" + b"x" * (15 * 1024 * 1024 - 100))
        except OSError:
            pass  # closed, as it should
    wait_for(lambda: receiver.daemon.metric("logboom_peer_errors_total") >= 6, what="those that are too many")
    with receiver.sender() as good:
        good.send(one("t", AT, {"message": "good"}, chunk="g"))
        assert good.answer() == {"ack": "g"}
    if not re.search("asan|tsan", BIN):  # a sanitizer keeps what was freed
        status = open(f"/proc/{receiver.daemon.process.pid}/status").read()
        assert int(status.split("VmHWM:")[1].split()[0]) < 250 * 1024
    assert receiver.daemon.metric("logboom_peer_connections") >= 2
    for sender in stalled:
        sender.close()
    wait_for(lambda: receiver.daemon.metric("logboom_peer_connections") == 0, what="no connection")


def test_a_peer_that_does_not_take_its_answers_gets_all_of_them_in_the_end(receiver):
    count = 3000
    chunks = [f"{n} ".ljust(4000, "c") for n in range(count)]
    with receiver.sender() as sender:
        writing = threading.Thread(target=lambda: [sender.send(one("t", AT, {"message": "m"}, chunk=c)) for c in chunks],
                                   daemon=True)
        writing.start()
        wait_for(lambda: receiver.daemon.metric("logboom_peer_records_total") > 10, what="the first records")
        assert [sender.answer()["ack"] for _ in chunks] == chunks
        writing.join()
    receiver.wait_for(count)


# --- reload and crash ---------------------------------------------------------------------------


@pytest.mark.parametrize("more", ["", "durable: true"])
def test_a_reload_keeps_the_port_and_the_connection(logboom, more):
    receiver = Receiver(logboom, more=more)
    with receiver.sender() as sender:
        sender.send(one("t", AT, {"message": "before"}, chunk="1"))
        assert sender.answer() == {"ack": "1"}
        receiver.daemon.write_config(CONFIG.format(port=receiver.port, scheme="tcp", more="service: changed\n        " + more))
        receiver.daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in receiver.daemon.log(), what="the reload")
        sender.send(one("t", AT, {"message": "after"}, chunk="2"))
        assert sender.answer() == {"ack": "2"}
    records = receiver.wait_for(2)
    assert [r["message"] for r in records] == ["before", "after"]
    assert records[1]["service"] == "changed"


def test_a_reload_that_cannot_be_gives_the_port_and_the_connection_back(logboom):
    receiver = Receiver(logboom)
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, receiver.sender() as sender:
        sender.send(one("t", AT, {"message": "before"}, chunk="1"))
        assert sender.answer() == {"ack": "1"}
        other = f"', 'tcp://127.0.0.1:{taken.getsockname()[1]}"
        receiver.daemon.write_config(CONFIG.format(port=f"{receiver.port}{other}", scheme="tcp", more=""))
        receiver.daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "Address already in use" in receiver.daemon.log(), what="the refusal")
        sender.send(one("t", AT, {"message": "after"}, chunk="2"))
        assert sender.answer() == {"ack": "2"}
        with receiver.sender() as second:
            second.send(one("t", AT, {"message": "new"}, chunk="3"))
            assert second.answer() == {"ack": "3"}
    assert [r["message"] for r in receiver.wait_for(3)] == ["before", "after", "new"]


ARCHIVE = """
commit_every: 300ms
sources:
  net: {{type: forward, listen: 'tcp://127.0.0.1:{port}', durable: true}}
routes: [{{to: archive}}]
sinks:
  archive: {{type: archive, path: '{{dir}}/archive/all.jsonl.zst', flush: 100ms}}
"""


class Stubborn(threading.Thread):
    """Sends numbered chunks in every mode until each is answered; connects again and again."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.ending = threading.Event()
        self.answered = []
        self.sent_again = set()  # chunks that were sent more than once
        self.number = 0

    def run(self):
        while not self.ending.is_set():
            try:
                with Sender(self.port, timeout=5) as sender:
                    while not self.ending.is_set():
                        self.send_one(sender)
            except OSError:
                self.sent_again.add(self.number)

    def send_one(self, sender):
        number = self.number
        records = [(AT, {"message": f"{number} {i}"}) for i in range(10)]
        sender.send((many, packed, compressed)[number % 3]("t", records, chunk=f"c{number}"))
        answer = sender.answer()
        if answer is None:
            raise OSError("closed")
        assert answer == {"ack": f"c{number}"}
        self.answered.append(number)
        self.number += 1


def check_answered(daemon, sender):
    """All that was answered is in the archive, and only what was sent again is there twice."""
    sender.ending.set()
    sender.join()

    def caught_up():
        status = json.loads(daemon.get("/api/v1/status")[1])
        return not next(c for c in status["components"] if c["kind"] == "source")["reading_back"]
    wait_for(caught_up, 60, "the end of reading back")
    assert daemon.stop() == 0
    messages = collections.Counter(r["message"] for r in archive_records(daemon.dir / "archive"))
    answered = {f"{n} {i}" for n in sender.answered for i in range(10)}
    assert answered <= set(messages), sorted(answered - set(messages))[:5]
    doubled = {int(message.split()[0]) for message, count in messages.items() if count > 1}
    assert doubled <= sender.sent_again


def test_reloads_while_answers_are_owed_lose_nothing_that_was_answered(logboom):
    port = free_port()
    daemon = logboom(ARCHIVE.format(port=port)).start().ready()
    sender = Stubborn(port)
    sender.start()
    for n in range(6):
        reached = len(sender.answered) + 3
        wait_for(lambda: len(sender.answered) >= reached, 60, "three more answers")
        daemon.write_config(ARCHIVE.format(port=port).replace("durable", f"max_connections: {10 + n}, durable"))
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: daemon.log().count("reloaded") > n, what="the reload")
    check_answered(daemon, sender)


def test_kill_9_loses_nothing_that_was_answered(logboom):
    port = free_port()
    daemon = logboom(ARCHIVE.format(port=port)).start().ready()
    sender = Stubborn(port)
    sender.start()
    for _ in range(CRASHES):
        reached = len(sender.answered) + 3
        wait_for(lambda: len(sender.answered) >= reached, 60, "three more answers")
        daemon.kill()
        daemon.start().ready()
    check_answered(daemon, sender)
