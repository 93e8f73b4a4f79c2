"""Network sources with `durable: true`: kill -9, stops, outages, full and damaged journals, reloads."""
import json
import os
import random
import re
import socket
import struct
import subprocess
import threading
import time

from harness import BIN, archive_records, free_port, wait_for
from trials import program

CRASHES = int(os.environ.get("LB_CRASHES", "20"))

CONFIG = """
commit_every: {commit}
shutdown_timeout: 20s
sources:
  net:
    type: syslog
    listen: ['tcp://127.0.0.1:{tcp}', 'udp://127.0.0.1:{udp}']
    add: [source, file]
    durable: {durable}
    {more}
routes:
  - {{to: archive}}
sinks:
  archive: {{type: archive, path: '{{dir}}/archive/all.jsonl.zst', flush: 100ms}}
"""


class World:
    def __init__(self, logboom, durable="true", commit="300ms", more=""):
        self.tcp = free_port()
        self.udp = free_port(socket.SOCK_DGRAM)
        self.how = {"durable": durable, "commit": commit, "more": more}
        self.daemon = logboom(self.config())
        self.dir = self.daemon.dir
        self.connections = 0

    def config(self, **how):
        return CONFIG.format(tcp=self.tcp, udp=self.udp, **{**self.how, **how})

    def journal(self):
        return self.dir / "data/intake/net"

    def entries(self):
        """Every whole entry of the journal, as a reader without logboom sees it."""
        found = []
        for path in sorted(self.journal().glob("*.seg")):
            data = path.read_bytes()
            at = 16
            while at + 16 <= len(data) and data[at:at + 4] == b"\xa7Lbe":
                length = struct.unpack_from("<I", data, at + 4)[0]
                if at + 16 + length > len(data):
                    break
                found.append((path, at + 16, data[at + 16:at + 16 + length]))
                at += 16 + length
        return found

    def on_disk(self):
        return {text.decode() for _, _, payload in self.entries()
                for text in re.findall(rb"(?:tcp|udp) \d+ \d+(?= end)", payload)}

    def source(self):
        status = json.loads(self.daemon.get("/api/v1/status")[1])
        return next(c for c in status["components"] if c["kind"] == "source")

    def archived(self):
        """The messages without their ` end`, in order."""
        return [r["message"].removesuffix(" end") for r in archive_records(self.dir / "archive")]

    def seen(self):
        try:
            return self.archived()
        except AssertionError:
            return []  # a frame is just on its way

    def catch_up(self):
        """All that is in the journal is on its way. A stop would leave the rest for the next start."""
        wait_for(lambda: not self.source()["reading_back"], 60, "the end of reading back")

    def send_tcp(self, count, first=0, number=None, pad=""):
        if number is None:
            number = self.connections
            self.connections += 1
        with socket.create_connection(("127.0.0.1", self.tcp)) as peer:
            peer.sendall(b"".join(line("tcp", number, n, pad) for n in range(first, first + count)))
        return [f"tcp {number} {n}" for n in range(first, first + count)]

    def send_udp(self, count, number=0):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for n in range(count):
                peer.sendto(line("udp", number, n).rstrip(b"\n"), ("127.0.0.1", self.udp))
        return [f"udp {number} {n}" for n in range(count)]


def line(kind, number, n, pad=""):
    return f"<134>1 2026-01-01T00:00:00Z - app 1 - - {kind} {number} {n} end{pad}\n".encode()


