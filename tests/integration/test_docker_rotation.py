"""A container's lines that are not read, and Docker's rotation that comes nearer: told in time, by all ways."""
import json
import re
import threading

import pytest

from harness import free_port, wait_for
from recorder import Recorder

CONFIG = """
    memory: {{pool: 4MiB}}
    sources:
      containers: {{type: docker, include: ['{{dir}}/containers/*/*-json.log']}}
    routes: [{{to: slow}}]
    sinks:
      slow: {{type: webhook, url: '{slow}', retry: {{first: 20ms, max: 100ms}}, when_full: block}}
      hook: {{type: webhook, url: '{hook}', retry: {{first: 20ms, max: 100ms}}}}
    alerting:
      self: {{to: hook, rotation_within: {within}}}
"""
ID = "c0ffee" + "0" * 58


class Container:
    """A directory as the json-file driver keeps it, written to without end and rotated as it does."""

    def __init__(self, directory, size, files):
        self.directory = directory / "containers" / ID
        self.directory.mkdir(parents=True)
        self.size, self.files = size, files
        (self.directory / "config.v2.json").write_text(json.dumps({"ID": ID, "Name": "/shop", "Config": {"Image": "shop"}}))
        (self.directory / "hostconfig.json").write_text(json.dumps({"LogConfig": {
            "Type": "json-file", "Config": {"max-size": f"{size // 1024}k", "max-file": str(files)}}}))
        self.log = self.directory / f"{ID}-json.log"
        self.log.touch()
        self.written = 0
        self.paced_by = None  # a logboom that keeps up: not much is written ahead of it
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def rotate(self):
        for number in range(self.files - 1, 0, -1):
            old = self.log.with_name(self.log.name + (f".{number - 1}" if number > 1 else ""))
            if old.exists():
                old.rename(self.log.with_name(f"{self.log.name}.{number}"))
        self.log.touch()

    def run(self):
        number = 0
        while not self.stopping.wait(0.01):
            if self.paced_by and self.written > self.paced_by.metric("logboom_tail_bytes_total") + 256 * 1024:
                continue
            if self.log.stat().st_size > self.size:
                self.rotate()
            number += 1  # a file that begins like another is not read at once: it may be a copy
            text = json.dumps({"log": f"{number} " + "x" * 900 + "\n", "stream": "stdout", "time": "2026-03-01T12:00:00Z"})
            with open(self.log, "a") as out:
                out.write((text + "\n") * 20)
            self.written += (len(text) + 1) * 20

    def stop(self):
        self.stopping.set()
        self.thread.join()


@pytest.fixture
def hook():
    recorder = Recorder()
    yield recorder
    recorder.close()


def told(hook, state):
    return [each for each in hook.told() if each.get("rule") == "logboom_rotation" and each["state"] == state]


def test_it_is_told_how_long_unread_lines_are_there(logboom, hook, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}/"
    daemon = logboom(CONFIG.format(slow=nobody, hook=hook.url, within="1h"))
    container = Container(daemon.dir, 8 * 1024 * 1024, 5)
    daemon.start().ready()
    assert daemon.metric("logboom_rotation_left_seconds", source="containers") == 86400
    container.thread.start()
    try:
        wait_for(lambda: told(hook, "firing"), 60, "word of it")
        # While it writes: when it has stopped nothing is in danger any more.
        wait_for(lambda: 0 <= daemon.metric("logboom_rotation_left_seconds", source="containers") < 3600, 30, "a time")
        status = wait_for(lambda: [each for each in json.loads(daemon.get("/api/v1/status")[1])["components"]
                                   if each["name"] == "containers" and "rotation_container" in each], 30, "a status")
    finally:
        container.stop()
    notice = told(hook, "firing")[0]
    assert notice["key"] == {"source": "containers"} and notice["severity"] == "high"
    assert re.search(r"MiB are not read, and rotation begins to take them in about \d+[smh]", notice["message"]), notice
    assert status[0]["rotation_container"] == ID and 0 <= status[0]["rotation_left_seconds"] < 86400
    line = next(line for line in daemon.log().splitlines() if "rotation will take" in line)
    assert f"container={ID}" in line and "max-size" in line and "/api/v1/status" in line
    daemon.kill()


def test_nothing_is_said_of_who_keeps_up(logboom, hook, tmp_path):
    receiver = Recorder()
    daemon = logboom(CONFIG.format(slow=receiver.url, hook=hook.url, within="10m"))
    daemon.write_config(CONFIG.format(slow=receiver.url, hook=hook.url, within="10m")
                        .replace("slow: {type: webhook", "slow: {type: file, path: '{dir}/out.log', flush: 100ms} #"))
    container = Container(daemon.dir, 1024 * 1024, 5)
    container.paced_by = daemon
    daemon.start().ready()
    container.thread.start()
    try:
        wait_for(lambda: daemon.metric("logboom_tail_rotations_total", source="containers") >= 30, 300, "rotations")
        assert daemon.metric("logboom_rotation_left_seconds", source="containers") == 86400
    finally:
        container.stop()
        receiver.close()
    assert not told(hook, "firing") and "rotation will take" not in daemon.log()
    assert daemon.stop() == 0
