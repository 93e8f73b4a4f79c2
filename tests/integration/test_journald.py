"""The journald source over journals that systemd-journal-remote makes: fields, following, kills, rotation."""
import os
import shutil
import struct
import subprocess

import pytest

from harness import BIN, archive_records, wait_for

REMOTE = "/lib/systemd/systemd-journal-remote"
BOOT = "0123456789abcdef0123456789abcdef"

pytestmark = pytest.mark.skipif(not os.path.exists(REMOTE), reason="systemd-journal-remote is missing; tests/deps.sh")

CONFIG = """
commit_every: 50ms
sources:
  journal: {type: journald, path: '{dir}/journal'%s}
routes: [{to: out}]
sinks:
  out: {type: archive, path: '{dir}/out/%%Y.jsonl.zst', flush: 200ms}
"""


def export(number, fields):
    """One entry in the journal's export format."""
    time = 1_800_000_000_000_000 + number * 1000
    out = f"__REALTIME_TIMESTAMP={time}\n__MONOTONIC_TIMESTAMP={number * 1000 + 1}\n_BOOT_ID={BOOT}\n".encode()
    for name, value in fields:
        raw = value if isinstance(value, bytes) else str(value).encode()
        if b"\n" in raw or b"\0" in raw or any(b > 126 for b in raw):
            out += name.encode() + b"\n" + struct.pack("<Q", len(raw)) + raw + b"\n"
        else:
            out += name.encode() + b"=" + raw + b"\n"
    return out + b"\n"


class Journal:
    """A journal file that is written while others read it."""

    def __init__(self, path):
        path.parent.mkdir(exist_ok=True)
        self.path, self.count = path, 0
        self.writer = subprocess.Popen([REMOTE, "-o", str(path), "-"], stdin=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)

    def add(self, *fields):
        self.count += 1
        self.writer.stdin.write(export(self.count, fields))
        self.writer.stdin.flush()

    def lines(self, first, count, unit="app.service"):
        for i in range(first, first + count):
            self.add(("MESSAGE", f"line {i}"), ("PRIORITY", i % 8), ("_SYSTEMD_UNIT", unit))

    def close(self):
        self.writer.stdin.close()
        assert self.writer.wait(60) == 0


def journald(logboom, options=""):
    daemon = logboom(CONFIG % (options and ", " + options))
    (daemon.dir / "journal").mkdir()
    return daemon


def records(daemon):
    return archive_records(daemon.dir / "out")


def messages(daemon):
    return [r["message"] for r in records(daemon)]


def test_fields_of_an_entry_become_those_of_a_record(logboom):
    daemon = journald(logboom)
    journal = Journal(daemon.dir / "journal" / "remote.journal")
    journal.add(("MESSAGE", "Failed password"), ("PRIORITY", 3), ("_SYSTEMD_UNIT", "ssh.service"),
                ("SYSLOG_IDENTIFIER", "sshd"), ("_HOSTNAME", "web1"), ("_PID", 4711), ("CODE_FILE", "auth.c"),
                ("CODE_LINE", 99), ("REQUEST_ID", "r-1"), ("_CMDLINE", "sshd: x"), ("_TRANSPORT", "syslog"))
    journal.add(("MESSAGE", "two\nlines"), ("SYSLOG_IDENTIFIER", "kernel"), ("_SYSTEMD_UNIT", "session-1.scope"))
    journal.add(("MESSAGE", b"bin \xff\x00 ary"), ("BLOB", b"\x01\xfe\n"), ("LEVEL", "mine"))
    journal.add(("MESSAGE", '{"level":"warn","msg":"inner","n":5}'), ("PRIORITY", 6), ("_SYSTEMD_UNIT", "app.service"))
    journal.add(("PRIORITY", 6))
    journal.close()
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    rows = records(daemon)
    assert len(rows) == 5, rows
    first = rows[0]
    wanted = {"level": "error", "service": "ssh", "host": "web1", "message": "Failed password", "unit": "ssh.service",
              "identifier": "sshd", "pid": 4711, "code_file": "auth.c", "code_line": 99, "request_id": "r-1",
              "transport": "syslog", "boot_id": BOOT, "timestamp": "2027-01-15T08:00:00.001Z"}
    assert {k: first.get(k) for k in wanted} == wanted and "_cmdline" not in first
    assert rows[1]["message"] == "two\nlines" and rows[1]["service"] == "kernel"
    assert rows[2]["message"] == "bin \ufffd\0 ary" and rows[2]["level_"] == "mine" and "level" not in rows[2]
    assert rows[3]["level"] == "warn" and rows[3]["message"] == "inner" and rows[3]["n"] == 5
    assert rows[3]["unit"] == "app.service", "what the journal says stays beside what the message says"
    assert rows[4]["message"] == ""


