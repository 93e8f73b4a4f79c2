"""What happens while a sink lags: the spool, over outages, crashes, clean stops, damage and full disks."""
import http.server
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import threading
import time

import pytest

from harness import archive_records, free_port, wait_for


class Hook:
    """A webhook receiver that can go away and come back on the same port. Keeps each message, by its id."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/in"
        self.lock = threading.Lock()
        self.messages = []   # in order of arrival, repeats of an id left out
        self.ids = {}
        self.repeats = 0
        self.server = None
        self.refuse = False

    def up(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if outer.refuse:
                    self.send_response(503)
                else:
                    outer.take(self.headers["webhook-id"], json.loads(body))
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a peer that was killed

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def down(self):
        self.server.shutdown()
        self.server.server_close()
        self.server = None

    def take(self, key, body):
        """With batches the id is of all of them: a batch that comes again is the same one."""
        with self.lock:
            if key in self.ids:
                self.repeats += 1
                return
            self.ids[key] = True
            self.messages += [record["message"] for record in (body if isinstance(body, list) else [body])]

    def got(self, prefix):
        with self.lock:
            return [m for m in self.messages if m.startswith(prefix)]


CONFIG = """
shutdown_timeout: 10s
sources:
  app: {{type: file, include: ['{dir}/in.log'], service: app}}
  net: {{type: syslog, listen: ['tcp://127.0.0.1:{port}']}}
routes:
  - {{to: [hook, archive]}}
sinks:
  archive: {{type: archive, path: '{dir}/archive/all.jsonl.zst', flush: 200ms}}
  hook:
    type: webhook
    url: {url}
    timeout: 2s
    retry: {{first: 50ms, max: 500ms}}
    batch: {{count: {count}, every: 50ms}}
    {more}