class Sender(threading.Thread):
    """Connects again and again and sends numbered lines over TCP and UDP until told to end."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world = world
        self.ending = threading.Event()
        self.sent = {}  # connection -> lines given to the kernel

    def run(self):
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        number = 0
        while not self.ending.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.world.tcp), timeout=5) as peer:
                    number += 1
                    self.serve(peer, datagrams, number)
            except OSError:
                time.sleep(0.005)
        datagrams.close()

    def serve(self, peer, datagrams, number):
        n = 0
        while not self.ending.is_set():
            peer.sendall(b"".join(line("tcp", number, n + i) for i in range(20)))
            self.sent[number] = n = n + 20
            try:
                datagrams.sendto(line("udp", number, n).rstrip(b"\n"), ("127.0.0.1", self.world.udp))
            except OSError:
                pass  # nobody listens just now
            time.sleep(0.001)

    def end(self):
        self.ending.set()
        self.join()


def check_connections(messages):
    """None doubled, order kept, and of each connection a prefix without a gap."""
    assert len(messages) == len(set(messages)), "doubled: " + str(
        [m for m in set(messages) if messages.count(m) > 1][:5])
    found = {}
    for message in messages:
        kind, number, n = message.split()
        if kind == "tcp":
            found.setdefault(number, []).append(int(n))
    for number, numbers in found.items():
        assert numbers == list(range(len(numbers))), f"connection {number}: {numbers[:5]} … {len(numbers)}"
    return found


def test_kill_9_loses_nothing_that_was_on_disk(logboom):
    world = World(logboom)
    randomly = random.Random(CRASHES)
    sender = Sender(world)
    safe = set()
    world.daemon.start().ready()
    sender.start()
    for _ in range(CRASHES):
        before = world.daemon.metric("logboom_intake_syncs_total")
        wait_for(lambda: world.daemon.metric("logboom_intake_syncs_total") > before, what="a sync")
        time.sleep(randomly.uniform(0, 0.6))  # any instant
        world.daemon.kill()
        safe |= world.on_disk()
        world.daemon.start().ready()
    sender.end()
    world.catch_up()
    assert world.daemon.stop() == 0, world.daemon.log()
    messages = world.archived()
    found = check_connections(messages)
    assert safe, "nothing was on disk at any kill"
    assert not safe - set(messages), sorted(safe - set(messages))[:5]
    assert len(found) > CRASHES // 2
    assert all(len(numbers) <= sender.sent[int(number)] + 20 for number, numbers in found.items())
    ids = [r["id"] for r in archive_records(world.dir / "archive") if "id" in r]
    assert len(ids) == len(set(ids))


def test_what_no_commit_covers_is_read_back_under_the_same_name(logboom):
    """No commit before the kill: all must come from the journal, with peer, host and source as before."""
    world = World(logboom, commit="1h")
    world.daemon.start().ready()
    sent = world.send_tcp(300)
    sent += world.send_udp(50)
    wait_for(lambda: len(world.on_disk()) == 350, what="all on disk")
    world.daemon.kill()
    world.how["commit"] = "100ms"
    world.daemon.write_config(world.config())
    world.daemon.start().ready()
    wait_for(lambda: world.daemon.metric("logboom_intake_read_back_events_total") == 350, what="read back")
    assert world.daemon.stop() == 0
    messages = world.archived()
    check_connections(messages)
    assert sorted(messages) == sorted(sent)
    for record in archive_records(world.dir / "archive"):
        assert record["host"] == "127.0.0.1" and record["source"] == "net"
        where = f"udp://127.0.0.1:{world.udp}" if record["message"].startswith("udp") else "127.0.0.1:"
        assert record["file"].startswith(where), record


def test_a_clean_stop_loses_nothing_and_leaves_no_more_than_what_it_says(logboom):
    """What comes faster than the archive takes it is read back from the journal; a stop on the way leaves the rest there."""
    world = World(logboom)
    world.daemon.start().ready()
    sent = []
    for _ in range(5):
        sent += world.send_tcp(2000)
    wait_for(lambda: world.daemon.metric("logboom_syslog_messages_total") == len(sent), what="all taken in")
    assert world.daemon.stop() == 0, world.daemon.log()
    archived = world.archived()
    assert len(set(archived)) == len(archived)
    assert set(archived) | world.on_disk() == set(sent)
    waits = "waits for the next start source=net" in world.daemon.log()
    assert waits == (len(archived) < len(sent)), world.daemon.log()
    assert waits or not world.entries()
    world.daemon.start().ready()
    wait_for(lambda: len(world.seen()) == len(sent), what="all archived")
    world.catch_up()
    assert world.daemon.stop() == 0, world.daemon.log()
    assert check_connections(world.archived())
    assert sorted(world.archived()) == sorted(sent)
    assert not world.entries()


def test_an_outage_of_the_archive_is_bridged_over_restarts(logboom):
    world = World(logboom, commit="200ms", more="")
    archive = world.dir / "archive"
    archive.write_text("in the way")  # a file where the directory has to be
    world.daemon.start()
    world.daemon.ready()
    sent = world.send_tcp(1000)
    wait_for(lambda: len(world.on_disk()) == 1000, what="all on disk")
    world.daemon.kill()
    world.daemon.start().ready()
    sent += world.send_tcp(1000)
    wait_for(lambda: len(world.on_disk()) == 2000, what="the second part on disk")
    world.daemon.stop()  # what exit code it has is up to the sink
    archive.unlink()
    world.daemon.start().ready()
    wait_for(lambda: len(world.seen()) == 2000, what="all archived")
    assert world.daemon.stop() == 0
    assert world.archived() == sent


def test_a_damaged_byte_costs_that_entry_only(logboom):
    world = World(logboom, commit="1h")
    world.daemon.start().ready()
    sent = []
    for part in range(4):
        sent += world.send_tcp(100)
        wait_for(lambda n=part: len(world.on_disk()) == 100 * (n + 1), what="on disk")
    world.daemon.kill()
    entries = world.entries()
    path, offset, payload = entries[len(entries) // 2]
    lost = {text.decode() for text in re.findall(rb"tcp \d+ \d+(?= end)", payload)}
    assert lost and len(lost) < len(sent)
    with path.open("r+b") as segment:
        segment.seek(offset + len(payload) // 2)
        byte = segment.read(1)
        segment.seek(-1, os.SEEK_CUR)
        segment.write(bytes([byte[0] ^ 1]))
    world.daemon.start().ready()
    wait_for(lambda: world.daemon.metric("logboom_intake_damaged_total") == 1, what="counted")
    world.catch_up()
    assert world.daemon.stop() == 0
    messages = world.archived()
    assert len(messages) == len(set(messages))
    assert set(messages) == set(sent) - lost


def test_full_it_waits_says_so_and_goes_on(logboom):
    world = World(logboom, durable="{max_size: 1MiB}")
    archive = world.dir / "archive"
    archive.write_text("in the way")
    world.daemon.start().ready()
    pad = " " + "x" * 900
    expected = {}
    thread = threading.Thread(target=lambda: expected.update(sent=world.send_tcp(60000, pad=pad)), daemon=True)
    thread.start()
    wait_for(lambda: world.source()["state"] == "failing", what="a failing source")
    status, text = world.daemon.get("/health")
    assert status == 503 and "durable.max_size" in world.source()["problem"]
    assert world.daemon.metric("logboom_intake_failing") == 1
    assert world.daemon.metric("logboom_intake_bytes") <= 1024 * 1024
    assert thread.is_alive(), "the peer was not made to wait"
    archive.unlink()
    thread.join(120)
    assert expected, "the peer still waits"
    wait_for(lambda: world.daemon.metric("logboom_syslog_messages_total") == 60000, 120, what="all taken in")
    wait_for(lambda: world.source()["state"] == "ok", 60, what="an ok source")
    wait_for(lambda: world.daemon.metric("logboom_sink_records_total") == 60000, 120, what="all archived")
    assert world.daemon.stop() == 0
    messages = [message.split(" end")[0] for message in world.archived()]
    assert messages == expected["sent"]


def test_a_reload_keeps_order_and_loses_nothing(logboom):
    world = World(logboom, commit="100ms")
    world.daemon.start().ready()
    sender = Sender(world)
    sender.start()
    for turn in range(6):
        before = world.daemon.metric("logboom_syslog_messages_total")
        wait_for(lambda: world.daemon.metric("logboom_syslog_messages_total") > before, what="messages")
        world.daemon.write_config(world.config(more=f"service: turn{turn}"))
        status, text = world.daemon.get("/api/v1/reload", "POST", b"")
        assert status == 200, text
    sender.end()
    total = sum(sender.sent.values())
    wait_for(lambda: len([m for m in world.seen() if m.startswith("tcp")]) == total, what="all archived")
    assert world.daemon.stop() == 0, world.daemon.log()
    found = check_connections(world.archived())
    assert {int(n): len(numbers) for n, numbers in found.items()} == sender.sent


def failing_disk(world, seed, rate):
    """Calls below the intake fail, so many of 10,000, while the file exists that this returns."""
    switch = world.dir / "failing"
    world.daemon.environment = {"LD_PRELOAD": program("shim.so"), "LB_SHIM_SEED": str(seed), "LB_SHIM_RATE": str(rate),
                                "LB_SHIM_OUTPUT": str(world.journal()), "LB_SHIM_SWITCH": str(switch)}
    return switch


def test_a_disk_that_takes_nothing_is_told_and_waited_for(logboom):
    world = World(logboom)
    switch = failing_disk(world, 1, 10000)
    world.daemon.start().ready()
    sent = world.send_tcp(10)
    wait_for(lambda: world.seen() == sent, what="the first part")
    switch.touch()
    sent += world.send_tcp(5000)
    wait_for(lambda: world.source()["state"] == "failing", what="a failing source")
    assert world.daemon.get("/health")[0] == 503
    assert "cannot write to" in world.source()["problem"]
    assert len(world.seen()) == 10, "something went on that is not on disk"
    switch.unlink()
    wait_for(lambda: len(world.seen()) == len(sent), what="the rest")
    wait_for(lambda: world.daemon.get("/health")[0] == 200, what="health")
    assert world.daemon.stop() == 0
    assert world.archived() == sent


def test_kill_9_on_a_disk_that_fails_now_and_then(logboom):
    world = World(logboom)
    sender = Sender(world)
    safe = set()
    sender.start()
    for crash in range(max(CRASHES // 2, 3)):
        switch = failing_disk(world, crash, 500)
        world.daemon.start().ready()
        switch.touch()
        before = world.daemon.metric("logboom_intake_syncs_total")
        wait_for(lambda: world.daemon.metric("logboom_intake_syncs_total") > before + 3, 60, "some syncs")
        world.daemon.kill()
        switch.unlink()
        safe |= world.on_disk()
    sender.end()
    world.daemon.environment = {}
    world.daemon.start().ready()
    world.catch_up()
    assert world.daemon.stop() == 0, world.daemon.log()
    messages = world.archived()
    check_connections(messages)
    assert not safe - set(messages), sorted(safe - set(messages))[:5]


def test_an_intake_that_cannot_be_opened_is_told_at_the_start(logboom):
    world = World(logboom)
    intake = world.dir / "data/intake"
    intake.parent.mkdir(parents=True)
    intake.write_text("in the way")
    world.daemon.start()
    assert world.daemon.wait(30) != 0
    assert "cannot open its intake" in world.daemon.log()
    intake.unlink()
    world.daemon.start().ready()
    sent = world.send_tcp(10)
    wait_for(lambda: world.seen() == sent, what="archived")


def test_what_is_left_of_a_source_that_is_not_durable_any_more_is_told(logboom):
    world = World(logboom, commit="1h")
    world.daemon.start().ready()
    sent = world.send_tcp(10)
    wait_for(lambda: len(world.on_disk()) == 10, what="on disk")
    world.daemon.kill()
    world.daemon.write_config(world.config(durable="false"))
    world.daemon.start().ready()
    wait_for(lambda: "an intake belongs to no durable source" in world.daemon.log(), what="a warning")
    world.daemon.kill()
    world.daemon.write_config(world.config())
    world.daemon.start().ready()
    wait_for(lambda: world.seen() == sent, what="archived")


def test_check_refuses_it_where_it_makes_no_sense(tmp_path):
    config = tmp_path / "c.yaml"
    base = f"data_dir: {tmp_path}/data\nroutes: [{{to: a}}]\nsinks: {{a: {{type: stdout}}}}\n"
    cases = [
        ("a: {type: file, include: [/tmp/x.log], durable: true}", "for sources on the network"),
        ("a: {type: syslog, listen: ['tcp://:5140'], durable: maybe}", "expected true, false or {max_size: 1GiB}"),
        ("a: {type: syslog, listen: ['tcp://:5140'], durable: {max_size: 1}}", "durable.max_size"),
        ("a: {type: syslog, listen: ['tcp://:5140'], durable: {size: 1GiB}}", "size"),
    ]
    for source, expected in cases:
        config.write_text("sources:\n  " + source + "\n" + base)
        run = subprocess.run([BIN, "check", "-c", str(config)], capture_output=True, text=True)
        assert run.returncode != 0 and expected in run.stdout + run.stderr, (source, run.stdout, run.stderr)
    config.write_text("sources:\n  a: {type: syslog, listen: ['tcp://:5140'], durable: {max_size: 2GiB}}\n" + base)
    run = subprocess.run([BIN, "check", "-c", str(config)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