def test_units_and_priorities_are_chosen(logboom):
    daemon = journald(logboom, "units: [web, db.socket], priority: warn")
    journal = Journal(daemon.dir / "journal" / "remote.journal")
    for unit in ("web.service", "db.socket", "other.service"):
        for priority in (3, 4, 5):
            journal.add(("MESSAGE", f"{unit} {priority}"), ("_SYSTEMD_UNIT", unit), ("PRIORITY", priority))
    journal.add(("MESSAGE", "web was started"), ("UNIT", "web.service"), ("_PID", 1), ("PRIORITY", 4),
                ("_SYSTEMD_UNIT", "init.scope"))
    journal.close()
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    assert sorted(messages(daemon)) == ["db.socket 3", "db.socket 4", "web was started", "web.service 3",
                                        "web.service 4"]


def test_it_follows_over_rotation_and_kills_and_has_each_entry_once(logboom):
    daemon = journald(logboom)
    journal = Journal(daemon.dir / "journal" / "a.journal")
    total = 0
    for round in range(6):
        daemon.start().ready()
        journal.lines(total, 5000)
        wait_for(lambda: daemon.metric("logboom_journald_entries_total") > 500, what="some entries")
        total += 5000
        daemon.process.kill()
        daemon.process.wait()
        if round == 2:
            # Rotated: the old file is another name and a new one goes on, counted by itself.
            journal.close()
            journal = Journal(daemon.dir / "journal" / "b.journal")
            journal.count = total
    daemon.start().ready()
    wait_for(lambda: len(messages(daemon)) >= total, 60, "all entries")
    journal.lines(total, 10)
    wait_for(lambda: len(messages(daemon)) >= total + 10, what="what comes while it follows")
    # Vacuumed.
    (daemon.dir / "journal" / "a.journal").unlink()
    journal.lines(total + 10, 10)
    wait_for(lambda: len(messages(daemon)) >= total + 20, what="what comes after the first file is gone")
    assert daemon.stop() == 0
    journal.lines(total + 20, 10)
    journal.close()
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    assert messages(daemon) == [f"line {i}" for i in range(total + 30)]


def test_read_from_end_begins_behind_what_is_there_and_stays_so(logboom):
    daemon = journald(logboom, "read_from: end")
    journal = Journal(daemon.dir / "journal" / "a.journal")
    journal.lines(0, 100)
    wait_for(lambda: journal.path.exists(), what="the journal")
    journal.close()
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    journal = Journal(daemon.dir / "journal" / "b.journal")
    journal.count = 100
    journal.lines(100, 3)
    journal.close()
    daemon.start("--exit-at-eof")
    assert daemon.wait() == 0, daemon.log()
    assert messages(daemon) == ["line 100", "line 101", "line 102"]


def test_a_directory_that_is_missing_is_waited_for_and_a_sink_that_blocks_holds_it_up(logboom):
    daemon = journald(logboom)
    shutil.rmtree(daemon.dir / "journal")
    check = subprocess.run([BIN, "check", "-c", str(daemon.config)], capture_output=True, text=True)
    assert check.returncode == 0 and "no directory yet" in check.stderr, check.stderr
    daemon.start().ready()
    wait_for(lambda: "cannot open the journal" in daemon.log(), what="a complaint")
    journal = Journal(daemon.dir / "journal" / "a.journal")
    journal.lines(0, 3000)
    journal.close()
    wait_for(lambda: len(messages(daemon)) == 3000, what="all entries")