"""


class World:
    def __init__(self, logboom, directory, count=200, more="", config=CONFIG):
        self.dir = directory
        self.hook = Hook()
        self.port = free_port()
        self.log = directory / "in.log"
        self.log.write_text("")
        self.written = 0
        self.daemon = logboom(config.format(dir=directory, url=self.hook.url, port=self.port, count=count, more=more))

    def write(self, count, pad=""):
        with self.log.open("a") as out:
            for _ in range(count):
                out.write(json.dumps({"level": "info", "message": f"file {self.written}", "pad": pad}) + "\n")
                self.written += 1

    def syslog(self, first, count):
        with socket.create_connection(("127.0.0.1", self.port)) as peer:
            peer.sendall(b"".join(b"<134>1 2026-01-01T00:00:00Z host app 1 - - net %d\n" % n
                                  for n in range(first, first + count)))

    def spool_bytes(self):
        return self.sink("hook")["spool_bytes"]

    def sink(self, name):
        status = json.loads(self.daemon.get("/api/v1/status")[1])
        return next(c for c in status["components"] if c["kind"] == "sink" and c["name"] == name)

    def archived(self, prefix):
        """As a reader sees it now; a frame may just be on its way."""
        try:
            return [r["message"] for r in archive_records(self.dir / "archive") if r["message"].startswith(prefix)]
        except AssertionError:
            return []

    def rss(self):
        text = pathlib.Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 1024


def numbered(prefix, count, first=0):
    return [f"{prefix} {n}" for n in range(first, first + count)]


def in_order(found, prefix):
    numbers = [int(m[len(prefix) + 1:]) for m in found]
    assert numbers == sorted(numbers), "out of order"


def test_an_outage_holds_nobody_back_and_loses_nothing(tmp_path, logboom):
    world = World(logboom, tmp_path)
    world.daemon.start().ready()
    world.write(100_000, "x" * 200)
    world.syslog(0, 2000)
    # The archive has all of it though the hook has nothing: 30 MB went through a pool of 8 MiB.
    wait_for(lambda: len(world.archived("file")) == 100_000, 60, "everything in the archive")
    wait_for(lambda: len(world.archived("net")) == 2000, 60, "the syslog lines in the archive")
    wait_for(lambda: world.spool_bytes() > 20_000_000, 60, "the spool")
    sink = world.sink("hook")
    assert sink["policy"] == "spool" and sink["oldest_seconds"] >= 0 and sink["dropped_records"] == 0
    assert world.daemon.metric("logboom_sink_spool_bytes", sink="hook") > 20_000_000
    assert world.rss() < 100
    world.hook.up()
    wait_for(lambda: len(world.hook.got("file")) >= 100_000 and len(world.hook.got("net")) >= 2000, 120, "all of it")
    assert world.hook.got("file") == numbered("file", 100_000)
    assert world.hook.got("net") == numbered("net", 2000)
    wait_for(lambda: world.spool_bytes() == 0, 30, "an empty spool")
    # It keeps up again: nothing goes to the disk any more.
    spooled = world.daemon.metric("logboom_sink_spooled_records_total", sink="hook")
    world.write(500)
    wait_for(lambda: len(world.hook.got("file")) == 100_500, 30, "what came after")
    assert world.daemon.metric("logboom_sink_spooled_records_total", sink="hook") == spooled
    assert world.daemon.stop() == 0
    assert world.hook.got("file") == numbered("file", 100_500)


def test_kill_in_an_outage_keeps_what_the_spool_has(tmp_path, logboom):
    world = World(logboom, tmp_path)
    world.daemon.start().ready()
    world.write(20_000, "x" * 100)
    world.syslog(0, 500)
    wait_for(lambda: len(world.archived("net")) == 500, 60, "the archive")
    # Older than the 5 s that a record may wait in memory: then all of it is on disk, the sockets' lines too.
    wait_for(lambda: world.daemon.metric("logboom_sink_spooled_records_total", sink="hook") == 20_500, 60, "the spool")
    for _ in range(3):
        world.daemon.kill()
        world.write(1000)
        world.daemon.start().ready()
        wait_for(lambda: len(world.archived("file")) == world.written, 60, "the archive")
    world.daemon.kill()
    world.hook.up()
    world.daemon.start().ready()
    wait_for(lambda: len(world.hook.got("file")) >= world.written and len(world.hook.got("net")) >= 500, 60, "all")
    assert world.hook.got("file") == numbered("file", world.written)
    assert world.hook.got("net") == numbered("net", 500)
    assert world.daemon.stop() == 0


def test_kill_while_the_spool_drains_repeats_only_ids_that_are_known(tmp_path, logboom):
    world = World(logboom, tmp_path, count=1)
    world.daemon.start().ready()
    world.write(6000, "x" * 1000)
    wait_for(lambda: world.daemon.metric("logboom_sink_spooled_records_total", sink="hook") >= 5000, 60, "the spool")
    world.hook.up()
    for share in (500, 1500, 3000):
        wait_for(lambda: len(world.hook.got("file")) >= share, 60, "some")
        world.daemon.kill()
        world.daemon.start().ready()
    wait_for(lambda: len(world.hook.got("file")) >= 6000, 60, "all")
    assert sorted(world.hook.got("file")) == sorted(numbered("file", 6000))
    assert world.hook.got("file") == numbered("file", 6000)
    assert world.daemon.stop() == 0


def test_a_clean_stop_in_an_outage_keeps_lines_of_sockets(tmp_path, logboom):
    timeout = 60
    world = World(logboom, tmp_path, config=CONFIG.replace("shutdown_timeout: 10s", f"shutdown_timeout: {timeout}s"))
    world.daemon.start().ready()
    world.write(300)
    world.syslog(0, 1000)
    wait_for(lambda: len(world.archived("net")) == 1000, 60, "the archive")
    begin = time.monotonic()
    assert world.daemon.stop(2 * timeout) == 0, world.daemon.log()
    assert time.monotonic() - begin < timeout, "an outage must not use up shutdown_timeout"
    world.hook.up()
    world.daemon.start().ready()
    wait_for(lambda: len(world.hook.got("net")) >= 1000 and len(world.hook.got("file")) >= 300, 60, "all")
    assert world.hook.got("net") == numbered("net", 1000)
    assert world.hook.got("file") == numbered("file", 300)
    assert world.daemon.stop() == 0


def test_alerts_to_a_dead_hook_do_not_pin_the_pool(tmp_path, logboom):
    world = World(logboom, tmp_path, config="""
sources:
  app: {{type: file, include: ['{dir}/in.log'], service: app}}
routes:
  - {{to: archive}}
sinks:
  archive: {{type: archive, path: '{dir}/archive/all.jsonl.zst', flush: 200ms}}
  hook: {{type: webhook, url: {url}, retry: {{first: 50ms, max: 500ms}}, queue: 64KiB}}
alerting:
  lateness: 0s
  routes: [{{to: hook}}]
  rules:
    many: {{value: count(level >= error), over: 1s, by: key, critical: at least 1}}
""")
    world.daemon.start().ready()
    with world.log.open("a") as out:
        for key in range(3000):
            out.write(json.dumps({"level": "error", "key": f"k{key}", "message": f"file {key}"}) + "\n")
    wait_for(lambda: world.daemon.metric("logboom_sink_spooled_records_total", sink="hook") >= 2000, 60, "the spool")
    wait_for(lambda: world.daemon.metric("logboom_pool_used_bytes") < 5 * 1024 * 1024, 60, "most of the pool is free")
    with world.log.open("a") as out:
        out.write("".join(json.dumps({"level": "info", "message": f"later {n}"}) + "\n" for n in range(50_000)))
    wait_for(lambda: len(world.archived("later")) == 50_000, 60, "the archive goes on")
    world.daemon.kill()


def segments(world):
    return sorted((world.daemon.dir / "data/spool/hook").glob("*.seg"))


def test_a_flipped_byte_costs_what_it_hit(tmp_path, logboom):
    world = World(logboom, tmp_path, count=50)
    world.daemon.start().ready()
    for part in range(40):
        world.syslog(part * 100, 100)
        wait_for(lambda: len(world.archived("net")) == (part + 1) * 100, 30, "the archive")
    wait_for(lambda: world.daemon.metric("logboom_sink_spooled_records_total", sink="hook") == 4000, 60, "the spool")
    world.daemon.kill()
    data = bytearray(segments(world)[0].read_bytes())
    heads = [i for i in range(len(data)) if data[i:i + 4] == b"\xa7Lbe"]
    assert len(heads) > 3
    middle = len(heads) // 2
    hit = data[heads[middle]:heads[middle + 1]]
    lost = [int(part.split()[1]) for part in
            (chunk.decode(errors="replace") for chunk in split_messages(bytes(hit)))]
    data[heads[middle] + 60] ^= 0x40
    segments(world)[0].write_bytes(data)
    world.hook.up()
    world.daemon.start().ready()
    kept = [f"net {n}" for n in range(4000) if n not in set(lost)]
    wait_for(lambda: len(world.hook.got("net")) >= len(kept), 60, "the rest")
    assert lost and world.hook.got("net") == kept
    assert world.daemon.metric("logboom_spool_damaged_total", sink="hook") == 1
    assert "damaged" in world.daemon.log()
    assert world.daemon.stop() == 0


def split_messages(entry):
    return re.findall(rb"net \d+", entry)


def test_a_full_spool_drops_the_oldest_and_counts_them(tmp_path, logboom):
    world = World(logboom, tmp_path, more="spool: {max_size: 1MiB, then: drop_oldest}")
    world.daemon.start().ready()
    world.write(30_000, "x" * 100)
    wait_for(lambda: len(world.archived("file")) == 30_000, 60, "the archive")
    wait_for(lambda: world.daemon.metric("logboom_sink_spooled_records_total", sink="hook") == 30_000, 60, "all of it on disk")
    assert world.sink("hook")["dropped_records"] > 10_000
    assert world.spool_bytes() <= 1024 * 1024
    dropped = world.sink("hook")["dropped_records"]
    world.hook.up()
    wait_for(lambda: len(world.hook.got("file")) >= 30_000 - dropped, 60, "the rest")
    wait_for(lambda: world.spool_bytes() == 0, 30, "an empty spool")
    assert world.sink("hook")["dropped_records"] == dropped
    assert len(world.hook.got("file")) == 30_000 - dropped
    in_order(world.hook.got("file"), "file")
    assert world.hook.got("file")[-1] == "file 29999"
    assert world.daemon.metric("logboom_sink_dropped_records_total", sink="hook", reason="spool_full") == dropped
    assert world.daemon.stop() == 0


def test_a_queue_in_memory_drops_the_oldest_and_counts_them(tmp_path, logboom):
    world = World(logboom, tmp_path, more="when_full: drop_oldest\n    queue: 64KiB")
    world.daemon.start().ready()
    world.write(60_000, "x" * 200)
    wait_for(lambda: len(world.archived("file")) == 60_000, 60, "the archive")
    wait_for(lambda: world.sink("hook")["dropped_records"], 30, "dropping")
    world.hook.up()
    wait_for(lambda: len(world.hook.got("file")) + world.sink("hook")["dropped_records"] >= 60_000, 60, "the rest")
    assert len(world.hook.got("file")) + world.sink("hook")["dropped_records"] == 60_000
    in_order(world.hook.got("file"), "file")
    assert world.sink("hook")["policy"] == "drop_oldest"
    assert world.daemon.stop() == 0


def test_a_full_spool_blocks_and_goes_on(tmp_path, logboom):
    world = World(logboom, tmp_path, more="spool: {max_size: 1MiB}")
    world.daemon.start().ready()
    world.write(100_000, "x" * 200)
    wait_for(lambda: "spool is full" in world.sink("hook").get("problem", ""), 60, "the problem")
    assert world.daemon.get("/health")[0] == 503
    world.hook.up()
    wait_for(lambda: len(world.hook.got("file")) >= 100_000, 120, "all of it")
    assert world.hook.got("file") == numbered("file", 100_000)
    wait_for(lambda: world.daemon.get("/health")[0] == 200, 30, "health")
    assert world.daemon.stop() == 0


@pytest.fixture
def tiny_disk(tmp_path):
    place = tmp_path / "tiny"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("cannot mount a tmpfs here: " + done.stderr.decode().strip())
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_below_the_spool_blocks_and_goes_on_by_itself(tmp_path, logboom, tiny_disk):
    world = World(logboom, tmp_path)
    spool = world.daemon.dir / "data/spool"
    spool.mkdir(parents=True)
    (spool / "hook").symlink_to(tiny_disk)
    world.daemon.start().ready()
    world.write(60_000, "x" * 200)
    wait_for(lambda: "cannot write its spool" in world.sink("hook").get("problem", ""), 60, "the problem")
    assert "No space left" in world.sink("hook")["problem"]
    assert world.daemon.get("/health")[0] == 503
    world.hook.up()
    wait_for(lambda: len(world.hook.got("file")) >= 60_000, 120, "all of it")
    assert world.hook.got("file") == numbered("file", 60_000)
    wait_for(lambda: world.daemon.get("/health")[0] == 200, 30, "health")
    assert world.daemon.stop() == 0


def test_kills_at_any_time_lose_nothing_and_double_nothing_in_files(tmp_path, logboom):
    """The file sink may spool too, where it lags: what went to its spool and what it committed must never be counted
    twice or not at all, whenever the end comes."""
    dice = random.Random(int(os.environ.get("LB_SEED", "20260101")))
    world = World(logboom, tmp_path, config=CONFIG.replace("to: [hook, archive]", "to: [hook, archive, copy]")
                  + "  copy: {{type: file, path: '{dir}/copy.log', when_full: spool, format: raw}}\n"
                  + "memory: {{pool: 2MiB}}\ncommit_every: 100ms\n")
    world.hook.up()
    for _ in range(12):
        world.daemon.start().ready()
        before = len(world.hook.messages)
        world.write(8000, "x" * 300)
        world.hook.refuse = dice.random() < 0.5
        goal = dice.choice([1, 1000, 4000])
        if not world.hook.refuse:
            wait_for(lambda: len(world.hook.messages) >= before + goal, 60, "some at the hook")
        else:
            wait_for(lambda: world.daemon.metric("logboom_sink_spooled_records_total") >= goal, 60, "some on disk")
        world.daemon.kill()
    world.hook.refuse = False
    world.daemon.start().ready()
    # Requests of many records that come again after a crash may be cut otherwise: each record by its first coming.
    first = lambda: list(dict.fromkeys(world.hook.got("file")))  # noqa: E731
    wait_for(lambda: len(first()) >= world.written, 120, "all at the hook")
    assert first() == numbered("file", world.written)
    assert world.daemon.stop() == 0
    assert world.archived("file") == numbered("file", world.written)
    assert (tmp_path / "copy.log").read_text().splitlines() == numbered("file", world.written)


def test_a_reload_in_an_outage_goes_on_with_the_spool(tmp_path, logboom):
    world = World(logboom, tmp_path)
    world.daemon.start().ready()
    world.syslog(0, 500)
    wait_for(lambda: len(world.archived("net")) == 500, 60, "the archive")
    text = world.daemon.config.read_text()
    for timeout in ("3s", "4s"):
        world.daemon.config.write_text(text.replace("timeout: 2s", f"timeout: {timeout}"))
        assert world.daemon.get("/api/v1/reload", "POST", b"")[0] == 200, world.daemon.log()
        wait_for(lambda: world.spool_bytes() > 0, 30, "the spool")
        world.write(300)
        wait_for(lambda: len(world.archived("file")) == world.written, 60, "the archive")
    world.hook.up()
    wait_for(lambda: len(world.hook.got("net")) >= 500 and len(world.hook.got("file")) >= world.written, 60, "all")
    assert world.hook.got("net") == numbered("net", 500)
    assert world.hook.got("file") == numbered("file", world.written)
    wait_for(lambda: world.spool_bytes() == 0, 30, "an empty spool")
    assert world.daemon.stop() == 0


def test_a_spool_without_its_sink_is_told(tmp_path, logboom):
    world = World(logboom, tmp_path)
    world.daemon.start().ready()
    world.syslog(0, 300)
    wait_for(lambda: len(world.archived("net")) == 300, 60, "the archive")
    assert world.daemon.stop() == 0
    text = world.daemon.config.read_text()
    world.daemon.config.write_text(text.replace("hook:", "renamed:").replace("[hook,", "[renamed,"))
    world.hook.up()
    world.daemon.start().ready()
    assert "a spool belongs to no sink" in world.daemon.log() and "sink=hook" in world.daemon.log()
    assert world.daemon.stop() == 0
    world.daemon.config.write_text(text)
    world.daemon.start().ready()
    wait_for(lambda: len(world.hook.got("net")) >= 300, 60, "all")
    assert world.hook.got("net") == numbered("net", 300)
    wait_for(lambda: segments(world) == [], 30, "nothing left on disk")
    assert world.daemon.stop() == 0


def test_a_backlog_is_delivered_though_the_policy_changed(tmp_path, logboom):
    world = World(logboom, tmp_path)
    world.daemon.start().ready()
    world.syslog(0, 300)
    wait_for(lambda: len(world.archived("net")) == 300, 60, "the archive")
    assert world.daemon.stop() == 0
    text = world.daemon.config.read_text().replace("    batch:", "    when_full: block\n    batch:")
    world.daemon.config.write_text(text)
    world.hook.up()
    world.daemon.start().ready()
    world.syslog(300, 100)
    wait_for(lambda: len(world.hook.got("net")) >= 400, 60, "all")
    assert world.hook.got("net") == numbered("net", 400)
    assert world.sink("hook")["policy"] == "block"
    assert world.daemon.stop() == 0
